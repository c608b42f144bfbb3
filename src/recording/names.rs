//! Names of the files of a recording, and of its session.

use std::path::Path;

/// File name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// File name of the contract table.
pub const CONTRACTS_FILE: &str = "contracts.parquet";

/// File name of the lock of a recording that is being written.
pub(super) const LOCK_FILE: &str = ".lock";

/// Name of the `index`-th segment.
pub(super) fn segment_file(index: usize) -> String {
    format!("part-{index:05}.parquet")
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

/// Name of the `index`-th file of the journal.
pub(super) fn journal_file(index: usize) -> String {
    format!("journal-{index:05}.tdj")
}

/// The number of a journal file; `None` for another name.
pub(super) fn journal_index(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".tdj")?;
    let is_number = digits.len() >= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// Whether a file of that name belongs to a recording.
pub(super) fn is_of_recording(name: &str) -> bool {
    name == MANIFEST_FILE
        || name == CONTRACTS_FILE
        || is_segment(name)
        || journal_index(name).is_some()
        || is_partial(name)
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
