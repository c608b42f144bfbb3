//! The files of a recording that is copied from one storage to another. Their BLAKE3 is compared on the way.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::RecordingError;
use super::file_hash::hash_file;
use super::manifest::{Manifest, Status};
use super::names::partial_file;
use super::reader::Recording;
use super::storage::{ReadFile, Storage, StorageError, WriteFile};

type Result<T> = std::result::Result<T, RecordingError>;

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// A file of a recording, and where its copy goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    /// What the manifest states, hex.
    pub(super) blake3: String,
}

/// The manifest of a recording that can be copied: a finished one.
pub(super) fn finished(recording: &Recording) -> Result<&Manifest> {
    let path = || recording.path().to_owned();
    match recording.manifest() {
        None => Err(RecordingError::NoManifest { path: path() }),
        Some(manifest) if manifest.status == Status::Recording => {
            Err(RecordingError::NotFinished { path: path() })
        }
        Some(manifest) => Ok(manifest),
    }
}

/// The bytes of the segments of a recording.
pub(super) fn segment_bytes(recording: &Recording) -> u64 {
    let manifest = recording.manifest().into_iter();
    let segments = manifest.flat_map(|manifest| &manifest.segments);
    segments.map(|segment| segment.bytes).sum()
}

/// The files of a recording with their copies: the contract table and where it goes, and each segment where
/// `segment` says by its number and BLAKE3.
pub(super) fn copies(
    (contracts, contracts_copy): (PathBuf, PathBuf),
    segments: &[PathBuf],
    manifest: &Manifest,
    segment: impl Fn(usize, &str) -> PathBuf,
) -> Vec<Copy> {
    let mut copies = Vec::new();
    if !manifest.contracts_blake3.is_empty() {
        copies.push(Copy {
            from: contracts,
            to: contracts_copy,
            blake3: manifest.contracts_blake3.clone(),
        });
    }
    let segments = segments.iter().zip(&manifest.segments);
    copies.extend(segments.enumerate().map(|(index, (from, entry))| Copy {
        from: from.clone(),
        to: segment(index, &entry.blake3),
        blake3: entry.blake3.clone(),
    }));
    copies
}

/// Where a copy comes from, and where it goes.
pub(super) struct Copier<'a> {
    pub(super) from: &'a dyn Storage,
    pub(super) to: &'a dyn Storage,
    /// Called with the bytes that were read or written since the last call.
    pub(super) progress: &'a mut dyn FnMut(u64),
}

impl Copier<'_> {
    /// Whether the copy is there, by its size. Where it is, its bytes count as done.
    pub(super) fn has(&mut self, copy: &Copy) -> Result<bool> {
        let expected = self.from.open(&copy.from)?.bytes()?;
        let found = match self.to.open(&copy.to) {
            Ok(file) => file.bytes()?,
            Err(error) if error.source.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if found == expected {
            (self.progress)(found);
        }
        Ok(found == expected)
    }

    /// Makes the copy. One that differs from what the manifest states is not kept.
    pub(super) fn copy(&mut self, copy: &Copy) -> Result<u64> {
        let source = self.from.open(&copy.from)?;
        if self.to.is_remote() {
            // It exists when it is synced.
            let mut target = self.to.create(&copy.to)?;
            return self.write(copy, &*source, &mut *target);
        }
        let name = copy.to.file_name().unwrap_or_default().to_string_lossy();
        let partial = copy.to.with_file_name(partial_file(&name));
        if self.to.exists(&partial) {
            self.to.remove(&partial)?;
        }
        let mut target = self.to.create(&partial)?;
        let written = self.write(copy, &*source, &mut *target);
        let renamed = written.and_then(|bytes| {
            self.to.rename(&partial, &copy.to)?;
            Ok(bytes)
        });
        if renamed.is_err() {
            // The error is on its way already.
            let _ = self.to.remove(&partial);
        }
        renamed
    }

    fn write(
        &mut self,
        copy: &Copy,
        source: &dyn ReadFile,
        target: &mut dyn WriteFile,
    ) -> Result<u64> {
        let bytes = source.bytes()?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; COPY_BYTES];
        let mut position = 0;
        while position < bytes {
            let rest = usize::try_from(bytes - position).unwrap_or(usize::MAX);
            let part = &mut buffer[..rest.min(COPY_BYTES)];
            source.read_at(part, position)?;
            hasher.update(part);
            let written = target.write_all(part);
            written.map_err(StorageError::at(&copy.to, "writing"))?;
            position += part.len() as u64;
            (self.progress)(part.len() as u64);
        }
        let found = hasher.finalize().to_hex().to_string();
        refuse_other(&copy.from, &found, &copy.blake3)?;
        target.sync()?;
        Ok(bytes)
    }

    /// Reads the copy back and compares it.
    pub(super) fn compare(&mut self, copy: &Copy) -> Result<()> {
        let (bytes, found) = hash_file(self.to, &copy.to)?;
        (self.progress)(bytes);
        refuse_other(&copy.to, &found, &copy.blake3)
    }
}

fn refuse_other(path: &Path, found: &str, stated: &str) -> Result<()> {
    match found == stated {
        true => Ok(()),
        false => Err(RecordingError::damaged(
            path,
            format!("BLAKE3 is {found}, the manifest says {stated}"),
        )),
    }
}
