//! Errors of a recording, each with the file.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use parquet::errors::ParquetError;
use tickdeck_core::source::{SourceError, SourceErrorKind};

use super::format_version::FormatVersion;
use super::names::{MANIFEST_FILE, is_any_contracts, is_manifest};
use super::storage::{FolderNow, LocationError, StorageError};

/// A recording could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// A file operation failed.
    #[error("{doing} {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// For example `reading`.
        doing: &'static str,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A file would be larger than the system lets it be.
    #[error(
        "{doing} {}: the file would be larger than a limit allows, raise that (`ulimit -f`) or choose \
         another disk",
        path.display()
    )]
    FileLimit {
        /// The file.
        path: PathBuf,
        /// For example `writing`.
        doing: &'static str,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// It is not of this format.
    #[error("{} is not a recording: {reason}", path.display())]
    NotARecording {
        /// The path that was opened.
        path: PathBuf,
        /// The missing or unexpected part.
        reason: String,
    },
    /// A folder without a manifest.
    #[error("{} is not a recording: {MANIFEST_FILE} is missing", path.display())]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// It is not the root of a catalogue.
    #[error("{} is not a catalogue of recordings: {reason}", path.display())]
    NotACatalogue {
        /// The path that was opened.
        path: PathBuf,
        /// The missing or unexpected part.
        reason: String,
    },
    /// There is only a Git LFS pointer.
    #[error("{} is {NOT_FETCHED}", path.display())]
    NotFetched {
        /// The file.
        path: PathBuf,
    },
    /// There is only a link, as tools that keep large files elsewhere make it.
    #[error(
        "{} is a link to {}, which is not there: fetch it, for example with `git annex get` or \
         `dvc pull`",
        path.display(),
        target.display()
    )]
    DanglingLink {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A newer tickdeck wrote it.
    #[error(
        "{} has format version {found}, this tickdeck reads up to {}.x: use a newer tickdeck",
        path.display(),
        FormatVersion::CURRENT.major
    )]
    NewerFormat {
        /// The file with that version.
        path: PathBuf,
        /// Its version.
        found: FormatVersion,
    },
    /// The file is Parquet, but a column is missing or of another type.
    #[error("{}: column {column:?} should be {expected}, found {found}", path.display())]
    WrongSchema {
        /// The segment.
        path: PathBuf,
        /// The column.
        column: String,
        /// The type of the format.
        expected: String,
        /// The type in the file, or `nothing`.
        found: String,
    },
    /// Another tool compressed it, in a way that this build does not read.
    #[error(
        "{} is compressed with {codec}, which this build cannot read: write it with zstd",
        path.display()
    )]
    UnknownCompression {
        /// The file.
        path: PathBuf,
        /// The compression, by its name in the Parquet specification.
        codec: &'static str,
    },
    /// The content is not what was written.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// The mismatch.
        problem: String,
    },
    /// Parquet could not encode or decode.
    #[error("{doing} {}", path.display())]
    Parquet {
        /// The segment.
        path: PathBuf,
        /// For example `encoding`.
        doing: &'static str,
        /// The error of the library.
        #[source]
        source: ParquetError,
    },
    /// The output of a new recording is occupied.
    #[error("{} already exists and is not empty: choose another output", path.display())]
    OutputExists {
        /// The folder.
        path: PathBuf,
    },
    /// The output of a new recording has what a killed recorder left. It was sealed just now, if it could be.
    #[error("{} holds what an earlier recorder left: choose another output", path.display())]
    OutputUnfinished {
        /// The folder.
        path: PathBuf,
    },
    /// The output of a new recording is a file, or is below one.
    #[error("{} is not a folder: choose another output", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// Replacing the output would remove files that belong to no recording.
    #[error("{} holds files that are not part of a recording: choose another output", path.display())]
    NotReplaceable {
        /// The folder.
        path: PathBuf,
    },
    /// A writer that is running has the recording.
    #[error("{} is being written by {owner}: stop it, or choose another place", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Its writer, for example `process 4711 on host box`.
        owner: String,
    },
    /// Something else is where a writer has its lock.
    #[error("{} is {what}, so that no writer can lock the recording: {fix}", path.display())]
    LockUnusable {
        /// The lock.
        path: PathBuf,
        /// What it is, for example `a folder`.
        what: &'static str,
        /// What to do.
        fix: &'static str,
    },
    /// The folder of a recording that is being written was removed, moved or replaced.
    #[error("{} {} while it was written: {}", path.display(), replaced(path, now), kept(path, now))]
    FolderReplaced {
        /// The folder.
        path: PathBuf,
        /// What became of it. Where it is in its place, its lock was removed.
        now: FolderNow,
    },
    /// The disk has less space left than the limit.
    #[error(
        "{} has {} of free space, and recording needs {}: free some, or choose another place",
        path.display(),
        ByteSize(*free),
        ByteSize(*needed)
    )]
    LowSpace {
        /// The folder of the recording.
        path: PathBuf,
        /// What is free, in bytes.
        free: u64,
        /// The limit, in bytes.
        needed: u64,
    },
    /// The disk has too little space for a recovery. What was there stays.
    #[error(
        "{} has {} of free space, and recovering it takes up to {}: free some",
        path.display(),
        ByteSize(*free),
        ByteSize(*needed)
    )]
    NoSpaceToRecover {
        /// What is recovered.
        path: PathBuf,
        /// What is free, in bytes.
        free: u64,
        /// What it takes, in bytes.
        needed: u64,
    },
    /// A new recording would lie in a catalogue, and not as one of its sessions: readers that are given the
    /// root would trip over its files.
    #[error(
        "{} is among the data of a catalogue: choose another output, or \
         ROOT/trading_day=YYYY-MM-DD/session=ID",
        path.display()
    )]
    AmongData {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to recover: neither a manifest nor events.
    #[error("{} has nothing to recover: no manifest, segment or journal is there", path.display())]
    NothingToRecover {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to recover: a manifest that cannot be read, and no events.
    #[error(
        "{} has nothing to recover: its manifest cannot be read ({problem}), and no segment or journal \
         is there; remove the folder, unless it has `*.damaged` files that are needed",
        path.display()
    )]
    OnlyManifest {
        /// The folder.
        path: PathBuf,
        /// What is wrong with the manifest.
        problem: String,
    },
    /// The writer failed before and accepts nothing more.
    #[error("{}: an earlier write failed, no more events are accepted", path.display())]
    WriterFailed {
        /// The recording.
        path: PathBuf,
    },
    /// Events must come in `seq` order without gaps.
    #[error("{}: event has seq {found}, expected {expected}", path.display())]
    SeqGap {
        /// The recording.
        path: PathBuf,
        /// The expected `seq`.
        expected: u64,
        /// The `seq` found.
        found: u64,
    },
    /// A URL cannot be used.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// A recording that is not finished cannot be copied: its journal is still in use.
    #[error("{} is not finished: stop its writer, or recover it first", path.display())]
    NotFinished {
        /// The recording.
        path: PathBuf,
    },
    /// The target of a copy has another recording.
    #[error(
        "{} already has another recording, session {session:?} with {events} events: choose another \
         place",
        path.display()
    )]
    OtherRecording {
        /// The target.
        path: PathBuf,
        /// Its session id.
        session: String,
        /// Its events.
        events: u64,
    },
    /// Another writer committed to the same place meanwhile.
    #[error(
        "{} was committed by another writer meanwhile, and nothing of it is replaced: look at it with \
         `info`, then try again",
        path.display()
    )]
    Overtaken {
        /// The manifest that the other writer made.
        path: PathBuf,
    },
    /// The server replaces files although it is asked to create them only.
    #[error(
        "the server of {} replaces files that it is asked to create only (`If-None-Match`): writers \
         cannot be kept apart there",
        path.display()
    )]
    Unconditional {
        /// The file that it would have replaced.
        path: PathBuf,
    },
    /// What was recorded cannot be stored, and stays where it was recorded.
    #[error("what was recorded is in {}, and not in its store", spool.display())]
    NotStored {
        /// The spool.
        spool: PathBuf,
        /// Why it is not stored.
        #[source]
        source: Box<RecordingError>,
    },
    /// Recordings that cannot be played together.
    #[error("{reason}")]
    Incompatible {
        /// The reason and the remedy.
        reason: String,
    },
}

