//! `tickdeck capture`: what anybody publishes on NATS, as a payload stream.

mod output;
mod ready;
mod report;
mod silence;

use std::time::Duration;

use tickdeck::capture::Tally;
use tickdeck::encode::control::{Control, EndMarker};
use tickdeck::encode::subject::DEFAULT_PREFIX;
use tickdeck::nats::{Gap, Received, SubjectPattern, Subscriber, SubscriberOptions};
use tickdeck::progress::{Position, Progress};
use tickdeck::sink::{Message, is_line};
use tickdeck_core::clock::{Clock as _, MonoNanos};
use tickdeck_core::time::UnixNanos;

use super::Context;
use super::args::{CaptureArgs, Until};
use super::outcome::Outcome;
use super::outputs::nats_options;
use output::Output;
use report::{Ended, Flaws, Report};
use silence::Silence;

/// How often the user's wishes are looked at while nothing comes.
const STEP: Duration = Duration::from_millis(50);

/// Runs the verb.
pub(super) fn run(context: &Context, args: &CaptureArgs) -> anyhow::Result<Outcome> {
    let nats = nats_options(&args.nats)?;
    let mut options = subscriber_options(args)?;
    options.reconnect = Some(nats.connect_timeout);
    let (output, ready) = Output::create(args)?;
    context.handle_signals()?;
    let subjects = options.subjects.clone();
    let server = nats.servers.to_string();
    let start = move || Subscriber::start_with(&nats, options);
    let Some(subscriber) = context.unless_stopped("nats-connect", MonoNanos::NEVER, start)? else {
        // It ends like any other: its files are whole, and there is nothing in them.
        output.finish()?;
        return conclude(
            args,
            &Tally::new(subjects),
            Ended::Signal,
            Flaws::default(),
            0,
        );
    };
    let subscriber = subscriber?;
    let started = context.clock.now();
    log_ready(&server, &subjects);
    if args.subject_prefix.is_none() && misses_end(&subjects, DEFAULT_PREFIX) {
        tracing::warn!(
            event = "capture_without_end",
            "no SUBJECT has {DEFAULT_PREFIX}.replay.end: the capture does not end with a replay, is not verified and \
             does not answer --wait-for-subscribers; --subject-prefix {DEFAULT_PREFIX} adds what is \
             needed"
        );
    }
    ready.make()?;
    let mut capture = Capture {
        context,
        args,
        subscriber,
        output,
        is_wide: subjects.iter().any(SubjectPattern::starts_with_wildcard),
        tally: Tally::new(subjects),
        flaws: Flaws::default(),
        progress: context.progress("capture", args.count),
    };
    let ended = capture.run(started)?;
    let elapsed_ns = context.clock.now().since(started);
    capture.finish(ended, elapsed_ns)
}

fn subscriber_options(args: &CaptureArgs) -> anyhow::Result<SubscriberOptions> {
    let mut subjects = args.subjects.clone();
    if subjects.is_empty() {
        let prefix = args.subject_prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
        subjects.push(SubjectPattern::below(prefix)?);
    }
    // A replay that waits for subscribers begins with the first sign of one on the ready subject,
    // so that one comes last.
    let watch = args
        .subject_prefix
        .iter()
        .flat_map(|prefix| [Control::End, Control::Ready].map(|control| control.subject(prefix)));
    Ok(SubscriberOptions {
        subjects,
        watch: watch.collect(),
        answers: |subject| matches!(Control::parse(subject), Some((_, Control::Ready))),
        reconnect: None,
    })
}

/// Whether these have ticks of replays under `prefix`, and not what the replays say of themselves.
fn misses_end(subjects: &[SubjectPattern], prefix: &str) -> bool {
    let end = Control::End.subject(prefix);
    subjects.iter().any(|subject| subject.reaches_below(prefix))
        && !subjects.iter().any(|subject| subject.matches(&end))
}

fn log_ready(server: &str, subjects: &[SubjectPattern]) {
    let subjects: Vec<&str> = subjects.iter().map(SubjectPattern::as_str).collect();
    tracing::info!(
        event = "capture_ready",
        server,
        subjects = subjects.join(" ")
    );
}

/// What a message was.
enum Taken {
    /// Part of the stream.
    Stream,
    /// Anything else.
    Beside,
    /// The end of the replay that counts.
    End,
}

/// A running capture.
struct Capture<'a> {
    context: &'a Context,
    args: &'a CaptureArgs,
    subscriber: Subscriber,
    output: Output,
    tally: Tally,
    /// Whether a subject has the server's and the client's own traffic as well.
    is_wide: bool,
    flaws: Flaws,
    progress: Box<dyn Progress>,
}

