//! Instants as users write them: absolute, or a time of day inside a trading day.
//!
//! A time of day needs a trading day, so parsing and resolving are two steps. The rule is that of
//! field guide 5.3. From 18:00 a time belongs to the evening before the trading day. Before
//! 06:00 it belongs to the night after that evening. All other times are on the day itself.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, Timelike};

use crate::calendar::TradingCalendar;
use crate::time::{
    DayPart, NANOS_PER_SECOND, TradingDay, UnixNanos, parse_ctp_date, parse_ctp_time,
    shanghai_instant,
};

/// A smaller integer (before 1973) is taken for seconds, ms, us or a time of day, and refused.
const SMALLEST_NS: i64 = 100_000_000_000_000_000;

/// An instant as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSpec {
    /// An absolute instant, written as RFC 3339, as a date with or without a time, or as ns.
    At(UnixNanos),
    /// A Shanghai time of day inside a trading day.
    InTradingDay(NaiveTime),
}

/// The text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected RFC 3339 (2025-09-11T21:00:00+08:00), a date with or without a time in +08:00 (2025-09-11 21:00:00), ns since 1970 (1757595600000000000), or HH:MM[:SS[.mmm]] in the trading day{hint}"
)]
pub struct TimeSpecError {
    hint: &'static str,
}

impl TimeSpec {
    /// The instant in the trading day `day`; `None` outside the years 1678 to 2261.
    #[must_use]
    pub fn resolve(self, day: TradingDay, calendar: &TradingCalendar) -> Option<UnixNanos> {
        let time = match self {
            Self::At(at) => return Some(at),
            Self::InTradingDay(time) => time,
        };
        let evening = || calendar.prev_trading_day(day.0).0;
        let seconds = time.num_seconds_from_midnight();
        let date = match DayPart::of(seconds) {
            DayPart::Evening => evening(),
            DayPart::Early => evening().succ_opt()?,
            DayPart::Day => day.0,
        };
        let second = shanghai_instant(date, seconds, 0)?;
        Some(second.plus(i64::from(time.nanosecond())))
    }
}

impl FromStr for TimeSpec {
    type Err = TimeSpecError;

    fn from_str(text: &str) -> Result<Self, TimeSpecError> {
        let error = |hint| TimeSpecError { hint };
        let text = text.trim();
        if let Some(at) = parse_shanghai(text) {
            return at
                .map(Self::At)
                .ok_or(error("; the year is outside 1678 to 2261"));
        }
        if let Ok(nanos) = text.parse::<i64>() {
            return if nanos >= SMALLEST_NS {
                Ok(Self::At(UnixNanos(nanos)))
            } else {
                Err(error("; the number is too small to be ns"))
            };
        }
        if let Some(time) = parse_time_of_day(text) {
            return Ok(Self::InTradingDay(time));
        }
        match DateTime::parse_from_rfc3339(text) {
            Ok(at) => at
                .timestamp_nanos_opt()
                .map(|nanos| Self::At(UnixNanos(nanos)))
                .ok_or(error("; the year is outside 1678 to 2261")),
            Err(_) => Err(error("")),
        }
    }
}

