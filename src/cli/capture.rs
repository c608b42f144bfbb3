//! `tickdeck capture`: what is published on NATS, as a payload stream.

mod files;
mod report;
mod stream;

use tickdeck::capture::{Capture, CaptureFiles, CaptureOptions, Ended};
use tickdeck::encode::subject::DEFAULT_PREFIX;
use tickdeck::nats::{SubjectPattern, Subscriber};
use tickdeck_core::clock::{Clock as _, MonoNanos};

use super::args::{CaptureArgs, OutputTarget, Until};
use super::context::Context;
use super::outcome::{Outcome, unless_closed};
use super::outputs::{nats_options, refuse_folder};
use files::{capture_to, file_error};
use report::Report;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &CaptureArgs) -> anyhow::Result<Outcome> {
    if let Some(stream) = &args.stream {
        return stream::run(context, args, stream);
    }
    let nats = nats_options(&args.nats)?;
    let options = capture_options(args)?;
    let subscription = options.subscription(Some(nats.connect_timeout))?;
    if let OutputTarget::Path(path) = &args.output {
        refuse_folder(path)?;
    }
    let files = CaptureFiles::create(capture_to(args)).map_err(file_error)?;
    context.handle_signals()?;
    let server = nats.servers.to_string();
    let start = move || Subscriber::start_with(&nats, subscription);
    let started = context.unless_stopped("nats-connect", MonoNanos::NEVER, start)?;
    let mut capture = Capture::new(options.clone(), context.clock.now());
    let Some(subscriber) = started else {
        files.finish().map_err(file_error)?;
        Report::new(capture.tally(), &Ended::Signal, capture.flaws(), 0).print(args)?;
        return Ok(Outcome::Done);
    };
    let subscriber = subscriber?;
    let started = context.clock.now();
    log_ready(&server, &options);
    files.mark_ready().map_err(file_error)?;
    let mut files = files.progress(context.progress("capture", args.count));
    let (clock, control) = (&*context.clock, &context.control);
    let ended = tickdeck::capture::run(&mut capture, &subscriber, &mut files, clock, control)
        .map_err(file_error)?;
    let elapsed_ns = clock.now().since(started);
    drop(subscriber);
    files.finish().map_err(file_error)?;
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
        first_message: args.first_message_timeout,
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
             replay, is not verified and does not answer `replay --wait-for-subscribers`; \
             --subject-prefix {DEFAULT_PREFIX} adds this"
        );
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
    unless_closed(report.print(args))?;
    match ended {
        Ended::Lost(error) => Err(error.into()),
        _ => Ok(report.outcome(args.allow_empty)),
    }
}
