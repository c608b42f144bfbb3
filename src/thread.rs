//! Threads that log where their makers log: a subscriber of `tracing` belongs to a thread, and one
//! that somebody chose for a test or an embedding program would otherwise be left at the door.

use std::io;
use std::thread::JoinHandle;

use tracing::Dispatch;

/// Starts a named thread that logs where the caller logs.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(logging_here(body))
}

/// What a thread that is started otherwise, for example in a scope, is to run.
pub(crate) fn logging_here<T>(body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let dispatch = tracing::dispatcher::get_default(Dispatch::clone);
    move || tracing::dispatcher::with_default(&dispatch, body)
}
