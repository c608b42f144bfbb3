//! The date of a tick: which of its witnesses decides (field guide 5.3).
//!
//! CTP sends a reliable time of day and unreliable dates: `TradingDay` is wrong on CZCE at night,
//! `ActionDay` on DCE. [`date_of`] is the one place that chooses between them and the receive time;
//! `docs/payload.md` has its table. The normalizer and the importer both use it, so an imported row
//! has the same date in the recording and in the payload.
//!
//! Invariant: the answer depends on one row and the calendar, never on another row.

use chrono::{Days, NaiveDate};

use crate::calendar::TradingCalendar;
use crate::time::{DayPart, NANOS_PER_SECOND, TradingDay, UnixNanos, shanghai_instant};

/// How far a receive time may lie before the exchange time because of clock errors, ns. What is
/// stamped later than that was sent before, and its date is wrong.
pub const CLOCK_ERROR: i64 = 60 * NANOS_PER_SECOND;

/// How far exchange time and receive time may lie apart before a tick is stale, ns.
pub const STALE_AFTER: i64 = 120 * NANOS_PER_SECOND;

/// What one row says about its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witnesses {
    /// Whether the instrument is CZCE's, whose `TradingDay` at night is the calendar date.
    pub is_czce: bool,
    /// `TradingDay`, where it is a date. By day one on which the exchanges are closed does not count.
    pub trading_day: Option<NaiveDate>,
    /// `ActionDay`, where it is a date.
    pub action_day: Option<NaiveDate>,
    /// Whether the close price is set: a night row that has it was sent again in the morning.
    pub has_close: bool,
    /// Seconds since midnight of the exchange time.
    pub seconds: u32,
    /// Its milliseconds.
    pub millis: u32,
    /// When it was received; `None` where that was not measured.
    pub received: Option<UnixNanos>,
}

/// The trading day of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    /// The trading day.
    pub trading_day: TradingDay,
    /// A CZCE night row that says itself, by its close price, that it was sent again in the morning.
    pub is_sent_again: bool,
    /// The row's own dates decided; the receive time, if it was measured, only agreed.
    pub is_own: bool,
}

/// The trading day of a row: its own dates first, the receive time as upper bound and last resort.
/// `None` when the row has no date and its receive time was not measured.
#[must_use]
pub fn date_of(calendar: &TradingCalendar, row: &Witnesses) -> Option<Dated> {
    let own = row.own_day(calendar);
    let Some(received) = row.received else {
        return own;
    };
    if let Some(own) = own {
        if !row.is_ahead(calendar, own.trading_day, received) {
            return Some(own);
        }
        // Older than it says: CTP has put the current trading day on an earlier tick.
        let before = calendar.prev_trading_day(own.trading_day.0);
        if !row.is_ahead(calendar, before, received) {
            return Some(Dated {
                trading_day: before,
                is_own: false,
                ..own
            });
        }
    }
    let current = calendar.trading_day_of(received);
    let trading_day = if row.is_ahead(calendar, current, received) {
        calendar.prev_trading_day(current.0)
    } else {
        current
    };
    Some(Dated {
        trading_day,
        is_sent_again: false,
        is_own: false,
    })
}

impl Witnesses {
    /// The trading day by the row's own dates.
    fn own_day(&self, calendar: &TradingCalendar) -> Option<Dated> {
        let part = DayPart::of(self.seconds);
        let own = |trading_day| Dated {
            trading_day,
            is_sent_again: false,
            is_own: true,
        };
        if part.is_night() && self.is_czce {
            let date = self.action_day.or(self.trading_day)?;
            let in_its_night = own(night_of(calendar, part, date));
            // Sent again in the morning, it has that date, and its night began on the evening before.
            let in_the_night_before = own(on_or_after(calendar, date));
            return Some(match self.received {
                None if self.has_close => Dated {
                    is_sent_again: true,
                    ..in_the_night_before
                },
                Some(received) if self.is_after(received, date) => Dated {
                    is_own: false,
                    ..in_the_night_before
                },
                _ => in_its_night,
            });
        }
        if part == DayPart::Day {
            return self.by_day(calendar);
        }
        if let Some(day) = self.trading_day {
            return Some(own(TradingDay(day)));
        }
        match self.received {
            None => Some(own(night_of(calendar, part, self.action_day?))),
            // At night DCE's `ActionDay` is the trading day: the receive time is the better witness.
            Some(_) => None,
        }
    }

