//! Recent losses of a connection, and whether they form a loop: a library that reconnects by itself
//! and never stays connected.

use std::collections::VecDeque;

use tickdeck_core::clock::MonoNanos;
use tickdeck_core::time::NANOS_PER_SECOND;

/// This many losses within [`FAST_NS`] are a loop.
pub(super) const FAST: usize = 5;
/// See [`FAST`], ns.
pub(super) const FAST_NS: i64 = 10 * NANOS_PER_SECOND;
/// This many losses within [`SLOW_NS`] are a loop as well. Each connection holds too long for the
/// fast rule, and none is stable.
const SLOW: usize = 10;
/// See [`SLOW`], ns.
const SLOW_NS: i64 = 90 * NANOS_PER_SECOND;

/// The losses of one session.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    fast: usize,
    fast_ns: i64,
    /// The most recent ones, oldest first.
    times: VecDeque<MonoNanos>,
}

impl Losses {
    /// `fast` losses within `fast_ns` are a loop; one loss never is.
    pub(super) fn new(fast: usize, fast_ns: i64) -> Self {
        Self {
            fast: fast.max(2),
            fast_ns,
            times: VecDeque::new(),
        }
    }

    /// Forgets them: a new session begins.
    pub(super) fn clear(&mut self) {
        self.times.clear();
    }

    /// Adds a loss. True when the losses form a loop.
    pub(super) fn add(&mut self, now: MonoNanos) -> bool {
        self.times.push_back(now);
        while self.times.len() > self.fast.max(SLOW) {
            self.times.pop_front();
        }
        self.are_within(self.fast, self.fast_ns) || self.are_within(SLOW, SLOW_NS)
    }

    fn are_within(&self, count: usize, window_ns: i64) -> bool {
        let first = self.times.len().checked_sub(count);
        let first = first.and_then(|first| self.times.get(first));
        let last = self.times.back();
        first
            .zip(last)
            .is_some_and(|(first, last)| last.since(*first) <= window_ns)
    }
}

impl Default for Losses {
    fn default() -> Self {
        Self::new(FAST, FAST_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of the loss that completes a loop, with one loss every `interval_ms`.
    fn found_at(interval_ms: i64) -> Option<i64> {
        let mut losses = Losses::default();
        (1..=100).find(|number| losses.add(MonoNanos(number * interval_ms * 1_000_000)))
    }

    #[test]
    fn five_losses_in_10_s_or_ten_in_90_s_are_a_loop() {
        assert_eq!(found_at(1), Some(5));
        assert_eq!(found_at(2_500), Some(5));
        assert_eq!(found_at(2_501), Some(10));
        assert_eq!(found_at(10_000), Some(10));
        assert_eq!(found_at(10_001), None);
    }

    #[test]
    fn a_new_session_starts_without_losses() {
        let mut losses = Losses::default();
        for _ in 0..4 {
            assert!(!losses.add(MonoNanos(0)));
        }
        losses.clear();
        assert!(!losses.add(MonoNanos(1)));
    }
}
