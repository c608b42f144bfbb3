//! A capture as a pure machine: what came and when in, what to write and when to end out.

use std::collections::BTreeSet;

use tickdeck_core::clock::MonoNanos;
use tickdeck_core::time::UnixNanos;

use super::options::CaptureOptions;
use super::silence::Silence;
use super::tally::{Flaws, Tally};
use crate::encode::control::{ControlSubject, EndMarker, RunId};
use crate::encode::pattern::SubjectPattern;
use crate::nats::{NatsError, Received};
use crate::sink::{Message, is_line};

/// Why a capture ended.
#[derive(Debug)]
pub enum Ended {
    /// With the replay.
    End,
    /// Nothing came at all.
    NoMessage,
    /// Nothing came for a while.
    Idle,
    /// After a number of messages.
    Count,
    /// After a span.
    Duration,
    /// The user stopped it.
    Signal,
    /// The server was lost and did not return.
    Lost(NatsError),
}

/// Something that the log should say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Messages may be missing here.
    Gap {
        /// Whether the end of the replay may be among them, with nothing else to end the capture.
        is_end_uncertain: bool,
    },
    /// After a gap: the server knows the subscription again.
    Resumed,
    /// The first message that no line can hold.
    Unwritable {
        /// Its subject.
        subject: String,
        /// Bytes of its payload.
        bytes: usize,
    },
    /// A message on the subject of an end marker that is none.
    UnreadableEnd {
        /// Its subject.
        subject: String,
    },
    /// An end marker that was delivered before.
    RepeatedEnd {
        /// The replay that it is about.
        session: String,
    },
}

/// What follows from what came.
#[derive(Debug, Default)]
pub struct Step {
    /// A message of the stream, and when it came.
    pub line: Option<(Message, UnixNanos)>,
    /// What to log.
    pub note: Option<Note>,
    /// Why the capture ends here.
    pub ended: Option<Ended>,
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    options: CaptureOptions,
    tally: Tally,
    flaws: Flaws,
    /// Whether a subject has the server's and the client's own traffic as well.
    is_wide: bool,
    /// End markers so far: prefix, run and session.
    ends: BTreeSet<(String, RunId, String)>,
    deadline: Option<MonoNanos>,
    /// After the end of the replay.
    linger: Option<Silence>,
    /// Before the first message.
    first: Option<Silence>,
    /// Between messages.
    idle: Option<Silence>,
    /// When silence was last measured.
    measured: MonoNanos,
}

impl Capture {
    /// A capture that begins at `now`.
    #[must_use]
    pub fn new(options: CaptureOptions, now: MonoNanos) -> Self {
        let subjects = options.subjects.clone();
        Self {
            is_wide: subjects.iter().any(SubjectPattern::starts_with_wildcard),
            tally: Tally::new(subjects),
            flaws: Flaws::default(),
            ends: BTreeSet::new(),
            deadline: options.duration.map(|span| now.after(span)),
            linger: None,
            first: options.first_message.map(Silence::of),
            idle: None,
            measured: now,
            options,
        }
    }

    /// The counts, and what end markers say about them.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What is wrong with the stream.
    #[must_use]
    pub const fn flaws(&self) -> Flaws {
        self.flaws
    }

    /// Whether the capture ends at `now`. With `has_more` a message is waiting, so that silence is
    /// not over.
    pub fn at(&mut self, now: MonoNanos, has_more: bool) -> Option<Ended> {
        let passed = now.duration_since(self.measured);
        self.measured = now;
        let silences = [&mut self.linger, &mut self.first, &mut self.idle];
        for silence in silences.into_iter().flatten() {
            silence.pass(passed);
        }
        let is_over =
            |silence: &Option<Silence>| silence.as_ref().is_some_and(Silence::is_over) && !has_more;
        if is_over(&self.linger) {
            Some(Ended::End)
        } else if is_over(&self.first) {
            Some(Ended::NoMessage)
        } else if is_over(&self.idle) {
            Some(Ended::Idle)
        } else {
            let is_due = self.deadline.is_some_and(|due| due <= now);
            is_due.then_some(Ended::Duration)
        }
    }

    /// Handles the next message, at `now`.
    pub fn on(&mut self, received: Received, now: MonoNanos) -> Step {
        match received {
            Received::Message { message, at } => self.on_message(message, at, now),
            Received::Gap => {
                self.flaws.gaps += 1;
                let options = &self.options;
                let ends_otherwise = options.idle.is_some() || options.duration.is_some();
                note(Note::Gap {
                    is_end_uncertain: options.ends_with_replay && !ends_otherwise,
                })
            }
            Received::Resumed => note(Note::Resumed),
            Received::Ended(error) => Step {
                ended: Some(Ended::Lost(error)),
                ..Step::default()
            },
        }
    }

