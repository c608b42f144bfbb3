//! The trading calendar as data: which days trade, and which evenings have a night session (field
//! guide 5.2).
//!
//! Invariant: an answer depends on the data alone, so a recording that carries its calendar replays
//! the same everywhere. The data is `holidays.txt` beside this file (its header says what is
//! certain), or a file of the same format from the user. This module may not know a product or an
//! exchange: which of them trade at night at all is [`contract`](crate::contract)'s business.

mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, TimeDelta, Timelike, Weekday};

use crate::time::{DayPart, TradingDay, UnixNanos};

pub use text::CalendarError;

/// How long before the last fully known day users are warned, in days. The notice for the next year
/// comes in November.
const NOTICE_DAYS: i64 = 60;

/// How much of a date's surroundings the calendar knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// The whole year, and more than the next 60 days.
    Known,
    /// The whole year, but it ends soon and the next one is not fully known.
    EndsSoon {
        /// The last fully known day.
        known_until: NaiveDate,
    },
    /// The days that are holidays in every such year, before the yearly notice: its bridge days and
    /// make-up weekends are missing.
    Partly,
    /// No data, but the holidays with a fixed date: 1 January, 1 and 2 May, 1 to 3 October. The moving
    /// festivals are missing, and so are bridge days.
    FixedDays,
    /// Nothing: weekdays count as trading days.
    Unknown,
}

/// Years in which a calendar is not reliable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uncovered {
    /// Nothing is known: weekdays count as trading days.
    pub unknown: BTreeSet<i32>,
    /// Only the statutory holidays are known, or nothing yet of a year that begins soon.
    pub partly: BTreeSet<i32>,
    /// Only the holidays with a fixed date are known.
    pub fixed_days: BTreeSet<i32>,
}

/// Month and day of the holidays that have the same date in every year, by the State Council's
/// regulation on national holidays.
const FIXED_DAYS: [(u32, u32); 6] = [(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)];

/// The first year of the regulation as it is in force.
const FIXED_DAYS_SINCE: i32 = 2025;

/// Holidays of the futures exchanges, per year.
///
/// `default()` covers no year: every Monday to Friday trades. In any other calendar, a year without
/// data has the holidays with a fixed date ([`Coverage::FixedDays`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TradingCalendar {
    /// Fully known years.
    years: BTreeSet<i32>,
    /// Years of which only the statutory holidays are known; never one of `years`.
    partly: BTreeSet<i32>,
    /// Closed weekdays, sorted; weekends are closed without being listed.
    closed: Vec<NaiveDate>,
    /// Evenings without a night session beyond the rule, sorted.
    no_night: Vec<NaiveDate>,
}

impl TradingCalendar {
    /// The calendar that is built in.
    #[must_use]
    pub fn builtin() -> Self {
        static BUILTIN: LazyLock<TradingCalendar> = LazyLock::new(|| {
            TradingCalendar::parse(include_str!("holidays.txt"))
                .expect("the embedded calendar is well formed: a test reads it")
        });
        BUILTIN.clone()
    }

    /// `self` with every year that `newer` knows better taken from `newer`; its other evenings without
    /// night sessions are added. This is what a user's calendar file does to the built-in one.
    #[must_use]
    pub fn overlaid_with(&self, newer: &Self) -> Self {
        let is_known = |year: &i32| self.years.contains(year);
        let is_newer = |year: i32| {
            newer.years.contains(&year) || (newer.partly.contains(&year) && !is_known(&year))
        };
        // A partly known year of `newer` says nothing about a year that `self` knows.
        let is_older = |year: i32| newer.partly.contains(&year) && is_known(&year);
        let merge = |old: &[NaiveDate], new: &[NaiveDate]| {
            let kept = old.iter().filter(|date| !is_newer(date.year()));
            let added = new.iter().filter(|date| !is_older(date.year()));
            let days: BTreeSet<NaiveDate> = kept.chain(added).copied().collect();
            days.into_iter().collect()
        };
        let years: BTreeSet<i32> = self.years.union(&newer.years).copied().collect();
        let partly = self.partly.union(&newer.partly);
        Self {
            partly: partly
                .copied()
                .filter(|year| !years.contains(year))
                .collect(),
            years,
            closed: merge(&self.closed, &newer.closed),
            no_night: merge(&self.no_night, &newer.no_night),
        }
    }

    /// Whether the futures exchanges trade on the day session of `date`.
    #[must_use]
    pub fn is_trading_day(&self, date: NaiveDate) -> bool {
        !is_weekend(date)
            && self.closed.binary_search(&date).is_err()
            && !self.is_closed_by_rule(date)
    }

    /// Whether `date` is a holiday by the regulation alone, in a year without data.
    fn is_closed_by_rule(&self, date: NaiveDate) -> bool {
        FIXED_DAYS.contains(&(date.month(), date.day())) && self.knows_fixed_days(date.year())
    }

    /// Whether only the holidays with a fixed date are known of a year. A calendar without any data
    /// knows no holiday at all.
    fn knows_fixed_days(&self, year: i32) -> bool {
        let has_data = self.years.contains(&year) || self.partly.contains(&year);
        year >= FIXED_DAYS_SINCE && !has_data && !self.years.is_empty()
    }

