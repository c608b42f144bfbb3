//! Where encoded messages go. A sink sees subjects and bytes, never a tick: what is published does
//! not depend on where.
//!
//! Invariant: a sink hands on every message in the order given, and counts one as confirmed only
//! when it has reached its destination. What it cannot hand on is an error, never a gap; only
//! [`LiveNatsSink`], which must not wait, leaves gaps, and says where.

mod batch;
mod digest;
mod jsonl;
mod line;
mod nats;
mod new_file;
mod null;

pub use batch::{Message, MessageBatch, MessageBatchBuilder, MessageRef};
pub use digest::StreamDigest;
pub use jsonl::JsonlSink;
pub use line::{is_line, is_line_subject};
pub use nats::{DEFAULT_LIVE_BUFFER, LiveNatsSink, NatsSink, NatsStats, NatsStop};
pub use new_file::NewFile;
pub use null::NullSink;

/// What a sink has done so far. `confirmed + failed` never exceeds what was handed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinkCounts {
    /// Messages that reached their destination for certain: on disk, hashed, or processed by the
    /// broker.
    pub confirmed: u64,
    /// Messages that are known to be lost.
    pub failed: u64,
}

/// A sink could not go on.
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
    /// The reader of stdout went away; the verb ends as if it were done.
    #[error("the reader of stdout went away")]
    BrokenPipe,
    /// The broker refused, or was away for longer than was allowed.
    #[error("nats server {server}: {reason}")]
    Nats {
        /// Server address without credentials.
        server: String,
        /// What went wrong and what would mend it.
        reason: String,
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
    /// When the sink cannot go on; the messages then count as not delivered.
    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError>;

    /// Waits until everything taken so far has reached its destination, and says what has.
    ///
    /// # Errors
    /// When that cannot be found out any more.
    fn flush(&mut self) -> Result<SinkCounts, SinkError>;

    /// What has been confirmed and lost so far, without waiting; good after an error too.
    fn counts(&self) -> SinkCounts;

    /// How many messages at the end of the last [`publish`](Self::publish) were not taken. A sink
    /// that waits instead of losing takes all.
    fn untaken(&self) -> usize {
        0
    }

    /// Messages, counted from the first one handed in, whose fate is known: confirmed, or not taken.
    fn settled(&self) -> u64 {
        self.counts().confirmed
    }

    /// Bytes that the payload of a closing message may have, for a sink whose receivers wait for one;
    /// `None` for the others, which get none.
    fn end_marker_limit(&self) -> Option<usize> {
        None
    }

    /// Flushes and closes: files get their final name, connections end. A sink that is dropped
    /// without this leaves nothing half-written behind.
    ///
    /// # Errors
    /// As [`flush`](Self::flush), and when closing fails.
    fn finish(self: Box<Self>) -> Result<SinkCounts, SinkError>;
}
