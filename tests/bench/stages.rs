//! The cost of one stage per tick, compared with the straightforward implementation.
//!
//! `cargo bench -p tickdeck-bench --features benches --bench stages` prints times per batch of
//! [`TICKS`] ticks and ticks per second. With `-- --test` it runs every case once.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod plain;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tickdeck::calendar::TradingCalendar;
use tickdeck::clock::{Clock as _, SystemClock};
use tickdeck::contract::ContractTable;
use tickdeck::encode::{Encoder, PayloadKind, PayloadSource};
use tickdeck::event::{Event, EventKind, InstrumentId, RawTick, Seq, Text};
use tickdeck::live::{
    self, Abandoned, Attempt, Connector, Inlet, LiveOptions, MarketDataSession, OpenError,
    RequestError,
};
use tickdeck::normalize::{Instrument, NormalizedTick, Normalizer, Outcome};
use tickdeck::recording::{
    BackgroundWriter, EventDigest, EventFilter, EventWriter as _, Manifest, Recorded, Recording,
    RecordingOptions, RecordingWriter, Rolling, SourceInfo,
};
use tickdeck::sink::{MessageBatchBuilder, StreamDigest};
use tickdeck::source::{ReceiveTimes, Source as _};
use tickdeck::time::UnixNanos;

use plain::Plain;

/// Ticks in a batch.
const TICKS: u64 = 20_000;
/// 2026-01-05T21:00:00+08:00, the first tick.
const START: i64 = 1_767_618_000_000_000_000;

/// One product of the benchmark's market: id, whether it is CZCE's, base price, price tick,
/// multiplier, levels of the book.
type Product = (&'static str, bool, f64, f64, f64, usize);
const PRODUCTS: [Product; 10] = [
    ("rb", false, 3500.0, 1.0, 10.0, 5),
    ("cu", false, 79_000.0, 10.0, 5.0, 5),
    ("au", false, 780.0, 0.02, 1000.0, 5),
    ("m", false, 3000.0, 1.0, 10.0, 1),
    ("j", false, 1700.0, 0.5, 100.0, 1),
    ("i", false, 800.0, 0.5, 100.0, 1),
    ("SR", true, 6000.0, 1.0, 10.0, 1),
    ("CF", true, 14_000.0, 5.0, 5.0, 1),
    ("TA", true, 5000.0, 2.0, 5.0, 1),
    ("sc", false, 500.0, 0.1, 1000.0, 5),
];

/// A small linear congruential generator: the batch is the same everywhere.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text.as_bytes()).unwrap_or_default()
}

/// The next state of one instrument: the price moves by a step, half of the ticks trade.
fn advance(tick: &mut RawTick, product: &Product, random: &mut Lcg) {
    let &(_, czce, base, step, multiplier, levels) = product;
    let steps = f64::from(u32::try_from(random.below(200)).unwrap_or(0));
    tick.last_price = ((base / step).round() + steps) * step;
    let size = |random: &mut Lcg| i32::try_from(random.below(500)).unwrap_or(0) + 1;
    if random.below(2) == 0 {
        tick.volume += size(random);
        let average = base + steps / 7.0;
        let per_unit = if czce { average.round() } else { average };
        let lots = f64::from(tick.volume);
        let factor = if czce { 1.0 } else { multiplier };
        tick.average_price = per_unit * factor;
        tick.turnover = (per_unit * lots * factor).round();
        tick.open_interest += f64::from(size(random));
    }
    let at = |level: f64| ((tick.last_price / step).round() + level) * step;
    (tick.bid_price1, tick.ask_price1) = (at(0.0), at(1.0));
    (tick.bid_volume1, tick.ask_volume1) = (size(random), size(random));
    if levels == 5 {
        (tick.bid_price2, tick.ask_price2) = (at(-1.0), at(2.0));
        (tick.bid_price3, tick.ask_price3) = (at(-2.0), at(3.0));
        (tick.bid_price4, tick.ask_price4) = (at(-3.0), at(4.0));
        (tick.bid_price5, tick.ask_price5) = (at(-4.0), at(5.0));
        (tick.bid_volume2, tick.ask_volume2) = (size(random), size(random));
        (tick.bid_volume3, tick.ask_volume3) = (size(random), size(random));
        (tick.bid_volume4, tick.ask_volume4) = (size(random), size(random));
        (tick.bid_volume5, tick.ask_volume5) = (size(random), size(random));
    }
}

