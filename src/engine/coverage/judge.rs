//! What was observed of a trading day, against the hours in which its instruments trade.

use std::collections::{BTreeMap, BTreeSet};

use tickdeck_core::contract::Contract;
use tickdeck_core::select::SymbolGlobs;
use tickdeck_core::time::{TradingDay, UnixNanos};

use super::observe::{Observation, ObservedDay, ObservedTicks};
use super::report::{
    DayCoverage, DayHalf, GapCoverage, InstrumentCoverage, SessionCoverage, Silence,
};
use super::spans::{Span, Spans};
use super::{CoverageOptions, Judged};
use crate::reference::Reference;

/// One trading day of all recordings.
pub(super) struct Judge<'a> {
    day: TradingDay,
    sessions: Vec<(&'a Observation, &'a ObservedDay)>,
    reference: &'a Reference,
    options: &'a CoverageOptions,
    /// The hours that are judged, of all instruments.
    bounds: Bounds,
}

/// Which part of the day is judged.
#[derive(Default)]
struct Bounds {
    halves: Vec<DayHalf>,
    not_recorded: Vec<DayHalf>,
    /// Within these alone, if there are any.
    recorded: Option<Spans>,
    /// Until then alone.
    until: Option<UnixNanos>,
}

/// An instrument of the day.
struct Instrument {
    contract: Option<Contract>,
    seen: ObservedTicks,
    is_expected: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        day: TradingDay,
        observations: &'a [Observation],
        reference: &'a Reference,
        options: &'a CoverageOptions,
    ) -> Self {
        let of_day = |it: &'a Observation| Some((it, it.events.days.get(&day)?));
        Self {
            day,
            sessions: observations.iter().filter_map(of_day).collect(),
            reference,
            options,
            bounds: Bounds::default(),
        }
    }

    /// The result.
    pub(super) fn judge(mut self) -> DayCoverage {
        let instruments = self.instruments();
        self.bounds = self.bounds_of(&instruments);
        let hours = self.hours_of(instruments.values());
        let mut day = DayCoverage {
            trading_day: self.day,
            whole: true,
            judged: self.bounds.halves.clone(),
            not_recorded: self.bounds.not_recorded.clone(),
            sessions: self
                .sessions
                .iter()
                .map(|it| self.session(it, &hours))
                .collect(),
            silent: self.silent(&instruments),
            without_tick: Vec::new(),
            refused: self.refused(),
            instruments: Vec::new(),
        };
        for (id, instrument) in &instruments {
            if instrument.seen.ticks > 0 {
                day.instruments.push(self.instrument(id, instrument));
            } else if self.misses(id, instrument) {
                day.without_tick.push(id.clone());
            }
        }
        day.whole = day.has_no_finding();
        day
    }

    /// The instruments that are selected: those that had ticks, and those that were to have some.
    fn instruments(&self) -> BTreeMap<String, Instrument> {
        let mut instruments: BTreeMap<String, Instrument> = BTreeMap::new();
        for (observation, day) in &self.sessions {
            for (id, seen) in &day.instruments {
                let all = self.among(&mut instruments, id);
                all.seen.ticks += seen.ticks;
                all.seen.runs.extend(&seen.runs);
            }
            for id in observation.expected.iter().flatten() {
                self.among(&mut instruments, id).is_expected = true;
            }
        }
        instruments.retain(|id, _| self.is_selected(id));
        for instrument in instruments.values_mut() {
            instrument.seen.runs.sort_unstable();
        }
        instruments
    }

    fn among<'i>(
        &self,
        instruments: &'i mut BTreeMap<String, Instrument>,
        id: &str,
    ) -> &'i mut Instrument {
        let new = || Instrument {
            contract: self.contract(id),
            seen: ObservedTicks::default(),
            is_expected: false,
        };
        instruments.entry(id.to_owned()).or_insert_with(new)
    }

    fn contract(&self, id: &str) -> Option<Contract> {
        let contracts = &self.reference.contracts;
        contracts.resolve_on(id.as_bytes(), Some(self.day)).ok()
    }

    /// The halves of the day that are judged, by what the recordings reach into.
    fn bounds_of(&self, instruments: &BTreeMap<String, Instrument>) -> Bounds {
        let recorded = self.sessions.iter();
        let recorded: Vec<Span> = recorded
            .map(|(_, day)| (day.start, day.end.plus(1)))
            .collect();
        let recorded = Spans::new(recorded);
        let mut bounds = Bounds::default();
        for half in DayHalf::ALL {
            let known = instruments.values().filter_map(|it| it.contract.as_ref());
            let hours = known.map(|contract| self.trading(contract, &[half]));
            let hours: Vec<Spans> = hours.filter(|hours| !hours.is_empty()).collect();
            let is_touched = hours
                .iter()
                .any(|hours| !hours.within(&recorded).is_empty());
            if !is_touched && !hours.is_empty() {
                bounds.not_recorded.push(half);
            }
            let is_judged = match self.options.judged {
                Judged::All => !hours.is_empty(),
                Judged::Touched | Judged::Recorded => is_touched,
            };
            if is_judged {
                bounds.halves.push(half);
            }
        }
        let is_growing = self.sessions.iter().any(|(it, _)| it.is_being_written);
        let end = self.sessions.iter().map(|(_, day)| day.end).max();
        bounds.until = end.filter(|_| is_growing);
        bounds.recorded = (self.options.judged == Judged::Recorded).then_some(recorded);
        bounds
    }

    /// The sessions of a product in some halves of the day.
    fn trading(&self, contract: &Contract, halves: &[DayHalf]) -> Spans {
        let hours = self.reference.contracts.hours_on(contract, self.day);
        Spans::trading(hours, &self.reference.calendar, self.day, halves)
    }

    /// The hours in which ticks of an instrument are expected.
    fn hours(&self, contract: &Contract) -> Spans {
        let Bounds {
            halves,
            recorded,
            until,
            ..
        } = &self.bounds;
        let mut hours = self.trading(contract, halves);
        if let Some(recorded) = recorded {
            hours = hours.within(recorded);
        }
        match until {
            Some(until) => hours.within(&Spans::new(vec![(UnixNanos(i64::MIN), *until)])),
            None => hours,
        }
    }

    /// The hours in which ticks of one of these instruments are expected.
    fn hours_of<'i>(&self, instruments: impl Iterator<Item = &'i Instrument>) -> Spans {
        let mut all: Vec<Spans> = Vec::new();
        for contract in instruments.filter_map(|it| it.contract.as_ref()) {
            let hours = self.hours(contract);
            if !all.contains(&hours) {
                all.push(hours);
            }
        }
        all.iter()
            .fold(Spans::default(), |all, hours| all.union(hours))
    }

    fn session(
        &self,
        (observation, day): &(&Observation, &ObservedDay),
        hours: &Spans,
    ) -> SessionCoverage {
        let calendar = &self.reference.calendar;
        let gaps = observation.events.gaps.iter();
        let gaps = gaps.filter(|gap| calendar.trading_day_of(gap.from) == self.day);
        SessionCoverage {
            session: observation.session.clone(),
            recording: observation.recording.clone(),
            status: observation.status,
            being_written: observation.is_being_written,
            start: day.start,
            end: day.end,
            ticks: day.ticks,
            reconnects: day.reconnects,
            gaps: gaps
                .map(|gap| GapCoverage {
                    in_trading_hours: hours.meets(gap.from, gap.to.unwrap_or(gap.from)),
                    gap: gap.clone(),
                })
                .collect(),
            has_subscriptions: observation.expected.is_some(),
            has_lost_events: observation.has_lost_events,
        }
    }

    /// When no instrument had a tick, although one was trading that may not be silent.
    fn silent(&self, instruments: &BTreeMap<String, Instrument>) -> Vec<Silence> {
        let judged = instruments.iter().filter(|(id, it)| self.is_judged(id, it));
        let hours = self.hours_of(judged.map(|(_, it)| it));
        let runs = instruments.values().flat_map(|it| &it.seen.runs);
        let mut runs: Vec<Span> = runs.copied().collect();
        runs.sort_unstable();
        hours.silences(&runs, self.options.silent_ns)
    }

    /// Whether an instrument may not be silent.
    fn is_judged(&self, id: &str, instrument: &Instrument) -> bool {
        instrument.seen.ticks >= self.options.min_ticks && !self.is_allowed(id)
    }

    fn refused(&self) -> Vec<String> {
        let refused = self.sessions.iter().flat_map(|(it, _)| &it.events.refused);
        let is_meant = |id: &&String| self.is_selected(id) && !self.is_allowed(id);
        let refused: BTreeSet<&String> = refused.filter(is_meant).collect();
        refused.into_iter().cloned().collect()
    }

    fn instrument(&self, id: &str, instrument: &Instrument) -> InstrumentCoverage {
        let Instrument { contract, seen, .. } = instrument;
        let is_judged = self.is_judged(id, instrument);
        let hours = contract.as_ref().filter(|_| is_judged);
        let hours = hours.map_or_else(Spans::default, |contract| self.hours(contract));
        let first = seen.runs.first().map(|run| run.0);
        InstrumentCoverage {
            instrument: id.to_owned(),
            exchange: contract.as_ref().map(|contract| contract.exchange),
            ticks: seen.ticks,
            first_tick: first.unwrap_or_default(),
            last_tick: seen.runs.iter().map(|run| run.1).max().unwrap_or_default(),
            judged: !hours.is_empty(),
            silent: hours.silences(&seen.runs, self.options.silent_ns),
        }
    }

    /// Whether an instrument without a tick should have had one.
    fn misses(&self, id: &str, instrument: &Instrument) -> bool {
        let trades = |contract: &Contract| !self.hours(contract).is_empty();
        let trades = instrument.contract.as_ref().is_none_or(trades);
        instrument.is_expected && trades && !self.bounds.halves.is_empty() && !self.is_allowed(id)
    }

    fn is_selected(&self, id: &str) -> bool {
        self.matches(&self.options.symbols, id)
    }

    fn is_allowed(&self, id: &str) -> bool {
        let allowed = self.options.allowed.as_ref();
        allowed.is_some_and(|allowed| self.matches(allowed, id))
    }

    fn matches(&self, globs: &SymbolGlobs, id: &str) -> bool {
        let exchange = || self.contract(id).map(|contract| contract.exchange);
        globs.selects_all() || globs.matches(id.as_bytes(), exchange())
    }
}
