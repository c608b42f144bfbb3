//! Where a JetStream sink publishes, and as what.

use crate::encode::subject::DEFAULT_PREFIX;
use crate::nats::NatsOptions;
use crate::nats::stream::StreamSettings;

/// Where a JetStream sink publishes, and as what.
#[derive(Debug, Clone)]
pub struct JetStreamOptions {
    /// The server.
    pub nats: NatsOptions,
    /// The stream.
    pub stream: StreamSettings,
    /// First tokens of the run's subjects. The stream must accept what is below.
    pub subject_prefix: String,
    /// Part of the message ids: `<session>:<sequence>`.
    pub session: String,
    /// Identifies the run: no other writer of the stream has the same.
    pub run: String,
}

impl JetStreamOptions {
    /// The default subjects.
    #[must_use]
    pub fn new(
        nats: NatsOptions,
        stream: StreamSettings,
        session: impl Into<String>,
        run: impl Into<String>,
    ) -> Self {
        Self {
            nats,
            stream,
            subject_prefix: DEFAULT_PREFIX.to_owned(),
            session: session.into(),
            run: run.into(),
        }
    }
}
