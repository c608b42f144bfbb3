//! Builds the bytes of one payload: literals, integers, floats, days and instants.
//!
//! The array is fixed, so that appending is a bounds check and a move. [`CAPACITY`] has room for
//! the longest payload behind its instrument part, which does not pass through here. Floats are
//! printed as `serde_json` prints them, byte for byte: by two exact short cuts, or else by the same
//! printer.
//!
//! Instants are RFC 3339 in Asia/Shanghai, `2025-09-11T21:00:00.500+08:00`. Consecutive ticks share
//! their second, and nearly all share their day, so both are kept as text and only the fraction is
//! rendered. Neither locale nor time zone data base is used.

use chrono::{DateTime, Datelike, NaiveDate};
use tickdeck_core::time::{NANOS_PER_SECOND, SHANGHAI_OFFSET_SECONDS, UnixNanos};

/// Room for a payload without its instrument part. 46 keys of at most 26 bytes with numbers of at
/// most 24, two times of 35 and nine flags make under 2,600 bytes.
const CAPACITY: usize = 4096;

/// Decimals that the short cut for prices covers: `10^4`.
const SCALE: f64 = 10_000.0;
/// Scaled values below this have at most 15 significant digits. Decimals of up to 15 digits map to
/// doubles one to one, so the decimal found is the shortest one.
const SCALED_BELOW: i64 = 1_000_000_000_000_000;

const DAY_SECONDS: i64 = 86_400;
const NANOS_IN_MILLI: u32 = 1_000_000;

/// Bytes of a block of text.
const BLOCK: usize = 64;

/// Two digits of each number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number: u8 = 0;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

/// A payload being built.
#[derive(Debug, Clone)]
pub(super) struct Buffer {
    bytes: Box<[u8; CAPACITY]>,
    len: usize,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self {
            bytes: Box::new([0; CAPACITY]),
            len: 0,
        }
    }

    /// Clears it.
    #[inline]
    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    /// The bytes written.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The bytes written from `start` on.
    #[inline]
    pub(super) fn since(&self, start: usize) -> &[u8] {
        &self.bytes[start..self.len]
    }

    /// Bytes written.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Appends bytes whose number is known to the compiler.
    #[inline]
    pub(super) fn literal<const N: usize>(&mut self, bytes: &[u8; N]) {
        let end = self.len + N;
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn slice(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Appends the first `len` bytes of whole blocks of 64, block by block. That costs less than a copy
    /// of any length.
    #[inline]
    pub(super) fn blocks<const N: usize>(&mut self, text: &[u8; N], len: usize) {
        const { assert!(N.is_multiple_of(BLOCK), "there are whole blocks only") }
        let (blocks, _) = text.as_chunks::<BLOCK>();
        let mut at = self.len;
        for block in &blocks[..len.div_ceil(BLOCK)] {
            self.bytes[at..at + BLOCK].copy_from_slice(block);
            at += BLOCK;
        }
        self.len += len;
    }

    /// Appends `number` with leading zeros to `N` digits; higher digits are cut.
    #[inline]
    pub(super) fn padded<const N: usize>(&mut self, number: u32) {
        self.literal(&digits::<N>(number));
    }

    /// Appends an integer.
    #[inline]
    pub(super) fn integer(&mut self, number: i32) {
        if number < 0 {
            self.literal(b"-");
        }
        self.unsigned(u64::from(number.unsigned_abs()));
    }

    /// Appends an integer without sign, in its place from the last digit on.
    #[inline]
    pub(super) fn unsigned(&mut self, mut number: u64) {
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let end = self.len + digits;
        let place = &mut self.bytes[self.len..end];
        let (odd, pairs) = place.as_rchunks_mut();
        for pair in pairs.iter_mut().rev() {
            *pair = PAIRS[(number % 100) as usize];
            number /= 100;
        }
        if let [first] = odd {
            *first = PAIRS[(number % 100) as usize][1];
        }
        self.len = end;
    }

    /// Appends a float as `serde_json` prints it.
    #[inline]
    pub(super) fn float(&mut self, number: f64) {
        match Fixed::of(number) {
            Some(fixed) => {
                self.fixed(&fixed);
                if fixed.fraction == 0 {
                    self.literal(b".0");
                }
            }
            None => self.shortest(number),
        }
    }

    /// Appends a float in plain decimal notation, shortest digits, no exponent.
    pub(super) fn decimal(&mut self, number: f64) {
        match Fixed::of(number) {
            Some(fixed) => self.fixed(&fixed),
            // Rust's `Display` is the shortest round-trip form without an exponent.
            None => self.slice(number.to_string().as_bytes()),
        }
    }

    /// Sign, integer part and, unless it is 0, the fraction.
    #[inline]
    fn fixed(&mut self, fixed: &Fixed) {
        if fixed.negative {
            self.literal(b"-");
        }
        self.unsigned(fixed.integer);
        let fraction = fixed.fraction;
        if fraction == 0 {
            return;
        }
        self.literal(b".");
        // Trailing zeros are cut; most prices have one or two decimals.
        if fraction.is_multiple_of(100) {
            if fraction.is_multiple_of(1000) {
                self.padded::<1>(fraction / 1000);
            } else {
                self.padded::<2>(fraction / 100);
            }
        } else if fraction.is_multiple_of(10) {
            self.padded::<3>(fraction / 10);
        } else {
            self.padded::<4>(fraction);
        }
    }

    #[cold]
    fn shortest(&mut self, number: f64) {
        if number.is_finite() {
            self.slice(zmij::Buffer::new().format_finite(number).as_bytes());
        } else {
            // The normalizer passes none. serde_json does the same with one.
            self.literal(b"null");
        }
    }
}

/// A number that is exactly what its short decimal says.
struct Fixed {
    negative: bool,
    integer: u64,
    /// Ten-thousandths.
    fraction: u32,
}

impl Fixed {
    /// The decimal with up to four places that is the shortest form of `number`, if there is one.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the casts saturate, and the comparisons after them accept exact results only"
    )]
    fn of(number: f64) -> Option<Self> {
        let negative = number.is_sign_negative();
        let magnitude = number.abs();
        let integer = magnitude as i64;
        if integer < SCALED_BELOW && integer as f64 == magnitude {
            return Some(Self {
                negative,
                integer: integer as u64,
                fraction: 0,
            });
        }
        let scaled = (magnitude * SCALE + 0.5) as i64;
        if scaled < SCALED_BELOW && scaled as f64 / SCALE == magnitude {
            return Some(Self {
                negative,
                integer: scaled as u64 / 10_000,
                fraction: (scaled as u64 % 10_000) as u32,
            });
        }
        None
    }
}

