//! Whole sessions: source, recorder, publisher, server and health answers in one composition.
//!
//! [`Session::replay`] plays any source at a controlled pace. `Session::live` runs any front, and
//! `Session::ctp` CTP fronts with the search for contracts. All return a summary, answer
//! `health.check` and bound the wait for an unreachable server. Live sessions answer with more keys. Nothing here prints, reads the environment or knows the command line.
//!
//! Live sessions need the feature `live`, servers the feature `nats`.

#[cfg(feature = "live")]
mod ctp;
#[cfg(feature = "nats")]
mod drain;
#[cfg(feature = "nats")]
mod health;
#[cfg(feature = "live")]
mod live;
#[cfg(feature = "live")]
mod live_server;
#[cfg(feature = "live")]
mod live_summary;
mod replay;
#[cfg(feature = "nats")]
mod server;
#[cfg(feature = "live")]
mod stats;
#[cfg(feature = "nats")]
mod subscribers;
mod summary;

use tickdeck_core::source::{Source, SourceError};
#[cfg(feature = "live")]
use tickdeck_recording::RecordingError;
use tickdeck_recording::{EventFilter, Recording};

use crate::control::InterruptibleError;
#[cfg(feature = "nats")]
use crate::encode::pattern::PatternError;
#[cfg(feature = "live")]
use crate::live::ctp::CtpLibrary;
#[cfg(feature = "live")]
use crate::live::setup::{FrontSettings, LibraryMismatch};
#[cfg(feature = "live")]
use crate::live::{LiveOptions, Subscription, SubscriptionError};
use crate::pipeline::PublisherOptions;
use crate::reference::{Reference, ReferenceError, ReferenceOptions};

#[cfg(feature = "live")]
pub use ctp::CtpSession;
#[cfg(feature = "nats")]
pub use drain::DEFAULT_DRAIN;
#[cfg(feature = "live")]
pub use live::{LiveSession, RecordTo};
#[cfg(feature = "live")]
pub use live_server::{LiveNats, LiveServer};
#[cfg(feature = "live")]
pub use live_summary::LiveSummary;
pub use replay::{ReplaySession, Replayed};
pub use summary::{LatenessMs, Summary};

/// A session could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The server cannot be used.
    #[cfg(feature = "nats")]
    #[error(transparent)]
    Nats(#[from] crate::nats::NatsError),
    /// The system gave no thread.
    #[error("starting a thread")]
    Thread(#[source] std::io::Error),
    /// The question for subscribers could not be written.
    #[cfg(feature = "nats")]
    #[error("encoding the readiness request")]
    Question(#[source] serde_json::Error),
    /// Messages cannot have this subject prefix.
    #[cfg(feature = "nats")]
    #[error(transparent)]
    Prefix(#[from] PatternError),
    /// Connecting to the server had no result.
    #[error(transparent)]
    Connect(#[from] InterruptibleError),
    /// The time of a live session was up before the server answered.
    #[cfg(feature = "live")]
    #[error("no NATS server was reached before the run ended")]
    ServerNotReached,
    /// The settings do not suit the CTP library.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Library(#[from] LibraryMismatch),
    /// A live session has nothing to subscribe.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// The recording of a live session could not be created.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Record(#[from] RecordingError),
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

#[cfg(feature = "live")]
impl Session {
    /// A session with any front. Set it up with the methods of [`LiveSession`] and
    /// [run](LiveSession::run) it with a connector.
    pub fn live(
        name: impl Into<String>,
        publisher: PublisherOptions,
        options: LiveOptions,
    ) -> LiveSession {
        LiveSession::new(name.into(), publisher, options)
    }

    /// A session with CTP fronts: it lists the contracts, subscribes and publishes. Set it up with the
    /// methods of [`CtpSession`] and [run](CtpSession::run) it.
    pub fn ctp(
        name: impl Into<String>,
        publisher: PublisherOptions,
        front: FrontSettings,
        library: CtpLibrary,
        subscription: Subscription,
    ) -> CtpSession {
        let session = Self::live(name, publisher, LiveOptions::default());
        CtpSession::new(session, front, library, subscription)
    }
}
