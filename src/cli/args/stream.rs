//! Flags about the stream of `--sink jetstream:STREAM`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tickdeck::nats::SubjectPattern;
use tickdeck::nats::stream::{StreamName, StreamSettings, StreamStorage};

use super::values::{self, SinkSpec};
use super::{SinkArgs, conflict};

/// Where the server keeps a new stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Storage {
    /// In files
    #[default]
    File,
    /// In memory: lost when the server ends
    Memory,
}

impl From<Storage> for StreamStorage {
    fn from(value: Storage) -> Self {
        match value {
            Storage::File => Self::File,
            Storage::Memory => Self::Memory,
        }
    }
}

/// The stream of `--sink jetstream:STREAM`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "JetStream")]
pub struct StreamArgs {
    /// Create the stream if the server does not have it; --dry-run shows it first
    #[arg(long, hide_short_help = true)]
    pub create_stream: bool,
    /// Subjects of the new stream; comma separated, repeatable [default: everything under
    /// --subject-prefix]
    #[arg(
        long,
        hide_short_help = true,
        value_name = "SUBJECT",
        value_delimiter = ',',
        requires = "create_stream"
    )]
    pub stream_subjects: Vec<SubjectPattern>,
    /// Where the server keeps the new stream
    #[arg(
        long,
        hide_short_help = true,
        value_enum,
        default_value_t = Storage::File,
        requires_if("memory", "create_stream")
    )]
    pub stream_storage: Storage,
    /// How many servers keep the new stream, 1 to 5
    #[arg(long, hide_short_help = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub stream_replicas: u8,
    /// Remove messages after this long, for example 168h or 7d. A stream that exists is accepted with this age only
    /// [default: keep them]
    #[arg(long, hide_short_help = true, value_name = "SPAN", value_parser = values::parse_span)]
    pub stream_max_age: Option<Duration>,
    /// Continue a stream that has messages, after its last one: the same replay, or the next live
    /// session
    #[arg(long, hide_short_help = true)]
    pub resume: bool,
    /// Publish in atomic batches of up to 1,000 messages, for a server that syncs every write
    #[arg(long, hide_short_help = true)]
    pub durable: bool,
}

impl StreamArgs {
    /// What the stream is to be like.
    #[must_use]
    pub fn settings(&self, name: &StreamName) -> StreamSettings {
        StreamSettings {
            create: self.create_stream,
            subjects: self.stream_subjects.clone(),
            storage: self.stream_storage.into(),
            replicas: self.stream_replicas,
            max_age: self.stream_max_age,
            resume: self.resume,
            durable: self.durable,
            ..StreamSettings::new(name.clone())
        }
    }

    /// The same for a live session, which is never the same twice: its ticks follow those of earlier ones.
    #[must_use]
    pub fn live_settings(&self, name: &StreamName) -> StreamSettings {
        StreamSettings {
            resume: false,
            append: self.resume,
            ..self.settings(name)
        }
    }

    /// The flags need a stream, and a stream needs one writer.
    pub(super) fn check(&self, sinks: &SinkArgs) -> Result<(), clap::Error> {
        let streams = sinks.streams().count();
        let flags = [
            ("--create-stream", self.create_stream),
            ("--stream-max-age", self.stream_max_age.is_some()),
            ("--stream-replicas", self.stream_replicas != 1),
            ("--resume", self.resume),
            ("--durable", self.durable),
        ];
        match flags.iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) if streams == 0 => {
                return Err(conflict(&format!(
                    "{flag} is about the stream of --sink jetstream:STREAM: add that sink"
                )));
            }
            _ => {}
        }
        if streams > 1 {
            return Err(conflict(
                "--sink jetstream is given twice: a subject belongs to one stream",
            ));
        }
        if streams == 1 && sinks.sinks.contains(&SinkSpec::Nats) {
            return Err(conflict(
                "--sink nats publishes to the subjects of the stream too, which would store each \
                 message twice: leave it out, subscribers receive what --sink jetstream publishes",
            ));
        }
        Ok(())
    }
}
