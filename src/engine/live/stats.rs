//! State and counts of a live session, for log lines and health answers. Any thread may read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::queue::Queue;

/// State of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveState {
    /// Connecting or reconnecting.
    Connecting,
    /// Logged in.
    Online,
    /// Over.
    Ended,
}

impl LiveState {
    /// The word of log lines and health answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::Ended => "ended",
        }
    }
}

/// Running counts.
#[derive(Debug)]
pub struct LiveStats {
    queue: Arc<Queue>,
    state: AtomicU8,
    attempts: AtomicU64,
    logins: AtomicU64,
    disconnects: AtomicU64,
}

impl LiveStats {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            state: AtomicU8::new(0),
            attempts: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            disconnects: AtomicU64::new(0),
        }
    }

    /// The current state.
    #[must_use]
    pub fn state(&self) -> LiveState {
        match self.state.load(Ordering::Relaxed) {
            0 => LiveState::Connecting,
            1 => LiveState::Online,
            _ => LiveState::Ended,
        }
    }

    pub(super) fn set_state(&self, state: LiveState) {
        let code = match state {
            LiveState::Connecting => 0,
            LiveState::Online => 1,
            LiveState::Ended => 2,
        };
        self.state.store(code, Ordering::Relaxed);
    }

    /// Attempts that were begun.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub(super) fn count_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// Logins that the front accepted.
    #[must_use]
    pub fn logins(&self) -> u64 {
        self.logins.load(Ordering::Relaxed)
    }

    pub(super) fn count_login(&self) {
        self.logins.fetch_add(1, Ordering::Relaxed);
    }

    /// Lost connections.
    #[must_use]
    pub fn disconnects(&self) -> u64 {
        self.disconnects.load(Ordering::Relaxed)
    }

    pub(super) fn count_disconnect(&self) {
        self.disconnects.fetch_add(1, Ordering::Relaxed);
    }

    /// Ticks that did not fit into the queue.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// Events that wait in the queue.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Highest number of events that waited in the queue.
    #[must_use]
    pub fn queue_high_water(&self) -> usize {
        self.queue.high_water()
    }
}
