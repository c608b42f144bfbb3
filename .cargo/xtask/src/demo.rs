//! `cargo xtask demo`: the main job on a machine with nothing set up.

use std::process::Command;

use anyhow::Result;

use crate::nats_server;
use crate::run::{self, cargo, root, target};

/// Provides a server and runs `tickdeck demo`.
///
/// The build is unoptimized, and the tests share it: `tests/features` names what their dependencies
/// enable.
pub(crate) fn run(rest: &[String]) -> Result<()> {
    let server = nats_server::provide()?;
    run::run(cargo().args(["build", "--workspace", "--bin", "tickdeck"]))?;
    let tickdeck = target().join("debug").join("tickdeck");
    run::run(
        Command::new(tickdeck)
            .current_dir(root())
            .args(["demo", "--nats-server"])
            .arg(server)
            .arg(root().join("recordings").join("quick"))
            .args(rest),
    )
}
