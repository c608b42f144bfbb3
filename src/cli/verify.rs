//! `tickdeck verify`: reads everything and compares it with the manifest.

use std::io::Write as _;

use serde::Serialize;

use super::Context;
use super::args::VerifyArgs;
use super::inputs::Inputs;
use super::outcome::{Outcome, stdout};
use crate::progress::Position;
use crate::recording::{Recording, VerifyReport, verify};

#[derive(Serialize)]
struct Verified<'a> {
    recording: String,
    intact: bool,
    #[serde(flatten)]
    report: &'a VerifyReport,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let inputs = Inputs::open(&args.recordings, true)?;
    let mut outcome = Outcome::Done;
    let mut out = stdout();
    let mut verified = Vec::new();
    for recording in &inputs.recordings {
        let report = verify_one(context, recording);
        if !report.is_intact() {
            outcome = Outcome::Difference;
        }
        if args.json.json {
            verified.push((recording.path().display().to_string(), report));
        } else {
            print_report(&mut out, recording, &report)?;
        }
    }
    if args.json.json {
        let verified: Vec<Verified> = verified
            .iter()
            .map(|(recording, report)| Verified {
                recording: recording.clone(),
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
    out.flush()?;
    Ok(outcome)
}

fn verify_one(context: &Context, recording: &Recording) -> VerifyReport {
    let total = recording.manifest().map(|manifest| manifest.events);
    let mut progress = context.progress("verify", total);
    let report = verify(recording, &mut |events| {
        progress.at(Position {
            events,
            lag_ns: None,
        });
    });
    progress.finish();
    report
}

fn print_report(
    out: &mut impl std::io::Write,
    recording: &Recording,
    report: &VerifyReport,
) -> std::io::Result<()> {
    let path = recording.path().display();
    if report.is_intact() {
        let note = if recording.manifest().is_none() {
            " (a lone segment: there is no manifest to compare with)"
        } else {
            ""
        };
        return writeln!(
            out,
            "{path}: intact, {} events in {} segments{note}",
            report.events, report.segments
        );
    }
    writeln!(out, "{path}: {} findings", report.findings.len())?;
    for finding in &report.findings {
        writeln!(out, "  {}: {}", finding.file.display(), finding.problem)?;
    }
    Ok(())
}
