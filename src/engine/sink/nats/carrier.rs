//! The connections that can carry a sink's messages.

use std::collections::BTreeSet;

use crate::nats::marks::Peer;
use crate::nats::wire::Wire;
use crate::sink::MessageBatch;
use crate::sink::broker::connections::{Connect, End};

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
    use crate::nats::NatsFailure;
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
