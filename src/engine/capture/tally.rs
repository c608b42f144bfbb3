//! Counts and digest of a captured stream, and the comparison with end markers.
//!
//! A marker covers its own replay: the messages under its prefix since the previous marker. Where
//! only some subjects are captured, their counts are compared. The digest is compared as well when
//! the capture has everything that the replay published and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::encode::control::EndMarker;
use crate::nats::SubjectPattern;
use crate::sink::{MessageRef, StreamDigest};

/// The running counts of a capture.
#[derive(Debug)]
pub struct Tally {
    patterns: Vec<SubjectPattern>,
    messages: u64,
    bytes: u64,
    /// Every subject so far, with its messages since the last end marker of its prefix.
    subjects: BTreeMap<String, u64>,
    digest: StreamDigest,
    /// Digest of what came since the last marker; `None` before the first, when it is the same.
    section: Option<StreamDigest>,
    /// Prefixes that an end marker came under.
    ended: BTreeSet<String>,
    verdict: Verdict,
}

/// What the end markers say about a captured stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Session of the replay that ended; several are joined with `+`.
    pub session: Option<String>,
    /// Whether it played everything requested. With several, whether all did.
    pub complete: Option<bool>,
    /// Whether the stream is what was published; `None` when that is unknown.
    pub verified: Option<bool>,
    /// Whether order and bytes were compared too, not only counts.
    pub exact: Option<bool>,
    /// Messages that were published.
    pub expected: Option<u64>,
    /// Messages that did not arrive, by subject.
    pub missing: BTreeMap<String, u64>,
    /// Surplus messages, by subject.
    pub extra: BTreeMap<String, u64>,
    /// Whether a replay failed and does not know what it published.
    pub has_failed_replay: bool,
}

/// What keeps a stream from being all that came, or all that was published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flaws {
    /// Messages that no line can hold.
    pub unwritable: u64,
    /// Times that messages may be missing.
    pub gaps: u64,
}

impl Tally {
    /// Nothing captured yet of `patterns`.
    #[must_use]
    pub fn new(patterns: Vec<SubjectPattern>) -> Self {
        Self {
            patterns,
            messages: 0,
            bytes: 0,
            subjects: BTreeMap::new(),
            digest: StreamDigest::new(),
            section: None,
            ended: BTreeSet::new(),
            verdict: Verdict::default(),
        }
    }

    /// Counts a message of the stream.
    pub fn add(&mut self, subject: &str, payload: &[u8]) {
        let message = MessageRef {
            subject: subject.as_bytes(),
            payload,
        };
        self.digest.update_message(message);
        if let Some(section) = &mut self.section {
            section.update_message(message);
        }
        self.messages += 1;
        self.bytes += payload.len() as u64;
        match self.subjects.get_mut(subject) {
            Some(count) => *count += 1,
            None => {
                self.subjects.insert(subject.to_owned(), 1);
            }
        }
    }

    /// Messages so far.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of their payloads.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Subjects so far.
    #[must_use]
    pub fn subjects(&self) -> usize {
        self.subjects.len()
    }