/// 600 instruments of ten products, 40 % of the ticks with five levels, 400 ticks a second.
fn events() -> Vec<Event> {
    let mut random = Lcg(42);
    let mut market: Vec<(Product, RawTick)> = PRODUCTS
        .iter()
        .flat_map(|product| (0..60).map(move |month| (*product, first(product, month))))
        .collect();
    let mut events = Vec::new();
    for seq in 0..TICKS {
        let index = usize::try_from(random.below(600)).unwrap_or(0);
        let (product, tick) = &mut market[index];
        advance(tick, product, &mut random);
        let elapsed_ms = i64::try_from(seq).unwrap_or(0) * 5 / 2;
        let second = elapsed_ms / 1000;
        tick.update_time = text(&format!("21:{:02}:{:02}", second / 60, second % 60));
        tick.update_millisec = if product.1 {
            0
        } else {
            i32::try_from(elapsed_ms % 1000 / 500 * 500).unwrap_or(0)
        };
        events.push(Event {
            seq: Seq(seq),
            recv_ts: UnixNanos(START + elapsed_ms * 1_000_000 + 12_345_678),
            kind: EventKind::Tick(*tick),
        });
    }
    events
}

fn first(product: &Product, month: usize) -> RawTick {
    let &(id, czce, base, ..) = product;
    // CZCE has one digit for the year.
    let year = month / 12 + if czce { 6 } else { 26 };
    let year = if czce { year % 10 } else { year };
    RawTick {
        instrument_id: text(&format!("{id}{year}{:02}", month % 12 + 1)),
        trading_day: text("20260106"),
        action_day: text("20260105"),
        pre_settlement_price: base,
        pre_close_price: base + 1.0,
        pre_open_interest: 140_000.0,
        open_interest: 150_000.0,
        open_price: base,
        highest_price: base * 1.03,
        lowest_price: base * 0.99,
        upper_limit_price: (base * 1.1).round(),
        lower_limit_price: (base * 0.9).round(),
        ..RawTick::unset()
    }
}

fn normalizer() -> Normalizer {
    Normalizer::new(
        Arc::new(ContractTable::builtin()),
        Arc::new(TradingCalendar::builtin()),
        ReceiveTimes::Measured,
    )
}

/// The instruments and, borrowing them, the normalized ticks of the batch.
fn instruments(events: &[Event]) -> Vec<Instrument> {
    let mut normalizer = normalizer();
    let mut instruments: Vec<Instrument> = Vec::new();
    for event in events {
        if let Outcome::Tick(tick) = normalizer.apply(event)
            && tick.instrument.index == instruments.len()
        {
            instruments.push(tick.instrument.clone());
        }
    }
    instruments
}

fn normalized<'a>(events: &[Event], instruments: &'a [Instrument]) -> Vec<NormalizedTick<'a>> {
    let mut normalizer = normalizer();
    let mut ticks = Vec::new();
    for event in events {
        if let Outcome::Tick(tick) = normalizer.apply(event) {
            let instrument = &instruments[tick.instrument.index];
            ticks.push(tick.with_instrument(instrument));
        }
    }
    assert_eq!(ticks.len(), events.len(), "every tick is published");
    ticks
}

