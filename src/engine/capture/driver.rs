//! The loop around a [`Capture`]: waits on the subscriber, asks the clock, writes and logs.

use std::time::Duration;

use tickdeck_core::clock::Clock;
use tickdeck_core::time::UnixNanos;

use super::POLL_INTERVAL;
use super::state::{Capture, Ended, Note, Step};
use crate::control::Control;
use crate::nats::Subscriber;
use crate::sink::MessageRef;

/// Where a captured stream goes.
pub trait CaptureOutput {
    /// What can go wrong with it.
    type Error;

    /// Takes the next message of the stream, which came at `at`.
    ///
    /// # Errors
    /// When it cannot be written.
    fn push(&mut self, message: MessageRef<'_>, at: UnixNanos) -> Result<(), Self::Error>;

    /// Writes what was taken. Called before a wait, and at the end.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write(&mut self) -> Result<(), Self::Error>;
}

/// Receives until `capture` or the user ends it. Messages received by then are written.
///
/// # Errors
/// When the output fails.
pub fn run<O: CaptureOutput>(
    capture: &mut Capture,
    subscriber: &Subscriber,
    output: &mut O,
    clock: &dyn Clock,
    control: &Control,
) -> Result<Ended, O::Error> {
    let ended = loop {
        let due = capture.at(clock.now(), subscriber.waiting() > 0);
        let stopped = control.is_stopped().then_some(Ended::Signal);
        if let Some(ended) = stopped.or(due) {
            // The end is a moment and no place in the stream: what has come belongs to it.
            let waiting = subscriber.waiting();
            for _ in 0..waiting {
                if receive(capture, subscriber, output, clock, Duration::ZERO)?.is_some() {
                    break;
                }
            }
            break ended;
        }
        if subscriber.waiting() == 0 {
            output.write()?;
        }
        if let Some(ended) = receive(capture, subscriber, output, clock, POLL_INTERVAL)? {
            break ended;
        }
    };
    output.write()?;
    Ok(ended)
}

/// Handles what arrives within `at_most`. Returns why the capture ends, if it does.
fn receive<O: CaptureOutput>(
    capture: &mut Capture,
    subscriber: &Subscriber,
    output: &mut O,
    clock: &dyn Clock,
    at_most: Duration,
) -> Result<Option<Ended>, O::Error> {
    let Some(received) = subscriber.receive(at_most) else {
        return Ok(None);
    };
    let Step { line, note, ended } = capture.on(received, clock.now());
    if let Some(note) = note {
        log(&note);
    }
    if let Some((message, at)) = line {
        output.push(message.borrowed(), at)?;
    }
    Ok(ended)
}

fn log(note: &Note) {
    match note {
        Note::Gap { is_end_uncertain } => {
            tracing::warn!(
                event = "capture_gap",
                reason = "the connection was lost",
                "messages published meanwhile are missing"
            );
            if *is_end_uncertain {
                tracing::warn!(
                    event = "capture_end_uncertain",
                    "the end of the replay may be missing; if so, the capture runs until a signal"
                );
            }
        }
        Note::Resumed => tracing::info!(event = "capture_resumed"),
        Note::Unwritable { subject, bytes } => tracing::warn!(
            event = "capture_unwritable",
            subject,
            bytes,
            "left out, as are others like it: the payload has a line break or is not UTF-8, or the \
             subject has a control character or begins like JSON"
        ),
        Note::UnreadableEnd { subject } => {
            tracing::warn!(event = "replay_end_unreadable", subject);
        }
        Note::RepeatedEnd { session } => tracing::info!(
            event = "replay_end_repeated",
            session,
            "the end marker was delivered again; it counts once"
        ),
    }
}
