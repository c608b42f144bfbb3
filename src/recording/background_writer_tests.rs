//! What a recorder in the background promises.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tickdeck_core::event::{Event, EventKind, Seq, SessionEvent};
use tickdeck_core::time::UnixNanos;
use tickdeck_core::wait::nap;

use crate::storage::{Draw, FolderNow, MemoryStorage, Storage};
use crate::tests::{options, read_all, some_ticks};
use crate::*;

fn notes(seqs: std::ops::Range<u64>) -> Vec<Event> {
    seqs.map(|seq| Event {
        seq: Seq(seq),
        recv_ts: UnixNanos(1_767_618_000_000_000_000),
        kind: EventKind::Session(SessionEvent::Note {
            text: seq.to_string(),
        }),
    })
    .collect()
}

#[test]
fn background_writes_keep_events_and_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let all = notes(0..QUEUE_EVENTS as u64 * 2 + 77);
    let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    let mut background = BackgroundWriter::start(writer).unwrap();
    for batch in all.chunks(1_000) {
        background.write(batch).unwrap();
    }
    let recorded = background.finish(3);
    assert!(recorded.error.is_none());
    let manifest = recorded.manifest.unwrap();
    assert_eq!(manifest.events, all.len() as u64);
    assert_eq!(manifest.ledger.dropped["overflow"], 3);
    let recording = Recording::open(&path).unwrap();
    assert!(read_all(&recording, EventFilter::default(), 4_096) == all);
    let mut names = storage::local().list(&path).unwrap();
    names.retain(|name| !name.starts_with("part-"));
    assert_eq!(names, ["contracts.parquet", "manifest.json"]);
}

#[test]
fn a_sealed_segment_releases_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let mut background = in_segments_of_100(&path);
    background.write(&notes(0..260)).unwrap();
    let is_released = || {
        let recording = Recording::open(&path).unwrap();
        // The journal goes only after the manifest has the segment.
        let is_gone = !path.join("journal-00003.tdj").exists();
        recording.segments().len() == 2 && recording.journal_events() == 60 && is_gone
    };
    assert!((0..500).any(|_| {
        nap(Duration::from_millis(10));
        is_released()
    }));
    drop(background);
    let recording = Recording::open(&path).unwrap();
    assert!(recording.is_abandoned());
    assert!(read_all(&recording, EventFilter::default(), 9) == notes(0..260));
}

#[test]
fn events_are_on_disk_soon_without_more_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    let mut background = BackgroundWriter::start(writer).unwrap();
    background.write(&notes(0..10)).unwrap();
    let seen = || Recording::open(&path).unwrap().journal_events() == 10;
    assert!((0..500).any(|_| {
        nap(Duration::from_millis(10));
        seen()
    }));
    let recording = Recording::open(&path).unwrap();
    assert!(recording.is_being_written());
    let version = |recording: &Recording| recording.manifest().unwrap().format_version;
    assert_eq!(version(&recording), FormatVersion::WITH_JOURNAL);
    assert!(read_all(&recording, EventFilter::default(), 3) == notes(0..10));
    assert!(background.finish(0).error.is_none());
    let finished = Recording::open(&path).unwrap();
    assert_eq!(version(&finished), FormatVersion::SEGMENTS);
}

#[test]
fn an_error_comes_back_and_nothing_more_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    let mut background = BackgroundWriter::start(writer).unwrap();
    background.write(&notes(0..10)).unwrap();
    // A gap.
    background.write(&notes(20..30)).unwrap();
    let error = loop {
        if let Err(error) = background.write(&notes(30..31)) {
            break error;
        }
        std::thread::yield_now();
    };
    assert!(matches!(error, RecordingError::SeqGap { .. }), "{error}");
    let again = background.write(&notes(31..32)).unwrap_err();
    assert!(matches!(again, RecordingError::WriterFailed { .. }));
    let recorded = background.finish(0);
    assert!(recorded.error.is_none(), "it was returned before");
    let manifest = recorded.manifest.unwrap();
    assert_eq!((manifest.events, manifest.status), (10, Status::Recovered));
    let recording = Recording::open(&path).unwrap();
    assert!(read_all(&recording, EventFilter::default(), 4_096) == notes(0..10));
}

