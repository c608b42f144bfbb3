//! Numbers what a session records: a recording has no gap in `seq`, whatever its source has.

use tickdeck_core::event::{Event, Seq};

/// Numbers released events from 0, without a gap.
#[derive(Debug, Default)]
pub struct Numbering {
    next_seq: u64,
    batch: Vec<Event>,
}

impl Numbering {
    /// The events that follow, numbered. Those that fit are not copied.
    pub fn number<'e>(&'e mut self, events: &'e [Event]) -> &'e [Event] {
        let from = self.next_seq;
        self.next_seq += events.len() as u64;
        let mut numbered = events.iter().zip(from..);
        if numbered.all(|(event, seq)| event.seq.0 == seq) {
            return events;
        }
        self.batch.clear();
        self.batch.extend_from_slice(events);
        for (event, seq) in self.batch.iter_mut().zip(from..) {
            event.seq = Seq(seq);
        }
        &self.batch
    }
}
