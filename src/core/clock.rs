//! The only file that may read a clock.
//!
//! Everything else gets time as an argument or through [`Clock`]. A test can therefore run a
//! trading day in a millisecond, and a replay decides the same under any load. Invariant: a sleep
//! never returns [`Woke::Due`] before the requested instant.
//!
//! [`SystemClock`] sleeps, then spins: the kernel wakes a sleeper tens of microseconds late, so the
//! last [`SPIN_NS`] are spent looking at the clock. Measured at 2,000 events/s this costs about a
//! tenth of a core and brings the median lateness under a microsecond; an async timer rounds to a
//! whole millisecond.
//!
//! This file knows no events, rates or replays.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::time::UnixNanos;

/// How long before the due instant sleeping ends and spinning begins, ns.
pub const SPIN_NS: i64 = 60_000;

/// Nanoseconds on a clock that only goes forward; the origin is the clock's own and means nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoNanos(pub i64);

impl MonoNanos {
    /// Later than any instant that will be reached (292 years): sleeping until then is sleeping
    /// until woken.
    pub const NEVER: Self = Self(i64::MAX);

    /// `self` moved by `nanos`; saturating.
    #[must_use]
    pub const fn plus(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// `self` moved by `span`; saturating.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        self.plus(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Nanoseconds from `earlier` to `self`, negative when `earlier` is later; saturating.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time from `earlier` to `self`; none when `earlier` is later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.since(earlier)).unwrap_or(0))
    }
}

/// Why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woke {
    /// The instant has come.
    Due,
    /// The [`WakeFlag`] was raised first. The flag is down again.
    Interrupted,
}

/// Ends one thread's sleep early. Raised from any thread, it stays up until a sleep takes it, so a
/// flag that is raised just before the sleep begins is not lost. Made for **one** sleeper.
#[derive(Debug, Default)]
pub struct WakeFlag {
    raised: AtomicBool,
    gate: Mutex<()>,
    changed: Condvar,
}

impl WakeFlag {
    /// A flag that is down.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes the sleeper, or the next one to come. Takes a lock: not for use inside a signal
    /// handler.
    pub fn raise(&self) {
        // The lock orders this store against the sleeper's check, so that the notification cannot
        // fall between its check and its wait.
        let guard = self.lock();
        self.raised.store(true, Ordering::Release);
        drop(guard);
        self.changed.notify_all();
    }

    /// Takes the flag down; whether it was up.
    pub fn take(&self) -> bool {
        self.is_raised() && self.raised.swap(false, Ordering::AcqRel)
    }

    /// Whether the flag is up.
    #[inline]
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// Blocks until the flag is up, for at most `timeout`.
    fn wait(&self, timeout: Duration) {
        let guard = self.lock();
        // Whether the flag or the time ended the wait is looked up afterwards.
        let _ = self
            .changed
            .wait_timeout_while(guard, timeout, |()| !self.is_raised());
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data: a holder that panicked leaves nothing broken.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that can be read and slept on.
pub trait Clock: Send + Sync {
    /// The present instant on the forward-only clock.
    fn now(&self) -> MonoNanos;

    /// The present wall clock time, for log lines and receive stamps; it may jump.
    fn wall(&self) -> UnixNanos;

    /// Blocks until `due`, or until `wake` is raised. A `due` in the past returns at once; with
    /// [`MonoNanos::NEVER`] only `wake` ends the sleep.
    fn sleep_until(&self, due: MonoNanos, wake: &WakeFlag) -> Woke;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose origin is now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the door to the clock"
    )]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl SystemClock {
    /// A clock that all processes of the machine share: its origin is the start of the system.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the door to the clock"
    )]
    pub fn of_machine() -> Self {
        let now = Instant::now();
        // On Linux `Instant` is this clock. Between the two readings nothing happens.
        let since_start = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
            .map_or(Duration::ZERO, Into::into);
        Self {
            origin: now.checked_sub(since_start).unwrap_or(now),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> MonoNanos {
        MonoNanos(i64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    fn wall(&self) -> UnixNanos {
        system_wall()
    }

    fn sleep_until(&self, due: MonoNanos, wake: &WakeFlag) -> Woke {
        precise_timers();
        loop {
            if wake.take() {
                return Woke::Interrupted;
            }
            let left_ns = due.since(self.now());
            if left_ns <= 0 {
                return Woke::Due;
            }
            match u64::try_from(left_ns - SPIN_NS) {
                // One wait however long the sleep: raising the flag ends it at once, so there is
                // nothing to slice.
                Ok(sleep_ns) if sleep_ns > 0 => wake.wait(Duration::from_nanos(sleep_ns)),
                _ => std::hint::spin_loop(),
            }
        }
    }
}

/// The machine's wall clock time; before 1970 and after 2262 it saturates.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the door to the clock"
)]
pub fn system_wall() -> UnixNanos {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
        Err(before) => {
            let before_ns = i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX);
            UnixNanos(-before_ns)
        }
    }
}

/// CPU time that the calling thread has used, ns; `None` where the system does not say.
#[must_use]
pub fn thread_cpu_ns() -> Option<i64> {
    let used = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
    used.tv_sec()
        .checked_mul(crate::time::NANOS_PER_SECOND)?
        .checked_add(used.tv_nsec())
}

