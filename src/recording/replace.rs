//! How a finished recording takes the place of an old one, also where that was interrupted.
//!
//! A mark beside the finished files says that the old ones may go. From then on one of two folders has
//! the manifest of a whole recording, and [`finish_replacement`] completes what was begun.

use std::path::{Path, PathBuf};

use super::error::RecordingError;
use super::manifest::Manifest;
use super::names::{
    LOCK_FILE, REPLACES_FILE, contracts_path, goes_with_recording, has_manifest, is_manifest,
    is_temporary,
};
use super::owner::{Owner, is_owned};
use super::place::sync_name;
use super::storage::{Storage, StorageError, is_random, read_whole};
use super::unstarted::remove_eventless_in;

type Result<T> = std::result::Result<T, RecordingError>;

/// The mark holds a file name.
const MOST_MARK_BYTES: u64 = 4096;

/// Replaces the recording at `target` by the finished one. Files that belong to no recording stay.
///
/// The manifest goes first and comes last: without it a folder is not a recording.
pub(super) fn replace(storage: &dyn Storage, target: &Path, finished: &Path) -> Result<()> {
    // Nothing old may go before the new recording and its mark are durable.
    storage.sync_dir(finished)?;
    sync_name(storage, finished)?;
    storage.put(&finished.join(REPLACES_FILE), name_of(target)?.as_bytes())?;
    storage.sync_dir(finished)?;
    for name in storage
        .list(target)?
        .iter()
        .filter(|name| is_manifest(name))
    {
        storage.remove(&target.join(name))?;
    }
    // Else a crash could leave the old manifest without the old segments.
    storage.sync_dir(target)?;
    take_place(storage, target, finished)
}

/// Moves the files to `target`, which has no manifest. Some may be there already.
fn take_place(storage: &dyn Storage, target: &Path, finished: &Path) -> Result<()> {
    let manifest = Manifest::read_in(storage, finished)?;
    let contracts = contracts_path(storage, finished);
    let mut new = storage.list(finished)?;
    new.retain(|name| name != LOCK_FILE && name != REPLACES_FILE && !is_temporary(name));
    let is_listed = |name: &str| {
        manifest.segments.iter().any(|entry| entry.file == name) || contracts.ends_with(name)
    };
    for name in storage.list(target)? {
        // A new file replaces the old one of its name; one that was moved before is here alone.
        let stays = new.contains(&name) || is_listed(&name);
        if goes_with_recording(&name) && !stays {
            storage.remove(&target.join(name))?;
        }
    }
    let (manifests, others): (Vec<_>, Vec<_>) = new.into_iter().partition(|name| is_manifest(name));
    for name in others {
        storage.rename(&finished.join(&name), &target.join(&name))?;
    }
    // Else a crash could leave the new manifest without the new segments.
    storage.sync_dir(target)?;
    for name in manifests {
        storage.rename(&finished.join(&name), &target.join(&name))?;
    }
    storage.sync_dir(target)?;
    // A mark that stays does no harm: nothing is left to move.
    let _ = storage.remove(&finished.join(REPLACES_FILE));
    Ok(())
}

/// Completes the replacement of the recording at `target` whose writer was killed in the middle of it.
///
/// Where `target` has a manifest, the replacement had not begun, or a newer recording is there. It
/// stays as it is then.
pub(super) fn finish_replacement(storage: &dyn Storage, target: &Path) -> Result<()> {
    clear_unstarted_beside(storage, target)?;
    for finished in beside(storage, target)? {
        let is_free = !is_owned(storage, target) && !is_owned(storage, &finished);
        if !is_marked(storage, &finished, target)? || !is_free {
            continue;
        }
        let has_begun = storage.is_folder(target) && !has_manifest(storage, target);
        if has_manifest(storage, &finished) && !has_begun {
            continue;
        }
        let owner = Owner::of(storage, &finished)?;
        if has_manifest(storage, &finished) {
            let owner = Owner::of(storage, target)?;
            take_place(storage, target, &finished)?;
            drop(owner);
        } else {
            storage.remove(&finished.join(REPLACES_FILE))?;
        }
        drop(owner);
        // One that has anything else in it stays.
        let _ = storage.remove_folder(&finished);
    }
    Ok(())
}

/// Removes the hidden folders of writers that were killed before they had an event.
fn clear_unstarted_beside(storage: &dyn Storage, target: &Path) -> Result<()> {
    for folder in beside(storage, target)? {
        let is_named = folder
            .extension()
            .is_some_and(|it| is_random(&it.to_string_lossy()));
        // An empty folder may be another's.
        let names = storage.list(&folder).unwrap_or_default();
        let is_left = names.iter().any(|it| it == LOCK_FILE || is_temporary(it));
        let is_candidate = is_named && is_left && storage.link_target(&folder).is_none();
        if is_candidate && !is_owned(storage, target) {
            remove_eventless_in(storage, &folder)?;
        }
    }
    Ok(())
}

