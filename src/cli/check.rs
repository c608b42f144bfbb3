//! `tickdeck check`: compares the output of recordings and streams with their goldens.

mod accept;
mod advice;
mod colours;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tickdeck::check::report::{Entry, html, junit, text};
use tickdeck::check::{
    Accept, Batch, BatchError, BatchObserver, BatchOptions, BatchSummary, CheckError, CheckOptions,
    Checked, Input, InputCheck, InputResult, Verdict, is_named_as_golden,
};
use tickdeck::progress::Progress;
use tickdeck::sink::NewFile;
use tickdeck_core::printable::printable;
use tickdeck_core::switch::parse_switch;
use tickdeck_recording::Recording;

use super::args::{CheckArgs, Unreferenced};
use super::context::Context;
use super::inputs::{completeness, keep_first, log_opened};
use super::outcome::{Exit, Outcome, UsageError, print_if_hidden, report_stdout, unless_closed};
use super::outputs::{is_same, refuse_inside_recording, servers};
pub(super) use advice::explained;
pub(super) use colours::styles;

/// The result as JSON; the key order is the order of the fields.
#[derive(Serialize)]
struct Shown<'a> {
    passed: bool,
    checks: Vec<&'a Checked>,
    errors: Vec<Failed<'a>>,
    unreferenced: Vec<String>,
}

#[derive(Serialize)]
struct Failed<'a> {
    input: &'a str,
    reason: &'a str,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &CheckArgs) -> anyhow::Result<Outcome> {
    let payload = args.publishing.payload.unwrap_or_default();
    let batch = Batch::new(&args.inputs, args.golden.as_deref(), payload, args.update)
        .map_err(batch_error)?;
    if args.update && args.golden.is_some() {
        batch.make_folders().map_err(explained)?;
    }
    refuse_bad_reports(args, &batch)?;
    let reports = Reports::create(args)?;
    context.handle_signals()?;
    let options = BatchOptions {
        check: check_options(args),
        publishing: args.publishing.publishing(),
        servers: servers(&args.inputs, &args.nats)?,
        control: Arc::clone(&context.control),
    };
    let mut results = Results::new(context, args);
    let summary = batch.run(&options, &mut results);
    let Results {
        mut entries,
        mut first_error,
        ..
    } = results;
    if first_error.is_none() {
        first_error = unknown_field(&summary);
    }
    let lost = lost_goldens(args, &batch)?;
    // The terminal gets the result even if writing a report fails.
    let written = reports.write(args, &mut entries, &lost);
    unless_closed(print(context, args, &entries, &lost))?;
    written?;
    if let Some(error) = first_error {
        return Err(error);
    }
    let is_rejected = args.unreferenced == Unreferenced::Reject && !lost.is_empty();
    Ok(match summary.passed && !is_rejected {
        true => empty_checks(args, &entries).and(completeness(summary.is_complete)),
        false => Outcome::Difference,
    })
}

/// What each input became: an entry of the reports, a line of the log, the error that decides the exit
/// code.
struct Results<'a> {
    context: &'a Context,
    args: &'a CheckArgs,
    entries: Vec<Entry>,
    first_error: Option<anyhow::Error>,
}

impl<'a> Results<'a> {
    const fn new(context: &'a Context, args: &'a CheckArgs) -> Self {
        Self {
            context,
            args,
            entries: Vec::new(),
            first_error: None,
        }
    }

    fn checked(&mut self, input: &Path, golden: &Path, mut checked: Box<Checked>) {
        let is_misnamed = accept::is_of_another(self.args, golden, &checked);
        advice::complete(&mut checked, &self.args.publishing, is_misnamed);
        self.entries.push(Entry::Checked {
            accept: accept::ways(self.args, input, golden, &checked),
            checked,
        });
    }

    fn failed(&mut self, input: &Path, reason: String) {
        let input = input.display().to_string();
        self.entries.push(Entry::Failed { input, reason });
    }
}

