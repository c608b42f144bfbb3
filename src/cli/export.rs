//! `tickdeck export`: a recording as CSV, JSON lines or published payloads.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use super::Context;
use super::args::{ExportArgs, ExportFormat, OutputTarget, SinkArgs};
use super::inputs::{INTACT_ONLY, Inputs, Reference, Selection, refuse_damage};
use super::outcome::{Outcome, UsageError, stdout};
use super::outputs::{publisher_options, refuse_inside_recording};
use crate::encode::subject::DEFAULT_PREFIX;
use crate::event::Event;
use crate::export::csv::{CsvLayout, CsvWriter};
use crate::export::jsonl::JsonlWriter;
use crate::pipeline::Publisher;
use crate::progress::Position;
use crate::sink::JsonlSink;
use crate::source::{Source, TickLimit};

/// Events moved at a time.
const BATCH_EVENTS: usize = 4096;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &ExportArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let inputs = Inputs::open(&args.recordings, false)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let reference = Reference::new(&args.normalize, &inputs.recordings)?;
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    let mut source = inputs.source(&selection.filter);
    if let Some(count) = selection.count {
        source = Box::new(TickLimit::new(source, count));
    }
    let total = inputs.estimate(&selection.filter);
    let mut job = Job {
        context,
        total,
        source,
    };
    match &args.output {
        OutputTarget::Stdout => job.write(args, &inputs, &reference, Box::new(stdout()))?,
        OutputTarget::Path(path) => {
            refuse_inside_recording(path)?;
            let file = new_file(path, args.force)?;
            let out = file.reopen().context("opening the output a second time")?;
            let out = std::io::BufWriter::with_capacity(1 << 20, out);
            job.write(args, &inputs, &reference, Box::new(out))?;
            persist(file, path)?;
        }
    }
    Ok(Outcome::Done)
}

/// A file beside the target that takes its name at the end.
fn new_file(path: &Path, force: bool) -> anyhow::Result<tempfile::NamedTempFile> {
    if path.exists() && !force {
        let message = format!(
            "{} already exists: choose another output or pass --force",
            path.display()
        );
        return Err(UsageError::new(message).into());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".export")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(|| format!("creating a file in {}", folder.display()))
}

fn persist(file: tempfile::NamedTempFile, path: &Path) -> anyhow::Result<()> {
    file.as_file().sync_all().context("syncing the output")?;
    file.persist(path)
        .map(drop)
        .map_err(|error| error.error)
        .with_context(|| format!("naming the output {}", path.display()))
}

struct Job<'a> {
    context: &'a Context,
    total: Option<u64>,
    source: Box<dyn Source>,
}

impl Job<'_> {
    fn write(
        &mut self,
        args: &ExportArgs,
        inputs: &Inputs,
        reference: &Reference,
        out: Box<dyn Write + Send>,
    ) -> anyhow::Result<()> {
        match args.format {
            ExportFormat::Csv => self.csv(out, CsvLayout::Tickdeck),
            ExportFormat::JavaTrader => self.csv(out, CsvLayout::JavaTrader),
            ExportFormat::Jsonl => self.jsonl(out),
            ExportFormat::Payload => self.payload(args, inputs, reference, out),
        }
    }

    fn csv(&mut self, out: Box<dyn Write + Send>, layout: CsvLayout) -> anyhow::Result<()> {
        let mut writer = CsvWriter::new(out, layout)?;
        self.each_batch(&mut |events| Ok(writer.write(events)?))?;
        let left_out = writer.left_out();
        writer.finish()?.flush()?;
        if left_out > 0 {
            tracing::warn!(
                event = "export_left_out",
                events = left_out,
                "session events have no place in this layout"
            );
        }
        Ok(())
    }

    fn jsonl(&mut self, out: Box<dyn Write + Send>) -> anyhow::Result<()> {
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
        out: Box<dyn Write + Send>,
    ) -> anyhow::Result<()> {
        let sinks = SinkArgs {
            sinks: Vec::new(),
            subject_prefix: DEFAULT_PREFIX.into(),
        };
        let source = inputs.payload_source()?;
        let options = publisher_options(&args.normalize, &sinks, source, reference);
        let mut publisher =
            Publisher::new(options, vec![Box::new(JsonlSink::to_writer(out, "output"))]);
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
