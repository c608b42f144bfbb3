//! Names of the files of a recording, and of its session.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::storage::{Storage, StorageError, local, target_of_temporary};

/// File name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// File name of the contract table.
pub const CONTRACTS_FILE: &str = "contracts.parquet";

/// What the name of a numbered manifest begins and ends with, as in `manifest-0001.json`.
const COMMIT_PREFIX: &str = "manifest-";
const COMMIT_END: &str = ".json";
/// Digits of the BLAKE3 in the name of a file that is named after its content.
const CONTENT_DIGITS: usize = 16;

/// File name of the lock of a recording that is being written.
pub(super) const LOCK_FILE: &str = ".lock";
/// File name of the mark of a finished recording that takes the place of another.
pub(super) const REPLACES_FILE: &str = ".replaces";
/// File name of the mark of a ring, which says what was merged.
pub(super) const MERGED_FILE: &str = "merged.json";

/// What the name of an empty folder begins with that tries whether a place can be written. Six letters or
/// digits follow.
pub const TRIAL_PREFIX: &str = ".tickdeck-";

/// In a catalogue, the names of files that are not data begin with this: Parquet readers that are given
/// the root skip them.
const HIDDEN: &str = "_";

/// What the name of a session's folder in a catalogue begins with.
pub(super) const SESSION_KEY: &str = "session=";

/// How the files of a recording are named that are not data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileNames {
    /// `manifest.json`
    Plain,
    /// `_manifest.json`
    Hidden,
}

impl FileNames {
    /// Those of the recording in `folder`: of what is there, and before that by the folder's name.
    pub(super) fn of(storage: &dyn Storage, folder: &Path) -> Self {
        let has = |names: Self| storage.exists(&names.manifest(folder));
        if has(Self::Hidden) {
            Self::Hidden
        } else if has(Self::Plain) {
            Self::Plain
        } else {
            Self::of_commits(folder)
        }
    }

    /// Those of a recording in `folder` with numbered manifests, or of a new one: by the folder's name.
    pub(super) fn of_commits(folder: &Path) -> Self {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        // What replaces a recording is written beside it, with a dot in front.
        match name.trim_start_matches('.').starts_with(SESSION_KEY) {
            true => Self::Hidden,
            false => Self::Plain,
        }
    }

    fn path(self, folder: &Path, name: &str) -> PathBuf {
        match self {
            Self::Plain => folder.join(name),
            Self::Hidden => folder.join(format!("{HIDDEN}{name}")),
        }
    }

    pub(super) fn manifest(self, folder: &Path) -> PathBuf {
        self.path(folder, MANIFEST_FILE)
    }

    pub(super) fn contracts(self, folder: &Path) -> PathBuf {
        self.path(folder, CONTRACTS_FILE)
    }

    /// The manifest of a commit.
    pub(super) fn commit(self, folder: &Path, number: u64) -> PathBuf {
        self.path(folder, &format!("{COMMIT_PREFIX}{number:04}{COMMIT_END}"))
    }

    /// The contract table of a recording that is committed, named after its content.
    pub(super) fn contracts_of(self, folder: &Path, blake3: &str) -> PathBuf {
        let name = named_after(CONTRACTS_FILE, blake3);
        self.path(folder, &name)
    }

    pub(super) fn journal(self, folder: &Path, index: usize) -> PathBuf {
        self.path(folder, &journal_file(index))
    }
}

/// The path of the manifest of the recording in `folder`. Of numbered ones it is the newest.
pub(super) fn manifest_path(storage: &dyn Storage, folder: &Path) -> PathBuf {
    let manifest = FileNames::of(storage, folder).manifest(folder);
    if storage.exists(&manifest) {
        return manifest;
    }
    let newest = newest_commit(storage, folder).ok().flatten();
    newest.map_or(manifest, |(_, newest)| newest)
}

/// The newest numbered manifest of `folder`, and its number.
///
/// # Errors
/// When the folder cannot be listed.
pub(super) fn newest_commit(
    storage: &dyn Storage,
    folder: &Path,
) -> Result<Option<(u64, PathBuf)>, StorageError> {
    let names = match storage.list(folder) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let numbered = names
        .iter()
        .filter_map(|name| Some((commit_number(name)?, name)));
    let newest = numbered.max_by_key(|(number, _)| *number);
    Ok(newest.map(|(number, name)| (number, folder.join(name))))
}

/// The path of its contract table.
pub(super) fn contracts_path(storage: &dyn Storage, folder: &Path) -> PathBuf {
    FileNames::of(storage, folder).contracts(folder)
}

/// Whether `folder` has a manifest.
pub(super) fn has_manifest(storage: &dyn Storage, folder: &Path) -> bool {
    storage.exists(&manifest_path(storage, folder))
}

/// Whether a folder of the local file system has the manifest of a recording.
#[must_use]
pub fn is_recording_folder(folder: &Path) -> bool {
    has_manifest(&*local(), folder)
}

/// Whether Parquet readers that are given the root of a catalogue skip a file or folder of that name.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with(HIDDEN) || name.starts_with('.')
}

