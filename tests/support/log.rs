//! Log lines as a test sees them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once};

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Rejects everything, but is asked every time. Without it, a log line that another test reaches first
/// without a subscriber could be cached as disabled while a capture starts.
struct AskAgain;

impl Subscriber for AskAgain {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Makes captures reliable; called before anything that logs.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only if another module of the tests was first, whose subscriber then does the same.
        let _ = tracing::subscriber::set_global_default(AskAgain);
    });
}

/// Everything that was logged, as text.
#[derive(Clone, Default)]
pub(crate) struct LogText(Arc<Mutex<Vec<u8>>>);

impl Write for LogText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LogText {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Adds what `body` and the threads of the library log, down to `TRACE`, while it runs.
    pub(crate) fn capture<T>(&self, body: impl FnOnce() -> T) -> T {
        prepare();
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, body)
    }
}

/// Runs `body` and returns what it and the threads of the library logged, down to `TRACE`.
pub(crate) fn captured<T>(body: impl FnOnce() -> T) -> (T, String) {
    let log = LogText::default();
    let result = log.capture(body);
    (result, log.text())
}
