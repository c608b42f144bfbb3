//! The thread of a JetStream sink: one connection after another, and one [machine](super::machine) for
//! all of them. It decides nothing about messages.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use tickdeck_core::clock::{Clock, MonoNanos, SystemClock};
use tokio::sync::oneshot;

use super::link::{Connections, Link};
use super::machine::{Machine, Next, Note, Run, StreamNow};
use super::open::{Opened, open};
use super::options::JetStreamOptions;
use super::wire::{self, Member, Stamp};
use crate::nats::connect::Plan;
use crate::nats::refusal::{Refusal, Warnings, is_dispensable};
use crate::nats::stream::api::RequestFailure;
use crate::nats::{NatsFailure, ServerMessage, StreamProblem, runtime};
use crate::sink::broker::connections::{Connect as _, End, Worker};
use crate::sink::broker::{Command, Seat};

/// In a long row, each of so many messages asks for an acknowledgement, besides the last.
const ACK_EVERY: u64 = 256;

/// Owns everything that outlives a connection.
pub(super) struct StreamWorker {
    plan: Plan,
    options: JetStreamOptions,
    seat: Seat,
    clock: SystemClock,
    stamp: Stamp,
    /// `None` until the stream is open.
    machine: Option<Machine>,
    /// Control messages among the ticks: how many ticks were before each.
    control: VecDeque<u64>,
    /// Control messages that count as confirmed.
    control_confirmed: u64,
    taken: u64,
    flushes: Vec<oneshot::Sender<()>>,
    batches: u64,
    warnings: Warnings,
    /// Why the stream was asked without an answer, last.
    said: Option<String>,
}

impl Worker for StreamWorker {
    type Connection = Connections;

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn seat(&self) -> &Seat {
        &self.seat
    }

    fn progress(&self) -> u64 {
        let ticks = self.machine.as_ref().map_or(0, Machine::confirmed);
        ticks + self.control_confirmed
    }

    fn unconfirmed(&self) -> u64 {
        self.taken.saturating_sub(self.seat.stats.confirmed())
    }

    async fn serve(&mut self, connection: &Connections) -> End {
        let link = Link::start(connection, &self.options).await;
        match self.serve_link(&link).await {
            Err(end) => end,
        }
    }

    /// A warning where the run can do without, and the end of publishing otherwise.
    fn refused(&mut self, refusal: &Refusal) {
        match refusal.missing_permission_help() {
            Some(help) => self.warnings.warn(&self.plan.shown, refusal, help),
            None => self.fail(refusal.failure()),
        }
    }
}

impl StreamWorker {
    pub(super) fn new(plan: Plan, options: JetStreamOptions, seat: Seat) -> Self {
        Self {
            stamp: Stamp::new(&options.session, &options.run),
            plan,
            options,
            seat,
            clock: SystemClock::new(),
            machine: None,
            control: VecDeque::new(),
            control_confirmed: 0,
            taken: 0,
            flushes: Vec::new(),
            batches: 0,
            warnings: Warnings::default(),
            said: None,
        }
    }

    async fn serve_link(&mut self, link: &Link<'_>) -> Result<std::convert::Infallible, End> {
        self.begin(link).await?;
        loop {
            let wait = self.advance(link).await?;
            let has_room = self.is_open_for_more();
            tokio::select! {
                biased;
                // Acknowledgements first: they make room.
                answer = link.answer() => self.answered(link, &answer),
                () = link.connections.is_refused() => {
                    while let Some(refusal) = link.connections.take_refusal() {
                        self.refused(&refusal);
                    }
                }
                command = self.seat.commands.recv(), if has_room => match command {
                    Some(command) => self.command(link, command).await?,
                    // The sink is gone; its stop handle ends this thread.
                    None => std::future::pending().await,
                },
                () = sleep_until(&self.clock, wait) => {}
            }
        }
    }

