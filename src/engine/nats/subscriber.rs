//! The receiving side: a subscription as a plain iterator of messages.
//!
//! Order is kept: messages come in the order in which the server sent them, whatever subjects they
//! are on. Each subject has a separate subscription. Overlapping ones share one that covers them
//! all, so that no message is received twice, and other messages are left out here.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use tickdeck_core::clock::system_wall;
use tickdeck_core::thread;
use tickdeck_core::time::UnixNanos;
use tickdeck_core::wait;
use tokio::sync::Notify;

use super::connect::{self, Connection};
use super::marks::{lost, round_trip};
use super::merge::Merged;
use super::options::Plan;
use super::queue::{Bounds, QueueReceiver, QueueSender, queue};
use super::refusal::{Action, Refusal, Warnings};
use super::{NatsError, NatsFailure, NatsOptions, SubjectPattern, runtime};
use crate::encode::Message;

/// What waits for the reader before the server feels back-pressure.
const QUEUED: Bounds = Bounds {
    items: 65_536,
    bytes: 256 << 20,
};
/// What a refused answer costs.
const NOT_ANSWERED: &str =
    "replays that wait for subscribers do not count this one (allow_responses is enough)";

/// What to receive, and what to do when the connection is lost.
#[derive(Debug, Clone)]
pub struct SubscriberOptions {
    /// Subjects, at least one. The server receives them in this order.
    pub subjects: Vec<SubjectPattern>,
    /// Requests on these subjects are answered with an empty message.
    pub answers: Vec<SubjectPattern>,
    /// How long the server may be unreachable after the first connection. `None` to end with it.
    pub reconnect: Option<Duration>,
}

/// What a subscription gives.
#[derive(Debug)]
pub enum Received {
    /// A message.
    Message {
        /// The message.
        message: Message,
        /// When it came.
        at: UnixNanos,
    },
    /// The connection was lost: what was published until it was made again did not come.
    Gap,
    /// After a lost connection: the server has the subscription again.
    Resumed,
    /// Nothing more comes, and why.
    Ended(NatsError),
}

impl Received {
    /// Bytes it takes in the queue: the message and its slot.
    fn bytes(&self) -> usize {
        let content = match self {
            Self::Message { message, .. } => message.subject.len() + message.payload.len(),
            _ => 0,
        };
        size_of::<Self>() + content
    }
}

/// A subscription with its own connection and thread.
#[derive(Debug)]
pub struct Subscriber {
    messages: QueueReceiver<Received>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
    server: String,
}

impl Subscriber {
    /// Subscribes to `subject` (wildcards allowed) on one connection and returns when the server
    /// has it.
    ///
    /// # Errors
    /// When the options contradict each other, or the server cannot be reached or refuses.
    pub fn start(nats: &NatsOptions, subject: &str) -> Result<Self, NatsError> {
        let subject = subject
            .parse()
            .map_err(|error| NatsError::Config(format!("subject {subject:?}: {error}")))?;
        let options = SubscriberOptions {
            subjects: vec![subject],
            answers: Vec::new(),
            reconnect: None,
        };
        Self::start_with(nats, options)
    }

    /// Subscribes and returns when the server has the subscriptions. No right to publish is needed.
    /// Where the account may not subscribe to a control subject, such as that of end markers, a
    /// warning says so.
    ///
    /// # Errors
    /// When the options contradict each other, or the server cannot be reached or refuses a subject.
    pub fn start_with(nats: &NatsOptions, options: SubscriberOptions) -> Result<Self, NatsError> {
        let plan = nats.plan()?;
        let at = connect::at(&plan);
        let server = plan.shown.clone();
        if options.subjects.is_empty() {
            return Err(NatsError::Config("no subject to subscribe to".to_owned()));
        }
        let (ready, is_ready) = bounded(1);
        let (sender, messages) = queue(QUEUED);
        let stop = Arc::new(Notify::new());
        let worker = Worker {
            plan,
            subscribed: SubjectPattern::disjoint(&options.subjects),
            options,
            messages: sender,
            stop: Arc::clone(&stop),
            warnings: Warnings::default(),
        };
        let thread = thread::spawn("tickdeck-subscriber", move || worker.run(ready))
            .map_err(|error| at(other(&error)))?;
        let subscriber = Self {
            messages,
            stop,
            thread: Some(thread),
            server,
        };
        match is_ready.recv() {
            Ok(Ok(())) => Ok(subscriber),
            Ok(Err(failure)) => Err(at(failure)),
            Err(gone) => Err(at(other(&gone))),
        }
    }

    /// The next message; `None` when none came within `timeout` or the connection is gone.
    #[must_use]
    pub fn next(&self, timeout: Duration) -> Option<Message> {
        match self.receive(timeout) {
            Some(Received::Message { message, .. }) => Some(message),
            _ => None,
        }
    }

    /// What comes next; `None` when nothing came within `timeout`.
    #[must_use]
    pub fn receive(&self, timeout: Duration) -> Option<Received> {
        match self.messages.receive(timeout) {
            wait::Received::Message(received) => Some(received),
            wait::Received::Timeout => None,
            wait::Received::Closed => Some(Received::Ended(NatsError::Server {
                server: self.server.clone(),
                failure: NatsFailure::Other {
                    cause: "the subscriber's thread has ended".to_owned(),
                },
            })),
        }
    }

    /// How many items are waiting to be received.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.messages.len()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.stop.notify_one();
        // Releases the thread if it waits for room in the queue.
        self.messages.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported.
            let _ = thread.join();
        }
    }
}

fn other(error: &dyn std::error::Error) -> NatsFailure {
    NatsFailure::Other {
        cause: error.to_string(),
    }
}

