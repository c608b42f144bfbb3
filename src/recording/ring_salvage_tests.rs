//! What a salvage makes of a ring with a mark that cannot be true, or with slots that are missing.

use std::path::{Path, PathBuf};

use crate::ring_tests::{box_of, copy, killed, made, seconds};
use crate::{Manifest, salvage_ring};

const SLOTS: [&str; 5] = [
    "slot-00000",
    "slot-00001",
    "slot-00002",
    "slot-00003",
    "slot-00004",
];

fn whole() -> Vec<i64> {
    (0..45).collect()
}

fn names(folder: &Path) -> Vec<String> {
    crate::storage::local().list(folder).unwrap()
}

/// A ring of 45 events whose salvage was killed when only these slots were left, without a mark. Returns
/// its folder, and the recording with its manifest.
fn interrupted(root: &Path, left: &[&str]) -> (PathBuf, PathBuf, Manifest) {
    let folder = killed(root, 45);
    let before = root.join("before");
    copy(&folder, &before);
    let (made, manifest) = salvage_ring(&folder).unwrap().made.unwrap();
    std::fs::create_dir(&folder).unwrap();
    for slot in left {
        copy(&before.join(slot), &folder.join(slot));
    }
    (folder, made, manifest)
}

/// The mark was damaged before or after the recording was in place: it is there once.
#[test]
fn a_mark_that_cannot_be_read_does_not_block_a_ring() {
    let large = " ".repeat((1 << 20) + 1);
    let others = r#"{"recording":null,"digest":"","removed":["../mine"],"damaged":[]}"#;
    for torn in ["{", "", "null", large.as_str(), others] {
        let root = tempfile::tempdir().unwrap();
        let folder = killed(root.path(), 45);
        let before = root.path().join("before");
        copy(&folder, &before);
        for time in ["merged.json.damaged", "merged.json.damaged-2"] {
            std::fs::write(folder.join("merged.json"), torn).unwrap();
            let salvage = salvage_ring(&folder).unwrap();
            assert_eq!(salvage.lost, vec![]);
            let (made, manifest) = salvage.made.unwrap();
            assert_eq!(made, box_of(root.path()));
            assert_eq!(manifest.source.detail, "kept=killed");
            let aside = root.path().join(".damaged-box").join(time);
            assert_eq!(salvage.kept, std::slice::from_ref(&aside));
            assert_eq!(std::fs::read_to_string(&aside).unwrap(), torn);
            assert!(!folder.exists());
            copy(&before, &folder);
        }
        assert_eq!(seconds(&box_of(root.path())), whole());
        assert_eq!(made(root.path()), 1);
    }
}

/// A salvage was killed while the slots went, and the mark was damaged then.
#[test]
fn slots_that_a_recording_has_are_not_merged_again() {
    for left in [&SLOTS[3..], &SLOTS[4..], &SLOTS[1..2], &SLOTS] {
        let root = tempfile::tempdir().unwrap();
        let (folder, ..) = interrupted(root.path(), left);
        std::fs::write(folder.join("merged.json"), "{").unwrap();
        let salvage = salvage_ring(&folder).unwrap();
        assert_eq!(salvage.lost, vec![]);
        assert_eq!(salvage.made.unwrap().0, box_of(root.path()));
        assert_eq!(seconds(&box_of(root.path())), whole());
        assert_eq!(made(root.path()), 1, "{left:?}");
        assert!(!folder.exists());
    }
}

/// The same, and the salvage after it was killed when it had moved the mark away.
#[test]
fn slots_that_a_recording_has_are_not_merged_after_a_second_kill() {
    let root = tempfile::tempdir().unwrap();
    let (folder, ..) = interrupted(root.path(), &SLOTS[4..]);
    let beside = root.path().join(".damaged-box");
    std::fs::create_dir(&beside).unwrap();
    std::fs::write(beside.join("merged.json.damaged"), "{").unwrap();
    let salvage = salvage_ring(&folder).unwrap();
    assert_eq!(salvage.made.unwrap().0, box_of(root.path()));
    assert_eq!(seconds(&box_of(root.path())), whole());
    assert_eq!(made(root.path()), 1);
    assert!(!folder.exists());
}

