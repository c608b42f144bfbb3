//! `health.check`: a session answers requests with one JSON object.
//!
//! The responder has its own connection and thread. So it answers while a sink is blocked by
//! back-pressure, and reconnects after the server was unreachable. It does not know the session:
//! the content comes from a closure.
//!
//! It is auxiliary: a session continues without it, with a warning, for example where the server
//! refuses the subscription or a second connection.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use serde_json::Value;
use tickdeck_core::thread;
use tokio::sync::Notify;

use super::connect::{self, Connection};
use super::marks::{lost, round_trip};
use super::options::Plan;
use super::refusal::{Action, Refusal, Warnings};
use super::{NatsError, NatsFailure, NatsOptions, runtime};

/// The default subject on which a session answers.
pub const HEALTH_SUBJECT: &str = "health.check";

/// Makes the answer: a JSON object such as `{"session": …, "published": …}`. Called on the
/// responder's thread once per request, so it must be quick and must not block.
pub type HealthSnapshot = dyn Fn() -> Value + Send + Sync;

/// How a responder answers.
#[derive(Debug, Clone)]
pub struct HealthOptions {
    /// Subject to listen on; default [`HEALTH_SUBJECT`].
    pub subject: String,
}

impl Default for HealthOptions {
    fn default() -> Self {
        Self {
            subject: HEALTH_SUBJECT.to_owned(),
        }
    }
}

/// What else a responder answers.
pub struct Answer {
    /// The subject.
    pub subject: String,
    /// Makes the answer, like a [`HealthSnapshot`].
    pub answer: Box<HealthSnapshot>,
    /// What does not work where the server refuses the subscription.
    pub without: &'static str,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Answers health requests until it is stopped or dropped.
#[derive(Debug)]
pub struct HealthResponder {
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl HealthResponder {
    /// Connects and returns when the server has the subscription. The answer is what `snapshot`
    /// gives, completed with `status` (`"ok"`), `service` (`"tickdeck"`) and `version` where it
    /// does not say so itself.
    ///
    /// Where the server refuses the subscription or the connection, or cannot be reached within
    /// `connect_timeout`, a warning says so, and nothing is answered.
    ///
    /// # Errors
    /// When the options contradict each other, or the system gives no thread.
    pub fn start(
        nats: &NatsOptions,
        options: &HealthOptions,
        snapshot: Box<HealthSnapshot>,
    ) -> Result<Self, NatsError> {
        Self::start_with(nats, options, snapshot, None)
    }

    /// The same, with answers on another subject. A server that refuses it costs a warning.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        nats: &NatsOptions,
        options: &HealthOptions,
        snapshot: Box<HealthSnapshot>,
        more: Option<Answer>,
    ) -> Result<Self, NatsError> {
        let mut plan = nats.plan()?;
        // Distinguishes this connection from the publisher's, in our log and in the server's.
        plan.options.name.push_str("-health");
        plan.is_auxiliary = true;
        let at = connect::at(&plan);
        let shown = plan.shown.clone();
        let stop = Arc::new(Notify::new());
        let (ready, is_ready) = mpsc::sync_channel(1);
        let worker = Worker {
            plan,
            subject: options.subject.clone(),
            snapshot,
            more,
            stop: Arc::clone(&stop),
        };
        let thread = thread::spawn("tickdeck-health", move || worker.run(&ready))
            .map_err(|error| at(no_thread(&error)))?;
        let responder = Self {
            stop,
            thread: Some(thread),
        };
        match is_ready.recv() {
            Ok(Ok(())) => Ok(responder),
            Ok(Err(failure)) => {
                tracing::warn!(
                    event = "health_unavailable",
                    server = shown,
                    subject = options.subject,
                    reason = %failure,
                    "the session continues, but health requests are not answered"
                );
                Ok(responder)
            }
            Err(mpsc::RecvError) => Err(at(ended())),
        }
    }

    /// Stops answering and waits until the thread has ended.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the responder was already reported and must not end the session.
            let _ = thread.join();
        }
    }
}

impl Drop for HealthResponder {
    fn drop(&mut self) {
        self.end();
    }
}

fn no_thread(error: &std::io::Error) -> NatsFailure {
    NatsFailure::Other {
        cause: format!("starting a thread: {error}"),
    }
}

fn ended() -> NatsFailure {
    NatsFailure::Other {
        cause: "the connection thread ended early".to_owned(),
    }
}

struct Worker {
    plan: Plan,
    subject: String,
    snapshot: Box<HealthSnapshot>,
    more: Option<Answer>,
    stop: Arc<Notify>,
}

/// Why a connection of the responder ended.
enum End {
    Stopped,
    Lost,
    Failed(NatsFailure),
}

type Ready = mpsc::SyncSender<Result<(), NatsFailure>>;

impl Worker {
    fn run(self, ready: &Ready) {
        let mut limit = Some(self.plan.options.connect_timeout);
        loop {
            let end = runtime::run(async {
                tokio::select! {
                    biased;
                    () = self.stop.notified() => End::Stopped,
                    end = self.connect_and_answer(limit, ready) => end,
                }
            })
            .unwrap_or_else(|error| End::Failed(no_thread(&error)));
            match end {
                End::Stopped => return,
                End::Lost => {
                    tracing::warn!(
                        event = "nats_disconnected",
                        server = self.plan.shown,
                        connection = self.plan.options.name
                    );
                    limit = self.plan.options.reconnect_timeout;
                }
                End::Failed(failure) => {
                    // During the start the caller waits for it. Later the log is all there is.
                    if ready.try_send(Err(failure.clone())).is_err() {
                        tracing::warn!(
                            event = "health_responder_ended",
                            server = self.plan.shown,
                            error = %failure,
                            "the session continues, but health requests are no longer answered"
                        );
                    }
                    return;
                }
            }
        }
    }

