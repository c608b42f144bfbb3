//! The end marker of a replay describes exactly what its subscribers should have received. A marker
//! that cannot be published does not fail the run.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use tickdeck::encode::control::EndMarker;
use tickdeck::nats::NatsFailure;
use tickdeck::normalize::{Flag, Flags};
use tickdeck::pipeline::Publisher;
use tickdeck::sink::{Fate, Message, MessageBatch, Outstanding, Sink, SinkError, StreamDigest};

use crate::support::recordings::{events, publisher_options, quick, quirks, replay_digest};

const END: &str = "tickdeck.end.market.tick";

/// A sink whose receivers wait for an end marker.
#[derive(Clone)]
struct Receiving {
    received: Arc<Mutex<Vec<Message>>>,
    /// Maximum size of a marker, bytes.
    limit: usize,
    /// Messages that it accepts before it fails.
    room: usize,
    outstanding: Outstanding,
}

impl Receiving {
    fn new() -> Self {
        Self {
            received: Arc::default(),
            limit: 1 << 20,
            room: usize::MAX,
            outstanding: Outstanding::default(),
        }
    }

    fn messages(&self) -> Vec<Message> {
        self.received.lock().unwrap().clone()
    }

    /// The ticks, and the marker that must follow them.
    fn ticks_and_marker(&self) -> (Vec<Message>, EndMarker) {
        let mut messages = self.messages();
        let end = messages.pop().unwrap();
        assert_eq!(end.subject, END);
        assert!(messages.iter().all(|message| message.subject != END));
        (messages, EndMarker::parse(&end.payload).unwrap())
    }

    fn is_gone(&self) -> bool {
        self.received.lock().unwrap().len() >= self.room
    }
}

fn gone() -> SinkError {
    SinkError::Nats {
        server: "nowhere".to_owned(),
        failure: NatsFailure::Other {
            cause: "gone".into(),
        },
    }
}

impl Sink for Receiving {
    fn name(&self) -> String {
        "receiving".to_owned()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        for message in batch.messages() {
            if self.is_gone() {
                return Err(gone());
            }
            self.received.lock().unwrap().push(message);
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

    fn end_marker_limit(&self) -> Option<usize> {
        Some(self.limit)
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        if self.is_gone() {
            return Err(gone());
        }
        Ok(())
    }
}

fn counts(messages: &[Message]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for message in messages {
        let subject = std::str::from_utf8(&message.subject).unwrap();
        let tail = subject.strip_prefix("market.tick.").unwrap();
        *counts.entry(tail.to_owned()).or_insert(0) += 1;
    }
    counts
}

fn digest(messages: &[Message]) -> String {
    let mut digest = StreamDigest::new();
    for message in messages {
        digest.update_message(message.borrowed());
    }
    digest.hex()
}

#[test]
fn marker_counts_all_passes() {
    let mut drop = Flags::default();
    drop.insert(Flag::Stale);
    for passes in [1, 2] {
        let sink = Receiving::new();
        let options = publisher_options(&quirks(), drop);
        let mut publisher = Publisher::new(options, vec![Box::new(sink.clone())]);
        for _ in 0..passes {
            publisher.publish(&events(&quirks())).unwrap();
            publisher.new_pass();
        }
        publisher.announce_end("session", true);
        let (ledger, stream, error) = publisher.finish(true);
        assert!(error.is_none());
        let (ticks, marker) = sink.ticks_and_marker();
        assert_eq!(marker.session, "session");
        assert!(marker.complete);
        assert_eq!(marker.total, Some(ticks.len() as u64));
        assert_eq!(marker.total, Some(ledger.total().published));
        assert_eq!(marker.digest, Some(digest(&ticks)));
        assert_eq!(marker.digest, Some(stream));
        assert_eq!(marker.instruments, Some(counts(&ticks)));
        assert!(ledger.total().adds_up());
    }
}

#[test]
fn oversized_marker_omits_its_instruments() {
    let sink = Receiving {
        limit: 200,
        ..Receiving::new()
    };
    let options = publisher_options(&quick(), Flags::default());
    let mut publisher = Publisher::new(options, vec![Box::new(sink.clone())]);
    publisher.publish(&events(&quick())).unwrap();
    publisher.announce_end("s", false);
    publisher.finish(true);
    let (ticks, marker) = sink.ticks_and_marker();
    assert_eq!(marker.instruments, None);
    assert_eq!(marker.total, Some(ticks.len() as u64));
    assert_eq!(marker.digest, Some(replay_digest(&quick())));
    assert!(!marker.complete);
}

#[test]
fn marker_is_sent_only_if_configured() {
    let sink = Receiving::new();
    let options = publisher_options(&quick(), Flags::default());
    let mut publisher = Publisher::new(options, vec![Box::new(sink.clone())]);
    publisher.publish(&events(&quick())).unwrap();
    publisher.finish(true);
    assert_eq!(digest(&sink.messages()), replay_digest(&quick()));
}

#[test]
fn a_marker_that_is_refused_spoils_no_run() {
    let sink = Receiving {
        room: 918,
        ..Receiving::new()
    };
    let options = publisher_options(&quick(), Flags::default());
    let mut publisher = Publisher::new(options, vec![Box::new(sink.clone())]);
    publisher.publish(&events(&quick())).unwrap();
    publisher.announce_end("s", true);
    let (ledger, _, error) = publisher.finish(true);
    assert!(error.is_none(), "{error:?}");
    assert_eq!((ledger.total().published, ledger.total().failed), (918, 0));
    assert_eq!(digest(&sink.messages()), replay_digest(&quick()));
}

#[test]
fn failed_sink_leaves_totals_null() {
    let (whole, broken) = (
        Receiving::new(),
        Receiving {
            room: 300,
            ..Receiving::new()
        },
    );
    let options = publisher_options(&quick(), Flags::default());
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(broken), Box::new(whole.clone())];
    let mut publisher = Publisher::new(options, sinks);
    publisher.publish(&events(&quick())).unwrap_err();
    publisher.announce_end("s", false);
    let (ledger, _, _) = publisher.finish(false);
    let (_, marker) = whole.ticks_and_marker();
    assert_eq!(
        (marker.total, marker.digest, marker.instruments),
        (None, None, None)
    );
    assert!(!marker.complete);
    assert!(ledger.total().adds_up() && ledger.total().failed > 0);
}
