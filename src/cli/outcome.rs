//! How a verb ends: exit codes, and the only place that prints errors.
//!
//! Invariant: every end of the process goes through [`Exit`], so one table is valid for all verbs.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use tickdeck::check::CheckError;
use tickdeck::convert::ConvertError;
use tickdeck::import::ImportError;
use tickdeck::inputs::MixedInputs;
use tickdeck::nats::StreamProblem;
use tickdeck::pipeline::PlayError;
use tickdeck::session::{PlaceError, SessionError};
use tickdeck::sink::SinkError;
use tickdeck_core::printable::printable;
use tickdeck_recording::{Manifest, RecordingError};

use super::args::LogFormat;
use super::hints::Hints;
use super::stream_problem::stream_problem;
use super::{library_output, log};

/// The result of a verb that finished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    #[default]
    Done,
    /// A comparison or a check found a difference or damage.
    Difference,
    /// Finished, but the result is incomplete; the summary says what is missing.
    Lossy,
    /// The end of a program that the verb ran, as its exit code.
    Client(u8),
}

impl Outcome {
    /// The outcome of two parts of a verb: a difference, else an incomplete part, else done.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Difference, _) | (_, Self::Difference) => Self::Difference,
            (Self::Lossy, _) | (_, Self::Lossy) => Self::Lossy,
            (Self::Done, other) | (other, _) => other,
        }
    }
}

/// Exit codes of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or the reader of stdout closed the pipe.
    Done,
    /// 1: a difference or damage was found.
    Difference,
    /// 2: bad usage, configuration or environment.
    Usage,
    /// 3: finished, but lossy.
    Lossy,
    /// 4: could not finish.
    Failed,
    /// The exit code of a program that the verb ran.
    Client(u8),
}

