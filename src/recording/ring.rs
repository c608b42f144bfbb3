//! A black box: only the last minutes are on disk, until a trigger asks to keep them.
//!
//! ```text
//! ROOT/.ring-ID/slot-00007/    the last minutes, in slots; each is an ordinary recording
//! ROOT/trading_day=2026-01-05/session=ID/    what a trigger kept
//! ```
//!
//! A slot ends after an eighth of the span, and goes when the span has passed it. A trigger fixes a range
//! from that long before it to so long after it. When the range has passed, its events are copied into a
//! recording, which is verified and then moved into the catalogue. A trigger within the range of another
//! one extends it.
//!
//! All times are receive times of events, so the same events are kept on every machine. While no event
//! comes, the clock continues that time, so that a range ends in a quiet market too.
//! [`salvage_ring`](super::ring_salvage::salvage_ring) keeps what a killed process left in its slots.

use std::collections::VecDeque;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use chrono::NaiveDate;
use crossbeam_channel::bounded;
use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::{Clock, MonoNanos};
use tickdeck_core::event::{Event, EventKind, SessionEvent};
use tickdeck_core::thread;
use tickdeck_core::time::UnixNanos;

use super::background_writer::{BackgroundWriter, JournalEnd, Recorded, RecorderOptions};
use super::catalog::SessionId;
use super::error::RecordingError;
use super::event_writer::EventWriter;
use super::filter::EventFilter;
use super::manifest::Manifest;
use super::names::MERGED_FILE;
use super::numbering::{Numbering, unbroken};
use super::owner::Owner;
use super::place::create_synced;
use super::read_back::ReadBack;
use super::recorder_stats::RecorderStats;
use super::ring_copy::{Keep, is_copy};
use super::ring_slot::{Remover, SLOT, Slot, clear, release, slot_name, stay};
use super::storage::{Storage, local};
use super::writer::{RecordingOptions, RecordingWriter};

type Result<T> = std::result::Result<T, RecordingError>;

/// Called for each recording that was made of a ring, or could not be: with its folder and the result.
type WhenKept = Arc<dyn Fn(&Path, &Result<Manifest>) + Send + Sync>;

/// What the name of a ring's folder begins with.
pub(super) const RING: &str = ".ring-";

/// Slots of a span.
const SLOTS: i64 = 8;

/// Why a request is refused at the end.
const SESSION_ENDED: &str = "the session of the ring has ended";

/// How long after its end a range ends by the clock. An event of the range may still be on its way.
const CLOCK_MARGIN: i64 = 1_000_000_000;

/// How much is kept around a trigger, in nanoseconds of receive time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingSpan {
    /// Before it, and at all times on disk.
    pub before: i64,
    /// After it.
    pub after: i64,
}

/// A ring: how much it keeps, and what asks it to.
#[derive(Debug, Clone)]
pub struct Ring {
    /// How much.
    pub span: RingSpan,
    /// What asks, from any thread.
    pub trigger: RingTrigger,
}

/// Asks a [`RingRecorder`] to keep what it has. Any thread may have one.
#[derive(Debug, Clone, Default)]
pub struct RingTrigger {
    requests: Arc<Mutex<Requests>>,
}

#[derive(Debug, Default)]
struct Requests {
    reasons: Vec<String>,
    /// Why no more are taken.
    closed: Option<String>,
}

/// What becomes of a request to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// The ring keeps what is around the newest event.
    Noted,
    /// Too many other requests wait. They keep the same events, and only the reason is not noted.
    NotNoted,
    /// Nothing is kept: the ring has failed, or its session has ended. With the reason.
    Refused(String),
}

impl RingTrigger {
    /// Requests that wait at most.
    const MOST: usize = 64;

