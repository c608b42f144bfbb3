//! Recordings read together as one source.
//!
//! This module opens and combines recordings. It does not know how the paths or the selection were
//! given, and it does not report: the caller decides what an unfinished or damaged recording means.
//!
//! ```
//! use tickdeck::inputs::Inputs;
//! use tickdeck::recording::EventFilter;
//! use tickdeck::reference::Reference;
//! use tickdeck::select::{StartSpec, SymbolGlobs, WindowSpec};
//! # use tickdeck::source::Source as _;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick").into();
//! let inputs = Inputs::open(&[path])?;
//! let reference = Reference::of_recordings(&inputs.recordings)?;
//! let from_open = WindowSpec {
//!     start: Some(StartSpec::At("09:00".parse()?)),
//!     end: None,
//! };
//! let window = inputs.window(&from_open, &reference.calendar)?;
//! let rebar = SymbolGlobs::new(&["rb*"])?;
//! let mut source = inputs.source(&EventFilter {
//!     start: window.start,
//!     end: window.end,
//!     instruments: reference.instruments(rebar, Vec::new()),
//! });
//! # source.next_batch(&mut Vec::new(), 16)?;
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::event::Event;
use tickdeck_core::event_window::EventWindow;
use tickdeck_core::select::{SymbolGlobError, Window, WindowError, WindowSpec};
use tickdeck_core::source::{
    AheadSource, MergeSource, PayloadSource, ReceiveTimes, Source, SourceError, SourceErrorKind,
    TickLimit,
};
use tickdeck_core::time::{TradingDay, UnixNanos};
use tickdeck_recording::{
    EventFilter, Finding, Followed, MissingPart, Recording, RecordingError, RecordingReader,
};

/// Recordings that are read together.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The recordings, in the order given.
    pub recordings: Vec<Recording>,
}

/// Recordings cannot be combined: nothing of a tick says which kind it comes from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MixedInputs {
    /// Some are synthetic, others are real.
    #[error(
        "synthetic and real recordings cannot be combined: their payloads could not be \
         distinguished; play them one after the other"
    )]
    Sources,
    /// Some have measured receive times, others derived ones.
    #[error(
        "{} has measured receive times and {} derived ones, so they have no common order: play or \
         check them one after the other",
        measured.display(),
        derived.display()
    )]
    ReceiveTimes {
        /// A recording with measured receive times.
        measured: PathBuf,
        /// A recording with derived receive times.
        derived: PathBuf,
    },
}

/// A window cannot be applied to the recordings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// The window itself is not valid.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// A pattern is not valid.
    #[error(transparent)]
    Symbols(#[from] SymbolGlobError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A time of day needs one trading day, and there are several.
    #[error(
        "a time of day is ambiguous in {count} trading days ({first} to {last}): give the date too, \
         as in {first}T09:00:00+08:00"
    )]
    AmbiguousDay {
        /// How many trading days there are.
        count: usize,
        /// The first one.
        first: String,
        /// The last one.
        last: String,
    },
    /// A manifest names a trading day that is not a date.
    #[error("trading day {day:?}")]
    TradingDay {
        /// The text in the manifest.
        day: String,
        /// Why it is not a date.
        source: chrono::ParseError,
    },
}

