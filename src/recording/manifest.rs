//! `manifest.json`: describes a recording, so that no segment need be opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::Exchange;
use tickdeck_core::source::SourceInfo;
use tickdeck_core::time::UnixNanos;

use super::bounds::{MOST_MANIFEST_BYTES, check_segments};
use super::error::RecordingError;
use super::finding::{Finding, lost_from};
use super::format_version::FormatVersion;
use super::names::{manifest_path, segment_index};
use super::pointer::refuse_pointer;
use super::segment_info::SegmentInfo;
use super::storage::{Storage, StorageError, local, read_whole};

/// The state of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being written, or its writer was killed.
    Recording,
    /// Finished.
    Complete,
    /// Recovered after a crash; the tail may be lost.
    Recovered,
    /// The files do not match the manifest. Found by checks, never stored.
    Damaged,
}

impl Status {
    /// The word of `info`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Complete => "complete",
            Self::Recovered => "recovered",
            Self::Damaged => "damaged",
        }
    }
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of SegmentInfo, documented there")]
pub struct SegmentEntry {
    pub file: String,
    pub rows: u64,
    pub ticks: u64,
    pub first_seq: u64,
    pub last_seq: u64,
    pub start: UnixNanos,
    pub end: UnixNanos,
    pub bytes: u64,
    pub blake3: String,
}

impl SegmentEntry {
    pub(super) fn new(file: String, info: SegmentInfo) -> Self {
        Self {
            file,
            rows: info.rows,
            ticks: info.ticks,
            first_seq: info.first_seq,
            last_seq: info.last_seq,
            start: info.start,
            end: info.end,
            bytes: info.bytes,
            blake3: info.blake3,
        }
    }
}

/// A full copy of the calendar in force, so that a replay elsewhere dates ticks the same way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarCopy {
    /// BLAKE3 of the data.
    pub digest: String,
    /// The data file.
    pub text: String,
}

/// The recorder's ledger: received = recorded + dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Ticks that the source delivered.
    pub received: u64,
    /// Ticks in the segments.
    pub recorded: u64,
    /// Ticks that were lost before the recorder, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// Events that a recovery could not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostEvents {
    /// The first one.
    pub first_seq: u64,
    /// The last one that is known to have been there, if one is.
    pub last_seq: Option<u64>,
    /// File name of what was damaged, as it was when it was found.
    pub file: String,
    /// What was wrong with it.
    pub problem: String,
}

impl LostEvents {
    /// As a finding about the recording in `folder`.
    #[must_use]
    pub fn finding(&self, folder: &Path) -> Finding {
        Finding {
            file: folder.join(&self.file),
            problem: lost_from(&self.problem, self.first_seq, self.last_seq),
        }
    }
}

/// The manifest. Holds no wall clock time: the same events yield the same manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `tickdeck-recording`.
    pub format: String,
    /// Version of the format.
    pub format_version: FormatVersion,
    /// Session id.
    pub session: String,
    /// Its state.
    pub status: Status,
    /// Where the events came from.
    pub source: SourceInfo,
    /// Events of all kinds.
    pub events: u64,
    /// Events that are ticks.
    pub ticks: u64,
    /// Smallest `recv_ts`, absent when there are no events.
    pub start: Option<UnixNanos>,
    /// Largest `recv_ts`.
    pub end: Option<UnixNanos>,
    /// Trading days by receive time and calendar, `YYYY-MM-DD`.
    pub trading_days: Vec<String>,
    /// BLAKE3 of the logical events (docs/recording-format.md).
    pub digest: String,
    /// BLAKE3 of the contract and product tables in force.
    pub contracts_digest: String,
    /// BLAKE3 of `contracts.parquet`; empty until it is written.
    pub contracts_blake3: String,
    /// The calendar in force.
    pub calendar: CalendarCopy,
    /// Received, recorded, dropped.
    pub ledger: Ledger,
    /// Ticks per instrument, by id (Latin-1 for bytes that are not ASCII).
    pub instruments: BTreeMap<String, u64>,
    /// The exchanges of its instruments, as far as its contract table knows them. `None` until it is
    /// finished, and in a manifest of an older tickdeck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchanges: Option<Vec<Exchange>>,
    /// Number of spans in which ticks are missing ([`GapFinder`](crate::GapFinder)). `None` likewise, and
    /// where it cannot be known: a segment is damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaps: Option<u64>,
    /// Segments in `seq` order.
    pub segments: Vec<SegmentEntry>,
    /// What a recovery could not read. Nothing of it is among the events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostEvents>,
    /// In a numbered manifest, the writer: each one that continues the recording has a higher number
    /// than the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// What the numbers of a manifest add up to at most.
