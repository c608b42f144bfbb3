//! What the events of one recording say about the time that it covers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rustc_hash::FxHashMap;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::{Event, EventKind, InstrumentId, SessionEvent};
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::time::{NANOS_PER_SECOND, TradingDay, UnixNanos};
use tickdeck_recording::{EventFilter, Gap, GapFinder, Recording, RecordingError, Status};

use super::spans::Span;
use crate::progress::{Position, Progress};

/// Events read at a time.
const BATCH_EVENTS: usize = 2048;
/// The kind of a source that subscribes instruments one by one.
const CTP: &str = "ctp";

/// What was observed of one recording.
#[derive(Debug, Clone)]
pub struct Observation {
    pub(super) session: String,
    pub(super) recording: PathBuf,
    pub(super) status: Status,
    pub(super) is_being_written: bool,
    pub(super) has_lost_events: bool,
    /// The instruments that were to come; `None` if it does not say that.
    pub(super) expected: Option<BTreeSet<String>>,
    pub(super) events: ObservedEvents,
}

/// What was observed of its events.
#[derive(Debug, Clone, Default)]
pub(super) struct ObservedEvents {
    pub(super) days: BTreeMap<TradingDay, ObservedDay>,
    /// The end of each is known.
    pub(super) gaps: Vec<Gap>,
    pub(super) subscribed: BTreeSet<String>,
    pub(super) refused: BTreeSet<String>,
}

/// Its events of one trading day.
#[derive(Debug, Clone, Default)]
pub(super) struct ObservedDay {
    pub(super) start: UnixNanos,
    pub(super) end: UnixNanos,
    pub(super) ticks: u64,
    pub(super) reconnects: u64,
    pub(super) instruments: BTreeMap<String, ObservedTicks>,
}

/// The ticks of one instrument on one day.
#[derive(Debug, Clone, Default)]
pub(super) struct ObservedTicks {
    pub(super) ticks: u64,
    /// Spans in which one tick followed the other soon enough, in order.
    pub(super) runs: Vec<Span>,
}

impl Observation {
    /// Reads all events of a recording. Spans without a tick count from `silent_ns` on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(
        recording: &Recording,
        calendar: &TradingCalendar,
        silent_ns: i64,
        progress: &mut dyn Progress,
    ) -> Result<Self, SourceError> {
        let mut reader = recording.reader(EventFilter::default()).read_ahead();
        let events = Observer::new(calendar, silent_ns).observe(&mut reader, progress)?;
        let manifest = recording.manifest();
        Ok(Self {
            session: recording.session().to_owned(),
            recording: recording.path().to_owned(),
            status: recording.status(),
            is_being_written: recording.is_being_written(),
            has_lost_events: manifest.is_some_and(|manifest| !manifest.lost.is_empty()),
            expected: expected(recording, &events)?,
            events,
        })
    }
}

/// The instruments that were subscribed. Other recorders than CTP's may not subscribe: then those of the
/// contract table.
fn expected(
    recording: &Recording,
    events: &ObservedEvents,
) -> Result<Option<BTreeSet<String>>, RecordingError> {
    if !events.subscribed.is_empty() {
        return Ok(Some(events.subscribed.clone()));
    }
    if recording.source().kind == CTP {
        return Ok(None);
    }
    let mut table = ContractTable::default();
    recording.contracts(&mut table)?;
    let listed = table.explicit().map(|it| it.instrument_id.clone());
    Ok(Some(listed.collect()))
}

/// Observes events in `seq` order.
pub(super) struct Observer<'a> {
    calendar: &'a TradingCalendar,
    silent_ns: i64,
    /// The trading day of an hour of receive time: it does not end within one.
    hour: Option<(i64, TradingDay)>,
    days: BTreeMap<TradingDay, Day>,
    gaps: GapFinder,
    connections: u64,
    last: UnixNanos,
    subscribed: BTreeSet<String>,
    refused: BTreeSet<String>,
}

