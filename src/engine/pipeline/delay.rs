//! How long after its receipt a tick is handed to the sinks.

use std::sync::Arc;

use tickdeck_core::clock::Clock;
use tickdeck_core::event::Event;
use tickdeck_core::pace::{Lateness, LatenessHistogram};

/// Measures from the time stamp of the callback to the hand-over; reads the clock once a batch.
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
    /// A meter without measurements. `clock` is the one that stamps the ticks.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            delays: LatenessHistogram::new(),
        }
    }

    /// Records the ticks of a batch that was just handed over.
    pub fn handed_over(&mut self, events: &[Event]) {
        let now = self.clock.wall();
        for event in events.iter().filter(|event| event.as_tick().is_some()) {
            self.delays.record(now.since(event.recv_ts));
        }
    }

    /// The quantiles; `None` without a tick.
    #[must_use]
    pub fn summary(&self) -> Option<Lateness> {
        self.delays.summary()
    }
}
