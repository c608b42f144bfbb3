//! What a writer leaves that is killed before it has anything to keep: its lock, a temporary file, a journal
//! without an event. A folder with nothing else counts as empty.
//!
//! A manifest and its contracts make a recording of it, though one without an event. A new recording may
//! take its place.

use std::path::Path;

use super::error::RecordingError;
use super::journal::JournalFiles;
use super::manifest::{Manifest, Status};
use super::names::{
    LOCK_FILE, TRIAL_PREFIX, is_contracts, is_manifest, is_partial, is_temporary, journal_index,
};
use super::owner::Owner;
use super::storage::{Storage, StorageError, is_random, local};

type Result<T> = std::result::Result<T, StorageError>;

/// Whether a folder has nothing but such files.
pub(super) fn is_unstarted(storage: &dyn Storage, folder: &Path) -> Result<bool> {
    let names = storage.list(folder)?;
    Ok(names.iter().all(|name| is_leftover(storage, folder, name)))
}

/// Whether a folder has nothing but such files, or also a recording without an event whose writer was
/// killed.
pub(super) fn is_eventless(storage: &dyn Storage, folder: &Path) -> Result<bool> {
    let mut names = storage.list(folder)?;
    if names.iter().any(|name| is_manifest(name)) {
        let is_begun = |manifest: Manifest| {
            manifest.status != Status::Complete
                && manifest.events == 0
                && manifest.segments.is_empty()
                && manifest.lost.is_empty()
        };
        // One that cannot be read may have had something.
        if !Manifest::read_in(storage, folder).is_ok_and(is_begun) {
            return Ok(false);
        }
        names.retain(|name| !is_manifest(name) && !is_contracts(name));
    }
    Ok(names.iter().all(|name| is_leftover(storage, folder, name)))
}

/// Removes the recording in a folder of the local file system, if it has no event, its writer was killed,
/// and it has no other owner. Returns whether it did.
///
/// # Errors
/// When the folder cannot be read or something in it cannot be removed.
pub fn remove_eventless(folder: &Path) -> std::result::Result<bool, RecordingError> {
    remove_eventless_in(&*local(), folder)
}

/// The same on any storage.
pub(super) fn remove_eventless_in(
    storage: &dyn Storage,
    folder: &Path,
) -> std::result::Result<bool, RecordingError> {
    if !is_eventless(storage, folder)? {
        return Ok(false);
    }
    let owner = match Owner::of(storage, folder) {
        Err(RecordingError::InUse { .. }) => return Ok(false),
        owner => owner?,
    };
    // Its writer may have been starting.
    if !is_eventless(storage, folder)? {
        return Ok(false);
    }
    clear_unstarted(storage, folder)?;
    drop(owner);
    // One that has anything else in it stays.
    let _ = storage.remove_folder(folder);
    Ok(true)
}

fn is_leftover(storage: &dyn Storage, folder: &Path, name: &str) -> bool {
    let path = folder.join(name);
    // What cannot be read may have something.
    let is_empty_journal = || JournalFiles::is_empty(storage, &path).unwrap_or(false);
    name == LOCK_FILE
        || is_temporary(name)
        || is_trial(storage, folder, name)
        || (is_partial(name) && is_blank(storage, &path))
        || (journal_index(name).is_some() && is_empty_journal())
        || is_gone(storage, &path)
}

/// Whether nothing is at a path that was listed: another process has just tried whether it can write here.
fn is_gone(storage: &dyn Storage, path: &Path) -> bool {
    !storage.exists(path) && storage.link_target(path).is_none()
}

fn is_blank(storage: &dyn Storage, path: &Path) -> bool {
    let bytes = storage.open(path).and_then(|file| file.bytes());
    bytes.is_ok_and(|bytes| bytes == 0)
}

/// Whether a name is that of an empty folder which tried whether the place can be written.
fn is_trial(storage: &dyn Storage, folder: &Path, name: &str) -> bool {
    let is_named = name.strip_prefix(TRIAL_PREFIX).is_some_and(is_random);
    let path = folder.join(name);
    is_named
        && storage.link_target(&path).is_none()
        && storage.list(&path).is_ok_and(|names| names.is_empty())
}

