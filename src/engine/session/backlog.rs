//! Events of a live session that are recorded and not published yet.
//!
//! ```text
//! LiveSource ─> recorder ─> backlog ─> publisher
//! └──── one thread ────┘               another
//! ```
//!
//! A publisher that lags delays neither the recorder nor the queue before it. What does not fit in
//! memory is in the recording, and is read from there. After the recorder failed, its thread waits for
//! the publisher: then the queue overflows, and counts what it drops.
//!
//! While the source has nothing, the recorder looks at the clock and at its threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tickdeck_core::event::Event;
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::thread;
use tickdeck_recording::{EventWriter, ReadBack, ReadBackReader, RecordingError};

use crate::live::{LiveSource, Polled};
use crate::pipeline::{DEFAULT_BATCH_EVENTS, PlayError};

/// Events that wait in memory, 7 MB of them. The publisher holds as many.
const MOST_IN_MEMORY: usize = 16_384;
/// From here on a publisher that lags has caught up: what follows waits in memory again.
const NEARLY_CAUGHT_UP: u64 = 4_096;

/// A recorder that may end before its session.
pub(super) trait StoppableRecorder: EventWriter + Send + 'static {
    /// Whether it records what it is given.
    fn is_recording(&self) -> bool;

    /// Does what is due while no event comes.
    ///
    /// # Errors
    /// As [`write`](EventWriter::write).
    fn idle(&mut self) -> Result<(), RecordingError> {
        Ok(())
    }
}

/// A source that returns when it has nothing.
pub(super) trait PolledSource: Send + 'static {
    /// Appends the next events, at most `max`, or waits for a moment.
    fn poll(&mut self, batch: &mut Vec<Event>, max: usize) -> Polled;
}

impl PolledSource for LiveSource {
    fn poll(&mut self, batch: &mut Vec<Event>, max: usize) -> Polled {
        Self::poll(self, batch, max)
    }
}

/// What both threads share.
pub(super) struct Backlog {
    recordings: ReadBack,
    state: Mutex<State>,
    changed: Condvar,
    /// Events that had no room in memory and are in no file.
    lost: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Without a gap in `seq`.
    events: VecDeque<Event>,
    /// The `seq` after the last event that the recorder has.
    next_seq: u64,
    /// New events are left to the recording.
    spills: bool,
    /// Events that were left to it.
    read_back: u64,
    has_ended: bool,
    is_abandoned: bool,
}

/// The thread of a recorder.
pub(super) type Recording<R> = JoinHandle<(R, Result<(), PlayError>)>;

impl Backlog {
    /// An empty backlog behind the recorder that makes these recordings.
    pub(super) fn new(recordings: ReadBack) -> Arc<Self> {
        Arc::new(Self {
            recordings,
            state: Mutex::default(),
            changed: Condvar::new(),
            lost: AtomicU64::new(0),
        })
    }

    /// Starts to record everything that `source` yields. Returns the events, and the thread, which ends
    /// with the source or soon after the events were dropped. It returns an error of the recorder; the
    /// events before it are published.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub(super) fn start<R: StoppableRecorder>(
        self: &Arc<Self>,
        mut source: impl PolledSource,
        mut recorder: R,
    ) -> std::io::Result<(RecordedEvents, Recording<R>)> {
        let events = RecordedEvents::new(Arc::clone(self));
        let backlog = Arc::clone(self);
        let recording = thread::spawn("session-record", move || {
            let recorded = backlog.record(&mut source, &mut recorder);
            (recorder, recorded)
        })?;
        Ok((events, recording))
    }

    /// Whether the publisher has ended early.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().is_abandoned
    }

    /// Events that were neither recorded nor published, because the recorder failed while the publisher
    /// lagged.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Events that the publisher read back from the recording.
    pub(super) fn read_back(&self) -> u64 {
        self.lock().read_back
    }

    fn record(
        &self,
        source: &mut impl PolledSource,
        recorder: &mut impl StoppableRecorder,
    ) -> Result<(), PlayError> {
        let _ends = EndsOnDrop(self);
        let mut batch = Vec::new();
        loop {
            let polled = source.poll(&mut batch, DEFAULT_BATCH_EVENTS as usize);
            if polled == Polled::Ended || self.is_abandoned() {
                return Ok(());
            }
            if polled == Polled::Nothing {
                recorder.idle()?;
            } else {
                recorder.write(&batch)?;
                self.push(&mut batch, recorder.is_recording());
            }
        }
    }

    /// Takes the events of `batch`, which follow those before.
    fn push(&self, batch: &mut Vec<Event>, is_recording: bool) {
        let Some(last) = batch.last() else { return };
        let next_seq = last.seq.0 + 1;
        let mut state = self.lock();
        if is_recording {
            state.spills |= state.events.len() + batch.len() > MOST_IN_MEMORY;
        } else {
            // What is in memory has no gap: after a spill it is empty first.
            let is_full = |state: &State| match state.spills {
                true => !state.events.is_empty(),
                false => state.events.len() >= MOST_IN_MEMORY,
            };
            while is_full(&state) && !state.is_abandoned {
                state = self.wait(state);
            }
            state.spills = false;
        }
        if state.spills {
            state.read_back += batch.len() as u64;
            batch.clear();
        } else {
            state.events.extend(batch.drain(..));
        }
        state.next_seq = next_seq;
        drop(state);
        self.changed.notify_all();
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        let waited = self.changed.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// However the recorder's thread ends.
struct EndsOnDrop<'b>(&'b Backlog);

