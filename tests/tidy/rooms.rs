//! Which modules of the engine may use each other.
//!
//! A stage uses the vocabulary (`tickdeck_core`, `tickdeck_recording`) and no other stage.
//! The modules that join stages are listed below them. A new module needs a line here.

use super::assert_none;
use super::source::{SourceFile, crate_named};

/// Each module of the engine with the modules it may use.
const ROOMS: [(&str, &[&str]); 22] = [
    ("progress", &[]),
    // Opens recordings as one source.
    ("inputs", &[]),
    ("normalize", &[]),
    // Stop and pause requests are plain data.
    ("control", &[]),
    // Writes what the normalizer yields.
    ("encode", &["normalize"]),
    // Messages, subject patterns and control subjects.
    ("nats", &["encode"]),
    // Writes messages. One sink publishes them.
    ("sink", &["encode", "nats"]),
    ("import", &[]),
    // The loop of runs that no clock paces.
    ("transfer", &["control", "progress"]),
    // Both directions of the same files, and payloads through the publisher.
    (
        "export",
        &[
            "normalize",
            "control",
            "pipeline",
            "progress",
            "sink",
            "transfer",
        ],
    ),
    ("reference", &[]),
    ("selection", &["inputs", "reference"]),
    // What a replay of a recording would do with its ticks.
    ("contents", &["normalize", "progress", "reference"]),
    // The hours of the instruments of recordings.
    ("coverage", &["progress", "reference"]),
    // The exchanges of a catalogue's sessions.
    ("listing", &["reference"]),
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
    ("live", &[]),
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
            "control",
            "progress",
            "reference",
        ],
    ),
    (
        "session",
        &[
            "encode",
            "sink",
            "nats",
            "live",
            "control",
            "pipeline",
            "inputs",
            "progress",
            "reference",
        ],
    ),
    // Writes raw events of two recordings in the exported form. Its runs report how far they are. An input
    // may be a JetStream stream.
    (
        "check",
        &[
            "export",
            "normalize",
            "encode",
            "sink",
            "nats",
            "control",
            "pipeline",
            "progress",
            "reference",
        ],
    ),
    ("testing", &["normalize", "encode", "pipeline", "check"]),
];

/// The modules that a path of `file` leads to, with the path.
fn used(file: &SourceFile) -> impl Iterator<Item = (&str, String)> {
    let own = file.module.get(1);
    let is_room = |name: &str| ROOMS.iter().any(|(known, _)| *known == name);
    file.paths
        .iter()
        .filter(|path| path.segments[0] == "tickdeck")
        .filter_map(|path| path.segments.get(1).map(|other| (path, other)))
        .filter(move |(_, other)| is_room(other) && Some(*other) != own)
        .map(|(path, other)| {
            (
                other.as_str(),
                format!("{}:{}: {}", file.place, path.line, path.text()),
            )
        })
}

fn edges(file: &SourceFile) -> Vec<String> {
    let Some(room) = file.module.get(1) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| known == room) else {
        return vec![format!("{}: `{room}` is not in the list", file.place)];
    };
    used(file)
        .filter(|(other, _)| !allowed.contains(other))
        .map(|(_, place)| place)
        .collect()
}

/// The listed edges that no file of `files` uses.
fn unused(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for (room, allowed) in ROOMS {
        let of_room = |file: &&SourceFile| file.module.get(1).is_some_and(|own| own == room);
        let used: Vec<&str> = (files.iter().filter(of_room))
            .flat_map(used)
            .map(|(other, _)| other)
            .collect();
        let missing = allowed.iter().filter(|other| !used.contains(other));
        found.extend(missing.map(|other| format!("{room} -> {other}")));
    }
    found
}

// One test for both, because parsing the sources takes longest.
#[test]
fn engine_modules_use_exactly_the_listed_ones() {
    let files = crate_named("tickdeck").files;
    let found: Vec<String> = files.iter().flat_map(edges).collect();
    assert_none(&found, "edges between modules of the engine");
    assert_none(&unused(&files), "listed edges that no path uses");
}

#[test]
fn an_unused_edge_is_caught() {
    let module = ["tickdeck", "sink", "nats"];
    let file = SourceFile::parse("x.rs", &module, "use crate::nats::connect;");
    let found = unused(&[file]);
    assert!(found.contains(&"sink -> encode".to_owned()), "{found:?}");
    assert!(!found.contains(&"sink -> nats".to_owned()), "{found:?}");
}

#[test]
fn rooms_use_each_other_in_one_direction() {
    let uses = |room: &str| ROOMS.iter().find(|(known, _)| *known == room);
    let both: Vec<String> = ROOMS
        .iter()
        .flat_map(|(room, allowed)| allowed.iter().map(move |other| (*room, *other)))
        .filter(|(room, other)| uses(other).is_some_and(|(_, back)| back.contains(room)))
        .map(|(room, other)| format!("{room} <-> {other}"))
        .collect();
    assert_none(&both, "modules that use each other");
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