    /// Digest of the whole stream so far, hex.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest.hex()
    }

    /// What the markers so far say.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether messages are missing from the stream, or may be: an end marker says so, or one of its
    /// flaws does.
    fn is_lossy(&self, flaws: Flaws) -> bool {
        self.verdict.is_lossy() || flaws.unwritable > 0 || flaws.gaps > 0
    }

    /// What the capture shows. Lost messages take precedence over a stream that differs: they may be
    /// the reason.
    #[must_use]
    pub fn finding(&self, flaws: Flaws) -> CaptureFinding {
        match (self.is_lossy(flaws), self.verdict.verified) {
            (true, _) => CaptureFinding::Lossy,
            (false, Some(false)) => CaptureFinding::Different,
            (false, _) if self.messages() == 0 => CaptureFinding::Empty,
            (false, _) => CaptureFinding::Intact,
        }
    }

    /// Messages under the prefix of a replay after its last end marker, which no marker covers.
    /// `None` before the first marker.
    #[must_use]
    pub fn after_end(&self) -> Option<u64> {
        let is_ended = |subject: &str| self.ended.iter().any(|prefix| is_below(subject, prefix));
        let behind = self
            .subjects
            .iter()
            .filter(|(subject, _)| is_ended(subject));
        (!self.ended.is_empty()).then(|| behind.map(|(_, count)| count).sum())
    }

    /// Compares what came since the previous marker with what the replay under `prefix` says it
    /// published, and begins the next section.
    pub fn verify(&mut self, prefix: &str, marker: &EndMarker) {
        let digest = self.section.as_ref().unwrap_or(&self.digest).hex();
        let (arrived, is_alone) = self.take_section(prefix);
        self.section = Some(StreamDigest::new());
        self.ended.insert(prefix.to_owned());
        let mut found = self.compare(prefix, marker, &arrived);
        let sees_all = found.expected.is_some() && found.expected == marker.total;
        found.exact = found.verified.map(|_| false);
        if let (true, Some(published)) = (is_alone && sees_all, &marker.digest) {
            found.exact = Some(true);
            found.verified = Some(found.verified == Some(true) && *published == digest);
        }
        self.verdict.add(found);
    }

    /// Counts of what came under `prefix` since its last marker, and whether nothing else came.
    fn take_section(&mut self, prefix: &str) -> (BTreeMap<String, u64>, bool) {
        let mut arrived = BTreeMap::new();
        let mut is_alone = true;
        for (subject, count) in self.subjects.iter_mut().filter(|(_, count)| **count > 0) {
            if is_below(subject, prefix) {
                arrived.insert(subject.clone(), std::mem::take(count));
            } else {
                is_alone = false;
            }
        }
        (arrived, is_alone)
    }

    fn compare(
        &self,
        prefix: &str,
        marker: &EndMarker,
        arrived: &BTreeMap<String, u64>,
    ) -> Verdict {
        let mut found = Verdict {
            session: Some(marker.session.clone()),
            complete: Some(marker.complete),
            has_failed_replay: marker.total.is_none(),
            ..Verdict::default()
        };
        let Some(total) = marker.total else {
            return found;
        };
        let Some(instruments) = &marker.instruments else {
            // Only the total is known, which helps when all of it was captured.
            if self.patterns.iter().any(|p| p.covers_below(prefix)) {
                let all = format!("{prefix}.>");
                found.compare_subject(&all, total, arrived.values().sum());
                found.conclude();
            }
            return found;
        };
        let mut is_concerned = instruments.is_empty();
        for (tail, published) in instruments {
            let subject = format!("{prefix}.{tail}");
            if self
                .patterns
                .iter()
                .any(|pattern| pattern.matches(&subject))
            {
                is_concerned = true;
                let came = arrived.get(&subject).copied().unwrap_or(0);
                found.compare_subject(&subject, *published, came);
            }
        }
        if is_concerned {
            let published = |subject: &str| {
                let tail = subject.get(prefix.len() + 1..).unwrap_or_default();
                instruments.contains_key(tail)
            };
            for (subject, count) in arrived.iter().filter(|(subject, _)| !published(subject)) {
                found.compare_subject(subject, 0, *count);
            }
            found.conclude();
        }
        found
    }
}

fn is_below(subject: &str, prefix: &str) -> bool {
    subject
        .strip_prefix(prefix)
        .is_some_and(|tail| tail.starts_with('.'))
}

/// What a capture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureFinding {
    /// Messages are missing, or may be.
    Lossy,
    /// All messages came, and others or in another order.
    Different,
    /// No message came, and none is known to be missing.
    Empty,
    /// Messages came, and no flaw is known.
    Intact,
}

impl Verdict {
    /// Whether something that was published is not in the stream.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.has_failed_replay || !self.missing.is_empty()
    }

    /// Compares what came on a subject with what was published on it.
    fn compare_subject(&mut self, subject: &str, published: u64, came: u64) {
        *self.expected.get_or_insert(0) += published;
        for (counts, difference) in [
            (&mut self.missing, published.saturating_sub(came)),
            (&mut self.extra, came.saturating_sub(published)),
        ] {
            if difference > 0 {
                counts.insert(subject.to_owned(), difference);
            }
        }
    }

    /// The counts are complete.
    fn conclude(&mut self) {
        self.expected.get_or_insert(0);
        self.verified = Some(self.missing.is_empty() && self.extra.is_empty());
    }

    /// Joins the verdict on the next replay.
    fn add(&mut self, next: Self) {
        self.session = match (self.session.take(), next.session) {
            (Some(before), Some(next)) => Some(format!("{before}+{next}")),
            (before, next) => before.or(next),
        };
        self.complete = all(self.complete, next.complete);
        self.verified = all(self.verified, next.verified);
        self.exact = all(self.exact, next.exact);
        self.expected = match (self.expected, next.expected) {
            (Some(before), Some(next)) => Some(before + next),
            (before, next) => before.or(next),
        };
        for (counts, more) in [
            (&mut self.missing, next.missing),
            (&mut self.extra, next.extra),
        ] {
            for (subject, count) in more {
                *counts.entry(subject).or_insert(0) += count;
            }
        }
        self.has_failed_replay |= next.has_failed_replay;
    }
}

