//! Errors of a storage: the file and the operation, with the system's own error as the cause.

use std::io;
use std::path::{Path, PathBuf};

/// An operation on a storage failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub struct StorageError {
    /// The file or folder.
    pub path: PathBuf,
    /// The operation, for example `reading`.
    pub doing: &'static str,
    /// The cause.
    #[source]
    pub source: io::Error,
}

impl StorageError {
    /// Adds path and operation to an I/O error; for `map_err`.
    pub fn at(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            path: path.to_owned(),
            doing,
            source,
        }
    }
}
