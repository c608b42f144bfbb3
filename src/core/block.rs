//! Events in `seq` order, each tick as what changed since the tick of its instrument before it.
//!
//! A tick has 44 fields, and from one to the next some eight of them change. So a block is small and is
//! read from one end to the other, and a reader that keeps the last tick of each instrument only sets what
//! is new. Whole ticks are made where a reader needs them.

use std::ops::Range;
use std::sync::Arc;

use tickdeck_ffi::for_each_tick_field;

use crate::event::{Event, EventKind, InstrumentId, RawTick, Seq, SessionEvent, Text};
use crate::time::UnixNanos;

/// Some of the fields of a tick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickFields(u64);

impl TickFields {
    /// None.
    pub const NONE: Self = Self(0);

    /// The field with this number, in the order of the struct.
    #[inline]
    #[must_use]
    pub const fn of(field: usize) -> Self {
        Self(1 << field)
    }

    /// Whether one of `fields` is among them.
    #[inline]
    #[must_use]
    pub const fn intersect(self, fields: Self) -> bool {
        self.0 & fields.0 != 0
    }

    /// These and `fields`.
    #[inline]
    #[must_use]
    pub const fn with(self, fields: Self) -> Self {
        Self(self.0 | fields.0)
    }

    /// These and `fields`, if `condition` holds.
    #[inline]
    #[must_use]
    pub const fn with_if(self, condition: bool, fields: Self) -> Self {
        Self(self.0 | (fields.0 * condition as u64))
    }
}

/// A value of a field as words of 8 bytes, as many as every value of its type has.
pub trait FieldWords: Copy {
    /// How many.
    const WORDS: usize;

    /// Writes the words to the beginning of `words`.
    fn write(self, words: &mut [u64]);

    /// Reads what was written.
    fn read(words: &[u64]) -> Self;
}

impl FieldWords for f64 {
    const WORDS: usize = 1;

    #[inline]
    fn write(self, words: &mut [u64]) {
        words[0] = self.to_bits();
    }

    #[inline]
    fn read(words: &[u64]) -> Self {
        Self::from_bits(words[0])
    }
}

impl FieldWords for i32 {
    const WORDS: usize = 1;

    #[inline]
    fn write(self, words: &mut [u64]) {
        words[0] = u64::from(self.cast_unsigned());
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "32 bits were written")]
    fn read(words: &[u64]) -> Self {
        (words[0] as u32).cast_signed()
    }
}

impl<const N: usize> FieldWords for Text<N> {
    const WORDS: usize = N.div_ceil(size_of::<u64>());

    fn write(self, words: &mut [u64]) {
        let bytes = self.as_array().chunks(size_of::<u64>());
        for (word, part) in words.iter_mut().zip(bytes) {
            let mut bytes = [0; size_of::<u64>()];
            bytes[..part.len()].copy_from_slice(part);
            *word = u64::from_le_bytes(bytes);
        }
    }

    fn read(words: &[u64]) -> Self {
        let mut text = [0; N];
        for (part, word) in text.chunks_mut(size_of::<u64>()).zip(words) {
            part.copy_from_slice(&word.to_le_bytes()[..part.len()]);
        }
        Self::from_array(text)
    }
}

macro_rules! field_type {
    (text $size:literal) => { Text<$size> };
    (f64 $size:literal) => { f64 };
    (i32 $size:literal) => { i32 };
}

macro_rules! define_fields {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// The fields of a tick, in the order of the struct.
        #[derive(Debug, Clone, Copy)]
        enum Field {
            $($name,)*
        }

        /// How many words `fields` take.
        #[inline]
        const fn words_of(fields: TickFields) -> usize {
            let mut words = fields.0.count_ones() as usize;
            $(
                if <field_type!($kind $size)>::WORDS > 1
                    && fields.intersect(TickFields::of(Field::$name as usize))
                {
                    words += <field_type!($kind $size)>::WORDS - 1;
                }
            )*
            words
        }

        /// Sets `fields` to the values in `words`.
        #[inline]
        fn set_fields(tick: &mut RawTick, fields: TickFields, words: &[u64]) {
            let mut words = words;
            $(
                if fields.intersect(TickFields::of(Field::$name as usize)) {
                    type Value = field_type!($kind $size);
                    tick.$name = Value::read(words);
                    words = words.get(Value::WORDS..).unwrap_or_default();
                }
            )*
            let _ = words;
        }
    };
}

for_each_tick_field!(define_fields);

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
    /// The last tick of each instrument.
    ticks: Vec<Option<RawTick>>,
}

impl BlockEvents {
    /// All events of `block`.
    #[must_use]
    pub fn new(block: Arc<EventBlock>) -> Self {
        Self {
            ticks: Vec::new(),
            next: 0,
            block,
        }
    }