impl Drop for EndsOnDrop<'_> {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_all();
    }
}

/// The publisher's end: every event that was recorded, in order.
pub(super) struct RecordedEvents {
    backlog: Arc<Backlog>,
    /// Handed out next.
    events: VecDeque<Event>,
    /// The `seq` after the last of those.
    next_seq: u64,
    /// Reads what is not in memory.
    reader: Option<ReadBackReader>,
}

/// Where the next events are.
enum Place {
    /// Taken over from memory.
    Here,
    /// In the recording, before this `seq`.
    Recording(u64),
    Nowhere,
}

impl RecordedEvents {
    fn new(backlog: Arc<Backlog>) -> Self {
        Self {
            backlog,
            events: VecDeque::new(),
            next_seq: 0,
            reader: None,
        }
    }

    /// Waits for the next events, and takes those in memory.
    fn find(&mut self) -> Place {
        let mut state = self.backlog.lock();
        loop {
            let lag = state.next_seq - self.next_seq;
            if state.spills && state.events.is_empty() && lag <= NEARLY_CAUGHT_UP {
                state.spills = false;
            }
            let in_memory = state.events.front().map(|event| event.seq.0);
            if in_memory == Some(self.next_seq) {
                self.next_seq += state.events.len() as u64;
                // The two buffers go back and forth.
                std::mem::swap(&mut state.events, &mut self.events);
                drop(state);
                self.backlog.changed.notify_all();
                return Place::Here;
            }
            let until = in_memory.unwrap_or(state.next_seq);
            if until > self.next_seq {
                return Place::Recording(until);
            }
            if state.has_ended {
                return Place::Nowhere;
            }
            state = self.backlog.wait(state);
        }
    }

    /// Reads the next events before `until` from the recording.
    fn read(&mut self, until: u64) {
        let recordings = &self.backlog.recordings;
        let reader = self
            .reader
            .get_or_insert_with(|| recordings.reader(self.next_seq));
        let mut events = Vec::new();
        let read = reader.next_batch(&mut events, DEFAULT_BATCH_EVENTS as usize);
        events.retain(|event| (self.next_seq..until).contains(&event.seq.0));
        if let Some(last) = events.last() {
            self.next_seq = last.seq.0 + 1;
            self.events.extend(events);
        } else {
            let lost = until - self.next_seq;
            let error = read.err().map(|error| error.to_string());
            tracing::error!(
                event = "events_not_published",
                from_seq = self.next_seq,
                events = lost,
                error,
                "the publisher lagged, and they are not in the recording"
            );
            self.backlog.lost.fetch_add(lost, Ordering::Relaxed);
            self.next_seq = until;
        }
        if self.next_seq == until {
            self.reader = None;
        }
    }
}

impl Source for RecordedEvents {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        while self.events.is_empty() {
            match self.find() {
                Place::Nowhere => return Ok(()),
                Place::Recording(until) => self.read(until),
                Place::Here => {}
            }
        }
        let count = max.min(self.events.len());
        batch.extend(self.events.drain(..count));
        Ok(())
    }
}