    /// The last trading day before `date`; `date` itself at the very start of chrono's range, where
    /// there is none.
    #[must_use]
    pub fn prev_trading_day(&self, date: NaiveDate) -> TradingDay {
        self.walk(date, NaiveDate::pred_opt)
    }

    /// The first trading day after `date`; `date` itself at the very end of chrono's range, where
    /// there is none.
    #[must_use]
    pub fn next_trading_day(&self, date: NaiveDate) -> TradingDay {
        self.walk(date, NaiveDate::succ_opt)
    }

    /// The nearest trading day in the direction of `step`. It ends: closures are finite data, and
    /// beyond them at most three weekdays in a row are closed.
    fn walk(&self, from: NaiveDate, step: impl Fn(&NaiveDate) -> Option<NaiveDate>) -> TradingDay {
        let mut date = from;
        while let Some(next) = step(&date) {
            if self.is_trading_day(next) {
                return TradingDay(next);
            }
            date = next;
        }
        TradingDay(from)
    }

    /// Whether there is a night session on the evening of `date`.
    ///
    /// There is one when `date` is a trading day and only a weekend is between it and the next
    /// trading day: the evening before a holiday does not trade. Evenings that the data names (the
    /// COVID-19 suspension, the years before night trading) have none either.
    #[must_use]
    pub fn has_night_session(&self, date: NaiveDate) -> bool {
        if !self.is_trading_day(date) || self.no_night.binary_search(&date).is_ok() {
            return false;
        }
        // With no closure between, the next trading day of a Friday is Monday, else tomorrow.
        let to_next_weekday = if date.weekday() == Weekday::Fri { 3 } else { 1 };
        date.checked_add_signed(TimeDelta::days(to_next_weekday))
            .is_some_and(|next| self.is_trading_day(next))
    }

    /// Whether trading day `day` began with a night session on the evening before it. Where it did
    /// not, products that trade at night have their opening auction in the morning instead.
    #[must_use]
    pub fn opens_at_night(&self, day: TradingDay) -> bool {
        let previous = self.prev_trading_day(day.0);
        self.is_trading_day(day.0) && self.has_night_session(previous.0)
    }

    /// The trading day that something received at `recv_ts` belongs to (field guide 5.3). From
    /// 18:00 it is the next trading day, before 06:00 the trading day after the evening before,
    /// else the date or the next trading day.
    #[must_use]
    pub fn trading_day_of(&self, recv_ts: UnixNanos) -> TradingDay {
        let local = recv_ts.to_shanghai();
        let date = local.date_naive();
        if DayPart::of(local.num_seconds_from_midnight()) == DayPart::Evening {
            return self.next_trading_day(date);
        }
        // Before 06:00 the trading day is the one that follows the evening before, which is the
        // first one from `date` on. By day the answer is the same.
        if self.is_trading_day(date) {
            TradingDay(date)
        } else {
            self.next_trading_day(date)
        }
    }

    /// The years around some days that are not fully known.
    #[must_use]
    pub fn uncovered(&self, days: impl IntoIterator<Item = NaiveDate>) -> Uncovered {
        let mut found = Uncovered::default();
        for day in days {
            match self.coverage(day) {
                Coverage::Known => {}
                Coverage::EndsSoon { known_until } => {
                    found.partly.insert(known_until.year() + 1);
                }
                Coverage::Partly => {
                    found.partly.insert(day.year());
                }
                Coverage::FixedDays => {
                    found.fixed_days.insert(day.year());
                }
                Coverage::Unknown => {
                    found.unknown.insert(day.year());
                }
            }
        }
        found
    }

    /// How much is known around `date`.
    #[must_use]
    pub fn coverage(&self, date: NaiveDate) -> Coverage {
        let year = date.year();
        if !self.years.contains(&year) {
            return if self.partly.contains(&year) {
                Coverage::Partly
            } else if self.knows_fixed_days(year) {
                Coverage::FixedDays
            } else {
                Coverage::Unknown
            };
        }
        let known = self.years.range(year..).zip(year..);
        let last = known.take_while(|(known, year)| **known == *year).last();
        let last = last.map_or(year, |(_, last)| last);
        match NaiveDate::from_ymd_opt(last, 12, 31) {
            Some(known_until)
                if known_until.signed_duration_since(date).num_days() <= NOTICE_DAYS =>
            {
                Coverage::EndsSoon { known_until }
            }
            _ => Coverage::Known,
        }
    }

    /// The calendar as the text of its data file, which [`parse`](Self::parse) reads back. One line
    /// a year and no comments: it is kept in every recording. Its version is 1 where no year is partly
    /// known, so that older programs read it.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::print(self)
    }

    /// Reads a calendar data file; the format is described in the header of the built-in one.
    ///
    /// # Errors
    /// With line, value and expectation when the text is not a calendar.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        text::parse(text)
    }

    /// BLAKE3 (hex) of the data, without its comments.
    #[must_use]
    pub fn digest(&self) -> String {
        blake3::hash(self.to_text().as_bytes()).to_hex().to_string()
    }
}

/// Saturday or Sunday; make-up working weekends do not trade either.
fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}
