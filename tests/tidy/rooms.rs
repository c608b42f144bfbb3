//! Which modules of the engine may use each other.
//!
//! A stage uses the vocabulary (`tickdeck_core`, `tickdeck_recording`) and no other stage.
//! The modules that join stages are listed below them. A new module needs a line here.

use super::assert_none;
use super::source::{SourceFile, crate_named};

/// Each module of the engine with the modules it may use.
const ROOMS: [(&str, &[&str]); 19] = [
    ("progress", &[]),
    // Opens recordings as one source.
    ("inputs", &[]),
    ("normalize", &[]),
    // Stop and pause requests are plain data.
    ("control", &[]),
    // Writes what the normalizer yields.
    ("encode", &["normalize"]),
    // The sink that publishes, and the message type and subject patterns of a subscriber.
    ("sink", &["nats"]),
    ("nats", &["sink", "encode"]),
    ("import", &["progress"]),
    // The loop of runs that no clock paces.
    ("transfer", &["control", "progress"]),
    // Both directions of the same files, and payloads through the publisher.
    (
        "export",
        &[
            "import", "control", "pipeline", "progress", "sink", "transfer",
        ],
    ),
    ("reference", &[]),
    // What a replay of a recording would do with its ticks.
    ("contents", &["normalize", "progress", "reference"]),
    // Recordings made of recordings, of the market and of dumps.
    (
        "convert",
        &[
            "inputs",
            "import",
            "control",
            "progress",
            "reference",
            "transfer",
        ],
    ),
    // The trader front's contracts are reference data.
    ("live", &["reference", "progress"]),
    // The receiving end: end markers, digests and subjects with wildcards. Its driver stops on
    // request, and its files report how far they are.
    (
        "capture",
        &["encode", "sink", "nats", "control", "progress"],
    ),
    (
        "pipeline",
        &[
            "normalize",
            "encode",
            "sink",
            "nats",
            "live",
            "control",
            "progress",
            "reference",
        ],
    ),
    (
        "session",
        &[
            "normalize",
            "encode",
            "sink",
            "nats",
            "live",
            "control",
            "pipeline",
            "progress",
            "reference",
            "import",
        ],
    ),
    // Writes raw events of two recordings in the exported form.
    (
        "check",
        &[
            "export",
            "normalize",
            "encode",
            "sink",
            "control",
            "pipeline",
            "progress",
            "reference",
            "session",
        ],
    ),
    (
        "testing",
        &[
            "normalize",
            "encode",
            "sink",
            "control",
            "pipeline",
            "check",
            "reference",
            "session",
        ],
    ),
];

fn edges(file: &SourceFile) -> Vec<String> {
    let Some(room) = file.module.get(1) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| known == room) else {
        return vec![format!("{}: `{room}` is not in the list", file.place)];
    };
    let is_room = |name: &str| ROOMS.iter().any(|(known, _)| *known == name);
    file.paths
        .iter()
        .filter(|path| path.segments[0] == "tickdeck")
        .filter_map(|path| path.segments.get(1).map(|other| (path, other.as_str())))
        .filter(|(_, other)| is_room(other) && other != room && !allowed.contains(other))
        .map(|(path, _)| format!("{}:{}: {}", file.place, path.line, path.text()))
        .collect()
}

#[test]
fn engine_modules_use_only_listed_ones() {
    let found: Vec<String> = crate_named("tickdeck")
        .files
        .iter()
        .flat_map(edges)
        .collect();
    assert_none(&found, "edges between modules of the engine");
}

#[test]
fn an_edge_between_stages_is_caught() {
    let module = ["tickdeck", "normalize", "flags"];
    let inline = SourceFile::parse("x.rs", &module, "fn f() { g(crate::sink::Batch::new()) }");
    assert_eq!(edges(&inline).len(), 1);
    let up = SourceFile::parse("x.rs", &module, "use super::super::pipeline::Ledger;");
    assert_eq!(edges(&up).len(), 1);
    let vocabulary = SourceFile::parse("x.rs", &module, "use tickdeck_core::event::Event;");
    assert_eq!(edges(&vocabulary).len(), 0);
    let unlisted = SourceFile::parse("x.rs", &["tickdeck", "attic"], "");
    assert_eq!(edges(&unlisted).len(), 1);
}