    fn on_message(&mut self, message: Message, at: UnixNanos, now: MonoNanos) -> Step {
        let subject = String::from_utf8_lossy(&message.subject).into_owned();
        let mut found = None;
        match ControlSubject::parse(&subject) {
            Some((ControlSubject::End, prefix)) => {
                if let Some(marker) = EndMarker::parse(&message.payload) {
                    return self.on_end(prefix, &marker, now);
                }
                found = Some(Note::UnreadableEnd {
                    subject: subject.clone(),
                });
                // Another publisher's message. It is in the stream if a SUBJECT matches it.
                let subjects = &self.options.subjects;
                if !subjects.iter().any(|pattern| pattern.matches(&subject)) {
                    return Step {
                        note: found,
                        ..Step::default()
                    };
                }
            }
            Some(_) => return Step::default(),
            // Inboxes, and the server's own subjects.
            None if self.is_wide && subject.starts_with(['_', '$']) => return Step::default(),
            None => {}
        }
        if !is_line(message.borrowed()) {
            return self.on_unwritable(subject, message.payload.len());
        }
        self.tally.add(&subject, &message.payload);
        self.restart_silence(now);
        let is_last = self.options.count == Some(self.tally.messages());
        Step {
            line: Some((message, at)),
            note: found,
            ended: is_last.then_some(Ended::Count),
        }
    }

    fn restart_silence(&mut self, now: MonoNanos) {
        self.measured = now;
        self.first = None;
        self.idle = self.options.idle.map(Silence::of);
        if self.linger.is_some() {
            self.linger = self.options.linger.map(Silence::of);
        }
    }

    fn on_end(&mut self, prefix: &str, marker: &EndMarker, now: MonoNanos) -> Step {
        let wanted = self.options.subject_prefix.as_deref();
        if wanted.is_some_and(|wanted| wanted != prefix) {
            return Step::default();
        }
        let id = (
            prefix.to_owned(),
            marker.run.clone(),
            marker.session.clone(),
        );
        // A publisher that loses its connection after the marker sends it again.
        if marker.run.is_known() && !self.ends.insert(id) {
            return note(Note::RepeatedEnd {
                session: marker.session.clone(),
            });
        }
        self.tally.verify(prefix, marker);
        let mut step = Step::default();
        match self.options.linger {
            _ if !self.options.ends_with_replay => {}
            None => step.ended = Some(Ended::End),
            Some(span) => {
                self.measured = now;
                self.linger = Some(Silence::of(span));
            }
        }
        step
    }

    fn on_unwritable(&mut self, subject: String, bytes: usize) -> Step {
        self.flaws.unwritable += 1;
        match self.flaws.unwritable {
            1 => note(Note::Unwritable { subject, bytes }),
            _ => Step::default(),
        }
    }
}

