//! `capture --stream`: a JetStream stream, read by sequence.

use std::io::Write as _;
use std::sync::Arc;

use serde::Serialize;
use tickdeck::capture::{
    CaptureFiles, StreamCaptureError, StreamCaptureOptions, StreamCaptured, capture_stream,
};
use tickdeck::nats::stream::StreamName;
use tickdeck_core::clock::Clock as _;

use super::files::{capture_to, file_error};
use crate::args::{CaptureArgs, OutputTarget};
use crate::context::Context;
use crate::log;
use crate::outcome::{Outcome, stdout, unless_closed};
use crate::outputs::{nats_options, refuse_folder};
use crate::render::{bytes, counted, grouped};

/// The closing summary. The key order is the order of the fields.
#[derive(Debug, Serialize)]
struct Report<'a> {
    stream: &'a str,
    messages: u64,
    bytes: u64,
    digest: &'a str,
    /// First and last sequence that was wanted.
    first: u64,
    last: u64,
    missing: u64,
    unwritable: u64,
    elapsed_s: f64,
}

/// Runs the verb for one stream.
pub(super) fn run(
    context: &Context,
    args: &CaptureArgs,
    stream: &StreamName,
) -> anyhow::Result<Outcome> {
    let nats = nats_options(&args.nats)?;
    if let OutputTarget::Path(path) = &args.output {
        refuse_folder(path)?;
    }
    let files = CaptureFiles::create(capture_to(args)).map_err(file_error)?;
    context.handle_signals()?;
    let mut files = files.progress(context.progress("capture", args.count));
    let options = StreamCaptureOptions {
        subjects: args.subjects.clone(),
        count: args.count,
    };
    let started = context.clock.now();
    let control = Arc::clone(&context.control);
    let captured = capture_stream(&nats, stream, &options, &mut files, &control);
    let captured = captured.map_err(|error| match error {
        StreamCaptureError::Nats(error) => error.into(),
        StreamCaptureError::Output(error) => file_error(error),
        error => error.into(),
    })?;
    files.finish().map_err(file_error)?;
    let elapsed = context.clock.now().duration_since(started);
    let report = Report {
        stream: stream.as_str(),
        messages: captured.messages,
        bytes: captured.bytes,
        digest: &captured.digest,
        first: captured.read.first,
        last: captured.read.last,
        missing: captured.read.missing,
        unwritable: captured.unwritable,
        elapsed_s: elapsed.as_secs_f64(),
    };
    unless_closed(print(args, &report))?;
    Ok(outcome(args, &captured))
}

fn outcome(args: &CaptureArgs, captured: &StreamCaptured) -> Outcome {
    let is_empty = captured.messages == 0 && !args.allow_empty && !captured.is_stopped;
    if is_empty {
        tracing::warn!(
            event = "nothing_captured",
            "the stream has no message that was wanted"
        );
    }
    match captured.is_lossy() || is_empty {
        true => Outcome::Lossy,
        false => Outcome::Done,
    }
}

fn print(args: &CaptureArgs, report: &Report<'_>) -> std::io::Result<()> {
    if args.output == OutputTarget::Stdout {
        log::print(&text(report));
        return Ok(());
    }
    let mut out = stdout();
    if args.json.json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
    } else {
        out.write_all(text(report).as_bytes())?;
    }
    out.flush()
}

fn text(report: &Report<'_>) -> String {
    let mut text = format!(
        "stream     {}\nmessages   {} of sequences {} to {}\nbytes      {}\ndigest     {}\n",
        report.stream,
        grouped(report.messages),
        report.first,
        report.last,
        bytes(report.bytes),
        report.digest
    );
    if report.missing > 0 {
        let missing = counted(report.missing, "sequence");
        text.push_str(&format!(
            "missing    {missing} that the stream does not have\n"
        ));
    }
    if report.unwritable > 0 {
        let left_out = counted(report.unwritable, "message");
        text.push_str(&format!("unwritable {left_out}, left out\n"));
    }
    text
}
