//! From raw ticks to what is published, as a pure state machine (CTP field guide, section 5).
//!
//! Same events, same contract table and same calendar give the same output: no clock, no
//! environment, no I/O, no randomness. The state is per instrument and small; nothing is allocated
//! for a tick of an instrument that was seen before.
//!
//! ```text
//! Event ─┬─ session event ──────────────────────────────> Outcome::Session
//!        └─ tick ─ exchange? ─ time? ─ any price? ─ flags ─> Outcome::Tick
//!                     └─────────┴──────────┴──────────────> Outcome::Rejected
//! ```
//!
//! A rejected tick changes nothing but the memory for [`Flag::Duplicate`]. Counting is the
//! caller's: every event gives exactly one [`Outcome`].

mod exchange_time;
mod flags;
mod instruments;
mod progress;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

use chrono::NaiveDate;

use self::exchange_time::{ExchangeClock, Stamp, received_by_day};
pub use self::flags::{Flag, Flags, UnknownFlag};
pub use self::instruments::Instrument;
use self::instruments::{Instruments, Slot, State};
use self::progress::{Connection, Mark};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{ContractTable, Phase};
use tickdeck_core::event::{Event, EventKind, InstrumentId, RawTick, Seq, SessionEvent};
use tickdeck_core::time::{NANOS_PER_SECOND, TradingDay, UnixNanos};

/// Version of what the normalizer and the encoder make of the same events. Every change of what is
/// published has a new one: goldens name it, so that a difference can be told from a fault.
/// `fixtures/normalizer.csv` holds what each version publishes, and a test compares.
pub const VERSION: u32 = 1;

/// How far exchange time and receive time may lie apart before a tick is [`Flag::Stale`], ns.
pub const STALE_AFTER: i64 = 120 * NANOS_PER_SECOND;

/// A tick stamped this far after it was received (ns) carries a wrong date: a CZCE close pushed
/// after 18:00 belongs to the day that ended, and only the receive time, which says "tomorrow",
/// dates it (guide 5.3). It is published as stale, but nothing is counted from it: its volume would
/// hide the whole next day's. A machine's clock may be an hour slow without harm.
const FUTURE_LIMIT: i64 = 3600 * NANOS_PER_SECOND;

/// Levels of the book in the CTP struct.
pub const LEVELS: usize = 5;

/// One side of one level of the book.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Level {
    /// Price, price units; `None` when nobody quotes.
    pub price: Option<f64>,
    /// Size, lots. Level 1 always has one, 0 beside a missing price; on levels 2 to 5 it is `None`
    /// exactly where the price is.
    pub volume: Option<i32>,
}

/// A tick as consumers want it. Every number is finite and none is `-0.0`; `None` is "no value".
#[derive(Debug, Clone)]
pub struct NormalizedTick<'a> {
    /// What the tick is of.
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
    /// [`Flag::RawTurnover`] is set.
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
    /// What was noticed.
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

/// What to do with one event.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "returned by value, never stored")]
pub enum Outcome<'a> {
    /// Publish it.
    Tick(NormalizedTick<'a>),
    /// A session event: nothing to publish.
    Session,
    /// A tick that cannot be published.
    Rejected {
        /// Why.
        reason: Reject,
        /// Whether this is the first tick of its instrument that is rejected for this reason: the
        /// moment to log it, once per instrument.
        first: bool,
    },
}

/// Why a tick cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Reject {
    /// The exchange cannot be told for certain; nothing is published under a guess.
    UnknownExchange,
    /// `UpdateTime` is empty or not a time of day.
    NoTime,
    /// `UpdateMillisec` is not in 0 to 999, or the date is outside what nanoseconds reach.
    ImpossibleTime,
    /// No last price, nobody quotes, and no price of the day either: see `docs/payload.md`.
    NoPrice,
}

impl Reject {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::UnknownExchange,
        Self::NoTime,
        Self::ImpossibleTime,
        Self::NoPrice,
    ];

    /// The word used in summaries and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownExchange => "unknown_exchange",
            Self::NoTime => "no_time",
            Self::ImpossibleTime => "impossible_time",
            Self::NoPrice => "no_price",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The state machine.
