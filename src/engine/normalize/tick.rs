//! A normalized tick, which is what consumers get.

use std::sync::Arc;

use chrono::NaiveDate;
use tickdeck_core::contract::Contract;
use tickdeck_core::event::Seq;
use tickdeck_core::time::{TradingDay, UnixNanos};

use super::flags::Flags;

/// An instrument that the normalizer has seen.
#[derive(Debug, Clone)]
pub struct Instrument {
    /// Dense index in order of first appearance: a key for caches downstream.
    pub index: usize,
    /// The entry of the contract table.
    pub contract: Contract,
    /// `rb2601.SHFE`.
    pub vt_symbol: Arc<str>,
}

/// Levels of the book in the CTP struct.
pub const LEVELS: usize = 5;

/// One side of one level of the book.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Level {
    /// Price, price units; `None` without a quote.
    pub price: Option<f64>,
    /// Size, lots. Level 1 always has one, 0 beside a missing price; on levels 2 to 5 it is `None`
    /// exactly where the price is.
    pub volume: Option<i32>,
}

/// A tick as consumers want it. Every number is finite and none is `-0.0`; `None` is "no value".
#[derive(Debug, Clone)]
pub struct NormalizedTick<'a> {
    /// Its instrument.
    pub instrument: &'a Instrument,
    /// Position of the event in its session.
    pub seq: Seq,
    /// When this machine received it (ns, UTC).
    pub recv_ts: UnixNanos,
    /// When the exchange stamped it (ns, UTC, a multiple of 1 ms), computed.
    pub exchange_ts: UnixNanos,
    /// The trading day it belongs to.
    pub trading_day: TradingDay,
    /// The calendar day of `exchange_ts` in Shanghai; computed, CTP's `ActionDay` is not used.
    pub action_day: NaiveDate,
    /// Last traded price, price units.
    pub last_price: Option<f64>,
    /// Lots traded since the tick before of the same trading day; never negative. `None` on the
    /// first tick of the instrument, where the base is unknown.
    pub last_volume: Option<i32>,
    /// Cumulative volume of the trading day, lots.
    pub volume: i32,
    /// Cumulative turnover of the trading day, CNY including the multiplier; CTP's own value when
    /// [`Flag::RawTurnover`](super::Flag::RawTurnover) is set.
    pub turnover: Option<f64>,
    /// Open interest, lots.
    pub open_interest: Option<f64>,
    /// First price of the trading day, price units.
    pub open_price: Option<f64>,
    /// Highest price of the trading day, price units.
    pub high_price: Option<f64>,
    /// Lowest price of the trading day, price units.
    pub low_price: Option<f64>,
    /// Close of the previous trading day, price units.
    pub pre_close: Option<f64>,
    /// Settlement price of the previous trading day, price units.
    pub pre_settlement_price: Option<f64>,
    /// Open interest at the end of the previous trading day, lots.
    pub pre_open_interest: Option<f64>,
    /// Close of the trading day, price units; from the close on.
    pub close_price: Option<f64>,
    /// Settlement price of the trading day, price units; from settlement on.
    pub settlement_price: Option<f64>,
    /// Average price of the trading day, price units (per unit, not per lot, on every exchange).
    pub average_price: Option<f64>,
    /// Upper price limit, price units.
    pub limit_up: Option<f64>,
    /// Lower price limit, price units.
    pub limit_down: Option<f64>,
    /// Bids, best first.
    pub bids: [Level; LEVELS],
    /// Asks, best first.
    pub asks: [Level; LEVELS],
    /// Flags raised by the normalizer.
    pub flags: Flags,
}

impl NormalizedTick<'_> {
    /// The same tick with another borrow of its instrument, to keep it beyond the next event.
    #[must_use]
    pub fn with_instrument(self, instrument: &Instrument) -> NormalizedTick<'_> {
        NormalizedTick {
            instrument,
            seq: self.seq,
            recv_ts: self.recv_ts,
            exchange_ts: self.exchange_ts,
            trading_day: self.trading_day,
            action_day: self.action_day,
            last_price: self.last_price,
            last_volume: self.last_volume,
            volume: self.volume,
            turnover: self.turnover,
            open_interest: self.open_interest,
            open_price: self.open_price,
            high_price: self.high_price,
            low_price: self.low_price,
            pre_close: self.pre_close,
            pre_settlement_price: self.pre_settlement_price,
            pre_open_interest: self.pre_open_interest,
            close_price: self.close_price,
            settlement_price: self.settlement_price,
            average_price: self.average_price,
            limit_up: self.limit_up,
            limit_down: self.limit_down,
            bids: self.bids,
            asks: self.asks,
            flags: self.flags,
        }
    }
}
