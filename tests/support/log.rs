//! Log lines as a test sees them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::Level;

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
}

/// Runs `body` and gives what it and the threads of the library logged, down to `TRACE`.
pub(crate) fn captured<T>(body: impl FnOnce() -> T) -> (T, String) {
    let log = LogText::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let result = tracing::subscriber::with_default(subscriber, body);
    (result, log.text())
}