#[test]
fn an_error_at_the_very_end_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let writer =
        RecordingWriter::create(&folder.path().join("rec"), options(Rolling::default())).unwrap();
    let mut background = BackgroundWriter::start(writer).unwrap();
    background.write(&notes(5..6)).unwrap();
    let recorded = background.finish(0);
    assert!(matches!(
        recorded.error,
        Some(RecordingError::SeqGap { .. })
    ));
}

/// Waits for something that another thread does.
#[track_caller]
fn in_segments_of_100(path: &Path) -> BackgroundWriter {
    let rolling = Rolling {
        max_rows: 100,
        row_group_rows: 50,
        ..Rolling::default()
    };
    let writer = RecordingWriter::create(path, options(rolling)).unwrap();
    BackgroundWriter::start(writer).unwrap()
}

fn in_memory(storage: &MemoryStorage) -> BackgroundWriter {
    let rolling = Rolling {
        max_rows: 120,
        row_group_rows: 50,
        ..Rolling::default()
    };
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let folder = Path::new("rec");
    let writer = RecordingWriter::create_in(storage, folder, options(rolling)).unwrap();
    BackgroundWriter::start(writer).unwrap()
}

/// Records 400 events while the sealer cannot read some of the journal.
fn recorded_with_fault(
    storage: &MemoryStorage,
    doing: &'static str,
    after: u32,
    count: u32,
) -> Recorded {
    storage.fail(doing, ".tdj", after, count);
    let mut background = in_memory(storage);
    for events in notes(0..400).chunks(30) {
        assert!(background.offer(events), "the journal continues");
        nap(Duration::from_millis(1));
    }
    background.finish(0)
}

#[test]
fn a_journal_that_cannot_be_read_once_is_read_again_at_the_end() {
    for (doing, after) in [
        ("opening", 0),
        ("opening", 2),
        ("reading", 0),
        ("reading", 9),
    ] {
        let storage = MemoryStorage::default();
        let recorded = recorded_with_fault(&storage, doing, after, 1);
        assert!(recorded.error.is_none(), "{:?}", recorded.error);
        assert_eq!(recorded.manifest.unwrap().status, Status::Complete);
        let recording = Recording::open_in(Arc::new(storage), Path::new("rec")).unwrap();
        assert!(read_all(&recording, EventFilter::default(), 99) == notes(0..400));
    }
}

