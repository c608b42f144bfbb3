//! Instructions per tick, counted by valgrind: the same on an idle and on a busy machine.
//!
//! A program runs with some ticks and again with more. The difference is what those ticks take, without
//! the start. The figures compare with each other only: valgrind offers programs an older instruction set
//! than the processor's.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::program;
use crate::report::{Bar, Report};
use crate::storage::count;

/// Ticks of the shorter run, and how many times as many the longer one has.
const TICKS: u64 = 70_000;
const LONGER: u64 = 3;

/// Instructions per tick.
#[derive(Debug, Clone)]
pub(crate) struct PerTick {
    pub(crate) total: f64,
    /// Those of the thread with the most: it bounds the speed on any number of cores.
    pub(crate) busiest: f64,
}

/// Why nothing can be counted here; `None` if it can.
pub(crate) fn unavailable() -> Option<&'static str> {
    let version = Command::new("valgrind").arg("--version").output();
    let works = version.is_ok_and(|output| output.status.success());
    (!works).then_some("valgrind is missing (Debian: apt-get install valgrind)")
}

/// Instructions per tick of `command`, which takes the number of ticks as its last argument.
pub(crate) fn per_tick(
    folder: &Path,
    program: &Path,
    args: &[&str],
    scratch: &str,
) -> Result<PerTick> {
    let mut runs = Vec::new();
    for ticks in [TICKS, TICKS * LONGER] {
        let output = folder.join(format!("{scratch}-{ticks}"));
        runs.push(threads(&output, program, args, ticks)?);
    }
    let (short, long) = (&runs[0], &runs[1]);
    ensure!(
        short.len() == long.len(),
        "{args:?} had {} threads and then {}",
        short.len(),
        long.len()
    );
    let more = count(TICKS * (LONGER - 1));
    let of_thread = short
        .iter()
        .zip(long)
        .map(|(short, long)| (long - short) / more);
    Ok(PerTick {
        total: of_thread.clone().sum(),
        busiest: of_thread.fold(0.0, f64::max),
    })
}

/// Instructions of each thread of one run.
fn threads(output: &Path, program: &Path, args: &[&str], ticks: u64) -> Result<Vec<f64>> {
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind", "--separate-threads=yes"])
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(program)
        .args(args)
        .arg(ticks.to_string());
    let ended = command.stdin(Stdio::null()).output()?;
    ensure!(
        ended.status.success(),
        "{command:?} ended with {}: {}",
        ended.status,
        String::from_utf8_lossy(&ended.stderr)
    );
    let mut counts = Vec::new();
    for thread in 1.. {
        let path = format!("{}-{thread:02}", output.display());
        let Ok(text) = std::fs::read_to_string(&path) else {
            break;
        };
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total = total.and_then(|total| total.trim().parse().ok());
        counts.push(total.with_context(|| format!("{path} has no total"))?);
    }
    ensure!(!counts.is_empty(), "{command:?} counted nothing");
    Ok(counts)
}

/// The whole replay with some numbers of jobs.
pub(crate) fn jobs(report: &Report, folder: &Path, day: &Path) -> Result<Vec<(u64, PerTick)>> {
    let (binary, day) = (program::binary()?, day.to_string_lossy());
    let mut found = Vec::new();
    for jobs in [1_u64, 2, 4] {
        let words = jobs.to_string();
        let args = [
            "replay", &day, "--sink", "digest", "--rate", "max", "--quiet", "--jobs", &words,
            "--count",
        ];
        let of = per_tick(folder, &binary, &args, &format!("jobs-{jobs}"))?;
        let figures = format!("busiest thread {:.0}", of.busiest);
        let what = format!("replay to digest, jobs {jobs}: instructions per tick");
        report.row(&what, &figures, of.total, Bar::Open);
        found.push((jobs, of));
    }
    Ok(found)
}