    /// Keeps what is around the newest event, and says why.
    pub fn keep(&self, reason: &str) -> Requested {
        let mut requests = self.requests();
        if let Some(closed) = &requests.closed {
            return Requested::Refused(closed.clone());
        }
        let reasons = &mut requests.reasons;
        if reasons.iter().any(|waiting| waiting == reason) {
            return Requested::Noted;
        }
        if reasons.len() >= Self::MOST {
            return Requested::NotNoted;
        }
        reasons.push(reason.to_owned());
        Requested::Noted
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<String> {
        mem::take(&mut self.requests().reasons)
    }

    /// Refuses all requests from now on. The first reason stays.
    fn close(&self, reason: &str) {
        let closed = &mut self.requests().closed;
        closed.get_or_insert_with(|| reason.to_owned());
    }
}

/// The slot that is being written.
struct Open {
    folder: PathBuf,
    first: UnixNanos,
    last: UnixNanos,
    recorder: BackgroundWriter,
    numbering: Numbering,
}

/// The newest event.
#[derive(Debug, Clone, Copy)]
struct Newest {
    at: UnixNanos,
    /// When it came, by the clock.
    seen_at: MonoNanos,
}

/// A range that will be kept.
#[derive(Debug)]
struct Range {
    from: UnixNanos,
    until: UnixNanos,
    reasons: Vec<String>,
}

/// A recording of a range that is being made.
struct Keeping {
    /// Where it is meant to be.
    folder: PathBuf,
    thread: JoinHandle<Kept>,
}

/// A recording of a range that was made, or could not be.
struct Kept {
    folder: PathBuf,
    made: Result<Manifest>,
}

/// Records a session into a ring. Nothing but what a trigger asked for is left at its end.
pub struct RingRecorder {
    root: PathBuf,
    folder: PathBuf,
    /// Keeps other sessions from salvaging the folder. `None` once it is removed.
    owner: Option<Owner>,
    session: SessionId,
    options: RecordingOptions,
    span: RingSpan,
    recorder: RecorderOptions,
    stats: Arc<RecorderStats>,
    recordings: ReadBack,
    when_kept: WhenKept,
    trigger: RingTrigger,
    clock: Arc<dyn Clock>,
    slots: VecDeque<Arc<Slot>>,
    /// Slots begun.
    begun: u64,
    open: Option<Open>,
    /// That of the newest slot: the next one follows it.
    journal_end: Option<JournalEnd>,
    batch: Vec<Event>,
    newest: Option<Newest>,
    range: Option<Range>,
    keeping: Vec<Keeping>,
    /// Has the slots that are on their way out.
    remover: Option<Remover>,
    /// Ids that were used.
    parts: Arc<AtomicU64>,
    next_seq: u64,
    has_failed: bool,
    /// The first error that no caller has seen.
    failure: Option<RecordingError>,
}

impl std::fmt::Debug for RingRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingRecorder")
            .field("folder", &self.folder)
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

impl RingRecorder {
    /// A ring under `root`, the root of a catalogue, for the session of this id. `when_kept` is called
    /// for each recording that is made, on the thread that makes it.
    ///
    /// # Errors
    /// When the folder of the ring cannot be created, or another session has it.
    pub fn create(
        root: &Path,
        session: SessionId,
        options: RecordingOptions,
        recorder: RecorderOptions,
        ring: Ring,
        clock: Arc<dyn Clock>,
        when_kept: impl Fn(&Path, &Result<Manifest>) + Send + Sync + 'static,
    ) -> Result<Self> {
        let (folder, owner) = begin_ring(&*local(), root, &session)?;
        Ok(Self {
            root: root.to_owned(),
            folder,
            owner: Some(owner),
            session,
            options: RecordingOptions {
                keep_partial: true,
                overwrite: false,
                ..options
            },
            span: ring.span,
            recorder,
            stats: Arc::default(),
            recordings: ReadBack::default(),
            when_kept: Arc::new(when_kept),
            trigger: ring.trigger,
            clock,
            slots: VecDeque::new(),
            begun: 0,
            open: None,
            journal_end: None,
            batch: Vec::new(),
            newest: None,
            range: None,
            keeping: Vec::new(),
            remover: None,
            parts: Arc::default(),
            next_seq: 0,
            has_failed: false,
            failure: None,
        })
    }

    /// Appends events, unless that fails or has failed: then false. The result of
    /// [`finish`](Self::finish) has the reason.
    pub(super) fn offer(&mut self, events: &[Event]) -> bool {
        let written = self.write(events);
        self.stats.accepts(written, &mut self.failure)
    }

    /// Takes what was asked for, and ends a range that is over by the clock. False as for `offer`.
    pub(super) fn idle(&mut self) -> bool {
        if self.has_failed() {
            self.refuse_requests(None);
            return false;
        }
        self.take_triggers();
        let ended = self.end_range_by_clock();
        let ended = self.noted(ended);
        self.stats.accepts(ended, &mut self.failure)
    }

    /// Takes nothing more after an error.
    fn noted(&mut self, result: Result<()>) -> Result<()> {
        if let Err(error) = &result {
            self.has_failed = true;
            self.refuse_requests(Some(error));
        }
        result
    }

    /// Refuses requests after a failure. What was noted before is still kept, or reported.
    fn refuse_requests(&self, error: Option<&RecordingError>) {
        let first = self.stats.failure().map(str::to_owned);
        let reason = first.or_else(|| error.map(|error| with_causes(error)));
        let reason = reason.unwrap_or_else(|| "its recorder has ended".into());
        self.trigger
            .close(&format!("the ring has failed: {reason}"));
    }

