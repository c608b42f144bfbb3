//! Retention: which recordings go, and how they go.
//!
//! The newest trading day on disk is the reference, never the machine's clock: a clock that is wrong
//! must not remove anything. No limit ever removes the newest recording of a catalogue.
//!
//! A recording is removed only if it is finished and its files are what its manifest says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use serde::{Serialize, Serializer};
use tickdeck_core::time::UnixNanos;

use super::catalog::{Catalog, CatalogEntry};
use super::error::RecordingError;
use super::finding::Finding;
use super::manifest::Status;
use super::names::{LOCK_FILE, goes_with_recording, parent_of};
use super::owner::is_owned;
use super::reader::Recording;
use super::removal::remove;
use super::storage::{Location, Storage, local};

type Result<T> = std::result::Result<T, RecordingError>;

/// What to keep. A recording that exceeds one of the limits goes, unless it is the newest of its catalogue
/// or of those outside of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// The latest trading days that have recordings.
    pub keep_days: Option<u32>,
    /// Bytes on disk of all recordings together.
    pub max_bytes: Option<u64>,
}

/// A recording on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// The folder.
    pub recording: PathBuf,
    /// Session id.
    pub session: String,
    /// Its trading day, the last one of several; `None` without ticks.
    #[serde(serialize_with = "optional_day")]
    pub trading_day: Option<NaiveDate>,
    /// Receive time of its last event. Orders the recordings of a day; `None` where that is unknown.
    #[serde(skip)]
    pub end: Option<UnixNanos>,
    /// Bytes of all files in the folder.
    pub bytes: u64,
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn optional_day<S: Serializer>(
    day: &Option<NaiveDate>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    match day {
        Some(day) => to.collect_str(day),
        None => to.serialize_none(),
    }
}

/// Why a recording goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    /// Its trading day is not among those to keep.
    Days,
    /// There are too many bytes, and no recording is older.
    Bytes,
}

/// Why a recording stays that should go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason", content = "problem")]
pub enum Spared {
    /// A writer has it.
    BeingWritten,
    /// Its writer was killed. Recovered, it can go.
    Unfinished,
    /// The files are not what was written.
    Damaged(String),
    /// Something else is in the folder, by name.
    OtherFiles(String),
    /// The folder is a link to another place.
    Link,
    /// It has no tick, and so no trading day by which it could go.
    NoTradingDay,
    /// It is the newest of its catalogue, or of the recordings outside of one.
    Newest,
}

/// What a prune did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// What went, oldest first, and why.
    pub removed: Vec<(Stored, Excess)>,
    /// What should have gone, and why not.
    pub spared: Vec<(Stored, Excess, Spared)>,
    /// What stays.
    pub kept: Vec<Stored>,
}

impl Pruned {
    /// Bytes of everything that is still there.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        let spared = self.spared.iter().map(|(stored, ..)| stored);
        let left = self.kept.iter().chain(spared);
        left.map(|stored| stored.bytes).sum()
    }
}

impl Stored {
    /// A recording in a catalogue.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn of_entry(entry: &CatalogEntry) -> Result<Self> {
        let Location { storage, path } = Location::of(&entry.folder)?;
        Ok(Self {
            recording: entry.folder.clone(),
            session: entry.session.clone(),
            trading_day: Some(entry.trading_day),
            // What cannot be opened is damaged, and stays.
            bytes: bytes_of(&*storage, &path)?,
            end: Recording::open_in(storage, &path)
                .ok()
                .and_then(|it| end_of(&it)),
        })
    }

    /// The recording in a folder outside of a catalogue.
    ///
    /// # Errors
    /// When it is not a recording, or cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        let storage = local();
        if !storage.is_folder(folder) {
            return Err(RecordingError::NotARecording {
                path: folder.to_owned(),
                reason: "there is no such folder".into(),
            });
        }
        // Says what is wrong with a folder that is none.
        let recording = Recording::open(folder)?;
        let manifest = recording.manifest();
        let days = manifest.map_or(&[][..], |manifest| &manifest.trading_days);
        Ok(Self {
            recording: folder.to_owned(),
            session: recording.session().to_owned(),
            trading_day: days.iter().filter_map(|day| day.parse().ok()).max(),
            end: end_of(&recording),
            bytes: bytes_of(&*storage, folder)?,
        })
    }
}

