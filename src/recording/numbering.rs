//! The `seq` of a recording: from 0, without a gap, whatever its source or session has.

use tickdeck_core::event::{Event, Seq};

/// Numbers the events of one recording.
#[derive(Debug, Default)]
pub struct Numbering {
    next_seq: u64,
    batch: Vec<Event>,
}

impl Numbering {
    /// The events that follow, numbered. Those that fit are not copied.
    pub fn number<'e>(&'e mut self, events: &'e [Event]) -> &'e [Event] {
        if unbroken(self.next_seq, events) == events.len() {
            self.next_seq += events.len() as u64;
            return events;
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        batch.extend_from_slice(events);
        self.renumber(&mut batch);
        self.batch = batch;
        &self.batch
    }

    /// Numbers the events that follow in place.
    pub fn renumber(&mut self, events: &mut [Event]) {
        for event in events {
            event.seq = Seq(self.next_seq);
            self.next_seq += 1;
        }
    }
}

/// How many of the events follow without a gap, beginning with `next_seq`.
pub(super) fn unbroken(next_seq: u64, events: &[Event]) -> usize {
    let fits = |(event, seq): &(&Event, u64)| event.seq.0 == *seq;
    events.iter().zip(next_seq..).take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rolling_tests::at_hours;

    #[test]
    fn events_are_numbered_from_zero_across_batches() {
        let events = at_hours(&[3; 9]);
        let mut numbering = Numbering::default();
        assert_eq!(numbering.number(&events[..2]), &events[..2]);
        // A gap in the source is none in the recording.
        assert_eq!(unbroken(2, &events[4..]), 0);
        let seqs = |events: &[Event]| events.iter().map(|it| it.seq.0).collect::<Vec<_>>();
        assert_eq!(seqs(numbering.number(&events[4..7])), [2, 3, 4]);
        let mut rest = events[7..].to_vec();
        numbering.renumber(&mut rest);
        assert_eq!(seqs(&rest), [5, 6]);
        assert_eq!(unbroken(7, &events[7..]), 2);
    }
}
