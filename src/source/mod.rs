//! Where events come from. A source knows nothing of what follows it.

use crate::event::Event;
use crate::recording::RecordingError;

/// Yields events in `seq` order, in batches, into a buffer that the caller keeps.
pub trait Source: Send {
    /// Appends up to `max` events to `batch`. Appending none is the end of the session.
    ///
    /// # Errors
    /// When the source cannot go on; what was appended before is valid.
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError>;
}

/// A source cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A recording could not be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
}
