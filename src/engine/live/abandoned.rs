//! Sessions that a library does not let go of, and how many of them are too many: each keeps its
//! threads and its open files, of which the library can use 1,024.

/// Sessions in a row that the library does not let go of: it will not let go of the next one either.
pub(super) const ABANDONED_IN_A_ROW: u32 = 3;
/// Sessions that hang at the same time.
pub(super) const ABANDONED_MAX: u32 = 20;

/// The library does not let go of its sessions, so that nobody should make another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the library did not release {sessions} sessions{}: restart the process", if *in_a_row { " in a row" } else { "" })]
pub struct LibraryHangs {
    /// How many.
    pub sessions: u32,
    /// Whether they were one after the other.
    pub in_a_row: bool,
}

/// Counts the sessions of one library that hang.
#[derive(Debug, Clone, Default)]
pub(super) struct AbandonedSessions {
    all: u32,
    /// Those of them after the last one that did not hang.
    in_a_row: u32,
}

impl AbandonedSessions {
    /// The library let go of a session in time.
    pub(super) const fn let_go(&mut self) {
        self.in_a_row = 0;
    }

    /// The library has let go of so many sessions after all.
    pub(super) const fn reclaimed(&mut self, sessions: u32) {
        self.all = self.all.saturating_sub(sessions);
        self.in_a_row = self.in_a_row.saturating_sub(sessions);
    }

    /// The library did not let go of a session. Its threads may still be at work.
    ///
    /// # Errors
    /// When these are too many.
    pub(super) fn add(&mut self) -> Result<(), LibraryHangs> {
        self.all += 1;
        self.in_a_row += 1;
        let hangs = |sessions, in_a_row| Err(LibraryHangs { sessions, in_a_row });
        match self.in_a_row {
            ABANDONED_IN_A_ROW.. => hangs(ABANDONED_IN_A_ROW, true),
            _ if self.all >= ABANDONED_MAX => hangs(ABANDONED_MAX, false),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_row_or_twenty_at_a_time_are_too_many_and_those_let_go_of_do_not_count() {
        let mut sessions = AbandonedSessions::default();
        assert!(sessions.add().is_ok() && sessions.add().is_ok());
        let hangs = sessions.add().unwrap_err().to_string();
        assert!(hangs.contains("3 sessions in a row: restart"), "{hangs}");
        sessions.reclaimed(3);
        for _ in 1..ABANDONED_MAX {
            assert!(sessions.add().is_ok());
            sessions.let_go();
        }
        let hangs = sessions.clone().add().unwrap_err().to_string();
        assert!(hangs.contains("release 20 sessions: restart"), "{hangs}");
        sessions.reclaimed(1);
        assert!(sessions.add().is_ok());
    }
}
