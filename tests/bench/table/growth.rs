//! How time and memory grow with ticks, instruments and merged recordings, and the work of a replay with
//! its jobs, as rows and as a plot.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use plotters::prelude::*;
use tickdeck::contract::ContractTable;
use tickdeck::event::Seq;
use tickdeck::recording::RecordingWriter;
use tickdeck::source::Source;
use tickdeck::synthetic::Profile;

use crate::instructions;
use crate::program::tickdeck;
use crate::replay::{ticks_of, write_days};
use crate::report::{Bar, Report, median};
use crate::storage::{count, options};
use crate::synthetic;

/// How much is replayed.
pub(crate) struct Amounts {
    /// Days of 5.2 million ticks, or of `day` each.
    days: [u64; 3],
    day: Option<&'static str>,
    /// Markets of some numbers of instruments: sessions, and the length of each.
    profiles: [(Profile, u64, &'static str); 3],
    /// Ticks of all recordings of a merge together, at least.
    merged: &'static str,
    rounds: usize,
}

/// 5, 21 and 99 million ticks; 8, 600 and 17,000 instruments.
pub(crate) const FULL: Amounts = Amounts {
    days: [1, 4, 19],
    day: None,
    profiles: [
        (Profile::Quick, 13, "30h"),
        (Profile::Day, 1, "110m"),
        (Profile::FullMarket, 1, "10m"),
    ],
    merged: "2h",
    rounds: 3,
};

pub(crate) const QUICK: Amounts = Amounts {
    days: [1, 2, 4],
    day: Some("5m"),
    profiles: [
        (Profile::Quick, 2, "1h"),
        (Profile::Day, 1, "5m"),
        (Profile::FullMarket, 1, "1m"),
    ],
    merged: "5m",
    rounds: 1,
};

/// One replay.
struct Point {
    name: String,
    ns_per_tick: f64,
    peak_mb: f64,
}

/// Measures all, and draws `growth.svg` into the folder that `TICKDECK_BENCH_PLOTS` names.
pub(crate) fn measure(report: &Report, folder: &Path, amounts: &Amounts) -> Result<()> {
    let mut charts = vec![
        ("Ticks of one recording", ticks(folder, amounts)?),
        ("Instruments", instruments(folder, amounts)?),
        ("Recordings merged", merged(folder, amounts)?),
    ];
    for (_, points) in &charts {
        for point in points {
            let figures = format!("{:.0} MB", point.peak_mb);
            let what = format!("growth, {}: ns per tick", point.name);
            report.row(&what, &figures, point.ns_per_tick, Bar::Open);
        }
    }
    match instructions::unavailable() {
        Some(why) => report.skipped("growth, jobs: instructions per tick", why),
        None => {
            let jobs = instructions::jobs(report, folder, &folder.join("days-1"))?;
            let points = jobs.into_iter().map(|(jobs, of)| Point {
                name: format!("{jobs} jobs"),
                ns_per_tick: of.busiest,
                peak_mb: of.total,
            });
            charts.push(("Jobs", points.collect()));
        }
    }
    if let Some(plots) = std::env::var_os("TICKDECK_BENCH_PLOTS") {
        draw(&Path::new(&plots).join("growth.svg"), &charts)?;
    }
    Ok(())
}

/// Replays recordings to the digest some times.
fn replay(name: String, recordings: &[&Path], rounds: usize) -> Result<Point> {
    let mut ticks = 0.0;
    for recording in recordings {
        ticks += ticks_of(recording)?;
    }
    let names: Vec<_> = recordings
        .iter()
        .map(|path| path.to_string_lossy())
        .collect();
    let mut args = vec!["replay", "--sink", "digest", "--rate", "max"];
    args.extend(names.iter().map(AsRef::as_ref));
    let (mut spent, mut peak_mb) = (Vec::new(), 0.0_f64);
    for _ in 0..rounds {
        let run = tickdeck(&args)?;
        spent.push(run.elapsed.as_secs_f64() * 1e9 / ticks);
        peak_mb = peak_mb.max(run.peak_mb);
    }
    Ok(Point {
        name,
        ns_per_tick: median(spent),
        peak_mb,
    })
}

fn ticks(folder: &Path, amounts: &Amounts) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for days in amounts.days {
        let recording = folder.join(format!("days-{days}"));
        let made = write_days(&recording, Profile::Day, days, amounts.day)?;
        let name = format!("{:.1} M ticks", count(made.ticks) / 1e6);
        points.push(replay(name, &[&recording], amounts.rounds)?);
    }
    Ok(points)
}

fn instruments(folder: &Path, amounts: &Amounts) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for (profile, sessions, duration) in amounts.profiles {
        let recording = folder.join(format!("instruments-{profile:?}"));
        let made = write_days(&recording, profile, sessions, Some(duration))?;
        let name = format!("{} instruments", made.instruments.len());
        points.push(replay(name, &[&recording], amounts.rounds)?);
    }
    Ok(points)
}

