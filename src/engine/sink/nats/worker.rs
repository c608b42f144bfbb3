//! The thread of a NATS sink: one connection after another, and one window for all of them.
//!
//! Invariant: on every connection the first thing sent is the window from its start, so a message
//! is never sent before an older one that may have been lost.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Interval;

use super::window::{MARK_MESSAGES, Window};
use crate::nats::connect::Plan;
use crate::nats::marks::{Answer, Marks, Peer};
use crate::nats::refusal::{Action, Refusal, Warnings, is_dispensable};
use crate::nats::wire::Wire;
use crate::nats::{NatsFailure, runtime};
use crate::sink::MessageBatch;
use crate::sink::broker::connections::{Connect, End, Worker};
use crate::sink::broker::{Command, Seat};

/// A marker follows a message after at most this long.
const MARK_INTERVAL: Duration = Duration::from_millis(50);
/// The same where the server logs a line for each marker.
const REFUSED_MARK_INTERVAL: Duration = Duration::from_secs(5);
/// Markers without an answer after which the connection is given up. An answer may be lost in a flood
/// of refusals, and permissions may change; a new connection finds out how the server answers.
const UNANSWERED_MAX: u32 = 3;

/// Owns everything that outlives a connection.
pub(super) struct NatsWorker<C> {
    plan: Plan,
    seat: Seat,
    window: Window,
    /// Position up to which messages were handed to a connection at least once.
    sent: u64,
    flushes: Vec<oneshot::Sender<()>>,
    warnings: Warnings,
    /// Whether the log has that the inbox is refused.
    is_restricted: bool,
    /// Dispensable subjects that were used.
    tried: BTreeSet<Bytes>,
    /// Subjects that are refused, and dispensable: nothing more is sent to them.
    dispensed: BTreeSet<String>,
    connection: PhantomData<fn() -> C>,
}

impl<C: Carrier> Worker for NatsWorker<C> {
    type Connection = C;

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn seat(&self) -> &Seat {
        &self.seat
    }

    fn progress(&self) -> u64 {
        self.window.first()
    }

    fn unconfirmed(&self) -> u64 {
        self.window.end() - self.window.first()
    }

    async fn serve(&mut self, connection: &C) -> End {
        let result = match Link::start(connection).await {
            Ok(mut link) => self.serve_link(&mut link).await,
            Err(end) => Err(end),
        };
        match result {
            Err(end) => end,
        }
    }

    /// A warning where the run can do without, and the end of publishing otherwise. The connection
    /// stays, for the end marker.
    fn refused(&mut self, refusal: &Refusal) {
        match refusal.missing_permission_help() {
            Some(help) => {
                self.warnings.warn(&self.plan.shown, refusal, help);
                self.dispensed.insert(refusal.subject.clone());
            }
            // The sink subscribes to its inbox only, and the marks take care of that.
            None if refusal.action == Action::Subscribe => {}
            None => self.fail(refusal.failure()),
        }
    }
}

impl<C: Carrier> NatsWorker<C> {
    pub(super) fn new(plan: Plan, seat: Seat) -> Self {
        Self {
            plan,
            seat,
            window: Window::default(),
            sent: 0,
            flushes: Vec::new(),
            warnings: Warnings::default(),
            is_restricted: false,
            tried: BTreeSet::new(),
            dispensed: BTreeSet::new(),
            connection: PhantomData,
        }
    }

    async fn serve_link(
        &mut self,
        link: &mut Link<'_, C>,
    ) -> Result<std::convert::Infallible, End> {
        self.begin(link).await?;
        loop {
            // Permissions may change while connected.
            link.slow_down_if_refused();
            tokio::select! {
                biased;
                // Confirmations first: they make room.
                answer = link.marks.next() => match answer {
                    Answer::Reached(position) => {
                        link.unanswered = 0;
                        self.confirm(position);
                    }
                    Answer::Refused(refusal) => self.refused(&refusal),
                    Answer::Lost => return Err(End::Lost),
                },
                command = self.seat.commands.recv(), if !self.window.is_full() => match command {
                    // Handed over before the failure was known.
                    Some(Command::Publish(_)) if self.seat.stats.failure.get().is_some() => {}
                    Some(Command::Publish(messages) | Command::Announce(messages)) => {
                        self.window.push(messages);
                        self.sent = self.window.end();
                        if let Some(newest) = self.window.newest() {
                            link.connection.send(newest, &self.dispensed).await?;
                        }
                        let (end, is_full) = (self.window.end(), self.window.is_full());
                        if self.is_first_try() {
                            link.mark(end).await?;
                            self.reach(link, end).await?;
                        } else if is_full || link.is_mark_due(end) {
                            link.mark(end).await?;
                        }
                    }
                    Some(Command::Flush(done)) => {
                        if link.marks.newest() < self.window.end() {
                            link.mark(self.window.end()).await?;
                        }
                        self.flushes.push(done);
                        self.confirm(self.window.first());
                    }
                    // The sink is gone; its stop handle ends this thread.
                    None => std::future::pending().await,
                },
                _ = link.timer.tick(), if link.awaits_mark(&self.window) => {
                    link.mark_again(self.window.end()).await?;
                }
            }
        }
    }

