//! Starts a live session: queue, driver thread, source.

use std::sync::Arc;
use std::thread::JoinHandle;

use tickdeck_core::clock::Clock;
use tickdeck_core::thread;

use super::connector::Connector;
use super::driver::Driver;
use super::fail_reason::FailReason;
use super::options::{LiveOptions, StopAsked};
use super::queue::Queue;
use super::report::{LiveEnd, LiveReport};
use super::source::LiveSource;
use super::stats::LiveStats;

/// A running session.
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

    /// Waits until the session has ended. The source ends at the same time.
    #[must_use]
    pub fn join(self) -> LiveReport {
        self.driver.join().unwrap_or_else(|_panic| LiveReport {
            end: LiveEnd::GaveUp {
                reason: FailReason::SupervisorPanicked,
            },
            ..LiveReport::default()
        })
    }
}

/// Starts a session on a new thread.
///
/// It ends when `stop_asked` returns true, when its time is up, when another attempt cannot help,
/// or when the source is dropped. The source then yields the rest of the queue and ends.
///
/// # Errors
/// When no thread can be started.
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
