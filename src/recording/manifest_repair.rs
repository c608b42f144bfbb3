//! The manifest of a recording whose own is missing, or cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::time::UnixNanos;

use super::error::RecordingError;
use super::finding::Finding;
use super::format_version::FormatVersion;
use super::journal::{JournalFiles, JournalReader};
use super::manifest::{
    CalendarCopy, Description, FORMAT_NAME, Ledger, Manifest, SegmentEntry, Status, UNKNOWN_HASH,
};
use super::names::{
    MANIFEST_FILE, is_segment, is_set_aside, manifest_path, segment_file, segment_index,
};
use super::segment_order::{by_events, session_of, sessions_of};
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
    let stated = Manifest::read_description(&**storage, &manifest_path(&**storage, folder));
    let stated = stated.map(|it| it.manifest.session);
    let found = session_of(&**storage, folder, names, journal, stated.as_deref());
    let Some((session, source)) = found else {
        return Err(without_session(&**storage, folder, journal)?);
    };
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
/// behind it: only its own events are lost then. The same where names are not in the order of the events.
/// Where the journal has the next events, it comes first. Otherwise nothing is listed, and reading takes up
/// what follows each other. Returns whether it lists some.
fn list_around_holes(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    manifest: &mut Manifest,
) -> Result<bool> {
    let listed: BTreeSet<&String> = manifest.segments.iter().map(|it| &it.file).collect();
    let is_unlisted = |name: &&String| is_segment(name) && !listed.contains(name);
    let unlisted: BTreeSet<&String> = names.iter().filter(is_unlisted).collect();
    let (mut whole, mut spoilt) = (Vec::new(), BTreeSet::new());
    for name in unlisted {
        match whole_segment(storage, folder, name, &manifest.session) {
            Ok(Some(segment)) => whole.push(segment),
            _ => {
                spoilt.insert(name.clone());
            }
        }
    }
    let (whole, _) = by_events(whole, manifest.events, |it| (it.first_seq, it.last_seq));
    let mut segments: Vec<SegmentEntry> = Vec::new();
    let mut next_seq = manifest.events;
    for segment in whole {
        let missing = segment.first_seq - next_seq;
        let session = &manifest.session;
        if missing > LARGEST_HOLE
            || missing > 0 && journal_reaches(storage, folder, session, next_seq)? > next_seq
        {
            break;
        }
        let holes = match usize::try_from(missing) {
            Ok(0) => Vec::new(),
            missing => {
                let most = missing.unwrap_or(usize::MAX);
                holes_before(&segment.file, names, &segments, &mut spoilt, most)
            }
        };
        segments.extend(fill(storage, folder, &holes, next_seq, segment.first_seq));
        next_seq = segment.last_seq + 1;
        segments.push(segment);
    }
    // What has these names and no hole is taken up without being listed.
    let first = Manifest::next_index(&manifest.segments);
    let is_plain = |(index, it): (usize, &SegmentEntry)| {
        !it.is_unknown() && it.file == segment_file(first + index)
    };
    if segments.iter().enumerate().all(is_plain) {
        return Ok(false);
    }
    let mut count = Count::of(manifest);
    for segment in segments.iter().filter(|segment| !segment.is_unknown()) {
        each_event(storage, &folder.join(&segment.file), &mut |event| {
            count.add(event);
        })?;
    }
    manifest.segments.append(&mut segments);
    count.apply(manifest, next_seq);
    Ok(true)
}

/// The `seq` after the events of the journal that continue those before `next_seq`.
fn journal_reaches(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    session: &str,
    next_seq: u64,
) -> Result<u64> {
    let files = JournalFiles::open(&**storage, folder)?.unwrap_or_default();
    let found = JournalFiles::scan(files, session, next_seq, &mut |_| {})?;
    Ok(found.until_seq)
}

/// The names of segments that had the events before those of `segment`. These are spoilt ones that are named
/// before it, and those that are gone between the last listed one and it. Without any, it is another spoilt
/// or a free name. At most one name an event.
fn holes_before(
    segment: &str,
    names: &[String],
    listed: &[SegmentEntry],
    spoilt: &mut BTreeSet<String>,
    most: usize,
) -> Vec<String> {
    let is_free =
        |name: &String| !names.contains(name) && listed.iter().all(|segment| segment.file != *name);
    let last = listed.last().and_then(|it| segment_index(&it.file));
    let after = last.map_or(0, |last| last.saturating_add(1));
    let gone = after..segment_index(segment).unwrap_or(after);
    // Of a name with a large number nothing is believed.
    let gone = gone.take(names.len()).map(segment_file).filter(is_free);
    let spoilt_before = spoilt.iter().take_while(|name| name.as_str() < segment);
    let mut holes: BTreeSet<String> = spoilt_before.cloned().chain(gone).collect();
    if holes.is_empty() {
        let free = || (0..).map(segment_file).find(is_free);
        holes.extend(spoilt.first().cloned().or_else(free));
    }
    let holes: Vec<String> = holes.into_iter().take(most).collect();
    for name in &holes {
        spoilt.remove(name);
    }
    holes
}

/// Entries for segments that cannot be read, between two events. Only together they are known to have had
/// what is between: each of them one event, and the last one the rest.
fn fill(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    holes: &[String],
    from_seq: u64,
    until_seq: u64,
) -> Vec<SegmentEntry> {
    let last = holes.len().saturating_sub(1);
    let entry = |(first_seq, (index, name)): (u64, (usize, &String))| {
        let end_seq = if index == last {
            until_seq
        } else {
            first_seq + 1
        };
        SegmentEntry {
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
            blake3: UNKNOWN_HASH.into(),
        }
    };
    let numbered = (from_seq..until_seq).zip(holes.iter().enumerate());
    numbered.map(entry).collect()
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
    let found = sessions_of(&**storage, folder, names, journal);
    let ours = &manifest.session;
    match found.first() {
        Some((theirs, _)) if found.iter().all(|(session, _)| session != ours) => Some(format!(
            "its session is {ours:?}, and that of its files {theirs:?}"
        )),
        _ => None,
    }
}

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
