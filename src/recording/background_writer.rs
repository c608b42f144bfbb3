//! Records on another thread. Encoding a row group takes most of a second; a live session must go
//! on publishing meanwhile.
//!
//! - Order is kept: one list of events, one thread.
//! - Memory: at most [`WAITING_MAX`] events wait (40 MB), and as many are being written. Then the
//!   caller blocks.
//! - An error is returned by one of the next calls, at the latest by
//!   [`finish`](BackgroundWriter::finish).

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tickdeck_core::event::Event;
use tickdeck_core::thread;

use super::error::RecordingError;
use super::event_writer::EventWriter;
use super::writer::RecordingWriter;

/// Events that may wait for the thread: more than three seconds of 20,000 ticks/s.
const WAITING_MAX: usize = 65_536;

/// Events queued for the thread.
#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    /// Nothing more will come.
    is_over: bool,
    /// Nothing more is accepted.
    has_failed: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, waiting: MutexGuard<'a, Waiting>) -> MutexGuard<'a, Waiting> {
        self.changed
            .wait(waiting)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }
}

/// Marks the queue as failed, however the thread ends.
struct FailsOnDrop(Arc<Shared>);

impl Drop for FailsOnDrop {
    fn drop(&mut self) {
        self.0.lock().has_failed = true;
        self.0.changed.notify_all();
    }
}

type Ended = (RecordingWriter, Result<(), RecordingError>);

/// A [`RecordingWriter`] on its own thread.
pub struct BackgroundWriter {
    shared: Arc<Shared>,
    /// `None` after it was joined.
    thread: Option<JoinHandle<Ended>>,
    /// The writer that the thread returned.
    writer: Option<RecordingWriter>,
    path: PathBuf,
}

impl std::fmt::Debug for BackgroundWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackgroundWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl BackgroundWriter {
    /// Moves `writer` to a thread.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(writer: RecordingWriter) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let path = writer.folder().to_owned();
        let theirs = FailsOnDrop(Arc::clone(&shared));
        let thread = thread::spawn("recorder", move || record(writer, &theirs.0))?;
        Ok(Self {
            shared,
            thread: Some(thread),
            writer: None,
            path,
        })
    }

    /// Waits until everything is written, and returns the writer to be finished. After an error the
    /// writer knows only what was written before it. There is none if the thread panicked.
    ///
    /// The result is the first error that no call has returned yet.
    pub fn finish(mut self) -> (Option<RecordingWriter>, Result<(), RecordingError>) {
        let result = self.join();
        (self.writer.take(), result)
    }

    /// Joins the thread, once.
    fn join(&mut self) -> Result<(), RecordingError> {
        self.shared.end();
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok((writer, result))) => {
                self.writer = Some(writer);
                result
            }
            // The panic was reported with its place.
            Some(Err(_)) => Err(self.failed()),
        }
    }

    fn failed(&self) -> RecordingError {
        RecordingError::WriterFailed {
            path: self.path.clone(),
        }
    }
}

impl EventWriter for BackgroundWriter {
    fn write(&mut self, events: &[Event]) -> Result<(), RecordingError> {
        let mut waiting = self.shared.lock();
        while waiting.events.len() >= WAITING_MAX && !waiting.has_failed {
            waiting = self.shared.wait(waiting);
        }
        if waiting.has_failed {
            drop(waiting);
            self.join()?;
            return Err(self.failed());
        }
        waiting.events.extend_from_slice(events);
        self.shared.changed.notify_all();
        Ok(())
    }
}

impl Drop for BackgroundWriter {
    fn drop(&mut self) {
        // There is no caller left for the result.
        let _ = self.join();
    }
}

fn record(mut writer: RecordingWriter, shared: &Shared) -> Ended {
    let mut batch = Vec::new();
    loop {
        let mut waiting = shared.lock();
        while waiting.events.is_empty() && !waiting.is_over {
            waiting = shared.wait(waiting);
        }
        std::mem::swap(&mut waiting.events, &mut batch);
        drop(waiting);
        shared.changed.notify_all();
        if batch.is_empty() {
            return (writer, Ok(()));
        }
        if let Err(error) = writer.write(&batch) {
            return (writer, Err(error));
        }
        batch.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{options, read_all};
    use crate::{EventFilter, Recording, Rolling};
    use tickdeck_core::event::{EventKind, Seq, SessionEvent};
    use tickdeck_core::time::UnixNanos;

    fn notes(seqs: std::ops::Range<u64>) -> Vec<Event> {
        seqs.map(|seq| Event {
            seq: Seq(seq),
            recv_ts: UnixNanos(1_767_618_000_000_000_000),
            kind: EventKind::Session(SessionEvent::Note {
                text: seq.to_string(),
            }),
        })
        .collect()
    }

    #[test]
    fn background_writes_keep_events_and_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let all = notes(0..WAITING_MAX as u64 * 2 + 77);
        let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
        let mut background = BackgroundWriter::start(writer).unwrap();
        for batch in all.chunks(1_000) {
            background.write(batch).unwrap();
        }
        let (writer, result) = background.finish();
        result.unwrap();
        let manifest = writer.unwrap().finish().unwrap();
        assert_eq!(manifest.events, all.len() as u64);
        let recording = Recording::open(&path).unwrap();
        assert!(read_all(&recording, EventFilter::default(), 4_096) == all);
    }

    #[test]
    fn an_error_comes_back_and_nothing_more_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
        let mut background = BackgroundWriter::start(writer).unwrap();
        background.write(&notes(0..10)).unwrap();
        // A gap.
        background.write(&notes(20..30)).unwrap();
        let error = loop {
            if let Err(error) = background.write(&notes(30..31)) {
                break error;
            }
            std::thread::yield_now();
        };
        assert!(matches!(error, RecordingError::SeqGap { .. }), "{error}");
        let again = background.write(&notes(31..32)).unwrap_err();
        assert!(matches!(again, RecordingError::WriterFailed { .. }));
        let (writer, result) = background.finish();
        assert_eq!(
            writer.unwrap().ticks(),
            0,
            "what was written before is known"
        );
        result.unwrap();
    }

    #[test]
    fn an_error_at_the_very_end_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let writer =
            RecordingWriter::create(&folder.path().join("rec"), options(Rolling::default()))
                .unwrap();
        let mut background = BackgroundWriter::start(writer).unwrap();
        background.write(&notes(5..6)).unwrap();
        let (writer, result) = background.finish();
        assert!(writer.is_some());
        assert!(matches!(result, Err(RecordingError::SeqGap { .. })));
    }
}
