//! The NATS sink of a live session. It never waits, so that a slow or unreachable server delays
//! neither the recorder nor the queue of the CTP callback.
//!
//! A bounded number of messages wait for the server to confirm them; after a reconnect these are
//! sent again. While the buffer is full, messages are rejected: counted as failed, logged when that
//! begins and ends, and still in the recording. So is everything after the server has refused
//! permanently. Only [`flush`](Sink::flush) and [`finish`](Sink::finish) wait.

use std::ops::Range;
use std::sync::Arc;

use super::worker::Command;
use super::{BATCH_MESSAGES, NatsSink, NatsStats, NatsStop};
use crate::nats::connect::Connection;
use crate::nats::{NatsError, NatsOptions};
use crate::sink::{Fate, MessageBatch, Sink, SinkError};

/// Messages that may wait for the server by default: ten seconds of 20,000 ticks/s. With payloads
/// of 800 bytes that is 160 MB while the server is unreachable.
pub const DEFAULT_LIVE_BUFFER: u64 = 200_000;

/// Publishes to a NATS server without ever waiting for it.
#[derive(Debug)]
pub struct LiveNatsSink {
    sink: NatsSink,
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
    /// As [`NatsSink::connect`].
    pub fn connect(options: &NatsOptions, buffer: u64) -> Result<Self, NatsError> {
        let buffer = buffer.max(1);
        // Each batch holds at least one message, so the channel is never the narrower bound.
        let batches = usize::try_from(buffer).unwrap_or(usize::MAX >> 8) + 1;
        Ok(Self {
            sink: NatsSink::connect_with::<Connection>(options, batches.min(usize::MAX >> 8))?,
            buffer,
            lost: 0,
            is_full: false,
            is_dead: false,
        })
    }

    /// The running counts.
    #[must_use]
    pub fn stats(&self) -> Arc<NatsStats> {
        self.sink.stats()
    }

    /// Ends a wait in [`flush`](Sink::flush) or [`finish`](Sink::finish).
    #[must_use]
    pub fn stop_handle(&self) -> NatsStop {
        self.sink.stop_handle()
    }

    /// How many of `count` messages there is room for.
    fn room(&self, count: usize) -> usize {
        let waiting = self.sink.stats.taken() - self.sink.stats.confirmed();
        let room = self.buffer.saturating_sub(waiting);
        count.min(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Hands over as many as there is room for, from the first on. Returns their number.
    fn take(&mut self, batch: &MessageBatch) -> usize {
        let mut done = 0;
        for batch in batch.chunks(BATCH_MESSAGES) {
            let room = self.room(batch.len());
            if self.sink.is_refused() {
                self.die();
            }
            let Some(commands) = self.sink.commands.as_ref().filter(|_| !self.is_dead) else {
                return done;
            };
            if room == 0 {
                return done;
            }
            if commands
                .try_send(Command::Publish(batch.first(room)))
                .is_err()
            {
                if commands.is_closed() {
                    self.die();
                }
                return done;
            }
            self.sink.note_taken(room as u64);
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
        self.sink.outstanding.reject(count as u64);
        if !self.is_full && !self.is_dead {
            self.is_full = true;
            tracing::warn!(
                event = "nats_buffer_full",
                server = self.sink.server,
                buffer = self.buffer,
                "the server is slow or unreachable: messages that do not fit count as failed"
            );
        }
    }

    /// The connection thread has ended: nothing more can be sent.
    fn die(&mut self) {
        if !self.is_dead {
            self.is_dead = true;
            let reason = self.sink.take_failure().to_string();
            tracing::error!(
                event = "nats_failed",
                server = self.sink.server,
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
        if !self.is_dead && self.sink.flush().is_err() {
            self.die();
        }
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.sink.settled(each);
    }

    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.flush()?;
        self.sink.end();
        Ok(())
    }
}
