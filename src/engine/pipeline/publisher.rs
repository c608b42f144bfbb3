//! Events in, messages out to all sinks: normalizer, encoder, digest and ledger on one thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tickdeck_core::calendar::{Coverage, TradingCalendar};
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::{Event, EventKind, InstrumentId, RawTick};
use tickdeck_core::source::ReceiveTimes;
use tickdeck_core::time::{TradingDay, UnixNanos, parse_ctp_date};

use super::digest_thread::DigestThread;
use super::fanout::{End, Fanout, control_message};
use super::ledger::Ledger;
use crate::encode::control::{self, ClockStamp, ControlSubject, EndMarker, RunId};
use crate::encode::subject::DEFAULT_PREFIX;
use crate::encode::{Encoder, PayloadKind, PayloadSource, Subjects};
use crate::normalize::{Flag, Flags, NormalizedTick, Normalizer, Outcome};
use crate::reference::Reference;
use crate::sink::{MessageBatchBuilder, Sink, SinkError};

/// Messages that share one buffer. More would not stay in the cache from encoding to hashing and
/// handing over.
const BATCH_MESSAGES: usize = 256;
/// Room for that many messages of the usual size.
const BATCH_BYTES: usize = BATCH_MESSAGES * 1024;

/// What is published, apart from the events.
#[derive(Debug, Clone)]
pub struct PublisherOptions {
    /// Which payload contract.
    pub payload: PayloadKind,
    /// The `source` key of the payloads.
    pub source: PayloadSource,
    /// First tokens of every subject, for example `market.tick`; passed
    /// [`validate_prefix`](crate::encode::subject::validate_prefix).
    pub subject_prefix: String,
    /// Ticks with any of these flags are filtered out.
    pub drop: Flags,
    /// Contract table in force.
    pub contracts: Arc<ContractTable>,
    /// Calendar in force.
    pub calendar: Arc<TradingCalendar>,
    /// Whether the events' receive times are evidence of their dates.
    pub receive_times: ReceiveTimes,
}

impl PublisherOptions {
    /// The defaults with the tables of `reference`: payload `vnpy`, the default subjects, nothing
    /// dropped.
    #[must_use]
    pub fn new(reference: &Reference, source: PayloadSource) -> Self {
        Self {
            payload: PayloadKind::default(),
            source,
            subject_prefix: DEFAULT_PREFIX.to_owned(),
            drop: Flags::EMPTY,
            contracts: Arc::clone(&reference.contracts),
            calendar: Arc::clone(&reference.calendar),
            receive_times: reference.receive_times,
        }
    }

    pub(super) fn normalizer(&self) -> Normalizer {
        Normalizer::new(
            Arc::clone(&self.contracts),
            Arc::clone(&self.calendar),
            self.receive_times,
        )
    }
}

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

/// The last payload of an instrument before the start point of a primed replay.
struct Primed {
    subject: Bytes,
    slot: usize,
    payload: Vec<u8>,
}

/// Turns events into messages and hands them to the sinks.
pub struct Publisher {
    options: PublisherOptions,
    normalizer: Normalizer,
    encoder: Encoder,
    subjects: Subjects,
    /// Messages that are encoded but not handed over yet.
    batch: MessageBatchBuilder,
    /// Ledger slots of those.
    slots: Vec<usize>,
    fanout: Arc<Fanout>,
    digest: DigestThread,
    ledger: Ledger,
    /// By instrument index, while a replay is primed.
    primed: Vec<Option<Primed>>,
    /// By ledger slot: what follows the prefix in the subject, from earlier passes.
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
    #[cfg(test)]
    mutation: Option<Mutation>,
}

