//! The stages in a row: player, recorder, normalizer, encoder, sinks. Wiring a whole session is the
//! [`session`](crate::session) module's work; nothing here knows a server or a front.
//!
//! ```text
//!  decoding thread       playing thread                                        digest thread
//!  row group ─────────> source -> pacer -> [recorder] -> share ──────> batch ──> BLAKE3
//!                          │                            normalizer,      └────> sink threads
//!                          └─ with jobs: shares ────>   encoder
//! ```
//!
//! - A share of the instruments is normalized and encoded on the playing thread, one batch at a time. A
//!   fast replay has several shares, each on its own thread, one window ahead of the pacer.
//! - Batches only move work between threads: order and bytes are the same for every batch size.
//! - Back-pressure runs from right to left: a slow sink or digest blocks the playing thread, which
//!   then stops asking the source. Nothing is dropped on this path.
//! - Events are large: handing them to another processor costs as much as decoding them. They are made
//!   and used a small batch at a time, so that they stay in the cache.

mod delay;
mod digest_thread;
mod dry_run;
mod fanout;
mod ledger;
mod measure;
mod options;
mod pace_driver;
mod player;
mod publisher;
mod settlement;
mod share;
mod workers;

pub use delay::DelayMeter;
pub use dry_run::DryRun;
pub(crate) use ledger::is_nothing;
pub use ledger::{InstrumentLedger, Ledger};
#[doc(hidden)]
pub use measure::{Measured, measure};
#[cfg(test)]
pub(crate) use options::Mutation;
pub use options::PublisherOptions;
pub use pace_driver::{Go, PaceDriver};
pub use player::{DEFAULT_BATCH_EVENTS, Output, Paced, PlayError, Player, Release};
pub use publisher::{Publisher, PublisherStats};
pub use tickdeck_recording::Numbering;
