//! The thread of a NATS sink: one connection after another, and one window for all of them.
//!
//! Invariant: on every connection the first thing sent is the window from its start, so a message
//! is never sent before an older one that may have been lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use async_nats::client::{PublishError, PublishErrorKind};
use async_nats::{Client, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::window::{MARK_MESSAGES, Window};
use super::{NatsStats, NatsStop};
use crate::nats::connect::{Connection, connect};
use crate::nats::{NatsFailure, runtime};
use crate::sink::{Message, MessageBatch};

/// A marker follows a message after at most this long.
const MARK_INTERVAL: Duration = Duration::from_millis(50);

/// What the sink asks of its thread.
pub(super) enum Command {
    /// Send these next.
    Publish(MessageBatch),
    /// Answer when everything sent before is confirmed.
    Flush(oneshot::Sender<()>),
}

/// Why one connection ended.
enum End {
    /// The server or the network failed. The next connection continues.
    Lost,
    /// Nothing more can be done.
    Failed(NatsFailure),
}

impl From<NatsFailure> for End {
    fn from(failure: NatsFailure) -> Self {
        Self::Failed(failure)
    }
}

/// Owns everything that outlives a connection.
pub(super) struct Worker {
    plan: crate::nats::connect::Plan,
    commands: mpsc::Receiver<Command>,
    stats: Arc<NatsStats>,
    stop: NatsStop,
    /// Dropped when the first connection is up.
    ready: Option<std_mpsc::SyncSender<()>>,
    window: Window,
    /// Position up to which messages were handed to a connection at least once.
    sent: u64,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Worker {
    pub(super) fn new(
        plan: crate::nats::connect::Plan,
        commands: mpsc::Receiver<Command>,
        stats: Arc<NatsStats>,
        stop: NatsStop,
        ready: std_mpsc::SyncSender<()>,
    ) -> Self {
        Self {
            plan,
            commands,
            stats,
            stop,
            ready: Some(ready),
            window: Window::default(),
            sent: 0,
            flushes: Vec::new(),
        }
    }

    /// Runs until the sink is stopped or nothing more can be done.
    pub(super) fn run(mut self) -> Result<(), NatsFailure> {
        let stop = self.stop.clone();
        let mut limit = Some(self.plan.options.connect_timeout);
        loop {
            let end = runtime::run(async {
                tokio::select! {
                    biased;
                    () = stop.asked() => End::Failed(NatsFailure::Other {
                        cause: "stopped before everything was confirmed".to_owned(),
                    }),
                    end = self.connect_and_serve(limit) => end,
                }
            })
            .map_err(|error| NatsFailure::Other {
                cause: format!("starting the connection: {error}"),
            })?;
            match end {
                End::Failed(failure) => return Err(failure),
                End::Lost => tracing::warn!(
                    event = "nats_disconnected",
                    server = self.plan.shown,
                    connection = self.plan.options.name,
                    unconfirmed = self.window.end() - self.window.first(),
                ),
            }
            limit = self.plan.options.reconnect_timeout;
        }
    }

    async fn connect_and_serve(&mut self, limit: Option<Duration>) -> End {
        let connection = match connect(&self.plan, limit).await {
            Ok(connection) => connection,
            Err(failure) => return End::Failed(failure),
        };
        self.stats.max_payload.store(
            connection.client.server_info().max_payload,
            Ordering::Relaxed,
        );
        let fate = Arc::clone(&connection.fate);
        let end = tokio::select! {
            biased;
            () = fate.lost() => End::Lost,
            cause = fate.refused() => End::Failed(NatsFailure::Permission { cause }),
            end = self.serve(&connection) => end,
        };
        // A refusal may have ended the connection.
        match fate.refusal() {
            Some(cause) => End::Failed(NatsFailure::Permission { cause }),
            None => end,
        }
    }

    async fn serve(&mut self, connection: &Connection) -> End {
        let started = Link::start(connection, self.window.first()).await;
        let result = match started {
            Ok(mut link) => self.serve_link(&mut link).await,
            Err(end) => Err(end),
        };
        match result {
            Err(end) => end,
        }
    }

    async fn serve_link(&mut self, link: &mut Link<'_>) -> Result<std::convert::Infallible, End> {
        self.begin(link).await?;
        loop {
            tokio::select! {
                biased;
                // Confirmations first: they make room.
                echo = link.echoes.next() => {
                    let position = link.position(echo).await?;
                    self.confirm(position);
                }
                command = self.commands.recv(), if !self.window.is_full() => match command {
                    Some(Command::Publish(messages)) => {
                        self.window.push(messages);
                        self.sent = self.window.end();
                        if let Some(newest) = self.window.newest() {
                            link.send(newest).await?;
                        }
                        let end = self.window.end();
                        if end - link.marked >= MARK_MESSAGES || self.window.is_full() {
                            link.mark(end).await?;
                        }
                    }
                    Some(Command::Flush(done)) => {
                        if link.marked < self.window.end() {
                            link.mark(self.window.end()).await?;
                        }
                        self.flushes.push(done);
                        self.confirm(self.window.first());
                    }
                    // The sink is gone; its stop handle ends this thread.
                    None => std::future::pending().await,
                },
                _ = link.timer.tick(), if link.marked < self.window.end() => {
                    link.mark(self.window.end()).await?;
                }
            }
        }
    }

    /// Makes sure that the inbox works, then sends the window again.
    async fn begin(&mut self, link: &mut Link<'_>) -> Result<(), End> {
        let again = self.sent - self.window.first();
        if self.ready.is_none() {
            self.stats.reconnects.fetch_add(1, Ordering::Relaxed);
            self.stats.resent.fetch_add(again, Ordering::Relaxed);
            tracing::warn!(
                event = "nats_resend",
                server = self.plan.shown,
                resent = again,
                "reconnected: messages that the server may not have received are sent again"
            );
        }
        link.probe().await?;
        // The receiver is gone only when the sink was dropped.
        if let Some(ready) = self.ready.take() {
            let _ = ready.send(());
        }
        for batch in self.window.batches() {
            link.send(batch).await?;
        }
        if !self.window.is_empty() {
            link.mark(self.window.end()).await?;
        }
        Ok(())
    }

    fn confirm(&mut self, position: u64) {
        self.window.confirm(position);
        self.stats
            .confirmed
            .store(self.window.first(), Ordering::Relaxed);
        // A flush follows everything that it waits for, and nothing follows it until it is
        // answered. So an empty window answers every one.
        if self.window.is_empty() {
            for flush in self.flushes.drain(..) {
                let _ = flush.send(());
            }
        }
    }
}

/// One connection with its inbox.
struct Link<'c> {
    client: &'c Client,
    connection: &'c Connection,
    inbox: Subject,
    echoes: Subscriber,
    /// Position of the newest marker.
    marked: u64,
    timer: Interval,
}

impl<'c> Link<'c> {
    async fn start(connection: &'c Connection, first: u64) -> Result<Self, End> {
        let client = &connection.client;
        let inbox = Subject::from(client.new_inbox());
        let echoes = client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| NatsFailure::Other {
                cause: format!("subscribing to an inbox: {error}"),
            })?;
        let mut timer = interval(MARK_INTERVAL);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            client,
            connection,
            inbox,
            echoes,
            marked: first,
            timer,
        })
    }

    /// Waits for one marker, so that an account without the right to an inbox fails at once.
    async fn probe(&mut self) -> Result<(), End> {
        self.mark(self.marked).await?;
        let echo = self.echoes.next().await;
        self.position(echo).await.map(drop)
    }

    async fn send(&self, batch: &MessageBatch) -> Result<(), End> {
        for message in batch.messages() {
            // No copy: both are slices of the batch's buffer. The library checks the subject for
            // white space, which keeps the protocol safe at no measurable cost.
            let subject = Subject::try_from(message.subject.clone())
                .map_err(|_| unpublishable(&message, "the subject is not UTF-8"))?;
            self.client
                .publish(subject, message.payload.clone())
                .await
                .map_err(|error| publish_failure(&message, &error))?;
        }
        Ok(())
    }

    async fn mark(&mut self, position: u64) -> Result<(), End> {
        let payload = Bytes::copy_from_slice(&position.to_le_bytes());
        self.client
            .publish(self.inbox.clone(), payload)
            .await
            .map_err(|_| End::Lost)?;
        self.marked = position;
        Ok(())
    }

    /// The position of a marker that came back. A refusal that the server sent before it counts
    /// first: then not everything before the marker was processed.
    async fn position(&self, echo: Option<async_nats::Message>) -> Result<u64, End> {
        let Some(message) = echo else {
            return Err(End::Lost);
        };
        // Allows the library's event task, which was woken before, to report such a refusal.
        tokio::task::yield_now().await;
        if let Some(cause) = self.connection.fate.refusal() {
            return Err(End::Failed(NatsFailure::Permission { cause }));
        }
        let position = message.payload.as_ref().try_into().map(u64::from_le_bytes);
        position.map_err(|_| {
            End::Failed(NatsFailure::Other {
                cause: format!("a foreign message of {} bytes in the inbox", message.length),
            })
        })
    }
}

fn unpublishable(message: &Message, cause: &str) -> End {
    End::Failed(NatsFailure::Unpublishable {
        subject: message.subject.escape_ascii().to_string(),
        bytes: message.payload.len(),
        cause: cause.to_owned(),
    })
}

fn publish_failure(message: &Message, error: &PublishError) -> End {
    match error.kind() {
        PublishErrorKind::Send => End::Lost,
        PublishErrorKind::InvalidSubject => unpublishable(
            message,
            "the subject is empty or has white space; it must be percent-encoded",
        ),
        PublishErrorKind::MaxPayloadExceeded => unpublishable(
            message,
            "the payload is larger than the server's max_payload",
        ),
    }
}
