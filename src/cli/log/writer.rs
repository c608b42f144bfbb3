//! The thread that writes to stderr, so that no other thread waits for it.
//!
//! Stderr may be a pipe whose reader is stopped, a terminal after Ctrl-S or a file on a full disk.
//! The threads of a live session receive ticks, record and handle signals: a blocked stderr must
//! neither delay nor end them. Lines that cannot be written are dropped and counted, and
//! `log_lines_lost` reports them as soon as there is room again. A verb that works on files waits,
//! as any program does for its output.
//!
//! All output to stderr goes through this thread, so lines keep their order.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use tickdeck_core::printable::printable;
use tickdeck_core::thread;
use tickdeck_core::wait::is_closed_within;

/// Lines that may wait for stderr: some minutes of a session, a second of its worst moments.
const QUEUE_LINES: usize = 8 * 1024;

/// How long the end of a session waits for each step when stderr is blocked.
const SESSION_PATIENCE: Duration = Duration::from_secs(2);

/// The writer of this process, once the log is set up.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// What happens to lines while stderr is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// They are dropped and counted.
    Lose,
    /// The logging thread waits.
    Wait,
}

enum Item {
    Lines(Vec<u8>),
    /// This many lines were dropped at this point.
    Lost(u64),
    /// Answered when everything before is written.
    Flush(Sender<()>),
}

/// A handle to the thread.
#[derive(Debug, Clone)]
pub(super) struct LogWriter {
    items: Sender<Item>,
    lost: Arc<AtomicU64>,
    when_full: WhenFull,
}

