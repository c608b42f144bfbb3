//! The command line as data: verbs, flags, defaults, help.
//!
//! It is parsed and validated here and executed elsewhere. Nothing in this module opens a file,
//! reads a clock or knows a terminal. Its only other input is the environment variables that the
//! help names.
//!
//! A short letter means the same in every verb, and every verb's help ends with an example. Both
//! are tested.

mod capture;
mod catalog;
mod check;
mod copies;
mod coverage;
mod help;
mod import;
mod live;
mod record;
mod shared;
mod sim;
mod stream;
mod values;
mod words;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgGroup, ArgMatches, Args, CommandFactory, FromArgMatches as _, Parser, Subcommand};

pub use capture::{CaptureArgs, Until};
pub use catalog::{CatalogArgs, LsArgs, PruneArgs};
pub use check::{CheckArgs, DiffArgs, FirstSideArgs, PublishingArgs, SecondSideArgs, Unreferenced};
pub use copies::{PullArgs, PushArgs};
pub use coverage::{CoverageArgs, Hours};
pub use import::ImportArgs;
pub use live::{
    DoctorArgs, FrontArgs, FrontKeys, LiveArgs, SMOKE_LEAST, SMOKE_LIMIT, SmokeArgs, SubscribeArgs,
};
pub use record::RecordArgs;
pub use shared::{
    JournalArgs, JsonArgs, LogArgs, NatsArgs, NormalizeArgs, OutputArgs, PaceArgs, RollArgs,
    SelectArgs, SessionOutputArgs, SinkArgs,
};
pub use sim::{SimAction, SimArgs};
pub use stream::{Storage, StreamArgs};
pub use values::{
    ExportFormat, JsonlTarget, LogFormat, OutputTarget, SinkSpec, SourceSpec, duration_ns,
};

use tickdeck::nats::Secret;
use tickdeck::pipeline::DEFAULT_BATCH_EVENTS;
use tickdeck_core::pace::{Rate, Ratio};
use tickdeck_core::time::TradingDay;
use tickdeck_market::source::Profile;
use tickdeck_recording::storage::is_url;

/// Width of the help text at most, columns.
const HELP_WIDTH: usize = 100;

/// The definition of the command line: verbs and flags.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Deterministic record/replay for CTP (Chinese futures) market data.
#[derive(Debug, Parser)]
#[command(
    name = "tickdeck",
    version,
    max_term_width = HELP_WIDTH,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Results: stdout; log: stderr. Exit: 0 done, 1 difference or damage, \
                  2 bad usage, 3 lossy, 4 failed."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Name of the verb.
    #[arg(skip)]
    pub verb: String,
}

