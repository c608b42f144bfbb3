//! The trading calendar as data: which days trade, and which evenings have a night session
//! (guide 5.2).

use chrono::NaiveDate;

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
        let _ = date;
        true
    }

    /// The last trading day before `date`.
    #[must_use]
    pub fn prev_trading_day(&self, date: NaiveDate) -> TradingDay {
        TradingDay(date)
    }

    /// The first trading day after `date`.
    #[must_use]
    pub fn next_trading_day(&self, date: NaiveDate) -> TradingDay {
        TradingDay(date)
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
        TradingDay(recv_ts.to_shanghai().date_naive())
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
