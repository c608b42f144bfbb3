//! The outputs of verbs: recordings, sinks and NATS.

use std::path::{Path, PathBuf};

use tickdeck::check::is_one_file;
use tickdeck::encode::PayloadSource;
use tickdeck::nats::{NatsOptions, Secret};
use tickdeck::pipeline::PublisherOptions;
use tickdeck::progress::Position;
use tickdeck::reference::Reference;
use tickdeck::session::ReplaySession;
use tickdeck::sink::{JsonlSink, NatsSink, NullSink, Sink};
use tickdeck_core::clock::MonoNanos;
use tickdeck_core::event::Event;
use tickdeck_core::source::Source;
use tickdeck_recording::{Manifest, RecordingOptions, RecordingWriter, Rolling, SourceInfo};

use super::Context;
use super::args::{
    JsonlTarget, NatsArgs, NormalizeArgs, OutputArgs, RollArgs, SinkArgs, SinkSpec, duration_ns,
};
use super::outcome::{UsageError, stdout};

/// Events moved at a time by the verbs that write recordings.
const COPY_EVENTS: usize = 4096;

/// The session id of a new recording: the name of its folder.
pub(super) fn session_of(output: &Path) -> String {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    if name.is_empty() {
        "session".into()
    } else {
        name.into_owned()
    }
}

/// Options of a new recording.
pub(super) fn recording_options(
    output: &OutputArgs,
    roll: &RollArgs,
    reference: &Reference,
    session: String,
    source: SourceInfo,
) -> RecordingOptions {
    let default = Rolling::default();
    RecordingOptions {
        session,
        source,
        contracts: reference.contracts.clone(),
        calendar: reference.calendar.clone(),
        rolling: Rolling {
            max_rows: roll.max_rows.unwrap_or(default.max_rows),
            max_span: roll.max_duration.map(duration_ns),
            ..default
        },
        overwrite: output.force,
        keep_partial: false,
    }
}

/// Writes everything that `source` yields. If the user stops it, nothing is kept.
pub(super) fn copy(
    context: &Context,
    verb: &str,
    total: Option<u64>,
    source: &mut dyn Source,
    mut writer: RecordingWriter,
) -> anyhow::Result<Manifest> {
    copy_events(context, verb, total, source, &mut writer)?;
    Ok(writer.finish()?)
}

/// The same for a verb that finishes the recording itself.
pub(super) fn copy_events(
    context: &Context,
    verb: &str,
    total: Option<u64>,
    source: &mut dyn Source,
    writer: &mut RecordingWriter,
) -> anyhow::Result<()> {
    let mut progress = context.progress(verb, total);
    let mut batch: Vec<Event> = Vec::with_capacity(COPY_EVENTS);
    let mut events = 0;
    loop {
        batch.clear();
        source.next_batch(&mut batch, COPY_EVENTS)?;
        if batch.is_empty() {
            break;
        }
        writer.write(&batch)?;
        events += batch.len() as u64;
        progress.at(Position {
            events,
            lag_ns: None,
        });
        if context.control.is_stopped() {
            progress.finish();
            anyhow::bail!("{verb} was interrupted after {events} events; no output was kept");
        }
    }
    progress.finish();
    Ok(())
}

/// How ticks become messages.
pub(super) fn publisher_options(
    normalize: &NormalizeArgs,
    sinks: &SinkArgs,
    source: PayloadSource,
    reference: &Reference,
) -> PublisherOptions {
    PublisherOptions {
        payload: normalize.payload,
        subject_prefix: sinks.subject_prefix.clone(),
        drop: normalize.drop.iter().copied().collect(),
        ..PublisherOptions::new(reference, source)
    }
}

/// Open sinks.
pub(super) struct Sinks {
    pub(super) sinks: Vec<Box<dyn Sink>>,
    /// The sink that other programs receive from.
    pub(super) nats: Option<NatsSink>,
}

impl Sinks {
    /// A sink that discards everything.
    pub(super) fn null() -> Self {
        Self {
            sinks: vec![Box::new(NullSink::new())],
            nats: None,
        }
    }

