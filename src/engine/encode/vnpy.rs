//! The `vnpy` payload: vn.py's `TickData` names, design order, one compact JSON object.
//!
//! Segments that repeat from tick to tick are cached as text, keyed by the exact bits they were
//! rendered from. The instrument part is kept permanently. These are kept until they change: the two
//! days, what only a trade changes, the slow numbers of the day, the best prices, each deeper level.
//! A cache cannot be wrong as long as a segment depends on nothing but its key.

use std::sync::Arc;

use chrono::NaiveDate;

use super::PayloadSource;
use super::buffer::{Buffer, Timestamps, compact};
use crate::normalize::{Flags, Instrument, LEVELS, Level, NormalizedTick};

/// Rendered bytes and what they were rendered from. The bytes lie beside each other in the memory of
/// their instrument, whole [blocks](Buffer::blocks): with many instruments that memory is seldom in the
/// cache.
#[derive(Debug, Clone)]
struct Segment<K, const N: usize> {
    key: Option<K>,
    len: usize,
    bytes: [u8; N],
}

impl<K, const N: usize> Default for Segment<K, N> {
    fn default() -> Self {
        Self {
            key: None,
            len: 0,
            bytes: [0; N],
        }
    }
}

impl<K: PartialEq, const N: usize> Segment<K, N> {
    /// Appends the segment for `key`, rendering it only when the key is a new one. A text that is longer
    /// than `N` is not kept.
    #[inline]
    fn put(&mut self, key: K, out: &mut Buffer, render: impl FnOnce(&mut Buffer)) {
        if self.key.as_ref() == Some(&key) {
            out.blocks(&self.bytes, self.len);
            return;
        }
        let start = out.len();
        render(out);
        let text = out.since(start);
        self.key = None;
        if let Some(bytes) = self.bytes.get_mut(..text.len()) {
            bytes.copy_from_slice(text);
            self.len = text.len();
            self.key = Some(key);
        }
    }
}

/// The cached segments of one instrument.
#[derive(Debug, Clone)]
struct Memory {
    vt_symbol: Arc<str>,
    /// Everything up to the opening quote of the timestamp.
    instrument: Vec<u8>,
    days: Segment<(NaiveDate, NaiveDate), 64>,
    last_price: Segment<u64, 64>,
    traded: Segment<(i32, [u64; 2]), 128>,
    slow: Segment<[u64; 8], 320>,
    average: Segment<u64, 64>,
    limits: Segment<[u64; 2], 64>,
    /// Price of bid and ask of the first level.
    best: [Segment<u64, 64>; 2],
    /// Bid and ask of the levels 2 to 5.
    deep: [Segment<[LevelKey; 2], 128>; LEVELS - 1],
}

/// The exact price and size of a level as a cache key.
type LevelKey = (u64, Option<i32>);

impl Memory {
    fn new(instrument: &Instrument) -> Self {
        let contract = &instrument.contract;
        // `Display` of a JSON string is its escaped form with quotes.
        let text = format!(
            "{{\"vt_symbol\":{},\"symbol\":{},\"exchange\":\"{}\",\"timestamp\":\"",
            serde_json::Value::from(&*instrument.vt_symbol),
            serde_json::Value::from(contract.instrument_id.as_str()),
            contract.exchange,
        );
        Self {
            vt_symbol: Arc::clone(&instrument.vt_symbol),
            instrument: text.into_bytes(),
            days: Segment::default(),
            last_price: Segment::default(),
            traded: Segment::default(),
            slow: Segment::default(),
            average: Segment::default(),
            limits: Segment::default(),
            best: Default::default(),
            deep: Default::default(),
        }
    }
}

/// Writes `vnpy` payloads.
#[derive(Debug, Clone)]
pub(super) struct Vnpy {
    /// By [`Instrument::index`].
    memories: Vec<Option<Box<Memory>>>,
    exchange_times: Timestamps,
    local_times: Timestamps,
}

