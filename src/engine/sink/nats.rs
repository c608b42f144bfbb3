//! The NATS sink: messages in order to a server, counted only when the server has processed them.
//!
//! ```text
//! publish() ── bounded channel ──> thread: window ──> connection ──> server
//!    blocks when full                  ^                               │
//!                                      └── marker comes back <─────────┘
//! ```
//!
//! - **Confirmed** means processed by the broker. The client library's `flush` only empties the
//!   socket buffer, so the sink sends numbered markers to its own inbox. The server handles a
//!   connection's messages in order: when marker *n* comes back, everything before it was processed.
//!   Markers are pipelined; nothing waits for one but [`flush`](Sink::flush). Where the account has
//!   no inbox, the server's refusal of a marker says the same.
//! - **A refused tick** ends publishing. The connection stays for the end marker, which is sent with
//!   [`announce`](Sink::announce). Refused control messages are warnings.
//! - **Nothing is lost.** Unconfirmed messages stay in a bounded [window](window). When the
//!   connection is lost, the next one first sends the window again from its start. Delivery is
//!   therefore *at least once*: a subscriber may see a tail of up to [`WINDOW_MESSAGES_MAX`]
//!   messages again. First appearances keep their order. `resent` in [`NatsStats`] and in the log
//!   counts what was sent again. Without a reconnect every message is delivered exactly once.
//! - **Back-pressure.** At most [`CHANNEL_BATCHES`] batches of [`BATCH_MESSAGES`] wait in the
//!   channel, and the window is bounded in messages and bytes. When both are full, `publish` blocks.
//!   A server may be away for
//!   [`reconnect_timeout`](crate::nats::NatsOptions::reconnect_timeout), by default without limit;
//!   [`NatsStop`] ends the wait.
//! - What core NATS itself does not promise: the server drops a *subscriber* that lags by more than
//!   its `max_pending` (64 MiB by default) or blocks a write for its `write_deadline`.
//!
//! Must not be used from inside an async runtime: its methods block.

mod carrier;
#[cfg(feature = "live")]
mod live;
mod stats;
mod window;
mod worker;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;

use tickdeck_core::thread;
use tokio::sync::mpsc;

use self::carrier::Carrier;
use super::{Fate, MessageBatch, Outstanding, Sink, SinkError, Wake};
use crate::nats::wire::Wire;
use crate::nats::{NatsError, NatsFailure, NatsOptions, connect};
#[cfg(feature = "live")]
pub use live::{DEFAULT_LIVE_BUFFER, LiveNatsSink};
pub use stats::{NatsStats, NatsStop};
use worker::{Command, Worker};

/// Messages that are handed to the connection thread at once.
const BATCH_MESSAGES: usize = 1024;
/// Batches that may wait for the connection thread: with [`BATCH_MESSAGES`] at most 8,192 messages.
const CHANNEL_BATCHES: usize = 8;

/// Publishes to a NATS server (core NATS, no JetStream).
#[derive(Debug)]
pub struct NatsSink {
    server: String,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<Result<(), NatsFailure>>>,
    failure: Option<NatsFailure>,
    stats: Arc<NatsStats>,
    outstanding: Outstanding,
    /// The confirmed messages that `outstanding` knows.
    seen: u64,
    stop: NatsStop,
}

impl NatsSink {
    /// Connects; returns when the server has accepted the login and the sink's inbox.
    ///
    /// # Errors
    /// When the options contradict each other, when the server does not answer within
    /// `connect_timeout`, or when the server refuses the login or TLS fails (both at once, without
    /// retrying).
    pub fn connect(options: &NatsOptions) -> Result<Self, NatsError> {
        Self::connect_with::<Wire>(options, CHANNEL_BATCHES)
    }

