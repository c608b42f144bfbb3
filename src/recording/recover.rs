//! Seals what a killed writer left: its journal becomes segments, in place.
//!
//! The journal goes only after the segments were read back. A recovery that is killed itself can be
//! repeated, and one of a recording that is whole changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::Event;

use super::contracts_file;
use super::error::RecordingError;
use super::file_hash::check_file;
use super::filter::EventFilter;
use super::finding::{Finding, lost_from, problem};
use super::format_version::FormatVersion;
use super::journal::{JournalFiles, JournalStream};
use super::manifest::{LostEvents, Manifest, SegmentEntry, Status};
use super::manifest_repair::{
    list_behind_holes, replace_damaged_manifest, replace_missing_manifest, unreadable_manifests,
};
use super::names::{contracts_path, is_manifest, is_segment, is_set_aside, manifest_path};
use super::observed::Observed;
use super::owner::{Owner, is_owned};
use super::place::Place;
use super::reader::Recording;
use super::replace::{beside, finish_replacement};
use super::segment_reader::SegmentReader;
use super::set_aside::{
    Damaged, clear_partial_segments, file_name, keep_damaged, set_aside, set_aside_segments,
    unlisted_segments,
};
use super::storage::{Storage, local};
use super::unsealed::{self, OnDisk, each_event, later_events};
use super::verify::verify_events;
use super::writer::{RecordingOptions, RecordingWriter, Rolling};

type Result<T> = std::result::Result<T, RecordingError>;

/// What a recovery did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Recovery {
    /// The folder.
    pub recording: PathBuf,
    /// Session id.
    pub session: String,
    /// Whether there was something to do.
    pub was_unfinished: bool,
    /// Events of the recording now.
    pub events: u64,
    /// Events that were in the journal alone.
    pub from_journal: u64,
    /// Segments that the manifest did not list before.
    pub unlisted_segments: u64,
    /// What cannot be read: the file, the part, and the events that are lost.
    pub lost: Vec<Finding>,
    /// Files that were renamed and not removed: no segment has what is in them.
    pub kept: Vec<PathBuf>,
}

/// Recovers the recording in a folder of the local file system.
///
/// # Errors
/// When a writer has it, there is nothing to recover, or the files cannot be read or written. What was
/// there stays.
pub fn recover(folder: &Path) -> Result<Recovery> {
    let storage = local();
    let recovered = recover_in(Arc::clone(&storage), folder);
    recovered.map_err(|error| match error.is_no_space() {
        true => space_needed(&*storage, folder),
        false => error,
    })
}

/// A segment of a journal file is smaller than that file, and they are sealed one after the other.
fn space_needed(storage: &dyn Storage, folder: &Path) -> RecordingError {
    let files = JournalFiles::open(storage, folder).ok().flatten();
    let files = files.unwrap_or_default().into_iter();
    RecordingError::NoSpaceToRecover {
        path: folder.to_owned(),
        free: storage.free_space(folder).ok().flatten().unwrap_or(0),
        needed: files
            .filter_map(|(_, file)| file.bytes().ok())
            .max()
            .unwrap_or(0)
            .max(LEAST_NEEDED),
    }
}

/// Bytes of a manifest and a contract table, which every recovery writes.
const LEAST_NEEDED: u64 = 1 << 20;

