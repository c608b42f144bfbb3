//! Flags of `capture`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tickdeck::nats::SubjectPattern;
use tickdeck::nats::stream::StreamName;

use super::values::{self, OutputTarget};
use super::{JsonArgs, NatsArgs, conflict};

/// What ends a capture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// At the end marker of a replay
    #[default]
    End,
    /// Only at a signal: markers are checked, and the capture continues
    Signal,
}

/// Flags of `capture`.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// Subjects to capture; * matches one token, a final > the rest [default: market.tick.>, or
    /// everything under --subject-prefix]
    #[arg(value_name = "SUBJECT")]
    pub subjects: Vec<SubjectPattern>,
    /// Read this JetStream stream by sequence instead, from its first message to its last; with SUBJECT only
    /// those
    #[arg(long, hide_short_help = true, value_name = "STREAM", help_heading = "JetStream", conflicts_with_all = ["until", "linger", "first_message_timeout", "idle", "duration", "subject_prefix", "ready_file"])]
    pub stream: Option<StreamName>,
    /// File to write, compressed when its name ends in .zst, or `-` for stdout
    #[arg(short, long, value_name = "PATH", default_value = "-", value_parser = values::parse_output, help_heading = "Output")]
    pub output: OutputTarget,
    /// Replace existing files
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// File for the arrival times, one line per message, ns since 1970 UTC [default: the output path
    /// plus .times; none with stdout]
    #[arg(long, value_name = "PATH", value_parser = values::parse_new_path, help_heading = "Output")]
    pub times: Option<PathBuf>,
    /// Write no arrival times
    #[arg(long, conflicts_with = "times", help_heading = "Output")]
    pub no_times: bool,
    /// File to create once the server has the subscription
    #[arg(long, value_name = "PATH", value_parser = values::parse_new_path, help_heading = "Output")]
    pub ready_file: Option<PathBuf>,
    /// What ends the capture, besides --idle, --count and --duration
    #[arg(long, value_enum, default_value_t = Until::End, help_heading = "End")]
    pub until: Until,
    /// After the end marker, continue until no message arrives for this long, above 0s, for example 2s, because
    /// a service that processes a replay lags behind it
    #[arg(long, value_name = "SPAN", value_parser = values::parse_span, help_heading = "End")]
    pub linger: Option<Duration>,
    /// End when the first message does not arrive within this time, above 0s, for example 30s
    #[arg(long, value_name = "SPAN", value_parser = values::parse_span, help_heading = "End")]
    pub first_message_timeout: Option<Duration>,
    /// Exit with 0 even if no message arrives
    #[arg(long, help_heading = "End")]
    pub allow_empty: bool,
    /// End when no message arrives for this long, above 0s, for example 10s; waits indefinitely for the first
    #[arg(long, value_name = "SPAN", value_parser = values::parse_span, help_heading = "End")]
    pub idle: Option<Duration>,
    /// End after this many messages, 1 or more
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "End")]
    pub count: Option<u64>,
    /// End after this long, above 0s, for example 5m
    #[arg(long, value_name = "SPAN", value_parser = values::parse_span, help_heading = "End")]
    pub duration: Option<Duration>,
    /// The replay whose end marker ends the capture and whose readiness requests are answered
    /// [default: every replay whose ticks all match a SUBJECT]
    #[arg(long, value_name = "SUBJECT", value_parser = values::parse_subject_prefix, help_heading = "End")]
    pub subject_prefix: Option<String>,
    /// How to reach NATS.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

impl CaptureArgs {
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        if self.linger.is_some() && self.until == Until::Signal {
            return Err(conflict(
                "--linger waits after the end marker, but --until signal does not end there",
            ));
        }
        if self.output != OutputTarget::Stdout {
            return Ok(());
        }
        if self.json.json {
            return Err(conflict(
                "--json and the stream both write to stdout: give --output a path",
            ));
        }
        if self.force && self.times.is_none() {
            return Err(conflict("--force replaces a file, and --output is stdout"));
        }
        Ok(())
    }
}
