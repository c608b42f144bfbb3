//! Texts of a dump as the values of the CTP struct.
//!
//! Every text is read whole or refused: trailing garbage is never dropped. The one liberty is
//! `DBL_MAX`, CTP's "no value", which recorders print in several roundings.

use chrono::NaiveDate;
use tickdeck_core::printable::is_hidden;
use tickdeck_core::time::parse_ctp_time;

use crate::import::text::decode;

/// Longest excerpt of a bad value in a message, in bytes.
const EXCERPT_MAX: usize = 60;
/// Fewest digits that are taken for a rounded `DBL_MAX`: C++ streams print six.
const ROUNDED_DIGITS_MIN: usize = 6;
/// Prefix of a NaN with other bits than the usual ones, followed by the bits in hex.
const NAN_BITS_PREFIX: &str = "NaN:";

/// A bad value for a message: readable, hidden characters escaped, shortened.
pub(crate) fn printable(value: &[u8]) -> String {
    let mut text = String::new();
    for char in decode(value).chars() {
        if text.len() >= EXCERPT_MAX {
            text.push('…');
            break;
        }
        if is_hidden(char) || matches!(char, '"' | '\\') {
            text.extend(char.escape_default());
        } else {
            text.push(char);
        }
    }
    text
}

/// Reads a price or amount: decimal or exponent notation, `N/A` and every rounding of `DBL_MAX`
/// with six digits or more as `DBL_MAX`, `nan` and `inf` as themselves.
#[inline]
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    if let Some(value) = short_decimal(text) {
        return Some(value);
    }
    if text == b"N/A" {
        return Some(f64::MAX);
    }
    let text = std::str::from_utf8(text).ok()?;
    match text.parse::<f64>() {
        Ok(value) if value.abs() < 1.79e308 => Some(value),
        Ok(value) => huge(text, value),
        Err(_) => nan_of_bits(text),
    }
}

/// Powers of ten that a double holds exactly, one for each digit that may follow the point.
const POWERS_OF_TEN: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// Reads `-123.45` with at most 15 digits: nearly every number of a dump, at half the cost.
///
/// Both the digits as an integer and the power of ten are exact doubles, so one division rounds
/// once and returns the nearest double, as the standard library does.
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        _ => (false, text),
    };
    let mut number = 0_i64;
    let mut point = None;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() && index > 0 => point = Some(index + 1),
            _ => return None,
        }
        if index >= 16 {
            return None;
        }
    }
    let count = digits.len() - usize::from(point.is_some());
    if count == 0 || count > 15 {
        return None;
    }
    let decimals = point.map_or(0, |point| digits.len() - point);
    // At most 15 digits lie inside the 53 bits of a double.
    #[expect(clippy::cast_precision_loss, reason = "below 10^15 < 2^53")]
    let value = number as f64 / POWERS_OF_TEN.get(decimals)?;
    Some(if negative { -value } else { value })
}

/// A value that is not far below `DBL_MAX`: infinite, NaN, or `DBL_MAX` in some rounding.
#[cold]
fn huge(text: &str, value: f64) -> Option<f64> {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Some(value);
    }
    if value.abs() == f64::MAX || is_rounded_max(text) {
        return Some(f64::MAX.copysign(value));
    }
    value.is_finite().then_some(value)
}

/// Whether the digits of `text` are those of `DBL_MAX`, rounded to as many as are printed.
///
/// `1.79769e+308` (C++ streams) parses to another finite number, `1.79769313486232E+308` (C#) to
/// infinity; both mean `DBL_MAX`.
pub(crate) fn is_rounded_max(text: &str) -> bool {
    let mantissa = text.trim_start_matches(['-', '+']);
    let mantissa = mantissa.split(['e', 'E']).next().unwrap_or(mantissa);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if !(ROUNDED_DIGITS_MIN..=17).contains(&digits.len()) || !mantissa.starts_with("1.") {
        return false;
    }
    let rounded = format!("{:.*e}", digits.len() - 1, f64::MAX);
    let rounded = rounded.split('e').next().unwrap_or_default();
    rounded
        .bytes()
        .filter(u8::is_ascii_digit)
        .eq(digits.bytes())
}

/// `NaN:7ff8000000000001`, as tickdeck's export prints a NaN with unusual bits.
#[cold]
fn nan_of_bits(text: &str) -> Option<f64> {
    let hex = text.strip_prefix(NAN_BITS_PREFIX)?;
    if hex.len() != 16 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let value = f64::from_bits(u64::from_str_radix(hex, 16).ok()?);
    value.is_nan().then_some(value)
}

