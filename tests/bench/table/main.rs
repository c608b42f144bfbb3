//! The table of `cargo xtask bench`: every figure that tickdeck promises, each ratio from cases
//! that took turns in the same run. docs/benchmarks.md explains the rows.
//!
//! `TICKDECK_BENCH_QUICK=1` is a smaller run for continuous integration. It shows that everything
//! runs. Its sizes are meaningful, its times are not.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, beside the program's own clock"
)]

mod check;
mod front;
mod growth;
mod instructions;
mod jetstream;
mod nats;
mod peers;
#[path = "../plain.rs"]
mod plain;
mod program;
mod replay;
mod report;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tickdeck::calendar::TradingCalendar;
use tickdeck::clock::SystemClock;
use tickdeck::contract::ContractTable;
use tickdeck::pipeline::measure;
use tickdeck::recording::{EventFilter, Recording};
use tickdeck::synthetic::{Profile, SyntheticOptions, SyntheticSource};

use report::{Bar, Report, median};
use storage::{Bars, check_equal, reading, sizes_and_writing};

/// Sizes of all inputs.
struct Scale {
    rounds: usize,
    day: Option<&'static str>,
    full_market: Option<&'static str>,
    stage_ticks: usize,
    nats_messages: u64,
    stream: jetstream::Amount,
    pace_s: u32,
    memory_days: u64,
    memory_duration: Option<&'static str>,
    check_messages: u64,
}

const FULL: Scale = Scale {
    rounds: 5,
    day: None,
    full_market: Some("10m"),
    stage_ticks: 1_000_000,
    nats_messages: 2_000_000,
    stream: jetstream::Amount {
        pipelined: 500_000,
        durable: 200_000,
        single: 1_000,
    },
    pace_s: 10,
    memory_days: 4,
    memory_duration: None,
    check_messages: 1_000_000,
};

const QUICK: Scale = Scale {
    rounds: 1,
    day: Some("25m"),
    full_market: Some("6m"),
    stage_ticks: 200_000,
    nats_messages: 100_000,
    stream: jetstream::Amount {
        pipelined: 20_000,
        durable: 10_000,
        single: 50,
    },
    pace_s: 2,
    memory_days: 2,
    memory_duration: Some("45m"),
    check_messages: 100_000,
};

fn main() -> Result<()> {
    // `cargo test --benches` starts this too, but it is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let alone = std::env::args().skip_while(|argument| argument != replay::ALONE);
    if let [_, words @ ..] = &alone.collect::<Vec<_>>()[..] {
        return replay::stage_alone(words);
    }
    let report = Report;
    let is_quick = std::env::var_os("TICKDECK_BENCH_QUICK").is_some_and(|value| value == "1");
    let scale = if is_quick { QUICK } else { FULL };
    let only = std::env::var("TICKDECK_BENCH_ONLY").unwrap_or_default();
    let wants = |part: &str| only.is_empty() || only.split(',').any(|word| word == part);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let folder = folder.path();
    // Takes long, so only where it is named.
    if only == "growth" {
        return growth::measure(
            &report,
            folder,
            if is_quick {
                &growth::QUICK
            } else {
                &growth::FULL
            },
        );
    }
    let dumps = java_trader_dumps()?;
    let day = prepare_day(&report, folder, &scale)?;
    if wants("storage") {
        storage_rows(&report, folder, &scale, &dumps)?;
    }
    if wants("digest") {
        replay::to_digest(&report, &day, scale.rounds)?;
    }
    if wants("stages") {
        replay::stages(&report, &day, scale.stage_ticks, scale.rounds)?;
        match instructions::unavailable() {
            Some(why) => report.skipped("replay to digest: instructions per tick", why),
            None => drop(instructions::jobs(&report, folder, &day)?),
        }
    }
    if wants("nats") {
        nats::measure(&report, &day, scale.nats_messages, scale.rounds)?;
    }
    if wants("jetstream") {
        jetstream::measure(&report, &day, &scale.stream, scale.rounds)?;
    }
    if wants("pace") {
        pacing(&report, &scale);
    }
    if wants("memory") {
        let (days, duration) = (scale.memory_days, scale.memory_duration);
        replay::memory(&report, folder, &dumps, days, duration)?;
    }
    if wants("front") {
        let folder = folder.join("front");
        std::fs::create_dir(&folder)?;
        front::measure(&report, &folder, scale.rounds)?;
    }
    if wants("check") {
        let amount = check::Amount {
            messages: scale.check_messages,
            days: scale.memory_days,
            duration: scale.memory_duration,
            rounds: scale.rounds,
        };
        check::measure(&report, folder, &day, &amount)?;
    }
    Ok(())
}

