//! Results as people read them: short, aligned, units in the text.

use std::io::Write as _;
use std::path::Path;

use super::args::{JsonlTarget, ReplayArgs, SinkArgs, SinkSpec};
use super::inputs::{Inputs, Selection};
use super::outcome::{Outcome, stdout};
use crate::nats::NatsOptions;
use crate::pipeline::Summary;
use crate::recording::Manifest;

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest binary unit that leaves a number above one.
pub(super) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// What a conversion made, on stdout.
pub(super) fn print_made(folder: &Path, manifest: &Manifest) -> std::io::Result<()> {
    let size: u64 = manifest.segments.iter().map(|segment| segment.bytes).sum();
    let mut out = stdout();
    writeln!(
        out,
        "{}: {} events, {} ticks of {} instruments, {} segments, {}",
        folder.display(),
        grouped(manifest.events),
        grouped(manifest.ticks),
        grouped(manifest.instruments.len() as u64),
        manifest.segments.len(),
        bytes(size),
    )?;
    writeln!(out, "digest     {}", manifest.digest)?;
    out.flush()
}

/// The closing summary: JSON on stdout, or text on stdout, or on stderr when stdout carries the
/// payload stream.
pub(super) fn print_summary(summary: &Summary, json: bool, sinks: &SinkArgs) -> anyhow::Result<()> {
    if json {
        let mut out = stdout();
        serde_json::to_writer(&mut out, summary)?;
        writeln!(out)?;
        out.flush()?;
        return Ok(());
    }
    let text = summary_text(summary);
    if sinks.sinks.contains(&SinkSpec::Jsonl(JsonlTarget::Stdout)) {
        std::io::stderr().lock().write_all(text.as_bytes())?;
    } else {
        let mut out = stdout();
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

fn summary_text(summary: &Summary) -> String {
    let mut lines = vec![
        ("session", summary.session.clone()),
        ("received", grouped(summary.received)),
        ("published", grouped(summary.published)),
    ];
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
    lines.push(("digest", summary.digest.clone()));
    let achieved = summary
        .rate_achieved
        .map_or(String::new(), |rate| format!(", achieved {rate:.3}"));
    lines.push((
        "rate",
        format!(
            "asked {}{achieved} (recorded time per real time)",
            summary.rate_asked
        ),
    ));
    if let Some(lateness) = summary.lateness_ms {
        lines.push((
            "lateness",
            format!(
                "p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
                lateness.p50, lateness.p99, lateness.max
            ),
        ));
    }
    lines.push((
        "elapsed",
        format!("{:.3} s{}", summary.elapsed_s, throughput(summary)),
    ));
    lines
        .into_iter()
        .map(|(name, value)| format!("{name:<10} {value}\n"))
        .collect()
}

/// Ticks per second of real time, where there was enough time to tell.
fn throughput(summary: &Summary) -> String {
    if summary.elapsed_s < 0.001 {
        return String::new();
    }
    // Below 2^53 ticks the conversion is exact.
    #[expect(clippy::cast_precision_loss, reason = "a measurement, see above")]
    let per_second = summary.received as f64 / summary.elapsed_s;
    format!(", {per_second:.0} ticks/s")
}

/// What `replay --dry-run` would do.
pub(super) fn print_plan(
    args: &ReplayArgs,
    inputs: &Inputs,
    selection: &Selection,
    nats: Option<&NatsOptions>,
) -> anyhow::Result<Outcome> {
    let mut out = stdout();
    for recording in &inputs.recordings {
        writeln!(
            out,
            "play       {} ({})",
            recording.path().display(),
            recording.session()
        )?;
    }
    let filter = &selection.filter;
    if let Some(start) = filter.start {
        writeln!(out, "from       {start}")?;
    }
    if let Some(end) = filter.end {
        writeln!(out, "until      {end}")?;
    }
    if let Some(events) = inputs.estimate(filter) {
        writeln!(out, "events     at most {}", grouped(events))?;
    }
    if let Some(count) = selection.count {
        writeln!(out, "ticks      at most {}", grouped(count))?;
    }
    writeln!(out, "rate       {}", args.pace.rate)?;
    for sink in &args.sinks.sinks {
        let text = match (sink, nats) {
            (SinkSpec::Nats, Some(nats)) => format!("nats {}", nats.servers),
            (SinkSpec::Nats, None) => "nats".into(),
            (SinkSpec::Jsonl(JsonlTarget::Stdout), _) => "jsonl to stdout".into(),
            (SinkSpec::Jsonl(JsonlTarget::Path(path)), _) => format!("jsonl to {}", path.display()),
            (SinkSpec::Digest, _) => "digest".into(),
            (SinkSpec::Null, _) => "null".into(),
        };
        writeln!(out, "to         {text}")?;
    }
    writeln!(
        out,
        "subjects   {}.EXCHANGE.SYMBOL",
        args.sinks.subject_prefix
    )?;
    out.flush()?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts: Vec<String> = [0, 999, 1_000, 12_345, 1_234_567].map(grouped).into();
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
