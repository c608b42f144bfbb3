//! One row group in memory, column by column. The segment writer fills it.
//!
//! Ticks and session events are kept apart: a session event has no tick columns. Rows stay in
//! arrival order here; sorting by instrument is a permutation applied while encoding.

use rustc_hash::FxHashMap;
use tickdeck_core::event::{Event, EventKind, InstrumentId, RawTick, Text};
use tickdeck_ffi::for_each_tick_field;

/// A text column as keys into its distinct values.
#[derive(Debug, Default)]
pub(super) struct TextColumn<const N: usize> {
    pub(super) keys: Vec<u32>,
    pub(super) values: Vec<Text<N>>,
    index: FxHashMap<Text<N>, u32>,
    /// The key in the last tick of each instrument, by the instrument's key.
    of_instrument: Vec<u32>,
}

impl<const N: usize> TextColumn<N> {
    /// Appends the text of a tick.
    #[inline]
    fn push(&mut self, text: &Text<N>, instrument: u32) {
        // What the instrument or the tick before had is often the same: a comparison instead of a
        // hash.
        let instrument = instrument as usize;
        let earlier = self.of_instrument.get(instrument).copied();
        let near = [earlier, self.keys.last().copied()].into_iter().flatten();
        let known = near
            .into_iter()
            .find(|key| self.values[*key as usize] == *text);
        let key = known.unwrap_or_else(|| self.key_of(text));
        // Instruments are numbered as they appear, in the same order for each column.
        match self.of_instrument.get_mut(instrument) {
            Some(last) => *last = key,
            None => self.of_instrument.push(key),
        }
        self.keys.push(key);
    }

    /// The key of a text, a new one if need be.
    fn key_of(&mut self, text: &Text<N>) -> u32 {
        let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let key = *self.index.entry(*text).or_insert(next);
        if key == next {
            self.values.push(*text);
        }
        key
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
        self.index.clear();
        self.of_instrument.clear();
    }
}

macro_rules! column_type {
    (text $size:literal) => { TextColumn<$size> };
    (f64 $size:literal) => { Vec<f64> };
    (i32 $size:literal) => { Vec<i32> };
}

macro_rules! push_field {
    (text instrument_id, $column:expr, $value:expr, $instrument:expr) => {
        $column.keys.push($instrument)
    };
    (text $name:ident, $column:expr, $value:expr, $instrument:expr) => {
        $column.push(&$value, $instrument)
    };
    ($kind:ident $name:ident, $column:expr, $value:expr, $instrument:expr) => {
        $column.push($value)
    };
}

/// A tick column of any type, in arrival order.
#[derive(Debug)]
pub(super) enum TickColumn<'a> {
    /// Keys into distinct texts.
    Text {
        keys: &'a [u32],
        values: Vec<&'a [u8]>,
    },
    F64(&'a [f64]),
    I32(&'a [i32]),
}

macro_rules! any_column {
    (text, $column:expr) => {
        TickColumn::Text {
            keys: &$column.keys,
            values: $column.values.iter().map(Text::as_bytes).collect(),
        }
    };
    (f64, $column:expr) => {
        TickColumn::F64(&$column)
    };
    (i32, $column:expr) => {
        TickColumn::I32(&$column)
    };
}

macro_rules! define_tick_columns {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// The tick columns of one row group, in arrival order.
        #[derive(Debug, Default)]
        pub(super) struct TickColumns {
            $(pub(super) $name: column_type!($kind $size),)*
        }

        impl TickColumns {
            fn push(&mut self, tick: &RawTick) {
                let instrument = self.instrument_id.key_of(&tick.instrument_id);
                $(push_field!($kind $name, self.$name, tick.$name, instrument);)*
            }

            /// All columns in the order of the file.
            pub(super) fn all(&self) -> Vec<TickColumn<'_>> {
                vec![$(any_column!($kind, self.$name)),*]
            }

            fn clear(&mut self) {
                $(self.$name.clear();)*
            }
        }
    };
}

for_each_tick_field!(define_tick_columns);

/// A session event as it is stored.
#[derive(Debug, Clone)]
pub(super) struct SessionRow {
    pub(super) seq: i64,
    pub(super) recv_ts: i64,
    pub(super) kind: &'static str,
    pub(super) detail: String,
}

/// Events of one row group, before they are encoded.
#[derive(Debug, Default)]
pub(super) struct RowGroupBuffer {
    pub(super) sessions: Vec<SessionRow>,
    pub(super) tick_seq: Vec<i64>,
    pub(super) tick_recv_ts: Vec<i64>,
    pub(super) ticks: TickColumns,
}

impl RowGroupBuffer {
    pub(super) fn len(&self) -> usize {
        self.sessions.len() + self.tick_seq.len()
    }

