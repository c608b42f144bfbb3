//! `tickdeck check`: compares the output of recordings and streams with their goldens.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use tickdeck::check::report::{Entry, html, junit, printable, text};
use tickdeck::check::{
    Accept, CheckError, CheckOptions, Checked, GOLDEN_SUFFIX, Golden, InputKind, STREAM_SUFFIX,
    StreamFile, Verdict, check_recording, check_stream, golden_path, input_kind, is_named_as_input,
    is_read_once, unreferenced,
};
use tickdeck::pipeline::PublisherOptions;
use tickdeck::progress::Position;
use tickdeck::sink::NewFile;
use tickdeck::sink::paths::is_one_file;
use tickdeck_core::causes::causes;
use tickdeck_recording::{Manifest, RecordingError};

use super::Context;
use super::args::{CheckArgs, PublishingArgs, Unreferenced};
use super::inputs::{self, INTACT_ONLY, Inputs, refuse_damage};
use super::outcome::{Outcome, UsageError, stdout};
use super::outputs::{is_same, refuse_inside_recording};

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
    let inputs = inputs_of(args)?;
    refuse_read_twice(&inputs)?;
    let goldens = goldens_of(args, &inputs)?;
    if args.update && args.golden.is_some() {
        goldens.iter().try_for_each(|golden| make_folder(golden))?;
    }
    refuse_bad_reports(args, &inputs, &goldens)?;
    let reports = Reports::create(args)?;
    context.handle_signals()?;
    let (mut entries, mut first_error) = (Vec::new(), None);
    for (input, golden) in inputs.iter().zip(&goldens) {
        match check(context, args, input, golden) {
            Ok(checked) => entries.push(Entry::Checked(Box::new(checked))),
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
                let reason = format!("{error:#}");
                let input = input.display().to_string();
                tracing::error!(event = "recording_damaged", input, "{reason}");
                entries.push(Entry::Failed { input, reason });
            }
            Err(error) => {
                let mut reason = error.to_string();
                for cause in causes(error.as_ref()) {
                    reason.push_str(&format!(": {cause}"));
                }
                let input = input.display().to_string();
                if first_error.is_some() {
                    tracing::error!(event = "check_failed", input, "{reason}");
                }
                entries.push(Entry::Failed { input, reason });
                first_error.get_or_insert(error);
            }
        }
    }
    let lost = lost_goldens(args, &inputs, &goldens)?;
    // The terminal gets the result even if writing a report fails.
    let written = reports.write(args, &mut entries, &lost);
    print(args, &entries, &lost)?;
    written?;
    if let Some(error) = first_error {
        return Err(error);
    }
    let passed = |entry: &Entry| matches!(entry, Entry::Checked(checked) if checked.passed());
    Ok(match entries.iter().all(passed) {
        true => empty_checks(args, &entries),
        false => Outcome::Difference,
    })
}

