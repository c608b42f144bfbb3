//! What to capture, and when to end.

use std::time::Duration;

use crate::encode::control::ControlSubject;
use crate::encode::pattern::{PatternError, SubjectPattern};
use crate::nats::SubscriberOptions;

/// What to capture, and when to end.
#[derive(Debug, Clone, Default)]
pub struct CaptureOptions {
    /// Subjects of the stream.
    pub subjects: Vec<SubjectPattern>,
    /// The replay whose end counts and whose question is answered. `None` for every replay whose
    /// ticks are all in `subjects`.
    pub subject_prefix: Option<String>,
    /// Whether the end of a replay ends the capture.
    pub ends_with_replay: bool,
    /// After the end of the replay, continue until no message arrived for this long.
    pub linger: Option<Duration>,
    /// End when no first message came for this long, counted from the start.
    pub first_message: Option<Duration>,
    /// End when nothing came for this long, counted from the first message.
    pub idle: Option<Duration>,
    /// End after this many messages.
    pub count: Option<u64>,
    /// End after this long.
    pub duration: Option<Duration>,
}

impl CaptureOptions {
    /// What to subscribe to: the subjects, and the control subjects of the replays in question.
    ///
    /// # Errors
    /// When the prefix is not allowed in a subject.
    pub fn subscription(
        &self,
        reconnect: Option<Duration>,
    ) -> Result<SubscriberOptions, PatternError> {
        let ends = self.controls(ControlSubject::End)?;
        let answers = self.controls(ControlSubject::Ready)?;
        // A replay that waits for subscribers starts when it sees one on the ready subject, so that
        // one comes last.
        let controls = ends.into_iter().chain(answers.iter().cloned());
        Ok(SubscriberOptions {
            subjects: self.subjects.iter().cloned().chain(controls).collect(),
            answers,
            reconnect,
        })
    }

    fn controls(&self, control: ControlSubject) -> Result<Vec<SubjectPattern>, PatternError> {
        match &self.subject_prefix {
            Some(prefix) => Ok(vec![control.subject(prefix).parse()?]),
            None => {
                let subjects = self.subjects.iter();
                Ok(subjects.flat_map(|s| control.patterns_for(s)).collect())
            }
        }
    }

    /// Whether the subjects have ticks of replays under `prefix`, but the end of those is not seen.
    #[must_use]
    pub fn misses_end(&self, prefix: &str) -> bool {
        let end = ControlSubject::End.subject(prefix);
        let sees_end = |subject: &SubjectPattern| {
            let mut ends = ControlSubject::End.patterns_for(subject).into_iter();
            subject.matches(&end) || ends.any(|pattern| pattern.matches(&end))
        };
        self.subject_prefix.is_none()
            && self.subjects.iter().any(|s| s.reaches_below(prefix))
            && !self.subjects.iter().any(sees_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(subjects: &[&str], prefix: Option<&str>) -> CaptureOptions {
        CaptureOptions {
            subjects: subjects.iter().map(|s| s.parse().unwrap()).collect(),
            subject_prefix: prefix.map(Into::into),
            ..CaptureOptions::default()
        }
    }

    #[test]
    fn control_subjects_are_subscribed_after_the_stream() {
        let of = |subjects, prefix| {
            let asked = options(subjects, prefix).subscription(None).unwrap();
            let subjects = asked.subjects.iter().map(ToString::to_string);
            subjects.collect::<Vec<_>>()
        };
        let all = [
            "a.b.>",
            "tickdeck.end.a.b",
            "tickdeck.end.a.b.>",
            "tickdeck.ready.a.b",
            "tickdeck.ready.a.b.>",
        ];
        assert_eq!(of(&["a.b.>"], None), all);
        let narrow = ["bars.>", "tickdeck.end.a.b", "tickdeck.ready.a.b"];
        assert_eq!(of(&["bars.>"], Some("a.b")), narrow);
        assert_eq!(of(&["a.b.SHFE.*"], None), ["a.b.SHFE.*"]);
    }

    #[test]
    fn a_capture_of_a_part_misses_the_end() {
        for (subject, prefix, expected) in [
            ("a.b.SHFE.*", None, true),
            ("a.b.SHFE.*", Some("a.b"), false),
            ("a.b.*.*", None, false),
            ("a.>", None, false),
            (">", None, false),
            ("bars.>", None, false),
        ] {
            let found = options(&[subject], prefix).misses_end("a.b");
            assert_eq!(found, expected, "{subject}");
        }
    }
}
