//! Size and BLAKE3 of a whole file, and what a manifest states of them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tickdeck_core::thread;

use super::error::RecordingError;
use super::pointer::refuse_pointer;
use super::storage::{Storage, StorageError};

/// Bytes hashed at a time.
const HASH_BYTES: usize = 1 << 20;

/// Size and BLAKE3 (hex) of a file.
pub(super) fn hash_file(storage: &dyn Storage, path: &Path) -> Result<(u64, String), StorageError> {
    let file = storage.open(path)?;
    let size = file.bytes()?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; HASH_BYTES];
    let mut position = 0;
    while position < size {
        let rest = usize::try_from(size - position).unwrap_or(usize::MAX);
        let part = &mut buffer[..rest.min(HASH_BYTES)];
        file.read_at(part, position)?;
        hasher.update(part);
        position += part.len() as u64;
    }
    Ok((size, hasher.finalize().to_hex().to_string()))
}

/// Compares a file with what the manifest states.
pub(super) fn check_file(
    storage: &dyn Storage,
    path: &Path,
    bytes: Option<u64>,
    blake3: &str,
) -> Result<(), RecordingError> {
    refuse_pointer(storage, path)?;
    let size = storage.open(path)?.bytes()?;
    if let Some(expected) = bytes
        && size != expected
    {
        return Err(RecordingError::damaged(
            path,
            format!("{size} bytes, the manifest says {expected}"),
        ));
    }
    let (_, found) = hash_file(storage, path)?;
    if found != blake3 {
        return Err(RecordingError::damaged(
            path,
            format!("BLAKE3 is {found}, the manifest says {blake3}"),
        ));
    }
    Ok(())
}

/// A file as a manifest states it.
pub(super) struct StatedFile<'a> {
    pub(super) path: PathBuf,
    pub(super) bytes: Option<u64>,
    pub(super) blake3: &'a str,
}

/// Hashing is bound by the memory soon.
const MOST_THREADS: usize = 4;

/// Compares files with what the manifest states, several at a time. The errors are in the order of the
/// files.
pub(super) fn check_files(
    storage: &dyn Storage,
    files: &[StatedFile<'_>],
) -> Vec<(PathBuf, RecordingError)> {
    let (next, errors) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let check = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = check_file(storage, &file.path, file.bytes, file.blake3) {
                let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
                errors.push((file.path.clone(), error));
            }
        }
    };
    let threads = thread::cores().min(files.len()).min(MOST_THREADS);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Without it, this one does it all.
            let _ = thread::spawn_scoped(scope, "hash", check);
        }
        check();
    });
    let mut errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    let place = |path: &PathBuf| files.iter().position(|file| file.path == *path);
    errors.sort_by_key(|(path, _)| place(path));
    errors
}
