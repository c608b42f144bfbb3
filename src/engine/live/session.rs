//! Puts a live session together: queue, driver thread, source.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tickdeck_core::clock::Clock;
use tickdeck_core::event::InstrumentId;
use tickdeck_core::thread;

use super::connector::Connector;
use super::driver::{Driver, LiveEnd, LiveReport};
use super::queue::{DEFAULT_QUEUE_SLOTS, Queue};
use super::source::LiveSource;
use super::stats::LiveStats;
use super::supervisor::SupervisorOptions;

/// How long the library may take to let go of a session between two attempts. Its Release waits for
/// a connection that is being tried, and a try takes 5 s when nothing comes back at all (measured,
/// all versions): the packets of a firewall, a VPN that is down, a front outside its hours.
pub(super) const CLOSE_BETWEEN_ATTEMPTS: Duration = Duration::from_secs(8);

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
    /// How long the library may take to let go of the last session.
    pub close_timeout: Duration,
    /// The same for a session that another one follows.
    pub retry_close_timeout: Duration,
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
            retry_close_timeout: CLOSE_BETWEEN_ATTEMPTS,
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
    let driver = thread::spawn("supervisor", || driver.run())?;
    Ok((source, LiveHandle { stats, driver }))
}
