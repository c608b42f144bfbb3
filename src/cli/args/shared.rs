//! Groups of flags that several verbs share, each under its own heading of the help.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tickdeck::encode::{PayloadKind, subject};
use tickdeck::nats::Secret;
use tickdeck::nats::stream::StreamName;
use tickdeck::normalize::Flag;
use tickdeck::selection::SelectionOptions;
use tickdeck_core::contract::Exchange;
use tickdeck_core::pace::{PaceOptions, Rate};
use tickdeck_core::select::{EndSpec, Partition, StartSpec, TimeSpec, WindowSpec};
use tickdeck_recording::{RecorderOptions, SessionId};

use super::conflict;
use super::values::{self, JsonlTarget, LogFormat, SinkSpec, duration_ns};

/// NATS server when none is given.
const DEFAULT_NATS_URL: &str = "nats://127.0.0.1:4222";

/// How to log and show progress; in every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = LogArgs::HEADING)]
pub struct LogArgs {
    /// Format of the log lines on stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Level, or target=level comma separated [env: RUST_LOG] [default:
    /// warn,tickdeck=info,async_nats=off]
    #[arg(long, global = true, value_name = "FILTER", value_parser = values::parse_log_filter)]
    pub log_level: Option<String>,
    /// More log: -v for debug, -vv for trace
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with_all = ["quiet", "log_level"])]
    pub verbose: u8,
    /// No progress bar
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// No progress bar, and only warnings and errors in the log
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

impl LogArgs {
    /// The heading of these flags, which the help of a verb shows once, at its end.
    pub(super) const HEADING: &str = "Logging and progress";
}

/// Which events of a recording.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectArgs {
    /// First receive time: RFC 3339, a date with or without a time (+08:00), ns, or HH:MM:SS in the
    /// trading day (21:00 is the evening before)
    #[arg(short = 'S', long, value_name = "TIME")]
    pub start: Option<TimeSpec>,
    /// Receive time at which to end, exclusive; the same forms
    #[arg(short = 'E', long, value_name = "TIME")]
    pub end: Option<TimeSpec>,
    /// Start this long after the first event, for example 5m
    #[arg(hide_short_help = true, long, value_name = "SPAN", value_parser = values::parse_duration, conflicts_with = "start")]
    pub start_offset: Option<Duration>,
    /// End this much recorded time after the start, above 0s, for example 1h30m
    #[arg(long, value_name = "SPAN", value_parser = values::parse_span, conflicts_with = "end")]
    pub duration: Option<Duration>,
    /// End after this many ticks, 0 for none; session events do not count
    #[arg(short = 'n', long, value_name = "N", value_parser = values::parse_whole)]
    pub count: Option<u64>,
    /// Only these instruments: ids, rb*, *.CFFEX or all; comma separated, repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub symbols: Vec<String>,
    /// Only these exchanges: SHFE, INE, DCE, CZCE, GFEX, CFFEX; comma separated, repeatable
    #[arg(long, hide_short_help = true, value_name = "EXCHANGE", value_delimiter = ',', value_parser = values::parse_exchange)]
    pub exchange: Vec<Exchange>,
    /// Exit with 0 even if no tick is selected or published
    #[arg(hide_short_help = true, long)]
    pub allow_empty: bool,
}

impl SelectArgs {
    /// What is wanted.
    #[must_use]
    pub fn options(&self) -> SelectionOptions {
        SelectionOptions {
            window: self.window(),
            symbols: self.symbols.clone(),
            exchanges: self.exchange.clone(),
            max_ticks: self.count,
        }
    }

    /// The window of receive time. The parser refuses two flags for the same side.
    #[must_use]
    pub fn window(&self) -> WindowSpec {
        let after_first = |offset| StartSpec::AfterFirst(duration_ns(offset));
        let after_start = |span| EndSpec::AfterStart(duration_ns(span));
        WindowSpec {
            start: self
                .start
                .map(StartSpec::At)
                .or_else(|| self.start_offset.map(after_first)),
            end: self
                .end
                .map(EndSpec::At)
                .or_else(|| self.duration.map(after_start)),
        }
    }
}

/// When events are released.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Speed")]
pub struct PaceArgs {
    /// Factor of the recorded speed, above 0, such as 0.5 or 10; or `max`
    #[arg(
        short,
        long,
        visible_alias = "speed",
        value_name = "RATE",
        default_value = "1"
    )]
    pub rate: Rate,
    /// Start over at the end, until stopped or until --count ticks over all passes
    #[arg(short = 'l', long = "loop")]
    pub looping: bool,
    /// Begin paused: space (on a terminal) or SIGUSR1 resumes
    #[arg(short = 'p', long)]
    pub start_paused: bool,
    /// Wait this long before the first event, for example 2s
    #[arg(hide_short_help = true, short, long, value_name = "SPAN", value_parser = values::parse_duration)]
    pub delay: Option<Duration>,
    /// Shorten longer pauses of the recording to this length, for example 5s
    #[arg(long, value_name = "SPAN", value_parser = values::parse_duration)]
    pub max_gap: Option<Duration>,
}

