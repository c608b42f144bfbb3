//! The JetStream sink of a live session. It never fails: what a server does not confirm counts as failed,
//! and the session and its recording continue.
//!
//! - **A session that is recorded** waits for the server. The recorder is on another thread, and what the
//!   publisher lags behind is read back from the recording. So the stream has no gap, however long the
//!   server is unreachable.
//! - **One that is not recorded** must not wait: the queue of the CTP callback would overflow. A bounded
//!   number of messages wait for the server. Those that do not fit are not in the stream, and it is not
//!   verified.

use std::ops::Range;
use std::sync::Arc;

use super::{JetStreamOptions, StreamProof, start};
use crate::nats::NatsError;
use crate::sink::broker::live::{LiveBroker, WhenFull};
use crate::sink::broker::stats::{NatsStats, NatsStop};
use crate::sink::{Fate, MessageBatch, Sink, SinkError};

/// Publishes a live session to a JetStream stream.
#[derive(Debug)]
pub struct LiveJetStreamSink {
    broker: LiveBroker,
    options: JetStreamOptions,
}

impl LiveJetStreamSink {
    /// Connects, and finds or creates the stream. With a `buffer`, so many messages may wait for the
    /// server, and more are rejected. Without one the sink waits.
    ///
    /// # Errors
    /// As [`JetStreamSink::connect`](super::JetStreamSink::connect).
    pub fn connect(options: &JetStreamOptions, buffer: Option<u64>) -> Result<Self, NatsError> {
        let when_full = buffer.map_or(WhenFull::Wait, WhenFull::Reject);
        let broker = start(options, when_full.batches())?;
        Ok(Self {
            broker: LiveBroker::new(broker, when_full),
            options: options.clone(),
        })
    }

    /// The running counts.
    #[must_use]
    pub fn stats(&self) -> Arc<NatsStats> {
        Arc::clone(self.broker.broker().stats())
    }

    /// Reads the stream back, after the sink has ended.
    #[must_use]
    pub fn proof(&self) -> StreamProof {
        StreamProof::new(self.options.clone(), self.stats())
    }

    /// Ends a wait for the server. What is not confirmed then is given up.
    #[must_use]
    pub fn stop_handle(&self) -> NatsStop {
        self.broker.broker().stop_handle()
    }
}

impl Sink for LiveJetStreamSink {
    fn name(&self) -> String {
        format!("jetstream:{}", self.options.stream.name)
    }

    /// Accepts what fits, or waits for the server. Never fails.
    ///
    /// # Panics
    /// When a sink that waits is called from inside an async runtime.
    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        self.broker.publish(batch);
        Ok(())
    }

    /// Waits until everything taken is acknowledged, the server has refused, or the stop handle ends
    /// it; the settlement tells which. Never fails.
    fn flush(&mut self) -> Result<(), SinkError> {
        self.broker.flush();
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.broker.settled(each);
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        self.broker.finish();
        Ok(())
    }
}
