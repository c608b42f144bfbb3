//! `tickdeck check`: compares the output of recordings and streams with their goldens.

mod accept;
mod advice;
mod colours;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use tickdeck::check::report::{Entry, html, junit, text};
use tickdeck::check::{
    Accept, Batch, BatchError, CheckError, CheckOptions, Checked, InputKind, Publishing,
    StreamFile, Verdict, check_recording, check_stream, input_kind, is_named_as_golden, read_twice,
};
use tickdeck::pipeline::PublisherOptions;
use tickdeck::progress::Position;
use tickdeck::sink::NewFile;
use tickdeck_core::printable::printable;
use tickdeck_recording::{Manifest, RecordingError};

use super::args::{CheckArgs, PublishingArgs, Unreferenced};
use super::context::Context;
use super::inputs::{self, INTACT_ONLY, Inputs, keep_first, refuse_damage};
use super::outcome::{Exit, Outcome, UsageError, print_if_hidden, report_stdout, unless_closed};
use super::outputs::{is_same, refuse_inside_recording};
pub(super) use colours::styles;

/// The result as JSON; the key order is the order of the fields.
#[derive(Serialize)]
struct Results<'a> {
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
        batch.make_folders()?;
    }
    refuse_bad_reports(args, &batch)?;
    let reports = Reports::create(args)?;
    context.handle_signals()?;
    let (mut entries, mut first_error) = (Vec::new(), None);
    for (input, golden) in batch.pairs() {
        match check(context, args, input, golden).map_err(advice::explained) {
            Ok(checked) => entries.push(Entry::Checked {
                accept: accept::ways(args, input, golden, &checked),
                checked: Box::new(checked),
            }),
            // Verdicts reached before are kept and reported.
            Err(error) if context.control.is_stopped() => {
                entries.push(Entry::Failed {
                    input: input.display().to_string(),
                    reason: format!("{error:#}"),
                });
                if let Some(first) = first_error.replace(error) {
                    tracing::error!(event = "check_failed", "{first:#}");
                }
                break;
            }
            // Damage is a finding, as in `verify`: the other inputs are still checked.
            Err(error) if is_damage(&error) => {
                let reason = context.hints.in_one_line(&error);
                let input = input.display().to_string();
                tracing::error!(event = "recording_damaged", input, "{reason}");
                print_if_hidden(context.log_format, &reason, Exit::Difference);
                entries.push(Entry::Failed { input, reason });
            }
            Err(error) => {
                entries.push(Entry::Failed {
                    input: input.display().to_string(),
                    reason: context.hints.in_one_line(&error),
                });
                keep_first(context, &mut first_error, input, error);
            }
        }
    }
    if first_error.is_none() {
        first_error = refuse_unknown_fields(args, &entries).err();
    }
    let lost = lost_goldens(args, &batch)?;
    // The terminal gets the result even if writing a report fails.
    let written = reports.write(args, &mut entries, &lost);
    unless_closed(print(context, args, &entries, &lost))?;
    written?;
    if let Some(error) = first_error {
        return Err(error);
    }
    let passed =
        |entry: &Entry| matches!(entry, Entry::Checked { checked, .. } if checked.passed());
    Ok(match entries.iter().all(passed) {
        true => empty_checks(args, &entries).and(inputs::completeness_of(batch.inputs())),
        false => Outcome::Difference,
    })
}

