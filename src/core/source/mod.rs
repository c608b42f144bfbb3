//! Where events come from. A source does not know what follows it.
//!
//! This module has the trait and the wrappers that are sources themselves: [`MergeSource`],
//! [`TickLimit`] and [`AheadSource`]. The implementations (recordings, the synthetic market, imports,
//! live sessions) are in other crates, which this one does not know.

mod ahead;
mod error;
mod info;
mod limit;
mod merge;

use crate::event::Event;
use crate::event_window::EventWindow;

pub use ahead::AheadSource;
pub use error::{SourceError, SourceErrorKind};
pub use info::{CLOCK_RULE, PayloadSource, ReceiveTimes, SourceInfo};
pub use limit::TickLimit;
pub use merge::MergeSource;

/// Yields events in `seq` order, in batches, into a buffer that the caller keeps.
pub trait Source: Send {
    /// Appends up to `max` events to `batch`. Appending none is the end of the session.
    ///
    /// # Errors
    /// When the source cannot continue. Events appended before are valid.
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError>;

    /// Replaces `window` by up to `max` events, in the form in which the source has them. None is the end
    /// of the session. What asks for windows asks for nothing else: a change needs the tick before it.
    ///
    /// # Errors
    /// As [`next_batch`](Self::next_batch).
    fn next_window(&mut self, window: &mut EventWindow, max: usize) -> Result<(), SourceError> {
        window.refill(|events| self.next_batch(events, max))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::event::{EventKind, RawTick, Seq, SessionEvent, Text};
    use crate::time::UnixNanos;

    /// Events from memory.
    pub(crate) struct VecSource(std::vec::IntoIter<Event>);

    impl VecSource {
        pub(crate) fn new(events: Vec<Event>) -> Self {
            Self(events.into_iter())
        }
    }

    impl Source for VecSource {
        fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
            batch.extend(self.0.by_ref().take(max));
            Ok(())
        }
    }

    pub(crate) fn drain(source: &mut dyn Source, max: usize) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let before = events.len();
            source.next_batch(&mut events, max).unwrap();
            if events.len() == before {
                return events;
            }
        }
    }

    pub(crate) fn tick(seq: u64, recv_ts: i64, id: &str) -> Event {
        Event {
            seq: Seq(seq),
            recv_ts: UnixNanos(recv_ts),
            kind: EventKind::Tick(RawTick {
                instrument_id: Text::new(id.as_bytes()).unwrap(),
                ..RawTick::unset()
            }),
        }
    }

    pub(crate) fn note(seq: u64, recv_ts: i64) -> Event {
        Event {
            seq: Seq(seq),
            recv_ts: UnixNanos(recv_ts),
            kind: EventKind::Session(SessionEvent::Note { text: "n".into() }),
        }
    }

    fn merged(inputs: &[Vec<Event>], max: usize) -> Vec<(u64, i64, String)> {
        let sources = inputs
            .iter()
            .map(|events| Box::new(VecSource::new(events.clone())) as Box<dyn Source>)
            .collect();
        drain(&mut MergeSource::new(sources), max)
            .into_iter()
            .map(|event| {
                let id = event.as_tick().unwrap().instrument_id.to_string();
                (event.seq.0, event.recv_ts.0, id)
            })
            .collect()
    }

    #[test]
    fn a_merge_orders_by_time_then_source_then_seq_and_renumbers() {
        let a = vec![tick(0, 10, "a0"), tick(1, 20, "a1"), tick(2, 20, "a2")];
        let b = vec![tick(0, 5, "b0"), tick(1, 20, "b1")];
        let expected: Vec<(u64, i64, String)> =
            [(5, "b0"), (10, "a0"), (20, "a1"), (20, "a2"), (20, "b1")]
                .into_iter()
                .zip(0..)
                .map(|((time, id), seq)| (seq, time, id.to_owned()))
                .collect();
        for max in [1, 2, 100] {
            assert_eq!(merged(&[a.clone(), b.clone()], max), expected);
        }
    }

    #[test]
    fn a_merge_keeps_the_order_of_a_source_whose_time_goes_back() {
        let a = vec![tick(0, 10, "a0"), tick(1, 3, "a1")];
        let b = vec![tick(0, 5, "b0")];
        let ids: Vec<String> = merged(&[a, b], 10)
            .into_iter()
            .map(|(_, _, id)| id)
            .collect();
        assert_eq!(ids, ["b0", "a0", "a1"]);
    }
}
