//! Rules about the repository that no compiler checks: what code may use, and how texts read.
//!
//! - `floors`: what a crate may use from outside.
//! - `rooms`: which modules of the engine may use each other.
//! - `pure`: modules that only compute.
//! - `doors`: the only places that start threads and wait.
//! - `circles`: files of a crate that use each other in a circle.
//! - `words`: phrases that no text contains.
//! - `documents`: links, paths and YAML of the Markdown pages, and the length of sentences everywhere.
//! - `flags`: which flags of the command line a text may name.
//! - `functions`: how long a function may be.
//! - `source`: the parsed sources that the first five check.
//!
//! An exception is listed in its rule, with its reason.

mod circles;
pub(crate) mod documents;
mod doors;
mod flags;
mod floors;
mod functions;
mod pure;
mod rooms;
mod source;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Files below `folder` that end with `extension`, in name order. There must be some.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let found = files_if_any(folder, extension);
    assert!(
        !found.is_empty(),
        "no .{extension} files below {}",
        folder.display()
    );
    found
}

/// The same, where there may be none.
fn files_if_any(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Fails with one problem per line.
fn assert_none(problems: &[String], rule: &str) {
    assert!(problems.is_empty(), "{rule}:\n{}", problems.join("\n"));
}

/// Most lines that a source file has.
const LONGEST_FILE: usize = 1_000;

fn is_too_long(text: &str) -> bool {
    text.lines().count() > LONGEST_FILE
}

#[test]
fn no_source_file_exceeds_a_thousand_lines() {
    for folder in ["src", "ffi", "sim", "tests", ".cargo/xtask"] {
        for path in files(&root().join(folder), "rs") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!is_too_long(&text), "{}: split it", path.display());
        }
    }
}

#[test]
fn a_long_file_is_caught() {
    assert!(!is_too_long(&"x\n".repeat(LONGEST_FILE)));
    assert!(is_too_long(&"x\n".repeat(LONGEST_FILE + 1)));
}
