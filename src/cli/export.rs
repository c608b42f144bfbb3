//! `tickdeck export`: a recording as CSV, JSON lines, published payloads or a Parquet table.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use tickdeck::encode::subject::DEFAULT_PREFIX;
use tickdeck::export::csv::CsvLayout;
use tickdeck::export::{EventForm, Export, ExportError, Exported};
use tickdeck::pipeline::PublisherOptions;
use tickdeck::sink::{JsonlSink, NewFile};
use tickdeck_core::source::Source;

use super::args::{ExportArgs, ExportFormat, OutputTarget};
use super::context::Context;
use super::inputs::{
    self, INTACT_ONLY, Published, Selection, completeness, of_publishing, refuse_damage,
};
use super::outcome::{Outcome, UsageError, data_stdout, stdout, unless_closed};
use super::outputs::{publisher_options, refuse_existing, refuse_folder, refuse_inside_recording};
use super::render::{INCOMPLETE, bytes, counted};

/// Runs the verb.
pub(super) fn run(context: &Context, args: &ExportArgs) -> anyhow::Result<Outcome> {
    let form = Form::of(args.format);
    if matches!((form, &args.output), (Form::Table, OutputTarget::Stdout)) {
        return Err(no_table_on_stdout());
    }
    context.handle_signals()?;
    let inputs = inputs::open_with(&args.recordings, &args.normalize)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    inputs::warn_given_twice(&args.recordings);
    let payload_source = inputs.payload_source()?;
    let reference = inputs::reference(&args.normalize, &inputs.recordings)?;
    inputs::warn_not_covered(&reference.calendar, inputs.recorded_days());
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    let mut source = selection.events.source(&inputs);
    let total = inputs.estimate(&selection.events.filter);
    if let OutputTarget::Path(path) = &args.output {
        refuse_folder(path)?;
        refuse_inside_recording(path)?;
        refuse_existing(path, args.force)?;
    }
    let export = || {
        Export::new()
            .receive_times(reference.receive_times)
            .allow_empty(selection.may_be_empty())
            .progress(context.progress("export", total))
            .control(Arc::clone(&context.control))
    };
    let source = source.as_mut();
    let may_be_empty = selection.may_be_empty();
    let options = publisher_options(&args.normalize, DEFAULT_PREFIX, payload_source, &reference);
    let exported = match (form, &args.output) {
        (Form::Payloads, output) => {
            write_payloads(export(), source, output, options, may_be_empty)?
        }
        (Form::Events(form), OutputTarget::Stdout) => {
            write_events(export(), source, form, &mut data_stdout())?
        }
        (Form::Table, OutputTarget::Stdout) => return Err(no_table_on_stdout()),
        (Form::Events(form), OutputTarget::Path(path)) => {
            to_file(path, |file| write_events(export(), source, form, file))?
        }
        (Form::Table, OutputTarget::Path(path)) => to_file(path, |file| {
            let exported = export().table(source, &options, file);
            exported.map_err(export_error)
        })?,
    };
    let completeness = completeness(inputs.are_complete());
    if let OutputTarget::Path(path) = &args.output {
        let is_kept = exported.is_kept;
        let written = Written {
            path: is_kept.then(|| path.display().to_string()),
            ticks: exported.ticks,
            left_out: exported.left_out,
            bytes: match path.metadata() {
                Ok(found) if is_kept => found.len(),
                _ => 0,
            },
            complete: completeness == Outcome::Done,
        };
        unless_closed(written.print(args.json.json))?;
    }
    let outcome = match exported.ticks {
        0 => selection.outcome(0),
        _ => of_publishing(&Published::of_export(&exported), may_be_empty),
    };
    Ok(outcome.and(completeness))
}

/// What is written.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Events as they were received.
    Events(EventForm),
    /// What a replay publishes.
    Payloads,
    /// The same as a table.
    Table,
}

impl Form {
    const fn of(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Csv => Self::Events(EventForm::Csv(CsvLayout::Tickdeck)),
            ExportFormat::JavaTrader => Self::Events(EventForm::Csv(CsvLayout::JavaTrader)),
            ExportFormat::Jsonl => Self::Events(EventForm::Jsonl),
            ExportFormat::Payload => Self::Payloads,
            ExportFormat::Parquet => Self::Table,
        }
    }
}

/// A table is for tools that look for its end first.
fn no_table_on_stdout() -> anyhow::Error {
    let message =
        "--format parquet writes a file: name it with --output, for example -o ticks.parquet";
    UsageError::new(message).into()
}

/// Writes a new file. Without something to keep there is none.
fn to_file(
    path: &Path,
    write: impl FnOnce(&mut NewFile) -> anyhow::Result<Exported>,
) -> anyhow::Result<Exported> {
    let mut file = NewFile::create(path).with_context(|| format!("creating {}", path.display()))?;
    let exported = write(&mut file).with_context(|| format!("exporting to {}", path.display()))?;
    if exported.is_kept {
        file.finish()
            .with_context(|| format!("naming the output {}", path.display()))?;
    }
    Ok(exported)
}

/// A new file. The key order of the JSON is the order of the fields.
#[derive(Serialize)]
struct Written {
    /// `None` if there was no tick, so that no file was kept.
    path: Option<String>,
    ticks: u64,
    /// Events that the layout cannot hold.
    left_out: u64,
    bytes: u64,
    /// Whether every recording was whole.
    complete: bool,
}

impl Written {
    fn print(&self, json: bool) -> std::io::Result<()> {
        let mut out = stdout();
        if json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
            return out.flush();
        }
        match &self.path {
            None if self.ticks == 0 => writeln!(out, "no file was written: there is no tick")?,
            None => {
                let ticks = counted(self.ticks, "tick");
                writeln!(out, "no file was written: {ticks}, and a payload of none")?;
            }
            Some(path) => {
                let (ticks, bytes) = (counted(self.ticks, "tick"), bytes(self.bytes));
                writeln!(out, "{path}: {ticks}, {bytes}")?;
            }
        }
        if !self.complete {
            writeln!(out, "{INCOMPLETE}")?;
        }
        out.flush()
    }
}

fn export_error(error: ExportError) -> anyhow::Error {
    match error {
        ExportError::Source(error) => error.into(),
        ExportError::Output(error) => error.into(),
        ExportError::Sink(error) => error.into(),
        error => error.into(),
    }
}

fn write_events(
    export: Export,
    source: &mut dyn Source,
    form: EventForm,
    out: &mut dyn Write,
) -> anyhow::Result<Exported> {
    let exported = export.events(source, form, out).map_err(export_error)?;
    if exported.left_out > 0 {
        tracing::warn!(
            event = "export_left_out",
            events = exported.left_out,
            "this layout cannot hold session events"
        );
    }
    Ok(exported)
}

fn write_payloads(
    export: Export,
    source: &mut dyn Source,
    output: &OutputTarget,
    options: PublisherOptions,
    keep_empty: bool,
) -> anyhow::Result<Exported> {
    let sink = match output {
        OutputTarget::Stdout => JsonlSink::to_stdout(Box::new(data_stdout())),
        OutputTarget::Path(path) => JsonlSink::create(path)?.keep_empty(keep_empty),
    };
    let exported = export.payloads(source, options, vec![Box::new(sink)]);
    exported.map_err(export_error)
}
