//! The one owner of a recording's folder. A writer has the lock in it for as long as it lives.

use std::io::ErrorKind;
use std::path::Path;

use super::error::RecordingError;
use super::names::{LOCK_FILE, is_temporary};
use super::storage::{Entry, LockGuard, Storage, StorageError, local, read_whole};

type Result<T> = std::result::Result<T, RecordingError>;

/// Holds the lock of a folder until it is dropped.
#[derive(Debug)]
pub(super) struct Owner(Box<dyn LockGuard>);

impl Owner {
    /// Takes the lock of `folder`, which must exist, and removes the temporary files of an owner that
    /// was killed.
    pub(super) fn of(storage: &dyn Storage, folder: &Path) -> Result<Self> {
        let owner = Self::of_any(storage, folder)?;
        // One that stays does no harm: it goes with the recording.
        for name in storage.list(folder).unwrap_or_default() {
            if is_temporary(&name) {
                let _ = storage.remove(&folder.join(name));
            }
        }
        Ok(owner)
    }

    /// Takes the lock of a folder that may be none of a recording. Its files stay as they are.
    pub(super) fn of_any(storage: &dyn Storage, folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK_FILE);
        match storage.lock(&path) {
            Ok(lock) => Ok(Self(lock)),
            Err(error) if error.source.kind() == ErrorKind::WouldBlock => {
                Err(in_use(storage, folder))
            }
            Err(error) => Err(unusable(storage, folder, &path, error)),
        }
    }

    /// Whether the folder is still the one that was locked.
    pub(super) fn is_in_place(&self) -> bool {
        self.0.is_in_place()
    }

    /// Refuses to touch a folder that was removed or replaced: what is there now belongs to another
    /// writer.
    pub(super) fn check(&self, folder: &Path) -> Result<()> {
        if self.0.is_in_place() {
            return Ok(());
        }
        Err(RecordingError::FolderReplaced {
            path: folder.to_owned(),
            now: self.0.folder(),
        })
    }

    /// The reason behind an error of writing in the folder: where that is not in place, nothing else
    /// matters.
    pub(super) fn explain(&self, folder: &Path, error: RecordingError) -> RecordingError {
        self.check(folder).err().unwrap_or(error)
    }
}

/// What `path` is that cannot be locked. Where nothing is there, the folder is what cannot be written.
fn unusable(
    storage: &dyn Storage,
    folder: &Path,
    path: &Path,
    error: StorageError,
) -> RecordingError {
    let unusable = |what: &'static str, fix: &'static str| RecordingError::LockUnusable {
        path: path.to_owned(),
        what,
        fix,
    };
    if storage.link_target(path).is_some() {
        return unusable("a link", "remove it");
    }
    match storage.entry(path) {
        Ok(Entry::Folder) => unusable("a folder", "remove it"),
        Ok(Entry::Other) => unusable("a pipe or a device", "remove it"),
        Ok(Entry::File) if error.source.kind() == ErrorKind::PermissionDenied => {
            match storage.is_locked(path) {
                Ok(true) => in_use(storage, folder),
                _ => unusable(
                    "a file that this user may not write",
                    "run as its owner, or remove it if no writer is running",
                ),
            }
        }
        _ => error.into(),
    }
}

/// A lock file has one line.
const MOST_LOCK_BYTES: u64 = 4096;

/// Whether this user may not look at the lock of `folder`, so that its writer may be running or not.
pub(super) fn is_owner_unknown(storage: &dyn Storage, folder: &Path) -> bool {
    let path = folder.join(LOCK_FILE);
    let is_denied = |error: StorageError| error.source.kind() == ErrorKind::PermissionDenied;
    storage.is_file(&path) && storage.is_locked(&path).is_err_and(is_denied)
}

/// Whether a writer has `folder`. A lock that cannot be examined counts as free: readers need none.
pub(super) fn is_owned(storage: &dyn Storage, folder: &Path) -> bool {
    storage.is_locked(&folder.join(LOCK_FILE)).unwrap_or(false)
}

/// Whether a writer has a folder of the local file system: a recording, or a ring.
#[must_use]
pub fn is_in_use(folder: &Path) -> bool {
    is_owned(&*local(), folder)
}

/// Refuses a folder that a writer has.
pub(super) fn refuse_owned(storage: &dyn Storage, folder: &Path) -> Result<()> {
    match is_owned(storage, folder) {
        true => Err(in_use(storage, folder)),
        false => Ok(()),
    }
}

fn in_use(storage: &dyn Storage, folder: &Path) -> RecordingError {
    let text = read_whole(storage, &folder.join(LOCK_FILE), MOST_LOCK_BYTES).unwrap_or_default();
    let owner = String::from_utf8_lossy(&text).trim().to_owned();
    RecordingError::InUse {
        path: folder.to_owned(),
        owner: match owner.as_str() {
            "" => "another process".into(),
            _ => owner,
        },
    }
}
