//! One-time requests to a server, each on a separate connection and thread: whether it answers,
//! and whether a subject has subscribers.
//!
//! A core NATS server does not report how many subscribers a subject has, only whether it has none.
//! So subscribers that want to be counted answer a question. Others can only be noticed: the server
//! lists the connections of the own account, with a filter by subject.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use tickdeck_core::thread;

use super::connect::{self, Connection};
use super::{NatsError, NatsFailure, NatsOptions, SubjectPattern, runtime};

/// How long answers to one request are collected, once it is known that the subject has a
/// subscriber.
const ANSWER_WINDOW: Duration = Duration::from_millis(200);

/// Where a server lists the connections of the account that asks.
const CONNECTIONS: &str = "$SYS.REQ.ACCOUNT.PING.CONNZ";

/// Whether a server answers and takes the login: connects, waits for one round trip, leaves.
///
/// # Errors
/// When the server cannot be reached within `connect_timeout` or refuses.
pub fn probe(nats: &NatsOptions) -> Result<(), NatsError> {
    on_connection(nats, Connection::round_trip)
}

/// How many subscribers a publisher on `subject` can be sure of: the number that answer a request
/// on it, at least 1 if the server has any interest in the subject, 0 if it answers "no
/// responders".
///
/// # Errors
/// When the server cannot be reached or refuses. A failure that
/// [is retryable](NatsFailure::is_retryable) means that the connection was lost meanwhile.
pub fn count_subscribers(nats: &NatsOptions, subject: &str) -> Result<u32, NatsError> {
    let subject = subject.to_owned();
    on_connection(nats, async |connection| {
        count(connection, subject, Bytes::new()).await
    })
}

/// The subscribers that a readiness request is for.
#[derive(Debug, Clone)]
pub struct ReadyPoll {
    /// Subject of the question.
    pub subject: String,
    /// Payload of the question.
    pub payload: Vec<u8>,
    /// What the subscribers are there for. Nothing is published there.
    pub messages: SubjectPattern,
}

/// How many subscribers answer the question. When none does, 1 if the server lists a connection of
/// the account that subscribes to any of `messages`.
///
/// A server that does not list connections (it is old, or the account may not ask) is no error.
///
/// # Errors
/// As [`count_subscribers`].
pub fn count_ready(nats: &NatsOptions, poll: ReadyPoll) -> Result<u32, NatsError> {
    on_connection(nats, async move |connection| {
        let answered = count(connection, poll.subject, poll.payload.into()).await?;
        if answered > 0 {
            return Ok(answered);
        }
        let is_subscribed = has_subscriber(connection, &poll.messages).await?;
        Ok(u32::from(is_subscribed))
    })
}

/// Does `work` on a separate connection and thread.
fn on_connection<T: Send + 'static>(
    nats: &NatsOptions,
    work: impl AsyncFnOnce(&Connection) -> Result<T, NatsFailure> + Send + 'static,
) -> Result<T, NatsError> {
    let plan = nats.plan()?;
    let at = connect::at(&plan);
    let working = thread::spawn("tickdeck-nats-ask", move || {
        runtime::run(async {
            let connection = connect::connect(&plan, Some(plan.options.connect_timeout)).await?;
            let lost = || NatsFailure::Unreachable {
                cause: "the connection was lost".to_owned(),
            };
            tokio::select! {
                biased;
                () = connection.fate.lost() => Err(lost()),
                result = work(&connection) => result,
            }
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

fn other(error: &dyn std::error::Error) -> NatsFailure {
    NatsFailure::Other {
        cause: error.to_string(),
    }
}

/// A question that was asked, and its answers.
struct Asked {
    answers: async_nats::Subscriber,
    /// How many answers came before it was known that the server had the question.
    early: Vec<Bytes>,
    /// Whether the server reports "no responders".
    has_no_responders: bool,
}

impl Asked {
    /// Publishes the question and waits until the server has handled it.
    ///
    /// The server handles a connection's messages in order and answers "no responders" itself. Once
    /// a marker sent after the request is back, it is known whether there is a subscriber, at any
    /// speed of the connection.
    async fn ask(
        connection: &Connection,
        subject: String,
        payload: Bytes,
    ) -> Result<Self, NatsFailure> {
        let client = &connection.client;
        let inbox = client.new_inbox();
        let mut answers = client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| other(&error))?;
        connection.round_trip().await?;
        // Only the subscribers know the inbox's name, and they do not send to it.
        let marker = Bytes::from(inbox.clone());
        client
            .publish_with_reply(subject, inbox.clone(), payload)
            .await
            .map_err(|error| other(&error))?;
        client
            .publish(inbox, marker.clone())
            .await
            .map_err(|error| other(&error))?;
        let (mut early, mut has_no_responders) = (Vec::new(), false);
        loop {
            let Some(answer) = answers.next().await else {
                return Err(NatsFailure::Other {
                    cause: "the connection was closed".to_owned(),
                });
            };
            if answer.payload == marker {
                break;
            }
            match answer.status {
                Some(async_nats::StatusCode::NO_RESPONDERS) => has_no_responders = true,
                _ => early.push(answer.payload),
            }
        }
        // Allows the library's event task, which was woken before, to report a refused question.
        tokio::task::yield_now().await;
        Ok(Self {
            answers,
            early,
            has_no_responders,
        })
    }

    /// Passes the answers to `take` until it has enough or the time for them is over.
    async fn gather(mut self, mut take: impl FnMut(&Bytes) -> bool) {
        if self.early.iter().any(&mut take) {
            return;
        }
        let more = async {
            while let Some(answer) = self.answers.next().await {
                if take(&answer.payload) {
                    return;
                }
            }
        };
        // The window ends it: an answer may come at any time.
        let _ = tokio::time::timeout(ANSWER_WINDOW, more).await;
    }
}

/// Sends a request on `subject` and counts the answers. 1 without an answer if the server has
/// interest.
async fn count(
    connection: &Connection,
    subject: String,
    payload: Bytes,
) -> Result<u32, NatsFailure> {
    let asked = Asked::ask(connection, subject, payload).await?;
    if asked.has_no_responders {
        return Ok(0);
    }
    if let Some(cause) = connection.fate.refusal() {
        return Err(NatsFailure::Permission { cause });
    }
    let mut answered = 0;
    let count = |_: &Bytes| {
        answered += 1;
        false
    };
    asked.gather(count).await;
    Ok(answered.max(1))
}

/// What of a server's list of connections matters here.
#[derive(Deserialize)]
struct Connections {
    data: ConnectionCount,
}

#[derive(Deserialize)]
struct ConnectionCount {
    /// Connections that pass the filter.
    num_connections: u64,
}

/// Whether the server, or another one of its cluster, lists a connection that subscribes to any of
/// `messages`. False as well if it returns no list.
async fn has_subscriber(
    connection: &Connection,
    messages: &SubjectPattern,
) -> Result<bool, NatsFailure> {
    let filter = serde_json::json!({ "filter_subject": messages.as_str(), "limit": 1 });
    let filter = Bytes::from(filter.to_string());
    let asked = Asked::ask(connection, CONNECTIONS.to_owned(), filter).await?;
    if asked.has_no_responders || connection.fate.refusal().is_some() {
        return Ok(false);
    }
    let mut is_listed = false;
    let look = |answer: &Bytes| {
        let list = serde_json::from_slice::<Connections>(answer);
        is_listed = list.is_ok_and(|list| list.data.num_connections > 0);
        is_listed
    };
    asked.gather(look).await;
    Ok(is_listed)
}
