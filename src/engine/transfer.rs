//! Moves all events of a source as fast as they come, with progress, until the end or a stop.

use tickdeck_core::event::Event;
use tickdeck_core::source::{Source, SourceError};

use crate::control::Control;
use crate::progress::{Position, Progress};

/// Events moved at a time.
const BATCH_EVENTS: usize = 4096;

/// Why a transfer did not reach the end of its source.
pub(crate) enum TransferError<E> {
    /// The source cannot continue.
    Source(SourceError),
    /// The receiver cannot continue.
    Receiver(E),
    /// The control was stopped after this many events.
    Interrupted(u64),
}

/// Hands every batch of `source` to `receive`. The progress is finished in any case.
pub(crate) fn transfer<E>(
    source: &mut dyn Source,
    progress: &mut dyn Progress,
    control: &Control,
    receive: &mut dyn FnMut(&[Event]) -> Result<(), E>,
) -> Result<(), TransferError<E>> {
    let moved = transfer_all(source, progress, control, receive);
    progress.finish();
    moved
}

fn transfer_all<E>(
    source: &mut dyn Source,
    progress: &mut dyn Progress,
    control: &Control,
    receive: &mut dyn FnMut(&[Event]) -> Result<(), E>,
) -> Result<(), TransferError<E>> {
    let mut batch: Vec<Event> = Vec::with_capacity(BATCH_EVENTS);
    let mut events = 0;
    loop {
        batch.clear();
        let read = source.next_batch(&mut batch, BATCH_EVENTS);
        read.map_err(TransferError::Source)?;
        if batch.is_empty() {
            return Ok(());
        }
        receive(&batch).map_err(TransferError::Receiver)?;
        events += batch.len() as u64;
        progress.at(Position {
            events,
            time: batch.last().map(|event| event.recv_ts),
            lag_ns: None,
        });
        if control.is_stopped() {
            return Err(TransferError::Interrupted(events));
        }
    }
}
