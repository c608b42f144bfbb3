//! The instruments that a normalizer has seen, and what it remembers of each.
//!
//! An id is resolved once; after that a tick costs one look-up over 16 bytes, which hold every id
//! of up to 15 characters with its zero padding. Longer ids (combinations) take the second table.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tickdeck_core::contract::{Contract, ContractTable, Exchange, Phase, SessionHours};
use tickdeck_core::event::{InstrumentId, RawTick};

use super::exchange_time::Stamp;
use super::outcome::{Outcome, Reject};
use super::progress::{Progress, Snapshots};
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

/// The memory of one instrument.
#[derive(Debug)]
pub(super) struct State {
    pub(super) instrument: Instrument,
    pub(super) progress: Progress,
    pub(super) snapshots: Snapshots,
    rules: Rules,
    /// The trading day of the last tick, by its key, and the sessions on it.
    today: Option<(usize, SessionHours)>,
    /// The multiplier is not the same for every delivery month that the id may stand for: the
    /// trading day decides.
    is_dated: bool,
    previous: Option<RawTick>,
    /// The bits of the [`Reject`]s that were reported.
    reported: u8,
}

impl State {
    fn new(index: usize, contract: Contract) -> Self {
        let vt_symbol = format!("{}.{}", contract.instrument_id, contract.exchange);
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
            today: None,
            previous: None,
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

    /// Whether `raw` equals the tick before it bit for bit; remembers it for the next one.
    #[inline]
    pub(super) fn is_duplicate(&mut self, raw: &RawTick) -> bool {
        if let Some(previous) = &self.previous {
            // The time differs in nearly every pair: that spares the comparison of 600 bytes.
            let may_be_equal = previous.update_millisec == raw.update_millisec
                && previous.volume == raw.volume
                && previous.update_time == raw.update_time;
            if may_be_equal && previous == raw {
                return true;
            }
        }
        self.previous = Some(*raw);
        false
    }

    /// Enters the trading day of `stamp` and returns its phase. The tables are queried when the day
    /// differs from the last tick's.
    #[inline]
    pub(super) fn enter(&mut self, stamp: &Stamp, contracts: &ContractTable) -> Phase {
        let hours = match self.today {
            Some((key, hours)) if key == stamp.day_key => hours,
            _ => self.change_day(stamp, contracts),
        };
        hours.phase(stamp.seconds_of_day, stamp.opens_at_night)
    }

    #[cold]
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
        let hours = contracts.hours_on(contract, day);
        self.today = Some((stamp.day_key, hours));
        hours
    }

    /// Rejects a tick of this instrument.
    pub(super) fn reject(&mut self, reason: Reject) -> Outcome<'static> {
        let first = self.reported & reason.bit() == 0;
        self.reported |= reason.bit();
        Outcome::Rejected { reason, first }
    }
}

/// Every instrument that was seen.
#[derive(Debug)]
pub(super) struct Instruments {
    contracts: Arc<ContractTable>,
    states: Vec<State>,
    short: FxHashMap<u128, Entry>,
    long: FxHashMap<InstrumentId, Entry>,
}

impl Instruments {
    pub(super) fn new(contracts: Arc<ContractTable>) -> Self {
        Self {
            contracts,
            states: Vec::new(),
            short: FxHashMap::default(),
            long: FxHashMap::default(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.states.len()
    }

    /// The state of a [`Slot::Known`], and the table that [`State::enter`] may have to ask.
    #[inline]
    pub(super) fn state(&mut self, index: usize) -> (&mut State, &ContractTable) {
        (&mut self.states[index], &self.contracts)
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
