//! What a thread that reads a payload stream hands over.

use crossbeam_channel::{self as channel, Receiver};

use super::error::CheckError;
use crate::sink::{MessageBatch, MessageBatchBuilder};

/// Messages of a batch, and room for them.
pub(super) const BATCH_MESSAGES: usize = 256;
const BATCH_BYTES: usize = BATCH_MESSAGES * 1024;

/// What the reading thread sends.
#[derive(Debug)]
pub(super) enum Part {
    Messages(MessageBatch),
    /// The last part: BLAKE3 of the stream.
    End(String),
}

/// Where the reading thread sends, and takes used buffers from. The other end is gone when the
/// comparison has ended.
pub(super) struct Sender {
    pub(super) parts: channel::Sender<Result<Part, CheckError>>,
    pub(super) recycled: Receiver<MessageBatchBuilder>,
}

impl Sender {
    /// A buffer for the next messages.
    pub(super) fn builder(&self) -> MessageBatchBuilder {
        self.recycled
            .try_recv()
            .unwrap_or_else(|_| MessageBatchBuilder::with_capacity(BATCH_MESSAGES, BATCH_BYTES))
    }

    /// Hands over the next part. Whether more are wanted.
    pub(super) fn send(&self, part: Result<Part, CheckError>) -> bool {
        let is_last = !matches!(part, Ok(Part::Messages(_)));
        self.parts.send(part).is_ok() && !is_last
    }
}