/// False when one is false; nothing known adds nothing.
fn all(before: Option<bool>, next: Option<bool>) -> Option<bool> {
    match (before, next) {
        (Some(before), Some(next)) => Some(before && next),
        (before, next) => before.or(next),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encode::control::RunId;

    const RB: &str = "t.SHFE.rb2601";
    const IF: &str = "t.CFFEX.IF2601";

    fn tally(pattern: &str) -> Tally {
        Tally::new(vec![pattern.parse().unwrap()])
    }

    /// A marker for these messages, as a publisher under `t` makes it.
    fn marker(messages: &[(&str, &str)]) -> EndMarker {
        let mut digest = StreamDigest::new();
        let mut instruments = BTreeMap::new();
        for (subject, payload) in messages {
            digest.update_message(MessageRef {
                subject: subject.as_bytes(),
                payload: payload.as_bytes(),
            });
            *instruments.entry(subject[2..].to_owned()).or_insert(0) += 1;
        }
        EndMarker {
            run: RunId::default(),
            session: "s".into(),
            complete: true,
            total: Some(messages.len() as u64),
            digest: Some(digest.hex()),
            instruments: Some(instruments),
            partition: None,
        }
    }

    fn add(tally: &mut Tally, messages: &[(&str, &str)]) {
        for (subject, payload) in messages {
            tally.add(subject, payload.as_bytes());
        }
    }

    const STREAM: [(&str, &str); 4] = [(RB, "1"), (IF, "2"), (RB, "3"), (IF, "4")];

    fn verdict(pattern: &str, arrived: &[(&str, &str)], marker: &EndMarker) -> Verdict {
        let mut tally = tally(pattern);
        add(&mut tally, arrived);
        tally.verify("t", marker);
        tally.verdict().clone()
    }

    #[test]
    fn a_stream_that_is_complete_is_verified() {
        let marker = marker(&STREAM);
        let mut tally = tally("t.>");
        add(&mut tally, &STREAM);
        assert_eq!(tally.verdict().verified, None);
        tally.verify("t", &marker);
        assert_eq!(tally.verdict().verified, Some(true));
        assert_eq!(tally.verdict().exact, Some(true));
        assert_eq!(tally.verdict().expected, Some(4));
        assert_eq!(Some(tally.digest()), marker.digest);
        assert_eq!(
            (tally.messages(), tally.bytes(), tally.subjects()),
            (4, 4, 2)
        );
    }

    #[test]
    fn missing_and_surplus_are_named_by_subject() {
        let marker = marker(&STREAM);
        let found = verdict("t.>", &[STREAM[0], STREAM[2], STREAM[3]], &marker);
        assert_eq!(found.missing, BTreeMap::from([(IF.to_owned(), 1)]));
        assert_eq!((found.verified, found.is_lossy()), (Some(false), true));
        let twice = [&STREAM[..], &[STREAM[3], ("t.DCE.m2601", "5")]].concat();
        let found = verdict("t.>", &twice, &marker);
        let extra = BTreeMap::from([(IF.to_owned(), 1), ("t.DCE.m2601".to_owned(), 1)]);
        assert_eq!(found.extra, extra);
        assert_eq!((found.verified, found.is_lossy()), (Some(false), false));
    }

    #[test]
    fn other_order_or_bytes_are_no_loss() {
        let marker = marker(&STREAM);
        let swapped = [STREAM[1], STREAM[0], STREAM[2], STREAM[3]];
        let changed = [STREAM[0], STREAM[1], STREAM[2], (IF, "5")];
        for arrived in [swapped, changed] {
            let found = verdict("t.>", &arrived, &marker);
            assert_eq!((found.verified, found.is_lossy()), (Some(false), false));
        }
    }

    #[test]
    fn a_part_is_compared_by_its_own_counts() {
        let marker = marker(&STREAM);
        let found = verdict(RB, &[STREAM[0], STREAM[2]], &marker);
        assert_eq!((found.verified, found.expected), (Some(true), Some(2)));
        assert_eq!(found.exact, Some(false));
        let found = verdict(RB, &[STREAM[0]], &marker);
        assert_eq!(found.missing, BTreeMap::from([(RB.to_owned(), 1)]));
        // Messages of another service are not compared.
        let found = verdict("bars.>", &[("bars.rb2601", "1")], &marker);
        assert_eq!((found.verified, found.expected), (None, None));
        let beside = [&STREAM[..], &[("bars.rb2601", "1")]].concat();
        assert_eq!(verdict(">", &beside, &marker).verified, Some(true));
    }

    #[test]
    fn total_and_digest_suffice() {
        let marker = EndMarker {
            instruments: None,
            ..marker(&STREAM)
        };
        assert_eq!(verdict("t.>", &STREAM, &marker).verified, Some(true));
        let found = verdict("t.>", &STREAM[..3], &marker);
        assert_eq!(found.missing, BTreeMap::from([("t.>".to_owned(), 1)]));
        assert_eq!(verdict(RB, &STREAM[..1], &marker).verified, None);
    }

    #[test]
    fn a_replay_that_failed_verifies_nothing() {
        let marker = EndMarker {
            complete: false,
            total: None,
            digest: None,
            instruments: None,
            ..marker(&[])
        };
        let found = verdict("t.>", &STREAM, &marker);
        assert_eq!((found.verified, found.complete), (None, Some(false)));
        assert!(found.is_lossy());
    }

    #[test]
    fn a_marker_and_every_flaw_can_make_a_stream_lossy() {
        let unwritable = Flaws {
            unwritable: 1,
            gaps: 0,
        };
        let gap = Flaws {
            unwritable: 0,
            gaps: 1,
        };
        let mut tally = tally("t.>");
        add(&mut tally, &STREAM);
        let found = [Flaws::default(), unwritable, gap].map(|flaws| tally.finding(flaws));
        let lossy = CaptureFinding::Lossy;
        assert_eq!(found, [CaptureFinding::Intact, lossy, lossy]);
        tally.verify("t", &marker(&[STREAM[0], ("t.DCE.m2601", "5")]));
        assert_eq!(tally.finding(Flaws::default()), lossy);
    }

    #[test]
    fn a_capture_of_nothing_is_empty_unless_something_was_published() {
        let mut tally = tally("t.>");
        assert_eq!(tally.finding(Flaws::default()), CaptureFinding::Empty);
        tally.verify("t", &marker(&[]));
        assert_eq!(tally.finding(Flaws::default()), CaptureFinding::Empty);
        tally.verify("t", &marker(&STREAM));
        assert_eq!(tally.finding(Flaws::default()), CaptureFinding::Lossy);
    }

    #[test]
    fn an_empty_replay_is_verified_by_an_empty_stream() {
        assert_eq!(verdict("t.>", &[], &marker(&[])).verified, Some(true));
        assert_eq!(verdict("t.>", &STREAM, &marker(&[])).verified, Some(false));
    }

    #[test]
    fn each_marker_covers_its_own_replay() {
        let marker = marker(&STREAM);
        let mut tally = tally("t.>");
        for _ in 0..2 {
            add(&mut tally, &STREAM);
            tally.verify("t", &marker);
        }
        let found = tally.verdict();
        assert_eq!((found.verified, found.expected), (Some(true), Some(8)));
        assert_eq!(found.session.as_deref(), Some("s+s"));
        add(&mut tally, &STREAM[1..]);
        tally.verify("t", &marker);
        assert_eq!(tally.verdict().verified, Some(false));
        assert_eq!(
            tally.verdict().missing,
            BTreeMap::from([(RB.to_owned(), 1)])
        );
    }

    #[test]
    fn messages_after_the_marker_are_counted_apart() {
        let marker = marker(&STREAM);
        let mut tally = tally(">");
        add(&mut tally, &STREAM);
        assert_eq!(tally.after_end(), None);
        for behind in 0..3 {
            tally.verify("t", &marker);
            assert_eq!(tally.after_end(), Some(0));
            add(&mut tally, &STREAM[..behind]);
            // No replay of this prefix has ended.
            tally.add("bars.rb2601", b"1");
            assert_eq!(tally.after_end(), Some(behind as u64));
            add(&mut tally, &STREAM[behind..]);
        }
        let found = tally.verdict();
        assert_eq!((found.verified, found.expected), (Some(true), Some(12)));
        // Another replay ends: its marker is none of theirs.
        tally.verify(
            "u",
            &EndMarker {
                instruments: Some(BTreeMap::new()),
                total: Some(0),
                ..marker
            },
        );
        assert_eq!(tally.after_end(), Some(4));
    }

    #[test]
    fn a_prefix_ends_at_a_dot() {
        let mut tally = tally(">");
        add(&mut tally, &STREAM);
        tally.add("tt.SHFE.rb2601", b"x");
        tally.verify("t", &marker(&STREAM));
        assert_eq!(tally.verdict().verified, Some(true));
    }

    proptest! {
        #[test]
        fn prop_every_lost_message_is_found(
            stream in proptest::collection::vec((0_usize..3, "[a-z]{0,3}"), 1..20),
            lost in any::<proptest::sample::Index>(),
        ) {
            let subjects = [RB, IF, "t.DCE.m2601"];
            let mut messages: Vec<(&str, &str)> =
                stream.iter().map(|(i, text)| (subjects[*i], text.as_str())).collect();
            let marker = marker(&messages);
            prop_assert_eq!(verdict("t.>", &messages, &marker).verified, Some(true));
            let (subject, _) = messages.remove(lost.index(messages.len()));
            let found = verdict("t.>", &messages, &marker);
            prop_assert_eq!(found.verified, Some(false));
            prop_assert_eq!(found.missing, BTreeMap::from([(subject.to_owned(), 1)]));
        }
    }
}
