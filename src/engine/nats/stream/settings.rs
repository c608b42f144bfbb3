//! What a stream is to be like.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use crate::encode::pattern::SubjectPattern;
use crate::nats::StreamProblem;

/// Longest name that the server accepts, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// How long the server of a new stream remembers message ids. Nothing relies on them, and at 20,000
/// ticks/s the server's default of two minutes would be 2.4 million ids in memory.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(10);

/// The name of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamName(String);

impl StreamName {
    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamName {
    type Err = StreamProblem;

    fn from_str(text: &str) -> Result<Self, StreamProblem> {
        let is_refused = |c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>' | '/' | '\\')
        };
        if text.is_empty() || text.len() > NAME_BYTES_MAX || text.contains(is_refused) {
            return Err(StreamProblem::Name {
                name: text.escape_debug().to_string(),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

/// Where a server keeps the messages of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamStorage {
    /// In files.
    #[default]
    File,
    /// In memory: nothing is left after a restart.
    Memory,
}

impl StreamStorage {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

/// The stream that a run publishes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSettings {
    /// Its name.
    pub name: StreamName,
    /// Creates it if the server does not have it. Off by default.
    pub create: bool,
    /// Subjects of a new stream. Empty, the default, for every subject below the run's prefix.
    pub subjects: Vec<SubjectPattern>,
    /// Where a new stream is kept.
    pub storage: StreamStorage,
    /// How many servers keep a new stream.
    pub replicas: u8,
    /// How long a message is kept; without limit by default. A stream that exists is accepted only with
    /// this age, because older ticks are removed from it.
    pub max_age: Option<Duration>,
    /// Continues a stream that has messages, after its last one. Off by default.
    pub resume: bool,
    /// Publishes after the last message of a stream that has messages, whatever they are. Off by default.
    pub append: bool,
    /// Publishes in atomic batches of up to 1,000 messages. Off by default.
    pub durable: bool,
}

impl StreamSettings {
    /// An existing, empty stream.
    #[must_use]
    pub const fn new(name: StreamName) -> Self {
        Self {
            name,
            create: false,
            subjects: Vec::new(),
            storage: StreamStorage::File,
            replicas: 1,
            max_age: None,
            resume: false,
            append: false,
            durable: false,
        }
    }

    /// The subjects of a new stream for messages below `prefix`.
    #[must_use]
    pub fn subjects_for(&self, prefix: &str) -> Vec<String> {
        if self.subjects.is_empty() {
            return vec![format!("{prefix}.>")];
        }
        self.subjects.iter().map(ToString::to_string).collect()
    }

    /// The configuration of a new stream for messages below `prefix`: it refuses what it has no room
    /// for, and removes nothing but by age.
    pub(crate) fn config(&self, prefix: &str) -> Config {
        Config {
            name: self.name.as_str().to_owned(),
            description: Some("ticks of tickdeck, one writer".to_owned()),
            subjects: self.subjects_for(prefix),
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::New,
            max_messages: -1,
            max_bytes: -1,
            max_messages_per_subject: -1,
            max_consumers: -1,
            max_age: self.max_age.unwrap_or_default(),
            storage: match self.storage {
                StreamStorage::File => StorageType::File,
                StreamStorage::Memory => StorageType::Memory,
            },
            num_replicas: usize::from(self.replicas),
            // The server allows no more than the age.
            duplicate_window: self
                .max_age
                .map_or(DUPLICATE_WINDOW, |age| age.min(DUPLICATE_WINDOW)),
            allow_direct: true,
            // An older server refuses the word.
            allow_atomic_publish: self.durable,
            ..Config::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_server_accepts_are_streams() {
        for good in ["TICKS", "ticks-2025_09", "行情"] {
            assert_eq!(good.parse::<StreamName>().unwrap().as_str(), good);
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for bad in ["", "a.b", "a b", "a*", ">", "a/b", "a\\b", "a\n", &long] {
            assert!(bad.parse::<StreamName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_new_stream_has_the_subjects_below_the_prefix() {
        let mut settings = StreamSettings::new("TICKS".parse().unwrap());
        assert_eq!(settings.subjects_for("replay.tick"), ["replay.tick.>"]);
        settings.subjects.push("market.>".parse().unwrap());
        assert_eq!(settings.subjects_for("replay.tick"), ["market.>"]);
    }
}
