//! Which files of a folder are of one session, and in what order, where no manifest says so.
//!
//! Names prove nothing: files may have been renamed, copied or brought from elsewhere. What a file says of
//! itself counts.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use tickdeck_core::source::SourceInfo;

use super::finding::Finding;
use super::journal::JournalReader;
use super::names::is_segment;
use super::segment_reader::SegmentReader;
use super::storage::Storage;

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

/// The session of most files, and its source; of two with as many files, the first. `None` if no file can be
/// opened.
pub(super) fn session_of_most(
    storage: &dyn Storage,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
) -> Option<(String, SourceInfo)> {
    let found = sessions_of(storage, folder, names, journal);
    let files_of = |session: &str| found.iter().filter(|it| it.0 == session).count();
    let most = found.iter().rev().max_by_key(|it| files_of(&it.0));
    most.cloned()
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

/// Segments of a folder without manifest.
pub(super) struct Placed {
    /// In the order of their events; behind them those that cannot be opened, which a salvage reports.
    pub(super) segments: Vec<PathBuf>,
    /// The `seq` after the last event.
    pub(super) next_seq: u64,
    /// Those of another session, and those whose events others have.
    pub(super) unused: Vec<Finding>,
}

/// Orders segments of a folder without manifest, of which those of `session` count.
pub(super) fn place_segments(storage: &dyn Storage, files: Vec<PathBuf>, session: &str) -> Placed {
    let (mut ours, mut unreadable, mut unused) = (Vec::new(), Vec::new(), Vec::new());
    // A writer that is not tickdeck may give no statistics. Then the names count.
    let mut unknown = 0;
    for file in files {
        match SegmentReader::open(storage, &file) {
            Err(_) => unreadable.push(file),
            Ok(segment) if segment.session() != session => {
                let problem = format!(
                    "it is of session {:?}, most files are of {session:?}",
                    segment.session()
                );
                unused.push(Finding { file, problem });
            }
            Ok(segment) => {
                let events = segment.seq_range().unwrap_or((unknown, unknown));
                unknown = events.1.saturating_add(1);
                ours.push((file, events));
            }
        }
    }
    let (placed, left) = by_events(ours, 0, |(_, events)| *events);
    unused.extend(left.into_iter().map(|(file, (first, last))| Finding {
        file,
        problem: format!("its events {first} to {last} are in another segment"),
    }));
    let next_seq = placed.last().map_or(0, |(_, (_, last))| last + 1);
    let placed = placed.into_iter().map(|(file, _)| file);
    Placed {
        segments: placed.chain(unreadable).collect(),
        next_seq,
        unused,
    }
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
