//! How far two values of a field are apart.

use crate::check::times::{ONE, nanos_of};

/// Most digits of a number before and after its point together.
const MOST_DIGITS: usize = 30;
/// Texts of digits that are not amounts.
const NO_AMOUNTS: [&str; 6] = [
    "trading_day",
    "action_day",
    "TradingDay",
    "ActionDay",
    "symbol",
    "InstrumentID",
];

/// The change from one value to another, with its sign: of numbers, also in quotes, and of times.
pub(super) fn delta(field: &str, before: Option<&str>, after: Option<&str>) -> Option<String> {
    let (before, after) = (unquoted(before?), unquoted(after?));
    let moments = (nanos_of(before.as_bytes()), nanos_of(after.as_bytes()));
    if let (Some(before), Some(after)) = moments {
        let change = i128::try_from(after).ok()? - i128::try_from(before).ok()?;
        return shown(change, DIGITS_OF_NANOS).map(|seconds| format!("{seconds} s"));
    }
    if NO_AMOUNTS.contains(&field) {
        return None;
    }
    let (before, after) = (Decimal::parse(before)?, Decimal::parse(after)?);
    let digits = before.digits.max(after.digits);
    let change = after
        .scaled_to(digits)?
        .checked_sub(before.scaled_to(digits)?)?;
    shown(change, digits)
}

const DIGITS_OF_NANOS: u32 = ONE.ilog10();

fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"');
    inner
        .and_then(|inner| inner.strip_suffix('"'))
        .unwrap_or(value)
}

/// A number as it is written: exact, so that 0.1 + 0.2 is 0.3.
struct Decimal {
    number: i128,
    /// How many digits of it are after the point.
    digits: u32,
}

impl Decimal {
    /// `None` for anything but digits with a sign and a point, such as an exponent.
    fn parse(text: &str) -> Option<Self> {
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = !whole.is_empty() && are_digits(whole) && are_digits(part);
        if !is_number || whole.len() + part.len() > MOST_DIGITS {
            return None;
        }
        let number: i128 = format!("{whole}{part}").parse().ok()?;
        Some(Self {
            number: sign * number,
            digits: u32::try_from(part.len()).ok()?,
        })
    }

    fn scaled_to(&self, digits: u32) -> Option<i128> {
        let factor = 10_i128.checked_pow(digits.checked_sub(self.digits)?)?;
        self.number.checked_mul(factor)
    }
}

/// `+0.5`; nothing for no change.
fn shown(change: i128, digits: u32) -> Option<String> {
    if change == 0 {
        return None;
    }
    let sign = if change < 0 { '-' } else { '+' };
    let unit = 10_u128.checked_pow(digits)?;
    let (whole, part) = (change.unsigned_abs() / unit, change.unsigned_abs() % unit);
    let width = digits as usize;
    let part = format!("{part:0width$}");
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_exact() {
        let change = |before: &str, after: &str| delta("x", Some(before), Some(after));
        for (before, after, expected) in [
            ("3151.0", "3152.0", "+1"),
            ("0.3", "0.1", "-0.2"),
            ("0.1", "0.30000000000000004", "+0.20000000000000004"),
            ("-2", "1.50", "+3.5"),
            ("\"3151\"", "\"3150.5\"", "-0.5"),
            ("741190.0", "1741190.0", "+1000000"),
            (
                "\"2025-09-12T09:29:57.500+08:00\"",
                "\"2025-09-12T09:29:58.000\"",
                "+0.5 s",
            ),
            (
                "\"2025-09-12T09:29:57+08:00\"",
                "\"2025-09-11T09:29:57+08:00\"",
                "-86400 s",
            ),
        ] {
            let found = change(before, after);
            assert_eq!(found.as_deref(), Some(expected), "{before} {after}");
        }
    }

    #[test]
    fn what_is_no_amount_has_no_change() {
        let none = |field: &str, before: &str, after: &str| {
            let found = delta(field, Some(before), Some(after));
            assert_eq!(found, None, "{before} {after}");
        };
        none("trading_day", "\"20250912\"", "\"20250915\"");
        none("last_price", "1.7976931348623157e308", "3151.0");
        none("flags", "[\"snapshot\"]", "[\"stale\"]");
        none("volume", "12", "12.0");
        none("price", "\"\"", "\"1\"");
        none("price", "\"", "1");
        none("price", &"9".repeat(40), "1");
        none("price", "-", "1");
        assert_eq!(delta("price", None, Some("1")), None);
        let long = format!("0.{}", "1".repeat(28));
        none("price", &"9".repeat(30), &long);
    }
}
