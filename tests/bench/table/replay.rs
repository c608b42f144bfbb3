//! Whole replays to `digest`, the stages of one, and the peak of memory.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use tickdeck::calendar::TradingCalendar;
use tickdeck::contract::ContractTable;
use tickdeck::encode::{Encoder, PayloadKind, PayloadSource};
use tickdeck::event::{Event, Seq};
use tickdeck::normalize::{Flags, Normalizer, Outcome};
use tickdeck::pipeline::{Publisher, PublisherOptions};
use tickdeck::recording::{EventFilter, Manifest, Recording, RecordingWriter};
use tickdeck::sink::Sink;
use tickdeck::source::{ReceiveTimes, Source};
use tickdeck::synthetic::Profile;

use crate::instructions;
use crate::plain::Plain;
use crate::program::tickdeck;
use crate::report::{Bar, Report, median};
use crate::storage::{count, options};
use crate::synthetic;

/// Events that a stage reads at a time, as a replay does.
const READ: usize = 2_048;
/// The argument before those of [`stage_alone`].
pub(crate) const ALONE: &str = "--stage";

/// The release binary from a recording to the stream's digest, at full speed.
pub(crate) fn to_digest(report: &Report, recording: &Path, rounds: usize) -> Result<()> {
    let ticks = ticks_of(recording)?;
    let path = recording.to_string_lossy();
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let run = tickdeck(&["replay", &path, "--sink", "digest", "--rate", "max"])?;
        rates.push(ticks / run.elapsed.as_secs_f64());
    }
    let shown = rates.iter().map(|rate| format!("{:.0}", rate / 1e3));
    let figures = format!("{} k ticks/s", shown.collect::<Vec<_>>().join(", "));
    let rate = median(rates);
    report.row(
        "day: replay to digest, ticks/s",
        &figures,
        rate,
        Bar::AtLeast(1.5e6),
    );
    Ok(())
}

pub(crate) fn ticks_of(recording: &Path) -> Result<f64> {
    let recording = Recording::open(recording)?;
    let manifest = recording.manifest().context("a recording with manifest")?;
    Ok(count(manifest.ticks))
}

pub(crate) fn publisher_options(recording: &Recording) -> Result<PublisherOptions> {
    let mut contracts = ContractTable::builtin();
    recording.contracts(&mut contracts)?;
    Ok(PublisherOptions {
        payload: PayloadKind::Vnpy,
        source: PayloadSource::Synthetic,
        subject_prefix: "market.tick".into(),
        drop: Flags::default(),
        partition: None,
        contracts: Arc::new(contracts),
        calendar: Arc::new(TradingCalendar::builtin()),
        receive_times: ReceiveTimes::Measured,
    })
}

/// Where the time of a replay goes: each line does what the one before did and one thing more, all
/// on one thread. Also the encoder against serde and chrono.
pub(crate) fn stages(report: &Report, path: &Path, ticks: usize, rounds: usize) -> Result<()> {
    let recording = Recording::open(path)?;
    let options = publisher_options(&recording)?;
    let mut spent: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        for (stage, spent) in spent.iter_mut().enumerate() {
            let started = Instant::now();
            let done = run_stage(&recording, &options, stage, ticks)?;
            spent.push(started.elapsed().as_secs_f64() * 1e9 / count(done as u64));
        }
    }
    let [decode, normalize, encode, serde, digest] = spent.map(median);
    let unavailable = instructions::unavailable();
    for (stage, what, ns) in [
        (0, "stage: decode, ns per tick", decode),
        (1, "stage: decode + normalize", normalize),
        (2, "stage: decode + normalize + encode", encode),
        (4, "stage: the same + messages, ledger, digest", digest),
    ] {
        let counted = match unavailable {
            Some(why) => why.to_owned(),
            None => format!("{:.0} instructions", stage_instructions(path, stage)?),
        };
        report.row(what, &counted, ns, Bar::Open);
    }
    let (ours, plain) = (encode - normalize, serde - normalize);
    let figures = format!("{ours:.0} / {plain:.0} ns");
    let what = "day: encode, ours / serde_json + chrono";
    report.row(what, &figures, ours / plain, Bar::AtMost(0.333));
    Ok(())
}

/// Runs one stage over the first `ticks` events. Returns how many there were.
fn run_stage(
    recording: &Recording,
    options: &PublisherOptions,
    stage: usize,
    ticks: usize,
) -> Result<usize> {
    let mut reader = recording.reader(EventFilter::default());
    let mut work = Work::new(stage, options);
    let mut events = Vec::with_capacity(READ);
    let mut done = 0;
    while done < ticks {
        events.clear();
        reader.next_events(&mut events, READ)?;
        if events.is_empty() {
            break;
        }
        done += events.len();
        work.take(&events)?;
    }
    Ok(done)
}

