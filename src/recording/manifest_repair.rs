//! The manifest of a recording whose own is missing, or cannot be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::source::SourceInfo;
use tickdeck_core::time::UnixNanos;

use super::error::RecordingError;
use super::finding::Finding;
use super::format_version::FormatVersion;
use super::journal::{JournalFiles, JournalReader};
use super::manifest::{
    CalendarCopy, Description, FORMAT_NAME, Ledger, Manifest, SegmentEntry, Status,
};
use super::names::{MANIFEST_FILE, is_segment, is_set_aside, manifest_path, segment_file};
use super::reader::Recording;
use super::set_aside::keep_damaged;
use super::storage::Storage;
use super::unsealed::{Count, each_event, whole_segment};

type Result<T> = std::result::Result<T, RecordingError>;

/// The manifest of an unfinished recording by what segments and journal say.
fn made_again(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
) -> Result<Manifest> {
    let (session, source) = session_of_most(storage, folder, names, journal)?;
    let calendar = TradingCalendar::builtin();
    Ok(Manifest {
        format: FORMAT_NAME.into(),
        format_version: FormatVersion::WITH_JOURNAL,
        session,
        status: Status::Recording,
        source,
        events: 0,
        ticks: 0,
        start: None,
        end: None,
        trading_days: Vec::new(),
        digest: String::new(),
        contracts_digest: ContractTable::builtin().digest(),
        contracts_blake3: String::new(),
        calendar: CalendarCopy {
            digest: calendar.digest(),
            text: calendar.to_text(),
        },
        epoch: None,
        ledger: Ledger::default(),
        instruments: BTreeMap::new(),
        exchanges: None,
        gaps: None,
        segments: Vec::new(),
        lost: Vec::new(),
    })
}

/// Puts another manifest in the place of one that is damaged, and keeps that one. The new one has what can
/// still be read of it. Returns where the damaged one is now.
pub(super) fn replace_damaged_manifest(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
) -> Result<Option<PathBuf>> {
    let path = manifest_path(&**storage, folder);
    let error = match Manifest::read_in(&**storage, folder) {
        Ok(manifest) => match problem_of(storage, folder, names, journal, &manifest) {
            Some(problem) => RecordingError::damaged(&path, problem),
            None => return Ok(None),
        },
        Err(error) => error,
    };
    let is_damage = error.is_damage() || matches!(error, RecordingError::NotARecording { .. });
    let has_events = !journal.is_empty() || names.iter().any(|name| is_segment(name));
    if !is_damage {
        return Err(error);
    }
    if !has_events {
        return Err(match error {
            RecordingError::Damaged { problem, .. } => RecordingError::OnlyManifest {
                path: folder.to_owned(),
                problem,
            },
            other => other,
        });
    }
    let mut manifest = made_again(storage, folder, names, journal)?;
    if let Some(readable) = Manifest::read_description(&**storage, &path) {
        manifest = Manifest {
            session: manifest.session,
            format_version: manifest.format_version,
            status: manifest.status,
            ..readable.manifest
        };
    }
    list_around_holes(storage, folder, names, &mut manifest)?;
    let (_, kept) = keep_damaged(&**storage, &path)?;
    manifest.write(&**storage, folder)?;
    Ok(Some(kept))
}

/// Writes a manifest where none is. Returns what is gone with the one that was there.
pub(super) fn replace_missing_manifest(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
) -> Result<Finding> {
    let mut manifest = made_again(storage, folder, names, journal)?;
    list_around_holes(storage, folder, names, &mut manifest)?;
    manifest.write(&**storage, folder)?;
    Ok(Finding {
        file: manifest_path(&**storage, folder),
        problem: format!("it was missing, and made again: {ONLY_THERE}"),
    })
}

/// Lists the segments of an unfinished recording without journal that its manifest does not list, where
/// one that is damaged or missing has intact ones behind it.
pub(super) fn list_behind_holes(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
) -> Result<()> {
    let mut manifest = Manifest::read_in(&**storage, folder)?;
    if manifest.status == Status::Recording
        && list_around_holes(storage, folder, names, &mut manifest)?
    {
        manifest.write(&**storage, folder)?;
    }
    Ok(())
}