    async fn connect_and_answer(&self, limit: Option<Duration>, ready: &Ready) -> End {
        let connection = match connect::connect(&self.plan, limit).await {
            Ok(connection) => connection,
            Err(failure) => return End::Failed(failure),
        };
        self.answer(&connection, ready)
            .await
            .unwrap_or_else(End::Failed)
    }

    async fn answer(&self, connection: &Connection, ready: &Ready) -> Result<End, NatsFailure> {
        let Connection { client, fate } = connection;
        let mut requests = SelectAll::new();
        let more = self.more.as_ref().map(|more| &more.subject);
        for subject in std::iter::once(&self.subject).chain(more) {
            let subscribed = client.subscribe(subject.clone()).await;
            requests.push(subscribed.map_err(|error| NatsFailure::Other {
                cause: format!("subscribing to `{subject}`: {error}"),
            })?);
        }
        let mut warnings = Warnings::default();
        match round_trip(connection).await {
            Ok(refusals) => {
                for refusal in refusals {
                    self.refused(&refusal, &mut warnings)?;
                }
            }
            Err(failure) if failure.is_retryable() => return Ok(End::Lost),
            Err(failure) => return Err(failure),
        }
        // Only the first connection is waited for.
        let _ = ready.try_send(Ok(()));
        loop {
            let request = tokio::select! {
                biased;
                () = fate.lost() => return Ok(End::Lost),
                () = fate.is_refused() => {
                    if let Some(refusal) = fate.take_refusal() {
                        self.refused(&refusal, &mut warnings)?;
                    }
                    continue;
                }
                request = requests.next() => request,
            };
            let Some(request) = request else {
                return Ok(End::Lost);
            };
            let Some(reply) = request.reply else {
                continue;
            };
            if client
                .publish(reply, self.payload(&request.subject))
                .await
                .is_err()
            {
                return Ok(End::Lost);
            }
        }
    }

    /// Without the subscription there is nothing to answer. A refused answer is the loss of the client
    /// that asked.
    fn refused(&self, refusal: &Refusal, warnings: &mut Warnings) -> Result<(), NatsFailure> {
        match refusal.action {
            Action::Subscribe => match &self.more {
                Some(more) if more.subject == refusal.subject => {
                    warnings.warn(&self.plan.shown, refusal, more.without);
                    Ok(())
                }
                _ => Err(refusal.failure()),
            },
            Action::Publish => {
                let help = "health requests are not answered (allow_responses is enough)";
                warnings.warn(&self.plan.shown, &refusal.of_any_answer(), help);
                Ok(())
            }
        }
    }

    fn payload(&self, subject: &str) -> Bytes {
        let more = self.more.as_ref().filter(|more| more.subject == subject);
        let snapshot = more.map_or(&self.snapshot, |more| &more.answer);
        let mut answer = match snapshot() {
            Value::Object(answer) => answer,
            other => serde_json::Map::from_iter([("snapshot".to_owned(), other)]),
        };
        for (key, value) in [
            ("status", "ok"),
            ("service", "tickdeck"),
            ("version", env!("CARGO_PKG_VERSION")),
        ] {
            answer.entry(key).or_insert_with(|| value.into());
        }
        Bytes::from(Value::Object(answer).to_string())
    }
}

/// Queries the health of the session that answers on `subject` and returns its answer unchanged.
///
/// # Errors
/// When the server cannot be reached or refuses, when there is no answer on the subject, or not
/// within `timeout`.
pub fn request_health(
    nats: &NatsOptions,
    subject: &str,
    timeout: Duration,
) -> Result<Bytes, NatsError> {
    let plan = nats.plan()?;
    let at = connect::at(&plan);
    let subject = subject.to_owned();
    let asked = thread::spawn("tickdeck-health-request", move || {
        runtime::run(request(&plan, subject, timeout))
    })
    .map(JoinHandle::join);
    match asked {
        Ok(Ok(Ok(answer))) => answer.map_err(at),
        Ok(Ok(Err(error))) | Err(error) => Err(at(no_thread(&error))),
        Ok(Err(_panic)) => Err(at(ended())),
    }
}

async fn first_refusal(connection: &Connection) -> Refusal {
    loop {
        connection.fate.is_refused().await;
        if let Some(refusal) = connection.fate.take_refusal() {
            return refusal;
        }
    }
}

async fn request(plan: &Plan, subject: String, timeout: Duration) -> Result<Bytes, NatsFailure> {
    let connection = connect::connect(plan, Some(plan.options.connect_timeout)).await?;
    let request = async_nats::Request::new().timeout(Some(timeout));
    let answer = tokio::select! {
        biased;
        () = connection.fate.lost() => {
            return Err(lost());
        }
        refusal = first_refusal(&connection) => {
            let is_question = refusal.subject == subject;
            let refusal = if is_question { refusal } else { refusal.of_any_answer() };
            return Err(refusal.failure());
        }
        answer = connection.client.send_request(subject.clone(), request) => answer,
    };
    answer.map(|message| message.payload).map_err(|error| {
        use async_nats::RequestErrorKind as Kind;
        match error.kind() {
            Kind::NoResponders => NatsFailure::NoResponders { subject },
            Kind::TimedOut => NatsFailure::TimedOut {
                subject,
                waited: timeout,
            },
            _ => NatsFailure::Other {
                cause: format!("asking `{subject}`: {error}"),
            },
        }
    })
}
