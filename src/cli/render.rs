//! Results as text for people: short and aligned, with units.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::args::{JsonlTarget, SinkArgs, SinkSpec};
use super::log;
use super::outcome::stdout;
pub(super) use tickdeck::check::report::text::grouped;
use tickdeck::session::{LatenessMs, Summary};
use tickdeck_core::pace::Rate;
use tickdeck_core::printable::printable_value;
use tickdeck_recording::{Finding, Manifest, MissingPart};

/// What a result says that was made of recordings which are not whole.
pub(super) const INCOMPLETE: &str =
    "incomplete: an input is damaged, was still written, or its writer is gone";

/// Bytes in the largest binary unit that gives a number of at least one.
pub(super) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// `1 row`, `2 rows`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// Aligned columns, names left and numbers right. `numbers` is the first column of numbers.
pub(super) fn table(
    head: &[&str],
    body: impl IntoIterator<Item = Vec<String>>,
    numbers: usize,
) -> String {
    let head = head.iter().map(|&name| name.to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(String::len).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column < numbers {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The instruments with the most ticks first.
pub(super) fn by_instrument(instruments: &BTreeMap<String, u64>) -> String {
    /// Instruments that are named; others are only counted.
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

/// A new recording. The key order of the JSON is the order of the fields.
#[derive(Debug, Serialize)]
pub(super) struct Made<'a> {
    /// `None` if there was no tick, so that no recording was kept.
    path: Option<String>,
    session: Option<&'a str>,
    events: u64,
    ticks: u64,
    symbols: u64,
    segments: usize,
    bytes: u64,
    event_digest: Option<&'a str>,
    /// As in `info --json`: the event digest.
    digest: Option<&'a str>,
    /// Whether everything it was made of was whole.
    complete: bool,
    /// Files whose bytes differ from what was written; omitted if empty.
    #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
    damaged: &'a [Finding],
    /// Parts that a salvage left out; omitted if empty.
    #[serde(skip_serializing_if = "<[MissingPart]>::is_empty")]
    missing: &'a [MissingPart],
}

impl<'a> Made<'a> {
    pub(super) fn new(folder: &Path, manifest: &'a Manifest) -> Self {
        Self {
            path: Some(folder.display().to_string()),
            session: Some(&manifest.session),
            events: manifest.events,
            ticks: manifest.ticks,
            symbols: manifest.instruments.len() as u64,
            segments: manifest.segments.len(),
            bytes: manifest.segments.iter().map(|segment| segment.bytes).sum(),
            event_digest: Some(&manifest.digest),
            digest: Some(&manifest.digest),
            complete: true,
            damaged: &[],
            missing: &[],
        }
    }

    /// The same, or that there was no tick, so that no recording was kept.
    pub(super) fn of(folder: &Path, manifest: Option<&'a Manifest>) -> Self {
        manifest.map_or_else(Self::nothing, |manifest| Self::new(folder, manifest))
    }

    /// Its folder; `None` if no recording was kept.
    pub(super) fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    const fn nothing() -> Self {
        Self {
            path: None,
            session: None,
            events: 0,
            ticks: 0,
            symbols: 0,
            segments: 0,
            bytes: 0,
            event_digest: None,
            digest: None,
            complete: true,
            damaged: &[],
            missing: &[],
        }
    }

    /// Says what a salvage did without.
    pub(super) fn salvaged(self, damaged: &'a [Finding], missing: &'a [MissingPart]) -> Self {
        Self {
            damaged,
            missing,
            ..self
        }
    }

    /// Says that an input is not whole: its writer is running or was killed.
    pub(super) fn incomplete(self, is_incomplete: bool) -> Self {
        Self {
            complete: !is_incomplete,
            ..self
        }
    }

    /// Prints it to stdout.
    pub(super) fn print(&self, json: bool) -> std::io::Result<()> {
        if json {
            let mut out = stdout();
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
            return out.flush();
        }
        print_beside(None, &self.text())
    }

    /// Prints it for a verb that also publishes: to stderr if stdout carries the payload stream.
    pub(super) fn print_beside(&self, sinks: Option<&SinkArgs>) -> std::io::Result<()> {
        print_beside(sinks, &self.text())
    }

    fn text(&self) -> String {
        let mut text = match &self.path {
            None => "no recording was written: there is no tick\n".to_owned(),
            Some(path) => format!(
                "{path}: {}, {} of {}, {}, {}\nevent digest {}\n",
                counted(self.events, "event"),
                counted(self.ticks, "tick"),
                counted(self.symbols, "instrument"),
                counted(self.segments as u64, "segment"),
                bytes(self.bytes),
                self.event_digest.unwrap_or_default(),
            ),
        };
        if !self.complete {
            text.push_str(&format!("{INCOMPLETE}\n"));
        }
        text
    }
}

/// Prints text to stdout, or to stderr if stdout carries the payload stream.
fn print_beside(sinks: Option<&SinkArgs>, text: &str) -> std::io::Result<()> {
    if sinks.is_some_and(has_stdout) {
        log::print(text);
        return Ok(());
    }
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whether stdout carries the payload stream.
fn has_stdout(sinks: &SinkArgs) -> bool {
    sinks.sinks.contains(&SinkSpec::Jsonl(JsonlTarget::Stdout))
}

/// Prints the closing summary. JSON goes to stdout; text goes to stderr if stdout carries the payload
/// stream.
pub(super) fn print_summary(summary: &Summary, json: bool, sinks: &SinkArgs) -> anyhow::Result<()> {
    if json {
        let mut out = stdout();
        serde_json::to_writer(&mut out, summary)?;
        writeln!(out)?;
        out.flush()?;
        return Ok(());
    }
    Ok(print_beside(Some(sinks), &summary_text(summary))?)
}

fn summary_text(summary: &Summary) -> String {
    let mut lines = vec![
        ("session", summary.session.clone()),
        ("received", received(summary)),
        ("published", grouped(summary.published)),
    ];
    if let Some(partition) = summary.partition {
        lines.insert(1, ("partition", partition.to_string()));
    }
    for (reason, count) in &summary.rejected {
        lines.push(("rejected", format!("{} {reason}", grouped(*count))));
    }
    for (name, count) in [
        ("filtered", summary.filtered),
        ("failed", summary.failed),
        ("dropped", summary.dropped),
    ] {
        if count > 0 {
            lines.push((name, grouped(count)));
        }
    }
    for (name, count, of) in [
        ("queue", summary.queue_high_water, "ticks"),
        ("recorder", summary.recorder_high_water, "events"),
    ] {
        if let Some(most) = count {
            lines.push((name, format!("at most {} {of} waited", grouped(most))));
        }
    }
    if let Some(reason) = &summary.recording_failure {
        lines.push(("recording", format!("failed: {reason}")));
    }
    for path in &summary.recordings {
        lines.push(("recording", path.clone()));
    }
    lines.push(("payload digest", summary.payload_digest.clone()));
    lines.extend(of_stream(summary));
    // A live session has no rate, and its lateness is the latency from the callback to the sinks.
    let is_live = summary.is_live;
    if !is_live {
        let achieved = summary
            .rate_achieved
            .map_or(String::new(), |rate| format!(", achieved {rate:.3}"));
        let asked = summary.rate_asked;
        let unit = match (asked, summary.rate_achieved) {
            (Rate::Max, None) => "",
            _ => " (recorded time per real time)",
        };
        let rate = format!("asked {asked}{achieved}{unit}");
        lines.push(("rate", rate));
    }
    if let Some(lateness) = summary.lateness_ms {
        let (name, what) = if is_live {
            ("latency", "callback to sinks ")
        } else {
            ("lateness", "")
        };
        let LatenessMs { p50, p99, max } = lateness;
        let text = format!("{what}p50 {p50:.3} ms, p99 {p99:.3} ms, max {max:.3} ms");
        lines.push((name, text));
    }
    lines.push((
        "elapsed",
        format!("{:.3} s{}", summary.elapsed_s, throughput(summary)),
    ));
    lines
        .into_iter()
        .map(|(name, value)| format!("{name:<14} {}\n", printable_value(&value)))
        .collect()
}

/// Whether the stream was found to have what was published, and what the broker lost.
fn of_stream(summary: &Summary) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(verified) = summary.verified {
        let text = match (verified, &summary.not_verified) {
            (true, _) => "the stream has every message once, in order".to_owned(),
            (false, Some(reason)) => format!("no: {reason}"),
            (false, None) => "no".to_owned(),
        };
        lines.push(("verified", text));
    }
    if summary.broker_lost > 0 {
        let lost = grouped(summary.broker_lost);
        lines.push(("lost", format!("{lost} acknowledged messages, sent again")));
    }
    lines
}

/// The number of ticks. A live session without any looks like one that ran well.
fn received(summary: &Summary) -> String {
    match (summary.is_live, summary.received) {
        (true, 0) => "0: no tick came".into(),
        (_, ticks) => grouped(ticks),
    }
}

/// Ticks per second of real time; empty if the run was too short to measure.
fn throughput(summary: &Summary) -> String {
    if summary.elapsed_s < 0.001 {
        return String::new();
    }
    // Below 2^53 ticks the conversion is exact.
    #[expect(clippy::cast_precision_loss, reason = "a measurement, see above")]
    let per_second = summary.received as f64 / summary.elapsed_s;
    format!(", {per_second:.0} ticks/s")
}
