//! What can go wrong with a comparison, each with the file and what to do.

use std::path::{Path, PathBuf};

use tickdeck_core::source::{SourceError, SourceErrorKind};
use tickdeck_recording::{FormatVersion, RecordingError};

use crate::sink::SinkError;

/// A comparison could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The file system said no.
    #[error("{doing} {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// For example `reading`.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The golden is not there yet.
    #[error("there is no golden at {}: give --update to make it", path.display())]
    NoGolden {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is no golden.
    #[error(
        "{} is not a golden: {reason}; restore it from version control, or remove it and the \
         stream beside it and give --update to make both anew", path.display()
    )]
    NotAGolden {
        /// The file.
        path: PathBuf,
        /// What is missing or unexpected.
        reason: String,
    },
    /// Written by a newer tickdeck.
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
    /// The payload stream beside the golden is another one than the golden describes. It may be all
    /// that there is of something, so that nothing but its owner removes it.
    #[error(
        "{} is not the payload stream of {} ({reason}): restore both from version control, or \
         remove it and give --update to make both anew",
        stream.display(), golden.display()
    )]
    ForeignStream {
        /// The stream.
        stream: PathBuf,
        /// The golden.
        golden: PathBuf,
        /// What does not agree.
        reason: String,
    },
    /// The payload stream beside the golden does not read.
    #[error(
        "{} is not the payload stream of {} ({reason}): restore both from version control, or \
         give --update to make them anew",
        stream.display(), golden.display()
    )]
    UnreadableStream {
        /// The stream.
        stream: PathBuf,
        /// The golden.
        golden: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// In the place of the golden's payload stream lies something that is not to be replaced.
    #[error("{} keeps its payload stream in {}, {reason}", golden.display(), stream.display())]
    TakenPlace {
        /// Where the stream would be.
        stream: PathBuf,
        /// The golden.
        golden: PathBuf,
        /// What lies there, and what to do.
        reason: &'static str,
    },
    /// A golden was to be made of a recording that will be another one.
    #[error(
        "{path} is still being written, or its writer was killed, and a golden is made of a finished \
         recording: wait for its end, or make one of what is sealed with `tickdeck slice {path} -o \
         NEW`",
        path = path.display()
    )]
    Unfinished {
        /// The recording.
        path: PathBuf,
    },
    /// The golden cannot answer what was asked.
    #[error("{}: {reason}", golden.display())]
    GoldenCannotTell {
        /// The golden.
        golden: PathBuf,
        /// What is missing, and what to do.
        reason: String,
    },
    /// A line of a payload stream is no message.
    #[error(
        "{}, line {line}: expected a message, which is a subject, one space and a payload, found \
         {found}", path.display()
    )]
    NotAMessage {
        /// The stream.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// The beginning of the line, quoted, or what it is.
        found: String,
    },
    /// A compressed stream does not decompress.
    #[error("{} is damaged or cut off: {reason}", path.display())]
    DamagedStream {
        /// The stream.
        path: PathBuf,
        /// What the decompressor said.
        reason: String,
    },
    /// Only a placeholder is there.
    #[error("{} is a Git LFS pointer and not the file: run `git lfs pull`", path.display())]
    NotFetched {
        /// The file.
        path: PathBuf,
    },
    /// A report could not be put together.
    #[error("making the report {}: {reason}", path.display())]
    Report {
        /// The report.
        path: PathBuf,
        /// What the library said.
        reason: String,
    },
    /// Stopped by the user.
    #[error("interrupted after {messages} messages: the comparison was not finished")]
    Interrupted {
        /// How far it had got.
        messages: u64,
    },
    /// A recording could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A recording could not be opened.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Messages could not be handed over.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl CheckError {
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            doing,
            source,
        }
    }

    /// Whether the input was found to be damaged. A golden that is, is bad input: it can be made anew.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::DamagedStream { .. } | Self::Recording(RecordingError::Damaged { .. }) => true,
            Self::Source(error) => error.kind() == SourceErrorKind::Damaged,
            _ => false,
        }
    }

    /// Whether the input is not what it should be, as opposed to a machine that failed.
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
            | Self::Recording(
                RecordingError::NotARecording { .. } | RecordingError::NotFetched { .. },
            ) => true,
            Self::Source(error) => error.kind() == SourceErrorKind::BadInput,
            _ => false,
        }
    }
}
