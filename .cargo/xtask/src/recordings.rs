//! `cargo xtask recordings`: makes the committed recordings and their goldens anew.
//!
//! The tests that compare them know how they are made; this only tells those tests to write instead.
//! Goldens are written by `tickdeck check --update`, as a user's are.

use anyhow::Result;

use crate::run::{self, cargo, say};

/// Writes `recordings/` anew.
pub(crate) fn run() -> Result<()> {
    run::run(
        cargo()
            .args([
                "test",
                "--quiet",
                "--package",
                "tickdeck-cli",
                "--test",
                "tests",
            ])
            .args(["--", "recordings::"])
            .env("TICKDECK_UPDATE_RECORDINGS", "1"),
    )?;
    say("xtask recordings: written; review what `git diff recordings` shows");
    Ok(())
}