/// Prints instants and remembers the last second.
#[derive(Debug, Clone)]
pub(super) struct Timestamps {
    /// Seconds since the epoch, Shanghai wall clock.
    second: i64,
    /// `2025-09-11T21:00:00`
    text: [u8; 19],
    /// Days since the epoch, Shanghai calendar.
    day: i64,
}

impl Timestamps {
    pub(super) fn new() -> Self {
        Self {
            second: i64::MIN,
            text: *b"0000-00-00T00:00:00",
            day: i64::MIN,
        }
    }

    /// Appends `instant` with milliseconds; finer digits are cut.
    #[inline]
    pub(super) fn millis(&mut self, instant: UnixNanos, out: &mut Buffer) {
        let nanos = self.seconds(instant, out);
        out.literal(b".");
        out.padded::<3>(nanos / NANOS_IN_MILLI);
        out.literal(b"+08:00");
    }

    /// Appends `instant` with nanoseconds.
    #[inline]
    pub(super) fn nanos(&mut self, instant: UnixNanos, out: &mut Buffer) {
        let nanos = self.seconds(instant, out);
        out.literal(b".");
        out.padded::<9>(nanos);
        out.literal(b"+08:00");
    }

    /// Appends date and time up to the second, returns the nanoseconds within it.
    #[inline]
    fn seconds(&mut self, instant: UnixNanos, out: &mut Buffer) -> u32 {
        let second = instant.0.div_euclid(NANOS_PER_SECOND) + i64::from(SHANGHAI_OFFSET_SECONDS);
        if second != self.second {
            self.render(second);
        }
        out.literal(&self.text);
        u32::try_from(instant.0.rem_euclid(NANOS_PER_SECOND)).unwrap_or(0)
    }

    fn render(&mut self, second: i64) {
        self.second = second;
        let day = second.div_euclid(DAY_SECONDS);
        if day != self.day {
            self.day = day;
            // Every i64 of nanoseconds is in the years 1677 to 2262, far inside chrono's range.
            let date = DateTime::from_timestamp(second, 0)
                .unwrap_or_default()
                .date_naive();
            self.text[..10].copy_from_slice(&dashed(date));
        }
        let of_day = u32::try_from(second.rem_euclid(DAY_SECONDS)).unwrap_or(0);
        for (at, number) in [
            (11, of_day / 3600),
            (14, of_day / 60 % 60),
            (17, of_day % 60),
        ] {
            self.text[at..at + 2].copy_from_slice(&digits::<2>(number));
        }
    }
}

