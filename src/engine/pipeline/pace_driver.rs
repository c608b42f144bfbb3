//! Runs the pacer against a clock: asks for the due time, sleeps, follows the user's commands. Its
//! sleeps block the thread that plays.

use std::sync::Arc;

use tickdeck_core::clock::{Clock, MonoNanos};
use tickdeck_core::pace::{Due, PaceOptions, PaceReport, Pacer};
use tickdeck_core::time::UnixNanos;

use crate::control::{Control, Order};

/// What to do with an event after waiting for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// Release it.
    Release,
    /// Look at the sinks, then wait again: one of them has a failure to report.
    CheckSinks,
    /// A stop was requested: release nothing more.
    Stop,
}

/// What is waited for.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    Event(UnixNanos),
    Stamp(UnixNanos),
}

/// A pacer with its clock and the user's commands.
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

impl Drop for PaceDriver {
    fn drop(&mut self) {
        self.control.set_player(false);
    }
}

impl PaceDriver {
    /// A driver that has released nothing. If `control` is paused, its first event waits.
    #[must_use]
    pub fn new(options: PaceOptions, clock: Arc<dyn Clock>, control: Arc<Control>) -> Self {
        control.set_player(true);
        Self {
            pacer: Pacer::new(options),
            clock,
            control,
            lag_ns: None,
        }
    }