impl Vnpy {
    pub(super) fn new() -> Self {
        Self {
            memories: Vec::new(),
            exchange_times: Timestamps::new(),
            local_times: Timestamps::new(),
        }
    }

    /// Appends the payload of `tick` to `out`; `buffer` is scratch.
    pub(super) fn encode(
        &mut self,
        tick: &NormalizedTick<'_>,
        source: PayloadSource,
        buffer: &mut Buffer,
        out: &mut Vec<u8>,
    ) {
        let memory = memory(&mut self.memories, tick.instrument);
        buffer.clear();
        self.exchange_times.millis(tick.exchange_ts, buffer);
        memory
            .days
            .put((tick.trading_day.0, tick.action_day), buffer, |out| {
                out.literal(b"\",\"trading_day\":\"");
                out.literal(&compact(tick.trading_day.0));
                out.literal(b"\",\"action_day\":\"");
                out.literal(&compact(tick.action_day));
                out.literal(b"\"");
            });
        day(tick, memory, buffer);
        book(tick, memory, buffer);
        buffer.literal(b",\"local_time\":\"");
        self.local_times.nanos(tick.recv_ts, buffer);
        buffer.literal(b"\",\"seq\":");
        buffer.unsigned(tick.seq.0);
        match source {
            PayloadSource::Ctp => buffer.literal(b",\"source\":\"ctp\""),
            PayloadSource::Synthetic => buffer.literal(b",\"source\":\"synthetic\""),
        }
        if !tick.flags.is_empty() {
            flags(tick.flags, buffer);
        }
        buffer.literal(b"}");
        out.reserve(memory.instrument.len() + buffer.len());
        out.extend_from_slice(&memory.instrument);
        out.extend_from_slice(buffer.as_bytes());
    }
}

/// The memory of `instrument`; a fresh one when its index was another instrument's before, so that
/// an encoder may outlive a normalizer.
#[inline]
fn memory<'a>(
    memories: &'a mut Vec<Option<Box<Memory>>>,
    instrument: &Instrument,
) -> &'a mut Memory {
    if instrument.index >= memories.len() {
        memories.resize_with(instrument.index + 1, || None);
    }
    let slot = &mut memories[instrument.index];
    let is_same = |memory: &Memory| {
        let (ours, theirs) = (&memory.vt_symbol, &instrument.vt_symbol);
        // Nearly always the very same text.
        Arc::ptr_eq(ours, theirs) || ours == theirs
    };
    if !slot.as_deref().is_some_and(is_same) {
        *slot = None;
    }
    slot.get_or_insert_with(|| Box::new(Memory::new(instrument)))
}

/// The numbers of the trading day, `last_price` to `limit_down`.
#[inline]
fn day(tick: &NormalizedTick<'_>, memory: &mut Memory, out: &mut Buffer) {
    memory.last_price.put(bits(tick.last_price), out, |out| {
        number(out, b",\"last_price\":", tick.last_price);
    });
    if let Some(last_volume) = tick.last_volume {
        out.literal(b",\"last_volume\":");
        out.integer(last_volume);
    }
    let traded = [tick.turnover, tick.open_interest];
    memory
        .traded
        .put((tick.volume, traded.map(bits)), out, |out| {
            out.literal(b",\"volume\":");
            out.integer(tick.volume);
            number(out, b",\"turnover\":", tick.turnover);
            number(out, b",\"open_interest\":", tick.open_interest);
        });
    let slow = [
        tick.open_price,
        tick.high_price,
        tick.low_price,
        tick.pre_close,
        tick.pre_settlement_price,
        tick.pre_open_interest,
        tick.close_price,
        tick.settlement_price,
    ];
    memory.slow.put(slow.map(bits), out, |out| {
        number(out, b",\"open_price\":", tick.open_price);
        number(out, b",\"high_price\":", tick.high_price);
        number(out, b",\"low_price\":", tick.low_price);
        number(out, b",\"pre_close\":", tick.pre_close);
        number(
            out,
            b",\"pre_settlement_price\":",
            tick.pre_settlement_price,
        );
        number(out, b",\"pre_open_interest\":", tick.pre_open_interest);
        number(out, b",\"close_price\":", tick.close_price);
        number(out, b",\"settlement_price\":", tick.settlement_price);
    });
    // Seldom a short decimal, so the most expensive number of all, and a quote does not change it.
    memory.average.put(bits(tick.average_price), out, |out| {
        number(out, b",\"average_price\":", tick.average_price);
    });
    let limits = [tick.limit_up, tick.limit_down];
    memory.limits.put(limits.map(bits), out, |out| {
        number(out, b",\"limit_up\":", tick.limit_up);
        number(out, b",\"limit_down\":", tick.limit_down);
    });
}

