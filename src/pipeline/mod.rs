//! The one place that knows every stage: source, recorder, pacer, normalizer, encoder, sinks.
//!
//! ```text
//!  source thread            playing thread                                    sink threads
//!  next_batch() ─bounded──> pacer -> [recorder] -> normalizer -> encoder ──> sinks (bounded)
//!       ^────────── buffers ──────┘                        └─> digest, ledger
//! ```
//!
//! - Batches only move work between threads: order and bytes are the same for every batch size.
//! - Back-pressure runs from right to left: a slow sink blocks the playing thread, a full channel
//!   blocks the source thread. Nothing is dropped on this road.
//! - Bound: [`QUEUED_BATCHES`] batches of [`PlayOptions::batch_events`] events wait between source
//!   and playing thread.

mod delay;
mod ingest;
mod ledger;
mod play;
mod publisher;
mod summary;

pub use delay::DelayMeter;
pub use ingest::{Ingest, IngestError, IngestNats, IngestSummary, RecordTo, SharedStats, ingest};
pub use ledger::{InstrumentLedger, Ledger};
pub use play::{PlayError, PlayOptions, Player, QUEUED_BATCHES};
pub use publisher::{Publisher, PublisherOptions, PublisherStats};
pub use summary::{LatenessMs, Summary};
