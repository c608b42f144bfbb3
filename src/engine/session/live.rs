//! A live session from the front to the sinks: connector, recorder, publisher and health answers in
//! one composition. Callers may bring their own [`Connector`].
//!
//! ```text
//!  LiveSource ─> recorder ─> normalizer ─> encoder ─> LiveNatsSink (never waits), other sinks
//! ```
//!
//! - Nothing is paced: an event is released as soon as it arrives.
//! - The recorder comes first and is sealed before the session waits for a server. It runs on another
//!   thread, so that encoding a row group delays nothing.
//! - At the end all accepted ticks are recorded and handed over. Then the server has
//!   [`IngestNats::drain`] to confirm them. Messages not confirmed by then count as failed.
//! - The digest covers everything handed over, also failed messages. A replay of the recording
//!   therefore gives the same digest.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::Clock;
use tickdeck_core::pace::Lateness;
use tickdeck_core::thread::spawn_scoped;
use tickdeck_core::wait::is_closed_within;
use tickdeck_recording::{
    BackgroundWriter, EventWriter, Manifest, RecordingError, RecordingOptions, RecordingWriter,
};

use super::Session;
use super::drain::{DEFAULT_DRAIN, DrainWatch};
use super::stats::SharedStats;
use super::summary::Summary;
use crate::live::{self, Connector, LiveHandle, LiveOptions, LiveReport, LiveSource, StopAsked};
use crate::nats::{HealthOptions, HealthResponder, NatsError, NatsOptions};
use crate::pipeline::{
    DEFAULT_BATCH_EVENTS, DelayMeter, Ledger, Output, PlayError, Player, Publisher,
    PublisherOptions, Release,
};
use crate::progress::Silent;
use crate::sink::{
    DEFAULT_LIVE_BUFFER, LiveNatsSink, NatsStop, NullSink, Sink, SinkError, StreamDigest,
};

/// The set-up of a live session, except the front.
pub struct Ingest {
    /// Session id, in logs and health answers.
    pub session: String,
    /// The subscriptions, and how long to try.
    pub live: LiveOptions,
    /// How ticks become messages.
    pub publisher: PublisherOptions,
    /// The server to publish to. Health requests are already answered there.
    pub server: Option<IngestServer>,
    /// More sinks. A slow one delays the session.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Where to record.
    pub record: Option<RecordTo>,
    /// How often to log the counts; zero for never.
    pub progress_every: Duration,
}

/// How to publish to a server.
#[derive(Debug, Clone)]
pub struct IngestNats {
    /// Address and credentials.
    pub options: NatsOptions,
    /// How many messages may be buffered for it.
    pub buffer: u64,
    /// How long it may take to confirm the last messages.
    pub drain: Duration,
}

impl IngestNats {
    /// The default bounds.
    #[must_use]
    pub const fn new(options: NatsOptions) -> Self {
        Self {
            options,
            buffer: DEFAULT_LIVE_BUFFER,
            drain: DEFAULT_DRAIN,
        }
    }
}

/// The server of a session: connected, with health requests answered. A session that first searches
/// for its contracts connects before the search.
pub struct IngestServer {
    sink: LiveNatsSink,
    health: HealthResponder,
    /// Empty until the session runs.
    stats: Arc<OnceLock<SharedStats>>,
    drain: Duration,
}

impl IngestServer {
    /// Connects. Until the session runs, health answers give its state as `starting`.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn connect(
        nats: &IngestNats,
        session: &str,
        verb: &'static str,
    ) -> Result<Self, NatsError> {
        let sink = LiveNatsSink::connect(&nats.options, nats.buffer)?;
        let stats = Arc::new(OnceLock::<SharedStats>::new());
        let (shared, session) = (Arc::clone(&stats), session.to_owned());
        let snapshot = Box::new(move || match shared.get() {
            Some(stats) => stats.health(&session, verb),
            None => serde_json::json!({ "session": session, "verb": verb, "state": "starting" }),
        });
        let health = HealthResponder::start(&nats.options, &HealthOptions::default(), snapshot)?;
        Ok(Self {
            sink,
            health,
            stats,
            drain: nats.drain,
        })
    }
}

/// Where a session is recorded.
#[derive(Debug, Clone)]
pub struct RecordTo {
    /// Folder of the recording.
    pub folder: PathBuf,
    /// Options of the recording.
    pub options: RecordingOptions,
}

