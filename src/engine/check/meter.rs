//! Digests of the parts of a payload stream, so that a golden without its stream can still locate a
//! difference.
//!
//! Each part (window, segment, subject) has a chain: the XXH3 of each message is hashed together
//! with the chain so far. The chains only locate. The BLAKE3 of the whole ([`StreamDigest`])
//! decides whether two streams are equal.
//!
//! Windows of a recording are cut by `seq`, not by counting messages: a lost message changes its
//! own window and no later one.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use twox_hash::XxHash3_128;

use super::parts::{Chunk, Cuts, Parts, SegmentPart, SubjectPart, WINDOW, WindowPart};
use crate::sink::{MessageRef, StreamDigest};

/// Messages of one part, counted and chained.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    messages: u64,
    /// Position of the first message.
    first: u64,
    /// Position of the last message.
    last: u64,
    chain: u128,
}

impl Part {
    #[inline]
    fn add(&mut self, position: u64, hash: u128) {
        if self.messages == 0 {
            self.first = position;
        }
        self.messages += 1;
        self.last = position;
        self.chain = join(self.chain, hash);
    }

    fn hex(&self) -> String {
        format!("{:032x}", self.chain)
    }
}

#[inline]
fn join(left: u128, right: u128) -> u128 {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&left.to_le_bytes());
    bytes[16..].copy_from_slice(&right.to_le_bytes());
    XxHash3_128::oneshot(&bytes)
}

struct SubjectMeter {
    name: Box<[u8]>,
    hash: u128,
    part: Part,
}

/// Counts and hashes a payload stream as it goes by.
pub(super) struct Meter {
    cuts: Cuts,
    /// Only if it is not computed elsewhere.
    digest: Option<StreamDigest>,
    messages: u64,
    windows: BTreeMap<u64, Part>,
    segments: Vec<Part>,
    subjects: Vec<SubjectMeter>,
    by_name: FxHashMap<Box<[u8]>, usize>,
}

impl Meter {
    /// A meter that has seen nothing. With `digests` it also computes the digest of the whole.
    pub(super) fn new(cuts: Cuts, digests: bool) -> Self {
        Self {
            segments: vec![Part::default(); cuts.segments.len()],
            cuts,
            digest: digests.then(StreamDigest::new),
            messages: 0,
            windows: BTreeMap::new(),
            subjects: Vec::new(),
            by_name: FxHashMap::default(),
        }
    }

    /// Adds the next messages.
    pub(super) fn update(&mut self, chunk: &Chunk) {
        if let Some(digest) = &mut self.digest {
            digest.update(&chunk.messages);
        }
        match chunk.seq {
            Some(seq) => {
                let segment = self.cuts.segment_of(seq);
                let mut window = self.windows.remove(&(seq / WINDOW)).unwrap_or_default();
                for message in chunk.messages.iter() {
                    let (position, hash) = self.count(message);
                    window.add(position, hash);
                    if let Some(segment) = segment {
                        self.segments[segment].add(position, hash);
                    }
                }
                self.windows.insert(seq / WINDOW, window);
            }
            None => {
                for message in chunk.messages.iter() {
                    let (position, hash) = self.count(message);
                    let window = self.windows.entry(position / WINDOW).or_default();
                    window.add(position, hash);
                }
            }
        }
    }

    /// Adds the message to its subject, and returns its position and the hash of both its parts.
    #[inline]
    fn count(&mut self, message: MessageRef<'_>) -> (u64, u128) {
        let slot = match self.by_name.get(message.subject) {
            Some(&slot) => slot,
            None => {
                let name: Box<[u8]> = message.subject.into();
                let slot = self.subjects.len();
                self.subjects.push(SubjectMeter {
                    hash: XxHash3_128::oneshot(&name),
                    name: name.clone(),
                    part: Part::default(),
                });
                self.by_name.insert(name, slot);
                slot
            }
        };
        let position = self.messages;
        self.messages += 1;
        let subject = &mut self.subjects[slot];
        let payload = XxHash3_128::oneshot(message.payload);
        subject.part.add(position, payload);
        (position, join(subject.hash, payload))
    }

