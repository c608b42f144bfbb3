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
//! Messages are gathered to at least 64 KiB before they are hashed: BLAKE3 hashes many 1 KiB chunks
//! side by side, and fed one payload at a time it costs five times as much.

use super::Message;

/// Bytes that are gathered before they are hashed.
const GATHER_BYTES: usize = 128 * 1024;

/// The running digest of a payload stream.
#[derive(Debug, Clone)]
pub struct StreamDigest {
    hasher: blake3::Hasher,
    gathered: Vec<u8>,
}

impl Default for StreamDigest {
    fn default() -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            gathered: Vec::with_capacity(GATHER_BYTES + 4096),
        }
    }
}

impl StreamDigest {
    /// The digest of the empty stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one message.
    ///
    /// # Panics
    /// When a subject or payload has 4 GiB or more; NATS carries at most 64 MiB.
    pub fn update(&mut self, message: &Message) {
        for part in [&message.subject, &message.payload] {
            #[expect(clippy::expect_used, reason = "documented under Panics")]
            let length = u32::try_from(part.len()).expect("a message part is shorter than 4 GiB");
            self.gathered.extend_from_slice(&length.to_le_bytes());
            self.gathered.extend_from_slice(part);
        }
        if self.gathered.len() >= GATHER_BYTES {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
    }

    /// The digest of everything so far as 64 lower case hex digits. More may follow.
    #[must_use]
    pub fn hex(&self) -> String {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.gathered);
        hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn message(subject: &[u8], payload: &[u8]) -> Message {
        Message {
            subject: Bytes::copy_from_slice(subject),
            payload: Bytes::copy_from_slice(payload),
        }
    }

    fn digest(messages: &[Message], batch: usize) -> String {
        let mut digest = StreamDigest::new();
        for batch in messages.chunks(batch) {
            batch.iter().for_each(|message| digest.update(message));
        }
        digest.hex()
    }

    #[test]
    fn the_framing_is_the_documented_one() {
        let framed = [&b"\x03\0\0\0a.b\x02\0\0\0{}"[..], b"\x01\0\0\0c\0\0\0\0"].concat();
        assert_eq!(
            digest(&[message(b"a.b", b"{}"), message(b"c", b"")], 1),
            blake3::hash(&framed).to_hex().as_str()
        );
        assert_eq!(digest(&[], 1), blake3::hash(b"").to_hex().as_str());
    }

    #[test]
    fn moving_a_byte_from_subject_to_payload_changes_the_digest() {
        assert_ne!(
            digest(&[message(b"ab", b"c")], 1),
            digest(&[message(b"a", b"bc")], 1)
        );
    }

    #[test]
    fn the_digest_is_independent_of_batches_beyond_the_gathering_bound() {
        let messages: Vec<_> = (0..1000_u32)
            .map(|i| message(&i.to_le_bytes(), &vec![7; 700]))
            .collect();
        let whole = digest(&messages, 1000);
        for batch in [1, 3, 187, 999] {
            assert_eq!(digest(&messages, batch), whole);
        }
    }

    proptest! {
        #[test]
        fn prop_gathering_does_not_change_the_digest(
            parts in proptest::collection::vec((".{0,40}", proptest::collection::vec(any::<u8>(), 0..9000)), 0..60)
        ) {
            let messages: Vec<_> = parts.iter().map(|(s, p)| message(s.as_bytes(), p)).collect();
            let mut plain = Vec::new();
            for part in messages.iter().flat_map(|m| [&m.subject, &m.payload]) {
                plain.extend_from_slice(&u32::try_from(part.len()).unwrap().to_le_bytes());
                plain.extend_from_slice(part);
            }
            let hash = blake3::hash(&plain).to_hex();
            prop_assert_eq!(digest(&messages, 7), hash.as_str());
        }
    }
}
