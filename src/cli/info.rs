//! `tickdeck info`: the contents of a recording.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use serde::Serialize;
use tickdeck::normalize::{Normalizer, Outcome as NormalizeOutcome};
use tickdeck_core::event::EventKind;
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{
    EventFilter, Finding, FormatVersion, Manifest, Recording, Status, verify,
};

use super::Context;
use super::args::{InfoArgs, NormalizeArgs};
use super::inputs;
use super::outcome::{Outcome, stdout};
use super::render::{bytes, grouped};

/// Events read at a time.
const BATCH_EVENTS: usize = 4096;

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
    digest: String,
    /// Ticks that a replay would not publish, by reason.
    rejected: BTreeMap<&'static str, u64>,
    recv_ts: String,
    detail: String,
    /// Differences from what was written.
    findings: Vec<Finding>,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &InfoArgs) -> anyhow::Result<Outcome> {
    let inputs = inputs::open(&args.recordings)?;
    let infos = inputs
        .recordings
        .iter()
        .map(|recording| info(context, recording))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut out = stdout();
    if args.json.json {
        match &infos[..] {
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
    out.flush()?;
    let damaged = infos.iter().any(|info| !info.findings.is_empty());
    Ok(if damaged {
        Outcome::Difference
    } else {
        Outcome::Done
    })
}

fn info(context: &Context, recording: &Recording) -> anyhow::Result<Info> {
    let source = recording.source();
    let time = |at: Option<UnixNanos>| at.map(|at| at.to_string());
    let mut info = match recording.manifest() {
        Some(manifest) => of_manifest(recording, manifest),
        None => of_segment(recording)?,
    };
    let range = recording.time_range()?;
    info.start = time(range.map(|(start, _)| start));
    info.end = time(range.map(|(_, end)| end));
    info.recv_ts.clone_from(&source.recv_ts);
    info.detail.clone_from(&source.detail);
    if info.status == Status::Complete {
        info.rejected = rejected(context, recording)?;
    }
    Ok(info)
}

fn of_manifest(recording: &Recording, manifest: &Manifest) -> Info {
    let findings = recording.damaged_segments();
    Info {
        session: manifest.session.clone(),
        status: if findings.is_empty() {
            manifest.status
        } else {
            Status::Damaged
        },
        format_version: manifest.format_version,
        source: manifest.source.kind.clone(),
        api_version: manifest.source.api_version.clone(),
        events: manifest.events,
        ticks: manifest.ticks,
        symbols: manifest.instruments.len() as u64,
        trading_days: manifest.trading_days.clone(),
        start: None,
        end: None,
        segments: manifest.segments.len() as u64,
        bytes: manifest.segments.iter().map(|segment| segment.bytes).sum(),
        digest: manifest.digest.clone(),
        rejected: BTreeMap::new(),
        recv_ts: String::new(),
        detail: String::new(),
        findings,
    }
}

/// A lone segment has no manifest, so all of it is read.
fn of_segment(recording: &Recording) -> anyhow::Result<Info> {
    let report = verify(recording, &mut |_| {});
    let source = recording.source();
    let calendar = inputs::calendar(None, &[])?;
    let mut symbols = std::collections::BTreeSet::new();
    let mut days = std::collections::BTreeSet::new();
    each_batch(recording, &mut |events| {
        for event in events {
            if let Some(tick) = event.as_tick() {
                symbols.insert(tick.instrument_id);
                days.insert(calendar.trading_day_of(event.recv_ts));
            }
        }
    })?;
    let mut size = 0;
    for segment in recording.segments() {
        size += std::fs::metadata(segment)?.len();
    }
    Ok(Info {
        session: recording.session().to_owned(),
        status: if report.is_intact() {
            Status::Complete
        } else {
            Status::Damaged
        },
        format_version: FormatVersion::CURRENT,
        source: source.kind.clone(),
        api_version: source.api_version.clone(),
        events: report.events,
        ticks: report.ticks,
        symbols: symbols.len() as u64,
        trading_days: days.iter().map(ToString::to_string).collect(),
        start: None,
        end: None,
        segments: recording.segments().len() as u64,
        bytes: size,
        digest: report.digest,
        rejected: BTreeMap::new(),
        recv_ts: String::new(),
        detail: String::new(),
        findings: report.findings,
    })
}

/// Counts the rejects of a replay by running the normalizer over the whole recording.
fn rejected(
    context: &Context,
    recording: &Recording,
) -> anyhow::Result<BTreeMap<&'static str, u64>> {
    let reference = inputs::reference(&NormalizeArgs::default(), std::slice::from_ref(recording))?;
    let mut normalizer = Normalizer::new(
        Arc::clone(&reference.contracts),
        Arc::clone(&reference.calendar),
        reference.receive_times,
    );
    let mut counts = BTreeMap::new();
    let mut progress = context.progress("info", recording.manifest().map(|m| m.events));
    let mut events_done = 0;
    each_batch(recording, &mut |events| {
        for event in events {
            if let EventKind::Tick(_) = &event.kind
                && let NormalizeOutcome::Rejected { reason, .. } = normalizer.apply(event)
            {
                *counts.entry(reason.as_str()).or_insert(0) += 1;
            }
        }
        events_done += events.len() as u64;
        progress.at(tickdeck::progress::Position {
            events: events_done,
            lag_ns: None,
        });
    })?;
    progress.finish();
    Ok(counts)
}

fn each_batch(
    recording: &Recording,
    visit: &mut dyn FnMut(&[tickdeck_core::event::Event]),
) -> anyhow::Result<()> {
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
    let mut lines = vec![
        ("session", info.session.clone()),
        ("status", info.status.as_str().to_owned()),
        ("source", format!("{}{detail}{api}", info.source)),
        (
            "ticks",
            format!(
                "{} of {} instruments",
                grouped(info.ticks),
                grouped(info.symbols)
            ),
        ),
        ("events", grouped(info.events)),
        ("days", info.trading_days.join(", ")),
        ("start", info.start.clone().unwrap_or_else(none)),
        ("end", info.end.clone().unwrap_or_else(none)),
        (
            "size",
            format!(
                "{} in {} segments{per_tick}",
                bytes(info.bytes),
                info.segments
            ),
        ),
        ("format", info.format_version.to_string()),
        ("digest", info.digest.clone()),
    ];
    if !info.recv_ts.is_empty() && info.recv_ts != "clock" {
        lines.push(("recv_ts", info.recv_ts.clone()));
    }
    for (reason, count) in &info.rejected {
        lines.push(("rejected", format!("{} {reason}", grouped(*count))));
    }
    for finding in &info.findings {
        let file = finding.file.display();
        lines.push(("damage", format!("{file}: {}", finding.problem)));
    }
    lines
        .into_iter()
        .map(|(name, value)| format!("{name:<10} {value}\n"))
        .collect()
}
