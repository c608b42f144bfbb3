//! What the tests share; each thing is built in one place.

pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod vendor;

/// Says aloud why a test did nothing.
///
/// # Panics
/// When `TICKDECK_REQUIRE_CTP` is set: then the vendor's files were fetched and must be found.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("TICKDECK_REQUIRE_CTP").is_none(), "{why}");
    eprintln!("SKIPPED: {why}; `cargo xtask vendor-ctp` fetches what is missing");
}
