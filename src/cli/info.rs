//! `tickdeck info`: the contents of a recording.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde::Serialize;
use tickdeck::contents::Contents;
use tickdeck_core::printable::printable_value;
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{Finding, FormatVersion, Gap, Recording, Status};

use super::args::InfoArgs;
use super::context::Context;
use super::inputs::{self, keep_first, recordings_among};
use super::outcome::{Outcome, stdout, unless_closed};
use super::render::{by_instrument, bytes, counted, grouped};

/// The result; the key order is the order of the fields.
#[derive(Debug, Serialize)]
struct Info {
    session: String,
    status: Status,
    format_version: FormatVersion,
    source: String,
    api_version: String,
    events: u64,
    ticks: u64,
    symbols: u64,
    trading_days: Vec<String>,
    start: Option<String>,
    end: Option<String>,
    segments: u64,
    bytes: u64,
    /// The event digest, by its short name.
    digest: String,
    /// Ticks of each instrument.
    instruments: BTreeMap<String, u64>,
    exchanges: Vec<&'static str>,
    /// Spans in which ticks are missing.
    gaps: Vec<Gap>,
    /// Events that are in the journal and in no segment.
    journal_events: u64,
    /// Whether a writer has it. False for the status `recording` after the writer was killed.
    being_written: bool,
    #[serde(skip)]
    is_writer_unknown: bool,
    /// Ticks that a replay would not publish, by reason.
    rejected: BTreeMap<&'static str, u64>,
    recv_ts: String,
    /// `recv_ts` if a clock did not stamp every event.
    #[serde(skip)]
    rules_beside_clock: Option<String>,
    detail: String,
    /// Differences from what was written.
    findings: Vec<Finding>,
    /// Events that an earlier recovery could not read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lost: Vec<Finding>,
    event_digest: String,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &InfoArgs) -> anyhow::Result<Outcome> {
    let mut infos = Vec::new();
    let mut first_error = None;
    for path in recordings_among(&args.recordings)? {
        let opened = inputs::open(&[path.to_owned()]);
        match opened.and_then(|inputs| info(context, &inputs.recordings[0])) {
            Ok(info) => infos.push(info),
            Err(error) => keep_first(context, &mut first_error, path, error),
        }
    }
    unless_closed(print(args, &infos))?;
    if let Some(error) = first_error {
        return Err(error);
    }
    let damaged = infos.iter().any(|info| !info.findings.is_empty());
    Ok(if damaged {
        Outcome::Difference
    } else {
        Outcome::Done
    })
}

fn print(args: &InfoArgs, infos: &[Info]) -> anyhow::Result<()> {
    if infos.is_empty() {
        return Ok(());
    }
    let mut out = stdout();
    if args.json.json {
        match infos {
            [one] => serde_json::to_writer(&mut out, one)?,
            many => serde_json::to_writer(&mut out, many)?,
        }
        writeln!(out)?;
    } else {
        for (position, info) in infos.iter().enumerate() {
            if position > 0 {
                writeln!(out)?;
            }
            out.write_all(text(info).as_bytes())?;
        }
    }
    Ok(out.flush()?)
}

