//! `cargo xtask demo`: the main job on a machine with nothing set up.

use anyhow::Result;

use crate::nats_server;
use crate::run::{self, cargo, root};

/// Provides a server and lets `tickdeck demo` tell the story.
pub(crate) fn run(rest: &[String]) -> Result<()> {
    let server = nats_server::provide()?;
    run::run(
        cargo()
            .args([
                "run",
                "--release",
                "--quiet",
                "--package",
                "tickdeck-cli",
                "--",
                "demo",
                "--nats-server",
            ])
            .arg(server)
            .arg(root().join("recordings").join("quick"))
            .args(rest),
    )
}
