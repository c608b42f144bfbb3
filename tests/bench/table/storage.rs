//! Bytes per tick, writing and reading, side by side on the same ticks.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tickdeck::calendar::TradingCalendar;
use tickdeck::contract::ContractTable;
use tickdeck::event::Event;
use tickdeck::recording::{
    EventFilter, ROW_GROUP_ROWS, Recording, RecordingOptions, RecordingWriter, Rolling, SourceInfo,
};
use tickdeck::source::Source;

use crate::peers::{Dbn, Defaults};
use crate::report::{Bar, Report, median};

/// Bars for the sizes.
pub(crate) struct Bars {
    /// Bytes per tick.
    pub(crate) bytes: Option<f64>,
    /// Share of the bytes of arrow-rs defaults.
    pub(crate) of_defaults: f64,
}

pub(crate) fn options(contracts: Arc<ContractTable>) -> RecordingOptions {
    RecordingOptions {
        session: "bench".into(),
        source: SourceInfo {
            payload_source: "synthetic".into(),
            ..SourceInfo::default()
        },
        contracts,
        calendar: Arc::new(TradingCalendar::builtin()),
        rolling: Rolling::default(),
        overwrite: true,
        keep_partial: false,
    }
}

/// Writes `source` in three formats, alternating by row group, and compares the files. Leaves the
/// recording in `folder`/ours.
pub(crate) fn sizes_and_writing(
    report: &Report,
    name: &str,
    folder: &Path,
    source: &mut dyn Source,
    contracts: Arc<ContractTable>,
    bars: &Bars,
) -> Result<()> {
    let mut ours = RecordingWriter::create(&folder.join("ours"), options(contracts))?;
    let mut defaults = Defaults::create(&folder.join("defaults.parquet"))?;
    let mut dbn = Dbn::create(&folder.join("mbp10.dbn.zst"))?;
    let mut spent = [Duration::ZERO; 3];
    let mut events = Vec::with_capacity(ROW_GROUP_ROWS);
    loop {
        events.clear();
        source.next_batch(&mut events, ROW_GROUP_ROWS)?;
        if events.is_empty() {
            break;
        }
        timed(&mut spent[0], || Ok(ours.write(&events)?))?;
        timed(&mut spent[1], || defaults.write(&events))?;
        timed(&mut spent[2], || dbn.write(&events))?;
    }
    let mut manifest = None;
    timed(&mut spent[0], || {
        manifest = Some(ours.finish()?);
        Ok(())
    })?;
    timed(&mut spent[1], || defaults.finish())?;
    timed(&mut spent[2], || {
        drop(dbn);
        Ok(())
    })?;
    let ticks = count(manifest.as_ref().map_or(0, |manifest| manifest.ticks));
    let segments = manifest.iter().flat_map(|manifest| &manifest.segments);
    let bytes = [
        count(segments.map(|segment| segment.bytes).sum()),
        count(std::fs::metadata(folder.join("defaults.parquet"))?.len()),
        count(std::fs::metadata(folder.join("mbp10.dbn.zst"))?.len()),
    ]
    .map(|bytes| bytes / ticks);
    let digest = manifest.map(|manifest| manifest.digest).unwrap_or_default();
    report.fact(&format!("input {name}: {ticks} ticks, events {digest}"));
    report_sizes(report, name, bytes, bars);
    let [ours, defaults, dbn] = spent.map(|spent| ticks / spent.as_secs_f64() / 1e3);
    let figures = format!("{ours:.0} / {defaults:.0} / {dbn:.0} k ticks/s");
    let what = |peer: &str| format!("{name}: write, ours / {peer}");
    report.row(&what("defaults"), &figures, ours / defaults, Bar::Open);
    report.row(&what("DBN"), "", ours / dbn, Bar::Open);
    Ok(())
}

fn report_sizes(report: &Report, name: &str, [ours, defaults, dbn]: [f64; 3], bars: &Bars) {
    if let Some(limit) = bars.bytes {
        let what = format!("{name}: bytes per tick");
        report.row(&what, "", ours, Bar::AtMost(limit));
    }
    let figures = format!("{ours:.2} / {defaults:.2} / {dbn:.2} B");
    let what = |peer: &str| format!("{name}: bytes, ours / {peer}");
    let limit = Bar::AtMost(bars.of_defaults);
    report.row(&what("defaults"), &figures, ours / defaults, limit);
    report.row(&what("DBN mbp-10"), "", ours / dbn, Bar::Open);
}

/// Reads the three files of `folder` in turn, every field of every row in recorded order.
pub(crate) fn reading(report: &Report, name: &str, folder: &Path, rounds: usize) -> Result<()> {
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (arm, rates) in rates.iter_mut().enumerate() {
            let started = Instant::now();
            let rows = match arm {
                0 => read_ours(&folder.join("ours"))?,
                1 => Defaults::read(&folder.join("defaults.parquet"), |_| {})?,
                _ => Dbn::read(&folder.join("mbp10.dbn.zst"))?,
            };
            rates.push(count(rows) / started.elapsed().as_secs_f64() / 1e3);
        }
    }
    let [ours, defaults, dbn] = rates.map(median);
    let figures = format!("{ours:.0} / {defaults:.0} / {dbn:.0} k ticks/s");
    let what = |peer: &str| format!("{name}: read, ours / {peer}");
    report.row(&what("defaults"), &figures, ours / defaults, Bar::Open);
    report.row(&what("DBN"), "", ours / dbn, Bar::Open);
    Ok(())
}

/// The three files hold the same ticks. The recording equals the arrow-rs file bit for bit.
pub(crate) fn check_equal(folder: &Path) -> Result<()> {
    let mut ours = Recording::open(&folder.join("ours"))?.reader(EventFilter::default());
    let mut differing = 0_u64;
    let (mut batch, mut problem) = (Vec::new(), None);
    Defaults::read(&folder.join("defaults.parquet"), |events| {
        for theirs in events {
            while batch.is_empty() && problem.is_none() {
                if let Err(error) = ours.next_events(&mut batch, 1024) {
                    problem = Some(error);
                }
                batch.retain(|event: &Event| event.as_tick().is_some());
                batch.reverse();
            }
            differing += u64::from(batch.pop().as_ref() != Some(theirs));
        }
    })?;
    if let Some(error) = problem {
        return Err(error.into());
    }
    ensure!(differing == 0, "{differing} ticks differ");
    Ok(())
}

fn read_ours(folder: &Path) -> Result<u64> {
    let mut reader = Recording::open(folder)?.reader(EventFilter::default());
    let (mut rows, mut batch) = (0, Vec::with_capacity(1024));
    loop {
        batch.clear();
        reader.next_events(&mut batch, 1024)?;
        if batch.is_empty() {
            return Ok(rows);
        }
        rows += black_box(&batch).len() as u64;
    }
}

fn timed(spent: &mut Duration, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    work()?;
    *spent += started.elapsed();
    Ok(())
}

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "a figure for display")]
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}
