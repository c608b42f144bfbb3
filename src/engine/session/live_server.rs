//! The server of a live session: a sink that never fails, and the health answers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::json;
use tickdeck_recording::{Requested, RingTrigger};

use super::drain::{DEFAULT_DRAIN, DrainWatch};
use super::stats::SharedStats;
use super::stream::{StreamOutcome, of_stream};
use crate::control::Control;
use crate::live::LiveState;
use crate::nats::{Answer, HealthOptions, HealthResponder, NatsError, NatsOptions};
use crate::pipeline::{Ledger, Publisher};
use crate::sink::{
    DEFAULT_LIVE_BUFFER, JetStreamOptions, LiveJetStreamSink, LiveNatsSink, NatsStats, NatsStop,
    Sink, SinkError, StreamProof,
};

/// How to publish to a server.
#[derive(Debug, Clone)]
pub struct LiveNats {
    /// Address and credentials.
    pub options: NatsOptions,
    /// The stream to publish to; core NATS without one.
    pub stream: Option<Box<JetStreamOptions>>,
    /// Whether the session is recorded. Publishing to a stream then waits for the server, because what
    /// it lags behind is read from the recording. [`CtpSession`](super::CtpSession) sets it.
    pub is_recorded: bool,
    /// How many messages may be buffered for it, where publishing does not wait.
    pub buffer: u64,
    /// Keeps what a ring has, on request.
    pub ring: Option<RingTrigger>,
    /// How long it may take to confirm the last messages; with a stream, how long it may confirm none.
    pub drain: Duration,
}

impl LiveNats {
    /// The default bounds.
    #[must_use]
    pub const fn new(options: NatsOptions) -> Self {
        Self {
            options,
            stream: None,
            is_recorded: false,
            buffer: DEFAULT_LIVE_BUFFER,
            ring: None,
            drain: DEFAULT_DRAIN,
        }
    }
}

/// The server of a session: connected, with health requests answered. A session that first searches
/// for its contracts connects before the search.
pub struct LiveServer {
    sink: Opened,
    health: HealthResponder,
    /// Empty until the session runs.
    stats: Arc<OnceLock<SharedStats>>,
    drain: Duration,
}

/// A sink, and what is known of it beside the sink.
struct Opened {
    sink: Box<dyn Sink>,
    stats: Arc<NatsStats>,
    stop: NatsStop,
    proof: Option<StreamProof>,
}

impl Opened {
    fn connect(nats: &LiveNats) -> Result<Self, NatsError> {
        let Some(stream) = &nats.stream else {
            let sink = LiveNatsSink::connect(&nats.options, nats.buffer)?;
            return Ok(Self {
                stats: sink.stats(),
                stop: sink.stop_handle(),
                proof: None,
                sink: Box::new(sink),
            });
        };
        let buffer = (!nats.is_recorded).then_some(nats.buffer);
        let sink = LiveJetStreamSink::connect(stream, buffer)?;
        Ok(Self {
            stats: sink.stats(),
            stop: sink.stop_handle(),
            proof: Some(sink.proof()),
            sink: Box::new(sink),
        })
    }
}

impl LiveServer {
    /// Connects. Until the session runs, health answers give its state as `starting`.
    ///
    /// # Errors
    /// When the server cannot be reached, or its stream does not accept the session.
    pub fn connect(nats: &LiveNats, session: &str, verb: &'static str) -> Result<Self, NatsError> {
        let sink = Opened::connect(nats)?;
        let keep = nats.ring.clone().map(|ring| keep_answer(ring, session));
        let stats = Arc::new(OnceLock::<SharedStats>::new());
        let (shared, session) = (Arc::clone(&stats), session.to_owned());
        let proof = sink.proof.clone();
        let snapshot = Box::new(move || {
            let Some(stats) = shared.get() else {
                return json!({ "session": session, "verb": verb, "state": "starting" });
            };
            let mut answer = stats.health(&session, verb);
            if let Some(proof) = &proof {
                answer.extend(of_stream(proof, stats.publisher.failed()));
            }
            answer.into()
        });
        let options = HealthOptions::default();
        let health = HealthResponder::start_with(&nats.options, &options, snapshot, keep)?;
        Ok(Self {
            sink,
            health,
            stats,
            drain: nats.drain,
        })
    }
}

/// Keeps what the ring of a session has.
fn keep_answer(ring: RingTrigger, session: &str) -> Answer {
    // One token of a subject.
    let token = session.replace(['.', ' ', '*', '>'], "_");
    let session = session.to_owned();
    Answer {
        subject: format!("tickdeck.deck.{token}.keep"),
        answer: Box::new(move || match ring.keep("request") {
            Requested::Refused(reason) => json!({
                "session": session,
                "keeping": false,
                "status": "error",
                "reason": reason,
            }),
            asked => json!({
                "session": session,
                "keeping": asked == Requested::Noted,
            }),
        }),
        without: "the ring is kept by signals and faults only",
    }
}

