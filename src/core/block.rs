//! Events in `seq` order, each tick as what changed since the tick of its instrument before it.
//!
//! A tick has 44 fields, and from one to the next some eight of them change. So a block is small and is
//! read from one end to the other, and a reader that keeps the last tick of each instrument only sets what
//! is new. Whole ticks are made where a reader needs them.

use std::sync::Arc;

use crate::event::{Event, EventKind, InstrumentId, RawTick, Seq, SessionEvent};
use crate::tick_fields::{TickFields, set_fields, words_of};
use crate::time::UnixNanos;

/// How an event is stored.
#[derive(Debug, Clone, Copy)]
enum Stored {
    /// The tick of its instrument before it, with fields that changed.
    Change,
    /// The values that are common to the ticks of its instrument, with all others.
    Whole,
    Session,
}

/// An event without its values.
#[derive(Debug, Clone, Copy)]
struct Head {
    seq: Seq,
    recv_ts: UnixNanos,
    changed: TickFields,
    /// Number of the instrument or of the session event.
    of: u32,
    /// Where its words begin.
    at: u32,
    stored: Stored,
}

/// Events in `seq` order.
#[derive(Debug, Default)]
pub struct EventBlock {
    heads: Vec<Head>,
    words: Vec<u64>,
    /// What the ticks of an instrument have in common, by instrument.
    common: Vec<RawTick>,
    sessions: Vec<SessionEvent>,
}

/// A tick of a block.
#[derive(Debug, Clone, Copy)]
pub struct TickChange<'a> {
    common: &'a RawTick,
    changed: TickFields,
    words: &'a [u64],
    is_whole: bool,
}

impl TickChange<'_> {
    /// The instrument.
    #[inline]
    #[must_use]
    pub const fn instrument_id(&self) -> &InstrumentId {
        &self.common.instrument_id
    }

    /// Makes `tick`, the one of the instrument before, this one. True if they are equal bit for bit.
    #[inline]
    pub fn apply(&self, tick: &mut Option<RawTick>) -> bool {
        match tick {
            Some(tick) if !self.is_whole => {
                set_fields(tick, self.changed, self.words);
                self.changed == TickFields::NONE
            }
            _ => self.apply_whole(tick),
        }
    }

    #[cold]
    fn apply_whole(&self, tick: &mut Option<RawTick>) -> bool {
        let mut whole = *self.common;
        set_fields(&mut whole, self.changed, self.words);
        let is_same = tick.as_ref() == Some(&whole);
        *tick = Some(whole);
        is_same
    }
}

/// An event of a block or of a batch, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct EventRef<'a> {
    /// Gap-free position in the session.
    pub seq: Seq,
    /// When this machine received it (ns, UTC).
    pub recv_ts: UnixNanos,
    /// What happened.
    pub kind: EventRefKind<'a>,
}

/// What an [`EventRef`] is about.
#[derive(Debug, Clone, Copy)]
pub enum EventRefKind<'a> {
    /// A market data push.
    Tick(TickRef<'a>),
    /// Something that happened to the session itself.
    Session(&'a SessionEvent),
}

/// A tick, whole or as a change.
#[derive(Debug, Clone, Copy)]
pub enum TickRef<'a> {
    /// All of it.
    Whole(&'a RawTick),
    /// What changed. Every change of an instrument must be applied, in order, to one tick.
    Change(TickChange<'a>),
}

impl TickRef<'_> {
    /// The instrument.
    #[inline]
    #[must_use]
    pub const fn instrument_id(&self) -> &InstrumentId {
        match self {
            Self::Whole(tick) => &tick.instrument_id,
            Self::Change(change) => change.instrument_id(),
        }
    }
}

impl EventRef<'_> {
    /// Whether it is a tick.
    #[inline]
    #[must_use]
    pub const fn is_tick(&self) -> bool {
        matches!(self.kind, EventRefKind::Tick(_))
    }
}

impl<'a> From<&'a Event> for EventRef<'a> {
    #[inline]
    fn from(event: &'a Event) -> Self {
        Self {
            seq: event.seq,
            recv_ts: event.recv_ts,
            kind: match &event.kind {
                EventKind::Tick(tick) => EventRefKind::Tick(TickRef::Whole(tick)),
                EventKind::Session(session) => EventRefKind::Session(session),
            },
        }
    }
}

