//! The sessions of a catalogue, each in one line: what the manifests say, without opening a segment.
//!
//! Only a session that is unfinished is read further: its journal has what the manifest has not.
//!
//! ```
//! use std::path::Path;
//!
//! use tickdeck::listing::{ListOptions, Lister};
//! use tickdeck::recording::Catalog;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = tempfile::tempdir()?;
//! # let root: &Path = root.path();
//! let wanted = ListOptions {
//!     symbols: vec!["rb*".to_owned()],
//!     ..ListOptions::default()
//! };
//! let lister = Lister::new(&wanted)?;
//! for entry in &Catalog::open(root)?.entries {
//!     if let Some(line) = lister.line(entry)? {
//!         println!("{} {} {}", entry.trading_day, entry.session, line.ticks);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::NaiveDate;
use tickdeck_core::contract::{ContractTable, Exchange};
use tickdeck_core::event::InstrumentId;
use tickdeck_core::select::{SymbolGlobError, SymbolGlobs};
use tickdeck_core::thread::spawn_scoped;
use tickdeck_core::time::TradingDay;
use tickdeck_recording::storage::{Storage, local};
use tickdeck_recording::{
    CatalogEntry, EventFilter, GapFinder, Manifest, Recording, RecordingError, Status, Stored,
};

use crate::reference::Reference;

/// Sessions on a server that are looked at at once: each waits for an answer most of the time.
const MOST_AT_ONCE: usize = 16;

/// Events read at a time.
const BATCH_EVENTS: usize = 4096;

/// The state of a session, with that of its writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Finished.
    Complete,
    /// Sealed after a crash; the tail may be lost.
    Recovered,
    /// A writer has it.
    BeingWritten,
    /// Its writer was killed.
    Killed,
    /// Its files are not what its manifest says, or it cannot be opened.
    Damaged,
}

impl SessionState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Complete,
        Self::Recovered,
        Self::BeingWritten,
        Self::Killed,
        Self::Damaged,
    ];

    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Recovered => "recovered",
            Self::BeingWritten => "being written",
            Self::Killed => "killed",
            Self::Damaged => "damaged",
        }
    }
}

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
    /// Number of spans in which ticks are missing; `None` if that is not known without reading the events:
    /// an older tickdeck wrote the manifest, or the session is damaged.
    pub gaps: Option<u64>,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

impl SessionLine {
    /// Its state in one word.
    #[must_use]
    pub const fn state(&self) -> SessionState {
        match (self.status, self.is_being_written) {
            (Status::Complete, _) => SessionState::Complete,
            (Status::Recovered, _) => SessionState::Recovered,
            (Status::Recording, true) => SessionState::BeingWritten,
            (Status::Recording, false) => SessionState::Killed,
            (Status::Damaged, _) => SessionState::Damaged,
        }
    }
}

/// Which sessions are listed. Empty lists select all.
///
/// A session that cannot be read may have any instrument: it is listed for every exchange and symbol.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// With an instrument of one of these exchanges.
    pub exchanges: Vec<Exchange>,
    /// With an instrument that matches one of these patterns, such as `rb*` or `*.CFFEX`.
    pub symbols: Vec<String>,
    /// In one of these states.
    pub states: Vec<SessionState>,
}

/// Lists sessions.
#[derive(Debug)]
pub struct Lister {
    storage: Arc<dyn Storage>,
    /// For manifests that do not name their exchanges.
    contracts: ContractTable,
    symbols: SymbolGlobs,
    wanted: ListOptions,
}