    /// Whether the newest batch begins with a dispensable subject that was not used before. Control
    /// messages come one at a time.
    ///
    /// The first is waited for: the library reports a limited number of refusals at a time, so that
    /// a flood of refused clock stamps could hide a refused tick.
    fn is_first_try(&mut self) -> bool {
        let first = self
            .window
            .newest()
            .and_then(|batch| batch.messages().next());
        first.is_some_and(|message| {
            is_dispensable(&message.subject) && self.tried.insert(message.subject)
        })
    }

    /// Ends publishing. What is unconfirmed counts as not delivered.
    fn fail(&mut self, failure: NatsFailure) {
        // The first refusal names the first message that was not delivered.
        if self.seat.stats.failure.set(failure).is_ok() {
            self.window.give_up();
            self.sent = self.window.end();
            self.flushes.clear();
            self.seat.stats.wake();
        }
    }

    /// Makes sure that the inbox works, then sends the window again.
    async fn begin(&mut self, link: &mut Link<'_, C>) -> Result<(), End> {
        let again = self.sent - self.window.first();
        if self.seat.ready.is_none() {
            self.seat.stats.reconnects.fetch_add(1, Ordering::Relaxed);
            self.seat.stats.resent.fetch_add(again, Ordering::Relaxed);
            tracing::warn!(
                event = "nats_resend",
                server = self.plan.shown,
                resent = again,
                "reconnected: messages that the server may not have received are sent again"
            );
        }
        self.probe(link).await?;
        // The receiver is gone only when the sink was dropped.
        if let Some(ready) = self.seat.ready.take() {
            let _ = ready.send(());
        }
        for batch in self.window.batches() {
            link.connection.send(batch, &self.dispensed).await?;
        }
        if !self.window.is_empty() {
            link.mark(self.window.end()).await?;
        }
        Ok(())
    }

    /// Waits for the answer to one marker, which shows how the server answers.
    async fn probe(&mut self, link: &mut Link<'_, C>) -> Result<(), End> {
        link.mark(self.window.first()).await?;
        self.reach(link, self.window.first()).await?;
        link.slow_down_if_refused();
        if let Some(refused) = link.marks.refused()
            && link.is_slow
            && !self.is_restricted
        {
            self.is_restricted = true;
            let inbox = link.marks.inboxes();
            tracing::warn!(
                event = "nats_inbox_refused",
                server = self.plan.shown,
                inbox,
                permission = format!("{refused} {inbox}"),
                "the account may not {refused} to {inbox}: until it may publish and subscribe there, \
                 the server refuses one message every few seconds and logs each refusal"
            );
        }
        Ok(())
    }

    /// Waits until everything before `position` is processed.
    async fn reach(&mut self, link: &mut Link<'_, C>, position: u64) -> Result<(), End> {
        loop {
            link.slow_down_if_refused();
            let answer = tokio::select! {
                biased;
                answer = link.marks.next() => answer,
                _ = link.timer.tick(), if link.is_slow => {
                    link.mark_again(position).await?;
                    continue;
                }
            };
            match answer {
                Answer::Reached(reached) => {
                    link.unanswered = 0;
                    self.confirm(reached);
                    if reached >= position {
                        return Ok(());
                    }
                }
                Answer::Refused(refusal) => self.refused(&refusal),
                Answer::Lost => return Err(End::Lost),
            }
        }
    }

    fn confirm(&mut self, position: u64) {
        self.window.confirm(position);
        if self.seat.stats.failure.get().is_none() {
            self.seat
                .stats
                .confirmed
                .store(self.window.first(), Ordering::Relaxed);
        }
        // A flush follows everything that it waits for, and nothing follows it until it is
        // answered. So an empty window answers every one.
        if self.window.is_empty() {
            for flush in self.flushes.drain(..) {
                let _ = flush.send(());
            }
        }
    }
}

