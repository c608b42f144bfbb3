//! Flags of the verbs that connect to a CTP front.
//!
//! Addresses and credentials are not among them. They come from the environment or an environment
//! file, because every user of the machine can read the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use tickdeck::encode::subject;
use tickdeck::live::Wanted;
use tickdeck::nats::stream::StreamName;
use tickdeck_core::select::Partition;
use tickdeck_recording::storage::is_url;
use tickdeck_recording::{Ring, RingSpan, RingTrigger, SessionId};

use super::values::{self, SinkSpec};
use super::{
    JournalArgs, JsonArgs, NatsArgs, NormalizeArgs, RollArgs, SinkArgs, StreamArgs, conflict,
};

/// The keys that a front uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FrontKeys {
    /// Trading fronts, SimNow among them.
    #[default]
    Production,
    /// Fronts for the evaluation of a client.
    Evaluation,
}

/// How to reach the front.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "CTP front")]
pub struct FrontArgs {
    /// File with NAME=VALUE lines; the real environment takes precedence [default: .env, if it
    /// exists]
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Folder for the CTP library's files [default: tickdeck/flow in the user's state folder]
    #[arg(hide_short_help = true, long, value_name = "DIR")]
    pub flow_dir: Option<PathBuf>,
    /// Keys of the front: production, or evaluation for a broker's evaluation front (libraries from
    /// 6.7.11 on; older ones have one kind only)
    #[arg(hide_short_help = true, long, value_enum, value_name = "KIND", default_value_t = FrontKeys::Production)]
    pub front_keys: FrontKeys,
    /// How long a front may take to answer
    #[arg(long, help_heading = "CTP time limits", hide_short_help = true, value_name = "SPAN", default_value = "20s", value_parser = values::parse_duration)]
    pub front_timeout: Duration,
    /// How long the answer to a login may take
    #[arg(long, help_heading = "CTP time limits", hide_short_help = true, value_name = "SPAN", default_value = "10s", value_parser = values::parse_duration)]
    pub login_timeout: Duration,
    /// How long the library may take to reconnect by itself
    #[arg(long, help_heading = "CTP time limits", hide_short_help = true, value_name = "SPAN", default_value = "30s", value_parser = values::parse_duration)]
    pub reconnect_grace: Duration,
    /// First pause between two attempts; doubles each time
    #[arg(long, help_heading = "CTP time limits", hide_short_help = true, value_name = "SPAN", default_value = "1s", value_parser = values::parse_duration)]
    pub backoff: Duration,
    /// Longest pause between two attempts
    #[arg(long, help_heading = "CTP time limits", hide_short_help = true, value_name = "SPAN", default_value = "60s", value_parser = values::parse_duration)]
    pub backoff_max: Duration,
    /// Seed for the jitter of the pauses [default: the time]
    #[arg(long, value_name = "N", hide = true)]
    pub backoff_seed: Option<u64>,
}

/// What to subscribe to, and the limits of the session.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Subscription")]
pub struct SubscribeArgs {
    /// Instruments in addition to CTP_SYMBOL: ids, or globs (rb*, *.CFFEX, all), which need the trader
    /// front's contract list or --contracts; comma separated, repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub symbols: Vec<Wanted>,
    /// Instruments per subscription request, 1 to 10000; one request per second
    #[arg(long, hide_short_help = true, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub subscribe_batch: u32,
    /// Capacity of the queue between the library and the pipeline, in ticks, 16 to 16777216
    #[arg(long, hide_short_help = true, value_name = "N", default_value_t = 131_072, value_parser = clap::value_parser!(u32).range(16..=16_777_216))]
    pub queue_slots: u32,
    /// How long the trader front may take to list its contracts
    #[arg(long, hide_short_help = true, value_name = "SPAN", default_value = "120s", value_parser = values::parse_duration)]
    pub discovery_timeout: Duration,
    /// Confirm the previous day's settlement at the trader front, which some brokers require before
    /// they list contracts. This is a legal act of the account holder
    #[arg(long, hide_short_help = true)]
    pub confirm_settlement: bool,
    /// End after this long, for example 4h; 0s for never [env: MD_DURATION_SECONDS, in seconds, 0 for
    /// never]
    #[arg(long, value_name = "SPAN", value_parser = values::parse_duration)]
    pub duration: Option<Duration>,
    /// How often to log the counts; 0s for never
    #[arg(long, hide_short_help = true, value_name = "SPAN", default_value = "10s", value_parser = values::parse_duration)]
    pub progress_every: Duration,
    /// Messages to buffer while the NATS server is slow or unreachable, 1 to 100000000; more count as
    /// failed
    #[arg(long, hide_short_help = true, value_name = "N", default_value_t = tickdeck::sink::DEFAULT_LIVE_BUFFER, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub nats_buffer: u64,
}

