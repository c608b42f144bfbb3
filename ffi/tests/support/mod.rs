//! What the tests share; each thing is built in one place.

pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod vendor;

/// Says aloud why a test did nothing.
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}; `cargo xtask vendor-ctp` fetches what is missing");
}