    /// The digest of the whole, if requested.
    pub(super) fn digest(&self) -> Option<String> {
        self.digest.as_ref().map(StreamDigest::hex)
    }

    /// The parts seen. Windows without messages are omitted.
    pub(super) fn parts(&self) -> Parts {
        let windows = self.windows.iter().filter(|(_, part)| part.messages > 0);
        let windows = windows.map(|(window, part)| WindowPart {
            from: window * WINDOW,
            messages: part.messages,
            digest: part.hex(),
        });
        let segments = self.cuts.segments.iter().zip(&self.segments);
        let segments = segments.map(|(&(first_seq, last_seq), part)| SegmentPart {
            first_seq,
            last_seq,
            messages: part.messages,
            digest: part.hex(),
        });
        let subjects = self.subjects.iter().map(|subject| {
            let name = String::from_utf8_lossy(&subject.name).into_owned();
            let part = &subject.part;
            let part = SubjectPart {
                messages: part.messages,
                first: part.first,
                last: part.last,
                digest: part.hex(),
            };
            (name, part)
        });
        Parts {
            messages: self.messages,
            windows: windows.collect(),
            segments: segments.collect(),
            subjects: subjects.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::MessageBatchBuilder;

    fn chunk(seq: Option<u64>, messages: &[(&str, &str)]) -> Chunk {
        let mut builder = MessageBatchBuilder::default();
        for (subject, payload) in messages {
            builder.push(subject.as_bytes(), payload.as_bytes());
        }
        Chunk {
            messages: builder.take(),
            seq,
        }
    }

    fn parts(chunks: &[Chunk], segments: &[(u64, u64)]) -> Parts {
        let cuts = Cuts {
            segments: segments.to_vec(),
        };
        let mut meter = Meter::new(cuts, true);
        chunks.iter().for_each(|chunk| meter.update(chunk));
        meter.parts()
    }

    #[test]
    fn how_a_stream_is_cut_into_batches_changes_no_part() {
        let messages = [("a", "1"), ("b", "2"), ("a", "3")];
        let whole = parts(&[chunk(Some(0), &messages)], &[(0, 9)]);
        let single = messages.map(|message| chunk(Some(1), &[message]));
        assert_eq!(parts(&single, &[(0, 9)]), whole);
        assert_eq!(whole.subjects["a"].messages, 2);
        assert_eq!(
            (whole.subjects["a"].first, whole.subjects["a"].last),
            (0, 2)
        );
        assert_eq!(whole.segments[0].messages, 3);
    }

    #[test]
    fn a_lost_message_changes_only_its_parts() {
        let first = chunk(Some(0), &[("a", "1"), ("b", "2")]);
        let second = chunk(Some(WINDOW), &[("a", "3"), ("b", "4")]);
        let segments = [(0, WINDOW - 1), (WINDOW, 2 * WINDOW)];
        let whole = parts(&[first, second.clone()], &segments);
        let lost = parts(&[chunk(Some(0), &[("b", "2")]), second], &segments);
        assert_ne!(lost.windows[0], whole.windows[0]);
        assert_eq!(lost.windows[1], whole.windows[1]);
        assert_ne!(lost.segments[0], whole.segments[0]);
        assert_eq!(lost.segments[1], whole.segments[1]);
        assert_ne!(lost.subjects["a"], whole.subjects["a"]);
        assert_eq!(lost.subjects["b"].digest, whole.subjects["b"].digest);
    }

    #[test]
    fn the_order_of_two_subjects_shows_in_the_window_alone() {
        let there = parts(&[chunk(Some(0), &[("a", "1"), ("b", "2")])], &[]);
        let back = parts(&[chunk(Some(0), &[("b", "2"), ("a", "1")])], &[]);
        assert_ne!(there.windows, back.windows);
        let digests = |parts: &Parts| -> Vec<String> {
            parts
                .subjects
                .values()
                .map(|part| part.digest.clone())
                .collect()
        };
        assert_eq!(digests(&there), digests(&back));
    }
}
