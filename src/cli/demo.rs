//! `tickdeck demo`: the whole story with no CTP and no set-up: a recording, a real NATS server, a
//! real subscriber, and one digest on both sides.

use std::io::Write;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tickdeck::convert::Conversion;
use tickdeck::encode::control::ControlSubject;
use tickdeck::nats::{self, NatsError, NatsOptions, SubjectPattern, Subscriber, SubscriberOptions};
use tickdeck::session::{Session, Summary};
use tickdeck::sink::{Message, NatsSink, StreamDigest};
use tickdeck_core::clock::{Clock as _, MonoNanos, WakeFlag};
use tickdeck_core::pace::PaceOptions;
use tickdeck_core::thread;
use tickdeck_market::source::SyntheticOptions;
use tickdeck_recording::EventFilter;

use super::args::{DemoArgs, NormalizeArgs};
use super::context::Context;
use super::inputs::{self, Inputs};
use super::outcome::{Outcome, UsageError, convert_error, session_error, stdout};
use super::outputs::publisher_options;
use super::render::grouped;
use super::synthetic;

/// Payloads that are shown.
const SHOWN: usize = 3;
/// How long the subscriber waits for the next message, once the replay is over, before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Subjects of the demo: apart from live traffic.
const PREFIX: &str = "demo.tick";

/// Runs the verb.
pub(super) fn run(context: &Context, args: &DemoArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let mut out = stdout();
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let path = match &args.recording {
        Some(path) => path.clone(),
        None => make_recording(context, args.seed, folder.path())?,
    };
    let inputs = inputs::open(std::slice::from_ref(&path))?;
    let recording = &inputs.recordings[0];
    let ticks = recording.manifest().map_or(0, |manifest| manifest.ticks);
    writeln!(
        out,
        "1. a recording: {} with {} ticks",
        recording.session(),
        grouped(ticks)
    )?;

    let server = NatsServer::start(context, args.nats_server.as_deref(), folder.path())?;
    let Some(server) = server else {
        return Ok(Outcome::Done);
    };
    let nats = NatsOptions::at(&server.url)?;
    writeln!(
        out,
        "2. a real nats-server at {}, and a subscriber on {PREFIX}.>",
        server.url
    )?;
    let options = nats.clone();
    let connect = move || -> Result<(Subscriber, NatsSink), NatsError> {
        let subscriber = Subscriber::start_with(&options, subscription()?)?;
        Ok((subscriber, NatsSink::connect(&options)?))
    };
    let connected = context.unless_stopped("nats-connect", MonoNanos::NEVER, connect)?;
    let Some((subscriber, sink)) = connected.transpose()? else {
        return Ok(Outcome::Done);
    };
    writeln!(out, "3. replay at rate {}:", args.rate)?;
    out.flush()?;

    let is_over = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&is_over);
    let received = thread::spawn("subscriber", move || receive(&subscriber, &watched))
        .context("starting a thread")?;
    let summary = replay_into(sink, context, args, &inputs, nats)?;
    is_over.store(true, Ordering::Release);
    let received = received
        .join()
        .map_err(|_| anyhow::anyhow!("the subscriber's thread ended early"))?;
    let is_equal = print_comparison(&mut out, &summary, &received)?;
    out.flush()?;
    Ok(if is_equal {
        Outcome::Done
    } else {
        Outcome::Difference
    })
}

/// Replays everything into the server.
fn replay_into(
    sink: NatsSink,
    context: &Context,
    args: &DemoArgs,
    inputs: &Inputs,
    nats: NatsOptions,
) -> anyhow::Result<Summary> {
    let normalize = NormalizeArgs::default();
    let reference = inputs::reference(&normalize, &inputs.recordings)?;
    let source = inputs.payload_source()?;
    let options = publisher_options(&normalize, PREFIX, source, &reference);
    let all = EventFilter::default();
    let played = Session::replay(inputs.session(), options, || {
        inputs.source_ahead(&all, None)
    })
    .sink(sink)
    .health(nats, "demo")
    .pace(PaceOptions {
        rate: args.rate,
        ..PaceOptions::default()
    })
    .progress(context.progress("demo", inputs.estimate(&all)))
    .run_id(context.run.clone())
    .control(Arc::clone(&context.control))
    .clock(context.clock.clone())
    .run()
    .map_err(session_error)?;
    Ok(played.into_summary()?)
}

/// Prints the first messages and both digests; whether they are equal.
fn print_comparison(
    out: &mut impl Write,
    summary: &Summary,
    received: &Received,
) -> std::io::Result<bool> {
    for message in &received.first {
        let subject = String::from_utf8_lossy(&message.subject);
        let payload = String::from_utf8_lossy(&message.payload);
        writeln!(out, "   {subject} {payload}")?;
    }
    writeln!(
        out,
        "4. published {}, received {}",
        grouped(summary.published),
        grouped(received.count)
    )?;
    writeln!(out, "   digest published  {}", summary.digest)?;
    writeln!(out, "   digest received   {}", received.digest)?;
    let is_equal = summary.digest == received.digest && summary.published == received.count;
    writeln!(
        out,
        "{}",
        if is_equal {
            "equal: every tick arrived, in order, byte for byte"
        } else {
            "NOT EQUAL"
        }
    )?;
    Ok(is_equal)
}

