//! What happens in one place only: threads, waits, and files of recordings.
//!
//! Threads start in `core/thread.rs`. Bounded waits are in `core/wait.rs` and `core/clock.rs`, those
//! of async code in `engine/nats/runtime.rs`.
//!
//! A thread started elsewhere loses its caller's log. A wait elsewhere is easy to miss when
//! something delays a stop request.
//!
//! All files of a recording go through the trait `Storage`, so that a test can put it in memory or
//! crash it at any step.
//!
//! The simulated libraries are exempt: they replace a vendor's library and have threads like one.
//! Tests are exempt, because they wait for other processes.

use std::fs;

use super::source::{SourceFile, crate_named, crates_below, is_within};
use super::{assert_none, files, root};

/// The only files that start threads or wait.
const DOORS: [&str; 7] = [
    "src/core/thread.rs",
    "src/core/wait.rs",
    "src/core/clock.rs",
    // Tries a connection, for `doctor`.
    "src/engine/live/reach.rs",
    // The waits of async code.
    "src/engine/nats/runtime.rs",
    // `ffi` is below `core`. It waits for the vendor's threads to end.
    "ffi/src/client/session.rs",
    "ffi/src/client/threads.rs",
];

const PATHS: [&str; 13] = [
    "std::thread::spawn",
    "std::thread::sleep",
    "std::thread::park_timeout",
    "std::thread::Builder",
    "std::net::TcpStream::connect_timeout",
    "crossbeam_channel::after",
    "crossbeam_channel::tick",
    "tokio::spawn",
    "tokio::task::spawn",
    "tokio::time::sleep",
    "tokio::time::timeout",
    "tokio::time::interval",
    "tokio::time::interval_at",
];

const METHODS: [&str; 10] = [
    "scope.spawn",
    "recv_timeout",
    "recv_deadline",
    "ready_timeout",
    "spawn_blocking",
    "wait_timeout",
    "wait_timeout_while",
    "wait_timeout_ms",
    "set_read_timeout",
    "set_write_timeout",
];

/// The modules that hold those paths, imported as a whole, hide which of them are used.
const GLOBS: [&str; 5] = [
    "std::thread::*",
    "std::net::*",
    "crossbeam_channel::*",
    "tokio::*",
    "tokio::time::*",
];

/// The only file of `src/recording` that knows the file system.
const STORAGE: &str = "src/recording/storage/local.rs";

const FILE_PATHS: [&str; 3] = ["std::fs", "std::os", "tempfile"];

/// Questions that a `Path` or a `File` asks the file system. Those of a `Storage` have an argument.
const FILE_METHODS: [&str; 10] = [
    "canonicalize()",
    "exists()",
    "is_dir()",
    "is_file()",
    "is_symlink()",
    "metadata()",
    "read_dir()",
    "read_link()",
    "symlink_metadata()",
    "try_exists()",
];

fn bypasses(file: &SourceFile) -> Vec<String> {
    let is_glob = |text: String| GLOBS.contains(&text.as_str());
    uses(file, &PATHS, &METHODS)
        .chain(
            (file.paths.iter().filter(|path| is_glob(path.text())))
                .map(|path| format!("{}:{}: {}", file.place, path.line, path.text())),
        )
        .collect()
}

/// Where a file uses one of the paths or methods.
fn uses<'a>(
    file: &'a SourceFile,
    paths: &'a [&str],
    methods: &'a [&str],
) -> impl Iterator<Item = String> + 'a {
    let paths = file
        .paths
        .iter()
        .filter(|path| paths.iter().any(|door| path.starts_with(door)))
        .map(|path| format!("{}:{}: {}", file.place, path.line, path.text()));
    let methods = file
        .methods
        .iter()
        .filter(|(name, _)| methods.contains(&name.as_str()))
        .map(|(name, line)| format!("{}:{line}: {name}", file.place));
    paths.chain(methods)
}

#[test]
fn only_the_local_storage_uses_the_file_system() {
    let recording = crate_named("tickdeck_recording");
    assert!(recording.files.iter().any(|file| file.place == STORAGE));
    let found = recording
        .files
        .iter()
        .filter(|file| file.place != STORAGE)
        .flat_map(|file| uses(file, &FILE_PATHS, &FILE_METHODS));
    assert_none(&found.collect::<Vec<_>>(), "files without the storage");
}

#[test]
fn a_file_without_the_storage_is_caught() {
    let check = |text| {
        let file = SourceFile::parse("x.rs", &["tickdeck_recording", "x"], text);
        uses(&file, &FILE_PATHS, &FILE_METHODS).count()
    };
    assert_eq!(check("use std::fs; fn f() { g() }"), 1);
    assert_eq!(check("fn f() { std::fs::File::open(p) }"), 1);
    assert_eq!(check("fn f(p: &Path) -> bool { p.exists() }"), 1);
    assert_eq!(check("fn f(s: &S) -> bool { s.exists(p) }"), 0);
    assert_eq!(check("#[cfg(test)] mod tests { use std::fs; }"), 0);
}

#[test]
fn threads_and_waits_use_their_doors() {
    let mut found = Vec::new();
    for krate in crates_below("src/").chain(crates_below("ffi/")) {
        for file in &krate.files {
            if !DOORS.iter().any(|door| is_within(&file.place, door)) {
                found.extend(bypasses(file));
            }
        }
    }
    assert_none(&found, "threads and waits without their doors");
}

/// The lint that guards the clock is off in test crates, where threads and waits are allowed.
#[test]
fn tests_read_the_clock_through_its_door() {
    let mut found = Vec::new();
    for folder in ["tests", "sim/clients/tests"] {
        for path in files(&root().join(folder), "rs") {
            let place = path.strip_prefix(root()).unwrap();
            // Benchmarks measure real time, and these rules name what they forbid.
            if place.starts_with("tests/bench") || place.starts_with("tests/tidy") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            if ["Instant::now(", "SystemTime::now("]
                .iter()
                .any(|clock| text.contains(clock))
            {
                found.push(place.display().to_string());
            }
        }
    }
    assert_none(&found, "tests that read the system's clock");
}

#[test]
fn a_bypass_is_caught() {
    let check = |text| bypasses(&SourceFile::parse("x.rs", &["tickdeck", "x"], text)).len();
    assert_eq!(check("fn f() { std::thread::spawn(|| ()); }"), 1);
    assert_eq!(check("use std::thread; fn f() { thread::sleep(t); }"), 1);
    assert_eq!(
        check("fn f() { std::thread::scope(|s| { s.spawn(g); }); }"),
        1
    );
    assert_eq!(check("fn f() { let x = r.recv_timeout(t); }"), 1);
    assert_eq!(check("fn f() { std::thread::park_timeout(t); }"), 1);
    assert_eq!(check("use std::thread::*; fn f() { spawn(g); }"), 1);
    assert_eq!(
        check("use std::net::TcpStream; fn f() { TcpStream::connect_timeout(a, t); }"),
        1
    );
    assert_eq!(
        check("use tokio::time; async fn f() { time::sleep(t).await; }"),
        1
    );
    assert_eq!(
        check("use tickdeck_core::thread; fn f() { thread::spawn(n, g); }"),
        0
    );
}
