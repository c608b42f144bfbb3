//! The receiving side: a subscription as a plain iterator of messages, and a count of who listens.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use futures_util::StreamExt;
use tokio::sync::Notify;

use super::connect::{self, Connection};
use super::options::Plan;
use super::{NatsError, NatsFailure, NatsOptions, runtime};
use crate::sink::Message;

/// Messages that wait for the reader before the server feels back-pressure.
const QUEUED_MESSAGES: usize = 65_536;
/// Nobody answers here.
const PROBE_SUBJECT: &str = "tickdeck.probe";
/// How long answers to one readiness question are gathered.
const ANSWER_WINDOW: Duration = Duration::from_millis(200);

/// A subscription on a connection and thread of its own.
#[derive(Debug)]
pub struct Subscriber {
    messages: Receiver<Message>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Subscriber {
    /// Subscribes to `subject` (wildcards allowed) and returns when the server knows it.
    ///
    /// # Errors
    /// When the options contradict each other, or the server cannot be reached or refuses.
    pub fn start(nats: &NatsOptions, subject: &str) -> Result<Self, NatsError> {
        let plan = nats.plan()?;
        let at = connect::at(&plan);
        let subject = subject.to_owned();
        let (ready, is_ready) = bounded(1);
        let (sender, messages) = bounded(QUEUED_MESSAGES);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = runtime::spawn("tickdeck-subscriber", move || {
            // Without a runtime the caller finds the readiness channel closed.
            let _ = runtime::run(receive(plan, subject, ready, sender, stopped));
        })
        .map_err(|error| at(other(&error)))?;
        let subscriber = Self {
            messages,
            stop,
            thread: Some(thread),
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
        self.messages.recv_timeout(timeout).ok()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.stop.notify_one();
        // A thread that waits for room in the channel finds it closed instead.
        self.messages = bounded(0).1;
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

async fn receive(
    plan: Plan,
    subject: String,
    ready: Sender<Result<(), NatsFailure>>,
    messages: Sender<Message>,
    stop: Arc<Notify>,
) {
    let subscribed = async {
        let connection = connect::connect(&plan, Some(plan.options.connect_timeout)).await?;
        let subscription = subscribe(&connection, subject).await?;
        Ok((connection, subscription))
    };
    let (connection, mut subscription) = match subscribed.await {
        Ok(subscribed) => subscribed,
        Err(failure) => {
            // Nobody waits only when the caller is gone.
            let _ = ready.send(Err(failure));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    loop {
        let message = tokio::select! {
            biased;
            () = stop.notified() => None,
            message = subscription.next() => message,
            () = connection.fate.lost() => None,
        };
        let Some(message) = message else {
            return;
        };
        let message = Message {
            subject: message.subject.as_str().to_owned().into(),
            payload: message.payload,
        };
        if messages.send(message).is_err() {
            return;
        }
    }
}

/// How many subscribers a publisher on `subject` can be sure of: the number that answer a request
/// on it, at least 1 when the server knows of any interest, 0 when it answers "no responders".
///
/// # Errors
/// When the server cannot be reached or refuses.
pub fn count_subscribers(nats: &NatsOptions, subject: &str) -> Result<u32, NatsError> {
    let plan = nats.plan()?;
    let at = connect::at(&plan);
    let subject = subject.to_owned();
    let counting = runtime::spawn("tickdeck-subscribers", move || {
        runtime::run(count(plan, subject))
    })
    .map_err(|error| at(other(&error)))?;
    match counting.join() {
        Ok(Ok(count)) => count.map_err(at),
        Ok(Err(error)) => Err(at(other(&error))),
        Err(_panic) => Err(at(NatsFailure::Other {
            cause: "the counting thread ended early".to_owned(),
        })),
    }
}

/// Whether a server answers and takes the login: connects, waits for one round trip, leaves.
///
/// # Errors
/// When the server cannot be reached within `connect_timeout` or refuses.
pub fn probe(nats: &NatsOptions) -> Result<(), NatsError> {
    count_subscribers(nats, PROBE_SUBJECT).map(drop)
}

async fn count(plan: Plan, subject: String) -> Result<u32, NatsFailure> {
    let connection = connect::connect(&plan, Some(plan.options.connect_timeout)).await?;
    let inbox = connection.client.new_inbox();
    let mut answers = subscribe(&connection, inbox.clone()).await?;
    connection
        .client
        .publish_with_reply(subject, inbox, bytes::Bytes::new())
        .await
        .map_err(|error| other(&error))?;
    let mut answered = 0;
    let gather = async {
        while let Some(answer) = answers.next().await {
            if answer.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
                return true;
            }
            answered += 1;
        }
        false
    };
    let nobody = tokio::time::timeout(ANSWER_WINDOW, gather)
        .await
        .unwrap_or(false);
    Ok(if nobody { 0 } else { answered.max(1) })
}
