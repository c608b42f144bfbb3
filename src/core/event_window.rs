//! Consecutive events as a reader hands them out: whole ones, or a part of a block.

use std::ops::Range;
use std::sync::Arc;

use crate::block::{EventBlock, EventRef};
use crate::event::Event;

/// Consecutive events, borrowed.
#[derive(Debug, Clone, Copy)]
pub enum EventSlice<'a> {
    /// Whole ones.
    Events(&'a [Event]),
    /// Those of a block from the first to the second place.
    Block(&'a EventBlock, usize, usize),
}

impl<'a> EventSlice<'a> {
    /// Number of events.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::Events(events) => events.len(),
            Self::Block(_, start, end) => end - start,
        }
    }

    /// Whether there is no event.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The event at `place`.
    ///
    /// # Panics
    /// When there is none.
    #[inline]
    #[must_use]
    pub fn get(self, place: usize) -> EventRef<'a> {
        match self {
            Self::Events(events) => EventRef::from(&events[place]),
            Self::Block(block, start, _) => block.get(start + place),
        }
    }

    /// The events in order.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = EventRef<'a>> {
        (0..self.len()).map(move |place| self.get(place))
    }

    /// Some of them.
    ///
    /// # Panics
    /// When there are fewer.
    #[must_use]
    pub fn range(self, places: Range<usize>) -> Self {
        match self {
            Self::Events(events) => Self::Events(&events[places]),
            Self::Block(block, start, end) => {
                assert!(places.start <= places.end && start + places.end <= end);
                Self::Block(block, start + places.start, start + places.end)
            }
        }
    }

    /// Them as whole events, where they are.
    #[must_use]
    pub const fn events(self) -> Option<&'a [Event]> {
        match self {
            Self::Events(events) => Some(events),
            Self::Block(..) => None,
        }
    }
}

/// Events that were fetched together. Cheap to clone.
#[derive(Debug, Clone)]
pub enum EventWindow {
    /// Whole ones.
    Events(Arc<Vec<Event>>),
    /// A part of a block.
    Block(Arc<EventBlock>, Range<usize>),
}

impl Default for EventWindow {
    fn default() -> Self {
        Self::Events(Arc::default())
    }
}

impl EventWindow {
    /// Replaces it by whole events, in the memory of those before unless that is in use.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn refill<E>(
        &mut self,
        fill: impl FnOnce(&mut Vec<Event>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Self::Events(events) = self
            && let Some(events) = Arc::get_mut(events)
        {
            events.clear();
            return fill(events);
        }
        let mut events = Vec::new();
        let filled = fill(&mut events);
        *self = Self::Events(Arc::new(events));
        filled
    }

    /// All of them.
    #[inline]
    #[must_use]
    pub fn slice(&self) -> EventSlice<'_> {
        match self {
            Self::Events(events) => EventSlice::Events(events),
            Self::Block(block, places) => EventSlice::Block(block, places.start, places.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::tests::{block, events_of};
    use crate::tick_fields::TickFields;

    #[test]
    fn a_part_of_a_window_is_the_same_in_both_forms() {
        let block = block(TickFields::NONE, &[]);
        let events = EventWindow::Events(Arc::new(events_of(&block, 9)));
        let window = EventWindow::Block(block, 1..4);
        let (whole, part) = (events.slice().range(1..4), window.slice());
        assert_eq!((whole.len(), part.len()), (3, 3));
        for (a, b) in whole.range(1..3).iter().zip(part.range(1..3).iter()) {
            assert_eq!(
                (a.seq, a.recv_ts, a.is_tick()),
                (b.seq, b.recv_ts, b.is_tick())
            );
        }
        assert!(whole.events().is_some() && part.events().is_none());
    }

    #[test]
    fn a_window_in_use_keeps_its_events() {
        let mut window = EventWindow::default();
        let one = events_of(&block(TickFields::NONE, &[]), 9);
        let fill = |events: &mut Vec<Event>| {
            events.extend_from_slice(&one);
            Ok::<_, ()>(())
        };
        window.refill(fill).unwrap();
        let used = window.clone();
        window.refill(|_| Err(())).unwrap_err();
        assert_eq!((used.slice().len(), window.slice().len()), (4, 0));
    }
}
