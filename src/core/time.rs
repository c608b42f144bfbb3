//! Time as values: nanoseconds since the epoch, trading days, exchange time. No clock is read here
//! (that is [`clock`](crate::clock)), and no time zone data base: China has been UTC+8 without
//! daylight saving since 1992, which is before any CTP tick.

use std::fmt;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use serde::{Deserialize, Serialize};

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const NANOS_PER_MILLI: i64 = 1_000_000;
/// Asia/Shanghai's fixed offset from UTC in seconds.
pub const SHANGHAI_OFFSET_SECONDS: i32 = 8 * 3600;

/// Seconds in a day.
pub const DAY_SECONDS: u32 = 86_400;
/// Where a trading day starts on the evening before it, seconds since midnight: 18:00.
pub const EVENING_START_SECONDS: u32 = 18 * 3600;
/// Until when a time of day belongs to the night after that evening, seconds since midnight: 06:00.
const EARLY_END_SECONDS: u32 = 6 * 3600;

/// The three parts of a trading day, which are on up to three calendar days (field guide 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayPart {
    /// From 18:00: the evening of the trading day before.
    Evening,
    /// Before 06:00: the calendar day after that evening.
    Early,
    /// The date of the trading day itself.
    Day,
}

impl DayPart {
    /// The part that a Shanghai time of day, in seconds since midnight, is in.
    #[inline]
    #[must_use]
    pub const fn of(seconds_of_day: u32) -> Self {
        if seconds_of_day >= EVENING_START_SECONDS {
            Self::Evening
        } else if seconds_of_day < EARLY_END_SECONDS {
            Self::Early
        } else {
            Self::Day
        }
    }

    /// Whether the part belongs to the night.
    #[must_use]
    pub const fn is_night(self) -> bool {
        matches!(self, Self::Evening | Self::Early)
    }
}

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixNanos(pub i64);

/// The Asia/Shanghai offset, `+08:00`.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "8 hours is a valid offset")]
pub const fn shanghai() -> FixedOffset {
    FixedOffset::east_opt(SHANGHAI_OFFSET_SECONDS).expect("8 hours is inside a day")
}

impl UnixNanos {
    /// The instant of a Shanghai wall clock reading; `None` outside the years 1678 to 2261.
    #[must_use]
    pub fn from_shanghai(local: NaiveDateTime) -> Option<Self> {
        let utc = local.checked_sub_offset(shanghai())?;
        utc.and_utc().timestamp_nanos_opt().map(Self)
    }

    /// The Shanghai wall clock reading of this instant.
    #[must_use]
    pub fn to_shanghai(self) -> DateTime<FixedOffset> {
        DateTime::from_timestamp_nanos(self.0).with_timezone(&shanghai())
    }

    /// Nanoseconds from `earlier` to `self`, negative when `earlier` is later; saturating.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `self` moved by `nanos`; saturating.
    #[must_use]
    pub const fn plus(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for UnixNanos {
    /// RFC 3339 in Asia/Shanghai with nanoseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self
            .to_shanghai()
            .to_rfc3339_opts(chrono::SecondsFormat::Nanos, false);
        f.pad(&text)
    }
}

/// A trading day: the evening session before it and the day session of its date (field guide 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TradingDay(pub NaiveDate);

impl TradingDay {
    /// Parses CTP's `YYYYMMDD`; `None` when it is not a date.
    #[must_use]
    pub fn parse_ctp(text: &[u8]) -> Option<Self> {
        parse_ctp_date(text).map(Self)
    }

    /// CTP's `YYYYMMDD`.
    #[must_use]
    pub fn to_ctp(self) -> String {
        format!(
            "{:04}{:02}{:02}",
            self.0.year(),
            self.0.month(),
            self.0.day()
        )
    }
}

impl fmt::Display for TradingDay {
    /// `YYYY-MM-DD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses `YYYYMMDD`; `None` when it is not a calendar date.
#[inline]
#[must_use]
pub fn parse_ctp_date(text: &[u8]) -> Option<NaiveDate> {
    let digits: &[u8; 8] = text.try_into().ok()?;
    let number = parse_digits(digits)?;
    NaiveDate::from_ymd_opt(
        i32::try_from(number / 10_000).ok()?,
        number / 100 % 100,
        number % 100,
    )
}

/// Parses CTP's `HH:MM:SS` into seconds since midnight; `None` when it is not a time of day.
#[inline]
#[must_use]
pub fn parse_ctp_time(text: &[u8]) -> Option<u32> {
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = text else {
        return None;
    };
    let hour = parse_digits(&[h1, h2])?;
    let minute = parse_digits(&[m1, m2])?;
    let second = parse_digits(&[s1, s2])?;
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

/// ASCII digits as a number; at most nine of them.
#[inline]
fn parse_digits(digits: &[u8]) -> Option<u32> {
    debug_assert!(digits.len() <= 9, "more digits than a u32 holds");
    digits.iter().try_fold(0_u32, |number, &digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

/// `date` at `seconds` since midnight and `millis`, in Shanghai; `None` when out of range.
#[must_use]
pub fn shanghai_instant(date: NaiveDate, seconds: u32, millis: u32) -> Option<UnixNanos> {
    let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0)?;
    let local = date
        .and_time(time)
        .checked_add_signed(TimeDelta::milliseconds(i64::from(millis)))?;
    UnixNanos::from_shanghai(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctp_dates_and_times_parse_only_when_they_exist() {
        assert_eq!(
            parse_ctp_date(b"20240229"),
            NaiveDate::from_ymd_opt(2024, 2, 29)
        );
        for bad in [
            &b"20230229"[..],
            b"",
            b"2024022",
            b"202402290",
            b"2024O229",
            b"00000000",
        ] {
            assert_eq!(parse_ctp_date(bad), None, "{bad:?}");
        }
        assert_eq!(parse_ctp_time(b"23:59:59"), Some(86_399));
        for bad in [
            &b"24:00:00"[..],
            b"",
            b"9:00:00",
            b"09:60:00",
            b"09-00-00",
            b"09:00:0x",
        ] {
            assert_eq!(parse_ctp_time(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn shanghai_is_eight_hours_ahead_of_utc() {
        let date = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
        let nine = shanghai_instant(date, 9 * 3600, 500).unwrap();
        assert_eq!(nine.to_string(), "2026-01-05T09:00:00.500000000+08:00");
        assert_eq!(nine.0, 1_767_574_800_500_000_000);
    }
}