    /// Opens the sinks of `args`. NATS comes last, because other programs see it. If the user stops
    /// while it connects, it is not among the sinks.
    pub(super) fn open(
        context: &Context,
        args: &SinkArgs,
        force: bool,
        nats: Option<&NatsOptions>,
    ) -> anyhow::Result<Self> {
        check_paths(args, force)?;
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        for spec in &args.sinks {
            match spec {
                SinkSpec::Nats => {}
                SinkSpec::Jsonl(JsonlTarget::Stdout) => {
                    sinks.push(Box::new(JsonlSink::to_writer(Box::new(stdout()), "stdout")));
                }
                SinkSpec::Jsonl(JsonlTarget::Path(path)) => {
                    let path = path.clone();
                    // Opening a FIFO waits for its reader.
                    let create = move || JsonlSink::create(&path);
                    match context.unless_stopped("open-sink", MonoNanos::NEVER, create)? {
                        Some(sink) => sinks.push(Box::new(sink?)),
                        None => break,
                    }
                }
                // The publisher hashes every stream for the summary, so neither sink has work.
                SinkSpec::Digest | SinkSpec::Null => sinks.push(Box::new(NullSink::new())),
            }
        }
        let nats = match nats.cloned() {
            Some(nats) => context
                .unless_stopped("nats-connect", MonoNanos::NEVER, move || {
                    NatsSink::connect(&nats)
                })?
                .transpose()?,
            None => None,
        };
        Ok(Self { sinks, nats })
    }

    /// Hands the sinks to a session, NATS last.
    pub(super) fn give_to(self, session: ReplaySession<'_>) -> ReplaySession<'_> {
        let session = session.sinks(self.sinks);
        match self.nats {
            Some(nats) => session.nats(nats),
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

/// Refuses an output file in the folder of a recording.
pub(super) fn refuse_inside_recording(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if folder.join(tickdeck_recording::MANIFEST_FILE).exists() {
        let message = format!(
            "{} is inside a recording: choose an output elsewhere",
            path.display()
        );
        return Err(UsageError::new(message).into());
    }
    Ok(())
}

/// Refuses an existing path, unless `force` is set.
pub(super) fn refuse_existing(path: &Path, force: bool) -> anyhow::Result<()> {
    if path.exists() && !force {
        let message = format!(
            "{} already exists: choose another output or pass --force",
            path.display()
        );
        return Err(UsageError::new(message).into());
    }
    Ok(())
}

/// Refuses a recording in a folder that cannot be written. A session may take long to start, and
/// should not fail only then.
pub(super) fn refuse_unwritable(target: &Path) -> anyhow::Result<()> {
    let try_in = |folder: &Path| -> anyhow::Result<()> {
        // Dropped, and so removed, at once.
        let tried = tempfile::Builder::new()
            .prefix(".tickdeck-")
            .tempdir_in(folder);
        tried.map(drop).map_err(|error| {
            let message = format!(
                "a recording cannot be made at {}: {} cannot be written; choose another place",
                target.display(),
                folder.display()
            );
            UsageError::caused_by(message, error).into()
        })
    };
    let is_there = |folder: &&Path| folder.as_os_str().is_empty() || folder.exists();
    let nearest = |target: &Path| match target.ancestors().find(is_there) {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    // A recording that replaces another is first written beside it.
    if let (true, Some(parent)) = (is_occupied(target), target.parent()) {
        try_in(&nearest(parent))?;
    }
    try_in(&nearest(target))
}

/// Whether this is a folder that is not empty.
pub(super) fn is_occupied(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut found| found.next().is_some())
}

/// Whether two paths lead to the same place. Nothing needs to exist there; links are followed.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    place(one) == place(other) || is_one_file(one, other)
}

fn place(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    path.canonicalize()
        .ok()
        .or_else(|| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
        .unwrap_or_else(|| path.to_owned())
}

/// Whether one of the sinks is NATS.
pub(super) fn publishes_to_nats(args: &SinkArgs) -> bool {
    args.sinks.contains(&SinkSpec::Nats)
}

/// The NATS options of the flags and environment, checked before the verb starts its work.
pub(super) fn nats_options(args: &NatsArgs) -> anyhow::Result<NatsOptions> {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_place_under_two_names_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("below")).unwrap();
        fs::write(path("there"), "").unwrap();
        std::os::unix::fs::symlink(path("there"), path("link")).unwrap();
        fs::hard_link(path("there"), path("second name")).unwrap();
        for (one, other, expected) in [
            ("there", "below/../there", true),
            ("new", "below/../new", true),
            ("there", "link", true),
            ("second name", "link", true),
            ("there", "below", false),
            ("new", "below/new", false),
            ("new", "newer", false),
            ("none/new", "none/new", true),
        ] {
            assert_eq!(is_same(&path(one), &path(other)), expected, "{one} {other}");
        }
        assert!(is_same(Path::new("new"), Path::new("./new")));
    }
}