/// Lists the segments after those that are listed, where one that is damaged or missing has intact ones
/// behind it: only its own events are lost then. The same where names were swapped. Otherwise nothing is
/// listed, and reading takes up what follows each other. Returns whether it lists some.
fn list_around_holes(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    manifest: &mut Manifest,
) -> Result<bool> {
    let first = manifest.segments.len();
    let names_of_segments = names.iter().filter(|name| is_segment(name));
    let Some(last) = names_of_segments
        .max()
        .filter(|last| **last >= segment_file(first))
    else {
        return Ok(false);
    };
    let mut slots: Vec<Slot> = (first..names.len() * 2)
        .map(segment_file)
        .take_while(|name| name <= last)
        .map(|name| Slot::of(storage, folder, name, &manifest.session))
        .collect();
    let mut segments = Vec::new();
    let mut holes = Vec::new();
    let mut is_needed = drop_copies(manifest, &mut slots) | put_in_order(&mut slots);
    let mut next_seq = manifest.events;
    for Slot { name, whole } in slots {
        let Some(segment) = whole else {
            holes.push(name);
            continue;
        };
        let Some(filled) = fill(storage, folder, &holes, next_seq, segment.first_seq) else {
            break;
        };
        is_needed |= !filled.is_empty();
        segments.extend(filled);
        holes.clear();
        next_seq = segment.last_seq + 1;
        segments.push(segment);
    }
    if !is_needed || segments.is_empty() {
        return Ok(false);
    }
    let mut count = Count::of(manifest);
    for segment in segments.iter().filter(|segment| segment.blake3 != UNKNOWN) {
        each_event(storage, &folder.join(&segment.file), &mut |event| {
            count.add(event);
        })?;
    }
    manifest.segments.append(&mut segments);
    count.apply(manifest, next_seq);
    Ok(true)
}

/// A name that a segment has or should have.
struct Slot {
    name: String,
    /// The segment, if it is whole and of the session. Its file may have another name.
    whole: Option<SegmentEntry>,
}

impl Slot {
    fn of(storage: &Arc<dyn Storage>, folder: &Path, name: String, session: &str) -> Self {
        let whole = whole_segment(storage, folder, &name, session)
            .ok()
            .flatten();
        Self { name, whole }
    }
}

/// Drops segments at the end that are the bytes of an earlier one. Returns whether there were some.
fn drop_copies(manifest: &Manifest, slots: &mut Vec<Slot>) -> bool {
    let before = slots.len();
    while let Some((last, earlier)) = slots.split_last()
        && let Some(last) = &last.whole
        && earlier
            .iter()
            .filter_map(|slot| slot.whole.as_ref())
            .chain(&manifest.segments)
            .any(|it| it.blake3 == last.blake3)
    {
        slots.pop();
    }
    slots.len() < before
}

/// Orders whole segments by their events, which their names follow unless someone renamed them. Returns
/// whether they were in another order.
fn put_in_order(slots: &mut [Slot]) -> bool {
    let whole = slots.iter().filter_map(|slot| slot.whole.clone());
    let mut whole: Vec<SegmentEntry> = whole.collect();
    let is_other = !whole.is_sorted_by_key(|segment| segment.first_seq);
    whole.sort_by_key(|segment| segment.first_seq);
    let places = slots.iter_mut().filter(|slot| slot.whole.is_some());
    for (slot, segment) in places.zip(whole) {
        slot.whole = Some(segment);
    }
    is_other
}

/// Entries for segments that cannot be read, between two events. Only together they are known to have had
/// what is between. `None` if they do not fit there.
fn fill(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    holes: &[String],
    from_seq: u64,
    until_seq: u64,
) -> Option<Vec<SegmentEntry>> {
    let missing = until_seq.checked_sub(from_seq)?;
    if missing > LARGEST_HOLE {
        return None;
    }
    let Some((last, others)) = holes.split_last() else {
        return (missing == 0).then(Vec::new);
    };
    let last_first = from_seq + others.len() as u64;
    let entry = |name: &String, first_seq: u64, end_seq: u64| SegmentEntry {
        file: name.clone(),
        rows: end_seq - first_seq,
        ticks: 0,
        first_seq,
        last_seq: end_seq - 1,
        start: UnixNanos(0),
        end: UnixNanos(0),
        bytes: storage
            .open(&folder.join(name))
            .and_then(|file| file.bytes())
            .unwrap_or(0),
        blake3: UNKNOWN.into(),
    };
    if last_first >= until_seq {
        return None;
    }
    let others = others.iter().zip(from_seq..);
    let mut filled: Vec<_> = others
        .map(|(name, seq)| entry(name, seq, seq + 1))
        .collect();
    filled.push(entry(last, last_first, until_seq));
    Some(filled)
}