/// Whether a cell holds no value: empty, or one of the words that databases, pandas and spreadsheets
/// write. A number that is none (`nan`) is a value of a double, and not of a count.
#[inline]
pub(crate) fn is_blank(text: &[u8]) -> bool {
    let Some(first) = text.first() else {
        return true;
    };
    if first.is_ascii_digit() {
        return false;
    }
    let words: [&[u8]; 7] = [b"None", b"NULL", b"null", b"NaT", b"\\N", b"#N/A", b"<NA>"];
    words.contains(&text) || text.trim_ascii().is_empty()
}

/// Reads a 32-bit count, also one that the recorder kept as a float: `264.0`. Leading zeros are fine
/// (`000` milliseconds).
#[inline]
pub(crate) fn parse_i32(text: &[u8]) -> Option<i32> {
    let plain = std::str::from_utf8(text).ok()?.parse().ok();
    plain.or_else(|| whole(parse_f64(text)?))
}

/// The integer that a double holds.
#[cold]
#[expect(
    clippy::cast_possible_truncation,
    reason = "whole and inside the range of i32, checked before"
)]
fn whole(value: f64) -> Option<i32> {
    let whole =
        value.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
    whole.then_some(value as i32)
}

/// A time of day as the CTP struct keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    /// `HH:MM:SS`.
    pub(crate) text: [u8; 8],
    /// 0 to 999.
    pub(crate) millis: i32,
}

/// What the digits after the seconds mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fraction {
    /// A count of milliseconds without leading zeros: `.97` is 97 ms.
    Millis,
    /// A decimal fraction: `.5` is 500 ms; digits after the third are cut.
    Decimal,
}

/// Reads `HH:MM:SS`, with or without a fraction.
pub(crate) fn parse_clock(text: &[u8], fraction: Fraction) -> Option<Clock> {
    let (hms, rest) = text.split_first_chunk::<8>()?;
    parse_ctp_time(hms)?;
    let millis = match rest.split_first() {
        None => 0,
        Some((b'.', digits)) => {
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            match fraction {
                Fraction::Millis => parse_i32(digits).filter(|millis| *millis < 1000)?,
                Fraction::Decimal => decimal_millis(digits),
            }
        }
        Some(_) => return None,
    };
    Some(Clock { text: *hms, millis })
}

fn decimal_millis(digits: &[u8]) -> i32 {
    (0..3).fold(0, |millis, place| {
        millis * 10 + digits.get(place).map_or(0, |digit| i32::from(digit - b'0'))
    })
}

/// Reads WonderTrader's `action_time`, the number `HHMMSSmmm` without leading zeros.
pub(crate) fn clock_of_hhmmssmmm(number: u32) -> Option<Clock> {
    let millis = i32::try_from(number % 1000).ok()?;
    let hms = number / 1000;
    let (hour, minute, second) = (hms / 10_000, hms / 100 % 100, hms % 100);
    let text = format!("{hour:02}:{minute:02}:{second:02}");
    let text: [u8; 8] = text.as_bytes().try_into().ok()?;
    parse_ctp_time(&text)?;
    Some(Clock { text, millis })
}

/// A Shanghai wall clock reading with its sub-second part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime {
    /// The Shanghai date.
    pub(crate) date: NaiveDate,
    /// Seconds since midnight.
    pub(crate) seconds: u32,
    /// Nanoseconds of the second.
    pub(crate) nanos: u32,
}

/// Date and time around a space, a `T`, or the hyphen of `YYYYMMDD-HH:MM:SS`.
pub(crate) fn split_date(text: &str) -> Option<(&str, &str)> {
    text.split_once([' ', 'T']).or_else(|| {
        let (date, time) = text.split_once('-')?;
        (date.len() == 8).then_some((date, time))
    })
}

