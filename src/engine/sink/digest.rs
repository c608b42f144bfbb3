//! One BLAKE3 digest of a whole payload stream: the number that two replays are compared by.
//!
//! The digest covers, for every message in order,
//!
//! ```text
//! u32 LE length of the subject | subject | u32 LE length of the payload | payload
//! ```
//!
//! and nothing else, so it depends neither on batches nor on where the messages went. The lengths
//! make it unambiguous: no two different streams have the same bytes.
//!
//! BLAKE3 hashes sixteen 1 KiB chunks side by side, but only where they begin at a multiple of 16
//! KiB of the stream. Fed one payload at a time, it costs five times as much. So the stream is
//! hashed in such blocks: whole blocks in place, and only the rest, which shares a block with the
//! next bytes, is buffered.

use super::{MessageBatch, MessageRef};

/// Bytes that are hashed side by side.
const BLOCK_BYTES: usize = 16 * 1024;

/// The running digest of a payload stream.
#[derive(Debug, Clone)]
pub struct StreamDigest {
    hasher: blake3::Hasher,
    /// The incomplete block; always shorter than one between calls.
    begun: Vec<u8>,
}

impl Default for StreamDigest {
    fn default() -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            begun: Vec::with_capacity(BLOCK_BYTES),
        }
    }
}

impl StreamDigest {
    /// The digest of the empty stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a batch.
    pub fn update(&mut self, batch: &MessageBatch) {
        self.append(batch.frames());
    }

    /// Appends one message.
    ///
    /// # Panics
    /// When subject or payload has 4 GiB or more; NATS carries at most 64 MiB.
    pub fn update_message(&mut self, message: MessageRef<'_>) {
        for part in [message.subject, message.payload] {
            #[expect(clippy::expect_used, reason = "documented under Panics")]
            let length = u32::try_from(part.len()).expect("a message part is shorter than 4 GiB");
            self.append(&length.to_le_bytes());
            self.append(part);
        }
    }

    fn append(&mut self, mut bytes: &[u8]) {
        if !self.begun.is_empty() {
            let missing = BLOCK_BYTES - self.begun.len();
            let Some((head, rest)) = bytes.split_at_checked(missing) else {
                self.begun.extend_from_slice(bytes);
                return;
            };
            self.begun.extend_from_slice(head);
            self.hasher.update(&self.begun);
            self.begun.clear();
            bytes = rest;
        }
        let (blocks, tail) = bytes.split_at(bytes.len() - bytes.len() % BLOCK_BYTES);
        self.hasher.update(blocks);
        self.begun.extend_from_slice(tail);
    }

    /// The digest of everything so far as 64 lower case hex digits. More may follow.
    #[must_use]
    pub fn hex(&self) -> String {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.begun);
        hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::MessageBatchBuilder;
    use proptest::prelude::*;

    type Parts = (Vec<u8>, Vec<u8>);

    fn digest(messages: &[Parts], batch: usize) -> String {
        let mut digest = StreamDigest::new();
        for messages in messages.chunks(batch) {
            let mut builder = MessageBatchBuilder::default();
            for (subject, payload) in messages {
                builder.push(subject, payload);
            }
            digest.update(&builder.take());
        }
        digest.hex()
    }

    fn parts(subject: &[u8], payload: &[u8]) -> Parts {
        (subject.to_vec(), payload.to_vec())
    }

    #[test]
    fn the_framing_is_the_documented_one() {
        let framed = [&b"\x03\0\0\0a.b\x02\0\0\0{}"[..], b"\x01\0\0\0c\0\0\0\0"].concat();
        assert_eq!(
            digest(&[parts(b"a.b", b"{}"), parts(b"c", b"")], 1),
            blake3::hash(&framed).to_hex().as_str()
        );
        assert_eq!(digest(&[], 1), blake3::hash(b"").to_hex().as_str());
    }

    #[test]
    fn a_byte_moved_to_the_payload_changes_it() {
        assert_ne!(
            digest(&[parts(b"ab", b"c")], 1),
            digest(&[parts(b"a", b"bc")], 1)
        );
    }

    #[test]
    fn the_digest_is_independent_of_batch_sizes() {
        let messages: Vec<_> = (0..1000_u32)
            .map(|i| parts(&i.to_le_bytes(), &[7; 700]))
            .collect();
        let whole = digest(&messages, 1000);
        for batch in [1, 3, 187, 999] {
            assert_eq!(digest(&messages, batch), whole);
        }
    }

    proptest! {
        #[test]
        fn prop_blocks_do_not_change_the_digest(
            messages in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..40), proptest::collection::vec(any::<u8>(), 0..9000)),
                0..60,
            ),
            batch in 1_usize..60,
        ) {
            let mut plain = Vec::new();
            let mut one_by_one = StreamDigest::new();
            for (subject, payload) in &messages {
                for part in [subject, payload] {
                    plain.extend_from_slice(&u32::try_from(part.len()).unwrap().to_le_bytes());
                    plain.extend_from_slice(part);
                }
                one_by_one.update_message(MessageRef { subject, payload });
            }
            let hash = blake3::hash(&plain).to_hex();
            prop_assert_eq!(digest(&messages, batch), hash.as_str());
            prop_assert_eq!(one_by_one.hex(), hash.as_str());
        }
    }
}