impl EventBlock {
    /// Number of events.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is no event.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The event at `place`.
    ///
    /// # Panics
    /// When there is none.
    #[inline]
    #[must_use]
    pub fn get(&self, place: usize) -> EventRef<'_> {
        let head = &self.heads[place];
        EventRef {
            seq: head.seq,
            recv_ts: head.recv_ts,
            kind: match head.stored {
                Stored::Session => EventRefKind::Session(&self.sessions[head.of as usize]),
                Stored::Whole | Stored::Change => EventRefKind::Tick(TickRef::Change(TickChange {
                    common: &self.common[head.of as usize],
                    changed: head.changed,
                    words: &self.words[head.at as usize..],
                    is_whole: matches!(head.stored, Stored::Whole),
                })),
            },
        }
    }
}

/// Builds a block in two steps: all events in `seq` order, then the words of the ticks in any order.
#[derive(Debug, Default)]
pub struct EventBlockBuilder {
    block: EventBlock,
    words: usize,
}

impl EventBlockBuilder {
    /// Of ticks that have these values in common, by instrument, and room for `events`.
    #[must_use]
    pub fn new(common: Vec<RawTick>, events: usize) -> Self {
        let block = EventBlock {
            heads: Vec::with_capacity(events),
            common,
            ..EventBlock::default()
        };
        Self { block, words: 0 }
    }

    /// Appends a session event.
    ///
    /// # Panics
    /// When there are 2^32.
    pub fn session(&mut self, seq: Seq, recv_ts: UnixNanos, session: SessionEvent) {
        self.block.heads.push(Head {
            seq,
            recv_ts,
            changed: TickFields::NONE,
            of: number(self.block.sessions.len()),
            at: 0,
            stored: Stored::Session,
        });
        self.block.sessions.push(session);
    }

    /// Appends a tick of the instrument with this number, and returns the place of its words. The fields
    /// are those that differ from its tick before, or with `is_whole` from what its ticks have in common.
    ///
    /// # Panics
    /// When the ticks have 2^32 words.
    #[inline]
    pub fn tick(
        &mut self,
        seq: Seq,
        recv_ts: UnixNanos,
        instrument: u32,
        changed: TickFields,
        is_whole: bool,
    ) -> usize {
        let at = self.words;
        self.block.heads.push(Head {
            seq,
            recv_ts,
            changed,
            of: instrument,
            at: number(at),
            stored: match is_whole {
                true => Stored::Whole,
                false => Stored::Change,
            },
        });
        self.words += words_of(changed);
        at
    }

    /// The words of all ticks, once every event is appended.
    pub fn words(&mut self) -> &mut [u64] {
        self.block.words.resize(self.words, 0);
        &mut self.block.words
    }

    /// The block.
    #[must_use]
    pub fn finish(self) -> EventBlock {
        self.block
    }
}

#[expect(clippy::expect_used, reason = "documented under Panics")]
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a block has fewer than 2^32 words and events")
}

/// Makes the whole events of a block, in order.
#[derive(Debug)]
pub struct BlockEvents {
    block: Arc<EventBlock>,
    next: usize,
    /// The last tick of each instrument, from the first event on.
    ticks: Option<Vec<RawTick>>,
}

impl BlockEvents {
    /// All events of `block`.
    #[must_use]
    pub const fn new(block: Arc<EventBlock>) -> Self {
        Self {
            ticks: None,
            next: 0,
            block,
        }
    }

    /// Appends up to `max` events to `batch`, and returns how many.
    pub fn next_events(&mut self, batch: &mut Vec<Event>, max: usize) -> usize {
        let end = self.block.len().min(self.next.saturating_add(max));
        // The first tick of an instrument sets everything that its ticks do not have in common.
        let ticks = self.ticks.get_or_insert_with(|| {
            let owned =
                Arc::get_mut(&mut self.block).map(|block| std::mem::take(&mut block.common));
            owned.unwrap_or_else(|| self.block.common.clone())
        });
        for head in &self.block.heads[self.next..end] {
            let kind = match head.stored {
                Stored::Session => {
                    EventKind::Session(self.block.sessions[head.of as usize].clone())
                }
                Stored::Whole | Stored::Change => {
                    let tick = &mut ticks[head.of as usize];
                    set_fields(tick, head.changed, &self.block.words[head.at as usize..]);
                    EventKind::Tick(*tick)
                }
            };
            let (seq, recv_ts) = (head.seq, head.recv_ts);
            batch.push(Event { seq, recv_ts, kind });
        }
        let taken = end - self.next;
        self.next = end;
        taken
    }

