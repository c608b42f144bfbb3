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
//! - **Back-pressure.** At most [`CHANNEL_BATCHES`] batches of [`BATCH_MESSAGES`](super::broker::BATCH_MESSAGES) wait in the
//!   channel, and the window is bounded in messages and bytes. When both are full, `publish` blocks.
//!   A server may be away for
//!   [`reconnect_timeout`](crate::nats::NatsOptions::reconnect_timeout), by default without limit;
//!   [`NatsStop`] ends the wait.
//! - What core NATS itself does not promise: the server drops a *subscriber* that lags by more than
//!   its `max_pending` (64 MiB by default) or blocks a write for its `write_deadline`.
//!
//! Must not be used from inside an async runtime: its methods block.

#[cfg(feature = "live")]
mod live;
mod window;
mod worker;

use std::ops::Range;
use std::sync::Arc;

use super::broker::stats::{NatsStats, NatsStop};
use super::broker::{Broker, CHANNEL_BATCHES, connections};
use super::{Fate, MessageBatch, Sink, SinkError, Wake};
use crate::nats::wire::Wire;
use crate::nats::{NatsError, NatsOptions};
#[cfg(feature = "live")]
pub use live::LiveNatsSink;
use worker::{Carrier, NatsWorker};

/// Publishes to a NATS server (core NATS, no JetStream).
#[derive(Debug)]
pub struct NatsSink(Broker);

impl NatsSink {
    /// Connects; returns when the server has accepted the login and the sink's inbox.
    ///
    /// # Errors
    /// When the options contradict each other, when the server does not answer within
    /// `connect_timeout`, or when the server refuses the login or TLS fails (both at once, without
    /// retrying).
    pub fn connect(options: &NatsOptions) -> Result<Self, NatsError> {
        start::<Wire>(options, CHANNEL_BATCHES).map(Self)
    }

    /// The running counts.
    #[must_use]
    pub fn stats(&self) -> Arc<NatsStats> {
        Arc::clone(self.0.stats())
    }

    /// A handle that ends this sink from another thread, for example when the user stops a run
    /// while the server is unreachable.
    #[must_use]
    pub fn stop_handle(&self) -> NatsStop {
        self.0.stop_handle()
    }
}

/// Connects, with room for that many batches before the connection thread.
fn start<C: Carrier>(options: &NatsOptions, batches: usize) -> Result<Broker, NatsError> {
    let plan = options.plan()?;
    let server = plan.shown.clone();
    Broker::start("tickdeck-nats", server, batches, |seat| {
        connections::run(NatsWorker::<C>::new(plan, seat))
    })
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
        self.0.publish(batch)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.0.flush()
    }

    /// Also after the server has refused a message: its subscribers wait for the end.
    fn announce(&mut self, marker: &MessageBatch) -> Result<(), SinkError> {
        self.0.announce(marker)
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.0.settled(each);
    }

    fn wake_with(&mut self, wake: Wake) {
        self.0.wake_with(wake);
    }

    fn check(&mut self) -> Result<(), SinkError> {
        self.0.check()
    }

    /// The server's maximum.
    fn end_marker_limit(&self) -> Option<usize> {
        Some(self.0.max_payload())
    }

    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.flush()?;
        // Everything is confirmed: the worker has nothing left to do.
        self.0.end();
        Ok(())
    }
}
