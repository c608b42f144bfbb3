//! The number of jobs changes nothing: neither messages nor their order, counts, nor the end marker.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use tickdeck::encode::control::RunId;
use tickdeck::normalize::{Flag, Flags};
use tickdeck::pace::Rate;
use tickdeck::pipeline::PublisherOptions;
use tickdeck::reference::{Reference, ReferenceOptions};
use tickdeck::sink::Fate;
use tickdeck::{MessageBatch, Recording, Session, Sink, SinkError};
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::EventFilter;

use super::ledger::Breaking;
use crate::support::recordings::{quick, quirks};

/// Keeps every message, and asks for the end marker.
#[derive(Clone, Default)]
pub(super) struct Kept {
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    settled: u64,
}

impl Sink for Kept {
    fn name(&self) -> String {
        "kept".into()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        let mut lines = self.lines.lock().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        lines.extend(
            batch
                .iter()
                .map(|it| format!("{} {}", text(it.subject), text(it.payload))),
        );
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        let end = self.lines.lock().unwrap().len() as u64;
        each(self.settled..end, Fate::Confirmed);
        self.settled = end;
    }

    fn end_marker_limit(&self) -> Option<usize> {
        Some(1 << 20)
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// What a replay is asked for, apart from its jobs.
#[derive(Debug, Clone, Copy)]
struct Case {
    batch: u32,
    drop: Flags,
    /// Prime until this many seconds after the first event.
    prime: Option<i64>,
    looping: bool,
    most: Option<u64>,
}

fn play(recording: &Recording, case: Case, jobs: usize) -> (Vec<String>, String) {
    let own = std::slice::from_ref(recording);
    let reference = Reference::load(&ReferenceOptions::default(), own).unwrap();
    let mut options = PublisherOptions::new(&reference, recording.source().payload_source());
    options.drop = case.drop;
    let kept = Kept::default();
    let (start, _) = recording.time_range().unwrap().unwrap();
    let until = case.prime.map(|s| UnixNanos(start.0 + s * 1_000_000_000));
    let open = || Ok(Box::new(recording.reader(EventFilter::default())) as _);
    let played = Session::replay("s", options, open)
        .rate(Rate::Max)
        .batch_events(case.batch)
        .jobs(jobs)
        .prime_until(until)
        .looping(case.looping)
        .max_ticks(case.most)
        .run_id(RunId::of(UnixNanos(0), 1))
        .sink(kept.clone())
        .run()
        .unwrap();
    assert!(played.error.is_none(), "{:?}", played.error);
    let summary = played.summary;
    let counts = format!(
        "{} {} {:?} {} {}",
        summary.received, summary.published, summary.rejected, summary.filtered, summary.digest
    );
    let lines = std::mem::take(&mut *kept.lines.lock().unwrap());
    (lines, counts)
}

#[test]
fn messages_counts_and_end_marker_are_the_same_for_any_number_of_jobs() {
    let cases = [
        (None, false, None),
        (Some(20), false, None),
        (Some(20), false, Some(100)),
        (Some(100_000), false, None),
        (None, true, Some(5_000)),
        (Some(1), true, Some(5_000)),
        (None, false, Some(777)),
    ];
    for path in [quick(), quirks()] {
        let recording = Recording::open(&path).unwrap();
        for (prime, looping, most) in cases {
            for drop in [
                Flags::EMPTY,
                [Flag::Snapshot, Flag::OutOfSession].into_iter().collect(),
            ] {
                let case = |batch| Case {
                    batch,
                    drop,
                    prime,
                    looping,
                    most,
                };
                let expected = play(&recording, case(2048), 1);
                assert!(!expected.0.is_empty());
                assert!(expected.0.last().unwrap().starts_with("tickdeck.end."));
                for (jobs, batch) in [(1, 3), (2, 2048), (2, 1), (3, 100), (7, 100_000)] {
                    let case = case(batch);
                    let found = play(&recording, case, jobs);
                    assert!(found == expected, "{jobs} jobs, {case:?}");
                }
            }
        }
    }
}

#[test]
fn the_ledger_adds_up_after_a_sink_failed() {
    let recording = Recording::open(&quirks()).unwrap();
    for jobs in [1, 2, 3, 7] {
        for batch in [100, 300, 2048] {
            let played = Session::replay_recording(&recording)
                .unwrap()
                .rate(Rate::Max)
                .batch_events(batch)
                .jobs(jobs)
                .sink(Breaking::after(600))
                .run()
                .unwrap();
            assert!(played.error.is_some());
            let summary = played.summary;
            let rejected: u64 = summary.rejected.values().sum();
            let accounted = summary.published + rejected + summary.filtered + summary.failed;
            assert_eq!(
                summary.received, accounted,
                "{jobs} jobs, batches of {batch}"
            );
            assert!(summary.failed > 0);
        }
    }
}
