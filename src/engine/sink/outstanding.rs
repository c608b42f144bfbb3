//! What became of messages that were handed to a sink.

use std::collections::VecDeque;
use std::ops::Range;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It reached its destination for certain: on disk, hashed, or processed by the broker.
    Confirmed,
    /// It will not reach its destination: not taken, or given up.
    Rejected,
}

/// Positions whose fate is not reported yet, for a sink whose destination confirms in order. Positions
/// count the messages handed in, from 0.
#[derive(Debug, Clone, Default)]
pub struct Outstanding {
    /// Position of the next message.
    next: u64,
    /// Taken, and not known to have arrived. Oldest first.
    taken: VecDeque<Range<u64>>,
    /// Known, and not reported.
    known: VecDeque<(Range<u64>, Fate)>,
}

impl Outstanding {
    /// The next `count` messages are on their way.
    pub fn take(&mut self, count: u64) {
        let range = self.advance(count);
        match self.taken.back_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.taken.push_back(range),
        }
    }

    /// The next `count` messages were not taken.
    pub fn reject(&mut self, count: u64) {
        let range = self.advance(count);
        self.know(range, Fate::Rejected);
    }

    /// The oldest `count` messages on their way have arrived.
    pub fn confirm(&mut self, count: u64) {
        self.resolve(count, Fate::Confirmed);
    }

    /// Every message on its way has arrived.
    pub fn confirm_all(&mut self) {
        self.resolve(u64::MAX, Fate::Confirmed);
    }

    /// No message on its way will arrive.
    pub fn reject_all(&mut self) {
        self.resolve(u64::MAX, Fate::Rejected);
    }

    /// Reports what has become known since the last report.
    pub fn report(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        for (range, fate) in self.known.drain(..) {
            each(range, fate);
        }
    }

    const fn advance(&mut self, count: u64) -> Range<u64> {
        let start = self.next;
        self.next += count;
        start..self.next
    }

    fn resolve(&mut self, mut count: u64, fate: Fate) {
        while count > 0
            && let Some(oldest) = self.taken.front_mut()
        {
            let resolved = count.min(oldest.end - oldest.start);
            let range = oldest.start..oldest.start + resolved;
            oldest.start += resolved;
            if oldest.is_empty() {
                self.taken.pop_front();
            }
            count -= resolved;
            self.know(range, fate);
        }
    }

    fn know(&mut self, range: Range<u64>, fate: Fate) {
        match self.known.back_mut() {
            Some((last, same)) if last.end == range.start && *same == fate => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.known.push_back((range, fate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reported(outstanding: &mut Outstanding) -> Vec<(Range<u64>, Fate)> {
        let mut reported = Vec::new();
        outstanding.report(&mut |range, fate| reported.push((range, fate)));
        reported
    }

    #[test]
    fn a_gap_is_reported_before_what_is_on_its_way() {
        let mut outstanding = Outstanding::default();
        outstanding.take(3);
        outstanding.reject(2);
        outstanding.take(4);
        assert_eq!(reported(&mut outstanding), [(3..5, Fate::Rejected)]);
        outstanding.confirm(5);
        let confirmed = [(0..3, Fate::Confirmed), (5..7, Fate::Confirmed)];
        assert_eq!(reported(&mut outstanding), confirmed);
        outstanding.reject_all();
        assert_eq!(reported(&mut outstanding), [(7..9, Fate::Rejected)]);
        outstanding.confirm_all();
        assert_eq!(reported(&mut outstanding), []);
    }

    proptest! {
        #[test]
        fn prop_every_position_is_reported_once(
            steps in proptest::collection::vec((0_u8..4, 0_u64..10), 0..60),
        ) {
            let mut outstanding = Outstanding::default();
            let mut seen = std::collections::BTreeMap::new();
            for (step, count) in steps {
                match step {
                    0 => outstanding.take(count),
                    1 => outstanding.reject(count),
                    2 => outstanding.confirm(count),
                    _ => for (range, fate) in reported(&mut outstanding) {
                        for position in range {
                            prop_assert_eq!(seen.insert(position, fate), None);
                        }
                    },
                }
            }
            outstanding.confirm_all();
            for (range, fate) in reported(&mut outstanding) {
                for position in range {
                    prop_assert_eq!(seen.insert(position, fate), None);
                }
            }
            prop_assert!(seen.keys().copied().eq(0..outstanding.next));
        }
    }
}
