//! The selection of events that a reader yields.

use std::fmt;
use std::sync::Arc;

use tickdeck_core::event::{Event, EventKind, InstrumentId, SessionEvent, Text};
use tickdeck_core::select::Partition;
use tickdeck_core::time::UnixNanos;

/// Decides by instrument id whether a tick is wanted.
pub type InstrumentPredicate = Arc<dyn Fn(&InstrumentId) -> bool + Send + Sync>;

/// The events of a recording that are wanted. Session events pass the instrument filter, because
/// they concern the whole session. Only acknowledgements of unwanted instruments do not.
#[derive(Clone, Default)]
pub struct EventFilter {
    /// First `recv_ts` that is wanted.
    pub start: Option<UnixNanos>,
    /// End of the range: the first `recv_ts` that is not wanted.
    pub end: Option<UnixNanos>,
    /// Which instruments are wanted; `None`: all.
    pub instruments: Option<InstrumentPredicate>,
}

impl fmt::Debug for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventFilter")
            .field("start", &self.start)
            .field("end", &self.end)
            .field("instruments", &self.instruments.is_some())
            .finish()
    }
}

impl EventFilter {
    /// The same for the instruments of `partition` alone.
    #[must_use]
    pub fn within(mut self, partition: Partition) -> Self {
        let wanted = self.instruments.take();
        self.instruments = Some(Arc::new(move |id: &InstrumentId| {
            partition.has(id.as_bytes()) && wanted.as_ref().is_none_or(|wanted| wanted(id))
        }));
        self
    }

    pub(super) fn overlaps(&self, (first, last): (UnixNanos, UnixNanos)) -> bool {
        self.start.is_none_or(|start| last >= start) && self.end.is_none_or(|end| first < end)
    }

    pub(super) fn wants_time(&self, recv_ts: UnixNanos) -> bool {
        self.overlaps((recv_ts, recv_ts))
    }

    /// Whether an event is selected.
    pub(super) fn wants(&self, event: &Event) -> bool {
        self.wants_time(event.recv_ts)
            && match &event.kind {
                EventKind::Tick(tick) => self.wants_instrument(&tick.instrument_id),
                EventKind::Session(session) => self.wants_session(session),
            }
    }

    /// Whether a session event is selected, apart from its time.
    pub(super) fn wants_session(&self, session: &SessionEvent) -> bool {
        match session {
            SessionEvent::Subscribed { instrument, .. } => {
                Text::new(instrument.as_bytes()).map_or(true, |id| self.wants_instrument(&id))
            }
            _ => true,
        }
    }

    pub(super) fn wants_instrument(&self, id: &InstrumentId) -> bool {
        self.instruments.as_ref().is_none_or(|wanted| wanted(id))
    }
}
