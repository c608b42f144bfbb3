//! Threads and runtimes for connections: one of each per connection, so that ending the runtime
//! takes a connection out of service with all that the client library still has queued for it.

use std::future::Future;
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
    let dispatch = tracing::dispatcher::get_default(Dispatch::clone);
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || tracing::dispatcher::with_default(&dispatch, body))
}

/// Runs `future` on a runtime of its own, which ends with it.
///
/// # Errors
/// When the system gives no event queue.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let output = runtime.block_on(future);
    // A name look-up may still be blocking a helper thread; nobody waits for it.
    runtime.shutdown_background();
    Ok(output)
}