/// Removes such files from a folder that has nothing else. Its lock stays: this process has it.
pub(super) fn clear_unstarted(storage: &dyn Storage, folder: &Path) -> Result<()> {
    let mut names = storage.list(folder)?;
    names.retain(|name| name != LOCK_FILE);
    let manifests: Vec<String> = names.extract_if(.., |name| is_manifest(name)).collect();
    for name in &names {
        let path = folder.join(name);
        let removed = match is_trial(storage, folder, name) {
            true => storage.remove_folder(&path),
            false => storage.remove(&path),
        };
        match removed {
            Err(_) if is_gone(storage, &path) => {}
            removed => removed?,
        }
    }
    // Else a crash could leave an old journal beside a new manifest.
    if !names.is_empty() {
        storage.sync_dir(folder)?;
    }
    // Only the manifest says that the other files belong to a recording without an event.
    for manifest in &manifests {
        storage.remove(&folder.join(manifest))?;
        storage.sync_dir(folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sealer::journal_of;
    use crate::tests::{options, some_ticks};
    use crate::{CONTRACTS_FILE, MANIFEST_FILE, RecordingOptions, RecordingWriter, Rolling};

    /// A file of a journal with the first `events` of a session.
    fn journal(events: u64) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let rec = folder.path().join("rec");
        let writer = RecordingWriter::create(&rec, options(Rolling::default())).unwrap();
        let (mut journal, _sealer) = journal_of(writer);
        journal.append(&some_ticks(1)[0]).unwrap();
        if events > 0 {
            journal.write().unwrap();
        }
        fs::read(rec.join("journal-00000.tdj")).unwrap()
    }

    fn create(folder: &Path) -> std::result::Result<RecordingWriter, RecordingError> {
        RecordingWriter::create(folder, options(Rolling::default()))
    }

    #[test]
    fn what_a_killed_start_leaves_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let header = journal(0);
        let left: [&[(&str, &[u8])]; 7] = [
            &[(".lock", b"process 1 on host gone\n")],
            &[(".lock", b""), (".manifest.json.Ab12cd.tmp", b"{")],
            &[("._manifest.json.Ab12cd.tmp", b"")],
            &[(".contracts.parquet.000000.tmp", b"PAR1")],
            &[("journal-00000.tdj", b"")],
            &[("journal-00000.tdj", &[0; 300])],
            &[
                ("journal-00000.tdj", &header),
                ("journal-00001.tdj", &header[..20]),
            ],
        ];
        for (index, left) in left.iter().enumerate() {
            let rec = folder.path().join(format!("rec{index}"));
            fs::create_dir_all(rec.join(".tickdeck-Ab12cd")).unwrap();
            for (name, content) in *left {
                fs::write(rec.join(name), content).unwrap();
            }
            RecordingWriter::check_target(&rec, false).unwrap();
            let mut writer = create(&rec).unwrap();
            writer.write(&some_ticks(3)).unwrap();
            writer.finish().unwrap();
            let names = local().list(&rec).unwrap();
            assert_eq!(names, [CONTRACTS_FILE, MANIFEST_FILE, "part-00000.parquet"]);
        }
    }

    #[test]
    fn a_killed_recording_without_an_event_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        for (keep_partial, event) in [(false, false), (true, false), (true, true)] {
            let rec = folder.path().join(format!("rec-{keep_partial}-{event}"));
            let options = RecordingOptions {
                keep_partial,
                ..options(Rolling::default())
            };
            let writer = RecordingWriter::create(&rec, options).unwrap();
            assert!(matches!(create(&rec), Err(RecordingError::InUse { .. })));
            let (mut journal, sealer) = journal_of(writer);
            if event {
                journal.append(&some_ticks(1)[0]).unwrap();
                journal.write().unwrap();
            }
            std::mem::forget((journal, sealer));
            // A kill releases the lock, which a forgotten writer keeps.
            fs::remove_file(rec.join(LOCK_FILE)).unwrap();
            let taken = create(&rec);
            let is_occupied = matches!(taken, Err(RecordingError::OutputExists { .. }));
            assert_eq!(is_occupied, event, "{taken:?}");
            let Ok(mut writer) = taken else { continue };
            writer.write(&some_ticks(3)).unwrap();
            writer.finish().unwrap();
            let names = local().list(&rec).unwrap();
            assert_eq!(names, [CONTRACTS_FILE, MANIFEST_FILE, "part-00000.parquet"]);
        }
    }

    /// It tries whether it can write, and removes what it made while the folder is looked at.
    #[test]
    fn what_another_process_tries_does_not_occupy_a_folder() {
        const TRIES: usize = 2_000;
        let folder = tempfile::tempdir().unwrap();
        let storage = local();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                for index in 0..TRIES {
                    let trial = folder.path().join(format!(".tickdeck-{index:06}"));
                    fs::create_dir(&trial).unwrap();
                    // The other one may have removed it.
                    let _ = fs::remove_dir(&trial);
                }
            });
            while !other.is_finished() {
                assert!(is_eventless(&*storage, folder.path()).unwrap());
                clear_unstarted(&*storage, folder.path()).unwrap();
            }
        });
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        let is_empty = is_eventless(&*storage, folder.path()).unwrap();
        assert!(!is_empty, "a link is something");
    }

    /// A killed recording without an event.
    fn eventless(rec: &Path) {
        let writer = RecordingWriter::create(
            rec,
            RecordingOptions {
                keep_partial: true,
                ..options(Rolling::default())
            },
        )
        .unwrap();
        // Dropped, it would remove what it made.
        std::mem::forget(journal_of(writer));
        // A kill releases the lock, which a forgotten writer keeps.
        fs::remove_file(rec.join(LOCK_FILE)).unwrap();
    }

    #[test]
    fn a_recovery_of_nothing_does_not_keep_a_recording_from_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let left: [&[(&str, &[u8])]; 2] = [&[], &[(".part-00000.parquet.partial", b"")]];
        for (index, left) in left.iter().enumerate() {
            for is_recovered in [false, true] {
                let rec = folder.path().join(format!("rec{index}-{is_recovered}"));
                eventless(&rec);
                for (name, content) in *left {
                    fs::write(rec.join(name), content).unwrap();
                }
                if is_recovered {
                    assert_eq!(crate::recover(&rec).unwrap().events, 0);
                }
                let mut writer = create(&rec).unwrap();
                writer.write(&some_ticks(3)).unwrap();
                assert_eq!(writer.finish().unwrap().events, 3);
            }
        }
    }

    #[test]
    fn only_a_recording_without_events_and_owner_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let rec = folder.path().join("session=a");
        eventless(&rec);
        assert!(rec.join("_manifest.json").exists());
        let owner = Owner::of(&*local(), &rec).unwrap();
        assert!(!remove_eventless(&rec).unwrap() && rec.exists());
        drop(owner);
        assert!(remove_eventless(&rec).unwrap() && !rec.exists());
        let mut writer = create(&rec).unwrap();
        writer.write(&some_ticks(1)).unwrap();
        writer.finish().unwrap();
        assert!(!remove_eventless(&rec).unwrap() && rec.exists());
    }

    #[test]
    fn a_folder_with_anything_else_is_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let events = journal(1);
        let mut foreign = b"notes".to_vec();
        for (index, (name, content)) in [
            ("notes.txt", &mut foreign.clone()),
            (".manifest.json.backup", &mut foreign.clone()),
            (".notes.txt.Ab12cd.tmp", &mut foreign.clone()),
            ("journal-00000.tdj", &mut foreign),
            ("journal-00000.tdj", &mut events.clone()),
            (".tickdeck-Ab12cd/notes.txt", &mut events.clone()),
        ]
        .into_iter()
        .enumerate()
        {
            let rec = folder.path().join(format!("rec{index}"));
            let path = rec.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &*content).unwrap();
            fs::write(rec.join(".manifest.json.Ab12cd.tmp"), "{").unwrap();
            let refused = create(&rec).unwrap_err();
            let is_occupied = matches!(refused, RecordingError::OutputExists { .. });
            assert!(is_occupied, "{name}: {refused}");
            assert_eq!(fs::read(&path).unwrap(), *content, "{name}");
            assert!(rec.join(".manifest.json.Ab12cd.tmp").exists(), "{name}");
        }
    }
}
