//! Counts of recorded events: ticks, ticks of each instrument, trading days.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use rustc_hash::FxHashMap;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::event::{Event, InstrumentId};
use tickdeck_core::time::{TradingDay, UnixNanos};

use super::columns::RowGroupBuffer;
use super::latin1::{text_to_utf8, utf8_to_text};
use super::manifest::Manifest;

/// Counts of recorded events.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) ticks: u64,
    counts: FxHashMap<InstrumentId, u64>,
    trading_days: BTreeSet<NaiveDate>,
    days: DayOf,
}

/// Trading days by receive time: one calendar look-up per hour of it. A day ends on the hour.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DayOf(Option<(i64, NaiveDate)>);

impl DayOf {
    /// The trading day of `recv_ts`.
    pub(super) fn day(&mut self, recv_ts: UnixNanos, calendar: &TradingCalendar) -> NaiveDate {
        const NANOS_PER_HOUR: i64 = 3_600 * tickdeck_core::time::NANOS_PER_SECOND;
        let hour = recv_ts.0.div_euclid(NANOS_PER_HOUR);
        match self.0 {
            Some((cached, day)) if cached == hour => day,
            _ => {
                let day = calendar.trading_day_of(recv_ts).0;
                self.0 = Some((hour, day));
                day
            }
        }
    }
}

impl Tally {
    /// What a manifest counts. Texts that are neither instrument nor day are skipped: verifying finds them.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let counts = manifest.instruments.iter();
        let days = manifest.trading_days.iter();
        Self {
            ticks: manifest.ticks,
            counts: counts
                .filter_map(|(id, count)| Some((utf8_to_text(id)?, *count)))
                .collect(),
            trading_days: days.filter_map(|day| day.parse().ok()).collect(),
            days: DayOf::default(),
        }
    }

    /// Counts the next event.
    pub(super) fn add(&mut self, event: &Event, calendar: &TradingCalendar) {
        self.add_without_instrument(event, calendar);
        if let Some(tick) = event.as_tick() {
            *self.counts.entry(tick.instrument_id).or_insert(0) += 1;
        }
    }

    /// The same for an event whose row group will be added.
    pub(super) fn add_without_instrument(&mut self, event: &Event, calendar: &TradingCalendar) {
        if event.as_tick().is_some() {
            self.ticks += 1;
            let day = self.days.day(event.recv_ts, calendar);
            if self.trading_days.last() != Some(&day) {
                self.trading_days.insert(day);
            }
        }
    }

    /// Counts the ticks of each instrument of a row group.
    pub(super) fn add_group(&mut self, group: &RowGroupBuffer) {
        for (id, count) in group.tick_counts() {
            *self.counts.entry(*id).or_insert(0) += u64::from(count);
        }
    }

    /// The instruments with ticks, in any order.
    pub(super) fn ids(&self) -> impl Iterator<Item = &InstrumentId> {
        self.counts.keys()
    }

    /// The last trading day.
    pub(super) fn last_day(&self) -> Option<TradingDay> {
        self.trading_days.last().copied().map(TradingDay)
    }

    /// Ticks of each instrument, as the manifest has them.
    pub(super) fn instruments(&self) -> BTreeMap<String, u64> {
        let text = |(id, count): (&InstrumentId, &u64)| (text_to_utf8(id.as_bytes()), *count);
        self.counts.iter().map(text).collect()
    }

    /// The trading days, as the manifest has them.
    pub(super) fn trading_days(&self) -> Vec<String> {
        self.trading_days.iter().map(ToString::to_string).collect()
    }
}
