//! The ring: what is on disk at any time, what a trigger keeps, what a kill leaves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tickdeck_core::clock::VirtualClock;
use tickdeck_core::event::{Event, EventKind, RawTick, Seq, SessionEvent};
use tickdeck_core::time::UnixNanos;

use crate::rolling_tests::noon;
use crate::tests::{options, read_all};
use crate::{
    Catalog, EventFilter, EventWriter as _, Manifest, Recorded, RecorderOptions, Recording,
    RecordingError, Requested, Ring, RingRecorder, RingSpan, RingTrigger, Rolling, Status, rings,
    salvage_ring, verify,
};

const SECOND: i64 = 1_000_000_000;

/// 80 s before, in slots of 10 s, and 20 s after.
const SPAN: RingSpan = RingSpan {
    before: 80 * SECOND,
    after: 20 * SECOND,
};

/// A tick per second, `seq` seconds after noon. Those of `lost` are the loss of the front.
pub(super) fn events(seqs: std::ops::Range<u64>, lost: &[u64]) -> Vec<Event> {
    seqs.map(|seq| Event {
        seq: Seq(seq),
        recv_ts: at(seq),
        kind: match lost.contains(&seq) {
            true => EventKind::Session(SessionEvent::FrontDisconnected { reason: 4097 }),
            false => EventKind::Tick(RawTick::default()),
        },
    })
    .collect()
}

fn at(second: u64) -> UnixNanos {
    UnixNanos(noon().0 + i64::try_from(second).unwrap() * SECOND)
}

pub(super) fn ring(root: &Path) -> RingRecorder {
    ring_by(root, Arc::new(VirtualClock::new()))
}

fn ring_by(root: &Path, clock: Arc<VirtualClock>) -> RingRecorder {
    ring_in(root, Rolling::default(), clock)
}

fn ring_in(root: &Path, rolling: Rolling, clock: Arc<VirtualClock>) -> RingRecorder {
    ring_told(root, rolling, clock, |_, _| {})
}

fn ring_told(
    root: &Path,
    rolling: Rolling,
    clock: Arc<VirtualClock>,
    told: impl Fn(&Path, &Result<Manifest, RecordingError>) + Send + Sync + 'static,
) -> RingRecorder {
    let session = "box".parse().unwrap();
    let options = options(rolling);
    let ring = Ring {
        span: SPAN,
        trigger: RingTrigger::default(),
    };
    let recorder = RecorderOptions::default();
    RingRecorder::create(root, session, options, recorder, ring, clock, told).unwrap()
}

/// The seconds of the events of a recording.
pub(super) fn seconds(folder: &Path) -> Vec<i64> {
    let recording = Recording::open(folder).unwrap();
    assert_eq!(verify(&recording, &mut |_| {}).findings, vec![]);
    let events = read_all(&recording, EventFilter::default(), 64);
    let seconds = events
        .iter()
        .map(|event| (event.recv_ts.0 - noon().0) / SECOND);
    seconds.collect()
}

pub(super) fn slots(root: &Path) -> usize {
    let names = crate::storage::local().list(&root.join(".ring-box"));
    names
        .unwrap()
        .iter()
        .filter(|name| name.starts_with("slot-"))
        .count()
}

fn kept(recorded: &Recorded) -> Vec<&PathBuf> {
    assert!(recorded.error.is_none(), "{recorded:?}");
    recorded.days.iter().map(|(folder, _)| folder).collect()
}

/// Waits until removals that were begun are over.
pub(super) fn settles(root: &Path, most: usize) {
    assert!(
        (0..500).any(|_| {
            tickdeck_core::wait::nap(std::time::Duration::from_millis(10));
            slots(root) <= most
        }),
        "{} slots",
        slots(root)
    );
}

#[test]
fn without_a_trigger_only_the_span_is_on_disk() {
    let root = tempfile::tempdir().unwrap();
    let mut ring = ring(root.path());
    for batch in events(0..2_000, &[]).chunks(7) {
        ring.write(batch).unwrap();
    }
    // Eight slots of 10 s, the one that leaves the span, and the open one.
    settles(root.path(), 10);
    let oldest = root.path().join(".ring-box/slot-00000");
    assert!(!oldest.exists());
    assert_eq!(kept(&ring.finish(0)), Vec::<&PathBuf>::new());
    assert_eq!(crate::storage::local().list(root.path()).unwrap(), [""; 0]);
}

