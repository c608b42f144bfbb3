//! The result of a capture, as text and as JSON.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde::Serialize;
use tickdeck::capture::{CaptureFinding, Ended, Flaws, Tally};

use crate::args::{CaptureArgs, OutputTarget};
use crate::log;
use crate::outcome::{Outcome, stdout};
use crate::render::{bytes, grouped};

/// Subjects that are named one by one.
const NAMED: usize = 10;

/// The word for machines.
const fn word(ended: &Ended) -> &'static str {
    match ended {
        Ended::End => "end",
        Ended::NoMessage => "first_message_timeout",
        Ended::Idle => "idle",
        Ended::Count => "count",
        Ended::Duration => "duration",
        Ended::Signal => "signal",
        Ended::Lost(_) => "lost",
    }
}

/// The text form.
const fn text(ended: &Ended) -> &'static str {
    match ended {
        Ended::End => "with the replay",
        Ended::NoMessage => "because no message arrived for --first-message-timeout",
        Ended::Idle => "because no message arrived for --idle",
        Ended::Count => "after --count messages",
        Ended::Duration => "after --duration",
        Ended::Signal => "by a signal",
        Ended::Lost(_) => "because the server was lost",
    }
}

/// How a stream was compared with the end marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum VerifiedBy {
    /// Every byte, in order.
    Digest,
    /// The number of messages of each instrument.
    Counts,
}

/// The closing summary of `capture`. The key order is the order of the fields.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    messages: u64,
    /// Bytes of the payloads.
    bytes: u64,
    subjects: usize,
    digest: String,
    ended: &'static str,
    /// Null without an end marker, as are the next three.
    session: Option<String>,
    complete: Option<bool>,
    verified: Option<bool>,
    expected: Option<u64>,
    missing: BTreeMap<String, u64>,
    extra: BTreeMap<String, u64>,
    unwritable: u64,
    gaps: u64,
    elapsed_s: f64,
    /// Null when nothing was verified.
    verified_by: Option<VerifiedBy>,
    /// Messages under the prefix of a replay after its last end marker; null without a marker.
    after_end: Option<u64>,
    #[serde(skip)]
    ended_text: &'static str,
    #[serde(skip)]
    has_failed_replay: bool,
    #[serde(skip)]
    finding: CaptureFinding,
}

impl Report {
    pub(super) fn new(tally: &Tally, ended: &Ended, flaws: Flaws, elapsed_ns: i64) -> Self {
        let verdict = tally.verdict().clone();
        Self {
            messages: tally.messages(),
            bytes: tally.bytes(),
            subjects: tally.subjects(),
            digest: tally.digest(),
            ended: word(ended),
            has_failed_replay: verdict.has_failed_replay,
            finding: tally.finding(flaws),
            session: verdict.session,
            complete: verdict.complete,
            verified: verdict.verified,
            expected: verdict.expected,
            missing: verdict.missing,
            extra: verdict.extra,
            unwritable: flaws.unwritable,
            gaps: flaws.gaps,
            elapsed_s: seconds(elapsed_ns),
            verified_by: verdict.exact.map(|is_exact| {
                if is_exact {
                    VerifiedBy::Digest
                } else {
                    VerifiedBy::Counts
                }
            }),
            after_end: tally.after_end(),
            ended_text: text(ended),
        }
    }

    /// How the verb ends.
    pub(super) fn outcome(&self, allow_empty: bool) -> Outcome {
        if self.messages == 0 && !allow_empty {
            tracing::warn!(
                event = "nothing_captured",
                "no message came, so no file was made: check the subjects, and that the publisher \
                 uses this server and account; --allow-empty accepts that"
            );
            return Outcome::Lossy;
        }
        match self.finding {
            CaptureFinding::Lossy => Outcome::Lossy,
            CaptureFinding::Different => Outcome::Difference,
            CaptureFinding::Empty | CaptureFinding::Intact => Outcome::Done,
        }
    }

