//! The ledger adds up: received = published + rejected + filtered + failed, per instrument and in
//! total.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use tickdeck::event::InstrumentId;
use tickdeck::nats::NatsFailure;
use tickdeck::normalize::{Flag, Flags};
use tickdeck::pipeline::{InstrumentLedger, Ledger, Publisher};
use tickdeck::sink::{Fate, MessageBatch, NullSink, Outstanding, Sink, SinkError};

use crate::support::recordings::{
    events, payload, publisher_options, quick, quirks, replay, split, stream,
};

fn flags(wanted: &[Flag]) -> Flags {
    let mut flags = Flags::default();
    for flag in wanted {
        flags.insert(*flag);
    }
    flags
}

/// Publishes a whole recording.
fn publish(recording: &Path, drop: Flags, sink: impl Sink + 'static) -> (Ledger, bool) {
    let mut publisher = Publisher::new(publisher_options(recording, drop), vec![Box::new(sink)]);
    let published = publisher.publish(&events(recording));
    let (ledger, _, error) = publisher.finish(true);
    (ledger, published.is_err() || error.is_some())
}

/// Checks every line and the sum, and that each instrument has all its ticks.
#[track_caller]
fn check(ledger: &Ledger, recording: &Path) -> InstrumentLedger {
    let mut sum = InstrumentLedger::default();
    let mut recorded: BTreeMap<InstrumentId, u64> = BTreeMap::new();
    for event in events(recording) {
        if let Some(tick) = event.as_tick() {
            *recorded.entry(tick.instrument_id).or_default() += 1;
        }
    }
    let lines = ledger.by_instrument();
    assert_eq!(lines.len(), recorded.len());
    for (id, line) in &lines {
        assert!(line.adds_up(), "{id}: {line:?}");
        assert_eq!(line.received, recorded[id], "{id}");
        sum.received += line.received;
        sum.published += line.published;
        sum.filtered += line.filtered;
        sum.failed += line.failed;
        for (reason, count) in &line.rejected {
            *sum.rejected.entry(reason).or_default() += count;
        }
    }
    let total = ledger.total();
    assert_eq!(total, sum);
    assert!(total.adds_up(), "{total:?}");
    total
}

#[test]
fn every_tick_is_accounted_for() {
    let drop = flags(&[Flag::Stale, Flag::Duplicate]);
    let (ledger, failed) = publish(&quirks(), drop, NullSink::new());
    let total = check(&ledger, &quirks());
    assert!(!failed);
    // All three reasons not to publish occur in this recording.
    assert!(
        total.filtered > 0 && !total.rejected.is_empty(),
        "{total:?}"
    );
    assert_eq!(total.failed, 0);
    let (unfiltered, _) = publish(&quirks(), Flags::default(), NullSink::new());
    let all = check(&unfiltered, &quirks());
    assert_eq!(all.published, total.published + total.filtered);
    assert_eq!(all.rejected, total.rejected);
}

/// The same counts as `replay --json` prints them.
#[test]
fn replay_summary_has_the_same_ledger() {
    for (words, drop) in [
        ("--drop stale,duplicate", vec![Flag::Stale, Flag::Duplicate]),
        (
            "--drop out_of_session --drop snapshot",
            vec![Flag::OutOfSession, Flag::Snapshot],
        ),
        ("", vec![]),
    ] {
        let (ledger, _) = publish(&quirks(), flags(&drop), NullSink::new());
        let total = check(&ledger, &quirks());
        let played = replay(&quirks(), &format!("--sink digest {words}"))
            .done()
            .json();
        let count = |key: &str| played[key].as_u64().unwrap();
        let rejected: BTreeMap<String, u64> =
            serde_json::from_value(played["rejected"].clone()).unwrap();
        let own: BTreeMap<String, u64> = total
            .rejected
            .iter()
            .map(|(reason, count)| ((*reason).to_owned(), *count))
            .collect();
        assert_eq!(rejected, own);
        assert_eq!(count("received"), total.received);
        assert_eq!(count("published"), total.published);
        assert_eq!(count("filtered"), total.filtered);
        assert_eq!((count("failed"), count("dropped")), (0, 0));
        assert_eq!(
            count("received"),
            count("published") + rejected.values().sum::<u64>() + count("filtered")
        );
        let info = crate::support::recordings::info(&quirks());
        assert_eq!(info["rejected"], serde_json::to_value(&own).unwrap());
        assert_eq!(info["ticks"], Value::from(total.received));
    }
}

/// A sink that loses its connection after some messages.
pub(super) struct Breaking {
    left: u64,
    outstanding: Outstanding,
}

impl Breaking {
    pub(super) fn after(left: u64) -> Self {
        Self {
            left,
            outstanding: Outstanding::default(),
        }
    }
}

impl Sink for Breaking {
    fn name(&self) -> String {
        "breaking".to_owned()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        for _ in batch.iter() {
            if self.left == 0 {
                return Err(SinkError::Nats {
                    server: "nowhere".to_owned(),
                    failure: NatsFailure::Other {
                        cause: "gone".into(),
                    },
                });
            }
            self.left -= 1;
            self.outstanding.take(1);
            self.outstanding.confirm_all();
        }
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

#[test]
fn undelivered_messages_count_as_failed() {
    for left in [0, 1, 127, 128, 1_000] {
        let sink = Breaking::after(left);
        let (ledger, failed) = publish(&quirks(), Flags::default(), sink);
        assert!(failed);
        for (id, line) in ledger.by_instrument() {
            assert!(line.adds_up(), "{id}: {line:?}");
        }
        let total = ledger.total();
        assert!(total.adds_up(), "{total:?}");
        assert_eq!(total.published, left);
        assert!(total.failed > 0, "{total:?}");
    }
}

/// An instrument whose first tick is rejected still gets its subject, whichever instruments came in
/// between.
#[test]
fn subjects_match_their_instruments() {
    for recording in [quick(), quirks()] {
        for line in stream(&recording, "").lines() {
            let (subject, _) = split(line);
            let payload = payload(line);
            let text = |key: &str| payload[key].as_str().unwrap().replace(' ', "%20");
            let expected = format!("market.tick.{}.{}", text("exchange"), text("symbol"));
            assert_eq!(subject, expected);
        }
    }
}