#[test]
fn a_trigger_keeps_what_is_before_and_after_it() {
    let root = tempfile::tempdir().unwrap();
    let mut ring = ring(root.path());
    let trigger = ring.trigger().clone();
    ring.write(&events(0..501, &[])).unwrap();
    trigger.keep("SIGUSR2");
    ring.write(&events(501..600, &[])).unwrap();
    ring.write(&events(600..1_000, &[])).unwrap();
    settles(root.path(), 10);
    let recorded = ring.finish(0);
    let kept = kept(&recorded);
    let expected = root.path().join("trading_day=2026-01-05/session=box");
    assert_eq!(kept, [&expected]);
    // The newest event was that of second 500.
    assert_eq!(seconds(&expected), (420..=520).collect::<Vec<i64>>());
    assert_eq!(recorded.ticks, 101);
    let made = &recorded.days[0].1;
    assert_eq!(made.status, Status::Complete);
    assert_eq!(made.source.detail, "kept=SIGUSR2");
    assert_eq!(rings(root.path()).unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn a_lost_front_is_a_trigger() {
    let root = tempfile::tempdir().unwrap();
    let mut ring = ring(root.path());
    ring.write(&events(0..1_000, &[300, 310, 700])).unwrap();
    let recorded = ring.finish(0);
    let kept = kept(&recorded);
    // The first two overlap.
    assert_eq!(kept.len(), 2);
    assert_eq!(seconds(kept[0]), (220..=330).collect::<Vec<i64>>());
    assert_eq!(seconds(kept[1]), (620..=720).collect::<Vec<i64>>());
    let ids = recorded.days.iter().map(|(_, made)| made.session.as_str());
    assert_eq!(ids.collect::<Vec<_>>(), ["box", "box-2"]);
}

#[test]
fn the_end_of_a_session_ends_its_range() {
    let root = tempfile::tempdir().unwrap();
    let mut ring = ring(root.path());
    let trigger = ring.trigger().clone();
    trigger.keep("early");
    ring.write(&events(0..50, &[])).unwrap();
    trigger.keep("late");
    let recorded = ring.finish(0);
    let kept = kept(&recorded);
    assert_eq!(seconds(kept[0]), (0..50).collect::<Vec<i64>>());
    assert_eq!(recorded.days[0].1.source.detail, "kept=early+late");
}

/// The recordings of the root.
pub(super) fn made(root: &Path) -> usize {
    Catalog::open(root).map_or(0, |catalog| catalog.entries.len())
}

/// Waits until the root has so many recordings.
#[track_caller]
fn becomes(root: &Path, expected: usize) {
    let is_there = (0..500).any(|_| {
        tickdeck_core::wait::nap(std::time::Duration::from_millis(10));
        made(root) == expected
    });
    assert!(is_there, "{} recordings", made(root));
}

#[test]
fn in_a_quiet_market_the_clock_ends_a_range() {
    let root = tempfile::tempdir().unwrap();
    let clock = Arc::new(VirtualClock::new());
    let mut ring = ring_by(root.path(), Arc::clone(&clock));
    ring.write(&events(0..100, &[90])).unwrap();
    // 9 s of the 20 s after the loss have passed with the newest event.
    for (passed, expected) in [(11, 0), (1, 0), (1, 1)] {
        clock.advance(passed * SECOND);
        assert!(ring.idle());
        becomes(root.path(), expected);
    }
    // A request in the quiet market: its moment is that of the newest event, which is long ago.
    clock.advance(3_600 * SECOND);
    ring.trigger().keep("SIGUSR2");
    assert!(ring.idle());
    becomes(root.path(), 2);
    assert!(ring.idle());
    ring.write(&events(100..140, &[])).unwrap();
    let recorded = ring.finish(0);
    let kept = kept(&recorded);
    assert_eq!(kept.len(), 2);
    assert_eq!(seconds(kept[0]), (10..100).collect::<Vec<i64>>());
    assert_eq!(seconds(kept[1]), (19..100).collect::<Vec<i64>>());
}

#[test]
fn while_events_come_their_times_end_a_range() {
    let root = tempfile::tempdir().unwrap();
    let clock = Arc::new(VirtualClock::new());
    let mut ring = ring_by(root.path(), Arc::clone(&clock));
    ring.write(&events(0..100, &[90])).unwrap();
    // The recorder was late: the events of the range follow.
    clock.advance(60 * SECOND);
    ring.write(&events(100..150, &[])).unwrap();
    assert!(ring.idle());
    let recorded = ring.finish(0);
    assert_eq!(
        seconds(kept(&recorded)[0]),
        (10..=110).collect::<Vec<i64>>()
    );
}

#[test]
fn batches_do_not_decide_what_is_kept() {
    let kept = |size: usize| {
        let root = tempfile::tempdir().unwrap();
        let mut ring = ring(root.path());
        for batch in events(0..700, &[333, 500]).chunks(size) {
            ring.write(batch).unwrap();
        }
        let recorded = ring.finish(0);
        let digests = recorded.days.into_iter().map(|(_, made)| made.digest);
        digests.collect::<Vec<_>>()
    };
    let whole = kept(700);
    assert_eq!(whole.len(), 2);
    assert_eq!(kept(1), whole);
    assert_eq!(kept(37), whole);
}

#[test]
fn what_a_kill_leaves_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let mut ring = ring(root.path());
    ring.write(&events(0..495, &[])).unwrap();
    let folder = root.path().join(".ring-box");
    let busy = salvage_ring(&folder).unwrap_err();
    assert!(matches!(busy, RecordingError::InUse { .. }), "{busy}");
    // A recorder that is dropped leaves what a killed process leaves.
    settles(root.path(), 10);
    drop(ring);
    assert_eq!(rings(root.path()).unwrap(), std::slice::from_ref(&folder));
    let salvage = salvage_ring(&folder).unwrap();
    assert!(salvage.lost.is_empty() && salvage.kept.is_empty());
    assert!(salvage.from_journal > 0);
    let (kept, made) = salvage.made.unwrap();
    assert_eq!(kept, root.path().join("trading_day=2026-01-05/session=box"));
    assert_eq!(made.status, Status::Recovered);
    assert_eq!(made.source.detail, "kept=killed");
    let seconds = seconds(&kept);
    let first = seconds[0];
    assert!((400..=415).contains(&first), "{first}");
    assert_eq!(seconds, (first..495).collect::<Vec<i64>>());
    assert!(!folder.exists());
    assert_eq!(Catalog::open(root.path()).unwrap().entries.len(), 1);
}

/// A ring of a killed session with `seconds` events in slots of 10, and everything on disk.
pub(super) fn killed(root: &Path, count: u64) -> PathBuf {
    let mut ring = ring(root);
    ring.write(&events(0..count, &[])).unwrap();
    drop(ring);
    root.join(".ring-box")
}

pub(super) fn box_of(root: &Path) -> PathBuf {
    root.join("trading_day=2026-01-05/session=box")
}

/// Copies a folder with everything in it.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Turns over a bit of the events in the slot's first file that `is_wanted`.
pub(super) fn damage(slot: &Path, is_wanted: impl Fn(&str) -> bool) -> PathBuf {
    let names = crate::storage::local().list(slot).unwrap();
    let file = names.iter().find(|name| is_wanted(name)).unwrap();
    let path = slot.join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    let position = match path.extension().is_some_and(|it| it == "tdj") {
        true => bytes.len() - 1,
        false => 100,
    };
    bytes[position] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A session that was killed while it kept a range leaves a part of the copy. The slots have everything.
#[test]
fn a_kill_while_a_range_is_kept_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    let slot = folder.join("slot-00000");
    let part = folder.join(".session=box");
    copy(&slot, &part);
    std::fs::remove_file(part.join("part-00000.parquet")).unwrap();
    std::fs::write(part.join(".part-00000.parquet.partial"), "PAR1").unwrap();
    // The verbs see no recording of a part of it.
    assert_eq!(made(root.path()), 0);
    let salvage = salvage_ring(&folder).unwrap();
    assert!(salvage.lost.is_empty() && salvage.kept.is_empty());
    let (kept, _) = salvage.made.unwrap();
    assert_eq!(seconds(&kept), (0..45).collect::<Vec<i64>>());
    assert!(!folder.exists());
    // Another session is not kept from beginning by one whose slots are gone.
    std::fs::create_dir(&folder).unwrap();
    copy(&kept, &part);
    let mut ring = ring(root.path());
    ring.trigger().keep("test");
    ring.write(&events(0..45, &[])).unwrap();
    assert_eq!(ring.finish(0).days.len(), 1);
    assert_eq!(made(root.path()), 2);
}

#[test]
fn a_part_of_a_recording_is_never_among_the_sessions() {
    let root = tempfile::tempdir().unwrap();
    let mut ring = ring(root.path());
    ring.trigger().keep("test");
    let mut seen = 0;
    for batch in events(0..2_000, &[300, 600, 900]).chunks(7) {
        ring.write(batch).unwrap();
        let entries = Catalog::open(root.path()).unwrap().entries;
        for entry in &entries {
            let recording = Recording::open(&entry.folder).unwrap();
            assert_eq!(recording.status(), Status::Complete);
        }
        seen = seen.max(entries.len());
    }
    assert!(seen > 0, "some are there while the session runs");
    assert_eq!(ring.finish(0).days.len(), 4);
}

/// What a slot could not write is not followed by what the next one has.
#[test]
fn nothing_is_written_behind_a_slot_that_failed() {
    let root = tempfile::tempdir().unwrap();
    // A slot of ten events has two journal files.
    let rolling = Rolling {
        row_group_rows: 8,
        ..Rolling::default()
    };
    let mut ring = ring_in(root.path(), rolling, Arc::new(VirtualClock::new()));
    let all = events(0..45, &[]);
    ring.write(&all[..15]).unwrap();
    let in_the_way = root.path().join(".ring-box/slot-00001/journal-00001.tdj");
    std::fs::write(&in_the_way, "").unwrap();
    let _ = ring.offer(&all[15..]);
    let recorded = ring.finish(0);
    // The reason is that of the slot, not of those that follow.
    let error = recorded.error.unwrap();
    assert!(matches!(error, RecordingError::Io { .. }), "{error}");
    assert_eq!(recorded.ticks, 18);
    std::fs::remove_file(&in_the_way).unwrap();
    let salvage = salvage_ring(&root.path().join(".ring-box")).unwrap();
    assert_eq!(
        seconds(&salvage.made.unwrap().0),
        (0..18).collect::<Vec<i64>>()
    );
}

#[test]
fn a_damaged_slot_is_kept_and_stated() {
    for extension in [".tdj", ".parquet"] {
        let root = tempfile::tempdir().unwrap();
        let folder = killed(root.path(), 45);
        let is_wanted = |name: &str| name.ends_with(extension) && !name.contains("contracts");
        // The last slot has a journal, those before it are sealed.
        let slot = if extension == ".tdj" {
            "slot-00004"
        } else {
            "slot-00001"
        };
        let file = damage(&folder.join(slot), is_wanted);
        let bytes = std::fs::read(&file).unwrap();
        let salvage = salvage_ring(&folder).unwrap();
        let (made, manifest) = salvage.made.unwrap();
        assert_eq!(manifest.source.detail, "kept=killed+damaged");
        assert!(manifest.events < 45, "{}", manifest.events);
        let found = seconds(&made);
        assert!((0..10).chain(20..40).all(|second| found.contains(&second)));
        assert_eq!(salvage.lost.len(), 1, "{:?}", salvage.lost);
        let kept = root.path().join(".damaged-box").join(slot);
        assert_eq!(salvage.kept, std::slice::from_ref(&kept));
        let files = std::fs::read_dir(&kept).unwrap();
        let mut files = files.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        assert!(files.any(|content| content == bytes), "its bytes are there");
        assert!(!folder.exists());
        assert_eq!(rings(root.path()).unwrap(), Vec::<PathBuf>::new());
        assert_eq!(Catalog::open(root.path()).unwrap().entries.len(), 1);
    }
}

#[test]
fn one_unreadable_slot_does_not_keep_the_others_from_being_kept() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    let broken = folder.join("slot-00000");
    std::fs::remove_dir_all(&broken).unwrap();
    std::fs::create_dir(&broken).unwrap();
    let mut journal = std::fs::read(folder.join("slot-00004/journal-00000.tdj")).unwrap();
    journal[3] ^= 1;
    std::fs::write(broken.join("journal-00000.tdj"), journal).unwrap();
    let salvage = salvage_ring(&folder).unwrap();
    let (made, _) = salvage.made.unwrap();
    assert_eq!(seconds(&made), (10..45).collect::<Vec<i64>>());
    assert_eq!(salvage.lost.len(), 1);
    assert_eq!(salvage.kept, std::slice::from_ref(&broken));
    assert_eq!(slots(root.path()), 1);
    // Again, with the same result.
    let again = salvage_ring(&folder).unwrap();
    assert!(again.made.is_none());
    assert_eq!(again.lost, salvage.lost);
}

