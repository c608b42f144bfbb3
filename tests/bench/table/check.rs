//! `check`: a million messages against a golden with its stream, and a long recording against
//! digests.

use std::path::Path;

use anyhow::Result;
use tickdeck::synthetic::Profile;

use crate::program::tickdeck;
use crate::replay::{ticks_of, write_days};
use crate::report::{Bar, Report, median};

/// Memory limit of any verb, MB.
const MOST_MB: f64 = 200.0;

/// Size of the check.
pub(crate) struct Amount {
    pub(crate) messages: u64,
    pub(crate) days: u64,
    pub(crate) duration: Option<&'static str>,
    pub(crate) rounds: usize,
}

/// Times and memory of checks that pass.
pub(crate) fn measure(report: &Report, folder: &Path, day: &Path, amount: &Amount) -> Result<()> {
    let short = folder.join("short");
    let (day, shown) = (day.to_string_lossy(), short.to_string_lossy());
    let count = amount.messages.to_string();
    tickdeck(&["slice", &day, "--count", &count, "--output", &shown])?;
    tickdeck(&["check", &shown, "--update", "--stream-limit", &count])?;
    let (mut seconds, mut peak) = (Vec::new(), 0.0_f64);
    for _ in 0..amount.rounds {
        let run = tickdeck(&["check", &shown])?;
        seconds.push(run.elapsed.as_secs_f64());
        peak = peak.max(run.peak_mb);
    }
    let ticks = ticks_of(&short)? / 1e6;
    let figures: Vec<String> = seconds.iter().map(|time| format!("{time:.2}")).collect();
    let figures = format!("{ticks:.1} M messages in {} s", figures.join(", "));
    report.row(
        "check with the stream: s per 1 M messages",
        &figures,
        median(seconds) / ticks,
        Bar::AtMost(2.0),
    );
    let what = "check with the stream: peak memory, MB";
    report.row(what, "", peak, Bar::AtMost(MOST_MB));

    let long = folder.join("long");
    if !long.exists() {
        write_days(&long, Profile::Day, amount.days, amount.duration)?;
    }
    let shown = long.to_string_lossy();
    tickdeck(&["check", &shown, "--update", "--stream-limit", "0"])?;
    let run = tickdeck(&["check", &shown])?;
    let (ticks, time) = (ticks_of(&long)?, run.elapsed.as_secs_f64());
    let figures = format!("{:.1} M ticks in {time:.1} s", ticks / 1e6);
    let what = "check with digests: ticks/s";
    report.row(what, &figures, ticks / time, Bar::Open);
    let what = "check with digests: peak memory, MB";
    report.row(what, "", run.peak_mb, Bar::AtMost(MOST_MB));
    Ok(())
}
