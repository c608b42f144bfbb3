//! `cargo run -p tickdeck --example replay_to_nats [URL [RECORDING]]`
//!
//! Replays a recording to a NATS server, as fast as the server takes it, and prints the summary.
//! Without arguments: the server of the `NATS_` variables, else of this machine, and
//! `recordings/quick`.

#![expect(clippy::print_stdout, reason = "the summary is the result")]

use std::path::Path;

use tickdeck::nats::NatsOptions;
use tickdeck::pace::Rate;
use tickdeck::sink::NatsSink;
use tickdeck::{Recording, Session, Summary};

/// Returns when the server has confirmed every message.
pub(crate) fn replay(options: &NatsOptions, recording: &Path) -> anyhow::Result<Summary> {
    let recording = Recording::open(recording)?;
    let server = NatsSink::connect(options)?;
    let session = Session::replay_recording(&recording)?;
    Ok(session.rate(Rate::Max).nats(server).run()?.into_summary()?)
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let options = match arguments.next() {
        Some(url) => NatsOptions::at(&url)?,
        None => NatsOptions::from_env(|name| std::env::var(name).ok())?,
    };
    let recording = arguments
        .next()
        .unwrap_or_else(|| "recordings/quick".to_owned());
    let summary = replay(&options, Path::new(&recording))?;
    println!("session    {}", summary.session);
    println!("published  {}", summary.published);
    println!("failed     {}", summary.failed);
    println!("digest     {}", summary.digest);
    Ok(())
}
