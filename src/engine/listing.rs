//! The sessions of a catalogue, each in one line: what the manifests say, without reading a tick.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use tickdeck_core::contract::Exchange;
use tickdeck_core::event::InstrumentId;
use tickdeck_core::time::TradingDay;
use tickdeck_recording::{
    CatalogEntry, EventFilter, GapFinder, Manifest, Recording, RecordingError, Status, Stored,
};

use crate::reference::Reference;

/// Events read at a time.
const BATCH_EVENTS: usize = 4096;

/// A session of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLine {
    /// Where it is: folder, trading day, session id, bytes on disk.
    pub stored: Stored,
    /// Its state; [`Status::Damaged`] if it cannot be opened.
    pub status: Status,
    /// Whether a writer has it.
    pub is_being_written: bool,
    /// The exchanges of its instruments.
    pub exchanges: Vec<Exchange>,
    /// Number of instruments.
    pub symbols: u64,
    /// Number of ticks.
    pub ticks: u64,
    /// Number of spans in which ticks are missing.
    pub gaps: u64,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

impl SessionLine {
    /// Looks at a session. One that cannot be read says why.
    ///
    /// # Errors
    /// When its folder cannot be listed.
    pub fn of(entry: &CatalogEntry) -> Result<Self, RecordingError> {
        let mut line = Self {
            stored: Stored::of_entry(entry)?,
            status: Status::Damaged,
            is_being_written: false,
            exchanges: Vec::new(),
            symbols: 0,
            ticks: 0,
            gaps: 0,
            problem: None,
        };
        if let Err(error) = line.read(entry) {
            line.status = Status::Damaged;
            line.problem = Some(error.to_string());
        }
        Ok(line)
    }

    fn read(&mut self, entry: &CatalogEntry) -> Result<(), RecordingError> {
        let recording = Recording::open(&entry.folder)?;
        self.status = recording.status();
        self.is_being_written = recording.is_being_written();
        if let Some(manifest) = recording.manifest() {
            self.symbols = manifest.instruments.len() as u64;
            self.ticks = manifest.ticks;
            self.exchanges = exchanges(&recording, manifest, entry.trading_day)?;
        }
        self.gaps = gaps(&recording)?;
        Ok(())
    }
}

/// The exchanges of the instruments that the recording's contract table knows.
fn exchanges(
    recording: &Recording,
    manifest: &Manifest,
    day: NaiveDate,
) -> Result<Vec<Exchange>, RecordingError> {
    let reference = Reference::of_recordings(std::slice::from_ref(recording))?;
    let day = Some(TradingDay(day));
    let resolve = |id: &String| reference.contracts.resolve_on(id.as_bytes(), day).ok();
    let known = manifest.instruments.keys().filter_map(resolve);
    let exchanges: BTreeSet<Exchange> = known.map(|contract| contract.exchange).collect();
    Ok(exchanges.into_iter().collect())
}

/// Counts gaps by the session events alone.
fn gaps(recording: &Recording) -> Result<u64, RecordingError> {
    let no_tick = |_: &InstrumentId| false;
    let mut reader = recording.reader(EventFilter {
        instruments: Some(Arc::new(no_tick)),
        ..EventFilter::default()
    });
    let mut finder = GapFinder::default();
    let mut batch = Vec::new();
    loop {
        batch.clear();
        reader.next_events(&mut batch, BATCH_EVENTS)?;
        if batch.is_empty() {
            return Ok(finder.finish().len() as u64);
        }
        batch.iter().for_each(|event| finder.on(event));
    }
}