#[derive(Default)]
struct Day {
    range: Option<Span>,
    reconnects: u64,
    instruments: FxHashMap<InstrumentId, ObservedTicks>,
}

impl<'a> Observer<'a> {
    pub(super) fn new(calendar: &'a TradingCalendar, silent_ns: i64) -> Self {
        Self {
            calendar,
            silent_ns,
            hour: None,
            days: BTreeMap::new(),
            gaps: GapFinder::default(),
            connections: 0,
            last: UnixNanos(i64::MIN),
            subscribed: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// The next event.
    fn on(&mut self, event: &Event) {
        // A clock that was set back does not make later ticks earlier ones.
        let at = event.recv_ts.max(self.last);
        self.last = at;
        self.gaps.on(event);
        let trading_day = self.trading_day(at);
        let day = self.days.entry(trading_day).or_default();
        day.range.get_or_insert((at, at)).1 = at;
        match &event.kind {
            EventKind::Tick(tick) => {
                let seen = day.instruments.entry(tick.instrument_id).or_default();
                seen.ticks += 1;
                match seen.runs.last_mut() {
                    Some(run) if at.since(run.1) <= self.silent_ns => run.1 = at,
                    _ => seen.runs.push((at, at)),
                }
            }
            EventKind::Session(SessionEvent::FrontConnected {}) => {
                day.reconnects += u64::from(self.connections > 0);
                self.connections += 1;
            }
            EventKind::Session(SessionEvent::Subscribed {
                error_id,
                instrument,
            }) => {
                let among = match error_id {
                    0 => &mut self.subscribed,
                    _ => &mut self.refused,
                };
                among.insert(instrument.clone());
            }
            EventKind::Session(_) => {}
        }
    }

    fn trading_day(&mut self, at: UnixNanos) -> TradingDay {
        let hour = at.0.div_euclid(3_600 * NANOS_PER_SECOND);
        match self.hour {
            Some((known, day)) if known == hour => day,
            _ => {
                let day = self.calendar.trading_day_of(at);
                self.hour = Some((hour, day));
                day
            }
        }
    }

    /// Observes all events of a source.
    ///
    /// # Errors
    /// When it fails.
    pub(super) fn observe(
        mut self,
        source: &mut dyn Source,
        progress: &mut dyn Progress,
    ) -> Result<ObservedEvents, SourceError> {
        let (mut batch, mut events) = (Vec::with_capacity(BATCH_EVENTS), 0);
        loop {
            batch.clear();
            source.next_batch(&mut batch, BATCH_EVENTS)?;
            let Some(last) = batch.last() else {
                return Ok(self.finish());
            };
            events += batch.len() as u64;
            progress.at(Position {
                events,
                time: Some(last.recv_ts),
                lag_ns: None,
            });
            batch.iter().for_each(|event| self.on(event));
        }
    }

    fn finish(self) -> ObservedEvents {
        let last = self.last;
        let ended = |gap: Gap| Gap {
            to: gap.to.or(Some(last)),
            ..gap
        };
        let days = self.days.into_iter();
        // A subscription that was refused once may have succeeded later.
        let refused = self.refused.difference(&self.subscribed).cloned().collect();
        ObservedEvents {
            days: days
                .map(|(trading_day, day)| (trading_day, day.finish()))
                .collect(),
            gaps: self.gaps.finish().into_iter().map(ended).collect(),
            subscribed: self.subscribed,
            refused,
        }
    }
}

impl Day {
    fn finish(self) -> ObservedDay {
        let (start, end) = self.range.unwrap_or_default();
        let instruments = self.instruments.into_iter();
        let instruments: BTreeMap<String, ObservedTicks> = instruments
            .map(|(id, ticks)| (id.to_string(), ticks))
            .collect();
        ObservedDay {
            start,
            end,
            ticks: instruments.values().map(|it| it.ticks).sum(),
            reconnects: self.reconnects,
            instruments,
        }
    }
}
