//! Watches the folder of a recording: whether it is still the writer's, and how much space is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecordingError;
use super::owner::Owner;
use super::storage::{Storage, local};
use super::writer::RecordingWriter;

type Result<T> = std::result::Result<T, RecordingError>;

/// Free space that a recorder leaves by default: 1 GiB.
pub const DEFAULT_MIN_FREE_SPACE: u64 = 1 << 30;

/// Looks at the folder of a recording that is being written.
#[derive(Debug)]
pub(super) struct FolderWatch {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    owner: Arc<Owner>,
    min_free: u64,
}

impl FolderWatch {
    pub(super) fn of(writer: &RecordingWriter, min_free: u64) -> Self {
        Self {
            storage: Arc::clone(writer.storage()),
            folder: writer.folder().to_owned(),
            owner: Arc::clone(writer.owner()),
            min_free,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The reason behind an error of writing there.
    pub(super) fn explain(&self, error: RecordingError) -> RecordingError {
        self.owner.explain(&self.folder, error)
    }

    /// The free space, if the storage states it. An error when the folder is not in place or the space
    /// is below the limit.
    pub(super) fn look(&self) -> Result<Option<u64>> {
        // A file of a removed folder can be written for a long time, and to no use.
        self.owner.check(&self.folder)?;
        // A disk that gives no answer is found by the next write.
        let free = self.storage.free_space(&self.folder).unwrap_or_default();
        refuse_low(&self.folder, free, self.min_free)?;
        Ok(free)
    }
}

fn refuse_low(folder: &Path, free: Option<u64>, needed: u64) -> Result<()> {
    match free {
        Some(free) if free < needed => Err(RecordingError::LowSpace {
            path: folder.to_owned(),
            free,
            needed,
        }),
        _ => Ok(()),
    }
}

/// Refuses a place for a new recording with less than `needed` bytes of free space. The folder need not
/// exist yet.
///
/// # Errors
/// When there is less, or the system does not answer.
pub fn check_free_space(folder: &Path, needed: u64) -> Result<()> {
    refuse_low(folder, local().free_space(folder)?, needed)
}
