//! Counts the sessions that a library did not release. Each keeps its threads and its open files, of
//! which the library can use 1,024.

/// Unreleased sessions in a row after which no further session is opened.
pub(super) const ABANDONED_IN_A_ROW: u32 = 3;
/// Unreleased sessions at the same time after which no further session is opened.
pub(super) const ABANDONED_MAX: u32 = 20;

/// The library does not release its sessions, so no further session may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the library did not release {sessions} sessions{}: restart the process", if *in_a_row { " in a row" } else { "" })]
pub struct LibraryHangs {
    /// How many.
    pub sessions: u32,
    /// Whether they were consecutive.
    pub in_a_row: bool,
}

/// The unreleased sessions of one library.
#[derive(Debug, Clone, Default)]
pub(super) struct AbandonedSessions {
    all: u32,
    /// Those after the last session that was released in time.
    in_a_row: u32,
}

impl AbandonedSessions {
    /// The library released a session in time.
    pub(super) const fn released(&mut self) {
        self.in_a_row = 0;
    }

    /// The library released this many sessions late.
    pub(super) const fn reclaimed(&mut self, sessions: u32) {
        self.all = self.all.saturating_sub(sessions);
        self.in_a_row = self.in_a_row.saturating_sub(sessions);
    }

    /// The library did not release a session. Its threads may still run.
    ///
    /// # Errors
    /// When there are too many of them.
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
    fn three_in_a_row_or_twenty_at_once_are_too_many() {
        let mut sessions = AbandonedSessions::default();
        assert!(sessions.add().is_ok() && sessions.add().is_ok());
        let hangs = sessions.add().unwrap_err().to_string();
        assert!(hangs.contains("3 sessions in a row: restart"), "{hangs}");
        // Sessions that were released late do not count.
        sessions.reclaimed(3);
        for _ in 1..ABANDONED_MAX {
            assert!(sessions.add().is_ok());
            sessions.released();
        }
        let hangs = sessions.clone().add().unwrap_err().to_string();
        assert!(hangs.contains("release 20 sessions: restart"), "{hangs}");
        sessions.reclaimed(1);
        assert!(sessions.add().is_ok());
    }
}
