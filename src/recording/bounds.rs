//! What an untrusted file may ask for. Everything larger is refused before it takes memory.
//!
//! `docs/security.md` lists the numbers.

use std::collections::BTreeSet;
use std::path::Path;

use tickdeck_core::printable::is_hidden;

use super::error::RecordingError;
use super::storage::Storage;

/// Largest manifest in bytes. A segment is some 300 bytes of it, an instrument some 20.
pub(super) const MOST_MANIFEST_BYTES: u64 = 64 << 20;
/// Most segments of a recording.
pub(super) const MOST_SEGMENTS: usize = 100_000;
/// Largest `contracts.parquet` in bytes. That of 17,000 instruments has some 400 kB.
pub(super) const MOST_CONTRACTS_BYTES: u64 = 256 << 20;
/// Largest row group in bytes, compressed. A full one of tickdeck has some 5 MB.
pub(super) const MOST_GROUP_BYTES: usize = 1 << 30;
/// Largest page in bytes, decompressed. The texts of the largest row group that is read have less.
pub(super) const MOST_PAGE_BYTES: i64 = 256 << 20;
/// Longest file name in bytes that the usual file systems have.
const MOST_NAME_BYTES: usize = 255;

/// Refuses segments of a manifest that are not files of its folder, each listed once.
pub(super) fn check_segments(manifest: &Path, segments: &[&str]) -> Result<(), RecordingError> {
    let damaged = |problem: String| Err(RecordingError::damaged(manifest, problem));
    if segments.len() > MOST_SEGMENTS {
        let found = segments.len();
        return damaged(format!(
            "{found} segments, at most {MOST_SEGMENTS} are read"
        ));
    }
    let mut names = BTreeSet::new();
    for (index, file) in segments.iter().enumerate() {
        if !is_file_name(file) {
            return damaged(format!(
                "segment {index} is {file:?}; expected the name of a file in the same folder"
            ));
        }
        if !names.insert(file) {
            return damaged(format!("segment {index} is {file:?}, which it lists twice"));
        }
    }
    Ok(())
}

/// Whether it names something in a folder, and nothing else.
fn is_file_name(name: &str) -> bool {
    let is_bad = |c: char| matches!(c, '/' | '\\') || is_hidden(c);
    let is_relative = name.is_empty() || name == "." || name == "..";
    !is_relative && name.len() <= MOST_NAME_BYTES && !name.contains(is_bad)
}

/// Refuses a file of a recording that a link takes out of its folder: an untrusted recording must
/// not show what is elsewhere.
pub(super) fn refuse_outside(
    storage: &dyn Storage,
    folder: &Path,
    file: &Path,
) -> Result<(), RecordingError> {
    if storage.is_within(folder, file) {
        return Ok(());
    }
    let problem = "a link that leads out of the recording's folder, and no manifest says what it \
                   holds; copy the file there instead";
    Err(RecordingError::damaged(file, problem))
}

/// The same for a file whose BLAKE3 the manifest states: who wrote that knew the content, so the link
/// shows nothing new. The tools of git-annex and DVC make such links. `bytes` is the size in the manifest.
///
/// This compares the size. The BLAKE3 is compared like that of any other file, before anything is played.
pub(super) fn refuse_unknown_outside(
    storage: &dyn Storage,
    folder: &Path,
    file: &Path,
    bytes: Option<u64>,
    blake3: &str,
) -> Result<(), RecordingError> {
    if blake3.is_empty() {
        return refuse_outside(storage, folder, file);
    }
    let (Some(stated), false) = (bytes, storage.is_within(folder, file)) else {
        return Ok(());
    };
    let found = storage.open(file)?.bytes()?;
    if found == stated {
        return Ok(());
    }
    Err(RecordingError::damaged(
        file,
        format!(
            "a link that leads out of the recording's folder, to {found} bytes; the manifest says \
             {stated}"
        ),
    ))
}
