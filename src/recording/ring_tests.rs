//! The ring: what is on disk at any time, what a trigger keeps, what a kill leaves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::clock::VirtualClock;
use tickdeck_core::event::{Event, EventKind, RawTick, Seq, SessionEvent};
use tickdeck_core::time::UnixNanos;

use crate::rolling_tests::noon;
use crate::tests::{options, read_all};
use crate::{
    Catalog, EventFilter, EventWriter as _, Recorded, RecorderOptions, Recording, RecordingError,
    Ring, RingRecorder, RingSpan, RingTrigger, Rolling, Status, rings, salvage_ring, verify,
};

const SECOND: i64 = 1_000_000_000;

/// 80 s before, in slots of 10 s, and 20 s after.
const SPAN: RingSpan = RingSpan {
    before: 80 * SECOND,
    after: 20 * SECOND,
};

/// A tick per second, `seq` seconds after noon. Those of `lost` are the loss of the front.
fn events(seqs: std::ops::Range<u64>, lost: &[u64]) -> Vec<Event> {
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

fn ring(root: &Path) -> RingRecorder {
    ring_by(root, Arc::new(VirtualClock::new()))
}

fn ring_by(root: &Path, clock: Arc<VirtualClock>) -> RingRecorder {
    let session = "box".parse().unwrap();
    let options = options(Rolling::default());
    let ring = Ring {
        span: SPAN,
        trigger: RingTrigger::default(),
    };
    let told = |_: &Path, _: &Result<_, _>| {};
    let recorder = RecorderOptions::default();
    RingRecorder::create(root, session, options, recorder, ring, clock, told).unwrap()
}

/// The seconds of the events of a recording.
fn seconds(folder: &Path) -> Vec<i64> {
    let recording = Recording::open(folder).unwrap();
    assert_eq!(verify(&recording, &mut |_| {}).findings, vec![]);
    let events = read_all(&recording, EventFilter::default(), 64);
    let seconds = events
        .iter()
        .map(|event| (event.recv_ts.0 - noon().0) / SECOND);
    seconds.collect()
}

fn slots(root: &Path) -> usize {
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
fn settles(root: &Path, most: usize) {
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
fn made(root: &Path) -> usize {
    Catalog::open(root).map_or(0, |catalog| catalog.entries.len())
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
        assert_eq!(made(root.path()), expected, "after {passed} s");
    }
    // A request in the quiet market: its moment is that of the newest event, which is long ago.
    clock.advance(3_600 * SECOND);
    ring.trigger().keep("SIGUSR2");
    assert!(ring.idle());
    assert_eq!(made(root.path()), 2);
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
    let (kept, made) = salvage_ring(&folder).unwrap().unwrap();
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
