//! Control messages of a replay: `tickdeck.{ready,clock,end}.<prefix>`.
//!
//! They stay outside the subject prefix, so that a subscriber of `<prefix>.>` receives ticks and
//! nothing else. Neither the digest nor the ledger counts them, and a captured stream leaves them
//! out. Every payload carries the [`RunId`] of its replay.
//!
//! This module knows subjects and payloads, not how they are sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tickdeck_core::time::UnixNanos;

use super::pattern::SubjectPattern;
use super::subject::RESERVED_WORD;

/// The kinds of control messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlSubject {
    /// The readiness request. Subscribers that want to be counted answer.
    Ready,
    /// The replay's time: a [`ClockStamp`].
    Clock,
    /// The replay has ended: an [`EndMarker`].
    End,
}

impl ControlSubject {
    const ALL: [Self; 3] = [Self::Ready, Self::Clock, Self::End];

    /// The word between `tickdeck` and the prefix.
    const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Clock => "clock",
            Self::End => "end",
        }
    }

    /// The subject for a replay under `prefix`. A prefix with wildcards makes a pattern.
    #[must_use]
    pub fn subject(self, prefix: &str) -> String {
        format!("{RESERVED_WORD}.{}.{prefix}", self.word())
    }

    /// The kind and the prefix of a control subject; `None` for any other subject.
    #[must_use]
    pub fn parse(subject: &str) -> Option<(Self, &str)> {
        let (reserved, rest) = subject.split_once('.')?;
        let (word, prefix) = rest.split_once('.')?;
        let control = Self::ALL
            .into_iter()
            .find(|control| control.word() == word)?;
        (reserved == RESERVED_WORD).then_some((control, prefix))
    }

    /// Whether `subject` is that of a control message of any kind.
    #[must_use]
    pub fn is_subject(subject: &[u8]) -> bool {
        str::from_utf8(subject).is_ok_and(|subject| Self::parse(subject).is_some())
    }

    /// The subjects of this kind that belong to the ticks that `pattern` matches: those of every
    /// prefix whose ticks are all in it. Empty when the pattern has only a part of a replay, such
    /// as one exchange.
    #[must_use]
    pub fn patterns_for(self, pattern: &SubjectPattern) -> Vec<SubjectPattern> {
        whole_prefixes(pattern.as_str())
            .iter()
            .filter_map(|prefix| self.subject(prefix).parse().ok())
            .collect()
    }
}

/// The prefixes, as patterns, whose ticks `<prefix>.<exchange>.<symbol>` are all matched by
/// `pattern`.
fn whole_prefixes(pattern: &str) -> Vec<String> {
    let Some(head) = pattern.strip_suffix('>') else {
        // Nothing but the tick's own two words may follow the prefix.
        return pattern
            .strip_suffix(".*.*")
            .map(str::to_owned)
            .into_iter()
            .collect();
    };
    let head = head.trim_end_matches('.');
    if head.is_empty() {
        return vec![">".to_owned()];
    }
    let shorter = head.strip_suffix(".*").map(str::to_owned);
    let longer = [head.to_owned(), format!("{head}.>")];
    shorter.into_iter().chain(longer).collect()
}

