//! Git LFS pointers: small text files instead of files that were not fetched.

use std::io::ErrorKind;
use std::path::Path;

use super::error::RecordingError;
use super::storage::Storage;

/// The first bytes of a pointer.
const POINTER: &[u8] = b"version https://git-lfs";

/// Whether a file that begins with `head` is a Git LFS pointer.
#[must_use]
pub fn is_pointer(head: &[u8]) -> bool {
    head.starts_with(POINTER)
}

/// Refuses a Git LFS pointer, a link to a file that was not fetched, and a file that may not be read. None
/// of them is damage. A file that cannot be read for another reason passes: the code that opens it next
/// reports why.
pub(super) fn refuse_pointer(storage: &dyn Storage, path: &Path) -> Result<(), RecordingError> {
    // The tools that leave pointers keep the files themselves on such a storage.
    if storage.is_remote() {
        return Ok(());
    }
    let mut head = [0; POINTER.len()];
    let read = storage
        .open(path)
        .and_then(|file| file.read_at(&mut head, 0));
    match read {
        Ok(()) if is_pointer(&head) => Err(RecordingError::NotFetched {
            path: path.to_owned(),
        }),
        Err(error) if error.source.kind() == ErrorKind::PermissionDenied => Err(error.into()),
        Err(error) if error.source.kind() == ErrorKind::NotFound => match storage.link_target(path)
        {
            Some(target) => Err(RecordingError::DanglingLink {
                path: path.to_owned(),
                target,
            }),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
