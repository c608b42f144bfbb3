//! `tickdeck coverage`: what recordings have of their trading days, and what is missing.

use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;
use tickdeck::coverage::{
    Coverage, CoverageOptions, DayCoverage, DayHalf, InstrumentCoverage, Observation, Silence,
    judge,
};
use tickdeck::reference::Reference;
use tickdeck_core::printable::printable_value;
use tickdeck_core::select::SymbolGlobs;
use tickdeck_core::time::UnixNanos;

use super::args::{CoverageArgs, duration_ns};
use super::context::Context;
use super::inputs::{self, INTACT_ONLY, keep_first, recordings_among, refuse_damage};
use super::outcome::{Outcome, UsageError, stdout, unless_closed};
use super::render::{counted, grouped, table};

/// The result; the key order is the order of the fields.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    whole: bool,
    silent_s: f64,
    #[serde(flatten)]
    coverage: &'a Coverage,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &CoverageArgs) -> anyhow::Result<Outcome> {
    let options = options(args)?;
    let mut recordings = Vec::new();
    let mut first_error = None;
    for path in recordings_among(&args.recordings)? {
        match inputs::open(&[path.to_owned()]) {
            Ok(inputs) => recordings.extend(inputs.recordings),
            Err(error) => keep_first(context, &mut first_error, path, error),
        }
    }
    let reference = Reference::of_recordings(&recordings)?;
    let mut observations = Vec::new();
    for recording in &recordings {
        let damage = recording.damaged_files();
        if let Err(error) = refuse_damage(&damage, INTACT_ONLY) {
            keep_first(context, &mut first_error, recording.path(), error.into());
            continue;
        }
        let total = recording.manifest().map(|manifest| manifest.events);
        let mut progress = context.progress("coverage", total);
        let calendar = &reference.calendar;
        let observed = Observation::read(recording, calendar, options.silent_ns, &mut *progress);
        progress.finish();
        match observed {
            Ok(observation) => observations.push(observation),
            Err(error) => {
                keep_first(context, &mut first_error, recording.path(), error.into());
            }
        }
    }
    let coverage = judge(&observations, &reference, &options);
    let days = coverage.days.iter().map(|day| day.trading_day.0);
    inputs::warn_not_covered(&reference.calendar, days);
    unless_closed(print(args, &coverage))?;
    match first_error {
        Some(error) => Err(error),
        None => Ok(outcome(args, &coverage)),
    }
}

fn options(args: &CoverageArgs) -> Result<CoverageOptions, UsageError> {
    let globs = |flag: &str, patterns: &[String]| {
        SymbolGlobs::new(patterns)
            .map_err(|error| UsageError::caused_by(format!("{flag} cannot be used"), error))
    };
    let allowed = match &args.allow[..] {
        [] => None,
        patterns => Some(globs("--allow", patterns)?),
    };
    Ok(CoverageOptions {
        silent_ns: duration_ns(args.silent),
        judged: args.hours.into(),
        symbols: globs("--symbols", &args.symbols)?,
        allowed,
        min_ticks: args.min_ticks,
    })
}

fn outcome(args: &CoverageArgs, coverage: &Coverage) -> Outcome {
    if !coverage.is_whole() {
        return Outcome::Difference;
    }
    if !coverage.is_nothing() || args.allow_empty {
        return Outcome::Done;
    }
    tracing::warn!(
        event = "nothing_judged",
        symbols = args.symbols.join(","),
        "no selected instrument that may not be silent has trading hours in the recordings; \
         --allow-empty accepts that"
    );
    Outcome::Lossy
}

fn print(args: &CoverageArgs, coverage: &Coverage) -> anyhow::Result<()> {
    let mut out = stdout();
    if args.json.json {
        let shown = Shown {
            whole: coverage.is_whole() && !coverage.is_nothing(),
            silent_s: args.silent.as_secs_f64(),
            coverage,
        };
        serde_json::to_writer(&mut out, &shown)?;
        writeln!(out)?;
    } else {
        for (position, day) in coverage.days.iter().enumerate() {
            if position > 0 {
                writeln!(out)?;
            }
            out.write_all(text(day, args.all).as_bytes())?;
        }
    }
    Ok(out.flush()?)
}

fn text(day: &DayCoverage, all: bool) -> String {
    let mut text = format!("{}  {}\n", day.trading_day, verdict(day));
    let mut lines = sessions(day);
    lines.extend(findings(day));
    for (name, value) in lines {
        text.push_str(&format!("  {name:<9} {}\n", printable_value(&value)));
    }
    let listed = |it: &&InstrumentCoverage| all || !it.silent.is_empty();
    let shown: Vec<&InstrumentCoverage> = day.instruments.iter().filter(listed).collect();
    if !shown.is_empty() {
        text.push('\n');
        text.push_str(&instruments(&shown));
    }
    let others = day.instruments.len() - shown.len();
    if others > 0 && day.is_judged() {
        let others = counted(others as u64, "instrument");
        text.push_str(&format!("  {others} without silence: --all lists them\n"));
    }
    text
}

