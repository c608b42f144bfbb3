//! The `vnpy` payload: vn.py's `TickData` names, design order, one compact JSON object.
//!
//! Segments that repeat from tick to tick are cached as text, keyed by the exact bits they were
//! rendered from. The instrument part is kept permanently. These are kept until they change: the two
//! days, the eight slow numbers of the day, the limits, the average price, each of the levels 2 to 5.
//! A cache cannot be wrong as long as a segment depends on nothing but its key.

use chrono::NaiveDate;

use super::PayloadSource;
use super::buffer::{Buffer, Timestamps, compact, pad};
use crate::normalize::{Flags, Instrument, LEVELS, Level, NormalizedTick};

/// Rendered bytes and what they were rendered from.
#[derive(Debug, Clone)]
struct Segment<K> {
    key: Option<K>,
    /// Padded.
    bytes: Vec<u8>,
    len: usize,
}

impl<K> Default for Segment<K> {
    fn default() -> Self {
        Self {
            key: None,
            bytes: Vec::new(),
            len: 0,
        }
    }
}

impl<K: PartialEq> Segment<K> {
    /// Appends the segment for `key`, rendering it only when the key is a new one.
    #[inline]
    fn put(&mut self, key: K, out: &mut Buffer, render: impl FnOnce(&mut Buffer)) {
        if self.key.as_ref() == Some(&key) {
            out.padded_text(&self.bytes, self.len);
            return;
        }
        let start = out.len();
        render(out);
        self.bytes.clear();
        self.bytes.extend_from_slice(out.since(start));
        self.len = self.bytes.len();
        pad(&mut self.bytes);
        self.key = Some(key);
    }
}

/// The cached segments of one instrument.
#[derive(Debug, Clone)]
struct Memory {
    vt_symbol: String,
    /// Everything up to the opening quote of the timestamp.
    instrument: Vec<u8>,
    days: Segment<(NaiveDate, NaiveDate)>,
    slow: Segment<[u64; 8]>,
    average: Segment<u64>,
    limits: Segment<[u64; 2]>,
    /// Bid and ask of the levels 2 to 5.
    deep: [Segment<[LevelKey; 2]>; LEVELS - 1],
}

/// The exact price and size of a level as a cache key.
type LevelKey = (u64, Option<i32>);

impl Memory {
    fn new(instrument: &Instrument) -> Self {
        let contract = &instrument.contract;
        // `Display` of a JSON string is its escaped form with quotes.
        let text = format!(
            "{{\"vt_symbol\":{},\"symbol\":{},\"exchange\":\"{}\",\"timestamp\":\"",
            serde_json::Value::from(instrument.vt_symbol.as_str()),
            serde_json::Value::from(contract.instrument_id.as_str()),
            contract.exchange,
        );
        Self {
            vt_symbol: instrument.vt_symbol.clone(),
            instrument: text.into_bytes(),
            days: Segment::default(),
            slow: Segment::default(),
            average: Segment::default(),
            limits: Segment::default(),
            deep: Default::default(),
        }
    }
}

/// Writes `vnpy` payloads.
#[derive(Debug, Clone)]
pub(super) struct Vnpy {
    /// By [`Instrument::index`].
    memories: Vec<Option<Memory>>,
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
        book(tick, &mut memory.deep, buffer);
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
fn memory<'a>(memories: &'a mut Vec<Option<Memory>>, instrument: &Instrument) -> &'a mut Memory {
    if instrument.index >= memories.len() {
        memories.resize_with(instrument.index + 1, || None);
    }
    let slot = &mut memories[instrument.index];
    if slot
        .as_ref()
        .is_some_and(|memory| memory.vt_symbol != instrument.vt_symbol)
    {
        *slot = None;
    }
    slot.get_or_insert_with(|| Memory::new(instrument))
}

/// The numbers of the trading day, `last_price` to `limit_down`.
#[inline]
fn day(tick: &NormalizedTick<'_>, memory: &mut Memory, out: &mut Buffer) {
    number(out, b",\"last_price\":", tick.last_price);
    if let Some(last_volume) = tick.last_volume {
        out.literal(b",\"last_volume\":");
        out.integer(last_volume);
    }
    out.literal(b",\"volume\":");
    out.integer(tick.volume);
    number(out, b",\"turnover\":", tick.turnover);
    number(out, b",\"open_interest\":", tick.open_interest);
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

/// The book, level by level.
#[inline]
fn book(
    tick: &NormalizedTick<'_>,
    deep: &mut [Segment<[LevelKey; 2]>; LEVELS - 1],
    out: &mut Buffer,
) {
    let ([bid, bids @ ..], [ask, asks @ ..]) = (&tick.bids, &tick.asks);
    level(out, b'1', bid, ask);
    for (digit, (segment, (bid, ask))) in (b'2'..).zip(deep.iter_mut().zip(bids.iter().zip(asks))) {
        // Most exchanges send one level only.
        if *bid == Level::default() && *ask == Level::default() {
            continue;
        }
        let key = [bid, ask].map(|level| (bits(level.price), level.volume));
        segment.put(key, out, |out| level(out, digit, bid, ask));
    }
}

/// Bid before ask.
#[inline]
fn level(out: &mut Buffer, digit: u8, bid: &Level, ask: &Level) {
    side(
        out,
        *b",\"bid_price_0\":",
        *b",\"bid_volume_0\":",
        digit,
        bid,
    );
    side(
        out,
        *b",\"ask_price_0\":",
        *b",\"ask_volume_0\":",
        digit,
        ask,
    );
}

#[inline]
fn side(
    out: &mut Buffer,
    mut price_key: [u8; 15],
    mut volume_key: [u8; 16],
    digit: u8,
    level: &Level,
) {
    if let Some(price) = level.price {
        price_key[12] = digit;
        out.literal(&price_key);
        out.float(price);
    }
    if let Some(volume) = level.volume {
        volume_key[13] = digit;
        out.literal(&volume_key);
        out.integer(volume);
    }
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