    /// Opens the stream, or finds out where it is after a reconnect.
    async fn begin(&mut self, link: &Link<'_>) -> Result<(), End> {
        let now = self.clock.now();
        if let Some(machine) = &mut self.machine {
            self.seat.stats.reconnects.fetch_add(1, Ordering::Relaxed);
            machine.on_connected(now);
            return Ok(());
        }
        let version = link.connections.version();
        let Opened { found, promise } =
            open(&link.api, &self.options, self.stamp.run(), version).await?;
        tracing::info!(
            event = "jetstream_open",
            server = self.plan.shown,
            stream = self.options.stream.name.as_str(),
            version = promise.version,
            storage = promise.storage.as_str(),
            replicas = promise.replicas,
            first = found.place.base,
            stored = found.place.stored,
            durable = self.options.stream.durable,
            "{promise}"
        );
        let machine = Machine::new(found, self.options.stream.durable, now);
        self.seat
            .stats
            .stream_base
            .store(machine.base(), Ordering::Release);
        self.machine = Some(machine);
        // The receiver is gone only when the sink was dropped.
        if let Some(ready) = self.seat.ready.take() {
            let _ = ready.send(());
        }
        Ok(())
    }

    /// Does what the machine says until it waits. Returns until when.
    async fn advance(&mut self, link: &Link<'_>) -> Result<MonoNanos, End> {
        loop {
            let now = self.clock.now();
            let Some(machine) = self.machine.as_mut().filter(|_| !is_failed(&self.seat)) else {
                return Ok(MonoNanos::NEVER);
            };
            match machine.next(now) {
                Next::Wait(until) => return Ok(until),
                Next::Ask => self.ask(link).await,
                Next::Send(run) => {
                    let (base, generation) = (machine.base(), machine.generation());
                    self.send(link, &run, base, generation).await?;
                    // Acknowledgements that are there already.
                    while let Some(answer) = link.answer().now_or_never() {
                        self.answered(link, &answer);
                    }
                }
            }
        }
    }

    async fn send(
        &mut self,
        link: &Link<'_>,
        run: &Run,
        base: u64,
        generation: u64,
    ) -> Result<(), End> {
        let is_durable = self.options.stream.durable;
        self.batches += 1;
        let (batch, stamp) = (self.batches, &self.stamp);
        let mut position = run.first;
        let write = |headers: &mut Vec<u8>| {
            let sequence = base + position;
            position += 1;
            let is_last = position == run.end;
            let member = is_durable.then_some(Member {
                batch,
                index: position - run.first,
                is_last,
            });
            stamp.write(headers, sequence, member);
            let is_asked = is_last || (!is_durable && position.is_multiple_of(ACK_EVERY));
            is_asked.then(|| wire::reply(&link.inbox, generation, position))
        };
        link.publish(&run.parts, write).await
    }

    /// Asks the stream where it is.
    async fn ask(&mut self, link: &Link<'_>) {
        let state = self.state(link).await;
        let now = self.clock.now();
        let Some(machine) = self.machine.as_mut() else {
            return;
        };
        let notes = match state {
            Ok(state) => {
                self.said = None;
                machine.on_state(now, &state)
            }
            Err(RequestFailure::NotFound) => Err(StreamProblem::Deleted {
                stream: self.options.stream.name.to_string(),
            }),
            Err(
                RequestFailure::Later(cause)
                | RequestFailure::Unavailable(cause)
                | RequestFailure::Refused(cause),
            ) => {
                let waits = machine.on_no_state(now);
                if self.said.as_ref() != Some(&cause) {
                    tracing::warn!(
                        event = "jetstream_waiting",
                        server = self.plan.shown,
                        stream = self.options.stream.name.as_str(),
                        reason = cause,
                        "the stream cannot be asked for its state; it is asked again"
                    );
                    self.said = Some(cause);
                }
                waits.map(|()| Vec::new())
            }
        };
        match notes {
            Ok(notes) => {
                notes.iter().for_each(|note| self.note(note));
                self.publish_counts();
            }
            Err(problem) => self.fail(problem.into()),
        }
    }

    async fn state(&self, link: &Link<'_>) -> Result<StreamNow, RequestFailure> {
        let info = link.api.info().await?;
        let last = info.state.last_sequence;
        let wants = self
            .machine
            .as_ref()
            .is_some_and(|machine| machine.wants_message(last));
        let message = match wants {
            true => match link.api.message(last).await {
                Ok(message) => Some(message),
                // Removed meanwhile. The end of the run finds the gap.
                Err(RequestFailure::NotFound) => None,
                Err(failure) => return Err(failure),
            },
            false => None,
        };
        Ok(StreamNow {
            created: info.created.unix_timestamp_nanos(),
            last,
            message,
        })
    }

