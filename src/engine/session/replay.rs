//! A source of recorded or generated events into sinks: the composition behind `replay` and `record`.

use std::sync::Arc;

use tickdeck_core::clock::{Clock, SystemClock};
use tickdeck_core::pace::{ClockTicks, PaceOptions, Rate};
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{Finding, Recorded, RecorderOptions, RecordingError, SessionRecorder};

use super::error::SessionError;
use super::record::RecordTo;
use super::recording_failure;
#[cfg(feature = "nats")]
use super::server::Server;
#[cfg(feature = "nats")]
use super::subscribers::Awaited;
use super::summary::Summary;
use crate::control::Control;
use crate::encode::control::RunId;
use crate::inputs::Salvaged;
use crate::pipeline::{
    DEFAULT_BATCH_EVENTS, Numbering, Output, PaceDriver, Paced, PlayError, Player, Publisher,
    PublisherOptions, Release,
};
use crate::progress::{Progress, Silent};
use crate::sink::{Sink, Wake, or_null};

/// The sources of a replay.
pub(super) enum Passes<'a> {
    /// Opens the source of a pass. A replay that loops calls it again for each pass.
    Each(Box<dyn FnMut() -> Result<Box<dyn Source>, SourceError> + 'a>),
    /// One pass; `None` after it.
    Once(Option<Box<dyn Source>>),
}

impl Passes<'_> {
    fn next(&mut self) -> Result<Option<Box<dyn Source>>, SourceError> {
        match self {
            Self::Each(open) => open().map(Some),
            Self::Once(source) => Ok(source.take()),
        }
    }
}

/// The set-up of a replay. Nothing is read from the environment.
pub struct ReplaySession<'a> {
    name: String,
    publisher: PublisherOptions,
    passes: Passes<'a>,
    sinks: Vec<Box<dyn Sink>>,
    record: Option<RecordTo>,
    recorder: RecorderOptions,
    allow_empty: bool,
    record_only: bool,
    #[cfg(feature = "nats")]
    server: Server,
    #[cfg(feature = "nats")]
    awaited: Option<Awaited>,
    run_id: Option<RunId>,
    pace: PaceOptions,
    looping: bool,
    clock_ticks: Option<ClockTicks>,
    max_ticks: Option<u64>,
    prime_until: Option<UnixNanos>,
    batch_events: u32,
    jobs: usize,
    damaged: Vec<Finding>,
    salvaged: Salvaged,
    progress: Box<dyn Progress + 'a>,
    control: Arc<Control>,
    clock: Arc<dyn Clock>,
}

/// How a replay ended.
#[derive(Debug)]
pub struct Replayed {
    /// The counts and digest; valid even after an error.
    pub summary: Summary,
    /// The error that ended the replay early.
    pub error: Option<PlayError>,
    /// The recording; `None` where there is none, as when nothing was to be recorded, or no tick came
    /// and [`ReplaySession::allow_empty`] is off.
    pub recorded: Option<Recorded>,
}

