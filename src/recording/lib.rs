//! The recording: a folder of self-describing Parquet segments, a manifest and the contract table,
//! or a lone segment.
//!
//! Events are stored raw, exactly as the source delivered them, so that a replay exercises the
//! normalizer. `docs/recording-format.md` specifies the format; this crate implements it.
//!
//! Here belongs everything that knows how a recording is stored: format, reading, writing,
//! verification. [`Recording`] opens one, [`RecordingWriter`] makes one.
//!
//! Not here: the meaning of ticks, publishing, NATS, the command line and the environment. All files
//! go through [`storage::Storage`]. Of the other crates this one uses only `tickdeck-core` and
//! `tickdeck-ffi`.
//!
//! ```text
//! writer ── segment_writer ── columns         (push -> one row group in memory)
//! segment_writer ── group_encoder ── encoding  (sorted by instrument -> column chunks)
//! reader ── group_stream ── segment_reader    (row group decoded column by column -> seq order)
//! segment_reader ── group_columns ── chunk ── hybrid, delta    (pages -> numbers or keys of texts)
//! manifest, contracts_file, digest, verify
//! ```

#![forbid(unsafe_code)]

mod background_writer;
mod bounds;
mod catalog;
mod chunk;
mod codec;
mod columns;
mod contracts_file;
mod copy_file;
mod day_recorder;
mod digest;
mod encoding;
mod error;
mod event_writer;
mod file_hash;
mod filter;
mod finding;
mod follow;
mod footer_bounds;
mod format_version;
mod gaps;
mod group_bytes;
mod group_columns;
mod group_encoder;
mod group_pages;
mod group_stream;
mod journal;
mod latin1;
mod manifest;
mod manifest_repair;
mod names;
mod numbering;
mod observed;
mod owner;
mod packed;
mod page_locations;
mod page_size;
mod parquet_types;
mod place;
mod pointer;
mod prune;
mod pull;
mod push;
mod read_back;
mod reader;
mod recorder_stats;
mod recover;
mod removal;
mod replace;
mod ring;
mod ring_copy;
mod ring_covered;
mod ring_mark;
mod ring_salvage;
mod ring_slot;
mod schema;
mod sealer;
mod segment_check;
mod segment_info;
mod segment_order;
mod segment_reader;
mod segment_writer;
mod session_recorder;
mod set_aside;
pub mod storage;
mod store_target;
mod store_writer;
mod tally;
mod thrift;
mod unsealed;
mod unstarted;
mod uploader;
mod verify;
mod watch;
mod writer;

pub use background_writer::{
    BackgroundWriter, DEFAULT_SYNC_EVERY, QUEUE_EVENTS, Recorded, RecorderOptions,
};
pub use catalog::{Catalog, CatalogEntry, SessionId, SessionIdError};
pub use day_recorder::DayRecorder;
pub use digest::EventDigest;
pub use error::{NOT_FETCHED, RecordingError};
pub use event_writer::EventWriter;
pub use filter::{EventFilter, InstrumentPredicate};
pub use finding::Finding;
pub use follow::{FollowReader, Followed};
pub use footer_bounds::check_footer;
pub use format_version::FormatVersion;
pub use gaps::{Gap, GapFinder};
pub use group_stream::MissingPart;
pub use manifest::{CalendarCopy, Ledger, LostEvents, Manifest, SegmentEntry, Status};
pub use names::{CONTRACTS_FILE, MANIFEST_FILE, TRIAL_PREFIX, is_recording_folder, session_of};
pub use numbering::Numbering;
pub use owner::is_in_use;
pub use page_size::{PAGE_HEADER_BYTES, check_page_header};
pub use pointer::is_pointer;
pub use prune::{Excess, Pruned, Retention, Spared, Stored, prune};
pub use pull::{Pulled, pull, pull_bytes};
pub use push::{Pushed, push, push_bytes};
pub use read_back::{ReadBack, ReadBackReader};
pub use reader::{Recording, RecordingReader};
pub use recorder_stats::RecorderStats;
pub use recover::{Recovery, leftovers, recover, recover_in};
pub use removal::finish_interrupted;
pub use ring::{Requested, Ring, RingRecorder, RingSpan, RingTrigger};
pub use ring_salvage::{Salvage, is_merged_slot, is_ring, rings, salvage_ring};
pub use schema::ROW_GROUP_ROWS;
pub use segment_info::SegmentInfo;
pub use session_recorder::{SessionRecorder, StoredRecorder};
pub use store_target::{OnStore, StoreNotice, StoreTarget, Unstored};
pub use tickdeck_core::source::SourceInfo;
pub use unstarted::remove_eventless;
pub use verify::{Verification, VerifyReport, verify};
pub use watch::{DEFAULT_MIN_FREE_SPACE, check_free_space};
pub use writer::{RecordingOptions, RecordingWriter, Rolling};

#[cfg(test)]
mod background_writer_tests;
#[cfg(test)]
mod chunk_tests;
#[cfg(test)]
mod copy_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damaged_manifest_tests;
#[cfg(test)]
mod in_memory_tests;
#[cfg(test)]
mod part_crash_tests;
#[cfg(test)]
mod recover_tests;
#[cfg(test)]
mod rewritten_tests;
#[cfg(test)]
mod ring_salvage_tests;
#[cfg(test)]
mod ring_tests;
#[cfg(test)]
mod rolling_tests;
#[cfg(test)]
mod tests;
