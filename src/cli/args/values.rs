//! The values that flags take, and their parsers. A parser's message names what was found and what
//! is accepted; clap adds the flag.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use chrono::NaiveDate;
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use tickdeck::encode::{PayloadKind, subject};
use tickdeck::listing::SessionState;
use tickdeck::nats::stream::StreamName;
use tickdeck::nats::{Secret, StreamProblem, SubjectPattern};
use tickdeck::normalize::Flag;
use tickdeck::session::OnRecordingFailure;
use tickdeck_core::contract::Exchange;
use tickdeck_core::pace::Ratio;
use tickdeck_core::switch;
use tickdeck_core::time::TradingDay;
use tickdeck_market::source::{Profile, SyntheticOptions};
use tickdeck_recording::storage::is_url;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What `live` does when it can no longer record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OnFailure {
    /// Close the recording, publish to the end, exit with 3
    #[default]
    Continue,
    /// End the session, exit with 4
    Stop,
}

impl From<OnFailure> for OnRecordingFailure {
    fn from(value: OnFailure) -> Self {
        match value {
            OnFailure::Continue => Self::Continue,
            OnFailure::Stop => Self::Stop,
        }
    }
}

/// A number of bytes, with a unit or without one.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let is_bare = text.bytes().all(|byte| byte.is_ascii_digit()) && text != "0";
    if is_bare && !text.is_empty() {
        return Err(format!("expected a unit, such as {text}MB or {text}GiB"));
    }
    let size: Result<ByteSize, _> = text.parse();
    size.map(|size| size.as_u64())
        .map_err(|_| "expected a size such as 1GiB, 500MB or 0".into())
}

/// The value of `NATS_TLS_FIRST`. An empty one counts as unset. The flag takes none, so an error is
/// about the variable.
pub(super) fn parse_tls_first(text: &str) -> Result<bool, String> {
    match text {
        "" => Ok(false),
        text => switch::parse_switch(text)
            .map_err(|error| format!("it comes from NATS_TLS_FIRST; {error}")),
    }
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line per event, key=value
    #[default]
    Text,
    /// One flat JSON object per line
    Json,
}

/// Profiles of the synthetic market, with a help line each. The type is in another crate, so clap
/// gets a parser instead of a `ValueEnum`.
pub(super) fn profile_parser() -> impl TypedValueParser<Value = Profile> {
    let known = Profile::ALL.map(|profile| {
        PossibleValue::new(profile.as_str()).help(match profile {
            Profile::Quick => "A few instruments, one minute",
            Profile::Day => "A whole day session of about 600 contracts",
            Profile::Night => "A whole night session of about 600 contracts",
            Profile::FullMarket => "17,000 instruments with options, bursts included",
            Profile::Quirks => "Every oddity of CTP data at least once",
        })
    });
    PossibleValuesParser::new(known).try_map(|word| word.parse::<Profile>())
}

/// The payload contracts, likewise.
pub(super) fn payload_parser() -> impl TypedValueParser<Value = PayloadKind> {
    let known = PayloadKind::ALL.map(|kind| {
        PossibleValue::new(kind.as_str()).help(match kind {
            PayloadKind::Vnpy => "All fields under vn.py's names, numbers as JSON numbers",
            PayloadKind::Decimal => "Eight fields, numbers as decimal strings",
        })
    });
    PossibleValuesParser::new(known)
        .try_map(|word| PayloadKind::parse(&word).ok_or("no such payload"))
}

/// The states of sessions, likewise.
pub(super) fn state_parser() -> impl TypedValueParser<Value = SessionState> {
    let word = |state: SessionState| state.as_str().replace(' ', "-");
    let known = SessionState::ALL.map(|state| PossibleValue::new(word(state)));
    PossibleValuesParser::new(known).try_map(move |text| {
        let mut states = SessionState::ALL.into_iter();
        let found = states.find(|state| word(*state) == text);
        found.ok_or("no such state")
    })
}

/// The flags by which ticks can be filtered, likewise. `primed` is not among them: without
/// `--prime` there are no primed ticks.
pub(super) fn flag_parser() -> impl TypedValueParser<Value = Flag> {
    let help = |flag| match flag {
        Flag::Snapshot => Some("First tick after a subscription"),
        Flag::Stale => Some("Exchange time and receive time are far apart"),
        Flag::Preopen => Some("Before the day's first session, nothing traded yet"),
        Flag::OutOfSession => Some("Outside the product's sessions"),
        Flag::Duplicate => Some("Equal to the tick before"),
        Flag::Replayed => {
            Some("Older than ticks seen before, such as a night sent again in the morning")
        }
        Flag::DateConflict => Some("The dates of the tick contradict each other"),
        Flag::RawTurnover => Some("Turnover as CTP sent it, because the multiplier is unknown"),
        Flag::VolumeFell => Some("Cumulative volume below an earlier value of the trading day"),
        Flag::Primed => None,
    };
    let known = Flag::ALL
        .into_iter()
        .filter_map(|flag| Some(PossibleValue::new(flag.as_str()).help(help(flag)?)));
    PossibleValuesParser::new(known).try_map(|word| word.parse::<Flag>())
}

