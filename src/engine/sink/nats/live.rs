//! The NATS sink of a live session. It never waits, so that a slow or unreachable server delays
//! neither the recorder nor the queue of the CTP callback.
//!
//! A bounded number of messages wait for the server to confirm them; after a reconnect these are
//! sent again. While the buffer is full, messages are rejected: counted as failed, logged when that
//! begins and ends, and still in the recording. So is everything after the server has refused
//! permanently. Only [`flush`](Sink::flush) and [`finish`](Sink::finish) wait.

use std::ops::Range;
use std::sync::Arc;

use super::start;
use crate::nats::connect::Connection;
use crate::nats::{NatsError, NatsOptions};
use crate::sink::broker::stats::{NatsStats, NatsStop};
use crate::sink::broker::{BATCH_MESSAGES, Broker, Handed};
use crate::sink::{Fate, MessageBatch, Sink, SinkError};

/// Messages that may wait for the server by default: ten seconds of 20,000 ticks/s. With payloads
/// of 800 bytes that is 160 MB while the server is unreachable.
pub const DEFAULT_LIVE_BUFFER: u64 = 200_000;

/// Publishes to a NATS server without ever waiting for it.
#[derive(Debug)]
pub struct LiveNatsSink {
    broker: Broker,
    buffer: u64,
    /// Messages that there was no room for.
    lost: u64,
    is_full: bool,
    is_dead: bool,
}

impl LiveNatsSink {
    /// Connects; returns when the server has accepted the login and the sink's inbox. `buffer`
    /// messages may wait for the server.
    ///
    /// # Errors
    /// As [`NatsSink::connect`](super::NatsSink::connect).
    pub fn connect(options: &NatsOptions, buffer: u64) -> Result<Self, NatsError> {
        let buffer = buffer.max(1);
        // Each batch holds at least one message, so the channel is never the narrower bound.
        let batches = usize::try_from(buffer).unwrap_or(usize::MAX >> 8) + 1;
        Ok(Self {
            broker: start::<Connection>(options, batches.min(usize::MAX >> 8))?,
            buffer,
            lost: 0,
            is_full: false,
            is_dead: false,
        })
    }

    /// The running counts.
    #[must_use]
    pub fn stats(&self) -> Arc<NatsStats> {
        Arc::clone(self.broker.stats())
    }

    /// Ends a wait in [`flush`](Sink::flush) or [`finish`](Sink::finish).
    #[must_use]
    pub fn stop_handle(&self) -> NatsStop {
        self.broker.stop_handle()
    }

    /// How many of `count` messages there is room for.
    fn room(&self, count: usize) -> usize {
        let stats = self.broker.stats();
        let waiting = stats.taken() - stats.confirmed();
        let room = self.buffer.saturating_sub(waiting);
        count.min(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Hands over as many as there is room for, from the first on. Returns their number.
    fn take(&mut self, batch: &MessageBatch) -> usize {
        let mut done = 0;
        for batch in batch.chunks(BATCH_MESSAGES) {
            let room = self.room(batch.len());
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
        if !self.is_full && !self.is_dead {
            self.is_full = true;
            tracing::warn!(
                event = "nats_buffer_full",
                server = self.broker.server,
                buffer = self.buffer,
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
}

impl Sink for LiveNatsSink {
    fn name(&self) -> String {
        "nats".to_owned()
    }

    /// Accepts what fits. It never waits and never fails.
    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        let taken = self.take(batch);
        self.lose(batch.len() - taken);
        Ok(())
    }

    /// Waits until everything taken is confirmed, the server has refused, or the stop handle ends
    /// it; the settlement tells which. Never fails.
    fn flush(&mut self) -> Result<(), SinkError> {
        if !self.is_dead && self.broker.flush().is_err() {
            self.die();
        }
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.broker.settled(each);
    }

    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.flush()?;
        self.broker.end();
        Ok(())
    }
}
