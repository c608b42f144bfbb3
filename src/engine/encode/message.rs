//! A message: subject and payload, as every sink and subscriber sees it.

use bytes::Bytes;

/// One message that owns a share of its bytes. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Full NATS subject, ASCII, for example `market.tick.SHFE.rb2601`.
    pub subject: Bytes,
    /// The encoded payload.
    pub payload: Bytes,
}

impl Message {
    /// The message, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> MessageRef<'_> {
        MessageRef {
            subject: &self.subject,
            payload: &self.payload,
        }
    }
}

/// One message of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRef<'a> {
    /// Full NATS subject, ASCII, for example `market.tick.SHFE.rb2601`.
    pub subject: &'a [u8],
    /// The encoded payload.
    pub payload: &'a [u8],
}
