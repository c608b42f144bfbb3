//! Copies a recording from an object store to a folder, as a file system has it.
//!
//! It is copied beside the folder, under a hidden name, and takes its place when every file is there and
//! has the BLAKE3 of the manifest. What an interrupted pull has copied is compared and kept.

use std::path::{Path, PathBuf};

use super::copy_file::{Copier, Copy, copies, finished, segment_bytes};
use super::error::RecordingError;
use super::manifest::Manifest;
use super::names::{FileNames, LOCK_FILE, parent_of, segment_file};
use super::owner::Owner;
use super::push::{is_same, with_names};
use super::reader::Recording;
use super::storage::{Location, Storage};

type Result<T> = std::result::Result<T, RecordingError>;

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The folder of the copy.
    pub folder: PathBuf,
    /// Whether the recording was there already, with the same content. It was compared.
    pub was_there: bool,
    /// Files that were copied.
    pub copied_files: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files that were there already.
    pub present_files: u64,
    /// Digest of the events, as the manifest states it.
    pub event_digest: String,
}

/// The bytes that a pull copies at most, for its progress.
#[must_use]
pub fn pull_bytes(recording: &Recording) -> u64 {
    segment_bytes(recording)
}

/// Copies a recording into a new folder. `progress` receives the bytes that were copied or compared since
/// its last call.
///
/// # Errors
/// When the recording is not finished, the folder has something else, another pull is copying to it, or a
/// file is damaged or cannot be read or written.
pub fn pull(recording: &Recording, folder: &Path, progress: &mut dyn FnMut(u64)) -> Result<Pulled> {
    let Location {
        storage,
        path: folder,
    } = Location::of(folder)?;
    let manifest = finished(recording)?;
    let mut pulled = Pulled {
        folder: folder.clone(),
        was_there: is_there(&*storage, &folder, manifest)?,
        copied_files: 0,
        copied_bytes: 0,
        present_files: 0,
        event_digest: manifest.digest.clone(),
    };
    let mut copier = Copier {
        from: &**recording.storage(),
        to: &*storage,
        progress,
    };
    if pulled.was_there {
        for copy in &copies_in(recording, manifest, &folder) {
            copier.compare(copy)?;
            pulled.present_files += 1;
        }
        return Ok(pulled);
    }
    let staging = staging(&folder);
    storage.create_folder(&staging)?;
    let owner = Owner::of(&*storage, &staging)?;
    let copies = copies_in(recording, manifest, &staging);
    copy_all(&mut copier, &copies, &mut pulled)?;
    local_manifest(manifest).write(&*storage, &staging)?;
    storage.rename(&staging, &folder)?;
    drop(owner);
    let lock = folder.join(LOCK_FILE);
    if storage.exists(&lock) {
        storage.remove(&lock)?;
    }
    storage.sync_dir(&parent_of(&folder))?;
    Ok(pulled)
}

/// Copies what is not there whole.
fn copy_all(copier: &mut Copier<'_>, copies: &[Copy], pulled: &mut Pulled) -> Result<()> {
    for copy in copies {
        if copier.has(copy)? && copier.compare(copy).is_ok() {
            pulled.present_files += 1;
            continue;
        }
        if copier.to.exists(&copy.to) {
            copier.to.remove(&copy.to)?;
        }
        pulled.copied_bytes += copier.copy(copy)?;
        pulled.copied_files += 1;
    }
    Ok(())
}

/// Whether `folder` has this very recording. Refuses one that has something else.
fn is_there(storage: &dyn Storage, folder: &Path, ours: &Manifest) -> Result<bool> {
    if !storage.exists(folder) {
        return Ok(false);
    }
    if !storage.is_folder(folder) {
        let path = folder.to_owned();
        return Err(RecordingError::NotAFolder { path });
    }
    let manifest = FileNames::of(storage, folder).manifest(folder);
    if storage.exists(&manifest) {
        let theirs = Manifest::read_file(storage, manifest)?;
        return match is_same(&theirs, ours) {
            true => Ok(true),
            false => Err(RecordingError::OtherRecording {
                path: folder.to_owned(),
                session: theirs.session,
                events: theirs.events,
            }),
        };
    }
    match storage.list(folder)?.is_empty() {
        true => Ok(false),
        false => Err(RecordingError::OutputExists {
            path: folder.to_owned(),
        }),
    }
}

/// Where a recording is until it is whole. The same for each try.
fn staging(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.pull"))
}

/// The manifest as a file system has it.
fn local_manifest(manifest: &Manifest) -> Manifest {
    with_names(manifest, None, |index, _| segment_file(index))
}

/// The files of a recording and their copies in `folder`.
fn copies_in(recording: &Recording, manifest: &Manifest, folder: &Path) -> Vec<Copy> {
    let contracts = FileNames::of_commits(folder).contracts(folder);
    let contracts = (recording.contracts_path(), contracts);
    copies(contracts, recording.segments(), manifest, |index, _| {
        folder.join(segment_file(index))
    })
}
