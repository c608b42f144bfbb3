//! Records on other threads, through a journal. Neither encoding a row group nor a slow disk delays the
//! session.
//!
//! ```text
//! caller ──bounded list──> recorder thread ──journal──> sealer thread ──> segments
//! ```
//!
//! - Order is kept: one list of events, one thread for each step.
//! - Memory: at most [`QUEUE_EVENTS`] events wait (80 MB), and as many are being written. Then the
//!   caller blocks. Segments may lag behind the journal by any amount.
//! - Events are in a file after [`WRITE_EVERY`] and on the disk after
//!   [`sync_every`](BackgroundWriter::sync_every).
//! - An error is returned by one of the next calls, at the latest by
//!   [`finish`](BackgroundWriter::finish). What was accepted before it stays in the journal, as far as
//!   that can be written.
//! - A segment that cannot be written ends sealing alone: the journal continues, and can be recovered.
//! - The recorder thread looks at the folder ten times a second. It ends when the folder was moved or
//!   removed, or when the disk has less space than
//!   [`min_free_space`](RecorderOptions::min_free_space). Sealing what there is needs that space.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
use super::reader::Recording;
use super::recorder_stats::RecorderStats;
use super::recover::recover_in;
use super::sealer::{Sealer, journal_of};
use super::storage::{FolderNow, Storage};
use super::store_target::Unstored;
use super::watch::{DEFAULT_MIN_FREE_SPACE, FolderWatch};
use super::writer::RecordingWriter;

type Result<T> = std::result::Result<T, RecordingError>;

/// Events that may wait for the recorder thread: more than six seconds of 20,000 ticks/s. They take memory
/// only while they wait for a slow disk.
pub const QUEUE_EVENTS: usize = 131_072;

/// Events are in a file, safe from a crash of the process, after this time.
const WRITE_EVERY: Duration = Duration::from_millis(50);

/// Events are on the disk, safe from a crash of the machine, after this time.
pub const DEFAULT_SYNC_EVERY: Duration = Duration::from_secs(1);

/// The folder is looked at this often while events come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The same while none come.
const LOOK_EVERY_IDLE: Duration = Duration::from_secs(1);

/// How a [`BackgroundWriter`] records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderOptions {
    /// How often the journal is brought to the disk.
    pub sync_every: Duration,
    /// Recording ends when the disk has less free space than this, in bytes; 0 for no limit.
    pub min_free_space: u64,
}

impl Default for RecorderOptions {
    /// [`DEFAULT_SYNC_EVERY`] and [`DEFAULT_MIN_FREE_SPACE`].
    fn default() -> Self {
        Self {
            sync_every: DEFAULT_SYNC_EVERY,
            min_free_space: DEFAULT_MIN_FREE_SPACE,
        }
    }
}

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
    has_ended: HasEnded,
}

/// Whether a recorder takes no more events, so that its journal is complete.
#[derive(Debug, Clone, Default)]
pub(super) struct HasEnded(Arc<AtomicBool>);

impl HasEnded {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the journal of a recorder ends. A message says that it is whole and on the disk; a channel that is
/// closed without one, that it is not.
#[derive(Debug, Clone)]
pub(super) struct JournalEnd(Receiver<()>);

/// Marks the queue as failed, however the thread ends.
struct FailsOnDrop(Arc<Shared>);

impl Drop for FailsOnDrop {
    fn drop(&mut self) {
        self.0.lock().has_failed = true;
        self.0.changed.notify_all();
        self.0.has_ended.0.store(true, Ordering::Release);
    }
}

/// How a [`BackgroundWriter`] ended.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Ticks that are in segments, or in the journal if there is no manifest. None of a folder that was
    /// removed.
    pub ticks: u64,
    /// The sealed recording; the last one of a session that was recorded by trading day.
    pub manifest: Option<Manifest>,
    /// All sealed recordings of such a session, in order, with their folders. Empty otherwise.
    pub days: Vec<(PathBuf, Manifest)>,
    /// The folder of a ring with ticks that are in no recording yet. `ticks` counts them.
    pub ring: Option<PathBuf>,
    /// Finished recordings that should be in a store and are still in its spool.
    pub unstored: Vec<Unstored>,
    /// The first error that no call has returned yet.
    pub error: Option<RecordingError>,
}

/// How the recorder thread ended.
struct Journaled {
    /// The `seq` after the last event that is in a file of the journal.
    written_seq: u64,
    /// Ticks that are safe there.
    ticks: u64,
    result: Result<()>,
}

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
    stats: Arc<RecorderStats>,
    journal_end: JournalEnd,
    /// Ticks that were accepted.
    ticks: u64,
}

