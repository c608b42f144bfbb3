//! Normalizes and encodes the ticks of a share of the instruments.
//!
//! Everything that is remembered belongs to one instrument. So the messages of an instrument do not
//! depend on how many shares there are, or on which threads they are made. Session events reach every
//! share. What is made says at which place of the window it belongs, and nothing here counts, logs or
//! publishes.

use bytes::Bytes;
use tickdeck_core::block::{EventRef, EventRefKind, TickRef};
use tickdeck_core::event::{InstrumentId, Seq};
use tickdeck_core::event_window::EventSlice;
use tickdeck_core::time::{TradingDay, parse_ctp_date};

#[cfg(test)]
use super::options::Mutation;
use super::options::PublisherOptions;
use crate::encode::{Encoder, Subjects};
use crate::normalize::{Flag, Normalizer, Outcome, Reject};
use crate::sink::{MessageBatch, MessageBatchBuilder};

/// Messages that share one buffer. More would not stay in the cache from encoding to hashing and
/// handing over.
pub(super) const BATCH_MESSAGES: usize = 256;
/// Room for that many messages of the usual size.
const BATCH_BYTES: usize = BATCH_MESSAGES * 1024;

/// A buffer of a batch.
pub(super) fn new_buffer() -> MessageBatchBuilder {
    MessageBatchBuilder::with_capacity(BATCH_MESSAGES, BATCH_BYTES)
}

/// What became of one tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct MadeTick {
    /// Its place among the events of the window.
    pub(super) place: u32,
    pub(super) fate: TickFate,
}

/// Whether a tick became a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum TickFate {
    Rejected {
        reason: Reject,
        /// The first one of its instrument for this reason.
        first: bool,
    },
    /// It was normalized.
    Dated {
        /// The index of its instrument, over all shares.
        instrument: usize,
        trading_day: TradingDay,
        /// The receive time has overruled its date.
        is_moved: bool,
        /// The dropped flags have filtered it out, so that there is no message.
        is_filtered: bool,
    },
}

/// What was made of a window.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The ticks of the share, in order.
    pub(super) ticks: Vec<MadeTick>,
    /// Their messages in order, at most [`BATCH_MESSAGES`] in each.
    pub(super) batches: Vec<MessageBatch>,
    /// The instruments that have their first message in this window, over all shares, and its subject.
    pub(super) subjects: Vec<(usize, Bytes)>,
    /// Unused buffers for messages.
    pub(super) spares: Vec<MessageBatchBuilder>,
}

/// The last payload of an instrument before the start point of a primed replay.
pub(super) struct Primed {
    /// Of the event in which the instrument first appeared.
    pub(super) first_seen: Seq,
    /// The index of the instrument, over all shares.
    pub(super) instrument: usize,
    pub(super) id: InstrumentId,
    pub(super) subject: Bytes,
    pub(super) payload: Vec<u8>,
}

/// The instruments that one thread normalizes and encodes.
pub(super) struct Share {
    options: PublisherOptions,
    number: usize,
    of: usize,
    normalizer: Normalizer,
    encoder: Encoder,
    subjects: Subjects,
    /// Messages that are not in a batch yet.
    batch: MessageBatchBuilder,
    /// By instrument: in which event it first appeared.
    first_seen: Vec<Seq>,
    /// By instrument, while a replay is primed.
    primed: Vec<Option<Primed>>,
    #[cfg(test)]
    pub(super) mutation: Option<Mutation>,
}

impl Share {
    /// Share `number` of `of` in all.
    pub(super) fn new(options: &PublisherOptions, number: usize, of: usize) -> Self {
        Self {
            number,
            of,
            normalizer: options.normalizer(),
            encoder: Encoder::new(options.payload, options.source),
            subjects: Subjects::new(&options.subject_prefix),
            batch: new_buffer(),
            first_seen: Vec::new(),
            primed: Vec::new(),
            options: options.clone(),
            #[cfg(test)]
            mutation: None,
        }
    }

    /// Forgets everything, for the next pass of a replay that loops.
    pub(super) fn new_pass(&mut self) {
        self.normalizer = self.options.normalizer();
        self.encoder = Encoder::new(self.options.payload, self.options.source);
        self.subjects = Subjects::new(&self.options.subject_prefix);
        self.first_seen.clear();
        self.primed.clear();
    }

    /// Makes the messages of `events`, which begin at `place` of their window.
    pub(super) fn make(&mut self, events: EventSlice<'_>, place: u32, made: &mut Made) {
        for (place, event) in (place..).zip(events.iter()) {
            match event.kind {
                EventRefKind::Tick(tick) if self.has(&tick) => {
                    if let Some(fate) = self.tick(event, made) {
                        made.ticks.push(MadeTick { place, fate });
                    }
                    if self.batch.len() == BATCH_MESSAGES {
                        self.finish_batch(made);
                    }
                }
                EventRefKind::Tick(_) => {}
                EventRefKind::Session(_) => drop(self.normalizer.apply(event)),
            }
        }
        if !self.batch.is_empty() {
            self.finish_batch(made);
        }
    }