/// Reads `2026-01-05 09:00:00.500000+08:00`, `20191031 20:35:21.705328` and forms in between:
/// date with or without hyphens, a blank or `T`, up to nine digits of fraction, `+08:00`, `+0800`
/// or nothing. Another offset is refused: the clock of a Chinese exchange has only one.
pub(crate) fn parse_datetime(text: &[u8]) -> Option<DateTime> {
    let text = std::str::from_utf8(text).ok()?;
    let (date, time) = split_date(text)?;
    let date = match date.len() {
        8 => tickdeck_core::time::parse_ctp_date(date.as_bytes())?,
        10 => NaiveDate::parse_from_str(&date.replace('/', "-"), "%Y-%m-%d").ok()?,
        _ => return None,
    };
    let time = time
        .strip_suffix("+08:00")
        .or_else(|| time.strip_suffix("+0800"))
        .unwrap_or(time);
    let (hms, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let nanos = (0..9).fold(0, |nanos, place| {
        let digit = fraction
            .as_bytes()
            .get(place)
            .map_or(0, |digit| digit - b'0');
        nanos * 10 + u32::from(digit)
    });
    Some(DateTime {
        date,
        seconds: parse_ctp_time(hms.as_bytes())?,
        nanos,
    })
}

/// Text of tickdeck's exports back to bytes: the code points U+0000 to U+00FF are the bytes.
pub(crate) fn bytes_of_latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|char| u8::try_from(char).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_print_of_dbl_max_is_dbl_max_and_nothing_else_is() {
        for text in [
            "N/A",
            "1.79769e+308",
            "1.797693e+308",
            "1.79769313486232E+308",
            "1.7976931348623157e+308",
            "1.7976931348623158e+308",
            "1.7976931348623157E308",
            &format!("{}", f64::MAX),
            &format!("{:.6}", f64::MAX),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(f64::MAX), "{text}");
        }
        assert_eq!(parse_f64(b"-1.79769e+308"), Some(-f64::MAX));
        assert_eq!(parse_f64(b"1.797690e308"), Some(1.79769e308));
        assert_eq!(parse_f64(b"1.7976e308"), Some(1.7976e308));
        assert_eq!(parse_f64(b"1.9e308"), None);
    }

    #[test]
    fn a_number_is_the_whole_text_or_refused() {
        for bad in [
            "", " 1", "1 ", "1,0", "1x", "0x10", "--1", "NaN:1", "N/A ", "1e",
        ] {
            assert_eq!(parse_f64(bad.as_bytes()), None, "{bad:?}");
            assert_eq!(parse_i32(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse_i32(b"2147483648"), None);
        assert_eq!(parse_i32(b"000"), Some(0));
        assert_eq!(parse_i32(b"264.0"), Some(264));
        assert_eq!(parse_i32(b"264.5"), None);
        assert_eq!(parse_i32(b"nan"), None);
        for blank in ["", "  ", "NULL", "None", "\\N", "#N/A"] {
            assert!(is_blank(blank.as_bytes()), "{blank:?}");
        }
        for value in ["0", "nan", "N/A", "-1"] {
            assert!(!is_blank(value.as_bytes()), "{value:?}");
        }
        assert_eq!(
            parse_f64(b"-0.0").map(f64::to_bits),
            Some((-0.0_f64).to_bits())
        );
        assert_eq!(parse_f64(b"-inf"), Some(f64::NEG_INFINITY));
        assert!(parse_f64(b"nan").unwrap().is_nan());
    }

    proptest::proptest! {
        #[test]
        fn prop_the_short_way_and_the_standard_library_agree(text in "-?[0-9]{0,17}(\\.[0-9]{0,17})?") {
            let standard = text.parse::<f64>().ok().map(f64::to_bits);
            proptest::prop_assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), standard);
        }
    }

    #[test]
    fn the_two_readings_of_a_fraction_are_kept_apart() {
        let millis =
            |text: &str, fraction| parse_clock(text.as_bytes(), fraction).map(|clock| clock.millis);
        assert_eq!(millis("20:59:00.97", Fraction::Millis), Some(97));
        assert_eq!(millis("20:59:00.97", Fraction::Decimal), Some(970));
        assert_eq!(millis("20:59:00", Fraction::Millis), Some(0));
        assert_eq!(millis("20:59:00.500000", Fraction::Decimal), Some(500));
        assert_eq!(millis("20:59:00.1000", Fraction::Millis), None);
        assert_eq!(millis("20:59:00.", Fraction::Millis), None);
        assert_eq!(millis("24:00:00", Fraction::Millis), None);
        assert_eq!(millis("20:59:00x", Fraction::Decimal), None);
    }

    #[test]
    fn date_times_are_read_only_as_printed_and_at_eight_hours() {
        let nanos = |text: &str| parse_datetime(text.as_bytes()).map(|at| at.nanos);
        assert_eq!(nanos("2026-01-05 09:00:00.500000+08:00"), Some(500_000_000));
        assert_eq!(nanos("20191031 20:35:21.705328"), Some(705_328_000));
        assert_eq!(nanos("2026-01-05T09:00:00"), Some(0));
        assert_eq!(nanos("20260105-09:00:00.523"), Some(523_000_000));
        assert_eq!(nanos("2026-01-05-09:00:00"), None);
        assert_eq!(nanos("2026-01-05 09:00:00+00:00"), None);
        assert_eq!(nanos("2026-13-05 09:00:00"), None);
        assert_eq!(nanos("2026-01-05"), None);
    }
}