impl BatchObserver for Results<'_> {
    fn begin(&mut self, input: &Input) -> Box<dyn Progress> {
        let recording = input.recording();
        if let Some(recording) = recording {
            log_opened(std::slice::from_ref(recording));
        }
        let manifest = recording.and_then(Recording::manifest);
        let total = manifest.map(|manifest| manifest.ticks);
        self.context.progress("check", total)
    }

    fn end(&mut self, check: InputCheck<'_>) {
        let InputCheck {
            input,
            golden,
            result,
        } = check;
        match result {
            InputResult::Checked(checked) => self.checked(input, golden, checked),
            InputResult::Damaged(error) => {
                let reason = self.context.hints.in_one_line(&explained(error));
                let shown = input.display().to_string();
                tracing::error!(event = "recording_damaged", input = shown, "{reason}");
                print_if_hidden(self.context.log_format, &reason, Exit::Difference);
                self.failed(input, reason);
            }
            // The stop is what ends the verb.
            InputResult::Stopped(error) => {
                let error = explained(error);
                self.failed(input, format!("{error:#}"));
                if let Some(first) = self.first_error.replace(error) {
                    tracing::error!(event = "check_failed", "{first:#}");
                }
            }
            InputResult::Failed(error) => {
                let error = explained(error);
                self.failed(input, self.context.hints.in_one_line(&error));
                keep_first(self.context, &mut self.first_error, input, error);
            }
        }
    }
}

fn check_options(args: &CheckArgs) -> CheckOptions {
    let accept = match &args.accept_field[..] {
        _ if args.update => Accept::Everything,
        [] => Accept::Nothing,
        _ if is_ci() => {
            tracing::warn!(
                event = "accept_field_ignored",
                "CI is set: goldens are written with --update only"
            );
            Accept::Nothing
        }
        fields => Accept::Fields(fields.to_vec()),
    };
    CheckOptions {
        accept,
        stream_limit: args.stream_limit,
        differences: args.limit,
    }
}

/// A check of no message is not a success.
fn empty_checks(args: &CheckArgs, entries: &[Entry]) -> Outcome {
    let mut outcome = Outcome::Done;
    for entry in entries {
        let Entry::Checked { checked, .. } = entry else {
            continue;
        };
        if checked.is_empty() && !args.allow_empty {
            tracing::warn!(
                event = "nothing_checked",
                input = checked.input,
                golden = checked.golden,
                "no message would be published; --allow-empty accepts that"
            );
            outcome = Outcome::Lossy;
        }
    }
    outcome
}

/// The refusal of an accepted field that no message has.
fn unknown_field(summary: &BatchSummary) -> Option<anyhow::Error> {
    let name = summary.unknown_fields.first()?;
    let message = format!(
        "no message has the field {name:?}, which --accept-field names: expected a top-level key of \
         the payload"
    );
    Some(UsageError::new(message).into())
}

/// A report must not overwrite an input, a golden, or the other report.
fn refuse_bad_reports(args: &CheckArgs, batch: &Batch) -> anyhow::Result<()> {
    if let (Some(junit), Some(html)) = (&args.junit, &args.html)
        && is_same(junit, html)
    {
        return Err(UsageError::new("--junit and --html are the same file: name two").into());
    }
    let tables = &args.publishing;
    let tables = [&tables.contracts, &tables.calendar, &tables.products];
    let tables: Vec<&PathBuf> = tables.into_iter().flatten().collect();
    for report in args.junit.iter().chain(&args.html) {
        refuse_inside_recording(report)?;
        if let Some(table) = tables.iter().find(|table| is_same(table, report)) {
            let message = format!(
                "{} is the same file as the input {}: choose another name for the report",
                report.display(),
                table.display()
            );
            return Err(UsageError::new(message).into());
        }
        let name = report.file_name().unwrap_or_default().to_string_lossy();
        let is_of_check = batch
            .inputs()
            .iter()
            .chain(batch.goldens())
            .any(|path| is_same(path, report))
            || is_named_as_golden(report)
            || name.ends_with(".jsonl")
            || name.ends_with(".jsonl.zst");
        if is_of_check {
            let message = format!(
                "{} is the path of a golden or a payload stream: choose another name for the report",
                report.display()
            );
            return Err(UsageError::new(message).into());
        }
    }
    Ok(())
}

/// Names the flag that decides.
fn batch_error(error: BatchError) -> anyhow::Error {
    let message = match error {
        BatchError::NoInput => {
            "all inputs are goldens: name the recordings, their goldens are found \
                                beside them or with --golden"
                .to_owned()
        }
        BatchError::OneGolden { golden, inputs } => format!(
            "--golden {} is one golden for {inputs} inputs: name a folder, or check one input at a \
             time",
            golden.display()
        ),
        BatchError::NoFolder { folder } => format!(
            "there is no folder {}: give --update to create it with the goldens",
            folder.display()
        ),
        BatchError::NoName { input } => format!(
            "{} cannot be matched to a golden by name: check it alone, and name the golden with \
             --golden",
            input.display()
        ),
        BatchError::SharedGolden { golden } => format!(
            "two inputs would share the golden {}: check them one at a time with --golden",
            golden.display()
        ),
        error => error.to_string(),
    };
    UsageError::new(message).into()
}

