//! The speed of a replay, as an exact decimal fraction. `0.1` is one tenth, not the nearest binary
//! number, so due times carry no error that grows with the length of the recording.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Most digits before and after the decimal point of a [`Ratio`].
const MAX_DIGITS: usize = 9;
/// `10^MAX_DIGITS`: the largest denominator.
const SCALE: u64 = 1_000_000_000;

/// A positive decimal number with at most nine digits before and after the point, in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    numerator: u64,
    denominator: u64,
}

impl Ratio {
    /// One.
    pub const ONE: Self = Self {
        numerator: 1,
        denominator: 1,
    };

    /// `nanos / self`, rounded down. Cannot overflow for spans between two [`UnixNanos`]: those fit
    /// in 65 bits and the denominator in 30.
    ///
    /// [`UnixNanos`]: crate::time::UnixNanos
    #[must_use]
    pub fn divide(self, nanos: i128) -> i128 {
        (nanos * i128::from(self.denominator)).div_euclid(i128::from(self.numerator))
    }

    /// `nanos * self`, rounded down. Cannot overflow, as in [`divide`](Self::divide): the numerator
    /// fits in 60 bits.
    #[must_use]
    pub fn multiply(self, nanos: i128) -> i128 {
        (nanos * i128::from(self.numerator)).div_euclid(i128::from(self.denominator))
    }

    /// Numerator and denominator in lowest terms.
    #[must_use]
    pub const fn parts(self) -> (u64, u64) {
        (self.numerator, self.denominator)
    }

    /// The nearest `f64`, for display and JSON.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for display only")]
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

/// A text is not a positive decimal number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not a positive decimal number such as 1, 0.5 or 10 (at most nine digits before and after the point)"
)]
pub struct RatioError {
    found: String,
}

impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        parse_decimal(text).ok_or_else(|| RatioError { found: text.into() })
    }
}

fn parse_decimal(text: &str) -> Option<Ratio> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| {
        let fits = (1..=MAX_DIGITS).contains(&part.len());
        // `parse` alone would also take a plus sign.
        (fits && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u64>().ok())
            .flatten()
    };
    let denominator = 10_u64.pow(u32::try_from(fraction.len()).ok().filter(|&n| n <= 9)?);
    let numerator = digits(whole)? * denominator + digits(fraction)?;
    let divisor = gcd(numerator, denominator);
    (numerator > 0).then(|| Ratio {
        numerator: numerator / divisor,
        denominator: denominator / divisor,
    })
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl fmt::Display for Ratio {
    /// The exact decimal number, without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.numerator / self.denominator;
        // The denominator divides 10^9: it came from at most nine decimal places.
        let billionths = self.numerator % self.denominator * (SCALE / self.denominator);
        if billionths == 0 {
            return f.pad(&whole.to_string());
        }
        f.pad(format!("{whole}.{billionths:09}").trim_end_matches('0'))
    }
}

/// How fast a recording is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As fast as the rest of the pipeline allows.
    Max,
    /// Recorded spacing divided by this number.
    Times(Ratio),
}

impl Rate {
    /// The recorded spacing.
    pub const RECORDED: Self = Self::Times(Ratio::ONE);
}

impl Default for Rate {
    fn default() -> Self {
        Self::RECORDED
    }
}

/// A text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not a rate: expected `max`, or a positive decimal number such as 1, 0.5 or 10 (at most nine digits before and after the point)"
)]
pub struct RateError {
    found: String,
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        text.parse()
            .map(Self::Times)
            .map_err(|RatioError { found }| RateError { found })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.pad("max"),
            Self::Times(ratio) => ratio.fmt(f),
        }
    }
}

impl Serialize for Rate {
    /// A number, or the string `max`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Max => serializer.serialize_str("max"),
            Self::Times(ratio) => serializer.serialize_f64(ratio.as_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_back_exactly_as_written() {
        for (text, shown) in [
            ("1", "1"),
            ("0.5", "0.5"),
            ("10", "10"),
            ("1.0", "1"),
            ("0.10", "0.1"),
            ("2.25", "2.25"),
            ("max", "max"),
            ("999999999.999999999", "999999999.999999999"),
            ("0.000000001", "0.000000001"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), shown);
        }
        assert_eq!("1.0".parse(), Ok(Rate::RECORDED));
    }

    #[test]
    fn what_is_not_a_rate_is_refused_with_the_accepted_forms() {
        for text in [
            "",
            "0",
            "0.0",
            "-1",
            "+1",
            "1.",
            ".5",
            "1e3",
            "nan",
            "inf",
            "Max",
            "1x",
            "1,5",
            "1234567890",
            "0.1234567890",
            " 1",
        ] {
            let error = text.parse::<Rate>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a rate: expected `max`")));
        }
    }

    #[test]
    fn a_tenth_is_a_tenth() {
        let tenth: Ratio = "0.1".parse().unwrap();
        assert_eq!(tenth.divide(86_400_000_000_001), 864_000_000_000_010);
        let three: Ratio = "3".parse().unwrap();
        assert_eq!(three.divide(10), 3);
    }

    #[test]
    fn json_has_a_number_or_max() {
        let json = |text: &str| serde_json::to_string(&text.parse::<Rate>().unwrap()).unwrap();
        assert_eq!(json("0.5"), "0.5");
        assert_eq!(json("max"), r#""max""#);
    }
}
