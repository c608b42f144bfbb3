//! Events in, messages out to all sinks, digest and ledger.
//!
//! Messages are made on the thread that publishes, or ahead of it on other threads. Both ways run the same [`Share`], and what is published is the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tickdeck_core::block::{EventRef, EventRefKind};
use tickdeck_core::calendar::{Coverage, TradingCalendar};
use tickdeck_core::event::{Event, InstrumentId, Seq};
use tickdeck_core::event_window::{EventSlice, EventWindow};
use tickdeck_core::time::{TradingDay, UnixNanos};

use super::digest_thread::DigestThread;
use super::fanout::{End, Fanout, control_message};
use super::ledger::Ledger;
#[cfg(test)]
use super::options::Mutation;
use super::options::PublisherOptions;
use super::share::{BATCH_MESSAGES, Made, Primed, Share, TickFate, new_buffer};
use super::workers::{WINDOWS_AHEAD, Window, Workers};
use crate::encode::control::{self, ClockStamp, ControlSubject, EndMarker, RunId};
use crate::sink::{MessageBatch, MessageBatchBuilder, Sink, SinkError};

/// Counts that other threads may read during a session.
pub struct PublisherStats {
    received: AtomicU64,
    fanout: Arc<Fanout>,
}

impl std::fmt::Debug for PublisherStats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublisherStats")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl PublisherStats {
    /// Ticks received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Messages confirmed by every sink.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.fanout.counts().published
    }

    /// Messages that did not reach their destination.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.fanout.counts().failed
    }
}

/// Where messages are made.
enum Making {
    /// On the thread that publishes, when they are published.
    Here(Box<Share>),
    /// Ahead, on other threads.
    Ahead(Workers),
}

/// Turns events into messages and hands them to the sinks.
pub struct Publisher {
    options: PublisherOptions,
    making: Making,
    /// Reused by every window that is made here.
    made: Made,
    /// The window that is being published, made ahead.
    window: Option<Window>,
    /// Messages of several threads that are not handed over yet.
    batch: MessageBatchBuilder,
    /// Ledger slots of messages that are not handed over yet.
    slots: Vec<usize>,
    fanout: Arc<Fanout>,
    digest: DigestThread,
    ledger: Ledger,
    /// By ledger slot: what follows the prefix in the subject.
    tails: Vec<String>,
    /// Part of every control message.
    run: RunId,
    /// Content of the end marker.
    end: Option<EndOfReplay>,
    /// Whether a sink failed, so that not all have received the same.
    is_torn: bool,
    /// Messages handed over so far.
    messages: u64,
    dates: DatesSeen,
    /// Whether rejected ticks are nothing to warn about.
    expects_rejects: bool,
    /// Whether events are only counted.
    counts_only: bool,
    stats: Arc<PublisherStats>,
}

/// How a replay ended.
struct EndOfReplay {
    session: String,
    complete: bool,
}

impl Publisher {
    /// A publisher that has seen nothing.
    #[must_use]
    pub fn new(options: PublisherOptions, sinks: Vec<Box<dyn Sink>>) -> Self {
        let fanout = Arc::new(Fanout::new(sinks));
        Self {
            making: Making::Here(Box::new(Share::new(&options, 0, 1))),
            options,
            made: Made::default(),
            window: None,
            batch: MessageBatchBuilder::default(),
            slots: Vec::with_capacity(BATCH_MESSAGES),
            stats: Arc::new(PublisherStats {
                received: AtomicU64::new(0),
                fanout: Arc::clone(&fanout),
            }),
            fanout,
            digest: DigestThread::start(),
            ledger: Ledger::default(),
            tails: Vec::new(),
            run: RunId::default(),
            end: None,
            is_torn: false,
            messages: 0,
            dates: DatesSeen::default(),
            expects_rejects: false,
            counts_only: false,
        }
    }

    /// The same publisher that does not warn about a rejected tick.
    #[must_use]
    pub(crate) const fn expecting_rejects(mut self) -> Self {
        self.expects_rejects = true;
        self
    }

    /// The same publisher with a fault.
    #[cfg(test)]
    pub(crate) fn mutated(mut self, mutation: Mutation) -> Self {
        if let Making::Here(share) = &mut self.making {
            share.mutation = Some(mutation);
        }
        self
    }

    /// Makes messages ahead of their release, on `jobs` threads with the one that publishes: see
    /// [`begin`](Self::begin). With one, or where the system starts no thread, they are made when they
    /// are published.
    #[must_use]
    pub(crate) fn jobs(mut self, jobs: usize) -> Self {
        if jobs > 1
            && let Some(workers) = Workers::start(&self.options, jobs - 1)
        {
            self.making = Making::Ahead(workers);
        }
        self
    }

