//! CTP libraries for tests, and the environment that names one.
//!
//! The vendor's are found through `TICKDECK_CTP_LIBRARIES` (`cargo xtask vendor-ctp` fetches them),
//! the simulated one through `TICKDECK_SIM_LIBRARY` or in `target/sim` (`cargo xtask sim` builds
//! it). Neither is part of the repository. Without one a test is skipped visibly, and fails if
//! `TICKDECK_REQUIRE_CTP` is 1.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::cli::tickdeck;
use super::recordings::repository;
use super::{skipped, skipped_unless_required};

const REQUIRED: &str = "TICKDECK_REQUIRE_CTP";

/// What no output may contain: one word for each credential.
pub(crate) const CANARIES: [(&str, &str); 5] = [
    ("CTP_BROKER_ID", "canarybrk"),
    ("CTP_USER_ID", "canaryuser1"),
    ("CTP_PASSWORD", "canary-password-1"),
    ("CTP_APP_ID", "canary_app_1.0"),
    ("CTP_AUTH_CODE", "CANARYAUTHCODE01"),
];

/// Folders of the vendor's libraries, by version; `None` after a visible skip.
pub(crate) fn vendor_libraries(test: &str) -> Option<Vec<PathBuf>> {
    let named = std::env::var_os("TICKDECK_CTP_LIBRARIES").map(PathBuf::from);
    let fetched = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("target/tools/ctp");
    let folder = named.unwrap_or(fetched);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("thostmduserapi_se.so").is_file())
        // Another vendor's library of the same form, which connects to its vendor's fronts only.
        .filter(|path| !path.to_string_lossy().contains("tts"))
        .collect();
    found.sort();
    if found.is_empty() {
        skipped_unless_required(
            REQUIRED,
            test,
            "no vendor library; run `cargo xtask vendor-ctp` or set TICKDECK_CTP_LIBRARIES",
        );
        return None;
    }
    Some(found)
}

/// The folder of one vendor library, the newest that most brokers run; `None` after a visible skip.
pub(crate) fn vendor_library(test: &str) -> Option<PathBuf> {
    let libraries = vendor_libraries(test)?;
    let usual = libraries.iter().find(|path| path.ends_with("6.7.11.0"));
    usual.or(libraries.last()).cloned()
}

/// The folder of the simulated library; `None` after a visible skip.
pub(crate) fn simulated_library(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("TICKDECK_SIM_LIBRARY").map(PathBuf::from);
    let built = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("target/sim");
    let folder = named.unwrap_or(built);
    if folder.join("thostmduserapi_se.so").is_file() {
        return Some(folder);
    }
    skipped_unless_required(
        REQUIRED,
        test,
        "no simulated library; run `cargo xtask sim` or set TICKDECK_SIM_LIBRARY",
    );
    None
}

/// A library compiled from `ffi/tests/stub.cpp` into `folder` that reports `version`. Its built-in
/// front logs in every user except `impatient`. `None` after a visible skip.
pub(crate) fn stub_library(
    test: &str,
    folder: &Path,
    version: &str,
    switches: &[&str],
) -> Option<PathBuf> {
    let library = folder.join("thostmduserapi_se.so");
    let has_mode = !version.starts_with("v6.7.10");
    let compiled = Command::new("g++")
        .args(["-std=c++17", "-O0", "-fPIC", "-shared", "-pthread"])
        .args(["-DTABLE=13", "-DID_OFFSET=401", "-DMULTICAST"])
        .arg(if has_mode { "-DCREATE=2" } else { "-DCREATE=1" })
        .args(switches.iter().map(|switch| format!("-D{switch}")))
        .arg(format!("-DVERSION=\"{version}\""))
        .arg("-o")
        .arg(&library)
        .arg(repository("ffi/tests/stub.cpp"))
        .output();
    let Ok(output) = compiled else {
        skipped(test, "no g++");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(library)
}

/// A command in `folder` with a complete environment for the library at `library` and a front at
/// `address`. The flow folder and `.env` belong to the test.
pub(crate) fn with_front(words: &str, folder: &Path, library: &Path, address: &str) -> Command {
    let mut command = tickdeck(words.split_whitespace());
    command
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("MD_RUN_INGEST", "1")
        .env("CTP_GATEWAY_CONNECT", library)
        .env("CTP_MD_ADDRESS", address)
        .env("CTP_SYMBOL", "rb2601.SHFE")
        .envs(CANARIES);
    command
}

/// The same with the simulated front, which plays `recording` at `rate`.
pub(crate) fn with_simulated_front(
    words: &str,
    folder: &Path,
    library: &Path,
    recording: &Path,
    rate: &str,
) -> Command {
    let mut command = with_front(words, folder, library, "tcp://127.0.0.1:1");
    let source = format!("recording:{}", recording.display());
    command
        .env("TICKDECK_SIM_SOURCE", source)
        .env("TICKDECK_SIM_RATE", rate);
    command
}

/// A fault script in `folder`.
pub(crate) fn fault_script(folder: &Path, rules: &str) -> PathBuf {
    let path = folder.join("faults.toml");
    std::fs::write(&path, rules).unwrap();
    path
}

/// Log lines of one event among JSON lines.
pub(crate) fn logged(stderr: &str, event: &str) -> Vec<Value> {
    stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["event"] == event)
        .collect()
}