#[test]
fn a_journal_that_cannot_be_read_stays_whole_for_a_recovery() {
    for (doing, after) in [
        ("opening", 0),
        ("opening", 2),
        ("reading", 0),
        ("reading", 9),
    ] {
        let storage = MemoryStorage::default();
        let recorded = recorded_with_fault(&storage, doing, after, u32::MAX);
        assert!(recorded.error.is_some() && recorded.manifest.is_none());
        storage.fail(doing, ".tdj", 0, 0);
        let shared: Arc<dyn Storage> = Arc::new(storage);
        let read = |shared: &Arc<dyn Storage>| {
            let recording = Recording::open_in(Arc::clone(shared), Path::new("rec")).unwrap();
            read_all(&recording, EventFilter::default(), 99)
        };
        assert!(read(&shared) == notes(0..400));
        let recovery = recover_in(Arc::clone(&shared), Path::new("rec")).unwrap();
        assert_eq!((recovery.events, &recovery.lost[..]), (400, &[][..]));
        assert!(read(&shared) == notes(0..400));
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let is_soon = (0..1_000).any(|_| {
        nap(Duration::from_millis(10));
        holds()
    });
    assert!(is_soon, "{what}");
}

/// Offers events, one at a time, until the recorder accepts no more. How many it accepted.
fn offer_until_refused(background: &mut BackgroundWriter, from: u64) -> u64 {
    let mut seq = from;
    wait_until("the recorder ends", || {
        let is_accepted = background.offer(&notes(seq..seq + 1));
        seq += u64::from(is_accepted);
        !is_accepted
    });
    seq
}

#[test]
fn low_space_seals_everything_that_was_accepted() {
    let storage = MemoryStorage::default();
    storage.set_free_space(2_000);
    let (storage, shared): (Arc<dyn Storage>, _) = (Arc::new(storage.clone()), storage);
    let path = Path::new("/tickdeck-no-such-folder/rec");
    let options = options(Rolling::default());
    let writer = RecordingWriter::create_in(Arc::clone(&storage), path, options).unwrap();
    let limit = RecorderOptions {
        min_free_space: 1_000,
        ..RecorderOptions::default()
    };
    let mut background = BackgroundWriter::start_with(writer, limit).unwrap();
    assert!(background.offer(&notes(0..500)));
    let stats = Arc::clone(background.stats());
    wait_until("the space is known", || stats.free_space() == Some(2_000));
    assert_eq!(stats.failure(), None);
    shared.set_free_space(999);
    let accepted = offer_until_refused(&mut background, 500);
    let reason = stats.failure().unwrap();
    assert!(reason.contains("has 999 B of free space"), "{reason}");
    let recorded = background.finish(0);
    assert!(
        matches!(
            recorded.error,
            Some(RecordingError::LowSpace {
                free: 999,
                needed: 1_000,
                ..
            })
        ),
        "{recorded:?}"
    );
    let manifest = recorded.manifest.unwrap();
    assert_eq!(
        (manifest.events, manifest.status),
        (accepted, Status::Recovered)
    );
    let recording = Recording::open_in(storage, path).unwrap();
    assert!(verify(&recording, &mut |_| {}).is_intact());
    assert!(read_all(&recording, EventFilter::default(), 64) == notes(0..accepted));
}

#[test]
fn without_a_limit_no_space_ends_recording() {
    let storage = MemoryStorage::default();
    storage.set_free_space(0);
    let path = Path::new("/tickdeck-no-such-folder/rec");
    let options = options(Rolling::default());
    let writer = RecordingWriter::create_in(Arc::new(storage), path, options).unwrap();
    let no_limit = RecorderOptions {
        min_free_space: 0,
        ..RecorderOptions::default()
    };
    let mut background = BackgroundWriter::start_with(writer, no_limit).unwrap();
    let stats = Arc::clone(background.stats());
    wait_until("the space is known", || stats.free_space() == Some(0));
    assert!(background.offer(&notes(0..10)));
    assert_eq!(background.finish(0).manifest.unwrap().events, 10);
}

#[test]
fn a_moved_folder_is_named_and_keeps_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("rec"), folder.path().join("moved"));
    let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    let mut background = BackgroundWriter::start(writer).unwrap();
    let ticks = some_ticks(50);
    assert!(background.offer(&ticks));
    let stats = Arc::clone(background.stats());
    wait_until("they are in the journal", || stats.ticks() > 0);
    std::fs::rename(&path, &moved).unwrap();
    wait_until("the recorder ends", || stats.failure().is_some());
    wait_until("it accepts no more", || !background.offer(&[]));
    let recorded = background.finish(0);
    let Some(RecordingError::FolderReplaced {
        now: FolderNow::At(now),
        ..
    }) = &recorded.error
    else {
        panic!("{recorded:?}");
    };
    assert_eq!(*now, moved);
    assert!(recorded.manifest.is_none() && recorded.ticks > 0);
    assert_eq!(recover(&moved).unwrap().events, 50);
    let recording = Recording::open(&moved).unwrap();
    assert!(read_all(&recording, EventFilter::default(), 64) == ticks);
}

#[test]
fn a_removed_folder_is_noticed_and_nothing_is_safe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    let mut background = BackgroundWriter::start(writer).unwrap();
    assert!(background.offer(&some_ticks(50)));
    let stats = Arc::clone(background.stats());
    wait_until("they are in the journal", || stats.ticks() > 0);
    // The recorder may write to a folder that is half removed.
    wait_until("the folder is removed", || {
        let _ = std::fs::remove_dir_all(&path);
        !path.exists()
    });
    wait_until("the recorder ends", || stats.failure().is_some());
    let recorded = background.finish(0);
    assert!(
        matches!(
            recorded.error,
            Some(RecordingError::FolderReplaced {
                now: FolderNow::Removed,
                ..
            })
        ),
        "{recorded:?}"
    );
    assert_eq!(recorded.ticks, 0);
    assert!(!path.exists());
}

