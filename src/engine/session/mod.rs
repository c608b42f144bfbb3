//! Whole sessions: source, recorder, publisher, server and health answers in one composition.
//!
//! [`Session::replay`] plays any source at a controlled pace. `Session::live` runs any front, and
//! `Session::ctp` CTP fronts with the search for contracts. All return a summary, answer
//! `health.check` and bound the wait for an unreachable server. Live sessions answer with more keys.
//! Nothing here prints, reads the environment or knows the command line.
//!
//! Live sessions need the feature `live`, servers the feature `nats`.

#[cfg(feature = "live")]
mod backlog;
#[cfg(feature = "live")]
mod ctp;
#[cfg(feature = "nats")]
mod drain;
mod error;
#[cfg(feature = "nats")]
mod health;
#[cfg(feature = "live")]
mod live;
#[cfg(feature = "live")]
mod live_recorder;
#[cfg(feature = "live")]
mod live_server;
#[cfg(feature = "live")]
mod live_summary;
mod record;
mod record_place;
mod recording_failure;
mod replay;
#[cfg(feature = "nats")]
mod server;
#[cfg(feature = "live")]
mod stats;
#[cfg(feature = "nats")]
mod stream;
#[cfg(feature = "nats")]
mod subscribers;
mod summary;

use tickdeck_core::source::{Source, SourceError};
use tickdeck_recording::{EventFilter, Recording};

#[cfg(feature = "live")]
use crate::live::ctp::CtpLibrary;
#[cfg(feature = "live")]
use crate::live::setup::FrontSettings;
#[cfg(feature = "live")]
use crate::live::{LiveOptions, Subscription};
use crate::pipeline::PublisherOptions;
use crate::reference::{Reference, ReferenceError, ReferenceOptions};

#[cfg(feature = "live")]
pub use ctp::CtpSession;
#[cfg(feature = "nats")]
pub use drain::DEFAULT_DRAIN;
pub use error::{PlaceError, SessionError};
#[cfg(feature = "live")]
pub use live::LiveSession;
#[cfg(feature = "live")]
pub use live_recorder::OnRecordingFailure;
#[cfg(feature = "live")]
pub use live_server::{LiveNats, LiveServer};
#[cfg(feature = "live")]
pub use live_summary::{LiveSummary, NoTick};
pub use record::RecordTo;
use replay::Passes;
pub use replay::{ReplaySession, Replayed};
pub use summary::{LatenessMs, Summary};

/// The constructors of sessions.
#[derive(Debug)]
pub enum Session {}

impl Session {
    /// A replay of the sources that `open` yields, one for each pass. Set it up with the methods of
    /// [`ReplaySession`] and [run](ReplaySession::run) it.
    ///
    /// ```
    /// use tickdeck::pace::Rate;
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
    ///     .rate(Rate::Max)
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
        ReplaySession::new(name.into(), publisher, Passes::Each(Box::new(open)))
    }

    /// A replay of one source, in one pass.
    ///
    /// ```
    /// use tickdeck::pace::Rate;
    /// use tickdeck::reference::{Reference, ReferenceOptions};
    /// use tickdeck::session::RecordTo;
    /// use tickdeck::source::PayloadSource;
    /// use tickdeck::synthetic::{SyntheticOptions, SyntheticSource};
    /// use tickdeck::{PublisherOptions, Recording, Session};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path().join("market");
    /// let reference = Reference::load(&ReferenceOptions::default(), &[])?;
    /// let market = SyntheticSource::open(SyntheticOptions::default(), &reference.calendar)?;
    /// let reference = reference.with_contracts(market.contracts());
    /// let options = PublisherOptions::new(&reference, PayloadSource::Synthetic);
    /// let record = RecordTo::new(&folder, market.info(), &reference);
    /// let summary = Session::replay_once("market", options, Box::new(market))
    ///     .record(record)
    ///     .rate(Rate::Max)
    ///     .run()?
    ///     .into_summary()?;
    ///
    /// // The recording replays to the digest of the session.
    /// let recording = Recording::open(&folder)?;
    /// let replayed = Session::replay_recording(&recording)?
    ///     .rate(Rate::Max)
    ///     .run()?
    ///     .into_summary()?;
    /// assert_eq!(replayed.digest, summary.digest);
    /// # Ok(())
    /// # }
    /// ```
    pub fn replay_once(
        name: impl Into<String>,
        publisher: PublisherOptions,
        source: Box<dyn Source>,
    ) -> ReplaySession<'static> {
        ReplaySession::new(name.into(), publisher, Passes::Once(Some(source)))
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
