//! Ends a source after a number of ticks.

use super::{Source, SourceError};
use crate::event::Event;

/// Passes on the first `ticks` ticks and the session events before them.
pub struct TickLimit {
    source: Box<dyn Source>,
    ticks_left: u64,
}

impl TickLimit {
    /// Limits `source` to `ticks` ticks.
    #[must_use]
    pub fn new(source: Box<dyn Source>, ticks: u64) -> Self {
        Self {
            source,
            ticks_left: ticks,
        }
    }
}

impl Source for TickLimit {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        if self.ticks_left == 0 {
            return Ok(());
        }
        let start = batch.len();
        self.source.next_batch(batch, max)?;
        for position in start..batch.len() {
            if batch[position].as_tick().is_some() {
                self.ticks_left -= 1;
                if self.ticks_left == 0 {
                    batch.truncate(position + 1);
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::{VecSource, drain, note, tick};

    #[test]
    fn the_limit_counts_ticks_and_not_session_events() {
        for max in [1, 2, 100] {
            let events = vec![
                note(0, 0),
                tick(1, 10, "a"),
                note(2, 20),
                tick(3, 30, "a"),
                tick(4, 40, "a"),
            ];
            let source = Box::new(VecSource::new(events.clone()));
            assert_eq!(drain(&mut TickLimit::new(source, 2), max), events[..4]);
        }
    }
}
