//! The exchange's time of a tick (CTP field guide, section 5.3).
//!
//! CTP sends a reliable time of day and unreliable dates: `TradingDay` is wrong on CZCE at night,
//! `ActionDay` on DCE. The date is therefore computed from the trading day, the part of the day
//! that the time is in, and the calendar; the receive time decides only where there is no trading
//! day to trust. `ActionDay` is compared with the answer and never part of it.
//!
//! All calendar arithmetic is done once per trading day and kept: a tick costs two comparisons of
//! eight bytes and two multiplications.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate, NaiveTime};
use rustc_hash::FxHashMap;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::Exchange;
use tickdeck_core::event::{RawTick, Text};
use tickdeck_core::time::{
    DAY_SECONDS, DayPart, NANOS_PER_MILLI, NANOS_PER_SECOND, SHANGHAI_OFFSET_SECONDS, TradingDay,
    UnixNanos, parse_ctp_date, parse_ctp_time,
};

use super::outcome::Reject;

/// One calendar day under a trading day.
#[derive(Debug, Clone, Copy)]
struct PartDate {
    date: NaiveDate,
    /// Its midnight in Shanghai; `None` where nanoseconds do not reach.
    midnight: Option<UnixNanos>,
    /// As CTP writes it in `ActionDay`.
    text: [u8; 8],
}

impl PartDate {
    fn new(date: NaiveDate) -> Self {
        let mut text = [b'0'; 8];
        let mut rest = date.year().unsigned_abs() * 10_000 + date.month() * 100 + date.day();
        for digit in text.iter_mut().rev() {
            *digit = b"0123456789"[(rest % 10) as usize];
            rest /= 10;
        }
        Self {
            date,
            midnight: UnixNanos::from_shanghai(date.and_time(NaiveTime::MIN)),
            text,
        }
    }
}

/// What is known of one trading day.
#[derive(Debug, Clone, Copy)]
struct Day {
    trading_day: TradingDay,
    opens_at_night: bool,
    evening: PartDate,
    early: PartDate,
    day: PartDate,
}

impl Day {
    fn new(calendar: &TradingCalendar, trading_day: TradingDay) -> Self {
        let evening = calendar.prev_trading_day(trading_day.0).0;
        Self {
            trading_day,
            opens_at_night: calendar.opens_at_night(trading_day),
            evening: PartDate::new(evening),
            early: PartDate::new(evening.succ_opt().unwrap_or(evening)),
            day: PartDate::new(trading_day.0),
        }
    }

    #[inline]
    const fn part(&self, part: DayPart) -> &PartDate {
        match part {
            DayPart::Evening => &self.evening,
            DayPart::Early => &self.early,
            DayPart::Day => &self.day,
        }
    }
}

/// The exchange time of one tick, with what the caller needs to judge it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// Key of the trading day in this clock: equal keys are equal days.
    pub(super) day_key: usize,
    pub(super) trading_day: TradingDay,
    /// Whether the trading day began with a night session.
    pub(super) opens_at_night: bool,
    pub(super) part: DayPart,
    /// Seconds since midnight.
    pub(super) seconds_of_day: u32,
    pub(super) exchange_ts: UnixNanos,
    /// The calendar day of `exchange_ts`.
    pub(super) date: NaiveDate,
    /// `ActionDay` says another day than `date`.
    pub(super) date_conflict: bool,
}

/// Computes exchange times. Pure: what it keeps between calls only saves work.
#[derive(Debug)]
pub(super) struct ExchangeClock {
    calendar: Arc<TradingCalendar>,
    days: Vec<Day>,
    keys: FxHashMap<NaiveDate, usize>,
    /// The last `TradingDay` text and its day; `None` when the text is not a date.
    by_text: (Text<9>, Option<usize>),
    /// The last receive part (see [`recv_part`]) and its day.
    by_recv: Option<(i64, usize)>,
    /// The last `UpdateTime` and its seconds since midnight; `None` when it is not a time.
    by_time: (Text<9>, Option<u32>),
}

impl ExchangeClock {
    pub(super) fn new(calendar: Arc<TradingCalendar>) -> Self {
        Self {
            calendar,
            days: Vec::new(),
            keys: FxHashMap::default(),
            by_text: (Text::EMPTY, None),
            by_recv: None,
            by_time: (Text::EMPTY, None),
        }
    }

