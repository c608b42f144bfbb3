//! Which flag resolves what a check reports. The library says what is wrong, not how to run it.

use tickdeck::check::{CannotTell, CheckError, Checked, NoteKind, TakenBy, Verdict};

use crate::args::PublishingArgs;
use crate::inputs::{INTACT_ONLY, damaged, reference_error};
use crate::outcome::UsageError;

/// Names the flags in the notes of a check, which was given `args`. `is_misnamed` says that the golden
/// is probably the wrong one. What was accepted needs no advice.
pub(super) fn complete(checked: &mut Checked, args: &PublishingArgs, is_misnamed: bool) {
    if matches!(checked.verdict, Verdict::Made | Verdict::Updated) {
        return;
    }
    for note in &mut checked.notes {
        let advice = match note.kind {
            NoteKind::OtherRecording if is_misnamed => "; --golden probably names the wrong golden",
            NoteKind::OtherRecording => "; give --update to accept it",
            NoteKind::OfStream => "; give --update to accept the recording",
            NoteKind::Payload => ": leave --payload out to check, or give --update to accept it",
            NoteKind::SubjectPrefix => {
                ": leave --subject-prefix out to check, or give --update to accept it"
            }
            NoteKind::DroppedFlags => ": leave --drop out to check, or give --update to accept it",
            NoteKind::Contracts if args.contracts.is_none() && args.products.is_none() => {
                ": if it was made with a file of --contracts or --products, give the same file"
            }
            NoteKind::Calendar if args.calendar.is_none() => {
                ": if it was made with a file of --calendar, give the same file"
            }
            NoteKind::ComparedAgain => ": give --update to recreate it with what is compared now",
            _ => "",
        };
        note.text.push_str(advice);
    }
}

/// Names the flags in an error of a check or a comparison. Such an error is bad usage.
pub(crate) fn explained(error: CheckError) -> anyhow::Error {
    let error = match error {
        CheckError::Reference(error) => return reference_error(error),
        CheckError::Nats(error) => return error.into(),
        error => error,
    };
    if let CheckError::DamagedRecording { findings } = &error
        && let Some(damaged) = damaged(findings, INTACT_ONLY)
    {
        return damaged.into();
    }
    let advice = match &error {
        CheckError::GoldenInside { .. } => " with --golden".to_owned(),
        CheckError::NoGolden { .. } => ": give --update to create it".to_owned(),
        CheckError::NotAGolden { .. } | CheckError::ForeignStream { .. } => {
            " and give --update to recreate both".to_owned()
        }
        CheckError::UnreadableStream { .. } => ", or give --update to recreate them".to_owned(),
        CheckError::TakenPlace { by, .. } => match by {
            TakenBy::Input => ": name another golden with --golden".to_owned(),
            TakenBy::OtherFile => ": remove that, or name another golden with --golden".to_owned(),
        },
        CheckError::Unfinished {
            path,
            is_being_written: true,
        } => format!(
            ": wait for its end, or copy what is there with `tickdeck slice {} -o NEW`",
            path.display()
        ),
        CheckError::Unfinished { path, .. } => {
            format!(": `tickdeck recover {}` finishes it", path.display())
        }
        CheckError::GoldenCannotTell { reason, .. } => of_golden(reason).to_owned(),
        _ => return error.into(),
    };
    UsageError::new(format!("{error}{advice}")).into()
}

const fn of_golden(reason: &CannotTell) -> &'static str {
    match reason {
        CannotTell::NameOfInput => {
            ": choose another name with --golden, for example NAME.golden.json"
        }
        CannotTell::IsStream => {
            ": give --update with another --golden, or replay the recording into it again"
        }
        CannotTell::OfRecording => {
            ": give --update with the recording; a captured stream can be compared with it but \
             not accepted"
        }
        CannotTell::FieldsUnknown => {
            ": give --update to accept every change, with a larger --stream-limit to keep the \
             stream from then on"
        }
        CannotTell::OtherFieldsLeftOut => ": give --update to recreate the digests",
        _ => "",
    }
}
