//! Where encoded messages go. A sink sees subjects and bytes, never a tick: what is published does
//! not depend on where.
//!
//! Invariant: a sink hands on every message in the order given, and reports it as confirmed only when
//! it has reached its destination. What it cannot hand on is an error, never a gap. Only the sinks of
//! live sessions, which must not fail, leave gaps, and report them as rejected.

mod batch;
#[cfg(feature = "nats")]
mod broker;
mod digest;
#[cfg(feature = "nats")]
mod jetstream;
mod jsonl;
mod line;
#[cfg(feature = "nats")]
mod nats;
mod new_file;
mod null;
mod outstanding;
pub mod paths;
mod wake;

use std::ops::Range;

pub use crate::encode::{Message, MessageRef};
pub use batch::{MessageBatch, MessageBatchBuilder};
#[cfg(feature = "live")]
pub use broker::live::DEFAULT_LIVE_BUFFER;
#[cfg(feature = "nats")]
pub use broker::stats::{NatsStats, NatsStop};
pub use digest::StreamDigest;
#[cfg(feature = "live")]
pub use jetstream::LiveJetStreamSink;
#[cfg(feature = "nats")]
pub use jetstream::{JetStreamOptions, JetStreamSink, NotVerified, StreamProof};
pub use jsonl::JsonlSink;
pub use line::{is_line, is_line_subject};
#[cfg(feature = "live")]
pub use nats::LiveNatsSink;
#[cfg(feature = "nats")]
pub use nats::NatsSink;
pub use new_file::NewFile;
pub use null::NullSink;
pub(crate) use null::or_null;
pub use outstanding::{Fate, Outstanding};
pub use wake::Wake;

/// A sink could not continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Writing to a file or to stdout failed.
    #[error("writing to {target}")]
    Io {
        /// Path, or `stdout`.
        target: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The reader of stdout has gone; the verb ends as if it were done.
    #[error("the reader of stdout closed the pipe")]
    BrokenPipe,
    /// The broker refused, or was unreachable for too long.
    #[cfg(feature = "nats")]
    #[error("nats server {server}: {failure}")]
    Nats {
        /// Server address without credentials.
        server: String,
        /// What went wrong.
        failure: crate::nats::NatsFailure,
    },
}

/// Takes messages in order. Every method may block, which is the back-pressure of a replay, unless
/// the sink says otherwise.
pub trait Sink: Send {
    /// Name for summaries, for example `nats` or `jsonl:out.jsonl`.
    fn name(&self) -> String;

    /// Takes the next messages in order.
    ///
    /// # Errors
    /// When the sink cannot continue; the messages then count as not delivered.
    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError>;

    /// Waits until everything taken so far has reached its destination.
    ///
    /// # Errors
    /// When it has not, or that can no longer be found out.
    fn flush(&mut self) -> Result<(), SinkError>;

    /// Reports what has become of messages since the last report, without waiting. Good after an
    /// error too. [`Outstanding`] does the bookkeeping.
    ///
    /// Positions count the messages handed in, from 0. Each is reported once, and those of one fate
    /// in order. A rejection need not wait for the fate of older messages.
    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate));

    /// Gives the sink a way to wake the player, before the first batch. For a sink that learns on
    /// another thread that it cannot continue.
    fn wake_with(&mut self, _wake: Wake) {}

    /// Whether the sink can continue, as far as it knows. Called after it has woken the player, so that
    /// a failure in a quiet market ends the run before the next message. Does not wait.
    ///
    /// # Errors
    /// When it cannot.
    fn check(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Bytes that the payload of an end marker may have, for a sink whose receivers wait for one;
    /// `None` for the others, which get none.
    fn end_marker_limit(&self) -> Option<usize> {
        None
    }

    /// Publishes the end marker and waits until the receivers have it. Unlike
    /// [`publish`](Self::publish), it may work after the destination has refused a message.
    ///
    /// # Errors
    /// When the marker was not delivered.
    fn announce(&mut self, marker: &MessageBatch) -> Result<(), SinkError> {
        self.publish(marker)?;
        self.flush()
    }

    /// Flushes and closes: files get their final name, connections end. A sink that is dropped
    /// without this leaves nothing half-written behind.
    ///
    /// # Errors
    /// As [`flush`](Self::flush), and when closing fails.
    fn finish(self: Box<Self>) -> Result<(), SinkError>;
}
