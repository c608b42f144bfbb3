//! The seeds and the findings of the fuzz targets, fed through the same functions.

use std::path::{Path, PathBuf};

use super::targets::TARGETS;
use crate::support::recordings::{names, repository};

/// The files of one target: its seeds, and what was found before.
fn files(target: &str) -> Vec<PathBuf> {
    let folders = ["fuzz/corpus", "fuzz/findings"].map(|folder| repository(folder).join(target));
    let folders = folders.iter().filter(|folder| folder.is_dir());
    folders
        .flat_map(|folder| names(folder).into_iter().map(|name| folder.join(name)))
        .collect()
}

#[test]
fn every_seed_and_finding_is_handled() {
    for (target, run) in TARGETS {
        let files = files(target);
        assert!(files.len() > 1, "{target} has no seeds");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let outcome = std::panic::catch_unwind(|| run(&bytes));
            assert!(outcome.is_ok(), "{target}: {}", file.display());
        }
    }
}

/// Every cut and some flipped bits: what fuzzing tries first, on each seed.
#[test]
fn cut_and_flipped_seeds_are_handled() {
    for (target, run) in TARGETS {
        for file in files(target) {
            let bytes = std::fs::read(&file).unwrap();
            let step = (bytes.len() / 12).max(1);
            for at in (0..bytes.len()).step_by(step) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x81;
                for changed in [&bytes[..at], &flipped] {
                    let outcome = std::panic::catch_unwind(|| run(changed));
                    assert!(outcome.is_ok(), "{target}: {} at {at}", file.display());
                }
            }
        }
    }
}

/// A folder without a target would never be read.
#[test]
fn every_folder_and_the_page_have_each_target() {
    let manifest = std::fs::read_to_string(repository("fuzz/Cargo.toml")).unwrap();
    for (target, _) in TARGETS {
        let bin = format!("name = \"{target}\"\n");
        assert!(
            manifest.contains(&bin),
            "{target} is not a target of cargo fuzz"
        );
        assert!(
            repository("fuzz/targets")
                .join(format!("{target}.rs"))
                .is_file()
        );
    }
    let page = std::fs::read_to_string(repository("docs/security.md")).unwrap();
    let listed = page.lines().find(|line| line.starts_with("`calendar`, "));
    let targets = TARGETS.iter().map(|(target, _)| format!("`{target}`"));
    let mut targets: Vec<String> = targets.collect();
    targets.sort();
    let expected = format!("{}.", targets.join(", "));
    assert_eq!(listed, Some(expected.as_str()), "docs/security.md");
    let known = |name: &String| TARGETS.iter().any(|(target, _)| target == name);
    for folder in ["fuzz/corpus", "fuzz/findings"] {
        let folder = repository(folder);
        if folder.is_dir() {
            assert_eq!(names(&folder).iter().find(|name| !known(name)), None);
        }
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

/// A large corpus does not belong in Git.
#[test]
fn the_corpus_is_small() {
    let size = |path: &Path| path.metadata().unwrap().len();
    let bytes: u64 = TARGETS
        .iter()
        .flat_map(|(target, _)| files(target))
        .map(|file| size(&file))
        .sum();
    assert!(bytes < 300_000, "{bytes} bytes");
}