/// Flags of `live`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("recorded").args(["record", "record_under"]))]
pub struct LiveArgs {
    /// Record at the same time, into this folder or URL: s3://, gs://, az:// or file:///
    #[arg(long, value_name = "REC", value_parser = values::parse_new_session, help_heading = "Output")]
    pub record: Option<PathBuf>,
    /// In a catalogue instead: ROOT/trading_day=DAY/session=ID, one per day
    #[arg(long, value_name = "ROOT", value_parser = values::parse_new_session, help_heading = "Output", conflicts_with = "record")]
    pub record_under: Option<PathBuf>,
    /// Id of the session in the catalogue [default: made from time and process]
    #[arg(
        long = "session",
        value_name = "ID",
        hide_short_help = true,
        requires = "record_under",
        conflicts_with = "record",
        help_heading = "Output"
    )]
    pub session_id: Option<SessionId>,
    /// Keep only this much receive time on disk, such as 10m, until SIGUSR2, a request or a lost front
    /// asks for it
    #[arg(long, value_name = "SPAN", value_parser = values::parse_span, requires = "record_under", conflicts_with_all = ["record", "force"], help_heading = "Output")]
    pub ring: Option<Duration>,
    /// With --ring, keep so much receive time after that too
    #[arg(long, hide_short_help = true, value_name = "SPAN", default_value = "5m", value_parser = values::parse_duration, requires = "ring", help_heading = "Output")]
    pub ring_after: Duration,
    /// Replace an existing recording
    #[arg(
        long,
        hide_short_help = true,
        requires = "recorded",
        help_heading = "Output"
    )]
    pub force: bool,
    /// When a new segment begins.
    #[command(flatten)]
    pub roll: RollArgs,
    /// How the session is kept safe.
    #[command(flatten)]
    pub journal: JournalArgs,
    /// What to do when the recording fails
    #[arg(long, hide_short_help = true, value_enum, value_name = "WHAT", default_value_t = values::OnFailure::Continue, requires = "recorded", help_heading = "Output")]
    pub on_recording_failure: values::OnFailure,
    /// The front.
    #[command(flatten)]
    pub front: FrontArgs,
    /// The subscription.
    #[command(flatten)]
    pub subscribe: SubscribeArgs,
    /// nats, or jetstream:STREAM
    #[arg(long, value_name = "SINK", default_value = "nats", value_parser = values::parse_server_sink, help_heading = "Publishing")]
    pub sink: SinkSpec,
    /// First tokens of the subject, before .EXCHANGE.SYMBOL
    #[arg(long, value_name = "SUBJECT", default_value = subject::DEFAULT_PREFIX, value_parser = values::parse_subject_prefix, help_heading = "Publishing")]
    pub subject_prefix: String,
    /// Publish only part K of N of the instruments, by a hash of their ids, such as 1/4. All are recorded
    #[arg(
        long,
        hide_short_help = true,
        value_name = "K/N",
        help_heading = "Publishing"
    )]
    pub partition: Option<Partition>,
    /// The stream of a JetStream sink.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// How ticks become payloads.
    #[command(flatten)]
    pub normalize: NormalizeArgs,
    /// How to reach NATS.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

impl LiveArgs {
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        match &self.record_under {
            Some(root) if self.ring.is_some() && is_url(root) => Err(conflict(
                "--ring needs a folder for --record-under: `tickdeck push` copies what it keeps to a URL",
            )),
            _ => self.stream.check(&self.sinks()),
        }
    }

    /// Its sink, as those of other verbs.
    #[must_use]
    pub fn sinks(&self) -> SinkArgs {
        SinkArgs {
            sinks: vec![self.sink.clone()],
            subject_prefix: self.subject_prefix.clone(),
            partition: self.partition,
        }
    }

    /// The ring, if there is to be one.
    #[must_use]
    pub fn ring(&self) -> Option<Ring> {
        self.ring.map(|before| Ring {
            span: RingSpan {
                before: values::duration_ns(before),
                after: values::duration_ns(self.ring_after),
            },
            trigger: RingTrigger::default(),
        })
    }
}

/// Longest run of `smoke`.
pub const SMOKE_LIMIT: Duration = Duration::from_secs(120);

/// Shortest time that `smoke` accepts. An undisturbed login takes less than a second.
pub const SMOKE_LEAST: Duration = Duration::from_secs(1);

/// Flags of `smoke`.
#[derive(Debug, Args)]
pub struct SmokeArgs {
    /// Longest time of the whole test, 1 s to 120 s
    #[arg(long, value_name = "SPAN", default_value = "120s", value_parser = parse_smoke_duration)]
    pub duration: Duration,
    /// File for the result
    #[arg(
        long,
        value_name = "PATH",
        default_value = "docs/qa/gates/2.1a-ctp-real-connectivity.yml"
    )]
    pub gate: PathBuf,
    /// The front.
    #[command(flatten)]
    pub front: FrontArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

fn parse_smoke_duration(text: &str) -> Result<Duration, String> {
    let span = values::parse_duration(text)?;
    if (SMOKE_LEAST..=SMOKE_LIMIT).contains(&span) {
        Ok(span)
    } else {
        Err("expected at least 1s and at most 120s".into())
    }
}

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// How long a front or a server may take to answer
    #[arg(long, value_name = "SPAN", default_value = "3s", value_parser = values::parse_duration)]
    pub timeout: Duration,
    /// Folder of the recordings, for the check of the disk's free space
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub record: PathBuf,
    /// JetStream stream to look at: whether it keeps every tick, and what the server promises
    #[arg(long, value_name = "STREAM")]
    pub stream: Option<StreamName>,
    /// Free space that a recording needs, such as 500MB
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = values::parse_size)]
    pub min_free_space: u64,
    /// Trading calendar file instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub calendar: Option<PathBuf>,
    /// The front.
    #[command(flatten)]
    pub front: FrontArgs,
    /// How to reach NATS.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}
