//! Receive clocks and dates of a dump, in the forms that recorders print.

use chrono::NaiveDate;
use tickdeck_core::time::{
    NANOS_PER_SECOND, UnixNanos, parse_ctp_date, parse_ctp_time, shanghai_instant,
};

use crate::import::number::{is_blank, parse_datetime, split_date};

/// Nanoseconds between the clock of Shanghai and UTC.
const SHANGHAI_AHEAD: i64 = 8 * 3600 * NANOS_PER_SECOND;

/// What a recorder's clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiveTime {
    /// Nothing.
    None,
    /// An instant.
    At(UnixNanos),
    /// A time of day in Shanghai.
    OfDay(TimeOfDay),
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeOfDay {
    /// Seconds since midnight.
    pub(crate) seconds: u32,
    /// Nanoseconds of the second.
    pub(crate) nanos: u32,
}

/// Reads the recorder's clock.
///
/// Without an offset the clock is Shanghai's. Another offset is fine: the instant is certain.
pub(crate) fn parse_receive_time(text: &[u8]) -> Option<ReceiveTime> {
    if is_blank(text) {
        return Some(ReceiveTime::None);
    }
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return numeric(whole, fraction).map(ReceiveTime::At);
    }
    if let Some(seconds) = parse_ctp_time(whole.as_bytes()) {
        let nanos = if text == whole {
            Some(0)
        } else {
            billionths(fraction)
        };
        return nanos.map(|nanos| ReceiveTime::OfDay(TimeOfDay { seconds, nanos }));
    }
    let (clock, offset) = split_offset(text)?;
    shanghai(clock, offset).map(ReceiveTime::At)
}

/// One to nine digits behind the point, in billionths.
fn billionths(fraction: &str) -> Option<u32> {
    let is_fraction =
        (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    is_fraction.then(|| format!("{fraction:0<9}").parse().ok())?
}

impl std::fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (hour, minute, second) = (
            self.seconds / 3600,
            self.seconds / 60 % 60,
            self.seconds % 60,
        );
        write!(f, "{hour:02}:{minute:02}:{second:02}.{:09}", self.nanos)
    }
}

/// `clock` read at `offset` nanoseconds ahead of UTC.
fn shanghai(clock: &str, offset: i64) -> Option<UnixNanos> {
    let at = parse_datetime(clock.as_bytes())?;
    let whole = shanghai_instant(at.date, at.seconds, 0)?;
    Some(whole.plus(i64::from(at.nanos) + SHANGHAI_AHEAD - offset))
}

/// Unix times by their magnitude, and `YYYYMMDDHHMMSS` with milliseconds or without.
fn numeric(whole: &str, fraction: &str) -> Option<UnixNanos> {
    if let (14 | 17, Some((date, time))) = (whole.len(), whole.split_at_checked(8)) {
        let (hour, rest) = time.split_at(2);
        let (minute, rest) = rest.split_at(2);
        let (second, millis) = rest.split_at(2);
        let fraction = if millis.is_empty() { fraction } else { millis };
        let fraction = if fraction.is_empty() { "0" } else { fraction };
        let clock = format!("{date} {hour}:{minute}:{second}.{fraction}");
        return shanghai(&clock, SHANGHAI_AHEAD);
    }
    let unit = match whole.len() {
        9 | 10 => NANOS_PER_SECOND,
        12 | 13 => NANOS_PER_SECOND / 1000,
        15 | 16 => 1000,
        18 | 19 => 1,
        _ => return None,
    };
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Nine digits, whatever was printed; what is finer than a nanosecond is cut.
    let nanoths: i64 = format!("{fraction:0<9}").parse().ok()?;
    let nanos = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    let part = i128::from(nanoths) * i128::from(unit) / i128::from(NANOS_PER_SECOND);
    nanos.checked_add(i64::try_from(part).ok()?).map(UnixNanos)
}

