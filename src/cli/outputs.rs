//! The outputs of verbs: recordings, sinks and NATS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck::check::{Servers, is_on_server};
use tickdeck::convert::Conversion;
use tickdeck::encode::PayloadSource;
use tickdeck::nats::stream::StreamSettings;
use tickdeck::nats::{NatsError, NatsOptions, Secret};
use tickdeck::pipeline::PublisherOptions;
use tickdeck::reference::Reference;
use tickdeck::session::ReplaySession;
pub(super) use tickdeck::sink::paths::is_same_place as is_same;
use tickdeck::sink::paths::{is_inside_recording, is_within};
use tickdeck::sink::{JetStreamOptions, JetStreamSink, JsonlSink, NatsSink, NullSink, Sink};
use tickdeck_core::clock::MonoNanos;
use tickdeck_recording::Rolling;
pub(super) use tickdeck_recording::session_of;

use super::args::{
    JsonlTarget, NatsArgs, NormalizeArgs, OutputArgs, RollArgs, SinkArgs, SinkSpec, StreamArgs,
    duration_ns,
};
use super::context::Context;
use super::outcome::{UsageError, data_stdout};

/// A conversion into a new recording, which reports to the user and which the user can stop.
pub(super) fn conversion(
    context: &Context,
    verb: &str,
    total: Option<u64>,
    output: &OutputArgs,
    roll: &RollArgs,
) -> Conversion {
    Conversion::to(&output.output)
        .rolling(rolling(roll))
        .overwrite(output.force)
        .progress(context.progress(verb, total))
        .control(Arc::clone(&context.control))
}

/// When the segments of a session end. Those of a trading day may be read, sent elsewhere or removed
/// without the others.
pub(super) fn session_rolling(args: &RollArgs) -> Rolling {
    Rolling {
        by_trading_day: true,
        ..rolling(args)
    }
}

fn rolling(args: &RollArgs) -> Rolling {
    let default = Rolling::default();
    Rolling {
        max_rows: args.max_rows.unwrap_or(default.max_rows),
        max_span: args.max_duration.map(duration_ns),
        max_bytes: args.max_bytes,
        ..default
    }
}

/// How ticks become messages.
pub(super) fn publisher_options(
    normalize: &NormalizeArgs,
    subject_prefix: &str,
    source: PayloadSource,
    reference: &Reference,
) -> PublisherOptions {
    PublisherOptions {
        payload: normalize.payload,
        subject_prefix: subject_prefix.to_owned(),
        drop: normalize.drop.iter().copied().collect(),
        ..PublisherOptions::new(reference, source)
    }
}

/// Open sinks.
#[derive(Default)]
pub(super) struct Sinks {
    pub(super) sinks: Vec<Box<dyn Sink>>,
    /// The sink that other programs receive from.
    pub(super) server: Option<ServerSink>,
}

/// A sink that publishes to a server.
pub(super) enum ServerSink {
    Nats(Box<NatsSink>),
    Stream(Box<JetStreamSink>),
}

/// Where such a sink publishes.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Nats(Box<NatsOptions>),
    Stream(Box<JetStreamOptions>),
}

impl Target {
    /// The target of the sinks, as part of the run of `context`; `None` where none of them publishes to
    /// a server.
    pub(super) fn of(
        context: &Context,
        sinks: &SinkArgs,
        stream: &StreamArgs,
        nats: Option<&NatsOptions>,
        session: &str,
    ) -> Option<Self> {
        let nats = nats.cloned()?;
        let Some(name) = sinks.streams().next() else {
            return Some(Self::Nats(Box::new(nats)));
        };
        let options = JetStreamOptions {
            subject_prefix: sinks.subject_prefix.clone(),
            ..JetStreamOptions::new(nats, stream.settings(name), session, context.run.as_str())
        };
        Some(Self::Stream(Box::new(options)))
    }

    fn connect(&self) -> Result<ServerSink, NatsError> {
        match self {
            Self::Nats(nats) => {
                NatsSink::connect(nats).map(|sink| ServerSink::Nats(Box::new(sink)))
            }
            Self::Stream(stream) => {
                JetStreamSink::connect(stream).map(|sink| ServerSink::Stream(Box::new(sink)))
            }
        }
    }
}

impl Sinks {
    /// Opens the sinks of `args`. NATS comes last, because other programs see it. If the user stops
    /// while it connects, it is not among the sinks.
    /// A file without a message is only made with `keep_empty`.
    pub(super) fn open(
        context: &Context,
        args: &SinkArgs,
        force: bool,
        keep_empty: bool,
        target: Option<Target>,
    ) -> anyhow::Result<Self> {
        check_paths(args, force)?;
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        for spec in &args.sinks {
            match spec {
                SinkSpec::Nats | SinkSpec::JetStream(_) => {}
                SinkSpec::Jsonl(JsonlTarget::Stdout) => {
                    let stdout = JsonlSink::to_stdout(Box::new(data_stdout()));
                    sinks.push(Box::new(stdout));
                }
                SinkSpec::Jsonl(JsonlTarget::Path(path)) => {
                    let path = path.clone();
                    // Opening a FIFO waits for its reader.
                    let create = move || JsonlSink::create(&path);
                    match context.unless_stopped("open-sink", MonoNanos::NEVER, create)? {
                        Some(sink) => sinks.push(Box::new(sink?.keep_empty(keep_empty))),
                        None => break,
                    }
                }
                // The publisher hashes every stream for the summary, so neither sink has work.
                SinkSpec::Digest | SinkSpec::Null => sinks.push(Box::new(NullSink::new())),
            }
        }
        let server = match target {
            Some(target) => context
                .unless_stopped("nats-connect", MonoNanos::NEVER, move || target.connect())?
                .transpose()?,
            None => None,
        };
        Ok(Self { sinks, server })
    }