#[test]
fn the_journal_goes_on_when_no_segment_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    std::fs::write(path.join(".part-00000.parquet.partial"), "in the way").unwrap();
    let mut background = BackgroundWriter::start(writer).unwrap();
    assert!(background.offer(&notes(0..10)));
    let stats = Arc::clone(background.stats());
    wait_until("sealing fails", || stats.failure().is_some());
    assert!(background.offer(&notes(10..30)), "the journal is intact");
    wait_until("they are in the journal", || stats.unsealed() == 30);
    let recorded = background.finish(0);
    assert!(recorded.error.is_some() && recorded.manifest.is_none());
    let recording = Recording::open(&path).unwrap();
    assert!(recording.is_abandoned());
    assert!(read_all(&recording, EventFilter::default(), 64) == notes(0..30));
    assert_eq!(recover(&path).unwrap().events, 30);
}

#[test]
fn the_counts_show_what_waits_and_what_is_unsealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let mut background = in_segments_of_100(&path);
    assert!(background.offer(&notes(0..250)));
    let stats = Arc::clone(background.stats());
    assert_eq!(stats.most_waiting(), 250);
    wait_until("two segments are sealed", || stats.unsealed() == 50);
    assert_eq!(stats.waiting(), 0);
    assert!(stats.free_space().is_some());
    assert_eq!(background.finish(0).manifest.unwrap().events, 250);
    assert_eq!((stats.most_waiting(), stats.unsealed()), (250, 0));
}

#[test]
fn a_removed_lock_file_ends_the_recorder_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    let mut background = BackgroundWriter::start(writer).unwrap();
    let events = some_ticks(500);
    assert!(background.offer(&events));
    let stats = Arc::clone(background.stats());
    wait_until("they are in the journal", || stats.ticks() > 0);
    std::fs::remove_file(path.join(names::LOCK_FILE)).unwrap();
    wait_until("that is noticed", || stats.failure().is_some());
    let recorded = background.finish(0);
    assert_eq!(recorded.ticks, 500);
    let error = recorded.error.unwrap().to_string();
    let expected = format!(
        "{} lost its lock file while it was written: another process may write there, and what was \
         recorded stays",
        path.display()
    );
    assert_eq!(error, expected);
    assert_eq!(recover(&path).unwrap().events, 500);
}

/// The ticks that are called safe after `first` were written and, `pause` later, a call of this kind fails.
fn safe_ticks(first: u64, pause: Duration, doing: &'static str) -> u64 {
    let storage = MemoryStorage::default();
    let mut background = in_memory(&storage);
    let events = some_ticks(first + 400);
    let (written, rest) = events.split_at(usize::try_from(first).unwrap());
    assert!(background.offer(written));
    let stats = Arc::clone(background.stats());
    wait_until("they are written", || stats.ticks() == first);
    nap(pause);
    storage.fail(doing, "", 0, u32::MAX);
    assert!(background.offer(rest));
    wait_until("that fails", || stats.failure().is_some());
    let recorded = background.finish(0);
    assert!(recorded.error.is_some() && recorded.manifest.is_none());
    recorded.ticks
}

#[test]
fn what_no_sync_has_confirmed_is_not_called_safe() {
    // Longer than a sync takes.
    let pause = DEFAULT_SYNC_EVERY + Duration::from_millis(500);
    assert_eq!(safe_ticks(300, pause, "syncing"), 300);
}

#[test]
fn what_was_written_before_a_failed_write_is_synced_and_safe() {
    assert_eq!(safe_ticks(130, Duration::ZERO, "writing"), 130);
}

/// How a recorder learns that its disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    /// Only its segments meet it, and the session ends.
    AtTheEnd,
    /// The journal meets it, and a write returns the error.
    ForTheJournal,
    /// The limit comes first, and a write returns the error.
    BelowTheLimit,
}

/// Writes until the recorder refuses something, and returns the reason.
fn write_until_refused(background: &mut BackgroundWriter, events: &[Event]) -> RecordingError {
    let mut events = events.chunks(1);
    let mut refused = None;
    wait_until("the recorder ends", || {
        refused = background.write(events.next().unwrap_or_default()).err();
        refused.is_some()
    });
    refused.unwrap()
}

/// Ticks that do not compress.
fn large_ticks(count: u64) -> Vec<Event> {
    let mut ticks = some_ticks(count);
    let mut draw = Draw(1);
    for event in &mut ticks {
        if let EventKind::Tick(tick) = &mut event.kind {
            [tick.turnover, tick.open_interest] =
                [0; 2].map(|_| f64::from_bits(draw.below(1 << 60)));
        }
    }
    ticks
}