fn normalize(criterion: &mut Criterion) {
    let events = events();
    let mut group = criterion.benchmark_group("normalize");
    group.throughput(Throughput::Elements(TICKS));
    let mut warm = normalizer();
    group.bench_function("apply", |bencher| {
        bencher.iter(|| {
            for event in &events {
                black_box(warm.apply(black_box(event)));
            }
        });
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let events = events();
    let instruments = instruments(&events);
    let ticks = normalized(&events, &instruments);
    let mut out = Vec::with_capacity(1 << 20);
    let mut encoder = Encoder::new(PayloadKind::Vnpy, PayloadSource::Ctp);
    for tick in &ticks {
        out.clear();
        encoder.encode(tick, &mut out);
        let plain = serde_json::to_vec(&Plain::of(tick)).unwrap_or_default();
        assert_eq!(out, plain, "both arms write the same bytes");
    }
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(TICKS));
    for (name, kind) in [
        ("vnpy", PayloadKind::Vnpy),
        ("decimal", PayloadKind::Decimal),
    ] {
        let mut encoder = Encoder::new(kind, PayloadSource::Ctp);
        group.bench_function(BenchmarkId::new("tickdeck", name), |bencher| {
            bencher.iter(|| {
                for tick in &ticks {
                    out.clear();
                    encoder.encode(black_box(tick), &mut out);
                    black_box(&out);
                }
            });
        });
    }
    group.bench_function(BenchmarkId::new("serde_json + chrono", "vnpy"), |bencher| {
        bencher.iter(|| {
            for tick in &ticks {
                black_box(serde_json::to_vec(&Plain::of(black_box(tick))).unwrap_or_default());
            }
        });
    });
    group.finish();
}

fn new_recording(folder: &Path) -> RecordingWriter {
    let options = RecordingOptions {
        session: "bench".into(),
        source: SourceInfo::default(),
        contracts: Arc::new(ContractTable::builtin()),
        calendar: Arc::new(TradingCalendar::builtin()),
        rolling: Rolling::default(),
        overwrite: true,
        keep_partial: false,
    };
    let writer = RecordingWriter::create(folder, options);
    writer.unwrap_or_else(|error| panic!("creating {}: {error}", folder.display()))
}

/// A recording of the batch in `folder`, replacing an existing one.
fn record(folder: &Path, events: &[Event]) -> Manifest {
    let mut writer = new_recording(folder);
    let written = writer.write(events).and_then(|()| writer.finish());
    written.unwrap_or_else(|error| panic!("writing {}: {error}", folder.display()))
}

/// The same as a session does it: through the journal, on other threads.
fn record_session(folder: &Path, events: &[Event]) -> Recorded {
    let started = BackgroundWriter::start(new_recording(folder));
    let mut recorder = started.unwrap_or_else(|error| panic!("starting threads: {error}"));
    let written = recorder.write(events);
    written.unwrap_or_else(|error| panic!("writing {}: {error}", folder.display()));
    recorder.finish(0)
}

fn recording(criterion: &mut Criterion) {
    let events = events();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.unwrap_or_else(|error| panic!("a folder for the recording: {error}"));
    let mut group = criterion.benchmark_group("recording");
    group.throughput(Throughput::Elements(TICKS));
    group.bench_function("write", |bencher| {
        bencher.iter(|| record(folder.path(), black_box(&events)));
    });
    group.bench_function("write through the journal", |bencher| {
        bencher.iter(|| record_session(folder.path(), black_box(&events)));
    });
    record(folder.path(), &events);
    let mut batch = Vec::with_capacity(1024);
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let opened = Recording::open(folder.path());
            let opened = opened.unwrap_or_else(|error| panic!("opening: {error}"));
            let mut reader = opened.reader(EventFilter::default());
            loop {
                batch.clear();
                let read = reader.next_events(&mut batch, 1024);
                read.unwrap_or_else(|error| panic!("reading: {error}"));
                if black_box(&batch).is_empty() {
                    break;
                }
            }
        });
    });
    group.finish();
}

