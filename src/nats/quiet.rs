//! Threads that run the client library, with its own log lines cut off.
//!
//! At `TRACE` the library prints the whole `CONNECT` message, password included, so no filter that a
//! user sets may ever reach it. Cutting it off where it runs makes that independent of how the
//! program's logging is set up. What a user needs to know (connected, lost, resent) is logged by
//! this crate.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Passes everything on but what the client library says.
struct Quiet(Dispatch);

fn is_client(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("async_nats")
}

impl Subscriber for Quiet {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_client(metadata) {
            Interest::never()
        } else {
            self.0.register_callsite(metadata)
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !is_client(metadata) && self.0.enabled(metadata)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.0.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.0.record_follows_from(span, follows);
    }

    fn event(&self, event: &Event<'_>) {
        if !is_client(event.metadata()) {
            self.0.event(event);
        }
    }

    fn enter(&self, span: &Id) {
        self.0.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.0.exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.0.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.0.try_close(id)
    }
}

/// Starts a named thread that logs where the caller logs, without the client library's lines.
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
        .spawn(move || tracing::dispatcher::with_default(&Dispatch::new(Quiet(dispatch)), body))
}

/// Runs `future` on a runtime of its own, which ends with it: whatever the client library still has
/// queued or is waiting for goes with the runtime.
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
