//! Whole sessions: source, recorder, publisher, server and health answers in one composition.
//!
//! [`Session::replay`] plays any source at a controlled pace. [`Session::live`] runs a front. Both
//! return a summary, answer `health.check` in the same way and bound the wait for a server that is
//! away. Nothing here prints, reads the environment or knows the command line.
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

use crate::pipeline::PublisherOptions;

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
    /// A thread of the session panicked; the panic was reported where it happened.
    #[error("thread {0} ended early; its panic was reported above")]
    Panicked(&'static str),
}

/// Where sessions begin.
#[derive(Debug)]
pub enum Session {}

impl Session {
    /// A replay of the sources that `open` yields, one for each pass. Set it up with the methods of
    /// [`ReplaySession`] and [run](ReplaySession::run) it.
    ///
    /// ```
    /// use tickdeck::check::publisher_options;
    /// use tickdeck::recording::{EventFilter, Recording};
    /// use tickdeck::session::Session;
    /// use tickdeck::sink::NullSink;
    /// # use tickdeck::pace::{PaceOptions, Rate};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
    /// let recording = Recording::open(path.as_ref())?;
    /// let options = publisher_options(&recording)?;
    /// let open = || Ok(Box::new(recording.reader(EventFilter::default())) as _);
    /// let replayed = Session::replay(recording.session(), options, open)
    ///     .sink(NullSink::new()) // or NatsSink::connect(&NatsOptions::at(url)?)?
    /// #   .pace(PaceOptions { rate: Rate::Max, ..PaceOptions::default() })
    ///     .run()?;
    /// assert!(replayed.error.is_none());
    /// assert_eq!(replayed.summary.failed, 0);
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
}
