//! A source on its own thread, some batches ahead of its consumer.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Source, SourceError};
use crate::event::Event;
use crate::thread;

/// Batches fetched ahead.
const BATCHES: usize = 4;
/// Events of a batch.
const BATCH_EVENTS: usize = 1024;

/// Fetches from another source ahead of demand. Useful for sources that compute or wait much; one
/// that only reads memory is faster on the thread that uses its events.
#[derive(Debug)]
pub struct AheadSource {
    batches: Receiver<Result<Vec<Event>, SourceError>>,
    spares: Sender<Vec<Event>>,
    /// The batch being handed out, last event first.
    current: Vec<Event>,
}

impl AheadSource {
    /// Starts fetching from `source`. The thread ends with the source, or when this is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(source: Box<dyn Source>) -> std::io::Result<Self> {
        let (sender, batches) = bounded(BATCHES);
        let (spares, recycled) = bounded(BATCHES + 2);
        thread::spawn("source", move || fetch(source, &sender, &recycled))?;
        Ok(Self {
            batches,
            spares,
            current: Vec::new(),
        })
    }
}

impl Source for AheadSource {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        if self.current.is_empty() {
            // A closed channel is the end.
            let Ok(fetched) = self.batches.recv() else {
                return Ok(());
            };
            let spare = std::mem::replace(&mut self.current, fetched?);
            // A full channel only means that the buffer is not needed.
            let _ = self.spares.try_send(spare);
            self.current.reverse();
        }
        let rest = self.current.len().saturating_sub(max);
        batch.extend(self.current.drain(rest..).rev());
        Ok(())
    }
}

/// Fills buffers until the end, an error, or until the receiver is gone.
fn fetch(
    mut source: Box<dyn Source>,
    batches: &Sender<Result<Vec<Event>, SourceError>>,
    recycled: &Receiver<Vec<Event>>,
) {
    loop {
        let mut batch = recycled
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(BATCH_EVENTS));
        let fetched = source.next_batch(&mut batch, BATCH_EVENTS);
        let is_end = batch.is_empty();
        if !is_end && batches.send(Ok(batch)).is_err() {
            return;
        }
        match fetched {
            Err(error) => {
                // The receiver is gone: drop the result.
                let _ = batches.send(Err(error));
                return;
            }
            Ok(()) if is_end => return,
            Ok(()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceErrorKind;
    use crate::source::tests::{VecSource, drain, note};

    fn seqs(events: &[Event]) -> Vec<u64> {
        events.iter().map(|event| event.seq.0).collect()
    }

    #[test]
    fn order_is_independent_of_the_batch_size() {
        for max in [1, 7, 1024, 5000] {
            let events: Vec<Event> = (0..3000).map(|seq| note(seq, 0)).collect();
            let mut ahead = AheadSource::new(Box::new(VecSource::new(events))).unwrap();
            assert_eq!(seqs(&drain(&mut ahead, max)), Vec::from_iter(0..3000));
        }
    }

    struct Failing(VecSource);

    impl Source for Failing {
        fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
            self.0.next_batch(batch, max)?;
            Err(SourceError::new(SourceErrorKind::Failed, "over"))
        }
    }

    #[test]
    fn events_before_an_error_are_delivered_first() {
        let events: Vec<Event> = (0..5).map(|seq| note(seq, 0)).collect();
        let mut ahead = AheadSource::new(Box::new(Failing(VecSource::new(events)))).unwrap();
        let mut batch = Vec::new();
        ahead.next_batch(&mut batch, 100).unwrap();
        assert_eq!(seqs(&batch), [0, 1, 2, 3, 4]);
        let error = ahead.next_batch(&mut batch, 100).unwrap_err();
        assert_eq!(error.to_string(), "over");
        assert_eq!(batch.len(), 5);
    }
}
