//! The receiving side: a subscription as a plain iterator of messages, and a count of who listens.
//!
//! Order is kept: one subscription carries all subjects, for the client library keeps the messages
//! of each subscription apart. Several subjects are received as the narrowest pattern that has them
//! all, and what is not asked for is left out here. Subjects that are only
//! [watched](SubscriberOptions::watch) have subscriptions of their own: a message on one is given
//! out after everything that came before it, though not always before all that came after.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use tickdeck_core::clock::system_wall;
use tickdeck_core::thread;
use tickdeck_core::time::UnixNanos;
use tokio::sync::Notify;

use super::connect::{self, Connection};
use super::options::Plan;
use super::queue::{Bounds, QueueReceiver, QueueSender, queue};
use super::{NatsError, NatsFailure, NatsOptions, SubjectPattern, runtime};
use crate::sink::Message;

/// What waits for the reader before the server feels back-pressure.
const QUEUED: Bounds = Bounds {
    items: 65_536,
    bytes: 256 << 20,
};
/// How long answers to one readiness question are gathered, once it is known that somebody was asked.
const ANSWER_WINDOW: Duration = Duration::from_millis(200);

/// What to receive, and what to do when the connection is lost.
#[derive(Debug, Clone)]
pub struct SubscriberOptions {
    /// Subjects, at least one.
    pub subjects: Vec<SubjectPattern>,
    /// More subjects, without wildcards, whose messages need no exact place in the order. The server
    /// knows each when it hears of the next, and `subjects` before all of them: who can be asked on
    /// the last one whether it listens does listen.
    pub watch: Vec<String>,
    /// Whether a request on a subject is answered, with an empty message.
    pub answers: fn(&str) -> bool,
    /// How long the server may be away after the first connection; `None` to end with it.
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
    /// Messages may be missing here.
    Gap(Gap),
    /// After a lost connection: the server knows the subscription again.
    Resumed,
    /// Nothing more comes, and why.
    Ended(NatsError),
}

impl Received {
    /// What it takes of the queue's room: the message, and its place.
    fn bytes(&self) -> usize {
        let content = match self {
            Self::Message { message, .. } => message.subject.len() + message.payload.len(),
            _ => 0,
        };
        size_of::<Self>() + content
    }
}

/// Why messages may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The connection was lost: what was published until it was made again did not come.
    Disconnected,
    /// Messages came faster than they were taken.
    TooSlow,
}

/// A subscription on a connection and thread of its own.
#[derive(Debug)]
pub struct Subscriber {
    messages: QueueReceiver<Received>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
    server: String,
}

impl Subscriber {
    /// Subscribes to `subject` (wildcards allowed) on one connection and returns when the server
    /// knows it.
    ///
    /// # Errors
    /// When the options contradict each other, or the server cannot be reached or refuses.
    pub fn start(nats: &NatsOptions, subject: &str) -> Result<Self, NatsError> {
        let subject = subject
            .parse()
            .map_err(|error| NatsError::Config(format!("subject {subject:?}: {error}")))?;
        let options = SubscriberOptions {
            subjects: vec![subject],
            watch: Vec::new(),
            answers: |_| false,
            reconnect: None,
        };
        Self::start_with(nats, options)
    }

    /// Subscribes and returns when the server knows it.
    ///
    /// # Errors
    /// When the options contradict each other, or the server cannot be reached or refuses.
    pub fn start_with(nats: &NatsOptions, options: SubscriberOptions) -> Result<Self, NatsError> {
        let plan = nats.plan()?;
        let at = connect::at(&plan);
        let server = plan.shown.clone();
        let pattern = SubjectPattern::cover(&options.subjects)
            .ok_or_else(|| NatsError::Config("no subject to subscribe to".to_owned()))?;
        let (ready, is_ready) = bounded(1);
        let (sender, messages) = queue(QUEUED);
        let stop = Arc::new(Notify::new());
        let worker = Worker {
            plan,
            options,
            pattern,
            messages: sender,
            stop: Arc::clone(&stop),
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
            Ok(received) => Some(received),
            Err(RecvTimeoutError::Timeout) => None,
            Err(gone @ RecvTimeoutError::Disconnected) => {
                Some(Received::Ended(NatsError::Server {
                    server: self.server.clone(),
                    failure: other(&gone),
                }))
            }
        }
    }

