//! `cargo xtask bench`: one table of ratios, each measured side by side in one run.
//!
//! Absolute figures belong to a machine; a ratio of two cases that took turns in the same minute
//! belongs to the code. The benches print a row as a line `ROW name | figure | ratio | bar`; every
//! other line of theirs is progress.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::nats_server;
use crate::run::{cargo, note, say};

/// Columns of the table.
const HEAD: [&str; 4] = ["what", "measured", "ratio", "bar"];

/// Runs the benches and prints their rows as one table.
pub(crate) fn run(quick: bool) -> Result<()> {
    let server = nats_server::provide()?;
    let mut command = cargo();
    command.args(["bench", "--package", "tickdeck"]);
    command.env("TICKDECK_NATS_SERVER", server);
    if quick {
        // For the rows and for criterion, which then runs every case once.
        command
            .env("TICKDECK_BENCH_QUICK", "1")
            .args(["--", "--test"]);
    }
    let mut bench = command
        .stdout(Stdio::piped())
        .spawn()
        .context("starting `cargo bench`")?;
    let output = bench.stdout.take().context("cargo bench has no output")?;
    let mut rows = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        match row(&line) {
            Some(row) => rows.push(row),
            None => note(&line),
        }
    }
    let status = bench.wait()?;
    if !status.success() {
        bail!("cargo bench failed with {status}");
    }
    for line in table(&rows) {
        say(&line);
    }
    Ok(())
}

type Row = [String; 4];

fn row(line: &str) -> Option<Row> {
    let mut cells = line.strip_prefix("ROW ")?.split('|').map(str::trim);
    Some(HEAD.map(|_| cells.next().unwrap_or_default().to_owned()))
}

/// The rows as a Markdown table with aligned columns.
fn table(rows: &[Row]) -> Vec<String> {
    let head = HEAD.map(str::to_owned);
    let widths: Vec<usize> = (0..HEAD.len())
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
            row("ROW encode / serde_json | 224 ns | 0.27 | <= 0.33").unwrap(),
            row("ROW nats | 900 k/s").unwrap(),
        ];
        assert_eq!(
            table(&rows),
            [
                "| what                | measured | ratio | bar     |",
                "| ------------------- | -------- | ----- | ------- |",
                "| encode / serde_json | 224 ns   | 0.27  | <= 0.33 |",
                "| nats                | 900 k/s  |       |         |",
            ]
        );
    }
}