/// What is wrong with a manifest that can be read.
fn problem_of(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
    manifest: &Manifest,
) -> Option<String> {
    let calendar = &manifest.calendar.text;
    if let Err(error) = TradingCalendar::parse(calendar)
        && !calendar.is_empty()
    {
        return Some(format!("its calendar: {error}"));
    }
    let found = sessions_of(storage, folder, names, journal);
    let ours = &manifest.session;
    match found.first() {
        Some((theirs, _)) if found.iter().all(|(session, _)| session != ours) => Some(format!(
            "its session is {ours:?}, and that of its files {theirs:?}"
        )),
        _ => None,
    }
}

/// The sessions that segments and journal name, with their sources, each once for each file that can be
/// opened.
fn sessions_of(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
) -> Vec<(String, SourceInfo)> {
    let segments = names.iter().filter(|name| is_segment(name));
    let segments = segments.filter_map(|name| {
        let lone = Recording::open_in(Arc::clone(storage), &folder.join(name)).ok()?;
        Some((lone.session().to_owned(), lone.source().clone()))
    });
    let journal = journal.iter().filter_map(|path| {
        let reader = JournalReader::open(&**storage, path).ok()??;
        Some((reader.session().to_owned(), reader.source().clone()))
    });
    segments.chain(journal).collect()
}

/// The session of most files, and its source. One that is in the wrong folder decides nothing.
fn session_of_most(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
) -> Result<(String, SourceInfo)> {
    let found = sessions_of(storage, folder, names, journal);
    let files_of = |session: &str| found.iter().filter(|it| it.0 == session).count();
    // Of two with as many files, the first.
    let most = found.iter().rev().max_by_key(|it| files_of(&it.0));
    match most.cloned() {
        Some(most) => Ok(most),
        None => Err(without_session(&**storage, folder, journal)?),
    }
}

/// The BLAKE3 of a segment that cannot be read, in a manifest that was made again.
const UNKNOWN: &str = "unknown";

/// Events that segments can have lost. A segment that claims a place behind more of them is not believed.
const LARGEST_HOLE: u64 = 1 << 32;

/// What a manifest had that no other file has.
const ONLY_THERE: &str = "the calendar, the dropped ticks and the losses it had are gone";

/// What the manifests cost that were set aside, now or earlier. Wrong numbers of events are counted again,
/// and cost nothing.
pub(super) fn unreadable_manifests(
    storage: &dyn Storage,
    folder: &Path,
    session: &str,
) -> Result<Vec<Finding>> {
    let mut names = storage.list(folder)?;
    names.retain(|name| is_set_aside(name) && name.contains(MANIFEST_FILE));
    names.sort();
    let findings = names.into_iter().filter_map(|name| {
        let file = folder.join(name);
        let problem = cost_of(storage, &file, session)?;
        Some(Finding { file, problem })
    });
    Ok(findings.collect())
}

/// What a manifest of this session cost that was set aside.
fn cost_of(storage: &dyn Storage, manifest: &Path, session: &str) -> Option<String> {
    let Some(Description { manifest, is_whole }) = Manifest::read_description(storage, manifest)
    else {
        return Some(format!(
            "it could not be read, and another was made: {ONLY_THERE}"
        ));
    };
    if !is_whole {
        return Some(
            "its numbers of dropped or lost events cannot be true, and are not in the new one"
                .into(),
        );
    }
    let theirs = manifest.session;
    (theirs != session).then(|| {
        format!(
            "it is of session {theirs:?}: the calendar, the dropped ticks and the losses in the new one \
             are of that session"
        )
    })
}

/// Why no file says of what session it is.
fn without_session(
    storage: &dyn Storage,
    folder: &Path,
    journal: &[PathBuf],
) -> Result<RecordingError> {
    for path in journal {
        // It may be of a newer version.
        JournalReader::open(storage, path)?;
        if !JournalFiles::is_empty(storage, path)? {
            return Ok(RecordingError::damaged(path, "its header cannot be read"));
        }
    }
    Ok(RecordingError::NothingToRecover {
        path: folder.to_owned(),
    })
}