/// Whether this runs in a CI, where writing needs an explicit flag. Some give the variable their name.
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && parse_switch(&value) != Ok(false))
}

/// Goldens without an input, warned about if they are not rejected.
fn lost_goldens(args: &CheckArgs, batch: &Batch) -> anyhow::Result<Vec<PathBuf>> {
    let is_rejected = args.unreferenced == Unreferenced::Reject;
    let lost = match batch.lost_goldens(is_rejected) {
        // A folder that cannot be listed does not prevent the check of its inputs.
        Err(_) if args.unreferenced == Unreferenced::Warn => return Ok(Vec::new()),
        lost => lost?,
    };
    if args.unreferenced == Unreferenced::Warn {
        for path in &lost {
            tracing::warn!(
                event = "golden_unreferenced",
                golden = %path.display(),
                "no recording matches it: remove it, or restore the recording"
            );
        }
    }
    Ok(lost)
}

/// Reports being written. They are opened before the first check, so that an unwritable path fails
/// at once.
struct Reports {
    junit: Option<NewFile>,
    html: Option<NewFile>,
}

impl Reports {
    fn create(args: &CheckArgs) -> Result<Self, UsageError> {
        let begin = |path: &PathBuf| {
            NewFile::create(path).map_err(|error| {
                let message = format!(
                    "the report {} cannot be written: choose another place",
                    path.display()
                );
                UsageError::caused_by(message, error)
            })
        };
        Ok(Self {
            junit: args.junit.as_ref().map(begin).transpose()?,
            html: args.html.as_ref().map(begin).transpose()?,
        })
    }

    /// Completes both; a rejected golden fails in them too.
    fn write(
        self,
        args: &CheckArgs,
        entries: &mut Vec<Entry>,
        lost: &[PathBuf],
    ) -> Result<(), CheckError> {
        if args.unreferenced == Unreferenced::Reject {
            entries.extend(lost.iter().map(|path| {
                Entry::Failed {
                input: path.display().to_string(),
                reason:
                    "no recording matches this golden: remove the golden, or restore the recording"
                        .into(),
            }
            }));
        }
        if let Some(file) = self.junit {
            let xml = junit::xml(entries).map_err(|reason| CheckError::Report {
                path: file.path().to_owned(),
                reason,
            })?;
            write_report(file, xml.as_bytes())?;
        }
        if let Some(file) = self.html {
            write_report(file, html::page(entries).as_bytes())?;
        }
        Ok(())
    }
}

fn write_report(mut file: NewFile, bytes: &[u8]) -> Result<(), CheckError> {
    let path = file.path().to_owned();
    let written = file.write_all(bytes).and_then(|()| file.finish());
    written.map_err(|source| CheckError::Io {
        path,
        doing: "writing",
        source,
    })
}

fn print(
    context: &Context,
    args: &CheckArgs,
    entries: &[Entry],
    lost: &[PathBuf],
) -> anyhow::Result<()> {
    let checks = entries.iter().filter_map(|entry| match entry {
        Entry::Checked { checked, accept } => Some((&**checked, &accept[..])),
        Entry::Failed { .. } => None,
    });
    let checks: Vec<(&Checked, &[String])> = checks.collect();
    if checks.is_empty() && !args.json.json {
        return Ok(());
    }
    let mut out = report_stdout(args.json.json);
    if args.json.json {
        let errors = entries.iter().filter_map(|entry| match entry {
            Entry::Checked { .. } => None,
            Entry::Failed { input, reason } => Some(Failed { input, reason }),
        });
        let errors: Vec<Failed> = errors.collect();
        let shown = Shown {
            passed: errors.is_empty() && checks.iter().all(|(checked, _)| checked.passed()),
            checks: checks.iter().map(|(checked, _)| *checked).collect(),
            errors,
            unreferenced: lost.iter().map(|path| path.display().to_string()).collect(),
        };
        serde_json::to_writer(&mut out, &shown)?;
        writeln!(out)?;
    } else {
        let styles = styles(context.results_colour);
        for (position, (checked, accept)) in checks.iter().enumerate() {
            if position > 0 && checked.verdict != Verdict::Equal {
                writeln!(out)?;
            }
            out.write_all(text::checked(checked, accept, &styles).as_bytes())?;
        }
        if args.unreferenced == Unreferenced::Reject {
            for path in lost {
                writeln!(
                    out,
                    "{}: no recording matches it: remove it, or restore the recording",
                    printable(&path.display().to_string())
                )?;
            }
        }
    }
    Ok(out.flush()?)
}