    /// Whether nothing more is accepted.
    pub(super) fn has_failed(&self) -> bool {
        let open = self.open.as_ref();
        self.has_failed || open.is_some_and(|open| open.recorder.has_failed())
    }

    /// Counts of all slots. Other threads may read them, also after the end.
    pub(super) const fn stats(&self) -> &Arc<RecorderStats> {
        &self.stats
    }

    /// Where the events are while they are on disk.
    pub(super) const fn recordings(&self) -> &ReadBack {
        &self.recordings
    }

    /// The folder of the ring.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What asks it to keep.
    #[must_use]
    pub const fn trigger(&self) -> &RingTrigger {
        &self.trigger
    }

    /// Keeps what was asked for, and removes the rest. `overflow` are the ticks that were lost before
    /// the recorder; no recording has them.
    #[must_use]
    pub fn finish(mut self, _overflow: u64) -> Recorded {
        let mut all = Recorded::default();
        if self.has_failed() {
            self.refuse_requests(None);
        }
        self.trigger.close(SESSION_ENDED);
        self.take_triggers();
        let ended = match self.range.take() {
            Some(range) => self.end_range(range),
            None => self.end_slot(),
        };
        all.error = self.failure.take().or(ended.err());
        for Keeping { folder, thread } in mem::take(&mut self.keeping) {
            let kept = thread.join().unwrap_or_else(|_| {
                let path = folder.clone();
                Kept {
                    folder,
                    made: Err(RecordingError::WriterFailed { path }),
                }
            });
            let Kept { folder, made } = kept;
            match made {
                Ok(made) => {
                    all.ticks += made.ticks;
                    all.manifest = Some(made.clone());
                    all.days.push((folder, made));
                }
                Err(error) => {
                    all.error = RecordingError::first_cause(all.error.take(), Some(error));
                }
            }
        }
        for slot in &self.slots {
            all.error = RecordingError::first_cause(all.error.take(), slot.sealed().err());
        }
        if self.has_failed || all.error.is_some() {
            self.leave(&mut all);
        }
        let mut removed = self.remover.take().map_or(Ok(()), Remover::finish);
        for slot in mem::take(&mut self.slots) {
            removed = removed.and(release(slot));
        }
        all.error = all.error.take().or(removed.err());
        drop(self.owner.take());
        // With slots that stay it is not empty.
        let _ = local().remove_folder(&self.folder);
        all
    }

    /// Leaves the slots on disk, and counts what no recording has.
    fn leave(&self, all: &mut Recorded) {
        for slot in &self.slots {
            stay(slot);
            if !slot.is_copied.load(Ordering::Relaxed) {
                all.ticks += slot.ticks.load(Ordering::Relaxed);
            }
        }
        all.ring = (!self.slots.is_empty()).then(|| self.folder.clone());
    }

    fn write_events(&mut self, events: &[Event]) -> Result<()> {
        self.take_triggers();
        let seen_at = self.clock.now();
        let count = unbroken(self.next_seq, events);
        for event in &events[..count] {
            self.next_seq = event.seq.0 + 1;
            let at = event.recv_ts;
            if let Some(range) = self.range.take_if(|range| at > range.until) {
                self.end_range(range)?;
            }
            let is_over = |open: &Open| at.since(open.first) >= (self.span.before / SLOTS).max(1);
            if self.open.as_ref().is_some_and(is_over) {
                self.end_slot()?;
            }
            self.push(event)?;
            if self.newest.is_none_or(|newest| newest.at < at) {
                self.newest = Some(Newest { at, seen_at });
            }
            if let Some(reason) = fault(event) {
                self.extend_range(at, reason.to_owned());
            }
        }
        self.flush()?;
        self.release()?;
        match events.get(count) {
            None => Ok(()),
            Some(gap) => Err(RecordingError::SeqGap {
                path: self.folder.clone(),
                expected: self.next_seq,
                found: gap.seq.0,
            }),
        }
    }

    /// Puts an event into the open slot.
    fn push(&mut self, event: &Event) -> Result<()> {
        let at = event.recv_ts;
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin_slot(event)?,
        };
        let open = self.open.insert(open);
        open.first = open.first.min(at);
        open.last = open.last.max(at);
        self.batch.push(event.clone());
        Ok(())
    }