impl Exit {
    /// The exit code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Difference => 1,
            Self::Usage => 2,
            Self::Lossy => 3,
            Self::Failed => 4,
            Self::Client(code) => code,
        }
    }

    /// The exit of a verb that failed: 0 for a closed stdout, 2 for bad usage, else 4.
    #[must_use]
    pub fn of_error(error: &anyhow::Error) -> Self {
        if error.chain().any(is_reader_gone) {
            Self::Done
        } else if error.chain().any(is_bad_usage) {
            Self::Usage
        } else {
            Self::Failed
        }
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Difference => Self::Difference,
            Outcome::Lossy => Self::Lossy,
            Outcome::Client(code) => Self::Client(code),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Bad usage, configuration or environment that the argument parser cannot detect, such as an invalid
/// contract file. Ends the process with code 2, even as the cause or context of another error.
#[derive(Debug)]
pub struct UsageError {
    message: String,
    source: Option<anyhow::Error>,
    /// Whether the source says what to do, not what the cause is.
    is_fix: bool,
}

impl UsageError {
    /// An error whose message says what was found, what was expected and what to do.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
            is_fix: false,
        }
    }

    /// Wraps an error that was caused by what the user gave.
    #[must_use]
    pub fn caused_by(message: impl Into<String>, source: impl Into<anyhow::Error>) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
            is_fix: false,
        }
    }

    /// Wraps an error that says what to do.
    #[must_use]
    pub fn fixed_by(message: impl Into<String>, fix: impl Into<anyhow::Error>) -> Self {
        Self {
            is_fix: true,
            ..Self::caused_by(message, fix)
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for UsageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Whether an error means that the reader of stdout closed the pipe.
#[must_use]
pub fn is_success(error: &anyhow::Error) -> bool {
    Exit::of_error(error) == Exit::Done
}

/// Unwraps the reason why a session did not start, because its type decides the exit code.
pub(super) fn session_error(error: SessionError) -> anyhow::Error {
    match error {
        SessionError::Nats(error) => error.into(),
        SessionError::Record(error) => error.into(),
        SessionError::Place { path, error } => {
            let message = format!("a recording cannot be made at {}", path.display());
            match error {
                // Its type chooses the hint.
                PlaceError::Space(error) => UsageError::caused_by(message, error).into(),
                error => UsageError::caused_by(message, error).into(),
            }
        }
        error => error.into(),
    }
}

/// Unwraps the reason why a recording was not made, because its type decides the exit code.
pub(super) fn convert_error(error: ConvertError) -> anyhow::Error {
    match error {
        ConvertError::Mixed(error) => error.into(),
        ConvertError::Source(error) => error.into(),
        ConvertError::Recording(error) => error.into(),
        error => error.into(),
    }
}

/// The new recording; `None` if there was no tick, so that none was kept.
///
/// # Errors
/// When it was not made for another reason.
pub(super) fn unless_empty(
    made: Result<Manifest, ConvertError>,
    failed: impl FnOnce(ConvertError) -> anyhow::Error,
) -> anyhow::Result<Option<Manifest>> {
    match made {
        Err(ConvertError::Empty { .. }) => Ok(None),
        made => made.map(Some).map_err(failed),
    }
}

/// Combines the end of a verb with the printing of its result. A closed stdout neither fails a
/// successful verb nor hides a failure.
///
/// # Errors
/// The error that ended the verb, else the one that prevented printing.
pub fn after_printing(
    printed: anyhow::Result<()>,
    ended: anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    match printed {
        Err(error) if !is_success(&error) => ended.and(Err(error)),
        _ => ended,
    }
}

/// Ignores that stdout was closed while a result was printed: what the verb found still decides its end.
///
/// # Errors
/// Any other error of printing.
pub(super) fn unless_closed<E: Into<anyhow::Error>>(printed: Result<(), E>) -> anyhow::Result<()> {
    match printed.map_err(Into::into) {
        Err(error) if is_success(&error) => Ok(()),
        printed => printed,
    }
}

/// The reader of stdout closed the pipe. Unlike other broken pipes, such as that of a network connection, it
/// is not a failure.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the reader of stdout closed the pipe")]
struct ReaderGone;

/// Whether the user's input caused an error of a library. It is bad usage in every verb.
fn is_bad_usage(error: &(dyn Error + 'static)) -> bool {
    let is_bad_input = |error: &CheckError| error.is_bad_input();
    error.is::<UsageError>()
        || error.is::<MixedInputs>()
        || error.downcast_ref().is_some_and(is_bad_input)
        || stream_problem(error).is_some_and(StreamProblem::is_bad_usage)
        || error
            .downcast_ref()
            .is_some_and(RecordingError::is_bad_input)
        || error.downcast_ref().is_some_and(ImportError::is_bad_input)
        || error.downcast_ref().is_some_and(leads_through_a_file)
}

/// Whether a path that the user named leads through a file, or a file is where a folder should be.
fn leads_through_a_file(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
    )
}

/// Whether an error in the chain means that the reader of stdout closed the pipe.
pub(super) fn is_reader_gone(error: &(dyn Error + 'static)) -> bool {
    if error.is::<ReaderGone>() || matches!(error.downcast_ref(), Some(SinkError::BrokenPipe)) {
        return true;
    }
    // A transparent wrapper exposes the cause of the wrapped error, not the wrapped error itself.
    if let Some(PlayError::Sink(error)) = error.downcast_ref() {
        return is_reader_gone(error);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error
            .get_ref()
            .is_some_and(<dyn Error + Send + Sync>::is::<ReaderGone>);
    }
    // serde_json hides the I/O error from the chain but exposes its kind. JSON is written only to
    // files and stdout.
    error
        .downcast_ref::<serde_json::Error>()
        .is_some_and(|error| error.io_error_kind() == Some(io::ErrorKind::BrokenPipe))
}

/// Buffered stdout for results, text or JSON: hidden characters in them are escaped. Flush it
/// explicitly, because dropping hides errors. Pending log lines are written first, so that they
/// appear above the results on a terminal.
#[must_use]
pub fn stdout() -> impl Write + Send {
    Printable(data_stdout())
}

/// The same for data in another format, such as a payload stream. Its bytes stay as they are.
#[must_use]
pub fn data_stdout() -> impl Write + Send {
    log::flush();
    let out: Box<dyn Write + Send> = match library_output::results() {
        Some(kept) => Box::new(kept),
        None => Box::new(io::stdout()),
    };
    io::BufWriter::with_capacity(1 << 16, ReaderAware(out))
}

/// Stdout for a report of the library. Its text is escaped there already, and may be coloured.
#[must_use]
pub(super) fn report_stdout(json: bool) -> Box<dyn Write + Send> {
    if json {
        Box::new(stdout())
    } else {
        Box::new(data_stdout())
    }
}

/// Escapes what could act on a terminal. A part that is written is whole characters: results are
/// written as texts.
struct Printable<W>(W);

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(printable(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Marks broken pipes as those of stdout.
struct ReaderAware<W>(W);

impl<W: Write> Write for ReaderAware<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark)
    }
}

fn mark(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, ReaderGone),
        kind => io::Error::new(kind, format!("stdout cannot be written: {error}")),
    }
}

/// Prints a verb's error, if any, with the hints of the verb, and returns the exit. In JSON form the
/// error is a log line with the event `error`, so that stderr stays machine-readable.
pub(super) fn conclude(result: anyhow::Result<Outcome>, format: LogFormat, hints: &Hints) -> Exit {
    let error = match result {
        Ok(outcome) => return outcome.into(),
        Err(error) => error,
    };
    let exit = Exit::of_error(&error);
    let messages = hints.messages(&error);
    let text = match (exit, format) {
        (Exit::Done, _) => return exit,
        (_, LogFormat::Text) => render(&messages, fix_of(&error).as_deref()),
        (_, LogFormat::Json) => log::error_line(&messages, exit.code()),
    };
    log::print(&text);
    exit
}

