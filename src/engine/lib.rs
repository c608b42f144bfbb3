//! tickdeck: deterministic record and replay for CTP (Chinese futures) market data.
//!
//! A recording holds what a CTP front sent, bit for bit. A replay publishes it again: the same
//! messages in the same order, on every machine. Live and replayed ticks take the same path.
//!
//! ```text
//!  recording ─┐
//!  CSV dump  ─┤                                                                ┌─> NATS
//!  synthetic ─┼─> Source ─> pacer ─> [recorder] ─> normalizer ─> encoder ─> Sink ─> JSON lines
//!  live CTP  ─┤   events     when     raw events   market data    bytes        └─> your own
//!  your own  ─┘
//! ```
//!
//! # A replay
//!
//! ```
//! use std::path::Path;
//!
//! use tickdeck::pace::Rate;
//! use tickdeck::sink::NullSink;
//! use tickdeck::{Recording, Session};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))?;
//! let recording = Recording::open(Path::new("recordings/quick"))?;
//! let summary = Session::replay_recording(&recording)?
//!     .rate(Rate::Max)
//!     .sink(NullSink::new()) // or your own, or `.nats(NatsSink::connect(&options)?)`
//!     .run()?
//!     .into_summary()?;
//!
//! assert_eq!(summary.published, 918);
//! // BLAKE3 of all subjects and payloads: equal digests mean equal streams.
//! assert!(summary.digest.starts_with("54099e49b393"));
//! # Ok(())
//! # }
//! ```
//!
//! The folder `examples/` has four programs: `replay_to_nats`, `live_to_nats`, `own_sink` and
//! `own_source`. For a regression test of a recording, see [`testing`].
//!
//! # Modules
//!
//! | module | purpose |
//! |---|---|
//! | [`session`] | whole runs, recorded or not: [`Session::replay`], [`Session::replay_once`], [`Session::replay_recording`], `Session::live`, `Session::ctp` |
//! | [`source`], [`synthetic`], [`recording`] | where events come from, and how they are stored |
//! | [`inputs`] | several recordings as one source |
//! | [`selection`] | which of their events are wanted |
//! | [`contents`] | what is in a recording |
//! | [`coverage`] | what recordings have of their trading days, and what is missing |
//! | [`listing`] | the sessions of a catalogue |
//! | [`convert`] | new recordings: slices, merges, synthetic markets, imports |
//! | [`sink`] | where messages go: files, digest, NATS, your own [`Sink`] |
//! | [`control`] | stop, pause and another rate: signals, keyboard, your own calls |
//! | [`pace`], [`clock`] | when an event is released |
//! | [`event`], [`time`], [`contract`], [`calendar`] | the vocabulary of all modules |
//! | [`reference`](mod@reference) | contracts, products and calendar in force for a run |
//! | [`normalize`] | ticks to market data: exchange times, flags, rejects |
//! | [`encode`] | market data to payload bytes and subjects |
//! | [`pipeline`] | the stages in a row, for a composition of your own |
//! | [`testing`], [`check`] | recordings against their accepted goldens, and against each other |
//! | [`export`], `import` | events as CSV or JSON lines, and dumps of other tools as events |
//! | `live` | a session with a CTP front |
//! | `nats`, `capture` | the NATS connection, and what a subscriber received |
//! | [`progress`], [`causes`] | for callers that display progress and errors |
//!
//! # Features
//!
//! Those for object stores are off by default, all others on. A test that replays recordings needs none of them.
//!
//! | feature | adds | costs |
//! |---|---|---|
//! | `nats` | `nats`, `capture`, `sink::NatsSink`, health answers | async-nats, futures-util, tokio |
//! | `live` | `live`, `Session::live`, `Session::ctp`; implies `nats` | crossbeam-queue |
//! | `import` | `import`, `export::table` | flate2, parquet with all its compressions, tar, zip |
//! | `signals` | `control::signals`, `control::keyboard` | signal-hook |
//! | `reports` | `check::report::{html, junit}` | maud, quick-junit |
//! | `s3`, `gcp`, `azure` | recordings on object stores, by URL; off by default | object_store, reqwest, rustls, tokio |
//! | `codecs` | recordings that other tools compressed with snappy, gzip or lz4 | snap, flate2 and lz4 of parquet |
//!
//! # Limits
//!
//! This crate parses no command line. It prints nothing but the payload stream of `jsonl:-`, and
//! reads no environment variable but `TMPDIR` for temporary files, and those of object stores. The binary `tickdeck` (crate
//! `tickdeck-cli`) adds the command line.

#![forbid(unsafe_code)]

#[cfg(feature = "nats")]
pub mod capture;
pub mod check;
pub mod contents;
pub mod control;
pub mod convert;
pub mod coverage;
pub mod encode;
pub mod export;
#[cfg(feature = "import")]
pub mod import;
pub mod inputs;
pub mod listing;
#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "nats")]
pub mod nats;
pub mod normalize;
pub mod pipeline;
pub mod progress;
pub mod reference;
pub mod selection;
pub mod session;
pub mod sink;
pub mod testing;
mod transfer;

pub use tickdeck_core::{calendar, causes, clock, contract, event, pace, select, source, time};
pub use tickdeck_market::source as synthetic;
pub use tickdeck_recording as recording;

pub use control::{Command, Control};
pub use event::{Event, EventKind, RawTick};
pub use pipeline::PublisherOptions;
pub use recording::Recording;
pub use session::{Session, Summary};
pub use sink::{MessageBatch, Sink, SinkError};
pub use source::{Source, SourceError};