    /// The exchange time of `tick`.
    #[inline]
    pub(super) fn stamp(
        &mut self,
        exchange: Exchange,
        tick: &RawTick,
        recv_ts: UnixNanos,
    ) -> Result<Stamp, Reject> {
        let seconds = self
            .seconds_of_day(&tick.update_time)
            .ok_or(Reject::NoTime)?;
        let millis = match tick.update_millisec {
            millis @ 0..=999 => i64::from(millis),
            _ => return Err(Reject::ImpossibleTime),
        };
        let day_key = self.day_key(exchange, &tick.trading_day, recv_ts);
        let day = &self.days[day_key];
        let part = DayPart::of(seconds);
        let part_date = day.part(part);
        let since_midnight = i64::from(seconds) * NANOS_PER_SECOND + millis * NANOS_PER_MILLI;
        let exchange_ts = part_date
            .midnight
            .and_then(|midnight| midnight.0.checked_add(since_midnight))
            .ok_or(Reject::ImpossibleTime)?;
        Ok(Stamp {
            day_key,
            trading_day: day.trading_day,
            opens_at_night: day.opens_at_night,
            part,
            seconds_of_day: seconds,
            exchange_ts: UnixNanos(exchange_ts),
            date: part_date.date,
            date_conflict: differs(&tick.action_day, part_date.text),
        })
    }

    #[inline]
    fn seconds_of_day(&mut self, text: &Text<9>) -> Option<u32> {
        if *text != self.by_time.0 {
            self.by_time = (*text, parse_ctp_time(text.as_bytes()));
        }
        self.by_time.1
    }

    /// CTP's trading day where it can be trusted, else the one that the receive time is in.
    #[inline]
    fn day_key(&mut self, exchange: Exchange, text: &Text<9>, recv_ts: UnixNanos) -> usize {
        if exchange != Exchange::Czce {
            if *text != self.by_text.0 {
                let day = parse_ctp_date(text.as_bytes()).map(TradingDay);
                self.by_text = (*text, day.map(|day| self.key_of(day)));
            }
            if let Some(key) = self.by_text.1 {
                return key;
            }
        }
        let recv_part = recv_part(recv_ts);
        match self.by_recv {
            Some((part, key)) if part == recv_part => key,
            _ => {
                let key = self.key_of(self.calendar.trading_day_of(recv_ts));
                self.by_recv = Some((recv_part, key));
                key
            }
        }
    }

    fn key_of(&mut self, day: TradingDay) -> usize {
        if let Some(&key) = self.keys.get(&day.0) {
            return key;
        }
        let key = self.days.len();
        self.days.push(Day::new(&self.calendar, day));
        self.keys.insert(day.0, key);
        key
    }
}

/// Whether `ActionDay` is given and is not `expected`.
#[inline]
fn differs(action_day: &Text<9>, expected: [u8; 8]) -> bool {
    let [given @ .., end] = action_day.as_array();
    !action_day.is_empty() && (*given != expected || *end != 0)
}

/// The Shanghai seconds since the epoch of `recv_ts`, as whole days and seconds of the day.
#[inline]
fn shanghai_seconds(recv_ts: UnixNanos) -> (i64, u32) {
    let seconds = recv_ts.0.div_euclid(NANOS_PER_SECOND) + i64::from(SHANGHAI_OFFSET_SECONDS);
    let of_day = seconds.rem_euclid(i64::from(DAY_SECONDS));
    (
        seconds.div_euclid(i64::from(DAY_SECONDS)),
        u32::try_from(of_day).unwrap_or(0),
    )
}

/// A number that is equal for two receive times exactly when they are in the same part of the same
/// Shanghai date, so that the calendar gives them the same trading day.
#[inline]
fn recv_part(recv_ts: UnixNanos) -> i64 {
    let (days, seconds) = shanghai_seconds(recv_ts);
    days * 3
        + match DayPart::of(seconds) {
            DayPart::Early => 0,
            DayPart::Day => 1,
            DayPart::Evening => 2,
        }
}

/// Whether `recv_ts` is between 06:00 and 18:00 in Shanghai.
pub(super) fn received_by_day(recv_ts: UnixNanos) -> bool {
    DayPart::of(shanghai_seconds(recv_ts).1) == DayPart::Day
}
