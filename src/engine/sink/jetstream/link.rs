//! What a JetStream sink is connected with. Messages and their answers go over a connection that writes
//! frames itself. Requests about the stream are few, and go over the client library's.
//!
//! Both are made together, and the loss of one is that of both.

use std::time::Duration;

use super::options::JetStreamOptions;
use crate::nats::connect::{Connection, Plan, connect};
use crate::nats::marks::{Peer, round_trip};
use crate::nats::refusal::Refusal;
use crate::nats::stream::api::StreamApi;
use crate::nats::wire::Wire;
use crate::nats::{NatsFailure, ServerMessage};
use crate::sink::MessageBatch;
use crate::sink::broker::connections::{Connect, End};

/// The two connections.
#[derive(Debug)]
pub(super) struct Connections {
    requests: Connection,
    messages: Wire,
}

impl Connections {
    /// The server's version.
    pub(super) fn version(&self) -> String {
        self.requests.client.server_info().version
    }

    /// Waits until the server has refused something for lack of permission.
    pub(super) async fn is_refused(&self) {
        tokio::select! {
            () = self.requests.fate.is_refused() => {}
            () = self.messages.fate().is_refused() => {}
        }
    }
}

impl Connect for Connections {
    async fn connect(plan: &Plan, limit: Option<Duration>) -> Result<Self, NatsFailure> {
        let messages = Wire::connect(plan, limit).await?;
        // The log names a server once.
        let plan = Plan {
            is_repeated: true,
            ..plan.clone()
        };
        let requests = connect(&plan, limit).await?;
        Ok(Self { requests, messages })
    }

    async fn lost(&self) {
        tokio::select! {
            biased;
            () = Peer::lost(&self.messages) => {}
            () = Peer::lost(&self.requests) => {}
        }
    }

    fn take_refusal(&self) -> Option<Refusal> {
        let of_messages = self.messages.fate().take_refusal();
        of_messages.or_else(|| self.requests.fate.take_refusal())
    }

    fn max_payload(&self) -> usize {
        self.messages.max_payload()
    }
}

/// The connections in use for one stream.
pub(super) struct Link<'c> {
    pub(super) connections: &'c Connections,
    pub(super) api: StreamApi,
    /// Where answers come.
    pub(super) inbox: String,
}

impl<'c> Link<'c> {
    pub(super) async fn start(connections: &'c Connections, options: &JetStreamOptions) -> Self {
        Self {
            connections,
            api: StreamApi::on(&connections.requests, &options.stream.name),
            inbox: connections.messages.subscribe_to_answers().await,
        }
    }

    /// The next answer. Nothing is lost when the wait is given up.
    pub(super) async fn answer(&self) -> ServerMessage {
        self.connections.messages.answer().await
    }

    /// Sends messages with the headers that `stamp` writes for each.
    pub(super) async fn publish(
        &self,
        batches: &[MessageBatch],
        stamp: impl FnMut(&mut Vec<u8>) -> Option<String>,
    ) -> Result<(), End> {
        let messages = batches.iter().flat_map(MessageBatch::iter);
        let messages = messages.map(|message| (message.subject, message.payload));
        let wire = &self.connections.messages;
        Ok(wire.publish_all_stamped(messages, stamp).await?)
    }

    /// Sends messages that are not for the stream.
    pub(super) async fn publish_plain(&self, batch: &MessageBatch) -> Result<(), End> {
        let messages = batch
            .iter()
            .map(|message| (message.subject, message.payload));
        Ok(self.connections.messages.publish_all(messages).await?)
    }

    /// Waits until the server has processed everything sent before. Returns what it refused meanwhile.
    pub(super) async fn round_trip(&self) -> Result<Vec<Refusal>, End> {
        round_trip(&self.connections.messages)
            .await
            .map_err(|_| End::Lost)
    }
}
