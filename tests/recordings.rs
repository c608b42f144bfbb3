//! The committed recordings have the events that today's code generates from their seeds, and their
//! replays match their goldens. What today's code writes has the same bytes on every machine.
//!
//! A faster writer may encode the same events in other bytes. The committed files stay as they are
//! then: they show that a file of an earlier writer is read.
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

/// The BLAKE3 of the segment that today's code generates.
const SEGMENTS: [(&str, &str); 2] = [
    (
        "quick",
        "b744a6a8231c07196e08aef58b9d7455311ff1bae2adbe5ecd4e41457783d801",
    ),
    (
        "quirks",
        "d1de04f9d4a87e69736952caf2dc7c455a3716e3df3b37acde3f74ffc5cdb1f5",
    ),
];

/// A manifest without the bytes of its segments, and their BLAKE3.
fn manifest(folder: &Path) -> (Value, Vec<String>) {
    let text = std::fs::read(folder.join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&text).unwrap();
    let segments = manifest["segments"].as_array_mut().unwrap();
    let blake3 = segments.iter_mut().map(|segment| {
        let segment = segment.as_object_mut().unwrap();
        segment.remove("bytes").unwrap();
        segment
            .remove("blake3")
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    });
    let blake3 = blake3.collect();
    (manifest, blake3)
}

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
    let (written, segments) = manifest(&made);
    assert_eq!(written, manifest(&kept).0, "recordings/{name}: {HINT}");
    let contracts = |folder: &Path| std::fs::read(folder.join("contracts.parquet")).unwrap();
    assert!(
        contracts(&made) == contracts(&kept),
        "recordings/{name}: {HINT}"
    );
    let (_, expected) = SEGMENTS.iter().find(|(known, _)| *known == name).unwrap();
    assert_eq!(
        segments,
        [*expected],
        "the writer encodes {name} in other bytes"
    );
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