    /// The trading day of a row from 06:00 to 18:00 by its own dates. A date on which the exchanges
    /// are closed is not a trading day. The calendar is certain of it in every year: weekends never
    /// trade, and what is not known of a year counts as open.
    fn by_day(&self, calendar: &TradingCalendar) -> Option<Dated> {
        let own = |trading_day| Dated {
            trading_day,
            is_sent_again: false,
            is_own: true,
        };
        let open = |date: Option<NaiveDate>| date.filter(|date| calendar.is_trading_day(*date));
        if let Some(day) = open(self.trading_day) {
            return Some(own(TradingDay(day)));
        }
        if let Some(received) = self.received {
            let day_of_receipt = received.to_shanghai().date_naive();
            let date = open(self.action_day).filter(|date| *date <= day_of_receipt)?;
            // The answer depends on the receive time, so it is not the row's own.
            return Some(Dated {
                is_own: false,
                ..own(TradingDay(date))
            });
        }
        if let Some(date) = open(self.action_day) {
            return Some(own(TradingDay(date)));
        }
        // Nothing else is known: a row with a closed day's date was sent on it, after the last close.
        let closed = self.trading_day.or(self.action_day)?;
        Some(own(calendar.prev_trading_day(closed)))
    }

    /// Whether the row would be stamped after it was received.
    fn is_ahead(&self, calendar: &TradingCalendar, day: TradingDay, received: UnixNanos) -> bool {
        let date = calendar_date(calendar, day, DayPart::of(self.seconds));
        self.is_after(received, date)
    }

    /// Whether its time on `date` is after `received`.
    fn is_after(&self, received: UnixNanos, date: NaiveDate) -> bool {
        shanghai_instant(date, self.seconds, self.millis)
            .is_some_and(|instant| instant.since(received) > CLOCK_ERROR)
    }
}

/// The calendar date on which a part of trading day `day` lies.
#[must_use]
pub fn calendar_date(calendar: &TradingCalendar, day: TradingDay, part: DayPart) -> NaiveDate {
    let evening = || calendar.prev_trading_day(day.0).0;
    match part {
        DayPart::Evening => evening(),
        DayPart::Early => {
            let evening = evening();
            evening.checked_add_days(Days::new(1)).unwrap_or(evening)
        }
        DayPart::Day => day.0,
    }
}

/// The first of a row's dates, `TradingDay` before `ActionDay`, on which the exchanges have nothing at
/// its time of day because they are closed. Such a row gets another date. `None` where both are sound.
#[must_use]
pub fn closed_date(calendar: &TradingCalendar, row: &Witnesses) -> Option<NaiveDate> {
    let part = DayPart::of(row.seconds);
    let is_open = |date: NaiveDate| calendar.is_trading_day(date);
    // A night lasts until the morning of the next date, as from Friday to Saturday.
    let has_night = |date: NaiveDate| {
        let evening = date.checked_sub_days(Days::new(1));
        is_open(date) || (part == DayPart::Early && evening.is_some_and(is_open))
    };
    // CZCE's `TradingDay` is the calendar date at night.
    let is_sound = |date| match row.is_czce {
        true => has_night(date),
        false => is_open(date),
    };
    let closed = row.trading_day.filter(|date| !is_sound(*date));
    closed.or_else(|| row.action_day.filter(|date| !has_night(*date)))
}

/// The trading day of a row whose calendar date a recorder wrote down. By day that is the date. On a
/// day without trading the row was received late, and belongs to the trading day before.
#[must_use]
pub fn trading_day_on(calendar: &TradingCalendar, date: NaiveDate, part: DayPart) -> TradingDay {
    match part {
        DayPart::Day if calendar.is_trading_day(date) => TradingDay(date),
        DayPart::Day => calendar.prev_trading_day(date),
        DayPart::Evening | DayPart::Early => night_of(calendar, part, date),
    }
}

/// The trading day of a night tick of calendar date `date`.
fn night_of(calendar: &TradingCalendar, part: DayPart, date: NaiveDate) -> TradingDay {
    if part == DayPart::Evening {
        calendar.next_trading_day(date)
    } else {
        on_or_after(calendar, date)
    }
}

fn on_or_after(calendar: &TradingCalendar, date: NaiveDate) -> TradingDay {
    if calendar.is_trading_day(date) {
        TradingDay(date)
    } else {
        calendar.next_trading_day(date)
    }
}

/// Whether a close price is set: neither CTP's nor CZCE's "no value".
#[must_use]
pub fn is_close_set(close_price: f64) -> bool {
    close_price != 0.0 && close_price.abs() < 1e300
}

#[cfg(test)]
mod tests;