fn end_of(recording: &Recording) -> Option<UnixNanos> {
    recording.manifest()?.end
}

/// Bytes of the files in a folder. One that goes meanwhile counts as empty.
pub(super) fn bytes_of(storage: &dyn Storage, folder: &Path) -> Result<u64> {
    let names = storage.list(folder)?.into_iter();
    let sizes = names.filter_map(|name| storage.file_bytes(&folder.join(name)).ok());
    Ok(sizes.sum())
}

/// Applies `retention` to recordings. With `dry_run` nothing is removed, and the result is the same.
///
/// # Errors
/// When something cannot be read or removed. What was removed before stays so.
pub fn prune(mut stored: Vec<Stored>, retention: Retention, dry_run: bool) -> Result<Pruned> {
    let storage = local();
    let key = |stored: &Stored| (stored.trading_day, stored.end, stored.recording.clone());
    stored.sort_by_key(key);
    each_once(&*storage, &mut stored);
    let newest = newest(&stored);
    let first_kept = first_kept_day(&stored, retention.keep_days);
    let mut bytes: u64 = stored.iter().map(|stored| stored.bytes).sum();
    let mut pruned = Pruned::default();
    for stored in stored {
        let Some(excess) = excess(&stored, first_kept, bytes, retention.max_bytes) else {
            pruned.kept.push(stored);
            continue;
        };
        let is_kept = newest.contains(&stored.recording);
        let reason = reason_to_spare(&storage, &stored);
        let reason = reason.map(|reason| reason.or(is_kept.then_some(Spared::Newest)));
        let removed = reason.and_then(|reason| {
            let is_removed = reason.is_none() && !dry_run;
            match is_removed.then(|| remove(&storage, &stored.recording)) {
                // Another prune was faster, and has the recording.
                Some(Err(RecordingError::InUse { .. })) => Ok(Some(Spared::BeingWritten)),
                Some(Err(error)) => Err(error),
                Some(Ok(())) | None => Ok(reason),
            }
        });
        let left = match removed {
            // Another prune was faster, and is done.
            Err(_) if !storage.exists(&stored.recording) => {
                bytes -= stored.bytes;
                continue;
            }
            other => other?,
        };
        match left {
            Some(reason) => pruned.spared.push((stored, excess, reason)),
            None => {
                bytes -= stored.bytes;
                pruned.removed.push((stored, excess));
            }
        }
    }
    Ok(pruned)
}

/// Leaves each folder once, however it was named. A link gives way to what it leads to.
fn each_once(storage: &dyn Storage, stored: &mut Vec<Stored>) {
    let identity = |one: &Stored| storage.identity(&one.recording);
    let direct: BTreeSet<(u64, u64)> = stored
        .iter()
        .filter(|one| !is_linked(storage, &one.recording))
        .filter_map(identity)
        .collect();
    let mut seen = BTreeSet::new();
    stored.retain(|one| match identity(one) {
        Some(id) if direct.contains(&id) && is_linked(storage, &one.recording) => false,
        Some(id) => seen.insert(id),
        None => true,
    });
}

/// Whether a recording, or the folder of its trading day, is a link.
fn is_linked(storage: &dyn Storage, folder: &Path) -> bool {
    // Without a slash at the end, which would follow the link.
    let folder: PathBuf = folder.components().collect();
    let day = parent_of(&folder);
    storage.link_target(&folder).is_some()
        || (Catalog::is_day(&day) && storage.link_target(&day).is_some())
}