#[test]
fn files_of_others_in_a_ring_stay() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    std::fs::write(folder.join("slot-00001/notes.txt"), "mine").unwrap();
    let real = root.path().join("real");
    crate::tests::record(&real, &events(0..5, &[]), Rolling::default());
    std::os::unix::fs::symlink(&real, folder.join("slot-00099")).unwrap();
    let salvage = salvage_ring(&folder).unwrap();
    assert_eq!(
        seconds(&salvage.made.unwrap().0),
        (0..45).collect::<Vec<i64>>()
    );
    assert_eq!(seconds(&real), (0..5).collect::<Vec<i64>>());
    let notes = root.path().join(".damaged-box/slot-00001/notes.txt");
    assert_eq!(std::fs::read(notes).unwrap(), b"mine");
    assert_eq!(salvage.lost.len(), 2);
}

/// A salvage that was killed leaves a ring with some of its slots, and the recording or not.
#[test]
fn a_salvage_that_was_killed_is_repeated() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    let before = root.path().join("before");
    copy(&folder, &before);
    salvage_ring(&folder).unwrap();
    let whole = seconds(&box_of(root.path()));
    assert_eq!(whole, (0..45).collect::<Vec<i64>>());

    // Before the mark was written.
    copy(&before, &folder);
    let again = salvage_ring(&folder).unwrap();
    assert_eq!(again.made.unwrap().0, box_of(root.path()));
    assert!(!folder.exists());
    assert_eq!(made(root.path()), 1);

    // While the slots went, after every file.
    let digest = Recording::open(&box_of(root.path())).unwrap();
    let digest = digest.manifest().unwrap().digest.clone();
    let mark = serde_json::json!({
        "recording": "trading_day=2026-01-05/session=box",
        "digest": digest,
        "removed": ["slot-00000", "slot-00001", "slot-00002", "slot-00003", "slot-00004"],
        "damaged": [],
    });
    for gone in 0..8 {
        copy(&before, &folder);
        std::fs::write(folder.join("merged.json"), mark.to_string()).unwrap();
        let files = ["slot-00000", "slot-00001"].into_iter().flat_map(|slot| {
            let names = crate::storage::local().list(&folder.join(slot)).unwrap();
            let paths = names.into_iter().map(|name| folder.join(slot).join(name));
            paths.collect::<Vec<_>>()
        });
        files
            .take(gone)
            .for_each(|file| std::fs::remove_file(file).unwrap());
        let again = salvage_ring(&folder).unwrap();
        assert_eq!(again.made.unwrap().0, box_of(root.path()));
        assert!(!folder.exists() && again.lost.is_empty());
        assert_eq!(made(root.path()), 1, "after {gone} files");
    }

    // While the events were copied.
    copy(&before, &folder);
    std::fs::remove_dir_all(root.path().join("trading_day=2026-01-05")).unwrap();
    copy(&folder.join("slot-00000"), &folder.join(".session=box"));
    let again = salvage_ring(&folder).unwrap();
    assert_eq!(seconds(&again.made.unwrap().0), whole);
    assert_eq!(made(root.path()), 1);
}

