//! Sessions that are recorded by trading day or into a ring: over two days, in a quiet market, and when
//! the recorder fails.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tickdeck::clock::VirtualClock;
use tickdeck::pipeline::PlayError;
use tickdeck::recording::{
    Catalog, Recording, RecordingError, Ring, RingSpan, RingTrigger, Status,
};
use tickdeck::session::{LiveSession, OnRecordingFailure};
use tickdeck::sink::{Fate, MessageBatch, Outstanding, Sink, SinkError};
use tickdeck::time::UnixNanos;

use super::recording::{has_ticks, loses_its_folder, moved};
use super::{Setup, market, recorded};
use crate::support::cli::run;
use crate::support::fake_front::{FakeFront, Stop, push};
use crate::support::log::LogText;
use crate::support::recordings::{Folder, events, on_disk};
use crate::support::wait_until;

const SECOND: i64 = 1_000_000_000;

/// 17:59 of a Monday in Shanghai: its trading day ends in a minute.
const EVENING: UnixNanos = UnixNanos(1_767_607_140 * SECOND);

fn evening() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::starting_at(EVENING))
}

/// A session that is recorded under `root`.
fn under(root: &Path, ring: Option<Ring>) -> Setup {
    let mut setup = recorded(&market(), root);
    let record = setup.record.as_mut().unwrap();
    record.by_day = Some("test".parse().unwrap());
    record.ring = ring;
    setup
}

fn minute_ring() -> Ring {
    Ring {
        span: RingSpan {
            before: 3_600 * SECOND,
            after: 60 * SECOND,
        },
        trigger: RingTrigger::default(),
    }
}

/// Keeps the `seq` of each message. Takes none before it is open.
#[derive(Clone, Default)]
struct Gate {
    is_open: Arc<AtomicBool>,
    seqs: Arc<Mutex<Vec<u64>>>,
    outstanding: Outstanding,
}

impl Sink for Gate {
    fn name(&self) -> String {
        "gate".to_owned()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        wait_until("the sink is open", || self.is_open.load(Ordering::Relaxed));
        let seqs = batch.iter().map(|message| {
            let payload: Value = serde_json::from_slice(message.payload).unwrap();
            payload["seq"].as_u64().unwrap()
        });
        self.seqs.lock().unwrap().extend(seqs);
        self.outstanding.take(batch.len() as u64);
        self.outstanding.confirm_all();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.outstanding.report(each);
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The first day has more ticks than wait in memory for a publisher that lags.
#[test]
fn a_session_over_two_trading_days_is_published_in_order() {
    const ROUNDS: [usize; 2] = [45, 2];
    let folder = Folder::new();
    let root = folder.join("sessions");
    let days = [
        "trading_day=2026-01-05/session=test",
        "trading_day=2026-01-06/session=test-2",
    ]
    .map(|day| root.join(day));
    let (clock, stop, gate) = (evening(), Stop::default(), Gate::default());
    let front = FakeFront::ready({
        let (clock, stop, days) = (Arc::clone(&clock), stop.clone(), days.clone());
        let is_open = Arc::clone(&gate.is_open);
        move |_, inlet| {
            let (inlet, clock, stop) = (inlet.clone(), Arc::clone(&clock), stop.clone());
            let (days, is_open) = (days.clone(), Arc::clone(&is_open));
            thread::spawn(move || {
                let ticks = market();
                for (day, rounds) in days.iter().zip(ROUNDS) {
                    (0..rounds).for_each(|_| push(&inlet, &ticks));
                    let all = (rounds * ticks.len()) as u64;
                    wait_until("the day is on disk", || on_disk(day) >= all);
                    clock.advance(120 * SECOND);
                }
                is_open.store(true, Ordering::Relaxed);
                stop.stop();
            });
        }
    });
    let mut setup = under(&root, None);
    setup.sinks = vec![Box::new(gate.clone())];
    let ended = setup.session(&stop).clock(clock).run(front).unwrap();
    assert!(ended.error.is_none(), "{:?}", ended.error);
    let folders: Vec<&PathBuf> = ended.days.iter().map(|(folder, _)| folder).collect();
    assert_eq!(folders, days.each_ref());
    let of_days = ROUNDS.map(|rounds| (rounds * market().len()) as u64);
    for ((_, made), ticks) in ended.days.iter().zip(of_days) {
        assert_eq!((made.status, made.ticks), (Status::Complete, ticks));
    }
    let all = of_days.iter().sum::<u64>();
    let total = ended.ledger.total();
    assert_eq!((total.received, ended.recorded), (all, all));
    assert_eq!((total.published, ended.live.dropped), (all, 0));
    // What did not fit in memory was read back, across the end of the day.
    let read_back = ended.read_back.unwrap();
    assert!(read_back > of_days[1], "{read_back}");
    let seqs = gate.seqs.lock().unwrap();
    assert_eq!(seqs.len() as u64, total.published);
    assert!(seqs.is_sorted_by(|before, after| before < after));
    let words = "--session test* --rate max --sink digest --json -q";
    let args = words.split(' ').map(AsRef::as_ref);
    let replayed = run(["replay".as_ref(), root.as_os_str()]
        .into_iter()
        .chain(args))
    .done();
    assert_eq!(replayed.digest(), ended.digest);
    assert_eq!(replayed.json()["received"], total.received);
}

#[test]
fn in_a_quiet_market_a_ring_is_kept_by_the_clock() {
    let folder = Folder::new();
    let root = folder.join("sessions");
    let (clock, stop) = (evening(), Stop::default());
    let ring = minute_ring();
    let front = FakeFront::ready({
        let (clock, stop, root) = (Arc::clone(&clock), stop.clone(), root.clone());
        let trigger = ring.trigger.clone();
        move |_, inlet| {
            let (inlet, clock, stop) = (inlet.clone(), Arc::clone(&clock), stop.clone());
            let (root, trigger) = (root.clone(), trigger.clone());
            thread::spawn(move || {
                push(&inlet, &market());
                let slot = root.join(".ring-test/slot-00000");
                let all = market().len() as u64;
                wait_until("ticks are on disk", || on_disk(&slot) >= all);
                trigger.keep("test");
                // Nothing comes from here on.
                clock.advance(62 * SECOND);
                wait_until("the ring is kept", || {
                    let entries = Catalog::open(&root).map_or(Vec::new(), |found| found.entries);
                    let opened = entries.first().map(|entry| Recording::open(&entry.folder));
                    opened.is_some_and(|opened| {
                        opened.is_ok_and(|kept| kept.status() == Status::Complete)
                    })
                });
                stop.stop();
            });
        }
    });
    let session = under(&root, Some(ring)).session(&stop).clock(clock);
    let ended = session.run(front).unwrap();
    assert!(ended.error.is_none(), "{:?}", ended.error);
    let [(_, kept)] = &ended.days[..] else {
        panic!("{:?}", ended.days);
    };
    assert_eq!(kept.ticks, market().len() as u64);
    assert_eq!(kept.source.detail, "kept=test");
}

/// A session by day or with a ring, and the folder that it writes first.
fn session(root: &Path, with_ring: bool, stop: &Stop) -> (LiveSession, PathBuf) {
    let ring = with_ring.then(minute_ring);
    let first = match with_ring {
        true => ".ring-test/slot-00000",
        false => "trading_day=2026-01-05/session=test",
    };
    let session = under(root, ring).session(stop).clock(evening());
    (session, root.join(first))
}

/// The lines of an event.
fn lines<'l>(log: &'l str, event: &str) -> Vec<&'l str> {
    log.lines().filter(|line| line.contains(event)).collect()
}

