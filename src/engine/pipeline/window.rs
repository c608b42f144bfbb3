//! What the threads made of one window, handed out in the order of its events.

use std::ops::Range;

use super::share::{Made, MadeTick};
use crate::sink::{MessageBatch, MessageBatchBuilder};

/// One part a thread.
#[derive(Debug)]
pub(super) struct Window {
    parts: Vec<Part>,
    /// The places that are not handed out yet.
    places: Range<u32>,
}

#[derive(Debug)]
struct Part {
    made: Made,
    /// The next tick.
    tick: usize,
    /// The batch with the next message, and its position there.
    batch: usize,
    message: usize,
}

impl Part {
    /// Steps over `count` messages of the current batch.
    fn advance(&mut self, count: usize) {
        self.message += count;
        if self.message >= self.made.batches[self.batch].len() {
            self.batch += 1;
            self.message = 0;
        }
    }
}

impl Window {
    pub(super) fn new(places: Range<u32>, made: Vec<Made>) -> Self {
        let parts = made.into_iter().map(|made| Part {
            made,
            tick: 0,
            batch: 0,
            message: 0,
        });
        Self {
            parts: parts.collect(),
            places,
        }
    }

    /// Whether everything is handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Hands out the next `count` places: returns them, and their ticks come next.
    pub(super) fn advance(&mut self, count: usize) -> Range<u32> {
        let start = self.places.start;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.places.start = start.saturating_add(count).min(self.places.end);
        start..self.places.start
    }

    /// The next tick before `end`, with the number of its part.
    #[inline]
    pub(super) fn next_tick(&mut self, end: u32) -> Option<(usize, MadeTick)> {
        let next = |part: &Part| part.made.ticks.get(part.tick).copied();
        let ticks = self.parts.iter().enumerate();
        let (number, tick) = ticks
            .filter_map(|(number, part)| Some((number, next(part)?)))
            .min_by_key(|(_, tick)| tick.place)
            .filter(|(_, tick)| tick.place < end)?;
        self.parts[number].tick += 1;
        Some((number, tick))
    }

    /// Whether one thread has made it all, so that its batches are in order as they are.
    pub(super) fn is_whole(&self) -> bool {
        self.parts.len() == 1
    }

    /// At most `count` messages of a window that [is whole](Self::is_whole), as they are.
    pub(super) fn take_messages(&mut self, count: usize) -> Option<MessageBatch> {
        let [part] = &mut self.parts[..] else {
            return None;
        };
        let batch = part.made.batches.get(part.batch)?;
        let taken = batch.range(part.message, count);
        part.advance(taken.len());
        Some(taken)
    }

    /// Copies the next message of a part.
    #[inline]
    pub(super) fn copy_message(&mut self, number: usize, to: &mut MessageBatchBuilder) {
        let part = &mut self.parts[number];
        if let Some(batch) = part.made.batches.get(part.batch) {
            to.push_copy(batch, part.message);
            part.advance(1);
        }
    }

    /// The subjects of instruments that had no message before.
    pub(super) fn subjects(&mut self) -> impl Iterator<Item = (usize, bytes::Bytes)> {
        self.parts
            .iter_mut()
            .flat_map(|part| part.made.subjects.drain(..))
    }

    /// The parts, to be used again.
    pub(super) fn into_parts(self) -> impl Iterator<Item = Made> {
        self.parts.into_iter().map(|part| part.made)
    }
}
