//! What the tests share; each thing is built in one place.

pub(crate) mod peer;
pub(crate) mod process;
#[path = "../../../tests/support/skip.rs"]
mod skip;
#[path = "../../../tests/support/socks.rs"]
pub(crate) mod socks;
pub(crate) mod vendor;

/// Reports that a test did not run because a vendor file is missing.
///
/// # Panics
/// When `TICKDECK_REQUIRE_CTP` is 1: then the vendor's files were fetched and must be found.
pub(crate) fn without(what: &str) {
    let why = format!("{what}; `cargo xtask vendor-ctp` fetches what is missing");
    let test = std::thread::current();
    let name = test.name().unwrap_or("a test");
    skip::skipped_unless_required("TICKDECK_REQUIRE_CTP", name, &why);
}

/// Says aloud that the running test did not run, and why.
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current();
    skip::skipped(test.name().unwrap_or("a test"), why);
}