fn note(note: Note) -> Step {
    Step {
        note: Some(note),
        ..Step::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::sink::StreamDigest;

    const TICK: &str = "t.SHFE.rb2601";
    const END: &str = "tickdeck.end.t";
    const MS: i64 = 1_000_000;

    fn options() -> CaptureOptions {
        CaptureOptions {
            subjects: vec!["t.>".parse().unwrap()],
            ends_with_replay: true,
            ..CaptureOptions::default()
        }
    }

    fn capture(options: CaptureOptions) -> Capture {
        Capture::new(options, MonoNanos(0))
    }

    fn message(subject: &str, payload: &[u8]) -> Received {
        Received::Message {
            message: Message {
                subject: subject.to_owned().into(),
                payload: payload.to_vec().into(),
            },
            at: UnixNanos(7),
        }
    }

    /// The end of run `run`, which published one tick `{}`.
    fn end(run: u32) -> Received {
        let mut digest = StreamDigest::new();
        digest.update_message(crate::sink::MessageRef {
            subject: TICK.as_bytes(),
            payload: b"{}",
        });
        let marker = EndMarker {
            run: RunId::of(UnixNanos(1), run),
            session: "s".into(),
            complete: true,
            total: Some(1),
            digest: Some(digest.hex()),
            instruments: Some(BTreeMap::from([("SHFE.rb2601".to_owned(), 1)])),
            partition: None,
        };
        message(END, &marker.payload(10_000).unwrap())
    }

    #[test]
    fn ticks_are_the_stream_and_the_marker_ends_it() {
        let mut capture = capture(options());
        let step = capture.on(message(TICK, b"{}"), MonoNanos(0));
        let (line, at) = step.line.unwrap();
        assert_eq!((&line.subject[..], at), (TICK.as_bytes(), UnixNanos(7)));
        for control in ["tickdeck.clock.t", "tickdeck.ready.t"] {
            let step = capture.on(message(control, b"{}"), MonoNanos(0));
            assert!(step.line.is_none() && step.ended.is_none(), "{control}");
        }
        let step = capture.on(end(1), MonoNanos(0));
        assert!(matches!(step.ended, Some(Ended::End)) && step.line.is_none());
        assert_eq!(capture.tally().verdict().exact, Some(true));
    }

    #[test]
    fn a_marker_that_comes_twice_counts_once() {
        let mut capture = capture(CaptureOptions {
            ends_with_replay: false,
            ..options()
        });
        for run in 1..3 {
            capture.on(message(TICK, b"{}"), MonoNanos(0));
            capture.on(end(run), MonoNanos(0));
            let copy = capture.on(end(run), MonoNanos(0)).note;
            assert!(matches!(copy, Some(Note::RepeatedEnd { .. })), "{copy:?}");
        }
        let verdict = capture.tally().verdict();
        assert_eq!(verdict.session.as_deref(), Some("s+s"));
        assert_eq!(
            (verdict.verified, verdict.expected),
            (Some(true), Some(2)),
            "each run counts"
        );
        assert_eq!(capture.tally().after_end(), Some(0));
    }

    #[test]
    fn a_copy_of_the_marker_does_not_prolong_the_capture() {
        let mut capture = capture(CaptureOptions {
            linger: Some(Duration::from_millis(90)),
            ..options()
        });
        capture.on(end(1), MonoNanos(0));
        assert!(capture.at(MonoNanos(50 * MS), false).is_none());
        capture.on(end(1), MonoNanos(60 * MS));
        let ended = capture.at(MonoNanos(90 * MS), false);
        assert!(matches!(ended, Some(Ended::End)), "{ended:?}");
    }

    #[test]
    fn a_foreign_message_on_the_end_subject_ends_nothing() {
        let mut narrow = capture(options());
        let step = narrow.on(message(END, b"goodbye"), MonoNanos(0));
        assert!(step.ended.is_none() && step.line.is_none());
        assert!(matches!(step.note, Some(Note::UnreadableEnd { .. })));
        let mut wide = capture(CaptureOptions {
            subjects: vec![">".parse().unwrap()],
            ..options()
        });
        let step = wide.on(message(END, b"goodbye"), MonoNanos(0));
        assert!(
            step.ended.is_none() && step.line.is_some(),
            "it is asked for"
        );
        assert!(
            wide.on(message("_INBOX.a", b""), MonoNanos(0))
                .line
                .is_none()
        );
    }

    #[test]
    fn the_end_of_another_prefix_ends_nothing() {
        let mut capture = capture(CaptureOptions {
            subject_prefix: Some("u".into()),
            ..options()
        });
        assert!(capture.on(end(1), MonoNanos(0)).ended.is_none());
        assert_eq!(capture.tally().verdict().session, None);
    }

    #[test]
    fn counts_and_spans_end_a_capture() {
        let mut capture = capture(CaptureOptions {
            idle: Some(Duration::from_millis(80)),
            duration: Some(Duration::from_secs(2)),
            count: Some(2),
            ..options()
        });
        assert!(capture.at(MonoNanos(1_000 * MS), false).is_none(), "idle");
        capture.on(message(TICK, b"{}"), MonoNanos(1_000 * MS));
        let over = MonoNanos(1_080 * MS);
        assert!(capture.at(over, true).is_none(), "a message is waiting");
        assert!(matches!(capture.at(over, false), Some(Ended::Idle)));
        let step = capture.on(message(TICK, b"{}"), over);
        assert!(matches!(step.ended, Some(Ended::Count)) && step.line.is_some());
        let due = capture.at(MonoNanos(2_000 * MS), true);
        assert!(matches!(due, Some(Ended::Duration)), "{due:?}");
    }

    #[test]
    fn a_capture_of_nothing_ends_in_time() {
        let options = CaptureOptions {
            first_message: Some(Duration::from_millis(80)),
            ..options()
        };
        let over = MonoNanos(80 * MS);
        let mut empty = capture(options.clone());
        assert!(matches!(empty.at(over, false), Some(Ended::NoMessage)));
        let mut begun = capture(options);
        begun.on(message(TICK, b"{}"), MonoNanos(MS));
        assert!(begun.at(over, false).is_none());
    }

    #[test]
    fn flaws_are_counted_and_noted() {
        let mut capture = capture(options());
        let first = capture.on(message(TICK, b"a\nb"), MonoNanos(0));
        assert!(matches!(
            first.note,
            Some(Note::Unwritable { bytes: 3, .. })
        ));
        assert!(
            capture
                .on(message(TICK, b"a\nb"), MonoNanos(0))
                .note
                .is_none()
        );
        let gap = capture.on(Received::Gap, MonoNanos(0)).note;
        assert_eq!(
            gap,
            Some(Note::Gap {
                is_end_uncertain: true
            })
        );
        assert_eq!(
            capture.flaws(),
            Flaws {
                unwritable: 2,
                gaps: 1
            }
        );
        assert_eq!(capture.tally().messages(), 0);
    }
}
