//! The recorder of a session: into one folder, or into a catalogue by trading day or from a ring.

mod stored;

use std::path::Path;
use std::sync::Arc;

use tickdeck_core::event::Event;

use super::background_writer::{BackgroundWriter, Recorded};
use super::day_recorder::DayRecorder;
use super::error::RecordingError;
use super::event_writer::EventWriter;
use super::read_back::ReadBack;
use super::recorder_stats::RecorderStats;
use super::ring::RingRecorder;

pub use stored::StoredRecorder;

/// Records a session, on separate threads.
#[derive(Debug)]
pub enum SessionRecorder {
    /// Into one folder.
    Folder(Box<BackgroundWriter>),
    /// Into a catalogue.
    Days(Box<DayRecorder>),
    /// Into a ring, and what a trigger asks for into a catalogue.
    Ring(Box<RingRecorder>),
    /// Into one of these, and from there into a store.
    Stored(Box<StoredRecorder>),
}

impl SessionRecorder {
    /// Appends events, unless the recorder has failed: then false, at once. The result of
    /// [`finish`](Self::finish) has the reason.
    pub fn offer(&mut self, events: &[Event]) -> bool {
        match self {
            Self::Folder(writer) => writer.offer(events),
            Self::Days(recorder) => recorder.offer(events),
            Self::Ring(recorder) => recorder.offer(events),
            Self::Stored(recorder) => recorder.offer(events),
        }
    }

    /// For a caller that has no event for the moment: does what is due by the clock. False as for
    /// [`offer`](Self::offer).
    pub fn idle(&mut self) -> bool {
        match self {
            Self::Folder(_) | Self::Days(_) => !self.has_failed(),
            Self::Ring(recorder) => recorder.idle(),
            Self::Stored(recorder) => recorder.idle(),
        }
    }

    /// Whether nothing more is accepted.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        match self {
            Self::Folder(writer) => writer.has_failed(),
            Self::Days(recorder) => recorder.has_failed(),
            Self::Ring(recorder) => recorder.has_failed(),
            Self::Stored(recorder) => recorder.has_failed(),
        }
    }

    /// Counts that other threads may read, also after the end.
    #[must_use]
    pub fn stats(&self) -> &Arc<RecorderStats> {
        match self {
            Self::Folder(writer) => writer.stats(),
            Self::Days(recorder) => recorder.stats(),
            Self::Ring(recorder) => recorder.stats(),
            Self::Stored(recorder) => recorder.stats(),
        }
    }

    /// Where the events are while they are recorded.
    #[must_use]
    pub fn recordings(&self) -> ReadBack {
        match self {
            Self::Folder(writer) => ReadBack::of(writer),
            Self::Days(recorder) => recorder.recordings().clone(),
            Self::Ring(recorder) => recorder.recordings().clone(),
            Self::Stored(recorder) => recorder.recordings(),
        }
    }

    /// The folder of the recording, the root of the catalogue, or the folder of the ring. For a store, the
    /// spool.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self {
            Self::Folder(writer) => writer.folder(),
            Self::Days(recorder) => recorder.root(),
            Self::Ring(recorder) => recorder.folder(),
            Self::Stored(recorder) => recorder.folder(),
        }
    }

    /// Waits until everything is in segments, and finishes the recording. `overflow` are the ticks that
    /// were lost before they could be recorded.
    #[must_use]
    pub fn finish(self, overflow: u64) -> Recorded {
        match self {
            Self::Folder(writer) => writer.finish(overflow),
            Self::Days(recorder) => recorder.finish(overflow),
            Self::Ring(recorder) => recorder.finish(overflow),
            Self::Stored(recorder) => recorder.finish(overflow),
        }
    }

    /// Removes what was recorded. A recording that it should replace stays as it was.
    ///
    /// # Errors
    /// When recording failed, or something cannot be removed.
    pub fn discard(self) -> Result<(), RecordingError> {
        match self {
            Self::Folder(writer) => writer.discard(),
            Self::Days(recorder) => recorder.discard(),
            // Nothing of it is kept that was not asked for.
            Self::Ring(recorder) => recorder.finish(0).error.map_or(Ok(()), Err),
            Self::Stored(recorder) => recorder.discard(),
        }
    }
}

impl EventWriter for SessionRecorder {
    fn write(&mut self, events: &[Event]) -> Result<(), RecordingError> {
        match self {
            Self::Folder(writer) => writer.write(events),
            Self::Days(recorder) => recorder.write(events),
            Self::Ring(recorder) => recorder.write(events),
            Self::Stored(recorder) => recorder.write(events),
        }
    }
}