/// `2025-09-11`
fn dashed(date: NaiveDate) -> [u8; 10] {
    let [y1, y2, y3, y4, m1, m2, d1, d2] = compact(date);
    [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]
}

/// `20250911`, as CTP writes dates.
pub(super) fn compact(date: NaiveDate) -> [u8; 8] {
    digits(date.year().unsigned_abs() % 10_000 * 10_000 + date.month() * 100 + date.day())
}

/// The last `N` digits, with leading zeros.
fn digits<const N: usize>(mut number: u32) -> [u8; N] {
    let mut text = [b'0'; N];
    let (odd, pairs) = text.as_rchunks_mut();
    for pair in pairs.iter_mut().rev() {
        *pair = PAIRS[(number % 100) as usize];
        number /= 100;
    }
    if let [first] = odd {
        *first = PAIRS[(number % 100) as usize][1];
    }
    text
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

    fn float(number: f64) -> String {
        let mut buffer = Buffer::new();
        buffer.float(number);
        String::from_utf8(buffer.as_bytes().to_vec()).unwrap()
    }

    fn decimal(number: f64) -> String {
        let mut buffer = Buffer::new();
        buffer.decimal(number);
        String::from_utf8(buffer.as_bytes().to_vec()).unwrap()
    }

    #[track_caller]
    fn check(number: f64) {
        assert_eq!(float(number), serde_json::to_string(&number).unwrap());
        if number.is_finite() {
            assert_eq!(decimal(number), number.to_string());
        }
    }

    #[test]
    fn floats_at_the_bounds_of_the_short_cuts_print_like_serde_json() {
        for number in [
            0.0,
            -0.0,
            0.1,
            0.0001,
            0.00005,
            0.00004,
            0.00001,
            1e-5,
            1e-7,
            5230.0,
            -37.5,
            0.1 + 0.2,
            91_700.127_5,
            99_999_999_999.999_9,
            100_000_000_000.5,
            999_999_999_999_999.0,
            1e15,
            1e16,
            1e17,
            9_007_199_254_740_993.0,
            9.9e299,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            f64::NAN,
            f64::INFINITY,
        ] {
            check(number);
            check(-number);
        }
    }

    proptest! {
        #[test]
        fn prop_any_bits_print_like_serde_json(bits: u64) {
            check(f64::from_bits(bits));
        }

        #[test]
        fn prop_prices_print_like_serde_json(units in -2_000_000_000_i64..2_000_000_000, places in 0..7_i32) {
            #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
            let price = units as f64 / 10_f64.powi(places);
            check(price);
            // Float noise, as a recorder that computed prices leaves it.
            check(f64::from_bits(price.to_bits() ^ 1));
        }

        #[test]
        fn prop_large_amounts_print_like_serde_json(units: i64, places in 0..7_i32) {
            #[expect(clippy::cast_precision_loss, reason = "any double will do")]
            let amount = units as f64 / 10_f64.powi(places);
            check(amount);
        }

        #[test]
        fn prop_integers_print_like_serde_json(number: i32, big: u64) {
            let mut buffer = Buffer::new();
            buffer.integer(number);
            buffer.literal(b" ");
            buffer.unsigned(big);
            let expected = format!("{number} {big}");
            prop_assert_eq!(buffer.as_bytes(), expected.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn prop_instants_print_like_chrono(instants: Vec<i64>, steps: Vec<u32>) {
            let mut timestamps = Timestamps::new();
            let near = steps.iter().map(|&step| 1_757_595_600_000_000_000 + i64::from(step));
            for instant in instants.into_iter().chain([i64::MIN, i64::MAX, 0, -1]).chain(near) {
                let instant = UnixNanos(instant);
                let mut out = Buffer::new();
                timestamps.millis(instant, &mut out);
                out.literal(b" ");
                timestamps.nanos(instant, &mut out);
                let local = instant.to_shanghai();
                let expected = format!(
                    "{} {}",
                    local.to_rfc3339_opts(SecondsFormat::Millis, false),
                    local.to_rfc3339_opts(SecondsFormat::Nanos, false),
                );
                prop_assert_eq!(out.as_bytes(), expected.as_bytes());
            }
        }
    }
}
