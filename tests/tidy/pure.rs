//! Modules that only compute: no file, socket, thread, clock, environment or async code.
//!
//! The same input yields the same output there, so unit tests need no set-up and a replay equals
//! the session it was recorded from.

use super::source::{SourceFile, crates_below, is_within};
use super::{assert_none, root};

/// Files and folders that only compute.
const PURE: [&str; 19] = [
    "src/core/calendar",
    "src/core/contract",
    "src/core/dating.rs",
    "src/core/pace",
    "src/core/select",
    "src/engine/normalize",
    "src/engine/encode",
    "src/engine/capture",
    "src/engine/coverage",
    "src/engine/nats/wire/protocol.rs",
    "src/engine/live/supervisor.rs",
    "src/engine/nats/stream/check.rs",
    "src/engine/sink/jetstream/machine.rs",
    "src/engine/live/retry.rs",
    "src/engine/live/losses.rs",
    "src/engine/live/choose.rs",
    "src/engine/live/diagnose.rs",
    "src/engine/live/trader/interview.rs",
    "src/engine/live/smoke/verdict.rs",
];

/// Files in those folders that run the machine: they wait on a clock, read and write.
const DRIVERS: [&str; 4] = [
    "src/engine/capture/driver.rs",
    "src/engine/capture/files.rs",
    "src/engine/capture/of_stream.rs",
    "src/engine/capture/ready.rs",
];

const DOORS: [&str; 24] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::sync::Condvar",
    "std::sync::mpsc",
    "crossbeam_channel",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::os::unix::fs",
    "tempfile",
    "nix",
    "tokio",
    // Other rooms of the engine that open files and connections.
    "tickdeck::sink::NewFile",
    "tickdeck::sink::paths",
    "tickdeck::nats::connect",
    "tickdeck_core::thread",
    "tickdeck_core::wait",
    "tickdeck_core::clock::Clock",
    "tickdeck_core::clock::SystemClock",
];

fn impurities(file: &SourceFile) -> Vec<String> {
    let mut found: Vec<String> = file
        .paths
        .iter()
        .filter(|path| DOORS.iter().any(|door| path.starts_with(door)))
        .map(|path| format!("{}:{}: {}", file.place, path.line, path.text()))
        .collect();
    found.extend(
        file.asyncs
            .iter()
            .map(|line| format!("{}:{line}: async code", file.place)),
    );
    found
}

#[test]
fn pure_modules_do_no_io() {
    for place in PURE.iter().chain(&DRIVERS) {
        assert!(root().join(place).exists(), "{place} has moved");
    }
    let found: Vec<String> = crates_below("src/")
        .flat_map(|krate| krate.files)
        .filter(|file| PURE.iter().any(|place| is_within(&file.place, place)))
        .filter(|file| !DRIVERS.contains(&file.place.as_str()))
        .flat_map(|file| impurities(&file))
        .collect();
    assert_none(&found, "modules that should only compute");
}

#[test]
fn an_impure_module_is_caught() {
    let check = |text| impurities(&SourceFile::parse("x.rs", &["tickdeck", "x"], text)).len();
    assert_eq!(
        check("use std::{fmt, fs}; fn f() -> fmt::Result { Ok(()) }"),
        1
    );
    assert_eq!(check("fn f() { std::time::Instant::now(); }"), 1);
    assert_eq!(check("async fn f() {}"), 1);
    assert_eq!(check("fn f() { log!(std::env::var(\"X\")) }"), 1);
    assert_eq!(
        check("use std::io::Write; #[cfg(test)] mod t { use std::fs; }"),
        0
    );
}
