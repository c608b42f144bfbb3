//! What a manifest says about a segment.

use tickdeck_core::event::Event;
use tickdeck_core::time::UnixNanos;

/// Summary of a finished segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Events.
    pub rows: u64,
    /// Events that are ticks.
    pub ticks: u64,
    /// `seq` of the first event.
    pub first_seq: u64,
    /// `seq` of the last event.
    pub last_seq: u64,
    /// Smallest `recv_ts`.
    pub start: UnixNanos,
    /// Largest `recv_ts`.
    pub end: UnixNanos,
    /// Size of the file.
    pub bytes: u64,
    /// BLAKE3 of the file, hex.
    pub blake3: String,
}

impl SegmentInfo {
    /// Of a segment without an event.
    pub(super) const fn empty() -> Self {
        Self {
            rows: 0,
            ticks: 0,
            first_seq: 0,
            last_seq: 0,
            start: UnixNanos(i64::MAX),
            end: UnixNanos(i64::MIN),
            bytes: 0,
            blake3: String::new(),
        }
    }

    /// Counts the next event.
    pub(super) fn add(&mut self, event: &Event) {
        if self.rows == 0 {
            self.first_seq = event.seq.0;
        }
        self.last_seq = event.seq.0;
        self.rows += 1;
        self.ticks += u64::from(event.as_tick().is_some());
        self.start = self.start.min(event.recv_ts);
        self.end = self.end.max(event.recv_ts);
    }
}