impl Lister {
    /// Lists the sessions that `wanted` selects, of the local file system.
    ///
    /// # Errors
    /// When a pattern is not valid.
    pub fn new(wanted: &ListOptions) -> Result<Self, SymbolGlobError> {
        Self::new_in(local(), wanted)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn new_in(
        storage: Arc<dyn Storage>,
        wanted: &ListOptions,
    ) -> Result<Self, SymbolGlobError> {
        Ok(Self {
            storage,
            contracts: ContractTable::builtin(),
            symbols: SymbolGlobs::new(&wanted.symbols)?,
            wanted: wanted.clone(),
        })
    }

    /// Looks at a session. One that cannot be read says why. `None` if it is not selected.
    ///
    /// # Errors
    /// When its folder cannot be listed.
    pub fn line(&self, entry: &CatalogEntry) -> Result<Option<SessionLine>, RecordingError> {
        let files = self.files(entry)?;
        let mut line = SessionLine {
            stored: Stored {
                recording: entry.folder.clone(),
                session: entry.session.clone(),
                trading_day: Some(entry.trading_day),
                end: None,
                bytes: files.values().sum(),
            },
            status: Status::Damaged,
            is_being_written: false,
            exchanges: Vec::new(),
            symbols: 0,
            ticks: 0,
            gaps: None,
            problem: None,
        };
        let is_selected = match self.read(&mut line, entry, &files) {
            Ok(manifest) => self.selects(&line, entry, manifest.as_ref()),
            Err(error) => {
                line.status = Status::Damaged;
                line.problem = Some(error.to_string());
                true
            }
        };
        let states = &self.wanted.states;
        let is_wanted = states.is_empty() || states.contains(&line.state());
        Ok((is_selected && is_wanted).then_some(line))
    }

    /// Looks at several sessions, on a server at several at once. In the order of the entries.
    #[must_use]
    pub fn lines(
        &self,
        entries: &[&CatalogEntry],
    ) -> Vec<Result<Option<SessionLine>, RecordingError>> {
        let at_once = match self.storage.is_remote() {
            true => MOST_AT_ONCE.min(entries.len()),
            false => 1,
        };
        let lines: Vec<OnceLock<_>> = entries.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        let look = || {
            while let Some((entry, line)) = at(entries, &lines, &next) {
                // Each is taken once.
                let _ = line.set(self.line(entry));
            }
        };
        std::thread::scope(|scope| {
            // Where the system gives no thread, this one does the work.
            let started = (1..at_once).map(|_| spawn_scoped(scope, "listing", look));
            let started: Vec<_> = started.collect();
            look();
            drop(started);
        });
        let lines = entries.iter().zip(lines);
        lines
            .map(|(entry, line)| line.into_inner().unwrap_or_else(|| self.line(entry)))
            .collect()
    }

    /// The files of a session with their sizes. One that goes meanwhile is left out.
    fn files(&self, entry: &CatalogEntry) -> Result<BTreeMap<String, u64>, RecordingError> {
        let names = self.storage.list(&entry.folder)?.into_iter();
        let size = |name: &str| self.storage.file_bytes(&entry.folder.join(name)).ok();
        let sizes = names.filter_map(|name| Some((size(&name)?, name)));
        Ok(sizes.map(|(bytes, name)| (name, bytes)).collect())
    }

    fn read(
        &self,
        line: &mut SessionLine,
        entry: &CatalogEntry,
        files: &BTreeMap<String, u64>,
    ) -> Result<Option<Manifest>, RecordingError> {
        let folder = &entry.folder;
        let mut manifest = Manifest::read_in(&*self.storage, folder)?;
        if manifest.status == Status::Recording {
            let recording = Recording::open_in(Arc::clone(&self.storage), folder)?;
            line.is_being_written = recording.is_being_written();
            let Some(now) = recording.manifest() else {
                return Ok(None);
            };
            manifest = now.clone();
            manifest.exchanges = Some(exchanges(&recording, &manifest, entry.trading_day)?);
            manifest.gaps = Some(gaps(&recording)?);
        } else {
            self.check_segments(entry, &manifest, files)?;
        }
        line.status = manifest.status;
        line.stored.end = manifest.end;
        line.symbols = manifest.instruments.len() as u64;
        line.ticks = manifest.ticks;
        line.gaps = manifest.gaps;
        line.exchanges = match &manifest.exchanges {
            Some(exchanges) => exchanges.clone(),
            None => known_exchanges(&self.contracts, &manifest, entry.trading_day),
        };
        Ok(Some(manifest))
    }

    /// Compares the sizes of the segments with the manifest.
    fn check_segments(
        &self,
        entry: &CatalogEntry,
        manifest: &Manifest,
        files: &BTreeMap<String, u64>,
    ) -> Result<(), RecordingError> {
        let differs = |file: &str, bytes| files.get(file) != Some(&bytes);
        let mut segments = manifest.segments.iter();
        let Some(segment) = segments.find(|it| differs(&it.file, it.bytes)) else {
            return Ok(());
        };
        // It may not be fetched, or a link may lead nowhere: that is said first.
        Recording::open_in(Arc::clone(&self.storage), &entry.folder)?;
        let problem = match files.get(&segment.file) {
            Some(found) => format!("it has {found} bytes, expected {}", segment.bytes),
            None => "it is missing".to_owned(),
        };
        Err(RecordingError::Damaged {
            path: entry.folder.join(&segment.file),
            problem,
        })
    }

    /// Whether the exchanges and instruments of a session are wanted.
    fn selects(
        &self,
        line: &SessionLine,
        entry: &CatalogEntry,
        manifest: Option<&Manifest>,
    ) -> bool {
        let wanted = &self.wanted.exchanges;
        let is_exchange =
            wanted.is_empty() || line.exchanges.iter().any(|one| wanted.contains(one));
        let day = Some(TradingDay(entry.trading_day));
        let is_wanted = |id: &String| {
            let contract = self.contracts.resolve_on(id.as_bytes(), day);
            let exchange = contract.ok().map(|contract| contract.exchange);
            self.symbols.matches(id.as_bytes(), exchange)
        };
        let mut instruments = manifest.iter().flat_map(|it| it.instruments.keys());
        is_exchange && (self.symbols.selects_all() || instruments.any(is_wanted))
    }
}

/// The next entry, and the place of its line.
fn at<'a, T>(
    entries: &[&'a CatalogEntry],
    lines: &'a [T],
    next: &AtomicUsize,
) -> Option<(&'a CatalogEntry, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    entries.get(index).copied().zip(lines.get(index))
}

/// The exchanges of the instruments that the recording's contract table knows.
fn exchanges(
    recording: &Recording,
    manifest: &Manifest,
    day: NaiveDate,
) -> Result<Vec<Exchange>, RecordingError> {
    let reference = Reference::of_recordings(std::slice::from_ref(recording))?;
    Ok(known_exchanges(&reference.contracts, manifest, day))
}

fn known_exchanges(
    contracts: &ContractTable,
    manifest: &Manifest,
    day: NaiveDate,
) -> Vec<Exchange> {
    let day = Some(TradingDay(day));
    let resolve = |id: &String| contracts.resolve_on(id.as_bytes(), day).ok();
    let known = manifest.instruments.keys().filter_map(resolve);
    let exchanges: BTreeSet<Exchange> = known.map(|contract| contract.exchange).collect();
    exchanges.into_iter().collect()
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

#[cfg(test)]
mod tests;
