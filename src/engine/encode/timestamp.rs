//! Instants as RFC 3339 in Asia/Shanghai, `2025-09-11T21:00:00.500+08:00`.
//!
//! Consecutive ticks share their second, and nearly all share their day, so both are kept as text
//! and only the fraction is rendered. Neither locale nor time zone data base is used.

use chrono::{DateTime, Datelike, NaiveDate};
use tickdeck_core::time::{NANOS_PER_SECOND, SHANGHAI_OFFSET_SECONDS, UnixNanos};

use super::buffer::Buffer;

const DAY_SECONDS: i64 = 86_400;
const NANOS_IN_MILLI: u32 = 1_000_000;

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

fn digits<const N: usize>(mut number: u32) -> [u8; N] {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
    text
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

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
