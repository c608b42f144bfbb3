//! What the outside may ask of a running replay: stop, pause, go on. Signals and the keyboard write
//! it, the pacing thread reads it.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::clock::WakeFlag;

const STOPPED: u8 = 1;
const PAUSED: u8 = 2;

/// The wishes of the user, shared between threads. Asking for anything wakes the one thread that
/// sleeps on [`wake_flag`](Self::wake_flag).
#[derive(Debug, Default)]
pub struct Control {
    state: AtomicU8,
    wake: WakeFlag,
}

impl Control {
    /// Neither stopped nor paused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for an orderly end: nothing new is released, what was released is finished. For good.
    pub fn stop(&self) {
        self.state.fetch_or(STOPPED, Ordering::AcqRel);
        self.wake.raise();
    }

    /// Pauses, or goes on.
    pub fn set_paused(&self, paused: bool) {
        if paused {
            self.state.fetch_or(PAUSED, Ordering::AcqRel);
        } else {
            self.state.fetch_and(!PAUSED, Ordering::AcqRel);
        }
        self.wake.raise();
    }

    /// Pauses a running replay, lets a paused one go on; whether it is paused now.
    pub fn toggle_paused(&self) -> bool {
        let before = self.state.fetch_xor(PAUSED, Ordering::AcqRel);
        self.wake.raise();
        before & PAUSED == 0
    }

    /// Whether an orderly end was asked for.
    #[inline]
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state.load(Ordering::Acquire) & STOPPED != 0
    }

    /// Whether a pause is asked for.
    #[inline]
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.state.load(Ordering::Acquire) & PAUSED != 0
    }

    /// Whether nothing is asked for: one load, for the path of every event.
    #[inline]
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.state.load(Ordering::Acquire) == 0
    }

    /// The flag that every request raises, for the pacing thread's sleeps.
    #[must_use]
    pub const fn wake_flag(&self) -> &WakeFlag {
        &self.wake
    }
}
