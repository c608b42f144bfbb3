//! The one place that starts threads.
//!
//! A `tracing` subscriber can belong to a thread. One that a test or an embedding program installed
//! would be lost on a thread started the plain way, so every thread here logs where its caller
//! logs.

use std::io;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use tracing::Dispatch;

/// Starts a named thread that logs where the caller logs.
///
/// # Errors
/// When no thread can be started.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new()
        .name(name.to_owned())
        .spawn(logging_here(body))
}

/// The same for a thread that borrows from its caller and ends with `scope`.
///
/// # Errors
/// When no thread can be started.
pub fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    body: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    Builder::new()
        .name(name.to_owned())
        .spawn_scoped(scope, logging_here(body))
}

/// `body`, logging where the caller of this function logs.
fn logging_here<T>(body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let dispatch = tracing::dispatcher::get_default(Dispatch::clone);
    move || tracing::dispatcher::with_default(&dispatch, body)
}

/// How many threads run at once on this machine: at least 1.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
