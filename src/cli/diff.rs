//! `tickdeck diff`: compares two recordings, two payload streams, or two ways to publish one
//! recording.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tickdeck::check::report::text::{self, Sides};
use tickdeck::check::{Compared, Comparison, Diff, DiffError, DiffOptions, Diffed, Servers};
use tickdeck_core::printable::printable;
use tickdeck_recording::Recording;

use super::args::{DiffArgs, PublishingArgs};
use super::check::{explained, styles};
use super::context::Context;
use super::inputs::{completeness, log_opened};
use super::outcome::{Exit, Outcome, UsageError, print_if_hidden, report_stdout, unless_closed};
use super::outputs::servers;

/// The result as JSON; the key order is the order of the fields.
#[derive(Serialize)]
struct Shown<'a> {
    a: &'a str,
    b: &'a str,
    compared: Compared,
    identical: bool,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &DiffArgs) -> anyhow::Result<Outcome> {
    let inputs: Vec<PathBuf> = [&args.first]
        .into_iter()
        .chain(&args.second)
        .cloned()
        .collect();
    let servers = servers(&inputs, &args.nats)?;
    context.handle_signals()?;
    match compare(context, args, servers) {
        Err(DiffError::Check(error)) if error.is_damage() => {
            let error = context.hints.in_one_line(&explained(error));
            tracing::error!(event = "recording_damaged", "{error}");
            print_if_hidden(context.log_format, &error, Exit::Difference);
            Ok(Outcome::Difference)
        }
        Err(error) => Err(diff_error(error)),
        Ok(diffed) => conclude(context, args, &diffed),
    }
}

fn compare(context: &Context, args: &DiffArgs, servers: Servers) -> Result<Diffed, DiffError> {
    let (first, second) = flags(args);
    let options = DiffOptions {
        published: is_published(args).then(|| [first.publishing(), second.publishing()]),
        ignore: args.ignore.clone(),
        differences: args.limit,
        servers,
        control: Arc::clone(&context.control),
    };
    let mut opened = |recording: &Recording| log_opened(std::slice::from_ref(recording));
    let diff = Diff::open(&args.first, args.second.as_deref(), &options, &mut opened)?;
    Ok(diff.run(context.progress("diff", None).as_mut())?)
}

/// Whether published messages are compared. One recording is compared with itself only for the second
/// side's flags.
fn is_published(args: &DiffArgs) -> bool {
    let is_first = args.second.is_some() && (args.published || args.payload.is_given());
    is_first || args.other.is_given()
}

/// Names the flags.
fn diff_error(error: DiffError) -> anyhow::Error {
    let message = match error {
        DiffError::Check(error) => return explained(error),
        DiffError::NothingToCompare { .. } => format!(
            "{error}, or compare a recording with itself published in another way (--b-payload, \
             --b-drop, --b-contracts, --b-calendar, --b-products)"
        ),
        DiffError::PublishedStreams => "--published and the payload flags are for recordings: a \
                                        payload stream is compared as it is"
            .to_owned(),
        DiffError::Unlike { ref recording, .. } => format!(
            "{error}; `tickdeck replay {} --rate max --sink jsonl:PATH` makes the stream of the \
             recording",
            recording.display()
        ),
        error => error.to_string(),
    };
    UsageError::new(message).into()
}

/// Prints the result and decides how the verb ends.
fn conclude(context: &Context, args: &DiffArgs, diffed: &Diffed) -> anyhow::Result<Outcome> {
    let Diffed {
        compared,
        comparison: found,
        is_complete,
        unknown_fields,
    } = diffed;
    let (a, b) = names(args, *compared);
    unless_closed(print(context, args, (&a, &b), *compared, found))?;
    if !unknown_fields.is_empty() && found.messages_before + found.messages_after > 0 {
        tracing::warn!(
            event = "fields_unmatched",
            fields = unknown_fields.join(","),
            "neither side has these fields of --ignore: {}",
            match compared {
                Compared::Events => "raw events have CTP's names, such as LastPrice",
                Compared::Payloads | Compared::Streams => "expected top-level keys of the payload",
            }
        );
    }
    if !found.is_equal() {
        return Ok(Outcome::Difference);
    }
    if found.messages_after == 0 && !args.allow_empty {
        let what = what(*compared);
        tracing::warn!(
            event = "nothing_compared",
            a,
            b,
            "neither side has {what}; --allow-empty accepts that"
        );
        return Ok(Outcome::Lossy);
    }
    Ok(completeness(*is_complete))
}

/// The two sides. Published ones have their flags, so that the names differ.
fn names(args: &DiffArgs, compared: Compared) -> (String, String) {
    let second = args.second.as_ref().unwrap_or(&args.first);
    let names = (
        args.first.display().to_string(),
        second.display().to_string(),
    );
    match compared {
        Compared::Payloads => {
            let (first, second) = flags(args);
            (described(&names.0, &first), described(&names.1, &second))
        }
        Compared::Events | Compared::Streams => names,
    }
}

fn print(
    context: &Context,
    args: &DiffArgs,
    (a, b): (&str, &str),
    compared: Compared,
    found: &Comparison,
) -> anyhow::Result<()> {
    let mut out = report_stdout(args.json.json);
    if args.json.json {
        let shown = Shown {
            a,
            b,
            compared,
            identical: found.is_equal(),
            comparison: found,
        };
        serde_json::to_writer(&mut out, &shown)?;
        writeln!(out)?;
    } else if found.is_equal() {
        let (a, b) = (printable(a), printable(b));
        let messages = text::grouped(found.messages_after);
        writeln!(out, "{a} and {b}: equal, {messages} {}", what(compared))?;
    } else {
        let (a, b) = (printable(a), printable(b));
        writeln!(out, "a: {a}\nb: {b}\ncompared: {}", what(compared))?;
        let sides = Sides {
            before: "a",
            after: "b",
        };
        let styles = styles(context.results_colour);
        out.write_all(text::comparison(found, sides, &styles).as_bytes())?;
    }
    Ok(out.flush()?)
}

const fn what(compared: Compared) -> &'static str {
    match compared {
        Compared::Events => "raw events",
        Compared::Payloads => "published messages",
        Compared::Streams => "messages",
    }
}

/// How each side is published.
fn flags(args: &DiffArgs) -> (PublishingArgs, PublishingArgs) {
    let first = args.payload.publishing();
    let second = args.other.over(&first);
    (first, second)
}

/// The flags of one side, so that the two names differ.
fn described(name: &str, publishing: &PublishingArgs) -> String {
    let mut words = vec![name.to_owned()];
    if let Some(payload) = publishing.payload {
        words.push(format!("payload={}", payload.as_str()));
    }
    if !publishing.drop.is_empty() {
        let flags: Vec<&str> = publishing.drop.iter().map(|flag| flag.as_str()).collect();
        words.push(format!("drop={}", flags.join(",")));
    }
    let path = |what: &str, path: &Option<PathBuf>| {
        path.as_ref()
            .map(|path| format!("{what}={}", path.display()))
    };
    words.extend(path("contracts", &publishing.contracts));
    words.extend(path("calendar", &publishing.calendar));
    words.extend(path("products", &publishing.products));
    words.join(" ")
}
