//! What a salvage makes of a ring with a mark that cannot be true.

use std::path::Path;

use crate::ring_tests::{box_of, copy, killed, made, seconds};
use crate::salvage_ring;

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