/// A live session could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The recording could not be created.
    #[error(transparent)]
    Record(#[from] RecordingError),
    /// The system gave no thread.
    #[error("starting a thread of the live session")]
    Thread(#[source] std::io::Error),
}

/// How a live session ended.
#[derive(Debug)]
pub struct IngestSummary {
    /// Session id.
    pub session: String,
    /// Counts of every instrument.
    pub ledger: Ledger,
    /// Ticks in the recording.
    pub recorded: u64,
    /// BLAKE3 of the payload stream, hex.
    pub digest: String,
    /// Latency from the callback to the sinks; `None` without a tick.
    pub delay: Option<Lateness>,
    /// From start to end, ns.
    pub elapsed_ns: i64,
    /// How the session with the front went.
    pub live: LiveReport,
    /// The finished recording.
    pub manifest: Option<Manifest>,
    /// The error that ended it early or occurred at its end. The other fields are valid even then.
    pub error: Option<PlayError>,
}

impl Session {
    /// Runs a live session until `stop_asked` returns true, its time is up, or it cannot continue.
    ///
    /// # Errors
    /// When it cannot be started. What happens later is in the summary.
    pub fn live(
        connector: Box<dyn Connector>,
        setup: Ingest,
        clock: Arc<dyn Clock>,
        stop_asked: StopAsked,
    ) -> Result<IngestSummary, IngestError> {
        ingest(connector, setup, clock, stop_asked)
    }
}

/// Runs a live session until `stop_asked` returns true, its time is up, or it cannot continue.
///
/// # Errors
/// When it cannot be started. What happens later is in the summary.
pub fn ingest(
    connector: Box<dyn Connector>,
    setup: Ingest,
    clock: Arc<dyn Clock>,
    stop_asked: StopAsked,
) -> Result<IngestSummary, IngestError> {
    let started = clock.now();
    let (server, sinks) = split(setup.server, setup.sinks);
    let writer = setup
        .record
        .map(|to| RecordingWriter::create(&to.folder, to.options))
        .transpose()?;
    let mut recorder = writer
        .map(BackgroundWriter::start)
        .transpose()
        .map_err(IngestError::Thread)?;
    let mut publisher = Publisher::new(setup.publisher, sinks);
    if recorder.is_some() {
        publisher.set_recorded();
    }
    let (source, handle) = live::start(connector, setup.live, Arc::clone(&clock), stop_asked)
        .map_err(IngestError::Thread)?;
    let stats = SharedStats {
        publisher: publisher.stats(),
        live: handle.stats(),
        is_recording: recorder.is_some(),
    };
    if let Some(server) = &server {
        // This is the only place that sets it, so it is still empty.
        let _ = server.stats.set(stats.clone());
    }
    let mut delay = DelayMeter::new(Arc::clone(&clock));
    let run = Run {
        source,
        handle,
        publisher,
        recorder: recorder.as_mut().map(|recorder| recorder as _),
        delay: &mut delay,
    };
    let outcome = run.play(&stats, setup.progress_every);
    let (recorded, manifest, record_error) =
        seal(recorder, outcome.live.dropped, outcome.error.as_ref());
    let complete = outcome.error.is_none();
    let (ledger, digest, sink_error) = match server {
        None => outcome.publisher.finish(complete),
        Some(server) => {
            let finished = finish(outcome.publisher, complete, &server.stop, server.drain);
            server.health.stop();
            finished
        }
    };
    let error = outcome
        .error
        .or(record_error.map(PlayError::from))
        .or(sink_error.map(PlayError::from));
    let summary = IngestSummary {
        session: setup.session,
        recorded,
        digest,
        delay: delay.summary(),
        elapsed_ns: clock.now().since(started),
        live: outcome.live,
        manifest,
        error,
        ledger,
    };
    log_shutdown(&summary);
    Ok(summary)
}

impl IngestSummary {
    /// The closing summary in the form shared by all sessions.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of_live(
            self.session.clone(),
            &self.ledger,
            self.digest.clone(),
            self.delay,
            self.elapsed_ns,
            self.live.dropped,
        )
    }

    /// The summary of a session that ended before it began. It is logged like any other, and recorded if
    /// there is a writer.
    ///
    /// # Errors
    /// When the recording cannot be finished.
    pub fn not_begun(
        session: String,
        live: LiveReport,
        elapsed_ns: i64,
        writer: Option<RecordingWriter>,
    ) -> Result<Self, RecordingError> {
        let manifest = writer.map(RecordingWriter::finish).transpose()?;
        let summary = Self {
            session,
            ledger: Ledger::default(),
            recorded: 0,
            digest: StreamDigest::new().hex(),
            delay: None,
            elapsed_ns,
            live,
            manifest,
            error: None,
        };
        log_shutdown(&summary);
        Ok(summary)
    }
}

