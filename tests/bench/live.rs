//! A live session under load: a front in memory pushes ticks at a steady rate; they are recorded and
//! published to a real nats-server with one subscriber. Nothing may be lost.
//!
//! `TICKDECK_BENCH_RATE` (ticks/s, default 20,000) and `TICKDECK_BENCH_SECONDS` (default 60; 2 under
//! `cargo test`, which passes `--test`). The server is `TICKDECK_NATS_SERVER`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and prints what it found"
)]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tickdeck::calendar::TradingCalendar;
use tickdeck::clock::SystemClock;
use tickdeck::contract::ContractTable;
use tickdeck::encode::{PayloadKind, PayloadSource};
use tickdeck::event::{InstrumentId, RawTick};
use tickdeck::live::{
    Abandoned, Attempt, Connector, Inlet, LiveOptions, MarketDataSession, OpenError, RequestError,
};
use tickdeck::nats::{NatsOptions, Subscriber};
use tickdeck::normalize::Flags;
use tickdeck::pipeline::{Ingest, IngestNats, PublisherOptions, RecordTo, ingest};
use tickdeck::recording::{EventFilter, Recording, RecordingOptions, Rolling, SourceInfo};

/// Pushes come in bursts of this length, as the packets of a front do.
const BURST: Duration = Duration::from_millis(1);

fn number(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}")),
        Err(_) => Ok(default),
    }
}

fn main() -> Result<()> {
    let is_test = std::env::args().any(|arg| arg == "--test");
    let Some(binary) = std::env::var_os("TICKDECK_NATS_SERVER") else {
        println!("SKIPPED: set TICKDECK_NATS_SERVER (`cargo xtask nats-server`)");
        return Ok(());
    };
    let rate = number("TICKDECK_BENCH_RATE", if is_test { 2_000 } else { 20_000 })?;
    let seconds = number("TICKDECK_BENCH_SECONDS", if is_test { 2 } else { 60 })?;
    let server = Server::start(Command::new(binary))?;
    let nats = NatsOptions::at(&format!("127.0.0.1:{}", server.port))?;
    let received = count_messages(&nats)?;
    let folder = tempfile::tempdir()?;
    let ticks = market()?;
    let stop = Arc::new(AtomicBool::new(false));
    let pushed = Arc::new(Pushed::default());
    let connector = Box::new(Front {
        ticks: Arc::new(ticks.clone()),
        rate,
        total: rate * seconds,
        stop: Arc::clone(&stop),
        pushed: Arc::clone(&pushed),
    });
    let setup = session(&ticks, nats, folder.path().join("rec"));
    let ended = ingest(
        connector,
        setup,
        Arc::new(SystemClock::new()),
        Box::new(move || stop.load(Ordering::Acquire)),
    )?;
    let total = ended.ledger.total();
    let sent = pushed.ticks.load(Ordering::Acquire);
    let delay = ended.delay.context("no tick")?;
    let micros = |nanos: u64| nanos / 1_000;
    println!("asked        {rate} ticks/s for {seconds} s");
    println!(
        "pushed       {sent} ticks in {:.1} s",
        pushed.elapsed().as_secs_f64()
    );
    println!(
        "callback     {} ns a tick (stamp, copy, push)",
        pushed.nanos_per_tick()
    );
    println!("recorded     {}", ended.recorded);
    println!("published    {}, failed {}", total.published, total.failed);
    println!("dropped      {}", ended.live.dropped);
    println!(
        "queue        {} events at most",
        ended.live.queue_high_water
    );
    println!(
        "callback to sink  p50 {} us, p99 {} us, max {} us",
        micros(delay.p50_ns),
        micros(delay.p99_ns),
        micros(delay.max_ns)
    );
    println!("digest       {}", ended.digest);
    ensure!(
        ended.live.dropped == 0 && total.failed == 0,
        "something was lost"
    );
    ensure!(
        total.published == sent && ended.recorded == sent,
        "the counts differ"
    );
    let arrived = received.load(Ordering::Acquire);
    ensure!(arrived <= sent, "more arrived than was sent");
    println!("subscriber   {arrived} messages");
    Ok(())
}

/// The ticks of the committed recording, to go round.
fn market() -> Result<Vec<RawTick>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings/quick");
    let mut reader = Recording::open(path.as_ref())?.reader(EventFilter::default());
    let mut events = Vec::new();
    while {
        let before = events.len();
        reader.next_events(&mut events, 4_096)?;
        events.len() > before
    } {}
    Ok(events
        .iter()
        .filter_map(|event| event.as_tick().copied())
        .collect())
}

