//! A manifest names files of the same folder, each once, and nothing else.

use std::path::Path;

use crate::support::cli::{Ended, run};
use crate::support::recordings::{Folder, quick};

const SEGMENT: &str = "part-00000.parquet";

/// The quick recording with other segments in its manifest.
fn recording_with(folder: &Folder, segments: &[&str]) -> std::path::PathBuf {
    let recording = folder.copy_of(&quick(), "rec");
    let path = recording.join("manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let entry = manifest["segments"][0].clone();
    let entries = segments.iter().map(|file| {
        let mut entry = entry.clone();
        entry["file"] = (*file).into();
        entry
    });
    manifest["segments"] = entries.collect();
    std::fs::write(&path, manifest.to_string()).unwrap();
    recording
}

fn verb(verb: &str, recording: &Path) -> Ended {
    run([verb.as_ref(), recording.as_os_str()])
}

#[track_caller]
fn refused(recording: &Path, sentence: &str) {
    for (name, code) in [("verify", 1), ("info", 4), ("cat", 4)] {
        let ended = verb(name, recording);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(code), "{name}: {said}");
        assert!(said.contains(sentence), "{name}: {said}");
    }
    let replayed = run([
        "replay".as_ref(),
        recording.as_os_str(),
        "--sink=null".as_ref(),
    ]);
    assert_eq!(replayed.code, Some(4), "{replayed:?}");
}

#[test]
fn a_segment_outside_of_the_folder_is_refused() {
    let outside = Folder::new();
    std::fs::copy(quick().join(SEGMENT), outside.join(SEGMENT)).unwrap();
    let absolute = outside.join(SEGMENT).display().to_string();
    for file in [
        "../other/part-00000.parquet",
        "sub/../../part-00000.parquet",
        "sub/part-00000.parquet",
        "..\\part-00000.parquet",
        &absolute,
        "..",
        ".",
        "",
        "part\0.parquet",
        "part-\u{1b}[2J.parquet",
    ] {
        let folder = Folder::new();
        // The file is there: only the path is wrong.
        folder.copy_of(&quick(), "other");
        let recording = recording_with(&folder, &[file]);
        let sentence =
            format!("segment 0 is {file:?}; expected the name of a file in the same folder");
        refused(&recording, &sentence);
    }
    let folder = Folder::new();
    let long = "p".repeat(300);
    refused(
        &recording_with(&folder, &[&long]),
        "expected the name of a file",
    );
}

#[test]
fn a_segment_listed_twice_is_refused() {
    let folder = Folder::new();
    let recording = recording_with(&folder, &[SEGMENT, SEGMENT]);
    refused(
        &recording,
        "segment 1 is \"part-00000.parquet\", which it lists twice",
    );
}

#[test]
fn a_link_out_of_the_folder_is_refused() {
    for file in [SEGMENT, "contracts.parquet"] {
        let folder = Folder::new();
        let recording = folder.copy_of(&quick(), "rec");
        let elsewhere = folder.join("elsewhere.parquet");
        std::fs::rename(recording.join(file), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, recording.join(file)).unwrap();
        refused(
            &recording,
            "a link that leads out of the recording's folder",
        );
        let salvaged = run([
            "replay".as_ref(),
            recording.as_os_str(),
            "--salvage".as_ref(),
            "--rate=max".as_ref(),
            "--sink=null".as_ref(),
        ]);
        assert_ne!(salvaged.code, Some(0), "{salvaged:?}");
    }
}

#[test]
fn links_within_the_folder_and_to_it_are_followed() {
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    std::fs::rename(recording.join(SEGMENT), recording.join("kept.parquet")).unwrap();
    std::os::unix::fs::symlink("kept.parquet", recording.join(SEGMENT)).unwrap();
    let link = folder.join("link");
    std::os::unix::fs::symlink(&recording, &link).unwrap();
    for path in [&recording, &link] {
        verb("verify", path).done();
    }
}
