//! `tickdeck verify`: reads whole recordings and compares them with their manifests.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use tickdeck::progress::Position;
use tickdeck_core::printable::printable_value;
use tickdeck_recording::{RecordingError, Verification, VerifyReport};

use super::args::VerifyArgs;
use super::context::Context;
use super::inputs::{keep_first, recordings_among};
use super::outcome::{Outcome, stdout, unless_closed};
use super::render::counted;

#[derive(Serialize)]
struct Verified<'a> {
    recording: String,
    intact: bool,
    #[serde(flatten)]
    report: &'a VerifyReport,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::Done;
    let mut verified = Vec::new();
    let mut first_error = None;
    for path in recordings_among(&args.recordings)? {
        let report = match verify(context, path) {
            Ok(report) => report,
            Err(error) => {
                keep_first(context, &mut first_error, path, error.into());
                continue;
            }
        };
        outcome = outcome.and(match (report.is_intact(), report.lost.is_empty()) {
            (false, _) => Outcome::Difference,
            (true, false) => Outcome::Lossy,
            (true, true) => Outcome::Done,
        });
        verified.push((path, report));
    }
    unless_closed(print(args, &verified))?;
    first_error.map_or(Ok(outcome), Err)
}

fn print(args: &VerifyArgs, verified: &[(&Path, VerifyReport)]) -> anyhow::Result<()> {
    let mut out = stdout();
    if !args.json.json {
        verified
            .iter()
            .try_for_each(|(path, report)| print_report(&mut out, path, report))?;
    } else if !verified.is_empty() {
        let verified: Vec<Verified> = verified
            .iter()
            .map(|(recording, report)| Verified {
                recording: recording.display().to_string(),
                intact: report.is_intact(),
                report,
            })
            .collect();
        match &verified[..] {
            [one] => serde_json::to_writer(&mut out, one)?,
            many => serde_json::to_writer(&mut out, many)?,
        }
        writeln!(out)?;
    }
    Ok(out.flush()?)
}

fn verify(context: &Context, path: &Path) -> Result<VerifyReport, RecordingError> {
    let verification = Verification::open(path)?;
    let mut progress = context.progress("verify", verification.expected_events());
    let report = verification.run(&mut |events| {
        progress.at(Position {
            events,
            time: None,
            lag_ns: None,
        });
    });
    progress.finish();
    Ok(report)
}

fn print_report(
    out: &mut impl std::io::Write,
    path: &Path,
    report: &VerifyReport,
) -> std::io::Result<()> {
    let shown = path.to_string_lossy();
    let shown = printable_value(&shown);
    if report.is_intact() {
        let note = if path.is_file() {
            " (a lone file: there is no manifest to compare with)"
        } else {
            ""
        };
        let state = match report.lost.is_empty() {
            true => "intact",
            false => "as it was recovered",
        };
        writeln!(
            out,
            "{shown}: {state}, {} in {}{note}",
            counted(report.events, "event"),
            counted(report.segments as u64, "segment")
        )?;
    } else {
        let findings = counted(report.findings.len() as u64, "finding");
        writeln!(out, "{shown}: {findings}")?;
    }
    for finding in report.findings.iter().chain(&report.lost) {
        let file = finding.file.to_string_lossy();
        let file = printable_value(&file);
        writeln!(out, "  {file}: {}", printable_value(&finding.problem))?;
    }
    Ok(())
}
