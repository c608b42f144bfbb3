//! Results as people read them: short, aligned, units in the text.

use std::io::Write;
use std::path::Path;

use super::args::{JsonlTarget, ReplayArgs, SinkArgs, SinkSpec};
use super::inputs::{Inputs, Selection};
use super::log;
use super::outcome::{Outcome, stdout};
pub(super) use tickdeck::check::report::text::grouped;
use tickdeck::nats::NatsOptions;
use tickdeck::session::{LatenessMs, Summary};
use tickdeck_recording::Manifest;

/// Bytes in the largest binary unit that leaves a number above one.
pub(super) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// What a conversion made, on stdout.
pub(super) fn print_made(folder: &Path, manifest: &Manifest) -> std::io::Result<()> {
    print_made_beside(None, folder, manifest)
}

/// The same for a verb that published as well: on stderr when stdout carries the payload stream.
pub(super) fn print_made_beside(
    sinks: Option<&SinkArgs>,
    folder: &Path,
    manifest: &Manifest,
) -> std::io::Result<()> {
    let size: u64 = manifest.segments.iter().map(|segment| segment.bytes).sum();
    let text = format!(
        "{}: {} events, {} ticks of {} instruments, {} segments, {}\ndigest     {}\n",
        folder.display(),
        grouped(manifest.events),
        grouped(manifest.ticks),
        grouped(manifest.instruments.len() as u64),
        manifest.segments.len(),
        bytes(size),
        manifest.digest,
    );
    print_beside(sinks, &text)
}

/// Text on stdout, or on stderr when stdout carries the payload stream.
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
    Ok(print_beside(Some(sinks), &summary_text(summary))?)
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
    // A live session has no rate, and its lateness is the delay from callback to sinks.
    let is_live = summary.is_live;
    if !is_live {
        let achieved = summary
            .rate_achieved
            .map_or(String::new(), |rate| format!(", achieved {rate:.3}"));
        let asked = summary.rate_asked;
        let rate = format!("asked {asked}{achieved} (recorded time per real time)");
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
