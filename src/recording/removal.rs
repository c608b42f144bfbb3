//! How a finished recording is removed, also where that was interrupted.
//!
//! It is renamed first, to a name that no reader takes up, so that a crash leaves no half of a recording.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::Catalog;
use super::error::RecordingError;
use super::manifest::{Manifest, Status};
use super::names::{LOCK_FILE, goes_with_recording, is_manifest, parent_of};
use super::owner::{Owner, is_owned};
use super::storage::{Storage, StorageError, local};

type Result<T> = std::result::Result<T, RecordingError>;

/// What the hidden name of a recording ends with while its files are removed.
const REMOVED: &str = ".removed";

/// Removes what a prune that was killed left of the sessions under `root`, and says what that was.
///
/// # Errors
/// When the root cannot be listed, or something cannot be removed.
pub fn finish_interrupted(root: &Path) -> Result<Vec<PathBuf>> {
    finish_interrupted_in(&*local(), root)
}

/// The same on any storage.
///
/// # Errors
/// As [`finish_interrupted`].
pub(super) fn finish_interrupted_in(storage: &dyn Storage, root: &Path) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for (_, day) in Catalog::days_in(storage, root)? {
        if storage.link_target(&day).is_some() || !storage.is_folder(&day) {
            continue;
        }
        for name in storage.list(&day)? {
            let path = day.join(&name);
            if !is_hidden_session(&name) || is_owned(storage, &path) {
                continue;
            }
            match is_removable(storage, &path) {
                Ok(false) => {}
                Ok(true) => {
                    clear(storage, &path)?;
                    removed.push(path);
                }
                // Another prune was faster.
                Err(error) if error.source.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(removed)
}

/// Whether a name is one that [`hide`] gives a session.
fn is_hidden_session(name: &str) -> bool {
    let shown = name
        .strip_prefix('.')
        .and_then(|name| name.strip_suffix(REMOVED));
    shown.is_some_and(Catalog::is_session)
}

/// Whether a folder has nothing but files of a recording, and is not a link.
fn is_removable(storage: &dyn Storage, folder: &Path) -> std::result::Result<bool, StorageError> {
    if storage.link_target(folder).is_some() || !storage.is_folder(folder) {
        return Ok(false);
    }
    let names = storage.list(folder)?;
    let mut names = names.iter();
    Ok(names.all(|name| name == LOCK_FILE || goes_with_recording(name)))
}

/// Removes a finished recording.
pub(super) fn remove(storage: &Arc<dyn Storage>, folder: &Path) -> Result<()> {
    // Keeps writers and a recovery out from here on.
    let owner = Owner::of(&**storage, folder)?;
    if Manifest::read_in(&**storage, folder)?.status == Status::Recording {
        return Err(RecordingError::damaged(
            folder,
            "a writer began it again while it was to be removed",
        ));
    }
    let hidden = hide(&**storage, folder)?;
    let cleared = clear(&**storage, &hidden);
    drop(owner);
    cleared?;
    let day = parent_of(folder);
    if Catalog::is_day(&day) {
        // The folder of a day that has other sessions stays.
        let _ = storage.remove_folder(&day);
    }
    Ok(())
}

/// Gives a recording a name that no reader takes up.
fn hide(storage: &dyn Storage, folder: &Path) -> Result<PathBuf> {
    let parent = parent_of(folder);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut hidden = parent.join(format!(".{name}{REMOVED}"));
    let mut number = 1;
    while storage.exists(&hidden) || storage.link_target(&hidden).is_some() {
        number += 1;
        hidden = parent.join(format!(".{name}.{number}{REMOVED}"));
    }
    storage.rename(folder, &hidden)?;
    // Else a crash could leave the recording under its name without the files that go now.
    storage.sync_dir(&parent)?;
    Ok(hidden)
}

/// Removes a folder and the files of a recording in it, the manifest first: without it there is no
/// recording. The lock goes last: it keeps another prune out.
fn clear(storage: &dyn Storage, folder: &Path) -> Result<()> {
    let mut names = storage.list(folder)?;
    names.retain(|name| name == LOCK_FILE || goes_with_recording(name));
    names.sort_by_key(|name| (name == LOCK_FILE, !is_manifest(name)));
    for name in names {
        storage.remove(&folder.join(name))?;
    }
    storage.remove_folder(folder)?;
    storage.sync_dir(&parent_of(folder))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tests::{options, some_ticks};
    use crate::{RecordingWriter, Rolling};

    fn session(root: &Path) -> PathBuf {
        let folder = Catalog::folder(root, "2026-01-05".parse().unwrap(), "a");
        let mut writer = RecordingWriter::create(&folder, options(Rolling::default())).unwrap();
        writer.write(&some_ticks(5)).unwrap();
        writer.finish().unwrap();
        folder
    }

    #[test]
    fn a_removal_that_was_killed_is_completed() {
        let root = tempfile::tempdir().unwrap();
        for is_begun in [false, true] {
            let hidden = hide(&*local(), &session(root.path())).unwrap();
            assert_eq!(Catalog::open(root.path()).unwrap().entries, []);
            if is_begun {
                fs::remove_file(hidden.join("_manifest.json")).unwrap();
            }
            fs::write(hidden.join(LOCK_FILE), "process 1 on host gone\n").unwrap();
            assert_eq!(
                finish_interrupted(root.path()).unwrap(),
                std::slice::from_ref(&hidden)
            );
            assert!(!hidden.exists());
        }
    }

    #[test]
    fn one_that_is_under_way_is_left_to_its_owner() {
        let root = tempfile::tempdir().unwrap();
        let hidden = hide(&*local(), &session(root.path())).unwrap();
        let owner = Owner::of(&*local(), &hidden).unwrap();
        assert_eq!(finish_interrupted(root.path()).unwrap(), [] as [PathBuf; 0]);
        assert!(hidden.join("_manifest.json").exists());
        drop(owner);
    }

    #[test]
    fn folders_of_others_stay() {
        let root = tempfile::tempdir().unwrap();
        let folder = session(root.path());
        let day = folder.parent().unwrap();
        let others = [
            root.path().join(".old-backup.removed"),
            root.path().join(".session=b.removed"),
            day.join(".old-backup.removed"),
            day.join(".session=b.removed"),
            day.join(".session=.removed"),
        ];
        for other in &others {
            fs::create_dir(other).unwrap();
            fs::write(other.join("manifest.json"), "mine").unwrap();
        }
        fs::write(others[3].join("notes.txt"), "mine").unwrap();
        let link = day.join(".session=c.removed");
        std::os::unix::fs::symlink("session=a", &link).unwrap();
        std::os::unix::fs::symlink(day, root.path().join("trading_day=2026-01-06")).unwrap();
        assert_eq!(finish_interrupted(root.path()).unwrap(), [] as [PathBuf; 0]);
        for other in &others {
            assert!(other.join("manifest.json").exists(), "{}", other.display());
        }
        assert!(folder.join("_manifest.json").exists());
        // The name is taken, and another one is used.
        let taken = day.join(".session=a.removed");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("notes.txt"), "mine").unwrap();
        remove(&local(), &folder).unwrap();
        assert!(!folder.exists() && taken.join("notes.txt").exists());
    }
}
