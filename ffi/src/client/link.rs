//! What a session knows of its connection, and the moment at which it can be ended.
//!
//! Release stops the library's I/O thread first and its connecting thread after that. A connection
//! that comes up in between is set up by the connecting thread itself, while Release frees the
//! same objects: the process crashes, once in some thousand sessions against a peer that hangs up
//! (6.3.15; the same with a C++ program of forty lines, so it is nothing of ours). So Release waits
//! for a moment at which no connection can come up: while a front is connected, while the library
//! waits before it connects again, or, with a library that does not wait, while its I/O thread is
//! kept in `OnFrontDisconnected`: the connecting thread then waits for the I/O thread, which does
//! both in turn, the new connection and its own end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After a loss or the start, a library that does not wait has connected again within this.
const AT_ONCE: Duration = Duration::from_millis(150);
/// One that waits does so for a second (guide 1.6): what comes before this is surely too early,
const DELAY_BEGINS_TO_END: Duration = Duration::from_millis(700);
/// and after this it has not connected at all; it tries again every five seconds.
const DELAY_IS_OVER: Duration = Duration::from_millis(1300);

/// How long the I/O thread is kept before Release, for the connecting thread to wait for it.
const TO_CONNECT: Duration = Duration::from_millis(10);
/// How long it is kept after Release was called, for Release to have asked it to end.
const TO_ASK: Duration = Duration::from_millis(20);
/// How long it is kept if Release is never called.
const TO_CALL: Duration = Duration::from_secs(1);

/// Waiting for a library needs a real clock; nothing that tickdeck records or sends comes from it.
#[expect(
    clippy::disallowed_methods,
    reason = "the vendor's delays are in real time"
)]
fn now() -> Instant {
    Instant::now()
}

/// The connection of one session.
#[derive(Debug)]
pub(crate) struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    connected: bool,
    /// The last loss, or the start.
    since: Instant,
    hold: Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// Nobody wants to release.
    Off,
    /// The next callback of a lost connection shall stay.
    Wanted,
    /// It stays.
    Held,
    /// Release is being called.
    Releasing,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                connected: false,
                since: now(),
                hold: Hold::Off,
            }),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The front answered.
    pub(crate) fn connected(&self) {
        self.state().connected = true;
        self.changed.notify_all();
    }

    /// The connection is lost. Called on the library's I/O thread, at the end of its callback;
    /// stays there when somebody is about to release.
    pub(crate) fn lost(&self) {
        let mut state = self.state();
        state.connected = false;
        state.since = now();
        if state.hold != Hold::Wanted {
            return;
        }
        state.hold = Hold::Held;
        self.changed.notify_all();
        let waited = self
            .changed
            .wait_timeout_while(state, TO_CALL, |state| state.hold == Hold::Held);
        drop(waited);
        std::thread::sleep(TO_ASK);
    }

    /// Waits for a moment at which Release is safe; it must be called at once when this returns.
    pub(crate) fn settle(&self) {
        let mut state = self.state();
        let Some(patience) = state.patience(now()) else {
            return;
        };
        state.hold = Hold::Wanted;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| {
                state.hold == Hold::Wanted && !state.connected
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.hold == Hold::Held {
            drop(state);
            std::thread::sleep(TO_CONNECT);
            state = self.state();
        }
        state.hold = Hold::Releasing;
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    /// How long to wait for the next loss; none when no connection can come up now.
    fn patience(&self, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.since);
        let until = match passed {
            _ if self.connected => return None,
            _ if passed < AT_ONCE => AT_ONCE,
            _ if passed < DELAY_BEGINS_TO_END => return None,
            _ if passed < DELAY_IS_OVER => DELAY_IS_OVER,
            _ => return None,
        };
        Some(until.saturating_sub(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn patience(connected: bool, passed_ms: u64) -> Option<u64> {
        let since = now();
        let state = State {
            connected,
            since,
            hold: Hold::Off,
        };
        let patience = state.patience(since + Duration::from_millis(passed_ms));
        patience.map(|patience| u64::try_from(patience.as_millis()).unwrap())
    }

    #[test]
    fn a_release_waits_only_when_a_connection_may_come_up() {
        let cases = [0, 149, 150, 699, 700, 1299, 1300, 60_000].map(|ms| patience(false, ms));
        let expected = [
            Some(150),
            Some(1),
            None,
            None,
            Some(600),
            Some(1),
            None,
            None,
        ];
        assert_eq!(cases, expected);
        assert_eq!(patience(true, 0), None);
    }

    #[test]
    fn a_lost_connection_is_kept_in_its_callback_until_the_release_is_called() {
        let link = Link::new();
        let settled = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let losing = scope.spawn(|| {
                // What a library does that connects again at once.
                while !settled.load(Ordering::SeqCst) {
                    link.lost();
                }
                link.state().hold
            });
            link.settle();
            settled.store(true, Ordering::SeqCst);
            assert_eq!(losing.join().unwrap(), Hold::Releasing);
        });
        // A loss that Release itself reports is not kept: it would wait for itself.
        link.lost();
    }

    #[test]
    fn a_front_that_answers_ends_the_wait() {
        let link = Link::new();
        link.connected();
        link.settle();
        assert_eq!(link.state().hold, Hold::Off);
    }
}
