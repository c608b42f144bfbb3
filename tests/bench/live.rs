//! A live session under load: a front in memory pushes ticks at a steady rate. They are recorded
//! and published to a real nats-server. One subscriber notes when every message arrives. Nothing
//! may be lost, on any side. `cargo xtask bench` runs it.
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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tickdeck::calendar::TradingCalendar;
use tickdeck::contract::ContractTable;
use tickdeck::control::{Command as ControlCommand, Control};
use tickdeck::encode::PayloadSource;
use tickdeck::event::{InstrumentId, RawTick};
use tickdeck::live::{
    Abandoned, Attempt, Connector, DEFAULT_QUEUE_SLOTS, Inlet, LiveOptions, MarketDataSession,
    OpenError, RequestError,
};
use tickdeck::nats::{NatsOptions, Subscriber};
use tickdeck::pipeline::PublisherOptions;
use tickdeck::recording::{EventFilter, Recording, SourceInfo};
use tickdeck::reference::Reference;
use tickdeck::session::{LiveNats, LiveServer, LiveSession, RecordTo, Session as TickdeckSession};
use tickdeck::source::ReceiveTimes;

/// Length of a burst, like the packets of a front.
const BURST: Duration = Duration::from_millis(1);
/// How long the subscriber waits for a message before it counts the rest as lost.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let total = rate * seconds;
    let server = Server::start(Command::new(binary))?;
    let nats = NatsOptions::at(&format!("127.0.0.1:{}", server.port))?;
    let start = Instant::now();
    let arrivals = Arrivals::watch(&nats, start, total)?;
    let folder = tempfile::tempdir()?;
    let ticks = market()?;
    let control = Arc::new(Control::new());
    let pushed = Arc::new(Pushed::default());
    let connector = Box::new(Front {
        ticks: Arc::new(ticks.clone()),
        rate,
        total,
        start,
        control: Arc::clone(&control),
        pushed: Arc::clone(&pushed),
    });
    let server = LiveServer::connect(&LiveNats::new(nats), "bench", "live")?;
    let ended = session(&ticks, server, folder.path().join("rec"))
        .control(control)
        .run(connector)?;
    let ledger = ended.ledger.total();
    let delay = ended.delay.context("no tick")?;
    let pushes = pushed.take();
    let arrived = arrivals.finish()?;
    let sent = pushes.at_ns.len() as u64;
    println!("FACT live: digest {}", ended.digest);
    let lost = total - arrived.len() as u64;
    println!(
        "ROW live, {rate} ticks/s for {seconds} s: lost | sent {sent}, recorded {}, published {}, \
         arrived {}, dropped {}, failed {} | {lost} | 0 | {}",
        ended.recorded,
        ledger.published,
        arrived.len(),
        ended.live.dropped,
        ledger.failed,
        if lost == 0 { "pass" } else { "FAIL" }
    );
    println!(
        "ROW live: most events in the queue | {} of {} slots | |",
        ended.live.queue_high_water, DEFAULT_QUEUE_SLOTS
    );
    println!(
        "ROW live: callback to hand-over | p50 {} us, p99 {} us, max {} us | |",
        delay.p50_ns / 1_000,
        delay.p99_ns / 1_000,
        delay.max_ns / 1_000
    );
    let mut delays: Vec<u64> = pushes
        .at_ns
        .iter()
        .zip(&arrived)
        .map(|(pushed, arrived)| arrived.saturating_sub(*pushed))
        .collect();
    delays.sort_unstable();
    let at = |share: usize| {
        let rank = (delays.len() * share).div_ceil(1_000).max(1) - 1;
        delays.get(rank).copied().unwrap_or(0) / 1_000
    };
    println!(
        "ROW live: callback to subscriber | p50 {} us, p99 {} us, max {} us | |",
        at(500),
        at(990),
        at(1_000)
    );
    println!(
        "ROW live: in the callback (stamp, copy, push) | {} ns a tick | |",
        pushes.inside_ns / sent.max(1)
    );
    ensure!(
        (ended.live.dropped, ledger.failed) == (0, 0),
        "something was lost"
    );
    ensure!(
        [sent, ended.recorded, ledger.published, arrived.len() as u64] == [total; 4],
        "the counts differ"
    );
    Ok(())
}

