//! The result of a live session, as values.

use super::fail_reason::FailReason;

/// Why a session ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LiveEnd {
    /// It was stopped, or its time was up.
    #[default]
    Stopped,
    /// It was to end at the login, and the login succeeded.
    LoggedIn,
    /// Another attempt cannot help.
    GaveUp {
        /// Why.
        reason: FailReason,
    },
}

/// One attempt that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptReport {
    /// Its number, from 1.
    pub attempt: u32,
    /// Its session.
    pub session: String,
    /// Why it failed.
    pub reason: FailReason,
    /// Pause before the next one, s.
    pub next_backoff_s: f64,
}

/// The attempt that was in progress at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// Its session.
    pub session: String,
    /// Its progress: `connecting`, `logging_in`, `logged_in`, `front_lost` or `gave_up`.
    pub reached: &'static str,
}

/// Result of a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveReport {
    /// Why it ended.
    pub end: LiveEnd,
    /// Attempts that were begun.
    pub attempts: u32,
    /// The most recent attempts that failed, oldest first.
    pub failed: Vec<AttemptReport>,
    /// The attempt after those, if one had begun.
    pub last: Option<LastAttempt>,
    /// Logins that the front accepted.
    pub logins: u64,
    /// Sessions that the library did not release.
    pub abandoned: u32,
    /// Ticks that did not fit into the queue.
    pub dropped: u64,
    /// Highest number of events that waited in the queue.
    pub queue_high_water: usize,
}