fn info(context: &Context, recording: &Recording) -> anyhow::Result<Info> {
    let total = recording.manifest().map(|manifest| manifest.events);
    let mut progress = context.progress("info", total);
    let contents = Contents::read(recording, progress.as_mut())?;
    let time = |at: Option<UnixNanos>| at.map(|at| at.to_string());
    let rules_beside_clock = contents.source.rules_beside_clock().map(str::to_owned);
    Ok(Info {
        session: contents.session,
        status: contents.status,
        format_version: contents.format_version,
        source: contents.source.kind,
        api_version: contents.source.api_version,
        events: contents.events,
        ticks: contents.ticks,
        symbols: contents.instruments.len() as u64,
        trading_days: contents.trading_days,
        start: time(contents.start),
        end: time(contents.end),
        segments: contents.segments,
        bytes: contents.bytes,
        journal_events: contents.journal_events,
        being_written: contents.is_being_written,
        is_writer_unknown: recording.is_writer_unknown(),
        digest: contents.event_digest.clone(),
        event_digest: contents.event_digest,
        instruments: contents.instruments,
        exchanges: contents.exchanges.iter().map(|e| e.as_str()).collect(),
        gaps: contents.gaps,
        rejected: contents.rejected,
        rules_beside_clock,
        recv_ts: contents.source.recv_ts,
        detail: contents.source.detail,
        findings: contents.findings,
        lost: recording.manifest().map_or_else(Vec::new, |manifest| {
            let lost = manifest.lost.iter();
            lost.map(|it| it.finding(recording.path())).collect()
        }),
    })
}

fn text(info: &Info) -> String {
    let none = || "-".to_owned();
    let tenths = (info.bytes * 10).checked_div(info.ticks);
    let per_tick = tenths.map_or_else(String::new, |tenths| {
        format!(" ({}.{} a tick)", tenths / 10, tenths % 10)
    });
    let api = match info.api_version.as_str() {
        "" => String::new(),
        version => format!(", CTP API {version}"),
    };
    let detail = match info.detail.as_str() {
        "" => String::new(),
        detail => format!(" ({detail})"),
    };
    let status = match (info.status, info.being_written) {
        (Status::Recording, true) => "recording (it is being written)",
        (Status::Recording, false) if info.is_writer_unknown => {
            "recording (its .lock may not be read: its writer may be running or not)"
        }
        (Status::Recording, false) => "recording (its writer is gone: `tickdeck recover` seals it)",
        (status, _) => status.as_str(),
    };
    let mut lines = vec![
        ("session", info.session.clone()),
        ("status", status.to_owned()),
        ("source", format!("{}{detail}{api}", info.source)),
        (
            "ticks",
            format!(
                "{} of {}",
                grouped(info.ticks),
                counted(info.symbols, "instrument")
            ),
        ),
        ("by id", by_instrument(&info.instruments)),
        ("exchanges", info.exchanges.join(", ")),
        ("events", grouped(info.events)),
        ("days", info.trading_days.join(", ")),
        ("start", info.start.clone().unwrap_or_else(none)),
        ("end", info.end.clone().unwrap_or_else(none)),
        (
            "size",
            format!(
                "{} in {}{per_tick}",
                bytes(info.bytes),
                counted(info.segments, "segment")
            ),
        ),
        ("format", info.format_version.to_string()),
        (
            "event digest",
            match info.event_digest.as_str() {
                "" => none(),
                digest => digest.to_owned(),
            },
        ),
    ];
    lines.extend(remarks(info));
    lines
        .into_iter()
        .map(|(name, value)| format!("{name:<12} {}\n", printable_value(&value)))
        .collect()
}

/// The lines that only some recordings have.
fn remarks(info: &Info) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if info.journal_events > 0 {
        let events = grouped(info.journal_events);
        lines.push(("journal", format!("{events} events in no segment yet")));
    }
    if let Some(rules) = &info.rules_beside_clock {
        lines.push(("recv_ts", rules.clone()));
    }
    for gap in &info.gaps {
        let to = gap
            .to
            .map_or_else(|| "the end".to_owned(), |to| to.to_string());
        lines.push(("gap", format!("{} to {to}: {}", gap.from, gap.reason)));
    }
    for (reason, count) in &info.rejected {
        lines.push(("rejected", format!("{} {reason}", grouped(*count))));
    }
    for lost in &info.lost {
        let file = lost.file.display();
        lines.push(("lost", format!("{file}: {}", lost.problem)));
    }
    for finding in &info.findings {
        let file = finding.file.display();
        lines.push(("damage", format!("{file}: {}", finding.problem)));
    }
    lines
}
