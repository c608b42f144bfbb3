//! The sink's side of a connection thread: a bounded channel of commands, counts, and what has become
//! of each message.
//!
//! ```text
//! publish() ── bounded channel ──> connection thread ──> server
//!    blocks when full                     │
//! settled() <────────── counts <──────────┘
//! ```
//!
//! Core NATS and JetStream differ in what the thread does on a connection, and share its
//! [loop](connections). Methods block, so they must not be used from
//! inside an async runtime.

pub(super) mod connections;
#[cfg(feature = "live")]
pub(super) mod live;
pub(super) mod stats;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;

use tickdeck_core::thread;
use tokio::sync::{mpsc, oneshot};

use self::stats::{NatsStats, NatsStop};
use super::{Fate, MessageBatch, Outstanding, SinkError, Wake};
use crate::nats::{NatsError, NatsFailure};

/// Messages that are handed to the connection thread at once.
pub(super) const BATCH_MESSAGES: usize = 1024;
/// Batches that may wait for the connection thread: with [`BATCH_MESSAGES`] at most 8,192 messages.
pub(super) const CHANNEL_BATCHES: usize = 8;

/// What a sink asks of its connection thread.
pub(super) enum Command {
    /// Send these next.
    Publish(MessageBatch),
    /// Send this even after the server refused a message. It is not counted then.
    Announce(MessageBatch),
    /// Answer when everything sent before is confirmed.
    Flush(oneshot::Sender<()>),
}

/// The connection thread's side.
pub(super) struct Seat {
    /// What to do next. Closed when the sink is gone.
    pub(super) commands: mpsc::Receiver<Command>,
    /// What the sink reads.
    pub(super) stats: Arc<NatsStats>,
    /// The request to give up.
    pub(super) stop: NatsStop,
    /// Taken, and used, when the first connection is up.
    pub(super) ready: Option<std_mpsc::SyncSender<()>>,
}

/// A connection thread, as its sink sees it.
#[derive(Debug)]
pub(super) struct Broker {
    /// The server's address, without credentials.
    pub(super) server: String,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<Result<(), NatsFailure>>>,
    failure: Option<NatsFailure>,
    stats: Arc<NatsStats>,
    outstanding: Outstanding,
    /// The confirmed messages that `outstanding` knows.
    seen: u64,
    stop: NatsStop,
}

/// What became of a command that must not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg(feature = "live")]
pub(super) enum Handed {
    /// The thread has it.
    Over,
    /// The channel is full.
    NoRoom,
    /// The thread has ended.
    Dead,
}

impl Broker {
    /// Starts the thread `name` with `work`, with room for that many batches before it. Returns when
    /// the first connection is up.
    ///
    /// # Errors
    /// What ended the thread before that.
    pub(super) fn start(
        name: &str,
        server: String,
        batches: usize,
        work: impl FnOnce(Seat) -> Result<(), NatsFailure> + Send + 'static,
    ) -> Result<Self, NatsError> {
        let (stats, stop) = (Arc::new(NatsStats::default()), NatsStop::default());
        let (commands, receiver) = mpsc::channel(batches);
        let (ready, is_ready) = std_mpsc::sync_channel(1);
        let seat = Seat {
            commands: receiver,
            stats: Arc::clone(&stats),
            stop: stop.clone(),
            ready: Some(ready),
        };
        let run = {
            let stats = Arc::clone(&stats);
            move || {
                let result = work(seat);
                stats.has_ended.store(true, Ordering::Release);
                stats.wake();
                result
            }
        };
        let thread = thread::spawn(name, run).map_err(|error| NatsError::Server {
            server: server.clone(),
            failure: NatsFailure::Other {
                cause: format!("starting a thread: {error}"),
            },
        })?;
        let mut broker = Self {
            server,
            commands: Some(commands),
            thread: Some(thread),
            failure: None,
            stats,
            outstanding: Outstanding::default(),
            seen: 0,
            stop,
        };
        match is_ready.recv() {
            Ok(()) => Ok(broker),
            // The thread ended before it was ready; its result has the reason.
            Err(std_mpsc::RecvError) => Err(NatsError::Server {
                server: broker.server.clone(),
                failure: broker.take_failure(),
            }),
        }
    }

    /// The running counts.
    pub(super) const fn stats(&self) -> &Arc<NatsStats> {
        &self.stats
    }

    pub(super) fn stop_handle(&self) -> NatsStop {
        self.stop.clone()
    }