    /// Passes over the next `count` events.
    pub fn skip(&mut self, count: usize) {
        let mut events = Vec::new();
        for _ in 0..count {
            events.clear();
            self.next_events(&mut events, 1);
        }
    }

    /// The block, if none of its events was made.
    #[must_use]
    pub fn untouched(&self) -> Option<Arc<EventBlock>> {
        self.ticks.is_none().then(|| Arc::clone(&self.block))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::event::Text;
    use crate::tick_fields::{Field, FieldWords as _};

    /// Two ticks of `a` around one of `b`, and a session event. The second one of `a` changes `changed`.
    pub(crate) fn block(changed: TickFields, words: &[u64]) -> Arc<EventBlock> {
        let common = ["a", "b"].map(|id| RawTick {
            instrument_id: Text::new(id.as_bytes()).unwrap(),
            ..RawTick::unset()
        });
        let mut builder = EventBlockBuilder::new(common.to_vec(), 4);
        let at = UnixNanos;
        let volume = TickFields::of(Field::volume as usize);
        let first = builder.tick(Seq(0), at(10), 0, volume, true);
        builder.session(Seq(1), at(11), SessionEvent::FrontConnected {});
        builder.tick(Seq(2), at(12), 1, TickFields::NONE, true);
        let second = builder.tick(Seq(3), at(13), 0, changed, false);
        let all = builder.words();
        7_i32.write(&mut all[first..]);
        all[second..].copy_from_slice(words);
        Arc::new(builder.finish())
    }

    pub(crate) fn events_of(block: &Arc<EventBlock>, max: usize) -> Vec<Event> {
        let (mut events, mut batch) = (BlockEvents::new(Arc::clone(block)), Vec::new());
        while events.next_events(&mut batch, max) > 0 {}
        batch
    }

    #[test]
    fn a_change_keeps_the_other_fields_of_the_tick_before() {
        let price = TickFields::of(Field::last_price as usize);
        let block = block(price, &[3.5_f64.to_bits()]);
        let events = events_of(&block, 1);
        assert_eq!(events, events_of(&block, 9));
        assert_eq!(events.len(), 4);
        let [first, other, second] =
            [0, 2, 3].map(|place: usize| *events[place].as_tick().unwrap());
        assert_eq!((first.volume, other.volume, second.volume), (7, 0, 7));
        assert_eq!(
            (second.last_price, other.instrument_id.as_bytes()),
            (3.5, &b"b"[..])
        );
        assert_eq!(
            events[1].kind,
            EventKind::Session(SessionEvent::FrontConnected {})
        );
        assert_eq!((events[3].seq, events[3].recv_ts), (Seq(3), UnixNanos(13)));
    }

    #[test]
    fn a_tick_without_a_change_is_the_same() {
        let block = block(TickFields::NONE, &[]);
        let mut last = None;
        let is_same = [0, 3].map(|place| match block.get(place).kind {
            EventRefKind::Tick(TickRef::Change(change)) => change.apply(&mut last),
            other => panic!("{other:?}"),
        });
        assert_eq!(is_same, [false, true]);
    }

    #[test]
    fn events_that_are_passed_over_still_change_their_tick() {
        let price = TickFields::of(Field::last_price as usize);
        let block = block(price, &[3.5_f64.to_bits()]);
        let mut events = BlockEvents::new(Arc::clone(&block));
        assert!(events.untouched().is_some());
        events.skip(3);
        assert!(events.untouched().is_none());
        let mut rest = Vec::new();
        events.next_events(&mut rest, 9);
        assert_eq!(rest, events_of(&block, 9)[3..]);
    }
}
