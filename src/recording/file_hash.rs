//! Size and BLAKE3 of a whole file, and what a manifest states of them.

use std::path::Path;

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
