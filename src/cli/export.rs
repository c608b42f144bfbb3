//! `tickdeck export`: a recording as CSV, JSON lines or published payloads.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use tickdeck::encode::subject::DEFAULT_PREFIX;
use tickdeck::export::csv::{CsvLayout, CsvWriter};
use tickdeck::export::jsonl::JsonlWriter;
use tickdeck::pipeline::Publisher;
use tickdeck::progress::Position;
use tickdeck::reference::Reference;
use tickdeck::sink::{JsonlSink, NewFile};
use tickdeck_core::event::Event;
use tickdeck_core::source::Source;

use super::Context;
use super::args::{ExportArgs, ExportFormat, OutputTarget, SinkArgs};
use super::inputs::{self, INTACT_ONLY, Inputs, Selection, completeness, refuse_damage};
use super::outcome::{Outcome, stdout};
use super::outputs::{publisher_options, refuse_existing, refuse_inside_recording};

/// Events moved at a time.
const BATCH_EVENTS: usize = 4096;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &ExportArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let inputs = inputs::open(&args.recordings)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let reference = inputs::reference(&args.normalize, &inputs.recordings)?;
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    let source = selection.source(&inputs);
    let total = inputs.estimate(&selection.filter);
    let mut job = Job {
        context,
        total,
        source,
        ticks: 0,
    };
    if let OutputTarget::Path(path) = &args.output {
        refuse_inside_recording(path)?;
        refuse_existing(path, args.force)?;
    }
    let lines = match args.format {
        ExportFormat::Csv => Lines::Csv(CsvLayout::Tickdeck),
        ExportFormat::JavaTrader => Lines::Csv(CsvLayout::JavaTrader),
        ExportFormat::Jsonl => Lines::Jsonl,
        ExportFormat::Payload => {
            job.payload(args, &inputs, &reference)?;
            return Ok(selection.outcome(job.ticks).and(completeness(&inputs)));
        }
    };
    match &args.output {
        OutputTarget::Stdout => job.write(lines, &mut stdout())?,
        OutputTarget::Path(path) => {
            let mut file = NewFile::create(path).with_context(|| creating(path))?;
            job.write(lines, &mut file)?;
            file.finish()
                .with_context(|| format!("naming the output {}", path.display()))?;
        }
    }
    Ok(selection.outcome(job.ticks).and(completeness(&inputs)))
}

fn creating(path: &Path) -> String {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    format!(
        "creating a file in {}",
        folder.unwrap_or(Path::new(".")).display()
    )
}

/// Formats of recorded events. Payloads go through the publisher instead.
#[derive(Debug, Clone, Copy)]
enum Lines {
    Csv(CsvLayout),
    Jsonl,
}

struct Job<'a> {
    context: &'a Context,
    total: Option<u64>,
    source: Box<dyn Source>,
    /// Ticks written so far.
    ticks: u64,
}

impl Job<'_> {
    fn write(&mut self, lines: Lines, out: &mut dyn Write) -> anyhow::Result<()> {
        match lines {
            Lines::Csv(layout) => self.csv(out, layout),
            Lines::Jsonl => self.jsonl(out),
        }
    }

    fn csv(&mut self, out: &mut dyn Write, layout: CsvLayout) -> anyhow::Result<()> {
        let mut writer = CsvWriter::new(out, layout)?;
        self.each_batch(&mut |events| Ok(writer.write(events)?))?;
        let left_out = writer.left_out();
        writer.finish()?.flush()?;
        if left_out > 0 {
            tracing::warn!(
                event = "export_left_out",
                events = left_out,
                "this layout cannot hold session events"
            );
        }
        Ok(())
    }

    fn jsonl(&mut self, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut writer = JsonlWriter::new(out);
        self.each_batch(&mut |events| Ok(writer.write(events)?))?;
        writer.finish()?.flush()?;
        Ok(())
    }

    fn payload(
        &mut self,
        args: &ExportArgs,
        inputs: &Inputs,
        reference: &Reference,
    ) -> anyhow::Result<()> {
        let sinks = SinkArgs {
            sinks: Vec::new(),
            subject_prefix: DEFAULT_PREFIX.into(),
        };
        let source = inputs.payload_source()?;
        let options = publisher_options(&args.normalize, &sinks, source, reference);
        let sink = match &args.output {
            OutputTarget::Stdout => JsonlSink::to_writer(Box::new(stdout()), "stdout"),
            OutputTarget::Path(path) => JsonlSink::create(path).with_context(|| creating(path))?,
        };
        let mut publisher = Publisher::new(options, vec![Box::new(sink)]);
        self.each_batch(&mut |events| Ok(publisher.publish(events)?))?;
        let (_, _, error) = publisher.finish(true);
        error.map_or(Ok(()), |error| Err(error.into()))
    }

    fn each_batch(
        &mut self,
        write: &mut dyn FnMut(&[Event]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut progress = self.context.progress("export", self.total);
        let mut batch = Vec::with_capacity(BATCH_EVENTS);
        let mut events = 0;
        loop {
            batch.clear();
            self.source.next_batch(&mut batch, BATCH_EVENTS)?;
            if batch.is_empty() {
                progress.finish();
                return Ok(());
            }
            write(&batch)?;
            events += batch.len() as u64;
            self.ticks += batch.iter().filter_map(Event::as_tick).count() as u64;
            progress.at(Position {
                events,
                lag_ns: None,
            });
            if self.context.control.is_stopped() {
                progress.finish();
                anyhow::bail!("export was interrupted after {events} events; no file was made");
            }
        }
    }
}
