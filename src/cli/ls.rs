//! `tickdeck ls`: the sessions of a catalogue.

use std::io::Write as _;

use serde::Serialize;
use tickdeck::listing::{Lister, SessionLine, SessionState};
use tickdeck_core::printable::printable_value;
use tickdeck_recording::storage::{Location, is_url};
use tickdeck_recording::{Catalog, CatalogEntry, Status};

use super::args::LsArgs;
use super::catalog::{Wanted, log_rings, log_unreadable, nothing_selected, rings_under};
use super::context::Context;
use super::outcome::{Outcome, UsageError, stdout, unless_closed};
use super::render::{bytes, grouped, table};

/// A session; the key order is the order of the fields.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    trading_day: String,
    session: &'a str,
    status: Status,
    being_written: bool,
    exchanges: Vec<&'static str>,
    symbols: u64,
    ticks: u64,
    /// Null where the manifest of an older tickdeck does not say it.
    gaps: Option<u64>,
    bytes: u64,
    recording: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    #[serde(skip)]
    state: SessionState,
}

/// Runs the verb.
pub(super) fn run(_context: &Context, args: &LsArgs) -> anyhow::Result<Outcome> {
    let catalog = Catalog::open(&args.root)?;
    let wanted = Wanted::of(&args.catalog)?;
    let selected = catalog.entries.iter().filter(|entry| wanted.selects(entry));
    let storage = Location::of(&args.root)?.storage;
    let lister = Lister::new_in(storage, &args.options())
        .map_err(|error| UsageError::caused_by("--symbols cannot be used", error))?;
    let selected: Vec<&CatalogEntry> = selected.collect();
    let mut lines = Vec::new();
    for (entry, line) in selected.iter().zip(lister.lines(&selected)) {
        match line {
            // A prune removed it meanwhile.
            Err(_) if !is_url(&entry.folder) && !entry.folder.exists() => {}
            line => lines.extend(line?),
        }
    }
    let shown: Vec<Shown<'_>> = lines.iter().map(shown).collect();
    unless_closed(print(args, &shown))?;
    log_rings(&rings_under(&args.root));
    let is_partial = log_unreadable(&catalog);
    if shown.is_empty() && !args.allow_empty {
        let reason = nothing_selected(&catalog);
        tracing::warn!(
            event = "nothing_listed",
            "{reason}; --allow-empty accepts that"
        );
        return Ok(Outcome::Lossy);
    }
    if !shown.is_empty() {
        wanted.warn_unmatched(std::slice::from_ref(&catalog));
    }
    let is_damaged = |line: &SessionLine| line.status == Status::Damaged;
    let outcome = match is_partial {
        true => Outcome::Lossy,
        false => Outcome::Done,
    };
    Ok(match lines.iter().any(is_damaged) {
        true => outcome.and(Outcome::Difference),
        false => outcome,
    })
}

fn shown(line: &SessionLine) -> Shown<'_> {
    let stored = &line.stored;
    let day = stored.trading_day.map(|day| day.to_string());
    Shown {
        trading_day: day.unwrap_or_default(),
        session: &stored.session,
        status: line.status,
        being_written: line.is_being_written,
        exchanges: line.exchanges.iter().map(|e| e.as_str()).collect(),
        symbols: line.symbols,
        ticks: line.ticks,
        gaps: line.gaps,
        bytes: stored.bytes,
        recording: stored.recording.display().to_string(),
        problem: line.problem.as_deref(),
        state: line.state(),
    }
}

fn print(args: &LsArgs, sessions: &[Shown<'_>]) -> anyhow::Result<()> {
    let mut out = stdout();
    if args.json.json {
        serde_json::to_writer(&mut out, sessions)?;
        writeln!(out)?;
    } else {
        out.write_all(table(&HEAD, sessions.iter().map(row), NUMBERS).as_bytes())?;
    }
    Ok(out.flush()?)
}

const HEAD: [&str; 8] = [
    "TRADING DAY",
    "SESSION",
    "STATUS",
    "EXCHANGES",
    "SYMBOLS",
    "TICKS",
    "GAPS",
    "SIZE",
];
/// The first column of numbers.
const NUMBERS: usize = 4;

fn row(session: &Shown<'_>) -> Vec<String> {
    vec![
        session.trading_day.clone(),
        printable_value(session.session).into_owned(),
        session.state.as_str().to_owned(),
        session.exchanges.join(","),
        grouped(session.symbols),
        grouped(session.ticks),
        session.gaps.map_or_else(|| "-".to_owned(), grouped),
        bytes(session.bytes),
    ]
}
