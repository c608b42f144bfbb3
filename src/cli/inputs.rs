//! What verbs read: recordings, the tables in force, and the selection of events.
//!
//! The library does the work. This file turns flags into its values, names the flag in an error, and
//! warns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use tickdeck::check::is_named_as_golden;
use tickdeck::export::Exported;
use tickdeck::inputs::SelectionError;
pub(super) use tickdeck::inputs::{Inputs, Salvaged, on_a_thread};
use tickdeck::pipeline::DryRun;
use tickdeck::reference::{self, Reference, ReferenceError, ReferenceOptions};
use tickdeck::selection;
use tickdeck::session::Summary;
use tickdeck_core::calendar::{TradingCalendar, Uncovered};
use tickdeck_core::contract::parse_vt_symbols;
use tickdeck_core::select::WindowError;
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::storage::is_url;
use tickdeck_recording::{Finding, Followed, MissingPart, Recording, RecordingError, Status};

use super::args::{NormalizeArgs, SelectArgs};
use super::context::Context;
use super::log;
use super::outcome::{Outcome, UsageError};
use super::symbols::refuse_foreign;

/// Opens the recordings and warns about unfinished ones.
pub(super) fn open(paths: &[PathBuf]) -> anyhow::Result<Inputs> {
    let inputs = Inputs::open(paths)?;
    log_opened(&inputs.recordings);
    Ok(inputs)
}

/// The same for a verb with --contracts. The table in it takes the place of damaged ones.
pub(super) fn open_with(paths: &[PathBuf], normalize: &NormalizeArgs) -> anyhow::Result<Inputs> {
    let mut inputs = Inputs::open(paths)?;
    replace_contracts(&mut inputs, normalize);
    log_opened(&inputs.recordings);
    Ok(inputs)
}

fn replace_contracts(inputs: &mut Inputs, normalize: &NormalizeArgs) {
    if normalize.contracts.is_some() {
        inputs.replace_damaged_contracts();
    }
}

/// The same for a verb that may follow what is being written, then without a warning.
pub(super) fn open_to_follow(
    paths: &[PathBuf],
    follow: bool,
    normalize: &NormalizeArgs,
) -> anyhow::Result<Inputs> {
    let mut inputs = Inputs::open(paths)?;
    replace_contracts(&mut inputs, normalize);
    // What is added in a store is not seen.
    let is_followed = |it: &Recording| {
        follow && it.is_being_written() && !is_url(it.path()) && it.damaged_journal().is_none()
    };
    for recording in &inputs.recordings {
        if is_followed(recording) {
            tracing::info!(
                event = "recording_followed",
                recording = %recording.path().display(),
                "it is being written: its events are read as they come, until it is finished"
            );
            warn_unused(recording);
        } else {
            log_opened(std::slice::from_ref(recording));
        }
    }
    Ok(inputs)
}

/// Warns about a followed recording whose writer was alive when it was opened: it was killed since, or its
/// journal is damaged.
pub(super) fn warn_abandoned(inputs: &Inputs, followed: &Followed) {
    let is_abandoned = |path: &Path| Recording::open(path).is_ok_and(|now| now.is_abandoned());
    for recording in &inputs.recordings {
        let path = recording.path();
        if !followed.is_finished() && recording.is_being_written() && is_abandoned(path) {
            tracing::warn!(
                event = "recording_unfinished",
                recording = %path.display(),
                "its writer is gone: what is on disk was read; `tickdeck recover` seals it"
            );
        }
        // What was damaged before its writer ended was named when it was opened.
        if recording.is_being_written()
            && let Some(damage) = followed.damage()
        {
            warn_damaged_journal(&damage);
        }
    }
}

/// The same for a salvage, which also opens damaged recordings. Warns about what it does without.
pub(super) fn open_salvage(paths: &[PathBuf], normalize: &NormalizeArgs) -> anyhow::Result<Inputs> {
    let mut inputs = Inputs::open_salvage(paths)?;
    replace_contracts(&mut inputs, normalize);
    log_opened(&inputs.recordings);
    Ok(inputs)
}

fn warn_unused(recording: &Recording) {
    for unused in recording.unused() {
        tracing::warn!(
            event = "file_not_used",
            path = %unused.file.display(),
            reason = unused.problem,
            "the recording is read without it"
        );
    }
}

