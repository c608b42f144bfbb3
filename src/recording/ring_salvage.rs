//! Rings on disk, and what a killed session left in one.
//!
//! The slots become one recording in four steps, each of which can be repeated after a kill:
//!
//! 1. Each slot is recovered, as an ordinary recording.
//! 2. Their events are copied into a hidden folder of the ring, which is verified.
//! 3. The folder is renamed to its place in the catalogue.
//! 4. A mark says which slots it has. Then they go.
//!
//! Between 3 and 4 the digest of the events shows that the recording is there already. Where the mark is
//! damaged, the events themselves show which slots it has.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::Event;

use super::catalog::{Catalog, SessionId};
use super::digest::EventDigest;
use super::error::RecordingError;
use super::filter::EventFilter;
use super::finding::Finding;
use super::manifest::{Manifest, Status};
use super::names::{LOCK_FILE, MERGED_FILE, is_of_recording, set_aside_name};
use super::numbering::Numbering;
use super::owner::Owner;
use super::reader::Recording;
use super::recover::recover_in;
use super::ring::{RING, detail};
use super::ring_copy::{copy, each_batch, is_copy, put_in_place, verified};
use super::ring_covered::{Covering, covering as covering_of, readable};
use super::ring_mark::Mark;
use super::ring_slot::{GONE, SLOT, clear, missing_slots, slot_number};
use super::storage::{Storage, local};
use super::unstarted::is_unstarted;
use super::writer::{RecordingOptions, Rolling};

type Result<T> = std::result::Result<T, RecordingError>;

/// What the name of a folder begins with in which damaged slots are kept.
const DAMAGED: &str = ".damaged-";

/// Whether a folder is named as a ring.
#[must_use]
pub fn is_ring(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(RING)
}

/// Whether a path that a [`Salvage`] kept is a damaged slot of which everything that can be read was merged.
#[must_use]
pub fn is_merged_slot(kept: &Path) -> bool {
    let begins = |path: Option<&OsStr>, with: &str| {
        path.is_some_and(|name| name.to_string_lossy().starts_with(with))
    };
    let beside = kept.parent().and_then(Path::file_name);
    begins(kept.file_name(), SLOT) && begins(beside, DAMAGED)
}

/// The folders of rings under a root.
///
/// # Errors
/// When the root cannot be listed.
pub fn rings(root: &Path) -> Result<Vec<PathBuf>> {
    let names = local().list(root)?.into_iter();
    let rings = names.filter(|name| name.starts_with(RING));
    Ok(rings.map(|name| root.join(name)).collect())
}

/// What became of a ring.
#[derive(Debug, Default)]
pub struct Salvage {
    /// The recording with its events, and the manifest. `None` where there is no event.
    pub made: Option<(PathBuf, Manifest)>,
    /// Events that were in a journal alone.
    pub from_journal: u64,
    /// What cannot be read.
    pub lost: Vec<Finding>,
    /// Slots that were not removed, because a part of them cannot be read or is not of a recording. Also
    /// the mark of an earlier salvage that cannot be true: the slots were merged again.
    pub kept: Vec<PathBuf>,
}

/// Keeps what a session left in its ring when it was killed: one recording, with the status `recovered`.
/// The ring goes when the recording is verified. A damaged slot is kept beside it, and one that cannot be
/// recovered stays where it is.
///
/// # Errors
/// When the session is still running, or something cannot be written. The ring stays then.
pub fn salvage_ring(ring: &Path) -> Result<Salvage> {
    salvage_ring_in(&local(), ring)
}

