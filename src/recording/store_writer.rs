//! Copies a recording that is being written in a spool to its place in a store, commit by commit.
//!
//! Each sealed segment becomes an immutable file, and a numbered manifest, created once, makes it visible.
//! The manifest has the epoch of this writer. A writer that comes later takes the next number and a higher
//! epoch. The next commit of this one then finds its number taken: it stops, and the spool keeps everything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copy_file::{Copier, Copy};
use super::error::RecordingError;
use super::manifest::{Manifest, Status};
use super::names::{FileNames, contracts_path};
use super::push::{There, commit, committed, continues, copies_at, is_same, refuse_unconditional};
use super::removal::remove;
use super::storage::{Location, Storage, local};

type Result<T> = std::result::Result<T, RecordingError>;

/// How often a manifest is read again that changed while its files were copied.
const MOST_CHANGES: u32 = 20;

/// The last commit of a writer.
#[derive(Debug, Clone)]
struct Commit {
    number: u64,
    epoch: u64,
    /// The manifest of the spool that was committed.
    manifest: Manifest,
}

/// What a writer may do at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Make the commit of this number, as the writer of this epoch.
    Next { number: u64, epoch: u64 },
    /// The same, once the recording is finished: until then the place has another one, which is whole.
    AtTheEnd { number: u64, epoch: u64 },
    /// Nothing: this commit has the recording, which is finished. Another process has stored it.
    IsThere { number: u64, epoch: u64 },
}

/// Copies one recording.
#[derive(Debug)]
pub(super) struct StoreWriter {
    spool: PathBuf,
    target: Location,
    /// Whether another recording is superseded. Its files stay.
    force: bool,
    last: Option<Commit>,
    /// Files at the target that have the content of the manifest.
    compared: BTreeSet<PathBuf>,
    is_checked: bool,
}

impl StoreWriter {
    pub(super) fn new(spool: &Path, target: Location, force: bool) -> Self {
        Self {
            spool: spool.to_owned(),
            target,
            force,
            last: None,
            compared: BTreeSet::new(),
            is_checked: false,
        }
    }

    /// The folder of the recording in the spool.
    pub(super) fn spool(&self) -> &Path {
        &self.spool
    }

    /// Copies and commits what is sealed and is not there yet.
    ///
    /// # Errors
    /// When another writer has the place, or something cannot be read or written.
    pub(super) fn follow(&mut self) -> Result<()> {
        let mut changes = 0;
        loop {
            let manifest = self.manifest()?;
            let followed = self.follow_to(&manifest);
            // The recorder replaces the contract table and the manifest one after the other.
            match followed {
                Err(_) if changes < MOST_CHANGES && self.manifest()? != manifest => changes += 1,
                followed => return followed,
            }
        }
    }

