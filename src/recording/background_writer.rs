//! Records on other threads, through a journal. Neither encoding a row group nor a slow disk delays the
//! session.
//!
//! ```text
//! caller ──bounded list──> recorder thread ──journal──> sealer thread ──> segments
//! ```
//!
//! - Order is kept: one list of events, one thread for each step.
//! - Memory: at most [`WAITING_MAX`] events wait (40 MB), and as many are being written. Then the
//!   caller blocks. Segments may lag behind the journal by any amount.
//! - Events are in a file after [`WRITE_EVERY`] and on the disk after
//!   [`sync_every`](BackgroundWriter::sync_every).
//! - An error is returned by one of the next calls, at the latest by
//!   [`finish`](BackgroundWriter::finish). What was written before it stays in the journal.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use tickdeck_core::clock::{Clock, MonoNanos, SystemClock};
use tickdeck_core::event::Event;
use tickdeck_core::thread;
use tickdeck_core::wait::{Received, receive};

use super::error::RecordingError;
use super::event_writer::EventWriter;
use super::journal::JournalWriter;
use super::manifest::Manifest;
use super::sealer::{Sealer, journal_of};
use super::writer::RecordingWriter;

type Result<T> = std::result::Result<T, RecordingError>;

/// Events that may wait for the recorder thread: more than three seconds of 20,000 ticks/s.
const WAITING_MAX: usize = 65_536;

/// Events are in a file, safe from a crash of the process, after this time.
const WRITE_EVERY: Duration = Duration::from_millis(50);

/// Events are on the disk, safe from a crash of the machine, after this time.
pub const DEFAULT_SYNC_EVERY: Duration = Duration::from_secs(1);

/// Events queued for the recorder thread.
#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    /// Nothing more is accepted.
    has_failed: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is room again, or nothing more is accepted.
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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

/// How a [`BackgroundWriter`] ended.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Ticks that are in segments, or in the journal if sealing failed.
    pub ticks: u64,
    /// The sealed recording; the last one of a session that was recorded by trading day.
    pub manifest: Option<Manifest>,
    /// All sealed recordings of such a session, in order, with their folders. Empty otherwise.
    pub days: Vec<(PathBuf, Manifest)>,
    /// The first error that no call has returned yet.
    pub error: Option<RecordingError>,
}

/// How the recorder thread ended: the ticks in the journal.
type Journaled = (u64, Result<()>);
/// How the sealer thread ended.
type Followed = (RecordingWriter, Result<()>);

/// A [`RecordingWriter`] behind a journal, on its own threads.
pub struct BackgroundWriter {
    shared: Arc<Shared>,
    /// Wakes the recorder thread; `None` at the end.
    wake: Option<Sender<()>>,
    /// `None` after they were joined.
    threads: Option<(JoinHandle<Journaled>, JoinHandle<Followed>)>,
    /// What they returned.
    ended: Ended,
    path: PathBuf,
}

#[derive(Default)]
struct Ended {
    /// `None` if a thread panicked.
    writer: Option<RecordingWriter>,
    ticks: u64,
    /// Whether not all events are in the recording.
    has_failed: bool,
}

impl std::fmt::Debug for BackgroundWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackgroundWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl BackgroundWriter {
    /// Moves `writer` behind a journal that is synced every [`DEFAULT_SYNC_EVERY`].
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(writer: RecordingWriter) -> std::io::Result<Self> {
        Self::start_syncing(writer, DEFAULT_SYNC_EVERY)
    }

