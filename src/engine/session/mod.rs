//! Whole sessions: source, recorder, publisher, server and health answers in one composition.
//!
//! [`Session::replay`] plays any source at a controlled pace. [`Session::live`] runs a front. Both
//! return a summary, answer `health.check` in the same way and bound the wait for an unreachable
//! server. Nothing here prints, reads the environment or knows the command line.

mod drain;
mod live;
mod replay;
mod stats;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use tickdeck_core::clock::Clock;
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::thread;
use tickdeck_core::wait::{Received, receive};

use crate::control::Control;
use crate::live::{Connector, StopAsked};
use crate::nats::NatsError;
use crate::pipeline::PublisherOptions;

pub use drain::DEFAULT_DRAIN;
pub use live::{Ingest, IngestError, IngestNats, IngestServer, IngestSummary, RecordTo, ingest};
pub use replay::{ReplaySession, Replayed};
pub use stats::SharedStats;
pub use summary::{LatenessMs, Summary};

/// A session could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The server of the health answers cannot be used.
    #[error(transparent)]
    Nats(#[from] NatsError),
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

    /// Runs a live session until `stop_asked` returns true, its time is up, or it cannot continue.
    ///
    /// # Errors
    /// When it cannot be started. What happens later is in the summary.
    pub fn live(
        connector: Box<dyn Connector>,
        setup: Ingest,
        clock: Arc<dyn Clock>,
        stop_asked: StopAsked,
    ) -> Result<IngestSummary, IngestError> {
        ingest(connector, setup, clock, stop_asked)
    }
}

/// How often a wait checks for a stop request.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs `work` on a thread and waits for it; `None` when a stop is requested first. The thread then
/// ends with its work or with the process.
fn unless_stopped<T: Send + 'static>(
    name: &'static str,
    control: &Control,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, SessionError> {
    let (done, is_done) = bounded(1);
    let run = move || {
        // The receiver is gone after a stop; drop the result.
        let _ = done.send(work());
    };
    thread::spawn(name, run).map_err(SessionError::Thread)?;
    loop {
        match receive(&is_done, POLL_INTERVAL) {
            Received::Message(result) => return Ok(Some(result)),
            Received::Timeout if control.is_stopped() => return Ok(None),
            Received::Timeout => {}
            Received::Closed => return Err(SessionError::Panicked(name)),
        }
    }
}
