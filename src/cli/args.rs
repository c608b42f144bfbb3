//! The command line as data: verbs, flags, defaults, help. Parsed and validated here, acted on
//! elsewhere: nothing in this module opens a file, reads a clock or knows a terminal. The only look
//! at the world are the environment fall-backs that the help names.
//!
//! Invariant: a short letter means the same in every verb, and every verb's help ends with an
//! example. Both are tested.

mod shared;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

pub use shared::{
    JsonArgs, LogArgs, NatsArgs, NormalizeArgs, OutputArgs, PaceArgs, RollArgs, SelectArgs,
    SinkArgs,
};
pub use values::{
    ExportFormat, JsonlTarget, LogFormat, OutputTarget, SinkSpec, SourceSpec, duration_ns,
};

use crate::pace::{Rate, Ratio};
use crate::pipeline::DEFAULT_BATCH_EVENTS;
use crate::source::Profile;
use crate::time::TradingDay;

/// Width of the help text at most, columns.
const HELP_WIDTH: usize = 100;

/// Deterministic record/replay for CTP (Chinese futures) market data.
#[derive(Debug, Parser)]
#[command(
    name = "tickdeck",
    version,
    max_term_width = HELP_WIDTH,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Results go to stdout, logs and progress to stderr.\n\
                  Exit codes: 0 done, 1 difference or damage found, 2 bad usage or configuration, \
                  3 finished but lossy, 4 could not finish."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to talk about it.
    #[command(flatten)]
    pub log: LogArgs,
}

