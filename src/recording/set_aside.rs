//! What a recovery removes, and what it keeps under another name because no segment has it.

use std::path::{Path, PathBuf};

use super::error::RecordingError;
use super::finding::Finding;
use super::journal::{JournalFiles, ReadJournal};
use super::manifest::{LostEvents, Manifest};
use super::names::{contracts_path, is_partial, is_segment, set_aside_name};
use super::segment_reader::PARQUET_MAGIC;
use super::storage::Storage;
use super::unsealed::Unsealed;

type Result<T> = std::result::Result<T, RecordingError>;

pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What became of segments that were not finished.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Those of a writer without journal, and what they cost.
    pub(super) lost: Vec<(PathBuf, LostEvents)>,
    pub(super) kept: Vec<Renamed>,
}

/// Removes segments that were not finished, if the journal has their events. Those of a writer without
/// journal are lost. Beside a damaged journal they are kept under another name.
pub(super) fn clear_partial_segments(
    storage: &dyn Storage,
    folder: &Path,
    unsealed: &Unsealed,
    first_seq: u64,
) -> Result<Partial> {
    let mut partial = Partial::default();
    let has_journal = !JournalFiles::paths(storage, folder)?.is_empty();
    let damage = unsealed.journal.damage.as_ref();
    let is_damaged = damage.is_some_and(|damage| !damage.is_tail);
    for name in storage.list(folder)?.iter().filter(|name| is_partial(name)) {
        let file = folder.join(name);
        let bytes = storage.open(&file)?.bytes()?;
        if !has_journal && bytes > 0 {
            let lost = LostEvents {
                first_seq,
                last_seq: None,
                file: name.clone(),
                problem: format!("{bytes} bytes of an unfinished segment"),
            };
            partial.lost.push((file, lost));
        } else if bytes > 0 && (is_damaged || !is_parquet(storage, &file)?) {
            partial.kept.push(keep_damaged(storage, &file)?);
        } else {
            storage.remove(&file)?;
        }
    }
    Ok(partial)
}

/// Whether a file begins as a segment does.
fn is_parquet(storage: &dyn Storage, file: &Path) -> Result<bool> {
    let mut magic = [0; PARQUET_MAGIC.len()];
    let file = storage.open(file)?;
    if file.bytes()? < magic.len() as u64 {
        return Ok(true);
    }
    file.read_at(&mut magic, 0)?;
    Ok(magic == PARQUET_MAGIC)
}

/// A file that was renamed: its old path and the new one.
pub(super) type Renamed = (PathBuf, PathBuf);

/// The names of segments that are neither in the manifest nor whole.
pub(super) fn unlisted_segments(
    storage: &dyn Storage,
    folder: &Path,
    sealed: &Manifest,
) -> Result<Vec<String>> {
    let mut names = storage.list(folder)?;
    let is_listed = |name: &String| sealed.segments.iter().any(|segment| segment.file == *name);
    names.retain(|name| is_segment(name) && !is_listed(name));
    Ok(names)
}

/// Renames such segments.
pub(super) fn set_aside_segments(
    storage: &dyn Storage,
    folder: &Path,
    sealed: &Manifest,
) -> Result<Vec<Renamed>> {
    let spoilt = unlisted_segments(storage, folder, sealed)?.into_iter();
    let renamed = spoilt.map(|name| keep_damaged(storage, &folder.join(name)));
    renamed.collect()
}

/// Renames a file that cannot be read, so that no verb takes it for a part of the recording.
pub(super) fn keep_damaged(storage: &dyn Storage, path: &Path) -> Result<Renamed> {
    let name = file_name(path);
    let mut number = 1;
    let mut kept = path.with_file_name(set_aside_name(&name, number));
    // An earlier recovery may have kept one of that name.
    while storage.exists(&kept) || storage.link_target(&kept).is_some() {
        number += 1;
        kept = path.with_file_name(set_aside_name(&name, number));
    }
    storage.rename(path, &kept)?;
    Ok((path.to_owned(), kept))
}

/// Events that segments no longer have, so that a journal with them must stay.
#[derive(Debug, Default)]
pub(super) struct Damaged {
    /// First and last `seq`.
    ranges: Vec<(u64, u64)>,
    /// Damage of something else, which may cost any event.
    is_anywhere: bool,
}

impl Damaged {
    pub(super) fn of(
        storage: &dyn Storage,
        folder: &Path,
        made: &Manifest,
        findings: &[Finding],
    ) -> Self {
        let contracts = contracts_path(storage, folder);
        let mut damaged = Self::default();
        for finding in findings.iter().filter(|finding| finding.file != contracts) {
            let mut segments = made.segments.iter();
            match segments.find(|it| folder.join(&it.file) == finding.file) {
                Some(segment) => damaged.ranges.push((segment.first_seq, segment.last_seq)),
                None => damaged.is_anywhere = true,
            }
        }
        damaged
    }

    /// Whether one of the events from `first` to before `end` is among them.
    fn has(&self, first: u64, end: u64) -> bool {
        let meets = |(from, to): &(u64, u64)| first <= *to && *from < end;
        self.is_anywhere || self.ranges.iter().any(meets)
    }
}

/// Removes the journal files whose events were all read and are among the `events` of segments, none of
/// them damaged. Every other one is kept under another name.
pub(super) fn set_aside(
    storage: &dyn Storage,
    folder: &Path,
    found: &JournalFiles,
    events: u64,
    damaged: &Damaged,
) -> Result<Vec<Renamed>> {
    let mut kept = Vec::new();
    for path in JournalFiles::paths(storage, folder)? {
        let read = found.read.iter().find(|read| read.path == path);
        let may_go = |read: &ReadJournal| {
            read.end_seq <= events && !damaged.has(read.first_seq, read.end_seq)
        };
        if read.is_some_and(may_go) {
            storage.remove(&path)?;
        } else {
            kept.push(keep_damaged(storage, &path)?);
        }
    }
    storage.sync_dir(folder)?;
    Ok(kept)
}
