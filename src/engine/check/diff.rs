//! Two recordings, two payload streams, or one recording published in two ways.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tickdeck_recording::Recording;

use super::batch::read_twice;
use super::compare::compare_without;
use super::comparison::Comparison;
use super::error::CheckError;
use super::examine::DEFAULT_DIFFERENCES;
use super::input::{open_recording, refuse_damage};
use super::marks::Alignment;
use super::messages::{Messages, PublishedMessages, RawMessages};
use super::publishing::Publishing;
use super::servers::Servers;
use super::stream::{InputKind, input_kind};
use crate::control::Control;
use crate::encode::PayloadKind;
use crate::progress::{Position, Progress};

/// The field of a payload that numbers the events of a session.
const SEQ: &str = "seq";

/// What two sides are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// The raw events of two recordings.
    Events,
    /// What recordings publish.
    Payloads,
    /// Two payload streams, as they are.
    Streams,
}

/// How two sides are compared.
#[derive(Debug, Clone)]
pub struct DiffOptions<'a> {
    /// How each side is published; `None` compares the raw events of recordings.
    pub published: Option<[Publishing<'a>; 2]>,
    /// Fields that are omitted on both sides.
    pub ignore: Vec<String>,
    /// Differences kept in full.
    pub differences: usize,
    /// Where inputs are that are not files.
    pub servers: Servers,
    /// Ends the comparison with [`CheckError::Interrupted`] when it is stopped.
    pub control: Arc<Control>,
}

impl Default for DiffOptions<'_> {
    fn default() -> Self {
        Self {
            published: None,
            ignore: Vec::new(),
            differences: DEFAULT_DIFFERENCES,
            servers: Servers::default(),
            control: Arc::default(),
        }
    }
}

/// Two inputs cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// One input is compared with itself, and not published in two ways.
    #[error("there is nothing to compare {} with: name a second input", input.display())]
    NothingToCompare {
        /// The input.
        input: PathBuf,
    },
    /// Both sides are one pipe: each would get a part of its content.
    #[error(
        "{} names the same input as an earlier one, which can be read only once: write it to a file \
         first",
        path.display()
    )]
    ReadTwice {
        /// The second path.
        path: PathBuf,
    },
    /// A payload stream cannot be published again.
    #[error("a payload stream is compared as it is: only recordings can be published")]
    PublishedStreams,
    /// The two are not of a kind.
    #[error(
        "{} is a recording and {} a payload stream: compare like with like",
        recording.display(),
        stream.display()
    )]
    Unlike {
        /// The recording.
        recording: PathBuf,
        /// The payload stream.
        stream: PathBuf,
    },
    /// One of them cannot be opened.
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diffed {
    /// What the two were compared by.
    pub compared: Compared,
    /// What differs.
    pub comparison: Comparison,
    /// Whether the recordings are whole. The writer of the others is running or was killed.
    pub is_complete: bool,
    /// Fields to ignore that no message has.
    pub unknown_fields: Vec<String>,
}

/// A comparison of two inputs that were opened.
///
/// ```
/// use tickdeck::check::{Diff, DiffOptions, Publishing};
/// use tickdeck::encode::PayloadKind;
/// use tickdeck::progress::Silent;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let quick = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
/// let decimal = Publishing {
///     payload: Some(PayloadKind::Decimal),
///     ..Publishing::default()
/// };
/// let options = DiffOptions {
///     published: Some([Publishing::default(), decimal]),
///     ..DiffOptions::default()
/// };
/// let diff = Diff::open(quick.as_ref(), None, &options, &mut |_| {})?;
/// assert!(!diff.run(&mut Silent)?.comparison.is_equal());
/// # Ok(())
/// # }
/// ```
pub struct Diff {
    first: Box<dyn Messages>,
    second: Box<dyn Messages>,
    alignment: Alignment,
    compared: Compared,
    is_complete: bool,
    ignore: Vec<String>,
    differences: usize,
    control: Arc<Control>,
}

impl std::fmt::Debug for Diff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Diff")
            .field("compared", &self.compared)
            .field("alignment", &self.alignment)
            .field("is_complete", &self.is_complete)
            .finish_non_exhaustive()
    }
}

