//! Copies a recording to where an object store keeps it: immutable files that are named after their
//! content, and a manifest for each commit.
//!
//! ```text
//! part-00000-0123456789abcdef.parquet
//! contracts-fedcba9876543210.parquet
//! manifest-0001.json
//! ```
//!
//! A commit is one conditional put: a manifest with the next number is created, and it must not exist. Of
//! two writers one wins, and the other changes nothing. The files are there and compared before.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::copy_file::{Copier, Copy, copies, finished, segment_bytes};
use super::error::RecordingError;
use super::manifest::{Manifest, Status};
use super::names::{FileNames, named_after, newest_commit, segment_file};
use super::reader::Recording;
use super::storage::{Location, Storage, read_whole};

type Result<T> = std::result::Result<T, RecordingError>;

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest that makes it visible.
    pub manifest: PathBuf,
    /// Its number: how many commits there are.
    pub commit: u64,
    /// Whether the recording was there already, with the same content. Then nothing was done.
    pub was_there: bool,
    /// Files that were copied.
    pub copied_files: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files that an earlier push had copied.
    pub present_files: u64,
    /// Digest of the events, as the manifest states it.
    pub event_digest: String,
}

/// The bytes that a push reads and compares at most, for its progress.
#[must_use]
pub fn push_bytes(recording: &Recording) -> u64 {
    2 * segment_bytes(recording)
}

/// Copies a finished recording to `target`, a path or a URL. What is there already is not copied again,
/// and every file is compared with its BLAKE3 at the target before the commit. `progress` receives the
/// bytes that were copied or compared since its last call.
///
/// # Errors
/// When the recording is not finished or damaged, the target has another recording, another writer
/// committed meanwhile, or a file cannot be read or written.
pub fn push(recording: &Recording, target: &Path, progress: &mut dyn FnMut(u64)) -> Result<Pushed> {
    let target = Location::of(target)?;
    push_to(recording, &target, progress)
}

/// The same to a place.
///
/// # Errors
/// As [`push`].
pub(super) fn push_to(
    recording: &Recording,
    target: &Location,
    progress: &mut dyn FnMut(u64),
) -> Result<Pushed> {
    let manifest = finished(recording)?;
    let storage = &*target.storage;
    let there = There::read(storage, &target.path)?;
    let (number, epoch) = there.next(&target.path, manifest)?;
    let names = FileNames::of_commits(&target.path);
    let mut pushed = Pushed {
        manifest: names.commit(&target.path, number),
        commit: number,
        was_there: false,
        copied_files: 0,
        copied_bytes: 0,
        present_files: 0,
        event_digest: manifest.digest.clone(),
    };
    if let There::Commit {
        path, manifest: is, ..
    } = &there
        && is_same(is, manifest)
    {
        pushed.manifest.clone_from(path);
        pushed.commit = number - 1;
        pushed.was_there = true;
        return Ok(pushed);
    }
    storage.create_folder(&target.path)?;
    let (contracts, segments) = (recording.contracts_path(), recording.segments());
    let copies = copies_at(contracts, segments, manifest, &target.path);
    let mut copier = Copier {
        from: &**recording.storage(),
        to: storage,
        progress,
    };
    copy_all(&mut copier, &copies, &mut pushed)?;
    storage.sync_dir(&target.path)?;
    refuse_unconditional(storage, &copies)?;
    let committed = committed(manifest, epoch);
    commit(storage, &pushed.manifest, &committed)?;
    Ok(pushed)
}

/// Copies what is not there, and compares everything.
fn copy_all(copier: &mut Copier<'_>, copies: &[Copy], pushed: &mut Pushed) -> Result<()> {
    for copy in copies {
        if copier.has(copy)? {
            pushed.present_files += 1;
            continue;
        }
        match copier.copy(copy) {
            Ok(bytes) => {
                pushed.copied_bytes += bytes;
                pushed.copied_files += 1;
            }
            // Another push made it meanwhile. It has that name because of its content.
            Err(RecordingError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
                pushed.present_files += 1;
            }
            Err(error) => return Err(error),
        }
    }
    copies.iter().try_for_each(|copy| copier.compare(copy))
}

/// What is at the target.
pub(super) enum There {
    Nothing,
    /// A recording as a file system has it.
    Plain(Box<Manifest>),
    /// A recording with numbered manifests.
    Commit {
        number: u64,
        path: PathBuf,
        manifest: Box<Manifest>,
    },
}

