//! What a replay does with a NATS server besides publishing: it answers health requests, and after a
//! stop request it bounds the wait for the server.

use std::sync::Arc;

use serde_json::Value;

use super::drain::{DEFAULT_DRAIN, DrainWatch};
use super::error::SessionError;
use super::health::answer;
use super::stream::{StreamOutcome, of_stream};
use super::summary::Summary;
use crate::control::{Control, run_interruptible};
use crate::nats::{HealthOptions, HealthResponder, NatsError, NatsOptions};
use crate::pipeline::PublisherStats;
use crate::sink::{NatsStop, StreamProof};

/// A server before the replay runs.
#[derive(Default)]
pub(super) struct Server {
    /// Ends the sinks' waits.
    pub(super) stops: Vec<NatsStop>,
    /// Reads the stream back that was published to.
    pub(super) proof: Option<StreamProof>,
    /// Where to answer health requests, and the verb to answer with.
    pub(super) health: Option<(NatsOptions, &'static str)>,
}

/// Threads that end with the replay.
pub(super) struct RunningServer {
    watches: Vec<DrainWatch>,
    proof: Option<StreamProof>,
    health: Option<HealthResponder>,
}

impl Server {
    /// Starts what was set up, unless a stop is requested first.
    pub(super) fn start(
        self,
        session: &str,
        publisher: Arc<PublisherStats>,
        control: &Arc<Control>,
    ) -> Result<RunningServer, SessionError> {
        let health = match self.health {
            Some((nats, verb)) if !control.is_stopped() => {
                let session = session.to_owned();
                let asked = Arc::clone(control);
                let proof = self.proof.clone();
                let answer = move || {
                    let mut shown = answer(&session, verb, state(&asked), &publisher);
                    if let Some(proof) = &proof {
                        shown.extend(of_stream(proof, publisher.failed()));
                    }
                    shown.into()
                };
                start_health(nats, control, answer)?
            }
            _ => None,
        };
        let watches = self.stops.iter();
        let watches = watches
            .map(|stop| DrainWatch::from_stop(control, stop, DEFAULT_DRAIN))
            .collect::<Result<_, _>>()
            .map_err(SessionError::Thread)?;
        Ok(RunningServer {
            watches,
            proof: self.proof,
            health,
        })
    }
}

impl RunningServer {
    /// Ends its threads. Then reads back the stream that `summary` was published to; of a run that
    /// `failed` it is not verified.
    pub(super) fn stop(self, summary: &mut Summary, failed: bool) {
        drop(self.watches);
        if let Some(proof) = self.proof {
            let outcome = match failed {
                true => StreamOutcome::of_failed(&proof),
                false => {
                    let (published, digest) = (summary.published, &summary.payload_digest);
                    StreamOutcome::read_back(&proof, published, summary.failed, digest)
                }
            };
            summary.show_stream(outcome);
        }
        if let Some(health) = self.health {
            health.stop();
        }
    }
}

/// What a replay does.
fn state(control: &Control) -> &'static str {
    if control.is_stopped() {
        "stopping"
    } else if control.is_paused() {
        "paused"
    } else {
        "playing"
    }
}

/// Starts answering health requests; `None` when a stop is requested before the server answers.
fn start_health(
    nats: NatsOptions,
    control: &Control,
    answer: impl Fn() -> Value + Send + Sync + 'static,
) -> Result<Option<HealthResponder>, SessionError> {
    let answer: Box<dyn Fn() -> Value + Send + Sync> = Box::new(answer);
    let start = move || HealthResponder::start(&nats, &HealthOptions::default(), answer);
    let started: Option<Result<HealthResponder, NatsError>> =
        run_interruptible("nats-connect", || control.is_stopped(), start)?;
    Ok(started.transpose()?)
}
