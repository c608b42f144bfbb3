//! The runtime of all object stores: requests run on its threads, and the caller waits.
//!
//! Nothing outside of this folder is asynchronous. A caller may be anywhere, also on a thread of another
//! runtime.

use std::future::Future;
use std::io;
use std::sync::OnceLock;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};

/// Threads for requests. They wait for the network most of the time.
const THREADS: usize = 2;

static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();

fn runtime() -> io::Result<&'static Runtime> {
    let build = || {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(THREADS).thread_name("object-store");
        builder.enable_all().build().ok()
    };
    let runtime = RUNTIME.get_or_init(build).as_ref();
    runtime.ok_or_else(|| io::Error::other("the system gives no threads for requests"))
}

/// Runs `future` to its end.
pub(super) fn wait<T: Send + 'static>(
    future: impl Future<Output = object_store::Result<T>> + Send + 'static,
) -> io::Result<T> {
    let (answer, answered) = mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // The receiver waits below.
        let _ = answer.send(future.await);
    });
    match answered.recv() {
        Ok(result) => result.map_err(super::errors::of_store),
        Err(_) => Err(io::Error::other("the request ended without an answer")),
    }
}

/// Lets what `start` starts run on the runtime.
pub(super) fn within<T>(start: impl FnOnce() -> T) -> io::Result<T> {
    let _entered = runtime()?.enter();
    Ok(start())
}
