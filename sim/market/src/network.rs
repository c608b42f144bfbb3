//! From an exchange's snapshot to this machine's clock: one connection, one callback thread, so
//! receive times only grow, and the ticks of a burst come in one after another.

use crate::product::Venue;
use crate::random::Draw;
use crate::session::{GRID, MILLI};

/// Nanoseconds in a microsecond.
const MICRO: i64 = 1_000;

/// Delay from the snapshot to the first tick of its burst on an idle line, ns.
pub(crate) const fn base_latency(venue: Venue) -> i64 {
    match venue {
        Venue::Shfe => 17 * MILLI,
        Venue::Ine => 19 * MILLI,
        Venue::Dce => 8 * MILLI,
        Venue::Czce => 26 * MILLI,
        Venue::Gfex => 11 * MILLI,
        Venue::Cffex => 22 * MILLI,
    }
}

/// The line's state.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    draw: Draw,
    last: i64,
    /// Per venue: the half second whose burst is arriving, and that burst's extra delay in ns.
    bursts: [(i64, i64); 6],
}

impl Network {
    /// A line on which nothing has arrived before `start` (ns UTC).
    pub(crate) fn new(seed: u64, start: i64) -> Self {
        Self {
            draw: Draw::new(seed, b"\0network"),
            last: start,
            bursts: [(i64::MIN, 0); 6],
        }
    }

    /// The receive time of what was due at `due` (snapshot time + base latency + place in the
    /// burst), later than everything before it.
    pub(crate) fn receive(&mut self, due: i64, venue: Venue) -> i64 {
        let grid = due / GRID;
        let slot = venue as usize;
        if self.bursts[slot].0 != grid {
            let delay = self.draw.exponential(900 * MICRO).min(30 * MILLI);
            self.bursts[slot] = (grid, delay);
        }
        let stall = if self.draw.below(6000) == 0 {
            self.draw.exponential(4 * MILLI)
        } else {
            0
        };
        let jitter = self.draw.exponential(9 * MICRO);
        self.advance(due + self.bursts[slot].1 + jitter + stall)
    }

    /// A receive time at or after `wanted`, at least a callback's duration after the last one.
    pub(crate) fn advance(&mut self, wanted: i64) -> i64 {
        let soonest = self.last + 700 + i64::from(self.draw.below(2600));
        self.last = wanted.max(soonest);
        self.last
    }
}