impl<'a> ReplaySession<'a> {
    pub(super) fn new(name: String, publisher: PublisherOptions, passes: Passes<'a>) -> Self {
        Self {
            name,
            publisher,
            passes,
            sinks: Vec::new(),
            record: None,
            recorder: RecorderOptions::default(),
            allow_empty: false,
            record_only: false,
            #[cfg(feature = "nats")]
            server: Server::default(),
            #[cfg(feature = "nats")]
            awaited: None,
            run_id: None,
            pace: PaceOptions::default(),
            looping: false,
            clock_ticks: None,
            max_ticks: None,
            prime_until: None,
            batch_events: DEFAULT_BATCH_EVENTS,
            jobs: 1,
            damaged: Vec::new(),
            salvaged: Salvaged::default(),
            progress: Box::new(Silent),
            control: Arc::default(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes to this sink as well.
    #[must_use]
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Publishes to these sinks as well.
    #[must_use]
    pub fn sinks(mut self, sinks: Vec<Box<dyn Sink>>) -> Self {
        self.sinks.extend(sinks);
        self
    }

    /// Records what is released, before it is published. Both are numbered from 0 without a gap,
    /// whatever `seq` the source has.
    ///
    /// A replay without a tick, for example because it was stopped before the first one, keeps no
    /// recording and replaces none.
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

    /// Only records: no tick is normalized or encoded, sinks get nothing, and the payload digest is that
    /// of an empty stream.
    #[must_use]
    pub const fn record_only(mut self, record_only: bool) -> Self {
        self.record_only = record_only;
        self
    }

    /// Keeps a recording without a tick. By default none is kept.
    #[must_use]
    pub const fn allow_empty(mut self, allow_empty: bool) -> Self {
        self.allow_empty = allow_empty;
        self
    }

    /// Sets speed, pauses and delay; by default the recorded times.
    #[must_use]
    pub const fn pace(mut self, pace: PaceOptions) -> Self {
        self.pace = pace;
        self
    }

    /// Sets the speed alone.
    #[must_use]
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.pace.rate = rate;
        self
    }

    /// Starts again at the end, until a stop or the tick limit. A source that is played once does not.
    #[must_use]
    pub const fn looping(mut self, looping: bool) -> Self {
        self.looping = looping;
        self
    }

    /// Publishes clock stamps.
    #[must_use]
    pub fn clock_ticks(mut self, clock_ticks: impl Into<Option<ClockTicks>>) -> Self {
        self.clock_ticks = clock_ticks.into();
        self
    }

    /// Ends after this many ticks of all passes.
    #[must_use]
    pub fn max_ticks(mut self, max_ticks: impl Into<Option<u64>>) -> Self {
        self.max_ticks = max_ticks.into();
        self
    }

    /// Uses the events before this instant only to publish each instrument's last known tick.
    #[must_use]
    pub fn prime_until(mut self, start: impl Into<Option<UnixNanos>>) -> Self {
        self.prime_until = start.into();
        self
    }

    /// Fetches this many events at a time. Never changes what is published.
    #[must_use]
    pub const fn batch_events(mut self, events: u32) -> Self {
        self.batch_events = events;
        self
    }

    /// Normalizes, encodes and publishes on this many threads; 1 by default. Never changes what is
    /// published. With more than one, events are made ahead of their release: not for a source that
    /// waits for its events, whose messages would then wait for the next ones.
    #[must_use]
    pub const fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs;
        self
    }

    /// What is known to be wrong with the source before it is played. The summary has it, and is lossy.
    #[must_use]
    pub fn damaged(mut self, damaged: Vec<Finding>) -> Self {
        self.damaged = damaged;
        self
    }

    /// Where the source of a salvage lists the parts that it skips. The summary has them, and is lossy.
    #[must_use]
    pub fn salvaged(mut self, salvaged: Salvaged) -> Self {
        self.salvaged = salvaged;
        self
    }

    /// Identifies this run in its control messages. The default is made of the wall time and process id.
    #[must_use]
    pub fn run_id(mut self, run_id: RunId) -> Self {
        self.run_id = Some(run_id);
        self
    }

    /// Reports progress.
    #[must_use]
    pub fn progress(mut self, progress: Box<dyn Progress + 'a>) -> Self {
        self.progress = progress;
        self
    }

    /// Follows the commands of this control.
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

    /// Plays until the source ends or a stop is requested, and waits for the sinks. The recording is
    /// sealed before that, whatever failed.
    ///
    /// # Errors
    /// When the replay cannot be started. Later errors are in the result.
    pub fn run(mut self) -> Result<Replayed, SessionError> {
        let run_id = self
            .run_id
            .unwrap_or_else(|| RunId::of(self.clock.wall(), std::process::id()));
        #[cfg(feature = "nats")]
        if let Some(awaited) = self.awaited {
            let prefix = &self.publisher.subject_prefix;
            awaited.wait(prefix, &run_id, &self.control, self.clock.as_ref())?;
        }
        let has_sinks = !self.sinks.is_empty();
        wake_by(&mut self.sinks, &self.control);
        let mut recorder = self
            .record
            .filter(|_| !self.control.is_stopped())
            .map(|to| to.begin(self.recorder, &self.clock))
            .transpose()?;
        let partition = self.publisher.partition;
        let mut publisher = Publisher::new(self.publisher, or_null(self.sinks)).jobs(self.jobs);
        publisher.set_run(run_id);
        prepare(&mut publisher, recorder.is_some(), self.record_only);
        #[cfg(feature = "nats")]
        let server = self
            .server
            .start(&self.name, publisher.stats(), &self.control)?;
        let driver = PaceDriver::new(self.pace, Arc::clone(&self.clock), self.control);
        let started = self.clock.now();
        let mut paced = Paced::new(driver)
            .clock_ticks(self.clock_ticks)
            .max_ticks(self.max_ticks)
            .prime_until(self.prime_until);
        let mut player = Player {
            release: Release::Paced(&mut paced),
            batch_events: self.batch_events as usize,
            output: Output {
                numbering: recorder.is_some().then(Numbering::default),
                recorder: recorder.as_mut().map(|recorder| recorder as _),
                publisher: &mut publisher,
                delay: None,
                progress: self.progress.as_mut(),
                events: 0,
            },
        };
        let played = play_passes(&mut player, self.looping, &mut self.passes)
            .map(|ended| ended || paced.is_limit_reached());
        publisher.announce_end(&self.name, matches!(played, Ok(true)));
        let report = paced.report();
        let received = publisher.stats().received();
        let is_empty = !self.allow_empty && received == 0;
        let recorded = recorder.and_then(|recorder| close(recorder, &played, is_empty));
        let (ledger, digest, sink_error) = publisher.finish(played.is_ok());
        let elapsed_ns = self.clock.now().since(started);
        self.progress.finish();
        let mut summary = Summary {
            damaged: self.damaged,
            missing: self.salvaged.take(),
            recorded: recorded.as_ref().map(|recorded| recorded.ticks),
            partition,
            ..Summary::of_replay(self.name, &ledger, digest, &report, elapsed_ns)
        };
        if self.record_only {
            summary.received = received;
        }
        #[cfg(feature = "nats")]
        server.stop(&mut summary, played.is_err() || sink_error.is_some());
        Ok(Replayed {
            summary: summary.published_to(has_sinks),
            error: played.err().or(sink_error.map(PlayError::from)),
            recorded,
        })
    }
}

#[cfg(feature = "nats")]
impl ReplaySession<'_> {
    /// Publishes to a NATS server as well. Its confirmations count, and a stop request bounds the wait
    /// for it.
    #[must_use]
    pub fn nats(mut self, sink: crate::sink::NatsSink) -> Self {
        self.server.stops.push(sink.stop_handle());
        self.sink(sink)
    }

