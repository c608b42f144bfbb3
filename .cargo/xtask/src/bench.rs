//! `cargo xtask bench`: one table of ratios, each measured side by side in one run.
//!
//! Absolute figures depend on the machine. A ratio of two cases measured alternately in the same
//! minute depends on the code. The bench program prints a row as a line `ROW name | figures | value
//! | bar | verdict` and what the figures depend on as `FACT …`. Every other line is progress.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::nats_server;
use crate::run::{cargo, note, root, run as run_to_end, say, succeeds, tools};
use crate::sim;

/// Columns of the table.
const HEAD: [&str; 5] = ["what", "measured", "value", "bar", ""];

/// The benchmarks' package, and the feature without which nothing in it is built.
const PACKAGE: [&str; 4] = [
    "--package",
    "tickdeck-bench",
    "--features",
    "tickdeck-bench/benches",
];

/// Measures how time and memory grow, and draws that into `docs/pictures`.
///
/// # Errors
/// When the program cannot run.
pub(crate) fn growth(quick: bool) -> Result<()> {
    build_binary()?;
    let (mut rows, mut facts) = (Vec::new(), machine());
    let mut command = cargo();
    command
        .arg("bench")
        .args(PACKAGE)
        .args(["--bench", "table"])
        .env("TICKDECK_BENCH_ONLY", "growth");
    if quick {
        command.env("TICKDECK_BENCH_QUICK", "1");
    } else {
        let pictures = root().join("docs/pictures");
        std::fs::create_dir_all(&pictures)?;
        command.env("TICKDECK_BENCH_PLOTS", pictures);
    }
    measure(command, &mut rows, &mut facts)?;
    print(&facts, &rows);
    Ok(())
}

/// The benchmarks run the binary that is built beside them.
fn build_binary() -> Result<()> {
    let binary = [
        "build",
        "--release",
        "--bin",
        "tickdeck",
        "--package",
        "tickdeck-cli",
    ];
    run_to_end(cargo().args(binary).args(PACKAGE))
}

fn print(facts: &[String], rows: &[Row]) {
    for line in facts.iter().chain(&[String::new()]) {
        say(line);
    }
    for line in table(&HEAD, rows) {
        say(&line);
    }
}

/// Runs the bench programs and prints its rows as one table.
///
/// # Errors
/// When a program cannot run, or a row of the full run misses its limit.
pub(crate) fn run(quick: bool) -> Result<()> {
    let server = nats_server::provide()?;
    let simulated = sim::provide(None)?;
    let python = python();
    if let Err(error) = &python {
        note(&format!("SKIPPED the Python loop: {error:#}"));
    }
    build_binary()?;
    let (mut rows, mut facts) = (Vec::new(), machine());
    for program in ["table", "live"] {
        let mut command = cargo();
        command
            .arg("bench")
            .args(PACKAGE)
            .args(["--bench", program]);
        command
            .env("TICKDECK_NATS_SERVER", &server)
            .env("TICKDECK_SIM_LIBRARY", &simulated);
        if let Ok(python) = &python {
            command.env("TICKDECK_BENCH_PYTHON", python);
        }
        if quick {
            command.env("TICKDECK_BENCH_QUICK", "1");
            command.env("TICKDECK_BENCH_SECONDS", "5");
        }
        measure(command, &mut rows, &mut facts)?;
    }
    if quick {
        // The stages have no limits. They only have to run here.
        run_to_end(
            cargo()
                .arg("bench")
                .args(PACKAGE)
                .args(["--bench", "stages", "--", "--test"]),
        )?;
    }
    print(&facts, &rows);
    let missed = rows.iter().filter(|row| row[4] == "FAIL").count();
    if missed > 0 && !quick {
        bail!("{missed} rows miss their limits");
    }
    Ok(())
}

/// Runs one bench program and collects what it prints.
fn measure(mut command: Command, rows: &mut Vec<Row>, facts: &mut Vec<String>) -> Result<()> {
    let mut bench = command
        .stdout(Stdio::piped())
        .spawn()
        .context("starting `cargo bench`")?;
    let output = bench.stdout.take().context("cargo bench has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        note(&line);
        match (row(&line), line.strip_prefix("FACT ")) {
            (Some(row), _) => rows.push(row),
            (None, Some(fact)) => facts.push(fact.to_owned()),
            (None, None) => {}
        }
    }
    let status = bench.wait()?;
    if !status.success() {
        bail!("cargo bench failed with {status}");
    }
    Ok(())
}

/// A Python with nats-py, in a separate virtual environment.
fn python() -> Result<PathBuf> {
    let folder = tools().join("python");
    let python = folder.join("bin/python");
    let works = |python: &PathBuf| {
        let python = python.to_str().unwrap_or_default();
        succeeds(python, &["-c", "import nats"])
    };
    if !works(&python) {
        run_to_end(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "nats-py"]);
        run_to_end(pip.stdout(std::io::stderr()))?;
    }
    Ok(python)
}

/// What the figures depend on.
fn machine() -> Vec<String> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    vec![
        format!(
            "machine: {model}, {cores} cores, load before {}",
            load.trim()
        ),
        format!(
            "build: {}, release profile",
            output("rustc", &["--version"])
        ),
        format!(
            "source: {}",
            output("git", &["describe", "--always", "--dirty", "--abbrev=12"])
        ),
    ]
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .output();
    output.map_or_else(
        |_| "unknown".into(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

pub(crate) type Row = [String; 5];

fn row(line: &str) -> Option<Row> {
    let mut cells = line.strip_prefix("ROW ")?.split('|').map(str::trim);
    Some(HEAD.map(|_| cells.next().unwrap_or_default().to_owned()))
}

/// The rows as a Markdown table with aligned columns.
pub(crate) fn table(head: &[&str; 5], rows: &[Row]) -> Vec<String> {
    let head = head.map(str::to_owned);
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows
                .iter()
                .chain([&head])
                .map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Row| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<_> = cells
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule = widths
        .iter()
        .map(|&width| "-".repeat(width))
        .collect::<Vec<_>>();
    [line(&head), format!("| {} |", rule.join(" | "))]
        .into_iter()
        .chain(rows.iter().map(line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_an_aligned_table_and_other_lines_do_not() {
        assert_eq!(row("Benchmarking encode: Warming up"), None);
        let rows = [
            row("ROW encode / serde_json | 224 ns | 0.27 | <= 0.33 | pass").unwrap(),
            row("ROW nats | 900 k/s").unwrap(),
        ];
        assert_eq!(
            table(&HEAD, &rows),
            [
                "| what                | measured | value | bar     |      |",
                "| ------------------- | -------- | ----- | ------- | ---- |",
                "| encode / serde_json | 224 ns   | 0.27  | <= 0.33 | pass |",
                "| nats                | 900 k/s  |       |         |      |",
            ]
        );
    }
}
