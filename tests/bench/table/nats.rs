//! A whole replay to NATS with one subscriber, against a bare publish loop of the same payloads and
//! against a loop in the style of the service that tickdeck replaces.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::Subject;
use bytes::Bytes;
use tickdeck::pipeline::Publisher;
use tickdeck::recording::{EventFilter, Recording};
use tickdeck::sink::{Fate, Message, MessageBatch, Outstanding, Sink, SinkError};

use crate::program::tickdeck;
use crate::replay::publisher_options;
use crate::report::{Bar, Report, median};
use crate::storage::count;

/// Payloads that the bare loop repeats.
const DISTINCT: usize = 262_144;
/// Messages of one run of the Python loop.
const PYTHON_MESSAGES: u64 = 50_000;

/// A server that ends with it.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    fn start(binary: &Path) -> Result<Self> {
        Self::with_config(binary, "")
    }

    /// A server with lines of configuration.
    pub(crate) fn with_config(binary: &Path, more: &str) -> Result<Self> {
        // The port is free again when the listener is dropped.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        // Publisher, server and subscriber share two cores. A subscriber that is briefly late must not
        // be dropped.
        let config = tempfile::Builder::new().suffix(".conf").tempfile()?;
        let lines = format!("max_pending: 1GB\nwrite_deadline: \"60s\"\n{more}");
        std::fs::write(config.path(), lines)?;
        let child = Command::new(binary)
            .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "-c"])
            .arg(config.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { child, port };
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("nats-server does not listen on port {port}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A subscriber that only counts and signals when it has seen `messages`.
fn subscribe(port: u16, messages: u64) -> Result<mpsc::Receiver<Instant>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    let hello = b"CONNECT {\"verbose\":false}\r\nSUB market.tick.> 1\r\nPING\r\n";
    reader.get_mut().write_all(hello)?;
    while !line.starts_with(b"PONG") {
        line.clear();
        ensure!(reader.read_until(b'\n', &mut line)? > 0, "the server left");
    }
    let (done, is_done) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        // An error ends the thread. The waiting side then sees a closed channel.
        if drain(&mut reader, messages).is_ok() {
            let _ = done.send(Instant::now());
        }
    });
    Ok(is_done)
}

fn drain(reader: &mut BufReader<TcpStream>, messages: u64) -> Result<()> {
    let (mut line, mut seen) = (Vec::with_capacity(256), 0);
    while seen < messages {
        line.clear();
        ensure!(reader.read_until(b'\n', &mut line)? > 0, "the server left");
        if line.starts_with(b"PING") {
            reader.get_mut().write_all(b"PONG\r\n")?;
        } else if line.starts_with(b"MSG ") {
            let digits = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next();
            let length: usize = std::str::from_utf8(digits.unwrap_or_default())?.parse()?;
            let mut left = length + 2;
            while left > 0 {
                let there = reader.fill_buf()?.len().min(left);
                ensure!(there > 0, "the server left");
                reader.consume(there);
                left -= there;
            }
            seen += 1;
        }
    }
    Ok(())
}

/// Keeps what would be published.
struct Collect(mpsc::Sender<Message>, Outstanding);

impl Sink for Collect {
    fn name(&self) -> String {
        "collect".into()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        for message in batch.messages() {
            let _ = self.0.send(message);
        }
        self.1.take(batch.len() as u64);
        self.1.confirm_all();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.1.report(each);
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// What a recording publishes at its beginning.
pub(crate) fn payloads(recording: &Path) -> Result<Vec<(Subject, Vec<u8>)>> {
    let recording = Recording::open(recording)?;
    let (sender, collected) = mpsc::channel();
    let mut publisher = Publisher::new(
        publisher_options(&recording)?,
        vec![Box::new(Collect(sender, Outstanding::default()))],
    );
    let mut reader = recording.reader(EventFilter::default());
    let mut events = Vec::new();
    reader.next_events(&mut events, DISTINCT)?;
    publisher.publish(&events)?;
    drop(publisher);
    collected
        .iter()
        .map(|message| {
            let subject = Subject::try_from(message.subject).ok();
            Ok((
                subject.context("a subject is UTF-8")?,
                message.payload.to_vec(),
            ))
        })
        .collect()
}

/// `messages` in the order of `payloads`, each in a fresh buffer.
fn bare_loop(port: u16, payloads: &[(Subject, Vec<u8>)], messages: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await?;
        let mut left = messages;
        while left > 0 {
            for (subject, payload) in payloads {
                if left == 0 {
                    break;
                }
                let payload = Bytes::copy_from_slice(payload);
                client.publish(subject.clone(), payload).await?;
                left -= 1;
            }
        }
        client.flush().await?;
        Ok(())
    })
}

