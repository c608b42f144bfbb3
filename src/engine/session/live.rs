//! A live session from the front to the sinks: connector, recorder, publisher and health answers in
//! one composition. Callers may bring their own [`Connector`].
//!
//! ```text
//!  LiveSource ─> recorder ─> backlog ─> normalizer ─> encoder ─> server's sink, other sinks
//! ```
//!
//! - Nothing is paced: an event is released as soon as it arrives.
//! - The recorder comes first and is sealed before the session waits for a server. It runs on other
//!   threads, so that neither the disk nor encoding a row group delays anything.
//! - Publishing to core NATS never waits for the server. A stream gets every tick of a recorded session:
//!   its publisher waits for the server, and reads from the recording what it lagged behind.
//! - A recorder that fails does not end the session, unless [`OnRecordingFailure::Stop`] says so.
//! - At the end all accepted ticks are recorded and handed over. Then the server has
//!   [`LiveNats::drain`](super::LiveNats::drain) to confirm them. Messages not confirmed by then count
//!   as failed.
//! - The digest covers everything handed over, also failed messages. A replay of the recording
//!   therefore gives the same digest.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use tickdeck_core::clock::{Clock, SystemClock};
use tickdeck_core::source::Source;
use tickdeck_core::thread::spawn_scoped;
use tickdeck_core::wait::is_closed_within;
use tickdeck_recording::{RecorderOptions, RecordingError};

use super::backlog::{Backlog, Recording};
use super::error::SessionError;
use super::live_recorder::{LiveRecorder, OnRecordingFailure};
use super::live_server::{Finished, LiveServer, ServerHandles};
use super::live_summary::LiveSummary;
use super::record::RecordTo;
use super::stats::SharedStats;
use super::stream::StreamOutcome;
use crate::control::Control;
use crate::live::{self, Connector, LiveHandle, LiveOptions, LiveReport, LiveSource, StopAsked};
use crate::pipeline::{
    DEFAULT_BATCH_EVENTS, DelayMeter, Output, PlayError, Player, Publisher, PublisherOptions,
    Release,
};
use crate::progress::Silent;
use crate::sink::{Sink, or_null};

/// The set-up of a live session, except the front. Nothing is read from the environment.
pub struct LiveSession {
    pub(super) name: String,
    pub(super) publisher: PublisherOptions,
    pub(super) options: LiveOptions,
    pub(super) server: Option<LiveServer>,
    pub(super) sinks: Vec<Box<dyn Sink>>,
    pub(super) record: Option<RecordTo>,
    pub(super) recorder: RecorderOptions,
    pub(super) on_recording_failure: OnRecordingFailure,
    pub(super) progress_every: Duration,
    pub(super) control: Arc<Control>,
    pub(super) clock: Arc<dyn Clock>,
}

