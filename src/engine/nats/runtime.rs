//! Runtimes for connections: one per connection, on a thread of its own, so that ending the runtime
//! takes a connection out of service with all that the client library still has queued for it.

use std::future::Future;
use std::io;

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
