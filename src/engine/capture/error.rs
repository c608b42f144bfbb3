//! Why the files of a capture cannot be made.

use std::io;
use std::path::{Path, PathBuf};

use crate::sink::SinkError;

/// The files of a capture cannot be made or completed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureFileError {
    /// The arrival times would be in the file of the stream.
    #[error("{} is the file for the stream and for the arrival times: give them two", path.display())]
    SameFile {
        /// The path of the arrival times.
        path: PathBuf,
    },
    /// The ready file would be a file of the capture.
    #[error("the ready file {} is also the file for {what}: give it a separate path", path.display())]
    ReadyIsOutput {
        /// The ready file.
        path: PathBuf,
        /// `the output` or `the arrival times`.
        what: &'static str,
    },
    /// What is at the place of the ready file was not made by a capture.
    #[error(
        "the ready file {}: there is {found}, and it would be removed: choose another path",
        path.display()
    )]
    ReadyIsForeign {
        /// The ready file.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// The file would be in the folder of a recording.
    #[error("{} is inside a recording or a catalogue: choose an output elsewhere", path.display())]
    InsideRecording {
        /// The file.
        path: PathBuf,
    },
    /// The file exists and is not to be replaced.
    #[error("{} already exists: choose another output or replace it explicitly", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Arrival times need a file.
    #[error("the arrival times {}: not a regular file: choose another path", path.display())]
    TimesNotAFile {
        /// The path of the arrival times.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("{doing} {}", path.display())]
    Io {
        /// For example `writing to`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The stream cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl CaptureFileError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}