impl Drop for RecordedEvents {
    fn drop(&mut self) {
        self.backlog.lock().is_abandoned = true;
        self.backlog.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::path::Path;
    use std::time::Duration;

    use tickdeck_core::calendar::TradingCalendar;
    use tickdeck_core::contract::ContractTable;
    use tickdeck_core::event::{EventKind, Seq, SessionEvent};
    use tickdeck_core::source::SourceInfo;
    use tickdeck_core::time::UnixNanos;
    use tickdeck_core::wait::nap;
    use tickdeck_recording::{BackgroundWriter, RecordingOptions, RecordingWriter, Rolling};

    use super::*;

    /// Yields session events, at most 1,000 at a time.
    struct Events(Range<u64>);

    impl PolledSource for Events {
        fn poll(&mut self, batch: &mut Vec<Event>, _: usize) -> Polled {
            batch.extend(self.0.by_ref().take(1_000).map(|seq| Event {
                seq: Seq(seq),
                recv_ts: UnixNanos(1_767_618_000_000_000_000),
                kind: EventKind::Session(SessionEvent::HeartbeatLost {}),
            }));
            match batch.is_empty() {
                true => Polled::Ended,
                false => Polled::Events,
            }
        }
    }

    /// Records until an event. The batch with it is accepted and lost, the next one says so.
    struct FailsAt {
        writer: Option<BackgroundWriter>,
        fails_at: u64,
    }

    impl EventWriter for FailsAt {
        fn write(&mut self, events: &[Event]) -> Result<(), RecordingError> {
            let (first, last) = (events[0].seq.0, events[events.len() - 1].seq.0);
            if first > self.fails_at {
                self.writer = None;
            }
            match &mut self.writer {
                Some(writer) if last < self.fails_at => writer.write(events),
                _ => Ok(()),
            }
        }
    }

    impl StoppableRecorder for FailsAt {
        fn is_recording(&self) -> bool {
            self.writer.is_some()
        }
    }

    fn writer(folder: &Path) -> BackgroundWriter {
        let options = RecordingOptions {
            session: "rec".into(),
            source: SourceInfo::default(),
            contracts: Arc::new(ContractTable::builtin()),
            calendar: Arc::new(TradingCalendar::builtin()),
            // Segments are sealed before the publisher has read their journal.
            rolling: Rolling {
                max_rows: 8_000,
                row_group_rows: 4_000,
                ..Rolling::default()
            },
            overwrite: false,
            keep_partial: true,
        };
        BackgroundWriter::start(RecordingWriter::create(folder, options).unwrap()).unwrap()
    }

    /// A session of `count` events whose recorder fails at one of them.
    fn start(
        folder: &Path,
        count: u64,
        fails_at: u64,
    ) -> (Arc<Backlog>, RecordedEvents, Recording<FailsAt>) {
        let writer = writer(&folder.join("rec"));
        let backlog = Backlog::new(ReadBack::of(&writer));
        let recorder = FailsAt {
            writer: Some(writer),
            fails_at,
        };
        let (events, recording) = backlog.start(Events(0..count), recorder).unwrap();
        (backlog, events, recording)
    }

    /// The `seq`s that a publisher gets of `count` events, and the backlog. `between` runs before each
    /// batch.
    fn publish(
        count: u64,
        fails_at: u64,
        mut between: impl FnMut(u64, &Backlog),
    ) -> (Vec<u64>, Arc<Backlog>) {
        let folder = tempfile::tempdir().unwrap();
        let (backlog, mut events, recording) = start(folder.path(), count, fails_at);
        let (mut seqs, mut batch) = (Vec::new(), Vec::new());
        loop {
            between(seqs.len() as u64, &backlog);
            batch.clear();
            events.next_batch(&mut batch, 700).unwrap();
            if batch.is_empty() {
                break;
            }
            seqs.extend(batch.iter().map(|event| event.seq.0));
        }
        recording.join().unwrap().1.unwrap();
        (seqs, backlog)
    }

    fn wait_until(holds: impl Fn() -> bool) {
        let has_held = (0..6_000).any(|_| {
            holds() || {
                nap(Duration::from_millis(10));
                false
            }
        });
        assert!(has_held);
    }

    #[test]
    fn a_publisher_that_lags_gets_everything_in_order() {
        const COUNT: u64 = 80_000;
        let (seqs, backlog) = publish(COUNT, u64::MAX, |published, backlog| {
            if published == 0 {
                wait_until(|| backlog.lock().has_ended);
            }
        });
        assert!(seqs == Vec::<u64>::from_iter(0..COUNT));
        assert!(backlog.read_back() > COUNT / 2);
        assert_eq!(backlog.lost(), 0);
    }

    #[test]
    fn a_publisher_may_lag_and_catch_up_again_and_again() {
        const COUNT: u64 = 120_000;
        let mut lags = 0;
        let (seqs, backlog) = publish(COUNT, u64::MAX, |published, backlog| {
            if published >= lags * 30_000 {
                lags += 1;
                let ahead = (published + 25_000).min(COUNT);
                wait_until(|| backlog.lock().next_seq >= ahead);
            }
        });
        assert!(seqs == Vec::<u64>::from_iter(0..COUNT));
        assert!(backlog.read_back() > 0);
        assert_eq!(backlog.lost(), 0);
    }

    #[test]
    fn a_publisher_that_keeps_up_goes_on_without_a_recorder() {
        const COUNT: u64 = 100_000;
        let (seqs, backlog) = publish(COUNT, 1_500, |_, _| {});
        let lost = backlog.lost();
        assert_eq!(seqs.len() as u64 + lost, COUNT);
        assert!(seqs.is_sorted());
        assert!(lost <= 1_000, "only what was on its way");
    }

    #[test]
    fn what_is_lost_with_the_recorder_is_counted() {
        const COUNT: u64 = 80_000;
        let (seqs, backlog) = publish(COUNT, 50_000, |published, backlog| {
            if published == 0 {
                // The recorder's thread waits for room.
                wait_until(|| {
                    let state = backlog.lock();
                    state.spills && state.next_seq > 50_000
                });
            }
        });
        assert!(seqs.is_sorted());
        assert_eq!(seqs.len() as u64 + backlog.lost(), COUNT);
        assert!(seqs.starts_with(&Vec::<u64>::from_iter(0..50_000)));
        assert_eq!(backlog.lost(), 1_000);
        assert_eq!(seqs.last(), Some(&(COUNT - 1)));
    }

    #[test]
    fn a_publisher_that_ends_early_ends_the_recording() {
        let folder = tempfile::tempdir().unwrap();
        let (backlog, events, recording) = start(folder.path(), u64::MAX, u64::MAX);
        drop(events);
        recording.join().unwrap().1.unwrap();
        assert!(backlog.is_abandoned());
    }
}