/// The same on any storage.
///
/// # Errors
/// As [`recover`].
pub fn recover_in(storage: Arc<dyn Storage>, folder: &Path) -> Result<Recovery> {
    if !storage.is_folder(folder) {
        return Err(RecordingError::NotARecording {
            path: folder.to_owned(),
            reason: "there is no such folder".into(),
        });
    }
    let names = storage.list(folder)?;
    let is_known = |name: &String| is_manifest(name) || is_segment(name);
    let journal = JournalFiles::paths(&*storage, folder)?;
    if journal.is_empty() && !names.iter().any(is_known) {
        return Err(RecordingError::NothingToRecover {
            path: folder.to_owned(),
        });
    }
    let owner = Owner::of(&*storage, folder)?;
    let owner = Arc::new(owner);
    let (mut kept, mut missing) = (None, None);
    if names.iter().any(|name| is_manifest(name)) {
        kept = replace_damaged_manifest(&storage, folder, &names, &journal)?;
        if journal.is_empty() {
            list_behind_holes(&storage, folder, &names)?;
        }
    } else {
        missing = Some(replace_missing_manifest(
            &storage, folder, &names, &journal,
        )?);
    }
    let mut recovery = recover_described(&storage, folder, &owner)?;
    // A manifest that could not be read costs something whenever that was, and is there.
    let unreadable = unreadable_manifests(&*storage, folder, &recovery.session)?;
    recovery
        .lost
        .splice(0..0, missing.into_iter().chain(unreadable));
    recovery.kept.splice(0..0, kept);
    // On a full disk there is a second try, and the first one may have renamed files.
    for name in storage.list(folder)? {
        let path = folder.join(&name);
        if is_set_aside(&name) && !names.contains(&name) && !recovery.kept.contains(&path) {
            recovery.kept.push(path);
        }
    }
    Ok(recovery)
}

/// Recovers a recording that has a manifest.
fn recover_described(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    owner: &Arc<Owner>,
) -> Result<Recovery> {
    let place = || Place::of_owner(folder.to_owned(), Arc::clone(owner));
    let mut found = unsealed::read(storage, folder)?;
    let is_finished = found.manifest.status != Status::Recording;
    if is_finished && later_events(storage, folder, &found.manifest)? > 0 {
        found = reopen(storage, folder, found.manifest)?;
    }
    match segments_to_repeat(storage, folder, &found.sealed)? {
        Some(first) => found = reopen(storage, folder, first)?,
        None if found.manifest.status != Status::Recording => {
            return already_sealed(storage, place(), found.manifest);
        }
        None => {}
    }
    let before = found.sealed.events;
    match seal(storage, place(), found) {
        Err(error) if error.is_no_room() => {
            seal_file_by_file(storage, owner, folder)?;
            let found = unsealed::read(storage, folder)?;
            let mut recovery = seal(storage, place(), found)?;
            recovery.from_journal = recovery.events - before.min(recovery.events);
            Ok(recovery)
        }
        sealed => sealed,
    }
}

/// Makes a segment of each journal file, which goes when that was read back: on a full disk it makes room
/// for the next one. Returns how many events it sealed.
pub(super) fn seal_file_by_file(
    storage: &Arc<dyn Storage>,
    owner: &Arc<Owner>,
    folder: &Path,
) -> Result<u64> {
    let OnDisk {
        mut sealed,
        unsealed,
        ..
    } = unsealed::read(storage, folder)?;
    let JournalFiles { parts, read, .. } = unsealed.journal;
    let mut removed = false;
    if damaged_data(storage, folder)?.is_empty() {
        for read in read.iter().filter(|read| read.end_seq <= sealed.events) {
            storage.remove(&read.path)?;
            removed = true;
        }
    }
    if removed {
        storage.sync_dir(folder)?;
    }
    let first_seq = sealed.events;
    for part in parts {
        let place = Place::of_owner(folder.to_owned(), Arc::clone(owner));
        let (before, segments) = (sealed.events, sealed.segments.len());
        let mut writer = continued(storage, place, sealed, None)?;
        let (path, end_seq) = (part.path.clone(), part.end_seq);
        let mut blocks = JournalStream::new(JournalFiles {
            parts: vec![part],
            from_seq: before,
            ..JournalFiles::default()
        });
        while let Some(block) = blocks.next(&EventFilter::default())? {
            writer.write(&block)?;
        }
        writer.seal_segment()?;
        // A file that is open takes its room also when it is removed.
        drop((writer, blocks));
        sealed = Manifest::read_in(&**storage, folder)?;
        let mut seen = before;
        for new in &sealed.segments[segments.min(sealed.segments.len())..] {
            each_event(storage, &folder.join(&new.file), &mut |_| seen += 1)?;
        }
        if seen != end_seq || sealed.events != seen {
            let problem = format!("{end_seq} events were sealed, {seen} were read back");
            return Err(RecordingError::damaged(folder, problem));
        }
        if read.iter().any(|read| read.path == path) {
            storage.remove(&path)?;
            storage.sync_dir(folder)?;
        }
    }
    Ok(sealed.events - first_seq)
}

