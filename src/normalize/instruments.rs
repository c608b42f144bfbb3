//! The instruments that a normalizer has seen, and what it remembers of each.
//!
//! An id is resolved once; after that a tick costs one look-up over 16 bytes, which hold every id
//! of up to 15 characters with its zero padding. Longer ids (combinations) take the second table.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::exchange_time::Stamp;
use super::progress::{Progress, Snapshots};
use super::session::{Hours, Phase};
use super::values::Rules;
use super::{Outcome, Reject};
use crate::contract::{Contract, ContractTable, Exchange};
use crate::event::{InstrumentId, RawTick};

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

/// Where an id leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// To the state with this index.
    Known(usize),
    /// Nowhere: no exchange can be told.
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
    /// The sessions of the trading day with this key.
    hours: Option<(usize, Hours)>,
    previous: Option<RawTick>,
    /// The bits of the [`Reject`]s that were reported.
    reported: u8,
}

impl State {
    fn new(index: usize, contract: Contract) -> Self {
        let vt_symbol = format!("{}.{}", contract.instrument_id, contract.exchange);
        Self {
            rules: Rules::of(&contract),
            instrument: Instrument {
                index,
                contract,
                vt_symbol,
            },
            progress: Progress::default(),
            snapshots: Snapshots::default(),
            hours: None,
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

    /// The phase that `stamp` is in.
    #[inline]
    pub(super) fn phase(&mut self, stamp: &Stamp) -> Phase {
        let hours = match self.hours {
            Some((key, hours)) if key == stamp.day_key => hours,
            _ => {
                let contract = &self.instrument.contract;
                let hours = Hours::new(
                    contract.session,
                    contract.exchange,
                    stamp.trading_day,
                    stamp.has_night,
                );
                self.hours = Some((stamp.day_key, hours));
                hours
            }
        };
        hours.phase(stamp.axis)
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

    /// The state of a [`Slot::Known`].
    #[inline]
    pub(super) fn state(&mut self, index: usize) -> &mut State {
        &mut self.states[index]
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

/// The first 16 bytes of an id that has a NUL among them, and so nothing behind them.
#[inline]
fn short_key(id: &InstrumentId) -> Option<u128> {
    let head = id.as_array().first_chunk::<16>()?;
    (head[15] == 0).then(|| u128::from_le_bytes(*head))
}
