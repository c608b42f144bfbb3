//! Regression snapshots: compares what a recording publishes with its accepted golden.
//!
//! ```text
//! recording ─ replay in virtual time ─┐            ┌─ digests of the parts ── locate ─┐
//!                                     ├─ messages ─┤                                  ├─ Checked
//! payload stream ─────────────────────┘            └─ aligner, against the golden's ──┘
//!                                                     payload stream
//! ```
//!
//! - A golden is small: digests of the whole, of windows, segments and subjects. Below a limit the
//!   compressed payload stream is kept beside it. `docs/regression.md` describes both.
//! - A comparison takes linear time and bounded memory. One lost message is one difference. Equal
//!   streams are read once; previous ticks of differences are found in a second reading.
//! - Nothing is written unless the caller accepts it, and then atomically.
//!
//! Invariant: a result depends on the two inputs and the options only.

mod aligner;
mod bare_stream;
mod batch;
mod compare;
mod comparison;
mod diff;
mod error;
mod examine;
mod glance;
mod golden;
mod golden_file;
mod input;
mod locate;
mod marks;
mod messages;
mod meter;
#[cfg(test)]
mod mutations;
mod notes;
mod parts;
mod payload;
mod previous;
mod publishing;
pub mod report;
mod run;
mod server_stream;
mod servers;
mod stream;
mod stream_parts;
mod stream_writer;
mod tally;
#[cfg(test)]
mod tests;
mod times;
mod unreferenced;

pub use batch::{Batch, BatchError};
pub use compare::compare;
pub use comparison::{
    Before, Comparison, Difference, DifferenceKind, Group, InstrumentGroup, NotShown,
};
pub use diff::{Compared, Diff, DiffError, DiffOptions, Diffed};
pub use error::{CannotTell, CheckError, TakenBy};
pub use examine::{
    Accept, CheckOptions, Checked, DEFAULT_DIFFERENCES, Verdict, Versions, check_recording,
    check_stream,
};
pub use glance::Glance;
pub use golden::{
    DEFAULT_STREAM_LIMIT, Golden, GoldenLedger, GoldenPayload, GoldenSource, GoldenVersion,
    Volatile,
};
pub use input::Input;
pub use locate::{DifferingPart, DifferingParts, Located};
pub use marks::Alignment;
pub use messages::{Ended, Messages, PublishedMessages, RawMessages, Watch, publisher_options};
pub use notes::{Note, NoteKind};
pub use parts::{Chunk, SegmentPart, SubjectPart, WINDOW, WindowPart};
pub use payload::{FORM, FieldChange, without_fields};
pub use publishing::Publishing;
pub use run::{BatchObserver, BatchOptions, BatchSummary, InputCheck, InputResult};
pub use server_stream::is_on_server;
pub use servers::Servers;
pub use stream::StreamFile;
pub use unreferenced::{is_named_as_golden, unreferenced};
