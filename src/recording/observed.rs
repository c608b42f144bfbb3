//! What only all events of a recording together say: their digest, and the gaps among them.

use tickdeck_core::event::Event;

use super::digest::EventDigest;
use super::gaps::GapFinder;

/// Observes the events of a recording, in `seq` order.
#[derive(Debug, Default)]
pub(super) struct Observed {
    digest: EventDigest,
    gaps: GapFinder,
}

impl Observed {
    /// The next event.
    pub(super) fn on(&mut self, event: &Event) {
        self.digest.update(event);
        self.gaps.on(event);
    }

    /// The digest, and the number of gaps.
    pub(super) fn finish(self) -> (String, u64) {
        (self.digest.finish(), self.gaps.finish().len() as u64)
    }
}
