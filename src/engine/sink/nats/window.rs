//! The messages that the server may not have processed yet, in order.
//!
//! Positions count messages since the sink was made: `first` is the oldest unconfirmed one, `end`
//! the next to come. Only [`Window::confirm`] removes anything.

use std::collections::VecDeque;

use crate::sink::MessageBatch;

/// Unconfirmed messages at which the sink stops taking more. A marker every [`MARK_MESSAGES`] keeps
/// about eight of them in flight. At 1,000,000 messages/s the window covers a round trip of 16 ms; a
/// local one takes well under a millisecond of queueing.
pub(crate) const WINDOW_MESSAGES_MAX: u64 = 16 * 1024;
/// Unconfirmed bytes at which the sink stops taking more.
pub(crate) const WINDOW_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Messages after which a marker is due.
pub(crate) const MARK_MESSAGES: u64 = 2048;

#[derive(Debug)]
struct Batch {
    messages: MessageBatch,
    /// Position after its last message.
    end: u64,
    bytes: usize,
}

/// Unconfirmed messages, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Window {
    batches: VecDeque<Batch>,
    first: u64,
    end: u64,
    bytes: usize,
}

impl Window {
    /// Appends messages that are about to be sent.
    pub(crate) fn push(&mut self, messages: MessageBatch) {
        if messages.is_empty() {
            return;
        }
        self.end += messages.len() as u64;
        let bytes = messages.frames().len();
        self.bytes += bytes;
        self.batches.push_back(Batch {
            messages,
            end: self.end,
            bytes,
        });
    }

    /// Forgets everything before `position`, which the server has processed. Positions lie between
    /// batches; an older position changes nothing.
    pub(crate) fn confirm(&mut self, position: u64) {
        while let Some(batch) = self.batches.front()
            && batch.end <= position
        {
            self.first = batch.end;
            self.bytes -= batch.bytes;
            self.batches.pop_front();
        }
    }

    /// Forgets everything, confirmed or not.
    pub(crate) fn give_up(&mut self) {
        self.confirm(self.end);
    }

    /// Position of the oldest unconfirmed message.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// Position of the next message to come.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// Whether everything is confirmed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Whether the sink must wait for confirmations. One batch may overshoot the bounds.
    pub(crate) const fn is_full(&self) -> bool {
        self.end - self.first >= WINDOW_MESSAGES_MAX || self.bytes >= WINDOW_BYTES_MAX
    }

    /// The unconfirmed messages, batch by batch in order.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &MessageBatch> {
        self.batches.iter().map(|batch| &batch.messages)
    }

    /// The newest batch.
    pub(crate) fn newest(&self) -> Option<&MessageBatch> {
        self.batches.back().map(|batch| &batch.messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::MessageBatchBuilder;
    use proptest::prelude::*;

    fn messages(from: u64, count: u64) -> MessageBatch {
        let mut builder = MessageBatchBuilder::default();
        for i in from..from + count {
            builder.push(b"s", &i.to_le_bytes());
        }
        builder.take()
    }

    #[test]
    fn the_window_is_full_exactly_at_its_bound() {
        let mut window = Window::default();
        window.push(messages(0, WINDOW_MESSAGES_MAX - 1));
        assert!(!window.is_full());
        window.push(messages(0, 1));
        assert!(window.is_full());
        window.confirm(WINDOW_MESSAGES_MAX - 1);
        assert!(!window.is_full());

        let mut window = Window::default();
        let mut half = MessageBatchBuilder::default();
        half.push(b"", &vec![0; WINDOW_BYTES_MAX / 2]);
        let half = half.take();
        window.push(half.clone());
        assert!(!window.is_full());
        window.push(half);
        assert!(window.is_full());
    }

    proptest! {
        #[test]
        fn prop_unconfirmed_messages_stay_in_order(
            steps in proptest::collection::vec((0_u64..50, 0_u64..100), 1..100)
        ) {
            let mut window = Window::default();
            let mut ends = vec![0_u64];
            for (count, confirm) in steps {
                window.push(messages(window.end(), count));
                ends.push(window.end());
                let position = ends[usize::try_from(confirm).unwrap() % ends.len()];
                let expected = window.first().max(position);
                window.confirm(position);
                prop_assert_eq!(window.first(), expected);
                let held: Vec<u64> = window
                    .batches()
                    .flat_map(MessageBatch::iter)
                    .map(|m| u64::from_le_bytes(m.payload.try_into().unwrap()))
                    .collect();
                prop_assert_eq!(held, (window.first()..window.end()).collect::<Vec<_>>());
                prop_assert_eq!(window.is_empty(), window.first() == window.end());
            }
        }
    }
}