/// A fault between normalizer and encoder, to prove that a check finds it. In tests only.
#[cfg(test)]
pub(crate) struct Mutation {
    /// Changes a tick; false loses it.
    pub(crate) tick: fn(&mut NormalizedTick<'_>) -> bool,
    /// Changes an encoded payload.
    pub(crate) payload: fn(&mut Vec<u8>),
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
            normalizer: options.normalizer(),
            encoder: Encoder::new(options.payload, options.source),
            subjects: Subjects::new(&options.subject_prefix),
            options,
            batch: MessageBatchBuilder::with_capacity(BATCH_MESSAGES, BATCH_BYTES),
            slots: Vec::with_capacity(BATCH_MESSAGES),
            stats: Arc::new(PublisherStats {
                received: AtomicU64::new(0),
                fanout: Arc::clone(&fanout),
            }),
            fanout,
            digest: DigestThread::start(),
            ledger: Ledger::default(),
            primed: Vec::new(),
            tails: Vec::new(),
            run: RunId::default(),
            end: None,
            is_torn: false,
            messages: 0,
            dates: DatesSeen::default(),
            expects_rejects: false,
            counts_only: false,
            #[cfg(test)]
            mutation: None,
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
        self.mutation = Some(mutation);
        self
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
        self.note_tails();
        let options = &self.options;
        self.normalizer = options.normalizer();
        self.encoder = Encoder::new(options.payload, options.source);
        self.subjects = Subjects::new(&options.subject_prefix);
        self.primed.clear();
        self.ledger.new_pass();
    }

    /// Normalizes, encodes and hands over the next events.
    ///
    /// # Errors
    /// When a sink cannot continue.
    pub fn publish(&mut self, events: &[Event]) -> Result<(), SinkError> {
        if self.counts_only {
            return Ok(());
        }
        for event in events {
            self.encode(event);
            if self.batch.len() == BATCH_MESSAGES {
                self.hand_over()?;
            }
        }
        self.hand_over()
    }

    /// Passes an event before the start point to the normalizer, and remembers what it would have
    /// published.
    pub fn prime(&mut self, event: &Event) {
        let (Some(raw), Outcome::Tick(mut tick)) = (event.as_tick(), self.normalizer.apply(event))
        else {
            return;
        };
        tick.flags.insert(Flag::Primed);
        if tick.flags.intersects(self.options.drop) {
            return;
        }
        let instrument = tick.instrument.index;
        let subject = self.subjects.of(tick.instrument);
        let slot = self.ledger.slot(instrument, &raw.instrument_id);
        if self.primed.len() <= instrument {
            self.primed.resize_with(instrument + 1, || None);
        }
        let primed = self.primed[instrument].get_or_insert_with(|| Primed {
            subject: subject.clone(),
            slot,
            payload: Vec::new(),
        });
        primed.payload.clear();
        self.encoder.encode(&tick, &mut primed.payload);
    }

    /// Publishes the last known tick of each instrument before the start point, in the order in
    /// which the instruments first appeared.
    ///
    /// # Errors
    /// When a sink cannot continue.
    pub fn publish_primed(&mut self) -> Result<(), SinkError> {
        for primed in std::mem::take(&mut self.primed).into_iter().flatten() {
            self.ledger.receive(primed.slot);
            self.batch.push(&primed.subject, &primed.payload);
            self.slots.push(primed.slot);
            if self.batch.len() == BATCH_MESSAGES {
                self.hand_over()?;
            }
        }
        self.hand_over()
    }

