//! CTP libraries for tests, and the environment that names one.
//!
//! The vendor's are found through `TICKDECK_CTP_LIBRARIES` (`cargo xtask vendor-ctp` fetches them),
//! the simulated one through `TICKDECK_SIM_LIBRARY` or in `target/sim` (`cargo xtask sim` builds
//! it). Neither is part of the repository; without one a test is skipped visibly.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cli::tickdeck;
use super::skipped;

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
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/ctp");
    let folder = named.unwrap_or(fetched);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("thostmduserapi_se.so").is_file())
        // Another vendor's library of the same form, which knows fronts of its own only.
        .filter(|path| !path.to_string_lossy().contains("tts"))
        .collect();
    found.sort();
    if found.is_empty() {
        skipped(
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
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sim");
    let folder = named.unwrap_or(built);
    if folder.join("thostmduserapi_se.so").is_file() {
        return Some(folder);
    }
    skipped(
        test,
        "no simulated library; run `cargo xtask sim` or set TICKDECK_SIM_LIBRARY",
    );
    None
}

/// A command in `folder` with a complete environment for the library at `library` and a front at
/// `address`. The flow folder and `.env` are the test's own.
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
