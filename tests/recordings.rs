//! The committed recordings are what today's code makes of their seeds, byte for byte, and a replay
//! of them is what their goldens say.
//!
//! A difference is either a fault or a change that somebody meant: `cargo xtask recordings` writes
//! everything anew, and the diff of the goldens shows in review what changed for users.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::recordings::{
    Folder, info, names, quick, replay, repository, stream, stream_digest,
};

/// Set by `cargo xtask recordings`.
const UPDATE: &str = "TICKDECK_UPDATE_RECORDINGS";
/// What a failure tells the reader.
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
    let golden = golden_of(&kept);
    let path = committed(&format!("{name}.golden.json"));
    if is_update() {
        std::fs::write(
            &path,
            format!("{}\n", serde_json::to_string_pretty(&golden).unwrap()),
        )
        .unwrap();
    }
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(golden, expected, "recordings/{name}.golden.json: {HINT}");
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

/// What must not change unnoticed: the events, and what each payload contract makes of them.
fn golden_of(recording: &Path) -> Value {
    let info = info(recording);
    let published = |payload: &str| {
        let words = format!("--sink digest --payload {payload}");
        let summary = replay(recording, &words).done().json();
        json!({
            "digest": summary["digest"],
            "received": summary["received"],
            "published": summary["published"],
            "rejected": summary["rejected"],
        })
    };
    json!({
        "session": info["session"],
        "events": info["events"],
        "ticks": info["ticks"],
        "symbols": info["symbols"],
        "digest": info["digest"],
        "payload_streams": { "vnpy": published("vnpy"), "decimal": published("decimal") },
    })
}

#[test]
fn the_quick_recording_is_reproducible_and_plays_to_its_golden() {
    check_recording("quick");
}

#[test]
fn the_quirks_recording_is_reproducible_and_plays_to_its_golden() {
    check_recording("quirks");
}

/// The stream is committed as text (compressed), so that a reviewer of a difference has both sides.
#[test]
fn the_committed_payload_stream_is_the_replay_of_the_quick_recording() {
    let path = committed("quick.vnpy.jsonl.zst");
    let folder = Folder::new();
    // Written anew together with the recording, whichever of the tests comes first.
    let recording = match is_update() {
        true => folder.generate("quick", "--profile quick --seed 1"),
        false => quick(),
    };
    let text = stream(&recording, "");
    if is_update() {
        let packed = zstd::encode_all(text.as_bytes(), 19).unwrap();
        std::fs::write(&path, packed).unwrap();
    }
    let expected = zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap();
    let expected = String::from_utf8(expected).unwrap();
    for (number, (found, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "message {number}: {HINT}");
    }
    assert_eq!(text.len(), expected.len(), "{HINT}");
    assert_eq!(
        stream_digest(&text),
        replay(&recording, "--sink digest").done().digest()
    );
}

#[test]
fn the_committed_recordings_are_small_enough_for_git() {
    fn size(path: &Path) -> u64 {
        if path.is_dir() {
            return names(path).iter().map(|name| size(&path.join(name))).sum();
        }
        path.metadata().unwrap().len()
    }
    let bytes = size(&repository("recordings"));
    assert!(bytes < MOST_BYTES, "recordings/ has {bytes} bytes");
}
