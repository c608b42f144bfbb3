//! Attempts, their names and the pauses between them: one account for each kind of front.

use super::abandoned::{AbandonedSessions, LibraryHangs};
use super::attempt::Attempt;
use super::backoff::Backoff;
use super::front_kind::FrontKind;

/// Counts attempts and failures at one kind of front.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    front: FrontKind,
    /// First part of the session names.
    session: String,
    backoff: Backoff,
    attempt: u32,
    /// Failures in a row.
    failures: u32,
    abandoned: AbandonedSessions,
}

impl Retry {
    /// No attempt yet.
    pub(super) fn new(front: FrontKind, session: String, backoff: Backoff) -> Self {
        Self {
            front,
            session,
            backoff,
            attempt: 0,
            failures: 0,
            abandoned: AbandonedSessions::default(),
        }
    }

    /// Begins the next attempt.
    pub(super) fn begin(&mut self) -> Attempt {
        self.attempt += 1;
        self.attempt()
    }

    /// The current attempt, or the last one.
    pub(super) fn attempt(&self) -> Attempt {
        let letters = match self.front {
            FrontKind::MarketData => "a",
            FrontKind::Trader => "td",
        };
        Attempt {
            number: self.attempt,
            session: format!("{}-{letters}{}", self.session, self.attempt),
        }
    }

    /// Number of the current attempt.
    pub(super) const fn number(&self) -> u32 {
        self.attempt
    }

    /// The attempt failed. Returns the pause before the next one, ns.
    pub(super) fn failed(&mut self) -> i64 {
        self.failures = self.failures.saturating_add(1);
        self.backoff.pause_ns(self.failures, self.attempt)
    }

    /// The session was stable: pauses start from the shortest again.
    pub(super) const fn stable(&mut self) {
        self.failures = 0;
    }

    /// The library released the session in time.
    pub(super) const fn released(&mut self) {
        self.abandoned.released();
    }

    /// The library released this many sessions late.
    pub(super) const fn reclaimed(&mut self, sessions: u32) {
        self.abandoned.reclaimed(sessions);
    }

    /// The library did not release the session.
    ///
    /// # Errors
    /// When no further session may be opened.
    pub(super) fn abandoned(&mut self) -> Result<(), LibraryHangs> {
        self.abandoned.add()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_have_new_names_and_longer_pauses() {
        let mut retry = Retry::new(FrontKind::Trader, "ctp".into(), Backoff::default());
        let first = retry.begin();
        assert_eq!((first.number, first.session.as_str()), (1, "ctp-td1"));
        let pause = retry.failed();
        assert_eq!(retry.begin().session, "ctp-td2");
        assert!(retry.failed() > pause);
        retry.stable();
        retry.begin();
        assert!(retry.failed() <= Backoff::default().first_ns);
    }
}
