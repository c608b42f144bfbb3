//! What a crate may use from outside. Cargo holds the edges between the crates of the workspace.

use super::source::{SourceFile, crate_named, is_within};
use super::{assert_none, root};

/// Paths that a crate must not use.
const FLOORS: [(&str, &[&str]); 4] = [
    (
        "tickdeck_core",
        &[
            "tickdeck",
            "tickdeck_recording",
            "tickdeck_cli",
            "clap",
            "tokio",
            "async_nats",
            "std::fs",
            "std::net",
            "std::env",
        ],
    ),
    (
        "tickdeck_recording",
        &[
            "tickdeck",
            "tickdeck_cli",
            "clap",
            "tokio",
            "async_nats",
            "std::net",
            "std::env",
        ],
    ),
    ("tickdeck", &["tickdeck_cli", "clap", "std::env"]),
    ("tickdeck_cli", &[]),
];

/// Only the command line prints.
const PRINTING: [&str; 7] = [
    "println",
    "print",
    "eprintln",
    "eprint",
    "dbg",
    "std::io::stdout",
    "std::io::stderr",
];

/// Files that may use one path nevertheless.
const EXCEPTIONS: [(&str, &str); 2] = [
    // Waits for the requests to an object store, whose client is async.
    ("src/recording/storage/object/runtime.rs", "tokio"),
    // `jsonl:-` is the payload stream on stdout.
    ("src/engine/sink/jsonl.rs", "std::io::stdout"),
];

/// The only code above `ffi` that names CTP structs: the adapter, and the version checks.
const KNOWS_LAYOUTS: [&str; 1] = ["src/engine/live"];
const LAYOUTS: [&str; 3] = ["tickdeck_ffi::abi", "tickdeck_ffi::md", "tickdeck_ffi::td"];

/// The only code that names the NATS client.
const KNOWS_NATS: [&str; 3] = [
    "src/engine/nats",
    "src/engine/sink/nats",
    "src/engine/sink/jetstream",
];

fn violations(file: &SourceFile, forbidden: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in &file.paths {
        for prefix in forbidden {
            let is_exception = EXCEPTIONS.contains(&(file.place.as_str(), prefix));
            if path.starts_with(prefix) && !is_exception {
                found.push(format!("{}:{}: {}", file.place, path.line, path.text()));
            }
        }
    }
    found
}

fn outside(files: &[SourceFile], allowed: &[&str], paths: &[&str]) -> Vec<String> {
    files
        .iter()
        .filter(|file| !allowed.iter().any(|place| is_within(&file.place, place)))
        .flat_map(|file| violations(file, paths))
        .collect()
}

// One test for the three rules, because parsing the sources takes longest.
#[test]
fn crates_use_what_their_floor_allows() {
    let mut found = Vec::new();
    for (name, forbidden) in FLOORS {
        let files = crate_named(name).files;
        found.extend(outside(&files, &[], forbidden));
        if name != "tickdeck_cli" {
            found.extend(outside(&files, &[], &PRINTING));
        }
        found.extend(outside(&files, &KNOWS_LAYOUTS, &LAYOUTS));
        found.extend(outside(&files, &KNOWS_NATS, &["async_nats"]));
    }
    let ffi = crate_named("tickdeck_ffi").files;
    found.extend(outside(&ffi, &[], &PRINTING));
    assert_none(&found, "paths that a floor does not allow");
}

/// The roots of all crates but those that speak C.
const SAFE: [&str; 8] = [
    "src/core/lib.rs",
    "src/recording/lib.rs",
    "src/engine/lib.rs",
    "src/cli/lib.rs",
    "src/cli/main.rs",
    "sim/market/src/lib.rs",
    "sim/front/src/lib.rs",
    ".cargo/xtask/src/main.rs",
];

#[test]
fn only_crates_that_speak_c_may_be_unsafe() {
    let may_be_unsafe = |place: &&str| {
        let text = std::fs::read_to_string(root().join(place)).unwrap();
        !text.lines().any(|line| line == "#![forbid(unsafe_code)]")
    };
    let found: Vec<String> = (SAFE.into_iter().filter(may_be_unsafe))
        .map(str::to_owned)
        .collect();
    assert_none(&found, "crates without `#![forbid(unsafe_code)]`");
}

#[test]
fn a_forbidden_path_is_caught() {
    let text = "fn f() { let _ = std::fs::read(\"x\"); println!(\"{}\", clap::crate_name!()); }";
    let file = SourceFile::parse("src/core/x.rs", &["tickdeck_core", "x"], text);
    assert_eq!(violations(&file, &["std::fs"]).len(), 1);
    assert_eq!(violations(&file, &["clap"]).len(), 1);
    assert_eq!(violations(&file, &PRINTING).len(), 1);
    assert_eq!(outside(&[file], &["src/core/x"], &["std::fs"]).len(), 0);
}
