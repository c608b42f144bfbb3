//! `tickdeck diff`: compares two recordings, two payload streams, or two ways to publish one
//! recording.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;
use tickdeck::check::report::text::{self, Sides};
use tickdeck::check::{
    Alignment, Comparison, InputKind, Messages, PublishedMessages, RawMessages, compare, input_kind,
};
use tickdeck::encode::PayloadKind;
use tickdeck::encode::subject::DEFAULT_PREFIX;
use tickdeck::progress::Position;
use tickdeck_core::printable::printable;
use tickdeck_recording::Recording;

use super::args::{DiffArgs, PublishingArgs};
use super::check::{as_input_error, is_damage, open_stream, refuse_read_twice, styles};
use super::context::Context;
use super::inputs::{self, INTACT_ONLY, Inputs, refuse_damage};
use super::outcome::{Exit, Outcome, UsageError, print_if_hidden, report_stdout, unless_closed};
use super::outputs::publisher_options;

/// The result as JSON; the key order is the order of the fields.
#[derive(Serialize)]
struct Result<'a> {
    a: String,
    b: String,
    /// The kind of comparison: `events`, `payloads` or `streams`.
    compared: &'static str,
    identical: bool,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

/// What is compared.
struct Sources {
    first: Box<dyn Messages>,
    second: Box<dyn Messages>,
    alignment: Alignment,
    compared: &'static str,
    names: (String, String),
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &DiffArgs) -> anyhow::Result<Outcome> {
    match compare_inputs(context, args) {
        Err(error) if is_damage(&error) => {
            tracing::error!(event = "recording_damaged", "{error:#}");
            print_if_hidden(context.log_format, &format!("{error:#}"), Exit::Difference);
            Ok(Outcome::Difference)
        }
        ended => ended,
    }
}

fn compare_inputs(context: &Context, args: &DiffArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let sources = sources(context, args)?;
    let mut progress = context.progress("diff", None);
    let mut watch = |messages: u64| {
        progress.at(Position {
            events: messages,
            time: None,
            lag_ns: None,
        });
        !context.control.is_stopped()
    };
    let limit = args.limit;
    let found = compare(
        sources.first,
        sources.second,
        sources.alignment,
        &args.ignore,
        limit,
        &mut watch,
    );
    progress.finish();
    let found = found?;
    let (a, b) = sources.names.clone();
    unless_closed(print(
        context,
        args,
        sources.names,
        sources.compared,
        &found,
    ))?;
    if found.is_equal() && found.messages_after == 0 && !args.allow_empty {
        let what = what(sources.compared);
        tracing::warn!(
            event = "nothing_compared",
            a,
            b,
            "neither side has {what}; --allow-empty accepts that"
        );
        return Ok(Outcome::Lossy);
    }
    let inputs: Vec<&Path> = args
        .second
        .iter()
        .chain([&args.first])
        .map(AsRef::as_ref)
        .collect();
    Ok(if found.is_equal() {
        inputs::completeness_of(&inputs)
    } else {
        Outcome::Difference
    })
}

