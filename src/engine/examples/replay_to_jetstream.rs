//! `cargo run -p tickdeck --example replay_to_jetstream [URL [RECORDING]]`
//!
//! Replays a recording into the stream `TICKS`, which it creates, and prints whether the stream was found
//! to have every message. Without arguments: the server of the `NATS_` variables, else of this machine,
//! and `recordings/quick`.

#![expect(clippy::print_stdout, reason = "the summary is the result")]

use std::path::Path;

use tickdeck::nats::NatsOptions;
use tickdeck::nats::stream::StreamSettings;
use tickdeck::pace::Rate;
use tickdeck::sink::{JetStreamOptions, JetStreamSink};
use tickdeck::{Recording, Session, Summary};

/// Returns when the stream was read back. A stream that has messages is continued.
pub(crate) fn replay(options: &NatsOptions, recording: &Path) -> anyhow::Result<Summary> {
    let recording = Recording::open(recording)?;
    let stream = StreamSettings {
        create: true,
        resume: true,
        ..StreamSettings::new("TICKS".parse()?)
    };
    let run = format!("example-{}", std::process::id());
    let options = JetStreamOptions::new(options.clone(), stream, recording.session(), run);
    let sink = JetStreamSink::connect(&options)?;
    let session = Session::replay_recording(&recording)?.rate(Rate::Max);
    Ok(session.jetstream(sink).run()?.into_summary()?)
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
    println!("verified   {}", summary.verified == Some(true));
    println!("digest     {}", summary.digest);
    Ok(())
}
