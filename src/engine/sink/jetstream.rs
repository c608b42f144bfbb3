//! The JetStream sink: messages in order into one stream, counted only when the server has
//! acknowledged them.
//!
//! - **Exactly once, with no time window.** The order number of a message is its sequence in the
//!   stream. Each message states the sequence that must precede it, so the server refuses what is out
//!   of place. The [machine](machine) then goes back and sends again.
//! - **One writer.** Each message names its run (`Tickdeck-Run`). A foreign message ends the run.
//! - **Back-pressure.** As in [`NatsSink`](super::NatsSink): `publish` blocks while channel and window
//!   are full, and a server may be away for
//!   [`reconnect_timeout`](crate::nats::NatsOptions::reconnect_timeout).
//! - **Durable.** Messages are sent in atomic batches of up to 1,000. A server that syncs every write
//!   then syncs once a batch.
//! - **Control messages** (clock, end) go by core NATS on the connection of the ticks. The stream does not have
//!   them.
//!
//! Must not be used from inside an async runtime: its methods block.

mod link;
#[cfg(feature = "live")]
mod live;
mod machine;
mod open;
mod options;
mod proof;
mod retained;
mod storing;
mod wire;
mod worker;

use std::ops::Range;
use std::sync::Arc;

use super::broker::stats::{NatsStats, NatsStop};
use super::broker::{Broker, CHANNEL_BATCHES, connections};
use super::{Fate, MessageBatch, Sink, SinkError, Wake};
use crate::nats::NatsError;
#[cfg(feature = "live")]
pub use live::LiveJetStreamSink;
pub use options::JetStreamOptions;
pub use proof::{NotVerified, StreamProof};
use worker::StreamWorker;

/// Publishes to a JetStream stream.
#[derive(Debug)]
pub struct JetStreamSink {
    broker: Broker,
    options: JetStreamOptions,
}

impl JetStreamSink {
    /// Connects, and finds or creates the stream.
    ///
    /// # Errors
    /// When the server cannot be used, and when the stream does not exist, has messages or would lose
    /// some.
    pub fn connect(options: &JetStreamOptions) -> Result<Self, NatsError> {
        Ok(Self {
            broker: start(options, CHANNEL_BATCHES)?,
            options: options.clone(),
        })
    }

    /// The running counts.
    #[must_use]
    pub fn stats(&self) -> Arc<NatsStats> {
        Arc::clone(self.broker.stats())
    }

    /// Reads the stream back, after the sink has ended.
    #[must_use]
    pub fn proof(&self) -> StreamProof {
        StreamProof::new(self.options.clone(), self.stats())
    }

    /// A handle that ends this sink from another thread, for example when the user stops a run
    /// while the server is unreachable.
    #[must_use]
    pub fn stop_handle(&self) -> NatsStop {
        self.broker.stop_handle()
    }
}

/// Connects, with room for that many batches before the connection thread.
fn start(options: &JetStreamOptions, batches: usize) -> Result<Broker, NatsError> {
    let plan = options.nats.plan()?;
    let server = plan.shown.clone();
    let options = options.clone();
    Broker::start("tickdeck-jetstream", server, batches, |seat| {
        connections::run(StreamWorker::new(plan, options, seat))
    })
}

impl Sink for JetStreamSink {
    fn name(&self) -> String {
        format!("jetstream:{}", self.options.stream.name)
    }

    /// Takes the next messages; blocks while the channel is full.
    ///
    /// # Panics
    /// When called from inside an async runtime, which must not block.
    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        self.broker.publish(batch)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.broker.flush()
    }

    /// By core NATS. Also after the server has refused a message: its subscribers wait for the end.
    fn announce(&mut self, marker: &MessageBatch) -> Result<(), SinkError> {
        self.broker.announce(marker)
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.broker.settled(each);
    }

    fn wake_with(&mut self, wake: Wake) {
        self.broker.wake_with(wake);
    }

    fn check(&mut self) -> Result<(), SinkError> {
        self.broker.check()
    }

    /// The server's maximum.
    fn end_marker_limit(&self) -> Option<usize> {
        Some(self.broker.max_payload())
    }

    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.flush()?;
        // Everything is acknowledged: the worker has nothing left to do.
        self.broker.end();
        Ok(())
    }
}
