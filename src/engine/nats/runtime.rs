//! Runtimes for connections: one per connection, on its own thread. Ending the runtime ends the
//! connection and drops all that the client library still has queued for it.

use std::future::Future;
use std::io;

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
