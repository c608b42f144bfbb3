//! The connectivity smoke test: can this machine log in to the front?
//!
//! It is for interactive use, never for a CI against a real front. The session runs on a separate
//! thread and ends at the first login. If it does not end in time, the test is still over, and the
//! caller must not wait for it.

mod footprint;
mod gate;
mod observation;
mod reserve;
mod verdict;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::{Clock, MonoNanos};
use tickdeck_core::source::Source as _;
use tickdeck_core::thread;
use tickdeck_core::wait::{Received, receive};

use super::attempt::Attempt;
use super::connector::{Connector, MarketDataSession, OpenError};
use super::ctp::{CtpConnector, CtpLibrary, LoginTooLong};
use super::options::{LiveOptions, StopAsked};
use super::queue::Inlet;
use super::session::start;
use super::setup::{FrontSettings, LibraryMismatch, warn_untested};
use footprint::Footprint;
use observation::Observation;
use reserve::reserve;
use verdict::{Judgement, judge};

pub use gate::Gate;
pub use verdict::Verdict;

/// Slots of the queue: nothing is subscribed.
const QUEUE_SLOTS: usize = 4_096;
/// Attempts that fit into a test, however short.
const ATTEMPTS_MIN: u32 = 3;

/// Settings of a test.
#[derive(Debug, Clone)]
pub struct SmokeOptions {
    /// Fronts, login and time limits.
    pub front: FrontSettings,
    /// First part of the session names.
    pub session: String,
    /// When the test began.
    pub started: MonoNanos,
    /// Longest time of the whole test.
    pub duration: Duration,
}

/// The test could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmokeError {
    /// The system gave no thread.
    #[error(transparent)]
    Thread(#[from] std::io::Error),
    /// The library does not suit the front.
    #[error(transparent)]
    Library(#[from] LibraryMismatch),
    /// The login cannot be sent.
    #[error(transparent)]
    Login(#[from] LoginTooLong),
    /// The session's thread panicked.
    #[error("the thread of the session ended early; its panic was reported above")]
    Panicked,
}

/// Whether the test is to end. Called about twenty times a second.
pub type StopTest = Arc<dyn Fn() -> bool + Send + Sync>;

/// Runs a test and writes its result into `gate`. A library that cannot be opened is a FAIL. Returns
/// the shortest test that would decide, if this one may have been too short.
///
/// # Errors
/// When the library does not suit the front, or the test could not be run. The verdict of `gate`
/// remains.
pub fn run(
    options: &SmokeOptions,
    clock: &Arc<dyn Clock>,
    stop_asked: &StopTest,
    gate: &mut Gate,
) -> Result<Option<Duration>, SmokeError> {
    let library = match CtpLibrary::open(&options.front.library) {
        Ok(library) => library,
        Err(error) => {
            let reason = with_causes(&error);
            gate.set(Judgement::fail(format!(
                "the CTP library cannot be used: {reason}"
            )));
            return Ok(None);
        }
    };
    gate.add_library(&library);
    options.front.check_library(&library)?;
    warn_untested(&library);
    let asked = Arc::clone(stop_asked);
    let observed = run_session(options, library, clock, Box::new(move || asked()))?;
    let judgement = judge(&observed, stop_asked(), options.duration);
    let enough = judgement.enough;
    gate.set(judgement);
    gate.add_observation(observed);
    Ok(enough)
}

/// Runs the session of a test.
fn run_session(
    options: &SmokeOptions,
    library: CtpLibrary,
    clock: &Arc<dyn Clock>,
    stop_asked: StopAsked,
) -> Result<Observation, SmokeError> {
    options.front.login.check()?;
    let reserve = reserve(options.duration);
    let deadline = options.started.after(options.duration - reserve / 6);
    let elapsed = clock.now().duration_since(options.started);
    let run_for = (options.duration - reserve).saturating_sub(elapsed);
    let front = FrontSettings {
        // Short enough for several attempts within the test.
        limits: options.front.limits.at_most(run_for / ATTEMPTS_MIN),
        ..options.front.clone()
    };
    let live = LiveOptions {
        supervisor: front.supervisor(options.session.clone()),
        queue_slots: QUEUE_SLOTS,
        run_for: Some(run_for),
        end_at_login: true,
        close_timeout: reserve * 2 / 3,
        retry_close_timeout: reserve * 2 / 3,
        ..LiveOptions::default()
    };
    let connector = ExplainsOnce {
        connector: front.connector(library),
        explained: Cell::new(false),
    };
    let (done, is_done) = bounded(1);
    let session_clock = Arc::clone(clock);
    thread::spawn("smoke", move || {
        let observed = observe(
            Box::new(connector),
            live,
            session_clock,
            stop_asked,
            deadline,
        );
        // The receiver is gone when the test is over; drop the result.
        let _ = done.send(observed);
    })?;
    match receive(&is_done, deadline.duration_since(clock.now())) {
        Received::Message(observed) => Ok(observed?),
        Received::Timeout => Ok(Observation::Hangs),
        Received::Closed => Err(SmokeError::Panicked),
    }
}

/// Runs a session to its end.
fn observe(
    connector: Box<dyn Connector>,
    options: LiveOptions,
    clock: Arc<dyn Clock>,
    stop_asked: StopAsked,
    deadline: MonoNanos,
) -> std::io::Result<Observation> {
    let before = Footprint::now();
    let (mut source, handle) = start(connector, options, Arc::clone(&clock), stop_asked)?;
    let mut batch = Vec::new();
    // A live source does not fail, and its events do not matter here.
    while source.next_batch(&mut batch, 1_024).is_ok() && !batch.is_empty() {
        batch.clear();
    }
    let report = Box::new(handle.join());
    Ok(Observation::Ended {
        report,
        before,
        after: Footprint::settled(before, &*clock, deadline),
    })
}

/// Explains a silence once only, so that the explanation is complete before the test is over.
struct ExplainsOnce {
    connector: CtpConnector,
    explained: Cell<bool>,
}

impl Connector for ExplainsOnce {
    fn explain_silence(&self) {
        if !self.explained.replace(true) {
            self.connector.explain_silence();
        }
    }

    fn reclaimed(&mut self) -> u32 {
        self.connector.reclaimed()
    }

    fn open(
        &mut self,
        attempt: &Attempt,
        inlet: Inlet,
    ) -> Result<Box<dyn MarketDataSession>, OpenError> {
        self.connector.open(attempt, inlet)
    }
}