/// What `export` writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One row per tick, one column per CTP field
    #[default]
    Csv,
    /// One JSON object per event
    Jsonl,
    /// The published messages: subject, space, payload
    Payload,
    /// One Parquet table of normalized ticks: times with zone, missing values null
    Parquet,
    /// The columns of java-trader's dumps
    JavaTrader,
}

/// Where a JSON lines sink writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonlTarget {
    /// `jsonl:-`
    Stdout,
    /// `jsonl:PATH`
    Path(PathBuf),
}

/// A value of `--sink`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkSpec {
    /// Publish on NATS.
    Nats,
    /// Publish to a JetStream stream.
    JetStream(StreamName),
    /// Write a payload stream.
    Jsonl(JsonlTarget),
    /// Hash the payload stream.
    Digest,
    /// Discard everything.
    Null,
}

/// Not a value of `--sink`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkSpecError {
    /// No such sink.
    #[error("expected nats, jetstream:STREAM, jsonl:PATH, jsonl:- (stdout), digest or null")]
    Unknown,
    /// The name of a stream cannot be one.
    #[error(transparent)]
    Stream(#[from] StreamProblem),
    /// The name of the file promises a format that is not written.
    #[error("{0}")]
    OtherFormat(String),
}

impl FromStr for SinkSpec {
    type Err = SinkSpecError;

    fn from_str(text: &str) -> Result<Self, SinkSpecError> {
        if let Some(name) = text.strip_prefix("jetstream:") {
            return Ok(Self::JetStream(name.parse()?));
        }
        match (text, text.strip_prefix("jsonl:")) {
            ("nats", _) => Ok(Self::Nats),
            ("digest", _) => Ok(Self::Digest),
            ("null", _) => Ok(Self::Null),
            (_, Some("-")) => Ok(Self::Jsonl(JsonlTarget::Stdout)),
            (_, Some(path)) if !path.is_empty() => {
                refuse_other_format(path).map_err(SinkSpecError::OtherFormat)?;
                Ok(Self::Jsonl(JsonlTarget::Path(path.into())))
            }
            _ => Err(SinkSpecError::Unknown),
        }
    }
}

/// Parses the sink of a verb that publishes to a server and to nothing else.
pub(super) fn parse_server_sink(text: &str) -> Result<SinkSpec, String> {
    match text.parse() {
        Ok(sink @ (SinkSpec::Nats | SinkSpec::JetStream(_))) => Ok(sink),
        Err(error @ SinkSpecError::Stream(_)) => Err(error.to_string()),
        Ok(_) | Err(_) => Err(
            "expected nats or jetstream:STREAM; `record --source ctp --publish` has other sinks too"
                .to_owned(),
        ),
    }
}

/// A value of `--source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// The live CTP front.
    Ctp,
    /// The seeded market.
    Synthetic(SyntheticOptions),
    /// A recording, played as if it were live.
    Recording(PathBuf),
}

/// Not a value of `--source`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected ctp, recording:PATH or synthetic:{}", SyntheticOptions::FORM)]
pub struct SourceSpecError;

impl FromStr for SourceSpec {
    type Err = SourceSpecError;

    fn from_str(text: &str) -> Result<Self, SourceSpecError> {
        let parsed = match text.split_once(':') {
            None if text == "ctp" => Some(Self::Ctp),
            Some(("synthetic", market)) => market.parse().ok().map(Self::Synthetic),
            Some(("recording", path)) if !path.is_empty() => Some(Self::Recording(path.into())),
            _ => None,
        };
        parsed.ok_or(SourceSpecError)
    }
}

/// Where `export` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputTarget {
    /// `-`
    Stdout,
    /// A file.
    Path(PathBuf),
}

/// `-` or a path.
pub(super) fn parse_output(text: &str) -> Result<OutputTarget, String> {
    match text {
        "" => Err("expected a path, or - for stdout".into()),
        "-" => Ok(OutputTarget::Stdout),
        path => {
            refuse_url(path)?;
            refuse_other_format(path)?;
            Ok(OutputTarget::Path(path.into()))
        }
    }
}

/// The same for a file whose format another flag decides: see [`check_name`].
pub(super) fn parse_export_output(text: &str) -> Result<OutputTarget, String> {
    match text {
        path if !matches!(path, "" | "-") => {
            refuse_url(path)?;
            Ok(OutputTarget::Path(path.into()))
        }
        other => parse_output(other),
    }
}

/// Refuses the name of an exported file that promises another format.
pub(super) fn check_name(format: ExportFormat, path: &Path) -> Result<(), String> {
    let name = path.to_string_lossy();
    if format != ExportFormat::Parquet {
        return refuse_other_format(&name);
    }
    let name = name.to_ascii_lowercase();
    let others = OTHER_FORMATS.iter().filter(|end| **end != ".parquet");
    match others.copied().find(|end| name.ends_with(end)) {
        Some(end) => Err(format!(
            "a name ending in {end} promises another format: the file is Parquet, compressed inside"
        )),
        None => Ok(()),
    }
}