fn digest(criterion: &mut Criterion) {
    let events = events();
    let instruments = instruments(&events);
    let mut encoder = Encoder::new(PayloadKind::Vnpy, PayloadSource::Ctp);
    let mut builder = MessageBatchBuilder::default();
    for tick in &normalized(&events, &instruments) {
        builder.push_with(b"market.tick.SHFE.rb2601", |out| encoder.encode(tick, out));
    }
    let batches: Vec<_> = builder.take().chunks(256).collect();
    let mut group = criterion.benchmark_group("digest");
    group.throughput(Throughput::Elements(TICKS));
    group.bench_function("stream of payloads", |bencher| {
        bencher.iter(|| {
            let mut digest = StreamDigest::new();
            for batch in &batches {
                digest.update(batch);
            }
            digest.hex()
        });
    });
    group.bench_function("events", |bencher| {
        bencher.iter(|| {
            let mut digest = EventDigest::new();
            for event in &events {
                digest.update(event);
            }
            digest.finish()
        });
    });
    group.finish();
}

/// Hands out the inlet of its session.
struct Lends(std::sync::mpsc::Sender<Inlet>);

impl Connector for Lends {
    fn open(&mut self, _: &Attempt, inlet: Inlet) -> Result<Box<dyn MarketDataSession>, OpenError> {
        // The requester is waiting.
        let _ = self.0.send(inlet);
        Ok(Box::new(Idle))
    }
}

struct Idle;

impl MarketDataSession for Idle {
    fn login(&mut self) -> Result<(), RequestError> {
        Ok(())
    }

    fn subscribe(&mut self, _: &[InstrumentId]) -> Result<(), RequestError> {
        Ok(())
    }

    fn close(self: Box<Self>, _: Duration) -> Result<(), Abandoned> {
        Ok(())
    }
}

/// The cost of a tick on the library's thread, from the callback's handler into the queue.
fn callback(criterion: &mut Criterion) {
    let ticks: Vec<RawTick> = events()
        .iter()
        .filter_map(|e| e.as_tick().copied())
        .collect();
    let (lent, lends) = std::sync::mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let (mut source, handle) = live::start(
        Box::new(Lends(lent)),
        LiveOptions::default(),
        Arc::new(SystemClock::new()),
        Box::new(move || asked.load(Ordering::Acquire)),
    )
    .unwrap_or_else(|error| panic!("starting a session: {error}"));
    let inlet = lends
        .recv()
        .unwrap_or_else(|error| panic!("opening a session: {error}"));
    let mut batch = Vec::with_capacity(ticks.len());
    let mut group = criterion.benchmark_group("callback");
    group.throughput(Throughput::Elements(TICKS));
    group.bench_function("stamp, copy, push into the live queue", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut inside = Duration::ZERO;
            for _ in 0..rounds {
                let before = Instant::now();
                for tick in &ticks {
                    inlet.tick(black_box(tick));
                }
                inside += before.elapsed();
                let mut taken = 0;
                while taken < ticks.len() {
                    let read = source.next_batch(&mut batch, ticks.len());
                    read.unwrap_or_else(|error| panic!("reading: {error}"));
                    taken += batch
                        .iter()
                        .filter(|event| event.as_tick().is_some())
                        .count();
                    batch.clear();
                }
            }
            inside
        });
    });
    let clock = SystemClock::new();
    let mut copies = Vec::with_capacity(ticks.len());
    group.bench_function("plain: stamp and copy into a Vec", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut inside = Duration::ZERO;
            for _ in 0..rounds {
                let before = Instant::now();
                for tick in &ticks {
                    copies.push((clock.wall(), *black_box(tick)));
                }
                inside += before.elapsed();
                black_box(&mut copies).clear();
            }
            inside
        });
    });
    group.finish();
    stop.store(true, Ordering::Release);
    drop(source);
    let _ = handle.join();
}

criterion_group!(stages, normalize, encode, recording, digest, callback);
criterion_main!(stages);