/// One connection with its marks.
struct Link<'c, C: Carrier> {
    connection: &'c C,
    marks: Marks<'c, C>,
    timer: Interval,
    /// Whether the server logs a line for each marker, so that they are few.
    is_slow: bool,
    /// Markers that were repeated since the last answer.
    unanswered: u32,
}

impl<'c, C: Carrier> Link<'c, C> {
    async fn start(connection: &'c C) -> Result<Self, End> {
        Ok(Self {
            connection,
            marks: Marks::start(connection).await?,
            timer: runtime::ticks(MARK_INTERVAL),
            is_slow: false,
            unanswered: 0,
        })
    }

    /// Sends few markers from now on, where they are refused.
    fn slow_down_if_refused(&mut self) {
        if self.marks.are_refused() && !self.is_slow {
            self.is_slow = true;
            self.timer = runtime::ticks(REFUSED_MARK_INTERVAL);
        }
    }

    /// Whether enough messages follow the newest marker. Where markers are few, only a full window
    /// needs one early.
    fn is_mark_due(&self, end: u64) -> bool {
        !self.is_slow && end - self.marks.newest() >= MARK_MESSAGES
    }

    async fn mark(&mut self, position: u64) -> Result<(), End> {
        self.marks.mark(position).await.map_err(|_| End::Lost)
    }

    /// Whether a marker is due when the time for one has come. Where markers are refused, one may be
    /// needed again.
    fn awaits_mark(&self, window: &Window) -> bool {
        self.marks.newest() < window.end() || (self.is_slow && !window.is_empty())
    }

    /// Marks `end`, also when it is marked and no answer has come for long.
    async fn mark_again(&mut self, end: u64) -> Result<(), End> {
        if self.marks.newest() == end {
            self.unanswered += 1;
            if self.unanswered > UNANSWERED_MAX {
                return Err(End::Lost);
            }
        }
        self.mark(end).await
    }
}

/// A connection that carries messages.
pub(super) trait Carrier: Connect + Peer {
    /// Sends a batch, without the messages to the subjects of `dispensed`.
    async fn send(&self, batch: &MessageBatch, dispensed: &BTreeSet<String>) -> Result<(), End>;
}

fn is_dispensed(subject: &[u8], dispensed: &BTreeSet<String>) -> bool {
    !dispensed.is_empty()
        && str::from_utf8(subject).is_ok_and(|subject| dispensed.contains(subject))
}

impl Carrier for Wire {
    async fn send(&self, batch: &MessageBatch, dispensed: &BTreeSet<String>) -> Result<(), End> {
        let messages = batch
            .iter()
            .filter(|message| !is_dispensed(message.subject, dispensed))
            .map(|message| (message.subject, message.payload));
        Ok(self.publish_all(messages).await?)
    }
}

/// A live session sends few messages at a time, for which the client library is fast enough.
#[cfg(feature = "live")]
mod library {
    use async_nats::Subject;
    use async_nats::client::PublishErrorKind;

    use super::*;
    use crate::nats::connect::Connection;
    use crate::sink::Message;

    impl Carrier for Connection {
        async fn send(
            &self,
            batch: &MessageBatch,
            dispensed: &BTreeSet<String>,
        ) -> Result<(), End> {
            let messages = batch.messages();
            for message in messages.filter(|message| !is_dispensed(&message.subject, dispensed)) {
                send_one(self, message).await?;
            }
            Ok(())
        }
    }

    /// No copy: subject and payload are slices of the batch's buffer. The library checks the subject
    /// for white space, which keeps the protocol safe at no measurable cost.
    async fn send_one(connection: &Connection, message: Message) -> Result<(), End> {
        let Message { subject, payload } = message;
        let unpublishable =
            |cause| End::Failed(NatsFailure::unpublishable(&subject, &payload, cause));
        let name = Subject::try_from(subject.clone())
            .map_err(|_| unpublishable("the subject is not UTF-8"))?;
        let sent = connection.client.publish(name, payload.clone()).await;
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::Send => End::Lost,
            PublishErrorKind::InvalidSubject => {
                unpublishable("the subject is empty or has white space; it must be percent-encoded")
            }
            PublishErrorKind::MaxPayloadExceeded => {
                End::Failed(NatsFailure::too_large(&subject, &payload))
            }
        })
    }
}