/// Makes a recording an unfinished one, with the segments of this manifest.
fn reopen(storage: &Arc<dyn Storage>, folder: &Path, mut manifest: Manifest) -> Result<OnDisk> {
    manifest.status = Status::Recording;
    manifest.format_version = FormatVersion::WITH_JOURNAL;
    manifest.digest.clear();
    (manifest.exchanges, manifest.gaps) = (None, None);
    manifest.write(&**storage, folder)?;
    unsealed::read(storage, folder)
}

/// Where a segment is damaged or not listed, and the journal has its events and all after them, or its file
/// is there: the manifest of the segments before it. The others are found or written again.
fn segments_to_repeat(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    sealed: &Manifest,
) -> Result<Option<Manifest>> {
    if JournalFiles::paths(&**storage, folder)?.is_empty() {
        return Ok(None);
    }
    let damaged = damaged_data(storage, folder)?;
    let is_damaged = |segment: &SegmentEntry| {
        let path = folder.join(&segment.file);
        damaged.iter().any(|finding| finding.file == path)
    };
    let ends = sealed.segments.iter().map(|it| it.last_seq + 1);
    let starts = std::iter::once(0).chain(ends).collect::<Vec<_>>();
    let is_bad = |(segment, start): (&SegmentEntry, &u64)| {
        segment.first_seq != *start || is_damaged(segment)
    };
    let Some(first) = sealed.segments.iter().zip(&starts).position(is_bad) else {
        return Ok(None);
    };
    let from_seq = starts[first];
    let is_hashed = !is_damaged(&sealed.segments[first]);
    let files = JournalFiles::open(&**storage, folder)?.unwrap_or_default();
    let found = JournalFiles::scan(files, &sealed.session, from_seq, &mut |_| {})?;
    // One that is not as the manifest states may be another recording's.
    let name = &sealed.segments[first].file;
    let is_there =
        || is_hashed && unsealed::has_segment(storage, folder, name, &sealed.session, from_seq);
    if found.until_seq < sealed.events && !is_there() {
        return Ok(None);
    }
    unsealed::of_first_segments(storage, folder, sealed, first, &mut |_| {}).map(Some)
}

/// The folders with recordings that a writer of `target` left. That is the folder itself if it is
/// unfinished, and those beside it that were to replace `target`, finished or not.
///
/// A replacement that was killed in the middle is completed first.
///
/// # Errors
/// When the file system cannot be read, or the replacement cannot be completed.
pub fn leftovers(target: &Path) -> Result<Vec<PathBuf>> {
    let storage = &*local();
    finish_replacement(storage, target)?;
    let is_left = |folder: &PathBuf, may_be_finished: bool| {
        let is_left = match Manifest::read_in(storage, folder) {
            Ok(manifest) => may_be_finished || manifest.status == Status::Recording,
            // Only a recorder makes a journal. What it left can be had without its manifest.
            Err(_) => JournalFiles::paths(storage, folder).is_ok_and(|paths| !paths.is_empty()),
        };
        is_left && !is_owned(storage, folder)
    };
    let mut folders = vec![target.to_owned()];
    folders.retain(|folder| is_left(folder, false));
    let beside = beside(storage, target)?.into_iter();
    folders.extend(beside.filter(|folder| is_left(folder, true)));
    Ok(folders)
}