#[derive(Default)]
struct Ended {
    /// `None` if a thread panicked.
    writer: Option<RecordingWriter>,
    /// Whether it has all that is in the journal.
    has_all: bool,
    /// Ticks that are safe in the journal, or were.
    ticks: u64,
    /// Whether not all events are in the recording.
    has_failed: bool,
    /// Whether the disk had no room for something.
    is_full: bool,
}

impl std::fmt::Debug for BackgroundWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackgroundWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl BackgroundWriter {
    /// Moves `writer` behind a journal, with the default options.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(writer: RecordingWriter) -> std::io::Result<Self> {
        Self::start_with(writer, RecorderOptions::default())
    }

    /// The same with other options.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start_with(writer: RecordingWriter, options: RecorderOptions) -> std::io::Result<Self> {
        Self::start_after(None, writer, options, Arc::default())
    }

    /// The same with counts that continue from `stats`, for a part of a session whose part before has the
    /// journal `earlier`. Nothing is written before that journal is whole and on the disk: what a crash or
    /// a full disk leaves of the session is a prefix.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub(super) fn start_after(
        earlier: Option<JournalEnd>,
        writer: RecordingWriter,
        options: RecorderOptions,
        stats: Arc<RecorderStats>,
    ) -> std::io::Result<Self> {
        let path = writer.folder().to_owned();
        let watch = FolderWatch::of(&writer, options.min_free_space);
        let (journal, mut sealer) = journal_of(writer);
        sealer.count_in(Arc::clone(&stats));
        let shared = Arc::new(Shared::default());
        let (wake, woken) = bounded(1);
        let (written, to_seal) = unbounded();
        let sealing = thread::spawn("sealer", move || seal(sealer, &to_seal))?;
        let recorder = Recorder {
            journal,
            written,
            watch,
            stats: Arc::clone(&stats),
            sync_every: options.sync_every,
            clock: SystemClock::new(),
            announced: 0,
            counted_ticks: 0,
            unwritten_since: None,
            unsynced_since: None,
            looked_at: None,
        };
        let theirs = FailsOnDrop(Arc::clone(&shared));
        let (ends, journal_end) = bounded(1);
        let record = move || {
            let ended = match is_whole(earlier) {
                true => recorder.run(&theirs.0, &woken),
                false => recorder.refuse(&theirs.0),
            };
            if ended.result.is_ok() {
                // It has room for this message.
                let _ = ends.try_send(());
            }
            ended
        };
        let recording = thread::spawn("recorder", record)?;
        Ok(Self {
            shared,
            wake: Some(wake),
            threads: Some((recording, sealing)),
            ended: Ended::default(),
            path,
            stats,
            journal_end: JournalEnd(journal_end),
            ticks: 0,
        })
    }

    /// How its journal ends. For one that follows it.
    pub(super) fn journal_end(&self) -> JournalEnd {
        self.journal_end.clone()
    }

    /// Counts that other threads may read, also after the end.
    #[must_use]
    pub const fn stats(&self) -> &Arc<RecorderStats> {
        &self.stats
    }

    /// The folder of the recording.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.path
    }

    pub(super) fn has_ended(&self) -> HasEnded {
        self.shared.has_ended.clone()
    }

    /// Whether the recorder thread has failed: it accepts nothing more. The journal may be whole while
    /// segments cannot be written; then this is false, and [`RecorderStats::failure`] has the reason.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.lock().has_failed
    }

    /// Appends events, unless the recorder thread has failed: then false, at once. The result of
    /// [`finish`](Self::finish) has the reason.
    pub fn offer(&mut self, events: &[Event]) -> bool {
        let mut waiting = self.shared.lock();
        while waiting.events.len() >= QUEUE_EVENTS && !waiting.has_failed {
            let waited = self.shared.changed.wait(waiting);
            waiting = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.has_failed {
            return false;
        }
        self.stats.accept(events.len() as u64);
        waiting.events.extend_from_slice(events);
        drop(waiting);
        let ticks = events.iter().filter(|event| event.as_tick().is_some());
        self.ticks += ticks.count() as u64;
        if let Some(wake) = &self.wake
            && let Err(TrySendError::Disconnected(())) = wake.try_send(())
        {
            // The thread has ended, and the next call says why.
        }
        true
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
            has_all,
            ticks,
            has_failed,
            is_full,
        } = std::mem::take(&mut self.ended);
        let counted = writer.as_ref().map_or(0, RecordingWriter::sealed_seq);
        let (manifest, sealing) = writer.map_or((None, None), |mut writer| {
            let dropped = Dropped {
                overflow,
                accepted: self.ticks,
            };
            for (reason, ticks) in dropped.by_reason(ticks) {
                writer.count_dropped(reason, ticks);
            }
            let storage = Arc::clone(writer.storage());
            let finished = match (has_all, has_failed) {
                // Finishing it would remove the journal, which alone has the rest.
                (false, _) => Err(writer.abandon()),
                (true, true) => writer.finish_partly(),
                (true, false) => writer.finish(),
            };
            match finished {
                Ok(manifest) => (Some(manifest), None),
                Err(error) => sealed_or(error, is_full, storage, &self.path, dropped),
            }
        });
        // Another process may have sealed or removed something there.
        let ticks = match &sealing {
            Some(RecordingError::FolderReplaced { now, .. }) => ticks.min(ticks_in(now)),
            _ => ticks,
        };
        if let Some(manifest) = &manifest {
            self.stats.seal(manifest.events.saturating_sub(counted));
        }
        if let Some(error) = &sealing {
            self.stats.fail(error);
        }
        Recorded {
            ticks: manifest.as_ref().map_or(ticks, |manifest| manifest.ticks),
            manifest,
            days: Vec::new(),
            ring: None,
            unstored: Vec::new(),
            error: joined.err().or(sealing),
        }
    }

    /// Removes what was recorded. A recording that it should replace stays as it was.
    ///
    /// # Errors
    /// When recording failed, or something cannot be removed.
    pub fn discard(mut self) -> Result<()> {
        self.join()?;
        match self.ended.writer.take() {
            Some(writer) => writer.discard(),
            None => Ok(()),
        }
    }

    /// Joins the threads, once.
    fn join(&mut self) -> Result<()> {
        self.wake = None;
        let Some((recording, sealing)) = self.threads.take() else {
            return Ok(());
        };
        // A panic was reported with its place.
        let journaled = recording.join().unwrap_or_else(|_| Journaled {
            written_seq: u64::MAX,
            ticks: 0,
            result: Err(self.failed()),
        });
        let (writer, sealed) = match sealing.join() {
            Ok((writer, sealed)) => (Some(writer), sealed),
            Err(_) => (None, Err(self.failed())),
        };
        let has_all = |writer: &RecordingWriter| writer.next_seq() == journaled.written_seq;
        let met_full = |result: &Result<()>| result.as_ref().is_err_and(RecordingError::is_no_room);
        let is_full = met_full(&journaled.result) || met_full(&sealed);
        let result = journaled.result.and(sealed);
        self.ended = Ended {
            has_all: writer.as_ref().is_some_and(has_all),
            writer,
            ticks: journaled.ticks,
            has_failed: result.is_err(),
            is_full,
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
        if self.offer(events) {
            return Ok(());
        }
        self.join()?;
        Err(self.failed())
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
    counted_ticks: u64,
    watch: FolderWatch,
    stats: Arc<RecorderStats>,
    sync_every: Duration,
    clock: SystemClock,
    /// Since when events are in no file.
    unwritten_since: Option<MonoNanos>,
    /// Since when events are not on the disk.
    unsynced_since: Option<MonoNanos>,
    /// When the folder was last looked at.
    looked_at: Option<MonoNanos>,
}

/// Waits for the journal before this one. False if that is not whole.
fn is_whole(earlier: Option<JournalEnd>) -> bool {
    earlier.is_none_or(|JournalEnd(end)| end.recv().is_ok())
}

impl Recorder {
    /// Records nothing, because the recorder before this one has failed.
    fn refuse(self, shared: &Shared) -> Journaled {
        let error = RecordingError::WriterFailed {
            path: self.watch.folder().to_owned(),
        };
        self.stats.fail(&error);
        let mut waiting = shared.lock();
        waiting.has_failed = true;
        self.stats.append(waiting.events.len() as u64);
        waiting.events.clear();
        drop(waiting);
        shared.changed.notify_all();
        Journaled {
            written_seq: 0,
            ticks: 0,
            result: Err(error),
        }
    }

    fn run(mut self, shared: &Shared, woken: &Receiver<()>) -> Journaled {
        let mut batch = Vec::new();
        let result = loop {
            let is_over = receive(woken, self.patience()) == Received::Closed;
            std::mem::swap(&mut shared.lock().events, &mut batch);
            shared.changed.notify_all();
            let taken = self.take(&batch, is_over);
            self.stats.append(batch.len() as u64);
            if let Err(error) = taken.and_then(|()| self.look()) {
                break Err(self.watch.explain(error));
            }
            batch.clear();
            if is_over {
                break Ok(());
            }
        };
        if let Err(error) = &result {
            // First no more is accepted, then the failure is known.
            shared.lock().has_failed = true;
            self.stats.fail(error);
            self.take_last(shared);
        }
        self.announce();
        Journaled {
            written_seq: self.journal.written_seq(),
            // After a failed sync, what was only written may be gone.
            ticks: self.journal.synced_ticks(),
            result,
        }
    }

    /// How long nothing need be done.
    fn patience(&self) -> Duration {
        let now = self.clock.now();
        let left = |since: Option<MonoNanos>, every: Duration| {
            since.map_or(LOOK_EVERY_IDLE, |since| {
                since.after(every).duration_since(now)
            })
        };
        left(self.unwritten_since, WRITE_EVERY)
            .min(left(self.unsynced_since, self.sync_every))
            .min(LOOK_EVERY_IDLE)
    }

    /// Looks at the folder, if that is due.
    fn look(&mut self) -> Result<()> {
        let now = self.clock.now();
        if self.looked_at.is_none_or(|at| at.after(LOOK_EVERY) <= now) {
            self.looked_at = Some(now);
            self.stats.set_free_space(self.watch.look()?);
        }
        Ok(())
    }

    /// Takes what was accepted before an error, as far as the journal still can, and accepts no more.
    fn take_last(&mut self, shared: &Shared) {
        let mut waiting = shared.lock();
        waiting.has_failed = true;
        let last = std::mem::take(&mut waiting.events);
        drop(waiting);
        shared.changed.notify_all();
        // Both fail too if the journal is what failed.
        let _ = last.iter().try_for_each(|event| self.journal.append(event));
        let _ = self.journal.sync();
        let _ = self.journal.sync_written();
        self.stats.append(last.len() as u64);
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
            let ticks = self.journal.written_ticks();
            self.stats
                .journal(written - self.announced, ticks - self.counted_ticks);
            self.announced = written;
            self.counted_ticks = ticks;
            // The sealer ends only after this thread.
            let _ = self.written.send(written);
        }
    }
}