/// What a salvage made was damaged before the slots went.
#[test]
fn slots_whose_recording_was_damaged_are_merged_again() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    let before = root.path().join("before");
    copy(&folder, &before);
    let (first, manifest) = salvage_ring(&folder).unwrap().made.unwrap();
    damage(&first, |name| name.starts_with("part-"));
    let removed = [
        "slot-00000",
        "slot-00001",
        "slot-00002",
        "slot-00003",
        "slot-00004",
    ];
    for has_mark in [true, false] {
        copy(&before, &folder);
        let mark = serde_json::json!({
            "recording": "trading_day=2026-01-05/session=box",
            "digest": manifest.digest,
            "removed": removed,
            "damaged": [],
        });
        if has_mark {
            std::fs::write(folder.join("merged.json"), mark.to_string()).unwrap();
        }
        let salvage = salvage_ring(&folder).unwrap();
        let (second, _) = salvage.made.unwrap();
        assert_eq!(
            second,
            root.path().join("trading_day=2026-01-05/session=box-2")
        );
        assert_eq!(seconds(&second), (0..45).collect::<Vec<i64>>());
        assert!(!folder.exists() && first.exists());
        std::fs::remove_dir_all(&second).unwrap();
    }
}

/// A salvage was killed when its slots were gone and its mark was not.
#[test]
fn a_mark_that_was_left_removes_no_slot_of_a_new_session() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 15);
    let (_, manifest) = salvage_ring(&folder).unwrap().made.unwrap();
    let mark = serde_json::json!({
        "recording": "trading_day=2026-01-05/session=box",
        "digest": manifest.digest,
        "removed": ["slot-00000", "slot-00001"],
        "damaged": [],
    });
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("merged.json"), mark.to_string()).unwrap();
    let mut ring = ring(root.path());
    ring.write(&events(0..12, &[])).unwrap();
    drop(ring);
    let salvage = salvage_ring(&folder).unwrap();
    let (made, _) = salvage.made.unwrap();
    assert_eq!(
        made,
        root.path().join("trading_day=2026-01-05/session=box-2")
    );
    assert_eq!(seconds(&made), (0..12).collect::<Vec<i64>>());
}

