//! The stages in a row: player, recorder, normalizer, encoder, sinks. Wiring a whole session is the
//! [`session`](crate::session) module's work; nothing here knows a server or a front.
//!
//! ```text
//!  decoding thread       playing thread                                        digest thread
//!  row group ─────────> source -> pacer -> [recorder] -> normalizer -> encoder ──> BLAKE3
//!                                                             └─> ledger    └────> sink threads
//! ```
//!
//! - Batches only move work between threads: order and bytes are the same for every batch size.
//! - Back-pressure runs from right to left: a slow sink or digest blocks the playing thread, which
//!   then stops asking the source. Nothing is dropped on this path.
//! - Events are made, used and forgotten on one thread, a small batch at a time. They are large:
//!   handing them to another processor costs as much as decoding them.

mod delay;
mod digest_thread;
mod dry_run;
mod fanout;
mod ledger;
mod measure;
mod pace_driver;
mod player;
mod publisher;
mod settlement;
mod share;
mod window;
mod workers;

pub use delay::DelayMeter;
pub use dry_run::DryRun;
pub(crate) use ledger::is_nothing;
pub use ledger::{InstrumentLedger, Ledger};
#[doc(hidden)]
pub use measure::{Measured, measure};
pub use pace_driver::{Go, PaceDriver};
pub use player::{DEFAULT_BATCH_EVENTS, Output, Paced, PlayError, Player, Release};
#[cfg(test)]
pub(crate) use publisher::Mutation;
pub use publisher::{Publisher, PublisherOptions, PublisherStats};
pub use tickdeck_recording::Numbering;