fn print(
    context: &Context,
    args: &DiffArgs,
    (a, b): (String, String),
    compared: &'static str,
    found: &Comparison,
) -> anyhow::Result<()> {
    let mut out = report_stdout(args.json.json);
    if args.json.json {
        let result = Result {
            a,
            b,
            compared,
            identical: found.is_equal(),
            comparison: found,
        };
        serde_json::to_writer(&mut out, &result)?;
        writeln!(out)?;
    } else if found.is_equal() {
        let (a, b) = (printable(&a), printable(&b));
        let messages = text::grouped(found.messages_after);
        writeln!(out, "{a} and {b}: equal, {messages} {}", what(compared))?;
    } else {
        let (a, b) = (printable(&a), printable(&b));
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

fn what(compared: &str) -> &'static str {
    match compared {
        "events" => "raw events",
        "payloads" => "published messages",
        _ => "messages",
    }
}

fn sources(context: &Context, args: &DiffArgs) -> anyhow::Result<Sources> {
    let first = input_kind(&args.first)?;
    let Some(second) = &args.second else {
        return with_itself(args, first);
    };
    refuse_read_twice(&[&args.first, second])?;
    let kinds = (first, input_kind(second)?);
    let is_published = args.published || args.payload.is_given() || args.other.is_given();
    let names = (
        args.first.display().to_string(),
        second.display().to_string(),
    );
    match kinds {
        (InputKind::Stream, InputKind::Stream) if is_published => Err(UsageError::new(
            "--published and the payload flags are for recordings: a payload stream is compared as \
             it is",
        )
        .into()),
        (InputKind::Stream, InputKind::Stream) => Ok(Sources {
            first: Box::new(open_stream(context, &args.first)?),
            second: Box::new(open_stream(context, second)?),
            alignment: Alignment::Content,
            compared: "streams",
            names,
        }),
        (InputKind::Recording, InputKind::Recording) => {
            let (a, b) = (open(&args.first)?, open(second)?);
            if is_published {
                let (first, second) = flags(args);
                let names = (described(&names.0, &first), described(&names.1, &second));
                return published((&a, &b), args, names);
            }
            Ok(Sources {
                first: Box::new(RawMessages::of(&a.recordings[0])?),
                second: Box::new(RawMessages::of(&b.recordings[0])?),
                alignment: Alignment::Content,
                compared: "events",
                names,
            })
        }
        (first, _) => {
            let (recording, stream): (&Path, &Path) = match first {
                InputKind::Recording => (&args.first, second),
                InputKind::Stream => (second, &args.first),
            };
            Err(UsageError::new(format!(
                "{} is a recording and {} a payload stream: compare like with like; `tickdeck \
                 replay {} --rate max --sink jsonl:PATH` makes the stream of the recording",
                recording.display(),
                stream.display(),
                recording.display()
            ))
            .into())
        }
    }
}

fn open(path: &Path) -> anyhow::Result<Inputs> {
    let inputs = inputs::open(&[path.to_owned()]).map_err(as_input_error)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    Ok(inputs)
}

/// One recording, published in two ways.
fn with_itself(args: &DiffArgs, kind: InputKind) -> anyhow::Result<Sources> {
    if kind == InputKind::Stream || !args.other.is_given() {
        return Err(UsageError::new(format!(
            "there is nothing to compare {} with: name a second input, or compare a recording with \
             itself published in another way (--b-payload, --b-drop, --b-contracts, --b-calendar, \
             --b-products)",
            args.first.display()
        ))
        .into());
    }
    let inputs = open(&args.first)?;
    let name = args.first.display().to_string();
    let (first, second) = flags(args);
    let names = (described(&name, &first), described(&name, &second));
    published((&inputs, &inputs), args, names)
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

fn published(
    (first, second): (&Inputs, &Inputs),
    args: &DiffArgs,
    names: (String, String),
) -> anyhow::Result<Sources> {
    let (first_flags, second_flags) = flags(args);
    let (first, digest) = messages(first, &first_flags)?;
    let (second, digest_of_second) = messages(second, &second_flags)?;
    let kind = |flags: &PublishingArgs| flags.payload.unwrap_or_default();
    let have_seq = kind(&first_flags) == PayloadKind::Vnpy;
    let is_ignored = args.ignore.iter().any(|field| field == "seq");
    let is_same = digest.is_some() && digest == digest_of_second;
    let is_one_kind = kind(&first_flags) == kind(&second_flags);
    let alignment = if is_same && is_one_kind && have_seq && !is_ignored {
        Alignment::Seq
    } else {
        Alignment::Content
    };
    Ok(Sources {
        first: Box::new(first),
        second: Box::new(second),
        alignment,
        compared: "payloads",
        names,
    })
}

/// What a recording publishes, and the digest of its events where it has one.
fn messages(
    inputs: &Inputs,
    publishing: &PublishingArgs,
) -> anyhow::Result<(PublishedMessages, Option<String>)> {
    let normalize = publishing.normalize();
    let reference = inputs::reference(&normalize, &inputs.recordings)?;
    let source = inputs.payload_source()?;
    let options = publisher_options(&normalize, DEFAULT_PREFIX, source, &reference);
    let recording: &Recording = inputs.recordings.first().context("one recording")?;
    let digest = recording.manifest().map(|manifest| manifest.digest.clone());
    Ok((PublishedMessages::of(recording, options), digest))
}