fn is_sealed_on_a_full_disk(full: Full) {
    let storage = MemoryStorage::default();
    storage.set_free_space(2_000);
    let rolling = Rolling {
        row_group_rows: 5_000,
        ..Rolling::default()
    };
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let folder = Path::new("rec");
    let writer = RecordingWriter::create_in(Arc::clone(&shared), folder, options(rolling));
    // The first segment meets a full disk.
    storage.fail("writing", ".partial", 0, 1);
    let limit = RecorderOptions {
        min_free_space: 1_000,
        ..RecorderOptions::default()
    };
    let mut background = BackgroundWriter::start_with(writer.unwrap(), limit).unwrap();
    let all = large_ticks(41_000);
    let (first, rest) = all.split_at(40_000);
    background.write(first).unwrap();
    let stats = Arc::clone(background.stats());
    wait_until("they are in the journal", || stats.ticks() == 40_000);
    match full {
        Full::AtTheEnd => {}
        Full::ForTheJournal => {
            storage.set_room(0);
            let error = write_until_refused(&mut background, rest);
            assert!(error.is_no_space(), "{error:?}");
        }
        Full::BelowTheLimit => {
            storage.set_free_space(999);
            let error = write_until_refused(&mut background, rest);
            assert!(
                matches!(error, RecordingError::LowSpace { .. }),
                "{error:?}"
            );
        }
    }
    // Enough for the segment of one file, and not for all.
    storage.set_room(150_000);
    let recorded = background.finish(7);
    assert_eq!(recorded.error.is_some(), full == Full::AtTheEnd, "{full:?}");
    let manifest = recorded.manifest.expect("it is sealed");
    assert_eq!(manifest.status, Status::Recovered);
    assert_eq!(manifest.ticks, recorded.ticks);
    let files = recorded.ticks.div_ceil(5_000);
    assert_eq!(manifest.segments.len() as u64, files, "one for each file");
    assert_eq!(manifest.ledger.dropped["overflow"], 7);
    let recording = Recording::open_in(shared, folder).unwrap();
    assert!(verify(&recording, &mut |_| {}).is_intact());
    let found = read_all(&recording, EventFilter::default(), 999);
    assert!(found.len() >= 40_000 && all.starts_with(&found), "{full:?}");
    assert_eq!(found.len() as u64, recorded.ticks);
}

#[test]
fn a_full_disk_seals_the_journal_file_by_file() {
    is_sealed_on_a_full_disk(Full::AtTheEnd);
}

#[test]
fn a_full_disk_that_a_write_has_returned_seals_it_too() {
    is_sealed_on_a_full_disk(Full::ForTheJournal);
}

#[test]
fn low_space_seals_it_too_where_one_segment_does_not_fit() {
    is_sealed_on_a_full_disk(Full::BelowTheLimit);
}

#[test]
fn a_full_disk_at_the_very_end_is_an_error_and_seals_everything() {
    let storage = MemoryStorage::default();
    let mut background = in_memory(&storage);
    // Less than a row group.
    background.write(&some_ticks(40)).unwrap();
    storage.fail("writing", ".partial", 0, 1);
    let recorded = background.finish(0);
    assert!(recorded.error.is_some_and(|error| error.is_no_space()));
    let manifest = recorded.manifest.expect("it is sealed");
    let sealed = (manifest.status, manifest.events, recorded.ticks);
    assert_eq!(sealed, (Status::Recovered, 40, 40));
}

#[test]
fn what_another_process_has_sealed_meanwhile_is_all_that_is_safe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    let mut background = BackgroundWriter::start(writer).unwrap();
    let events = some_ticks(9_000);
    assert!(background.offer(&events[..500]));
    let stats = Arc::clone(background.stats());
    wait_until("they are in the journal", || stats.ticks() > 0);
    std::fs::remove_file(path.join(names::LOCK_FILE)).unwrap();
    recover(&path).unwrap();
    for events in events[500..].chunks(50) {
        if !background.offer(events) {
            break;
        }
        nap(Duration::from_millis(2));
    }
    let recorded = background.finish(0);
    assert!(recorded.error.is_some());
    let left = Recording::open(&path).unwrap();
    assert_eq!(recorded.ticks, left.manifest().unwrap().ticks);
}