/// Runs one stage alone as a whole program, for [`instructions`]: `STAGE RECORDING TICKS`.
pub(crate) fn stage_alone(args: &[String]) -> Result<()> {
    let [stage, path, ticks] = args else {
        bail!("expected STAGE RECORDING TICKS");
    };
    let recording = Recording::open(Path::new(path))?;
    let options = publisher_options(&recording)?;
    run_stage(&recording, &options, stage.parse()?, ticks.parse()?)?;
    Ok(())
}

fn stage_instructions(recording: &Path, stage: usize) -> Result<f64> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let (stage, recording) = (stage.to_string(), recording.to_string_lossy());
    let args = ["--bench", ALONE, &stage, &recording];
    let program = std::env::current_exe()?;
    Ok(instructions::per_tick(folder.path(), &program, &args, "stage")?.total)
}

/// One stage of [`stages`].
enum Work {
    Decode,
    Encode {
        normalizer: Normalizer,
        encoder: Option<Encoder>,
        is_plain: bool,
        out: Vec<u8>,
    },
    Publish(Publisher),
}

impl Work {
    fn new(stage: usize, options: &PublisherOptions) -> Self {
        if stage == 0 {
            return Self::Decode;
        }
        if stage == 4 {
            let sinks: Vec<Box<dyn Sink>> = vec![Box::new(tickdeck::sink::NullSink::default())];
            return Self::Publish(Publisher::new(options.clone(), sinks));
        }
        Self::Encode {
            normalizer: Normalizer::new(
                options.contracts.clone(),
                options.calendar.clone(),
                options.receive_times,
            ),
            encoder: (stage == 2).then(|| Encoder::new(options.payload, options.source)),
            is_plain: stage == 3,
            out: Vec::with_capacity(4096),
        }
    }

    fn take(&mut self, events: &[Event]) -> Result<()> {
        match self {
            Self::Decode => {
                black_box(events);
            }
            Self::Publish(publisher) => publisher.publish(events)?,
            Self::Encode {
                normalizer,
                encoder,
                is_plain,
                out,
            } => {
                for event in events {
                    let outcome = normalizer.apply(event);
                    let Outcome::Tick(tick) = &outcome else {
                        continue;
                    };
                    if let Some(encoder) = encoder {
                        out.clear();
                        encoder.encode(tick, out);
                        black_box(&out);
                    } else if *is_plain {
                        black_box(serde_json::to_vec(&Plain::of(tick))?);
                    } else {
                        black_box(tick);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Peak memory of `generate`, of `import`, and of a replay of a recording that is `days` long.
pub(crate) fn memory(
    report: &Report,
    folder: &Path,
    dumps: &[PathBuf],
    days: u64,
    duration: Option<&str>,
) -> Result<()> {
    let limit = Bar::AtMost(200.0);
    let long = folder.join("long");
    let ticks = count(write_days(&long, Profile::Day, days, duration)?.ticks);
    let long = long.to_string_lossy();
    let run = tickdeck(&["replay", &long, "--sink", "digest", "--rate", "max"])?;
    let figures = format!(
        "{:.1} M ticks in {:.1} s",
        ticks / 1e6,
        run.elapsed.as_secs_f64()
    );
    report.row(
        "replay to digest: peak memory, MB",
        &figures,
        run.peak_mb,
        limit,
    );
    let made = folder.join("made");
    let made = made.to_string_lossy();
    let run = tickdeck(&[
        "generate",
        "--profile",
        "day",
        "--duration",
        "30m",
        "--output",
        &made,
    ])?;
    report.row(
        "generate: peak memory, MB",
        "half an hour of day",
        run.peak_mb,
        limit,
    );
    let what = "import: peak memory, MB";
    if dumps.is_empty() {
        report.skipped(what, "no folder of dumps (TICKDECK_SHARED_DATA)");
        return Ok(());
    }
    let imported = folder.join("imported");
    let imported = imported.to_string_lossy();
    let mut args = vec!["import", "--output", &imported];
    let names: Vec<_> = dumps.iter().map(|dump| dump.to_string_lossy()).collect();
    args.extend(names.iter().map(AsRef::as_ref));
    let run = tickdeck(&args)?;
    let figures = format!("{} dumps merged", dumps.len());
    report.row(what, &figures, run.peak_mb, limit);
    Ok(())
}

/// One recording of several market days of different seeds, one after the other.
pub(crate) fn write_days(
    folder: &Path,
    profile: Profile,
    days: u64,
    duration: Option<&str>,
) -> Result<Manifest> {
    let mut writer: Option<RecordingWriter> = None;
    let (mut seq, mut batch) = (0, Vec::with_capacity(4096));
    for seed in 0..days {
        let (mut source, contracts) = synthetic(profile, 100 + seed, duration)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(RecordingWriter::create(folder, options(contracts))?),
        };
        loop {
            batch.clear();
            source.next_batch(&mut batch, 4096)?;
            if batch.is_empty() {
                break;
            }
            for event in &mut batch {
                event.seq = Seq(seq);
                seq += 1;
            }
            writer.write(&batch)?;
        }
    }
    let writer = writer.context("at least one day")?;
    Ok(writer.finish()?)
}
