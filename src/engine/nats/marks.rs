//! Marks in the stream of messages to a server: the answer to one means that the server has
//! processed everything before it.
//!
//! The protocol's own way is PING, which the client library does not offer to its users. So a mark
//! is a message to the connection's own inbox, which the server sends back. An account without the
//! right to that gets an answer too: the server's refusal, in the same order, which names the
//! subject. Marks then have numbered subjects. The server logs a line for each, so that a user of
//! [refused](Marks::are_refused) marks sends few.

use std::fmt;

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::NatsFailure;
use super::connect::{Connection, ConnectionFate};
use super::refusal::{Action, Refusal};

/// How the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It sends the mark back.
    Echo,
    /// It refuses to take the mark.
    RefusedPublish,
    /// It would take the mark, but refuses a subscription to it.
    RefusedSubscription,
}

/// What came from the server.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Everything before the mark of this position is processed.
    Reached(u64),
    /// Something else than a mark is refused. Precedes the marks that were sent after it.
    Refused(Refusal),
    /// The connection is gone.
    Lost,
}

/// An echo that is not handed out yet.
#[derive(Debug)]
struct Echo {
    position: u64,
    /// Whether refusals that the server sent before it are known.
    is_settled: bool,
}

/// What marks need of a connection.
pub(crate) trait Peer {
    /// A subscription to an inbox.
    type Echoes: fmt::Debug;

    /// What happened to the connection.
    fn fate(&self) -> &ConnectionFate;

    /// Waits until the connection is gone.
    async fn lost(&self);

    /// An inbox that no other client uses.
    fn new_inbox(&self) -> String;

    /// Subscribes to an inbox.
    async fn subscribe(&self, inbox: &str) -> Result<Self::Echoes, NatsFailure>;

    /// Position of the next mark that came back; `None` when the connection is gone. Nothing is lost
    /// when the wait is given up.
    async fn echo(&self, echoes: &mut Self::Echoes) -> Option<u64>;

    /// Sends a message. An error means that the connection is gone.
    async fn publish(&self, subject: String, payload: Bytes) -> Result<(), NatsFailure>;

    /// Subscribes, and ends the subscription at once: for the refusal. An error means that the
    /// connection is gone.
    async fn try_to_subscribe(&self, subject: String) -> Result<(), NatsFailure>;
}

impl Peer for Connection {
    type Echoes = Subscriber;

    fn fate(&self) -> &ConnectionFate {
        &self.fate
    }

    async fn lost(&self) {
        self.fate.lost().await;
    }

    fn new_inbox(&self) -> String {
        self.client.new_inbox()
    }

    async fn subscribe(&self, inbox: &str) -> Result<Subscriber, NatsFailure> {
        let echoes = self.client.subscribe(inbox.to_owned()).await;
        echoes.map_err(|error| NatsFailure::Other {
            cause: format!("subscribing to an inbox: {error}"),
        })
    }

    async fn echo(&self, echoes: &mut Subscriber) -> Option<u64> {
        loop {
            let payload = echoes.next().await?.payload;
            // A foreign message in the inbox is not a mark.
            if let Ok(position) = payload.as_ref().try_into() {
                return Some(u64::from_le_bytes(position));
            }
        }
    }

    async fn publish(&self, subject: String, payload: Bytes) -> Result<(), NatsFailure> {
        self.client.publish(subject, payload).await.map_err(gone)
    }

    async fn try_to_subscribe(&self, subject: String) -> Result<(), NatsFailure> {
        let subscribed = self.client.subscribe(subject).await;
        subscribed.map(drop).map_err(gone)
    }
}

/// The marks of one connection.
#[derive(Debug)]
pub(crate) struct Marks<'c, P: Peer> {
    connection: &'c P,
    inbox: String,
    echoes: P::Echoes,
    echo: Option<Echo>,
    way: Way,
    newest: u64,
    /// Whether the newest mark must be sent again, in another way.
    repeat: bool,
}

impl<'c, P: Peer> Marks<'c, P> {
    /// Subscribes to an inbox. No mark is sent yet.
    pub(crate) async fn start(connection: &'c P) -> Result<Self, NatsFailure> {
        let inbox = connection.new_inbox();
        Ok(Self {
            connection,
            echoes: connection.subscribe(&inbox).await?,
            inbox,
            echo: None,
            way: Way::Echo,
            newest: 0,
            repeat: false,
        })
    }

    /// Position of the newest mark.
    pub(crate) const fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether the answers are refusals, which the server logs.
    pub(crate) fn are_refused(&self) -> bool {
        self.refused().is_some()
    }