    /// Why publishing has ended: the server's refusal, or the result of the thread, which then has
    /// ended or is about to.
    pub(super) fn take_failure(&mut self) -> NatsFailure {
        if let Some(refused) = self.stats.failure.get() {
            return refused.clone();
        }
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let result = thread.join().unwrap_or_else(|_panic| {
                Err(NatsFailure::Other {
                    cause: "the connection thread panicked".to_owned(),
                })
            });
            self.failure = result.err();
        }
        self.failure.clone().unwrap_or_else(|| NatsFailure::Other {
            cause: "the sink is closed".to_owned(),
        })
    }

    fn error(&mut self) -> SinkError {
        SinkError::Nats {
            server: self.server.clone(),
            failure: self.take_failure(),
        }
    }

    /// Whether the server has refused a message that the run cannot do without.
    pub(super) fn is_refused(&self) -> bool {
        self.stats.failure.get().is_some()
    }

    /// Hands over messages; blocks while the channel is full.
    pub(super) fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        for chunk in batch.chunks(BATCH_MESSAGES) {
            if self.is_refused() {
                return Err(self.error());
            }
            let taken = chunk.len() as u64;
            self.send(Command::Publish(chunk))?;
            self.note_taken(taken);
        }
        Ok(())
    }

    /// Hands over messages, if there is room for them now.
    #[cfg(feature = "live")]
    pub(super) fn try_publish(&mut self, batch: MessageBatch) -> Handed {
        let Some(commands) = &self.commands else {
            return Handed::Dead;
        };
        let taken = batch.len() as u64;
        if commands.try_send(Command::Publish(batch)).is_ok() {
            self.note_taken(taken);
            return Handed::Over;
        }
        match commands.is_closed() {
            true => Handed::Dead,
            false => Handed::NoRoom,
        }
    }

    /// The next `count` messages were not handed over.
    #[cfg(feature = "live")]
    pub(super) fn reject(&mut self, count: u64) {
        self.outstanding.reject(count);
    }

    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        if self.is_refused() {
            return Err(self.error());
        }
        // Without outstanding messages there is no need to wait, even if the server is unreachable.
        if self.stats.confirmed() == self.stats.taken() {
            return Ok(());
        }
        self.wait_for_confirmation()?;
        // The thread answers a flush that came after the refusal too.
        match self.is_refused() {
            true => Err(self.error()),
            false => Ok(()),
        }
    }

    /// Hands over a marker. Also after the server has refused a message: its subscribers wait for the
    /// end.
    pub(super) fn announce(&mut self, marker: &MessageBatch) -> Result<(), SinkError> {
        self.send(Command::Announce(marker.clone()))?;
        if !self.is_refused() {
            self.note_taken(marker.len() as u64);
        }
        self.wait_for_confirmation()
    }

    /// Hands over a command and waits until everything before it is confirmed.
    fn wait_for_confirmation(&mut self) -> Result<(), SinkError> {
        let (done, is_done) = oneshot::channel();
        self.send(Command::Flush(done))?;
        is_done.blocking_recv().map_err(|_| self.error())
    }

    fn send(&mut self, command: Command) -> Result<(), SinkError> {
        match &self.commands {
            Some(commands) if commands.blocking_send(command).is_ok() => Ok(()),
            _ => Err(self.error()),
        }
    }

    pub(super) fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        // Read first: confirmations stop with it.
        let is_refused = self.is_refused();
        let confirmed = self.stats.confirmed();
        self.outstanding.confirm(confirmed - self.seen);
        self.seen = confirmed;
        if is_refused || self.thread.is_none() {
            self.outstanding.reject_all();
        }
        self.outstanding.report(each);
    }

    pub(super) fn wake_with(&mut self, wake: Wake) {
        // A sink belongs to one run.
        let _ = self.stats.wake.set(wake);
        if self.check().is_err() {
            self.stats.wake();
        }
    }

    pub(super) fn check(&mut self) -> Result<(), SinkError> {
        if self.is_refused() || self.stats.has_ended.load(Ordering::Acquire) {
            return Err(self.error());
        }
        Ok(())
    }

    /// The server's maximum.
    pub(super) fn max_payload(&self) -> usize {
        self.stats.max_payload.load(Ordering::Relaxed)
    }

    /// The connection thread has these messages now.
    fn note_taken(&mut self, count: u64) {
        self.outstanding.take(count);
        self.stats.taken.fetch_add(count, Ordering::Relaxed);
    }

    /// Ends the thread and waits for it. Unconfirmed messages are given up.
    pub(super) fn end(&mut self) {
        self.stop.stop();
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
    }
}