/// The text before `Z` or `+HH:MM`, and the offset; Shanghai's where there is none.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    // A hyphen of the date is not a sign of an offset.
    let (_, time) = split_date(text)?;
    let time = text.len() - time.len();
    let Some(sign) = text.get(time..)?.find(['+', '-']) else {
        return Some((text, SHANGHAI_AHEAD));
    };
    let (clock, offset) = text.split_at_checked(time + sign)?;
    let (minus, digits) = (offset.starts_with('-'), offset.get(1..)?.replace(':', ""));
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits
        .get(2..)
        .filter(|m| !m.is_empty())
        .unwrap_or("0")
        .parse()
        .ok()?;
    let nanos = (hours * 3600 + minutes * 60) * NANOS_PER_SECOND;
    Some((clock, if minus { -nanos } else { nanos }))
}

/// Reads a date `YYYYMMDD`, `YYYY-MM-DD` or `YYYY/MM/DD`, with midnight behind it or as a whole
/// float, as pandas prints a column of dates.
pub(crate) fn parse_date(text: &[u8]) -> Option<NaiveDate> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_suffix(".0").unwrap_or(text);
    let text = match text.split_once(' ') {
        Some((date, time)) if is_midnight(time) => date,
        _ => text,
    };
    match text.len() {
        8 => parse_ctp_date(text.as_bytes()),
        10 => NaiveDate::parse_from_str(&text.replace('/', "-"), "%Y-%m-%d").ok(),
        _ => None,
    }
}

fn is_midnight(time: &str) -> bool {
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    whole == "00:00:00" && !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receive_time_reads_in_every_form() {
        let instant = 1_767_618_000_612_345_000;
        for text in [
            "2026-01-05 21:00:00.612345",
            "20260105 21:00:00.612345",
            "20260105-21:00:00.612345",
            "20260105-13:00:00.612345Z",
            "20260105-13:00:00.612345+00:00",
            "2026-01-05T21:00:00.612345+08:00",
            "2026-01-05T13:00:00.612345Z",
            "2026-01-05 13:00:00.612345+00:00",
            "2026-01-05 08:00:00.612345-0500",
            "1767618000.612345",
            "1767618000612.345",
            "1767618000612345",
            "1767618000612345000",
            "20260105210000.612345",
        ] {
            let read = parse_receive_time(text.as_bytes());
            assert_eq!(read, Some(ReceiveTime::At(UnixNanos(instant))), "{text}");
        }
        let millis = Some(ReceiveTime::At(UnixNanos(1_767_618_000_612_000_000)));
        assert_eq!(parse_receive_time(b"20260105210000612"), millis);
        for text in ["", "None", "NaT", "NULL"] {
            let read = parse_receive_time(text.as_bytes());
            assert_eq!(read, Some(ReceiveTime::None), "{text}");
        }
        for (text, shown) in [
            ("21:00:00", "21:00:00.000000000"),
            ("02:29:59.5", "02:29:59.500000000"),
            ("21:00:00.612345678", "21:00:00.612345678"),
        ] {
            let Some(ReceiveTime::OfDay(time)) = parse_receive_time(text.as_bytes()) else {
                panic!("{text}");
            };
            assert_eq!(time.to_string(), shown);
        }
        for text in [
            "24:00:00",
            "21:00:00.",
            "21:00:00.1234567890",
            "21:00:00+08:00",
            "20260105",
            "12345",
            "2026-01-05 21:00:00+8",
            "x",
        ] {
            assert_eq!(parse_receive_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_date_reads_in_every_form() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 5);
        for text in [
            "20260105",
            "2026-01-05",
            "2026/01/05",
            "20260105.0",
            "2026-01-05 00:00:00",
            "2026-01-05 00:00:00.000000000",
        ] {
            assert_eq!(parse_date(text.as_bytes()), day, "{text}");
        }
        for text in [
            "",
            "2026-1-5",
            "20260132",
            "2026-01-05 09:00:00",
            "2026-01-05 00:00:00.5",
        ] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
    }
}
