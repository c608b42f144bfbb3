//! What a replay would do, for `--dry-run`.

use std::collections::BTreeMap;
use std::io::Write as _;

use tickdeck::nats::NatsOptions;
use tickdeck_core::printable::printable_value;
use tickdeck_core::source::TickLimit;
use tickdeck_recording::MissingPart;

use super::args::{JsonlTarget, ReplayArgs, SinkSpec};
use super::inputs::{Inputs, Salvaged, Selection};
use super::outcome::stdout;
use super::render::{by_instrument, counted, grouped};

/// What a replay would play, for `--dry-run`. It is read like a replay, so that it is exact.
#[derive(Debug, Default)]
pub(super) struct Selected {
    events: u64,
    /// Ticks of each instrument.
    instruments: BTreeMap<String, u64>,
    pub(super) missing: Vec<MissingPart>,
}

impl Selected {
    pub(super) fn count(
        args: &ReplayArgs,
        inputs: &Inputs,
        selection: &Selection,
    ) -> anyhow::Result<Self> {
        let salvaged = args.salvage.then(Salvaged::default);
        let mut source = inputs.source_ahead(&selection.events.filter, salvaged.as_ref())?;
        if let Some(limit) = selection.events.max_ticks {
            source = Box::new(TickLimit::new(source, limit));
        }
        let mut found = Self::default();
        let mut batch = Vec::new();
        loop {
            source.next_batch(&mut batch, args.batch_size as usize)?;
            if batch.is_empty() {
                break;
            }
            found.events += batch.len() as u64;
            for tick in batch.drain(..).filter_map(|event| event.as_tick().copied()) {
                let id = tick.instrument_id.to_string();
                *found.instruments.entry(id).or_default() += 1;
            }
        }
        found.missing = salvaged.map_or_else(Vec::new, |salvaged| salvaged.take());
        Ok(found)
    }

    pub(super) fn ticks(&self) -> u64 {
        self.instruments.values().sum()
    }
}

/// Prints what a replay would do, for `--dry-run`.
pub(super) fn print(
    args: &ReplayArgs,
    inputs: &Inputs,
    selection: &Selection,
    nats: Option<&NatsOptions>,
    found: &Selected,
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
    if !found.instruments.is_empty() {
        writeln!(out, "by id      {}", by_instrument(&found.instruments))?;
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
    Ok(out.flush()?)
}