/// The same on any storage.
///
/// # Errors
/// As [`salvage_ring`].
pub(super) fn salvage_ring_in(storage: &Arc<dyn Storage>, ring: &Path) -> Result<Salvage> {
    let not_a_ring = || RecordingError::NothingToRecover {
        path: ring.to_owned(),
    };
    let name = ring.file_name().unwrap_or_default().to_string_lossy();
    let session = name.strip_prefix(RING).ok_or_else(not_a_ring)?;
    let session: SessionId = session.parse().map_err(|_| not_a_ring())?;
    let root = ring.parent().ok_or_else(not_a_ring)?;
    if storage.link_target(ring).is_some() {
        return Err(RecordingError::NotARecording {
            path: ring.to_owned(),
            reason: "it is a link".into(),
        });
    }
    let owner = Owner::of(&**storage, ring)?;
    let found = Ring {
        storage,
        root,
        folder: ring,
        session,
    };
    let salvage = found.salvage();
    drop(owner);
    let salvage = salvage.map_err(|error| found.space_needed(error))?;
    // What could not be recovered is still in it.
    match storage.remove_folder(ring) {
        Err(error) if error.source.kind() != ErrorKind::DirectoryNotEmpty => Err(error.into()),
        _ => Ok(salvage),
    }
}

/// A ring whose session was killed.
struct Ring<'a> {
    storage: &'a Arc<dyn Storage>,
    root: &'a Path,
    folder: &'a Path,
    session: SessionId,
}

/// A slot that was recovered.
struct Slot {
    name: String,
    /// `None` if it was killed before its first event.
    recording: Option<Recording>,
    is_damaged: bool,
}

