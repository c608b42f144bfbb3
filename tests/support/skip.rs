//! How a test reports that it was skipped. Shared by the tests of all packages.

use std::io::Write as _;

/// Reports on stderr that a test was skipped, and why. `cargo xtask test` names a file
/// (`TICKDECK_SKIPPED`), from which it lists and counts them at its end.
///
/// Written to the stream directly, because the output of the printing macros is hidden when a test
/// passes.
pub(crate) fn skipped(what: &str, why: &str) {
    let line = format!("SKIPPED {what}: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    let Some(path) = std::env::var_os("TICKDECK_SKIPPED") else {
        return;
    };
    // One write at the end of the file: tests run side by side.
    let mut options = std::fs::OpenOptions::new();
    let file = options.append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .unwrap();
}

/// The same where a run may require what is missing: a failure if `variable` is 1. `cargo xtask test`
/// sets `TICKDECK_REQUIRE_NATS`, and `TICKDECK_REQUIRE_CTP` once the vendor's files are there.
///
/// # Panics
/// When `variable` is 1.
pub(crate) fn skipped_unless_required(variable: &str, what: &str, why: &str) {
    let is_required = std::env::var(variable).is_ok_and(|value| value == "1");
    assert!(!is_required, "{what}: {why}, and {variable} is 1");
    skipped(what, why);
}