impl PaceArgs {
    /// The pacer's options.
    #[must_use]
    pub fn options(&self) -> PaceOptions {
        PaceOptions {
            rate: self.rate,
            max_gap_ns: self.max_gap.map(duration_ns),
            delay_ns: self.delay.map_or(0, duration_ns),
        }
    }
}

/// How ticks become payloads.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Payload")]
pub struct NormalizeArgs {
    /// Payload contract
    #[arg(long, default_value = "vnpy", value_parser = values::payload_parser())]
    pub payload: PayloadKind,
    /// Leave out and count ticks with these flags; comma separated, repeatable
    #[arg(long, value_name = "FLAG", value_parser = values::flag_parser(), value_delimiter = ',')]
    pub drop: Vec<Flag>,
    /// Contract file (CSV) that takes precedence over the recording's
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub contracts: Option<PathBuf>,
    /// Exchanges of instruments, as in rb2601.SHFE,IF2601.CFFEX; takes precedence
    #[arg(
        long,
        hide_short_help = true,
        value_name = "LIST",
        env = "CTP_SYMBOL",
        hide_env_values = true
    )]
    pub ctp_symbol: Option<String>,
    /// Trading calendar file instead of the built-in one
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub calendar: Option<PathBuf>,
    /// Product table file instead of the built-in one
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub products: Option<PathBuf>,
}

/// Where a new recording goes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Folder of the new recording
    #[arg(short, long, value_name = "REC", value_parser = values::parse_new_recording)]
    pub output: PathBuf,
    /// Replace an existing recording
    #[arg(long)]
    pub force: bool,
}

/// Where a session is recorded.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct SessionOutputArgs {
    /// Folder of the new recording, or a URL: s3://, gs://, az:// or file:///
    #[arg(short, long, value_name = "REC", value_parser = values::parse_new_session, required_unless_present = "record_under", conflicts_with = "record_under")]
    pub output: Option<PathBuf>,
    /// In a catalogue instead: ROOT/trading_day=DAY/session=ID, one per day
    #[arg(long, value_name = "ROOT", value_parser = values::parse_new_session)]
    pub record_under: Option<PathBuf>,
    /// Id of the session in the catalogue [default: made from the source, or from time and process]
    #[arg(
        long = "session",
        value_name = "ID",
        hide_short_help = true,
        requires = "record_under",
        conflicts_with = "output"
    )]
    pub session_id: Option<SessionId>,
    /// Replace an existing recording
    #[arg(long)]
    pub force: bool,
}

/// When a new segment begins.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct RollArgs {
    /// Begin a new segment after this many rows, 1 or more [default: 1048576]
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_rows: Option<u64>,
    /// Begin a new segment after this much recorded time, above 0s, for example 1h
    #[arg(long, hide_short_help = true, value_name = "SPAN", value_parser = values::parse_span)]
    pub max_duration: Option<Duration>,
    /// Begin a new segment when it has this many bytes, 1 or more, for example 100MB or 64MiB; looked at
    /// every 65536 rows
    #[arg(long, hide_short_help = true, value_name = "SIZE", value_parser = values::parse_bytes)]
    pub max_bytes: Option<u64>,
}

/// How a session is kept safe while it is recorded.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct JournalArgs {
    /// How often the journal is brought to the disk: a power failure or a kill loses at most this
    /// much. A kill usually loses the last 0.1 s
    #[arg(long, hide_short_help = true, value_name = "SPAN", default_value = "1s", value_parser = values::parse_duration)]
    pub sync_every: Duration,
    /// End the recording, sealed, when the disk has less free space than this, such as 500MB; 0 for no
    /// limit
    #[arg(long, hide_short_help = true, value_name = "SIZE", default_value = "1GiB", value_parser = values::parse_size)]
    pub min_free_space: u64,
    /// With a URL, folder for what is recorded and not in the store yet [default: tickdeck/spool in the
    /// user's state folder]
    #[arg(long, hide_short_help = true, value_name = "DIR", value_parser = values::parse_path)]
    pub spool: Option<PathBuf>,
}

impl JournalArgs {
    /// The recorder's options.
    #[must_use]
    pub const fn options(&self) -> RecorderOptions {
        RecorderOptions {
            sync_every: self.sync_every,
            min_free_space: self.min_free_space,
        }
    }
}

/// Where payloads go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Publishing")]
pub struct SinkArgs {
    /// nats, jetstream:STREAM, jsonl:PATH (or .zst), jsonl:-, digest or null; repeatable
    #[arg(long = "sink", value_name = "SINK", default_value = "nats")]
    pub sinks: Vec<SinkSpec>,
    /// First tokens of the subject, before .EXCHANGE.SYMBOL
    #[arg(long, value_name = "SUBJECT", default_value = subject::DEFAULT_PREFIX, value_parser = values::parse_subject_prefix)]
    pub subject_prefix: String,
    /// Publish only part K of N of the instruments, by a hash of their ids, such as 1/4
    #[arg(long, hide_short_help = true, value_name = "K/N")]
    pub partition: Option<Partition>,
}

