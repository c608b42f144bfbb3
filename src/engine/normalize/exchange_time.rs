//! The exchange's time of a tick (field guide 5.3).
//!
//! [`tickdeck_core::dating`] decides the trading day; this file keeps its answers. Rows of one
//! exchange follow each other with the same dates. For these a tick costs two comparisons of eight
//! bytes, two multiplications and the check against the receive time. Everything else asks again:
//! other dates, a row stamped after its receipt, a date that the receive time decided.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate, NaiveTime};
use rustc_hash::FxHashMap;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::Exchange;
use tickdeck_core::dating::{self, CLOCK_ERROR, Dated, Witnesses};
use tickdeck_core::event::{RawTick, Text};
use tickdeck_core::source::ReceiveTimes;
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
        let date = |part| PartDate::new(dating::calendar_date(calendar, trading_day, part));
        Self {
            trading_day,
            opens_at_night: calendar.opens_at_night(trading_day),
            evening: date(DayPart::Evening),
            early: date(DayPart::Early),
            day: date(DayPart::Day),
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
    /// A CZCE night row that says itself that it came again in the morning.
    pub(super) is_sent_again: bool,
}

/// The dates of a row, and the day that they lead to.
#[derive(Debug, Clone, Copy)]
struct Known {
    part: DayPart,
    trading_day: Text<9>,
    action_day: Text<9>,
    has_close: bool,
    day_key: usize,
    is_sent_again: bool,
}

/// Computes exchange times. Pure: what it keeps between calls only saves work.
#[derive(Debug)]
pub(super) struct ExchangeClock {
    calendar: Arc<TradingCalendar>,
    receive_times: ReceiveTimes,
    days: Vec<Day>,
    keys: FxHashMap<NaiveDate, usize>,
    /// The last dates of each exchange that decided by themselves.
    known: [Option<Known>; Exchange::ALL.len()],
    /// The last `UpdateTime` and its seconds since midnight; `None` when it is not a time.
    by_time: (Text<9>, Option<u32>),
}

impl ExchangeClock {
    pub(super) fn new(calendar: Arc<TradingCalendar>, receive_times: ReceiveTimes) -> Self {
        Self {
            calendar,
            receive_times,
            days: Vec::new(),
            keys: FxHashMap::default(),
            known: [None; Exchange::ALL.len()],
            by_time: (Text::EMPTY, None),
        }
    }

    /// Whether the receive times are evidence.
    pub(super) fn is_measured(&self) -> bool {
        self.receive_times == ReceiveTimes::Measured
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
            millis @ 0..=999 => millis.unsigned_abs(),
            _ => return Err(Reject::ImpossibleTime),
        };
        let part = DayPart::of(seconds);
        let since_midnight =
            i64::from(seconds) * NANOS_PER_SECOND + i64::from(millis) * NANOS_PER_MILLI;
        let known = self.known[exchange as usize].filter(|known| {
            let midnight = self.days[known.day_key].part(part).midnight;
            known.part == part
                && known.trading_day == tick.trading_day
                && known.action_day == tick.action_day
                && match self.receive_times {
                    ReceiveTimes::Measured => midnight.is_some_and(|midnight| {
                        midnight.plus(since_midnight).since(recv_ts) <= CLOCK_ERROR
                    }),
                    ReceiveTimes::Derived => !part.is_night() || known.has_close == has_close(tick),
                }
        });
        let (day_key, is_sent_again) = match known {
            Some(known) => (known.day_key, known.is_sent_again),
            None => self.decide(exchange, tick, recv_ts, (seconds, millis))?,
        };
        let day = &self.days[day_key];
        let part_date = day.part(part);
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
            is_sent_again,
        })
    }

    /// Weighs the witnesses, and keeps the answer where the row's own dates gave it.
    #[cold]
    fn decide(
        &mut self,
        exchange: Exchange,
        tick: &RawTick,
        recv_ts: UnixNanos,
        (seconds, millis): (u32, u32),
    ) -> Result<(usize, bool), Reject> {
        let row = Witnesses {
            is_czce: exchange == Exchange::Czce,
            trading_day: parse_ctp_date(tick.trading_day.as_bytes()),
            action_day: parse_ctp_date(tick.action_day.as_bytes()),
            has_close: has_close(tick),
            seconds,
            millis,
            received: self.is_measured().then_some(recv_ts),
        };
        let dated = dating::date_of(&self.calendar, &row).ok_or(Reject::ImpossibleTime)?;
        let Dated {
            trading_day,
            is_sent_again,
            is_own,
        } = dated;
        let day_key = self.key_of(trading_day);
        if is_own {
            self.known[exchange as usize] = Some(Known {
                part: DayPart::of(seconds),
                trading_day: tick.trading_day,
                action_day: tick.action_day,
                has_close: row.has_close,
                day_key,
                is_sent_again,
            });
        }
        Ok((day_key, is_sent_again))
    }

    #[inline]
    fn seconds_of_day(&mut self, text: &Text<9>) -> Option<u32> {
        if *text != self.by_time.0 {
            self.by_time = (*text, parse_ctp_time(text.as_bytes()));
        }
        self.by_time.1
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

/// Whether the close price is set, which tells a night row that came again.
#[inline]
fn has_close(tick: &RawTick) -> bool {
    dating::is_close_set(tick.close_price)
}

/// Whether `recv_ts` is between 06:00 and 18:00 in Shanghai.
pub(super) fn received_by_day(recv_ts: UnixNanos) -> bool {
    let seconds = recv_ts.0.div_euclid(NANOS_PER_SECOND) + i64::from(SHANGHAI_OFFSET_SECONDS);
    let of_day = seconds.rem_euclid(i64::from(DAY_SECONDS));
    u32::try_from(of_day).is_ok_and(|of_day| DayPart::of(of_day) == DayPart::Day)
}