/// From before `publish` until the subscriber has seen everything, messages per second.
fn rate(port: u16, messages: u64, publish: impl FnOnce() -> Result<()>) -> Result<f64> {
    let done = subscribe(port, messages)?;
    let started = Instant::now();
    publish()?;
    let ended = done
        .recv()
        .context("the subscriber did not see everything")?;
    Ok(count(messages) / (ended - started).as_secs_f64())
}

/// The rows about NATS.
pub(crate) fn measure(
    report: &Report,
    recording: &Path,
    messages: u64,
    rounds: usize,
) -> Result<()> {
    let Some(binary) = std::env::var_os("TICKDECK_NATS_SERVER").map(PathBuf::from) else {
        report.skipped(
            "day: replay to NATS",
            "no TICKDECK_NATS_SERVER; run `cargo xtask bench`",
        );
        return Ok(());
    };
    let server = Server::start(&binary)?;
    let payloads = payloads(recording)?;
    let path = recording.to_string_lossy();
    let url = format!("nats://127.0.0.1:{}", server.port);
    // Session events count as events, so the limit includes those before the first tick.
    let events = messages + 1000;
    let count = events.to_string();
    let replay = || {
        let args = [
            "replay",
            &path,
            "--sink",
            "nats",
            "--nats-url",
            &url,
            "--rate",
            "max",
        ];
        let limit = ["--count", &count];
        tickdeck(&[&args[..], &limit[..]].concat()).map(drop)
    };
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(rate(server.port, messages, replay)?);
        bare.push(rate(server.port, messages, || {
            bare_loop(server.port, &payloads, messages)
        })?);
    }
    let (ours, bare) = (median(ours), median(bare));
    let figures = format!("{:.0} / {:.0} k msg/s", ours / 1e3, bare / 1e3);
    let what = "day: replay to NATS / bare async-nats loop";
    report.row(what, &figures, ours / bare, Bar::AtLeast(0.75));
    python(report, &server, ours, rounds)
}

/// A dict, `json.dumps` and nats-py, with the same subscriber.
fn python(report: &Report, server: &Server, ours: f64, rounds: usize) -> Result<()> {
    let what = "day: replay to NATS / Python loop";
    let Some(python) = std::env::var_os("TICKDECK_BENCH_PYTHON") else {
        report.skipped(what, "no Python with nats-py (TICKDECK_BENCH_PYTHON)");
        return Ok(());
    };
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .join("tests/bench/table/old_style.py");
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let done = subscribe(server.port, PYTHON_MESSAGES)?;
        let output = Command::new(&python)
            .arg("-O")
            .arg(&script)
            .arg(format!("nats://127.0.0.1:{}", server.port))
            .arg(PYTHON_MESSAGES.to_string())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        done.recv()
            .context("the subscriber did not see everything")?;
        // The script prints the seconds of its loop, without Python's start.
        rates.push(count(PYTHON_MESSAGES) / text.trim().parse::<f64>()?);
    }
    let theirs = median(rates);
    let figures = format!("{:.0} / {:.0} k msg/s", ours / 1e3, theirs / 1e3);
    report.row(what, &figures, ours / theirs, Bar::AtLeast(10.0));
    Ok(())
}