    /// JSON on stdout, or text on stdout, or on stderr when stdout carries the stream.
    pub(super) fn print(&self, args: &CaptureArgs) -> anyhow::Result<()> {
        if args.output == OutputTarget::Stdout {
            log::print(&self.text());
            return Ok(());
        }
        let mut out = stdout();
        if args.json.json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
        } else {
            out.write_all(self.text().as_bytes())?;
        }
        out.flush()?;
        Ok(())
    }

    fn text(&self) -> String {
        let mut lines = vec![
            ("messages", grouped(self.messages)),
            ("payloads", bytes(self.bytes)),
            ("subjects", grouped(self.subjects as u64)),
            ("digest", self.digest.clone()),
            ("ended", self.ended_text.to_owned()),
        ];
        if let Some(session) = &self.session {
            let how = match (self.has_failed_replay, self.complete) {
                (true, _) => " (failed: what it published is not known)",
                (false, Some(false)) => " (stopped early)",
                (false, _) => "",
            };
            lines.push(("replay", format!("{session}{how}")));
        }
        if let Some(text) = self.verified_text() {
            lines.push(("verified", text));
        }
        for (name, counts) in [("missing", &self.missing), ("extra", &self.extra)] {
            for (subject, count) in counts.iter().take(NAMED) {
                lines.push((name, format!("{} {subject}", grouped(*count))));
            }
            if let Some(more @ 1..) = counts.len().checked_sub(NAMED) {
                let rest: u64 = counts.values().skip(NAMED).sum();
                let text = format!(
                    "{} on {} more subjects",
                    grouped(rest),
                    grouped(more as u64)
                );
                lines.push((name, text));
            }
        }
        if let Some(behind @ 1..) = self.after_end {
            let text = format!(
                "{} arrived after the last end marker, which does not cover them",
                grouped(behind)
            );
            lines.push(("after end", text));
        }
        if self.unwritable > 0 {
            let text = format!(
                "{} left out: they cannot be written as lines, see the log",
                grouped(self.unwritable)
            );
            lines.push(("unwritable", text));
        }
        if self.gaps > 0 {
            lines.push((
                "gaps",
                format!(
                    "{}: messages may be missing, see the log",
                    grouped(self.gaps)
                ),
            ));
        }
        lines.push(("elapsed", format!("{:.3} s", self.elapsed_s)));
        lines
            .into_iter()
            .map(|(name, value)| format!("{name:<10} {value}\n"))
            .collect()
    }

    fn verified_text(&self) -> Option<String> {
        let expected = grouped(self.expected?);
        Some(match self.verified? {
            true if self.verified_by == Some(VerifiedBy::Digest) => {
                format!("yes, all {expected} messages arrived, byte for byte and in order")
            }
            true => format!("yes, all {expected} messages arrived (by count)"),
            false if self.missing.is_empty() && self.extra.is_empty() => {
                format!("no: all {expected} messages arrived, in another order or with other bytes")
            }
            false => format!("no: {expected} messages were published"),
        })
    }
}

/// Nanoseconds as seconds, to the microsecond.
fn seconds(nanos: i64) -> f64 {
    // Below 2^53 microseconds (285 years) the conversion is exact.
    #[expect(clippy::cast_precision_loss, reason = "a measurement, see above")]
    let micros = (nanos / 1_000) as f64;
    micros / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck::encode::control::{EndMarker, RunId};

    /// A capture of two messages, compared with a marker.
    fn report(instruments: &[(&str, u64)], complete: bool, flaws: Flaws) -> Report {
        let mut tally = Tally::new(vec!["t.>".parse().unwrap()]);
        tally.add("t.SHFE.rb2601", b"{}");
        tally.add("t.SHFE.au2602", b"{\"x\":1}");
        let counts = instruments.iter().map(|(id, n)| ((*id).to_owned(), *n));
        tally.verify(
            "t",
            &EndMarker {
                run: RunId::default(),
                session: "2026-01-05-day".into(),
                complete,
                total: Some(instruments.iter().map(|(_, count)| count).sum()),
                digest: Some(tally.digest()),
                instruments: Some(counts.collect()),
                partition: None,
            },
        );
        Report::new(&tally, &Ended::End, flaws, 1_234_567_891)
    }

    #[test]
    fn a_capture_that_is_complete_reads_as_reviewed() {
        let report = report(
            &[("SHFE.au2602", 1), ("SHFE.rb2601", 1)],
            true,
            Flaws::default(),
        );
        assert_eq!(report.outcome(false), Outcome::Done);
        insta::assert_snapshot!(report.text());
    }

    #[test]
    fn a_capture_with_losses_reads_as_reviewed() {
        let mut instruments = vec![("SHFE.rb2601", 1_001)];
        let ids: Vec<String> = (10..22).map(|i| format!("DCE.m26{i}")).collect();
        instruments.extend(ids.iter().map(|id| (id.as_str(), 7)));
        let flaws = Flaws {
            unwritable: 2,
            gaps: 2,
        };
        let report = report(&instruments, false, flaws);
        assert_eq!(report.outcome(false), Outcome::Lossy);
        insta::assert_snapshot!(report.text());
    }

    #[test]
    fn messages_after_the_marker_are_reported() {
        let mut tally = Tally::new(vec!["t.>".parse().unwrap()]);
        let nothing = EndMarker {
            run: RunId::default(),
            session: "s".into(),
            complete: true,
            total: Some(0),
            digest: Some(tally.digest()),
            instruments: Some(BTreeMap::new()),
            partition: None,
        };
        tally.verify("t", &nothing);
        let text = |tally: &Tally| Report::new(tally, &Ended::Signal, Flaws::default(), 0).text();
        assert!(!text(&tally).contains("after end"));
        tally.add("t.SHFE.rb2601", b"{}");
        let text = text(&tally);
        assert!(text.contains("\nafter end  1 arrived after"), "{text}");
    }

    #[test]
    fn a_stream_with_too_much_is_a_difference() {
        let report = report(&[("SHFE.rb2601", 1)], true, Flaws::default());
        assert_eq!(report.outcome(false), Outcome::Difference);
        assert!(report.text().contains("extra      1 t.SHFE.au2602\n"));
    }
}