fn log_shutdown(summary: &IngestSummary) {
    let total = summary.ledger.total();
    let delay = summary.delay.unwrap_or_default();
    tracing::info!(
        event = "live_ingest_shutdown",
        published = total.published,
        failed = total.failed,
        recorded = summary.recorded,
        digest = summary.digest,
        received = total.received,
        rejected = total.rejected.values().sum::<u64>(),
        filtered = total.filtered,
        dropped = summary.live.dropped,
        queue_high_water = summary.live.queue_high_water,
        callback_to_publish_p50_ns = delay.p50_ns,
        callback_to_publish_p99_ns = delay.p99_ns,
        callback_to_publish_max_ns = delay.max_ns,
        attempts = summary.live.attempts,
        logins = summary.live.logins,
        session = summary.session
    );
}

/// A server connection after its sink moved into the sink list.
struct ServerHandles {
    health: HealthResponder,
    stats: Arc<OnceLock<SharedStats>>,
    stop: NatsStop,
    drain: Duration,
}

/// All sinks; there is always one.
fn split(
    server: Option<IngestServer>,
    mut sinks: Vec<Box<dyn Sink>>,
) -> (Option<ServerHandles>, Vec<Box<dyn Sink>>) {
    let Some(server) = server else {
        if sinks.is_empty() {
            sinks.push(Box::new(NullSink::new()));
        }
        return (None, sinks);
    };
    let served = ServerHandles {
        health: server.health,
        stats: server.stats,
        stop: server.sink.stop_handle(),
        drain: server.drain,
    };
    sinks.push(Box::new(server.sink));
    (Some(served), sinks)
}

/// Everything that runs together.
struct Run<'a> {
    source: LiveSource,
    handle: LiveHandle,
    publisher: Publisher,
    recorder: Option<&'a mut (dyn EventWriter + 'static)>,
    delay: &'a mut DelayMeter,
}

/// How the source ended.
struct RunOutcome {
    publisher: Publisher,
    live: LiveReport,
    error: Option<PlayError>,
}

impl Run<'_> {
    fn play(mut self, stats: &SharedStats, progress_every: Duration) -> RunOutcome {
        // A stop request ends the source. The rest follows when the queue is empty, so nothing that
        // was accepted is lost.
        let mut player = Player {
            release: Release::Immediately,
            batch_events: DEFAULT_BATCH_EVENTS as usize,
            output: Output {
                recorder: self.recorder,
                publisher: &mut self.publisher,
                delay: Some(self.delay),
                progress: &mut Silent,
                events: 0,
            },
        };
        let source = Box::new(self.source);
        let (done, is_done) = bounded::<()>(0);
        let played = std::thread::scope(|scope| {
            if !progress_every.is_zero() {
                let report = move || report(stats, progress_every, &is_done);
                if let Err(error) = spawn_scoped(scope, "publish-progress", report) {
                    tracing::warn!(event = "thread_refused", %error, "no progress is logged");
                }
            }
            let played = player.play(source);
            drop(done);
            played
        });
        // The source has ended, so the connection to the front can end too.
        RunOutcome {
            live: self.handle.join(),
            publisher: self.publisher,
            error: played.err(),
        }
    }
}

/// Logs the counts at intervals, until the other end of `is_done` is dropped.
fn report(stats: &SharedStats, every: Duration, is_done: &Receiver<()>) {
    while !is_closed_within(is_done, every) {
        stats.log();
    }
}

/// Seals the recording before the rest is published. If sealing fails, `failed` is the earlier error
/// that is reported as the reason.
fn seal(
    recorder: Option<BackgroundWriter>,
    dropped: u64,
    failed: Option<&PlayError>,
) -> (u64, Option<Manifest>, Option<RecordingError>) {
    let Some(recorder) = recorder else {
        return (0, None, None);
    };
    let (writer, result) = recorder.finish();
    let Some(mut writer) = writer else {
        return (0, None, result.err());
    };
    if dropped > 0 {
        writer.count_dropped("overflow", dropped);
    }
    // After an error only the sealed segments are kept.
    let (recorded, sealed) = (writer.ticks(), writer.sealed_ticks());
    match result.and_then(|()| writer.finish()) {
        Ok(manifest) => (recorded, Some(manifest), None),
        Err(error) => {
            let reason = match failed {
                Some(PlayError::Record(first)) => with_causes(first),
                _ => with_causes(&error),
            };
            tracing::error!(
                event = "recording_failed",
                recorded = sealed,
                error = reason
            );
            (sealed, None, Some(error))
        }
    }
}

/// Waits for the sinks. The server gets at most `drain`.
fn finish(
    publisher: Publisher,
    complete: bool,
    stop: &NatsStop,
    drain: Duration,
) -> (Ledger, String, Option<SinkError>) {
    let watch = DrainWatch::from_now(stop, drain);
    if let Err(error) = &watch {
        // Without the watch the wait for an unreachable server would have no bound.
        tracing::warn!(event = "thread_refused", %error, "the session does not wait for the server");
        stop.stop();
    }
    publisher.finish(complete)
}