    /// Begins the slot of this event and those after it.
    fn begin_slot(&mut self, event: &Event) -> Result<Open> {
        let folder = self.folder.join(slot_name(self.begun));
        self.begun += 1;
        let writer = RecordingWriter::create(&folder, self.options.clone())?;
        let earlier = self.journal_end.take();
        let started =
            BackgroundWriter::start_after(earlier, writer, self.recorder, Arc::clone(&self.stats));
        let recorder = started.map_err(RecordingError::io(&folder, "starting a thread for"))?;
        self.recordings.add(event.seq.0, &recorder);
        self.journal_end = Some(recorder.journal_end());
        Ok(Open {
            recorder,
            folder,
            first: event.recv_ts,
            last: event.recv_ts,
            numbering: Numbering::default(),
        })
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(open) = &mut self.open {
            open.numbering.renumber(&mut self.batch);
            open.recorder.write(&self.batch)?;
        }
        self.batch.clear();
        Ok(())
    }

    /// Seals the open slot on a separate thread.
    fn end_slot(&mut self) -> Result<()> {
        let flushed = self.flush();
        if let Some(open) = self.open.take() {
            let (folder, recorder) = (open.folder, open.recorder);
            let sealing = thread::spawn("ring-sealer", move || recorder.finish(0));
            let sealing = sealing.map_err(RecordingError::io(&folder, "starting a thread for"))?;
            self.slots.push_back(Arc::new(Slot {
                folder,
                first: open.first,
                last: open.last,
                sealing: Mutex::new(Some(sealing)),
                ticks: AtomicU64::new(0),
                stays: AtomicBool::new(false),
                is_copied: AtomicBool::new(false),
                copies: Mutex::default(),
            }));
        }
        flushed
    }

    fn take_triggers(&mut self) {
        let reasons = self.trigger.take();
        if let Some(Newest { at, .. }) = self.newest {
            reasons
                .into_iter()
                .for_each(|reason| self.extend_range(at, reason));
        } else {
            // Nothing has come yet, so the first events are what is asked for.
            for reason in &reasons {
                self.trigger.keep(reason);
            }
        }
    }

    /// Ends a range when its time has passed and no event came that ends it. The newest event and the
    /// time since it came say what a receive time would be now.
    fn end_range_by_clock(&mut self) -> Result<()> {
        let Some(Newest { at, seen_at }) = self.newest else {
            return Ok(());
        };
        let passed = self.clock.now().since(seen_at).saturating_sub(CLOCK_MARGIN);
        let now = UnixNanos(at.0.saturating_add(passed));
        match self.range.take_if(|range| now > range.until) {
            Some(range) => {
                self.end_range(range)?;
                self.release()
            }
            None => Ok(()),
        }
    }

    /// Overlapping ranges are one.
    fn extend_range(&mut self, at: UnixNanos, reason: String) {
        let until = UnixNanos(at.0.saturating_add(self.span.after));
        let range = self.range.get_or_insert_with(|| Range {
            from: UnixNanos(at.0.saturating_sub(self.span.before)),
            until,
            reasons: Vec::new(),
        });
        range.until = range.until.max(until);
        if !range.reasons.contains(&reason) {
            range.reasons.push(reason);
        }
    }

    /// Keeps a range whose events are all there. If that cannot even begin, it is reported like a copy that
    /// failed.
    fn end_range(&mut self, range: Range) -> Result<()> {
        let ended = self.end_slot().and_then(|()| self.keep(range));
        ended.or_else(|error| {
            let failed = Err(error);
            (self.when_kept)(&self.folder, &failed);
            failed.map(drop)
        })
    }

    /// Copies a range into a recording, on a separate thread.
    fn keep(&mut self, range: Range) -> Result<()> {
        let is_in = |slot: &&Arc<Slot>| slot.last >= range.from && slot.first <= range.until;
        let slots: Vec<Arc<Slot>> = self.slots.iter().filter(is_in).cloned().collect();
        let Some(first) = slots.first() else {
            return Ok(());
        };
        let first = first.first.max(range.from);
        let date = self.options.calendar.trading_day_of(first).0;
        let keep = self.keep_of(&range, date);
        // Taken here, so that the recordings of a session are numbered in order.
        let target = keep.target();
        let folder = target.1.clone();
        let (planned, when_kept) = (folder.clone(), Arc::clone(&self.when_kept));
        let (copying, copied) = bounded(0);
        slots.iter().for_each(|slot| slot.note_copy(copied.clone()));
        let copy = move || {
            let folders: Vec<PathBuf> = slots.iter().map(|slot| slot.folder.clone()).collect();
            let sealed = slots.iter().try_for_each(|slot| slot.sealed());
            let made = sealed.and_then(|()| keep.run(&folders, target));
            for slot in &slots {
                match made {
                    Ok(_) => slot.is_copied.store(true, Ordering::Relaxed),
                    Err(_) => stay(slot),
                }
            }
            let (folder, made) = match made {
                Ok((folder, made)) => (folder, Ok(made)),
                Err(error) => (planned, Err(error)),
            };
            when_kept(&folder, &made);
            // The one that removes the slots is their last owner.
            drop(slots);
            drop(copying);
            Kept { folder, made }
        };
        let thread = thread::spawn("ring-keeper", copy);
        let thread = thread.map_err(RecordingError::io(&folder, "starting a thread for"))?;
        self.keeping.push(Keeping { folder, thread });
        Ok(())
    }

