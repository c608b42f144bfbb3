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
use crate::sink::broker::live::{LiveBroker, WhenFull};
use crate::sink::broker::stats::{NatsStats, NatsStop};
use crate::sink::{Fate, MessageBatch, Sink, SinkError};

/// Publishes to a NATS server without ever waiting for it.
#[derive(Debug)]
pub struct LiveNatsSink(LiveBroker);

impl LiveNatsSink {
    /// Connects; returns when the server has accepted the login and the sink's inbox. `buffer`
    /// messages may wait for the server.
    ///
    /// # Errors
    /// As [`NatsSink::connect`](super::NatsSink::connect).
    pub fn connect(options: &NatsOptions, buffer: u64) -> Result<Self, NatsError> {
        let when_full = WhenFull::Reject(buffer);
        let broker = start::<Connection>(options, when_full.batches())?;
        Ok(Self(LiveBroker::new(broker, when_full)))
    }

    /// The running counts.
    #[must_use]
    pub fn stats(&self) -> Arc<NatsStats> {
        Arc::clone(self.0.broker().stats())
    }

    /// Ends a wait in [`flush`](Sink::flush) or [`finish`](Sink::finish).
    #[must_use]
    pub fn stop_handle(&self) -> NatsStop {
        self.0.broker().stop_handle()
    }
}

impl Sink for LiveNatsSink {
    fn name(&self) -> String {
        "nats".to_owned()
    }

    /// Accepts what fits. It never waits and never fails.
    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        self.0.publish(batch);
        Ok(())
    }

    /// Waits until everything taken is confirmed, the server has refused, or the stop handle ends
    /// it; the settlement tells which. Never fails.
    fn flush(&mut self) -> Result<(), SinkError> {
        self.0.flush();
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.0.settled(each);
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        self.0.finish();
        Ok(())
    }
}
