//! Times and numbers in payloads: which fields have them, and their values in any form.

use chrono::NaiveDate;

/// Fields on time and place of receipt, not on content.
pub(super) const TIMING_FIELDS: [&str; 3] = ["local_time", "seq", "recv_ts"];
/// When a message was received, best first. The first one counts nanoseconds.
pub(super) const RECEIPT_FIELDS: [&[u8]; 2] = [b"recv_ts", b"local_time"];
/// The exchange's time: of payloads, of vn.py's, of raw events.
pub(super) const TIME_FIELDS: [&[u8]; 3] = [b"timestamp", b"datetime", b"UpdateTime"];
/// How many of them have the date too, and so define an order.
pub(super) const DATED: usize = 2;
/// What a raw event has beside its time.
pub(super) const MILLIS_FIELD: &[u8] = b"UpdateMillisec";
/// With the exchange's time it distinguishes a message of a subject from the next, even if other
/// fields changed.
pub(super) const VOLUME_FIELDS: [&[u8]; 2] = [b"volume", b"Volume"];
/// The last price: of payloads, of the `decimal` one, of raw events.
pub(super) const PRICE_FIELDS: [&[u8]; 3] = [b"last_price", b"price", b"LastPrice"];
/// Numbers are compared in billionths.
pub(super) const ONE: u128 = 1_000_000_000;

/// A time or number in billionths, so that it compares with one in another form: in quotes or not,
/// in another zone or without one, with more or fewer decimals.
pub(super) fn number_of(value: &[u8]) -> u128 {
    const MOST_DIGITS: usize = 20;
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let value = value.strip_suffix(b"\"").unwrap_or(value);
    if let Some(nanos) = nanos_of(value) {
        return nanos;
    }
    let point = value.iter().position(|byte| *byte == b'.');
    let (whole, part) = value.split_at(point.unwrap_or(value.len()));
    let digits = whole.iter().filter(|byte| byte.is_ascii_digit());
    let whole = digits
        .take(MOST_DIGITS)
        .fold(0, |number, digit| number * 10 + u128::from(digit - b'0'));
    whole * ONE + fraction(part).0
}

/// Billionths of `.5`, and the text after the digits.
fn fraction(text: &[u8]) -> (u128, &[u8]) {
    let Some(digits) = text.strip_prefix(b".") else {
        return (0, text);
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = digits.split_at(end.unwrap_or(digits.len()));
    let mut unit = ONE;
    let part = digits.iter().fold(0, |part, digit| {
        unit /= 10;
        part + unit * u128::from(digit - b'0')
    });
    (part, rest)
}

/// Nanoseconds since 1970 of `2025-09-12T09:29:57.000+08:00`. A time without a zone is China's, as
/// all are here.
pub(super) fn nanos_of(text: &[u8]) -> Option<u128> {
    const CHINA: i64 = 8 * 3600;
    let number = |text: &[u8]| -> Option<u32> {
        let number = |number: u32, byte: &u8| Some(number * 10 + char::from(*byte).to_digit(10)?);
        text.iter().try_fold(0, number)
    };
    let (head, rest) = text.split_at_checked(19)?;
    let marks = [4, 7, 10, 13, 16].map(|at| head[at]);
    if !matches!(marks, [b'-', b'-', b'T' | b' ', b':', b':']) {
        return None;
    }
    let year = i32::try_from(number(&head[..4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&head[5..7])?, number(&head[8..10])?)?;
    let at = |at: usize| number(&head[at..at + 2]);
    let time = date.and_hms_opt(at(11)?, at(14)?, at(17)?)?;
    let (part, zone) = fraction(rest);
    let offset = match zone {
        b"" => CHINA,
        b"Z" => 0,
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let seconds = i64::from(number(hours)? * 3600 + number(&[*m1, *m2])? * 60);
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = u128::try_from(time.and_utc().timestamp() - offset).ok()?;
    Some(seconds * ONE + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_in_every_form() {
        let same = [
            "\"2025-09-12T09:29:57.500+08:00\"",
            "\"2025-09-12T09:29:57.5\"",
            "\"2025-09-12 09:29:57.500000000\"",
            "\"2025-09-12T01:29:57.500Z\"",
            "\"2025-09-11T20:29:57.5-05:00\"",
        ];
        let numbers = same.map(|text| number_of(text.as_bytes()));
        assert_eq!(numbers, [1_757_640_597_500_000_000; 5]);
        let number = |text: &str| number_of(text.as_bytes());
        assert_eq!(number("\"65156\""), number("65156.0"));
        assert!(number("\"09:29:57\"") < number("\"09:30:00\""));
        for odd in [
            "",
            "\"",
            "\"2025-99-12T09:29:57\"",
            "9e9",
            "-1",
            "\"+08:00\"",
        ] {
            number(odd);
        }
        assert!(number(&"9".repeat(99)) > number(&"9".repeat(19)));
    }
}
