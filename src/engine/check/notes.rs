//! Mismatches of golden and input besides the messages; they are reported first.

use serde::Serialize;

use super::golden::{Golden, GoldenLedger, GoldenPayload, GoldenSource};

/// A remark on golden and input besides the messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Whether it fails the check, even with equal messages.
    pub fails: bool,
    /// The remark.
    pub text: String,
    /// What it is about.
    pub kind: NoteKind,
}

/// What a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoteKind {
    /// The golden was made from another recording.
    OtherRecording,
    /// The golden was made from a payload stream.
    OfStream,
    /// The golden was made with another payload contract.
    Payload,
    /// The golden was made with another subject prefix.
    SubjectPrefix,
    /// The golden was made with other dropped flags.
    DroppedFlags,
    /// The ticks were accounted for in another way.
    Ledger,
    /// The golden was made by another version of the normalizer.
    Normalizer,
    /// The golden was made with another contract table.
    Contracts,
    /// The golden was made with another calendar.
    Calendar,
    /// The payload stream beside the golden is missing.
    NoStream,
    /// Fields are compared that the golden omits.
    ComparedAgain,
    /// No message has a volatile field.
    NoSuchField,
}

impl Note {
    const fn of(kind: NoteKind, fails: bool, text: String) -> Self {
        Self { fails, text, kind }
    }

    /// A declared volatile field is in no message.
    pub(super) fn no_such_field(field: &str) -> Self {
        let text = format!(
            "no message has the volatile field {field:?}: it must be a top-level key of the \
             payload; fix the name or remove the declaration"
        );
        Self::of(NoteKind::NoSuchField, false, text)
    }

    /// The stream `name` is missing.
    pub(super) fn no_stream(name: &str) -> Self {
        let text = format!(
            "the golden's payload stream {name} is missing: a difference can be located by the \
             digests only"
        );
        Self::of(NoteKind::NoStream, false, text)
    }

    /// The fields are not volatile any longer.
    pub(super) fn compared_again(fields: &[&str]) -> Self {
        let text = format!(
            "the golden was made without {}, which it no longer declares volatile",
            fields.join(", ")
        );
        Self::of(NoteKind::ComparedAgain, false, text)
    }
}

/// The mismatches of golden and input.
pub(super) fn notes(
    known: &Golden,
    source: &GoldenSource,
    payload: Option<&GoldenPayload>,
    ledger: Option<&GoldenLedger>,
) -> Vec<Note> {
    let mut notes = Vec::new();
    notes.extend(note_source(known, source));
    if let (Some(before), Some(now)) = (&known.payload, payload) {
        note_payload(&mut notes, before, now);
    }
    if let (Some(before), Some(now)) = (&known.ledger, ledger)
        && before != now
    {
        notes.push(note_ledger(before, now));
    }
    notes
}

fn note_source(known: &Golden, source: &GoldenSource) -> Option<Note> {
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
        ) if digest != digest_now || session != session_now => Some(Note::of(
            NoteKind::OtherRecording,
            true,
            format!(
                "the golden was made from another recording: session {session}, digest {digest}; \
                 this is session {session_now}, digest {digest_now}"
            ),
        )),
        (GoldenSource::Stream, GoldenSource::Recording { .. }) if !known.is_bare_stream => {
            let text = "the golden was made from a payload stream, not from a recording";
            Some(Note::of(NoteKind::OfStream, true, text.into()))
        }
        _ => None,
    }
}

fn note_ledger(before: &GoldenLedger, now: &GoldenLedger) -> Note {
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
    let text = format!(
        "the ledger of the ticks differs: {} in the golden, {} now",
        text(before),
        text(now)
    );
    Note::of(NoteKind::Ledger, true, text)
}

fn note_payload(notes: &mut Vec<Note>, before: &GoldenPayload, now: &GoldenPayload) {
    let drop = |payload: &GoldenPayload| payload.drop.join(",");
    for (kind, what, before, now) in [
        (
            NoteKind::Payload,
            "payload",
            before.kind.clone(),
            now.kind.clone(),
        ),
        (
            NoteKind::SubjectPrefix,
            "subject prefix",
            before.subject_prefix.clone(),
            now.subject_prefix.clone(),
        ),
        (
            NoteKind::DroppedFlags,
            "dropped flags",
            drop(before),
            drop(now),
        ),
    ] {
        if before != now {
            let text = format!("the golden was made with {what} {before:?}, this is {now:?}");
            notes.push(Note::of(kind, true, text));
        }
    }
    if before.normalizer != now.normalizer {
        let text = format!(
            "the golden was made by normalizer version {}, this is version {}: what it publishes \
             was changed on purpose",
            before.normalizer, now.normalizer
        );
        notes.push(Note::of(NoteKind::Normalizer, false, text));
    }
    for (kind, what, before, now) in [
        (
            NoteKind::Contracts,
            "contract table",
            &before.contracts,
            &now.contracts,
        ),
        (
            NoteKind::Calendar,
            "calendar",
            &before.calendar,
            &now.calendar,
        ),
    ] {
        if before != now {
            let text =
                format!("the golden was made with another {what}: digest {before}, now {now}");
            notes.push(Note::of(kind, false, text));
        }
    }
}