impl LogWriter {
    /// Starts the thread. `lost_line` formats the number of lost lines.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        when_full: WhenFull,
        lost_line: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let (items, waiting) = crossbeam_channel::bounded(QUEUE_LINES);
        thread::spawn("tickdeck-log", move || write_all(&waiting, out, lost_line))?;
        Ok(Self {
            items,
            lost: Arc::default(),
            when_full,
        })
    }

    fn send(&self, lines: Vec<u8>) {
        let item = Item::Lines(lines);
        match self.when_full {
            // The thread runs as long as the process, so sending succeeds.
            WhenFull::Wait => drop(self.items.send(item)),
            WhenFull::Lose => {
                if !self.report_lost() || is_full(self.items.try_send(item)) {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Queues the number of lines lost so far, if any, in their place. `false` when the queue is
    /// full.
    fn report_lost(&self) -> bool {
        let count = self.lost.swap(0, Ordering::Relaxed);
        if count == 0 {
            return true;
        }
        let has_room = !is_full(self.items.try_send(Item::Lost(count)));
        if !has_room {
            self.lost.fetch_add(count, Ordering::Relaxed);
        }
        has_room
    }

    /// Waits until everything logged so far is written. In a session the wait is bounded.
    fn flush(&self) {
        let (done, is_done) = crossbeam_channel::bounded(1);
        match self.when_full {
            WhenFull::Wait => {
                if self.items.send(Item::Flush(done)).is_ok() {
                    let _ = is_done.recv();
                }
            }
            WhenFull::Lose => {
                let count = self.lost.swap(0, Ordering::Relaxed);
                let last = (count > 0).then_some(Item::Lost(count));
                for item in last.into_iter().chain([Item::Flush(done)]) {
                    if self.items.send_timeout(item, SESSION_PATIENCE).is_err() {
                        return;
                    }
                }
                let _ = is_closed_within(&is_done, SESSION_PATIENCE);
            }
        }
    }
}

fn is_full(sent: Result<(), TrySendError<Item>>) -> bool {
    matches!(sent, Err(TrySendError::Full(_)))
}

/// Every `write` is one or more whole lines, which stay together.
impl Write for LogWriter {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.send(lines.to_vec());
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes each item. An error does not stop the thread: a full disk may have room again later, and
/// if the reader is gone, there is no place to report it.
fn write_all(items: &Receiver<Item>, mut out: impl Write, lost_line: impl Fn(u64) -> String) {
    for item in items {
        match item {
            Item::Lines(lines) => {
                let _ = out.write_all(&lines);
            }
            Item::Lost(count) => {
                let _ = out.write_all(lost_line(count).as_bytes());
            }
            Item::Flush(done) => {
                let _ = out.flush();
                let _ = done.send(());
            }
        }
    }
}

/// Makes `writer` the writer of this process. `false` when there is one already.
pub(super) fn keep(writer: LogWriter) -> bool {
    WRITER.set(writer).is_ok()
}

/// Prints whole lines that are not log lines to stderr, after the log lines so far.
pub(crate) fn print(lines: &str) {
    let lines = printable(lines);
    match WRITER.get() {
        Some(writer) => writer.send(lines.as_bytes().to_vec()),
        // If stderr is closed, there is no place to report it.
        None => drop(io::stderr().lock().write_all(lines.as_bytes())),
    }
}

/// Waits until everything so far is on stderr. In a session it waits a few seconds at most.
pub(crate) fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush();
    }
}

/// Flushes when dropped, at the end of the program.
pub(crate) struct FlushedLog;

impl Drop for FlushedLog {
    fn drop(&mut self) {
        flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What was written, and a gate before each write.
    #[derive(Clone)]
    struct Gated {
        written: Arc<Mutex<String>>,
        open: Receiver<()>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Open permanently once the other side is gone.
            let _ = self.open.recv();
            let text = std::str::from_utf8(bytes).unwrap();
            self.written.lock().unwrap().push_str(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Sender<()>, Gated) {
        let (gate, open) = crossbeam_channel::unbounded();
        let written = Arc::default();
        (gate, Gated { written, open })
    }

    fn lost(count: u64) -> String {
        format!("{count} lost\n")
    }

    #[test]
    fn lost_lines_are_reported_in_their_place() {
        let (gate, out) = gated();
        let writer = LogWriter::start(out.clone(), WhenFull::Lose, lost).unwrap();
        writer.send(b"first\n".to_vec());
        // The thread holds the first line at the gate, so the queue is empty.
        while !writer.items.is_empty() {
            std::thread::yield_now();
        }
        for _ in 0..QUEUE_LINES {
            writer.send(b"waits\n".to_vec());
        }
        writer.send(b"too much\n".to_vec());
        writer.send(b"too much\n".to_vec());
        drop(gate);
        while writer.items.len() > QUEUE_LINES / 2 {
            std::thread::yield_now();
        }
        writer.send(b"after\n".to_vec());
        writer.flush();
        let waited = "waits\n".repeat(QUEUE_LINES);
        assert_eq!(
            *out.written.lock().unwrap(),
            format!("first\n{waited}2 lost\nafter\n")
        );
    }

    #[test]
    fn a_verb_that_works_on_files_loses_no_line() {
        let (gate, out) = gated();
        let writer = LogWriter::start(out.clone(), WhenFull::Wait, lost).unwrap();
        let lines: Vec<String> = (0..3 * QUEUE_LINES).map(|n| format!("{n}\n")).collect();
        let logger = thread::spawn("logger", {
            let (writer, lines) = (writer.clone(), lines.clone());
            move || {
                for line in lines {
                    writer.send(line.into_bytes());
                }
            }
        })
        .unwrap();
        drop(gate);
        logger.join().unwrap();
        writer.flush();
        assert_eq!(*out.written.lock().unwrap(), lines.concat());
    }

    #[test]
    fn an_output_that_fails_stops_nothing() {
        struct Fails(u32);
        impl Write for Fails {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => Err(io::ErrorKind::StorageFull.into()),
                    _ => Ok(bytes.len()),
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        for when_full in [WhenFull::Lose, WhenFull::Wait] {
            let writer = LogWriter::start(Fails(0), when_full, lost).unwrap();
            writer.send(b"lost\n".to_vec());
            writer.send(b"written\n".to_vec());
            writer.flush();
        }
    }
}
