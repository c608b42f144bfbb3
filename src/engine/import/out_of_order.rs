//! Rows of a dump whose times contradict their order, each other or the calendar.

use std::fmt;

use chrono::NaiveDate;
use tickdeck_core::time::{NANOS_PER_SECOND, TradingDay, UnixNanos};

/// Rows that are named for holding others back, and rows that are named for being set aside.
const NAMED_MAX: usize = 10;

/// Rows whose times contradict their order, their recorded receive time or the calendar, or are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutOfOrder {
    /// Rows that a row above them holds back by more than two minutes.
    pub held_back: u64,
    /// The first few rows that hold others back.
    pub by: Vec<HeldBack>,
    /// Rows whose recorded receive time is more than a minute before their exchange time.
    pub early: u64,
    /// By how much at most, ns.
    pub earliest: i64,
    /// Rows stamped long after the rows that follow.
    pub set_aside: u64,
    /// The first few of them.
    pub aside: Vec<SetAside>,
    /// Rows dated on a day without trading. They are not counted elsewhere.
    pub moved: u64,
    /// The first few of them.
    pub moves: Vec<Moved>,
    /// Whether one of them takes its day from [`ImportOptions::trading_day`](super::ImportOptions).
    pub takes_day: bool,
    /// Rows that are not on their own date, because a day was given for them.
    pub redated: u64,
    /// The first of them.
    pub first_redated: Option<Redated>,
    /// Rows whose time of day is none, so that nothing can be published of them.
    pub no_time: u64,
    /// The first of them.
    pub first_no_time: Option<NoTime>,
}

/// A row dated on a day without trading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The row.
    pub row: u64,
    /// The date it has.
    pub date: NaiveDate,
    /// The calendar date that it gets.
    pub on: NaiveDate,
    /// The trading day that it belongs to.
    pub to: TradingDay,
    /// Whether [`ImportOptions::trading_day`](super::ImportOptions) would give its day.
    pub takes_day: bool,
}

/// A row with a date, for which [`ImportOptions::trading_day`](super::ImportOptions) or the name of
/// its file gives another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redated {
    /// The row.
    pub row: u64,
    /// The date it has.
    pub date: NaiveDate,
    /// The calendar date that it gets.
    pub on: NaiveDate,
}

/// A row whose `UpdateTime` is not a time of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoTime {
    /// The row.
    pub row: u64,
    /// What it has instead, bytes that are not printable ASCII escaped.
    pub text: String,
}

/// Rows that one row above them holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBack {
    /// The row above.
    pub by_row: u64,
    /// Its time, which the others take.
    pub until: UnixNanos,
    /// How many it holds back.
    pub rows: u64,
    /// By how much at most, ns.
    pub most: i64,
}

/// A row stamped long after the rows that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetAside {
    /// The row.
    pub row: u64,
    /// Its exchange time.
    pub stamped: UnixNanos,
    /// How much earlier the next of the rows below is, ns.
    pub by: i64,
}

impl OutOfOrder {
    pub(crate) fn hold_back(&mut self, held: HeldBack) {
        self.held_back += held.rows;
        let mut named = self.by.iter_mut();
        if let Some(known) = named.find(|known| known.by_row == held.by_row) {
            known.rows += held.rows;
            known.most = known.most.max(held.most);
        } else if self.by.len() < NAMED_MAX {
            self.by.push(held);
        }
    }

    pub(crate) fn receive_early(&mut self, early: i64) {
        self.early += 1;
        self.earliest = self.earliest.max(early);
    }

    /// `H:MM:SS` of [`earliest`](Self::earliest).
    #[must_use]
    pub fn earliest_text(&self) -> String {
        Hours(self.earliest).to_string()
    }

    pub(crate) fn moved(&mut self, row: Moved) {
        self.moved += 1;
        self.takes_day |= row.takes_day;
        if self.moves.len() < NAMED_MAX {
            self.moves.push(row);
        }
    }

    pub(crate) fn redated(&mut self, row: Redated) {
        self.redated += 1;
        self.first_redated.get_or_insert(row);
    }

    pub(crate) fn no_time(&mut self, row: u64, text: &[u8]) {
        self.no_time += 1;
        self.first_no_time.get_or_insert_with(|| NoTime {
            row,
            text: text.escape_ascii().to_string(),
        });
    }

    pub(crate) fn set_aside(&mut self, row: SetAside) {
        self.set_aside += 1;
        if self.aside.len() < NAMED_MAX {
            self.aside.push(row);
        }
    }
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            by_row,
            until,
            rows,
            most,
        } = self;
        let most = Hours(*most);
        write!(f, "{rows} below row {by_row} ({until}), by up to {most}")
    }
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, stamped, by } = self;
        let by = Hours(*by);
        write!(
            f,
            "row {row} is stamped {stamped}, {by} after the rows below it"
        )
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            row, date, on, to, ..
        } = self;
        write!(f, "row {row} is dated {date}, which becomes {on}")?;
        if *on != to.0 {
            write!(f, " in the night of trading day {to}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Redated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, date, on } = self;
        write!(f, "row {row} is dated {date}, which becomes {on}")
    }
}

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} (\"{}\")", self.row, self.text)
    }
}

/// Nanoseconds as hours, minutes and seconds.
struct Hours(i64);

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / NANOS_PER_SECOND;
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        write!(f, "{}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
    }
}
