//! `cargo xtask recordings`: regenerates the committed recordings and their goldens.
//!
//! The tests that compare them know how they are made. This only makes those tests write instead.
//! Goldens are written by `tickdeck check --update`, as a user's are.

use anyhow::Result;

use crate::run::{self, cargo, say};

/// Regenerates `recordings/`.
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
