//! The instruments that a normalizer has seen, and what it remembers of each.
//!
//! An id is resolved once; after that a tick costs one look-up over 16 bytes, which hold every id
//! of up to 15 characters with its zero padding. Longer ids (combinations) take the second table.
//!
//! Remembered are the last tick, its volume and time, and snapshots (field guide 5.4 and 5.6).

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tickdeck_core::block::TickRef;
use tickdeck_core::contract::{Contract, ContractTable, Exchange, Phase, SessionHours};
use tickdeck_core::event::{InstrumentId, RawTick};
use tickdeck_core::time::{TradingDay, UnixNanos};

use super::exchange_time::Stamp;
use super::outcome::{Outcome, Reject};
use super::tick::Instrument;
use super::values::Rules;

/// Where an id leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// To the state with this index.
    Known(usize),
    /// Nowhere: the exchange is unknown.
    Unknown {
        /// Whether no tick of it was rejected before.
        first: bool,
    },
}

/// What a table holds for one id.
#[derive(Debug, Clone, Copy)]
enum Entry {
    Known(usize),
    Unknown { reported: bool },
}

/// The phase of a tick, which most ticks after it share.
#[derive(Debug)]
struct LastPhase {
    /// Key of the trading day.
    day_key: usize,
    /// The sessions on it.
    hours: SessionHours,
    /// The times of day that are in this phase, among others.
    around: Range<u32>,
    phase: Phase,
}

/// The memory of one instrument.
#[derive(Debug)]
pub(super) struct State {
    pub(super) instrument: Instrument,
    pub(super) progress: Progress,
    pub(super) snapshots: Snapshots,
    rules: Rules,
    /// The phase of the last tick.
    last_phase: Option<LastPhase>,
    /// The multiplier is not the same for every delivery month that the id may stand for: the
    /// trading day decides.
    is_dated: bool,
    /// The bits of the [`Reject`]s that were reported.
    reported: u8,
}

impl State {
    fn new(index: usize, contract: Contract) -> Self {
        let vt_symbol = format!("{}.{}", contract.instrument_id, contract.exchange).into();
        Self {
            rules: Rules::of(&contract),
            is_dated: contract.multiplier.is_none(),
            instrument: Instrument {
                index,
                contract,
                vt_symbol,
            },
            progress: Progress::default(),
            snapshots: Snapshots::default(),
            last_phase: None,
            reported: 0,
        }
    }

    #[inline]
    pub(super) const fn exchange(&self) -> Exchange {
        self.instrument.contract.exchange
    }

    #[inline]
    pub(super) const fn rules(&self) -> Rules {
        self.rules
    }

    /// Enters the trading day of `stamp` and returns its phase. The tables are queried when the day
    /// differs from the last tick's.
    #[inline]
    pub(super) fn enter(&mut self, stamp: &Stamp, contracts: &ContractTable) -> Phase {
        let of_day = stamp.seconds_of_day;
        match &self.last_phase {
            Some(last) if last.day_key == stamp.day_key && last.around.contains(&of_day) => {
                last.phase
            }
            _ => self.change_phase(stamp, contracts),
        }
    }

    #[cold]
    fn change_phase(&mut self, stamp: &Stamp, contracts: &ContractTable) -> Phase {
        let day_key = stamp.day_key;
        let last = self
            .last_phase
            .take()
            .filter(|last| last.day_key == day_key);
        let hours = last.map_or_else(|| self.change_day(stamp, contracts), |last| last.hours);
        let (phase, around) = hours.phase_around(stamp.seconds_of_day, stamp.opens_at_night);
        self.last_phase = Some(LastPhase {
            day_key,
            hours,
            around,
            phase,
        });
        phase
    }

    fn change_day(&mut self, stamp: &Stamp, contracts: &ContractTable) -> SessionHours {
        let contract = &mut self.instrument.contract;
        let day = stamp.trading_day;
        // What was resolved without a day is the same on every day, where it is known.
        if self.is_dated
            && let Ok(dated) = contracts.resolve_on(contract.instrument_id.as_bytes(), Some(day))
        {
            contract.multiplier = dated.multiplier;
            contract.price_tick = dated.price_tick;
            self.rules = Rules::of(contract);
        }
        contracts.hours_on(contract, day)
    }