    /// Publishes to a JetStream stream as well. Its acknowledgements count, a stop request bounds the
    /// wait for it, and at the end the stream is read back: see [`Summary::verified`].
    #[must_use]
    pub fn jetstream(mut self, sink: crate::sink::JetStreamSink) -> Self {
        self.server.stops.push(sink.stop_handle());
        self.server.proof = Some(sink.proof());
        self.sink(sink)
    }

    /// Answers health requests on this server while the replay runs, as the session of `verb`.
    #[must_use]
    pub fn health(
        mut self,
        nats: impl Into<Option<crate::nats::NatsOptions>>,
        verb: &'static str,
    ) -> Self {
        self.server.health = nats.into().map(|nats| (nats, verb));
        self
    }

    /// Holds the first event until this many subscribers of the server are there, or a stop is
    /// requested.
    #[must_use]
    pub fn wait_for_subscribers(
        mut self,
        nats: crate::nats::NatsOptions,
        subscribers: u32,
    ) -> Self {
        self.awaited = Some(Awaited { nats, subscribers });
        self
    }
}

impl Replayed {
    /// The summary of a replay that was not ended early, and whose recording is whole.
    ///
    /// # Errors
    /// What ended it early, else what is wrong with the recording.
    pub fn into_summary(self) -> Result<Summary, PlayError> {
        let unrecorded = self.recorded.and_then(|recorded| recorded.error);
        match self.error.or(unrecorded.map(PlayError::Record)) {
            None => Ok(self.summary),
            Some(error) => Err(error),
        }
    }
}