/// The exact value as a cache key. `None` takes the bits of a NaN, which no value has.
#[inline]
fn bits(number: Option<f64>) -> u64 {
    number.map_or(u64::MAX, f64::to_bits)
}

/// A key with its number, or nothing.
#[inline]
fn number<const N: usize>(out: &mut Buffer, key: &[u8; N], number: Option<f64>) {
    if let Some(number) = number {
        out.literal(key);
        out.float(number);
    }
}

/// The book, level by level, bid before ask.
#[inline]
fn book(tick: &NormalizedTick<'_>, memory: &mut Memory, out: &mut Buffer) {
    let ([bid, bids @ ..], [ask, asks @ ..]) = (&tick.bids, &tick.asks);
    let [best_bid, best_ask] = &mut memory.best;
    best_bid.put(bits(bid.price), out, |out| bid_price(out, b'1', bid));
    bid_volume(out, b'1', bid);
    best_ask.put(bits(ask.price), out, |out| ask_price(out, b'1', ask));
    ask_volume(out, b'1', ask);
    let deep = memory.deep.iter_mut().zip(bids.iter().zip(asks));
    for (digit, (segment, (bid, ask))) in (b'2'..).zip(deep) {
        // Most exchanges send one level only.
        if *bid == Level::default() && *ask == Level::default() {
            continue;
        }
        let key = [bid, ask].map(|level| (bits(level.price), level.volume));
        segment.put(key, out, |out| {
            bid_price(out, digit, bid);
            bid_volume(out, digit, bid);
            ask_price(out, digit, ask);
            ask_volume(out, digit, ask);
        });
    }
}

fn bid_price(out: &mut Buffer, digit: u8, level: &Level) {
    number(out, &with_digit(*b",\"bid_price_0\":", digit), level.price);
}

fn ask_price(out: &mut Buffer, digit: u8, level: &Level) {
    number(out, &with_digit(*b",\"ask_price_0\":", digit), level.price);
}

#[inline]
fn bid_volume(out: &mut Buffer, digit: u8, level: &Level) {
    volume(out, &with_digit(*b",\"bid_volume_0\":", digit), level);
}

#[inline]
fn ask_volume(out: &mut Buffer, digit: u8, level: &Level) {
    volume(out, &with_digit(*b",\"ask_volume_0\":", digit), level);
}

#[inline]
fn volume(out: &mut Buffer, key: &[u8; 16], level: &Level) {
    if let Some(volume) = level.volume {
        out.literal(key);
        out.integer(volume);
    }
}

/// A key of the book with the number of its level, which stands before the last two bytes.
#[inline]
const fn with_digit<const N: usize>(mut key: [u8; N], digit: u8) -> [u8; N] {
    key[N - 3] = digit;
    key
}

fn flags(flags: Flags, out: &mut Buffer) {
    out.literal(b",\"flags\":");
    let mut separator = b"[";
    for flag in flags.iter() {
        out.literal(separator);
        out.literal(b"\"");
        out.slice(flag.as_str().as_bytes());
        out.literal(b"\"");
        separator = b",";
    }
    out.literal(b"]");
}
