//! What a manifest says about a segment.

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