/// Whether a file is named as one of a journal, in use or set aside by a recovery.
fn is_named_as_journal(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".tdj") || name.contains(".tdj.damaged")
}

/// The paths that may be recordings. `recordings/*` also matches other files: of several paths, goldens
/// are skipped, and other files with a warning. A lone path is used as it is.
pub(super) fn recordings_among(paths: &[PathBuf]) -> Result<Vec<&Path>, UsageError> {
    let is_recording = |path: &Path| {
        !path.is_file()
            || path
                .extension()
                .is_some_and(|extension| extension == "parquet")
            || is_named_as_journal(path)
    };
    let mut recordings = Vec::new();
    for path in paths {
        if paths.len() == 1 || is_recording(path) {
            recordings.push(path.as_path());
        } else if !is_named_as_golden(path) {
            tracing::warn!(
                event = "input_skipped",
                path = %path.display(),
                "not a recording: neither a folder nor a .parquet segment"
            );
        }
    }
    if recordings.is_empty() {
        return Err(UsageError::new(
            "none of the paths is a recording: name folders or .parquet segments",
        ));
    }
    Ok(recordings)
}

/// Keeps the first error of several inputs, which decides the exit code. The others are logged, with
/// the hints of the verb as well.
pub(super) fn keep_first(
    context: &Context,
    first: &mut Option<anyhow::Error>,
    path: &Path,
    error: anyhow::Error,
) {
    if first.is_some() {
        let reason = context.hints.in_one_line(&error);
        tracing::error!(event = "input_failed", path = %path.display(), "{reason}");
    } else {
        *first = Some(error);
    }
}

/// Warns about unfinished recordings, and about files that are not used.
pub(super) fn log_opened(recordings: &[Recording]) {
    for recording in recordings {
        tracing::debug!(
            event = "recording_opened",
            recording = %recording.path().display(),
            session = recording.session(),
            status = recording.status().as_str(),
            events = recording.manifest().map(|manifest| manifest.events),
            segments = recording.segments().len()
        );
    }
    for recording in recordings {
        warn_unused(recording);
        // A verb that reads refuses one whose journal is damaged.
        if recording.status() != Status::Recording || recording.damaged_journal().is_some() {
            continue;
        }
        let reason = if recording.is_being_written() {
            "it is being written: what was on disk when it was opened is read"
        } else if recording.is_writer_unknown() {
            "its .lock may not be read, so its writer may be running or not: what is on disk is read"
        } else {
            "its writer is gone: what is on disk is read; `tickdeck recover` seals it"
        };
        tracing::warn!(
            event = "recording_unfinished",
            recording = %recording.path().display(),
            events = recording.manifest().map_or(0, |manifest| manifest.events),
            "{reason}"
        );
        if let Some(damage) = recording.journal_damage() {
            warn_damaged_journal(&damage);
        }
    }
}

fn warn_damaged_journal(Finding { file, problem }: &Finding) {
    tracing::warn!(event = "journal_damaged", file = %file.display(), problem);
}

/// Warns about a recording that is given twice: that may be meant, and its ticks come twice. Call it
/// after everything that may be refused.
pub(super) fn warn_given_twice(paths: &[PathBuf]) {
    let mut seen = BTreeSet::new();
    for path in paths {
        let place = path.canonicalize().unwrap_or_else(|_| path.clone());
        if !seen.insert(place) {
            tracing::warn!(
                event = "recording_given_twice",
                recording = %path.display(),
                "each of its ticks comes twice"
            );
        }
    }
}

/// The advice of a verb that reads only intact recordings.
pub(super) const INTACT_ONLY: &str = "`tickdeck replay --salvage` plays the intact parts, `tickdeck \
     slice --salvage` makes a recording of them, and `tickdeck verify` lists the damage";

/// What is wrong if the list of exchanges is.
const CTP_SYMBOL_UNUSABLE: &str = "--ctp-symbol (CTP_SYMBOL) cannot be used";

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
    let reference = Reference::load(&options, recordings).map_err(reference_error)?;
    refuse_foreign_exchanges(&reference, options.exchanges)?;
    Ok(reference)
}

