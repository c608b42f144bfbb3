//! Matches goldens to inputs, and finds goldens without one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tickdeck_recording::Catalog;

use super::error::CheckError;
use super::golden_file::{GOLDEN_SUFFIX, STREAM_SUFFIX};
use crate::encode::PayloadKind;

/// Ends of the names of files that can be checked.
const INPUT_SUFFIXES: [&str; 4] = [".jsonl.zst", ".jsonl", ".zst", ".parquet"];

/// The name of an input without the suffix that shows its kind.
fn stem(input: &Path) -> String {
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    let mut stems = INPUT_SUFFIXES
        .iter()
        .filter_map(|end| name.strip_suffix(end));
    match stems.next() {
        Some(stem) if !stem.is_empty() && !input.is_dir() => stem.to_owned(),
        _ => name.into_owned(),
    }
}

/// The name of the golden of an input without its suffixes. A session of a catalogue has a hidden golden
/// beside it, which Parquet readers of the catalogue skip. In a folder, its golden has its trading day.
fn golden_stem(input: &Path, in_folder: bool) -> String {
    let stem = stem(input);
    match Catalog::day_of_session(input) {
        None => stem,
        Some(day) if in_folder => format!("{day}.{stem}"),
        Some(_) => format!("_{stem}"),
    }
}

/// Whether `path` names an input: a folder, or a file with a suffix of recordings or streams. A
/// missing file passes: opening it reports the error.
#[must_use]
pub(super) fn is_named_as_input(path: &Path) -> bool {
    !path.is_file() || ends_as_input(path)
}

/// Whether `path` has the name of a golden or of the stream beside one.
#[must_use]
pub fn is_named_as_golden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(GOLDEN_SUFFIX) || name.ends_with(STREAM_SUFFIX)
}

/// Whether `path` has a suffix of recordings or streams.
pub(super) fn ends_as_input(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    INPUT_SUFFIXES.iter().any(|end| name.ends_with(end))
}

/// Path of the golden of `input`: `NAME.golden.json` in `folder`, or beside the input. Another
/// payload than the default has its own golden, `NAME.decimal.golden.json`. A session of a catalogue has
/// `_session=ID.golden.json` beside it, or `trading_day=DAY.session=ID.golden.json` in `folder`.
#[must_use]
pub(super) fn golden_path(input: &Path, folder: Option<&Path>, payload: PayloadKind) -> PathBuf {
    let kind = match payload {
        PayloadKind::Vnpy => String::new(),
        other => format!(".{}", other.as_str()),
    };
    let stem = golden_stem(input, folder.is_some());
    let name = format!("{stem}{kind}{GOLDEN_SUFFIX}");
    match folder {
        Some(folder) => folder.join(name),
        None => input.with_file_name(name),
    }
}

/// Goldens and their streams in `folders` that no recording or stream in `inputs` (folders too) has
/// the name of, in order.
///
/// # Errors
/// When a folder cannot be listed.
pub fn unreferenced(
    folders: &BTreeSet<PathBuf>,
    inputs: &BTreeSet<PathBuf>,
) -> Result<Vec<PathBuf>, CheckError> {
    let list = |folder: &PathBuf| -> Result<Vec<PathBuf>, CheckError> {
        let listed = std::fs::read_dir(folder).and_then(|entries| {
            let paths = entries.map(|entry| Ok(entry?.path()));
            paths.collect::<std::io::Result<Vec<PathBuf>>>()
        });
        listed.map_err(CheckError::io(folder, "listing"))
    };
    let mut known = BTreeSet::new();
    for folder in inputs {
        for path in list(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(GOLDEN_SUFFIX) && !name.ends_with(STREAM_SUFFIX) {
                known.extend([false, true].map(|in_folder| golden_stem(&path, in_folder)));
            }
        }
    }
    let is_known = |stem: &str| {
        let kinds = PayloadKind::ALL.iter();
        let mut stems =
            kinds.filter_map(|kind| stem.strip_suffix(kind.as_str())?.strip_suffix('.'));
        known.contains(stem) || stems.any(|stem| known.contains(stem))
    };
    let mut found = Vec::new();
    for folder in folders {
        for path in list(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let stem = name.strip_suffix(GOLDEN_SUFFIX);
            let stem = stem.or_else(|| name.strip_suffix(STREAM_SUFFIX));
            if stem.is_some_and(|stem| !is_known(stem)) {
                found.push(path.clone());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_golden_has_the_name_of_its_input() {
        let path = |input: &str, kind| golden_path(Path::new(input), None, kind);
        let vnpy = |input| path(input, PayloadKind::Vnpy);
        assert_eq!(vnpy("a/quick"), Path::new("a/quick.golden.json"));
        assert_eq!(vnpy("a/quick/"), Path::new("a/quick.golden.json"));
        assert_eq!(vnpy("live.jsonl.zst"), Path::new("live.golden.json"));
        assert_eq!(vnpy("live.jsonl"), Path::new("live.golden.json"));
        assert_eq!(
            vnpy("part-00000.parquet"),
            Path::new("part-00000.golden.json")
        );
        assert_eq!(
            path("quick", PayloadKind::Decimal),
            Path::new("quick.decimal.golden.json")
        );
        let elsewhere = golden_path(
            Path::new("a/quick"),
            Some(Path::new("goldens")),
            PayloadKind::Vnpy,
        );
        assert_eq!(elsewhere, Path::new("goldens/quick.golden.json"));
        let session = "root/trading_day=2026-01-05/session=live";
        assert_eq!(
            path(session, PayloadKind::Decimal),
            Path::new("root/trading_day=2026-01-05/_session=live.decimal.golden.json")
        );
        assert_eq!(
            golden_path(Path::new(session), Some(Path::new("g")), PayloadKind::Vnpy),
            Path::new("g/trading_day=2026-01-05.session=live.golden.json")
        );
    }

    #[test]
    fn a_golden_without_a_recording_is_found_with_its_stream() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        std::fs::create_dir(path.join("quick")).unwrap();
        for name in [
            "quick.golden.json",
            "quick.decimal.golden.json",
            "live.jsonl.zst",
            "live.golden.json",
            "gone.golden.json",
            "gone.golden.jsonl.zst",
            "README.md",
        ] {
            std::fs::write(path.join(name), "").unwrap();
        }
        let folders = BTreeSet::from([path.clone()]);
        let found = unreferenced(&folders, &folders).unwrap();
        let expected = ["gone.golden.json", "gone.golden.jsonl.zst"].map(|name| path.join(name));
        assert_eq!(found, expected);
    }
}