impl Diff {
    /// Opens both sides. Without a `second` one, `first` is published in two ways. Each recording goes
    /// to `opened` before it is looked at: it may be unfinished.
    ///
    /// # Errors
    /// When the two cannot be compared, or one of them cannot be opened or is damaged.
    pub fn open(
        first: &Path,
        second: Option<&Path>,
        options: &DiffOptions<'_>,
        opened: &mut dyn FnMut(&Recording),
    ) -> Result<Self, DiffError> {
        let Some(second) = second else {
            return Self::with_itself(first, options, opened);
        };
        if let Some(path) = read_twice(&[first, second]) {
            let path = path.to_owned();
            return Err(DiffError::ReadTwice { path });
        }
        match [input_kind(first)?, input_kind(second)?] {
            [InputKind::Stream, InputKind::Stream] if options.published.is_some() => {
                Err(DiffError::PublishedStreams)
            }
            [InputKind::Stream, InputKind::Stream] => {
                let open = |path: &Path| -> Result<Box<dyn Messages>, CheckError> {
                    let stream = options.servers.open_stream(path)?;
                    Ok(Box::new(stream.stopped_by(Arc::clone(&options.control))))
                };
                let sides = [open(first)?, open(second)?];
                let content = Alignment::Content;
                Ok(Self::of(sides, content, Compared::Streams, true, options))
            }
            [InputKind::Recording, InputKind::Recording] => {
                let published = options.published.as_ref();
                let of_first = published.map_or(&[][..], |sides| &sides[..1]);
                let of_second = published.map_or(&[][..], |sides| &sides[1..]);
                let first = open_intact(first, of_first, opened)?;
                let recordings = [first, open_intact(second, of_second, opened)?];
                let is_complete = recordings.iter().all(Recording::is_complete);
                let [first, second] = &recordings;
                if let Some(published) = &options.published {
                    let sides = [first, second];
                    return Ok(Self::published(sides, published, is_complete, options)?);
                }
                let raw = |recording| -> Result<Box<dyn Messages>, CheckError> {
                    Ok(Box::new(RawMessages::of(recording)?))
                };
                let sides = [raw(first)?, raw(second)?];
                let content = Alignment::Content;
                Ok(Self::of(
                    sides,
                    content,
                    Compared::Events,
                    is_complete,
                    options,
                ))
            }
            [InputKind::Stream, InputKind::Recording] => Err(unlike(second, first)),
            [InputKind::Recording, InputKind::Stream] => Err(unlike(first, second)),
        }
    }

    /// One recording, published in two ways.
    fn with_itself(
        input: &Path,
        options: &DiffOptions<'_>,
        opened: &mut dyn FnMut(&Recording),
    ) -> Result<Self, DiffError> {
        match (input_kind(input)?, &options.published) {
            (InputKind::Recording, Some(published)) => {
                let recording = open_intact(input, published, opened)?;
                let sides = [&recording, &recording];
                let is_complete = recording.is_complete();
                Ok(Self::published(sides, published, is_complete, options)?)
            }
            _ => {
                let input = input.to_owned();
                Err(DiffError::NothingToCompare { input })
            }
        }
    }