    /// How many windows may be begun and not published yet; 0 where messages are not made ahead.
    #[must_use]
    pub(super) const fn windows_ahead(&self) -> usize {
        match &self.making {
            Making::Here(_) => 0,
            Making::Ahead(_) => WINDOWS_AHEAD,
        }
    }

    /// Begins to make the messages of a window ahead: of the events from `first` on. They are published
    /// next, in the same order.
    pub(super) fn begin(&mut self, events: &EventWindow, first: usize) {
        if let Making::Ahead(workers) = &mut self.making
            && first < events.slice().len()
            && !self.counts_only
        {
            workers.begin(events, first);
        }
    }

    /// Names the run in the control messages.
    pub fn set_run(&mut self, run: RunId) {
        self.run = run;
    }

    /// The run is recorded as well. A reader of stdout that closes it then does not end the run.
    pub fn set_recorded(&mut self) {
        self.fanout.set_recorded();
    }

    /// Only counts the ticks it is given: nothing is normalized, encoded or hashed.
    pub const fn set_counts_only(&mut self) {
        self.counts_only = true;
    }

    /// Counts for other threads.
    #[must_use]
    pub fn stats(&self) -> Arc<PublisherStats> {
        self.stats.clone()
    }

    /// Messages handed to the sinks so far.
    pub(crate) const fn messages(&self) -> u64 {
        self.messages
    }

    /// Clears all market state, for the next pass of a replay that loops. Digest and counts
    /// continue.
    pub fn new_pass(&mut self) {
        self.window = None;
        match &mut self.making {
            Making::Here(share) => share.new_pass(),
            Making::Ahead(workers) => workers.new_pass(),
        }
        self.ledger.new_pass();
    }

    /// Normalizes, encodes and hands over the next events. Of windows that were begun, these are the next
    /// ones.
    ///
    /// # Errors
    /// When a sink cannot continue.
    pub fn publish(&mut self, events: &[Event]) -> Result<(), SinkError> {
        self.publish_slice(EventSlice::Events(events))
    }

