//! The sinks of a session: every batch goes to each of them, and their results become one count.
//!
//! The publisher hands over, and may wait while a sink has no room. Other threads read the counts
//! at any time. They also settle what a sink has reported meanwhile, so that the counts are current
//! while nothing is published.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::settlement::{Settlement, SlotCounts};
use crate::encode::control::EndMarker;
use crate::sink::{Fate, MessageBatch, MessageBatchBuilder, Sink, SinkError};

/// Sinks that are shared with the readers of the counts.
pub(super) struct Fanout {
    outlets: Vec<Mutex<Outlet>>,
    settlement: Mutex<Settlement>,
    /// Sinks that no reader has closed.
    open: AtomicUsize,
    /// Whether the run is recorded as well.
    is_recorded: AtomicBool,
}

/// One sink.
struct Outlet {
    /// `None` when it is closed.
    sink: Option<Box<dyn Sink>>,
    /// Whether the reader of its output closed it. Nothing more is expected of it then.
    is_abandoned: bool,
    /// Positions reported so far.
    reported: u64,
    /// Whether its last report was taken: what follows is not a tick.
    is_settled: bool,
}

/// What a batch is to a sink.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Ticks, and control messages in their order.
    Stream,
    /// The end marker, which a sink may still send after a failure.
    End,
}

impl Outlet {
    /// The one way for messages to a sink. A closed sink takes nothing.
    fn hand_over(&mut self, batch: &MessageBatch, kind: Kind) -> Result<(), SinkError> {
        match (&mut self.sink, kind) {
            (Some(sink), Kind::Stream) => sink.publish(batch),
            (Some(sink), Kind::End) => sink.announce(batch),
            (None, _) => Ok(()),
        }
    }
}

/// The end marker of a replay, and its subject.
pub(super) struct End {
    pub(super) subject: String,
    pub(super) marker: EndMarker,
}

