//! Runtimes for connections, and every bounded wait of the code that runs on them: one per connection, on its own thread. Ending the runtime ends the
//! connection and drops all that the client library still has queued for it.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Runs `future` on a new runtime that ends with it.
///
/// # Errors
/// When the system cannot create an event queue.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let output = runtime.block_on(future);
    // A name look-up may still block a helper thread; it is not waited for.
    runtime.shutdown_background();
    Ok(output)
}

/// Sleeps.
pub(crate) async fn sleep(span: Duration) {
    tokio::time::sleep(span).await;
}

/// The output of `future`, if it has one within `limit`.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

/// Ticks at intervals, first after one of them. A late tick delays the later ones.
pub(crate) fn ticks(every: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