    /// The same of events in any form.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub(super) fn publish_slice(&mut self, events: EventSlice<'_>) -> Result<(), SinkError> {
        if self.counts_only {
            return Ok(());
        }
        match &self.making {
            Making::Here(_) => {
                let mut starts = (0..events.len()).step_by(BATCH_MESSAGES);
                starts.try_for_each(|start| {
                    let end = events.len().min(start + BATCH_MESSAGES);
                    self.make_and_publish(events.range(start..end))
                })
            }
            Making::Ahead(_) => self.publish_made(events),
        }
    }

    fn make_and_publish(&mut self, events: EventSlice<'_>) -> Result<(), SinkError> {
        let Making::Here(share) = &mut self.making else {
            return Ok(());
        };
        let mut made = std::mem::take(&mut self.made);
        share.make(events, 0, &mut made);
        for tick in made.ticks.drain(..) {
            self.account(tick.fate, events.get(tick.place as usize));
        }
        for (instrument, subject) in made.subjects.drain(..) {
            self.name(instrument, &subject);
        }
        let mut batches = made.batches.drain(..);
        let published = batches.try_for_each(|batch| self.hand_over(batch));
        drop(batches);
        if made.spares.is_empty() {
            made.spares.extend(self.digest.spare());
        }
        self.made = made;
        published
    }

    /// Publishes the next events of the windows that were begun.
    fn publish_made(&mut self, events: EventSlice<'_>) -> Result<(), SinkError> {
        let Making::Ahead(workers) = &mut self.making else {
            return Ok(());
        };
        if self.window.is_none() && !workers.has_begun() {
            // Sessions begin every window. Others have whole events.
            let events = Arc::new(events.events().unwrap_or_default().to_vec());
            workers.begin(&EventWindow::Events(events), 0);
        }
        let Some(mut window) = self.window.take().or_else(|| workers.take()) else {
            return Ok(());
        };
        let published = self.publish_window(&mut window, events);
        if !window.is_empty() {
            self.window = Some(window);
        } else if let Making::Ahead(workers) = &mut self.making {
            workers.reuse(window, || self.digest.spare());
        }
        published
    }

    fn publish_window(
        &mut self,
        window: &mut Window,
        events: EventSlice<'_>,
    ) -> Result<(), SinkError> {
        let places = window.advance(events.len());
        let mut published = Ok(());
        while let Some((part, tick)) = window.next_tick(places.end) {
            let event = events.get((tick.place - places.start) as usize);
            if self.account(tick.fate, event) {
                if !window.is_whole() {
                    window.copy_message(part, &mut self.batch);
                }
                if self.slots.len() == BATCH_MESSAGES {
                    published = self.hand_over_accounted(window);
                }
            }
            if published.is_err() {
                break;
            }
        }
        for (instrument, subject) in window.subjects() {
            self.name(instrument, &subject);
        }
        published.and_then(|()| self.hand_over_accounted(window))
    }

    /// Hands over the messages of all ticks that are accounted for, in one batch: should that fail, each
    /// of them counts as failed.
    fn hand_over_accounted(&mut self, window: &mut Window) -> Result<(), SinkError> {
        if let Some(batch) = window.take_messages(self.slots.len()) {
            return self.hand_over(batch);
        }
        while window.is_whole()
            && self.batch.len() < self.slots.len()
            && window.copy_message(0, &mut self.batch)
        {}
        self.hand_over_batch()
    }

    /// Passes events before the start point to the normalizer, those of `events` before `end`, and
    /// remembers what they would have published.
    pub(super) fn prime(&mut self, events: &EventWindow, end: usize) {
        match &mut self.making {
            Making::Here(share) => share.prime(events.slice().range(0..end)),
            Making::Ahead(workers) => workers.prime(events, end),
        }
    }

    /// Publishes the last known tick of each instrument before the start point, in the order in
    /// which the instruments first appeared.
    ///
    /// # Errors
    /// When a sink cannot continue.
    pub(super) fn publish_primed(&mut self) -> Result<(), SinkError> {
        let mut primed = match &mut self.making {
            Making::Here(share) => share.take_primed(),
            Making::Ahead(workers) => workers.take_primed(),
        };
        primed.sort_by_key(|primed| primed.first_seen);
        for Primed {
            instrument,
            id,
            subject,
            payload,
            ..
        } in primed
        {
            let slot = self.ledger.slot(instrument, &id);
            self.name(instrument, &subject);
            self.ledger.receive(slot);
            self.batch.push(&subject, &payload);
            self.slots.push(slot);
            if self.batch.len() == BATCH_MESSAGES {
                self.hand_over_batch()?;
            }
        }
        self.hand_over_batch()
    }

    /// Publishes a clock stamp on `tickdeck.clock.<prefix>`. It is not a tick: neither digest nor
    /// ledger counts it.
    ///
    /// # Errors
    /// When a sink cannot continue.
    pub fn publish_clock(&mut self, stamp: UnixNanos) -> Result<(), SinkError> {
        let subject = ControlSubject::Clock.subject(&self.options.subject_prefix);
        let stamp = ClockStamp {
            run: self.run.clone(),
            time: stamp.to_string(),
        };
        let batch = control_message(&subject, control::payload(&stamp))?;
        self.fanout.publish(&batch, [None])
    }

    /// Looks for failures of the sinks that they have learned of since the last message.
    pub(super) fn check_sinks(&self) -> Result<(), SinkError> {
        self.fanout.check()
    }

    /// Counts a tick. True when it has a message, whose slot is the next one.
    #[inline]
    fn account(&mut self, fate: TickFate, event: EventRef<'_>) -> bool {
        let EventRefKind::Tick(tick) = event.kind else {
            return false;
        };
        let id = tick.instrument_id();
        match fate {
            TickFate::Rejected { reason, first } => {
                self.ledger.reject(id, reason);
                if first {
                    log_reject(id, reason, event.seq, self.expects_rejects);
                }
                false
            }
            TickFate::Dated {
                instrument,
                trading_day,
                is_moved,
                is_filtered,
            } => {
                let calendar = &self.options.calendar;
                self.dates.see(calendar, trading_day, event.seq);
                if is_moved {
                    self.dates.see_moved(event.seq);
                }
                let slot = self.ledger.slot(instrument, id);
                self.ledger.receive(slot);
                if is_filtered {
                    self.ledger.filter(slot);
                } else {
                    self.slots.push(slot);
                }
                !is_filtered
            }
        }
    }

    /// Keeps the subject of an instrument for the end marker.
    fn name(&mut self, instrument: usize, subject: &[u8]) {
        let Some(slot) = self.ledger.known_slot(instrument) else {
            return;
        };
        if self.tails.len() <= slot {
            self.tails.resize(slot + 1, String::new());
        }
        let tail = subject.get(self.options.subject_prefix.len() + 1..);
        self.tails[slot] = String::from_utf8_lossy(tail.unwrap_or_default()).into_owned();
    }

    /// Hands over what was copied together.
    fn hand_over_batch(&mut self) -> Result<(), SinkError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = self.batch.take();
        if self.batch.capacity() == 0 {
            // The buffers went with the batch. The digest thread returns used ones.
            self.batch = self.digest.spare().unwrap_or_else(new_buffer);
        }
        self.hand_over(batch)
    }

    fn hand_over(&mut self, batch: MessageBatch) -> Result<(), SinkError> {
        self.messages += batch.len() as u64;
        let slots = self.slots.drain(..batch.len()).map(Some);
        let published = self.fanout.publish(&batch, slots);
        self.digest.update(batch);
        self.is_torn |= published.is_err();
        published
    }

    /// Makes [`finish`](Self::finish) publish an end marker on `tickdeck.end.<prefix>`, after the
    /// last confirmed message, in the sinks whose receivers wait for one. `complete` says whether
    /// everything requested was played.
    pub fn announce_end(&mut self, session: &str, complete: bool) {
        self.end = Some(EndOfReplay {
            session: session.to_owned(),
            complete,
        });
    }

    /// The end marker; without counts when sinks have received different messages.
    fn end_marker(&mut self, end: EndOfReplay, digest: &str) -> EndMarker {
        let instruments: BTreeMap<String, u64> = self
            .tails
            .drain(..)
            .enumerate()
            .map(|(slot, tail)| (tail, self.ledger.handed_over(slot)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let is_known = !self.is_torn;
        EndMarker {
            run: self.run.clone(),
            session: end.session,
            complete: end.complete,
            total: is_known.then(|| instruments.values().sum()),
            digest: is_known.then(|| digest.to_owned()),
            instruments: is_known.then_some(instruments),
            partition: self.options.partition.map(|it| it.to_string()),
        }
    }

    /// Counts the ticks among received events, for other threads.
    pub(super) fn note_received(&self, events: EventSlice<'_>) {
        let is_counted = |event: &EventRef<'_>| match event.kind {
            EventRefKind::Tick(tick) => self.options.publishes(tick.instrument_id()),
            EventRefKind::Session(_) => false,
        };
        let ticks = events.iter().filter(is_counted).count();
        self.stats
            .received
            .fetch_add(ticks as u64, Ordering::Relaxed);
    }

    /// Waits for every sink and settles the ledger; what is not confirmed then has failed. The
    /// sinks are closed when the run is `complete`; otherwise files are taken back, so that nothing
    /// half-written is left behind. The first error is returned with the ledger, which is still
    /// valid.
    pub fn finish(mut self, complete: bool) -> (Ledger, String, Option<SinkError>) {
        let digest = self.digest.finish();
        let end = self.end.take().map(|end| End {
            subject: ControlSubject::End.subject(&self.options.subject_prefix),
            marker: self.end_marker(end, &digest),
        });
        let (by_slot, error) = self.fanout.finish(complete, end.as_ref());
        self.ledger.settle(&by_slot);
        (self.ledger, digest, error)
    }
}

