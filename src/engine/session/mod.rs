//! Whole sessions: source, recorder, publisher, server and health answers in one composition.
//!
//! [`Session::replay`] plays any source at a controlled pace. `Session::live` runs a front. Both
//! return a summary, answer `health.check` in the same way and bound the wait for an unreachable
//! server. Nothing here prints, reads the environment or knows the command line.
//!
//! Live sessions need the feature `live`, servers the feature `nats`.

#[cfg(feature = "nats")]
mod drain;
#[cfg(feature = "live")]
mod live;
mod replay;
#[cfg(feature = "nats")]
mod server;
#[cfg(feature = "live")]
mod stats;
mod summary;

use tickdeck_core::source::{Source, SourceError};
use tickdeck_recording::{EventFilter, Recording};

use crate::control::InterruptibleError;
use crate::pipeline::PublisherOptions;
use crate::reference::{Reference, ReferenceError, ReferenceOptions};

#[cfg(feature = "nats")]
pub use drain::DEFAULT_DRAIN;
#[cfg(feature = "live")]
pub use live::{Ingest, IngestError, IngestNats, IngestServer, IngestSummary, RecordTo, ingest};
pub use replay::{ReplaySession, Replayed};
pub use summary::{LatenessMs, Summary};

/// A session could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The server of the health answers cannot be used.
    #[cfg(feature = "nats")]
    #[error(transparent)]
    Nats(#[from] crate::nats::NatsError),
    /// The system gave no thread.
    #[error("starting a thread")]
    Thread(#[source] std::io::Error),
    /// Connecting to the server of the health answers had no result.
    #[error(transparent)]
    Connect(#[from] InterruptibleError),
}

/// The constructors of sessions.
#[derive(Debug)]
pub enum Session {}

impl Session {
    /// A replay of the sources that `open` yields, one for each pass. Set it up with the methods of
    /// [`ReplaySession`] and [run](ReplaySession::run) it.
    ///
    /// ```
    /// use tickdeck::pace::{PaceOptions, Rate};
    /// use tickdeck::reference::{Reference, ReferenceOptions};
    /// use tickdeck::sink::NullSink;
    /// use tickdeck::source::{PayloadSource, SourceError, SourceErrorKind};
    /// use tickdeck::synthetic::{SyntheticOptions, SyntheticSource};
    /// use tickdeck::{PublisherOptions, Session};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let reference = Reference::load(&ReferenceOptions::default(), &[])?;
    /// let options = PublisherOptions::new(&reference, PayloadSource::Synthetic);
    /// let open = || {
    ///     let market = SyntheticSource::open(SyntheticOptions::default(), &reference.calendar)
    ///         .map_err(|error| SourceError::new(SourceErrorKind::BadInput, error))?;
    ///     Ok(Box::new(market) as _)
    /// };
    /// let summary = Session::replay("market", options, open)
    ///     .sink(NullSink::new())
    ///     .pace(PaceOptions { rate: Rate::Max, ..PaceOptions::default() })
    ///     .run()?
    ///     .into_summary()?;
    /// assert_eq!(summary.published, summary.received);
    /// # Ok(())
    /// # }
    /// ```
    pub fn replay<'a>(
        name: impl Into<String>,
        publisher: PublisherOptions,
        open: impl FnMut() -> Result<Box<dyn Source>, SourceError> + 'a,
    ) -> ReplaySession<'a> {
        ReplaySession::new(name.into(), publisher, open)
    }

    /// A replay of everything in `recording`, published by its own contracts and calendar. Payloads,
    /// subjects and filters are the defaults.
    ///
    /// # Errors
    /// When the contracts or the calendar of the recording cannot be read.
    pub fn replay_recording(recording: &Recording) -> Result<ReplaySession<'_>, ReferenceError> {
        let own = std::slice::from_ref(recording);
        let reference = Reference::load(&ReferenceOptions::default(), own)?;
        let options = PublisherOptions::new(&reference, recording.source().payload_source());
        let open = || Ok(Box::new(recording.reader(EventFilter::default()).read_ahead()) as _);
        Ok(Self::replay(recording.session(), options, open))
    }
}