#[track_caller]
fn assert_replaced(error: Option<&RecordingError>) {
    let is_replaced = matches!(error, Some(RecordingError::FolderReplaced { .. }));
    assert!(is_replaced, "{error:?}");
}

#[test]
fn days_and_rings_that_fail_do_not_end_the_session() {
    let folder = Folder::new();
    for (name, with_ring) in [("by-day", false), ("ring", true)] {
        let stop = Stop::default();
        let (session, path) = session(&folder.join(name), with_ring, &stop);
        let log = LogText::default();
        let is_over = {
            let log = log.clone();
            move || log.text().contains("recording_failed")
        };
        let front = loses_its_folder(&stop, &path, is_over);
        let ended = log.capture(|| session.run(front).unwrap());
        let log = log.text();
        assert!(ended.error.is_none(), "{:?}", ended.error);
        assert_replaced(ended.recording_failure.as_ref());
        let total = ended.ledger.total();
        assert_eq!((total.published, total.failed), (total.received, 0));
        assert!(total.received > 2 * market().len() as u64, "it continued");
        // The sealer may notice it first: then the journal continues until the recorder does.
        let failed = lines(&log, "recorder_failed");
        let (last, earlier) = failed.split_last().unwrap();
        assert!(last.contains("continues=\"nothing\""), "{failed:?}");
        assert!(earlier.len() <= 1, "{log}");
        assert!(
            earlier
                .iter()
                .all(|line| line.contains("continues=\"journal\""))
        );
        assert_eq!(lines(&log, "recording_failed").len(), 1, "{log}");
        // What it had stays where it was moved.
        let kept = events(&moved(&path));
        assert!(kept.iter().any(|event| event.as_tick().is_some()));
    }
}

#[test]
fn days_and_rings_that_fail_end_the_session_on_request() {
    let folder = Folder::new();
    for (name, with_ring) in [("by-day", false), ("ring", true)] {
        let stop = Stop::default();
        let (session, path) = session(&folder.join(name), with_ring, &stop);
        // Only the failure ends it.
        let front = loses_its_folder(&Stop::default(), &path, || false);
        let session = session.on_recording_failure(OnRecordingFailure::Stop);
        let ended = session.run(front).unwrap();
        let Some(PlayError::Record(error)) = &ended.error else {
            panic!("{:?}", ended.error);
        };
        assert_replaced(Some(error));
        assert!(ended.recording_failure.is_none());
        assert!(!stop.control().is_stopped());
        assert!(has_ticks(&moved(&path)));
    }
}
