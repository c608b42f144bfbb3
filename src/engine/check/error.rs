//! Errors of a comparison, each with the file and the remedy.

use std::path::{Path, PathBuf};

use tickdeck_core::source::{SourceError, SourceErrorKind};
use tickdeck_recording::{FormatVersion, RecordingError};

use crate::sink::SinkError;

/// A comparison could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A file operation failed.
    #[error("{doing} {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// For example `reading`.
        doing: &'static str,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// There is no such input.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// There is no golden yet.
    #[error("there is no golden at {}: give --update to create it", path.display())]
    NoGolden {
        /// The path that was tried.
        path: PathBuf,
    },
    /// The file is not a golden.
    #[error(
        "{} is not a golden: {reason}; restore it from version control, or remove it and the \
         stream beside it and give --update to recreate both", path.display()
    )]
    NotAGolden {
        /// The file.
        path: PathBuf,
        /// The missing or unexpected part.
        reason: String,
    },
    /// A newer tickdeck wrote it.
    #[error(
        "{} has golden format version {found}, this tickdeck reads up to {}.x: use a newer tickdeck",
        path.display(), FormatVersion::CURRENT.major
    )]
    NewerGolden {
        /// The golden.
        path: PathBuf,
        /// Its version.
        found: FormatVersion,
    },
    /// The payload stream beside the golden is not the one that the golden describes. It may be the
    /// only copy of something, so only its owner may remove it.
    #[error(
        "{} is not the payload stream of {} ({reason}): restore both from version control, or \
         remove it and give --update to recreate both",
        stream.display(), golden.display()
    )]
    ForeignStream {
        /// The stream.
        stream: PathBuf,
        /// The golden.
        golden: PathBuf,
        /// The mismatch.
        reason: String,
    },
    /// The payload stream beside the golden is unreadable.
    #[error(
        "{} is not the payload stream of {} ({reason}): restore both from version control, or \
         give --update to recreate them",
        stream.display(), golden.display()
    )]
    UnreadableStream {
        /// The stream.
        stream: PathBuf,
        /// The golden.
        golden: PathBuf,
        /// The fault.
        reason: String,
    },
    /// The path of the golden's payload stream holds something that must not be replaced.
    #[error("{} keeps its payload stream in {}, {reason}", golden.display(), stream.display())]
    TakenPlace {
        /// The path of the stream.
        stream: PathBuf,
        /// The golden.
        golden: PathBuf,
        /// What is at that path, and the remedy.
        reason: &'static str,
    },
    /// A golden of an unfinished recording was requested.
    #[error(
        "{path} is still being written, or its writer was killed, and a golden needs a finished \
         recording. Wait for its end, or copy what is sealed with `tickdeck slice {path} -o NEW`",
        path = path.display()
    )]
    Unfinished {
        /// The recording.
        path: PathBuf,
    },
    /// The golden lacks the data to answer.
    #[error("{}: {reason}", golden.display())]
    GoldenCannotTell {
        /// The golden.
        golden: PathBuf,
        /// The missing part and the remedy.
        reason: String,
    },
    /// A line of a payload stream is not a message.
    #[error(
        "{}, line {line}: expected a message (subject, one space, payload), found \
         {found}", path.display()
    )]
    NotAMessage {
        /// The stream.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// The quoted beginning of the line, or a description.
        found: String,
    },
    /// A compressed stream does not decompress.
    #[error("{} is damaged or truncated: {reason}", path.display())]
    DamagedStream {
        /// The stream.
        path: PathBuf,
        /// The error of the decompressor.
        reason: String,
    },
    /// There is only a Git LFS pointer.
    #[error("{} is a Git LFS pointer and not the file: run `git lfs pull`", path.display())]
    NotFetched {
        /// The file.
        path: PathBuf,
    },
    /// A report could not be built.
    #[error("making the report {}: {reason}", path.display())]
    Report {
        /// The report.
        path: PathBuf,
        /// The error of the library.
        reason: String,
    },
    /// Stopped by the user.
    #[error("interrupted after {messages} messages: the comparison was not finished")]
    Interrupted {
        /// Messages compared before the stop.
        messages: u64,
    },
    /// A recording could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A recording could not be opened.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A sink failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl CheckError {
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| match source.kind() {
            std::io::ErrorKind::NotFound if doing == "opening" => Self::Missing {
                path: path.to_owned(),
            },
            _ => Self::Io {
                path: path.to_owned(),
                doing,
                source,
            },
        }
    }

    /// Whether the input is damaged. A damaged golden is bad input instead: it can be recreated.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::DamagedStream { .. } | Self::Recording(RecordingError::Damaged { .. }) => true,
            Self::Source(error) => error.kind() == SourceErrorKind::Damaged,
            _ => false,
        }
    }

    /// Whether the input is wrong, not the machine.
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::NoGolden { .. }
            | Self::NotAGolden { .. }
            | Self::NotFetched { .. }
            | Self::NewerGolden { .. }
            | Self::ForeignStream { .. }
            | Self::UnreadableStream { .. }
            | Self::TakenPlace { .. }
            | Self::Unfinished { .. }
            | Self::GoldenCannotTell { .. }
            | Self::NotAMessage { .. }
            | Self::Missing { .. } => true,
            Self::Recording(error) => error.is_bad_input(),
            Self::Source(error) => error.kind() == SourceErrorKind::BadInput,
            _ => false,
        }
    }
}
