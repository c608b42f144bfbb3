//! From raw ticks to what is published, as a pure state machine: same events + same contract table
//! + same calendar = same output. No clock, no environment, no I/O.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::calendar::TradingCalendar;
use crate::contract::{Contract, ContractTable};
use crate::event::{Event, Seq};
use crate::time::{TradingDay, UnixNanos};

/// An instrument that the normalizer has seen.
#[derive(Debug, Clone)]
pub struct Instrument {
    /// Dense index in order of first appearance: a key for caches downstream.
    pub index: usize,
    /// What the contract table says.
    pub contract: Contract,
    /// `rb2601.SHFE`.
    pub vt_symbol: String,
}

/// One side of one level of the book; a missing price is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Level {
    /// Price, price units.
    pub price: Option<f64>,
    /// Size, lots; `None` where the exchange does not give the level.
    pub volume: Option<i32>,
}

/// A tick as consumers want it. Every number is finite; `None` is "no value".
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "stub")]
pub struct NormalizedTick<'a> {
    pub instrument: &'a Instrument,
    pub seq: Seq,
    pub recv_ts: UnixNanos,
    pub exchange_ts: UnixNanos,
    pub trading_day: TradingDay,
    pub action_day: NaiveDate,
    pub last_price: Option<f64>,
    pub last_volume: Option<i32>,
    pub volume: i32,
    pub turnover: Option<f64>,
    pub open_interest: Option<f64>,
    pub open_price: Option<f64>,
    pub high_price: Option<f64>,
    pub low_price: Option<f64>,
    pub pre_close: Option<f64>,
    pub pre_settlement_price: Option<f64>,
    pub pre_open_interest: Option<f64>,
    pub close_price: Option<f64>,
    pub settlement_price: Option<f64>,
    pub average_price: Option<f64>,
    pub limit_up: Option<f64>,
    pub limit_down: Option<f64>,
    pub bids: [Level; 5],
    pub asks: [Level; 5],
    pub flags: Flags,
}

/// What the normalizer noticed about a tick: a set over [`Flag`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

/// What to do with one event.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "returned by value, never stored")]
pub enum Outcome<'a> {
    /// Publish it.
    Tick(NormalizedTick<'a>),
    /// A session event: nothing to publish.
    Session,
    /// A tick that cannot be published.
    Rejected(Reject),
}

/// Why a tick cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reject {
    /// Stub.
    UnknownExchange,
}

impl Reject {
    /// The word used in summaries and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        "unknown_exchange"
    }
}

/// The state machine.
#[derive(Debug)]
pub struct Normalizer {
    contracts: Arc<ContractTable>,
    calendar: Arc<TradingCalendar>,
}

impl Normalizer {
    /// A normalizer that has seen nothing yet.
    #[must_use]
    pub fn new(contracts: Arc<ContractTable>, calendar: Arc<TradingCalendar>) -> Self {
        Self {
            contracts,
            calendar,
        }
    }

    /// Takes the next event in `seq` order.
    pub fn apply(&mut self, event: &Event) -> Outcome<'_> {
        let _ = (event, &self.contracts, &self.calendar);
        Outcome::Session
    }
}