/// Identifies one run of the program. The same on every message of that run, so that a subscriber
/// recognises a marker that is delivered twice.
///
/// It is made where the program starts and passed in as a value: nothing that is published as a
/// tick depends on it. The default is unknown: copies of its markers are not recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// The id of the process `process`, started at `started`.
    #[must_use]
    pub fn of(started: UnixNanos, process: u32) -> Self {
        Self(format!("{:x}-{process:x}", started.0))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it identifies a run at all.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Payload of [`ControlSubject::Ready`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyQuestion {
    /// The run that asks.
    pub run: RunId,
}

/// Payload of [`ControlSubject::Clock`]. The key order is the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStamp {
    /// The run that is at `time`.
    pub run: RunId,
    /// RFC 3339, `+08:00`, nine digits.
    pub time: String,
}

/// The end marker: no message follows, and a summary of those before. Unknown values are null. The
/// key order is the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndMarker {
    /// The run that ended.
    pub run: RunId,
    /// Session id; several are joined with `+`.
    pub session: String,
    /// Whether everything requested was played. False if the user or a failure ended the replay
    /// before.
    pub complete: bool,
    /// Messages published, over all passes.
    pub total: Option<u64>,
    /// BLAKE3 of the payload stream, hex.
    pub digest: Option<String>,
    /// Messages per instrument, `EXCHANGE.SYMBOL` as in the subject.
    pub instruments: Option<BTreeMap<String, u64>>,
    /// Which part of the instruments the run published, `K/N`; omitted when it was all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}

/// The payload of a control message.
///
/// # Errors
/// Never, as the serializer is today.
pub fn payload(message: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(message)
}

impl EndMarker {
    /// The payload; without the counts per instrument when it would be longer than `limit` bytes
    /// with them.
    ///
    /// # Errors
    /// Never, as the serializer is today.
    pub fn payload(&self, limit: usize) -> serde_json::Result<Vec<u8>> {
        let whole = serde_json::to_vec(self)?;
        if whole.len() <= limit {
            return Ok(whole);
        }
        serde_json::to_vec(&Self {
            instruments: None,
            ..self.clone()
        })
    }

    /// The marker of the same run, of which an unknown part was not delivered.
    #[must_use]
    pub fn of_a_failed_run(self) -> Self {
        Self {
            complete: false,
            total: None,
            digest: None,
            instruments: None,
            ..self
        }
    }

    /// Reads a payload back; `None` for one that is not a marker.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::subject::{subject, validate_prefix};
    use proptest::prelude::*;
    use tickdeck_core::contract::Exchange;

    fn marker() -> EndMarker {
        EndMarker {
            run: RunId::of(UnixNanos(255), 16),
            session: "a".into(),
            complete: true,
            total: Some(3),
            digest: Some("00".into()),
            instruments: Some(BTreeMap::from([
                ("SHFE.rb2601".to_owned(), 2),
                ("DCE.m2601".to_owned(), 1),
            ])),
            partition: None,
        }
    }

    #[test]
    fn a_control_subject_reads_back() {
        for control in ControlSubject::ALL {
            let subject = control.subject("market.tick");
            assert_eq!(
                ControlSubject::parse(&subject),
                Some((control, "market.tick"))
            );
        }
        assert_eq!(ControlSubject::End.subject("a.b"), "tickdeck.end.a.b");
        for other in [
            "tickdeck.end",
            "tickdeck.ended.a",
            "tickdeck.End.a",
            "ticks.end.a",
            "a.replay.end",
        ] {
            assert_eq!(ControlSubject::parse(other), None, "{other}");
        }
    }

    #[test]
    fn no_tick_has_a_control_subject() {
        for exchange in Exchange::ALL {
            for symbol in ["end", "replay.end", "clock"] {
                let tick = subject("tickdecks.end", exchange, symbol);
                assert_eq!(ControlSubject::parse(&tick), None);
            }
        }
        assert!(validate_prefix("tickdeck.end").is_err());
    }

    #[test]
    fn a_pattern_has_the_control_subjects_of_whole_prefixes() {
        for (pattern, expected) in [
            ("a.b.>", &["tickdeck.end.a.b", "tickdeck.end.a.b.>"][..]),
            ("a.*.*", &["tickdeck.end.a"]),
            ("a.b.*.*", &["tickdeck.end.a.b"]),
            (">", &["tickdeck.end.>"]),
            ("*.>", &["tickdeck.end.*", "tickdeck.end.*.>"]),
            (
                "a.*.>",
                &["tickdeck.end.a", "tickdeck.end.a.*", "tickdeck.end.a.*.>"],
            ),
            ("a.SHFE.*", &[]),
            ("a.*.rb2601", &[]),
            ("a.b", &[]),
            ("*.*", &[]),
        ] {
            let pattern = pattern.parse().unwrap();
            let found = ControlSubject::End.patterns_for(&pattern);
            let found: Vec<&str> = found.iter().map(SubjectPattern::as_str).collect();
            assert_eq!(found, expected, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn prop_control_patterns_belong_to_whole_prefixes(
            pattern in "([ab*]\\.){0,3}[ab*>]",
            prefix in "([ab]\\.){0,3}[ab]",
        ) {
            let pattern: SubjectPattern = pattern.parse().unwrap();
            let end = ControlSubject::End.subject(&prefix);
            let is_asked = ControlSubject::End.patterns_for(&pattern).iter().any(|p| p.matches(&end));
            let is_whole = pattern.matches(&format!("{prefix}.SHFE.x"));
            prop_assert_eq!(is_asked, is_whole, "{} {}", pattern, prefix);
        }
    }

    #[test]
    fn the_marker_has_its_keys_in_order() {
        let payload = marker().payload(1000).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&payload),
            r#"{"run":"ff-10","session":"a","complete":true,"total":3,"digest":"00","instruments":{"DCE.m2601":1,"SHFE.rb2601":2}}"#
        );
        assert_eq!(EndMarker::parse(&payload), Some(marker()));
        assert_eq!(EndMarker::parse(b"goodbye"), None);
    }

    #[test]
    fn a_long_marker_leaves_out_the_instruments() {
        let length = marker().payload(1000).unwrap().len();
        let short = marker().payload(length - 1).unwrap();
        let expected = EndMarker {
            instruments: None,
            ..marker()
        };
        assert_eq!(EndMarker::parse(&short), Some(expected));
        assert_eq!(marker().payload(length).unwrap().len(), length);
    }
}
