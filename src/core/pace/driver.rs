//! The loop around the pacer: asks for the due time, sleeps, obeys the user. Runs on a thread of its
//! own, because its sleeps block.

use std::sync::Arc;

use super::control::Control;
use super::pacer::{Due, PaceOptions, PaceReport, Pacer};
use crate::clock::{Clock, MonoNanos};
use crate::time::UnixNanos;

/// What to do with an event after waiting for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// Release it.
    Release,
    /// The user asked for an end: release nothing more.
    Stop,
}

/// What is waited for.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    Event(UnixNanos),
    Stamp(UnixNanos),
}

/// A pacer with its clock and the user's wishes.
pub struct PaceDriver {
    pacer: Pacer,
    clock: Arc<dyn Clock>,
    control: Arc<Control>,
    lag_ns: Option<i64>,
}

impl std::fmt::Debug for PaceDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaceDriver")
            .field("pacer", &self.pacer)
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

impl PaceDriver {
    /// A driver that has released nothing. With `start_paused` it also sets `control` to paused, so
    /// that the user's first request lets it go.
    #[must_use]
    pub fn new(options: PaceOptions, clock: Arc<dyn Clock>, control: Arc<Control>) -> Self {
        if options.start_paused {
            control.set_paused(true);
        }
        Self {
            pacer: Pacer::new(options),
            clock,
            control,
            lag_ns: None,
        }
    }

    /// Whether [`wait`](Self::wait) for an event of `recv_ts` would return at once. When it would
    /// not, this is the moment to hand on what is still held back in a batch.
    #[inline]
    pub fn is_ready(&mut self, recv_ts: UnixNanos) -> bool {
        if self.control.is_stopped() {
            return true;
        }
        if self.control.is_clear() && self.pacer.is_free_running() {
            return true;
        }
        let now = self.follow_control();
        self.pacer.due(recv_ts, now) == Due::Now
    }

    /// Whether [`wait_stamp`](Self::wait_stamp) would return at once; the same use.
    pub fn is_stamp_ready(&mut self, stamp: UnixNanos) -> bool {
        if self.control.is_stopped() {
            return true;
        }
        let now = self.follow_control();
        self.pacer.stamp_due(stamp, now) == Due::Now
    }

    /// Blocks until the event received at `recv_ts` may be released, and counts it as released.
    #[inline]
    pub fn wait(&mut self, recv_ts: UnixNanos) -> Go {
        if self.control.is_clear() && self.pacer.pass_through(recv_ts) {
            return Go::Release;
        }
        match self.wait_for(Awaited::Event(recv_ts)) {
            Some(now) => {
                self.lag_ns = self.pacer.released(now);
                Go::Release
            }
            None => Go::Stop,
        }
    }

    /// Blocks until a clock stamp (see [`ClockTicks`](super::ClockTicks)) may be released.
    pub fn wait_stamp(&mut self, stamp: UnixNanos) -> Go {
        match self.wait_for(Awaited::Stamp(stamp)) {
            Some(_) => Go::Release,
            None => Go::Stop,
        }
    }

    /// How late the newest event was released, ns; `None` in an unpaced run.
    #[must_use]
    pub const fn lag_ns(&self) -> Option<i64> {
        self.lag_ns
    }

    /// The next event starts a new pass, for a replay that loops.
    pub fn new_pass(&mut self) {
        self.pacer.new_pass();
    }

    /// What the pacing came to. To be asked right after the last event was released: time runs on
    /// until then.
    #[must_use]
    pub fn report(&self) -> PaceReport {
        self.pacer.report(self.clock.now())
    }

    /// The instant at which `awaited` may be released, or `None` for a stop.
    fn wait_for(&mut self, awaited: Awaited) -> Option<MonoNanos> {
        loop {
            if self.control.is_stopped() {
                return None;
            }
            let now = self.follow_control();
            let due = match awaited {
                Awaited::Event(recv_ts) => self.pacer.due(recv_ts, now),
                Awaited::Stamp(stamp) => self.pacer.stamp_due(stamp, now),
            };
            let until = match due {
                Due::Now => return Some(now),
                Due::At(at) => at,
                Due::Paused => MonoNanos::NEVER,
            };
            // Why the sleep ended does not matter: the next round looks at everything again.
            let _ = self.clock.sleep_until(until, self.control.wake_flag());
        }
    }