    /// The same for a recording that is finished. Then the spool is removed.
    ///
    /// # Errors
    /// As [`follow`](Self::follow), and when the recording is not finished.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.follow()?;
        let finished = self.last.as_ref().map(|last| last.manifest.status);
        match finished {
            Some(Status::Complete | Status::Recovered) => remove(&local(), &self.spool),
            _ => Err(RecordingError::NotFinished {
                path: self.spool.clone(),
            }),
        }
    }

    fn manifest(&self) -> Result<Manifest> {
        Manifest::read_in(&*local(), &self.spool)
    }

    fn follow_to(&mut self, manifest: &Manifest) -> Result<()> {
        let is_there = |last: &Commit| last.manifest == *manifest;
        // A table that is being replaced has no BLAKE3 for a moment.
        if self.last.as_ref().is_some_and(is_there) || manifest.contracts_blake3.is_empty() {
            return Ok(());
        }
        let claim = match &self.last {
            Some(last) => Claim::Next {
                number: last.number + 1,
                epoch: last.epoch,
            },
            None => self.claim(manifest)?,
        };
        let copies = self.copies(manifest);
        self.copy_all(&copies)?;
        if let Claim::IsThere { number, epoch } = claim {
            self.committed(number, epoch, manifest);
            return Ok(());
        }
        let (number, epoch) = match claim {
            Claim::AtTheEnd { .. } if manifest.status == Status::Recording => return Ok(()),
            Claim::Next { number, epoch }
            | Claim::AtTheEnd { number, epoch }
            | Claim::IsThere { number, epoch } => (number, epoch),
        };
        let (storage, folder) = (&*self.target.storage, &self.target.path);
        if !std::mem::replace(&mut self.is_checked, true) {
            refuse_unconditional(storage, &copies)?;
        }
        let path = FileNames::of_commits(folder).commit(folder, number);
        commit(storage, &path, &committed(manifest, epoch))?;
        self.committed(number, epoch, manifest);
        Ok(())
    }

    fn committed(&mut self, number: u64, epoch: u64, manifest: &Manifest) {
        self.last = Some(Commit {
            number,
            epoch,
            manifest: manifest.clone(),
        });
    }

    /// What this writer may do at its place, by what is there.
    fn claim(&self, ours: &Manifest) -> Result<Claim> {
        let folder = &self.target.path;
        let there = There::read(&*self.target.storage, folder)?;
        if let There::Commit {
            number, manifest, ..
        } = &there
            && ours.status != Status::Recording
            && is_same(manifest, ours)
        {
            return Ok(Claim::IsThere {
                number: *number,
                epoch: manifest.epoch.unwrap_or(0),
            });
        }
        claim_of(&there, folder, self.force, |theirs| continues(theirs, ours))
    }

    fn copies(&self, manifest: &Manifest) -> Vec<Copy> {
        let segments = manifest.segments.iter();
        let segments: Vec<PathBuf> = segments.map(|it| self.spool.join(&it.file)).collect();
        let contracts = contracts_path(&*local(), &self.spool);
        copies_at(contracts, &segments, manifest, &self.target.path)
    }

    /// Copies what is not there, and compares each file once.
    fn copy_all(&mut self, copies: &[Copy]) -> Result<()> {
        let (from, to): (Arc<dyn Storage>, _) = (local(), Arc::clone(&self.target.storage));
        to.create_folder(&self.target.path)?;
        let mut copier = Copier {
            from: &*from,
            to: &*to,
            progress: &mut |_| {},
        };
        for copy in copies {
            if self.compared.contains(&copy.to) {
                continue;
            }
            if !copier.has(copy)? {
                copier.copy(copy)?;
            }
            copier.compare(copy)?;
            self.compared.insert(copy.to.clone());
        }
        Ok(to.sync_dir(&self.target.path)?)
    }
}

/// What a writer may do at a place. `continues` says whether its recording continues another one.
fn claim_of(
    there: &There,
    folder: &Path,
    force: bool,
    continues: impl Fn(&Manifest) -> bool,
) -> Result<Claim> {
    let (number, theirs) = match there {
        There::Nothing => {
            return Ok(Claim::Next {
                number: 1,
                epoch: 1,
            });
        }
        There::Plain(theirs) => return Err(other(folder, theirs)),
        There::Commit {
            number, manifest, ..
        } => (number + 1, manifest),
    };
    let epoch = theirs.epoch.unwrap_or(0) + 1;
    let is_recording = theirs.status == Status::Recording;
    // A recording without an event gives way, as on a disk.
    if is_recording && (theirs.events == 0 || continues(theirs) || force) {
        return Ok(Claim::Next { number, epoch });
    }
    match force {
        true => Ok(Claim::AtTheEnd { number, epoch }),
        false => Err(other(folder, theirs)),
    }
}

fn other(folder: &Path, theirs: &Manifest) -> RecordingError {
    RecordingError::OtherRecording {
        path: folder.to_owned(),
        session: theirs.session.clone(),
        events: theirs.events,
    }
}

/// Refuses a place in a store that has another recording.
///
/// # Errors
/// When it has one, or cannot be read.
pub(super) fn check_place(target: &Location, force: bool) -> Result<()> {
    let there = There::read(&*target.storage, &target.path)?;
    claim_of(&there, &target.path, force, |_| false).map(drop)
}
