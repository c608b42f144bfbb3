//! How long nothing has come.

use std::time::Duration;

use super::POLL_INTERVAL;

/// Of the time between two measurements no more than this is silence. The driver measures a little
/// later than every [`POLL_INTERVAL`]; a longer pause means that the process stood still.
const LONGEST_PAUSE: Duration = POLL_INTERVAL.saturating_mul(2);

/// A span in which nothing may come.
///
/// Time in which the capture was suspended does not count: messages published meanwhile wait in
/// the server or in transit, and arrives only when the capture resumes.
#[derive(Debug)]
pub(super) struct Silence {
    left: Duration,
}

impl Silence {
    /// `span` from now on.
    pub(super) const fn of(span: Duration) -> Self {
        Self { left: span }
    }

    /// Nothing came between two measurements, `passed` apart.
    pub(super) fn pass(&mut self, passed: Duration) {
        self.left = self.left.saturating_sub(passed.min(LONGEST_PAUSE));
    }

    pub(super) const fn is_over(&self) -> bool {
        self.left.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measurements, each this many milliseconds after the one before, until a silence of `span_ms`
    /// is over.
    fn measurements(span_ms: u64, pauses_ms: impl IntoIterator<Item = u64>) -> usize {
        let mut silence = Silence::of(Duration::from_millis(span_ms));
        let mut pauses = pauses_ms.into_iter();
        let mut count = 0;
        while !silence.is_over() {
            silence.pass(Duration::from_millis(pauses.next().expect("it ends")));
            count += 1;
        }
        count
    }

    #[test]
    fn a_silence_is_over_after_its_span() {
        assert_eq!(measurements(0, []), 0);
        assert_eq!(measurements(20, [50]), 1);
        assert_eq!(measurements(300, [50; 10]), 6);
        // Measurements are a little late each time, and that time has passed.
        assert_eq!(measurements(300, [60; 10]), 5);
    }

    #[test]
    fn time_without_a_measurement_is_no_silence() {
        assert_eq!(measurements(300, [50, 50, 3_600_000, 50, 50, 50]), 5);
        assert_eq!(measurements(2_000, [10_000; 100]), 20);
    }
}