impl Ring<'_> {
    fn salvage(&self) -> Result<Salvage> {
        self.clear_leftovers()?;
        let mut salvage = Salvage::default();
        let has_mark = self.storage.exists(&self.folder.join(MERGED_FILE)) || self.has_mark_aside();
        if self.resume(&mut salvage)? {
            return Ok(salvage);
        }
        let slots = self.slots(&mut salvage)?;
        let mut covering = None;
        // It is damaged, now or in a salvage that was killed, or its recording differs now. Slots
        // that it named may be gone, and a recording has what is left.
        if has_mark {
            let recordings = slots.iter().enumerate();
            let recordings = recordings.filter_map(|(at, it)| Some((at, it.recording.as_ref()?)));
            let recordings: Vec<_> = recordings.collect();
            covering = covering_of(self.storage, self.root, &self.session, &recordings)?;
        }
        let covered = covering.as_ref().map_or(&[][..], |it| &it.slots[..]);
        let is_new =
            |(at, slot): &(usize, &Slot)| slot.recording.is_some() && !covered.contains(at);
        let new = slots.iter().enumerate().filter(is_new);
        let new: Vec<&Recording> = new
            .filter_map(|(_, slot)| slot.recording.as_ref())
            .collect();
        if !new.is_empty() && covered.is_empty() {
            salvage
                .lost
                .extend(missing_slots(&**self.storage, self.folder)?);
        }
        let is_damaged = !salvage.lost.is_empty();
        salvage.made = match (self.merge(&new, is_damaged)?, covering) {
            (
                None,
                Some(Covering {
                    folder, manifest, ..
                }),
            ) => Some((folder, manifest)),
            (made, _) => made,
        };
        let made = salvage.made.as_ref();
        let names = |is_damaged: bool| {
            let slots = slots.iter().filter(|slot| slot.is_damaged == is_damaged);
            slots.map(|slot| slot.name.clone()).collect()
        };
        let mark = Mark {
            recording: made.and_then(|(made, _)| Some(made.strip_prefix(self.root).ok()?.into())),
            digest: made.map_or_else(String::new, |(_, manifest)| manifest.digest.clone()),
            removed: names(false),
            damaged: names(true),
        };
        mark.write(&**self.storage, self.folder)?;
        salvage.kept.extend(self.settle(&mark)?);
        Ok(salvage)
    }

    /// Removes what a killed session was removing, and a copy that was not finished.
    fn clear_leftovers(&self) -> Result<()> {
        for name in self.storage.list(self.folder)? {
            let folder = self.folder.join(&name);
            let is_left = is_copy(&name) || name.starts_with(GONE);
            if is_left && self.storage.link_target(&folder).is_none() {
                match clear(&**self.storage, &folder) {
                    Err(RecordingError::Io { source, .. })
                        if source.kind() == ErrorKind::DirectoryNotEmpty => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// Finishes a salvage that was killed after its recording was in place. False if there is none.
    fn resume(&self, salvage: &mut Salvage) -> Result<bool> {
        let mark = match Mark::read(&**self.storage, self.folder) {
            Ok(Some(mark)) => mark,
            Ok(None) => return Ok(false),
            Err(RecordingError::Damaged { .. }) => {
                salvage.kept.push(self.set_mark_aside()?);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if let Some(made) = &mark.recording {
            let folder = self.root.join(made);
            let Some(manifest) = self.made_of(&mark, &folder)? else {
                return Ok(false);
            };
            salvage.made = Some((folder, manifest));
        }
        salvage.kept = self.settle(&mark)?;
        let lost = salvage.kept.iter().map(|slot| Finding {
            file: slot.clone(),
            problem: "a part of it cannot be read".into(),
        });
        salvage.lost = lost.collect();
        Ok(true)
    }

    /// The manifest of a mark's recording. `None` if its slots must be merged again.
    fn made_of(&self, mark: &Mark, folder: &Path) -> Result<Option<Manifest>> {
        let has_files = |folder| self.storage.list(folder).is_ok_and(|it| !it.is_empty());
        let manifest = match Manifest::read_in(&**self.storage, folder) {
            Ok(manifest) if manifest.digest == mark.digest => manifest,
            // Only when it is recovered it is known which slots it has. They must not be merged twice.
            Err(error) if error.is_damaged_manifest() => return Err(error),
            Err(_) if has_files(folder) => {
                return Err(RecordingError::NoManifest {
                    path: folder.to_owned(),
                });
            }
            // It was moved or removed meanwhile, or recovered with a loss.
            _ => return Ok(None),
        };
        match verified(self.storage, folder) {
            // Its slots are still there, and can be merged again.
            Err(error) if error.is_damage() && self.has_slots_of(mark) => Ok(None),
            verified => verified.map(|()| Some(manifest)),
        }
    }

    /// Moves a mark that cannot be true out of the ring, which goes. Returns where it is.
    fn set_mark_aside(&self) -> Result<PathBuf> {
        let beside = self.created_beside()?;
        let place = self.free_place(&beside, &set_aside_name(MERGED_FILE, 1));
        self.storage
            .rename(&self.folder.join(MERGED_FILE), &place)?;
        for folder in [&beside, self.root, self.folder] {
            self.storage.sync_dir(folder)?;
        }
        Ok(place)
    }

    /// Whether a salvage has moved a mark out of the ring.
    fn has_mark_aside(&self) -> bool {
        let kept = self.storage.list(&self.beside()).unwrap_or_default();
        kept.iter().any(|name| name.starts_with(MERGED_FILE))
    }

    /// Where damaged files of the ring are kept.
    fn beside(&self) -> PathBuf {
        self.root.join(format!("{DAMAGED}{}", self.session))
    }

    /// The same, which is there after a crash: what is moved into it must not go with it.
    fn created_beside(&self) -> Result<PathBuf> {
        let beside = self.beside();
        self.storage.create_folder(&beside)?;
        self.storage.sync_dir(self.root)?;
        Ok(beside)
    }

    fn has_slots_of(&self, mark: &Mark) -> bool {
        let mut slots = mark.removed.iter();
        slots.all(|slot| self.storage.is_folder(&self.folder.join(slot)))
    }

    /// Removes the slots of a mark, and the mark. Returns where damaged ones are now.
    fn settle(&self, mark: &Mark) -> Result<Vec<PathBuf>> {
        let mut gone = Vec::new();
        for name in &mark.removed {
            let folder = self.folder.join(name);
            let renamed = self.folder.join(format!("{GONE}{name}"));
            if self.storage.is_folder(&folder) {
                self.storage.rename(&folder, &renamed)?;
                gone.push(renamed);
            }
        }
        // Else a crash could leave a part of a slot under its name.
        self.storage.sync_dir(self.folder)?;
        for folder in gone {
            clear(&**self.storage, &folder)?;
        }
        let beside = self.beside();
        let mut kept = Vec::new();
        for name in &mark.damaged {
            let folder = self.folder.join(name);
            if self.storage.is_folder(&folder) {
                self.created_beside()?;
                let place = self.free_place(&beside, name);
                self.storage.rename(&folder, &place)?;
                kept.push(place);
            }
        }
        if !kept.is_empty() {
            self.storage.sync_dir(&beside)?;
            self.storage.sync_dir(self.root)?;
        }
        self.storage.sync_dir(self.folder)?;
        self.storage.remove(&self.folder.join(MERGED_FILE))?;
        Ok(kept)
    }

    fn free_place(&self, folder: &Path, name: &str) -> PathBuf {
        let mut place = folder.join(name);
        let mut number = 1_u32;
        while self.storage.exists(&place) {
            number += 1;
            place = folder.join(format!("{name}-{number}"));
        }
        place
    }

    /// Recovers the slots. One that cannot be recovered is stated and stays.
    fn slots(&self, salvage: &mut Salvage) -> Result<Vec<Slot>> {
        let mut slots = Vec::new();
        let mut names = self.storage.list(self.folder)?;
        names.retain(|name| name.starts_with(SLOT));
        // Those with more digits are behind the others.
        names.sort_by_key(|name| slot_number(name));
        for name in names {
            let folder = self.folder.join(&name);
            match self.slot(name, salvage) {
                Ok(slot) => slots.push(slot),
                Err(error) if error.is_no_room() => return Err(error),
                Err(error) => {
                    salvage.lost.push(Finding::new(folder.clone(), &error));
                    salvage.kept.push(folder);
                }
            }
        }
        Ok(slots)
    }

    fn slot(&self, name: String, salvage: &mut Salvage) -> Result<Slot> {
        let folder = self.folder.join(&name);
        if self.storage.link_target(&folder).is_some() || !self.storage.is_folder(&folder) {
            return Err(RecordingError::NotARecording {
                path: folder,
                reason: "it is not a folder of this ring".into(),
            });
        }
        let mut lost = Vec::new();
        let recording = match recover_in(Arc::clone(self.storage), &folder) {
            Ok(recovery) => {
                salvage.from_journal += recovery.from_journal;
                lost = recovery.lost;
                Some(Recording::open_in(Arc::clone(self.storage), &folder)?)
            }
            Err(RecordingError::NothingToRecover { .. })
                if is_unstarted(&**self.storage, &folder)? =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        let is_foreign = |name: &String| !is_of_recording(name) && name != LOCK_FILE;
        let foreign = self.storage.list(&folder)?.into_iter().find(is_foreign);
        if let Some(foreign) = &foreign
            && lost.is_empty()
        {
            lost.push(Finding {
                file: folder.join(foreign),
                problem: "it is kept: no recording has what is in it".into(),
            });
        }
        let slot = Slot {
            name,
            recording,
            is_damaged: foreign.is_some() || !lost.is_empty(),
        };
        salvage.lost.append(&mut lost);
        Ok(slot)
    }

    /// All events of the slots as one recording of the catalogue.
    fn merge(&self, slots: &[&Recording], is_damaged: bool) -> Result<Option<(PathBuf, Manifest)>> {
        let first = slots.iter().find_map(|slot| slot.manifest()?.start);
        let Some((first, slot)) = first.zip(slots.first()) else {
            return Ok(None);
        };
        let mut contracts = ContractTable::builtin();
        for slot in slots {
            match slot.contracts(&mut contracts) {
                // It was stated as damage of the slot.
                Err(error) if error.is_damage() => {}
                other => other?,
            }
        }
        let calendar = slot.calendar()?.unwrap_or_else(TradingCalendar::builtin);
        let date = calendar.trading_day_of(first).0;
        let mut options = RecordingOptions {
            session: self.session.to_string(),
            source: slot.source().clone(),
            contracts: Arc::new(contracts),
            calendar: Arc::new(calendar),
            rolling: Rolling::default(),
            overwrite: false,
            // What is not finished is not needed: the slots have it.
            keep_partial: false,
        };
        let mut reasons = vec!["killed".to_owned()];
        reasons.extend(is_damaged.then(|| "damaged".to_owned()));
        options.source.detail = detail(&options.source.detail, &reasons);
        let mut parts = 0;
        loop {
            let (place, is_made) = self.place(slots, date, &mut parts)?;
            if is_made {
                match verified(self.storage, &place) {
                    // It was damaged since: the slots get another one.
                    Err(error) if error.is_damage() => continue,
                    verified => verified?,
                }
                let manifest = Manifest::read_in(&**self.storage, &place)?;
                return Ok(Some((place, manifest)));
            }
            options.session = self.session.of_part(parts - 1);
            let (hidden, made) = copy(self.storage, self.folder, options.clone(), |mut writer| {
                each_event_batch(slots, &mut |events| writer.write(events))?;
                writer.finish_partly()
            })?;
            if put_in_place(&**self.storage, &hidden, &place)? {
                return Ok(Some((place, made)));
            }
            // Another session has the name since.
            clear(&**self.storage, &hidden)?;
        }
    }

    /// The first free place for the recording, or where an earlier salvage put it.
    fn place(
        &self,
        slots: &[&Recording],
        date: NaiveDate,
        parts: &mut u64,
    ) -> Result<(PathBuf, bool)> {
        let mut digest = None;
        loop {
            let place = Catalog::folder(self.root, date, &self.session.of_part(*parts));
            *parts += 1;
            if !self.storage.exists(&place) {
                return Ok((place, false));
            }
            let Some(manifest) = readable(Manifest::read_in(&**self.storage, &place))? else {
                continue;
            };
            if manifest.status == Status::Recording || manifest.digest.is_empty() {
                continue;
            }
            let expected = match digest.take() {
                Some(digest) => digest,
                None => digest_of(slots)?,
            };
            if manifest.digest == expected {
                return Ok((place, true));
            }
            digest = Some(expected);
        }
    }

    /// Says how much space is needed where there is too little.
    fn space_needed(&self, error: RecordingError) -> RecordingError {
        if !error.is_no_space() {
            return error;
        }
        let free = self.storage.free_space(self.root).ok().flatten();
        RecordingError::NoSpaceToRecover {
            path: self.folder.to_owned(),
            free: free.unwrap_or(0),
            needed: self.bytes().unwrap_or(0),
        }
    }

    /// Bytes of all slots. The recording of them is not larger.
    fn bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for slot in self.storage.list(self.folder)? {
            let folder = self.folder.join(&slot);
            if slot.starts_with(SLOT) && self.storage.is_folder(&folder) {
                for name in self.storage.list(&folder)? {
                    bytes += self.storage.open(&folder.join(name))?.bytes()?;
                }
            }
        }
        Ok(bytes)
    }
}

/// Shows `visit` the events of the slots as those of one recording, as far as they can be read.
fn each_event_batch(
    slots: &[&Recording],
    visit: &mut dyn FnMut(&[Event]) -> Result<()>,
) -> Result<()> {
    let mut numbering = Numbering::default();
    let all = EventFilter::default;
    let mut slots = slots.iter();
    slots.try_for_each(|slot| each_batch(slot, all(), true, &mut numbering, visit))
}

fn digest_of(slots: &[&Recording]) -> Result<String> {
    let mut digest = EventDigest::new();
    each_event_batch(slots, &mut |events| {
        events.iter().for_each(|event| digest.update(event));
        Ok(())
    })?;
    Ok(digest.finish())
}
