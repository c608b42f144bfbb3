//! The thread that brings the recordings of a spool to their store. Nothing waits for it: what the store
//! does not take stays in the spool.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tickdeck_core::thread;
use tickdeck_core::wait::{Received, receive};

use super::error::RecordingError;
use super::owner::is_in_use;
use super::recorder_stats::RecorderStats;
use super::storage::Location;
use super::store_target::{
    OnStore, START_WAIT, StoreNotice, StoreTarget, Unstored, can_list, is_final, is_refusal,
    not_stored, recordings_in,
};
use super::store_writer::StoreWriter;

type Result<T> = std::result::Result<T, RecordingError>;

/// Looks for sealed segments this often.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Pauses after an error, the longest one last. The client has repeated its requests before.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];
/// Why nothing more is stored. Taken once.
type Failure = Arc<Mutex<Option<RecordingError>>>;

/// The thread, and what is known of it.
#[derive(Debug)]
pub(super) struct Uploader {
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Upload>>,
    failure: Failure,
    has_failed: Arc<AtomicBool>,
}

impl Uploader {
    /// Starts the thread for the recordings of `spool`, and waits for a moment whether the store takes the
    /// first one.
    ///
    /// # Errors
    /// When the place has another recording, the store cannot be used, or the system starts no thread.
    pub(super) fn start(
        target: StoreTarget,
        spool: &Path,
        stats: &Arc<RecorderStats>,
        on_store: OnStore,
    ) -> Result<Self> {
        let (stop, stopped) = bounded(0);
        let (first, begun) = bounded(1);
        let failure = Failure::default();
        let has_failed = Arc::default();
        let upload = Upload {
            target,
            spool: spool.to_owned(),
            writers: Vec::new(),
            refused: BTreeSet::new(),
            stats: Arc::clone(stats),
            failure: Arc::clone(&failure),
            has_failed: Arc::clone(&has_failed),
            on_store,
        };
        let run = move || upload.run(&stopped, &first);
        let thread = thread::spawn("uploader", run)
            .map_err(RecordingError::io(spool, "starting a thread for"))?;
        let uploader = Self {
            stop: Some(stop),
            thread: Some(thread),
            failure,
            has_failed,
        };
        match receive(&begun, START_WAIT) {
            Received::Message(Ok(())) => Ok(uploader),
            Received::Message(Err(error)) => Err(error),
            Received::Timeout | Received::Closed => {
                on_store(spool, &StoreNotice::Slow);
                Ok(uploader)
            }
        }
    }

    /// Whether nothing more is stored, and no try will be made.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Why. Once.
    pub(super) fn take_failure(&self) -> Option<RecordingError> {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the thread. What it has begun is ended first.
    pub(super) fn end(mut self) -> Option<Upload> {
        self.stop = None;
        // A panic was reported with its place.
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

/// Refuses the start with the first error, if that still waits. Otherwise returns the error.
fn unless_awaited(
    first: &Sender<Result<()>>,
    error: RecordingError,
    is_first: bool,
) -> Option<RecordingError> {
    if !is_first || !is_refusal(&error) {
        return Some(error);
    }
    match first.try_send(Err(error)) {
        Err(TrySendError::Disconnected(Err(error)) | TrySendError::Full(Err(error))) => Some(error),
        _ => None,
    }
}

/// What the thread works on.
#[derive(Debug)]
pub(super) struct Upload {
    target: StoreTarget,
    spool: PathBuf,
    writers: Vec<StoreWriter>,
    /// Ended recordings that the store does not take. They are tried once more at the end.
    refused: BTreeSet<PathBuf>,
    stats: Arc<RecorderStats>,
    failure: Failure,
    has_failed: Arc<AtomicBool>,
    on_store: OnStore,
}

impl Upload {
    fn run(mut self, stopped: &Receiver<()>, first: &Sender<Result<()>>) -> Self {
        let mut stored = None;
        let mut failures = 0;
        let mut pause = LOOK_EVERY;
        loop {
            let sealed = self.stats.sealed();
            if stored != Some(sealed) || failures > 0 {
                match self.follow() {
                    Ok(()) => {
                        if failures > 0 {
                            self.tell(&StoreNotice::Reached { failures });
                        }
                        stored = Some(sealed);
                        (failures, pause) = (0, LOOK_EVERY);
                        // The start waits for the first one only.
                        let _ = first.try_send(Ok(()));
                    }
                    Err(error) => {
                        let is_first = stored.is_none() && failures == 0;
                        let Some(error) = unless_awaited(first, error, is_first) else {
                            return self;
                        };
                        if is_final(&error) {
                            self.fail(error);
                            return self;
                        }
                        pause = *PAUSES.get(failures).unwrap_or(&PAUSES[2]);
                        failures += 1;
                        let error = &error;
                        self.tell(&StoreNotice::Unreachable { failures, error });
                    }
                }
            }
            if receive(stopped, pause) == Received::Closed {
                return self;
            }
        }
    }

    fn tell(&self, notice: &StoreNotice<'_>) {
        (self.on_store)(&self.spool, notice);
    }

    fn fail(&self, error: RecordingError) {
        let error = not_stored(&self.spool, error);
        self.stats.fail(&error);
        self.tell(&StoreNotice::Refused(&error));
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        *failure = Some(error);
        drop(failure);
        self.has_failed.store(true, Ordering::Release);
    }

    /// Stores what is sealed of each recording in the spool.
    fn follow(&mut self) -> Result<()> {
        self.look()?;
        if self.writers.is_empty() {
            return can_list(&Location::of(&self.target.url)?);
        }
        let mut failure = None;
        for writer in &mut self.writers {
            if self.refused.contains(writer.spool()) {
                continue;
            }
            let Err(error) = writer.follow() else {
                continue;
            };
            // What an earlier session left must not end this one.
            let is_ended = self.target.is_root && !is_in_use(writer.spool());
            if is_ended && is_refusal(&error) {
                (self.on_store)(writer.spool(), &StoreNotice::Refused(&error));
                self.refused.insert(writer.spool().to_owned());
            } else {
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Adds recordings that began since the last time.
    fn look(&mut self) -> Result<()> {
        for folder in recordings_in(&self.spool, self.target.is_root)? {
            let is_known = |writer: &StoreWriter| writer.spool() == folder;
            if !self.writers.iter().any(is_known) {
                let target = self.target.of(&self.spool, &folder)?;
                let force = self.target.force;
                self.writers.push(StoreWriter::new(&folder, target, force));
            }
        }
        Ok(())
    }

    /// Stores the rest of recordings that are finished, and removes their spool. Returns those that
    /// stay there.
    pub(super) fn finish(mut self) -> (Vec<Unstored>, Option<RecordingError>) {
        let mut unstored = Vec::new();
        let mut failure = None;
        if let Err(error) = self.look() {
            unstored.push(self.target.unstored(&self.spool, &self.spool, &error));
        }
        for mut writer in std::mem::take(&mut self.writers) {
            let Err(error) = writer.finish() else {
                continue;
            };
            let folder = writer.spool().to_owned();
            unstored.push(self.target.unstored(&self.spool, &folder, &error));
            if is_final(&error) {
                failure.get_or_insert_with(|| not_stored(&folder, error));
            }
        }
        (unstored, failure)
    }

    /// The place of a recording in the spool.
    pub(super) fn place_of(&self, folder: &Path) -> PathBuf {
        let place = self.target.of(&self.spool, folder);
        place.map_or_else(|_| self.target.url.clone(), |it| it.path)
    }
}