/// Ticks that are dated on an earlier day than they say before the clock is suspected. A front
/// sends a few such ticks by itself.
const SUSPICIOUS: u32 = 100;

/// Looks out for dates that may be wrong as a whole. These are dates of trading days that the
/// calendar does not fully know, and all dates of a session whose clock is slow.
#[derive(Default)]
struct DatesSeen {
    last: Option<TradingDay>,
    is_logged: bool,
    /// Ticks of the day that are dated on an earlier day than their `TradingDay`.
    moved: u32,
}

impl DatesSeen {
    #[inline]
    fn see(&mut self, calendar: &TradingCalendar, day: TradingDay, seq: Seq) {
        if self.last != Some(day) && !self.is_logged {
            self.last = Some(day);
            self.check(calendar, day, seq);
        }
    }

    /// Counts a tick whose receive time has overruled its date.
    #[cold]
    fn see_moved(&mut self, seq: Seq) {
        if self.moved > SUSPICIOUS {
            return;
        }
        self.moved += 1;
        if self.moved > SUSPICIOUS {
            tracing::warn!(
                event = "receive_clock_slow",
                ticks = self.moved,
                seq = seq.0,
                "many ticks have a trading day after their receipt and are dated on the day before. The \
                 recording machine's clock is probably more than a minute slow: set it"
            );
        }
    }

    #[cold]
    fn check(&mut self, calendar: &TradingCalendar, day: TradingDay, seq: Seq) {
        if matches!(
            calendar.coverage(day.0),
            Coverage::Partly | Coverage::FixedDays | Coverage::Unknown
        ) {
            self.is_logged = true;
            tracing::warn!(
                event = "calendar_date_uncertain",
                trading_day = %day,
                seq = seq.0,
                "from here on the calendar does not know every holiday: dates of night ticks and \
                 the flags preopen and out_of_session may be wrong"
            );
        }
    }
}

/// The id may be any bytes: that is one of the reasons.
fn log_reject(id: &InstrumentId, reason: crate::normalize::Reject, seq: Seq, is_expected: bool) {
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                event = "tick_rejected",
                instrument = %id.as_bytes().escape_ascii(),
                reason = reason.as_str(),
                seq = seq.0,
                "not published; counted and kept in the recording"
            )
        };
    }
    if is_expected {
        log!(debug);
    } else {
        log!(warn);
    }
}