    pub(super) fn push(&mut self, event: &Event) {
        // Seq counts events of a session: 2^63 of them is 300,000 years at a million a second.
        let seq = event.seq.0.cast_signed();
        match &event.kind {
            EventKind::Tick(tick) => {
                self.tick_seq.push(seq);
                self.tick_recv_ts.push(event.recv_ts.0);
                self.ticks.push(tick);
            }
            EventKind::Session(session) => self.sessions.push(SessionRow {
                seq,
                recv_ts: event.recv_ts.0,
                kind: session.kind(),
                detail: session.detail(),
            }),
        }
    }

    pub(super) fn clear(&mut self) {
        self.sessions.clear();
        self.tick_seq.clear();
        self.tick_recv_ts.clear();
        self.ticks.clear();
    }

    /// Ticks of each instrument.
    pub(super) fn tick_counts(&self) -> impl Iterator<Item = (&InstrumentId, u32)> {
        self.ticks.instrument_id.values.iter().zip(self.counts())
    }

    /// The same by the key of the instrument.
    fn counts(&self) -> Vec<u32> {
        let ids = &self.ticks.instrument_id;
        let mut counts = vec![0_u32; ids.values.len()];
        for &key in &ids.keys {
            counts[key as usize] += 1;
        }
        counts
    }

    /// The order in the file: ticks by instrument id, each instrument in arrival order. Entry `i`
    /// is the arrival position of the tick that is written `i`-th.
    pub(super) fn order_by_instrument(&self) -> Vec<u32> {
        let ids = &self.ticks.instrument_id;
        let mut by_id: Vec<u32> =
            (0..u32::try_from(ids.values.len()).unwrap_or(u32::MAX)).collect();
        by_id.sort_unstable_by_key(|&key| ids.values[key as usize]);
        let counts = self.counts();
        let mut next = vec![0_u32; ids.values.len()];
        let mut start = 0;
        for key in by_id {
            next[key as usize] = start;
            start += counts[key as usize];
        }
        let mut order = vec![0_u32; ids.keys.len()];
        for (position, &key) in ids.keys.iter().enumerate() {
            let slot = &mut next[key as usize];
            order[*slot as usize] = u32::try_from(position).unwrap_or(u32::MAX);
            *slot += 1;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_core::event::Seq;
    use tickdeck_core::time::UnixNanos;

    fn tick(seq: u64, id: &str) -> Event {
        Event {
            seq: Seq(seq),
            recv_ts: UnixNanos(0),
            kind: EventKind::Tick(RawTick {
                instrument_id: Text::new(id.as_bytes()).unwrap(),
                ..RawTick::default()
            }),
        }
    }

    #[test]
    fn texts_have_their_keys_whatever_came_before() {
        let texts = |step: u64| ["", "a", "b", "a\u{ff}"][usize::try_from(step % 4).unwrap()];
        let mut buffer = RowGroupBuffer::default();
        for round in 0..2_u64 {
            let events = (0..300_u64).map(|seq| {
                let id = format!("i{}", seq * seq % (7 + round));
                let tick = RawTick {
                    instrument_id: Text::new(id.as_bytes()).unwrap(),
                    exchange_inst_id: Text::new(texts(seq / 3 * seq).as_bytes()).unwrap(),
                    update_time: Text::new(texts(seq / 50).as_bytes()).unwrap(),
                    ..RawTick::default()
                };
                (seq, tick)
            });
            let events: Vec<(u64, RawTick)> = events.collect();
            for (seq, tick) in &events {
                let kind = EventKind::Tick(*tick);
                let (seq, recv_ts) = (Seq(*seq), UnixNanos(0));
                buffer.push(&Event { seq, recv_ts, kind });
            }
            fn found<const N: usize>(column: &TextColumn<N>) -> Vec<Text<N>> {
                let keys = column.keys.iter();
                keys.map(|key| column.values[*key as usize]).collect()
            }
            let ticks = &buffer.ticks;
            let ids: Vec<_> = events.iter().map(|(_, tick)| tick.instrument_id).collect();
            assert_eq!(found(&ticks.instrument_id), ids);
            let ids: Vec<_> = events
                .iter()
                .map(|(_, tick)| tick.exchange_inst_id)
                .collect();
            assert_eq!(found(&ticks.exchange_inst_id), ids);
            assert_eq!(ticks.exchange_inst_id.values.len(), 4);
            let times: Vec<_> = events.iter().map(|(_, tick)| tick.update_time).collect();
            assert_eq!(found(&ticks.update_time), times);
            for (id, count) in buffer.tick_counts() {
                let ticks = events.iter().filter(|(_, tick)| tick.instrument_id == *id);
                assert_eq!(ticks.count(), count as usize);
            }
            buffer.clear();
        }
    }

    #[test]
    fn rows_are_ordered_by_instrument_and_then_by_arrival() {
        let mut buffer = RowGroupBuffer::default();
        for (seq, id) in ["rb2601", "au2602", "rb2601", "ag2602", "au2602"]
            .iter()
            .enumerate()
        {
            buffer.push(&tick(seq as u64, id));
        }
        assert_eq!(buffer.order_by_instrument(), [3, 1, 4, 0, 2]);
    }
}