    /// As [`connect`](Self::connect), with room for that many batches before the connection thread.
    fn connect_with<C: Carrier>(options: &NatsOptions, batches: usize) -> Result<Self, NatsError> {
        let plan = options.plan()?;
        let at = connect::at(&plan);
        let server = plan.shown.clone();
        let (stats, stop) = (Arc::new(NatsStats::default()), NatsStop::default());
        let (commands, receiver) = mpsc::channel(batches);
        let (ready, is_ready) = std_mpsc::sync_channel(1);
        let worker = Worker::new(plan, receiver, Arc::clone(&stats), stop.clone(), ready);
        let run = {
            let stats = Arc::clone(&stats);
            move || {
                let result = worker.run::<C>();
                stats.has_ended.store(true, Ordering::Release);
                stats.wake();
                result
            }
        };
        let thread = thread::spawn("tickdeck-nats", run).map_err(|error| {
            at(NatsFailure::Other {
                cause: format!("starting a thread: {error}"),
            })
        })?;
        let mut sink = Self {
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
            Ok(()) => Ok(sink),
            // The worker ended before it was ready; its result has the reason.
            Err(std_mpsc::RecvError) => Err(at(sink.take_failure())),
        }
    }

    /// The running counts.
    #[must_use]
    pub fn stats(&self) -> Arc<NatsStats> {
        Arc::clone(&self.stats)
    }

    /// A handle that ends this sink from another thread, for example when the user stops a run
    /// while the server is unreachable.
    #[must_use]
    pub fn stop_handle(&self) -> NatsStop {
        self.stop.clone()
    }

    /// Why publishing has ended: the server's refusal, or the result of the worker, which then has
    /// ended or is about to.
    fn take_failure(&mut self) -> NatsFailure {
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
    fn is_refused(&self) -> bool {
        self.stats.failure.get().is_some()
    }

    /// Hands over a command and waits until everything before it is confirmed.
    fn wait_for_confirmation(&mut self) -> Result<(), SinkError> {
        let (done, is_done) = tokio::sync::oneshot::channel();
        self.send(Command::Flush(done))?;
        is_done.blocking_recv().map_err(|_| self.error())
    }

    fn send(&mut self, command: Command) -> Result<(), SinkError> {
        match &self.commands {
            Some(commands) if commands.blocking_send(command).is_ok() => Ok(()),
            _ => Err(self.error()),
        }
    }
}

impl Sink for NatsSink {
    fn name(&self) -> String {
        "nats".to_owned()
    }

    /// Takes the next messages; blocks while the channel is full.
    ///
    /// # Panics
    /// When called from inside an async runtime, which must not block.
    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
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

    fn flush(&mut self) -> Result<(), SinkError> {
        if self.is_refused() {
            return Err(self.error());
        }
        // Without outstanding messages there is no need to wait, even if the server is unreachable.
        if self.stats.confirmed() == self.stats.taken() {
            return Ok(());
        }
        self.wait_for_confirmation()?;
        // The worker answers a flush that came after the refusal too.
        match self.is_refused() {
            true => Err(self.error()),
            false => Ok(()),
        }
    }

    /// Also after the server has refused a message: its subscribers wait for the end.
    fn announce(&mut self, marker: &MessageBatch) -> Result<(), SinkError> {
        self.send(Command::Announce(marker.clone()))?;
        if !self.is_refused() {
            self.note_taken(marker.len() as u64);
        }
        self.wait_for_confirmation()
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
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

    fn wake_with(&mut self, wake: Wake) {
        // A sink belongs to one run.
        let _ = self.stats.wake.set(wake);
        if self.check().is_err() {
            self.stats.wake();
        }
    }

    fn check(&mut self) -> Result<(), SinkError> {
        if self.is_refused() || self.stats.has_ended.load(Ordering::Acquire) {
            return Err(self.error());
        }
        Ok(())
    }

    /// The server's maximum.
    fn end_marker_limit(&self) -> Option<usize> {
        Some(self.stats.max_payload.load(Ordering::Relaxed))
    }

    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.flush()?;
        // Everything is confirmed: the worker has nothing left to do.
        self.end();
        Ok(())
    }
}

impl NatsSink {
    /// The connection thread has these messages now.
    fn note_taken(&mut self, count: u64) {
        self.outstanding.take(count);
        self.stats.taken.fetch_add(count, Ordering::Relaxed);
    }

    fn end(&mut self) {
        self.stop.stop();
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for NatsSink {
    /// Gives up unconfirmed messages. Use [`finish`](Sink::finish) to wait for them.
    fn drop(&mut self) {
        self.end();
    }
}
