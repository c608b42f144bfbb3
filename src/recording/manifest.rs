//! `manifest.json`: what a recording is, without opening a segment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tickdeck_core::source::SourceInfo;
use tickdeck_core::time::UnixNanos;

use super::error::{RecordingError, refuse_pointer};
use super::{MANIFEST_FILE, segment_writer::SegmentInfo};

/// Version of the recording format: a reader refuses a newer major, ignores a newer minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormatVersion {
    /// Changes when old readers would misread.
    pub major: u32,
    /// Changes when something was added that old readers can ignore.
    pub minor: u32,
}

impl FormatVersion {
    /// What this tickdeck writes.
    pub const CURRENT: Self = Self { major: 1, minor: 0 };
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for FormatVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(major, minor)| {
                Some(Self {
                    major: major.parse().ok()?,
                    minor: minor.parse().ok()?,
                })
            })
            .ok_or_else(|| format!("format version {text:?} is not of the form MAJOR.MINOR"))
    }
}

impl Serialize for FormatVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FormatVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How far a recording has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being written, or its writer was killed.
    Recording,
    /// Finished.
    Complete,
    /// Put together again after a crash; the tail may be lost.
    Recovered,
    /// Something does not agree with the manifest. Never stored, only found.
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

/// The calendar in force, whole, so that a replay elsewhere dates ticks the same way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarCopy {
    /// BLAKE3 of the data.
    pub digest: String,
    /// The data file.
    pub text: String,
}

/// received = recorded + dropped, as the recorder saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Ticks that the source delivered.
    pub received: u64,
    /// Ticks in the segments.
    pub recorded: u64,
    /// Ticks that were lost before the recorder, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// The manifest. Holds no wall clock time: the same events give the same manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `tickdeck-recording`.
    pub format: String,
    /// Version of the format.
    pub format_version: FormatVersion,
    /// Session id.
    pub session: String,
    /// How far it has got.
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
    /// Segments in `seq` order.
    pub segments: Vec<SegmentEntry>,
}

/// The value of [`Manifest::format`].
pub(super) const FORMAT_NAME: &str = "tickdeck-recording";

/// Read before everything else: a newer major version may have other fields.
#[derive(Deserialize)]
struct Header {
    format: String,
    format_version: FormatVersion,
}

impl Manifest {
    /// Reads `folder/manifest.json`.
    ///
    /// # Errors
    /// When it cannot be read, is not a manifest, or is of a newer major version.
    pub fn read(folder: &Path) -> Result<Self, RecordingError> {
        let path = folder.join(MANIFEST_FILE);
        refuse_pointer(&path)?;
        let text = std::fs::read_to_string(&path).map_err(RecordingError::io(&path, "reading"))?;
        let header: Header = serde_json::from_str(&text)
            .map_err(|error| RecordingError::damaged(&path, error.to_string()))?;
        if header.format != FORMAT_NAME {
            return Err(RecordingError::NotARecording {
                path,
                reason: format!("format is {:?}, expected {FORMAT_NAME:?}", header.format),
            });
        }
        check_version(&path, header.format_version)?;
        serde_json::from_str(&text)
            .map_err(|error| RecordingError::damaged(&path, error.to_string()))
    }

    /// Writes `folder/manifest.json` atomically.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, folder: &Path) -> Result<(), RecordingError> {
        let path = folder.join(MANIFEST_FILE);
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new()
                .prefix(".manifest")
                .tempfile_in(folder)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            std::io::Write::write_all(&mut file, b"\n")?;
            file.as_file().sync_all()?;
            make_readable(file.as_file())?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(RecordingError::io(&path, "writing"))
    }
}

/// A temporary file is private by default; a recording is shared like any other file.
fn make_readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// Refuses a newer major version.
pub(super) fn check_version(path: &Path, found: FormatVersion) -> Result<(), RecordingError> {
    if found.major > FormatVersion::CURRENT.major {
        return Err(RecordingError::NewerFormat {
            path: path.to_owned(),
            found,
        });
    }
    Ok(())
}