    /// Rejects a tick of this instrument.
    pub(super) fn reject(&mut self, reason: Reject) -> Outcome<'static> {
        let first = self.reported & reason.bit() == 0;
        self.reported |= reason.bit();
        Outcome::Rejected { reason, first }
    }
}

/// A tick with what is known of its instrument.
pub(super) struct Advanced<'a> {
    pub(super) state: &'a mut State,
    pub(super) tick: &'a RawTick,
    /// Whether it equals the tick before it bit for bit.
    pub(super) is_duplicate: bool,
    /// [`State::enter`] may have to ask it.
    pub(super) contracts: &'a ContractTable,
}

/// Replaces the last tick by `next`. True if they are equal bit for bit.
#[inline]
fn replace(last: &mut Option<RawTick>, next: &RawTick) -> bool {
    if let Some(last) = last {
        // The time differs in nearly every pair: that spares the comparison of 600 bytes.
        let may_be_equal = last.update_millisec == next.update_millisec
            && last.volume == next.volume
            && last.update_time == next.update_time;
        if may_be_equal && last == next {
            return true;
        }
    }
    *last = Some(*next);
    false
}

/// Every instrument that was seen.
#[derive(Debug)]
pub(super) struct Instruments {
    contracts: Arc<ContractTable>,
    states: Vec<State>,
    /// The last tick of each.
    ticks: Vec<Option<RawTick>>,
    short: FxHashMap<u128, Entry>,
    long: FxHashMap<InstrumentId, Entry>,
}

impl Instruments {
    pub(super) fn new(contracts: Arc<ContractTable>) -> Self {
        Self {
            contracts,
            states: Vec::new(),
            ticks: Vec::new(),
            short: FxHashMap::default(),
            long: FxHashMap::default(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.states.len()
    }

    /// The next tick of a [`Slot::Known`], and its instrument.
    #[inline]
    pub(super) fn advance(&mut self, index: usize, tick: TickRef<'_>) -> Option<Advanced<'_>> {
        if self.ticks.len() <= index {
            self.ticks.resize(index + 1, None);
        }
        let last = &mut self.ticks[index];
        let is_duplicate = match tick {
            TickRef::Whole(tick) => replace(last, tick),
            TickRef::Change(change) => change.apply(last),
        };
        Some(Advanced {
            state: &mut self.states[index],
            tick: last.as_ref()?,
            is_duplicate,
            contracts: &self.contracts,
        })
    }

    /// The last tick of an instrument.
    pub(super) fn last(&self, index: usize) -> Option<&RawTick> {
        self.ticks.get(index)?.as_ref()
    }

    /// Where the id of a tick leads; resolves it when it is new.
    #[inline]
    pub(super) fn slot(&mut self, id: &InstrumentId) -> Slot {
        match self.entry(id) {
            Entry::Known(index) => Slot::Known(*index),
            Entry::Unknown { reported } => Slot::Unknown {
                first: !std::mem::replace(reported, true),
            },
        }
    }

    /// The state of an id that is announced, but has no tick yet to reject.
    pub(super) fn announced(&mut self, id: &InstrumentId) -> Option<&mut State> {
        match *self.entry(id) {
            Entry::Known(index) => self.states.get_mut(index),
            Entry::Unknown { .. } => None,
        }
    }

    #[inline]
    fn entry(&mut self, id: &InstrumentId) -> &mut Entry {
        let (contracts, states) = (&self.contracts, &mut self.states);
        match short_key(id) {
            Some(key) => self
                .short
                .entry(key)
                .or_insert_with(|| resolve(contracts, states, id)),
            None => self
                .long
                .entry(*id)
                .or_insert_with(|| resolve(contracts, states, id)),
        }
    }
}

/// Asks the contract table, once per id.
#[cold]
fn resolve(contracts: &ContractTable, states: &mut Vec<State>, id: &InstrumentId) -> Entry {
    let Ok(contract) = contracts.resolve(id.as_bytes()) else {
        return Entry::Unknown { reported: false };
    };
    let index = states.len();
    states.push(State::new(index, contract));
    Entry::Known(index)
}

/// The first 16 bytes of an id with a NUL among them, so that no byte of the id follows.
#[inline]
fn short_key(id: &InstrumentId) -> Option<u128> {
    let head = id.as_array().first_chunk::<16>()?;
    (head[15] == 0).then(|| u128::from_le_bytes(*head))
}

/// The newest tick data seen of one instrument.
#[derive(Debug, Clone, Copy)]
struct Newest {
    day: TradingDay,
    exchange_ts: UnixNanos,
    /// Highest cumulative volume of `day`: a replayed night must not lower the base, or its volume
    /// would count twice.
    volume: i32,
}

/// One tick as far as order and volume go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) day: TradingDay,
    pub(super) exchange_ts: UnixNanos,
    /// Cumulative volume of `day`, lots.
    pub(super) volume: i32,
    /// A night tick that came by day.
    pub(super) night_by_day: bool,
}

/// What a [`Mark`] is compared with the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Lots traded since the tick before; `None` when there is no base to count from.
    pub(super) last_volume: Option<i32>,
    /// Stamped before what was seen before.
    pub(super) older: bool,
    /// Older, and without new volume.
    pub(super) replayed: bool,
    /// Not older, and the cumulative volume is below what the day already had.
    pub(super) volume_fell: bool,
}

/// Follows the volume of one instrument.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    newest: Option<Newest>,
}