/// The newest recording of each catalogue, and of those outside of one. The recordings are sorted.
fn newest(stored: &[Stored]) -> BTreeSet<PathBuf> {
    let by_root = stored.iter().map(|one| {
        let day = parent_of(&one.recording);
        let root = Catalog::is_day(&day).then(|| parent_of(&day));
        (root, one.recording.clone())
    });
    // The last one of a root replaces those before it.
    let newest: BTreeMap<Option<PathBuf>, PathBuf> = by_root.collect();
    newest.into_values().collect()
}

/// The first trading day that stays.
fn first_kept_day(stored: &[Stored], keep_days: Option<u32>) -> Option<NaiveDate> {
    let days: BTreeSet<NaiveDate> = stored.iter().filter_map(|one| one.trading_day).collect();
    let keep = usize::try_from(keep_days?).unwrap_or(usize::MAX);
    match keep {
        0 => Some(NaiveDate::MAX),
        keep => days.iter().nth(days.len().saturating_sub(keep)).copied(),
    }
}

fn excess(
    stored: &Stored,
    first_kept: Option<NaiveDate>,
    bytes: u64,
    max_bytes: Option<u64>,
) -> Option<Excess> {
    let is_old = |first: NaiveDate| stored.trading_day.is_some_and(|day| day < first);
    if first_kept.is_some_and(is_old) {
        Some(Excess::Days)
    } else if max_bytes.is_some_and(|most| bytes > most) {
        Some(Excess::Bytes)
    } else {
        None
    }
}

