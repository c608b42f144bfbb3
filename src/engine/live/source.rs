//! The reading end of the queue, as a [`Source`].

use std::sync::Arc;
use std::time::Duration;

use tickdeck_core::event::{Event, EventKind, Seq, SessionEvent};
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::time::UnixNanos;

use super::queue::{Arrival, Queue};

/// Longest sleep of a reader without a wake-up.
const NAP: Duration = Duration::from_millis(20);

/// Yields what the callbacks pushed, in arrival order and numbered from 0.
///
/// A batch holds what is available; the source blocks only while there is nothing. It ends when the
/// session has ended and the queue is empty. Dropping it ends the session.
#[derive(Debug)]
pub struct LiveSource {
    queue: Arc<Queue>,
    next_seq: u64,
}

/// What a source had within a short wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// Events.
    Events,
    /// Nothing. More may come.
    Nothing,
    /// Nothing, and nothing more comes.
    Ended,
}

impl LiveSource {
    /// As [`next_batch`](Source::next_batch), but returns soon when nothing arrives.
    pub fn poll(&mut self, batch: &mut Vec<Event>, max: usize) -> Polled {
        // Checked before the queue is drained, so that nothing pushed before the close is missed.
        let is_closed = self.queue.is_closed();
        if self.drain(batch, max.max(1)) > 0 {
            return Polled::Events;
        }
        // The queue is empty, so the losses came after every event returned so far.
        if let Some(loss) = self.queue.take_loss() {
            let event = self.event(self.queue.wall(), EventKind::Session(loss.row()));
            batch.push(event);
            return Polled::Events;
        }
        if is_closed {
            return Polled::Ended;
        }
        self.queue.wait(NAP);
        Polled::Nothing
    }

    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, next_seq: 0 }
    }

    fn event(&mut self, recv_ts: UnixNanos, kind: EventKind) -> Event {
        let seq = Seq(self.next_seq);
        self.next_seq += 1;
        Event { seq, recv_ts, kind }
    }

    fn drain(&mut self, batch: &mut Vec<Event>, max: usize) -> usize {
        let mut count = 0;
        while count < max {
            let Some(stamped) = self.queue.pop() else {
                break;
            };
            let kind = match stamped.arrival {
                Arrival::Tick(tick) => EventKind::Tick(tick),
                Arrival::Session(event) => EventKind::Session(event),
                Arrival::Acknowledged {
                    instrument,
                    error_id,
                } => EventKind::Session(SessionEvent::Subscribed {
                    error_id,
                    instrument: instrument.to_string_lossy().into_owned(),
                }),
            };
            batch.push(self.event(stamped.recv_ts, kind));
            count += 1;
        }
        count
    }
}

impl Source for LiveSource {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        while self.poll(batch, max) == Polled::Nothing {}
        Ok(())
    }
}

impl Drop for LiveSource {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}
