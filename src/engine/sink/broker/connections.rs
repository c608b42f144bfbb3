//! The loop of a connection thread: one connection after another, until the sink is stopped or nothing
//! more can be done. What is done on a connection is the matter of a [`Worker`].

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Seat;
use crate::nats::connect::{Connection, Plan, connect};
use crate::nats::marks::Peer;
use crate::nats::refusal::Refusal;
use crate::nats::wire::Wire;
use crate::nats::{NatsFailure, runtime};

/// Pause before the next connection when the last one confirmed nothing: a server that ends each
/// connection at once would be asked without end.
const PAUSE: Duration = Duration::from_millis(100);

/// Why one connection ended.
pub(in crate::sink) enum End {
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

/// A connection that can be made.
pub(in crate::sink) trait Connect: Sized {
    /// Makes one, retrying for `limit` (`None`: without limit).
    async fn connect(plan: &Plan, limit: Option<Duration>) -> Result<Self, NatsFailure>;

    /// Waits until it is gone.
    async fn lost(&self);

    /// The oldest refusal that was not taken yet.
    fn take_refusal(&self) -> Option<Refusal>;

    /// Longest payload that the server takes, in bytes.
    fn max_payload(&self) -> usize;
}

impl Connect for Wire {
    async fn connect(plan: &Plan, limit: Option<Duration>) -> Result<Self, NatsFailure> {
        Self::connect(plan, limit).await
    }

    async fn lost(&self) {
        Peer::lost(self).await;
    }

    fn take_refusal(&self) -> Option<Refusal> {
        self.fate().take_refusal()
    }

    fn max_payload(&self) -> usize {
        self.max_payload()
    }
}

impl Connect for Connection {
    async fn connect(plan: &Plan, limit: Option<Duration>) -> Result<Self, NatsFailure> {
        connect(plan, limit).await
    }

    async fn lost(&self) {
        Peer::lost(self).await;
    }

    fn take_refusal(&self) -> Option<Refusal> {
        self.fate.take_refusal()
    }

    fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }
}

/// Publishes what its sink hands over. Owns everything that outlives a connection.
pub(in crate::sink) trait Worker {
    /// What it publishes on.
    type Connection: Connect;

    /// Where to connect.
    fn plan(&self) -> &Plan;

    /// Its side of the sink.
    fn seat(&self) -> &Seat;

    /// A number that grows with each confirmed message.
    fn progress(&self) -> u64;

    /// Messages that were taken and are not confirmed.
    fn unconfirmed(&self) -> u64;

    /// Publishes on a connection until it ends.
    async fn serve(&mut self, connection: &Self::Connection) -> End;

    /// The server refused something.
    fn refused(&mut self, refusal: &Refusal);
}

/// Runs until the sink is stopped or nothing more can be done.
pub(in crate::sink) fn run<W: Worker>(mut worker: W) -> Result<(), NatsFailure> {
    let stop = worker.seat().stop.clone();
    let mut limit = Some(worker.plan().options.connect_timeout);
    let mut is_stuck = false;
    loop {
        let before = worker.progress();
        let end = runtime::run(async {
            tokio::select! {
                biased;
                () = stop.asked() => End::Failed(NatsFailure::Other {
                    cause: "stopped before everything was confirmed".to_owned(),
                }),
                end = connect_and_serve(&mut worker, limit, is_stuck) => end,
            }
        })
        .map_err(|error| NatsFailure::Other {
            cause: format!("starting the connection: {error}"),
        })?;
        let plan = worker.plan();
        match end {
            End::Failed(failure) => return Err(failure),
            End::Lost => tracing::warn!(
                event = "nats_disconnected",
                server = plan.shown,
                connection = plan.options.name,
                unconfirmed = worker.unconfirmed(),
            ),
        }
        is_stuck = worker.progress() == before;
        limit = plan.options.reconnect_timeout;
    }
}

async fn connect_and_serve<W: Worker>(
    worker: &mut W,
    limit: Option<Duration>,
    is_stuck: bool,
) -> End {
    if is_stuck {
        runtime::sleep(PAUSE).await;
    }
    let connection = match W::Connection::connect(worker.plan(), limit).await {
        Ok(connection) => connection,
        Err(failure) => return End::Failed(failure),
    };
    let max_payload = connection.max_payload();
    let stats = &worker.seat().stats;
    stats.max_payload.store(max_payload, Ordering::Relaxed);
    let end = tokio::select! {
        biased;
        () = connection.lost() => End::Lost,
        end = worker.serve(&connection) => end,
    };
    // What the server refused before the connection ended.
    while let Some(refusal) = connection.take_refusal() {
        worker.refused(&refusal);
    }
    end
}