impl Capture<'_> {
    /// Takes messages until the end, whichever comes first. Where the end is a moment and no place
    /// in the stream, what had come by then belongs to the capture, taken or not.
    fn run(&mut self, started: MonoNanos) -> anyhow::Result<Ended> {
        let deadline = self.args.duration.map(|span| started.after(span));
        // After the end marker, and between messages.
        let (mut quiet, mut idle): (Option<Silence>, Option<Silence>) = (None, None);
        let mut looked = started;
        loop {
            let now = self.context.clock.now();
            for silence in [&mut quiet, &mut idle].into_iter().flatten() {
                silence.pass(now.since(looked));
            }
            looked = now;
            let has_more = self.subscriber.waiting() > 0;
            let is_over = |silence: &Option<Silence>| {
                !has_more && silence.as_ref().is_some_and(Silence::is_over)
            };
            let moments = [
                (self.context.control.is_stopped(), Ended::Signal),
                (is_over(&quiet), Ended::End),
                (is_over(&idle), Ended::Idle),
                (deadline.is_some_and(|due| due <= now), Ended::Duration),
            ];
            if let Some((_, ended)) = moments.into_iter().find(|(is_over, _)| *is_over) {
                self.take_what_waits()?;
                return Ok(ended);
            }
            let Some(received) = self.receive()? else {
                continue;
            };
            match received {
                Received::Message { message, at } => match self.take(&message, at)? {
                    Taken::Stream => {
                        if self.args.count == Some(self.tally.messages()) {
                            return Ok(Ended::Count);
                        }
                        looked = self.context.clock.now();
                        idle = self.args.idle.map(Silence::of);
                        if quiet.is_some() {
                            quiet = self.args.linger.map(Silence::of);
                        }
                    }
                    Taken::End => match (self.args.until, self.args.linger) {
                        (Until::Signal, _) => {}
                        (Until::End, None) => return Ok(Ended::End),
                        (Until::End, Some(span)) => {
                            looked = self.context.clock.now();
                            quiet = Some(Silence::of(span));
                        }
                    },
                    Taken::Beside => {}
                },
                Received::Gap(gap) => self.note_gap(gap),
                Received::Resumed => tracing::info!(event = "capture_resumed"),
                Received::Ended(error) => return Ok(Ended::Lost(error)),
            }
        }
    }

    /// What comes next. What was taken before is written out before a wait.
    fn receive(&mut self) -> anyhow::Result<Option<Received>> {
        if self.subscriber.waiting() == 0 {
            self.write()?;
        }
        Ok(self.subscriber.receive(STEP))
    }

    fn write(&mut self) -> anyhow::Result<()> {
        if self.output.write()? {
            self.progress.at(Position {
                events: self.tally.messages(),
                lag_ns: None,
            });
        }
        Ok(())
    }

    /// Takes what has come so far, up to a place where the capture would have ended anyway.
    fn take_what_waits(&mut self) -> anyhow::Result<()> {
        for _ in 0..self.subscriber.waiting() {
            match self.subscriber.receive(Duration::ZERO) {
                Some(Received::Message { message, at }) => {
                    let taken = self.take(&message, at)?;
                    let ends_with_replay =
                        self.args.until == Until::End && self.args.linger.is_none();
                    if self.args.count == Some(self.tally.messages())
                        || (matches!(taken, Taken::End) && ends_with_replay)
                    {
                        break;
                    }
                }
                Some(Received::Gap(gap)) => self.note_gap(gap),
                Some(Received::Resumed) => {}
                Some(Received::Ended(_)) | None => break,
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &Message, at: UnixNanos) -> anyhow::Result<Taken> {
        let subject = String::from_utf8_lossy(&message.subject);
        match Control::parse(&subject) {
            Some((prefix, Control::End)) => {
                if let Some(marker) = EndMarker::parse(&message.payload) {
                    return Ok(self.take_end(prefix, &marker));
                }
                // Somebody else's message: part of the stream.
                tracing::warn!(event = "replay_end_unreadable", subject = %subject);
            }
            Some((_, Control::Ready | Control::Clock)) => return Ok(Taken::Beside),
            None => {}
        }
        // Inboxes, and the server's own subjects.
        if self.is_wide && subject.starts_with(['_', '$']) {
            return Ok(Taken::Beside);
        }
        if !is_line(message.borrowed()) {
            self.note_unwritable(&subject, message.payload.len());
            return Ok(Taken::Beside);
        }
        self.tally.add(&subject, &message.payload);
        if self.output.push(message.borrowed(), at) {
            self.write()?;
        }
        Ok(Taken::Stream)
    }

    fn take_end(&mut self, prefix: &str, marker: &EndMarker) -> Taken {
        let wanted = self.args.subject_prefix.as_deref();
        if wanted.is_some_and(|wanted| wanted != prefix) {
            return Taken::Beside;
        }
        self.tally.verify(prefix, marker);
        Taken::End
    }

    fn note_unwritable(&mut self, subject: &str, bytes: usize) {
        self.flaws.unwritable += 1;
        if self.flaws.unwritable == 1 {
            tracing::warn!(
                event = "capture_unwritable",
                subject,
                bytes,
                "the payload has a line break or is not UTF-8, or the subject has a control \
                 character or begins like JSON: it cannot be a line of the stream and is left out, as \
                 are others like it"
            );
        }
    }

    fn note_gap(&mut self, gap: Gap) {
        self.flaws.gaps += 1;
        let reason = match gap {
            Gap::Disconnected => "the connection was lost",
            Gap::TooSlow => "messages came faster than they could be written",
        };
        tracing::warn!(
            event = "capture_gap",
            reason,
            "what was published meanwhile is missing"
        );
        let ends_by_itself = self.args.idle.is_some() || self.args.duration.is_some();
        if self.args.until == Until::End && !ends_by_itself {
            tracing::warn!(
                event = "capture_end_uncertain",
                "the end of the replay may be among it, and the capture then goes on until a \
                 signal: give --idle or --duration where nobody watches"
            );
        }
    }

    /// Seals the files and concludes.
    fn finish(mut self, ended: Ended, elapsed_ns: i64) -> anyhow::Result<Outcome> {
        drop(self.subscriber);
        self.output.write()?;
        self.progress.finish();
        self.output.finish()?;
        conclude(self.args, &self.tally, ended, self.flaws, elapsed_ns)
    }
}

/// Says what came, and how it ended.
fn conclude(
    args: &CaptureArgs,
    tally: &Tally,
    ended: Ended,
    flaws: Flaws,
    elapsed_ns: i64,
) -> anyhow::Result<Outcome> {
    let report = Report::new(tally, &ended, flaws, elapsed_ns);
    report.print(args)?;
    match ended {
        Ended::Lost(error) => Err(error.into()),
        _ => Ok(report.outcome()),
    }
}
