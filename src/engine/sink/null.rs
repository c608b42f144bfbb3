//! Takes everything and keeps nothing: for dry runs and for measuring the earlier stages.

use std::ops::Range;

use super::{Fate, MessageBatch, Outstanding, Sink, SinkError};

/// Confirms messages and drops them.
#[derive(Debug, Default)]
pub struct NullSink {
    outstanding: Outstanding,
}

impl NullSink {
    /// A sink that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// The sinks, or one that discards everything if there is none: what is published is counted by what
/// sinks confirm.
pub(crate) fn or_null(mut sinks: Vec<Box<dyn Sink>>) -> Vec<Box<dyn Sink>> {
    if sinks.is_empty() {
        sinks.push(Box::new(NullSink::new()));
    }
    sinks
}

impl Sink for NullSink {
    fn name(&self) -> String {
        "null".to_owned()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        self.outstanding.take(batch.len() as u64);
        self.outstanding.confirm_all();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.outstanding.report(each);
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
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
        sink.flush().unwrap();
        let mut reports = Vec::new();
        sink.settled(&mut |range, fate| reports.push((range, fate)));
        assert_eq!(reports, [(0..2, Fate::Confirmed)]);
        sink.finish().unwrap();
    }
}
