//! The messages of a run that may have to be sent, or sent again, in order.
//!
//! Positions count the messages of the run from 0. Acknowledged messages are kept as well, up to a
//! number of bytes: a server that is restored from an older copy needs them again.

use std::collections::VecDeque;

use crate::sink::{MessageBatch, MessageRef};

#[derive(Debug)]
struct Batch {
    messages: MessageBatch,
    /// Position of its first message.
    start: u64,
    /// Bytes of all messages of the run before it.
    bytes_before: u64,
}

impl Batch {
    fn end(&self) -> u64 {
        self.start + self.messages.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.messages.frames().len() as u64
    }
}

/// Messages, oldest first.
#[derive(Debug, Default)]
pub(super) struct Retained {
    batches: VecDeque<Batch>,
    end: u64,
    /// Bytes of all messages of the run so far.
    bytes: u64,
}

impl Retained {
    /// Appends messages.
    pub(super) fn push(&mut self, messages: MessageBatch) {
        if messages.is_empty() {
            return;
        }
        let batch = Batch {
            messages,
            start: self.end,
            bytes_before: self.bytes,
        };
        self.end = batch.end();
        self.bytes += batch.bytes();
        self.batches.push_back(batch);
    }

    /// Forgets the oldest messages before `position` while all together have more than `bytes_max`.
    pub(super) fn trim(&mut self, position: u64, bytes_max: u64) {
        while let Some(oldest) = self.batches.front()
            && self.bytes - oldest.bytes_before > bytes_max
            && oldest.end() <= position
        {
            self.batches.pop_front();
        }
    }

    /// Position of the oldest message.
    pub(super) fn first(&self) -> u64 {
        self.batches.front().map_or(self.end, |batch| batch.start)
    }

    /// Position of the next message to come.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of the messages from `position` on. A batch counts whole.
    pub(super) fn bytes_from(&self, position: u64) -> u64 {
        let batch = self.batches.get(self.index(position));
        batch.map_or(0, |batch| self.bytes - batch.bytes_before)
    }

    /// Index of the oldest batch that ends after `position`.
    fn index(&self, position: u64) -> usize {
        self.batches
            .partition_point(|batch| batch.end() <= position)
    }

    fn find(&self, position: u64) -> Option<&Batch> {
        let batch = self.batches.get(self.index(position));
        batch.filter(|batch| batch.start <= position)
    }

    /// At most `count` messages from `position` on.
    pub(super) fn run(&self, mut position: u64, mut count: u64) -> Vec<MessageBatch> {
        let mut parts = Vec::new();
        while count > 0
            && let Some(batch) = self.find(position)
        {
            let wanted = usize::try_from(count).unwrap_or(usize::MAX);
            let part = batch.messages.range(offset(batch, position), wanted);
            position += part.len() as u64;
            count -= part.len() as u64;
            parts.push(part);
        }
        parts
    }

    /// One message.
    pub(super) fn get(&self, position: u64) -> Option<MessageRef<'_>> {
        let batch = self.find(position)?;
        batch.messages.get(offset(batch, position))
    }
}

fn offset(batch: &Batch, position: u64) -> usize {
    usize::try_from(position - batch.start).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::MessageBatchBuilder;

    fn messages(from: u8, count: u8) -> MessageBatch {
        let mut builder = MessageBatchBuilder::default();
        for i in from..from + count {
            builder.push(b"s", &[i]);
        }
        builder.take()
    }

    #[test]
    fn messages_are_found_by_position_until_they_are_trimmed() {
        let mut retained = Retained::default();
        for (from, count) in [(0, 3), (3, 1), (4, 6)] {
            retained.push(messages(from, count));
        }
        assert_eq!((retained.first(), retained.end()), (0, 10));
        for position in 0..10 {
            let found = retained.get(u64::from(position)).unwrap();
            assert_eq!(found.payload, [position]);
        }
        let lengths = |position, count| -> Vec<usize> {
            let parts = retained.run(position, count);
            parts.iter().map(MessageBatch::len).collect()
        };
        assert_eq!(lengths(5, 100), [5]);
        assert_eq!(lengths(2, 4), [1, 1, 2]);
        assert_eq!(lengths(10, 1), [0_usize; 0]);
        assert!(retained.get(10).is_none());
        retained.trim(3, u64::MAX);
        assert_eq!(retained.first(), 0, "there is room");
        retained.trim(3, 0);
        assert_eq!(retained.first(), 3, "nothing before 3 is needed");
        assert!(retained.get(2).is_none());
        retained.trim(7, 0);
        assert_eq!(retained.first(), 4, "a batch is kept whole");
        assert_eq!(retained.bytes_from(8), retained.bytes_from(4));
    }
}