/// A check of no message passes whatever the normalizer does, so it is not a success.
fn empty_checks(args: &CheckArgs, entries: &[Entry]) -> Outcome {
    let mut outcome = Outcome::Done;
    for entry in entries {
        let Entry::Checked { checked, .. } = entry else {
            continue;
        };
        if checked.messages == 0 && !args.allow_empty {
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

/// Refuses a field to accept that no message of any input has: its name is wrong.
fn refuse_unknown_fields(args: &CheckArgs, entries: &[Entry]) -> anyhow::Result<()> {
    let checks = entries.iter().filter_map(|entry| match entry {
        Entry::Checked { checked, .. } if checked.messages > 0 => Some(checked),
        _ => None,
    });
    let checks: Vec<_> = checks.collect();
    let is_unknown = |name: &&String| checks.iter().all(|c| c.unknown_fields.contains(name));
    match args.accept_field.iter().find(is_unknown) {
        Some(name) if !checks.is_empty() => Err(UsageError::new(format!(
            "no message has the field {name:?}, which --accept-field names: expected a top-level key \
             of the payload"
        ))
        .into()),
        _ => Ok(()),
    }
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

/// Refuses two inputs that share one pipe: each would get a part of its content.
pub(super) fn refuse_read_twice(inputs: &[impl AsRef<Path>]) -> Result<(), UsageError> {
    match read_twice(inputs) {
        Some(path) => {
            let path = path.to_owned();
            Err(UsageError::new(BatchError::ReadTwice { path }.to_string()))
        }
        None => Ok(()),
    }
}

/// A stream that is read until its end or the user's stop.
pub(super) fn open_stream(context: &Context, path: &Path) -> Result<StreamFile, CheckError> {
    Ok(StreamFile::open(path)?.stopped_by(Arc::clone(&context.control)))
}

fn check(
    context: &Context,
    args: &CheckArgs,
    input: &Path,
    golden: &Path,
) -> anyhow::Result<Checked> {
    if refuse_inside_recording(golden).is_err() {
        return Err(UsageError::new(format!(
            "{} would be inside a recording, where goldens are not allowed: name another place with \
             --golden",
            golden.display()
        ))
        .into());
    }
    let options = CheckOptions {
        accept: match &args.accept_field[..] {
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
        },
        stream_limit: args.stream_limit,
        differences: args.limit,
    };
    let kind = input_kind(input)?;
    let manifest = match kind {
        InputKind::Recording => Manifest::read(input).ok(),
        InputKind::Stream => None,
    };
    let mut progress = context.progress("check", manifest.map(|manifest| manifest.ticks));
    let mut watch = |messages: u64| {
        progress.at(Position {
            events: messages,
            time: None,
            lag_ns: None,
        });
        !context.control.is_stopped()
    };
    let mut checked = match kind {
        InputKind::Stream => {
            let stream = open_stream(context, input)?;
            check_stream(stream, golden, &options, &mut watch)
        }
        InputKind::Recording => {
            let inputs = inputs::open(&[input.to_owned()]).map_err(as_input_error)?;
            refuse_damage(&inputs.damage(), INTACT_ONLY)?;
            let publishing = publishing(&args.publishing, &inputs, golden)?;
            let recording = inputs.recordings.first().context("one recording")?;
            check_recording(recording, publishing, golden, &options, &mut watch)
        }
    };
    progress.finish();
    if let Ok(checked) = &mut checked {
        let is_misnamed = accept::is_of_another(args, golden, checked);
        advice::complete(checked, &args.publishing, is_misnamed);
    }
    Ok(checked?)
}

/// Whether this runs in a CI, where writing needs an explicit flag.
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Whether a recording or a stream is damaged.
pub(super) fn is_damage(error: &anyhow::Error) -> bool {
    let is_damaged = |cause: &(dyn std::error::Error + 'static)| {
        // A transparent wrapper shows the cause of what it wraps, not the wrapped error itself.
        let recording = cause.downcast_ref::<RecordingError>();
        cause.downcast_ref().is_some_and(CheckError::is_damage)
            || matches!(recording, Some(RecordingError::Damaged { .. }))
    };
    error.chain().any(is_damaged)
}

/// A path that is not a recording is bad input here.
pub(super) fn as_input_error(error: anyhow::Error) -> anyhow::Error {
    match error.downcast() {
        Ok(RecordingError::NoManifest { path }) => UsageError::new(format!(
            "{} is not a recording: manifest.json is missing; name a recording, a single \
                 segment file or a payload stream",
            path.display()
        ))
        .into(),
        Ok(error) => CheckError::Recording(error).into(),
        Err(error) => error,
    }
}

/// Options that the flags leave open come from the golden.
fn publishing(
    args: &PublishingArgs,
    inputs: &Inputs,
    golden: &Path,
) -> anyhow::Result<PublisherOptions> {
    let reference = inputs::reference(&args.normalize(), &inputs.recordings)?;
    let publishing = Publishing {
        payload: args.payload,
        subject_prefix: args.subject_prefix.clone(),
        drop: (!args.drop.is_empty()).then(|| args.drop.iter().copied().collect()),
    };
    Ok(publishing.options(&reference, inputs.payload_source()?, golden)?)
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
        let results = Results {
            passed: errors.is_empty() && checks.iter().all(|(checked, _)| checked.passed()),
            checks: checks.iter().map(|(checked, _)| *checked).collect(),
            errors,
            unreferenced: lost.iter().map(|path| path.display().to_string()).collect(),
        };
        serde_json::to_writer(&mut out, &results)?;
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
