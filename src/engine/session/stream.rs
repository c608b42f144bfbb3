//! The stream that a session published to: read back at its end, and shown in health answers.

use serde_json::{Value, json};

use crate::sink::{NotVerified, StreamProof};

/// What became of the stream of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StreamOutcome {
    /// Whether the stream has every message of the session once and in order. `None` without a stream.
    pub(super) verified: Option<bool>,
    /// Why not. `None` too after an error that ended the session.
    pub(super) not_verified: Option<String>,
    /// Acknowledged messages that the broker lost, and that were sent again.
    pub(super) broker_lost: u64,
}

impl StreamOutcome {
    /// Of a session that an error ended: nothing is read back.
    pub(super) fn of_failed(proof: &StreamProof) -> Self {
        Self {
            verified: Some(false),
            not_verified: None,
            broker_lost: proof.broker_lost(),
        }
    }

    /// Compares the stream with what was published. Of messages that failed, it cannot have all.
    pub(super) fn read_back(
        proof: &StreamProof,
        published: u64,
        failed: u64,
        digest: &str,
    ) -> Self {
        let verified = match failed {
            0 => proof.verify(published, digest),
            failed => Err(NotVerified::NotAcknowledged { failed }),
        };
        let outcome = Self::of_failed(proof);
        let stream = proof.stream();
        match verified {
            Ok(()) => {
                tracing::info!(
                    event = "jetstream_verified",
                    stream,
                    messages = published,
                    digest,
                    "the stream has every message once, in order"
                );
                Self {
                    verified: Some(true),
                    ..outcome
                }
            }
            Err(reason) => {
                tracing::error!(
                    event = "jetstream_not_verified",
                    stream,
                    reason = %reason,
                    "the stream is not what was published"
                );
                Self {
                    not_verified: Some(reason.to_string()),
                    ..outcome
                }
            }
        }
    }
}

/// What a health answer says of the stream. `verified` is null while it is open; one message that failed
/// settles it.
pub(super) fn of_stream(proof: &StreamProof, failed: u64) -> impl Iterator<Item = (String, Value)> {
    let verified = match failed {
        0 => proof.verified(),
        _ => Some(false),
    };
    [
        ("stream", json!(proof.stream())),
        ("verified", json!(verified)),
        ("broker_lost", json!(proof.broker_lost())),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
}
