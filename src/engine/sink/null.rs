//! Takes everything and keeps nothing: for dry runs and for measuring what comes before.

use super::{MessageBatch, Sink, SinkCounts, SinkError};

/// Counts messages and forgets them.
#[derive(Debug, Default)]
pub struct NullSink {
    taken: u64,
}

impl NullSink {
    /// A sink that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Sink for NullSink {
    fn name(&self) -> String {
        "null".to_owned()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        self.taken += batch.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<SinkCounts, SinkError> {
        Ok(self.counts())
    }

    fn counts(&self) -> SinkCounts {
        SinkCounts {
            confirmed: self.taken,
            failed: 0,
        }
    }

    fn finish(self: Box<Self>) -> Result<SinkCounts, SinkError> {
        Ok(self.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::MessageBatchBuilder;

    #[test]
    fn null_confirms_what_it_took() {
        let mut builder = MessageBatchBuilder::default();
        builder.push(b"a", b"");
        builder.push(b"a", b"");
        let mut sink = Box::new(NullSink::new());
        sink.publish(&builder.take()).unwrap();
        assert_eq!(sink.flush().unwrap().confirmed, 2);
        assert_eq!(sink.finish().unwrap().confirmed, 2);
    }
}