impl Progress {
    /// Adds the next tick in arrival order.
    #[inline]
    pub(super) fn step(&mut self, mark: Mark) -> Step {
        let first = Newest {
            day: mark.day,
            exchange_ts: mark.exchange_ts,
            volume: mark.volume,
        };
        let Some(newest) = &mut self.newest else {
            self.newest = Some(first);
            return Step {
                last_volume: None,
                older: false,
                replayed: false,
                volume_fell: false,
            };
        };
        if mark.day < newest.day {
            // The base of a past day is gone, and its volume is unrelated to today's.
            return Step {
                last_volume: None,
                older: true,
                replayed: true,
                volume_fell: false,
            };
        }
        if mark.day > newest.day {
            *newest = first;
            return Step {
                last_volume: Some(mark.volume.max(0)),
                older: false,
                replayed: false,
                volume_fell: false,
            };
        }
        // Equal times are not evidence by themselves: CZCE stamps several ticks with one second.
        // The last tick of a night that is sent again in the morning is the one case where they
        // are.
        let older = mark.exchange_ts < newest.exchange_ts
            || (mark.exchange_ts == newest.exchange_ts && mark.night_by_day);
        let step = Step {
            last_volume: Some(mark.volume.saturating_sub(newest.volume).max(0)),
            older,
            replayed: older && mark.volume <= newest.volume,
            volume_fell: !older && mark.volume < newest.volume,
        };
        newest.exchange_ts = newest.exchange_ts.max(mark.exchange_ts);
        newest.volume = newest.volume.max(mark.volume);
        step
    }
}

/// Counts the connections of a session: each one makes the next tick of every instrument a
/// snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Connection(u64);

impl Connection {
    /// The front connected or the login succeeded.
    pub(super) fn renew(&mut self) {
        self.0 += 1;
    }

    const fn seen(self) -> bool {
        self.0 > 0
    }
}

/// Whether the next tick of one instrument is the front's snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Snapshots {
    /// A subscription was acknowledged whose snapshot has not come yet.
    pending: bool,
    /// The connection of the last snapshot.
    taken: Connection,
    /// The connection of the last acknowledgement.
    acknowledged: Connection,
}

impl Snapshots {
    /// The subscription was acknowledged.
    ///
    /// Acknowledgements may come minutes after the snapshot (field guide 8: 17,000 of them took
    /// four minutes), so the first one of a connection whose snapshot has come announces nothing.
    pub(super) fn acknowledge(&mut self, connection: Connection) {
        let late = connection.seen() && self.taken == connection && self.acknowledged != connection;
        self.acknowledged = connection;
        self.pending |= !late;
    }

