//! Names of the files of a recording.

/// File name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// File name of the contract table.
pub const CONTRACTS_FILE: &str = "contracts.parquet";

/// Name of the `index`-th segment.
pub(super) fn segment_file(index: usize) -> String {
    format!("part-{index:05}.parquet")
}

/// Whether a file of that name is a segment.
pub(super) fn is_segment(name: &str) -> bool {
    name.starts_with("part-") && name.ends_with(".parquet")
}

/// Whether a file of that name belongs to a recording.
pub(super) fn is_of_recording(name: &str) -> bool {
    name == MANIFEST_FILE
        || name == CONTRACTS_FILE
        || is_segment(name)
        || (name.starts_with(".part-") && name.ends_with(".partial"))
}
