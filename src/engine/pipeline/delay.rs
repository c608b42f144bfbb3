//! How long after its receipt a tick is handed to the sinks.

use std::sync::Arc;

use tickdeck_core::clock::Clock;
use tickdeck_core::event::Event;
use tickdeck_core::pace::{Lateness, LatenessHistogram};

/// Measures from the stamp of the callback to the hand-over; one look at the clock per batch.
pub struct DelayMeter {
    clock: Arc<dyn Clock>,
    delays: LatenessHistogram,
}

impl std::fmt::Debug for DelayMeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DelayMeter")
            .field("summary", &self.summary())
            .finish_non_exhaustive()
    }
}

impl DelayMeter {
    /// Has measured nothing. `clock` is the one that stamps.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            delays: LatenessHistogram::new(),
        }
    }

    /// Counts the ticks of a batch that was just handed over.
    pub fn handed_over(&mut self, events: &[Event]) {
        let now = self.clock.wall();
        for event in events.iter().filter(|event| event.as_tick().is_some()) {
            self.delays.record(now.since(event.recv_ts));
        }
    }

    /// The quantiles; `None` when there was no tick.
    #[must_use]
    pub fn summary(&self) -> Option<Lateness> {
        self.delays.summary()
    }
}
