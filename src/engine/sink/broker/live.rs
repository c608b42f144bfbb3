//! A broker of a live session. Its messages are counted when the server has confirmed them, and a server
//! that fails does not end the session: what follows counts as failed.

use std::ops::Range;

use super::{BATCH_MESSAGES, Broker, CHANNEL_BATCHES, Handed};
use crate::sink::{Fate, MessageBatch};

/// Messages that may wait for the server by default: ten seconds of 20,000 ticks/s. With payloads
/// of 800 bytes that is 160 MB while the server is unreachable.
pub const DEFAULT_LIVE_BUFFER: u64 = 200_000;

/// What to do while the server is slow or unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) enum WhenFull {
    /// So many messages wait for it. More are rejected: counted as failed, logged when that begins and
    /// ends.
    Reject(u64),
    /// Wait. The caller keeps what follows.
    Wait,
}

impl WhenFull {
    /// Batches that the channel to the connection thread must hold.
    pub(in crate::sink) fn batches(self) -> usize {
        match self {
            Self::Wait => CHANNEL_BATCHES,
            // Each batch holds at least one message, so the channel is never the narrower bound.
            Self::Reject(buffer) => {
                let batches = usize::try_from(buffer.max(1)).unwrap_or(usize::MAX >> 8) + 1;
                batches.min(usize::MAX >> 8)
            }
        }
    }
}

/// A broker that never fails.
#[derive(Debug)]
pub(in crate::sink) struct LiveBroker {
    broker: Broker,
    when_full: WhenFull,
    /// Messages that there was no room for.
    lost: u64,
    is_full: bool,
    is_dead: bool,
}

impl LiveBroker {
    pub(in crate::sink) const fn new(broker: Broker, when_full: WhenFull) -> Self {
        Self {
            broker,
            when_full,
            lost: 0,
            is_full: false,
            is_dead: false,
        }
    }

    pub(in crate::sink) const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Accepts what fits, or waits, as set up.
    pub(in crate::sink) fn publish(&mut self, batch: &MessageBatch) {
        let taken = match self.when_full {
            WhenFull::Reject(buffer) => self.take(batch, buffer.max(1)),
            WhenFull::Wait => self.wait_for(batch),
        };
        self.lose(batch.len() - taken);
    }

    /// How many of `count` messages there is room for.
    fn room(&self, count: usize, buffer: u64) -> usize {
        let stats = self.broker.stats();
        let waiting = stats.taken() - stats.confirmed();
        let room = buffer.saturating_sub(waiting);
        count.min(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Hands over as many as there is room for, from the first on. Returns their number.
    fn take(&mut self, batch: &MessageBatch, buffer: u64) -> usize {
        let mut done = 0;
        for batch in batch.chunks(BATCH_MESSAGES) {
            let room = self.room(batch.len(), buffer);
            if self.broker.is_refused() {
                self.die();
            }
            if room == 0 || self.is_dead {
                return done;
            }
            match self.broker.try_publish(batch.first(room)) {
                Handed::Over => {}
                Handed::NoRoom => return done,
                Handed::Dead => {
                    self.die();
                    return done;
                }
            }
            done += room;
            if room < batch.len() {
                return done;
            }
        }
        done
    }

    /// Hands over everything, unless the broker ends. Returns how many it has.
    fn wait_for(&mut self, batch: &MessageBatch) -> usize {
        let mut done = 0;
        for batch in batch.chunks(BATCH_MESSAGES) {
            if self.is_dead {
                return done;
            }
            if self.broker.publish(&batch).is_err() {
                self.die();
                return done;
            }
            done += batch.len();
        }
        done
    }

    fn lose(&mut self, count: usize) {
        if count == 0 {
            if self.is_full {
                self.is_full = false;
                tracing::warn!(event = "nats_buffer_free", failed = self.lost);
            }
            return;
        }
        self.lost += count as u64;
        self.broker.reject(count as u64);
        if let WhenFull::Reject(buffer) = self.when_full
            && !self.is_full
            && !self.is_dead
        {
            self.is_full = true;
            tracing::warn!(
                event = "nats_buffer_full",
                server = self.broker.server,
                buffer,
                "the server is slow or unreachable: messages that do not fit count as failed"
            );
        }
    }

    /// The connection thread has ended: nothing more can be sent.
    fn die(&mut self) {
        if !self.is_dead {
            self.is_dead = true;
            let reason = self.broker.take_failure().to_string();
            tracing::error!(
                event = "nats_failed",
                server = self.broker.server,
                reason,
                "nothing more is published; all that follows counts as failed"
            );
        }
    }

    /// Waits until everything taken is confirmed, the server has refused, or the stop handle ends
    /// it; the settlement tells which.
    pub(in crate::sink) fn flush(&mut self) {
        if !self.is_dead && self.broker.flush().is_err() {
            self.die();
        }
    }

    pub(in crate::sink) fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.broker.settled(each);
    }

    pub(in crate::sink) fn finish(mut self) {
        self.flush();
        self.broker.end();
    }
}
