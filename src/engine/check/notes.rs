//! Mismatches of golden and input besides the messages; they are reported first.

use serde::Serialize;

use super::golden::{Golden, GoldenLedger, GoldenPayload, GoldenSource};

/// A remark on golden and input besides the messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Whether it fails the check, even with equal messages.
    pub fails: bool,
    /// The remark and the remedy.
    pub text: String,
}

/// The mismatches of golden and input.
pub(super) fn notes(
    known: &Golden,
    source: &GoldenSource,
    payload: Option<&GoldenPayload>,
    ledger: Option<&GoldenLedger>,
) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |fails: bool, text: String| notes.push(Note { fails, text });
    match (&known.source, source) {
        (
            GoldenSource::Recording {
                session, digest, ..
            },
            GoldenSource::Recording {
                session: session_now,
                digest: digest_now,
                ..
            },
        ) => {
            if digest != digest_now || session != session_now {
                note(
                    true,
                    format!(
                        "the golden was made from another recording: session {session}, digest \
                         {digest}; this is session {session_now}, digest {digest_now}; give \
                         --update to accept it"
                    ),
                );
            }
        }
        (GoldenSource::Stream, _) if known.is_bare_stream => {}
        (GoldenSource::Stream, GoldenSource::Recording { .. }) => note(
            true,
            "the golden was made from a payload stream, not from a recording; give --update to \
             accept the recording"
                .into(),
        ),
        (_, GoldenSource::Stream) => {}
    }
    if let (Some(before), Some(now)) = (&known.payload, payload) {
        note_payload(&mut note, before, now);
    }
    if let (Some(before), Some(now)) = (&known.ledger, ledger)
        && before != now
    {
        let text = |ledger: &GoldenLedger| {
            let rejected = ledger.rejected.iter();
            let rejected: Vec<_> = rejected.map(|(why, n)| format!("{n} {why}")).collect();
            format!(
                "{} received, rejected [{}], {} filtered",
                ledger.received,
                rejected.join(", "),
                ledger.filtered
            )
        };
        note(
            true,
            format!(
                "the ledger of the ticks differs: {} in the golden, {} now",
                text(before),
                text(now)
            ),
        );
    }
    notes
}

fn note_payload(note: &mut impl FnMut(bool, String), before: &GoldenPayload, now: &GoldenPayload) {
    for (what, flag, before, now) in [
        ("payload", "--payload", &before.kind, &now.kind),
        (
            "subject prefix",
            "--subject-prefix",
            &before.subject_prefix,
            &now.subject_prefix,
        ),
        (
            "dropped flags",
            "--drop",
            &before.drop.join(","),
            &now.drop.join(","),
        ),
    ] {
        if before != now {
            note(
                true,
                format!(
                    "the golden was made with {what} {before:?}, this is {now:?}: leave {flag} out \
                     to check, or give --update to accept it"
                ),
            );
        }
    }
    if before.normalizer != now.normalizer {
        note(
            false,
            format!(
                "the golden was made by normalizer version {}, this is version {}: what it \
                 publishes was changed on purpose",
                before.normalizer, now.normalizer
            ),
        );
    }
    for (what, before, now) in [
        ("contract table", &before.contracts, &now.contracts),
        ("calendar", &before.calendar, &now.calendar),
    ] {
        if before != now {
            note(
                false,
                format!("the golden was made with another {what}: digest {before}, now {now}"),
            );
        }
    }
}
