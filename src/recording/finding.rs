//! A difference between a recording and what was written, found by a check or a salvage.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::error::{NOT_FETCHED, RecordingError};

/// A mismatch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file concerned.
    pub file: PathBuf,
    /// The expected and the actual value.
    pub problem: String,
}

impl Finding {
    pub(super) fn new(file: PathBuf, error: &RecordingError) -> Self {
        let problem = problem(error);
        Self { file, problem }
    }
}

/// The error with its cause, without the file name, which the finding has already.
pub(super) fn problem(error: &RecordingError) -> String {
    match error {
        RecordingError::Damaged { problem, .. } => problem.clone(),
        RecordingError::NotFetched { .. } => NOT_FETCHED.into(),
        RecordingError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
            "the manifest lists it, and it is missing".into()
        }
        RecordingError::Io { source, doing, .. } => format!("{doing} it: {source}"),
        RecordingError::Parquet { source, .. } => source.to_string(),
        RecordingError::NoManifest { .. } => "it is missing".into(),
        other => other.to_string(),
    }
}

/// A problem, and the events that it costs.
pub(super) fn lost_from(problem: &str, first: u64, last: Option<u64>) -> String {
    match last {
        Some(last) if last > first => format!("{problem}: events {first} to {last} are lost"),
        Some(_) => format!("{problem}: event {first} is lost"),
        None => format!("{problem}: events from {first} on are lost"),
    }
}