    fn published(
        recordings: [&Recording; 2],
        published: &[Publishing<'_>; 2],
        is_complete: bool,
        options: &DiffOptions<'_>,
    ) -> Result<Self, CheckError> {
        let [first, second] = recordings;
        let first_options = published[0].options(first, None)?;
        let second_options = published[1].options(second, None)?;
        // The numbers of two sessions mean the same only if their events are the same.
        let digest = |recording: &Recording| recording.manifest().map(|m| m.digest.clone());
        let is_same = digest(first).is_some() && digest(first) == digest(second);
        let have_seq = [&first_options, &second_options]
            .iter()
            .all(|options| options.payload == PayloadKind::Vnpy);
        let is_ignored = options.ignore.iter().any(|field| field == SEQ);
        let alignment = match is_same && have_seq && !is_ignored {
            true => Alignment::Seq,
            false => Alignment::Content,
        };
        let sides: [Box<dyn Messages>; 2] = [
            Box::new(PublishedMessages::of(first, first_options)),
            Box::new(PublishedMessages::of(second, second_options)),
        ];
        Ok(Self::of(
            sides,
            alignment,
            Compared::Payloads,
            is_complete,
            options,
        ))
    }

    fn of(
        [first, second]: [Box<dyn Messages>; 2],
        alignment: Alignment,
        compared: Compared,
        is_complete: bool,
        options: &DiffOptions<'_>,
    ) -> Self {
        Self {
            first,
            second,
            alignment,
            compared,
            is_complete,
            ignore: options.ignore.clone(),
            differences: options.differences,
            control: Arc::clone(&options.control),
        }
    }

    /// Compares them.
    ///
    /// # Errors
    /// When one of them fails, or the control is stopped.
    pub fn run(self, progress: &mut dyn Progress) -> Result<Diffed, CheckError> {
        let mut watch = |messages: u64| {
            progress.at(Position {
                events: messages,
                ..Position::default()
            });
            !self.control.is_stopped()
        };
        let compared = compare_without(
            self.first,
            self.second,
            self.alignment,
            &self.ignore,
            self.differences,
            &mut watch,
        );
        progress.finish();
        let (comparison, unknown_fields) = compared?;
        Ok(Diffed {
            compared: self.compared,
            comparison,
            is_complete: self.is_complete,
            unknown_fields,
        })
    }
}

fn unlike(recording: &Path, stream: &Path) -> DiffError {
    DiffError::Unlike {
        recording: recording.to_owned(),
        stream: stream.to_owned(),
    }
}

/// Opens a recording that is `published` in these ways. A damaged contract table matters unless each of them
/// has another.
fn open_intact(
    path: &Path,
    published: &[Publishing<'_>],
    opened: &mut dyn FnMut(&Recording),
) -> Result<Recording, CheckError> {
    let mut recording = open_recording(path)?;
    if !published.is_empty() && published.iter().all(Publishing::has_contracts) {
        recording.replace_damaged_contracts();
    }
    opened(&recording);
    refuse_damage(&recording)?;
    Ok(recording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    const QUICK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
    const QUIRKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quirks");

    fn open(
        first: &str,
        second: Option<&str>,
        options: &DiffOptions<'_>,
    ) -> Result<Diff, DiffError> {
        let second = second.map(str::as_ref);
        Diff::open(first.as_ref(), second, options, &mut |_| {})
    }

    fn published(payloads: [PayloadKind; 2]) -> DiffOptions<'static> {
        DiffOptions {
            published: Some(payloads.map(|payload| Publishing {
                payload: Some(payload),
                ..Publishing::default()
            })),
            ..DiffOptions::default()
        }
    }

    #[test]
    fn messages_of_the_same_events_are_paired_by_seq() {
        const VNPY: PayloadKind = PayloadKind::Vnpy;
        let alignment =
            |second, options: &DiffOptions<'_>| open(QUICK, second, options).unwrap().alignment;
        let both = published([VNPY, VNPY]);
        assert_eq!(alignment(None, &both), Alignment::Seq);
        assert_eq!(alignment(Some(QUICK), &both), Alignment::Seq);
        assert_eq!(alignment(Some(QUIRKS), &both), Alignment::Content);
        let other = published([VNPY, PayloadKind::Decimal]);
        assert_eq!(alignment(None, &other), Alignment::Content);
        let ignoring = DiffOptions {
            ignore: vec![SEQ.to_owned()],
            ..both
        };
        assert_eq!(alignment(None, &ignoring), Alignment::Content);
        let raw = DiffOptions::default();
        assert_eq!(alignment(Some(QUICK), &raw), Alignment::Content);
    }

    #[test]
    fn recordings_are_compared_by_events_unless_they_are_published() {
        let compared = |options: &DiffOptions<'_>| {
            let diff = open(QUICK, Some(QUICK), options).unwrap();
            let found = diff.run(&mut Silent).unwrap();
            assert!(found.comparison.is_equal() && found.is_complete);
            (found.compared, found.comparison.messages_after)
        };
        assert_eq!(compared(&DiffOptions::default()), (Compared::Events, 928));
        let both = published([PayloadKind::Vnpy, PayloadKind::Vnpy]);
        assert_eq!(compared(&both), (Compared::Payloads, 918));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let stream = folder.path().join("ticks.jsonl");
        std::fs::write(&stream, "a {}\n").unwrap();
        let stream = stream.to_str().unwrap();
        let raw = DiffOptions::default();
        let both = published([PayloadKind::Vnpy, PayloadKind::Vnpy]);
        let refused = |first, second, options| open(first, second, options).unwrap_err();
        let alone = refused(QUICK, None, &raw);
        assert!(
            matches!(alone, DiffError::NothingToCompare { .. }),
            "{alone}"
        );
        let alone = refused(stream, None, &both);
        assert!(
            matches!(alone, DiffError::NothingToCompare { .. }),
            "{alone}"
        );
        let streams = refused(stream, Some(stream), &both);
        assert!(matches!(streams, DiffError::PublishedStreams), "{streams}");
        for sides in [[QUICK, stream], [stream, QUICK]] {
            let unlike = refused(sides[0], Some(sides[1]), &raw);
            let (is_right, text) = match &unlike {
                DiffError::Unlike {
                    recording,
                    stream: found,
                } => (
                    recording == Path::new(QUICK) && found == Path::new(stream),
                    unlike.to_string(),
                ),
                _ => (false, unlike.to_string()),
            };
            assert!(is_right, "{text}");
        }
        let empty = refused(folder.path().to_str().unwrap(), Some(QUICK), &raw);
        assert!(matches!(empty, DiffError::Check(_)), "{empty}");
    }
}
