//! Where a new recording is written.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecordingError;
use super::names::{LOCK_FILE, goes_with_recording, is_manifest, parent_of};
use super::owner::{Owner, refuse_owned};
use super::storage::Storage;
use super::unstarted::{clear_unstarted, is_eventless};

type Result<T> = std::result::Result<T, RecordingError>;

/// The folder of a recording that is being written.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    /// Keeps other writers out of `folder`. Dropped before the folder is removed.
    pub(super) owner: Arc<Owner>,
    /// The folder, if it was created here.
    _created: Option<CreatedFolder>,
    /// The recording that this one replaces when it is finished.
    pub(super) replaces: Option<Replaced>,
}

/// A recording that will be replaced.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) folder: PathBuf,
    /// Keeps other writers out of it.
    pub(super) owner: Owner,
}

/// Removes the folder when dropped, unless something is in it.
#[derive(Debug)]
struct CreatedFolder {
    storage: Arc<dyn Storage>,
    path: PathBuf,
}

impl Drop for CreatedFolder {
    fn drop(&mut self) {
        // Where something is in it, this fails, as it should.
        let _ = self.storage.remove_folder(&self.path);
    }
}

impl Place {
    /// The place of a recording that is continued.
    pub(super) fn of_owner(folder: PathBuf, owner: Arc<Owner>) -> Self {
        Self {
            folder,
            owner,
            _created: None,
            replaces: None,
        }
    }
}

/// Chooses the folder for a recording that will be at `target`.
///
/// A new or empty folder is written directly, and so is one that a killed writer left before it had
/// anything to keep. A recording that is replaced stays as it is until the
/// new one is finished beside it: it may be the input.
pub(super) fn choose_place(
    storage: &Arc<dyn Storage>,
    target: &Path,
    overwrite: bool,
) -> Result<Place> {
    let created = |path: &Path| CreatedFolder {
        storage: Arc::clone(storage),
        path: path.to_owned(),
    };
    let is_new = !storage.exists(target);
    refuse_file_above(&**storage, target)?;
    if !is_new {
        // Before the lock, which leaves its file for a moment.
        refuse_occupied(&**storage, target, overwrite)?;
    }
    let owner = create_owned(&**storage, target)?;
    // Another writer may have finished meanwhile.
    if refuse_occupied_by_others(&**storage, target, overwrite)? {
        clear_unstarted(&**storage, target)?;
        return Ok(Place {
            folder: target.to_owned(),
            owner: Arc::new(owner),
            _created: is_new.then(|| created(target)),
            replaces: None,
        });
    }
    let folder = storage.create_folder_beside(target)?;
    let created = created(&folder);
    Ok(Place {
        owner: Arc::new(Owner::of(&**storage, &folder)?),
        _created: Some(created),
        folder,
        replaces: Some(Replaced {
            folder: target.to_owned(),
            owner,
        }),
    })
}

/// Creates the folder if it does not exist, and locks it.
fn create_owned(storage: &dyn Storage, folder: &Path) -> Result<Owner> {
    /// A writer that ends without a recording removes the folder that it created.
    const TRIES: u32 = 100;
    let mut tries = 0;
    loop {
        create_synced(storage, folder)?;
        match Owner::of_any(storage, folder) {
            Err(RecordingError::Io { source, .. })
                if source.kind() == ErrorKind::NotFound && tries < TRIES =>
            {
                tries += 1;
            }
            other => return other,
        }
    }
}

/// Creates the folder and those above it, where they do not exist, and makes their names durable.
pub(super) fn create_synced(storage: &dyn Storage, folder: &Path) -> Result<()> {
    let above = folder.ancestors().filter(|path| *path != Path::new(""));
    let missing: Vec<&Path> = above.take_while(|path| !storage.exists(path)).collect();
    if !missing.is_empty() {
        storage.create_folder(folder)?;
    }
    // The uppermost first, as they were created.
    let mut missing = missing.into_iter().rev();
    missing.try_for_each(|path| sync_name(storage, path))
}

/// Makes the name of a new folder durable. A folder above it that cannot be listed is left to the system.
pub(super) fn sync_name(storage: &dyn Storage, folder: &Path) -> Result<()> {
    match storage.sync_dir(&parent_of(folder)) {
        Err(error) if error.source.kind() != ErrorKind::PermissionDenied => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether the folder has no event. Anything else in it must be a recording that may be replaced, and no
/// other writer may have it.
pub(super) fn refuse_occupied(
    storage: &dyn Storage,
    target: &Path,
    overwrite: bool,
) -> Result<bool> {
    refuse_file_above(storage, target)?;
    if storage.is_folder(target) {
        refuse_owned(storage, target)?;
    }
    refuse_occupied_by_others(storage, target, overwrite)
}

/// The same where this writer has the folder.
fn refuse_occupied_by_others(
    storage: &dyn Storage,
    target: &Path,
    overwrite: bool,
) -> Result<bool> {
    if is_eventless(storage, target)? {
        return Ok(true);
    }
    if !overwrite {
        return Err(RecordingError::OutputExists {
            path: target.to_owned(),
        });
    }
    let mut names = storage.list(target)?;
    names.retain(|name| name != LOCK_FILE);
    let is_recording = names.iter().any(|name| is_manifest(name))
        || names.iter().all(|name| goes_with_recording(name));
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