/// Prints an error that decides the exit code, where the log's filter hides its event.
pub(super) fn print_if_hidden(format: LogFormat, error: &str, exit: Exit) {
    if tracing::enabled!(tracing::Level::ERROR) {
        return;
    }
    let messages = [error.to_owned()];
    log::print(&match format {
        LogFormat::Text => render(&messages, None),
        LogFormat::Json => log::error_line(&messages, exit.code()),
    });
}

/// The message in the chain of an error that says what to do.
fn fix_of(error: &anyhow::Error) -> Option<String> {
    let mut usage = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<UsageError>());
    let fixed = usage.find(|usage| usage.is_fix)?;
    fixed.source.as_ref().map(ToString::to_string)
}

/// `error: …` and one `caused by: …` per cause; the one that says what to do is `fix: …`. Further lines
/// of a message are indented: a name that holds a line's end must not look like another message.
fn render(messages: &[String], fix: Option<&str>) -> String {
    let lines = messages.iter().enumerate().map(|(position, text)| {
        let head = match position {
            0 => "error",
            _ if fix == Some(text) => "fix",
            _ => "caused by",
        };
        format!("{head}: {}\n", text.replace('\n', "\n  "))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    fn broken() -> io::Error {
        io::Error::from(io::ErrorKind::BrokenPipe)
    }

    #[test]
    fn each_end_has_its_exit_code() {
        let of = |outcome| Exit::from(outcome).code();
        assert_eq!(of(Outcome::Done), 0);
        assert_eq!(of(Outcome::Difference), 1);
        assert_eq!(of(Outcome::Lossy), 3);
        let of = |error| Exit::of_error(&error).code();
        assert_eq!(of(UsageError::new("no trading day").into()), 2);
        let path = "rec".into();
        assert_eq!(of(RecordingError::OutputExists { path }.into()), 2);
        let wrapped = UsageError::caused_by("reading x.csv", broken());
        assert_eq!(of(anyhow::Error::from(wrapped).context("replay")), 2);
        assert_eq!(of(anyhow!(broken()).context("opening rec")), 4);
        let through_a_file = io::Error::from(io::ErrorKind::NotADirectory);
        assert_eq!(of(anyhow!(through_a_file).context("creating x/y")), 2);
    }

    #[test]
    fn only_a_broken_stdout_is_success() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(broken())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(broken())
            }
        }
        let exit = |error: anyhow::Error| Exit::of_error(&error);
        let written = ReaderAware(Closed).write_all(b"x").context("printing");
        assert_eq!(exit(written.unwrap_err()), Exit::Done);
        let flushed = ReaderAware(Closed).flush();
        assert_eq!(exit(flushed.unwrap_err().into()), Exit::Done);
        let json = serde_json::to_writer(ReaderAware(Closed), "x");
        assert_eq!(exit(json.unwrap_err().into()), Exit::Done);
        let mut csv = csv::Writer::from_writer(ReaderAware(Closed));
        csv.write_record(["x"]).unwrap();
        assert_eq!(exit(csv.flush().unwrap_err().into()), Exit::Done);
        assert_eq!(exit(SinkError::BrokenPipe.into()), Exit::Done);
        let played = PlayError::from(SinkError::BrokenPipe);
        assert_eq!(exit(played.into()), Exit::Done);
        assert_eq!(exit(broken().into()), Exit::Failed);
    }

    #[test]
    fn an_error_is_printed_with_its_causes_once() {
        let error = anyhow!("permission denied")
            .context("reading part-00003.parquet: permission denied")
            .context("replaying rec");
        assert_eq!(
            render(&Hints::default().messages(&error), None),
            "error: replaying rec\ncaused by: reading part-00003.parquet: permission denied\n"
        );
        let usage = UsageError::caused_by("contract file x.csv", anyhow!("line 3: no exchange"));
        assert_eq!(
            render(&Hints::default().messages(&usage.into()), None),
            "error: contract file x.csv\ncaused by: line 3: no exchange\n"
        );
        let missing = UsageError::fixed_by("the environment is incomplete", anyhow!("set X"));
        let missing = anyhow::Error::from(missing).context("starting");
        let messages = Hints::default().messages(&missing);
        assert_eq!(
            render(&messages, fix_of(&missing).as_deref()),
            "error: starting\ncaused by: the environment is incomplete\nfix: set X\n"
        );
    }
}
