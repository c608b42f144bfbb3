//! Which files of a folder are of one session, and in what order, where no manifest says so.
//!
//! Names prove nothing: files may have been renamed, copied or brought from elsewhere. What a file says of
//! itself counts.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use tickdeck_core::source::SourceInfo;

use super::error::RecordingError;
use super::finding::Finding;
use super::journal::{JournalFiles, JournalReader, OpenFiles};
use super::names::is_segment;
use super::segment_reader::SegmentReader;
use super::storage::Storage;

type Result<T> = std::result::Result<T, RecordingError>;

/// The sessions that segments and journal name, with their sources, each once for each file that can be
/// opened. Those of the journal come first: only a recorder in that folder makes one.
pub(super) fn sessions_of(
    storage: &dyn Storage,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
) -> Vec<(String, SourceInfo)> {
    let segments = names.iter().filter(|name| is_segment(name));
    let segments = segments.filter_map(|name| {
        let segment = SegmentReader::open(storage, &folder.join(name)).ok()?;
        Some((segment.session().to_owned(), segment.source()))
    });
    let journal = journal.iter().filter_map(|path| {
        let reader = JournalReader::open(storage, path).ok()??;
        Some((reader.session().to_owned(), reader.source().clone()))
    });
    journal.chain(segments).collect()
}

/// The session of a folder, and its source. It is the one that the manifest stated, if a file agrees, else
/// that of the journal, which only a recorder in that folder makes. Otherwise it is that of most segments.
/// `None` if no file can be opened.
pub(super) fn session_of(
    storage: &dyn Storage,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
    stated: Option<&str>,
) -> Option<(String, SourceInfo)> {
    let segments = sessions_of(storage, folder, names, &[]);
    let journal = sessions_of(storage, folder, &[], journal);
    let is_stated = |found: &&(String, SourceInfo)| Some(found.0.as_str()) == stated;
    let found = journal.iter().chain(&segments).find(is_stated);
    found
        .or_else(|| most(&journal))
        .or_else(|| most(&segments))
        .cloned()
}

/// The session of most files; of two with as many, the first.
fn most(found: &[(String, SourceInfo)]) -> Option<&(String, SourceInfo)> {
    let files_of = |session: &str| found.iter().filter(|it| it.0 == session).count();
    found.iter().rev().max_by_key(|it| files_of(&it.0))
}

/// Parts with their first and last events, in the order of these, and the parts that have events of earlier
/// ones. Events before `from_seq` are in something else.
pub(super) fn by_events<T>(
    mut parts: Vec<T>,
    from_seq: u64,
    events: impl Fn(&T) -> (u64, u64),
) -> (Vec<T>, Vec<T>) {
    // The sort is stable: of two copies the first stays.
    parts.sort_by_key(|part| {
        let (first, last) = events(part);
        (first, Reverse(last))
    });
    let mut next_seq = from_seq;
    parts.into_iter().partition(|part| {
        let (first, last) = events(part);
        let follows = first >= next_seq;
        if follows {
            next_seq = last.saturating_add(1);
        }
        follows
    })
}

/// Segments and journal of a folder without manifest.
pub(super) struct Placed {
    /// In the order of their events; behind them those that cannot be opened, which a salvage reports.
    pub(super) segments: Vec<PathBuf>,
    /// What continues the segments.
    pub(super) journal: JournalFiles,
    /// What is not used, and the events that are in no file.
    pub(super) unused: Vec<Finding>,
}

type Events = (u64, u64);

/// Orders the files of `session`, each event once. Where events are missing and the journal has them, the
/// journal comes next.
pub(super) fn place(
    storage: &dyn Storage,
    folder: &Path,
    names: &[String],
    session: &str,
    open_journal: &dyn Fn() -> Result<OpenFiles>,
) -> Result<Placed> {
    let files = names.iter().map(|name| folder.join(name));
    let (ours, unreadable, mut unused) = ours_of(storage, files, session);
    let (placed, left) = by_events(ours, 0, |(_, events)| *events);
    unused.extend(left.into_iter().map(|(file, events)| Finding {
        file,
        problem: format!("{}, some of which another segment has", shown(events)),
    }));
    let (mut segments, mut next_seq) = (Vec::new(), 0);
    let mut placed = placed.into_iter().peekable();
    while let Some((_, (first, last))) = placed.peek() {
        if *first > next_seq {
            let scanned = JournalFiles::scan(open_journal()?, session, next_seq, &mut |_| {})?;
            if scanned.until_seq > next_seq {
                break;
            }
            unused.push(Finding {
                file: folder.to_owned(),
                problem: format!("{}, which are in no file", shown((next_seq, first - 1))),
            });
        }
        next_seq = last + 1;
        segments.extend(placed.next().map(|(file, _)| file));
    }
    let journal = JournalFiles::scan(open_journal()?, session, next_seq, &mut |_| {})?;
    let behind = placed.map(|(file, events)| {
        let is_there = events.1 < journal.until_seq;
        let place = if is_there { "are in" } else { "do not follow" };
        let problem = format!("{}, which {place} the journal", shown(events));
        Finding { file, problem }
    });
    unused.extend(behind);
    Ok(Placed {
        segments: segments.into_iter().chain(unreadable).collect(),
        journal,
        unused,
    })
}

fn shown((first, last): Events) -> String {
    format!("events {first} to {last}")
}

/// The segments of a session with their events, those that cannot be opened, and those of other sessions.
fn ours_of(
    storage: &dyn Storage,
    files: impl Iterator<Item = PathBuf>,
    session: &str,
) -> (Vec<(PathBuf, Events)>, Vec<PathBuf>, Vec<Finding>) {
    let (mut ours, mut unreadable, mut others) = (Vec::new(), Vec::new(), Vec::new());
    // A writer that is not tickdeck may give no statistics. Then the names count.
    let mut unknown = 0;
    for file in files {
        match SegmentReader::open(storage, &file) {
            Err(_) => unreadable.push(file),
            Ok(segment) if segment.session() != session => {
                let theirs = segment.session();
                let problem = format!("it is of session {theirs:?}, the recording of {session:?}");
                others.push(Finding { file, problem });
            }
            Ok(segment) => {
                let events = segment.seq_range().unwrap_or((unknown, unknown));
                unknown = events.1.saturating_add(1);
                ours.push((file, events));
            }
        }
    }
    (ours, unreadable, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_ordered_by_their_events_and_each_event_comes_once() {
        let order = |parts: &[(u64, u64)], from_seq| by_events(parts.to_vec(), from_seq, |it| *it);
        let (taken, left) = order(&[(20, 29), (0, 9), (10, 19), (0, 9), (5, 12), (40, 49)], 0);
        assert_eq!(taken, [(0, 9), (10, 19), (20, 29), (40, 49)]);
        assert_eq!(left, [(0, 9), (5, 12)]);
        let (taken, left) = order(&[(20, 29), (0, 9), (10, 19)], 10);
        assert_eq!((taken.len(), left), (2, vec![(0, 9)]));
    }
}
