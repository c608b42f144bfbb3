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
/// When `TICKDECK_REQUIRE_CTP` is set: then the vendor's files were fetched and must be found.
pub(crate) fn without(what: &str) {
    assert!(std::env::var_os("TICKDECK_REQUIRE_CTP").is_none(), "{what}");
    skipped(&format!(
        "{what}; `cargo xtask vendor-ctp` fetches what is missing"
    ));
}

/// Says aloud that the running test did not run, and why.
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current();
    skip::skipped(test.name().unwrap_or("a test"), why);
}
