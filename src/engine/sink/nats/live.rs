//! The NATS sink of a live session: it never waits, so that a server that is slow or away holds up
//! neither the recorder nor the queue behind the CTP callback.
//!
//! Up to a bound of messages wait for the server to confirm them, which is also what can be sent
//! again after a reconnect. What comes while the buffer is full is not taken: counted as failed,
//! logged when it begins and when it is over, and still in the recording. So is everything after the
//! server has refused for good. Only [`flush`](Sink::flush) and [`finish`](Sink::finish) wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::worker::Command;
use super::{BATCH_MESSAGES, NatsSink, NatsStats, NatsStop};
use crate::nats::{NatsError, NatsOptions};
use crate::sink::{MessageBatch, Sink, SinkCounts, SinkError};

/// Messages that may wait for the server unless told otherwise: ten seconds of 20,000 ticks/s. With
/// payloads of 800 bytes that is 160 MB when the server is away.
pub const DEFAULT_LIVE_BUFFER: u64 = 200_000;

/// Some messages that were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    /// Messages taken before it.
    taken: u64,
    /// Messages that were not.
    lost: u64,
}

/// Publishes to a NATS server without ever waiting for it.
#[derive(Debug)]
pub struct LiveNatsSink {
    sink: NatsSink,
    buffer: u64,
    taken: u64,
    lost: u64,
    untaken: usize,
    /// What was not taken and lies behind what is confirmed, oldest first.
    gaps: VecDeque<Gap>,
    /// Messages in gaps that are forgotten.
    passed: u64,
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
        // Each batch holds a message at least, so that the channel is never the narrower bound.
        let batches = usize::try_from(buffer).unwrap_or(usize::MAX >> 8) + 1;
        Ok(Self {
            sink: NatsSink::connect_with(options, batches.min(usize::MAX >> 8))?,
            buffer,
            taken: 0,
            lost: 0,
            untaken: 0,
            gaps: VecDeque::new(),
            passed: 0,
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
        let waiting = self.taken.saturating_sub(self.sink.stats.confirmed());
        let room = self.buffer.saturating_sub(waiting);
        count.min(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Hands over as many as there is room for, from the first one on; gives their number.
    fn take(&mut self, batch: &MessageBatch) -> usize {
        let mut done = 0;
        for batch in batch.chunks(BATCH_MESSAGES) {
            let room = self.room(batch.len());
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
            self.taken += room as u64;
            self.sink
                .stats
                .taken
                .fetch_add(room as u64, Ordering::Relaxed);
            done += room;
            if room < batch.len() {
                return done;
            }
        }
        done
    }

    fn lose(&mut self, count: usize) {
        self.untaken = count;
        if count == 0 {
            if self.is_full {
                self.is_full = false;
                tracing::warn!(event = "nats_buffer_free", failed = self.lost);
            }
            return;
        }
        self.lost += count as u64;
        self.sink
            .stats
            .untaken
            .fetch_add(count as u64, Ordering::Relaxed);
        match self.gaps.back_mut() {
            Some(gap) if gap.taken == self.taken => gap.lost += count as u64,
            _ => self.gaps.push_back(Gap {
                taken: self.taken,
                lost: count as u64,
            }),
        }
        if !self.is_full && !self.is_dead {
            self.is_full = true;
            tracing::warn!(
                event = "nats_buffer_full",
                server = self.sink.server,
                buffer = self.buffer,
                "the server is slow or away: what does not fit counts as failed"
            );
        }
    }

    /// The connection thread has ended: nothing can be sent any more.
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

    /// Forgets gaps that lie before everything that is not confirmed.
    fn pass_gaps(&mut self) {
        let confirmed = self.sink.stats.confirmed();
        while let Some(gap) = self.gaps.front()
            && gap.taken <= confirmed
            && gap.taken < self.taken
        {
            self.passed += gap.lost;
            self.gaps.pop_front();
        }
    }
}

impl Sink for LiveNatsSink {
    fn name(&self) -> String {
        "nats".to_owned()
    }

    /// Takes what there is room for; never waits and never fails.
    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        self.pass_gaps();
        let taken = self.take(batch);
        self.lose(batch.len() - taken);
        Ok(())
    }

    /// Waits until everything taken is confirmed, the server has refused, or the stop handle ends
    /// it; the counts tell which. Never fails.
    fn flush(&mut self) -> Result<SinkCounts, SinkError> {
        if !self.is_dead && self.sink.flush().is_err() {
            self.die();
        }
        Ok(self.counts())
    }

    fn counts(&self) -> SinkCounts {
        let counts = self.sink.counts();
        SinkCounts {
            confirmed: counts.confirmed,
            failed: counts.failed + self.lost,
        }
    }

    fn untaken(&self) -> usize {
        self.untaken
    }

    fn settled(&self) -> u64 {
        let confirmed = self.sink.stats.confirmed();
        let passed = self.gaps.iter().take_while(|gap| gap.taken <= confirmed);
        self.passed + confirmed + passed.map(|gap| gap.lost).sum::<u64>()
    }

    fn finish(mut self: Box<Self>) -> Result<SinkCounts, SinkError> {
        let counts = self.flush()?;
        self.sink.end();
        Ok(counts)
    }
}