/// A seeded market and its contracts.
fn synthetic(
    profile: Profile,
    seed: u64,
    duration: Option<&str>,
) -> Result<(SyntheticSource, Arc<ContractTable>)> {
    let options = SyntheticOptions {
        profile,
        seed,
        duration: duration.map(humantime::parse_duration).transpose()?,
        ..SyntheticOptions::default()
    };
    let source = SyntheticSource::open(options, &TradingCalendar::builtin())?;
    let mut contracts = ContractTable::builtin();
    contracts.extend(source.contracts());
    Ok((source, Arc::new(contracts)))
}

/// The day session that everything else is measured on, with the rows that writing it gives.
fn prepare_day(report: &Report, folder: &Path, scale: &Scale) -> Result<PathBuf> {
    let folder = folder.join("day");
    std::fs::create_dir(&folder)?;
    let (mut source, contracts) = synthetic(Profile::Day, 42, scale.day)?;
    let bars = Bars {
        bytes: Some(27.0),
        of_defaults: 0.65,
    };
    sizes_and_writing(report, "day", &folder, &mut source, contracts, &bars)?;
    Ok(folder.join("ours"))
}

fn storage_rows(report: &Report, folder: &Path, scale: &Scale, dumps: &[PathBuf]) -> Result<()> {
    let bars = Bars {
        bytes: None,
        of_defaults: 0.8,
    };
    check_equal(&folder.join("day"))?;
    reading(report, "day", &folder.join("day"), scale.rounds)?;
    let full = folder.join("full");
    std::fs::create_dir(&full)?;
    let (mut source, contracts) = synthetic(Profile::FullMarket, 42, scale.full_market)?;
    sizes_and_writing(report, "full-market", &full, &mut source, contracts, &bars)?;
    reading(report, "full-market", &full, scale.rounds)?;
    for exchange in ["SHFE", "CZCE"] {
        let name = format!("java-trader {exchange}");
        let mark = format!("_{exchange}_");
        let of_exchange = dumps
            .iter()
            .filter(|dump| dump.to_string_lossy().contains(&mark));
        let files: Vec<_> = of_exchange.map(|dump| dump.to_string_lossy()).collect();
        if files.is_empty() {
            report.skipped(&format!("{name}: bytes"), "no dumps (TICKDECK_SHARED_DATA)");
            continue;
        }
        let folder = folder.join(exchange);
        std::fs::create_dir(&folder)?;
        let imported = folder.join("imported");
        let imported_name = imported.to_string_lossy();
        let mut args = vec!["import", "--output", &imported_name];
        args.extend(files.iter().map(AsRef::as_ref));
        program::tickdeck(&args)?;
        let mut source = Recording::open(&imported)?.reader(EventFilter::default());
        let contracts = Arc::new(ContractTable::builtin());
        sizes_and_writing(report, &name, &folder, &mut source, contracts, &bars)?;
    }
    Ok(())
}

/// Real CTP ticks, if available.
fn java_trader_dumps() -> Result<Vec<PathBuf>> {
    let default = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("../shared/data");
    let folder = std::env::var_os("TICKDECK_SHARED_DATA").map_or(default, PathBuf::from);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder).context("listing the dumps")?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.to_string_lossy().contains("java-trader_"));
    paths.sort();
    Ok(paths)
}

fn pacing(report: &Report, scale: &Scale) {
    let clock = Arc::new(SystemClock::new());
    let (mut p50, mut p99, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds.min(3) {
        let measured = measure(2_000, scale.pace_s, clock.clone());
        if let Some(lateness) = measured.report.lateness {
            p50.push(storage::count(lateness.p50_ns) / 1e3);
            p99.push(storage::count(lateness.p99_ns) / 1e3);
        }
        cpu.extend(measured.cpu_share.map(|share| share * 100.0));
    }
    let shown = |values: &[f64]| {
        let values: Vec<_> = values.iter().map(|value| format!("{value:.1}")).collect();
        values.join(", ")
    };
    let rows = [
        ("pacing at 2,000/s: p50, us", p50, 5.0),
        ("pacing at 2,000/s: p99, us", p99, 200.0),
        ("pacing at 2,000/s: % of a core", cpu, 15.0),
    ];
    for (what, values, limit) in rows {
        let figures = shown(&values);
        report.row(what, &figures, median(values), Bar::AtMost(limit));
    }
}