impl Cli {
    /// Parses and validates a command line, the program's name included.
    ///
    /// # Errors
    /// For bad usage, and for `--help` and `--version`: [`clap::Error`] knows which, how to print
    /// it and where.
    pub fn parse_checked<I>(words: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator,
        I::Item: Into<OsString> + Clone,
    {
        let words = words.into_iter().map(Into::into).collect();
        let words = help::help_verb_as_flag(words);
        let command = help::command(help::detail_of(&words));
        let words = words::join_negative_values(&command, words);
        Self::from_checked(command.try_get_matches_from(words)?)
    }

    fn from_checked(mut matches: ArgMatches) -> Result<Self, clap::Error> {
        let verb = matches.subcommand_name().map(str::to_owned);
        let verb = verb.unwrap_or_default();
        refuse_secrets_in_arguments(&matches)
            .and_then(|()| refuse_flags_without_effect(&matches))
            .map_err(|error| with_usage(error, &verb))?;
        let mut cli = Self::from_arg_matches_mut(&mut matches)?;
        let checked = cli.command.check();
        checked.map_err(|error| with_usage(error, &verb))?;
        cli.verb = verb;
        Ok(cli)
    }

    /// As [`parse_checked`](Self::parse_checked), with `fallback` for variables that the real
    /// environment does not have. A fallback value ranks below the environment and above a flag's
    /// default, and the help does not show it.
    ///
    /// # Errors
    /// The same.
    pub fn parse_with_fallback<I>(
        words: I,
        fallback: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, clap::Error>
    where
        I: IntoIterator,
        I::Item: Into<OsString> + Clone,
    {
        let with_fallback = |arg: clap::Arg| {
            let name = arg.get_env().and_then(|name| name.to_str());
            match name.and_then(fallback) {
                Some(value) => {
                    // A switch never shows its default.
                    let is_shown = arg.get_action().takes_values();
                    arg.default_value(value).hide_default_value(is_shown)
                }
                None => arg,
            }
        };
        let mut command = Self::command();
        let verbs: Vec<String> = command
            .get_subcommands()
            .map(|verb| verb.get_name().to_owned())
            .collect();
        for verb in verbs {
            command = command.mut_subcommand(verb, |verb| verb.mut_args(with_fallback));
        }
        let words = words.into_iter().map(Into::into).collect();
        let words = words::join_negative_values(&command, words);
        Self::from_checked(command.try_get_matches_from(words)?)
    }
}

/// Every user of the machine can read the arguments of a process, but not its environment.
fn refuse_secrets_in_arguments(matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((_, verb)) = matches.subcommand() else {
        return Ok(());
    };
    let is_given = |id: &str| {
        verb.try_contains_id(id).unwrap_or(false)
            && verb.value_source(id) == Some(ValueSource::CommandLine)
    };
    for (id, variable) in [
        ("nats_password", "NATS_PASSWORD"),
        ("nats_token", "NATS_TOKEN"),
    ] {
        if is_given(id) {
            return Err(conflict(&format!(
                "every user of this machine can read a secret among the arguments: set {variable} \
                 instead"
            )));
        }
    }
    let has_password = |url: &Secret| {
        let login = url
            .expose()
            .split(',')
            .filter_map(|one| one.rsplit_once('@'));
        login
            .map(|(login, _)| login)
            .any(|login| login.rsplit("//").next().is_some_and(|l| l.contains(':')))
    };
    if is_given("nats_url") && verb.get_one("nats_url").is_some_and(has_password) {
        return Err(conflict(
            "every user of this machine can read a password among the arguments: set NATS_URL \
             instead, or NATS_USER and NATS_PASSWORD",
        ));
    }
    Ok(())
}

/// Flags about payloads, where none are made. A default has no effect either, so only what the user
/// wrote counts.
fn refuse_flags_without_effect(matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((verb, flags)) = matches.subcommand() else {
        return Ok(());
    };
    let (ids, needs): (&[_], _) = match verb {
        "export" if flags.get_one("format") != Some(&ExportFormat::Payload) => (
            &["payload", "drop"],
            "--format payload: the other formats hold ticks as CTP sent them",
        ),
        "record" if !flags.get_flag("publish") => (
            &["sinks", "subject_prefix", "partition", "payload", "drop"],
            "--publish: a recording holds ticks as CTP sent them",
        ),
        _ => return Ok(()),
    };
    let is_given = |id: &&&str| flags.value_source(id) == Some(ValueSource::CommandLine);
    match ids.iter().find(is_given) {
        Some(&"sinks") => Err(conflict(
            "--sink needs --publish: only a published session has sinks",
        )),
        Some(id) => Err(conflict(&format!(
            "--{} needs {needs}",
            id.replace('_', "-")
        ))),
        None => Ok(()),
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate a recording of a seeded synthetic market
    ///
    /// The same seed, profile and generator version yield the same bytes on every machine.
    #[command(after_help = "Example:\n  \
        tickdeck generate --profile quick --seed 7 -o recordings/mine")]
    Generate(GenerateArgs),
    /// Turn tick dumps of other recorders into a recording
    ///
    /// CSV, JSON lines, Parquet or WonderTrader's .dsb, also inside zstd, gzip, zip and tar. The
    /// dialect is detected from the header. Several files are merged in time order. A row that
    /// cannot be read stops the import.
    #[command(after_help = "Examples:\n  \
        tickdeck import dumps/20250911/*.csv.zst -o recordings/2025-09-11\n  \
        tickdeck import ticks.csv --map px=LastPrice --map at=recv_ts --ignore mood -o ticks\n  \
        tickdeck import rb888.csv --trust-exchange -o rb888\n  \
        tickdeck import day.csv --dialect vnpy -o day")]
    Import(ImportArgs),
    /// Write a recording as CSV, JSON lines, published payloads or a Parquet table
    #[command(after_help = "Examples:\n  \
        tickdeck export recordings/quick --format csv --symbols 'rb*' -o rb.csv\n  \
        tickdeck export recordings/quick --format parquet -o quick.parquet")]
    Export(ExportArgs),
    /// Ingest the live market: CTP to NATS, with an optional recording
    ///
    /// Settings come from the environment. MD_RUN_INGEST=1 allows the run. CTP_GATEWAY_CONNECT
    /// names the CTP library (thostmduserapi_se.so, or its folder), and CTP_MD_ADDRESS the market
    /// data front. CTP_BROKER_ID, CTP_USER_ID and CTP_PASSWORD are the login. CTP_SYMBOL lists the
    /// first instruments (rb2601.SHFE,…). CTP_TD_ADDRESS, CTP_APP_ID and CTP_AUTH_CODE name the
    /// trader front that lists contracts. MD_DURATION_SECONDS sets the run time. The session
    /// publishes until that time, SIGINT or SIGTERM, and reconnects whenever the front disconnects.
    #[command(after_help = "Examples:\n  \
        tickdeck live --env-file live.env --record recordings/2026-01-05-day --log-format json\n  \
        tickdeck live --env-file live.env --record-under sessions")]
    Live(Box<LiveArgs>),
    /// Record a source, and optionally publish it at the same time
    ///
    /// `--source ctp` reads the same environment variables as `live`, except MD_RUN_INGEST.
    #[command(after_help = "Examples:\n  \
        tickdeck record --source synthetic:day,seed=7 -o recordings/day --publish --rate 1\n  \
        tickdeck record --source synthetic:quick,trading_day=2026-01-05 --record-under sessions")]
    Record(Box<RecordArgs>),
    /// Replay recordings into sinks, at a controlled speed
    ///
    /// The messages and their order do not depend on the speed. Space (on a terminal) or SIGUSR1
    /// pauses and resumes the replay. SIGINT and SIGTERM stop it cleanly, even while it connects to
    /// the server. Another signal, a second or more later, stops it at once.
    #[command(after_help = "Examples:\n  \
        tickdeck replay recordings/quick --rate 10 --subject-prefix replay.tick\n  \
        tickdeck replay recordings/quirks -S 21:00 -E 23:00 --symbols 'rb*' --rate max --sink jsonl:-")]
    Replay(Box<ReplayArgs>),
    /// Capture what is published on NATS as a payload stream
    ///
    /// The stream has one line per message: subject, space, payload. A replay ends with a marker
    /// that describes what it published. The capture stops at the marker and compares its stream
    /// with it. It answers `replay --wait-for-subscribers`. Once subscribed, it logs
    /// `capture_ready` and creates `--ready-file`. SIGINT and SIGTERM stop it cleanly. Exit code 3:
    /// messages were lost. Exit code 1: the stream differs from what was published.
    #[command(after_help = "Examples:\n  \
        tickdeck capture -o out.jsonl.zst --duration 5m\n  \
        tickdeck capture 'bars.>' --subject-prefix market.tick --linger 2s -o bars.jsonl --json")]
    Capture(Box<CaptureArgs>),
    /// Compare what recordings publish with their accepted goldens
    ///
    /// A golden is a small file beside the recording, kept under version control. The recording is
    /// replayed in virtual time and compared with it. A captured payload stream and a JetStream stream
    /// can be checked the same way. Exit code 1: they differ. Only --update and --accept-field write a golden.
    #[command(after_help = "Examples:\n  \
        tickdeck check recordings/quick\n  \
        tickdeck check recordings/quick --update\n  \
        tickdeck check recordings/* --unreferenced reject --junit check.xml --html check.html")]
    Check(Box<CheckArgs>),
    /// Compare two recordings, two payload streams, or one recording published in two ways
    ///
    /// Recordings are aligned by instrument and order, streams by subject and order. One lost
    /// message is therefore one difference. Exit code 1: they differ.
    #[command(after_help = "Examples:\n  \
        tickdeck diff recordings/quick recordings/quirks\n  \
        tickdeck diff before.jsonl.zst after.jsonl --ignore local_time,seq --json\n  \
        tickdeck diff recordings/quick --b-contracts new.csv --b-drop stale")]
    Diff(Box<DiffArgs>),
    /// Summarize recordings
    #[command(after_help = "Example:\n  tickdeck info recordings/quick --json")]
    Info(InfoArgs),
    /// Print the events of recordings
    #[command(after_help = "Example:\n  tickdeck cat recordings/quick --symbols rb2510 -n 20")]
    Cat(CatArgs),
    /// Cut a recording by time or symbol into a new one
    ///
    /// The events are renumbered: `seq` starts at 0 in the new recording. Its golden therefore fits
    /// replays of the new recording only.
    #[command(after_help = "Example:\n  \
        tickdeck slice recordings/quirks -S 09:00 -E 10:15 --exchange SHFE -o recordings/morning")]
    Slice(SliceArgs),
    /// Merge recordings into one, by receive time
    #[command(after_help = "Example:\n  \
        tickdeck merge recordings/quick recordings/quirks -o recordings/both")]
    Merge(MergeArgs),
    /// Check that recordings are complete and undamaged
    #[command(after_help = "Example:\n  tickdeck verify recordings/*")]
    Verify(VerifyArgs),
    /// Find what recordings lack of their trading days
    ///
    /// Each instrument is compared with the trading calendar and the hours of its product. Found are
    /// silences, gaps, and instruments that were subscribed and had no tick. Exit code 1: something was
    /// found. Exit code 3: there is nothing to judge.
    #[command(after_help = "Examples:\n  \
        tickdeck coverage sessions --trading-day 2026-01-05 --hours all --min-ticks 1000\n  \
        tickdeck coverage recordings/quick --hours recorded --json")]
    Coverage(CoverageArgs),
    /// Seal what a killed recorder left, in place
    ///
    /// The journal becomes segments, which are read back before it is removed. A recording that is
    /// whole stays as it is, so the verb can be repeated. Exit code 3: events were lost, and the
    /// result says which. Exit code 4: there is nothing to recover.
    #[command(after_help = "Example:\n  tickdeck recover recordings/2026-01-05-day")]
    Recover(RecoverArgs),
    /// List the sessions of a catalogue
    ///
    /// A catalogue is what `live` and `record` write with --record-under: one folder per trading day and
    /// session. Exit code 1: a session is damaged. Exit code 3: there is no session.
    #[command(after_help = "Example:\n  tickdeck ls sessions --trading-day 2026-01-05 --json")]
    Ls(LsArgs),
    /// Copy recordings to an object store, and compare them there
    ///
    /// Where the copy is already, nothing is done, and an interrupted push is continued. It never replaces
    /// another recording. Credentials come from the environment: AWS_*, GOOGLE_*, AZURE_*.
    #[command(after_help = "Examples:\n  \
        tickdeck push recordings/quick s3://ticks/quick\n  \
        tickdeck push sessions s3://ticks/sessions --trading-day 2026-01-05 --json")]
    Push(PushArgs),
    /// Copy recordings from an object store, and compare them here
    ///
    /// Where the copy is already, it is compared, and an interrupted pull is continued. It never replaces
    /// another recording. Credentials come from the environment: AWS_*, GOOGLE_*, AZURE_*.
    #[command(after_help = "Examples:\n  \
        tickdeck pull s3://ticks/quick recordings/pulled\n  \
        tickdeck pull s3://ticks/sessions pulled --trading-day 2026-01-05")]
    Pull(PullArgs),
    /// Remove old recordings, by trading days or bytes
    ///
    /// The newest trading day on disk counts, not the date of the machine. A recording that is
    /// unfinished, damaged or being written stays. Exit code 1: one of them is damaged. Exit code 3: one
    /// that should go stays for another reason, or the limit is still exceeded.
    #[command(after_help = "Examples:\n  \
        tickdeck prune sessions --keep-days 30 --dry-run\n  \
        tickdeck prune sessions --keep-days 90 --max-bytes 500GB --json")]
    Prune(PruneArgs),
    /// Query the health of a running tickdeck over NATS
    #[command(after_help = "Example:\n  tickdeck health --timeout 5s --json")]
    Health(HealthArgs),
    /// Test the login to the CTP front and write the result to a gate file
    ///
    /// PASS: logged in and shut down cleanly. CONCERNS: no login, for a known reason and despite
    /// retries. FAIL (exit code 1): anything else. The file says FAIL until the verdict is known.
    #[command(after_help = "Example:\n  tickdeck smoke --env-file live.env --gate gate.yml")]
    Smoke(SmokeArgs),
    /// Find out what is missing on this machine for live CTP, and how to fix it
    ///
    /// Exit code 0: `live` can run, although it may have to wait for a front to open. Exit code 1:
    /// a check failed.
    #[command(after_help = "Example:\n  tickdeck doctor --env-file live.env --json")]
    Doctor(DoctorArgs),
    /// Run a CTP client, unchanged, on the simulated front
    ///
    /// The client gets the simulated libraries by LD_PRELOAD, in the version that it was built for.
    /// Nothing is copied, and no real front is dialled. The verb ends as the client does: with its
    /// exit code, or 128 and the number of a signal. Exit code 4: the client never used the simulated
    /// front. Every variable TICKDECK_SIM_... has an effect too; a flag takes precedence.
    #[command(after_help = "Examples:\n  \
        tickdeck sim run -- python3 strategy.py\n  \
        tickdeck sim run --source recordings/quick --rate max --json -- ./my_client\n  \
        tickdeck sim env --source recordings/quick")]
    Sim(SimArgs),
    /// Run an end-to-end demo without CTP or any setup
    #[command(after_help = "Example:\n  tickdeck demo --rate 10")]
    Demo(DemoArgs),
    /// Print or install a shell completion script
    ///
    /// `--install` writes it where the shell looks for it, and says where. Folder and file:
    ///
    /// - bash: $XDG_DATA_HOME/bash-completion/completions/tickdeck
    /// - zsh: $XDG_DATA_HOME/zsh/site-functions/_tickdeck; add the folder to fpath
    /// - fish: $XDG_CONFIG_HOME/fish/completions/tickdeck.fish
    /// - elvish: $XDG_CONFIG_HOME/elvish/lib/tickdeck.elv; `use tickdeck` in rc.elv loads it
    /// - powershell: no such folder; add the script to $PROFILE
    ///
    /// Unset, XDG_DATA_HOME is ~/.local/share, and XDG_CONFIG_HOME is ~/.config.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  \
        tickdeck completions bash --install\n  \
        tickdeck completions zsh -o /usr/local/share/zsh/site-functions\n  \
        tickdeck completions powershell >> $PROFILE"
    )]
    Completions(CompletionsArgs),
    /// Write or install the manual pages
    ///
    /// One page for the program and one for each verb, in troff. `man` finds those in
    /// ~/.local/share/man/man1 if ~/.local/bin is on PATH.
    #[command(after_help = "Examples:\n  \
        tickdeck man --install && man tickdeck-replay\n  \
        tickdeck man -o /usr/local/share/man/man1")]
    Man(ManArgs),
}

impl Command {
    /// Checks combinations, which the parsers of single flags cannot see.
    fn check(&mut self) -> Result<(), clap::Error> {
        match self {
            Self::Cat(args) => check_follow(args.follow, &args.recordings),
            Self::Replay(args) => {
                args.nats.drop_empty();
                check_follow(args.follow, &args.recordings)?;
                args.stream.check(&args.sinks)?;
                args.sinks.check(args.json.json)
            }
            Self::Record(args) => {
                args.nats.drop_empty();
                args.check_source()?;
                args.stream.check(&args.sinks)?;
                args.sinks.check(args.json.json)
            }
            Self::Live(args) => {
                args.nats.drop_empty();
                args.check()
            }
            Self::Health(HealthArgs { nats, .. }) | Self::Doctor(DoctorArgs { nats, .. }) => {
                nats.drop_empty();
                Ok(())
            }
            Self::Capture(args) => {
                args.nats.drop_empty();
                args.check()
            }
            Self::Check(args) => {
                args.nats.drop_empty();
                Ok(())
            }
            Self::Diff(args) => {
                args.nats.drop_empty();
                Ok(())
            }
            Self::Export(args) => args.check(),
            Self::Prune(args) => refuse_urls(&args.places).and_then(|()| args.check()),
            Self::Recover(args) => refuse_urls(&args.recordings),
            Self::Sim(args) => args.check(),
            Self::Slice(args) => {
                args.recordings = vec![args.recording.clone()];
                Ok(())
            }
            Self::Push(args) => {
                args.recordings = vec![args.recording.clone()];
                Ok(())
            }
            Self::Pull(args) => {
                args.recordings = vec![args.recording.clone()];
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The recordings of a verb that reads, and which sessions it wants of a catalogue among them.
    #[must_use]
    pub fn recordings(&mut self) -> Option<(&mut Vec<PathBuf>, &CatalogArgs)> {
        match self {
            Self::Export(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Replay(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Check(args) => Some((&mut args.inputs, &args.catalog)),
            Self::Info(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Cat(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Slice(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Merge(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Verify(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Coverage(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Recover(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Push(args) => Some((&mut args.recordings, &args.catalog)),
            Self::Pull(args) => Some((&mut args.recordings, &args.catalog)),
            _ => None,
        }
    }

    /// Whether a verb that reads accepts to find nothing; `None` if it has no such flag.
    #[must_use]
    pub const fn allows_empty(&self) -> Option<bool> {
        match self {
            Self::Export(args) => Some(args.select.allow_empty),
            Self::Replay(args) => Some(args.select.allow_empty),
            Self::Check(args) => Some(args.allow_empty),
            Self::Cat(args) => Some(args.select.allow_empty),
            Self::Slice(args) => Some(args.select.allow_empty),
            Self::Merge(args) => Some(args.allow_empty),
            Self::Coverage(args) => Some(args.allow_empty),
            _ => None,
        }
    }

    /// Checks how many recordings there are, once each root is replaced by its sessions.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check_recordings(&self) -> Result<(), String> {
        const SELECT: &str = "--trading-day and --session select under a root";
        let following = match self {
            Self::Cat(args) if args.follow => args.recordings.len(),
            Self::Replay(args) if args.follow => args.recordings.len(),
            _ => 1,
        };
        match self {
            _ if following > 1 => Err(format!(
                "--follow follows one recording, and these are {following}: {SELECT}"
            )),
            Self::Slice(args) if args.recordings.len() > 1 => {
                let count = args.recordings.len();
                Err(format!(
                    "one recording is sliced, and these are {count}: {SELECT}"
                ))
            }
            Self::Merge(args) if args.recordings.len() < 2 => {
                Err("a merge needs at least two recordings".into())
            }
            _ => Ok(()),
        }
    }

    /// The front flags of a verb that connects to a front, with its environment file.
    #[must_use]
    pub fn front(&self) -> Option<&FrontArgs> {
        match self {
            Self::Live(args) => Some(&args.front),
            Self::Record(args) if args.source == SourceSpec::Ctp => Some(&args.front),
            Self::Smoke(args) => Some(&args.front),
            Self::Doctor(args) => Some(&args.front),
            _ => None,
        }
    }

    /// The environment file that was named, for the verbs that read one: those that connect to a
    /// front, and `health`.
    #[must_use]
    pub fn environment_file(&self) -> Option<Option<&Path>> {
        match self {
            Self::Health(args) => Some(args.env_file.as_deref()),
            verb => verb.front().map(|front| front.env_file.as_deref()),
        }
    }

    /// Whether the verb runs a session with a front.
    #[must_use]
    pub const fn is_session(&self) -> bool {
        matches!(self, Self::Live(_) | Self::Record(_) | Self::Smoke(_))
    }
}

/// What is changed in place is on a disk.
fn refuse_urls(paths: &[PathBuf]) -> Result<(), clap::Error> {
    match paths.iter().any(|path| is_url(path)) {
        true => Err(clap::Error::raw(
            ErrorKind::ValueValidation,
            "an object store is not changed in place: name a folder, not a URL",
        )),
        false => Ok(()),
    }
}

/// Several recordings are merged by receive time, which needs all of them whole.
fn check_follow(follow: bool, recordings: &[PathBuf]) -> Result<(), clap::Error> {
    match recordings {
        [_, _, ..] if follow => Err(conflict(
            "--follow follows one recording, and several are given",
        )),
        _ => Ok(()),
    }
}

/// An error in clap's form, for combinations that its attributes cannot express.
fn conflict(message: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ArgumentConflict, message)
}

/// The same with the usage of the verb.
fn with_usage(error: clap::Error, verb: &str) -> clap::Error {
    let mut command = Cli::command();
    command.build();
    match command.find_subcommand_mut(verb) {
        Some(verb) => error.format(verb),
        None => error,
    }
}

/// Flags of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Market profile: instruments, length and oddities
    #[arg(long, default_value_t = Profile::Quick, value_parser = values::profile_parser())]
    pub profile: Profile,
    /// Seed of the market, a whole number from 0 on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = values::parse_whole)]
    pub seed: u64,
    /// Only these instruments: ids of any known product, or globs over the profile's (rb*, *.CFFEX,
    /// all); comma separated, repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub symbols: Vec<String>,
    /// Length of the session, above 0s, for example 90s or 1h30m [default: the profile's]
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
    /// When a new segment begins.
    #[command(flatten)]
    pub roll: RollArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Recordings: folders, single segments or roots
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub format: ExportFormat,
    /// File to write, or `-` for stdout. Text is compressed when the name ends in .zst
    #[arg(short, long, value_name = "PATH", default_value = "-", value_parser = values::parse_export_output)]
    pub output: OutputTarget,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
    /// Which events.
    #[command(flatten)]
    pub select: SelectArgs,
    /// How ticks become payloads.
    #[command(flatten)]
    pub normalize: NormalizeArgs,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

impl ExportArgs {
    fn check(&self) -> Result<(), clap::Error> {
        if self.json.json && self.output == OutputTarget::Stdout {
            return Err(conflict(
                "--json describes a new file, and --output is stdout",
            ));
        }
        if self.force && self.output == OutputTarget::Stdout {
            return Err(conflict("--force replaces a file, and --output is stdout"));
        }
        match &self.output {
            OutputTarget::Path(path) => values::check_name(self.format, path)
                .map_err(|error| conflict(&format!("--output {}: {error}", path.display()))),
            OutputTarget::Stdout => Ok(()),
        }
    }
}

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recordings: folders, single segments or roots; several are merged by receive time
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Play the intact part of a damaged recording (exit code 3)
    #[arg(long, hide_short_help = true)]
    pub salvage: bool,
    /// Wait for more while the recording is written; one recording only
    #[arg(long, hide_short_help = true, conflicts_with_all = ["salvage", "looping"])]
    pub follow: bool,
    /// When events are released.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Publish the replay's time on tickdeck.clock.PREFIX this many times per recorded second, above
    /// 0 and up to 1000
    #[arg(hide_short_help = true, long, value_name = "HZ", value_parser = values::parse_hz, help_heading = "Speed")]
    pub clock: Option<Ratio>,
    /// Which events.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Begin with the last known tick of each instrument before the start point
    #[arg(hide_short_help = true, long, help_heading = "Selection")]
    pub prime: bool,
    /// Where payloads go.
    #[command(flatten)]
    pub sinks: SinkArgs,
    /// Replace existing files of --sink jsonl:PATH
    #[arg(long, hide_short_help = true)]
    pub force: bool,
    /// Begin when N subscribers, 0 or more, answer on tickdeck.ready.PREFIX, as `tickdeck capture` does. When
    /// none answers, a plain subscriber under PREFIX counts as one, if the server lists it
    #[arg(
        hide_short_help = true,
        long,
        value_name = "N",
        help_heading = "Publishing"
    )]
    pub wait_for_subscribers: Option<u32>,
    /// Show what would be played and where, without playing it
    #[arg(long, help_heading = "Publishing")]
    pub dry_run: bool,
    /// Events per batch; changes the speed only
    #[arg(long, value_name = "N", default_value_t = DEFAULT_BATCH_EVENTS, hide = true, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub batch_size: u32,
    /// Threads that normalize, encode and publish; changes the speed only [default: the number of cores,
    /// at most 4, with --rate max, and 1 otherwise]
    #[arg(hide_short_help = true, long, value_name = "N", help_heading = "Publishing", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,
    /// The stream of a JetStream sink.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// How ticks become payloads.
    #[command(flatten)]
    pub normalize: NormalizeArgs,
    /// How to reach NATS.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Recordings: folders, single segments or roots
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `cat`.
#[derive(Debug, Args)]
pub struct CatArgs {
    /// Recordings: folders, single segments or roots
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Wait for more while the recording is written; one recording only
    #[arg(long)]
    pub follow: bool,
    /// Which events.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `slice`.
#[derive(Debug, Args)]
pub struct SliceArgs {
    /// The recording: a folder, a single segment, or a root with --session
    #[arg(value_name = "REC")]
    pub recording: PathBuf,
    /// The same, once a root is replaced by its sessions.
    #[arg(skip)]
    pub recordings: Vec<PathBuf>,
    /// Take the intact part of a damaged recording (exit code 3)
    #[arg(long)]
    pub salvage: bool,
    /// Which events.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Where the recording goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// When a new segment begins.
    #[command(flatten)]
    pub roll: RollArgs,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Recordings, at least two: folders, single segments or roots; equal receive times keep this order
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Accept recordings without a tick: exit with 0, and write an empty recording
    #[arg(long)]
    pub allow_empty: bool,
    /// Where the recording goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// When a new segment begins.
    #[command(flatten)]
    pub roll: RollArgs,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Recordings: folders, single segments or roots
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// Recordings: folders
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// How long to wait for the answer
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = values::parse_duration)]
    pub timeout: Duration,
    /// Subject of the request
    #[arg(long, value_name = "SUBJECT", default_value = "health.check", value_parser = values::parse_subject)]
    pub subject: String,
    /// The session's environment file, with NAME=VALUE lines [default: .env, if it exists]
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// How to reach NATS.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Recording to play [default: a seeded market]
    #[arg(value_name = "REC")]
    pub recording: Option<PathBuf>,
    /// The nats-server to start [default: found on PATH]
    #[arg(long, value_name = "PATH")]
    pub nats_server: Option<PathBuf>,
    /// Seed of the market, a whole number from 0 on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = values::parse_whole)]
    pub seed: u64,
    /// Factor of the recorded speed, above 0, such as 0.5 or 10; or `max`
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
    /// Write the script to the user's folder for this shell, replacing an older one
    #[arg(long, group = "place")]
    pub install: bool,
    /// Write the script to this folder, under the name that the shell looks for
    #[arg(short, long, value_name = "DIR", group = "place")]
    pub output: Option<PathBuf>,
    /// Print what was written as JSON on stdout
    #[arg(long, requires = "place", help_heading = "Output")]
    pub json: bool,
}

/// Flags of `man`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("place").args(["install", "output"]).required(true)))]
pub struct ManArgs {
    /// Write the pages to the user's folder, $XDG_DATA_HOME/man/man1 [XDG_DATA_HOME:
    /// ~/.local/share], replacing older ones
    #[arg(long)]
    pub install: bool,
    /// Folder for the pages, created if it does not exist
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Whether what was written is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

#[cfg(test)]
mod tests;