impl Inputs {
    /// Opens all recordings.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub fn open(paths: &[PathBuf]) -> Result<Self, RecordingError> {
        Self::open_each(paths, Recording::open)
    }

    /// Opens all recordings, also damaged ones, to read their intact parts.
    ///
    /// # Errors
    /// When one of them has no readable part.
    pub fn open_salvage(paths: &[PathBuf]) -> Result<Self, RecordingError> {
        Self::open_each(paths, Recording::open_salvage)
    }

    fn open_each(
        paths: &[PathBuf],
        open: impl Fn(&Path) -> Result<Recording, RecordingError>,
    ) -> Result<Self, RecordingError> {
        let recordings: Result<_, _> = paths.iter().map(|path| open(path)).collect();
        Ok(Self {
            recordings: recordings?,
        })
    }

    /// Drops contract tables that are damaged, because the caller has another one: see
    /// [`Recording::replace_damaged_contracts`].
    pub fn replace_damaged_contracts(&mut self) {
        for recording in &mut self.recordings {
            recording.replace_damaged_contracts();
        }
    }

    /// Whether every recording was finished and has its manifest. A lone segment needs none.
    #[must_use]
    pub fn are_complete(&self) -> bool {
        self.recordings.iter().all(Recording::is_complete)
    }

    /// The files whose bytes differ from what was written.
    #[must_use]
    pub fn damage(&self) -> Vec<Finding> {
        self.recordings
            .iter()
            .flat_map(Recording::damaged_files)
            .collect()
    }

    /// The session ids, joined with `+`.
    #[must_use]
    pub fn session(&self) -> String {
        let ids: Vec<&str> = self.recordings.iter().map(Recording::session).collect();
        ids.join("+")
    }

    /// The field `source` of the payloads that the recordings have together.
    ///
    /// # Errors
    /// When they differ in it, or cannot be combined for another reason.
    pub fn payload_source(&self) -> Result<PayloadSource, MixedInputs> {
        let mut sources = self.recordings.iter().map(|r| r.source().payload_source());
        let first = sources.next().unwrap_or_default();
        if sources.any(|source| source != first) {
            return Err(MixedInputs::Sources);
        }
        self.receive_times().map(|_| first)
    }

    /// What the receive times of the recordings are worth.
    ///
    /// # Errors
    /// When those of one recording were measured and those of another were derived.
    pub fn receive_times(&self) -> Result<ReceiveTimes, MixedInputs> {
        let first_with = |wanted| {
            let mut recordings = self.recordings.iter();
            recordings.find(|recording| recording.source().receive_times() == wanted)
        };
        match (
            first_with(ReceiveTimes::Measured),
            first_with(ReceiveTimes::Derived),
        ) {
            (Some(measured), Some(derived)) => Err(MixedInputs::ReceiveTimes {
                measured: measured.path().to_owned(),
                derived: derived.path().to_owned(),
            }),
            (None, Some(_)) => Ok(ReceiveTimes::Derived),
            (_, None) => Ok(ReceiveTimes::Measured),
        }
    }

    /// The trading days in the manifests. Texts that are not dates are skipped; verifying the
    /// recording reports them.
    pub fn recorded_days(&self) -> impl Iterator<Item = NaiveDate> {
        self.manifest_days().filter_map(|day| day.parse().ok())
    }

    /// The first and the last receive time of all recordings; `None` without an event.
    ///
    /// # Errors
    /// When a recording cannot be read.
    pub fn time_range(&self) -> Result<Option<(UnixNanos, UnixNanos)>, RecordingError> {
        let mut all: Option<(UnixNanos, UnixNanos)> = None;
        for recording in &self.recordings {
            if let Some((first, last)) = recording.time_range()? {
                let (start, end) = all.unwrap_or((first, last));
                all = Some((start.min(first), end.max(last)));
            }
        }
        Ok(all)
    }

    /// Ticks of each recorded instrument, by id; `None` if a recording has no manifest.
    #[must_use]
    pub fn instruments(&self) -> Option<BTreeMap<String, u64>> {
        let mut instruments = BTreeMap::new();
        for recording in &self.recordings {
            for (id, ticks) in &recording.manifest()?.instruments {
                *instruments.entry(id.clone()).or_default() += ticks;
            }
        }
        Some(instruments)
    }

    fn manifest_days(&self) -> impl Iterator<Item = &String> {
        let manifests = self.recordings.iter().filter_map(Recording::manifest);
        manifests.flat_map(|manifest| &manifest.trading_days)
    }

    /// Resolves a window. Offsets count from the first event of all recordings, and a time of day
    /// belongs to their trading day.
    ///
    /// # Errors
    /// When the window is not valid, a time of day is ambiguous, or a recording cannot be read.
    pub fn window(
        &self,
        spec: &WindowSpec,
        calendar: &TradingCalendar,
    ) -> Result<Window, SelectionError> {
        let first = || Ok(self.start()?.unwrap_or_default());
        spec.resolve(first, || self.trading_day(calendar), calendar)
    }

    /// The receive time of the first event by `seq`: where a replay begins. A clock that was set back
    /// makes later events look earlier.
    fn start(&self) -> Result<Option<UnixNanos>, RecordingError> {
        let mut start = None;
        for recording in &self.recordings {
            let mut first = Vec::with_capacity(1);
            let mut reader = recording.reader(EventFilter::default());
            reader.next_events(&mut first, 1)?;
            if let Some(event) = first.first() {
                let first = event.recv_ts;
                start = Some(start.map_or(first, |start: UnixNanos| start.min(first)));
            }
        }
        Ok(start)
    }

    /// The only trading day of the recordings.
    fn trading_day(&self, calendar: &TradingCalendar) -> Result<TradingDay, SelectionError> {
        let mut days: Vec<&String> = self.manifest_days().collect();
        days.sort();
        days.dedup();
        match days[..] {
            [] => {
                let start = self.start()?.unwrap_or_default();
                Ok(calendar.trading_day_of(start))
            }
            [day] => day.parse().map(TradingDay).map_err(|source| {
                let day = day.clone();
                SelectionError::TradingDay { day, source }
            }),
            [first, .., last] => Err(SelectionError::AmbiguousDay {
                count: days.len(),
                first: first.clone(),
                last: last.clone(),
            }),
        }
    }

    /// An upper bound of the number of selected events; `None` if a recording cannot be read.
    #[must_use]
    pub fn estimate(&self, filter: &EventFilter) -> Option<u64> {
        self.recordings
            .iter()
            .map(|recording| recording.estimate(filter).ok())
            .sum()
    }

    /// One source over all recordings. A single recording keeps its `seq`; several are merged and
    /// renumbered.
    #[must_use]
    pub fn source(&self, filter: &EventFilter) -> Box<dyn Source> {
        self.source_limited(filter, None, None)
    }

    /// The same source, ending after `limit` ticks. With `salvage`, which lists them, it skips damaged
    /// parts.
    #[must_use]
    pub fn source_limited(
        &self,
        filter: &EventFilter,
        limit: Option<u64>,
        salvage: Option<&Salvaged>,
    ) -> Box<dyn Source> {
        let source: Box<dyn Source> =
            match <[InputReader; 1]>::try_from(self.readers(filter, salvage)) {
                Ok([alone]) => Box::new(alone),
                Err(several) => merged(several),
            };
        match limit {
            Some(limit) => Box::new(TickLimit::new(source, limit)),
            None => source,
        }
    }

    /// The source of all selected events, decoded on another thread. With `salvage`, which lists them, it
    /// skips damaged parts.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn source_ahead(
        &self,
        filter: &EventFilter,
        salvage: Option<&Salvaged>,
    ) -> Result<Box<dyn Source>, SourceError> {
        if let ([recording], None) = (&self.recordings[..], salvage) {
            return Ok(Box::new(recording.reader(filter.clone()).read_ahead()));
        }
        match <[InputReader; 1]>::try_from(self.readers(filter, salvage)) {
            Ok([alone]) => Ok(Box::new(InputReader {
                reader: alone.reader.read_ahead(),
                ..alone
            })),
            // Reading ahead would hold two row groups of each recording in memory, not one.
            Err(several) => on_a_thread(merged(several)),
        }
    }

    /// The selected events of the only recording, now and later: the source ends when its writer has ended,
    /// or when `is_stopped` says so. `followed` learns whether the recording was finished. `None` if there
    /// are several recordings.
    #[must_use]
    pub fn source_following(
        &self,
        filter: &EventFilter,
        is_stopped: impl Fn() -> bool + Send + 'static,
        followed: &Followed,
    ) -> Option<Box<dyn Source>> {
        match &self.recordings[..] {
            [recording] => {
                let reader = recording.follow(filter.clone(), is_stopped);
                Some(Box::new(reader.reporting(followed)))
            }
            _ => {
                followed.set_finished(self.are_complete());
                None
            }
        }
    }

    fn readers(&self, filter: &EventFilter, salvage: Option<&Salvaged>) -> Vec<InputReader> {
        let reader = |recording: &Recording| InputReader {
            reader: recording.reader(filter.clone()).salvage(salvage.is_some()),
            reported: 0,
            salvaged: salvage.cloned().unwrap_or_default(),
        };
        self.recordings.iter().map(reader).collect()
    }
}

