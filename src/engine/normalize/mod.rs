//! From raw ticks to what is published, as a pure state machine (field guide 5).
//!
//! The same events, contract table and calendar yield the same output: no clock, no environment, no
//! I/O, no randomness. The state is per instrument and small; nothing is allocated for a tick of an
//! instrument that was seen before.
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
mod outcome;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tick;
mod values;

use std::sync::Arc;

use self::exchange_time::{ExchangeClock, Stamp, received_by_day};
pub use self::flags::{Flag, Flags, UnknownFlag};
use self::instruments::{Advanced, Connection, Instruments, Mark, Slot, State};
pub use self::outcome::{Outcome, Reject};
pub use self::tick::{Instrument, LEVELS, Level, NormalizedTick};
use tickdeck_core::block::{EventRef, EventRefKind, TickRef};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{ContractTable, Phase};
pub use tickdeck_core::dating::STALE_AFTER;
use tickdeck_core::event::{InstrumentId, RawTick, Seq, SessionEvent};
use tickdeck_core::source::ReceiveTimes;
use tickdeck_core::time::UnixNanos;

/// Version of what the normalizer and the encoder make of the same events. Every change of what is
/// published has a new one: goldens name it, to distinguish a new version from a fault.
/// `fixtures/normalizer.csv` holds what each version publishes, and a test compares.
pub const VERSION: u32 = 2;

/// The state machine.
#[derive(Debug)]
pub struct Normalizer {
    instruments: Instruments,
    clock: ExchangeClock,
    connection: Connection,
}

impl Normalizer {
    /// A normalizer that has seen nothing yet. `receive_times` says whether `recv_ts` is evidence of
    /// a tick's date.
    #[must_use]
    pub fn new(
        contracts: Arc<ContractTable>,
        calendar: Arc<TradingCalendar>,
        receive_times: ReceiveTimes,
    ) -> Self {
        Self {
            instruments: Instruments::new(contracts),
            clock: ExchangeClock::new(calendar, receive_times),
            connection: Connection::default(),
        }
    }

    /// Takes the next event in `seq` order.
    #[inline]
    pub fn apply<'e>(&mut self, event: impl Into<EventRef<'e>>) -> Outcome<'_> {
        let EventRef { seq, recv_ts, kind } = event.into();
        match kind {
            EventRefKind::Tick(tick) => self.tick(seq, recv_ts, tick),
            EventRefKind::Session(session) => {
                self.session(session);
                Outcome::Session
            }
        }
    }

    /// The last tick of an instrument, by [`Instrument::index`].
    pub(crate) fn last_tick(&self, instrument: usize) -> Option<&RawTick> {
        self.instruments.last(instrument)
    }

    /// How many instruments were seen.
    #[must_use]
    pub const fn instruments(&self) -> usize {
        self.instruments.len()
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

    fn tick(&mut self, seq: Seq, recv_ts: UnixNanos, tick: TickRef<'_>) -> Outcome<'_> {
        let rejected = |first| Outcome::Rejected {
            reason: Reject::UnknownExchange,
            first,
        };
        let index = match self.instruments.slot(tick.instrument_id()) {
            Slot::Known(index) => index,
            Slot::Unknown { first } => return rejected(first),
        };
        let Some(Advanced {
            state,
            tick: raw,
            is_duplicate: duplicate,
            contracts,
        }) = self.instruments.advance(index, tick)
        else {
            return rejected(false);
        };
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
        let arrival = Arrival {
            connection: self.connection,
            recv_ts,
            is_measured: self.clock.is_measured(),
        };
        let noticed = Noticed::of(
            state,
            arrival,
            raw,
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

/// Flags that do not depend on the instrument's memory.
#[derive(Clone, Copy)]
struct Marks {
    duplicate: bool,
    preopen: bool,
    outside: bool,
}

/// How a tick arrived.
#[derive(Clone, Copy)]
struct Arrival {
    connection: Connection,
    recv_ts: UnixNanos,
    /// Whether `recv_ts` is evidence.
    is_measured: bool,
}

/// What the memory of the instrument adds to a tick.
struct Noticed {
    last_volume: Option<i32>,
    flags: Flags,
}

impl Noticed {
    #[inline]
    fn of(state: &mut State, arrival: Arrival, raw: &RawTick, stamp: &Stamp, marks: Marks) -> Self {
        let age = arrival.recv_ts.since(stamp.exchange_ts);
        let mut flags = Flags::EMPTY;
        flags.set_if(state.snapshots.take(arrival.connection), Flag::Snapshot);
        flags.set_if(marks.preopen, Flag::Preopen);
        flags.set_if(marks.outside, Flag::OutOfSession);
        flags.set_if(marks.duplicate, Flag::Duplicate);
        flags.set_if(stamp.date_conflict, Flag::DateConflict);
        let is_far = age.unsigned_abs() > STALE_AFTER.unsigned_abs();
        // Only an import has such a tick: the rows around it show that its date is wrong. Its volume
        // would hide that of the days until then.
        if age < -STALE_AFTER {
            flags.insert(Flag::Stale);
            return Self {
                last_volume: None,
                flags,
            };
        }
        let night_by_day = stamp.part.is_night() && received_by_day(arrival.recv_ts);
        let step = state.progress.step(Mark {
            day: stamp.trading_day,
            exchange_ts: stamp.exchange_ts,
            volume: raw.volume,
            night_by_day: stamp.is_sent_again || (night_by_day && arrival.is_measured),
        });
        // A derived receive time may be late because of another instrument's row.
        let is_late = arrival.is_measured || step.older;
        flags.set_if(is_far && is_late, Flag::Stale);
        flags.set_if(step.replayed && !marks.duplicate, Flag::Replayed);
        flags.set_if(step.volume_fell, Flag::VolumeFell);
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

    /// A price, a quote, or the settlement of a day without either. Before the open also the limits
    /// and the base of the next day, which no other tick has (field guide 5.5).
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
