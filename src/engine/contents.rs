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
use tickdeck_core::time::{TradingDay, UnixNanos};
use tickdeck_recording::{
    EventDigest, EventFilter, Finding, FormatVersion, Gap, GapFinder, Manifest, MissingPart,
    Recording, RecordingError, Status,
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
    /// Whether a writer has it. False for [`Status::Recording`] after the writer was killed.
    pub is_being_written: bool,
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
        if let Some(damage) = recording.damaged_journal() {
            contents.status = Status::Damaged;
            contents.findings.push(damage);
        }
        Ok(contents)
    }

    fn of_manifest(recording: &Recording, manifest: &Manifest) -> Self {
        let findings = recording.damaged_segments();
        Self {
            session: manifest.session.clone(),
            status: if !findings.is_empty() {
                Status::Damaged
            } else {
                manifest.status
            },
            is_being_written: recording.is_being_written(),
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

    /// A lone file has no manifest: its events are counted as they are read.
    fn of_segment(recording: &Recording) -> Result<Self, RecordingError> {
        let mut bytes = 0;
        for segment in recording.segments() {
            bytes += recording.storage().open(segment)?.bytes()?;
        }
        Ok(Self {
            session: recording.session().to_owned(),
            status: Status::Complete,
            is_being_written: false,
            format_version: FormatVersion::SEGMENTS,
            source: recording.source().clone(),
            events: 0,
            ticks: 0,
            trading_days: Vec::new(),
            start: None,
            end: None,
            segments: recording.segments().len() as u64,
            bytes,
            journal_events: recording.journal_events(),
            event_digest: String::new(),
            instruments: BTreeMap::new(),
            exchanges: Vec::new(),
            gaps: Vec::new(),
            rejected: BTreeMap::new(),
            findings: Vec::new(),
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
        let mut counts = recording.manifest().is_none().then(Counts::default);
        let mut rejected = BTreeMap::new();
        let mut exchanges = BTreeSet::new();
        let mut gaps = GapFinder::default();
        let mut done = 0;
        // Without a manifest, damage shows only now.
        let missing = each_batch(recording, counts.is_some(), &mut |events| {
            for event in events {
                if let Some(counts) = &mut counts {
                    counts.add(event, &reference.calendar);
                }
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
        if let Some(counts) = counts {
            self.events = done;
            counts.give_to(self);
        }
        if !missing.is_empty() {
            self.status = Status::Damaged;
            self.findings = missing;
            return Ok(());
        }
        self.gaps = gaps.finish();
        self.exchanges = exchanges.into_iter().collect();
        if self.status == Status::Complete {
            self.rejected = rejected;
        }
        Ok(())
    }
}

/// What a manifest says about the ticks.
#[derive(Default)]
struct Counts {
    digest: EventDigest,
    ticks: u64,
    instruments: BTreeMap<String, u64>,
    days: BTreeSet<TradingDay>,
}

impl Counts {
    fn add(&mut self, event: &Event, calendar: &TradingCalendar) {
        self.digest.update(event);
        if let Some(tick) = event.as_tick() {
            self.ticks += 1;
            let id = tick.instrument_id.to_string();
            *self.instruments.entry(id).or_default() += 1;
            self.days.insert(calendar.trading_day_of(event.recv_ts));
        }
    }

    fn give_to(self, contents: &mut Contents) {
        contents.ticks = self.ticks;
        contents.instruments = self.instruments;
        contents.trading_days = self.days.iter().map(ToString::to_string).collect();
        contents.event_digest = self.digest.finish();
    }
}

/// Reads all events. With `salvage` it skips damaged parts and returns them.
fn each_batch(
    recording: &Recording,
    salvage: bool,
    visit: &mut dyn FnMut(&[Event]),
) -> Result<Vec<Finding>, RecordingError> {
    let mut reader = recording.reader(EventFilter::default()).salvage(salvage);
    let mut batch = Vec::with_capacity(BATCH_EVENTS);
    loop {
        batch.clear();
        reader.next_events(&mut batch, BATCH_EVENTS)?;
        if batch.is_empty() {
            let finding = |part: &MissingPart| Finding {
                file: part.path.clone(),
                problem: part.problem.clone(),
            };
            return Ok(reader.missing().iter().map(finding).collect());
        }
        visit(&batch);
    }
}