/// Lets the sinks wake a replay that waits.
fn wake_by(sinks: &mut [Box<dyn Sink>], control: &Arc<Control>) {
    let control = Arc::clone(control);
    let wake = Wake::new(move || control.notify());
    for sink in sinks {
        sink.wake_with(wake.clone());
    }
}

fn prepare(publisher: &mut Publisher, is_recorded: bool, record_only: bool) {
    if is_recorded {
        publisher.set_recorded();
    }
    if record_only {
        publisher.set_counts_only();
    }
}

/// Closes the recording, or removes one without a tick; `None` where none is left.
fn close(
    recorder: SessionRecorder,
    played: &Result<bool, PlayError>,
    is_empty: bool,
) -> Option<Recorded> {
    match refused(played) {
        None if is_empty => recording_failure::discard(recorder),
        refused => Some(recording_failure::finish(recorder, 0, refused)),
    }
}

/// The error with which the recorder refused events.
const fn refused(played: &Result<bool, PlayError>) -> Option<&RecordingError> {
    match played {
        Err(PlayError::Record(error)) => Some(error),
        _ => None,
    }
}

/// True when the last pass ended by itself.
fn play_passes(
    player: &mut Player<'_>,
    looping: bool,
    passes: &mut Passes<'_>,
) -> Result<bool, PlayError> {
    loop {
        let before = player.output.publisher.messages();
        let Some(source) = passes.next()? else {
            return Ok(true);
        };
        let ended = player.play(source)?;
        // A pass without a message would repeat forever at full speed.
        if !looping || !ended || player.output.publisher.messages() == before {
            return Ok(ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use tickdeck_core::event::Event;
    use tickdeck_core::select::SymbolGlobs;
    use tickdeck_core::source::{PayloadSource, SourceErrorKind};
    use tickdeck_market::source::{SyntheticOptions, SyntheticSource};
    use tickdeck_recording::{EventFilter, Manifest, Recording};

    use super::super::Session;
    use super::*;
    use crate::control::Command;
    use crate::inputs::Inputs;
    use crate::reference::Reference;
    use crate::sink::NullSink;

    fn play(sinks: Vec<Box<dyn Sink>>) -> Summary {
        let reference = Reference::of_recordings(&[]).unwrap();
        let options = PublisherOptions::new(&reference, PayloadSource::Synthetic);
        let open = || {
            let market = SyntheticSource::open(SyntheticOptions::default(), &reference.calendar);
            Ok(Box::new(market.unwrap()) as _)
        };
        let session = Session::replay("market", options, open).sinks(sinks);
        session
            .rate(Rate::Max)
            .run()
            .unwrap()
            .into_summary()
            .unwrap()
    }

    /// The synthetic market, played once and recorded.
    fn recorded(folder: &Path) -> ReplaySession<'static> {
        let reference = Reference::of_recordings(&[]).unwrap();
        let market = SyntheticSource::open(SyntheticOptions::default(), &reference.calendar);
        let market = market.unwrap();
        let reference = reference.with_contracts(market.contracts());
        let options = PublisherOptions::new(&reference, PayloadSource::Synthetic);
        let record = RecordTo::new(folder, market.info(), &reference);
        Session::replay_once("market", options, Box::new(market))
            .record(record)
            .rate(Rate::Max)
    }

    /// The digest of the recorded events.
    fn digest_of(path: &Path) -> String {
        let recording = Recording::open(path).unwrap();
        recording.manifest().unwrap().digest.clone()
    }

    #[test]
    fn recording_alone_publishes_nothing_and_records_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let run = |name: &str, record_only| {
            let path = folder.path().join(name);
            let played = recorded(&path).record_only(record_only).run().unwrap();
            (played.into_summary().unwrap(), digest_of(&path))
        };
        let ((published, digest), (alone, same)) = (run("both", false), run("alone", true));
        assert_eq!(alone.received, published.received);
        assert_eq!(digest, same);
        assert_eq!(alone.payload_digest, crate::sink::StreamDigest::new().hex());
        assert_ne!(alone.payload_digest, published.payload_digest);
    }

    /// Fails after its first batch.
    struct Failing(Box<dyn Source>, bool);

    impl Source for Failing {
        fn next_batch(&mut self, batch: &mut Vec<Event>, _: usize) -> Result<(), SourceError> {
            if std::mem::replace(&mut self.1, true) {
                let cause = std::io::Error::other("broken");
                return Err(SourceError::new(SourceErrorKind::Failed, cause));
            }
            self.0.next_batch(batch, 100)
        }
    }

    #[test]
    fn without_a_sink_nothing_is_published() {
        let (unpublished, discarded) = (play(Vec::new()), play(vec![Box::new(NullSink::new())]));
        assert_eq!((unpublished.published, unpublished.failed), (0, 0));
        assert_eq!(discarded.published, discarded.received);
        assert_eq!(unpublished.received, discarded.received);
        assert_eq!(unpublished.digest, discarded.digest);
    }

    #[test]
    fn a_source_that_is_played_once_does_not_loop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market");
        let played = recorded(&path).looping(true).run().unwrap();
        let recorded = played.recorded.as_ref().unwrap();
        let manifest = recorded.manifest.as_ref().unwrap();
        assert_eq!(
            (manifest.session.as_str(), manifest.ticks),
            ("market", recorded.ticks)
        );
        assert_eq!(recorded.ticks, play(Vec::new()).received);
        assert_eq!(
            played.into_summary().unwrap().received,
            manifest_ticks(&path)
        );
    }

    /// The session events of the market that come before its first tick.
    fn notes(folder: &Path) -> ReplaySession<'static> {
        let reference = Reference::of_recordings(&[]).unwrap();
        let options = SyntheticOptions {
            duration: Some(Duration::from_millis(1)),
            ..SyntheticOptions::default()
        };
        let market = SyntheticSource::open(options, &reference.calendar).unwrap();
        let options = PublisherOptions::new(&reference, PayloadSource::Synthetic);
        let record = RecordTo::new(folder, market.info(), &reference);
        Session::replay_once("notes", options, Box::new(market))
            .record(record)
            .rate(Rate::Max)
    }

    #[test]
    fn a_recording_without_a_tick_is_kept_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market");
        let played = notes(&path).run().unwrap();
        assert!(played.recorded.is_none() && played.error.is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let kept = notes(&path).allow_empty(true).run().unwrap();
        let manifest = kept.recorded.unwrap().manifest.unwrap();
        assert!(manifest.events > 0 && manifest.ticks == 0);
        assert_eq!(Manifest::read(&path).unwrap(), manifest);
    }

    #[test]
    fn a_replay_without_a_tick_replaces_no_recording() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market");
        recorded(&path).run().unwrap().into_summary().unwrap();
        let before = Manifest::read(&path).unwrap();
        let mut replacing = notes(&path);
        replacing.record.as_mut().unwrap().options.overwrite = true;
        assert!(replacing.run().unwrap().recorded.is_none());
        assert_eq!(Manifest::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_catalogue_gets_no_recording_without_a_tick() {
        let root = tempfile::tempdir().unwrap();
        let mut by_day = notes(root.path());
        by_day.record.as_mut().unwrap().by_day = Some("notes".parse().unwrap());
        assert!(by_day.run().unwrap().recorded.is_none());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_recorded_source_is_numbered_from_zero_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, part) = (folder.path().join("whole"), folder.path().join("part"));
        recorded(&whole).run().unwrap();
        let inputs = Inputs::open(&[whole]).unwrap();
        let reference = Reference::of_recordings(&inputs.recordings).unwrap();
        let rebar = EventFilter {
            instruments: reference.instruments(SymbolGlobs::new(&["rb*"]).unwrap(), Vec::new()),
            ..EventFilter::default()
        };
        let options = PublisherOptions::new(&reference, PayloadSource::Synthetic);
        let info = inputs.recordings[0].source().clone();
        let passes = Session::replay("part", options, || Ok(inputs.source(&rebar)))
            .record(RecordTo::new(&part, info, &reference))
            .looping(true)
            .rate(Rate::Max);
        let ticks = 2 * inputs.instruments().unwrap()["rb2510"] - 1;
        let played = passes.max_ticks(ticks).run().unwrap();
        assert!(played.error.is_none(), "{:?}", played.error);
        let recording = Recording::open(&part).unwrap();
        assert_eq!(recording.manifest().unwrap().ticks, ticks);
        let again = Session::replay_recording(&recording).unwrap();
        let again = again.rate(Rate::Max).run().unwrap().into_summary().unwrap();
        assert_eq!(again.received, ticks);
    }

    fn manifest_ticks(path: &Path) -> u64 {
        let recording = Recording::open(path).unwrap();
        recording.manifest().unwrap().ticks
    }

    #[test]
    fn a_session_that_fails_keeps_what_it_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market");
        let mut session = recorded(&path);
        let Passes::Once(source) = &mut session.passes else {
            panic!("it is played once");
        };
        *source = source
            .take()
            .map(|market| Box::new(Failing(market, false)) as _);
        let played = session.run().unwrap();
        assert!(matches!(played.error, Some(PlayError::Source(_))));
        assert_eq!(played.recorded.unwrap().manifest.unwrap().events, 100);
        let recording = Recording::open(&path).unwrap();
        let replayed = Session::replay_recording(&recording)
            .unwrap()
            .rate(Rate::Max);
        let replayed = replayed.run().unwrap().into_summary().unwrap();
        assert_eq!(replayed.digest, played.summary.digest);
    }

    #[test]
    fn a_session_stopped_before_it_begins_keeps_the_old_recording() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market");
        recorded(&path).run().unwrap().into_summary().unwrap();
        let before = manifest_ticks(&path);
        let replacing = || {
            let mut session = recorded(&path);
            session.record.as_mut().unwrap().options.overwrite = true;
            session
        };
        let control = Arc::new(Control::new());
        control.send(Command::Stop);
        let stopped = replacing().control(control).run().unwrap();
        assert!(stopped.recorded.is_none());
        assert_eq!(manifest_ticks(&path), before);
        let limited = replacing().max_ticks(5).run().unwrap();
        assert_eq!(limited.recorded.unwrap().ticks, 5);
        assert_eq!(manifest_ticks(&path), 5);
    }

    #[test]
    fn a_place_that_is_taken_is_refused_before_the_first_event() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.txt"), "").unwrap();
        let refused = recorded(folder.path()).run();
        let exists = matches!(
            refused,
            Err(SessionError::Record(RecordingError::OutputExists { .. }))
        );
        assert!(exists);
    }
    #[test]
    fn what_a_salvage_skips_makes_the_summary_lossy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market");
        recorded(&path).run().unwrap().into_summary().unwrap();
        let segment = path.join("part-00000.parquet");
        let bytes = std::fs::read(&segment).unwrap();
        std::fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
        let inputs = Inputs::open_salvage(&[path]).unwrap();
        let salvaged = Salvaged::default();
        let all = EventFilter::default();
        let reference = Reference::of_recordings(&inputs.recordings).unwrap();
        let options = PublisherOptions::new(&reference, PayloadSource::Synthetic);
        let open = || inputs.source_ahead(&all, Some(&salvaged));
        let session = Session::replay("market", options, open).rate(Rate::Max);
        let session = session.damaged(inputs.damage()).salvaged(salvaged.clone());
        let summary = session.run().unwrap().into_summary().unwrap();
        assert_eq!(summary.damaged.len(), 1);
        assert_eq!(summary.missing.len(), 1);
        assert!(summary.missing[0].rows > 0 && summary.is_lossy());
        let of_missing_alone = Summary {
            damaged: Vec::new(),
            ..summary.clone()
        };
        let of_damage_alone = Summary {
            missing: Vec::new(),
            ..summary
        };
        assert!(of_missing_alone.is_lossy() && of_damage_alone.is_lossy());
    }
}