/// A check of no message passes whatever the normalizer does, so it is not a success.
fn empty_checks(args: &CheckArgs, entries: &[Entry]) -> Outcome {
    let mut outcome = Outcome::Done;
    for entry in entries {
        let Entry::Checked(checked) = entry else {
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

/// A report must not overwrite an input, a golden, or the other report.
fn refuse_bad_reports(
    args: &CheckArgs,
    inputs: &[PathBuf],
    goldens: &[PathBuf],
) -> anyhow::Result<()> {
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
        let is_of_check = inputs
            .iter()
            .chain(goldens)
            .any(|path| is_same(path, report))
            || name.ends_with(GOLDEN_SUFFIX)
            || name.ends_with(STREAM_SUFFIX)
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

/// The inputs to check. `recordings/*` also matches the files beside recordings. Goldens are
/// skipped; anything that is neither recording nor stream is skipped with a warning. A lone input
/// is used unchanged.
fn inputs_of(args: &CheckArgs) -> Result<Vec<PathBuf>, UsageError> {
    let is_golden = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(GOLDEN_SUFFIX) || name.ends_with(STREAM_SUFFIX)
    };
    let mut inputs = Vec::new();
    for path in args.inputs.iter().filter(|path| !is_golden(path)) {
        if args.inputs.len() > 1 && !is_named_as_input(path) {
            tracing::warn!(
                event = "input_skipped",
                path = %path.display(),
                "neither a recording nor a payload stream (.jsonl, .jsonl.zst)"
            );
        } else {
            inputs.push(path.clone());
        }
    }
    if inputs.is_empty() {
        return Err(UsageError::new(
            "all inputs are goldens: name the recordings, their goldens are found \
             beside them or with --golden",
        ));
    }
    Ok(inputs)
}

/// Refuses two inputs that share one pipe: each would get a part of its content.
pub(super) fn refuse_read_twice(inputs: &[impl AsRef<Path>]) -> Result<(), UsageError> {
    let paths = || inputs.iter().map(AsRef::as_ref);
    for (position, path) in paths().enumerate().filter(|(_, path)| is_read_once(path)) {
        if paths()
            .take(position)
            .any(|before| is_one_file(before, path))
        {
            return Err(UsageError::new(format!(
                "{} names the same input as an earlier one, which can be read only once: write it to \
                 a file first",
                path.display()
            )));
        }
    }
    Ok(())
}

/// A stream that is read until its end or the user's stop.
pub(super) fn open_stream(context: &Context, path: &Path) -> Result<StreamFile, CheckError> {
    Ok(StreamFile::open(path)?.stopped_by(Arc::clone(&context.control)))
}

/// Whether a path can only be a folder, by its ending.
fn is_said_to_be_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Creates the folder of a new golden.
fn make_folder(golden: &Path) -> anyhow::Result<()> {
    let folder = folder_of(golden);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("making the folder {}", folder.display()))
}

/// Whether a path names an open file of a process, such as the end of a pipe. Such a name says
/// nothing of the content, and no file can be beside it.
fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc")
}

/// The golden of each input.
fn goldens_of(args: &CheckArgs, inputs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let payload = args.publishing.payload.unwrap_or_default();
    let folder = match &args.golden {
        Some(golden) if !golden.is_dir() && !is_said_to_be_folder(golden) => {
            if inputs.len() > 1 {
                return Err(UsageError::new(format!(
                    "--golden {} is one golden for {} inputs: name a folder, or check one input at \
                     a time",
                    golden.display(),
                    inputs.len()
                ))
                .into());
            }
            return Ok(vec![golden.clone()]);
        }
        folder => folder.as_deref(),
    };
    if let Some(folder) = folder.filter(|folder| !folder.is_dir() && !args.update) {
        return Err(UsageError::new(format!(
            "there is no folder {}: give --update to create it with the goldens",
            folder.display()
        ))
        .into());
    }
    if let Some(unnamed) = inputs.iter().find(|input| is_descriptor(input)) {
        return Err(UsageError::new(format!(
            "{} cannot be matched to a golden by name: check it alone, and name the \
             golden with --golden",
            unnamed.display()
        ))
        .into());
    }
    let goldens: Vec<PathBuf> = inputs
        .iter()
        .map(|input| golden_path(input, folder, payload))
        .collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = goldens.iter().find(|golden| !seen.insert(*golden)) {
        let message = format!(
            "two inputs would share the golden {}: check them one at a time with --golden",
            twice.display()
        );
        return Err(UsageError::new(message).into());
    }
    Ok(goldens)
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
        differences: args.limit.max(1),
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
            lag_ns: None,
        });
        !context.control.is_stopped()
    };
    let checked = match kind {
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
        Ok(RecordingError::NotARecording { path, .. }) if path.is_dir() => {
            UsageError::new(format!(
                "{} is not a recording: manifest.json is missing; name a recording, a single \
                 segment file or a payload stream",
                path.display()
            ))
            .into()
        }
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
    let mut options = PublisherOptions::new(&reference, inputs.payload_source()?);
    if let Some(known) = Golden::read(golden)? {
        known.apply(golden, &mut options)?;
    }
    if let Some(payload) = args.payload {
        options.payload = payload;
    }
    if let Some(prefix) = &args.subject_prefix {
        options.subject_prefix.clone_from(prefix);
    }
    if !args.drop.is_empty() {
        options.drop = args.drop.iter().copied().collect();
    }
    Ok(options)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Goldens without an input: beside the inputs, or in the folder of all goldens.
fn lost_goldens(
    args: &CheckArgs,
    inputs: &[PathBuf],
    goldens: &[PathBuf],
) -> anyhow::Result<Vec<PathBuf>> {
    let folders: BTreeSet<PathBuf> = inputs.iter().map(|path| folder_of(path)).collect();
    let searched = match &args.golden {
        None => folders.clone(),
        Some(folder) if folder.is_dir() => BTreeSet::from([folder.clone()]),
        // One golden was named: the others are those beside it.
        Some(golden) if args.unreferenced == Unreferenced::Reject => {
            BTreeSet::from([folder_of(golden)])
        }
        Some(_) => return Ok(Vec::new()),
    };
    let there = |folders: BTreeSet<PathBuf>| -> BTreeSet<PathBuf> {
        folders
            .into_iter()
            .filter(|folder| folder.is_dir())
            .collect()
    };
    let lost = match unreferenced(&there(searched), &there(folders)) {
        // A folder that cannot be listed does not prevent the check of its inputs.
        Err(_) if args.unreferenced == Unreferenced::Warn => return Ok(Vec::new()),
        lost => lost?,
    };
    // A named golden is in use, whatever its name.
    let named: BTreeSet<PathBuf> = goldens
        .iter()
        .flat_map(|golden| [golden.clone(), tickdeck::check::stream_path(golden)])
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let is_named = |path: &Path| path.canonicalize().is_ok_and(|path| named.contains(&path));
    let lost: Vec<PathBuf> = lost.into_iter().filter(|path| !is_named(path)).collect();
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

fn print(args: &CheckArgs, entries: &[Entry], lost: &[PathBuf]) -> anyhow::Result<()> {
    let checks = entries.iter().filter_map(|entry| match entry {
        Entry::Checked(checked) => Some(&**checked),
        Entry::Failed { .. } => None,
    });
    let checks: Vec<&Checked> = checks.collect();
    if checks.is_empty() && !args.json.json {
        return Ok(());
    }
    let mut out = stdout();
    if args.json.json {
        let errors = entries.iter().filter_map(|entry| match entry {
            Entry::Checked(_) => None,
            Entry::Failed { input, reason } => Some(Failed { input, reason }),
        });
        let errors: Vec<Failed> = errors.collect();
        let results = Results {
            passed: errors.is_empty() && checks.iter().all(|checked| checked.passed()),
            checks,
            errors,
            unreferenced: lost.iter().map(|path| path.display().to_string()).collect(),
        };
        serde_json::to_writer(&mut out, &results)?;
        writeln!(out)?;
    } else {
        for (position, checked) in checks.iter().enumerate() {
            if position > 0 && checked.verdict != Verdict::Equal {
                writeln!(out)?;
            }
            out.write_all(printable(&text::checked(checked)).as_bytes())?;
        }
        if args.unreferenced == Unreferenced::Reject {
            for path in lost {
                writeln!(
                    out,
                    "{}: no recording matches it: remove it, or restore the recording",
                    path.display()
                )?;
            }
        }
    }
    Ok(out.flush()?)
}