    /// Reads the clock and brings the pacer's pause in line with the user's wish.
    fn follow_control(&mut self) -> MonoNanos {
        let now = self.clock.now();
        match (self.control.is_paused(), self.pacer.is_paused()) {
            (true, false) => self.pacer.pause(now),
            (false, true) => self.pacer.resume(now),
            _ => {}
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, VirtualClock};
    use crate::pace::Rate;

    const MS: i64 = 1_000_000;

    fn driver(options: PaceOptions) -> (PaceDriver, Arc<VirtualClock>, Arc<Control>) {
        let clock = Arc::new(VirtualClock::new());
        let control = Arc::new(Control::new());
        let driver = PaceDriver::new(options, Arc::clone(&clock) as _, Arc::clone(&control));
        (driver, clock, control)
    }

    #[test]
    fn events_are_released_at_their_due_times() {
        let (mut driver, clock, _) = driver(PaceOptions {
            delay_ns: 7,
            ..PaceOptions::default()
        });
        for (recv_ts, at) in [(100, 7), (100, 7), (350, 257), (300, 257), (400, 307)] {
            assert_eq!(driver.wait(UnixNanos(recv_ts)), Go::Release);
            assert_eq!(clock.now(), MonoNanos(at));
        }
        assert_eq!(clock.sleeps(), [7, 257, 307].map(MonoNanos));
        let report = driver.report();
        assert_eq!(report.events, 5);
        assert_eq!(report.rate_achieved, Some(1.0));
    }

    #[test]
    fn a_stop_ends_a_wait_before_its_time_and_for_good() {
        let (mut driver, clock, control) = driver(PaceOptions::default());
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        control.stop();
        assert!(driver.is_ready(UnixNanos(1_000 * MS)));
        assert_eq!(driver.wait(UnixNanos(1_000 * MS)), Go::Stop);
        assert_eq!(clock.now(), MonoNanos(0));
        assert_eq!(driver.wait_stamp(UnixNanos(0)), Go::Stop);
    }

    #[test]
    fn a_pause_moves_what_follows_by_its_length() {
        let (mut driver, clock, control) = driver(PaceOptions::default());
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        clock.advance(300);
        control.set_paused(true);
        assert!(!driver.is_ready(UnixNanos(1_000)));
        clock.advance(5_000);
        control.set_paused(false);
        assert_eq!(driver.wait(UnixNanos(1_000)), Go::Release);
        assert_eq!(clock.now(), MonoNanos(6_000));
        assert_eq!(driver.lag_ns(), Some(0));
    }

    #[test]
    fn a_replay_that_starts_paused_begins_when_it_is_let_go() {
        let clock = Arc::new(SystemClock::new());
        let control = Arc::new(Control::new());
        let options = PaceOptions {
            start_paused: true,
            rate: Rate::Max,
            ..PaceOptions::default()
        };
        let mut driver = PaceDriver::new(options, clock, Arc::clone(&control));
        assert!(!driver.is_ready(UnixNanos(0)));
        let replay = std::thread::spawn(move || driver.wait(UnixNanos(0)));
        assert!(!control.toggle_paused());
        assert_eq!(replay.join().unwrap(), Go::Release);
    }

    #[test]
    fn a_stop_ends_a_long_sleep_on_the_real_clock() {
        let control = Arc::new(Control::new());
        let clock = Arc::new(SystemClock::new());
        let mut driver = PaceDriver::new(PaceOptions::default(), clock, Arc::clone(&control));
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        let an_hour = UnixNanos(3_600_000 * MS);
        let replay = std::thread::spawn(move || driver.wait(an_hour));
        control.stop();
        assert_eq!(replay.join().unwrap(), Go::Stop);
    }

    #[test]
    fn an_unpaced_replay_looks_at_the_clock_for_its_first_event_only() {
        let (mut driver, clock, _) = driver(PaceOptions {
            rate: Rate::Max,
            delay_ns: 50,
            ..PaceOptions::default()
        });
        for recv_ts in [0, 10_000 * MS, 5 * MS] {
            assert_eq!(driver.wait(UnixNanos(recv_ts)), Go::Release);
            assert!(driver.is_ready(UnixNanos(recv_ts)));
        }
        assert_eq!(clock.sleeps(), [MonoNanos(50)]);
        clock.advance(1_000 * MS);
        let report = driver.report();
        assert_eq!((report.events, report.lateness), (3, None));
        assert_eq!(report.rate_achieved, Some(10.0));
    }

    #[test]
    fn clock_stamps_are_released_between_the_events_around_them() {
        let (mut driver, clock, _) = driver(PaceOptions {
            rate: "2".parse().unwrap(),
            ..PaceOptions::default()
        });
        assert_eq!(driver.wait_stamp(UnixNanos(0)), Go::Release);
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        assert!(!driver.is_stamp_ready(UnixNanos(400)));
        assert_eq!(driver.wait_stamp(UnixNanos(400)), Go::Release);
        assert!(driver.is_stamp_ready(UnixNanos(400)));
        assert_eq!(clock.now(), MonoNanos(200));
        assert_eq!(driver.wait(UnixNanos(1_000)), Go::Release);
        assert_eq!(clock.now(), MonoNanos(500));
        assert_eq!(driver.report().events, 2);
    }

    #[test]
    fn on_the_real_clock_nothing_is_early_and_all_is_released_in_order() {
        let clock = Arc::new(SystemClock::new());
        let mut driver = PaceDriver::new(
            PaceOptions::default(),
            Arc::clone(&clock) as _,
            Arc::new(Control::new()),
        );
        let start = clock.now();
        let mut before = start;
        for event in 0..50 {
            assert_eq!(driver.wait(UnixNanos(event * 100_000)), Go::Release);
            let now = clock.now();
            assert!(now >= before && now >= start.plus(event * 100_000));
            before = now;
        }
        let report = driver.report();
        assert_eq!((report.events, report.played_ns), (50, 49 * 100_000));
        assert!(report.rate_achieved.unwrap() <= 1.0);
    }
}
