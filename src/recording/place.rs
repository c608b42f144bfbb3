//! Where a new recording is written, and how it takes the place of an old one.

use std::path::{Path, PathBuf};

use super::error::RecordingError;
use super::names::{MANIFEST_FILE, is_of_recording};
use super::storage::Storage;

type Result<T> = std::result::Result<T, RecordingError>;

/// The folder of a new recording.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    /// The recording that this one replaces when it is finished.
    pub(super) replaces: Option<PathBuf>,
    /// Whether the folder was created here.
    pub(super) created: bool,
}

/// Chooses the folder for a recording that will be at `target`.
///
/// A new or empty folder is written directly. A recording that is replaced stays as it is until the
/// new one is finished beside it: it may be the input.
pub(super) fn choose_place(storage: &dyn Storage, target: &Path, overwrite: bool) -> Result<Place> {
    let created = !storage.exists(target);
    if created {
        refuse_file_above(storage, target)?;
        storage.create_folder(target)?;
    }
    if created || refuse_occupied(storage, target, overwrite)? {
        return Ok(Place {
            folder: target.to_owned(),
            replaces: None,
            created,
        });
    }
    Ok(Place {
        folder: storage.create_folder_beside(target)?,
        replaces: Some(target.to_owned()),
        created: true,
    })
}

/// Whether the folder is empty. Anything in it must be a recording that may be replaced.
pub(super) fn refuse_occupied(
    storage: &dyn Storage,
    target: &Path,
    overwrite: bool,
) -> Result<bool> {
    refuse_file_above(storage, target)?;
    let names = storage.list(target)?;
    if names.is_empty() {
        return Ok(true);
    }
    if !overwrite {
        return Err(RecordingError::OutputExists {
            path: target.to_owned(),
        });
    }
    let is_recording = names.iter().any(|name| name == MANIFEST_FILE)
        || names.iter().all(|name| is_of_recording(name));
    if !is_recording {
        return Err(RecordingError::NotReplaceable {
            path: target.to_owned(),
        });
    }
    Ok(false)
}

/// Refuses a path that is, or leads through, something other than a folder.
fn refuse_file_above(storage: &dyn Storage, target: &Path) -> Result<()> {
    match target.ancestors().find(|path| storage.exists(path)) {
        Some(path) if !storage.is_folder(path) => Err(RecordingError::NotAFolder {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Replaces the recording at `target` by the finished one. Files that belong to no recording stay.
pub(super) fn replace(storage: &dyn Storage, target: &Path, finished: &Path) -> Result<()> {
    let names = storage.list(target)?;
    for name in names.iter().filter(|name| is_of_recording(name)) {
        storage.remove(&target.join(name))?;
    }
    for name in storage.list(finished)? {
        storage.rename(&finished.join(&name), &target.join(&name))?;
    }
    storage.sync_dir(target)?;
    storage.remove_folder(finished)?;
    Ok(())
}
