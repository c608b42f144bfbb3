//! Several sources as one: events by (`recv_ts`, source index, `seq`), renumbered without gaps.
//!
//! The order inside each source is never changed, even where its `recv_ts` goes back: only the
//! heads are compared.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Source, SourceError};
use crate::event::{Event, Seq};
use crate::time::UnixNanos;

/// Events fetched from one source at a time.
const FETCH_EVENTS: usize = 256;

/// Merges sources; memory is bounded by 256 events a source, besides what each holds itself.
pub struct MergeSource {
    inputs: Vec<Input>,
    /// Heads by time and source index: no two keys are equal, so a heap tie cannot decide.
    heads: BinaryHeap<Reverse<(UnixNanos, usize)>>,
    next_seq: u64,
    started: bool,
}

struct Input {
    source: Box<dyn Source>,
    /// Fetched events, last one first.
    fetched: Vec<Event>,
}

impl Input {
    fn fetch(&mut self) -> Result<(), SourceError> {
        if self.fetched.is_empty() {
            self.source.next_batch(&mut self.fetched, FETCH_EVENTS)?;
            self.fetched.reverse();
        }
        Ok(())
    }
}

impl MergeSource {
    /// Merges `sources`; their index in the vector breaks ties.
    #[must_use]
    pub fn new(sources: Vec<Box<dyn Source>>) -> Self {
        let inputs = sources
            .into_iter()
            .map(|source| Input {
                source,
                fetched: Vec::new(),
            })
            .collect();
        Self {
            inputs,
            heads: BinaryHeap::new(),
            next_seq: 0,
            started: false,
        }
    }

    fn push_head(&mut self, index: usize) -> Result<(), SourceError> {
        let input = &mut self.inputs[index];
        input.fetch()?;
        if let Some(head) = input.fetched.last() {
            self.heads.push(Reverse((head.recv_ts, index)));
        }
        Ok(())
    }
}

impl Source for MergeSource {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        if !self.started {
            self.started = true;
            for index in 0..self.inputs.len() {
                self.push_head(index)?;
            }
        }
        for _ in 0..max {
            let Some(Reverse((_, index))) = self.heads.pop() else {
                break;
            };
            if let Some(mut event) = self.inputs[index].fetched.pop() {
                event.seq = Seq(self.next_seq);
                self.next_seq += 1;
                batch.push(event);
            }
            self.push_head(index)?;
        }
        Ok(())
    }
}