impl Fanout {
    pub(super) fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        let outlet = |sink| {
            Mutex::new(Outlet {
                sink: Some(sink),
                is_abandoned: false,
                reported: 0,
                is_settled: false,
            })
        };
        Self {
            settlement: Mutex::new(Settlement::of(sinks.len())),
            open: AtomicUsize::new(sinks.len()),
            is_recorded: AtomicBool::new(false),
            outlets: sinks.into_iter().map(outlet).collect(),
        }
    }

    /// The run is recorded as well.
    pub(super) fn set_recorded(&self) {
        self.is_recorded.store(true, Ordering::Relaxed);
    }

    /// Hands a batch to every sink. `slots` are the ledger slots of its messages.
    ///
    /// # Errors
    /// When a sink cannot continue. The sinks after it have not received the batch then.
    pub(super) fn publish(
        &self,
        batch: &MessageBatch,
        slots: impl IntoIterator<Item = Option<usize>>,
    ) -> Result<(), SinkError> {
        let mut settlement = self.settlement();
        slots.into_iter().for_each(|slot| settlement.expect(slot));
        drop(settlement);
        self.each_outlet(|outlet| outlet.hand_over(batch, Kind::Stream))
    }

    /// Looks whether every sink can continue.
    ///
    /// # Errors
    /// When one cannot.
    pub(super) fn check(&self) -> Result<(), SinkError> {
        self.each_outlet(|outlet| outlet.sink.as_mut().map_or(Ok(()), |sink| sink.check()))
    }

    fn each_outlet(
        &self,
        act: impl Fn(&mut Outlet) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        for outlet in &self.outlets {
            let mut outlet = lock(outlet);
            match act(&mut outlet) {
                Err(SinkError::BrokenPipe) if self.has_other_outputs() => {
                    self.abandon(&mut outlet);
                }
                result => result?,
            }
            self.settle(&mut outlet);
        }
        Ok(())
    }

    /// Whether the run has more than one output left.
    fn has_other_outputs(&self) -> bool {
        self.is_recorded.load(Ordering::Relaxed) || self.open.load(Ordering::Relaxed) > 1
    }

    /// Closes a sink whose reader has closed the pipe. That is not a failure of its messages: the
    /// other sinks decide.
    fn abandon(&self, outlet: &mut Outlet) {
        if let Some(sink) = outlet.sink.take() {
            outlet.is_abandoned = true;
            self.open.fetch_sub(1, Ordering::Relaxed);
            tracing::info!(
                event = "sink_closed",
                sink = sink.name(),
                "the reader closed the pipe; the other outputs continue"
            );
        }
    }

    /// What every sink together has published and failed so far. A sink that is just being handed
    /// something is passed over: it settles right after.
    pub(super) fn counts(&self) -> SlotCounts {
        for outlet in &self.outlets {
            match outlet.try_lock() {
                Ok(mut outlet) => self.settle(&mut outlet),
                Err(TryLockError::Poisoned(poisoned)) => self.settle(&mut poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.settlement().total()
    }

    fn settle(&self, outlet: &mut Outlet) {
        if outlet.is_settled {
            return;
        }
        let mut settlement = self.settlement();
        let reported = &mut outlet.reported;
        if let Some(sink) = &mut outlet.sink {
            sink.settled(&mut |range, fate| {
                *reported += range.end - range.start;
                settlement.settle(range, fate);
            });
        } else if outlet.is_abandoned {
            // Its reader took messages in order, so those that it has not reported are the last.
            let end = settlement.end();
            settlement.settle(*reported..end, Fate::Confirmed);
            *reported = end;
        }
    }

    /// Waits for every sink, sends the end marker through those that wait for it, and closes the
    /// sinks when the run is `complete`. Otherwise files are taken back, so that nothing
    /// half-written is left. Unconfirmed messages have failed then. Returns the counts by ledger
    /// slot, and the first error.
    pub(super) fn finish(
        &self,
        complete: bool,
        end: Option<&End>,
    ) -> (Vec<SlotCounts>, Option<SinkError>) {
        let mut first_error = None;
        for index in 0..self.outlets.len() {
            if let Err(error) = self.finish_one(index, complete, end) {
                first_error.get_or_insert(error);
            }
        }
        (self.settlement().close().to_vec(), first_error)
    }

    fn finish_one(&self, index: usize, complete: bool, end: Option<&End>) -> Result<(), SinkError> {
        let mut flushed = self.flush(index);
        let mut outlet = lock(&self.outlets[index]);
        if matches!(flushed, Err(SinkError::BrokenPipe)) && self.has_other_outputs() {
            self.abandon(&mut outlet);
            flushed = Ok(());
        }
        self.settle(&mut outlet);
        outlet.is_settled = true;
        drop(outlet);
        let is_announced = end.is_none_or(|end| self.announce(index, end, flushed.is_ok()));
        let sink = lock(&self.outlets[index]).sink.take();
        match (flushed, sink) {
            // Where the marker is refused, the ticks have still arrived.
            (Ok(()), Some(sink)) if complete && is_announced => sink.finish(),
            (flushed, _) => flushed,
        }
    }

    fn flush(&self, index: usize) -> Result<(), SinkError> {
        let mut outlet = lock(&self.outlets[index]);
        outlet.sink.as_mut().map_or(Ok(()), |sink| sink.flush())
    }

    /// Publishes the end marker and waits until it is confirmed, if the sink's receivers wait for
    /// one. After a failure they learn that the replay is not complete, where the sink still can.
    /// False when the marker alone failed, which is logged: every tick is confirmed already.
    fn announce(&self, index: usize, end: &End, is_whole: bool) -> bool {
        let mut outlet = lock(&self.outlets[index]);
        let limit = outlet
            .sink
            .as_ref()
            .and_then(|sink| sink.end_marker_limit());
        let Some(limit) = limit else {
            return true;
        };
        let marker = if is_whole {
            end.marker.payload(limit)
        } else {
            end.marker.clone().of_a_failed_run().payload(limit)
        };
        let announced = control_message(&end.subject, marker)
            .and_then(|batch| outlet.hand_over(&batch, Kind::End));
        match announced {
            Err(error) if is_whole => {
                tracing::warn!(
                    event = "replay_end_not_published",
                    subject = end.subject,
                    reason = %error,
                    "every tick is confirmed, but the end marker was not delivered"
                );
                false
            }
            // The failure that ended the run is reported already.
            Ok(()) | Err(_) => true,
        }
    }

    fn settlement(&self) -> MutexGuard<'_, Settlement> {
        lock(&self.settlement)
    }
}

/// A holder that panicked leaves counts that are whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A control message as a batch.
pub(super) fn control_message(
    subject: &str,
    payload: serde_json::Result<Vec<u8>>,
) -> Result<MessageBatch, SinkError> {
    let payload = payload.map_err(|error| SinkError::Io {
        target: subject.to_owned(),
        source: error.into(),
    })?;
    let mut builder = MessageBatchBuilder::default();
    builder.push(subject.as_bytes(), &payload);
    Ok(builder.take())
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::sink::{Fate, Outstanding};

    /// Its destination confirms when the test requests it.
    struct Slow {
        confirmed: Arc<AtomicU64>,
        seen: u64,
        outstanding: Outstanding,
    }

    impl Sink for Slow {
        fn name(&self) -> String {
            "slow".into()
        }

        fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
            self.outstanding.take(batch.len() as u64);
            Ok(())
        }

        fn flush(&mut self) -> Result<(), SinkError> {
            Ok(())
        }

        fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
            let confirmed = self.confirmed.load(Ordering::Relaxed);
            self.outstanding.confirm(confirmed - self.seen);
            self.seen = confirmed;
            self.outstanding.report(each);
        }

        fn finish(self: Box<Self>) -> Result<(), SinkError> {
            Ok(())
        }
    }

    #[test]
    fn a_late_confirmation_counts_without_another_message() {
        let confirmed = Arc::new(AtomicU64::new(0));
        let fanout = Fanout::new(vec![Box::new(Slow {
            confirmed: Arc::clone(&confirmed),
            seen: 0,
            outstanding: Outstanding::default(),
        })]);
        let batch = control_message("a", Ok(Vec::new())).unwrap();
        for slot in [Some(0), None, Some(1)] {
            fanout.publish(&batch, [slot]).unwrap();
        }
        assert_eq!(fanout.counts().published, 0);
        confirmed.store(2, Ordering::Relaxed);
        assert_eq!(fanout.counts().published, 1, "the second one is not a tick");
        let (by_slot, error) = fanout.finish(true, None);
        assert!(error.is_none());
        let counts: Vec<_> = by_slot.iter().map(|c| (c.published, c.failed)).collect();
        assert_eq!(counts, [(1, 0), (0, 1)]);
    }
}
