//! The parts that a payload stream is divided into: chunks while it is read, windows, segments and
//! subjects in a golden.
//!
//! Shared by everything that reads, measures or stores streams, so it imports none of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sink::MessageBatch;

/// Events of a recording, or messages of a stream, that share a window.
pub const WINDOW: u64 = 65_536;

/// Messages in order.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The messages.
    pub messages: MessageBatch,
    /// `seq` of an event that is in the same window and segment as all of them; `None` when they
    /// come from no recording.
    pub seq: Option<u64>,
}

/// The last `seq` of each segment, which is where parts are cut.
#[derive(Debug, Clone, Default)]
pub(super) struct Cuts {
    /// First and last `seq` of each segment, in order.
    pub(super) segments: Vec<(u64, u64)>,
}

impl Cuts {
    /// How many of the events from `seq` on are in the same window and the same segment.
    pub(super) fn room(&self, seq: u64) -> u64 {
        let window = WINDOW - seq % WINDOW;
        let after = self.segments.partition_point(|&(_, last)| last < seq);
        let segment = self.segments.get(after);
        let segment = segment.map_or(u64::MAX, |&(_, last)| (last - seq).saturating_add(1));
        window.min(segment)
    }

    pub(super) fn segment_of(&self, seq: u64) -> Option<usize> {
        let at = self.segments.partition_point(|&(_, last)| last < seq);
        (at < self.segments.len()).then_some(at)
    }
}

/// Messages of one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowPart {
    /// First `seq` of the window; in a golden of a stream, position of its first message.
    pub from: u64,
    /// How many.
    pub messages: u64,
    /// Chain of their hashes.
    pub digest: String,
}

/// Messages of one segment, as the recording was cut when the golden was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPart {
    /// First `seq`.
    pub first_seq: u64,
    /// Last `seq`.
    pub last_seq: u64,
    /// How many.
    pub messages: u64,
    /// Chain of their hashes.
    pub digest: String,
}

/// Messages of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectPart {
    /// How many.
    pub messages: u64,
    /// Position of the first in the stream, from 0.
    pub first: u64,
    /// Position of the last.
    pub last: u64,
    /// Chain of their hashes.
    pub digest: String,
}

/// What a meter has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) messages: u64,
    pub(super) windows: Vec<WindowPart>,
    pub(super) segments: Vec<SegmentPart>,
    pub(super) subjects: BTreeMap<String, SubjectPart>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_at_windows_and_at_segments() {
        let cuts = Cuts {
            segments: vec![(0, 99), (100, 100_000)],
        };
        assert_eq!(cuts.room(0), 100);
        assert_eq!(cuts.room(99), 1);
        assert_eq!(cuts.room(100), WINDOW - 100);
        assert_eq!(cuts.room(WINDOW), 100_001 - WINDOW);
        assert_eq!(cuts.room(200_000), WINDOW - 200_000 % WINDOW);
        assert_eq!(Cuts::default().room(1), WINDOW - 1);
    }
}
