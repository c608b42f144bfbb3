//! Copies between storages: pushed, opened there, pulled, and what keeps two writers apart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::push::push_to;
use crate::storage::{LocalStorage, Location, MemoryStorage, Storage};
use crate::tests::{options, read_all, record, some_ticks};
use crate::*;

/// The recordings of these tests have four segments.
fn rolling() -> Rolling {
    Rolling {
        max_rows: 300,
        row_group_rows: 100,
        ..Rolling::default()
    }
}

/// Runs `check` on each storage that a recording can be pushed to, with a place there.
fn on_each(check: impl Fn(Location)) {
    let memory: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    check(Location {
        storage: memory,
        path: "store/rec".into(),
    });
    let folder = tempfile::tempdir().unwrap();
    check(Location {
        storage: Arc::new(LocalStorage),
        path: folder.path().join("store/rec"),
    });
    #[cfg(feature = "object-store")]
    {
        let store: Arc<dyn object_store::ObjectStore> =
            Arc::new(object_store::memory::InMemory::new());
        check(in_store(&store));
    }
}

/// A place in a store, as another process sees it.
#[cfg(feature = "object-store")]
fn in_store(store: &Arc<dyn object_store::ObjectStore>) -> Location {
    use crate::storage::ObjectStorage;
    Location {
        storage: Arc::new(ObjectStorage::new("s3://bucket", Arc::clone(store))),
        path: "s3://bucket/rec".into(),
    }
}

fn open(target: &Location) -> Recording {
    Recording::open_in(Arc::clone(&target.storage), &target.path).unwrap()
}

fn pushed(folder: &Path, target: &Location) -> Pushed {
    push_to(&Recording::open(folder).unwrap(), target, &mut |_| {}).unwrap()
}

fn refused(folder: &Path, target: &Location) -> RecordingError {
    push_to(&Recording::open(folder).unwrap(), target, &mut |_| {}).unwrap_err()
}

/// Names and contents of the files of a folder.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let content = std::fs::read(&path).unwrap();
            (path.file_name().unwrap().into(), content)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_pushed_recording_is_read_there() {
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("rec");
    let events = some_ticks(1000);
    let manifest = record(&local, &events, rolling());
    on_each(|target| {
        let first = pushed(&local, &target);
        assert_eq!((first.commit, first.copied_files), (1, 5));
        assert_eq!(first.event_digest, manifest.digest);
        let there = open(&target);
        assert!(read_all(&there, EventFilter::default(), 7) == events);
        assert!(there.damaged_segments().is_empty());
        assert!(verify(&there, &mut |_| {}).is_intact());
        assert!(there.is_complete() && !there.is_being_written());
    });
}

#[test]
fn a_second_push_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("rec");
    record(&local, &some_ticks(1000), rolling());
    on_each(|target| {
        pushed(&local, &target);
        let names = target.storage.list(&target.path).unwrap();
        let again = pushed(&local, &target);
        assert!(again.was_there && again.copied_files == 0);
        assert_eq!(again.commit, 1);
        assert_eq!(target.storage.list(&target.path).unwrap(), names);
    });
}

#[test]
fn what_an_interrupted_push_copied_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("rec");
    record(&local, &some_ticks(1000), rolling());
    on_each(|target| {
        pushed(&local, &target);
        let names = target.storage.list(&target.path).unwrap();
        let manifest = names.iter().find(|name| name.starts_with("manifest-"));
        target
            .storage
            .remove(&target.path.join(manifest.unwrap()))
            .unwrap();
        let segment = names.iter().find(|name| name.starts_with("part-00002"));
        target
            .storage
            .remove(&target.path.join(segment.unwrap()))
            .unwrap();
        let again = pushed(&local, &target);
        assert_eq!((again.copied_files, again.present_files), (1, 4));
        assert!(verify(&open(&target), &mut |_| {}).is_intact());
    });
}

#[test]
fn another_recording_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (local, other) = (folder.path().join("rec"), folder.path().join("other"));
    record(&local, &some_ticks(1000), rolling());
    record(&other, &some_ticks(500), rolling());
    on_each(|target| {
        pushed(&local, &target);
        let error = refused(&other, &target);
        assert!(matches!(error, RecordingError::OtherRecording { .. }));
        assert!(error.is_bad_input());
        assert_eq!(open(&target).manifest().unwrap().events, 1000);
    });
}