#[test]
fn a_mark_of_a_recording_that_is_gone_removes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 15);
    let mark = serde_json::json!({
        "recording": "trading_day=2026-01-05/session=box",
        "digest": "",
        "removed": ["slot-00000", "slot-00001"],
        "damaged": [],
    });
    std::fs::write(folder.join("merged.json"), mark.to_string()).unwrap();
    let salvage = salvage_ring(&folder).unwrap();
    assert_eq!(
        seconds(&salvage.made.unwrap().0),
        (0..15).collect::<Vec<i64>>()
    );
}

#[test]
fn a_ring_that_fails_says_what_its_slots_have() {
    let root = tempfile::tempdir().unwrap();
    let mut ring = ring(root.path());
    ring.write(&events(0..45, &[])).unwrap();
    // A gap is refused, as any write may be.
    assert!(!ring.offer(&events(50..55, &[])));
    let recorded = ring.finish(0);
    assert!(matches!(
        recorded.error,
        Some(RecordingError::SeqGap { .. })
    ));
    assert_eq!((recorded.ticks, recorded.days.len()), (45, 0));
    let folder = root.path().join(".ring-box");
    assert_eq!(recorded.ring.as_ref(), Some(&folder));
    let salvage = salvage_ring(&folder).unwrap();
    assert_eq!(
        seconds(&salvage.made.unwrap().0),
        (0..45).collect::<Vec<i64>>()
    );
}

