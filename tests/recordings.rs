//! The committed recordings equal what today's code generates from their seeds, byte for byte, and
//! their replays match their goldens.
//!
//! A difference is either a bug or an intended change. `cargo xtask recordings` rewrites everything,
//! and the diff of the goldens shows in review what changed for users.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tickdeck::normalize;

use crate::support::cli::{finish, tickdeck};
use crate::support::recordings::{Folder, names, repository};

/// Set by `cargo xtask recordings`.
const UPDATE: &str = "TICKDECK_UPDATE_RECORDINGS";
/// The advice in a failure.
const HINT: &str = "if this change is meant, run `cargo xtask recordings` and review the diff";
/// All of `recordings/` together, bytes: it lives in git.
const MOST_BYTES: u64 = 2_000_000;

fn is_update() -> bool {
    std::env::var_os(UPDATE).is_some_and(|value| value == "1")
}

fn committed(name: &str) -> PathBuf {
    repository("recordings").join(name)
}

fn check_recording(name: &str) {
    let folder = Folder::new();
    let made = folder.generate(name, &format!("--profile {name} --seed 1"));
    let kept = committed(name);
    if is_update() {
        replace(&made, &kept);
    }
    assert_eq!(names(&made), names(&kept), "recordings/{name}: {HINT}");
    for file in names(&made) {
        let same =
            std::fs::read(made.join(&file)).unwrap() == std::fs::read(kept.join(&file)).unwrap();
        assert!(
            same,
            "recordings/{name}/{file} is not what `generate` makes: {HINT}"
        );
    }
    for payload in ["vnpy", "decimal"] {
        let mut words = vec!["check", "--payload", payload, "-q"];
        if is_update() {
            words.push("--update");
        }
        // The small payload has a golden of digests alone, so that both kinds of golden are used.
        if is_update() && payload == "decimal" {
            words.extend(["--stream-limit", "0"]);
        }
        let mut command = tickdeck(words);
        command.arg(&kept);
        let ended = finish(command);
        assert_eq!(
            ended.code,
            Some(0),
            "{HINT}\n{}{}",
            ended.stdout,
            ended.stderr
        );
    }
}

fn replace(made: &Path, kept: &Path) {
    if kept.exists() {
        std::fs::remove_dir_all(kept).unwrap();
    }
    std::fs::create_dir_all(kept).unwrap();
    for file in names(made) {
        std::fs::copy(made.join(&file), kept.join(&file)).unwrap();
    }
}

#[test]
fn quick_is_reproducible_and_golden() {
    check_recording("quick");
}

#[test]
fn quirks_is_reproducible_and_golden() {
    check_recording("quirks");
}

/// `fixtures/normalizer.csv` holds the digests of each version of the normalizer for the same events.
#[test]
fn payload_changes_need_a_new_version() {
    if is_update() {
        return; // The goldens are being written; the next run compares.
    }
    let mut streams: BTreeMap<[String; 3], String> = BTreeMap::new();
    let text = std::fs::read_to_string(repository("fixtures/normalizer.csv")).unwrap();
    for line in text.lines().skip(1) {
        let cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        let [version, events, payload, stream] = <[String; 4]>::try_from(cells).unwrap();
        let before = streams.insert([version, events, payload], stream);
        assert_eq!(before, None, "one version, two streams: {line}");
    }
    for name in ["quick", "quick.decimal", "quirks", "quirks.decimal"] {
        let path = committed(&format!("{name}.golden.json"));
        let golden: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(
            golden["payload"]["normalizer"],
            normalize::VERSION,
            "{HINT}"
        );
        let version = normalize::VERSION.to_string();
        let events = text(&golden["source"]["digest"]);
        let key = [version, events, text(&golden["payload"]["kind"])];
        assert_eq!(
            streams.get(&key),
            Some(&text(&golden["digest"])),
            "{name}: if other events are published, add a line to fixtures/normalizer.csv; if the \
             same events are published in another way, give `normalize::VERSION` the next number too"
        );
    }
}

#[test]
fn committed_recordings_are_small() {
    fn size(path: &Path) -> u64 {
        if path.is_dir() {
            return names(path).iter().map(|name| size(&path.join(name))).sum();
        }
        path.metadata().unwrap().len()
    }
    let bytes = size(&repository("recordings"));
    assert!(bytes < MOST_BYTES, "recordings/ has {bytes} bytes");
}