    /// How much has come and was not taken yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.messages.len()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.stop.notify_one();
        // A thread that waits for room in the queue finds it closed instead.
        self.messages.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

fn other(error: &dyn std::error::Error) -> NatsFailure {
    NatsFailure::Other {
        cause: error.to_string(),
    }
}

async fn subscribe(
    connection: &Connection,
    subject: String,
) -> Result<async_nats::Subscriber, NatsFailure> {
    let subscription = connection
        .client
        .subscribe(subject)
        .await
        .map_err(|error| other(&error))?;
    connection.round_trip().await?;
    Ok(subscription)
}

/// Why a connection of the subscriber ended.
enum End {
    /// Nobody wants more.
    Stopped,
    Lost,
    Failed(NatsFailure),
}

type Ready = Sender<Result<(), NatsFailure>>;

/// The thread behind a subscription.
struct Worker {
    plan: Plan,
    options: SubscriberOptions,
    /// Has every subject that is wanted.
    pattern: SubjectPattern,
    messages: QueueSender<Received>,
    stop: Arc<Notify>,
}

impl Worker {
    fn run(self, ready: Ready) {
        let at = connect::at(&self.plan);
        let mut ready = Some(ready);
        let mut limit = Some(self.plan.options.connect_timeout);
        let failure = loop {
            let end = runtime::run(async {
                tokio::select! {
                    biased;
                    () = self.stop.notified() => End::Stopped,
                    end = self.session(limit, &mut ready) => end,
                }
            })
            .unwrap_or_else(|error| End::Failed(other(&error)));
            match (end, self.options.reconnect) {
                (End::Stopped, _) => return,
                (End::Failed(failure), _) => break failure,
                (End::Lost, None) => {
                    break NatsFailure::Unreachable {
                        cause: "the connection was lost".to_owned(),
                    };
                }
                (End::Lost, reconnect) => {
                    tracing::warn!(
                        event = "nats_disconnected",
                        server = self.plan.shown,
                        connection = self.plan.options.name
                    );
                    limit = reconnect;
                    if !self.give(Received::Gap(Gap::Disconnected)) {
                        return;
                    }
                }
            }
        };
        // The one who still waits for the start hears of it there; the other one here.
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

    async fn session(&self, limit: Option<Duration>, ready: &mut Option<Ready>) -> End {
        let connection = match connect::connect(&self.plan, limit).await {
            Ok(connection) => connection,
            Err(failure) => return End::Failed(failure),
        };
        let (subscription, watched) = match self.subscribe(&connection).await {
            Ok(subscribed) => subscribed,
            // Where a server was once it may come back.
            Err(failure) if failure.is_retryable() && ready.is_none() => return End::Lost,
            Err(failure) => return End::Failed(failure),
        };
        match ready.take() {
            // Nobody waits only when the caller is gone.
            Some(ready) => drop(ready.send(Ok(()))),
            None => {
                if !self.give(Received::Resumed) {
                    return End::Stopped;
                }
            }
        }
        // Takes all that the library has before the library takes in more: what waits for a slow
        // reader is then bounded here, and the server feels it.
        tokio::task::unconstrained(self.receive(&connection, subscription, watched)).await
    }

    async fn subscribe(
        &self,
        connection: &Connection,
    ) -> Result<(async_nats::Subscriber, SelectAll<async_nats::Subscriber>), NatsFailure> {
        let subscription = subscribe(connection, self.pattern.to_string()).await?;
        let mut watched = Vec::new();
        // What the pattern has would come twice.
        let watch = self.options.watch.iter();
        for subject in watch.filter(|subject| !self.pattern.matches(subject)) {
            watched.push(subscribe(connection, subject.clone()).await?);
        }
        Ok((subscription, select_all(watched)))
    }

    async fn receive(
        &self,
        connection: &Connection,
        mut subscription: async_nats::Subscriber,
        mut watched: SelectAll<async_nats::Subscriber>,
    ) -> End {
        loop {
            let message = tokio::select! {
                biased;
                message = subscription.next() => message,
                // The library sorts messages into subscriptions in the order in which they come: with
                // nothing left above, nothing older than this is left.
                message = watched.next(), if !watched.is_empty() => message,
                () = connection.fate.dropped() => {
                    if self.give(Received::Gap(Gap::TooSlow)) {
                        continue;
                    }
                    return End::Stopped;
                }
                () = connection.fate.lost() => None,
            };
            let Some(message) = message else {
                return End::Lost;
            };
            if let Some(end) = self.hand_on(connection, message).await {
                return end;
            }
        }
    }

    /// Answers a message where it is due and gives it out. How the session ends, when it does.
    async fn hand_on(&self, connection: &Connection, message: async_nats::Message) -> Option<End> {
        let at = system_wall();
        let subject = message.subject.as_str();
        if let Some(reply) = message.reply
            && (self.options.answers)(subject)
        {
            let answered = connection.client.publish(reply, bytes::Bytes::new()).await;
            if answered.is_err() {
                return Some(End::Lost);
            }
        }
        let subjects = &self.options.subjects;
        let is_watched = || self.options.watch.iter().any(|watched| watched == subject);
        let is_wanted = subjects.len() == 1
            || subjects.iter().any(|wanted| wanted.matches(subject))
            || is_watched();
        if !is_wanted {
            return None;
        }
        let message = Message {
            subject: subject.to_owned().into(),
            payload: message.payload,
        };
        (!self.give(Received::Message { message, at })).then_some(End::Stopped)
    }
}

/// How many subscribers a publisher on `subject` can be sure of: the number that answer a request
/// on it, at least 1 when the server knows of any interest, 0 when it answers "no responders".
///
/// # Errors
/// When the server cannot be reached or refuses. A failure that
/// [is retryable](NatsFailure::is_retryable) means that the connection was lost in mid-question.
pub fn count_subscribers(nats: &NatsOptions, subject: &str) -> Result<u32, NatsError> {
    let subject = subject.to_owned();
    on_connection(nats, async |connection| count(connection, subject).await)
}

/// Whether a server answers and takes the login: connects, waits for one round trip, leaves.
///
/// # Errors
/// When the server cannot be reached within `connect_timeout` or refuses.
pub fn probe(nats: &NatsOptions) -> Result<(), NatsError> {
    on_connection(nats, Connection::round_trip)
}

/// Does `work` on a connection and thread of its own.
fn on_connection<T: Send + 'static>(
    nats: &NatsOptions,
    work: impl AsyncFnOnce(&Connection) -> Result<T, NatsFailure> + Send + 'static,
) -> Result<T, NatsError> {
    let plan = nats.plan()?;
    let at = connect::at(&plan);
    let working = thread::spawn("tickdeck-nats-ask", move || {
        runtime::run(async {
            let connection = connect::connect(&plan, Some(plan.options.connect_timeout)).await?;
            work(&connection).await
        })
    })
    .map_err(|error| at(other(&error)))?;
    match working.join() {
        Ok(Ok(result)) => result.map_err(at),
        Ok(Err(error)) => Err(at(other(&error))),
        Err(_panic) => Err(at(NatsFailure::Other {
            cause: "the asking thread ended early".to_owned(),
        })),
    }
}

async fn count(connection: &Connection, subject: String) -> Result<u32, NatsFailure> {
    let inbox = connection.client.new_inbox();
    let mut answers = subscribe(connection, inbox.clone()).await?;
    tokio::select! {
        biased;
        () = connection.fate.lost() => Err(NatsFailure::Unreachable {
            cause: "the connection was lost".to_owned(),
        }),
        counted = ask(connection, subject, inbox, &mut answers) => counted,
    }
}

/// Asks on `subject` with `inbox` for the answers, and counts those.
///
/// The server handles a connection's messages in order, and answers "no responders" itself: with a
/// marker back that was sent behind the question, it is known, however slow the way is, whether
/// anybody subscribes.
async fn ask(
    connection: &Connection,
    subject: String,
    inbox: String,
    answers: &mut async_nats::Subscriber,
) -> Result<u32, NatsFailure> {
    let client = &connection.client;
    // Nobody else knows the inbox's name but those who are asked, and they have no reason to send it.
    let marker = bytes::Bytes::from(inbox.clone());
    client
        .publish_with_reply(subject, inbox.clone(), bytes::Bytes::new())
        .await
        .map_err(|error| other(&error))?;
    client
        .publish(inbox, marker.clone())
        .await
        .map_err(|error| other(&error))?;
    let mut answered = 0;
    loop {
        let Some(answer) = answers.next().await else {
            return Err(NatsFailure::Other {
                cause: "the connection was closed".to_owned(),
            });
        };
        if answer.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
            return Ok(0);
        }
        if answer.payload == marker {
            break;
        }
        answered += 1;
    }
    // Lets the library's event task, which was woken before, report that the question was refused.
    tokio::task::yield_now().await;
    if let Some(cause) = connection.fate.refusal() {
        return Err(NatsFailure::Permission { cause });
    }
    let gather = async {
        while answers.next().await.is_some() {
            answered += 1;
        }
    };
    // It ends by the clock: whoever answers may do so at any time.
    let _ = tokio::time::timeout(ANSWER_WINDOW, gather).await;
    Ok(answered.max(1))
}