#[test]
fn requests_that_wait_are_noted_once() {
    let trigger = RingTrigger::default();
    for request in 0..64 {
        assert_eq!(
            trigger.keep(&format!("request {request}")),
            Requested::Noted
        );
        assert_eq!(trigger.keep("request 0"), Requested::Noted);
    }
    assert_eq!(trigger.keep("one more"), Requested::NotNoted);
    assert_eq!(trigger.keep("request 63"), Requested::Noted);
}

#[test]
fn a_ring_that_has_failed_refuses_requests() {
    let root = tempfile::tempdir().unwrap();
    let mut ring = ring(root.path());
    let trigger = ring.trigger().clone();
    ring.write(&events(0..45, &[])).unwrap();
    assert_eq!(trigger.keep("before"), Requested::Noted);
    assert!(!ring.offer(&events(50..55, &[])));
    let is_refused = |part: &str| {
        let asked = trigger.keep("after");
        matches!(&asked, Requested::Refused(why) if why.contains(part))
    };
    assert!(is_refused("the ring has failed: "));
    // What was asked for before is not forgotten.
    let recorded = ring.finish(0);
    assert_eq!(recorded.days.len(), 1);
    assert!(is_refused("the ring has failed: "));
}

#[test]
fn a_ring_whose_session_has_ended_refuses_requests() {
    let root = tempfile::tempdir().unwrap();
    for is_finished in [true, false] {
        let mut ring = ring(root.path());
        let trigger = ring.trigger().clone();
        ring.write(&events(0..5, &[])).unwrap();
        match is_finished {
            true => drop(ring.finish(0)),
            false => drop(ring),
        }
        assert!(matches!(trigger.keep("late"), Requested::Refused(_)));
    }
}

