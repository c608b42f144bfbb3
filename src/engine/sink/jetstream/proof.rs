//! Whether a stream has what was published to it.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::options::JetStreamOptions;
use crate::nats::stream::{StreamRange, StreamRead, read_stream};
use crate::sink::StreamDigest;
use crate::sink::broker::stats::NatsStats;

/// Reads the stream of a sink back, after the sink has ended.
#[derive(Debug, Clone)]
pub struct StreamProof {
    options: JetStreamOptions,
    stats: Arc<NatsStats>,
}

/// Why a stream is not what was published to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotVerified {
    /// Messages are missing.
    #[error("{missing} of the {expected} messages are not in the stream")]
    Missing {
        /// How many.
        missing: u64,
        /// Messages that were published.
        expected: u64,
    },
    /// Messages were given up before the stream had them.
    #[error("{failed} messages were not acknowledged")]
    NotAcknowledged {
        /// How many.
        failed: u64,
    },
    /// There are others after them.
    #[error("the stream has {more} messages more than were published")]
    More {
        /// How many.
        more: u64,
    },
    /// A message has another subject or payload.
    #[error("the stream has the payload digest {found}")]
    Different {
        /// What the stream has, hex.
        found: String,
    },
    /// The stream could not be read to its end.
    #[error("the stream cannot be read back: {0}")]
    Unreadable(String),
}

impl StreamProof {
    pub(super) const fn new(options: JetStreamOptions, stats: Arc<NatsStats>) -> Self {
        Self { options, stats }
    }

    /// Acknowledged messages that the broker lost. They were sent again.
    #[must_use]
    pub fn broker_lost(&self) -> u64 {
        self.stats.lost()
    }

    /// Whether the stream has what was published to it. `None` while that is open: nothing has failed, and
    /// it was not read back.
    #[must_use]
    pub fn verified(&self) -> Option<bool> {
        match self.stats.failure.get() {
            Some(_) => Some(false),
            None => self.stats.verified.get().copied(),
        }
    }

    /// Name of the stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.options.stream.name.as_str()
    }

    /// Reads the stream back and compares it with a run of `messages` messages that have the payload
    /// digest `digest`.
    ///
    /// # Errors
    /// How the stream differs.
    ///
    /// # Panics
    /// When called from inside an async runtime.
    pub fn verify(&self, messages: u64, digest: &str) -> Result<(), NotVerified> {
        let verified = self.read_back(messages, digest);
        // A second look does not change the first result.
        let _ = self.stats.verified.set(verified.is_ok());
        verified
    }

    fn read_back(&self, messages: u64, digest: &str) -> Result<(), NotVerified> {
        let base = self.stats.stream_base();
        let range = StreamRange {
            first: Some(base),
            last: Some((base + messages).saturating_sub(1)),
        };
        let mut found = StreamDigest::new();
        let (nats, stream) = (&self.options.nats, &self.options.stream.name);
        let read = read_stream(nats, stream, range, &mut |message| {
            found.update_message(message.message);
            ControlFlow::Continue(())
        });
        let read = read.map_err(|error| NotVerified::Unreadable(error.to_string()))?;
        compare(read, base, messages, &found.hex(), digest)
    }
}

fn compare(
    read: StreamRead,
    base: u64,
    messages: u64,
    found: &str,
    digest: &str,
) -> Result<(), NotVerified> {
    if read.missing > 0 {
        return Err(NotVerified::Missing {
            missing: read.missing,
            expected: messages,
        });
    }
    if let Some(more @ 1..) = (read.last_of_stream + 1).checked_sub(base + messages) {
        return Err(NotVerified::More { more });
    }
    if found != digest {
        let found = found.to_owned();
        return Err(NotVerified::Different { found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_has_its_reason() {
        let read = |missing, last_of_stream| StreamRead {
            first: 11,
            last: 15,
            messages: 5 - missing,
            missing,
            last_of_stream,
        };
        let of = |read, digest| compare(read, 11, 5, "a", digest);
        assert_eq!(of(read(0, 15), "a"), Ok(()));
        assert_eq!(
            of(read(2, 15), "a"),
            Err(NotVerified::Missing {
                missing: 2,
                expected: 5
            })
        );
        assert_eq!(of(read(0, 18), "a"), Err(NotVerified::More { more: 3 }));
        assert!(matches!(
            of(read(0, 15), "b"),
            Err(NotVerified::Different { .. })
        ));
        assert_eq!(compare(read(0, 10), 11, 0, "a", "a"), Ok(()));
    }
}
