//! `tickdeck info`: the contents of a recording.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;

use serde::Serialize;
use tickdeck::normalize::{Normalizer, Outcome as NormalizeOutcome};
use tickdeck_core::contract::Exchange;
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{
    EventFilter, Finding, FormatVersion, Gap, GapFinder, Manifest, Recording, Status, verify,
};

use super::Context;
use super::args::{InfoArgs, NormalizeArgs};
use super::inputs::{self, keep_first, recordings_among};
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
    /// The event digest, by its short name.
    digest: String,
    /// Ticks of each instrument.
    instruments: BTreeMap<String, u64>,
    exchanges: Vec<&'static str>,
    /// Spans in which ticks are missing.
    gaps: Vec<Gap>,
    /// Ticks that a replay would not publish, by reason.
    rejected: BTreeMap<&'static str, u64>,
    recv_ts: String,
    detail: String,
    /// Differences from what was written.
    findings: Vec<Finding>,
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
            Err(error) => keep_first(&mut first_error, path, error),
        }
    }
    print(args, &infos)?;
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
    if !info.findings.is_empty() {
        return Ok(info);
    }
    let read = read(context, recording)?;
    info.gaps = read.gaps;
    info.exchanges = read.exchanges;
    if info.status == Status::Complete {
        info.rejected = read.rejected;
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
        event_digest: manifest.digest.clone(),
        instruments: manifest.instruments.clone(),
        exchanges: Vec::new(),
        gaps: Vec::new(),
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
    let mut instruments = BTreeMap::new();
    let mut days = BTreeSet::new();
    each_batch(recording, &mut |events| {
        for event in events {
            if let Some(tick) = event.as_tick() {
                *instruments
                    .entry(tick.instrument_id.to_string())
                    .or_default() += 1;
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
        symbols: instruments.len() as u64,
        trading_days: days.iter().map(ToString::to_string).collect(),
        start: None,
        end: None,
        segments: recording.segments().len() as u64,
        bytes: size,
        digest: report.digest.clone(),
        event_digest: report.digest,
        instruments,
        exchanges: Vec::new(),
        gaps: Vec::new(),
        rejected: BTreeMap::new(),
        recv_ts: String::new(),
        detail: String::new(),
        findings: report.findings,
    })
}

/// What only the events themselves say.
struct Read {
    rejected: BTreeMap<&'static str, u64>,
    exchanges: Vec<&'static str>,
    gaps: Vec<Gap>,
}

/// Reads the whole recording: the gaps, and the rejects of a replay by running the normalizer.
fn read(context: &Context, recording: &Recording) -> anyhow::Result<Read> {
    let reference = inputs::reference(&NormalizeArgs::default(), std::slice::from_ref(recording))?;
    let mut normalizer = Normalizer::new(
        Arc::clone(&reference.contracts),
        Arc::clone(&reference.calendar),
        reference.receive_times,
    );
    let mut rejected = BTreeMap::new();
    let mut exchanges = BTreeSet::new();
    let mut gaps = GapFinder::default();
    let mut progress = context.progress("info", recording.manifest().map(|m| m.events));
    let mut events_done = 0;
    each_batch(recording, &mut |events| {
        for event in events {
            gaps.on(event);
            match normalizer.apply(event) {
                NormalizeOutcome::Rejected { reason, .. } => {
                    *rejected.entry(reason.as_str()).or_insert(0) += 1;
                }
                NormalizeOutcome::Tick(tick) => {
                    exchanges.insert(tick.instrument.contract.exchange);
                }
                NormalizeOutcome::Session => {}
            }
        }
        events_done += events.len() as u64;
        progress.at(tickdeck::progress::Position {
            events: events_done,
            lag_ns: None,
        });
    })?;
    progress.finish();
    Ok(Read {
        rejected,
        exchanges: exchanges.into_iter().map(Exchange::as_str).collect(),
        gaps: gaps.finish(),
    })
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
        ("by id", by_instrument(&info.instruments)),
        ("exchanges", info.exchanges.join(", ")),
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
        ("event digest", info.event_digest.clone()),
    ];
    if !info.recv_ts.is_empty() && info.recv_ts != "clock" {
        lines.push(("recv_ts", info.recv_ts.clone()));
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
    for finding in &info.findings {
        let file = finding.file.display();
        lines.push(("damage", format!("{file}: {}", finding.problem)));
    }
    lines
        .into_iter()
        .map(|(name, value)| format!("{name:<12} {value}\n"))
        .collect()
}

/// The instruments with the most ticks first.
fn by_instrument(instruments: &BTreeMap<String, u64>) -> String {
    /// Instruments that are named; `--json` has all.
    const SHOWN: usize = 8;
    let mut sorted: Vec<(&String, &u64)> = instruments.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let shown = sorted.iter().take(SHOWN);
    let mut text = shown
        .map(|(id, ticks)| format!("{id} {}", grouped(**ticks)))
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more @ 1..) = sorted.len().checked_sub(SHOWN) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