    /// The same with another interval.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start_syncing(writer: RecordingWriter, sync_every: Duration) -> std::io::Result<Self> {
        let path = writer.folder().to_owned();
        let (journal, sealer) = journal_of(writer);
        let shared = Arc::new(Shared::default());
        let (wake, woken) = bounded(1);
        let (written, to_seal) = unbounded();
        let sealing = thread::spawn("sealer", move || seal(sealer, &to_seal))?;
        let recorder = Recorder {
            journal,
            written,
            sync_every,
            clock: SystemClock::new(),
            announced: 0,
            unwritten_since: None,
            unsynced_since: None,
        };
        let theirs = FailsOnDrop(Arc::clone(&shared));
        let recording = thread::spawn("recorder", move || recorder.run(&theirs.0, &woken))?;
        Ok(Self {
            shared,
            wake: Some(wake),
            threads: Some((recording, sealing)),
            ended: Ended::default(),
            path,
        })
    }

    /// Waits until everything is in segments, and finishes the recording. `overflow` are the ticks that
    /// were lost before they could be recorded.
    ///
    /// After an error the recording is finished as far as it is whole. If that fails too, the journal
    /// stays and can be recovered.
    #[must_use]
    pub fn finish(mut self, overflow: u64) -> Recorded {
        let joined = self.join();
        let Ended {
            writer,
            ticks,
            has_failed,
        } = std::mem::take(&mut self.ended);
        let finished = writer.map(|mut writer| {
            if overflow > 0 {
                writer.count_dropped("overflow", overflow);
            }
            match has_failed {
                true => writer.finish_partly(),
                false => writer.finish(),
            }
        });
        let (manifest, sealing) = match finished.transpose() {
            Ok(manifest) => (manifest, None),
            Err(error) => (None, Some(error)),
        };
        Recorded {
            ticks,
            manifest,
            days: Vec::new(),
            error: joined.err().or(sealing),
        }
    }

    /// Joins the threads, once.
    fn join(&mut self) -> Result<()> {
        self.wake = None;
        let Some((recording, sealing)) = self.threads.take() else {
            return Ok(());
        };
        // A panic was reported with its place.
        let (ticks, journaled) = recording.join().unwrap_or_else(|_| (0, Err(self.failed())));
        let (writer, sealed) = match sealing.join() {
            Ok((writer, sealed)) => (Some(writer), sealed),
            Err(_) => (None, Err(self.failed())),
        };
        let result = journaled.and(sealed);
        self.ended = Ended {
            writer,
            ticks,
            has_failed: result.is_err(),
        };
        result
    }

    fn failed(&self) -> RecordingError {
        RecordingError::WriterFailed {
            path: self.path.clone(),
        }
    }
}

impl EventWriter for BackgroundWriter {
    fn write(&mut self, events: &[Event]) -> Result<()> {
        let mut waiting = self.shared.lock();
        while waiting.events.len() >= WAITING_MAX && !waiting.has_failed {
            let waited = self.shared.changed.wait(waiting);
            waiting = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.has_failed {
            drop(waiting);
            self.join()?;
            return Err(self.failed());
        }
        waiting.events.extend_from_slice(events);
        drop(waiting);
        if let Some(wake) = &self.wake
            && let Err(TrySendError::Disconnected(())) = wake.try_send(())
        {
            // The thread has ended, and the next call says why.
        }
        Ok(())
    }
}

impl Drop for BackgroundWriter {
    fn drop(&mut self) {
        // There is no caller left for the result.
        let _ = self.join();
    }
}

/// The recorder thread: appends to the journal, writes and syncs it in time.
struct Recorder {
    journal: JournalWriter,
    /// Says up to which `seq` the journal is written.
    written: Sender<u64>,
    announced: u64,
    sync_every: Duration,
    clock: SystemClock,
    /// Since when events are in no file.
    unwritten_since: Option<MonoNanos>,
    /// Since when events are not on the disk.
    unsynced_since: Option<MonoNanos>,
}

impl Recorder {
    fn run(mut self, shared: &Shared, woken: &Receiver<()>) -> Journaled {
        let mut batch = Vec::new();
        let result = loop {
            let is_over = receive(woken, self.patience()) == Received::Closed;
            std::mem::swap(&mut shared.lock().events, &mut batch);
            shared.changed.notify_all();
            if let Err(error) = self.take(&batch, is_over) {
                break Err(error);
            }
            batch.clear();
            if is_over {
                break Ok(());
            }
        };
        if result.is_err() {
            // What was accepted before it. Fails too if the journal is what failed.
            let _ = self.journal.sync();
        }
        self.announce();
        (self.journal.written_ticks(), result)
    }

    /// How long nothing need be done.
    fn patience(&self) -> Duration {
        const IDLE: Duration = Duration::from_secs(3600);
        let now = self.clock.now();
        let left = |since: Option<MonoNanos>, every: Duration| {
            since.map_or(IDLE, |since| since.after(every).duration_since(now))
        };
        left(self.unwritten_since, WRITE_EVERY).min(left(self.unsynced_since, self.sync_every))
    }