    /// Appends up to `max` events to `batch`, and returns how many.
    pub fn next_events(&mut self, batch: &mut Vec<Event>, max: usize) -> usize {
        let end = self.block.len().min(self.next.saturating_add(max));
        self.ticks.resize(self.block.common.len(), None);
        for place in self.next..end {
            let EventRef { seq, recv_ts, kind } = self.block.get(place);
            let kind = match kind {
                EventRefKind::Session(session) => EventKind::Session(session.clone()),
                EventRefKind::Tick(TickRef::Whole(tick)) => EventKind::Tick(*tick),
                EventRefKind::Tick(TickRef::Change(change)) => {
                    let tick = &mut self.ticks[self.block.heads[place].of as usize];
                    change.apply(tick);
                    match tick {
                        Some(tick) => EventKind::Tick(*tick),
                        None => continue,
                    }
                }
            };
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
        (self.next == 0).then(|| Arc::clone(&self.block))
    }
}

/// Consecutive events, borrowed.
#[derive(Debug, Clone, Copy)]
pub enum EventSlice<'a> {
    /// Whole ones.
    Events(&'a [Event]),
    /// Those of a block from the first to the second place.
    Block(&'a EventBlock, usize, usize),
}

impl<'a> EventSlice<'a> {
    /// Number of events.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::Events(events) => events.len(),
            Self::Block(_, start, end) => end - start,
        }
    }

    /// Whether there is no event.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The event at `place`.
    ///
    /// # Panics
    /// When there is none.
    #[inline]
    #[must_use]
    pub fn get(self, place: usize) -> EventRef<'a> {
        match self {
            Self::Events(events) => EventRef::from(&events[place]),
            Self::Block(block, start, _) => block.get(start + place),
        }
    }

    /// The events in order.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = EventRef<'a>> {
        (0..self.len()).map(move |place| self.get(place))
    }

    /// Some of them.
    ///
    /// # Panics
    /// When there are fewer.
    #[must_use]
    pub fn range(self, places: Range<usize>) -> Self {
        match self {
            Self::Events(events) => Self::Events(&events[places]),
            Self::Block(block, start, end) => {
                assert!(places.start <= places.end && start + places.end <= end);
                Self::Block(block, start + places.start, start + places.end)
            }
        }
    }

    /// Them as whole events, where they are.
    #[must_use]
    pub const fn events(self) -> Option<&'a [Event]> {
        match self {
            Self::Events(events) => Some(events),
            Self::Block(..) => None,
        }
    }
}

/// Events that were fetched together. Cheap to clone.
#[derive(Debug, Clone)]
pub enum EventWindow {
    /// Whole ones.
    Events(Arc<Vec<Event>>),
    /// A part of a block.
    Block(Arc<EventBlock>, Range<usize>),
}

impl Default for EventWindow {
    fn default() -> Self {
        Self::Events(Arc::default())
    }
}

impl EventWindow {
    /// Replaces it by whole events, in the memory of those before unless that is in use.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn refill<E>(
        &mut self,
        fill: impl FnOnce(&mut Vec<Event>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Self::Events(events) = self
            && let Some(events) = Arc::get_mut(events)
        {
            events.clear();
            return fill(events);
        }
        let mut events = Vec::new();
        let filled = fill(&mut events);
        *self = Self::Events(Arc::new(events));
        filled
    }

    /// All of them.
    #[inline]
    #[must_use]
    pub fn slice(&self) -> EventSlice<'_> {
        match self {
            Self::Events(events) => EventSlice::Events(events),
            Self::Block(block, places) => EventSlice::Block(block, places.start, places.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two ticks of `a` around one of `b`, and a session event. The second one of `a` changes `changed`.
    fn block(changed: TickFields, words: &[u64]) -> Arc<EventBlock> {
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

    fn events_of(block: &Arc<EventBlock>, max: usize) -> Vec<Event> {
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

    #[test]
    fn a_part_of_a_window_is_the_same_in_both_forms() {
        let block = block(TickFields::NONE, &[]);
        let events = EventWindow::Events(Arc::new(events_of(&block, 9)));
        let window = EventWindow::Block(block, 1..4);
        let (whole, part) = (events.slice().range(1..4), window.slice());
        assert_eq!((whole.len(), part.len()), (3, 3));
        for (a, b) in whole.range(1..3).iter().zip(part.range(1..3).iter()) {
            assert_eq!(
                (a.seq, a.recv_ts, a.is_tick()),
                (b.seq, b.recv_ts, b.is_tick())
            );
        }
        assert!(whole.events().is_some() && part.events().is_none());
    }

    #[test]
    fn a_window_in_use_keeps_its_events() {
        let mut window = EventWindow::default();
        let one = events_of(&block(TickFields::NONE, &[]), 9);
        let fill = |events: &mut Vec<Event>| {
            events.extend_from_slice(&one);
            Ok::<_, ()>(())
        };
        window.refill(fill).unwrap();
        let used = window.clone();
        window.refill(|_| Err(())).unwrap_err();
        assert_eq!((used.slice().len(), window.slice().len()), (4, 0));
    }

    proptest! {
        #[test]
        fn prop_values_read_back_bit_for_bit(
            bits: u64,
            count: i32,
            text in proptest::collection::vec(any::<u8>(), 0..=31),
        ) {
            let mut words = [0; 4];
            f64::from_bits(bits).write(&mut words);
            prop_assert_eq!(f64::read(&words).to_bits(), bits);
            count.write(&mut words);
            prop_assert_eq!(i32::read(&words), count);
            let text = Text::<31>::new(&text).unwrap();
            text.write(&mut words);
            prop_assert_eq!(Text::<31>::read(&words), text);
        }
    }
}
