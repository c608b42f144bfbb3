//! What a replay would publish, without a sink.

use std::collections::BTreeMap;
use std::convert::Infallible;

use tickdeck_core::event::Event;

use super::ledger::is_nothing;
use super::options::PublisherOptions;
use crate::normalize::{Flags, NormalizedTick, Normalizer, Outcome};

/// Counts what would become of ticks.
#[derive(Debug)]
pub struct DryRun {
    normalizer: Normalizer,
    drop: Flags,
    ticks: u64,
    rejected: BTreeMap<&'static str, u64>,
    filtered: u64,
}

impl DryRun {
    /// A run that has seen nothing.
    #[must_use]
    pub fn new(options: &PublisherOptions) -> Self {
        Self {
            normalizer: options.normalizer(),
            drop: options.drop,
            ticks: 0,
            rejected: BTreeMap::new(),
            filtered: 0,
        }
    }

    /// Takes the next events in order.
    pub fn take(&mut self, events: &[Event]) {
        let ignore = |_: &NormalizedTick<'_>| Ok::<(), Infallible>(());
        let Ok(()) = self.take_each(events, ignore);
    }

    /// The same. Shows `visit` each tick that would be published.
    ///
    /// # Errors
    /// The first error of `visit`, after which nothing more is taken.
    pub fn take_each<E>(
        &mut self,
        events: &[Event],
        mut visit: impl FnMut(&NormalizedTick<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for event in events {
            match self.normalizer.apply(event) {
                Outcome::Session => continue,
                Outcome::Tick(tick) if tick.flags.intersects(self.drop) => self.filtered += 1,
                Outcome::Tick(tick) => visit(&tick)?,
                Outcome::Rejected { reason, .. } => {
                    *self.rejected.entry(reason.as_str()).or_default() += 1;
                }
            }
            self.ticks += 1;
        }
        Ok(())
    }

    /// Ticks so far.
    #[must_use]
    pub const fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Those that could not be published, by reason.
    #[must_use]
    pub const fn rejected(&self) -> &BTreeMap<&'static str, u64> {
        &self.rejected
    }

    /// Those that the dropped flags would filter out.
    #[must_use]
    pub const fn filtered(&self) -> u64 {
        self.filtered
    }

    /// Whether there were ticks and none of them would become a message.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        is_nothing(self.ticks, &self.rejected, self.filtered)
    }
}
