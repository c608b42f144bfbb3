//! Why a JetStream stream cannot be used, or no longer: one sentence each.

use std::time::Duration;

/// A stream cannot be published to, or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamProblem {
    /// The text does not name a stream.
    #[error(
        "`{name}` is not a stream name; expected 1 to 255 characters without blanks, `.`, `*`, `>`, \
         `/` and `\\`"
    )]
    Name {
        /// The text.
        name: String,
    },
    /// The server has no such stream, and it is not to be created.
    #[error("there is no stream `{stream}`; create it first")]
    Missing {
        /// Its name.
        stream: String,
    },
    /// The server, or the account, has no JetStream.
    #[error("JetStream is not available: {cause}; enable it on the server and for the account")]
    Unavailable {
        /// What the server said.
        cause: String,
    },
    /// Ticks would be lost, or others would stand between them.
    #[error("stream `{stream}` has {setting}: {effect}; {fix}")]
    Setting {
        /// Its name.
        stream: String,
        /// The setting and its value.
        setting: String,
        /// What it would do to the ticks.
        effect: &'static str,
        /// What to change.
        fix: String,
    },
    /// It removes messages by age.
    #[error(
        "stream `{stream}` removes messages after {}: ticks would be missing from it later; set max_age \
         to 0, or accept that age",
        age_in_words(*age)
    )]
    Expires {
        /// Its name.
        stream: String,
        /// How long it keeps a message.
        age: Duration,
    },
    /// It has messages, and is not to be continued.
    #[error("stream `{stream}` has {messages} messages already; empty it, or choose another one")]
    NotEmpty {
        /// Its name.
        stream: String,
        /// How many.
        messages: u64,
    },
    /// It has messages, but not without a gap.
    #[error(
        "stream `{stream}` has {messages} of the messages {first} to {last}: the others were removed, \
         so that it cannot be continued; purge it and begin again"
    )]
    Holes {
        /// Its name.
        stream: String,
        /// How many there are.
        messages: u64,
        /// The first sequence.
        first: u64,
        /// The last sequence.
        last: u64,
    },
    /// Its last message is not what would be published at this place.
    #[error(
        "stream `{stream}` is of another run: its message {sequence} has another {part}; continue it with \
         the recording and options of its run"
    )]
    Differs {
        /// Its name.
        stream: String,
        /// Sequence of the message.
        sequence: u64,
        /// `subject` or `payload`.
        part: &'static str,
    },
    /// Another client publishes to the stream.
    #[error(
        "stream `{stream}` has another writer: message {sequence} is not of this run; end the other \
         writer, then continue the stream"
    )]
    OtherWriter {
        /// Its name.
        stream: String,
        /// Sequence of the foreign message.
        sequence: u64,
    },
    /// It was deleted while it was written.
    #[error("stream `{stream}` was deleted while it was written; create it and begin again")]
    Deleted {
        /// Its name.
        stream: String,
    },
    /// It was deleted and created again while it was written.
    #[error(
        "stream `{stream}` was deleted and created again while it was written; begin again with the \
         new one"
    )]
    Replaced {
        /// Its name.
        stream: String,
    },
    /// The server lost acknowledged messages that are no longer in memory.
    #[error(
        "the broker lost {lost} acknowledged messages of stream `{stream}`, and {gone} of them are no \
         longer in memory; continue the stream to publish them again"
    )]
    WentBack {
        /// Its name.
        stream: String,
        /// How many.
        lost: u64,
        /// Those that cannot be sent again.
        gone: u64,
    },
    /// The server refused a message.
    #[error("stream `{stream}` refused message {sequence}: {cause}")]
    Refused {
        /// Its name.
        stream: String,
        /// The sequence that the message would have had.
        sequence: u64,
        /// What the server said.
        cause: String,
    },
    /// The server answers questions, and does nothing with a message.
    #[error(
        "the server neither stored nor refused message {sequence} of stream `{stream}`, several times; \
         look for the reason in its log, such as a full disk, then continue the stream"
    )]
    Unanswered {
        /// Its name.
        stream: String,
        /// The sequence that the message would have had.
        sequence: u64,
    },
    /// The server refused a request about the stream.
    #[error("stream `{stream}`: {cause}")]
    Request {
        /// Its name.
        stream: String,
        /// What the server said.
        cause: String,
    },
}

impl StreamProblem {
    /// Whether options or the set-up of the server must change before a run can begin.
    #[must_use]
    pub const fn is_bad_usage(&self) -> bool {
        matches!(
            self,
            Self::Name { .. }
                | Self::Missing { .. }
                | Self::Unavailable { .. }
                | Self::Setting { .. }
                | Self::Expires { .. }
                | Self::NotEmpty { .. }
                | Self::Holes { .. }
                | Self::Differs { .. }
        )
    }
}

/// Whole days, hours, minutes or seconds, the largest unit that is exact: `36h`.
#[must_use]
pub fn age_in_words(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0 => format!("{} ms", age.as_millis()),
        _ if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        _ if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}