/// The result in one line.
fn verdict(day: &DayCoverage) -> String {
    if day.judged.is_empty() {
        return "not judged: no recording reaches into its trading hours".into();
    }
    if !day.is_judged() {
        return "not judged: each instrument may be silent, or has no known trading hours".into();
    }
    let counts = [
        (day.gaps().count(), "gap"),
        (day.silent.len(), "silence of all instruments"),
        (day.silent_instruments().count(), "silent instrument"),
        (day.without_tick.len(), "instrument without a tick"),
        (day.refused.len(), "refused subscription"),
    ];
    let found = counts.into_iter().filter(|(count, _)| *count > 0);
    let found: Vec<String> = found
        .map(|(count, what)| match what.split_once(' ') {
            Some(("silence", _)) if count > 1 => format!("{count} silences of all instruments"),
            Some(("instrument", _)) if count > 1 => format!("{count} instruments without a tick"),
            _ if what.starts_with("silence") || what.starts_with("instrument") => {
                format!("{count} {what}")
            }
            _ => counted(count as u64, what),
        })
        .collect();
    match (day.whole, &found[..]) {
        (true, _) => "whole".into(),
        (false, []) => "not whole".into(),
        (false, found) => format!("not whole: {}", found.join(", ")),
    }
}

fn sessions(day: &DayCoverage) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let names = |halves: &[DayHalf]| {
        let names: Vec<&str> = halves.iter().map(|half| half.as_str()).collect();
        names.join(", ")
    };
    if day.is_judged() {
        lines.push(("judged", names(&day.judged)));
    }
    if !day.not_recorded.is_empty() {
        lines.push(("no event", format!("in the {}", names(&day.not_recorded))));
    }
    for session in &day.sessions {
        let ticks = counted(session.ticks, "tick");
        let (start, end) = (time(session.start), time(session.end));
        let mut line = format!("{}  {start} to {end}  {ticks}", session.session);
        if session.reconnects > 0 {
            line.push_str(&format!(", {}", counted(session.reconnects, "reconnect")));
        }
        if session.being_written {
            line.push_str(", being written");
        }
        lines.push(("session", line));
    }
    lines
}

fn findings(day: &DayCoverage) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for gap in day.gaps() {
        let to = gap.to.map_or_else(|| "the end".to_owned(), time);
        let reason = &gap.reason;
        lines.push(("gap", format!("{} to {to}  {reason}", time(gap.from))));
    }
    for silence in &day.silent {
        let what = "no instrument had a tick";
        lines.push(("silence", format!("{}  {what}", silence_text(silence))));
    }
    for session in day.sessions.iter().filter(|it| it.has_lost_events) {
        let what = "a recovery could not read some events: see `tickdeck info`";
        lines.push(("lost", format!("{}  {what}", session.session)));
    }
    for session in day.sessions.iter().filter(|it| !it.has_subscriptions) {
        let what = "it has no subscription, so instruments that never came are not found";
        lines.push(("note", format!("{}  {what}", session.session)));
    }
    for (name, ids) in [("no tick", &day.without_tick), ("refused", &day.refused)] {
        if !ids.is_empty() {
            lines.push((name, listed(ids)));
        }
    }
    lines
}

/// The first of them, and how many there are.
fn listed(ids: &[String]) -> String {
    const SHOWN: usize = 20;
    let first = ids.iter().take(SHOWN).map(String::as_str);
    let first = first.collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The most silent ones first.
fn instruments(shown: &[&InstrumentCoverage]) -> String {
    let mut sorted = shown.to_vec();
    sorted.sort_by_key(|it| std::cmp::Reverse(silent_ns(it)));
    let head = [
        "INSTRUMENT",
        "EXCHANGE",
        "FIRST TICK",
        "LAST TICK",
        "LONGEST SILENCE",
        "SILENCES",
        "SILENT",
        "TICKS",
    ];
    let rows = sorted.into_iter().map(|it| {
        let longest = it.silent.iter().max_by_key(|silence| silence.trading_ns);
        let exchange = it.exchange.map_or("?", |exchange| exchange.as_str());
        vec![
            printable_value(&it.instrument).into_owned(),
            exchange.to_owned(),
            time(it.first_tick),
            time(it.last_tick),
            longest.map(silence_text).unwrap_or_default(),
            grouped(it.silent.len() as u64),
            span(silent_ns(it)),
            grouped(it.ticks),
        ]
    });
    /// The first column of numbers.
    const NUMBERS: usize = 5;
    table(&head, rows, NUMBERS)
}

fn silent_ns(instrument: &InstrumentCoverage) -> i64 {
    let silent = instrument.silent.iter();
    silent.map(|silence| silence.trading_ns).sum()
}

fn silence_text(silence: &Silence) -> String {
    let Silence {
        from,
        to,
        trading_ns,
    } = silence;
    format!("{} to {} ({})", time(*from), time(*to), span(*trading_ns))
}

/// A length, to the second.
fn span(nanos: i64) -> String {
    let whole = Duration::from_nanos(nanos.unsigned_abs()).as_secs();
    humantime::format_duration(Duration::from_secs(whole)).to_string()
}

/// Date and time of day: a night begins on another date.
fn time(at: UnixNanos) -> String {
    at.to_shanghai().format("%m-%d %H:%M:%S").to_string()
}
