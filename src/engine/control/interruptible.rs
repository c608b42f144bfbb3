//! Blocking work that a stop request can abandon, such as connecting to a server.

use std::io;
use std::time::Duration;

use crossbeam_channel::bounded;
use tickdeck_core::thread;
use tickdeck_core::wait::{Received, receive};

/// How often the wait checks for an interruption.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Interruptible work had no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterruptibleError {
    /// The system gave no thread.
    #[error("starting a thread")]
    Thread(#[source] io::Error),
    /// The work panicked. The panic was reported where it happened.
    #[error("thread {0} ended early; its panic was reported above")]
    Panicked(&'static str),
}

/// Runs `work` on a thread called `name` and waits for its result. Returns `None` as soon as
/// `is_interrupted` returns true; the thread then ends with its work or with the process.
///
/// # Errors
/// When the system gives no thread, or `work` panics.
pub fn run_interruptible<T: Send + 'static>(
    name: &'static str,
    is_interrupted: impl Fn() -> bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, InterruptibleError> {
    let (done, is_done) = bounded(1);
    let run = move || {
        // The receiver is gone after an interruption; drop the result.
        let _ = done.send(work());
    };
    thread::spawn(name, run).map_err(InterruptibleError::Thread)?;
    loop {
        match receive(&is_done, POLL_INTERVAL) {
            Received::Message(result) => return Ok(Some(result)),
            Received::Timeout if is_interrupted() => return Ok(None),
            Received::Timeout => {}
            Received::Closed => return Err(InterruptibleError::Panicked(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_arrives_unless_interrupted() {
        let done = run_interruptible("test-work", || false, || 7);
        assert!(matches!(done, Ok(Some(7))));
        let (release, is_released) = bounded::<()>(0);
        let interrupted = run_interruptible("test-work", || true, move || is_released.recv());
        assert!(matches!(interrupted, Ok(None)));
        drop(release);
    }
}