#[derive(Debug)]
pub struct Normalizer {
    instruments: Instruments,
    clock: ExchangeClock,
    connection: Connection,
}

impl Normalizer {
    /// A normalizer that has seen nothing yet.
    #[must_use]
    pub fn new(contracts: Arc<ContractTable>, calendar: Arc<TradingCalendar>) -> Self {
        Self {
            instruments: Instruments::new(contracts),
            clock: ExchangeClock::new(calendar),
            connection: Connection::default(),
        }
    }

    /// Takes the next event in `seq` order.
    #[inline]
    pub fn apply(&mut self, event: &Event) -> Outcome<'_> {
        match &event.kind {
            EventKind::Tick(tick) => self.tick(event.seq, event.recv_ts, tick),
            EventKind::Session(session) => {
                self.session(session);
                Outcome::Session
            }
        }
    }

    fn session(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::FrontConnected {} | SessionEvent::LoginOk { .. } => {
                self.connection.renew();
            }
            SessionEvent::Subscribed {
                instrument,
                error_id: 0,
            } => {
                // An id that does not fit the struct cannot come back in a tick.
                if let Ok(id) = InstrumentId::new(instrument.as_bytes())
                    && let Some(state) = self.instruments.announced(&id)
                {
                    state.snapshots.acknowledge(self.connection);
                }
            }
            _ => {}
        }
    }

    fn tick(&mut self, seq: Seq, recv_ts: UnixNanos, raw: &RawTick) -> Outcome<'_> {
        let index = match self.instruments.slot(&raw.instrument_id) {
            Slot::Known(index) => index,
            Slot::Unknown { first } => {
                return Outcome::Rejected {
                    reason: Reject::UnknownExchange,
                    first,
                };
            }
        };
        let (state, contracts) = self.instruments.state(index);
        let duplicate = state.is_duplicate(raw);
        let stamp = match self.clock.stamp(state.exchange(), raw, recv_ts) {
            Ok(stamp) => stamp,
            Err(reason) => return state.reject(reason),
        };
        let phase = state.enter(&stamp, contracts);
        let prices = Prices::read(state, raw);
        let preopen = match phase {
            // With volume the row is the auction's result, a trade of the day.
            Phase::PreOpen | Phase::Auction => raw.volume == 0,
            Phase::OpenLead | Phase::Continuous | Phase::CloseGrace | Phase::Closed => false,
        };
        if !prices.publishable(preopen) {
            return state.reject(Reject::NoPrice);
        }
        let noticed = Noticed::of(
            state,
            self.connection,
            raw,
            recv_ts,
            &stamp,
            Marks {
                duplicate,
                preopen,
                outside: matches!(phase, Phase::PreOpen | Phase::Closed) && !preopen,
            },
        );
        Outcome::Tick(build(state, (seq, recv_ts), raw, &stamp, &prices, noticed))
    }
}

/// Flags that are known before the instrument's memory is asked.
#[derive(Clone, Copy)]
struct Marks {
    duplicate: bool,
    preopen: bool,
    outside: bool,
}

/// What the memory of the instrument adds to a tick.
struct Noticed {
    last_volume: Option<i32>,
    flags: Flags,
}

impl Noticed {
    #[inline]
    fn of(
        state: &mut State,
        connection: Connection,
        raw: &RawTick,
        recv_ts: UnixNanos,
        stamp: &Stamp,
        marks: Marks,
    ) -> Self {
        let age = recv_ts.since(stamp.exchange_ts);
        let mut flags = Flags::EMPTY;
        flags.set_if(state.snapshots.take(connection), Flag::Snapshot);
        flags.set_if(age.unsigned_abs() > STALE_AFTER.unsigned_abs(), Flag::Stale);
        flags.set_if(marks.preopen, Flag::Preopen);
        flags.set_if(marks.outside, Flag::OutOfSession);
        flags.set_if(marks.duplicate, Flag::Duplicate);
        flags.set_if(stamp.date_conflict, Flag::DateConflict);
        if age < -FUTURE_LIMIT {
            return Self {
                last_volume: None,
                flags,
            };
        }
        let step = state.progress.step(Mark {
            day: stamp.trading_day,
            exchange_ts: stamp.exchange_ts,
            volume: raw.volume,
            night_by_day: stamp.part.is_night() && received_by_day(recv_ts),
        });
        flags.set_if(step.replayed && !marks.duplicate, Flag::Replayed);
        Self {
            last_volume: step.last_volume,
            flags,
        }
    }
}