/// A date in Shanghai, with or without a time of day: `2025-09-11`, `20250911`,
/// `2025-09-11 21:00:00.5`, `2025-09-11T21:00`. The inner `None` is a year out of range.
fn parse_shanghai(text: &str) -> Option<Option<UnixNanos>> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, parse_time_of_day(time.trim())?),
        None => (text, NaiveTime::MIN),
    };
    let date = match date.len() {
        8 => parse_ctp_date(date.as_bytes())?,
        _ => NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?,
    };
    let second = shanghai_instant(date, time.num_seconds_from_midnight(), 0);
    Some(second.map(|second| second.plus(i64::from(time.nanosecond()))))
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction`: one or two digits for the hour, two for the others, and
/// one to nine for the fraction.
fn parse_time_of_day(text: &str) -> Option<NaiveTime> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction_fits = (1..=9).contains(&fraction.len());
    if !(fraction_fits && fraction.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let hour = if clock.find(':') == Some(1) { "0" } else { "" };
    let second = if clock.matches(':').count() == 1 && clock == text {
        ":00"
    } else {
        ""
    };
    let clock = format!("{hour}{clock}{second}");
    let seconds = parse_ctp_time(clock.as_bytes())?;
    let nanos = format!("{fraction:0<9}").parse::<u32>().ok()?;
    debug_assert!(i64::from(nanos) < NANOS_PER_SECOND, "nine digits");
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, day: (i32, u32, u32)) -> String {
        let day = TradingDay(NaiveDate::from_ymd_opt(day.0, day.1, day.2).unwrap());
        let spec: TimeSpec = text.parse().unwrap();
        spec.resolve(day, &TradingCalendar::builtin())
            .unwrap()
            .to_string()
    }

    #[test]
    fn absolute_times_need_no_trading_day() {
        let day = (2030, 1, 2);
        let expected = "2025-09-11T21:00:00.500000000+08:00";
        assert_eq!(resolve("2025-09-11T21:00:00.5+08:00", day), expected);
        assert_eq!(resolve("2025-09-11T13:00:00.500Z", day), expected);
        assert_eq!(resolve("2025-09-11 21:00:00.5+08:00", day), expected);
        assert_eq!(resolve("1757595600500000000", day), expected);
        assert_eq!(resolve("2025-09-11 21:00:00.5", day), expected);
        assert_eq!(resolve("20250911T21:00:00.5", day), expected);
        let midnight = "2025-09-11T00:00:00.000000000+08:00";
        assert_eq!(resolve("2025-09-11", day), midnight);
        assert_eq!(resolve("20250911", day), midnight);
        assert_eq!(resolve("2025-09-11 0:00", day), midnight);
    }

    #[test]
    fn a_day_time_is_on_the_trading_day() {
        let day = (2025, 9, 12);
        assert_eq!(resolve("09:00", day), "2025-09-12T09:00:00.000000000+08:00");
        assert_eq!(resolve("9:00", day), "2025-09-12T09:00:00.000000000+08:00");
        assert_eq!(
            resolve("06:00:00", day),
            "2025-09-12T06:00:00.000000000+08:00"
        );
        assert_eq!(
            resolve("14:59:59.123456789", day),
            "2025-09-12T14:59:59.123456789+08:00"
        );
        assert_eq!(
            resolve("17:59:59.5", day),
            "2025-09-12T17:59:59.500000000+08:00"
        );
    }

    #[test]
    fn evening_and_night_follow_the_day_before() {
        let day = TradingDay(NaiveDate::from_ymd_opt(2025, 9, 12).unwrap());
        let calendar = TradingCalendar::builtin();
        let before = calendar.prev_trading_day(day.0).0;
        let expect = |date: NaiveDate, time: &str| format!("{date}T{time}.000000000+08:00");
        for (time, date) in [
            ("18:00:00", before),
            ("21:00:00", before),
            ("23:59:59", before),
            ("00:00:00", before.succ_opt().unwrap()),
            ("02:30:00", before.succ_opt().unwrap()),
            ("05:59:59", before.succ_opt().unwrap()),
        ] {
            assert_eq!(resolve(time, (2025, 9, 12)), expect(date, time));
        }
    }

    #[test]
    fn a_refusal_lists_the_accepted_forms() {
        for text in [
            "",
            "24:00:00",
            "9",
            "009:00",
            ":00",
            "09:00:60",
            "09:00.5",
            "09:00:00.",
            "09:00:00.1234567890",
            "21h",
            "2025-09-31",
            "2025-09-11 25:00",
            "1600-01-01",
            "noon",
            "-1",
            "1757595600",
            "1757595600500",
            "9999-01-01T00:00:00Z",
            "99999999999999999999",
        ] {
            let error = text.parse::<TimeSpec>().unwrap_err().to_string();
            assert!(error.starts_with("expected RFC 3339"), "{text}: {error}");
        }
        let hint = |text: &str| text.parse::<TimeSpec>().unwrap_err().hint;
        assert!(hint("1757595600").contains("too small"));
        assert!(hint("1600-01-01").contains("outside"));
    }
}
