//! Selecting events by instrument and by receive time.
//!
//! The types hold what a user asks for, independent of how it was written down: flags, a
//! configuration file or code. This module may not know a recording, a file or a command line.

mod choose;
mod partition;
mod symbols;
mod time_spec;
mod window;

pub use choose::{Chosen, choose, needs_list};
pub use partition::{Partition, PartitionError};
pub use symbols::{SymbolGlobError, SymbolGlobs, is_pattern};
pub use time_spec::{TimeSpec, TimeSpecError};
pub use window::{EndSpec, StartSpec, Window, WindowError, WindowSpec};
