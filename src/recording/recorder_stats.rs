//! Counts of a recorder in the background, for log lines, health answers and summaries.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tickdeck_core::causes::with_causes;

use super::error::RecordingError;

/// Running counts of a [`BackgroundWriter`](crate::BackgroundWriter), or of several one after the other.
/// Any thread may read them.
#[derive(Debug, Default)]
pub struct RecorderStats {
    accepted: AtomicU64,
    appended: AtomicU64,
    most_waiting: AtomicU64,
    journaled: AtomicU64,
    sealed: AtomicU64,
    ticks: AtomicU64,
    /// Bytes plus one; 0 while the number is unknown.
    free: AtomicU64,
    failure: OnceLock<String>,
}

impl RecorderStats {
    /// Events that wait for the recorder thread, or are being appended.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        // Read first: it never exceeds the other.
        let appended = self.appended.load(Ordering::Acquire);
        self.accepted
            .load(Ordering::Acquire)
            .saturating_sub(appended)
    }

    /// The largest number of events that waited at a time.
    #[must_use]
    pub fn most_waiting(&self) -> u64 {
        self.most_waiting.load(Ordering::Relaxed)
    }

    /// Events that are in the journal and in no sealed segment.
    #[must_use]
    pub fn unsealed(&self) -> u64 {
        let sealed = self.sealed.load(Ordering::Acquire);
        self.journaled
            .load(Ordering::Acquire)
            .saturating_sub(sealed)
    }

    /// Events in sealed segments.
    pub(super) fn sealed(&self) -> u64 {
        self.sealed.load(Ordering::Acquire)
    }

    /// Ticks that are in a file, which a killed process does not lose.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Free space of the disk in bytes, when it was last looked at. `None` where the storage states none.
    #[must_use]
    pub fn free_space(&self) -> Option<u64> {
        self.free.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Why the recording is not whole, or its segments cannot be written: the first error with its causes.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    pub(super) fn accept(&self, events: u64) {
        let accepted = self.accepted.fetch_add(events, Ordering::AcqRel) + events;
        let appended = self.appended.load(Ordering::Acquire);
        let waiting = accepted.saturating_sub(appended);
        self.most_waiting.fetch_max(waiting, Ordering::Relaxed);
    }

    pub(super) fn append(&self, events: u64) {
        self.appended.fetch_add(events, Ordering::AcqRel);
    }

    /// More events, and ticks among them, are in the journal.
    pub(super) fn journal(&self, events: u64, ticks: u64) {
        self.journaled.fetch_add(events, Ordering::AcqRel);
        self.ticks.fetch_add(ticks, Ordering::Relaxed);
    }

    /// More events are in sealed segments.
    pub(super) fn seal(&self, events: u64) {
        self.sealed.fetch_add(events, Ordering::AcqRel);
    }

    pub(super) fn set_free_space(&self, bytes: Option<u64>) {
        let free = bytes.map_or(0, |bytes| bytes.saturating_add(1));
        self.free.store(free, Ordering::Relaxed);
    }

    pub(super) fn fail(&self, error: &RecordingError) {
        // The first error is the reason.
        let _ = self.failure.set(with_causes(error));
    }

    /// Whether events were written. Else the error is the reason, if it is the first one.
    pub(super) fn accepts(
        &self,
        written: Result<(), RecordingError>,
        reason: &mut Option<RecordingError>,
    ) -> bool {
        let Err(error) = written else {
            return true;
        };
        self.fail(&error);
        reason.get_or_insert(error);
        false
    }
}