/// Refuses ids of `--ctp-symbol` that their exchange does not write.
fn refuse_foreign_exchanges(reference: &Reference, list: Option<&str>) -> anyhow::Result<()> {
    let Some(list) = list.filter(|list| !list.trim().is_empty()) else {
        return Ok(());
    };
    let symbols = parse_vt_symbols(list)
        .map_err(|error| reference_error(ReferenceError::Exchanges(error)))?;
    let named = symbols
        .iter()
        .map(|(id, exchange)| (id.as_str(), Some(*exchange)));
    refuse_foreign(&reference.contracts, named)
        .map_err(|error| UsageError::caused_by(CTP_SYMBOL_UNUSABLE, error))?;
    Ok(())
}

/// The calendar of `--calendar`, else the recordings' own, else the built-in one.
pub(super) fn calendar(
    file: Option<&Path>,
    recordings: &[Recording],
) -> anyhow::Result<TradingCalendar> {
    reference::calendar(file, recordings).map_err(reference_error)
}

/// Names the flag that gave the file or list.
pub(super) fn reference_error(error: ReferenceError) -> anyhow::Error {
    let boxed = anyhow::Error::from_boxed;
    let usage = match error {
        ReferenceError::Products { path, source } => UsageError::caused_by(
            format!("--products {} cannot be used", path.display()),
            boxed(source),
        ),
        ReferenceError::Contracts(source) => {
            UsageError::caused_by("--contracts cannot be used", source)
        }
        ReferenceError::Exchanges(source) => UsageError::caused_by(CTP_SYMBOL_UNUSABLE, source),
        ReferenceError::Calendar { path, source } => UsageError::caused_by(
            format!("--calendar {} cannot be used", path.display()),
            boxed(source),
        ),
        ReferenceError::Recording(error) => return error.into(),
        error => return error.into(),
    };
    usage.into()
}

/// The days of a manifest's list. Texts that are not dates are skipped; `verify` reports them.
pub(super) fn days_of(days: &[String]) -> impl Iterator<Item = NaiveDate> {
    days.iter().filter_map(|day| day.parse().ok())
}

/// Warns about each year of `days` that the calendar does not cover, and about the end of what it
/// fully knows.
pub(super) fn warn_not_covered(
    calendar: &TradingCalendar,
    days: impl IntoIterator<Item = NaiveDate>,
) {
    let uncovered = calendar.uncovered(days);
    warn_unknown(&uncovered);
    let mut partly = uncovered.partly.iter();
    if let Some(first) = partly.next() {
        let others = partly.map(|year| format!(", {year}"));
        tracing::warn!(
            event = "calendar_partly_known",
            year = first,
            "of {first}{} only the statutory holidays are known: bridge days around them count as \
             trading days",
            others.collect::<String>()
        );
    }
    for year in &uncovered.fixed_days {
        tracing::warn!(
            event = "calendar_partly_known",
            year,
            "of {year} only 1 January, 1 and 2 May and 1 to 3 October are known as holidays: other \
             festivals and bridge days count as trading days"
        );
    }
}

/// Warns about each year in which the calendar knows no holiday.
fn warn_unknown(uncovered: &Uncovered) {
    for year in &uncovered.unknown {
        tracing::warn!(
            event = "calendar_not_covered",
            year,
            "the calendar does not cover the year: weekdays count as trading days"
        );
    }
}

/// The same for a verb that prints what was recorded: only a time of day depends on the calendar.
pub(super) fn warn_unknown_years(
    calendar: &TradingCalendar,
    days: impl IntoIterator<Item = NaiveDate>,
) {
    warn_unknown(&calendar.uncovered(days));
}

/// The selected events, with what its warnings say.
pub(super) struct Selection {
    pub(super) events: selection::Selection,
    symbols: String,
    exchanges: String,
    /// From when to when the recordings were recorded.
    recorded: String,
    allow_empty: bool,
}