    fn take(&mut self, events: &[Event], is_over: bool) -> Result<()> {
        let now = self.clock.now();
        for event in events {
            self.journal.append(event)?;
        }
        if !events.is_empty() {
            self.unwritten_since.get_or_insert(now);
            self.unsynced_since.get_or_insert(now);
        }
        let is_due = |since: Option<MonoNanos>, every| {
            since.is_some_and(|since| is_over || since.after(every) <= now)
        };
        if is_due(self.unsynced_since, self.sync_every) {
            self.journal.sync()?;
            self.unsynced_since = None;
        } else if is_due(self.unwritten_since, WRITE_EVERY) {
            self.journal.write()?;
        }
        if !self.journal.has_unwritten() {
            self.unwritten_since = None;
        }
        self.announce();
        Ok(())
    }

    fn announce(&mut self) {
        let written = self.journal.written_seq();
        if written > self.announced {
            self.announced = written;
            // The sealer ends only after this thread.
            let _ = self.written.send(written);
        }
    }
}

/// The sealer thread. After an error the journal keeps the rest.
fn seal(mut sealer: Sealer, written: &Receiver<u64>) -> Followed {
    let mut result = Ok(());
    while let Ok(mut seq) = written.recv() {
        while let Ok(later) = written.try_recv() {
            seq = later;
        }
        if result.is_ok() {
            result = sealer.follow(seq);
        }
    }
    (sealer.into_writer(), result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{options, read_all};
    use crate::{EventFilter, Recording, Rolling, Status};
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
        let recorded = background.finish(3);
        assert!(recorded.error.is_none());
        let manifest = recorded.manifest.unwrap();
        assert_eq!(manifest.events, all.len() as u64);
        assert_eq!(manifest.ledger.dropped["overflow"], 3);
        let recording = Recording::open(&path).unwrap();
        assert!(read_all(&recording, EventFilter::default(), 4_096) == all);
        let mut names = crate::storage::local().list(&path).unwrap();
        names.retain(|name| !name.starts_with("part-"));
        assert_eq!(names, ["contracts.parquet", "manifest.json"]);
    }

    #[test]
    fn a_sealed_segment_releases_its_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let rolling = Rolling {
            max_rows: 100,
            row_group_rows: 50,
            ..Rolling::default()
        };
        let writer = RecordingWriter::create(&path, options(rolling)).unwrap();
        let mut background = BackgroundWriter::start(writer).unwrap();
        background.write(&notes(0..260)).unwrap();
        let is_released = || {
            let recording = Recording::open(&path).unwrap();
            recording.segments().len() == 2 && recording.journal_events() == 60
        };
        assert!((0..500).any(|_| {
            tickdeck_core::wait::nap(Duration::from_millis(10));
            is_released()
        }));
        assert!(!path.join("journal-00003.tdj").exists());
        drop(background);
        let recording = Recording::open(&path).unwrap();
        assert!(recording.is_abandoned());
        assert!(read_all(&recording, EventFilter::default(), 9) == notes(0..260));
    }

    #[test]
    fn events_are_on_disk_soon_without_more_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
        let mut background = BackgroundWriter::start(writer).unwrap();
        background.write(&notes(0..10)).unwrap();
        let seen = || Recording::open(&path).unwrap().journal_events() == 10;
        assert!((0..500).any(|_| {
            tickdeck_core::wait::nap(Duration::from_millis(10));
            seen()
        }));
        let recording = Recording::open(&path).unwrap();
        assert!(recording.is_being_written());
        assert!(read_all(&recording, EventFilter::default(), 3) == notes(0..10));
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
        let recorded = background.finish(0);
        assert!(recorded.error.is_none(), "it was returned before");
        let manifest = recorded.manifest.unwrap();
        assert_eq!((manifest.events, manifest.status), (10, Status::Recovered));
        let recording = Recording::open(&path).unwrap();
        assert!(read_all(&recording, EventFilter::default(), 4_096) == notes(0..10));
    }

    #[test]
    fn an_error_at_the_very_end_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let writer =
            RecordingWriter::create(&folder.path().join("rec"), options(Rolling::default()))
                .unwrap();
        let mut background = BackgroundWriter::start(writer).unwrap();
        background.write(&notes(5..6)).unwrap();
        let recorded = background.finish(0);
        assert!(matches!(
            recorded.error,
            Some(RecordingError::SeqGap { .. })
        ));
    }
}