    /// Publishes a clock stamp on `tickdeck.clock.<prefix>`. It is not a tick: neither digest nor
    /// ledger counts it.
    ///
    /// # Errors
    /// When a sink cannot continue.
    pub fn publish_clock(&mut self, stamp: UnixNanos) -> Result<(), SinkError> {
        self.hand_over()?;
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

    fn encode(&mut self, event: &Event) {
        let EventKind::Tick(raw) = &event.kind else {
            self.normalizer.apply(event);
            return;
        };
        match self.normalizer.apply(event) {
            Outcome::Session => {}
            Outcome::Rejected { reason, first } => {
                self.ledger.reject(&raw.instrument_id, reason);
                if first {
                    log_reject(&raw.instrument_id, reason, event, self.expects_rejects);
                }
            }
            #[cfg_attr(not(test), expect(unused_mut, reason = "a fault changes it, in tests"))]
            Outcome::Tick(mut tick) => {
                self.dates
                    .see(&self.options.calendar, tick.trading_day, event);
                if tick.flags.contains(Flag::Stale) {
                    self.dates.see_stale(&tick, raw);
                }
                let slot = self.ledger.slot(tick.instrument.index, &raw.instrument_id);
                self.ledger.receive(slot);
                #[cfg(test)]
                if let Some(mutation) = &self.mutation {
                    if (mutation.tick)(&mut tick) {
                        let mut payload = Vec::new();
                        self.encoder.encode(&tick, &mut payload);
                        (mutation.payload)(&mut payload);
                        self.batch.push(self.subjects.of(tick.instrument), &payload);
                        self.slots.push(slot);
                    } else {
                        self.ledger.publish(slot);
                    }
                    return;
                }
                if tick.flags.intersects(self.options.drop) {
                    self.ledger.filter(slot);
                    return;
                }
                let subject = self.subjects.of(tick.instrument);
                self.batch
                    .push_with(subject, |out| self.encoder.encode(&tick, out));
                self.slots.push(slot);
            }
        }
    }

    fn hand_over(&mut self) -> Result<(), SinkError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = self.batch.take();
        self.messages += batch.len() as u64;
        if self.batch.capacity() == 0 {
            // The buffers went with the batch. The digest thread returns used ones.
            self.batch = self
                .digest
                .spare()
                .unwrap_or_else(|| MessageBatchBuilder::with_capacity(BATCH_MESSAGES, BATCH_BYTES));
        }
        let published = self.fanout.publish(&batch, self.slots.drain(..).map(Some));
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

    /// Keeps the subjects of this pass for the end marker.
    fn note_tails(&mut self) {
        for (index, tail) in self.subjects.made() {
            let Some(slot) = self.ledger.known_slot(index) else {
                continue;
            };
            if self.tails.len() <= slot {
                self.tails.resize(slot + 1, String::new());
            }
            self.tails[slot] = String::from_utf8_lossy(tail).into_owned();
        }
    }

    /// The end marker; without counts when sinks have received different messages.
    fn end_marker(&mut self, end: EndOfReplay, digest: &str) -> EndMarker {
        self.note_tails();
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
        }
    }

    /// Counts ticks received, for other threads.
    pub(super) fn note_received(&self, ticks: u64) {
        self.stats.received.fetch_add(ticks, Ordering::Relaxed);
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
    fn see(&mut self, calendar: &TradingCalendar, day: TradingDay, event: &Event) {
        if self.last != Some(day) && !self.is_logged {
            self.last = Some(day);
            self.check(calendar, day, event);
        }
    }

    /// Counts a stale tick if the receive time has overruled its date.
    #[cold]
    fn see_stale(&mut self, tick: &NormalizedTick<'_>, raw: &RawTick) {
        let is_moved = tick.action_day == tick.trading_day.0
            && parse_ctp_date(raw.trading_day.as_bytes()).is_some_and(|day| day > tick.action_day);
        if !is_moved || self.moved > SUSPICIOUS {
            return;
        }
        self.moved += 1;
        if self.moved > SUSPICIOUS {
            tracing::warn!(
                event = "receive_clock_slow",
                ticks = self.moved,
                seq = tick.seq.0,
                "many ticks have a trading day after their receipt and are dated on the day before. The \
                 recording machine's clock is probably more than a minute slow: set it"
            );
        }
    }

    #[cold]
    fn check(&mut self, calendar: &TradingCalendar, day: TradingDay, event: &Event) {
        if matches!(
            calendar.coverage(day.0),
            Coverage::Partly | Coverage::FixedDays | Coverage::Unknown
        ) {
            self.is_logged = true;
            tracing::warn!(
                event = "calendar_date_uncertain",
                trading_day = %day,
                seq = event.seq.0,
                "from here on the calendar does not know every holiday: dates of night ticks and \
                 the flags preopen and out_of_session may be wrong"
            );
        }
    }
}

/// The id may be any bytes: that is one of the reasons.
fn log_reject(
    id: &InstrumentId,
    reason: crate::normalize::Reject,
    event: &Event,
    is_expected: bool,
) {
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                event = "tick_rejected",
                instrument = %id.as_bytes().escape_ascii(),
                reason = reason.as_str(),
                seq = event.seq.0,
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