impl Selection {
    /// Resolves the flags for the opened recordings. Warns about patterns that match nothing, not about
    /// the calendar.
    pub(super) fn new(
        select: &SelectArgs,
        inputs: &Inputs,
        reference: &Reference,
    ) -> anyhow::Result<Self> {
        let events = selection::Selection::resolve(&select.options(), inputs, reference)
            .map_err(selection_error)?;
        warn_unmatched(&events, select.symbols.len());
        let shown = |side: Option<UnixNanos>| side.map(|at| at.to_string());
        tracing::debug!(
            event = "selection",
            start = shown(events.filter.start),
            end = shown(events.filter.end),
            count = events.max_ticks,
            contracts = reference.contracts.digest(),
            calendar = reference.calendar.digest()
        );
        let exchanges: Vec<&str> = select.exchange.iter().map(|e| e.as_str()).collect();
        Ok(Self {
            events,
            symbols: select.symbols.join(","),
            exchanges: exchanges.join(","),
            recorded: recorded(inputs),
            allow_empty: select.allow_empty,
        })
    }

    /// Whether a result without a tick is what the user wants.
    pub(super) fn may_be_empty(&self) -> bool {
        self.allow_empty || self.events.max_ticks == Some(0)
    }

    /// How a verb ends that found this many selected ticks. None is usually a typing error.
    pub(super) fn outcome(&self, ticks: u64) -> Outcome {
        if ticks > 0 || self.may_be_empty() {
            return Outcome::Done;
        }
        let shown = |side: Option<UnixNanos>| side.map(|at| at.to_string()).unwrap_or_default();
        tracing::warn!(
            event = "nothing_selected",
            symbols = self.symbols,
            exchanges = self.exchanges,
            start = shown(self.events.filter.start),
            end = shown(self.events.filter.end),
            available = self
                .events
                .available
                .as_ref()
                .map(listed)
                .unwrap_or_default(),
            recorded = self.recorded,
            "no tick is selected; --allow-empty accepts that"
        );
        Outcome::Lossy
    }
}

/// What became of ticks that were to be published.
pub(super) struct Published<'a> {
    /// Ticks of the source.
    ticks: u64,
    /// Those that could not be published, by reason.
    rejected: &'a BTreeMap<&'static str, u64>,
    /// Those that `--drop` filtered out.
    filtered: u64,
    /// Whether there were ticks and none of them became a message.
    is_nothing: bool,
}

impl<'a> Published<'a> {
    pub(super) fn of(summary: &'a Summary) -> Self {
        Self {
            ticks: summary.received,
            rejected: &summary.rejected,
            filtered: summary.filtered,
            is_nothing: summary.is_nothing(),
        }
    }

    /// Of a replay that was only planned.
    pub(super) fn of_dry_run(dry_run: &'a DryRun) -> Self {
        Self {
            ticks: dry_run.ticks(),
            rejected: dry_run.rejected(),
            filtered: dry_run.filtered(),
            is_nothing: dry_run.is_nothing(),
        }
    }

    /// Of an export. Events are written whatever a replay would publish of them.
    pub(super) fn of_export(exported: &'a Exported) -> Self {
        Self {
            ticks: exported.ticks,
            rejected: &exported.rejected,
            filtered: exported.filtered,
            is_nothing: exported.is_nothing(),
        }
    }
}

/// How a verb ends that was to publish these ticks. None of them is usually a missing table.
pub(super) fn of_publishing(published: &Published<'_>, may_be_empty: bool) -> Outcome {
    if may_be_empty || !published.is_nothing {
        return Outcome::Done;
    }
    let reasons = published.rejected.iter();
    let reasons = reasons.map(|(reason, count)| format!("{reason} {count}"));
    tracing::warn!(
        event = "nothing_published",
        ticks = published.ticks,
        rejected = reasons.collect::<Vec<_>>().join(", "),
        filtered = published.filtered,
        "no message was published: every tick was rejected or dropped"
    );
    Outcome::Lossy
}

/// Names the flag that set the window.
fn selection_error(error: SelectionError) -> anyhow::Error {
    let outside = |flag: &str| UsageError::new(format!("{flag} is outside the years 1678 to 2261"));
    let usage = match error {
        SelectionError::Window(WindowError::StartOutOfRange) => outside("--start"),
        SelectionError::Window(WindowError::EndOutOfRange) => outside("--end"),
        SelectionError::Window(error) => UsageError::new(error.to_string()),
        SelectionError::AmbiguousDay { .. } => UsageError::new(error.to_string()),
        SelectionError::Symbols(error) => UsageError::caused_by("--symbols cannot be used", error),
        SelectionError::Recording(error) => return error.into(),
        error => return error.into(),
    };
    usage.into()
}