/// The ticks of the committed recording, repeated.
fn market() -> Result<Vec<RawTick>> {
    let path = concat!(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../.."),
        "/recordings/quick"
    );
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

fn session(ticks: &[RawTick], server: LiveServer, folder: std::path::PathBuf) -> LiveSession {
    let mut instruments: Vec<InstrumentId> = ticks.iter().map(|t| t.instrument_id).collect();
    instruments.sort();
    instruments.dedup();
    let options = LiveOptions {
        instruments,
        ..LiveOptions::default()
    };
    let reference = Reference {
        contracts: Arc::new(ContractTable::builtin()),
        calendar: Arc::new(TradingCalendar::builtin()),
        receive_times: ReceiveTimes::Measured,
    };
    let publisher = PublisherOptions::new(&reference, PayloadSource::Ctp);
    let record = RecordTo::new(folder, SourceInfo::default(), &reference);
    TickdeckSession::live("bench", publisher, options)
        .server(server)
        .record(record)
}

/// Arrival times of the messages at a subscriber.
struct Arrivals(JoinHandle<Vec<u64>>);

impl Arrivals {
    /// Waits for `total` messages on a separate thread. Times are ns since `start`.
    fn watch(nats: &NatsOptions, start: Instant, total: u64) -> Result<Self> {
        let subscriber = Subscriber::start(nats, "market.tick.>")?;
        let total = usize::try_from(total)?;
        Ok(Self(std::thread::spawn(move || {
            let mut arrived = Vec::with_capacity(total);
            while arrived.len() < total && subscriber.next(PATIENCE).is_some() {
                arrived.push(nanos(start.elapsed()));
            }
            arrived
        })))
    }

    fn finish(self) -> Result<Vec<u64>> {
        self.0
            .join()
            .map_err(|_| anyhow::anyhow!("the subscriber ended early"))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// What was pushed.
#[derive(Default)]
struct Pushes {
    /// Push time, ns since the start.
    at_ns: Vec<u64>,
    /// Time within the callbacks.
    inside_ns: u64,
}

#[derive(Default)]
struct Pushed(Mutex<Pushes>);

impl Pushed {
    fn lock(&self) -> MutexGuard<'_, Pushes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Pushes {
        std::mem::take(&mut *self.lock())
    }
}

/// Pushes at a steady rate from a separate thread, like a library.
struct Front {
    ticks: Arc<Vec<RawTick>>,
    rate: u64,
    total: u64,
    start: Instant,
    control: Arc<Control>,
    pushed: Arc<Pushed>,
}

impl Connector for Front {
    fn open(&mut self, _: &Attempt, inlet: Inlet) -> Result<Box<dyn MarketDataSession>, OpenError> {
        inlet.front_connected();
        let (ticks, rate, total) = (Arc::clone(&self.ticks), self.rate, self.total);
        let (control, pushed) = (Arc::clone(&self.control), Arc::clone(&self.pushed));
        let play = inlet.clone();
        let begun = self.start;
        let run = move || {
            let mut pushes = Pushes {
                at_ns: Vec::with_capacity(usize::try_from(total).unwrap_or(0)),
                inside_ns: 0,
            };
            let start = Instant::now();
            let mut sent = 0_u64;
            while sent < total {
                let due = u128::from(rate) * start.elapsed().as_micros() / 1_000_000;
                let due = u64::try_from(due).unwrap_or(u64::MAX).min(total);
                let before = Instant::now();
                let at_ns = nanos(begun.elapsed());
                for position in sent..due {
                    let index = usize::try_from(position).unwrap_or(0) % ticks.len();
                    play.tick(&ticks[index]);
                    // One time for the burst, which is one packet.
                    pushes.at_ns.push(at_ns);
                }
                pushes.inside_ns += nanos(before.elapsed());
                sent = due;
                std::thread::sleep(BURST);
            }
            *pushed.lock() = pushes;
            control.send(ControlCommand::Stop);
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