/// Why a connection of the subscriber ended.
enum End {
    /// The reader stopped.
    Stopped,
    Lost,
    Failed(NatsFailure),
}

type Ready = Sender<Result<(), NatsFailure>>;

/// The thread of a subscription.
struct Worker {
    plan: Plan,
    options: SubscriberOptions,
    /// Patterns that have every requested subject once.
    subscribed: Vec<SubjectPattern>,
    messages: QueueSender<Received>,
    stop: Arc<Notify>,
    warnings: Warnings,
}

impl Worker {
    fn run(mut self, ready: Ready) {
        let at = connect::at(&self.plan);
        let mut ready = Some(ready);
        let mut limit = Some(self.plan.options.connect_timeout);
        let stop = Arc::clone(&self.stop);
        let failure = loop {
            let end = runtime::run(async {
                tokio::select! {
                    biased;
                    () = stop.notified() => End::Stopped,
                    end = self.session(limit, &mut ready) => end,
                }
            })
            .unwrap_or_else(|error| End::Failed(other(&error)));
            match (end, self.options.reconnect) {
                (End::Stopped, _) => return,
                (End::Failed(failure), _) => break failure,
                (End::Lost, None) => break lost(),
                (End::Lost, reconnect) => {
                    tracing::warn!(
                        event = "nats_disconnected",
                        server = self.plan.shown,
                        connection = self.plan.options.name
                    );
                    limit = reconnect;
                    if !self.give(Received::Gap) {
                        return;
                    }
                }
            }
        };
        // During the start the caller waits for the result; later the reader does.
        match ready {
            Some(ready) => drop(ready.send(Err(failure))),
            None => {
                self.give(Received::Ended(at(failure)));
            }
        }
    }

    /// Whether the reader is still there.
    fn give(&self, received: Received) -> bool {
        let bytes = received.bytes();
        self.messages.send(received, bytes)
    }

    async fn session(&mut self, limit: Option<Duration>, ready: &mut Option<Ready>) -> End {
        let connection = match connect::connect(&self.plan, limit).await {
            Ok(connection) => connection,
            Err(failure) => return End::Failed(failure),
        };
        let messages = match self.subscribe(&connection).await {
            Ok(subscribed) => subscribed,
            // The server was reachable before, so it may return.
            Err(failure) if failure.is_retryable() && ready.is_none() => return End::Lost,
            Err(failure) => return End::Failed(failure),
        };
        match ready.take() {
            // The receiver is gone only when the caller is.
            Some(ready) => drop(ready.send(Ok(()))),
            None => {
                if !self.give(Received::Resumed) {
                    return End::Stopped;
                }
            }
        }
        // Takes all that the library has before the library reads more. The queue then bounds what
        // waits for a slow reader, and the server is held back.
        tokio::task::unconstrained(self.receive(&connection, messages)).await
    }

    async fn subscribe(&mut self, connection: &Connection) -> Result<Merged, NatsFailure> {
        let mut subscriptions = Vec::new();
        for subject in &self.subscribed {
            let subscription = connection.client.subscribe(subject.to_string()).await;
            subscriptions.push(subscription.map_err(|error| other(&error))?);
        }
        let messages = Merged::of(subscriptions);
        self.refused(&round_trip(connection).await?)?;
        Ok(messages)
    }

    /// A refused subject of the stream is a failure. Control subjects and answers to questions are
    /// optional.
    fn refused(&mut self, refusals: &[Refusal]) -> Result<(), NatsFailure> {
        let mut lost = Vec::new();
        for refusal in refusals {
            lost.push(match (refusal.missing_permission_help(), refusal.action) {
                (Some(help), _) => (refusal.clone(), help),
                (None, Action::Publish) => (refusal.of_any_answer(), NOT_ANSWERED),
                (None, Action::Subscribe) => return Err(refusal.failure()),
            });
        }
        let lost: Vec<(&Refusal, &str)> = lost.iter().map(|(r, help)| (r, *help)).collect();
        self.warnings.warn_together(&self.plan.shown, &lost);
        Ok(())
    }

    async fn receive(&mut self, connection: &Connection, mut messages: Merged) -> End {
        loop {
            let message = tokio::select! {
                biased;
                message = messages.next() => message,
                () = connection.fate.lost() => None,
                () = connection.fate.is_refused() => {
                    let refusal = connection.fate.take_refusal();
                    match self.refused(refusal.as_slice()) {
                        Ok(()) => continue,
                        Err(failure) => return End::Failed(failure),
                    }
                }
            };
            let Some(message) = message else {
                return End::Lost;
            };
            if let Some(end) = self.hand_on(connection, message).await {
                return end;
            }
        }
    }

    /// Answers a request and passes the message to the reader. Returns how the session ends, if it
    /// does.
    async fn hand_on(&self, connection: &Connection, message: async_nats::Message) -> Option<End> {
        let at = system_wall();
        let subject = message.subject.as_str();
        if let Some(reply) = message.reply
            && has(&self.options.answers, subject)
        {
            let answered = connection.client.publish(reply, bytes::Bytes::new()).await;
            if answered.is_err() {
                return Some(End::Lost);
            }
        }
        // Only a pattern that replaces several can have other subjects.
        let is_exact = self.subscribed.len() == self.options.subjects.len();
        if !is_exact && !has(&self.options.subjects, subject) {
            return None;
        }
        let message = Message {
            subject: subject.to_owned().into(),
            payload: message.payload,
        };
        (!self.give(Received::Message { message, at })).then_some(End::Stopped)
    }
}

/// Whether one of the patterns matches `subject`.
fn has(patterns: &[SubjectPattern], subject: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(subject))
}