const MOST_IN_ALL: u64 = 1 << 62;

/// The value of [`Manifest::format`].
pub(super) const FORMAT_NAME: &str = "tickdeck-recording";

/// Read first: a newer major version may have other fields.
#[derive(Deserialize)]
struct Header {
    format: String,
    format_version: FormatVersion,
}

/// What can be read of a damaged manifest.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) manifest: Manifest,
    /// False if drops or losses were left out, because no recording has such numbers.
    pub(super) is_whole: bool,
}

/// The BLAKE3 of a segment that could not be read when a manifest was made again.
pub(super) const UNKNOWN_HASH: &str = "unknown";

impl SegmentEntry {
    /// Whether it stands for a segment that could not be read when the manifest was made again. Only
    /// together such neighbours are known to have had the events that they list.
    pub(super) fn is_unknown(&self) -> bool {
        self.blake3 == UNKNOWN_HASH
    }
}

impl Manifest {
    /// Reads `folder/manifest.json` from the local file system.
    ///
    /// # Errors
    /// When it cannot be read, is not a manifest, lists files outside of the folder, or is of a newer
    /// major version.
    pub fn read(folder: &Path) -> Result<Self, RecordingError> {
        Self::read_in(&*local(), folder)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_in(storage: &dyn Storage, folder: &Path) -> Result<Self, RecordingError> {
        Self::read_file(storage, manifest_path(storage, folder))
    }

    /// Reads the manifest at `path`.
    pub(super) fn read_file(storage: &dyn Storage, path: PathBuf) -> Result<Self, RecordingError> {
        refuse_pointer(storage, &path)?;
        let text = read_whole(storage, &path, MOST_MANIFEST_BYTES)?;
        let damaged = |error: serde_json::Error| RecordingError::damaged(&path, error.to_string());
        let header: Header = serde_json::from_slice(&text).map_err(damaged)?;
        if header.format != FORMAT_NAME {
            return Err(RecordingError::NotARecording {
                path,
                reason: format!("format is {:?}, expected {FORMAT_NAME:?}", header.format),
            });
        }
        header.format_version.check(&path)?;
        let manifest: Self = serde_json::from_slice(&text).map_err(damaged)?;
        let files: Vec<&str> = manifest.segments.iter().map(|s| s.file.as_str()).collect();
        check_segments(&path, &files)?;
        manifest.check_counts(&path)?;
        manifest.check_segments_follow(&path)?;
        Ok(manifest)
    }

    /// The number of the next segment. It is behind those of all names: files may have been renamed.
    pub(super) fn next_index(segments: &[SegmentEntry]) -> usize {
        let numbers = segments.iter().filter_map(|it| segment_index(&it.file));
        let next = numbers.map(|number| number.saturating_add(1)).max();
        next.unwrap_or(0).max(segments.len())
    }

    /// What a damaged manifest still says about the session, if it can be parsed: source, calendar,
    /// contracts, drops and losses. It has no segment and no event.
    pub(super) fn read_description(storage: &dyn Storage, path: &Path) -> Option<Description> {
        let text = read_whole(storage, path, MOST_MANIFEST_BYTES).ok()?;
        let mut manifest: Self = serde_json::from_slice(&text).ok()?;
        let stated = (manifest.ledger.dropped.len(), manifest.lost.len());
        let mut sum = 0_u64;
        // The events that are counted again need the other half.
        let mut is_sane = |counts: [u64; 2]| {
            let with = counts.into_iter().fold(sum, u64::saturating_add);
            let is_sane = with <= MOST_IN_ALL / 2;
            sum = if is_sane { with } else { sum };
            is_sane
        };
        let ledger = &mut manifest.ledger;
        ledger.dropped.retain(|_, count| is_sane([*count, 0]));
        manifest
            .lost
            .retain(|lost| is_sane([lost.first_seq, lost.last_seq.unwrap_or(0)]));
        let is_whole = stated == (manifest.ledger.dropped.len(), manifest.lost.len());
        manifest.ledger.received = 0;
        manifest.ledger.recorded = 0;
        manifest.segments.clear();
        manifest.instruments.clear();
        manifest.trading_days.clear();
        (manifest.start, manifest.end) = (None, None);
        (manifest.events, manifest.ticks) = (0, 0);
        (manifest.exchanges, manifest.gaps) = (None, None);
        manifest.digest.clear();
        TradingCalendar::parse(&manifest.calendar.text).ok()?;
        Some(Description { manifest, is_whole })
    }

    /// Refuses segments that do not follow each other, and totals that are not theirs.
    fn check_segments_follow(&self, path: &Path) -> Result<(), RecordingError> {
        let mut events = 0;
        for segment in self.segments.iter().filter(|segment| segment.rows > 0) {
            let (first, last) = (segment.first_seq, segment.last_seq);
            if first != events || first + segment.rows != last + 1 || segment.ticks > segment.rows {
                let SegmentEntry { file, rows, .. } = segment;
                let problem = format!(
                    "it says that {file} has {rows} events, {first} to {last}, after {events} before it"
                );
                return Err(RecordingError::damaged(path, problem));
            }
            events += segment.rows;
        }
        if self.events != events {
            let stated = self.events;
            let problem = format!("it says {stated} events, and {events} of its segments");
            return Err(RecordingError::damaged(path, problem));
        }
        Ok(())
    }

    /// Refuses numbers that no recording has, so that sums of them never overflow.
    fn check_counts(&self, path: &Path) -> Result<(), RecordingError> {
        let entry = |entry: &SegmentEntry| {
            let SegmentEntry {
                rows,
                ticks,
                first_seq,
                last_seq,
                bytes,
                ..
            } = entry;
            [rows, ticks, first_seq, last_seq, bytes].map(|it| *it)
        };
        let Ledger {
            received,
            recorded,
            dropped,
        } = &self.ledger;
        let lost = self.lost.iter();
        let lost = lost.flat_map(|it| [it.first_seq, it.last_seq.unwrap_or(0)]);
        let gaps = self.gaps.unwrap_or(0);
        let numbers = [self.events, self.ticks, *received, *recorded, gaps]
            .into_iter()
            .chain(dropped.values().copied())
            .chain(self.instruments.values().copied())
            .chain(self.segments.iter().flat_map(entry))
            .chain(lost);
        match numbers.fold(0, u64::saturating_add) {
            0..=MOST_IN_ALL => Ok(()),
            _ => Err(RecordingError::damaged(
                path,
                "its counts add up to more than any recording has",
            )),
        }
    }

    /// The content of the file at `path`.
    pub(super) fn text(&self, path: &Path) -> Result<Vec<u8>, StorageError> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from);
        let mut text = text.map_err(StorageError::at(path, "writing"))?;
        text.push(b'\n');
        Ok(text)
    }

    /// Writes `folder/manifest.json` atomically, and makes all names in the folder durable.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, storage: &dyn Storage, folder: &Path) -> Result<(), RecordingError> {
        let path = manifest_path(storage, folder);
        storage.put(&path, &self.text(&path)?)?;
        storage.sync_dir(folder)?;
        Ok(())
    }
}
