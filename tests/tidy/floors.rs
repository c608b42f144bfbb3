//! What a crate may use from outside. Cargo holds the edges between the crates of the workspace.

use super::assert_none;
use super::source::{SourceFile, crate_named, crates_below, is_within};

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
    ("tickdeck_ffi", &["tokio", "async_nats", "clap"]),
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

const EXCEPTIONS: [(&str, &str); 2] = [
    // Reads a contract file that the user names.
    ("src/core/contract/file.rs", "std::fs"),
    // The stream that `jsonl:-` asks for.
    ("src/engine/sink/jsonl.rs", "std::io::stdout"),
];

/// The only code above `ffi` that names CTP structs: the adapter, and the version checks.
const KNOWS_LAYOUTS: [&str; 3] = ["src/engine/live", "src/cli/doctor.rs", "src/cli/front.rs"];
const LAYOUTS: [&str; 3] = ["tickdeck_ffi::abi", "tickdeck_ffi::md", "tickdeck_ffi::td"];

/// The only code that names the NATS client.
const KNOWS_NATS: [&str; 2] = ["src/engine/nats", "src/engine/sink/nats"];

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

#[test]
fn crates_use_what_their_floor_allows() {
    for (name, forbidden) in FLOORS {
        let files = crate_named(name).files;
        assert_none(&outside(&files, &[], forbidden), name);
        assert_none(&outside(&files, &[], &PRINTING), "only the CLI prints");
    }
}

#[test]
fn ctp_layouts_stay_in_the_adapter() {
    for krate in crates_below("src/") {
        let found = outside(&krate.files, &KNOWS_LAYOUTS, &LAYOUTS);
        assert_none(&found, "CTP layouts outside the adapter");
    }
}

#[test]
fn the_nats_client_is_used_in_two_places() {
    for krate in crates_below("src/") {
        let found = outside(&krate.files, &KNOWS_NATS, &["async_nats"]);
        assert_none(&found, "the NATS client outside its modules");
    }
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