fn merged(readers: Vec<InputReader>) -> Box<dyn Source> {
    let sources = readers
        .into_iter()
        .map(|reader| -> Box<dyn Source> { Box::new(reader) });
    Box::new(MergeSource::new(sources.collect()))
}

/// The source got no thread.
#[derive(Debug, thiserror::Error)]
#[error("starting a thread for the source")]
struct ThreadError(#[source] std::io::Error);

/// Runs a source on another thread.
///
/// # Errors
/// When the system gives no thread.
pub fn on_a_thread(source: Box<dyn Source>) -> Result<Box<dyn Source>, SourceError> {
    match AheadSource::new(source) {
        Ok(ahead) => Ok(Box::new(ahead)),
        Err(error) => Err(SourceError::new(
            SourceErrorKind::Failed,
            ThreadError(error),
        )),
    }
}

/// The parts that a salvage skipped. Clones share one list with the thread of the source.
#[derive(Debug, Clone, Default)]
pub struct Salvaged(Arc<Mutex<Vec<MissingPart>>>);

impl Salvaged {
    /// Removes and returns the parts skipped so far.
    #[must_use]
    pub fn take(&self) -> Vec<MissingPart> {
        std::mem::take(&mut self.lock())
    }

    /// The list of a thread that panicked is still valid: an entry is added in one step.
    fn lock(&self) -> MutexGuard<'_, Vec<MissingPart>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One recording, which reports the parts that a salvage skips.
struct InputReader {
    reader: RecordingReader,
    /// Number of skipped parts already listed in `salvaged`.
    reported: usize,
    salvaged: Salvaged,
}

impl Source for InputReader {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        let result = self.reader.next_batch(batch, max);
        self.report();
        result
    }

    fn next_window(&mut self, window: &mut EventWindow, max: usize) -> Result<(), SourceError> {
        let result = self.reader.next_window(window, max);
        self.report();
        result
    }
}

impl InputReader {
    /// Lists the parts that were skipped since the last call.
    fn report(&mut self) {
        let missing = &self.reader.missing()[self.reported..];
        if !missing.is_empty() {
            self.reported += missing.len();
            self.salvaged.lock().extend_from_slice(missing);
        }
    }
}