    fn note(&self, note: &Note) {
        let (server, stream) = (&self.plan.shown, self.options.stream.name.as_str());
        match note {
            Note::WentBack { lost, last } => tracing::error!(
                event = "jetstream_went_back",
                server,
                stream,
                lost,
                last,
                "the broker lost {lost} acknowledged messages; they are sent again"
            ),
            Note::Resent { messages } => tracing::warn!(
                event = "jetstream_resend",
                server,
                stream,
                resent = messages,
                "messages that the stream does not have are sent again"
            ),
        }
    }

    fn answered(&mut self, link: &Link<'_>, message: &ServerMessage) {
        let Some((generation, end)) = wire::answered(&link.inbox, &message.subject) else {
            return;
        };
        let (Some(answer), Some(machine)) = (wire::answer(message), self.machine.as_mut()) else {
            return;
        };
        if is_failed(&self.seat) {
            return;
        }
        match machine.on_answer(generation, end, answer, self.clock.now()) {
            Ok(()) => self.publish_counts(),
            Err(problem) => self.fail(problem.into()),
        }
    }

    /// Control messages have no room of their window: they go by core NATS.
    fn is_open_for_more(&self) -> bool {
        self.machine.as_ref().is_none_or(Machine::has_room) || is_failed(&self.seat)
    }

    async fn command(&mut self, link: &Link<'_>, command: Command) -> Result<(), End> {
        match command {
            // Handed over before the failure was known.
            Command::Publish(_) if is_failed(&self.seat) => {}
            Command::Publish(messages) => match messages.get(0) {
                Some(first) if is_dispensable(first.subject) => {
                    link.publish_plain(&messages).await?;
                    self.taken += messages.len() as u64;
                    let ticks = self.taken - self.control_confirmed - self.control.len() as u64;
                    let ticks = ticks - messages.len() as u64;
                    self.control.extend(messages.iter().map(|_| ticks));
                    self.publish_counts();
                }
                _ => {
                    self.taken += messages.len() as u64;
                    let taken = self.machine.as_mut().map(|machine| machine.take(messages));
                    match taken {
                        Some(Err(problem)) => self.fail(problem.into()),
                        Some(Ok(())) | None => self.publish_counts(),
                    }
                }
            },
            Command::Announce(marker) => {
                link.publish_plain(&marker).await?;
                let refusals = link.round_trip().await?;
                refusals.iter().for_each(|refusal| self.refused(refusal));
                if !is_failed(&self.seat) {
                    self.taken += marker.len() as u64;
                    self.control_confirmed += marker.len() as u64;
                }
                self.publish_counts();
            }
            Command::Flush(done) => {
                self.flushes.push(done);
                self.publish_counts();
            }
        }
        Ok(())
    }

    /// Publishes what is known to the sink's side.
    fn publish_counts(&mut self) {
        let Some(machine) = &self.machine else { return };
        let stats = &self.seat.stats;
        let ticks = machine.confirmed();
        while self.control.front().is_some_and(|before| *before <= ticks) {
            self.control.pop_front();
            self.control_confirmed += 1;
        }
        let confirmed = ticks + self.control_confirmed;
        let is_failed = is_failed(&self.seat);
        if !is_failed {
            stats.confirmed.store(confirmed, Ordering::Relaxed);
        }
        stats.resent.store(machine.resent(), Ordering::Relaxed);
        stats.lost.store(machine.lost(), Ordering::Relaxed);
        if machine.is_idle() || is_failed {
            for flush in self.flushes.drain(..) {
                let _ = flush.send(());
            }
        }
    }

    /// Ends publishing. The connection stays, for the end marker.
    fn fail(&mut self, failure: NatsFailure) {
        if self.seat.ready.is_none() && self.seat.stats.failure.set(failure).is_ok() {
            self.publish_counts();
            self.seat.stats.wake();
        }
    }
}

/// Whether publishing has ended.
fn is_failed(seat: &Seat) -> bool {
    seat.stats.failure.get().is_some()
}

async fn sleep_until(clock: &SystemClock, until: MonoNanos) {
    if until == MonoNanos::NEVER {
        std::future::pending::<()>().await;
    }
    runtime::sleep(until.duration_since(clock.now())).await;
}