#[test]
fn damage_is_found_before_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("rec");
    record(&local, &some_ticks(1000), rolling());
    let segment = local.join("part-00001.parquet");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    on_each(|target| {
        let error = refused(&local, &target);
        assert!(matches!(error, RecordingError::Damaged { .. }), "{error}");
        let names = target.storage.list(&target.path).unwrap();
        assert!(!names.iter().any(|name| name.starts_with("manifest-")));
        assert!(!names.iter().any(|name| name.starts_with("part-00001")));
    });
}

#[test]
fn what_is_damaged_there_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("rec");
    record(&local, &some_ticks(1000), rolling());
    on_each(|target| {
        let first = pushed(&local, &target);
        target.storage.remove(&first.manifest).unwrap();
        let names = target.storage.list(&target.path).unwrap();
        let segment = names.iter().find(|name| name.starts_with("part-00000"));
        let segment = target.path.join(segment.unwrap());
        let file = target.storage.open(&segment).unwrap();
        let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
        file.read_at(&mut bytes, 0).unwrap();
        bytes[40] ^= 1;
        target.storage.put(&segment, &bytes).unwrap();
        let error = refused(&local, &target);
        assert!(matches!(error, RecordingError::Damaged { .. }), "{error}");
        assert!(!target.storage.exists(&first.manifest));
    });
}

#[test]
fn an_unfinished_recording_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("rec");
    let live = RecordingOptions {
        keep_partial: true,
        ..options(rolling())
    };
    let mut writer = RecordingWriter::create(&local, live).unwrap();
    writer.write(&some_ticks(400)).unwrap();
    on_each(|target| {
        let error = refused(&local, &target);
        assert!(
            matches!(error, RecordingError::NotFinished { .. }),
            "{error}"
        );
    });
}

#[test]
fn a_pulled_recording_is_the_same_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("rec");
    record(&local, &some_ticks(1000), rolling());
    on_each(|target| {
        pushed(&local, &target);
        let to = tempfile::tempdir().unwrap();
        let copy = to.path().join("a/copy");
        std::fs::create_dir(to.path().join("a")).unwrap();
        let pulled = pull(&open(&target), &copy, &mut |_| {}).unwrap();
        assert_eq!((pulled.copied_files, pulled.was_there), (5, false));
        assert!(files(&copy) == files(&local));
        assert_eq!(std::fs::read_dir(to.path().join("a")).unwrap().count(), 1);
        let again = pull(&open(&target), &copy, &mut |_| {}).unwrap();
        assert_eq!((again.copied_files, again.was_there), (0, true));
    });
}

#[test]
fn a_pull_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (local, other) = (folder.path().join("rec"), folder.path().join("other"));
    record(&local, &some_ticks(1000), rolling());
    record(&other, &some_ticks(500), rolling());
    let notes = folder.path().join("notes");
    std::fs::create_dir(&notes).unwrap();
    std::fs::write(notes.join("a.txt"), "mine").unwrap();
    on_each(|target| {
        pushed(&local, &target);
        let before = files(&other);
        let error = pull(&open(&target), &other, &mut |_| {}).unwrap_err();
        assert!(matches!(error, RecordingError::OtherRecording { .. }));
        assert!(files(&other) == before);
        let error = pull(&open(&target), &notes, &mut |_| {}).unwrap_err();
        assert!(matches!(error, RecordingError::OutputExists { .. }));
        let file = notes.join("a.txt");
        let error = pull(&open(&target), &file, &mut |_| {}).unwrap_err();
        assert!(matches!(error, RecordingError::NotAFolder { .. }));
    });
}

#[test]
fn what_an_interrupted_pull_copied_is_compared_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("rec");
    record(&local, &some_ticks(1000), rolling());
    on_each(|target| {
        pushed(&local, &target);
        let to = tempfile::tempdir().unwrap();
        let staging = to.path().join(".copy.pull");
        std::fs::create_dir(&staging).unwrap();
        for name in ["part-00000.parquet", "part-00001.parquet"] {
            std::fs::copy(local.join(name), staging.join(name)).unwrap();
        }
        let altered = staging.join("part-00001.parquet");
        let mut bytes = std::fs::read(&altered).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&altered, bytes).unwrap();
        std::fs::write(staging.join(".part-00002.parquet.partial"), "half").unwrap();
        let copy = to.path().join("copy");
        let pulled = pull(&open(&target), &copy, &mut |_| {}).unwrap();
        assert_eq!((pulled.copied_files, pulled.present_files), (4, 1));
        assert!(files(&copy) == files(&local));
    });
}

