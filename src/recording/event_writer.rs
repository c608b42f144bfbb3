//! The seam between a session and its recorder: direct, in the background, or through a journal.

use tickdeck_core::event::Event;

use super::error::RecordingError;
use super::writer::RecordingWriter;

/// Accepts events in order.
pub trait EventWriter {
    /// Appends events; their `seq` must continue without a gap.
    ///
    /// # Errors
    /// When they cannot be written; after that nothing more is accepted.
    fn write(&mut self, events: &[Event]) -> Result<(), RecordingError>;
}

impl EventWriter for RecordingWriter {
    fn write(&mut self, events: &[Event]) -> Result<(), RecordingError> {
        Self::write(self, events)
    }
}