/// The ticks on disk of a recording whose folder is not the writer's now. As many as it had, where that
/// cannot be seen.
fn ticks_in(now: &FolderNow) -> u64 {
    match now {
        FolderNow::Removed => 0,
        FolderNow::Unknown => u64::MAX,
        FolderNow::At(folder) => {
            let recording = Recording::open(folder);
            let manifest = recording.as_ref().ok().and_then(Recording::manifest);
            manifest.map_or(0, |manifest| manifest.ticks)
        }
    }
}

/// Seals the journal file by file where a recording could not be finished because of a full disk, else
/// returns why it could not. `is_full` says whether a thread had met that disk before.
///
/// A disk that only finishing has met is an error also of a recording that is sealed so.
fn sealed_or(
    error: RecordingError,
    is_full: bool,
    storage: Arc<dyn Storage>,
    folder: &Path,
    dropped: Dropped,
) -> (Option<Manifest>, Option<RecordingError>) {
    let is_new = error.is_no_room();
    // A folder that was replaced belongs to another writer.
    let is_abandoned = matches!(error, RecordingError::WriterFailed { .. });
    if !(is_new || is_full && is_abandoned) {
        return (None, Some(error));
    }
    match seal_on_full_disk(storage, folder, dropped) {
        Ok(manifest) => (Some(manifest), Some(error).filter(|_| is_new)),
        Err(_) => (None, Some(error)),
    }
}