#[test]
fn a_session_of_a_catalogue_keeps_its_hidden_names() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("trading_day=2026-01-05/session=a");
    record(&session, &some_ticks(400), rolling());
    let root = folder.path().join("store");
    let there = root.join("trading_day=2026-01-05/session=a");
    push(&Recording::open(&session).unwrap(), &there, &mut |_| {}).unwrap();
    let names: Vec<PathBuf> = files(&there).into_iter().map(|(name, _)| name).collect();
    let is_data = |name: &PathBuf| name.to_string_lossy().starts_with("part-");
    let others = names.iter().filter(|name| !is_data(name));
    let hidden = |name: &PathBuf| name.to_string_lossy().starts_with('_');
    assert!(others.clone().count() == 2 && others.into_iter().all(hidden));
    let catalog = Catalog::open(&root).unwrap();
    assert_eq!(catalog.entries.len(), 1);
    let opened = Recording::open(&catalog.entries[0].folder).unwrap();
    assert_eq!(opened.manifest().unwrap().events, 400);
}

#[cfg(feature = "object-store")]
mod in_a_store {
    use std::sync::atomic::Ordering;

    use object_store::ObjectStore;
    use object_store::memory::InMemory;

    use super::*;
    use crate::storage::{Counted, Counts};

    fn counted() -> (Arc<dyn ObjectStore>, Arc<Counts>) {
        let counts = Arc::default();
        let store = Counted::new(Arc::new(InMemory::new()), &counts);
        (Arc::new(store), counts)
    }

    #[test]
    fn a_lost_answer_to_a_commit_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("rec");
        record(&local, &some_ticks(1000), rolling());
        let (store, counts) = counted();
        let target = in_store(&store);
        pushed(&local, &target);
        let manifest = target.path.join("manifest-0001.json");
        target.storage.remove(&manifest).unwrap();
        counts.lose_answers.store(1, Ordering::Relaxed);
        assert_eq!(pushed(&local, &in_store(&store)).commit, 1);
        assert_eq!(counts.lose_answers.load(Ordering::Relaxed), 0);
        assert!(verify(&open(&in_store(&store)), &mut |_| {}).is_intact());
    }

    #[test]
    fn of_two_writers_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        record(&a, &some_ticks(1000), rolling());
        record(&b, &some_ticks(700), rolling());
        for _ in 0..20 {
            let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let push = |folder: &Path| {
                let recording = Recording::open(folder).unwrap();
                push_to(&recording, &in_store(&store), &mut |_| {})
            };
            let (first, second) = std::thread::scope(|scope| {
                let first = scope.spawn(|| push(&a));
                let second = push(&b);
                (first.join().unwrap(), second)
            });
            let refused = [&first, &second]
                .into_iter()
                .filter_map(|pushed| pushed.as_ref().err());
            let refused: Vec<&RecordingError> = refused.collect();
            assert!(
                matches!(
                    refused[..],
                    [RecordingError::Overtaken { .. } | RecordingError::OtherRecording { .. }]
                ),
                "{refused:?}"
            );
            let events = if first.is_ok() { 1000 } else { 700 };
            let there = open(&in_store(&store));
            assert_eq!(there.manifest().unwrap().events, events);
            assert!(verify(&there, &mut |_| {}).is_intact());
        }
    }

    #[test]
    fn opening_and_reading_take_few_requests() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("rec");
        record(&local, &some_ticks(1000), rolling());
        let (store, counts) = counted();
        pushed(&local, &in_store(&store));
        counts.take_gets();
        counts.take_lists();
        let there = open(&in_store(&store));
        assert_eq!((counts.take_gets().0, counts.take_lists()), (1, 1));
        let mut read = Vec::new();
        let mut reader = there.reader(EventFilter::default());
        reader.next_events(&mut read, usize::MAX).unwrap();
        assert_eq!(read.len(), 1000);
        // Each segment is small enough for one request.
        assert_eq!((counts.take_gets().0, counts.take_lists()), (4, 0));
    }
}
