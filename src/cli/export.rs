//! `tickdeck export`: a recording as CSV, JSON lines or published payloads.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tickdeck::encode::subject::DEFAULT_PREFIX;
use tickdeck::export::csv::CsvLayout;
use tickdeck::export::{EventForm, Export, ExportError};
use tickdeck::pipeline::PublisherOptions;
use tickdeck::sink::{JsonlSink, NewFile};
use tickdeck_core::source::Source;

use super::Context;
use super::args::{ExportArgs, ExportFormat, OutputTarget};
use super::inputs::{self, INTACT_ONLY, Selection, completeness, refuse_damage};
use super::outcome::{Outcome, stdout};
use super::outputs::{publisher_options, refuse_existing, refuse_inside_recording};

/// Runs the verb.
pub(super) fn run(context: &Context, args: &ExportArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let inputs = inputs::open(&args.recordings)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let reference = inputs::reference(&args.normalize, &inputs.recordings)?;
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    let mut source = selection.source(&inputs, false);
    let total = inputs.estimate(&selection.filter);
    if let OutputTarget::Path(path) = &args.output {
        refuse_inside_recording(path)?;
        refuse_existing(path, args.force)?;
    }
    let form = match args.format {
        ExportFormat::Csv => Some(EventForm::Csv(CsvLayout::Tickdeck)),
        ExportFormat::JavaTrader => Some(EventForm::Csv(CsvLayout::JavaTrader)),
        ExportFormat::Jsonl => Some(EventForm::Jsonl),
        ExportFormat::Payload => None,
    };
    let export = || {
        Export::new()
            .progress(context.progress("export", total))
            .control(Arc::clone(&context.control))
    };
    let source = source.as_mut();
    let ticks = match (form, &args.output) {
        (None, output) => {
            let from = inputs.payload_source()?;
            let options = publisher_options(&args.normalize, DEFAULT_PREFIX, from, &reference);
            write_payloads(export(), source, output, options)?
        }
        (Some(form), OutputTarget::Stdout) => write_events(export(), source, form, &mut stdout())?,
        (Some(form), OutputTarget::Path(path)) => {
            let mut file = NewFile::create(path).with_context(|| creating(path))?;
            let ticks = write_events(export(), source, form, &mut file)?;
            file.finish()
                .with_context(|| format!("naming the output {}", path.display()))?;
            ticks
        }
    };
    Ok(selection.outcome(ticks).and(completeness(&inputs)))
}

fn creating(path: &Path) -> String {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    format!(
        "creating a file in {}",
        folder.unwrap_or(Path::new(".")).display()
    )
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
) -> anyhow::Result<u64> {
    let exported = export.events(source, form, out).map_err(export_error)?;
    if exported.left_out > 0 {
        tracing::warn!(
            event = "export_left_out",
            events = exported.left_out,
            "this layout cannot hold session events"
        );
    }
    Ok(exported.ticks)
}

fn write_payloads(
    export: Export,
    source: &mut dyn Source,
    output: &OutputTarget,
    options: PublisherOptions,
) -> anyhow::Result<u64> {
    let sink = match output {
        OutputTarget::Stdout => JsonlSink::to_writer(Box::new(stdout()), "stdout"),
        OutputTarget::Path(path) => JsonlSink::create(path).with_context(|| creating(path))?,
    };
    let exported = export.payloads(source, options, vec![Box::new(sink)]);
    Ok(exported.map_err(export_error)?.ticks)
}
