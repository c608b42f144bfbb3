//! What verbs read: recordings, the tables in force, and the selection of events.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use chrono::{Datelike as _, NaiveDate};
use tickdeck::encode::PayloadSource;
use tickdeck::reference::{self, Reference, ReferenceError, ReferenceOptions};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::event::InstrumentId;
use tickdeck_core::source::{AheadSource, MergeSource, Source, SourceError, SourceErrorKind};
use tickdeck_core::time::{TradingDay, UnixNanos};
use tickdeck_recording::{EventFilter, Finding, MissingPart, Recording, RecordingError, Status};

use super::args::{NormalizeArgs, SelectArgs};
use super::outcome::UsageError;
use super::select::{SymbolGlobs, Window};

/// Recordings that are read together.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    pub(super) recordings: Vec<Recording>,
}

impl Inputs {
    /// Opens them all before anything else happens.
    pub(super) fn open(paths: &[PathBuf], salvage: bool) -> anyhow::Result<Self> {
        let recordings = paths
            .iter()
            .map(|path| {
                if salvage {
                    Recording::open_salvage(path)
                } else {
                    Recording::open(path)
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        for recording in &recordings {
            if recording.status() == Status::Recording {
                tracing::warn!(
                    event = "recording_unfinished",
                    recording = %recording.path().display(),
                    "its writer is still running or was killed: only sealed segments are read"
                );
            }
        }
        Ok(Self { recordings })
    }

    /// Whether every recording was finished and has its manifest (a lone segment needs none).
    pub(super) fn are_complete(&self) -> bool {
        self.recordings.iter().all(|recording| {
            recording.status() != Status::Recording
                && (recording.manifest().is_some() || recording.path().is_file())
        })
    }

    /// Segments whose bytes are not what was written.
    pub(super) fn damage(&self) -> Vec<Finding> {
        self.recordings
            .iter()
            .flat_map(Recording::damaged_segments)
            .collect()
    }

    /// Session ids, joined.
    pub(super) fn session(&self) -> String {
        let ids: Vec<&str> = self.recordings.iter().map(Recording::session).collect();
        ids.join("+")
    }

    /// What the payloads say in `source`.
    pub(super) fn payload_source(&self) -> anyhow::Result<PayloadSource> {
        let mut sources = self.recordings.iter().map(|r| r.source().payload_source());
        let first = sources.next().unwrap_or_default();
        if sources.any(|source| source != first) {
            return Err(UsageError::new(
                "synthetic and real recordings cannot be merged: the payloads would not show \
                 which tick is which; play them one after the other",
            )
            .into());
        }
        Ok(first)
    }

    /// First receive time of all.
    fn start(&self) -> anyhow::Result<Option<UnixNanos>> {
        let mut start = None;
        for recording in &self.recordings {
            if let Some((first, _)) = recording.time_range()? {
                start = Some(start.map_or(first, |start: UnixNanos| start.min(first)));
            }
        }
        Ok(start)
    }

    /// The one trading day that a time of day is meant in.
    fn trading_day(&self, calendar: &TradingCalendar) -> anyhow::Result<TradingDay> {
        let mut days: Vec<String> = self
            .recordings
            .iter()
            .filter_map(Recording::manifest)
            .flat_map(|manifest| manifest.trading_days.iter().cloned())
            .collect();
        days.sort();
        days.dedup();
        match &days[..] {
            [] => {
                let start = self.start()?.unwrap_or_default();
                Ok(calendar.trading_day_of(start))
            }
            [day] => {
                let day = day
                    .parse()
                    .with_context(|| format!("trading day {day:?}"))?;
                Ok(TradingDay(day))
            }
            days => Err(UsageError::new(format!(
                "a time of day is ambiguous in {} trading days ({} to {}): add the date, as \
                 in {}T09:00:00+08:00",
                days.len(),
                days[0],
                days[days.len() - 1],
                days[0]
            ))
            .into()),
        }
    }

    /// The trading days that the manifests name.
    fn recorded_days(&self) -> impl Iterator<Item = NaiveDate> {
        let manifests = self.recordings.iter().filter_map(Recording::manifest);
        manifests.flat_map(|manifest| days_of(&manifest.trading_days))
    }

    /// Upper bound of the events that will come.
    pub(super) fn estimate(&self, filter: &EventFilter) -> Option<u64> {
        self.recordings
            .iter()
            .map(|recording| recording.estimate(filter).ok())
            .sum()
    }

    /// One source over all of them. One recording keeps its `seq`; several are merged and
    /// renumbered.
    pub(super) fn source(&self, filter: &EventFilter) -> Box<dyn Source> {
        match <[InputReader; 1]>::try_from(self.readers(filter, None)) {
            Ok([alone]) => Box::new(alone),
            Err(several) => merged(several),
        }
    }

    /// The same source, decoding on a separate thread.
    pub(super) fn source_ahead(
        &self,
        filter: &EventFilter,
        salvage: Option<&Salvaged>,
    ) -> Result<Box<dyn Source>, SourceError> {
        match <[InputReader; 1]>::try_from(self.readers(filter, salvage)) {
            Ok([alone]) => Ok(Box::new(InputReader {
                reader: alone.reader.read_ahead(),
                ..alone
            })),
            // One row group of each in memory, not two.
            Err(several) => on_a_thread(merged(several)),
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

/// What to do about damage with a verb that takes intact recordings only.
pub(super) const INTACT_ONLY: &str =
    "`tickdeck replay --salvage` plays what is intact, and `tickdeck verify` lists what is not";

/// The source got no thread.
#[derive(Debug, thiserror::Error)]
#[error("starting a thread for the source")]
struct ThreadError(#[source] std::io::Error);

/// The same source on its own thread.
pub(super) fn on_a_thread(source: Box<dyn Source>) -> Result<Box<dyn Source>, SourceError> {
    match AheadSource::new(source) {
        Ok(ahead) => Ok(Box::new(ahead)),
        Err(error) => Err(SourceError::new(
            SourceErrorKind::Failed,
            ThreadError(error),
        )),
    }
}

/// What `--salvage` could not play, shared with the source thread.
pub(super) type Salvaged = Arc<Mutex<Vec<MissingPart>>>;

/// One recording, with what a salvage leaves out.
struct InputReader {
    reader: tickdeck_recording::RecordingReader,
    reported: usize,
    salvaged: Salvaged,
}

impl Source for InputReader {
    fn next_batch(
        &mut self,
        batch: &mut Vec<tickdeck_core::event::Event>,
        max: usize,
    ) -> Result<(), SourceError> {
        let result = self.reader.next_batch(batch, max);
        let missing = &self.reader.missing()[self.reported..];
        if !missing.is_empty() {
            self.reported += missing.len();
            // A poisoned lock only means that another thread died while it pushed: the list is
            // fine.
            let mut all = self.salvaged.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend_from_slice(missing);
        }
        result
    }
}

/// The tables in force: built-in, then the recordings' own, then what the flags name.
pub(super) fn reference(
    args: &NormalizeArgs,
    recordings: &[Recording],
) -> anyhow::Result<Reference> {
    let options = ReferenceOptions {
        products: args.products.as_deref(),
        contracts: args.contracts.as_deref(),
        exchanges: args.ctp_symbol.as_deref(),
        calendar: args.calendar.as_deref(),
    };
    Reference::load(&options, recordings).map_err(reference_error)
}

/// The calendar of `--calendar`, else the recordings' own, else the built-in one.
pub(super) fn calendar(
    file: Option<&Path>,
    recordings: &[Recording],
) -> anyhow::Result<TradingCalendar> {
    reference::calendar(file, recordings).map_err(reference_error)
}

/// Names the flag that gave the file.
fn reference_error(error: ReferenceError) -> anyhow::Error {
    let boxed = anyhow::Error::from_boxed;
    let usage = match error {
        ReferenceError::Products { path, source } => UsageError::caused_by(
            format!("--products {} cannot be used", path.display()),
            boxed(source),
        ),
        ReferenceError::Contracts(source) => {
            UsageError::caused_by("--contracts cannot be used", source)
        }
        ReferenceError::Exchanges(source) => {
            UsageError::caused_by("--ctp-symbol (CTP_SYMBOL) cannot be used", source)
        }
        ReferenceError::Calendar { path, source } => UsageError::caused_by(
            format!("--calendar {} cannot be used", path.display()),
            boxed(source),
        ),
        ReferenceError::Recording(error) => return error.into(),
        error => return error.into(),
    };
    usage.into()
}

/// The days of a manifest's list; what is no date is left to `verify`.
pub(super) fn days_of(days: &[String]) -> impl Iterator<Item = NaiveDate> {
    days.iter().filter_map(|day| day.parse().ok())
}

/// Says for each year of `days` that the calendar only guesses it.
pub(super) fn warn_not_covered(
    calendar: &TradingCalendar,
    days: impl IntoIterator<Item = NaiveDate>,
) {
    let guessed = days.into_iter().filter(|day| !calendar.covers(*day));
    let years: BTreeSet<i32> = guessed.map(|day| day.year()).collect();
    for year in years {
        tracing::warn!(
            event = "calendar_not_covered",
            year,
            "the calendar does not cover the year: weekdays count as trading days; generate, \
             import, record and replay take --calendar FILE"
        );
    }
}

/// The events that `select` names.
pub(super) struct Selection {
    pub(super) filter: EventFilter,
    /// How many ticks at most.
    pub(super) count: Option<u64>,
}

impl Selection {
    /// Resolves times and globs against what was opened.
    pub(super) fn new(
        select: &SelectArgs,
        inputs: &Inputs,
        reference: &Reference,
    ) -> anyhow::Result<Self> {
        warn_not_covered(&reference.calendar, inputs.recorded_days());
        let first = || -> anyhow::Result<UnixNanos> { Ok(inputs.start()?.unwrap_or_default()) };
        let day = || inputs.trading_day(&reference.calendar);
        let Window { start, end } = Window::of(select, first, day, &reference.calendar)?;
        let filter = EventFilter {
            start,
            end,
            instruments: instruments(select, reference)?,
        };
        Ok(Self {
            filter,
            count: select.count,
        })
    }
}

fn instruments(
    select: &SelectArgs,
    reference: &Reference,
) -> anyhow::Result<Option<tickdeck_recording::InstrumentPredicate>> {
    if select.symbols.is_empty() && select.exchange.is_empty() {
        return Ok(None);
    }
    let globs = SymbolGlobs::new(&select.symbols)
        .map_err(|error| UsageError::caused_by("--symbols cannot be used", error))?;
    let exchanges = select.exchange.clone();
    let contracts = reference.contracts.clone();
    Ok(Some(Arc::new(move |id: &InstrumentId| {
        let exchange = contracts.resolve(id.as_bytes()).ok().map(|c| c.exchange);
        let exchange_wanted =
            exchanges.is_empty() || exchange.is_some_and(|exchange| exchanges.contains(&exchange));
        exchange_wanted && globs.matches(id.as_bytes(), exchange)
    })))
}

/// Says that `--symbols` and `--exchange` matched none of the `ticks` that came: a slip more often
/// than not.
pub(super) fn warn_nothing_selected(select: &SelectArgs, ticks: u64) {
    let chosen = !select.symbols.is_empty() || !select.exchange.is_empty();
    if ticks > 0 || !chosen || select.count == Some(0) {
        return;
    }
    let exchanges: Vec<&str> = select.exchange.iter().map(|e| e.as_str()).collect();
    tracing::warn!(
        event = "nothing_selected",
        symbols = select.symbols.join(","),
        exchanges = exchanges.join(","),
        "no tick is of these instruments and exchanges in the chosen time"
    );
}

/// Refuses what is damaged, with every finding and what the verb can do about it.
pub(super) fn refuse_damage(findings: &[Finding], remedy: &str) -> anyhow::Result<()> {
    let Some(first) = findings.first() else {
        return Ok(());
    };
    let more = match findings.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more, see `tickdeck verify`)"),
    };
    Err(RecordingError::Damaged {
        path: first.file.clone(),
        problem: format!("{}{more}; {remedy}", first.problem),
    }
    .into())
}
