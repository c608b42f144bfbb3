//! One fate for each message out of what every sink says about it.
//!
//! A message is published when every sink has confirmed it, and failed as soon as one rejects it.
//! Sinks settle at their own pace, so the order in which they report does not matter.

use std::collections::VecDeque;
use std::ops::Range;

use crate::sink::Fate;

/// Messages of one ledger slot whose fate is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SlotCounts {
    /// Confirmed by every sink.
    pub(super) published: u64,
    /// Rejected by a sink.
    pub(super) failed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Ledger slot; `None` for a message that is not a tick.
    slot: Option<usize>,
    /// Sinks that have not reported.
    open: usize,
    has_failed: bool,
}

/// The messages that not every sink has reported on, and the counts of all others.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    sinks: usize,
    /// Position of the oldest entry.
    first: u64,
    entries: VecDeque<Entry>,
    by_slot: Vec<SlotCounts>,
    total: SlotCounts,
}

impl Settlement {
    /// Nothing handed over yet, to this number of sinks.
    pub(super) fn of(sinks: usize) -> Self {
        Self {
            sinks,
            ..Self::default()
        }
    }

    /// The next message goes to every sink.
    pub(super) fn expect(&mut self, slot: Option<usize>) {
        self.entries.push_back(Entry {
            slot,
            open: self.sinks,
            has_failed: false,
        });
        if self.sinks == 0 {
            self.release();
        }
    }

    /// One sink reports on the positions of `range`. A position after the last message is ignored.
    pub(super) fn settle(&mut self, range: Range<u64>, fate: Fate) {
        let index = |position: u64| {
            usize::try_from(position.saturating_sub(self.first)).unwrap_or(usize::MAX)
        };
        let end = index(range.end).min(self.entries.len());
        for index in index(range.start)..end {
            let entry = &mut self.entries[index];
            entry.open = entry.open.saturating_sub(1);
            if fate == Fate::Rejected && !entry.has_failed {
                entry.has_failed = true;
                let slot = entry.slot;
                self.count(slot, |counts| counts.failed += 1);
            }
        }
        self.release();
    }

    /// Position after the newest message.
    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The sinks have ended: unsettled messages have failed. Returns the counts by slot.
    pub(super) fn close(&mut self) -> &[SlotCounts] {
        while let Some(entry) = self.entries.pop_front() {
            self.first += 1;
            if !entry.has_failed {
                self.count(entry.slot, |counts| counts.failed += 1);
            }
        }
        &self.by_slot
    }

    /// The counts of all slots together.
    pub(super) const fn total(&self) -> SlotCounts {
        self.total
    }

    /// Counts the oldest messages that every sink has reported on.
    fn release(&mut self) {
        while let Some(entry) = self
            .entries
            .front()
            .filter(|entry| entry.open == 0)
            .copied()
        {
            self.entries.pop_front();
            self.first += 1;
            if !entry.has_failed {
                self.count(entry.slot, |counts| counts.published += 1);
            }
        }
    }

    fn count(&mut self, slot: Option<usize>, add: impl Fn(&mut SlotCounts)) {
        let Some(slot) = slot else { return };
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, SlotCounts::default());
        }
        add(&mut self.by_slot[slot]);
        add(&mut self.total);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What each sink says about each message, and the slot of the message.
    type Message = (Option<usize>, Vec<Fate>);

    fn messages() -> impl Strategy<Value = Vec<Message>> {
        let fate = prop_oneof![3 => Just(Fate::Confirmed), 1 => Just(Fate::Rejected)];
        (1_usize..4).prop_flat_map(move |sinks| {
            let fates = proptest::collection::vec(fate.clone(), sinks);
            proptest::collection::vec((proptest::option::of(0_usize..3), fates), 1..40)
        })
    }

    #[test]
    fn a_rejection_counts_before_older_messages_settle() {
        let mut settlement = Settlement::of(1);
        for _ in 0..3 {
            settlement.expect(Some(0));
        }
        settlement.settle(2..3, Fate::Rejected);
        let counts = |published, failed| SlotCounts { published, failed };
        assert_eq!(settlement.total(), counts(0, 1));
        settlement.settle(0..1, Fate::Confirmed);
        assert_eq!(settlement.total(), counts(1, 1));
        assert_eq!(settlement.close(), [counts(1, 2)]);
    }

    #[test]
    fn without_a_sink_everything_is_published() {
        let mut settlement = Settlement::of(0);
        settlement.expect(Some(0));
        assert_eq!(settlement.total().published, 1);
    }

    proptest! {
        #[test]
        fn prop_any_interleaving_gives_the_same_ledger(
            messages in messages(),
            steps in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..8), 0..200),
        ) {
            let sinks = messages[0].1.len();
            let mut expected = vec![SlotCounts::default(); 3];
            for (slot, fates) in &messages {
                if let Some(slot) = slot {
                    match fates.contains(&Fate::Rejected) {
                        true => expected[*slot].failed += 1,
                        false => expected[*slot].published += 1,
                    }
                }
            }
            let mut settlement = Settlement::of(sinks);
            let mut reported = vec![0; sinks];
            let mut expect = messages.iter().map(|(slot, _)| *slot);
            let mut handed_over = 0;
            let drawn = steps.iter().map(|(who, span)| (who.index(sinks + 1), *span));
            // Everything is handed over and reported in the end.
            let rest = [(); 2].into_iter().flat_map(|()| 0..=sinks);
            for (who, span) in drawn.chain(rest.map(|who| (who, messages.len()))) {
                if who == sinks {
                    for slot in expect.by_ref().take(span) {
                        settlement.expect(slot);
                        handed_over += 1;
                    }
                    continue;
                }
                let end = handed_over.min(reported[who] + span);
                for (_, fates) in &messages[reported[who]..end] {
                    let at = reported[who] as u64;
                    settlement.settle(at..at + 1, fates[who]);
                    reported[who] += 1;
                }
            }
            prop_assert!(reported.iter().all(|count| *count == messages.len()));
            let mut found = settlement.close().to_vec();
            found.resize(3, SlotCounts::default());
            prop_assert_eq!(found, expected);
        }
    }
}