impl LiveServer {
    /// The sink for the publisher, and the rest.
    pub(super) fn split(self) -> (Box<dyn Sink>, ServerHandles) {
        let Opened {
            sink,
            stats: of_sink,
            stop,
            proof,
        } = self.sink;
        let handles = ServerHandles {
            health: self.health,
            stats: self.stats,
            of_sink,
            stop,
            proof,
            drain: self.drain,
            watch: None,
        };
        (sink, handles)
    }
}

/// A server connection after its sink moved into the sink list.
pub(super) struct ServerHandles {
    health: HealthResponder,
    stats: Arc<OnceLock<SharedStats>>,
    /// Counts of the sink.
    of_sink: Arc<NatsStats>,
    stop: NatsStop,
    /// Reads back the stream that is published to.
    proof: Option<StreamProof>,
    drain: Duration,
    /// Bounds the waits for a stream.
    watch: Option<DrainWatch>,
}

impl ServerHandles {
    /// Lets the health answers show these counts. Publishing to a stream may wait for the server: from
    /// the end of the session on, one that does not answer is waited for no longer than the drain time.
    pub(super) fn begin(mut self, stats: &SharedStats, control: Arc<Control>) -> Self {
        // This is the only place that sets it, so it is still empty.
        let _ = self.stats.set(stats.clone());
        if self.proof.is_some() {
            let live = Arc::clone(&stats.live);
            let is_over = move || control.is_stopped() || live.state() == LiveState::Ended;
            let sink = Arc::clone(&self.of_sink);
            let watch = DrainWatch::while_stuck(is_over, sink, &self.stop, self.drain);
            self.watch = self.unless_refused(watch);
        }
        self
    }

    /// Without the watch the wait for an unreachable server would have no bound.
    fn unless_refused(&self, watch: std::io::Result<DrainWatch>) -> Option<DrainWatch> {
        if let Err(error) = &watch {
            tracing::warn!(event = "thread_refused", %error, "the session does not wait for the server");
            self.stop.stop();
        }
        watch.ok()
    }

    /// Waits for the sinks, at most the drain time for the server, reads the stream back and ends the
    /// health answers.
    pub(super) fn finish(self, publisher: Publisher, complete: bool) -> (Finished, StreamOutcome) {
        let from_now = match self.watch {
            Some(_) => None,
            None => self.unless_refused(DrainWatch::from_now(&self.stop, self.drain)),
        };
        let finished = publisher.finish(complete);
        drop((self.watch, from_now));
        let (ledger, digest, sink_error) = &finished;
        let total = ledger.total();
        let stream = match &self.proof {
            None => StreamOutcome::default(),
            Some(proof) if sink_error.is_some() || !complete => StreamOutcome::of_failed(proof),
            Some(proof) => StreamOutcome::read_back(proof, total.published, total.failed, digest),
        };
        self.health.stop();
        (finished, stream)
    }
}

/// What a publisher leaves: counts, payload digest, and the error of a sink.
pub(super) type Finished = (Ledger, String, Option<SinkError>);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tickdeck_core::clock::VirtualClock;
    use tickdeck_core::source::SourceInfo;
    use tickdeck_recording::{RecorderOptions, Ring, RingRecorder, RingSpan};

    use super::*;
    use crate::reference::Reference;
    use crate::session::RecordTo;

    #[test]
    fn a_request_to_an_ended_ring_is_answered_with_an_error() {
        let root = tempfile::tempdir().unwrap();
        let reference = Reference::of_recordings(&[]).unwrap();
        let options = RecordTo::new(root.path(), SourceInfo::default(), &reference).options;
        let ring = Ring {
            span: RingSpan {
                before: 1,
                after: 1,
            },
            trigger: RingTrigger::default(),
        };
        let answer = keep_answer(ring.trigger.clone(), "box").answer;
        let session = "box".parse().unwrap();
        let recorder = RecorderOptions::default();
        let clock = Arc::new(VirtualClock::new());
        let told = |_: &std::path::Path, _: &Result<_, _>| {};
        let recorder =
            RingRecorder::create(root.path(), session, options, recorder, ring, clock, told);
        assert_eq!(answer()["keeping"], true);
        drop(recorder.unwrap().finish(0));
        let refused = answer();
        assert_eq!(
            (&refused["keeping"], &refused["status"]),
            (&false.into(), &"error".into())
        );
        assert_eq!(refused["reason"], "the session of the ring has ended");
    }
}