/// The same ticks in 1, 4 and 16 recordings, which a merge puts into their order again.
fn merged(folder: &Path, amounts: &Amounts) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for parts in [1_usize, 4, 16] {
        let (mut source, contracts) = synthetic(Profile::Day, 42, Some(amounts.merged))?;
        let folders: Vec<_> = (0..parts)
            .map(|part| folder.join(format!("merge-{parts}-{part}")))
            .collect();
        deal(&folders, &mut source, &contracts)?;
        let paths: Vec<&Path> = folders.iter().map(AsRef::as_ref).collect();
        points.push(replay(format!("{parts} merged"), &paths, amounts.rounds)?);
    }
    Ok(points)
}

/// Deals the events of a source to recordings, one after the other.
fn deal(
    folders: &[PathBuf],
    source: &mut dyn Source,
    contracts: &Arc<ContractTable>,
) -> Result<()> {
    let mut writers = Vec::new();
    for folder in folders {
        let writer = RecordingWriter::create(folder, options(Arc::clone(contracts)))?;
        writers.push((writer, 0, Vec::new()));
    }
    let (mut events, mut dealt) = (Vec::with_capacity(4096), 0);
    loop {
        events.clear();
        source.next_batch(&mut events, 4096)?;
        if events.is_empty() {
            break;
        }
        for mut event in events.drain(..) {
            let to = dealt % writers.len();
            dealt += 1;
            let (_, seq, part) = &mut writers[to];
            event.seq = Seq(*seq);
            *seq += 1;
            part.push(event);
        }
        for (writer, _, part) in &mut writers {
            writer.write(part)?;
            part.clear();
        }
    }
    for (writer, ..) in writers {
        writer.finish()?;
    }
    Ok(())
}

/// One row of charts for each kind of growth: time on the left, memory on the right.
fn draw(path: &Path, charts: &[(&str, Vec<Point>)]) -> Result<()> {
    let rows = charts.len();
    let height = 230 * u32::try_from(rows).context("a few rows")?;
    let area = SVGBackend::new(path, (900, height)).into_drawing_area();
    area.fill(&WHITE)?;
    for (cells, (title, points)) in area.split_evenly((rows, 2)).chunks(2).zip(charts) {
        let labels = match *title {
            "Jobs" => [
                "instructions per tick, busiest thread",
                "instructions per tick, all threads",
            ],
            _ => ["ns per tick", "peak memory, MB"],
        };
        let values: [fn(&Point) -> f64; 2] = [|it| it.ns_per_tick, |it| it.peak_mb];
        for ((cell, label), value) in cells.iter().zip(labels).zip(values) {
            bars(cell, &format!("{title}: {label}"), points, value)?;
        }
    }
    area.present()?;
    Ok(())
}

fn bars(
    cell: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    caption: &str,
    points: &[Point],
    value: fn(&Point) -> f64,
) -> Result<()> {
    let most = points.iter().map(value).fold(1.0, f64::max);
    let width = count(points.len() as u64);
    let mut chart = ChartBuilder::on(cell)
        .caption(caption, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(24)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..width, 0.0..most * 1.2)?;
    let name = |x: &f64| {
        let at = points.iter().enumerate();
        let mut at = at.filter(|(index, _)| (count(*index as u64) + 0.5 - x).abs() < 0.01);
        at.next()
            .map_or(String::new(), |(_, point)| point.name.clone())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(points.len() * 2 + 1)
        .x_label_formatter(&name)
        .y_labels(5)
        .draw()?;
    let bar = |(index, point): (usize, &Point)| {
        let from = count(index as u64);
        Rectangle::new(
            [(from + 0.2, 0.0), (from + 0.8, value(point))],
            RGBColor(70, 110, 170).filled(),
        )
    };
    chart.draw_series(points.iter().enumerate().map(bar))?;
    let text = |(index, point): (usize, &Point)| {
        let at = (count(index as u64) + 0.4, value(point) + most * 0.12);
        Text::new(format!("{:.0}", value(point)), at, ("sans-serif", 13))
    };
    chart.draw_series(points.iter().enumerate().map(text))?;
    Ok(())
}
