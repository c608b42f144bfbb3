//! Locates differences between two streams by the digests of their parts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::golden::Golden;
use super::parts::{Parts, SegmentPart, SubjectPart, WindowPart};

/// Most parts of a kind that are named.
const NAMED: usize = 20;

/// One part that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferingPart {
    /// A subject, or the range of a window or segment.
    pub name: String,
    /// Messages in the golden.
    pub before: u64,
    /// Messages now.
    pub after: u64,
}

/// Parts of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DifferingParts {
    /// How many there are on either side.
    pub of: u64,
    /// How many differ.
    pub differing: u64,
    /// The first of those.
    pub first: Vec<DifferingPart>,
}

/// What differs, by kind of part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Located {
    /// Windows.
    pub windows: DifferingParts,
    /// Segments of the recording.
    pub segments: DifferingParts,
    /// Subjects.
    pub subjects: DifferingParts,
}

/// A part of either side: its name, messages and digest.
type Side<'a> = (String, u64, &'a str);

fn compare<'a>(
    before: impl Iterator<Item = (u64, Side<'a>)>,
    after: impl Iterator<Item = (u64, Side<'a>)>,
) -> DifferingParts {
    // By rank, then by name: the order of the stream, and of the alphabet for subjects.
    let mut parts = BTreeMap::new();
    for (rank, (name, messages, digest)) in before {
        parts.insert((rank, name), (Some((messages, digest)), None));
    }
    for (rank, (name, messages, digest)) in after {
        parts.entry((rank, name)).or_insert((None, None)).1 = Some((messages, digest));
    }
    let mut found = DifferingParts {
        of: parts.len() as u64,
        ..DifferingParts::default()
    };
    for ((_, name), (before, after)) in parts {
        if before == after {
            continue;
        }
        found.differing += 1;
        if found.first.len() < NAMED {
            let messages = |side: Option<(u64, &str)>| side.map_or(0, |(messages, _)| messages);
            found.first.push(DifferingPart {
                name,
                before: messages(before),
                after: messages(after),
            });
        }
    }
    found
}

fn windows(windows: &[WindowPart]) -> impl Iterator<Item = (u64, Side<'_>)> {
    windows.iter().map(|part| {
        let name = format!("from {}", part.from);
        (part.from, (name, part.messages, &part.digest[..]))
    })
}

fn segments(segments: &[SegmentPart]) -> impl Iterator<Item = (u64, Side<'_>)> {
    segments.iter().map(|part| {
        let name = format!("seq {} to {}", part.first_seq, part.last_seq);
        (part.first_seq, (name, part.messages, &part.digest[..]))
    })
}

fn subjects(subjects: &BTreeMap<String, SubjectPart>) -> impl Iterator<Item = (u64, Side<'_>)> {
    let sides = subjects.iter();
    sides.map(|(name, part)| (0, (name.clone(), part.messages, &part.digest[..])))
}

/// The parts of `golden` that `parts` differ from.
pub(super) fn locate(golden: &Golden, parts: &Parts) -> Located {
    Located {
        windows: compare(windows(&golden.windows), windows(&parts.windows)),
        segments: compare(segments(&golden.segments), segments(&parts.segments)),
        subjects: compare(subjects(&golden.subjects), subjects(&parts.subjects)),
    }
}
