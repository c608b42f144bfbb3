//! The ledger of a run: received = published + rejected(reason) + filtered + failed, per instrument
//! and in total.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use tickdeck_core::event::InstrumentId;

use super::settlement::SlotCounts;
use crate::normalize::Reject;

/// The counts of one instrument, in ticks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstrumentLedger {
    /// Ticks that reached the normalizer.
    pub received: u64,
    /// Messages that every sink has confirmed.
    pub published: u64,
    /// Ticks that could not be published, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Ticks that the dropped flags filtered out.
    pub filtered: u64,
    /// Messages that a sink rejected, or did not confirm by the end.
    pub failed: u64,
}

impl InstrumentLedger {
    /// Whether every tick is accounted for.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let rejected: u64 = self.rejected.values().sum();
        self.received == self.published + rejected + self.filtered + self.failed
    }

    fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.published += other.published;
        self.filtered += other.filtered;
        self.failed += other.failed;
        for (reason, count) in &other.rejected {
            *self.rejected.entry(reason).or_insert(0) += count;
        }
    }
}

/// Whether there were `ticks` and none of them became a message: all were rejected or filtered out.
pub(crate) fn is_nothing(
    ticks: u64,
    rejected: &BTreeMap<&'static str, u64>,
    filtered: u64,
) -> bool {
    ticks > 0 && rejected.values().sum::<u64>() + filtered >= ticks
}

/// Counts of all instruments. Look-ups go by slot, so that the hot path does not hash.
#[derive(Debug, Default)]
pub struct Ledger {
    slots: Vec<(InstrumentId, Counts)>,
    by_id: FxHashMap<InstrumentId, usize>,
    /// Slot of the normalizer's instrument index.
    by_index: Vec<Option<usize>>,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    received: u64,
    published: u64,
    filtered: u64,
    failed: u64,
    rejected: [u64; Reject::ALL.len()],
}

impl Ledger {
    /// The slot of a resolved instrument; `index` is dense and stable for one normalizer.
    #[inline]
    pub(super) fn slot(&mut self, index: usize, id: &InstrumentId) -> usize {
        if let Some(Some(slot)) = self.by_index.get(index) {
            return *slot;
        }
        let slot = self.slot_by_id(id);
        if self.by_index.len() <= index {
            self.by_index.resize(index + 1, None);
        }
        self.by_index[index] = Some(slot);
        slot
    }

    /// The slot of a resolved instrument that was seen in this pass.
    pub(super) fn known_slot(&self, index: usize) -> Option<usize> {
        self.by_index.get(index).copied().flatten()
    }

    /// Messages of a slot that went to the sinks, confirmed or not.
    pub(super) fn handed_over(&self, slot: usize) -> u64 {
        let counts = &self.slots[slot].1;
        let rejected: u64 = counts.rejected.iter().sum();
        counts.received - rejected - counts.filtered
    }

    fn slot_by_id(&mut self, id: &InstrumentId) -> usize {
        let slots = &mut self.slots;
        *self.by_id.entry(*id).or_insert_with(|| {
            slots.push((*id, Counts::default()));
            slots.len() - 1
        })
    }

    /// Forgets the normalizer's indices: a new pass has a new normalizer.
    pub(super) fn new_pass(&mut self) {
        self.by_index.clear();
    }

    #[inline]
    pub(super) fn receive(&mut self, slot: usize) {
        self.slots[slot].1.received += 1;
    }

    #[inline]
    pub(super) fn filter(&mut self, slot: usize) {
        self.slots[slot].1.filtered += 1;
    }

    /// Adds what became of the messages, by slot.
    pub(super) fn settle(&mut self, by_slot: &[SlotCounts]) {
        for ((_, counts), settled) in self.slots.iter_mut().zip(by_slot) {
            counts.published += settled.published;
            counts.failed += settled.failed;
        }
    }

    pub(super) fn reject(&mut self, id: &InstrumentId, reason: Reject) {
        let slot = self.slot_by_id(id);
        let counts = &mut self.slots[slot].1;
        counts.received += 1;
        if let Some(position) = Reject::ALL.iter().position(|known| *known == reason) {
            counts.rejected[position] += 1;
        }
    }

    /// The counts per instrument id.
    #[must_use]
    pub fn by_instrument(&self) -> BTreeMap<InstrumentId, InstrumentLedger> {
        self.slots
            .iter()
            .map(|(id, counts)| (*id, counts.to_ledger()))
            .collect()
    }

    /// The counts of all instruments together.
    #[must_use]
    pub fn total(&self) -> InstrumentLedger {
        let mut total = InstrumentLedger::default();
        for (_, counts) in &self.slots {
            total.add(&counts.to_ledger());
        }
        total
    }
}

impl Counts {
    fn to_ledger(&self) -> InstrumentLedger {
        InstrumentLedger {
            received: self.received,
            published: self.published,
            filtered: self.filtered,
            failed: self.failed,
            rejected: Reject::ALL
                .iter()
                .zip(self.rejected)
                .filter(|(_, count)| *count > 0)
                .map(|(reason, count)| (reason.as_str(), count))
                .collect(),
        }
    }
}