/// Ends of names that promise a format that is not written. A reader would fail on them.
const OTHER_FORMATS: [&str; 12] = [
    ".gz", ".tgz", ".bz2", ".xz", ".lz4", ".zip", ".7z", ".br", ".tar", ".zstd", ".parquet", ".zst",
];

/// Refuses the name of a text file that promises another format, such as `x.csv.gz`.
fn refuse_other_format(path: &str) -> Result<(), String> {
    if path.ends_with(".zst") {
        return Ok(());
    }
    let name = path.to_ascii_lowercase();
    match OTHER_FORMATS.iter().find(|end| name.ends_with(*end)) {
        Some(end) => Err(format!(
            "a name ending in {end} promises another format: the file is text, compressed only if \
             its name ends in .zst in lower case"
        )),
        None => Ok(()),
    }
}

/// Refuses the URL of an object store where a file or folder is made.
fn refuse_url(path: &str) -> Result<(), String> {
    match is_url(Path::new(path)) {
        true => Err("expected a path, not a URL: `tickdeck push` copies a recording to one".into()),
        false => Ok(()),
    }
}

/// The folder of a new recording.
pub(super) fn parse_new_recording(text: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err("expected the path of a folder".into()),
        "-" => Err(
            "a recording is a folder, which stdout cannot take: expected a path; ./- is a \
                    folder of that name"
                .into(),
        ),
        path => {
            refuse_url(path)?;
            Ok(path.into())
        }
    }
}

/// The folder or the URL of a new recording of a session. Nothing of a URL that is refused is shown: it may
/// hold a secret.
pub(super) fn parse_new_session(text: &str) -> Result<PathBuf, String> {
    match is_url(Path::new(text)) {
        true => Ok(text.into()),
        false => parse_new_recording(text),
    }
}

/// The path of a file to create.
pub(super) fn parse_new_path(text: &str) -> Result<PathBuf, String> {
    match text {
        "" | "-" => Err("expected the path of a file".into()),
        path => {
            refuse_url(path)?;
            Ok(path.into())
        }
    }
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; expected a span such as 500ms, 5s or 1h30m"))
}

/// A span that is not empty.
pub(super) fn parse_span(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("expected a span above zero, such as 500ms or 1h".into()),
        span => Ok(span),
    }
}

/// A number of bytes that is not 0.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0 => Err("expected a size above zero, such as 500MB, 64MiB or 2TB".into()),
        bytes => Ok(bytes),
    }
}

/// A span in ns; above 292 years it saturates.
#[must_use]
pub fn duration_ns(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// A whole number from 0 on.
pub(super) fn parse_whole(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}

/// How many of something to show.
pub(super) fn parse_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 1..) => Ok(limit),
        _ => Err("expected a whole number, 1 or more".into()),
    }
}

pub(super) fn parse_trading_day(text: &str) -> Result<TradingDay, String> {
    TradingDay::parse_ctp(text.as_bytes())
        .or_else(|| {
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()
                .map(TradingDay)
        })
        .ok_or_else(|| "expected a date, YYYY-MM-DD or YYYYMMDD".into())
}

pub(super) fn parse_exchange(text: &str) -> Result<Exchange, String> {
    Exchange::parse(text).ok_or_else(|| {
        let known = Exchange::ALL.map(Exchange::as_str).join(", ");
        format!("expected one of {known}")
    })
}

/// More stamps per second than this would outnumber the ticks.
const MAX_HZ: f64 = 1_000.0;

pub(super) fn parse_hz(text: &str) -> Result<Ratio, String> {
    text.parse::<Ratio>()
        .ok()
        .filter(|hz| hz.as_f64() <= MAX_HZ)
        .ok_or_else(|| format!("expected a number above 0 and up to {MAX_HZ}, such as 10 or 0.5"))
}

/// A path that may be empty, as an empty environment variable is.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result")]
pub(super) fn parse_path(text: &str) -> Result<PathBuf, String> {
    Ok(text.into())
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result")]
pub(super) fn parse_secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

/// Tokens of a NATS subject, allowed before `.EXCHANGE.SYMBOL`.
pub(super) fn parse_subject_prefix(text: &str) -> Result<String, subject::PrefixError> {
    subject::validate_prefix(text).map(|()| text.into())
}

/// A subject that messages can be sent to. One with a wildcard only receives.
pub(super) fn parse_subject(text: &str) -> Result<String, String> {
    match text.parse::<SubjectPattern>() {
        Ok(_) if !text.contains(['*', '>']) => Ok(text.into()),
        _ => Err("expected a subject without wildcards, such as health.check".into()),
    }
}

pub(super) fn parse_log_filter(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected a level (error, warn, info, debug, trace, off) or \
                            target=level, comma separated";
    // A lone word would be a target, and everything else would be off.
    let is_target = |word: &&str| {
        !word.contains(['=', '[', ']', '{', '}']) && word.parse::<LevelFilter>().is_err()
    };
    if let Some(word) = text.split(',').map(str::trim).find(is_target) {
        return Err(format!("{word:?} is not a level; {EXPECTED}"));
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(format!("{error}; {EXPECTED}")),
    }
}
