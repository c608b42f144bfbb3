//! What is in a recording: counts, times, instruments, gaps, and the ticks that a replay rejects.
//!
//! ```
//! use tickdeck::contents::Contents;
//! use tickdeck::progress::Silent;
//! use tickdeck::recording::Recording;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
//! let quick = Recording::open(path.as_ref())?;
//! let contents = Contents::read(&quick, &mut Silent)?;
//! assert_eq!(contents.ticks, 918);
//! assert!(contents.gaps.is_empty() && contents.findings.is_empty());
//! # Ok(())
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::Exchange;
use tickdeck_core::event::Event;
use tickdeck_core::source::SourceInfo;
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{
    EventFilter, Finding, FormatVersion, Gap, GapFinder, Manifest, Recording, RecordingError,
    Status, verify,
};

use crate::normalize::{Normalizer, Outcome};
use crate::progress::{Position, Progress};
use crate::reference::Reference;

/// Events read at a time.
const BATCH_EVENTS: usize = 4096;

/// What is in a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Session id.
    pub session: String,
    /// Its state; damaged if there are findings.
    pub status: Status,
    /// Version of the format.
    pub format_version: FormatVersion,
    /// Where its events came from.
    pub source: SourceInfo,
    /// Number of events.
    pub events: u64,
    /// Events that are ticks.
    pub ticks: u64,
    /// The trading days, in order.
    pub trading_days: Vec<String>,
    /// Earliest receive time.
    pub start: Option<UnixNanos>,
    /// Latest receive time.
    pub end: Option<UnixNanos>,
    /// Number of segments.
    pub segments: u64,
    /// Bytes of the segments.
    pub bytes: u64,
    /// Events that are in the journal and in no segment.
    pub journal_events: u64,
    /// BLAKE3 of the events, hex.
    pub event_digest: String,
    /// Ticks of each instrument, by id.
    pub instruments: BTreeMap<String, u64>,
    /// Exchanges of the ticks that a replay publishes. Empty if there are findings, as are `gaps`.
    pub exchanges: Vec<Exchange>,
    /// Spans in which ticks are missing.
    pub gaps: Vec<Gap>,
    /// Ticks that a replay rejects, by reason. Empty unless the recording is complete.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Differences from what was written.
    pub findings: Vec<Finding>,
}

impl Contents {
    /// Reads the whole recording. Damage is a finding, not an error.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(
        recording: &Recording,
        progress: &mut dyn Progress,
    ) -> Result<Self, RecordingError> {
        let contents = Self::read_all(recording, progress);
        progress.finish();
        contents
    }

    fn read_all(
        recording: &Recording,
        progress: &mut dyn Progress,
    ) -> Result<Self, RecordingError> {
        let mut contents = match recording.manifest() {
            Some(manifest) => Self::of_manifest(recording, manifest),
            None => Self::of_segment(recording)?,
        };
        let range = recording.time_range()?;
        contents.start = range.map(|(start, _)| start);
        contents.end = range.map(|(_, end)| end);
        if contents.findings.is_empty() {
            contents.add_events(recording, progress)?;
        }
        Ok(contents)
    }

    fn of_manifest(recording: &Recording, manifest: &Manifest) -> Self {
        let findings = recording.damaged_segments();
        Self {
            session: manifest.session.clone(),
            status: if !findings.is_empty() {
                Status::Damaged
            } else if recording.is_abandoned() {
                Status::Unfinished
            } else {
                manifest.status
            },
            format_version: manifest.format_version,
            source: recording.source().clone(),
            events: manifest.events,
            ticks: manifest.ticks,
            trading_days: manifest.trading_days.clone(),
            start: None,
            end: None,
            segments: manifest.segments.len() as u64,
            bytes: manifest.segments.iter().map(|segment| segment.bytes).sum(),
            journal_events: recording.journal_events(),
            event_digest: manifest.digest.clone(),
            instruments: manifest.instruments.clone(),
            exchanges: Vec::new(),
            gaps: Vec::new(),
            rejected: BTreeMap::new(),
            findings,
        }
    }

    /// A lone segment has no manifest, so all of it is read.
    fn of_segment(recording: &Recording) -> Result<Self, RecordingError> {
        let report = verify(recording, &mut |_| {});
        let calendar = TradingCalendar::builtin();
        let mut instruments = BTreeMap::new();
        let mut days = BTreeSet::new();
        each_batch(recording, &mut |events| {
            for event in events {
                if let Some(tick) = event.as_tick() {
                    let id = tick.instrument_id.to_string();
                    *instruments.entry(id).or_default() += 1;
                    days.insert(calendar.trading_day_of(event.recv_ts));
                }
            }
        })?;
        let mut bytes = 0;
        for segment in recording.segments() {
            let found = std::fs::metadata(segment).map_err(|source| RecordingError::Io {
                path: segment.clone(),
                doing: "reading",
                source,
            })?;
            bytes += found.len();
        }
        Ok(Self {
            session: recording.session().to_owned(),
            status: if report.is_intact() {
                Status::Complete
            } else {
                Status::Damaged
            },
            format_version: FormatVersion::CURRENT,
            source: recording.source().clone(),
            events: report.events,
            ticks: report.ticks,
            trading_days: days.iter().map(ToString::to_string).collect(),
            start: None,
            end: None,
            segments: recording.segments().len() as u64,
            bytes,
            journal_events: 0,
            event_digest: report.digest,
            instruments,
            exchanges: Vec::new(),
            gaps: Vec::new(),
            rejected: BTreeMap::new(),
            findings: report.findings,
        })
    }

    /// Adds what only the events themselves say: the gaps, and what a replay would do with the ticks,
    /// by running the normalizer.
    fn add_events(
        &mut self,
        recording: &Recording,
        progress: &mut dyn Progress,
    ) -> Result<(), RecordingError> {
        let reference = Reference::of_recordings(std::slice::from_ref(recording))?;
        let mut normalizer = Normalizer::new(
            Arc::clone(&reference.contracts),
            Arc::clone(&reference.calendar),
            reference.receive_times,
        );
        let mut rejected = BTreeMap::new();
        let mut exchanges = BTreeSet::new();
        let mut gaps = GapFinder::default();
        let mut done = 0;
        each_batch(recording, &mut |events| {
            for event in events {
                gaps.on(event);
                match normalizer.apply(event) {
                    Outcome::Rejected { reason, .. } => {
                        *rejected.entry(reason.as_str()).or_insert(0) += 1;
                    }
                    Outcome::Tick(tick) => {
                        exchanges.insert(tick.instrument.contract.exchange);
                    }
                    Outcome::Session => {}
                }
            }
            done += events.len() as u64;
            progress.at(Position {
                events: done,
                time: events.last().map(|event| event.recv_ts),
                lag_ns: None,
            });
        })?;
        self.gaps = gaps.finish();
        self.exchanges = exchanges.into_iter().collect();
        if self.status == Status::Complete {
            self.rejected = rejected;
        }
        Ok(())
    }
}

fn each_batch(
    recording: &Recording,
    visit: &mut dyn FnMut(&[Event]),
) -> Result<(), RecordingError> {
    let mut reader = recording.reader(EventFilter::default());
    let mut batch = Vec::with_capacity(BATCH_EVENTS);
    loop {
        batch.clear();
        reader.next_events(&mut batch, BATCH_EVENTS)?;
        if batch.is_empty() {
            return Ok(());
        }
        visit(&batch);
    }
}
