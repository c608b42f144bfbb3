//! What a replay would do, for `--dry-run`.

use std::io::Write as _;

use tickdeck::nats::stream::StreamName;
use tickdeck::nats::{NatsOptions, age_in_words};
use tickdeck::selection::Counted;
use tickdeck_core::printable::printable_value;

use super::args::{JsonlTarget, ReplayArgs, SinkSpec};
use super::inputs::{Inputs, Selection};
use super::outcome::stdout;
use super::render::{by_instrument, counted, grouped};

/// Prints what a replay would do, for `--dry-run`.
pub(super) fn print(
    args: &ReplayArgs,
    inputs: &Inputs,
    selection: &Selection,
    nats: Option<&NatsOptions>,
    found: &Counted,
) -> anyhow::Result<()> {
    let mut out = stdout();
    for recording in &inputs.recordings {
        writeln!(
            out,
            "play       {} ({})",
            printable_value(&recording.path().to_string_lossy()),
            printable_value(recording.session())
        )?;
    }
    let filter = &selection.events.filter;
    if let Some(start) = filter.start {
        writeln!(out, "from       {start}")?;
    }
    if let Some(end) = filter.end {
        writeln!(out, "until      {end}")?;
    }
    writeln!(out, "events     {}", grouped(found.events))?;
    let limit = selection.events.max_ticks;
    let limit = limit.map_or_else(String::new, |count| {
        format!(" (at most {})", grouped(count))
    });
    writeln!(
        out,
        "ticks      {} of {}{limit}",
        grouped(found.ticks()),
        counted(found.instruments.len() as u64, "instrument")
    )?;
    if let Some(partition) = args.sinks.partition {
        writeln!(out, "partition  {partition} of the instruments")?;
    }
    if !found.instruments.is_empty() {
        writeln!(out, "by id      {}", by_instrument(&found.instruments))?;
    }
    writeln!(out, "rate       {}", args.pace.rate)?;
    for sink in &args.sinks.sinks {
        let text = match (sink, nats) {
            (SinkSpec::Nats, Some(nats)) => format!("nats {}", nats.servers),
            (SinkSpec::Nats, None) => "nats".into(),
            (SinkSpec::JetStream(stream), nats) => {
                let servers = nats.map_or_else(String::new, |nats| format!(" on {}", nats.servers));
                format!("stream {stream}{servers}")
            }
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
    for stream in args.sinks.streams() {
        writeln!(out, "stream     {}", stream_text(args, stream))?;
    }
    Ok(out.flush()?)
}

/// What is expected of the stream, or created.
fn stream_text(args: &ReplayArgs, name: &StreamName) -> String {
    let settings = args.stream.settings(name);
    if !settings.create {
        let rest = match settings.resume {
            true => "continued after its last message",
            false => "empty",
        };
        return format!("{name} must exist, {rest}");
    }
    let subjects = settings.subjects_for(&args.sinks.subject_prefix);
    let age = settings
        .max_age
        .map_or_else(|| "without limit".to_owned(), age_in_words);
    let batches = match settings.durable {
        true => ", atomic batches allowed",
        false => "",
    };
    format!(
        "{name} is created if it does not exist: subjects {}, storage {}, replicas {}, messages kept \
         {age}, new ones refused when it is full{batches}",
        subjects.join(" "),
        settings.storage.as_str(),
        settings.replicas
    )
}