/// The description of a Git LFS pointer in messages, after the name of the file.
pub const NOT_FETCHED: &str = "a Git LFS pointer and not the file: run `git lfs pull`";

/// What became of the folder of a recording that was being written.
fn replaced(path: &Path, now: &FolderNow) -> &'static str {
    match now {
        FolderNow::At(now) if now == path => "lost its lock file",
        FolderNow::At(_) => "was moved",
        FolderNow::Removed => "was removed or replaced",
        FolderNow::Unknown => "was replaced, or its disk unmounted,",
    }
}

/// Where the events are that were recorded before.
fn kept(path: &Path, now: &FolderNow) -> String {
    match now {
        FolderNow::At(now) if now == path => {
            "another process may write there, and what was recorded stays".to_owned()
        }
        FolderNow::At(now) => format!("what was recorded is in {}", now.display()),
        FolderNow::Removed => "nothing there is touched, and what was recorded is lost".to_owned(),
        FolderNow::Unknown => "what was recorded is on that disk".to_owned(),
    }
}

/// The error of the system that the library passed on; else its own.
fn of_system(error: ParquetError) -> Result<io::Error, ParquetError> {
    match error {
        ParquetError::External(cause) => cause
            .downcast::<io::Error>()
            .map(|cause| *cause)
            .map_err(ParquetError::External),
        other => Err(other),
    }
}

/// Whether the system refused a larger file. Not the library, which reads no more than it expects.
fn is_over_limit(error: &io::Error) -> bool {
    error.kind() == ErrorKind::FileTooLarge && error.raw_os_error().is_some()
}