    /// Whether a stop was requested.
    #[inline]
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.control.is_stopped()
    }

    /// Whether [`wait`](Self::wait) for an event of `recv_ts` would return at once. If not, hand
    /// over first what a batch still holds back.
    #[inline]
    pub fn is_ready(&mut self, recv_ts: UnixNanos) -> bool {
        if self.control.is_stopped() {
            return true;
        }
        if self.control.is_clear() && self.pacer.is_free_running() {
            return true;
        }
        let now = self.follow_control(recv_ts);
        self.pacer.due(recv_ts, now) == Due::Now
    }

    /// Blocks until the event received at `recv_ts` may be released, and counts it as released.
    #[inline]
    pub fn wait(&mut self, recv_ts: UnixNanos) -> Go {
        if self.control.is_clear() && self.pacer.pass_through(recv_ts) {
            return Go::Release;
        }
        match self.wait_for(Awaited::Event(recv_ts)) {
            Ok(now) => {
                self.lag_ns = self.pacer.released(now);
                Go::Release
            }
            Err(go) => go,
        }
    }

    /// Blocks until a clock stamp (see [`ClockTicks`](tickdeck_core::pace::ClockTicks)) may be released.
    pub fn wait_stamp(&mut self, stamp: UnixNanos) -> Go {
        match self.wait_for(Awaited::Stamp(stamp)) {
            Ok(_) => Go::Release,
            Err(go) => go,
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

    /// The result of the pacing. Call it right after the last event was released: the elapsed time is
    /// measured up to this call.
    #[must_use]
    pub fn report(&self) -> PaceReport {
        self.pacer.report(self.clock.now())
    }

    /// The instant at which `awaited` may be released, or what to do instead.
    fn wait_for(&mut self, awaited: Awaited) -> Result<MonoNanos, Go> {
        loop {
            if self.control.is_stopped() {
                return Err(Go::Stop);
            }
            if self.control.take_notification() {
                return Err(Go::CheckSinks);
            }
            let (Awaited::Event(next) | Awaited::Stamp(next)) = awaited;
            let now = self.follow_control(next);
            let due = match awaited {
                Awaited::Event(_) => self.pacer.due(next, now),
                Awaited::Stamp(_) => self.pacer.stamp_due(next, now),
            };
            let until = match due {
                Due::Now => return Ok(now),
                Due::At(at) => at,
                Due::Paused => MonoNanos::NEVER,
            };
            // Why the sleep ended does not matter: the next round checks everything again.
            let _ = self.clock.sleep_until(until, self.control.wake_flag());
        }
    }

    /// Reads the clock, carries out the queued commands, and brings the pacer's pause in line with the
    /// requested one.
    fn follow_control(&mut self, next: UnixNanos) -> MonoNanos {
        let now = self.clock.now();
        while let Some(order) = self.control.next_order() {
            match order {
                Order::SetRate(rate) => self.pacer.set_rate(rate, next, now),
            }
        }
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
    use crate::control::Command;
    use tickdeck_core::clock::{SystemClock, VirtualClock};
    use tickdeck_core::pace::Rate;
    use tickdeck_core::thread;

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
    fn a_stop_ends_a_wait_early_and_is_final() {
        let (mut driver, clock, control) = driver(PaceOptions::default());
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        control.send(Command::Stop);
        assert!(driver.is_ready(UnixNanos(1_000 * MS)));
        assert_eq!(driver.wait(UnixNanos(1_000 * MS)), Go::Stop);
        assert_eq!(clock.now(), MonoNanos(0));
        assert_eq!(driver.wait_stamp(UnixNanos(0)), Go::Stop);
    }

    #[test]
    fn a_pause_delays_the_rest_by_its_length() {
        let (mut driver, clock, control) = driver(PaceOptions::default());
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        clock.advance(300);
        control.send(Command::Pause);
        assert!(!driver.is_ready(UnixNanos(1_000)));
        clock.advance(5_000);
        control.send(Command::Resume);
        assert_eq!(driver.wait(UnixNanos(1_000)), Go::Release);
        assert_eq!(clock.now(), MonoNanos(6_000));
        assert_eq!(driver.lag_ns(), Some(0));
    }

    #[test]
    fn a_paused_start_waits_for_the_toggle() {
        let clock = Arc::new(SystemClock::new());
        let control = Arc::new(Control::new());
        let options = PaceOptions {
            rate: Rate::Max,
            ..PaceOptions::default()
        };
        control.send(Command::Pause);
        let mut driver = PaceDriver::new(options, clock, Arc::clone(&control));
        assert!(!driver.is_ready(UnixNanos(0)));
        let replay = thread::spawn("replay", move || driver.wait(UnixNanos(0))).unwrap();
        assert!(!control.send(Command::TogglePause).is_paused);
        assert_eq!(replay.join().unwrap(), Go::Release);
    }

    #[test]
    fn another_rate_keeps_the_recorded_time_that_is_left() {
        let (mut driver, clock, control) = driver(PaceOptions::default());
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        clock.advance(400);
        control.send(Command::SetRate("2".parse().unwrap()));
        assert!(!driver.is_ready(UnixNanos(1_000)));
        assert_eq!(driver.wait(UnixNanos(1_000)), Go::Release);
        assert_eq!(clock.now(), MonoNanos(700), "600 ns are left, at rate 2");
        control.send(Command::SetRate(Rate::Max));
        assert_eq!(driver.wait(UnixNanos(9_000)), Go::Release);
        control.send(Command::SetRate("0.5".parse().unwrap()));
        assert_eq!(driver.wait(UnixNanos(9_100)), Go::Release);
        assert_eq!(clock.now(), MonoNanos(900));
        assert_eq!(driver.report().rate_asked.to_string(), "0.5");
    }

    /// How a wait for an event an hour away ends when `command` is sent meanwhile, on the real clock.
    fn end_of_an_hour_after(command: Command) -> Go {
        let control = Arc::new(Control::new());
        let clock = Arc::new(SystemClock::new());
        let mut driver = PaceDriver::new(PaceOptions::default(), clock, Arc::clone(&control));
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        let an_hour = UnixNanos(3_600_000 * MS);
        let replay = thread::spawn("replay", move || driver.wait(an_hour)).unwrap();
        control.send(command);
        replay.join().unwrap()
    }

    #[test]
    fn another_rate_ends_a_long_sleep() {
        assert_eq!(
            end_of_an_hour_after(Command::SetRate(Rate::Max)),
            Go::Release
        );
    }

    #[test]
    fn a_notification_ends_a_long_sleep_once() {
        let (mut driver, clock, control) = driver(PaceOptions::default());
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        control.notify();
        assert_eq!(driver.wait(UnixNanos(1_000)), Go::CheckSinks);
        assert_eq!(clock.now(), MonoNanos(0));
        assert_eq!(driver.wait(UnixNanos(1_000)), Go::Release);
        assert_eq!(clock.now(), MonoNanos(1_000));
    }

    #[test]
    fn a_stop_ends_a_long_sleep() {
        assert_eq!(end_of_an_hour_after(Command::Stop), Go::Stop);
    }

    #[test]
    fn an_unpaced_replay_reads_the_clock_once() {
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
    fn stamps_are_released_between_their_events() {
        let (mut driver, clock, _) = driver(PaceOptions {
            rate: "2".parse().unwrap(),
            ..PaceOptions::default()
        });
        assert_eq!(driver.wait_stamp(UnixNanos(0)), Go::Release);
        assert_eq!(driver.wait(UnixNanos(0)), Go::Release);
        assert_eq!(clock.now(), MonoNanos(0));
        assert_eq!(driver.wait_stamp(UnixNanos(400)), Go::Release);
        assert_eq!(clock.now(), MonoNanos(200));
        assert_eq!(driver.wait(UnixNanos(1_000)), Go::Release);
        assert_eq!(clock.now(), MonoNanos(500));
        assert_eq!(driver.report().events, 2);
    }

    #[test]
    fn nothing_is_early_on_the_real_clock() {
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
