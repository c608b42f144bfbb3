//! A replay into a JetStream stream in files, against a bare loop with acknowledgements on their way. And
//! `--durable` on a server that syncs every write, against one acknowledgement after the other.
//!
//! A replay is timed by its own summary: from the open stream to the last acknowledgement. Reading the
//! stream back is not part of it, nor of the loops. Every run has a new stream.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use async_nats::Subject;
use async_nats::jetstream::{self, stream::Config};
use bytes::Bytes;

use crate::nats::{Server, payloads};
use crate::program::binary;
use crate::report::{Bar, Report, median};
use crate::storage::count;

const STREAM: &str = "BENCH";
/// Acknowledgements that the bare loop waits for at a time: as many messages as tickdeck has on their way
/// at most.
const ON_THE_WAY: usize = 8192;

/// How many messages a run has.
pub(crate) struct Amount {
    pub(crate) pipelined: u64,
    pub(crate) durable: u64,
    /// One after the other.
    pub(crate) single: u64,
}

/// The rows about JetStream.
pub(crate) fn measure(
    report: &Report,
    recording: &Path,
    amount: &Amount,
    rounds: usize,
) -> Result<()> {
    let (pipelined, durable) = (
        "day: replay to JetStream / bare loop with acknowledgements",
        "day: --durable / single acknowledgements, each synced",
    );
    let Some(server) = std::env::var_os("TICKDECK_NATS_SERVER").map(PathBuf::from) else {
        for what in [pipelined, durable] {
            report.skipped(what, "no TICKDECK_NATS_SERVER; run `cargo xtask bench`");
        }
        return Ok(());
    };
    let payloads = payloads(recording)?;
    for (what, more, words, bar) in [
        (pipelined, "", "", 0.9),
        (durable, ", sync_interval: always", "--durable", 40.0),
    ] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let store = folder.path().display();
        let config = format!("jetstream {{ store_dir: \"{store}\"{more} }}\n");
        let server = Server::with_config(&server, &config)?;
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (messages, most, looped) = match words {
                "" => (amount.pipelined, ON_THE_WAY, amount.pipelined),
                _ => (amount.durable, 1, amount.single),
            };
            ours.push(replay(server.port, recording, messages, words)?);
            bare.push(bare_loop(server.port, &payloads, looped, most)?);
        }
        let (ours, bare) = (median(ours), median(bare));
        let figures = format!("{:.1} / {:.1} k msg/s", ours / 1e3, bare / 1e3);
        report.row(what, &figures, ours / bare, Bar::AtLeast(bar));
    }
    Ok(())
}

/// Messages per second of a replay, which must be verified.
fn replay(port: u16, recording: &Path, messages: u64, words: &str) -> Result<f64> {
    let url = format!("nats://127.0.0.1:{port}");
    let output = Command::new(binary()?)
        .arg("replay")
        .arg(recording)
        .args(["--rate", "max", "--json", "--quiet", "--create-stream"])
        .args(["--sink", "jetstream:BENCH", "--nats-url", &url])
        .args(["--count", &messages.to_string()])
        .args(words.split_whitespace())
        .stdin(Stdio::null())
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {complaint}", output.status);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    ensure!(summary["verified"] == true, "not verified: {summary}");
    let published = summary["published"].as_u64().context("a count")?;
    let elapsed = summary["elapsed_s"].as_f64().context("a time")?;
    with_stream(port, async |context| {
        context.delete_stream(STREAM).await?;
        Ok(())
    })?;
    Ok(count(published) / elapsed)
}

/// Messages per second of a loop with at most `most` acknowledgements outstanding.
fn bare_loop(
    port: u16,
    payloads: &[(Subject, Vec<u8>)],
    messages: u64,
    most: usize,
) -> Result<f64> {
    with_stream(port, async |context| {
        let config = Config {
            name: STREAM.to_owned(),
            subjects: vec!["market.tick.>".to_owned()],
            ..Config::default()
        };
        context.create_stream(config).await?;
        let started = Instant::now();
        let mut waiting = VecDeque::new();
        let all = payloads.iter().cycle();
        for (subject, payload) in all.take(usize::try_from(messages)?) {
            let payload = Bytes::copy_from_slice(payload);
            waiting.push_back(context.publish(subject.clone(), payload).await?);
            while waiting.len() >= most
                && let Some(oldest) = waiting.pop_front()
            {
                oldest.await?;
            }
        }
        for rest in waiting {
            rest.await?;
        }
        let elapsed = started.elapsed();
        context.delete_stream(STREAM).await?;
        Ok(count(messages) / elapsed.as_secs_f64())
    })
}

fn with_stream<T>(
    port: u16,
    work: impl AsyncFnOnce(&jetstream::Context) -> Result<T>,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await?;
        let context = jetstream::context::ContextBuilder::new()
            .max_ack_inflight(ON_THE_WAY)
            .build(client);
        work(&context).await
    })
}
