//! `tickdeck capture`: what is published on NATS, as a payload stream.

mod output;
mod ready;
mod report;

use tickdeck::capture::{Capture, CaptureOptions, CaptureOutput, Ended};
use tickdeck::encode::subject::DEFAULT_PREFIX;
use tickdeck::nats::{SubjectPattern, Subscriber};
use tickdeck::progress::{Position, Progress};
use tickdeck::sink::MessageRef;
use tickdeck_core::clock::{Clock as _, MonoNanos};
use tickdeck_core::time::UnixNanos;

use super::Context;
use super::args::{CaptureArgs, Until};
use super::outcome::Outcome;
use super::outputs::nats_options;
use output::Output;
use report::Report;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &CaptureArgs) -> anyhow::Result<Outcome> {
    let nats = nats_options(&args.nats)?;
    let options = capture_options(args)?;
    let subscription = options.subscription(Some(nats.connect_timeout))?;
    let (output, ready) = Output::create(args)?;
    context.handle_signals()?;
    let server = nats.servers.to_string();
    let start = move || Subscriber::start_with(&nats, subscription);
    let started = context.unless_stopped("nats-connect", MonoNanos::NEVER, start)?;
    let mut capture = Capture::new(options.clone(), context.clock.now());
    let Some(subscriber) = started else {
        // It ends like any other: its files are whole, and there is nothing in them.
        output.finish()?;
        return conclude(args, &capture, Ended::Signal, 0);
    };
    let subscriber = subscriber?;
    let started = context.clock.now();
    log_ready(&server, &options);
    ready.make()?;
    let mut stream = Stream {
        output,
        progress: context.progress("capture", args.count),
        messages: 0,
    };
    let (clock, control) = (&*context.clock, &context.control);
    let ended = tickdeck::capture::run(&mut capture, &subscriber, &mut stream, clock, control)?;
    let elapsed_ns = clock.now().since(started);
    drop(subscriber);
    stream.progress.finish();
    stream.output.finish()?;
    conclude(args, &capture, ended, elapsed_ns)
}

fn capture_options(args: &CaptureArgs) -> anyhow::Result<CaptureOptions> {
    let mut subjects = args.subjects.clone();
    if subjects.is_empty() {
        let prefix = args.subject_prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
        subjects.push(SubjectPattern::below(prefix)?);
    }
    Ok(CaptureOptions {
        subjects,
        subject_prefix: args.subject_prefix.clone(),
        ends_with_replay: args.until == Until::End,
        linger: args.linger,
        idle: args.idle,
        count: args.count,
        duration: args.duration,
    })
}

fn log_ready(server: &str, options: &CaptureOptions) {
    let subjects = options.subjects.iter().map(SubjectPattern::as_str);
    tracing::info!(
        event = "capture_ready",
        server,
        subjects = subjects.collect::<Vec<_>>().join(" ")
    );
    if options.misses_end(DEFAULT_PREFIX) {
        tracing::warn!(
            event = "capture_without_end",
            "no SUBJECT covers all ticks under {DEFAULT_PREFIX}: the capture does not end with a \
             replay, is not verified and does not answer --wait-for-subscribers; \
             --subject-prefix {DEFAULT_PREFIX} adds this"
        );
    }
}

/// The files, with progress.
struct Stream {
    output: Output,
    progress: Box<dyn Progress>,
    messages: u64,
}

impl CaptureOutput for Stream {
    type Error = anyhow::Error;

    fn push(&mut self, message: MessageRef<'_>, at: UnixNanos) -> anyhow::Result<()> {
        self.messages += 1;
        if self.output.push(message, at) {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> anyhow::Result<()> {
        if self.output.write()? {
            self.progress.at(Position {
                events: self.messages,
                lag_ns: None,
            });
        }
        Ok(())
    }
}

/// Says what came, and how it ended.
fn conclude(
    args: &CaptureArgs,
    capture: &Capture,
    ended: Ended,
    elapsed_ns: i64,
) -> anyhow::Result<Outcome> {
    let report = Report::new(capture.tally(), &ended, capture.flaws(), elapsed_ns);
    report.print(args)?;
    match ended {
        Ended::Lost(error) => Err(error.into()),
        _ => Ok(report.outcome()),
    }
}