/// A salvage was killed while the slots went, and the manifest of its recording was damaged then.
#[test]
fn slots_wait_until_the_recording_of_the_mark_is_recovered() {
    for damage in [Some("{"), None] {
        let root = tempfile::tempdir().unwrap();
        let (folder, made, manifest) = interrupted(root.path(), &SLOTS[3..]);
        let mark = serde_json::json!({
            "recording": made.strip_prefix(root.path()).unwrap(),
            "digest": manifest.digest, "removed": SLOTS, "damaged": [],
        });
        std::fs::write(folder.join("merged.json"), mark.to_string()).unwrap();
        let path = made.join("_manifest.json");
        match damage {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        for _ in 0..2 {
            let error = salvage_ring(&folder).unwrap_err();
            assert!(error.to_string().contains("manifest"), "{error}");
        }
        assert!(folder.join(SLOTS[3]).exists() && folder.join(SLOTS[4]).exists());
        crate::recover(&made).unwrap();
        let salvage = salvage_ring(&folder).unwrap();
        assert_eq!(salvage.lost, vec![]);
        assert_eq!(salvage.made.unwrap().0, made);
        assert_eq!(seconds(&made), whole());
        assert_eq!(crate::ring_tests::made(root.path()), 1);
        assert!(!folder.exists());
    }
}

/// The recording that a damaged mark named lacks one of the slots.
#[test]
fn a_slot_that_no_recording_has_is_merged_after_a_damaged_mark() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    let (before, last) = (root.path().join("before"), root.path().join("last"));
    copy(&folder, &before);
    std::fs::rename(folder.join(SLOTS[4]), &last).unwrap();
    salvage_ring(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    copy(&before.join(SLOTS[3]), &folder.join(SLOTS[3]));
    std::fs::rename(&last, folder.join(SLOTS[4])).unwrap();
    std::fs::write(folder.join("merged.json"), "{").unwrap();
    let salvage = salvage_ring(&folder).unwrap();
    assert_eq!(salvage.lost, vec![]);
    let (second, _) = salvage.made.unwrap();
    let both = [seconds(&box_of(root.path())), seconds(&second)];
    assert_eq!(both.concat(), whole());
    assert_eq!(made(root.path()), 2);
}

#[test]
fn a_mark_without_a_recording_removes_no_events() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    let mark = serde_json::json!({
        "recording": null, "digest": "", "removed": SLOTS, "damaged": [],
    });
    std::fs::write(folder.join("merged.json"), mark.to_string()).unwrap();
    let salvage = salvage_ring(&folder).unwrap();
    assert_eq!(salvage.lost, vec![]);
    let aside = root.path().join(".damaged-box/merged.json.damaged");
    assert_eq!(salvage.kept, std::slice::from_ref(&aside));
    assert_eq!(seconds(&salvage.made.unwrap().0), whole());
    assert!(!folder.exists());
}

/// The session was killed before its first event, and its salvage before the slot was gone.
#[test]
fn a_mark_without_a_recording_removes_slots_without_events() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(".ring-box");
    let mark = serde_json::json!({
        "recording": null, "digest": "", "removed": ["slot-00000", "slot-00001"], "damaged": [],
    });
    for has_contracts in [true, false] {
        let begun = folder.join("slot-00000");
        std::fs::create_dir_all(&begun).unwrap();
        std::fs::write(begun.join(".lock"), "").unwrap();
        if has_contracts {
            std::fs::write(begun.join("contracts.parquet"), "PAR1").unwrap();
        }
        std::fs::write(folder.join("merged.json"), mark.to_string()).unwrap();
        let salvage = salvage_ring(&folder).unwrap();
        assert!(salvage.made.is_none() && salvage.lost.is_empty() && salvage.kept.is_empty());
        assert_eq!(names(root.path()), [""; 0]);
    }
}

/// A ring of 45 events without some of its slots. Returns what its salvage states as lost, and the events.
fn without(missing: &[&str], begun: Option<&str>) -> (Vec<(String, String)>, usize) {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    for slot in missing {
        std::fs::remove_dir_all(folder.join(slot)).unwrap();
    }
    if let Some(begun) = begun {
        std::fs::create_dir(folder.join(begun)).unwrap();
    }
    let salvage = salvage_ring(&folder).unwrap();
    assert!(salvage.kept.is_empty() && !folder.exists());
    let (made, manifest) = salvage.made.unwrap();
    let expected = match salvage.lost.is_empty() {
        true => "kept=killed",
        false => "kept=killed+damaged",
    };
    assert_eq!(manifest.source.detail, expected);
    let lost = salvage.lost.into_iter().map(|lost| {
        let file = lost.file.strip_prefix(&folder).unwrap();
        (file.to_string_lossy().into_owned(), lost.problem)
    });
    (lost.collect(), seconds(&made).len())
}

#[test]
fn a_missing_slot_is_stated() {
    let said = |slot: &str, problem: &str| vec![(slot.to_owned(), problem.to_owned())];
    let one =
        "it is missing: the recording has no event between those of slot-00001 and slot-00003";
    assert_eq!(without(&SLOTS[2..3], None), (said(SLOTS[2], one), 35));
    let some = "the slots from it to slot-00003 are missing: the recording has no event between those \
                of slot-00000 and slot-00004";
    assert_eq!(without(&SLOTS[1..4], None), (said(SLOTS[1], some), 15));
    // The last one was begun, and has no event yet.
    let last =
        "it is missing: the recording has no event between those of slot-00003 and slot-00005";
    let begun = Some("slot-00005");
    assert_eq!(without(&SLOTS[4..], begun), (said(SLOTS[4], last), 40));
    // A ring removes its first slots, and may be killed before the next one.
    assert_eq!(without(&SLOTS[..2], None), (vec![], 25));
    assert_eq!(without(&[], begun), (vec![], 45));
}

/// Slots that could not be recovered stay. Those between them are in the recording that was made.
#[test]
fn slots_between_those_that_stay_are_not_missing() {
    let root = tempfile::tempdir().unwrap();
    let folder = killed(root.path(), 45);
    for broken in [SLOTS[0], SLOTS[3]] {
        let broken = folder.join(broken);
        std::fs::remove_dir_all(&broken).unwrap();
        std::fs::create_dir(&broken).unwrap();
        std::fs::write(broken.join("journal-00000.tdj"), "notes").unwrap();
    }
    let salvage = salvage_ring(&folder).unwrap();
    assert_eq!((salvage.lost.len(), salvage.kept.len()), (2, 2));
    let again = salvage_ring(&folder).unwrap();
    assert!(again.made.is_none());
    assert_eq!(again.lost, salvage.lost);
}