impl Cli {
    /// Parses and validates a command line, the program's name included.
    ///
    /// # Errors
    /// For bad usage, and for `--help` and `--version`: [`clap::Error`] knows which, how to print it
    /// and where.
    pub fn parse_checked<I>(words: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator,
        I::Item: Into<OsString> + Clone,
    {
        let mut cli = Self::try_parse_from(words)?;
        cli.command.check()?;
        Ok(cli)
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a recording of a seeded synthetic market
    ///
    /// The same seed, profile and generator version give the same bytes on every machine.
    #[command(after_help = "Example:\n  \
        tickdeck generate --profile quick --seed 7 -o recordings/quick")]
    Generate(GenerateArgs),
    /// Turn CTP tick dumps (CSV) into a recording
    ///
    /// Several dialects are known and detected by their header. Several files are merged in time
    /// order. A row that cannot be read stops the import.
    #[command(after_help = "Example:\n  \
        tickdeck import dumps/20250911/*.csv.zst -o recordings/2025-09-11")]
    Import(ImportArgs),
    /// Write a recording as CSV, JSON lines or published payloads
    #[command(after_help = "Example:\n  \
        tickdeck export recordings/quick --format csv --symbols 'rb*' -o rb.csv")]
    Export(ExportArgs),
    /// Record a source, and publish it at the same time if asked to
    #[command(after_help = "Example:\n  \
        tickdeck record --source synthetic:day,seed=7 -o recordings/day --publish --rate 1")]
    Record(Box<RecordArgs>),
    /// Play recordings into sinks, at a controlled speed
    ///
    /// What is published, and in what order, does not depend on the speed. Enter (on a terminal) or
    /// SIGUSR1 pauses a running replay and lets a paused one go on. SIGINT and SIGTERM end it in
    /// good order; a second one ends it at once.
    #[command(after_help = "Examples:\n  \
        tickdeck replay recordings/quick --rate 10 --subject-prefix replay.tick\n  \
        tickdeck replay recordings/day -S 21:00:00 -E 23:00:00 --symbols 'rb*,*.CFFEX' --sink jsonl:-")]
    Replay(Box<ReplayArgs>),
    /// Show what is in recordings
    #[command(after_help = "Example:\n  tickdeck info recordings/quick --json")]
    Info(InfoArgs),
    /// Print the events of recordings
    #[command(after_help = "Example:\n  tickdeck cat recordings/quick --symbols rb2601 -n 20")]
    Cat(CatArgs),
    /// Cut a recording by time or symbol into a new one
    #[command(after_help = "Example:\n  \
        tickdeck slice recordings/day -S 09:00 -E 10:15 --exchange SHFE -o recordings/morning")]
    Slice(SliceArgs),
    /// Merge recordings into one, by receive time
    #[command(after_help = "Example:\n  \
        tickdeck merge recordings/shfe recordings/dce -o recordings/both")]
    Merge(MergeArgs),
    /// Check that recordings are complete and undamaged
    #[command(after_help = "Example:\n  tickdeck verify recordings/*")]
    Verify(VerifyArgs),
    /// Ask a running tickdeck how it is, over NATS
    #[command(after_help = "Example:\n  \
        tickdeck health --nats-url nats://127.0.0.1:4222 --timeout 2s")]
    Health(HealthArgs),
    /// Show the whole story with no CTP and no set-up
    #[command(after_help = "Example:\n  tickdeck demo --rate 10")]
    Demo(DemoArgs),
    /// Print a shell completion script
    #[command(after_help = "Example:\n  \
        tickdeck completions bash > ~/.local/share/bash-completion/completions/tickdeck")]
    Completions(CompletionsArgs),
}

impl Command {
    /// What the flags' own parsers cannot see: combinations.
    fn check(&mut self) -> Result<(), clap::Error> {
        match self {
            Self::Replay(args) => {
                args.nats.drop_empty();
                args.sinks.check(args.json.json)
            }
            Self::Record(args) => {
                args.nats.drop_empty();
                args.sinks.check(args.json.json)
            }
            Self::Health(args) => {
                args.nats.drop_empty();
                Ok(())
            }
            Self::Export(args) => args.check(),
            _ => Ok(()),
        }
    }
}

/// An error in the form of clap's own, for combinations that its attributes cannot express.
fn conflict(message: &str) -> clap::Error {
    Cli::command().error(ErrorKind::ArgumentConflict, message)
}

/// Flags of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Which market: how many instruments, how long, how strange
    #[arg(long, default_value_t = Profile::Quick, value_parser = values::profile_parser())]
    pub profile: Profile,
    /// Seed of the market
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only these instruments: ids (of any known product), or rb*, *.CFFEX or all of the profile's;
    /// comma separated, repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub symbols: Vec<String>,
    /// Length of the session, for example 90s or 1h30m [default: the profile's]
    #[arg(long, value_name = "SPAN", value_parser = values::parse_span)]
    pub duration: Option<Duration>,
    /// Trading day of the session, YYYY-MM-DD [default: the profile's]
    #[arg(long, value_name = "DAY", value_parser = values::parse_trading_day)]
    pub trading_day: Option<TradingDay>,
    /// Trading calendar file instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub calendar: Option<PathBuf>,
    /// Where the recording goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// When a new segment is begun.
    #[command(flatten)]
    pub roll: RollArgs,
}

/// Flags of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Dump files: CSV, CSV.zst, or tar archives of them
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Dialect of the files [default: told from the header]
    #[arg(long, value_name = "NAME")]
    pub dialect: Option<String>,
    /// Trading day, YYYY-MM-DD, for files that do not say
    #[arg(long, value_name = "DAY", value_parser = values::parse_trading_day)]
    pub trading_day: Option<TradingDay>,
    /// Instrument id, for files that do not say
    #[arg(long, value_name = "ID")]
    pub symbol: Option<String>,
    /// Count rows that cannot be read instead of stopping
    #[arg(long)]
    pub skip_bad: bool,
    /// Trading calendar file instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub calendar: Option<PathBuf>,
    /// Contract file (CSV), kept in the recording
    #[arg(long, value_name = "FILE")]
    pub contracts: Option<PathBuf>,
    /// Where the recording goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// When a new segment is begun.
    #[command(flatten)]
    pub roll: RollArgs,
}

/// Flags of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Recordings: folders or single segments
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub format: ExportFormat,
    /// File to write, or `-` for stdout
    #[arg(short, long, value_name = "PATH", default_value = "-", value_parser = values::parse_output)]
    pub output: OutputTarget,
    /// Replace what is at the output path
    #[arg(long)]
    pub force: bool,
    /// Which events.
    #[command(flatten)]
    pub select: SelectArgs,
    /// How ticks become payloads.
    #[command(flatten)]
    pub normalize: NormalizeArgs,
}

impl ExportArgs {
    fn check(&self) -> Result<(), clap::Error> {
        if self.force && self.output == OutputTarget::Stdout {
            return Err(conflict("--force replaces a file, and --output is stdout"));
        }
        Ok(())
    }
}

/// Flags of `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// What to record: ctp, synthetic:PROFILE[,seed=N] or recording:PATH
    #[arg(long, value_name = "SOURCE")]
    pub source: SourceSpec,
    /// Publish what is recorded, to NATS or to the sinks given
    #[arg(long)]
    pub publish: bool,
    /// Speed of a source that has none of its own: `max` or a factor [default: 1 with --publish,
    /// else max]
    #[arg(short, long, visible_alias = "speed", value_name = "RATE")]
    pub rate: Option<Rate>,
    /// Where the recording goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// When a new segment is begun.
    #[command(flatten)]
    pub roll: RollArgs,
    /// Where payloads go.
    #[command(flatten)]
    pub sinks: SinkArgs,
    /// How ticks become payloads.
    #[command(flatten)]
    pub normalize: NormalizeArgs,
    /// How to reach NATS.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Whether the result is printed for machines.
    #[command(flatten)]
    pub json: JsonArgs,
}

impl RecordArgs {
    /// The speed in force: the one given, or the recorded one when publishing and none otherwise.
    #[must_use]
    pub fn effective_rate(&self) -> Rate {
        let default = if self.publish {
            Rate::RECORDED
        } else {
            Rate::Max
        };
        self.rate.unwrap_or(default)
    }
}

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recordings: folders or single segments; several are merged by receive time
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Play what is intact of a damaged recording (exit code 3)
    #[arg(long)]
    pub salvage: bool,
    /// When events are released.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Begin with the last known tick of each instrument before the start point
    #[arg(long, help_heading = "Pace")]
    pub prime: bool,
    /// Publish the replay's time on PREFIX.replay.clock this many times per recorded second
    #[arg(long, value_name = "HZ", value_parser = values::parse_hz, help_heading = "Pace")]
    pub clock: Option<Ratio>,
    /// Which events.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Where payloads go.
    #[command(flatten)]
    pub sinks: SinkArgs,
    /// Begin when N subscribers are there: one is any subscriber on PREFIX.>; of more, only those
    /// count that answer requests on PREFIX.replay.ready
    #[arg(long, value_name = "N", help_heading = "Publishing")]
    pub wait_for_subscribers: Option<u32>,
    /// Say what would be played and where to, and play nothing
    #[arg(long, help_heading = "Publishing")]
    pub dry_run: bool,
    /// Events per batch; changes the speed only
    #[arg(long, value_name = "N", default_value_t = DEFAULT_BATCH_EVENTS, hide = true, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub batch_size: u32,
    /// How ticks become payloads.
    #[command(flatten)]
    pub normalize: NormalizeArgs,
    /// How to reach NATS.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Whether the result is printed for machines.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Recordings: folders or single segments
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Whether the result is printed for machines.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `cat`.
#[derive(Debug, Args)]
pub struct CatArgs {
    /// Recordings: folders or single segments
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Which events.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Whether the result is printed for machines.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `slice`.
#[derive(Debug, Args)]
pub struct SliceArgs {
    /// The recording: a folder or a single segment
    #[arg(value_name = "REC")]
    pub recording: PathBuf,
    /// Which events.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Where the recording goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// When a new segment is begun.
    #[command(flatten)]
    pub roll: RollArgs,
}

/// Flags of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Recordings: folders or single segments, at least two; equal receive times keep this order
    #[arg(value_name = "REC", required = true, num_args = 2..)]
    pub recordings: Vec<PathBuf>,
    /// Where the recording goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// When a new segment is begun.
    #[command(flatten)]
    pub roll: RollArgs,
}

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Recordings: folders or single segments
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Whether the result is printed for machines.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// How long to wait for the answer
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = values::parse_duration)]
    pub timeout: Duration,
    /// Subject to ask on
    #[arg(long, value_name = "SUBJECT", default_value = "health.check")]
    pub subject: String,
    /// How to reach NATS.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Whether the result is printed for machines.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Recording to play [default: a seeded market is made]
    #[arg(value_name = "REC")]
    pub recording: Option<PathBuf>,
    /// The nats-server to start [default: found on PATH]
    #[arg(long, value_name = "PATH")]
    pub nats_server: Option<PathBuf>,
    /// Seed of the market
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Speed: `max`, or a factor such as 1, 0.5 or 10
    #[arg(
        short,
        long,
        visible_alias = "speed",
        value_name = "RATE",
        default_value = "10"
    )]
    pub rate: Rate,
}

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests;
