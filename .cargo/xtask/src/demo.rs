//! `cargo xtask demo`: the main use case on a fresh machine.

use anyhow::Result;

use crate::nats_server;
use crate::run::{self, cargo, root};

/// Provides a server and runs `tickdeck demo`, built like for the tests.
pub(crate) fn run(rest: &[String]) -> Result<()> {
    let server = nats_server::provide()?;
    run::run(
        cargo()
            .args([
                "run",
                "--workspace",
                "--bin",
                "tickdeck",
                "--",
                "demo",
                "--nats-server",
            ])
            .arg(server)
            .arg(root().join("recordings").join("quick"))
            .args(rest),
    )
}