/// A recording that was finished: only what its journal left is removed.
fn already_sealed(
    storage: &Arc<dyn Storage>,
    place: Place,
    manifest: Manifest,
) -> Result<Recovery> {
    let folder = place.folder;
    let files = JournalFiles::open(&**storage, &folder)?.unwrap_or_default();
    let mut manifest = manifest;
    let mut lost: Vec<Finding> = manifest.lost.iter().map(|it| it.finding(&folder)).collect();
    lost.extend(damaged_contracts(&**storage, &folder, &manifest));
    let has_journal = !files.is_empty();
    let session = &manifest.session;
    let found = JournalFiles::scan(files, session, manifest.events, &mut |_| {})?;
    let mut damaged = Damaged::default();
    let made = Recording::open_in(Arc::clone(storage), &folder)?;
    if has_journal {
        // The recovery that wrote the manifest may have been killed before it read the segments back.
        let findings = verify_events(&made).findings;
        damaged = Damaged::of(&**storage, &folder, &manifest, &findings);
        let segments = lost_segments(&**storage, &folder, &manifest, &findings);
        if !segments.is_empty() {
            state_lost(&mut manifest, segments);
            manifest.write(&**storage, &folder)?;
        }
        let is_new = |finding: &Finding| !lost.contains(finding);
        let findings: Vec<Finding> = findings.into_iter().filter(is_new).collect();
        lost.extend(findings);
    } else {
        // Nothing here can repair it, and `verify` finds it. So the manifest stays as it is.
        let mut findings = with_ranges(&folder, &manifest, made.damaged_segments());
        findings.retain(|finding| lost.iter().all(|known| known.file != finding.file));
        lost.extend(findings);
    }
    let kept = set_aside(&**storage, &folder, &found, manifest.events, &damaged)?;
    Ok(Recovery {
        recording: folder,
        session: manifest.session,
        was_unfinished: false,
        events: manifest.events,
        from_journal: 0,
        unlisted_segments: 0,
        lost,
        kept: kept.into_iter().map(|(_, now)| now).collect(),
    })
}

/// Writes the journal of an unfinished recording to segments.
fn seal(storage: &Arc<dyn Storage>, place: Place, found: OnDisk) -> Result<Recovery> {
    let OnDisk {
        manifest,
        mut sealed,
        unsealed,
    } = found;
    let folder = place.folder.clone();
    // Held until the journal is gone.
    let _owner = Arc::clone(&place.owner);
    let damaged = damaged_files(storage, &folder, &sealed)?;
    let mut lost = with_ranges(&folder, &sealed, damaged.clone());
    let lost_segments = lost_segments(&**storage, &folder, &sealed, &damaged);
    state_lost(&mut sealed, lost_segments);
    let partly = clear_partial_segments(&**storage, &folder, &unsealed, manifest.events)?;
    let (unfinished, unwritten): (Vec<_>, Vec<_>) = partly.lost.into_iter().unzip();
    lost.extend(unwritten.iter().map(|lost| lost.finding(&folder)));
    state_lost(&mut sealed, unwritten);
    lost.extend(unsealed.damage(false).map(|damage| Finding {
        file: damage.path.clone(),
        problem: damage.lost_from(unsealed.journal.until_seq),
    }));
    state_lost(&mut sealed, lost_for_ever(&unsealed.journal));
    state_unlisted(&**storage, &folder, &mut sealed, manifest.events)?;
    let spoilt = set_aside_segments(&**storage, &folder, &sealed)?;
    let mut kept = [partly.kept, spoilt].concat();
    let counted = count_segments(storage, &folder, &sealed, &damaged);
    let is_known = counted.is_some();
    let (sealed, observed) = match counted {
        // The manifest may have counted wrongly.
        Some((counted, observed)) => (counted, Some(observed)),
        None => (sealed, None),
    };
    let mut writer = continued(storage, place, sealed, observed)?;
    let mut events = JournalStream::new(unsealed.journal.clone());
    while let Some(events) = events.next(&EventFilter::default())? {
        writer.write(&events)?;
    }
    let made = writer.finish_partly()?;
    check(storage, &folder, is_known, &damaged)?;
    // The manifest says now what they cost.
    for file in &unfinished {
        kept.push(keep_damaged(&**storage, file)?);
    }
    let damaged = Damaged::of(&**storage, &folder, &made, &damaged);
    let journal = &unsealed.journal;
    kept.extend(set_aside(
        &**storage,
        &folder,
        journal,
        made.events,
        &damaged,
    )?);
    add_stated(&mut lost, &made, &folder);
    Ok(Recovery {
        recording: folder,
        session: made.session,
        was_unfinished: true,
        events: made.events,
        from_journal: unsealed.journal.events(),
        unlisted_segments: unsealed.unlisted.len() as u64,
        lost,
        kept: kept.into_iter().map(|(_, now)| now).collect(),
    })
}

