//! Events as bytes of a block.
//!
//! An entry is a varint and the receive time as the difference to the event before it in the file.
//! The varint is 0 for a session event, which continues with kind and detail. Else it is the number
//! of an instrument: those of a file are counted from 1 as they appear. The tick follows as the
//! difference to the instrument's tick before, or to a tick of zeros and empty texts.
//!
//! `seq` is not stored. A block has that of its first event.

use rustc_hash::FxHashMap;
use tickdeck_core::event::{Event, EventKind, InstrumentId, RawTick, Seq, SessionEvent};
use tickdeck_core::time::UnixNanos;

use super::fields::{Cursor, put_tick, put_varint, take_tick, zigzag};

/// Encodes the events of one file.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    numbers: FxHashMap<InstrumentId, usize>,
    ticks: Vec<RawTick>,
    recv_ts: i64,
}

impl Encoder {
    pub(super) fn put(&mut self, out: &mut Vec<u8>, event: &Event) {
        let elapsed = event.recv_ts.0.wrapping_sub(self.recv_ts);
        self.recv_ts = event.recv_ts.0;
        match &event.kind {
            EventKind::Session(session) => {
                put_varint(out, 0);
                put_varint(out, zigzag(elapsed));
                for text in [session.kind(), &session.detail()] {
                    put_varint(out, text.len() as u64);
                    out.extend_from_slice(text.as_bytes());
                }
            }
            EventKind::Tick(tick) => {
                let next = self.ticks.len();
                let number = *self.numbers.entry(tick.instrument_id).or_insert(next);
                if number == next {
                    self.ticks.push(RawTick::default());
                }
                put_varint(out, number as u64 + 1);
                put_varint(out, zigzag(elapsed));
                let before = &mut self.ticks[number];
                put_tick(out, before, tick);
                *before = *tick;
            }
        }
    }
}

/// Decodes the events of one file.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    ticks: Vec<RawTick>,
    recv_ts: i64,
}

impl Decoder {
    /// Appends the events of a block. False where its content is none of a writer.
    pub(super) fn take(
        &mut self,
        content: &[u8],
        first_seq: u64,
        count: u32,
        events: &mut Vec<Event>,
    ) -> bool {
        let mut cursor = Cursor(content);
        for seq in (first_seq..).take(count as usize) {
            let Some((recv_ts, kind)) = self.take_one(&mut cursor) else {
                return false;
            };
            events.push(Event {
                seq: Seq(seq),
                recv_ts: UnixNanos(recv_ts),
                kind,
            });
        }
        cursor.0.is_empty()
    }

    fn take_one(&mut self, cursor: &mut Cursor<'_>) -> Option<(i64, EventKind)> {
        let number = usize::try_from(cursor.varint()?).ok()?;
        self.recv_ts = self.recv_ts.wrapping_add(cursor.signed()?);
        let kind = match number.checked_sub(1) {
            None => {
                let kind = std::str::from_utf8(cursor.sized()?).ok()?;
                let detail = std::str::from_utf8(cursor.sized()?).ok()?;
                EventKind::Session(SessionEvent::from_columns(kind, detail).ok()?)
            }
            Some(number) => {
                if number == self.ticks.len() {
                    self.ticks.push(RawTick::default());
                }
                let tick = self.ticks.get_mut(number)?;
                take_tick(cursor, tick)?;
                EventKind::Tick(*tick)
            }
        };
        Some((self.recv_ts, kind))
    }
}