impl RecordingError {
    /// Whether the user has to name something else: another recording, another place for a new one, or
    /// a file that this version reads.
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::NotARecording { .. }
                | Self::NoManifest { .. }
                | Self::NotACatalogue { .. }
                | Self::NotFetched { .. }
                | Self::DanglingLink { .. }
                | Self::NewerFormat { .. }
                | Self::WrongSchema { .. }
                | Self::UnknownCompression { .. }
                | Self::OutputExists { .. }
                | Self::OutputUnfinished { .. }
                | Self::NotAFolder { .. }
                | Self::NotReplaceable { .. }
                | Self::AmongData { .. }
                | Self::InUse { .. }
                | Self::LockUnusable { .. }
                | Self::Location(_)
                | Self::NotFinished { .. }
                | Self::OtherRecording { .. }
        ) || matches!(self, Self::NotStored { source, .. } if source.is_bad_input())
    }

    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            doing,
            source,
        }
    }

    pub(super) fn parquet(path: &Path, doing: &'static str) -> impl FnOnce(ParquetError) -> Self {
        move |source| match of_system(source) {
            Ok(source) => StorageError::at(path, doing)(source).into(),
            Err(source) => Self::Parquet {
                path: path.to_owned(),
                doing,
                source,
            },
        }
    }

    pub(super) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// Whether the manifest of a recording is damaged, which a recovery makes again.
    #[must_use]
    pub fn is_damaged_manifest(&self) -> bool {
        let Self::Damaged { path, .. } = self else {
            return false;
        };
        let name = path.file_name().unwrap_or_default();
        is_manifest(&name.to_string_lossy())
    }

    /// Whether the contract table of a recording is damaged, for which another one may be given.
    #[must_use]
    pub fn is_damaged_contracts(&self) -> bool {
        let Self::Damaged { path, .. } = self else {
            return false;
        };
        let name = path.file_name().unwrap_or_default();
        is_any_contracts(&name.to_string_lossy())
    }

    /// The first of two errors, unless it only says that there was an earlier one.
    pub(super) fn first_cause(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        match (first, second) {
            (Some(Self::WriterFailed { .. }), Some(cause)) => Some(cause),
            (first, second) => first.or(second),
        }
    }

    /// Whether the disk has no space left.
    pub(super) fn is_no_space(&self) -> bool {
        if matches!(self, Self::NoSpaceToRecover { .. }) {
            return true;
        }
        let is_full = |error: &io::Error| {
            let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
            full.contains(&error.kind())
        };
        let mut cause: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(is_full) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// The same, or a limit for the size of a file: smaller files may still be written.
    pub(super) fn is_no_room(&self) -> bool {
        matches!(self, Self::FileLimit { .. }) || self.is_no_space()
    }

    /// Whether a salvage can skip it: the damage is local, and the request is valid.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. } | Self::Parquet { .. } | Self::Io { .. }
        )
    }
}

impl From<StorageError> for RecordingError {
    fn from(error: StorageError) -> Self {
        let StorageError {
            path,
            doing,
            source,
        } = error;
        match is_over_limit(&source) {
            true => Self::FileLimit {
                path,
                doing,
                source,
            },
            false => Self::Io {
                path,
                doing,
                source,
            },
        }
    }
}

impl From<RecordingError> for SourceError {
    fn from(error: RecordingError) -> Self {
        let kind = match error {
            RecordingError::Damaged { .. } => SourceErrorKind::Damaged,
            ref error if error.is_bad_input() => SourceErrorKind::BadInput,
            _ => SourceErrorKind::Failed,
        };
        Self::new(kind, error)
    }
}

impl FormatVersion {
    /// Refuses a newer major version. `path` is the file with the version.
    pub(super) fn check(self, path: &Path) -> Result<(), RecordingError> {
        if self.major > Self::CURRENT.major {
            return Err(RecordingError::NewerFormat {
                path: path.to_owned(),
                found: self,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tickdeck_core::causes::with_causes;

    use super::*;

    #[test]
    fn a_cause_that_the_library_passes_on_is_said_once() {
        let limit = || io::Error::from_raw_os_error(27);
        let passed_on = ParquetError::from(limit());
        let error = RecordingError::parquet(Path::new("part"), "encoding")(passed_on);
        assert!(error.is_no_room() && !error.is_no_space(), "{error:?}");
        let text = with_causes(&error);
        assert!(text.contains("(`ulimit -f`)"), "{text}");
        assert_eq!(text.matches(&limit().to_string()).count(), 1, "{text}");
    }

    #[test]
    fn an_error_of_the_library_stays_one_of_encoding() {
        let own = ParquetError::General("no column".into());
        let error = RecordingError::parquet(Path::new("part"), "encoding")(own);
        assert!(matches!(error, RecordingError::Parquet { .. }), "{error:?}");
        assert!(!error.is_no_room());
    }

    #[test]
    fn a_file_that_is_larger_than_expected_is_no_limit_of_the_system() {
        let source = io::Error::new(ErrorKind::FileTooLarge, "it has 9 bytes");
        let error = RecordingError::from(StorageError::at(Path::new("x"), "reading")(source));
        assert!(matches!(error, RecordingError::Io { .. }) && !error.is_no_room());
    }
}