    /// Hands the sinks to a session, NATS last.
    pub(super) fn give_to(self, session: ReplaySession<'_>) -> ReplaySession<'_> {
        let session = session.sinks(self.sinks);
        match self.server {
            Some(ServerSink::Nats(nats)) => session.nats(*nats),
            Some(ServerSink::Stream(stream)) => session.jetstream(*stream),
            None => session,
        }
    }
}

/// Refuses two sinks on one file, and a sink that would overwrite a file.
fn check_paths(args: &SinkArgs, force: bool) -> anyhow::Result<()> {
    let mut seen = Vec::new();
    for spec in &args.sinks {
        let SinkSpec::Jsonl(JsonlTarget::Path(path)) = spec else {
            continue;
        };
        refuse_folder(path)?;
        refuse_inside_recording(path)?;
        if path.is_file() {
            refuse_existing(path, force)?;
        }
        if seen.contains(&path) {
            let message = format!("--sink jsonl:{} is given twice", path.display());
            return Err(UsageError::new(message).into());
        }
        seen.push(path);
    }
    Ok(())
}

/// Refuses a folder where a file is written, which `--force` does not replace.
pub(super) fn refuse_folder(path: &Path) -> Result<(), UsageError> {
    match path.is_dir() {
        true => Err(UsageError::new(format!(
            "{} is a folder: choose a file as the output",
            path.display()
        ))),
        false => Ok(()),
    }
}

/// Refuses an output file among those of a recording or a catalogue.
pub(super) fn refuse_inside_recording(path: &Path) -> anyhow::Result<()> {
    if is_inside_recording(path) {
        let message = format!(
            "{} is inside a recording or a catalogue: choose an output elsewhere",
            path.display()
        );
        return Err(UsageError::new(message).into());
    }
    Ok(())
}

/// Refuses a new recording that would replace an input, or lie inside one.
pub(super) fn refuse_output_of_inputs(output: &Path, inputs: &[PathBuf]) -> anyhow::Result<()> {
    let is_in_the_way = |input: &&PathBuf| is_within(output, input) || is_within(input, output);
    let Some(input) = inputs.iter().find(is_in_the_way) else {
        return Ok(());
    };
    let (output, input) = (output.display(), input.display());
    let message = if output.to_string() == input.to_string() {
        format!("{output} is input and output: choose another output")
    } else {
        format!("the output {output} and the input {input} overlap: choose another output")
    };
    Err(UsageError::new(message).into())
}

/// Refuses an existing path, unless `force` is set.
pub(super) fn refuse_existing(path: &Path, force: bool) -> anyhow::Result<()> {
    if path.exists() && !force {
        return Err(exists(path));
    }
    Ok(())
}

/// The refusal of an existing file.
pub(super) fn exists(path: &Path) -> anyhow::Error {
    let message = format!(
        "{} already exists: choose another output or pass --force",
        path.display()
    );
    UsageError::new(message).into()
}

/// The stream that a live session publishes to; `None` for core NATS.
pub(super) fn live_stream(sinks: &SinkArgs, stream: &StreamArgs) -> Option<StreamSettings> {
    let name = sinks.streams().next()?;
    Some(stream.live_settings(name))
}

/// The servers of inputs that are not files, for a comparison.
pub(super) fn servers(inputs: &[PathBuf], nats: &NatsArgs) -> anyhow::Result<Servers> {
    let is_on_server = inputs.iter().any(|input| is_on_server(input));
    let nats = is_on_server.then(|| nats_options(nats)).transpose()?;
    Ok(Servers { nats })
}

/// Whether one of the sinks is a NATS server.
pub(super) fn publishes_to_nats(args: &SinkArgs) -> bool {
    args.sinks.contains(&SinkSpec::Nats) || args.streams().next().is_some()
}

/// The NATS options of the flags and environment, checked before the verb starts its work.
pub(super) fn nats_options(args: &NatsArgs) -> anyhow::Result<NatsOptions> {
    if args.nats_url.expose().trim().is_empty() {
        return Err(UsageError::new(
            "the server URL is empty: give --nats-url a URL, or unset NATS_URL for the default",
        )
        .into());
    }
    let build = || -> anyhow::Result<NatsOptions> {
        let options = NatsOptions {
            servers: args.nats_url.expose().parse()?,
            user: args.nats_user.clone(),
            password: args.nats_password.clone(),
            token: args.nats_token.clone(),
            creds: args.nats_creds.clone(),
            nkey: args
                .nats_nkey
                .as_ref()
                .map(|file| Secret::new(file.to_string_lossy())),
            ca: args.nats_ca.clone(),
            cert: args.nats_cert.clone(),
            key: args.nats_key.clone(),
            tls_first: args.nats_tls_first,
            inbox_prefix: args.nats_inbox_prefix.clone(),
            connect_timeout: args.connect_timeout,
            ..NatsOptions::default()
        };
        options.check()?;
        Ok(options)
    };
    build().map_err(|error| UsageError::caused_by("the NATS options cannot be used", error).into())
}
