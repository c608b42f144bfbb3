//! A manifest names files of the same folder, each once, and nothing else.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::support::cli::{Ended, run};
use crate::support::recordings::{Folder, quick, quirks, replay_digest};

const SEGMENT: &str = "part-00000.parquet";

/// The quick recording with other segments in its manifest.
fn recording_with(folder: &Folder, segments: &[&str]) -> PathBuf {
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

/// Moves a file of a recording out of its folder, and leaves a link, as git-annex and DVC do. Where it is now.
fn linked(folder: &Folder, recording: &Path, file: &str) -> PathBuf {
    let elsewhere = folder.join(&format!("elsewhere-{file}"));
    std::fs::rename(recording.join(file), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, recording.join(file)).unwrap();
    elsewhere
}

fn salvaged(recording: &Path) -> Ended {
    let words = ["--salvage", "--rate=max", "--sink=digest", "--json"];
    let mut args = vec!["replay".as_ref(), recording.as_os_str()];
    args.extend(words.map(OsStr::new));
    run(args)
}

#[test]
fn a_link_to_what_the_manifest_states_is_followed() {
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    for file in [SEGMENT, "contracts.parquet", "manifest.json"] {
        linked(&folder, &recording, file);
    }
    for name in ["verify", "info", "cat"] {
        verb(name, &recording).done();
    }
    assert_eq!(replay_digest(&recording), replay_digest(&quick()));
    assert_eq!(
        salvaged(&recording).done().digest(),
        replay_digest(&quick())
    );
}

#[test]
fn a_link_to_anything_else_is_refused() {
    // Of another size, and of the same size with another content.
    for (file, sentence) in [
        (SEGMENT, "a link that leads out of the recording's folder"),
        ("contracts.parquet", "the manifest says"),
    ] {
        let folder = Folder::new();
        let recording = folder.copy_of(&quick(), "rec");
        let elsewhere = linked(&folder, &recording, file);
        std::fs::copy(quirks().join(file), elsewhere).unwrap();
        let verified = verb("verify", &recording);
        assert_eq!(verified.code, Some(1), "{verified:?}");
        let said = format!("{}{}", verified.stdout, verified.stderr);
        assert!(said.contains(sentence), "{said}");
        for name in ["cat", "export"] {
            let ended = verb(name, &recording);
            assert_eq!(ended.code, Some(4), "{ended:?}");
            assert_eq!(ended.stdout, "", "nothing of it is shown");
        }
    }
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    let elsewhere = linked(&folder, &recording, SEGMENT);
    let mut bytes = std::fs::read(&elsewhere).unwrap();
    // The end of the first row group stays whole: a salvage could play the rest.
    bytes[5] ^= 1;
    std::fs::write(&elsewhere, bytes).unwrap();
    assert_eq!(verb("cat", &recording).code, Some(4));
    let refused = salvaged(&recording);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("BLAKE3 is"), "{refused:?}");
}

#[test]
fn a_link_that_no_manifest_explains_is_refused() {
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    linked(&folder, &recording, SEGMENT);
    std::fs::remove_file(recording.join("manifest.json")).unwrap();
    let refused = salvaged(&recording);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert_eq!(refused.stdout, "");
}

#[test]
fn a_link_to_what_was_not_fetched_says_so() {
    for file in [SEGMENT, "contracts.parquet", "manifest.json"] {
        let folder = Folder::new();
        let recording = folder.copy_of(&quick(), "rec");
        std::fs::remove_file(linked(&folder, &recording, file)).unwrap();
        let ended = verb("cat", &recording);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("`git annex get`"), "{ended:?}");
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