/// Its folder was moved, so the open slot cannot be written to its end.
#[test]
fn a_range_that_cannot_be_kept_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let reported = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&reported);
    let told = move |_: &Path, made: &Result<_, _>| {
        count.fetch_add(u64::from(made.is_err()), Ordering::Relaxed);
    };
    let mut ring = ring_told(
        root.path(),
        Rolling::default(),
        VirtualClock::new().into(),
        told,
    );
    ring.write(&events(0..5, &[4])).unwrap();
    std::fs::rename(root.path().join(".ring-box"), root.path().join("moved")).unwrap();
    let has_failed = (5..10).any(|seq| {
        tickdeck_core::wait::nap(std::time::Duration::from_millis(200));
        !ring.offer(&events(seq..seq + 1, &[]))
    });
    assert!(has_failed);
    assert!(ring.finish(0).error.is_some());
    assert_eq!(reported.load(Ordering::Relaxed), 1);
}

#[test]
fn a_slot_that_cannot_be_removed_is_stated() {
    let root = tempfile::tempdir().unwrap();
    let mut ring = ring(root.path());
    ring.write(&events(0..15, &[])).unwrap();
    let notes = root.path().join(".ring-box/slot-00000/notes.txt");
    std::fs::write(notes, "mine").unwrap();
    let recorded = ring.finish(0);
    assert!(recorded.error.is_some());
    let notes = root.path().join(".ring-box/gone-slot-00000/notes.txt");
    assert_eq!(std::fs::read(notes).unwrap(), b"mine");
}

#[test]
fn a_file_that_a_kill_left_in_a_slot_is_no_damage() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    let begun = folder.join("slot-00005");
    std::fs::create_dir(&begun).unwrap();
    for left in [
        begun.join(".lock"),
        begun.join(".manifest.json.Ab12cd.tmp"),
        folder.join("slot-00000/.contracts.parquet.Ab12cd.tmp"),
        folder.join(".merged.json.Ab12cd.tmp"),
    ] {
        std::fs::write(left, "{").unwrap();
    }
    let salvage = salvage_ring(&folder).unwrap();
    assert_eq!((salvage.lost, salvage.kept), (vec![], vec![]));
    let (kept, _) = salvage.made.unwrap();
    assert_eq!(seconds(&kept), (0..45).collect::<Vec<i64>>());
    let names = crate::storage::local().list(root.path()).unwrap();
    assert_eq!(names, ["trading_day=2026-01-05"]);
}
