//! One-time requests to a server, each on a separate connection and thread: whether it answers,
//! and whether a subject has subscribers.
//!
//! A core NATS server does not report how many subscribers a subject has, only whether it has none.
//! So subscribers that want to be counted answer a question. Others can only be noticed: the server
//! lists the connections of the own account, with a filter by subject.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt};
use serde::Deserialize;
use tickdeck_core::thread;

use super::connect::{self, Connection};
use super::marks::{Marks, lost, round_trip};
use super::options::Plan;
use super::refusal::{Action, Refusal};
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
    let probe = async |connection: &Connection| round_trip(connection).await.map(drop);
    on_connection(nats.plan()?, probe)
}

/// How many subscribers a publisher on `subject` can be sure of: the number that answer a request
/// on it. It is at least 1 if the server has any interest in the subject, and 0 if it answers "no
/// responders".
///
/// # Errors
/// When the server cannot be reached or refuses. A failure that
/// [is retryable](NatsFailure::is_retryable) means that the connection was lost meanwhile.
pub fn count_subscribers(nats: &NatsOptions, subject: &str) -> Result<u32, NatsError> {
    let subject = subject.to_owned();
    on_connection(nats.plan()?, async |connection| {
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
    /// Whether it was asked before: the connection is not logged again.
    pub is_repeated: bool,
}

/// What is known about the subscribers of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyCount {
    /// How many there are for certain.
    pub found: u32,
    /// Why no subscriber could be asked: a missing right. `found` then comes from the list alone.
    pub not_asked: Option<NatsFailure>,
    /// Whether the server has listed the connections of the account.
    pub is_listed: bool,
}

/// How many subscribers answer the question. When none does, 1 if the server lists a connection of
/// the account that subscribes to any of `messages`.
///
/// It is not an error when the account may not send the request, or when the server does not list
/// connections. The server may be too old, or the account may not request the list.
///
/// # Errors
/// When the server cannot be reached, refuses the login, or allows no further connection. A failure
/// that [is retryable](NatsFailure::is_retryable) means that the connection was lost meanwhile.
pub fn count_ready(nats: &NatsOptions, poll: ReadyPoll) -> Result<ReadyCount, NatsError> {
    let plan = Plan {
        is_auxiliary: true,
        is_repeated: poll.is_repeated,
        ..nats.plan()?
    };
    on_connection(plan, async move |connection| {
        let (answered, not_asked) = match count(connection, poll.subject, poll.payload.into()).await
        {
            Ok(answered) => (answered, None),
            Err(failure) if failure.is_missing_right() => (0, Some(failure)),
            Err(failure) => return Err(failure),
        };
        let listed = match answered {
            0 => has_subscriber(connection, &poll.messages).await?,
            _ => None,
        };
        Ok(ReadyCount {
            found: answered.max(u32::from(listed == Some(true))),
            not_asked,
            is_listed: listed.is_some(),
        })
    })
}

/// Does `work` on a separate connection and thread.
pub(super) fn on_connection<T: Send + 'static>(
    plan: Plan,
    work: impl AsyncFnOnce(&Connection) -> Result<T, NatsFailure> + Send + 'static,
) -> Result<T, NatsError> {
    let at = connect::at(&plan);
    let working = thread::spawn("tickdeck-nats-ask", move || {
        runtime::run(async {
            let connection = connect::connect(&plan, Some(plan.options.connect_timeout)).await?;
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
            cause: "the request thread ended early".to_owned(),
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
    /// Why there may be no answer: the request was not accepted, or answers cannot be received.
    refusal: Option<Refusal>,
}

impl Asked {
    /// Publishes the question and waits until the server has handled it.
    ///
    /// The server handles a connection's messages in order and answers "no responders" itself. Once
    /// a mark sent after the request is reached, it is known whether there is a subscriber, at any
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
        let mut marks = Marks::start(connection).await?;
        client
            .publish_with_reply(subject.clone(), inbox.clone(), payload)
            .await
            .map_err(|error| other(&error))?;
        marks.mark(1).await?;
        let refusals = marks.reach(1).await?;
        // The question first: its subject means more to the user than that of an inbox.
        let refused = |action, subject: &str| {
            let is_it = |refusal: &&Refusal| refusal.action == action && refusal.subject == subject;
            refusals.iter().find(is_it)
        };
        let refusal = refused(Action::Publish, &subject)
            .cloned()
            .or_else(|| refused(Action::Subscribe, &inbox).map(Refusal::of_any_answer));
        let (mut early, mut has_no_responders) = (Vec::new(), false);
        while let Some(Some(answer)) = answers.next().now_or_never() {
            match answer.status {
                Some(async_nats::StatusCode::NO_RESPONDERS) => has_no_responders = true,
                _ => early.push(answer.payload),
            }
        }
        Ok(Self {
            answers,
            early,
            has_no_responders,
            refusal,
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
        let _ = runtime::within(ANSWER_WINDOW, more).await;
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
    if let Some(refusal) = &asked.refusal {
        return Err(refusal.failure());
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
/// `messages`; `None` if it returns no list.
async fn has_subscriber(
    connection: &Connection,
    messages: &SubjectPattern,
) -> Result<Option<bool>, NatsFailure> {
    let filter = serde_json::json!({ "filter_subject": messages.as_str(), "limit": 1 });
    let filter = Bytes::from(filter.to_string());
    let asked = Asked::ask(connection, CONNECTIONS.to_owned(), filter).await?;
    if asked.has_no_responders || asked.refusal.is_some() {
        return Ok(None);
    }
    let mut is_listed = None;
    let look = |answer: &Bytes| {
        if let Ok(list) = serde_json::from_slice::<Connections>(answer) {
            let has_one = list.data.num_connections > 0;
            is_listed = Some(has_one || is_listed == Some(true));
        }
        is_listed == Some(true)
    };
    asked.gather(look).await;
    Ok(is_listed)
}