/// Whether a file of that name is a manifest.
pub(super) fn is_manifest(name: &str) -> bool {
    unhidden(name) == MANIFEST_FILE || commit_number(name).is_some()
}

/// The number of a numbered manifest; `None` for another name.
fn commit_number(name: &str) -> Option<u64> {
    let digits = unhidden(name)
        .strip_prefix(COMMIT_PREFIX)?
        .strip_suffix(COMMIT_END)?;
    let is_number = digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// A file name with the beginning of the content's BLAKE3 in it: `part-00000-0123456789abcdef.parquet`.
pub(super) fn named_after(name: &str, blake3: &str) -> String {
    let digits = blake3.get(..CONTENT_DIGITS).unwrap_or(blake3);
    match name.rsplit_once('.') {
        Some((stem, end)) => format!("{stem}-{digits}.{end}"),
        None => format!("{name}-{digits}"),
    }
}

/// Whether a file of that name is a contract table.
pub(super) fn is_contracts(name: &str) -> bool {
    unhidden(name) == CONTRACTS_FILE
}

/// The same, also of one that is named after its content.
pub(super) fn is_any_contracts(name: &str) -> bool {
    let name = unhidden(name);
    let digits = name
        .strip_prefix("contracts-")
        .and_then(|rest| rest.strip_suffix(".parquet"));
    let is_content = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    name == CONTRACTS_FILE || digits.is_some_and(is_content)
}

fn unhidden(name: &str) -> &str {
    name.strip_prefix(HIDDEN).unwrap_or(name)
}

/// The folder of a path, also when that is the working folder.
pub(super) fn parent_of(folder: &Path) -> PathBuf {
    match folder.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Name of the `index`-th segment.
pub(super) fn segment_file(index: usize) -> String {
    format!("part-{index:05}.parquet")
}

/// The number in the name of a segment; `None` for another name, and for a number that no writer reaches.
pub(super) fn segment_index(name: &str) -> Option<usize> {
    const MOST: usize = 1_000_000_000;
    let rest = name.strip_prefix("part-").filter(|_| is_segment(name))?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok().filter(|number| *number < MOST)
}

/// Whether a file of that name is a segment.
pub(super) fn is_segment(name: &str) -> bool {
    name.starts_with("part-") && name.ends_with(".parquet")
}

/// Name of the temporary file of a segment of that name.
pub(super) fn partial_file(segment: &str) -> String {
    format!(".{segment}.partial")
}

/// Whether a file of that name is a segment that was not finished.
pub(super) fn is_partial(name: &str) -> bool {
    name.starts_with(".part-") && name.ends_with(".partial")
}

/// Whether a file of that name is one that a killed writer was putting in place.
pub(super) fn is_temporary(name: &str) -> bool {
    target_of_temporary(name).is_some_and(|target| {
        is_manifest(target)
            || is_contracts(target)
            || target == REPLACES_FILE
            || target == MERGED_FILE
    })
}

/// Name of the `index`-th file of the journal.
fn journal_file(index: usize) -> String {
    format!("journal-{index:05}.tdj")
}

/// The number of a journal file; `None` for another name.
pub(super) fn journal_index(name: &str) -> Option<u64> {
    let digits = unhidden(name)
        .strip_prefix("journal-")?
        .strip_suffix(".tdj")?;
    let is_number = digits.len() >= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// Whether a file of that name belongs to a recording.
pub(super) fn is_of_recording(name: &str) -> bool {
    is_manifest(name)
        || is_contracts(name)
        || is_segment(name)
        || journal_index(name).is_some()
        || is_partial(name)
        || is_temporary(name)
}

/// What the name of a file ends with that a recovery could not read. From the second one on a number
/// follows.
const SET_ASIDE: &str = ".damaged";

/// The `number`-th name, from 1 on, for a file of that name that cannot be read.
pub(super) fn set_aside_name(name: &str, number: u32) -> String {
    match number {
        0 | 1 => format!("{name}{SET_ASIDE}"),
        number => format!("{name}{SET_ASIDE}-{number}"),
    }
}

/// Whether a recovery gave a file of a recording this name, because it could not be read.
pub(super) fn is_set_aside(name: &str) -> bool {
    let Some((file, end)) = name.rsplit_once(SET_ASIDE) else {
        return false;
    };
    let number = end.strip_prefix('-').filter(|digits| !digits.is_empty());
    let is_number = number.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    (end.is_empty() || is_number)
        && (is_segment(file)
            || journal_index(file).is_some()
            || is_partial(file)
            || is_manifest(file))
}

/// Whether a file of that name goes when its recording is removed or replaced: it belongs to the recording,
/// or a recovery set it aside.
pub(super) fn goes_with_recording(name: &str) -> bool {
    is_of_recording(name) || is_set_aside(name)
}

/// The session id of a new recording: the name of its folder.
#[must_use]
pub fn session_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if name.is_empty() {
        "session".into()
    } else {
        name.into_owned()
    }
}