impl LiveSession {
    pub(super) fn new(name: String, publisher: PublisherOptions, options: LiveOptions) -> Self {
        Self {
            name,
            publisher,
            options,
            server: None,
            sinks: Vec::new(),
            record: None,
            recorder: RecorderOptions::default(),
            on_recording_failure: OnRecordingFailure::default(),
            progress_every: Duration::ZERO,
            control: Arc::default(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes to this server, which already answers health requests.
    #[must_use]
    pub fn server(mut self, server: impl Into<Option<LiveServer>>) -> Self {
        self.server = server.into();
        self
    }

    /// Publishes to this sink as well. A slow one delays the session.
    #[must_use]
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Publishes to these sinks as well. A slow one delays the session.
    #[must_use]
    pub fn sinks(mut self, sinks: Vec<Box<dyn Sink>>) -> Self {
        self.sinks.extend(sinks);
        self
    }

    /// Records everything before it is published.
    #[must_use]
    pub fn record(mut self, record: impl Into<Option<RecordTo>>) -> Self {
        self.record = record.into();
        self
    }

    /// How to record: how often the journal is synced, and how much space is left on the disk.
    #[must_use]
    pub const fn recorder(mut self, options: RecorderOptions) -> Self {
        self.recorder = options;
        self
    }

    /// What to do when it can no longer be recorded; by default it continues.
    #[must_use]
    pub const fn on_recording_failure(mut self, what: OnRecordingFailure) -> Self {
        self.on_recording_failure = what;
        self
    }

    /// Logs the counts this often; zero, the default, for never.
    #[must_use]
    pub const fn progress_every(mut self, every: Duration) -> Self {
        self.progress_every = every;
        self
    }

    /// Ends when this control is stopped.
    #[must_use]
    pub fn control(mut self, control: Arc<Control>) -> Self {
        self.control = control;
        self
    }

    /// Uses another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Runs until a stop is requested, its time is up, or it cannot continue.
    ///
    /// # Errors
    /// When it cannot be started. What happens later is in the summary.
    pub fn run(self, connector: Box<dyn Connector>) -> Result<LiveSummary, SessionError> {
        let clock = self.clock;
        let started = clock.now();
        let begin = |to: RecordTo| to.begin(self.recorder, &clock);
        let writer = self.record.map(begin).transpose()?;
        let (server, sinks) = all_sinks(self.server, self.sinks);
        let has_sinks = !sinks.is_empty();
        let mut publisher = Publisher::new(self.publisher, or_null(sinks));
        if writer.is_some() {
            publisher.set_recorded();
        }
        let backlog = writer.as_ref().map(|it| Backlog::new(it.recordings()));
        let control = Arc::clone(&self.control);
        let stop_asked = stop_asked(self.control, backlog.clone());
        let (source, handle) = live::start(connector, self.options, Arc::clone(&clock), stop_asked)
            .map_err(SessionError::Thread)?;
        let recorder = writer
            .map(|writer| LiveRecorder::new(writer, self.on_recording_failure, handle.stats()));
        let stats = SharedStats {
            publisher: publisher.stats(),
            live: handle.stats(),
            recorder: recorder.as_ref().map(|it| Arc::clone(it.stats())),
        };
        let server = server.map(|server| server.begin(&stats, control));
        let (source, recording) = behind(recorder.zip(backlog.as_ref()), source)?;
        let mut delay = DelayMeter::new(Arc::clone(&clock));
        let run = Run {
            source,
            recording,
            handle,
            publisher,
            delay: &mut delay,
        };
        let mut outcome = run.play(&stats, self.progress_every);
        if let Some(backlog) = &backlog {
            outcome.live.dropped += backlog.lost();
        }
        let recorded = outcome
            .recorder
            .map(|recorder| recorder.finish(outcome.live.dropped))
            .unwrap_or_default();
        let complete = outcome.error.is_none();
        let ((ledger, digest, sink_error), stream) = finish(server, outcome.publisher, complete);
        let (error, recording_failure) =
            failures(outcome.error, recorded.error, self.on_recording_failure);
        let summary = LiveSummary {
            session: self.name,
            recorded: recorded.ticks,
            digest,
            delay: delay.summary(),
            elapsed_ns: clock.now().since(started),
            has_begun: true,
            live: outcome.live,
            manifest: recorded.manifest,
            days: recorded.days,
            unstored: recorded.unstored,
            recording_failure,
            read_back: backlog.map(|it| it.read_back()),
            recorder_high_water: stats.recorder.as_ref().map(|it| it.most_waiting()),
            verified: stream.verified,
            not_verified: stream.not_verified,
            broker_lost: stream.broker_lost,
            error: error.or(sink_error.map(PlayError::from)),
            ledger,
            has_sinks,
        };
        summary.log();
        Ok(summary)
    }
}

/// The thread that records the session.
type Recorder = Recording<LiveRecorder>;

/// Whether the session should end: on request, or after the publisher. One whose recorder ends it has no
/// source.
fn stop_asked(control: Arc<Control>, backlog: Option<Arc<Backlog>>) -> StopAsked {
    let is_abandoned = move || backlog.as_ref().is_some_and(|it| it.is_abandoned());
    Box::new(move || control.is_stopped() || is_abandoned())
}

/// What is published of a source: with a recorder, what that has.
fn behind(
    recorder: Option<(LiveRecorder, &Arc<Backlog>)>,
    source: LiveSource,
) -> Result<(Box<dyn Source>, Option<Recorder>), SessionError> {
    let Some((recorder, backlog)) = recorder else {
        return Ok((Box::new(source), None));
    };
    let started = backlog.start(source, recorder);
    let (events, recording) = started.map_err(SessionError::Thread)?;
    Ok((Box::new(events), Some(recording)))
}

/// Waits for the sinks, and reads back the stream of the server.
fn finish(
    server: Option<ServerHandles>,
    publisher: Publisher,
    complete: bool,
) -> (Finished, StreamOutcome) {
    match server {
        None => (publisher.finish(complete), StreamOutcome::default()),
        Some(server) => server.finish(publisher, complete),
    }
}

/// All sinks, the server's last.
fn all_sinks(
    server: Option<LiveServer>,
    mut sinks: Vec<Box<dyn Sink>>,
) -> (Option<ServerHandles>, Vec<Box<dyn Sink>>) {
    let handles = server.map(|server| {
        let (sink, handles) = server.split();
        sinks.push(sink);
        handles
    });
    (handles, sinks)
}

/// Everything that runs together.
struct Run<'a> {
    source: Box<dyn Source>,
    recording: Option<Recorder>,
    handle: LiveHandle,
    publisher: Publisher,
    delay: &'a mut DelayMeter,
}

/// How the source ended.
struct RunOutcome {
    publisher: Publisher,
    recorder: Option<LiveRecorder>,
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
                numbering: None,
                recorder: None,
                publisher: &mut self.publisher,
                delay: Some(self.delay),
                progress: &mut Silent,
                events: 0,
            },
        };
        let (done, is_done) = bounded::<()>(0);
        let played = std::thread::scope(|scope| {
            if !progress_every.is_zero() {
                let report = move || report(stats, progress_every, &is_done);
                if let Err(error) = spawn_scoped(scope, "publish-progress", report) {
                    tracing::warn!(event = "thread_refused", %error, "no progress is logged");
                }
            }
            let played = player.play(self.source);
            drop(done);
            played
        });
        let (recorder, recorded) = match self.recording.map(JoinHandle::join) {
            None => (None, Ok(())),
            Some(Ok((recorder, recorded))) => (Some(recorder), recorded),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        };
        // The source has ended, so the connection to the front can end too.
        RunOutcome {
            live: self.handle.join(),
            publisher: self.publisher,
            recorder,
            error: played.err().or(recorded.err()),
        }
    }
}

/// Logs the counts at intervals, until the other end of `is_done` is dropped.
fn report(stats: &SharedStats, every: Duration, is_done: &Receiver<()>) {
    while !is_closed_within(is_done, every) {
        stats.log();
    }
}

/// The error that ended a session, and the one that ended its recording alone. `of_recording` is the
/// reason behind a recorder that refused events.
fn failures(
    of_run: Option<PlayError>,
    of_recording: Option<RecordingError>,
    on_failure: OnRecordingFailure,
) -> (Option<PlayError>, Option<RecordingError>) {
    match (of_run, of_recording) {
        (None | Some(PlayError::Record(_)), Some(error))
            if on_failure == OnRecordingFailure::Stop =>
        {
            (Some(error.into()), None)
        }
        (of_run, of_recording) => (of_run, of_recording),
    }
}
