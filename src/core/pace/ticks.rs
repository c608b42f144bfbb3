//! The published clock of a replay: which stamps lie between two events.
//!
//! Stamps are a grid in recorded time, `HZ` per recorded second from the first event on. They
//! depend on the recording alone, so a replay at any rate publishes the same stamps in the same
//! places between the same events.

use crate::pace::Ratio;
use crate::time::{NANOS_PER_SECOND, UnixNanos};

/// The grid of clock stamps of one pass over a recording.
#[derive(Debug, Clone)]
pub struct ClockTicks {
    hz: Ratio,
    max_gap_ns: Option<i64>,
    pass: Option<TicksPass>,
}

#[derive(Debug, Clone, Copy)]
struct TicksPass {
    origin: UnixNanos,
    newest: UnixNanos,
    next: i128,
}

impl ClockTicks {
    /// `hz` stamps per recorded second. `max_gap_ns` is the pacer's: the stamps of a pause that is
    /// shortened end where the pause ends.
    #[must_use]
    pub const fn new(hz: Ratio, max_gap_ns: Option<i64>) -> Self {
        Self {
            hz,
            max_gap_ns,
            pass: None,
        }
    }

    /// The stamps after those handed out before and up to `recv_ts`, in order. They are to be
    /// published before the event that was received at `recv_ts`. The first event brings the first
    /// stamp, its own receive time; an event that goes back in time brings none.
    pub fn until(&mut self, recv_ts: UnixNanos) -> impl Iterator<Item = UnixNanos> + use<> {
        let pass = self.pass.get_or_insert(TicksPass {
            origin: recv_ts,
            newest: recv_ts,
            next: 0,
        });
        let recv_ts = recv_ts.max(pass.newest);
        let pause_end = self
            .max_gap_ns
            .map_or(recv_ts, |gap| recv_ts.min(pass.newest.plus(gap)));
        let grid = Grid {
            origin: pass.origin,
            hz: self.hz,
        };
        let (before, last) = (grid.last_at(pause_end), grid.last_at(recv_ts));
        // After a shortened pause, of the rest only a stamp exactly at the event remains.
        let after = if grid.stamp(last) == recv_ts {
            last
        } else {
            last + 1
        };
        let stamps = (pass.next..=before).chain(after.max(before + 1).max(pass.next)..=last);
        pass.next = pass.next.max(last + 1);
        pass.newest = recv_ts;
        stamps.map(move |index| grid.stamp(index))
    }

    /// Starts over with the next event, for a replay that loops.
    pub const fn new_pass(&mut self) {
        self.pass = None;
    }
}

/// Stamp `k` is `origin + floor(k / hz)`, computed from `k` alone so that nothing accumulates.
#[derive(Debug, Clone, Copy)]
struct Grid {
    origin: UnixNanos,
    hz: Ratio,
}

impl Grid {
    fn stamp(self, index: i128) -> UnixNanos {
        let offset = self.hz.divide(index * i128::from(NANOS_PER_SECOND));
        self.origin.plus(i64::try_from(offset).unwrap_or(i64::MAX))
    }

    /// The largest index whose stamp is not after `at`: `floor(k * p / q) <= x` means
    /// `k * p < (x + 1) * q`.
    fn last_at(self, at: UnixNanos) -> i128 {
        let (numerator, denominator) = self.hz.parts();
        let elapsed = i128::from(at.0) - i128::from(self.origin.0);
        let period = i128::from(NANOS_PER_SECOND) * i128::from(denominator);
        ((elapsed + 1) * i128::from(numerator) - 1).div_euclid(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(ticks: &mut ClockTicks, recv_ts: i64) -> Vec<i64> {
        ticks
            .until(UnixNanos(recv_ts))
            .map(|stamp| stamp.0)
            .collect()
    }

    #[test]
    fn every_stamp_comes_once_before_the_event_it_precedes() {
        let mut ticks = ClockTicks::new("4".parse().unwrap(), None);
        let (none, base) = (Vec::<i64>::new(), 1_000);
        assert_eq!(stamps(&mut ticks, base), [base]);
        assert_eq!(stamps(&mut ticks, base + 249_999_999), none);
        assert_eq!(stamps(&mut ticks, base + 250_000_000), [base + 250_000_000]);
        assert_eq!(stamps(&mut ticks, base + 250_000_000), none);
        assert_eq!(stamps(&mut ticks, base), none, "time went back");
        assert_eq!(
            stamps(&mut ticks, base + 750_000_001),
            [base + 500_000_000, base + 750_000_000]
        );
    }

    #[test]
    fn a_grid_that_does_not_divide_the_second_does_not_drift() {
        let mut ticks = ClockTicks::new("3".parse().unwrap(), None);
        let day = 86_400 * NANOS_PER_SECOND;
        let all = stamps(&mut ticks, 0)
            .into_iter()
            .chain(stamps(&mut ticks, day))
            .collect::<Vec<_>>();
        assert_eq!(all.len(), 86_400 * 3 + 1);
        assert_eq!(all[..4], [0, 333_333_333, 666_666_666, 1_000_000_000]);
        assert_eq!(all.last(), Some(&day));
    }

    #[test]
    fn a_shortened_pause_has_the_stamps_of_its_shortened_length() {
        let second = NANOS_PER_SECOND;
        let mut ticks = ClockTicks::new("1".parse().unwrap(), Some(2 * second));
        assert_eq!(stamps(&mut ticks, 0), [0]);
        assert_eq!(
            stamps(&mut ticks, 9_000 * second),
            [second, 2 * second, 9_000 * second]
        );
        assert_eq!(
            stamps(&mut ticks, 9_999 * second + 1),
            [9_001 * second, 9_002 * second]
        );
    }

    #[test]
    fn a_new_pass_has_its_own_grid() {
        let mut ticks = ClockTicks::new("1".parse().unwrap(), None);
        assert_eq!(stamps(&mut ticks, 5), [5]);
        ticks.new_pass();
        assert_eq!(stamps(&mut ticks, 3), [3]);
    }
}