/// Seals the journal of a writer that a full disk has ended: file by file, so that each makes room for the
/// next one.
fn seal_on_full_disk(
    storage: Arc<dyn Storage>,
    folder: &Path,
    dropped: Dropped,
) -> Result<Manifest> {
    recover_in(Arc::clone(&storage), folder)?;
    let mut manifest = Manifest::read_in(&*storage, folder)?;
    let dropped = dropped.by_reason(manifest.ticks);
    if !dropped.is_empty() {
        for (reason, ticks) in dropped {
            manifest.ledger.received += ticks;
            *manifest.ledger.dropped.entry(reason.into()).or_insert(0) += ticks;
        }
        manifest.write(&*storage, folder)?;
    }
    Ok(manifest)
}

/// Ticks that a recording does not have.
#[derive(Debug, Clone, Copy)]
struct Dropped {
    /// Those that were lost before the recorder.
    overflow: u64,
    /// Those that it accepted.
    accepted: u64,
}

impl Dropped {
    /// By reason, where the recording has `recorded` of the accepted ticks.
    fn by_reason(self, recorded: u64) -> Vec<(&'static str, u64)> {
        let failed = self.accepted.saturating_sub(recorded);
        let mut dropped = vec![("overflow", self.overflow), ("recording_failed", failed)];
        dropped.retain(|(_, ticks)| *ticks > 0);
        dropped
    }
}

/// The sealer thread. After an error the journal keeps the rest. Whether that can be read now is tried once
/// more at the end.
fn seal(mut sealer: Sealer, written: &Receiver<u64>) -> Followed {
    let mut result = Ok(());
    let mut last = 0;
    while let Ok(mut seq) = written.recv() {
        while let Ok(later) = written.try_recv() {
            seq = later;
        }
        last = seq;
        if result.is_ok() {
            result = sealer.follow(seq);
            if let Err(error) = &result {
                sealer.stats().fail(error);
            }
        }
    }
    if result.is_err() && sealer.follow_again(last).is_ok() {
        result = Ok(());
    }
    (sealer.into_writer(), result)
}