    fn finish_batch(&mut self, made: &mut Made) {
        made.batches.push(self.batch.take());
        if self.batch.capacity() == 0 {
            // The buffers went with the batch.
            self.batch = made.spares.pop().unwrap_or_else(new_buffer);
        }
    }

    /// Whether the instrument is in this share.
    #[inline]
    fn has(&self, tick: &TickRef<'_>) -> bool {
        let id = tick.instrument_id();
        (self.of == 1 || share_of(id, self.of) == self.number) && self.options.publishes(id)
    }

    /// Appends the message of a tick, if it has one.
    #[inline]
    fn tick(&mut self, event: EventRef<'_>, made: &mut Made) -> Option<TickFate> {
        #[cfg_attr(not(test), expect(unused_mut, reason = "a fault changes it, in tests"))]
        let mut tick = match self.normalizer.apply(event) {
            Outcome::Tick(tick) => tick,
            Outcome::Rejected { reason, first } => {
                return Some(TickFate::Rejected { reason, first });
            }
            Outcome::Session => return None,
        };
        #[cfg(test)]
        if let Some(mutation) = &self.mutation
            && !(mutation.tick)(&mut tick)
        {
            return None;
        }
        let is_filtered = tick.flags.intersects(self.options.drop);
        let index = tick.instrument.index;
        let instrument = index * self.of + self.number;
        let (trading_day, is_stale) = (tick.trading_day, tick.flags.contains(Flag::Stale));
        let is_of_its_day = tick.action_day == trading_day.0;
        if !is_filtered {
            let is_new = !self.subjects.has(tick.instrument);
            let subject = self.subjects.of(tick.instrument);
            if is_new {
                made.subjects.push((instrument, subject.clone()));
            }
            self.batch.push_with(subject, |out| {
                #[cfg(test)]
                if let Some(mutation) = &self.mutation {
                    let mut payload = Vec::new();
                    self.encoder.encode(&tick, &mut payload);
                    (mutation.payload)(&mut payload);
                    out.extend(payload);
                    return;
                }
                self.encoder.encode(&tick, out);
            });
        }
        Some(TickFate::Dated {
            instrument,
            trading_day,
            is_moved: is_stale && is_of_its_day && self.says_later(index, trading_day),
            is_filtered,
        })
    }

    /// Whether the last tick of an instrument says a later trading day: the receive time has overruled it.
    #[cold]
    fn says_later(&self, index: usize, day: TradingDay) -> bool {
        let raw = self.normalizer.last_tick(index);
        let says = raw.and_then(|raw| parse_ctp_date(raw.trading_day.as_bytes()));
        says.is_some_and(|says| says > day.0)
    }

    /// Passes events before the start point to the normalizer, and remembers what they would have
    /// published.
    pub(super) fn prime(&mut self, events: EventSlice<'_>) {
        for event in events.iter() {
            match event.kind {
                EventRefKind::Tick(tick) if self.has(&tick) => {
                    self.prime_tick(event, *tick.instrument_id());
                }
                EventRefKind::Tick(_) => {}
                EventRefKind::Session(_) => drop(self.normalizer.apply(event)),
            }
            self.first_seen
                .resize(self.normalizer.instruments(), event.seq);
        }
    }

    fn prime_tick(&mut self, event: EventRef<'_>, id: InstrumentId) {
        let Outcome::Tick(mut tick) = self.normalizer.apply(event) else {
            return;
        };
        tick.flags.insert(Flag::Primed);
        if tick.flags.intersects(self.options.drop) {
            return;
        }
        let index = tick.instrument.index;
        if self.primed.len() <= index {
            self.primed.resize_with(index + 1, || None);
        }
        let subjects = &mut self.subjects;
        let primed = self.primed[index].get_or_insert_with(|| Primed {
            first_seen: event.seq,
            instrument: index * self.of + self.number,
            id,
            subject: subjects.of(tick.instrument).clone(),
            payload: Vec::new(),
        });
        primed.payload.clear();
        self.encoder.encode(&tick, &mut primed.payload);
    }

    /// The last known payloads before the start point.
    pub(super) fn take_primed(&mut self) -> Vec<Primed> {
        let first_seen = std::mem::take(&mut self.first_seen);
        let primed = std::mem::take(&mut self.primed);
        primed
            .into_iter()
            .zip(first_seen)
            .filter_map(|(primed, first_seen)| {
                Some(Primed {
                    first_seen,
                    ..primed?
                })
            })
            .collect()
    }
}

/// The share of an instrument.
fn share_of(id: &InstrumentId, of: usize) -> usize {
    let hash = id.as_bytes().iter().fold(0_usize, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    hash % of
}
