//! A difference between a recording and what was written.

use std::path::PathBuf;

/// A mismatch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file concerned.
    pub file: PathBuf,
    /// The expected and the actual value.
    pub problem: String,
}
