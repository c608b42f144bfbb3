//! The one place that knows every stage: source, recorder, pacer, normalizer, encoder, sinks.
//!
//! ```text
//!  decoding thread       playing thread                                        digest thread
//!  row group ─────────> source -> pacer -> [recorder] -> normalizer -> encoder ──> BLAKE3
//!                                                             └─> ledger    └────> sink threads
//! ```
//!
//! - Batches only move work between threads: order and bytes are the same for every batch size.
//! - Back-pressure runs from right to left: a slow sink or digest blocks the playing thread, which
//!   then asks the source for nothing. Nothing is dropped on this road.
//! - Events are made, used and forgotten on one thread, a small batch at a time: they are large, and
//!   handing them to another processor costs as much as decoding them.

mod delay;
mod digest_thread;
mod fanout;
mod ingest;
mod ledger;
mod play;
mod publisher;
mod settlement;
mod summary;

pub use delay::DelayMeter;
pub use ingest::{
    Ingest, IngestError, IngestNats, IngestServer, IngestSummary, RecordTo, SharedStats, ingest,
};
pub use ledger::{InstrumentLedger, Ledger};
pub use play::{DEFAULT_BATCH_EVENTS, PlayError, PlayOptions, Player};
#[cfg(test)]
pub(crate) use publisher::Mutation;
pub use publisher::{Publisher, PublisherOptions, PublisherStats};
pub use summary::{LatenessMs, Summary};
