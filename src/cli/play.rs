//! What `replay` and `record` share: a source through the pipeline, with progress, health answers
//! and a closing summary.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use tickdeck::nats::NatsOptions;
use tickdeck::pipeline::{LatenessMs, Ledger, PlayError, PlayOptions, Player, Publisher, Summary};
use tickdeck::sink::NatsStop;
use tickdeck_core::clock::Clock as _;
use tickdeck_core::pace::{ClockTicks, PaceDriver, PaceOptions, PaceReport};
use tickdeck_core::source::Source;
use tickdeck_recording::EventWriter;

use super::Context;
use super::outputs::start_health;

/// How a run is to go.
pub(super) struct PlaySetup {
    pub(super) verb: &'static str,
    pub(super) session: String,
    pub(super) pace: PaceOptions,
    pub(super) looping: bool,
    pub(super) clock_ticks: Option<ClockTicks>,
    pub(super) options: PlayOptions,
    pub(super) total: Option<u64>,
    /// Where to answer `health.check`; `None` when nothing goes to NATS.
    pub(super) health: Option<NatsOptions>,
    /// Ends a wait for a server that is away.
    pub(super) stop: Option<NatsStop>,
}

/// What a run came to.
pub(super) struct Played {
    pub(super) summary: Summary,
    /// What ended it early; the summary is valid all the same.
    pub(super) error: Option<anyhow::Error>,
}

/// Plays `source` until it ends or the user stops it; with `looping` again and again.
pub(super) fn play(
    context: &Context,
    setup: PlaySetup,
    mut publisher: Publisher,
    recorder: Option<&mut (dyn EventWriter + 'static)>,
    source: &mut dyn FnMut() -> anyhow::Result<Box<dyn Source>>,
) -> anyhow::Result<Played> {
    let health = match setup.health {
        // Who was stopped before has nothing to answer.
        Some(nats) if !context.control.is_stopped() => start_health(
            context,
            nats,
            setup.session.clone(),
            setup.verb,
            publisher.stats(),
        )?,
        _ => None,
    };
    publisher.set_run(context.run.clone());
    let watch = setup
        .stop
        .map(|stop| watch_stop(context, stop))
        .transpose()?;
    let mut pacer = PaceDriver::new(setup.pace, context.clock.clone(), context.control.clone());
    let mut progress = context.progress(setup.verb, setup.total.filter(|_| !setup.looping));
    let started = context.clock.now();
    let mut player = Player {
        options: setup.options,
        pacer: &mut pacer,
        control: &context.control,
        publisher: &mut publisher,
        recorder,
        clock_ticks: setup.clock_ticks,
        progress: progress.as_mut(),
        delay: None,
        ticks: 0,
        events: 0,
    };
    let played = play_passes(&mut player, setup.looping, source);
    publisher.announce_end(&setup.session, matches!(played, Ok(true)));
    let report = pacer.report();
    let (ledger, digest, sink_error) = publisher.finish(played.is_ok());
    let elapsed_ns = u64::try_from(context.clock.now().since(started)).unwrap_or(0);
    progress.finish();
    drop(watch);
    if let Some(health) = health {
        health.stop();
    }
    let error = match (played, sink_error) {
        (Err(error), _) => Some(error),
        (Ok(_), Some(error)) => Some(error.into()),
        (Ok(_), None) => None,
    };
    Ok(Played {
        summary: summary(setup.session, &ledger, digest, &report, elapsed_ns),
        error,
    })
}

/// How long a stopped run may wait for a server that is away.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Gives up waiting for the server some time after the user asked for an end. Ends with the
/// returned sender.
fn watch_stop(context: &Context, stop: NatsStop) -> anyhow::Result<Sender<()>> {
    const STEP: Duration = Duration::from_millis(100);
    let control = Arc::clone(&context.control);
    let (done, is_done) = bounded::<()>(0);
    let watch = move || {
        while is_done.recv_timeout(STEP) == Err(RecvTimeoutError::Timeout) {
            if control.is_stopped() {
                if is_done.recv_timeout(DRAIN_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
                    tracing::warn!(
                        event = "drain_timeout",
                        waited_s = DRAIN_TIMEOUT.as_secs(),
                        "the server is away; what it has not confirmed counts as failed"
                    );
                    stop.stop();
                }
                return;
            }
        }
    };
    let spawned = std::thread::Builder::new()
        .name("stop-watch".into())
        .spawn(watch);
    spawned.context("starting a thread")?;
    Ok(done)
}

/// True when everything that was asked for was played, false when the user stopped it.
fn play_passes(
    player: &mut Player<'_>,
    looping: bool,
    source: &mut dyn FnMut() -> anyhow::Result<Box<dyn Source>>,
) -> anyhow::Result<bool> {
    loop {
        let before = player.events;
        let ended = player
            .play(source()?)
            .map_err(|error: PlayError| anyhow::Error::from(error))?;
        // A pass that played nothing would be repeated for ever at full speed.
        if !looping || !ended || player.events == before {
            return Ok(ended || player.options.max_ticks == Some(player.ticks));
        }
    }
}

/// Nanoseconds as milliseconds, to the microsecond.
fn millis(nanos: u64) -> f64 {
    const NANOS_PER_MICRO: u64 = 1_000;
    // Below 2^53 microseconds (285 years) the conversion is exact.
    #[expect(clippy::cast_precision_loss, reason = "a measurement, see above")]
    let micros = (nanos / NANOS_PER_MICRO) as f64;
    micros / 1_000.0
}

fn summary(
    session: String,
    ledger: &Ledger,
    digest: String,
    report: &PaceReport,
    elapsed_ns: u64,
) -> Summary {
    let total = ledger.total();
    Summary {
        session,
        received: total.received,
        published: total.published,
        rejected: total.rejected,
        filtered: total.filtered,
        failed: total.failed,
        dropped: 0,
        digest,
        rate_asked: report.rate_asked,
        rate_achieved: report.rate_achieved,
        lateness_ms: report.lateness.map(|lateness| LatenessMs {
            p50: millis(lateness.p50_ns),
            p99: millis(lateness.p99_ns),
            max: millis(lateness.max_ns),
        }),
        elapsed_s: millis(elapsed_ns) / 1_000.0,
        is_live: false,
        damaged: Vec::new(),
        missing: Vec::new(),
    }
}