/// The problem of a segment that [`set_aside_segments`] renames.
const UNLISTED: &str =
    "the manifest does not list it, and it does not continue the events before it";

/// States in the manifest what segments cost that [`set_aside_segments`] renames. Nothing else says later
/// that a renamed file had something. The recording has the events before `until_seq`.
fn state_unlisted(
    storage: &dyn Storage,
    folder: &Path,
    sealed: &mut Manifest,
    until_seq: u64,
) -> Result<()> {
    let unlisted = unlisted_segments(storage, folder, sealed)?;
    let has_journal = until_seq > sealed.events;
    let lost_with = |file: String| {
        let segment = SegmentReader::open(storage, &folder.join(&file));
        let (first_seq, last_seq) =
            match segment.map(|it| (it.session() == sealed.session, it.seq_range())) {
                // Of another session, or the events of others: a copy, for example.
                Ok((false, _)) => return None,
                Ok((true, Some((_, last)))) if last < until_seq => return None,
                Ok((true, Some((first, last)))) => (first.max(until_seq), Some(last)),
                // A journal has the events of a segment that was not finished.
                _ if has_journal => return None,
                _ => (until_seq, None),
            };
        Some(LostEvents {
            first_seq,
            last_seq,
            file,
            problem: UNLISTED.into(),
        })
    };
    let lost: Vec<LostEvents> = unlisted.into_iter().filter_map(lost_with).collect();
    if lost.is_empty() {
        return Ok(());
    }
    state_lost(sealed, lost);
    sealed.write(storage, folder)
}

/// Adds what the manifest states of other files: a recovery that was killed may have written it.
fn add_stated(lost: &mut Vec<Finding>, made: &Manifest, folder: &Path) {
    for stated in made.lost.iter().map(|it| it.finding(folder)) {
        if lost.iter().all(|known| known.file != stated.file) {
            lost.push(stated);
        }
    }
}

/// States losses once: a recovery that was killed may have written them already.
fn state_lost(sealed: &mut Manifest, lost: impl IntoIterator<Item = LostEvents>) {
    for lost in lost {
        if !sealed.lost.contains(&lost) {
            sealed.lost.push(lost);
        }
    }
}

/// The findings, with the events that a damaged segment costs.
fn with_ranges(folder: &Path, sealed: &Manifest, mut damaged: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut damaged {
        let mut segments = sealed.segments.iter();
        if let Some(segment) = segments.find(|it| folder.join(&it.file) == finding.file) {
            let (first, last) = (segment.first_seq, segment.last_seq);
            finding.problem = lost_from(&finding.problem, first, Some(last));
        }
    }
    damaged
}

/// The damage of segments and contract table.
fn damaged_files(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    sealed: &Manifest,
) -> Result<Vec<Finding>> {
    let mut damaged = Recording::open_in(Arc::clone(storage), folder)?.damaged_segments();
    if let Some(contracts) = damaged_contracts(&**storage, folder, sealed)
        && damaged.iter().all(|finding| finding.file != contracts.file)
    {
        damaged.push(contracts);
    }
    Ok(damaged)
}

/// The damage of segments.
fn damaged_data(storage: &Arc<dyn Storage>, folder: &Path) -> Result<Vec<Finding>> {
    let mut damaged = Recording::open_in(Arc::clone(storage), folder)?.damaged_segments();
    let contracts = contracts_path(&**storage, folder);
    damaged.retain(|finding| finding.file != contracts);
    Ok(damaged)
}

/// What is wrong with the contract table. Another one would change what is published.
fn damaged_contracts(storage: &dyn Storage, folder: &Path, sealed: &Manifest) -> Option<Finding> {
    let file = contracts_path(storage, folder);
    let checked = match sealed.contracts_blake3.as_str() {
        // No manifest says yet what it holds, or the one that did is gone.
        "" if !storage.exists(&file) => return None,
        "" => contracts_file::read(storage, &file).map(drop),
        blake3 => check_file(storage, &file, None, blake3),
    };
    let error = checked.err()?;
    let problem = problem(&error);
    Some(Finding { file, problem })
}

