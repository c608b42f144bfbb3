//! The server of a live session: a sink that never waits, and the health answers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tickdeck_recording::{Requested, RingTrigger};

use super::drain::{DEFAULT_DRAIN, DrainWatch};
use super::stats::SharedStats;
use crate::nats::{Answer, HealthOptions, HealthResponder, NatsError, NatsOptions};
use crate::pipeline::{Ledger, Publisher};
use crate::sink::{DEFAULT_LIVE_BUFFER, LiveNatsSink, NatsStop, SinkError};

/// How to publish to a server.
#[derive(Debug, Clone)]
pub struct LiveNats {
    /// Address and credentials.
    pub options: NatsOptions,
    /// How many messages may be buffered for it.
    pub buffer: u64,
    /// Keeps what a ring has, on request.
    pub ring: Option<RingTrigger>,
    /// How long it may take to confirm the last messages.
    pub drain: Duration,
}

impl LiveNats {
    /// The default bounds.
    #[must_use]
    pub const fn new(options: NatsOptions) -> Self {
        Self {
            options,
            buffer: DEFAULT_LIVE_BUFFER,
            ring: None,
            drain: DEFAULT_DRAIN,
        }
    }
}

/// The server of a session: connected, with health requests answered. A session that first searches
/// for its contracts connects before the search.
pub struct LiveServer {
    sink: LiveNatsSink,
    health: HealthResponder,
    /// Empty until the session runs.
    stats: Arc<OnceLock<SharedStats>>,
    drain: Duration,
}

impl LiveServer {
    /// Connects. Until the session runs, health answers give its state as `starting`.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn connect(nats: &LiveNats, session: &str, verb: &'static str) -> Result<Self, NatsError> {
        let sink = LiveNatsSink::connect(&nats.options, nats.buffer)?;
        let keep = nats.ring.clone().map(|ring| keep_answer(ring, session));
        let stats = Arc::new(OnceLock::<SharedStats>::new());
        let (shared, session) = (Arc::clone(&stats), session.to_owned());
        let snapshot = Box::new(move || match shared.get() {
            Some(stats) => stats.health(&session, verb),
            None => serde_json::json!({ "session": session, "verb": verb, "state": "starting" }),
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
            Requested::Refused(reason) => serde_json::json!({
                "session": session,
                "keeping": false,
                "status": "error",
                "reason": reason,
            }),
            asked => serde_json::json!({
                "session": session,
                "keeping": asked == Requested::Noted,
            }),
        }),
        without: "the ring is kept by signals and faults only",
    }
}

impl LiveServer {
    /// The sink for the publisher, and the rest.
    pub(super) fn split(self) -> (LiveNatsSink, ServerHandles) {
        let handles = ServerHandles {
            health: self.health,
            stats: self.stats,
            stop: self.sink.stop_handle(),
            drain: self.drain,
        };
        (self.sink, handles)
    }
}

/// A server connection after its sink moved into the sink list.
pub(super) struct ServerHandles {
    health: HealthResponder,
    stats: Arc<OnceLock<SharedStats>>,
    stop: NatsStop,
    drain: Duration,
}

impl ServerHandles {
    /// Lets the health answers show these counts.
    pub(super) fn show(&self, stats: &SharedStats) {
        // This is the only place that sets it, so it is still empty.
        let _ = self.stats.set(stats.clone());
    }

    /// Waits for the sinks, at most the drain time for the server, and ends the health answers.
    pub(super) fn finish(
        self,
        publisher: Publisher,
        complete: bool,
    ) -> (Ledger, String, Option<SinkError>) {
        let watch = DrainWatch::from_now(&self.stop, self.drain);
        if let Err(error) = &watch {
            // Without the watch the wait for an unreachable server would have no bound.
            tracing::warn!(event = "thread_refused", %error, "the session does not wait for the server");
            self.stop.stop();
        }
        let finished = publisher.finish(complete);
        self.health.stop();
        finished
    }
}

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