/// The prices that decide whether a tick says anything.
struct Prices {
    last: Option<f64>,
    bid: Level,
    ask: Level,
    pre_settlement: Option<f64>,
    limit_up: Option<f64>,
    limit_down: Option<f64>,
    settlement: Option<f64>,
}

impl Prices {
    #[inline]
    fn read(state: &State, raw: &RawTick) -> Self {
        let rules = state.rules();
        Self {
            last: rules.last_price(raw),
            bid: rules.best(raw.bid_price1, raw.bid_volume1),
            ask: rules.best(raw.ask_price1, raw.ask_volume1),
            pre_settlement: values::value(raw.pre_settlement_price),
            limit_up: values::value(raw.upper_limit_price),
            limit_down: values::value(raw.lower_limit_price),
            settlement: values::value(raw.settlement_price),
        }
    }

    /// A price or a quote; the settlement of a day without either; or, before the open, the limits
    /// and the base of the day to come, which stand nowhere else (guide 5.5).
    #[inline]
    const fn publishable(&self, preopen: bool) -> bool {
        self.last.is_some()
            || self.bid.price.is_some()
            || self.ask.price.is_some()
            || self.settlement.is_some()
            || (preopen
                && (self.limit_up.is_some()
                    || self.limit_down.is_some()
                    || self.pre_settlement.is_some()))
    }
}

/// Puts a tick together.
#[inline]
fn build<'a>(
    state: &'a State,
    (seq, recv_ts): (Seq, UnixNanos),
    raw: &RawTick,
    stamp: &Stamp,
    prices: &Prices,
    noticed: Noticed,
) -> NormalizedTick<'a> {
    let rules = state.rules();
    let money = rules.money(raw);
    let mut flags = noticed.flags;
    flags.set_if(money.raw_turnover, Flag::RawTurnover);
    NormalizedTick {
        instrument: &state.instrument,
        seq,
        recv_ts,
        exchange_ts: stamp.exchange_ts,
        trading_day: stamp.trading_day,
        action_day: stamp.date,
        last_price: prices.last,
        last_volume: noticed.last_volume,
        volume: raw.volume,
        turnover: money.turnover,
        open_interest: values::value(raw.open_interest),
        open_price: rules.day_price(raw.open_price),
        high_price: rules.day_price(raw.highest_price),
        low_price: rules.day_price(raw.lowest_price),
        pre_close: values::value(raw.pre_close_price),
        pre_settlement_price: prices.pre_settlement,
        pre_open_interest: values::value(raw.pre_open_interest),
        close_price: rules.day_price(raw.close_price),
        settlement_price: prices.settlement,
        average_price: money.average_price,
        limit_up: prices.limit_up,
        limit_down: prices.limit_down,
        bids: [
            prices.bid,
            rules.deep(raw.bid_price2, raw.bid_volume2),
            rules.deep(raw.bid_price3, raw.bid_volume3),
            rules.deep(raw.bid_price4, raw.bid_volume4),
            rules.deep(raw.bid_price5, raw.bid_volume5),
        ],
        asks: [
            prices.ask,
            rules.deep(raw.ask_price2, raw.ask_volume2),
            rules.deep(raw.ask_price3, raw.ask_volume3),
            rules.deep(raw.ask_price4, raw.ask_volume4),
            rules.deep(raw.ask_price5, raw.ask_volume5),
        ],
        flags,
    }
}