    /// What the account may not do with its inbox.
    pub(crate) const fn refused(&self) -> Option<Action> {
        match self.way {
            Way::Echo => None,
            Way::RefusedPublish => Some(Action::Publish),
            Way::RefusedSubscription => Some(Action::Subscribe),
        }
    }

    /// The inboxes that the client may choose from, as a pattern.
    pub(crate) fn inboxes(&self) -> String {
        let prefix = self.inbox.rsplit_once('.').map_or("", |(prefix, _)| prefix);
        format!("{prefix}.>")
    }

    /// Sends a mark. An error means that the connection is gone.
    pub(crate) async fn mark(&mut self, position: u64) -> Result<(), NatsFailure> {
        self.newest = position;
        // One word, so that it is allowed or refused as the inbox is.
        let numbered = || format!("{}_{position}", self.inbox);
        match self.way {
            Way::Echo => {
                let payload = Bytes::copy_from_slice(&position.to_le_bytes());
                self.connection.publish(self.inbox.clone(), payload).await
            }
            Way::RefusedPublish => self.connection.publish(numbered(), Bytes::new()).await,
            Way::RefusedSubscription => self.connection.try_to_subscribe(numbered()).await,
        }
    }

    /// The next answer. Nothing is lost when the wait is given up.
    pub(crate) async fn next(&mut self) -> Answer {
        loop {
            if let Some(echo) = self.echo.as_mut().filter(|echo| !echo.is_settled) {
                // Allows the library's event task, which was woken before, to report refusals that
                // the server sent before the echo.
                tokio::task::yield_now().await;
                echo.is_settled = true;
            }
            if self.repeat {
                if self.mark(self.newest).await.is_err() {
                    return Answer::Lost;
                }
                self.repeat = false;
            }
            if let Some(refusal) = self.connection.fate().take_refusal() {
                match self.answer(refusal) {
                    Some(answer) => return answer,
                    None => continue,
                }
            }
            if let Some(echo) = self.echo.take() {
                return Answer::Reached(echo.position);
            }
            tokio::select! {
                biased;
                () = self.connection.fate().is_refused() => {}
                echo = self.connection.echo(&mut self.echoes) => {
                    let Some(position) = echo else { return Answer::Lost };
                    self.echo = Some(Echo {
                        position,
                        is_settled: false,
                    });
                }
            }
        }
    }

    /// Waits until the mark of `position` is reached. Returns the refusals that came before.
    pub(crate) async fn reach(&mut self, position: u64) -> Result<Vec<Refusal>, NatsFailure> {
        let connection = self.connection;
        let mut refusals = Vec::new();
        loop {
            let answer = tokio::select! {
                biased;
                answer = self.next() => answer,
                () = connection.lost() => Answer::Lost,
            };
            match answer {
                Answer::Reached(reached) if reached >= position => return Ok(refusals),
                Answer::Reached(_) => {}
                Answer::Refused(refusal) => refusals.push(refusal),
                Answer::Lost => return Err(lost()),
            }
        }
    }

    /// What a refusal means; `None` when it concerns the inbox: the newest mark is then sent again
    /// in another way.
    fn answer(&mut self, refusal: Refusal) -> Option<Answer> {
        let Some(number) = refusal.subject.strip_prefix(&self.inbox) else {
            return Some(Answer::Refused(refusal));
        };
        if let Some(position) = number.strip_prefix('_').and_then(|n| n.parse().ok()) {
            return Some(Answer::Reached(position));
        }
        let way = match refusal.action {
            // Without the subscription no mark comes back, whether or not it may be published.
            Action::Subscribe => Way::RefusedSubscription,
            Action::Publish => Way::RefusedPublish,
        };
        if self.way != Way::RefusedSubscription && self.way != way {
            self.way = way;
            self.repeat = true;
        }
        None
    }
}

/// Waits until the server has processed everything sent before. (The client library's `flush` only
/// empties the socket buffer.) Returns what it refused meanwhile.
pub(crate) async fn round_trip(peer: &impl Peer) -> Result<Vec<Refusal>, NatsFailure> {
    let mut marks = Marks::start(peer).await?;
    marks.mark(0).await?;
    marks.reach(0).await
}

fn gone(_: impl std::error::Error) -> NatsFailure {
    lost()
}

pub(crate) fn lost() -> NatsFailure {
    NatsFailure::Unreachable {
        cause: "the connection was lost".to_owned(),
    }
}
