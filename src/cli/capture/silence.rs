//! How long nothing has come.

use std::time::Duration;

use super::STEP;
use crate::args::duration_ns;

/// Of the time between two looks no more than this is silence. A look takes [`STEP`] and a little;
/// one that took longer says that the process stood still.
const LOOK: Duration = STEP.saturating_mul(2);

/// A span in which nothing may come.
///
/// Time in which the capture itself stood still is none of it: what was published meanwhile waits in
/// the server or on the way, and comes only when the capture goes on.
#[derive(Debug)]
pub(super) struct Silence {
    left_ns: i64,
}

impl Silence {
    /// `span` from now on.
    pub(super) fn of(span: Duration) -> Self {
        Self {
            left_ns: duration_ns(span),
        }
    }

    /// Nothing came between two looks, `passed_ns` apart.
    pub(super) fn pass(&mut self, passed_ns: i64) {
        self.left_ns -= passed_ns.min(duration_ns(LOOK));
    }

    pub(super) const fn is_over(&self) -> bool {
        self.left_ns <= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// Looks, each so many milliseconds after the one before, until a silence of `span_ms` is over.
    fn looks(span_ms: u64, gaps_ms: impl IntoIterator<Item = i64>) -> usize {
        let mut silence = Silence::of(Duration::from_millis(span_ms));
        let mut gaps = gaps_ms.into_iter();
        let mut looks = 0;
        while !silence.is_over() {
            silence.pass(gaps.next().expect("it ends") * MS);
            looks += 1;
        }
        looks
    }

    #[test]
    fn a_silence_is_over_after_its_span() {
        assert_eq!(looks(0, []), 0);
        assert_eq!(looks(20, [50]), 1);
        assert_eq!(looks(300, [50; 10]), 6);
        // Looks are a little late each time, and that time has passed.
        assert_eq!(looks(300, [60; 10]), 5);
    }

    #[test]
    fn time_in_which_nobody_looked_is_no_silence() {
        assert_eq!(looks(300, [50, 50, 3_600_000, 50, 50, 50]), 5);
        assert_eq!(looks(2_000, [10_000; 100]), 20);
    }
}
