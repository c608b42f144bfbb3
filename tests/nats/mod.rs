//! What is handed to the NATS sink arrives at a subscriber that shares no code with it.

mod capture;
mod capture_failures;
mod delivery;
mod docker;
mod health;
mod jetstream;
mod jetstream_cluster;
mod jetstream_disk;
mod jetstream_faults;
mod jetstream_inputs;
mod login;
mod replay;
mod rights;
mod stop;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use tickdeck::sink::{Fate, Message, MessageBatch, Sink};

/// How long servers may take to continue after the loss of one: clients notice a silent one after 30 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);

/// What became of the messages of a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) confirmed: u64,
    pub(crate) rejected: u64,
}

impl Settled {
    /// Counts what the sink reports since the last call.
    pub(crate) fn update(&mut self, sink: &mut dyn Sink) -> Self {
        sink.settled(&mut |range, fate| {
            let count = match fate {
                Fate::Confirmed => &mut self.confirmed,
                Fate::Rejected => &mut self.rejected,
            };
            *count += range.end - range.start;
        });
        *self
    }
}

/// The `i`-th message of a stream over 600 subjects; payloads of some 200 bytes, all different.
pub(crate) fn message(i: u64) -> Message {
    let pad = usize::try_from(i % 37).unwrap();
    Message {
        subject: Bytes::from(format!("market.tick.SHFE.s{}", i % 600)),
        payload: Bytes::from(format!(r#"{{"seq":{i},"pad":"{:x<1$}"}}"#, "", 160 + pad)),
    }
}

/// Messages `from..to`.
pub(crate) fn messages(from: u64, to: u64) -> MessageBatch {
    (from..to).map(message).collect()
}

/// The `seq` of a payload that [`message`] made; checks every byte of it.
pub(crate) fn checked_seq(subject: &str, payload: &[u8]) -> u64 {
    let text = std::str::from_utf8(payload).unwrap();
    let digits = text.strip_prefix(r#"{"seq":"#).unwrap();
    let i = digits.split(',').next().unwrap().parse().unwrap();
    let expected = message(i);
    assert_eq!(subject.as_bytes(), expected.subject);
    assert_eq!(payload, expected.payload);
    i
}
