//! Where events come from. A source knows nothing of what follows it.

use crate::event::Event;

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
    /// A file could not be read.
    #[error("reading {path}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A dump could not be imported.
    #[error(transparent)]
    Import(Box<crate::import::ImportError>),
}

impl From<crate::import::ImportError> for SourceError {
    fn from(error: crate::import::ImportError) -> Self {
        Self::Import(Box::new(error))
    }
}
