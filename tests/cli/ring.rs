//! `recover` of what a killed session left in a ring, where a part of it is missing or damaged.

use std::path::{Path, PathBuf};

use tickdeck::recording::{EventWriter as _, RecorderOptions};

use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::recordings::{Folder, events, names, quick};
use crate::support::ring::ring;

/// The ring of a session that was killed, with the quick recording in slots of 10 s.
fn killed(root: &Path) -> PathBuf {
    let mut ring = ring(root, RecorderOptions::default());
    ring.write(&events(&quick())).unwrap();
    // One that is dropped leaves what a killed process leaves.
    drop(ring);
    let folder = root.join(".ring-box");
    assert!(names(&folder).len() > 4, "{:?}", names(&folder));
    folder
}

fn recover(root: &Path, words: &[&str]) -> Ended {
    let mut command = tickdeck(["recover"]);
    command.arg(root).args(words);
    finish(command)
}

#[test]
fn a_missing_slot_is_lossy() {
    let folder = Folder::new();
    let root = folder.join("root");
    let ring = killed(&root);
    std::fs::remove_dir_all(ring.join("slot-00002")).unwrap();
    let ended = recover(&root, &["--json"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let recovered = ended.json();
    assert_eq!(recovered["complete"], false);
    let lost = recovered["lost"].as_array().unwrap();
    let file = lost[0]["file"].as_str().unwrap();
    assert!(lost.len() == 1 && file.ends_with("slot-00002"), "{lost:?}");
    let kept = recovered["events"].as_u64().unwrap();
    assert!(kept < events(&quick()).len() as u64, "{kept}");
}

#[test]
fn a_torn_mark_does_not_block_a_ring() {
    let folder = Folder::new();
    let root = folder.join("root");
    let ring = killed(&root);
    std::fs::write(ring.join("merged.json"), "{").unwrap();
    let recovered = recover(&root, &["--json"]).done().json();
    assert_eq!(recovered["complete"], true);
    assert_eq!(recovered["events"], events(&quick()).len());
    let kept = recovered["kept"][0].as_str().unwrap();
    assert!(kept.ends_with(".damaged-box/merged.json.damaged"), "{kept}");
    assert!(!ring.exists());
}

/// All its events are in the recording: a file of someone else is in it.
#[test]
fn a_slot_that_was_read_is_not_called_unread() {
    let folder = Folder::new();
    let root = folder.join("root");
    let ring = killed(&root);
    std::fs::write(ring.join("slot-00001/notes.txt"), "mine").unwrap();
    let ended = recover(&root, &[]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let said = ".damaged-box/slot-00001: kept: what can be read of it is in the recording\n";
    assert!(ended.stdout.contains(said), "{ended:?}");
    assert!(!ended.stdout.contains("not read"), "{ended:?}");
}
