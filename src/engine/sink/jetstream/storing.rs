//! Whether a server that can be reached stores messages. One with a full disk may refuse them, and may do
//! nothing at all. Both are waited for, but not without end.

use std::time::Duration;

use tickdeck_core::clock::MonoNanos;

/// How long a server may fail to store a message. Another leader may be elected meanwhile.
const STORE_PATIENCE: Duration = Duration::from_secs(10);
/// How often in a row a server may state that the stream does not have a message to which there was no
/// answer in time: 30 s.
pub(super) const UNANSWERED_MAX: u32 = 3;

/// What was found since a message was last stored, on one connection.
#[derive(Debug, Default)]
pub(super) struct Storing {
    /// Since when the server does not store a message, and why, last.
    failed: Option<(MonoNanos, String)>,
    /// Whether an answer did not come in time, and the stream was not asked since.
    is_overdue: bool,
    unanswered: u32,
}

impl Storing {
    /// The server did not store a message, and says why.
    pub(super) fn fail(&mut self, now: MonoNanos, cause: String) {
        let since = self.failed.take().map_or(now, |(since, _)| since);
        self.failed = Some((since, cause));
    }

    /// The server could not be used, for now. The reason to give up, if that is due to a message that it
    /// did not store.
    pub(super) fn give_up(&mut self, now: MonoNanos) -> Option<String> {
        self.unanswered = 0;
        let (since, cause) = self.failed.as_ref()?;
        (now >= since.after(STORE_PATIENCE)).then(|| cause.clone())
    }

    /// An answer did not come in time.
    pub(super) const fn note_overdue(&mut self) {
        self.is_overdue = true;
    }

    /// The stream states its state, without the message that is awaited. Whether it was so too often.
    pub(super) const fn is_stuck(&mut self) -> bool {
        self.unanswered += self.is_overdue as u32;
        self.is_overdue = false;
        self.unanswered >= UNANSWERED_MAX
    }
}
