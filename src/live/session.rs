//! Puts a live session together: queue, driver thread, source.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::connector::Connector;
use super::driver::{Driver, LiveEnd, LiveReport};
use super::queue::{DEFAULT_QUEUE_SLOTS, Queue};
use super::source::LiveSource;
use super::stats::LiveStats;
use super::supervisor::SupervisorOptions;
use crate::clock::Clock;
use crate::event::InstrumentId;

/// What a live session is.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// What to subscribe, in this order.
    pub instruments: Vec<InstrumentId>,
    /// How patient to be. The number of instruments is filled in.
    pub supervisor: SupervisorOptions,
    /// Slots of the queue between callback and pipeline.
    pub queue_slots: usize,
    /// Ends the session after this time; `None`: when it is stopped.
    pub run_for: Option<Duration>,
    /// Ends the session at the first login: all that a connectivity test wants.
    pub end_at_login: bool,
    /// How long the library may take to let go of a session.
    pub close_timeout: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            instruments: Vec::new(),
            supervisor: SupervisorOptions::default(),
            queue_slots: DEFAULT_QUEUE_SLOTS,
            run_for: None,
            end_at_login: false,
            close_timeout: Duration::from_secs(5),
        }
    }
}

/// Whether the session is to end. Asked about ten times a second.
pub type StopAsked = Box<dyn Fn() -> bool + Send>;

/// The running session.
#[derive(Debug)]
pub struct LiveHandle {
    stats: Arc<LiveStats>,
    driver: JoinHandle<LiveReport>,
}

impl LiveHandle {
    /// Counts that may be read at any time.
    #[must_use]
    pub fn stats(&self) -> Arc<LiveStats> {
        Arc::clone(&self.stats)
    }

    /// Waits until the session has ended, and says how. The source ends at the same time.
    #[must_use]
    pub fn join(self) -> LiveReport {
        self.driver.join().unwrap_or_else(|_panic| LiveReport {
            end: LiveEnd::GaveUp {
                reason: "the supervising thread ended early; its panic was reported above".into(),
            },
            ..LiveReport::default()
        })
    }
}

/// Starts a session on a thread of its own. It ends when `stop_asked` says so, when its time is up,
/// when trying again cannot help, or when the source is dropped; then the source yields what is
/// still in the queue and ends.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    connector: Box<dyn Connector>,
    options: LiveOptions,
    clock: Arc<dyn Clock>,
    stop_asked: StopAsked,
) -> std::io::Result<(LiveSource, LiveHandle)> {
    let queue = Arc::new(Queue::new(options.queue_slots, Arc::clone(&clock)));
    let stats = Arc::new(LiveStats::new(Arc::clone(&queue)));
    let source = LiveSource::new(Arc::clone(&queue));
    let driver = Driver::new(
        connector,
        options,
        clock,
        stop_asked,
        queue,
        Arc::clone(&stats),
    );
    // The thread logs where the caller logs.
    let dispatch = tracing::dispatcher::get_default(tracing::Dispatch::clone);
    let driver = std::thread::Builder::new()
        .name("supervisor".into())
        .spawn(move || tracing::dispatcher::with_default(&dispatch, || driver.run()))?;
    Ok((source, LiveHandle { stats, driver }))
}