/// The ticks, and the marker that nothing more comes.
fn subscription() -> Result<SubscriberOptions, NatsError> {
    let subject = |text: &str| -> Result<SubjectPattern, NatsError> {
        let unusable = |error| NatsError::Config(format!("subject {text:?}: {error}"));
        text.parse().map_err(unusable)
    };
    Ok(SubscriberOptions {
        subjects: vec![
            subject(&format!("{PREFIX}.>"))?,
            subject(&ControlSubject::End.subject(PREFIX))?,
        ],
        answers: Vec::new(),
        reconnect: None,
    })
}

/// A quick market, recorded in `folder`.
fn make_recording(context: &Context, seed: u64, folder: &Path) -> anyhow::Result<PathBuf> {
    let reference = inputs::reference(&NormalizeArgs::default(), &[])?;
    let options = SyntheticOptions {
        seed,
        ..SyntheticOptions::default()
    };
    let source = synthetic::open(options, &reference.calendar)?;
    let reference = synthetic::reference_of(&source, reference);
    let path = folder.join("recording");
    Conversion::to(&path)
        .progress(context.progress("generate", None))
        .control(Arc::clone(&context.control))
        .generate(source, &reference)
        .map_err(convert_error)?;
    Ok(path)
}

/// What the subscriber saw.
struct Received {
    count: u64,
    digest: String,
    first: Vec<Message>,
}

/// Takes messages until the end marker, or until none arrives after the replay is over.
fn receive(subscriber: &Subscriber, is_over: &AtomicBool) -> Received {
    let mut digest = StreamDigest::new();
    let mut received = Received {
        count: 0,
        digest: String::new(),
        first: Vec::new(),
    };
    let end = ControlSubject::End.subject(PREFIX);
    loop {
        let message = match subscriber.receive(PATIENCE) {
            Some(nats::Received::Message { message, .. }) => message,
            // The market may be silent for hours.
            None if !is_over.load(Ordering::Acquire) => continue,
            _ => break,
        };
        if message.subject == end {
            break;
        }
        digest.update_message(message.borrowed());
        received.count += 1;
        if received.first.len() < SHOWN {
            received.first.push(message);
        }
    }
    received.digest = digest.hex();
    received
}

/// A nats-server started on a free port, killed when dropped.
struct NatsServer {
    process: Child,
    url: String,
}

impl NatsServer {
    /// Starts it; `None` when the user stops before it is ready.
    fn start(
        context: &Context,
        program: Option<&Path>,
        folder: &Path,
    ) -> anyhow::Result<Option<Self>> {
        let program = program.unwrap_or(Path::new("nats-server"));
        let ports = folder.join("ports");
        std::fs::create_dir(&ports).context("making a temporary folder")?;
        let process = Command::new(program)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
            .arg(&ports)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C goes to the whole group of the terminal, but the server ends last.
            .process_group(0)
            .spawn()
            .map_err(|error| {
                let message = format!(
                    "{} cannot be started: install nats-server (Debian package nats-server, or \
                     `cargo xtask demo`, which brings one), or give --nats-server PATH",
                    program.display()
                );
                UsageError::caused_by(message, error)
            })?;
        let mut server = Self {
            process,
            url: String::new(),
        };
        let url = server.wait_for_url(context, &ports)?;
        Ok(url.map(|url| {
            server.url = url;
            server
        }))
    }

    /// The server writes its addresses to a file when it is ready; `None` when the user stops
    /// before.
    fn wait_for_url(&mut self, context: &Context, ports: &Path) -> anyhow::Result<Option<String>> {
        #[derive(serde::Deserialize)]
        struct Ports {
            nats: Vec<String>,
        }
        const STEP_NS: i64 = 20_000_000;
        const STEPS: u32 = 3_000;
        for _ in 0..STEPS {
            if context.control.is_stopped() {
                return Ok(None);
            }
            if let Some(status) = self.process.try_wait().context("checking nats-server")? {
                anyhow::bail!("nats-server ended at once with {status}");
            }
            for entry in std::fs::read_dir(ports).context("looking for the server's port")? {
                let text = std::fs::read_to_string(entry?.path()).unwrap_or_default();
                // Half-written files do not parse; the next look finds them whole.
                if let Ok(Ports { nats }) = serde_json::from_str(&text)
                    && let Some(url) = nats.into_iter().next()
                {
                    return Ok(Some(url));
                }
            }
            let due = context.clock.now().plus(STEP_NS);
            context.clock.sleep_until(due, &WakeFlag::new());
        }
        anyhow::bail!("nats-server did not report its port within 60 s")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have ended by itself: both errors mean that there is nothing left to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