impl SinkArgs {
    /// The streams among them.
    pub fn streams(&self) -> impl Iterator<Item = &StreamName> {
        self.sinks.iter().filter_map(|sink| match sink {
            SinkSpec::JetStream(name) => Some(name),
            _ => None,
        })
    }

    /// At most one result may go to stdout.
    pub(super) fn check(&self, json: bool) -> Result<(), clap::Error> {
        let to_stdout = SinkSpec::Jsonl(JsonlTarget::Stdout);
        let users = self.sinks.iter().filter(|&sink| *sink == to_stdout).count();
        match users + usize::from(json) {
            0 | 1 => Ok(()),
            _ if json => Err(conflict(
                "--json and --sink jsonl:- both write to stdout: use a path for the sink",
            )),
            _ => Err(conflict(
                "--sink jsonl:- is given twice: stdout takes one stream",
            )),
        }
    }
}

/// Whether the result is printed as JSON.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct JsonArgs {
    /// Print the result as JSON on stdout
    #[arg(long)]
    pub json: bool,
}

/// How to reach NATS. An empty environment variable counts as unset, except for the URL: a default
/// instead of a lost value would be the wrong server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "NATS")]
pub struct NatsArgs {
    /// Server, or several, comma separated
    // A URL may carry a password, so it is masked like one.
    #[arg(long, value_name = "URL", env = "NATS_URL", hide_env_values = true, default_value = DEFAULT_NATS_URL, value_parser = values::parse_secret)]
    pub nats_url: Secret,
    /// User; the password comes from NATS_PASSWORD, a token from NATS_TOKEN
    #[arg(
        long,
        hide_short_help = true,
        value_name = "NAME",
        env = "NATS_USER",
        hide_env_values = true
    )]
    pub nats_user: Option<String>,
    /// Password, from the environment only. The flag is refused.
    #[arg(long, hide = true, env = "NATS_PASSWORD", hide_env_values = true, value_parser = values::parse_secret)]
    pub nats_password: Option<Secret>,
    /// Token, likewise.
    #[arg(long, hide = true, env = "NATS_TOKEN", hide_env_values = true, value_parser = values::parse_secret)]
    pub nats_token: Option<Secret>,
    /// Credentials file (JWT and seed)
    #[arg(long, hide_short_help = true, value_name = "FILE", env = "NATS_CREDS", hide_env_values = true, value_parser = values::parse_path)]
    pub nats_creds: Option<PathBuf>,
    /// File with an nkey seed
    #[arg(long, hide_short_help = true, value_name = "FILE", env = "NATS_NKEY", hide_env_values = true, value_parser = values::parse_path)]
    pub nats_nkey: Option<PathBuf>,
    /// TLS: file with the certificates of the trusted authorities
    #[arg(long, hide_short_help = true, value_name = "FILE", env = "NATS_CA", hide_env_values = true, value_parser = values::parse_path)]
    pub nats_ca: Option<PathBuf>,
    /// TLS: file with the client's certificate
    #[arg(long, hide_short_help = true, value_name = "FILE", env = "NATS_CERT", hide_env_values = true, value_parser = values::parse_path)]
    pub nats_cert: Option<PathBuf>,
    /// TLS: file with the client's private key
    #[arg(long, hide_short_help = true, value_name = "FILE", env = "NATS_KEY", hide_env_values = true, value_parser = values::parse_path)]
    pub nats_key: Option<PathBuf>,
    /// TLS: start with the handshake, for a server with handshake_first
    #[arg(long, hide_short_help = true, env = "NATS_TLS_FIRST", hide_env_values = true, value_parser = values::parse_tls_first)]
    pub nats_tls_first: bool,
    /// First part of the subjects for answers [default: _INBOX]
    #[arg(
        long,
        hide_short_help = true,
        value_name = "SUBJECT",
        env = "NATS_INBOX_PREFIX",
        hide_env_values = true
    )]
    pub nats_inbox_prefix: Option<String>,
    /// How long to keep trying to connect at the start
    #[arg(long, hide_short_help = true, value_name = "SPAN", default_value = "5s", value_parser = values::parse_duration)]
    pub connect_timeout: Duration,
}

impl NatsArgs {
    /// Removes empty values. An empty URL is refused where it is used.
    pub(super) fn drop_empty(&mut self) {
        for text in [&mut self.nats_user, &mut self.nats_inbox_prefix] {
            text.take_if(|text| text.is_empty());
        }
        for secret in [&mut self.nats_password, &mut self.nats_token] {
            secret.take_if(|secret| secret.expose().is_empty());
        }
        for path in [
            &mut self.nats_creds,
            &mut self.nats_nkey,
            &mut self.nats_ca,
            &mut self.nats_cert,
            &mut self.nats_key,
        ] {
            path.take_if(|path| path.as_os_str().is_empty());
        }
    }
}
