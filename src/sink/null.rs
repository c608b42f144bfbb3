//! Takes everything and keeps nothing: for dry runs and for measuring what comes before.

use super::{Message, Sink, SinkCounts, SinkError};

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

    fn publish(&mut self, messages: &[Message]) -> Result<(), SinkError> {
        self.taken += messages.len() as u64;
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
    use bytes::Bytes;

    #[test]
    fn null_confirms_what_it_took() {
        let message = Message {
            subject: Bytes::from_static(b"a"),
            payload: Bytes::new(),
        };
        let mut sink = Box::new(NullSink::new());
        sink.publish(&[message.clone(), message]).unwrap();
        assert_eq!(sink.flush().unwrap().confirmed, 2);
        assert_eq!(sink.finish().unwrap().confirmed, 2);
    }
}