/// Asks the kernel, once per thread, not to round this thread's timers. The default slack of 50 us
/// allows it to wake sleepers together, which would cost most of the spin margin.
fn precise_timers() {
    thread_local! {
        static ASKED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    if !ASKED.replace(true) {
        #[cfg(target_os = "linux")]
        if let Err(error) = nix::sys::prctl::set_timerslack(1) {
            // A sandbox may forbid it. The replay stays correct and wakes some 50 us late.
            tracing::debug!(event = "timer_slack_refused", %error);
        }
    }
}

/// A clock for tests: sleeping jumps to the due instant and takes no time.
#[derive(Debug, Default)]
pub struct VirtualClock {
    state: Mutex<VirtualState>,
}

#[derive(Debug, Default)]
struct VirtualState {
    now: MonoNanos,
    wall_origin: UnixNanos,
    sleeps: Vec<MonoNanos>,
    wakes: BTreeSet<MonoNanos>,
}

impl VirtualClock {
    /// A clock at zero, with the wall clock at 1970.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock at zero when the wall clock is at `wall`.
    #[must_use]
    pub fn starting_at(wall: UnixNanos) -> Self {
        let clock = Self::default();
        clock.state().wall_origin = wall;
        clock
    }

    /// Moves the clock forward, as work between two sleeps does.
    pub fn advance(&self, nanos: i64) {
        let mut state = self.state();
        state.now = state.now.plus(nanos.max(0));
    }

    /// Interrupts the sleep that would pass over `at`, as if the flag were raised then.
    pub fn interrupt_at(&self, at: MonoNanos) {
        self.state().wakes.insert(at);
    }

    /// The due instants of all sleeps so far, in order.
    #[must_use]
    pub fn sleeps(&self) -> Vec<MonoNanos> {
        self.state().sleeps.clone()
    }

    fn state(&self) -> MutexGuard<'_, VirtualState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> MonoNanos {
        self.state().now
    }

    fn wall(&self) -> UnixNanos {
        let state = self.state();
        state.wall_origin.plus(state.now.0)
    }

    /// # Panics
    /// When the sleep is until [`MonoNanos::NEVER`] and no interruption is planned: on a real clock
    /// that is a sleep without end.
    fn sleep_until(&self, due: MonoNanos, wake: &WakeFlag) -> Woke {
        let mut state = self.state();
        if wake.take() {
            return Woke::Interrupted;
        }
        if due > state.now {
            state.sleeps.push(due);
        }
        if let Some(&at) = state.wakes.first()
            && at <= due
        {
            state.wakes.pop_first();
            state.now = state.now.max(at);
            return Woke::Interrupted;
        }
        assert!(due != MonoNanos::NEVER, "a sleep without an end");
        state.now = state.now.max(due);
        Woke::Due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_time_between_two_instants_is_never_negative() {
        let (early, late) = (MonoNanos(3), MonoNanos(8));
        assert_eq!(late.duration_since(early), Duration::from_nanos(5));
        assert_eq!(early.duration_since(late), Duration::ZERO);
    }

    #[test]
    fn the_system_clock_never_returns_early_and_goes_forward() {
        let clock = SystemClock::new();
        let wake = WakeFlag::new();
        for sleep_ns in [0, 1, 50_000, 200_000, 2_000_000] {
            let due = clock.now().plus(sleep_ns);
            assert_eq!(clock.sleep_until(due, &wake), Woke::Due);
            assert!(clock.now() >= due);
        }
    }

    #[test]
    fn a_flag_raised_before_the_sleep_wakes_once() {
        let clock = SystemClock::new();
        let wake = WakeFlag::new();
        wake.raise();
        assert_eq!(
            clock.sleep_until(MonoNanos::NEVER, &wake),
            Woke::Interrupted
        );
        assert_eq!(clock.sleep_until(clock.now(), &wake), Woke::Due);
    }

    #[test]
    fn raising_the_flag_ends_an_endless_sleep() {
        let wake = Arc::new(WakeFlag::new());
        let sleeper = {
            let wake = Arc::clone(&wake);
            crate::thread::spawn("sleeper", move || {
                SystemClock::new().sleep_until(MonoNanos::NEVER, &wake)
            })
            .unwrap()
        };
        wake.raise();
        assert_eq!(sleeper.join().unwrap(), Woke::Interrupted);
    }

    #[test]
    fn a_virtual_sleep_jumps_and_is_remembered() {
        let clock = VirtualClock::starting_at(UnixNanos(1_000));
        let wake = WakeFlag::new();
        assert_eq!(clock.sleep_until(MonoNanos(500), &wake), Woke::Due);
        assert_eq!(
            (clock.now(), clock.wall()),
            (MonoNanos(500), UnixNanos(1_500))
        );
        clock.interrupt_at(MonoNanos(700));
        assert_eq!(clock.sleep_until(MonoNanos(900), &wake), Woke::Interrupted);
        assert_eq!(clock.now(), MonoNanos(700));
        assert_eq!(clock.sleep_until(MonoNanos(600), &wake), Woke::Due);
        assert_eq!(clock.now(), MonoNanos(700), "the clock never goes back");
        assert_eq!(clock.sleeps(), [MonoNanos(500), MonoNanos(900)]);
    }

    #[test]
    fn the_wall_clock_is_after_the_first_ctp_tick() {
        assert!(system_wall() > UnixNanos(1_136_073_600_000_000_000));
    }
}