/// Warns about patterns that select nothing while others do. Where nothing matches at all, the end of
/// the verb says so.
fn warn_unmatched(selection: &selection::Selection, patterns: usize) {
    let unmatched = &selection.unmatched;
    if !unmatched.is_empty() && unmatched.len() < patterns {
        tracing::warn!(
            event = "symbols_unmatched",
            patterns = unmatched.join(","),
            available = selection.available.as_ref().map(listed).unwrap_or_default(),
            "no recorded instrument matches"
        );
    }
}

/// Warns about recordings without a tick, and says what they have.
pub(super) fn warn_no_tick(inputs: &Inputs) {
    let manifests = inputs.recordings.iter().filter_map(Recording::manifest);
    tracing::warn!(
        event = "no_tick_found",
        session = inputs.session(),
        events = manifests.map(|manifest| manifest.events).sum::<u64>(),
        recorded = recorded(inputs),
        "the input has no tick; --allow-empty accepts that"
    );
}

/// From when to when there are events; empty where there are none.
fn recorded(inputs: &Inputs) -> String {
    let range = inputs.time_range().ok().flatten();
    range.map_or_else(String::new, |(start, end)| format!("{start} to {end}"))
}

/// The first instruments by name, and how many there are.
fn listed(instruments: &BTreeMap<String, u64>) -> String {
    const SHOWN: usize = 12;
    let first: Vec<&str> = instruments.keys().take(SHOWN).map(String::as_str).collect();
    let first = first.join(",");
    match instruments.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Lossy if an input is not whole: its writer is running or was killed.
pub(super) const fn completeness(is_complete: bool) -> Outcome {
    if is_complete {
        Outcome::Done
    } else {
        Outcome::Lossy
    }
}

/// Refuses damaged recordings. The error shows the first finding, the number of others, and `remedy`. A
/// contract table has other remedies, which the hints name.
pub(super) fn refuse_damage(findings: &[Finding], remedy: &str) -> Result<(), RecordingError> {
    damaged(findings, remedy).map_or(Ok(()), Err)
}

/// Warns that damage is why nothing was found, rather than the selection.
pub(super) fn warn_nothing_intact(selection: &Selection, missing: &[MissingPart]) {
    let filter = &selection.events.filter;
    let is_all = filter.instruments.is_none() && filter.start.is_none() && filter.end.is_none();
    let what = if is_all {
        "nothing"
    } else {
        "no selected tick"
    };
    let rows = missing.iter().map(|part| part.rows).sum::<u64>();
    // How many rows a journal or a segment without footer had is not known.
    let lost = match rows {
        0 => String::new(),
        rows => format!(": {rows} rows lost"),
    };
    tracing::warn!(event = "nothing_intact", rows, "{what} is intact{lost}");
}

/// Prints what a salvage does without.
pub(super) fn report_missing(missing: &[MissingPart], damage: &[Finding]) {
    let mut text = String::new();
    for finding in damage {
        let (file, problem) = (finding.file.display(), &finding.problem);
        text.push_str(&format!("damaged: {file}: {problem}\n"));
    }
    for part in missing {
        let (problem, rows) = (&part.problem, part.rows);
        text.push_str(&format!("left out: {problem} ({rows} rows known lost)\n"));
    }
    if !text.is_empty() {
        log::print(&text);
    }
}

/// The error for what was found; `None` if that is nothing.
pub(super) fn damaged(findings: &[Finding], remedy: &str) -> Option<RecordingError> {
    let error = |finding: &Finding, rest: &str| RecordingError::Damaged {
        path: finding.file.clone(),
        problem: format!("{}{rest}", finding.problem),
    };
    let is_table = |finding: &&Finding| error(finding, "").is_damaged_contracts();
    let more = match findings.len() {
        0 | 1 => String::new(),
        all => format!(" (and {} more, see `tickdeck verify`)", all - 1),
    };
    match findings.iter().find(|finding| !is_table(finding)) {
        Some(first) => Some(error(first, &format!("{more}; {remedy}"))),
        None => findings.first().map(|table| error(table, &more)),
    }
}