/// Segments that are damaged or missing. One that only cannot be read now is not lost.
fn lost_segments(
    storage: &dyn Storage,
    folder: &Path,
    sealed: &Manifest,
    damaged: &[Finding],
) -> Vec<LostEvents> {
    let lost = sealed.segments.iter().filter_map(|segment| {
        let path = folder.join(&segment.file);
        damaged.iter().find(|finding| finding.file == path)?;
        let error = check_file(storage, &path, Some(segment.bytes), &segment.blake3).err()?;
        let is_lost = error.is_damage() || !storage.exists(&path);
        is_lost.then(|| LostEvents {
            first_seq: segment.first_seq,
            last_seq: Some(segment.last_seq),
            file: segment.file.clone(),
            problem: problem(&error),
        })
    });
    lost.collect()
}

/// Damage that no crash leaves. The manifest states it from now on.
fn lost_for_ever(journal: &JournalFiles) -> Option<LostEvents> {
    let damage = journal.damage.as_ref().filter(|damage| !damage.is_tail)?;
    Some(LostEvents {
        first_seq: journal.until_seq,
        last_seq: damage.last_lost(),
        file: file_name(&damage.path),
        problem: damage.problem.clone(),
    })
}

/// The counts of the segments and the digest of their events; `None` if one is damaged or cannot be read.
/// A segment that is not as the manifest states may be another recording's, and still be readable.
fn count_segments(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    sealed: &Manifest,
    damaged: &[Finding],
) -> Option<(Manifest, Observed)> {
    let mut segments = sealed.segments.iter().map(|it| folder.join(&it.file));
    if segments.any(|segment| damaged.iter().any(|finding| finding.file == segment)) {
        return None;
    }
    let mut observed = Observed::default();
    let visit = &mut |event: &Event| observed.on(event);
    let all = sealed.segments.len();
    let counted = unsealed::of_first_segments(storage, folder, sealed, all, visit).ok()?;
    Some((counted, observed))
}

/// A writer of what comes after the segments of `sealed`.
fn continued(
    storage: &Arc<dyn Storage>,
    place: Place,
    sealed: Manifest,
    observed: Option<Observed>,
) -> Result<RecordingWriter> {
    let options = options(&**storage, &place.folder, &sealed)?;
    let has_contracts = damaged_contracts(&**storage, &place.folder, &sealed).is_none();
    let mut writer = RecordingWriter::resume(Arc::clone(storage), place, options, sealed, observed);
    if !has_contracts {
        writer.keep_contracts();
    }
    Ok(writer)
}

fn options(storage: &dyn Storage, folder: &Path, sealed: &Manifest) -> Result<RecordingOptions> {
    let mut contracts = ContractTable::builtin();
    let path = contracts_path(storage, folder);
    if storage.exists(&path) {
        match contracts_file::read(storage, &path) {
            Ok(found) => contracts.extend(found),
            // Found by the comparison with the manifest; the product table resolves most of them.
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error),
        }
    }
    let calendar = match sealed.calendar.text.as_str() {
        "" => TradingCalendar::builtin(),
        text => TradingCalendar::parse(text).map_err(|error| {
            RecordingError::damaged(
                &manifest_path(storage, folder),
                format!("its calendar: {error}"),
            )
        })?,
    };
    Ok(RecordingOptions {
        session: sealed.session.clone(),
        source: sealed.source.clone(),
        contracts: Arc::new(contracts),
        calendar: Arc::new(calendar),
        rolling: Rolling::default(),
        overwrite: false,
        keep_partial: true,
    })
}

/// Reads back what was sealed. Damage that was there before does not count.
fn check(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    is_known: bool,
    damaged: &[Finding],
) -> Result<()> {
    let made = Recording::open_in(Arc::clone(storage), folder)?;
    let mut findings = match is_known {
        true => verify_events(&made).findings,
        false => made.damaged_segments(),
    };
    findings.retain(|finding| damaged.iter().all(|before| before.file != finding.file));
    match findings.into_iter().next() {
        Some(Finding { file, problem }) => Err(RecordingError::damaged(&file, problem)),
        None => Ok(()),
    }
}