fn session(ticks: &[RawTick], nats: NatsOptions, folder: std::path::PathBuf) -> Ingest {
    let mut instruments: Vec<InstrumentId> = ticks.iter().map(|t| t.instrument_id).collect();
    instruments.sort();
    instruments.dedup();
    let contracts = Arc::new(ContractTable::builtin());
    let calendar = Arc::new(TradingCalendar::builtin());
    Ingest {
        session: "bench".into(),
        verb: "live",
        live: LiveOptions {
            instruments,
            ..LiveOptions::default()
        },
        publisher: PublisherOptions {
            payload: PayloadKind::Vnpy,
            source: PayloadSource::Ctp,
            subject_prefix: "market.tick".into(),
            drop: Flags::default(),
            contracts: Arc::clone(&contracts),
            calendar: Arc::clone(&calendar),
        },
        nats: Some(IngestNats::new(nats)),
        sinks: Vec::new(),
        record: Some(RecordTo {
            folder,
            options: RecordingOptions {
                session: "bench".into(),
                source: SourceInfo::default(),
                contracts,
                calendar,
                rolling: Rolling::default(),
                overwrite: false,
                keep_partial: true,
            },
        }),
        progress_every: Duration::ZERO,
    }
}

/// Counts what arrives at a subscriber.
fn count_messages(nats: &NatsOptions) -> Result<Arc<AtomicU64>> {
    let subscriber = Subscriber::start(nats, "market.tick.>")?;
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        while subscriber.next(Duration::from_secs(3_600)).is_some() {
            counted.fetch_add(1, Ordering::Release);
        }
    });
    Ok(count)
}

#[derive(Default)]
struct Pushed {
    ticks: AtomicU64,
    elapsed_ns: AtomicU64,
    inside_ns: AtomicU64,
}

impl Pushed {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_ns.load(Ordering::Acquire))
    }

    fn nanos_per_tick(&self) -> u64 {
        self.inside_ns.load(Ordering::Acquire) / self.ticks.load(Ordering::Acquire).max(1)
    }
}

/// Pushes at a steady rate from a thread of its own, as a library does.
struct Front {
    ticks: Arc<Vec<RawTick>>,
    rate: u64,
    total: u64,
    stop: Arc<AtomicBool>,
    pushed: Arc<Pushed>,
}

impl Connector for Front {
    fn open(&mut self, _: &Attempt, inlet: Inlet) -> Result<Box<dyn MarketDataSession>, OpenError> {
        inlet.front_connected();
        let (ticks, rate, total) = (Arc::clone(&self.ticks), self.rate, self.total);
        let (stop, pushed) = (Arc::clone(&self.stop), Arc::clone(&self.pushed));
        let play = inlet.clone();
        let run = move || {
            let start = Instant::now();
            let (mut sent, mut inside) = (0_u64, Duration::ZERO);
            while sent < total {
                let due = u128::from(rate) * start.elapsed().as_micros() / 1_000_000;
                let due = u64::try_from(due).unwrap_or(u64::MAX).min(total);
                let began = Instant::now();
                for position in sent..due {
                    let index = usize::try_from(position).unwrap_or(0) % ticks.len();
                    play.tick(&ticks[index]);
                }
                inside += began.elapsed();
                sent = due;
                std::thread::sleep(BURST);
            }
            let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
            pushed.ticks.store(sent, Ordering::Release);
            pushed
                .elapsed_ns
                .store(nanos(start.elapsed()), Ordering::Release);
            pushed.inside_ns.store(nanos(inside), Ordering::Release);
            stop.store(true, Ordering::Release);
        };
        Ok(Box::new(Session {
            inlet,
            run: Some(Box::new(run)),
        }))
    }
}

struct Session {
    inlet: Inlet,
    run: Option<Box<dyn FnOnce() + Send>>,
}

impl MarketDataSession for Session {
    fn login(&mut self) -> Result<(), RequestError> {
        self.inlet.login_ok("");
        Ok(())
    }

    fn subscribe(&mut self, _: &[InstrumentId]) -> Result<(), RequestError> {
        if let Some(run) = self.run.take() {
            std::thread::spawn(run);
        }
        Ok(())
    }

    fn close(self: Box<Self>, _: Duration) -> Result<(), Abandoned> {
        Ok(())
    }
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(mut command: Command) -> Result<Self> {
        // The port is free again when the listener is dropped.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = command
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting nats-server")?;
        let server = Self { child, port };
        for _ in 0..1_000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        anyhow::bail!("nats-server does not listen on port {port}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