impl There {
    pub(super) fn read(storage: &dyn Storage, folder: &Path) -> Result<Self> {
        let plain = FileNames::of(storage, folder).manifest(folder);
        if storage.exists(&plain) {
            let manifest = Manifest::read_file(storage, plain)?;
            return Ok(Self::Plain(Box::new(manifest)));
        }
        let Some((number, path)) = newest_commit(storage, folder)? else {
            return Ok(Self::Nothing);
        };
        let manifest = Manifest::read_file(storage, path.clone())?;
        Ok(Self::Commit {
            number,
            path,
            manifest: Box::new(manifest),
        })
    }

    /// The number of the next commit and the epoch of its writer. Refuses to continue another recording.
    fn next(&self, folder: &Path, ours: &Manifest) -> Result<(u64, u64)> {
        let (number, theirs) = match self {
            Self::Nothing => return Ok((1, 1)),
            Self::Plain(theirs) => (0, theirs),
            Self::Commit {
                number, manifest, ..
            } => (*number, manifest),
        };
        if number == 0 || !continues(theirs, ours) {
            return Err(RecordingError::OtherRecording {
                path: folder.to_owned(),
                session: theirs.session.clone(),
                events: theirs.events,
            });
        }
        Ok((number + 1, theirs.epoch.unwrap_or(0) + 1))
    }
}

/// Whether `ours` is `theirs` or continues it: the same session, and segments that begin with
/// theirs.
pub(super) fn continues(theirs: &Manifest, ours: &Manifest) -> bool {
    let contents = |manifest: &Manifest| -> Vec<String> {
        let segments = manifest.segments.iter();
        segments.map(|segment| segment.blake3.clone()).collect()
    };
    theirs.session == ours.session
        && contents(ours).starts_with(&contents(theirs))
        && (theirs.status == Status::Recording || is_same(theirs, ours))
}

/// Whether two manifests state the same recording. Names of files and commits do not matter.
pub(super) fn is_same(a: &Manifest, b: &Manifest) -> bool {
    let local = |manifest: &Manifest| with_names(manifest, None, |index, _| segment_file(index));
    local(a) == local(b)
}

/// A manifest with other names of segments.
pub(super) fn with_names(
    manifest: &Manifest,
    epoch: Option<u64>,
    name: impl Fn(usize, &str) -> String,
) -> Manifest {
    let mut renamed = manifest.clone();
    renamed.epoch = epoch;
    for (index, segment) in renamed.segments.iter_mut().enumerate() {
        segment.file = name(index, &segment.blake3);
    }
    renamed
}

/// The manifest of a commit.
pub(super) fn committed(manifest: &Manifest, epoch: u64) -> Manifest {
    with_names(manifest, Some(epoch), committed_segment)
}

fn committed_segment(index: usize, blake3: &str) -> String {
    named_after(&segment_file(index), blake3)
}

/// The files of a recording and their copies at `target`.
pub(super) fn copies_at(
    contracts: PathBuf,
    segments: &[PathBuf],
    manifest: &Manifest,
    target: &Path,
) -> Vec<Copy> {
    let blake3 = &manifest.contracts_blake3;
    let copy = FileNames::of_commits(target).contracts_of(target, blake3);
    copies((contracts, copy), segments, manifest, |index, blake3| {
        target.join(committed_segment(index, blake3))
    })
}

/// Refuses a server that would replace a manifest. The smallest file is created once more for that, with
/// the content it has.
pub(super) fn refuse_unconditional(storage: &dyn Storage, copies: &[Copy]) -> Result<()> {
    let mut smallest = None;
    for copy in copies {
        let bytes = storage.open(&copy.to)?.bytes()?;
        if smallest.is_none_or(|(least, _)| bytes < least) {
            smallest = Some((bytes, &copy.to));
        }
    }
    let Some((bytes, path)) = smallest.filter(|_| storage.is_remote()) else {
        return Ok(());
    };
    let content = read_whole(storage, path, bytes)?;
    match storage.refuses_to_replace(path, &content)? {
        true => Ok(()),
        false => Err(RecordingError::Unconditional { path: path.clone() }),
    }
}

/// Creates the manifest, unless another writer did.
pub(super) fn commit(storage: &dyn Storage, path: &Path, manifest: &Manifest) -> Result<()> {
    match storage.put_new(path, &manifest.text(path)?) {
        Err(error) if error.source.kind() == ErrorKind::AlreadyExists => {
            let path = path.to_owned();
            Err(RecordingError::Overtaken { path })
        }
        Err(error) => Err(error.into()),
        Ok(()) => Ok(storage.sync_dir(path.parent().unwrap_or(path))?),
    }
}