    /// Whether this tick is a snapshot; it will not be one again.
    #[inline]
    pub(super) fn take(&mut self, connection: Connection) -> bool {
        let snapshot = self.pending || self.taken != connection;
        self.pending = false;
        self.taken = connection;
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn mark(dom: u32, seconds: i64, volume: i32) -> Mark {
        Mark {
            day: TradingDay(NaiveDate::from_ymd_opt(2026, 1, dom).unwrap()),
            exchange_ts: UnixNanos(seconds * 1_000_000_000),
            volume,
            night_by_day: false,
        }
    }

    #[track_caller]
    fn check(steps: &[(Mark, Option<i32>, bool)]) {
        let mut progress = Progress::default();
        for &(mark, last_volume, replayed) in steps {
            let step = progress.step(mark);
            assert_eq!(
                (step.last_volume, step.replayed),
                (last_volume, replayed),
                "{mark:?}"
            );
        }
    }

    #[test]
    fn the_first_tick_has_no_base_and_the_next_ones_count() {
        check(&[
            (mark(5, 0, 100), None, false),
            (mark(5, 1, 103), Some(3), false),
            (mark(5, 2, 103), Some(0), false),
        ]);
    }

    #[test]
    fn only_a_new_trading_day_resets_the_base() {
        check(&[
            (mark(5, 0, 100), None, false),
            (mark(5, 1, 90), Some(0), false),
            (mark(5, 2, 104), Some(4), false),
            (mark(6, 3, 7), Some(7), false),
            (mark(6, 4, 9), Some(2), false),
        ]);
    }

    #[test]
    fn a_volume_that_falls_is_noticed_and_counts_nothing() {
        let mut progress = Progress::default();
        let marks = [
            (mark(5, 0, 1000), false),
            (mark(5, 1, 0), true),
            (mark(5, 2, 1004), false),
            (mark(5, 1, 900), false),  // older: it had less
            (mark(5, 3, 1004), false), // the same
            (mark(6, 4, 7), false),    // a new trading day
        ];
        let steps = marks.map(|(mark, fell)| {
            let step = progress.step(mark);
            assert_eq!(step.volume_fell, fell, "{mark:?}");
            step.last_volume
        });
        let expected = [None, Some(0), Some(4), Some(0), Some(0), Some(7)];
        assert_eq!(steps, expected);
    }

    #[test]
    fn a_replayed_night_is_marked_and_counts_no_volume_twice() {
        check(&[
            (mark(5, 10, 50), None, false),
            (mark(5, 20, 80), Some(30), false),
            (mark(5, 10, 50), Some(0), true),
            (mark(5, 15, 60), Some(0), true),
            (mark(5, 30, 81), Some(1), false),
        ]);
    }

    #[test]
    fn a_night_tick_by_day_is_replayed_and_quotes_are_not() {
        let again = Mark {
            night_by_day: true,
            ..mark(5, 10, 50)
        };
        check(&[
            (mark(5, 10, 50), None, false),
            (mark(5, 10, 50), Some(0), false),
            (again, Some(0), true),
        ]);
    }

    #[test]
    fn a_past_day_is_replayed_and_leaves_no_trace() {
        check(&[
            (mark(6, 10, 50), None, false),
            (mark(5, 5, 9000), None, true),
            (mark(6, 11, 51), Some(1), false),
        ]);
    }

    #[test]
    fn extreme_volumes_neither_overflow_nor_go_negative() {
        check(&[
            (mark(5, 0, i32::MIN), None, false),
            (mark(5, 1, i32::MAX), Some(i32::MAX), false),
            (mark(6, 2, -5), Some(0), false),
        ]);
    }

    #[test]
    fn every_connection_and_every_subscription_makes_one_snapshot() {
        let mut connection = Connection::default();
        let mut snapshots = Snapshots::default();
        assert!(!snapshots.take(connection), "sliced: nothing announced it");
        snapshots.acknowledge(connection);
        assert!(snapshots.take(connection));
        connection.renew();
        assert!(snapshots.take(connection));
        snapshots.acknowledge(connection);
        assert!(!snapshots.take(connection), "a late acknowledgement");
        snapshots.acknowledge(connection);
        assert!(snapshots.take(connection), "subscribed again");
        assert!(!snapshots.take(connection));
    }
}