/// Whether a finished recording is beside `target`, whose old files have begun to go.
pub(super) fn is_interrupted(storage: &dyn Storage, target: &Path) -> Result<bool> {
    if has_manifest(storage, target) {
        return Ok(false);
    }
    for finished in beside(storage, target)? {
        if has_manifest(storage, &finished) && is_marked(storage, &finished, target)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The hidden folders beside `target` for recordings that are to replace it.
pub(super) fn beside(storage: &dyn Storage, target: &Path) -> Result<Vec<PathBuf>> {
    let absolute = std::path::absolute(target).map_err(StorageError::at(target, "finding"))?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Ok(Vec::new());
    };
    if !storage.is_folder(parent) {
        return Ok(Vec::new());
    }
    let prefix = format!(".{}.", name.to_string_lossy());
    // A dot in the rest means a target with a longer name.
    let is_ours = |name: &String| {
        let rest = name.strip_prefix(&prefix);
        rest.is_some_and(|rest| !rest.contains('.'))
    };
    let names = storage.list(parent)?.into_iter().filter(is_ours);
    let folders = names.map(|name| parent.join(name));
    Ok(folders.filter(|path| storage.is_folder(path)).collect())
}

/// Whether a folder has the mark for `target`.
fn is_marked(storage: &dyn Storage, finished: &Path, target: &Path) -> Result<bool> {
    let mark = finished.join(REPLACES_FILE);
    if !storage.is_file(&mark) {
        return Ok(false);
    }
    let text = read_whole(storage, &mark, MOST_MARK_BYTES)?;
    Ok(text == name_of(target)?.as_bytes())
}

/// The name of a folder, also of `.`.
fn name_of(folder: &Path) -> Result<String> {
    let absolute = std::path::absolute(folder).map_err(StorageError::at(folder, "finding"))?;
    let name = absolute.file_name().unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::storage::local;
    use crate::tests::{options, some_ticks};
    use crate::{
        Catalog, Recording, RecordingOptions, RecordingWriter, Rolling, leftovers, verify,
    };

    /// A recording in `session=a` of a day, and the same finished beside it with the mark.
    fn interrupted(root: &Path) -> (PathBuf, PathBuf, Manifest) {
        let target = Catalog::folder(root, "2026-01-05".parse().unwrap(), "a");
        let beside = target.with_file_name(".session=a.Ab12cd");
        for (folder, ticks) in [(&target, 5), (&beside, 9)] {
            let mut writer = RecordingWriter::create(folder, options(Rolling::default())).unwrap();
            writer.count_dropped("overflow", 3);
            writer.write(&some_ticks(ticks)).unwrap();
            writer.finish().unwrap();
        }
        fs::write(beside.join(REPLACES_FILE), "session=a").unwrap();
        let manifest = Manifest::read(&beside).unwrap();
        (target, beside, manifest)
    }

    fn check_replaced(target: &Path, beside: &Path, manifest: &Manifest) {
        assert!(!beside.exists());
        let made = Recording::open(target).unwrap();
        assert_eq!(made.manifest(), Some(manifest));
        assert!(verify(&made, &mut |_| {}).is_intact());
    }

    #[test]
    fn one_that_lost_its_old_files_alone_is_listed_and_completed() {
        let root = tempfile::tempdir().unwrap();
        let (target, beside, manifest) = interrupted(root.path());
        for entry in fs::read_dir(&target).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        assert_eq!(Catalog::open(root.path()).unwrap().entries.len(), 1);
        assert_eq!(leftovers(&target).unwrap(), [] as [PathBuf; 0]);
        check_replaced(&target, &beside, &manifest);
    }

    #[test]
    fn one_whose_manifest_alone_is_missing_keeps_all_that_it_says() {
        let root = tempfile::tempdir().unwrap();
        let (target, beside, manifest) = interrupted(root.path());
        fs::remove_file(target.join("_manifest.json")).unwrap();
        for name in ["part-00000.parquet", "_contracts.parquet"] {
            fs::rename(beside.join(name), target.join(name)).unwrap();
        }
        fs::write(target.join("notes.txt"), "mine").unwrap();
        fs::write(beside.join(LOCK_FILE), "process 1 on host gone\n").unwrap();
        leftovers(&target).unwrap();
        check_replaced(&target, &beside, &manifest);
        assert!(target.join("notes.txt").exists());
    }

    #[test]
    fn what_a_recovery_set_aside_goes_with_the_old_recording() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("rec");
        let forced = RecordingOptions {
            overwrite: true,
            ..options(Rolling::default())
        };
        for has_manifest in [true, false] {
            let mut old = RecordingWriter::create(&target, forced.clone()).unwrap();
            old.write(&some_ticks(5)).unwrap();
            old.finish().unwrap();
            for name in ["journal-00000.tdj.damaged", "part-00007.parquet.damaged-2"] {
                fs::write(target.join(name), "").unwrap();
            }
            if has_manifest {
                fs::write(target.join("notes.damaged"), "mine").unwrap();
            } else {
                fs::remove_file(target.join("notes.damaged")).unwrap();
                fs::remove_file(target.join("manifest.json")).unwrap();
            }
            let mut new = RecordingWriter::create(&target, forced.clone()).unwrap();
            new.write(&some_ticks(9)).unwrap();
            assert!(target.join("journal-00000.tdj.damaged").exists());
            new.finish().unwrap();
            let mut left = local().list(&target).unwrap();
            left.retain(|name| !name.starts_with("part-00000") && !name.ends_with(".json"));
            let expected = match has_manifest {
                true => &["contracts.parquet", "notes.damaged"][..],
                false => &["contracts.parquet"],
            };
            assert_eq!(left, expected);
        }
    }

    #[test]
    fn one_that_had_not_begun_leaves_both() {
        let root = tempfile::tempdir().unwrap();
        let (target, beside, _) = interrupted(root.path());
        assert_eq!(leftovers(&target).unwrap(), std::slice::from_ref(&beside));
        assert_eq!(
            Recording::open(&target).unwrap().manifest().unwrap().events,
            5
        );
        // The mark of another recording says nothing.
        fs::remove_file(target.join("_manifest.json")).unwrap();
        fs::write(beside.join(REPLACES_FILE), "session=b").unwrap();
        assert_eq!(leftovers(&target).unwrap(), std::slice::from_ref(&beside));
        assert!(target.join("part-00000.parquet").exists());
    }
}