    /// How the events of a range become a recording.
    fn keep_of(&self, range: &Range, date: NaiveDate) -> Keep {
        let mut options = self.options.clone();
        options.source.detail = detail(&options.source.detail, &range.reasons);
        Keep {
            storage: local(),
            root: self.root.clone(),
            ring: self.folder.clone(),
            session: self.session.clone(),
            parts: Arc::clone(&self.parts),
            date,
            options,
            filter: EventFilter {
                start: Some(range.from),
                end: Some(UnixNanos(range.until.0.saturating_add(1))),
                instruments: None,
            },
        }
    }

    /// Releases the slots that no trigger can ask for from now on.
    fn release(&mut self) -> Result<()> {
        let Some(newest) = self.newest else {
            return Ok(());
        };
        let mut from = UnixNanos(newest.at.0.saturating_sub(self.span.before));
        if let Some(range) = &self.range {
            from = from.min(range.from);
        }
        while self.slots.front().is_some_and(|slot| slot.last < from) {
            // Sealing it or a copy may not be over, and its files take a while to go.
            let remover = match self.remover.take() {
                Some(remover) => remover,
                None => Remover::start()
                    .map_err(RecordingError::io(&self.folder, "starting a thread for"))?,
            };
            let remover = self.remover.insert(remover);
            if let Some(slot) = self.slots.pop_front() {
                remover.remove(slot);
            }
        }
        Ok(())
    }
}

/// The folder of a new ring. Slots are durable only in a folder that is.
pub(super) fn begin_ring(
    storage: &dyn Storage,
    root: &Path,
    session: &SessionId,
) -> Result<(PathBuf, Owner)> {
    let folder = root.join(format!("{RING}{session}"));
    create_synced(storage, &folder)?;
    let owner = Owner::of(storage, &folder)?;
    let names = storage.list(&folder)?;
    if names.iter().any(|name| name.starts_with(SLOT)) {
        return Err(RecordingError::OutputExists { path: folder });
    }
    // Of a session that was killed, and whose slots are gone.
    for copy in names.iter().filter(|name| is_copy(name)) {
        clear(storage, &folder.join(copy))?;
    }
    // A mark would let the next salvage remove new slots of the same names.
    if names.iter().any(|name| name == MERGED_FILE) {
        storage.remove(&folder.join(MERGED_FILE))?;
        storage.sync_dir(&folder)?;
    }
    Ok((folder, owner))
}

impl EventWriter for RingRecorder {
    fn write(&mut self, events: &[Event]) -> Result<()> {
        if self.has_failed {
            return Err(RecordingError::WriterFailed {
                path: self.folder.clone(),
            });
        }
        let written = self.write_events(events);
        self.noted(written)
    }
}

impl Drop for RingRecorder {
    fn drop(&mut self) {
        self.trigger.close(SESSION_ENDED);
        // Of a recorder that is not finished everything stays, as if the process had been killed.
        // Their threads end before the lock goes.
        if self.owner.is_some() {
            self.slots.iter().for_each(|slot| drop(slot.sealed()));
            // What was on its way out goes.
            drop(self.remover.take().map(Remover::finish));
        }
    }
}

/// Why a session event is a trigger by itself.
const fn fault(event: &Event) -> Option<&'static str> {
    match &event.kind {
        EventKind::Session(SessionEvent::FrontDisconnected { .. }) => Some("front_disconnected"),
        EventKind::Session(SessionEvent::HeartbeatLost {}) => Some("heartbeat_lost"),
        EventKind::Session(SessionEvent::Overflow { .. }) => Some("overflow"),
        _ => None,
    }
}

pub(super) fn detail(of_source: &str, reasons: &[String]) -> String {
    let reasons = format!("kept={}", reasons.join("+"));
    match of_source {
        "" => reasons,
        detail => format!("{detail} {reasons}"),
    }
}