/// Why a recording must not go. Compares its files with the manifest, as a replay does before it plays.
fn reason_to_spare(storage: &Arc<dyn Storage>, stored: &Stored) -> Result<Option<Spared>> {
    let folder = &stored.recording;
    if is_linked(&**storage, folder) {
        return Ok(Some(Spared::Link));
    }
    if is_owned(&**storage, folder) {
        return Ok(Some(Spared::BeingWritten));
    }
    if stored.trading_day.is_none() {
        return Ok(Some(Spared::NoTradingDay));
    }
    let names = storage.list(folder)?;
    let is_other = |name: &&String| *name != LOCK_FILE && !goes_with_recording(name);
    if let Some(other) = names.iter().find(is_other) {
        return Ok(Some(Spared::OtherFiles(other.clone())));
    }
    let recording = match Recording::open_in(Arc::clone(storage), folder) {
        Ok(recording) => recording,
        Err(error) => return Ok(Some(Spared::Damaged(error.to_string()))),
    };
    if recording.status() == Status::Recording {
        return Ok(Some(Spared::Unfinished));
    }
    let damage = recording.damaged_segments().into_iter().next();
    let text = |Finding { file, problem }: Finding| format!("{}: {problem}", file.display());
    Ok(damage.map(|finding| Spared::Damaged(text(finding))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rolling_tests::at_hours;
    use crate::tests::options;
    use crate::{RecordingOptions, RecordingWriter, Rolling};
    use tickdeck_core::event::{EventKind, RawTick};

    const DAYS: [&str; 4] = ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08"];

    fn writer(folder: &Path) -> RecordingWriter {
        let options = RecordingOptions {
            keep_partial: true,
            ..options(Rolling::default())
        };
        let mut writer = RecordingWriter::create(folder, options).unwrap();
        let mut events = at_hours(&[3; 10]);
        events[0].kind = EventKind::Tick(RawTick::default());
        writer.write(&events).unwrap();
        writer
    }

    /// A catalogue with one session a day.
    fn catalogue() -> (tempfile::TempDir, Vec<PathBuf>) {
        let root = tempfile::tempdir().unwrap();
        let folders = DAYS.map(|day| Catalog::folder(root.path(), day.parse().unwrap(), "a"));
        for folder in &folders {
            writer(folder).finish().unwrap();
        }
        (root, folders.to_vec())
    }

    fn stored(root: &Path) -> Vec<Stored> {
        let catalog = Catalog::open(root).unwrap();
        let entries = catalog.entries.iter();
        entries
            .map(|entry| Stored::of_entry(entry).unwrap())
            .collect()
    }

    fn days(keep_days: u32) -> Retention {
        Retention {
            keep_days: Some(keep_days),
            max_bytes: None,
        }
    }

    fn there(folders: &[PathBuf]) -> Vec<bool> {
        folders.iter().map(|folder| folder.exists()).collect()
    }

    #[test]
    fn the_latest_trading_days_stay() {
        let (root, folders) = catalogue();
        let pruned = prune(stored(root.path()), days(2), false).unwrap();
        assert_eq!(there(&folders), [false, false, true, true]);
        assert_eq!(pruned.removed.len(), 2);
        assert!(pruned.removed.iter().all(|(_, why)| *why == Excess::Days));
        // The folder of a day without sessions goes as well, and nothing hidden is left.
        let names = local().list(root.path()).unwrap();
        assert_eq!(names, ["trading_day=2026-01-07", "trading_day=2026-01-08"]);
        assert_eq!(
            prune(stored(root.path()), days(0), false)
                .unwrap()
                .removed
                .len(),
            1
        );
        let names = local().list(root.path()).unwrap();
        assert_eq!(names, ["trading_day=2026-01-08"], "the newest stays");
    }

    #[test]
    fn the_oldest_go_until_the_bytes_fit() {
        let (root, folders) = catalogue();
        let all = stored(root.path());
        let one = all[3].bytes;
        let limit = bytes(2 * one + one / 2);
        let dry = prune(all.clone(), limit, true).unwrap();
        assert_eq!(there(&folders), [true; 4], "a dry run removes nothing");
        let pruned = prune(all, limit, false).unwrap();
        assert_eq!(pruned, dry);
        assert_eq!(there(&folders), [false, false, true, true]);
        assert!(pruned.bytes_left() <= 2 * one + one / 2);
        assert!(pruned.removed.iter().all(|(_, why)| *why == Excess::Bytes));
    }

    fn bytes(max_bytes: u64) -> Retention {
        Retention {
            keep_days: None,
            max_bytes: Some(max_bytes),
        }
    }

    #[test]
    fn the_newest_of_each_catalogue_stays() {
        let ((first, folders), (second, others)) = (catalogue(), catalogue());
        let all = || [stored(first.path()), stored(second.path())].concat();
        let dry = prune(all(), bytes(1), true).unwrap();
        let pruned = prune(all(), bytes(1), false).unwrap();
        assert_eq!(pruned, dry);
        assert_eq!(there(&folders), [false, false, false, true]);
        assert_eq!(there(&others), [false, false, false, true]);
        let reasons = pruned.spared.iter().map(|(_, _, why)| why);
        assert!(reasons.eq([&Spared::Newest; 2]), "{:?}", pruned.spared);
        assert!(pruned.bytes_left() > 1);
    }

    /// The trading days of all roots count together, and those of one may all be older.
    #[test]
    fn the_newest_of_a_catalogue_without_new_days_stays() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = [0, 1].map(|day| Catalog::folder(first.path(), DAYS[day].parse().unwrap(), "a"));
        let new = Catalog::folder(second.path(), DAYS[3].parse().unwrap(), "a");
        for folder in old.iter().chain([&new]) {
            writer(folder).finish().unwrap();
        }
        let all = || [stored(first.path()), stored(second.path())].concat();
        let dry = prune(all(), days(1), true).unwrap();
        let pruned = prune(all(), days(1), false).unwrap();
        assert_eq!(pruned, dry);
        assert_eq!(there(&old), [false, true]);
        assert!(new.exists());
        assert!(
            matches!(&pruned.spared[..], [(one, Excess::Days, Spared::Newest)] if one.recording == old[1]),
            "{:?}",
            pruned.spared
        );
    }

    /// The day session has the smaller name, and follows the night of its trading day.
    #[test]
    fn the_newest_of_a_day_is_the_last_one_received() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["a-day", "b-night"]
            .map(|id| Catalog::folder(root.path(), DAYS[1].parse().unwrap(), id));
        for (folder, hour) in folders.iter().zip([22, 9]) {
            let options = options(Rolling::default());
            let mut writer = RecordingWriter::create(folder, options).unwrap();
            writer.write(&at_hours(&[hour; 10])).unwrap();
            writer.finish().unwrap();
        }
        let pruned = prune(stored(root.path()), bytes(1), false).unwrap();
        assert_eq!(there(&folders), [true, false], "{pruned:?}");
    }

    #[test]
    fn what_is_unfinished_or_damaged_stays() {
        let (root, folders) = catalogue();
        let part = folders[0].join("part-00000.parquet");
        let mut bytes = std::fs::read(&part).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&part, bytes).unwrap();
        std::fs::write(folders[1].join("notes.txt"), "mine").unwrap();
        let killed = Catalog::folder(root.path(), DAYS[2].parse().unwrap(), "killed");
        let mut left = writer(&killed);
        left.write(&[]).unwrap();
        std::fs::write(killed.join("_journal-00000.tdj"), "").unwrap();
        drop(left);
        let current = Catalog::folder(root.path(), DAYS[2].parse().unwrap(), "now");
        let current_writer = writer(&current);
        let pruned = prune(stored(root.path()), days(0), false).unwrap();
        let reasons: Vec<&Spared> = pruned.spared.iter().map(|(_, _, why)| why).collect();
        assert!(
            matches!(
                reasons[..],
                [
                    Spared::Damaged(_),
                    Spared::OtherFiles(_),
                    Spared::Unfinished,
                    Spared::BeingWritten,
                    Spared::Newest,
                ]
            ),
            "{reasons:?}"
        );
        assert_eq!(there(&folders), [true, true, false, true]);
        assert!(killed.exists() && current.exists());
        current_writer.finish().unwrap();
    }

    #[test]
    fn what_a_kill_or_a_recovery_left_goes_with_its_recording() {
        let (root, folders) = catalogue();
        let before = stored(root.path());
        for name in [
            "_journal-00000.tdj.damaged",
            "_journal-00000.tdj.damaged-12",
            "part-00003.parquet.damaged",
            ".part-00004.parquet.partial.damaged-2",
            "._manifest.json.Ab12cd.tmp",
        ] {
            std::fs::write(folders[0].join(name), "1234567").unwrap();
        }
        let after = stored(root.path());
        assert_eq!(after[0].bytes, before[0].bytes + 5 * 7, "they count");
        // Files of others that only look like them.
        for name in [
            "notes.damaged",
            "part-00001.parquet.damaged-",
            "x.damaged-2",
        ] {
            std::fs::write(folders[1].join(name), "mine").unwrap();
        }
        let pruned = prune(stored(root.path()), days(2), false).unwrap();
        assert_eq!(there(&folders), [false, true, true, true]);
        assert!(matches!(pruned.spared[..], [(_, _, Spared::OtherFiles(_))]));
        // Those of a removal that was killed go, too.
        let hidden = folders[2].with_file_name(".session=a.removed");
        std::fs::rename(&folders[2], &hidden).unwrap();
        std::fs::remove_file(hidden.join("_manifest.json")).unwrap();
        std::fs::write(hidden.join("part-00003.parquet.damaged"), "").unwrap();
        crate::finish_interrupted(root.path()).unwrap();
        assert!(!hidden.exists());
    }

    #[test]
    fn a_link_to_another_place_stays() {
        let (root, folders) = catalogue();
        let (other, others) = catalogue();
        std::fs::remove_dir_all(&folders[0]).unwrap();
        std::os::unix::fs::symlink(&others[0], &folders[0]).unwrap();
        let pruned = prune(stored(root.path()), days(0), false).unwrap();
        let spared: Vec<&Spared> = pruned.spared.iter().map(|(_, _, why)| why).collect();
        assert_eq!(spared, [&Spared::Link, &Spared::Newest]);
        assert_eq!(stored(other.path()).len(), 4);
    }

    #[test]
    fn what_a_link_in_the_same_root_leads_to_stays() {
        let (root, folders) = catalogue();
        let day = |day: &str| root.path().join(format!("trading_day={day}"));
        std::os::unix::fs::symlink(day(DAYS[3]), day("2026-01-01")).unwrap();
        let link = folders[3].with_file_name("session=0latest");
        std::os::unix::fs::symlink("session=a", &link).unwrap();
        let pruned = prune(stored(root.path()), days(2), false).unwrap();
        assert_eq!(there(&folders), [false, false, true, true]);
        assert_eq!((pruned.removed.len(), pruned.kept.len()), (2, 2));
        // Each alone, too.
        for path in [
            day("2026-01-01").join("session=a"),
            link.clone(),
            link.join(""),
        ] {
            let one = Stored::of_folder(&path).unwrap();
            let pruned = prune(vec![one], days(0), false).unwrap();
            assert!(matches!(pruned.spared[..], [(_, _, Spared::Link)]));
        }
        assert!(
            Recording::open(&folders[3])
                .unwrap()
                .damaged_segments()
                .is_empty()
        );
    }

    #[test]
    fn a_root_that_is_named_twice_counts_once() {
        let (root, folders) = catalogue();
        let above = root.path().join("trading_day=2026-01-05/..");
        let link = tempfile::tempdir().unwrap();
        let link = link.path().join("link");
        std::os::unix::fs::symlink(root.path(), &link).unwrap();
        let once = stored(root.path());
        let limit = bytes(once.iter().map(|one| one.bytes).sum());
        let all = [once, stored(&above), stored(&link)].concat();
        let pruned = prune(all, limit, false).unwrap();
        assert_eq!((pruned.removed.len(), pruned.kept.len()), (0, 4));
        assert_eq!(there(&folders), [true; 4]);
    }

    #[test]
    fn what_another_prune_removed_or_has_is_passed_over() {
        let (root, folders) = catalogue();
        let all = stored(root.path());
        std::fs::remove_dir_all(&folders[0]).unwrap();
        let owner = crate::owner::Owner::of(&*local(), &folders[1]).unwrap();
        let pruned = prune(all, days(1), false).unwrap();
        assert_eq!(there(&folders), [false, true, false, true]);
        assert_eq!(pruned.removed.len(), 1);
        assert!(matches!(pruned.spared[..], [(_, _, Spared::BeingWritten)]));
        drop(owner);
    }

    #[test]
    fn folders_outside_of_a_catalogue_are_pruned_by_their_days() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["older", "newer"].map(|name| root.path().join(name));
        for (folder, hour) in folders.iter().zip([3, 27]) {
            let mut writer = RecordingWriter::create(folder, options(Rolling::default())).unwrap();
            let mut events = at_hours(&[hour; 10]);
            events[0].kind = EventKind::Tick(RawTick::default());
            writer.write(&events).unwrap();
            writer.finish().unwrap();
        }
        let both = folders
            .each_ref()
            .map(|folder| Stored::of_folder(folder).unwrap());
        assert_eq!(both[0].trading_day, Some("2026-01-05".parse().unwrap()));
        let pruned = prune(both.to_vec(), days(2), false).unwrap();
        assert_eq!(pruned.kept, both);
        let pruned = prune(both.to_vec(), days(1), false).unwrap();
        assert_eq!(pruned.removed.len(), 1);
        assert_eq!(local().list(root.path()).unwrap(), ["newer"]);
        // The newest of them stays, too.
        let pruned = prune(both[1..].to_vec(), days(0), false).unwrap();
        assert!(matches!(pruned.spared[..], [(_, _, Spared::Newest)]));
        assert!(Stored::of_folder(root.path()).is_err());
    }
}
