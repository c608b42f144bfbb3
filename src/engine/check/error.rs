//! Errors of a comparison, each with the file and the remedy.

use std::path::{Path, PathBuf};

use tickdeck_core::source::{SourceError, SourceErrorKind};
use tickdeck_recording::{Finding, FormatVersion, MANIFEST_FILE, RecordingError};

use crate::reference::ReferenceError;
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
    #[error("there is no golden at {}", path.display())]
    NoGolden {
        /// The path that was tried.
        path: PathBuf,
    },
    /// The file is not a golden.
    #[error(
        "{} is not a golden: {reason}; restore it from version control, or remove it and the \
         stream beside it", path.display()
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
         remove it",
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
        "{} is not the payload stream of {} ({reason}): restore both from version control",
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
    #[error("{} keeps its payload stream in {}, {by}", golden.display(), stream.display())]
    TakenPlace {
        /// The path of the stream.
        stream: PathBuf,
        /// The golden.
        golden: PathBuf,
        /// What is at that path.
        by: TakenBy,
    },
    /// The golden would be a file of a recording.
    #[error(
        "{} would be inside a recording or among the data of a catalogue, where goldens are not allowed: name \
         another place",
        golden.display()
    )]
    GoldenInside {
        /// The golden.
        golden: PathBuf,
    },
    /// A folder without a manifest.
    #[error(
        "{} is not a recording: {MANIFEST_FILE} is missing; name a recording, a single segment file \
         or a payload stream",
        path.display()
    )]
    NotAnInput {
        /// The folder.
        path: PathBuf,
    },
    /// A stream of a server was named, and no server.
    #[error("{} is on a server: name the server", path.display())]
    NoServer {
        /// The input.
        path: PathBuf,
    },
    /// No stream of a server has such a name.
    #[cfg(feature = "nats")]
    #[error("{}: {problem}", path.display())]
    StreamName {
        /// The input.
        path: PathBuf,
        /// What is wrong with it.
        problem: crate::nats::StreamProblem,
    },
    /// A stream of a server cannot be read.
    #[cfg(feature = "nats")]
    #[error(transparent)]
    Nats(crate::nats::NatsError),
    /// A stream of a server lacks messages between its first and its last one.
    #[error(
        "{} lacks {missing} of its messages: they were removed; publish the recording to a new stream",
        path.display()
    )]
    Holes {
        /// The input.
        path: PathBuf,
        /// How many.
        missing: u64,
    },
    /// A message of a stream that no payload stream can have.
    #[error(
        "the message {sequence} of {} has the end of a line, or a blank in its subject: tickdeck did \
         not publish it; remove it from the stream",
        path.display()
    )]
    NotALine {
        /// The input.
        path: PathBuf,
        /// Sequence of the message.
        sequence: u64,
    },
    /// The segments of a recording are not what was written.
    #[error("the recording is damaged: {}", listed(findings))]
    DamagedRecording {
        /// What differs; at least one finding.
        findings: Vec<Finding>,
    },
    /// A table for the contracts, products or trading days cannot be used.
    #[error(transparent)]
    Reference(ReferenceError),
    /// A golden of an unfinished recording was requested.
    #[error(
        "{} {}, and a golden needs a finished recording", path.display(),
        if *is_being_written { "is still being written" } else { "is unfinished: its writer is gone" }
    )]
    Unfinished {
        /// The recording.
        path: PathBuf,
        /// Whether its writer is running.
        is_being_written: bool,
    },
    /// The golden lacks the data to answer.
    #[error("{}: {reason}", golden.display())]
    GoldenCannotTell {
        /// The golden.
        golden: PathBuf,
        /// The missing part.
        reason: CannotTell,
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

/// The first finding and the number of the others.
fn listed(findings: &[Finding]) -> String {
    let first = findings.first().map_or_else(String::new, |found| {
        format!("{}: {}", found.file.display(), found.problem)
    });
    match findings.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}

/// What is at the path of a golden's payload stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TakenBy {
    /// The input of the check.
    #[error("which is the input itself")]
    Input,
    /// A file that the golden does not name.
    #[error("where there is a file that is not its stream")]
    OtherFile,
}

/// Why a golden cannot be used for what was requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CannotTell {
    /// A golden would have the name of an input.
    #[error("a golden is JSON, and its name ends like that of a recording or a stream")]
    NameOfInput,
    /// A payload stream is in place of the golden and cannot be rewritten.
    #[error("it is a payload stream, not a golden")]
    IsStream,
    /// A captured stream cannot be accepted as the golden of a recording.
    #[error("the golden belongs to a recording")]
    OfRecording,
    /// Without its stream the differing fields are unknown.
    #[error("the golden has no payload stream, so the differing fields are unknown")]
    FieldsUnknown,
    /// Its digests were made without other fields, and only a stream could be compared.
    #[error(
        "its volatile fields are not those that its digests were made without, and it has no \
         payload stream to compare with"
    )]
    OtherFieldsLeftOut,
    /// It is a pipe or a device.
    #[error(
        "it is not a regular file, and a golden is read more than once: write it to a file first"
    )]
    NotAFile,
    /// A volatile field is declared without a reason.
    #[error("its volatile field {field:?} has no reason: write there why it cannot be compared")]
    NoReason {
        /// The field.
        field: String,
    },
}

impl CheckError {
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            doing,
            source,
        }
    }

    /// An input could not be opened, possibly because there is none.
    pub(super) fn opening(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| match source.kind() {
            std::io::ErrorKind::NotFound => Self::Missing {
                path: path.to_owned(),
            },
            _ => Self::io(path, "opening")(source),
        }
    }

    /// Whether the input is damaged. A damaged golden is bad input instead: it can be recreated.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::DamagedStream { .. }
            | Self::DamagedRecording { .. }
            | Self::Holes { .. }
            | Self::Recording(RecordingError::Damaged { .. }) => true,
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
            | Self::GoldenInside { .. }
            | Self::NotAnInput { .. }
            | Self::Reference(_)
            | Self::Unfinished { .. }
            | Self::GoldenCannotTell { .. }
            | Self::NotAMessage { .. }
            | Self::NotALine { .. }
            | Self::NoServer { .. }
            | Self::Missing { .. } => true,
            #[cfg(feature = "nats")]
            Self::StreamName { .. } => true,
            Self::Recording(error) => error.is_bad_input(),
            Self::Source(error) => error.kind() == SourceErrorKind::BadInput,
            _ => false,
        }
    }
}
