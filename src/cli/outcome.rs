//! How a verb ends: exit codes, and the one place where an error is printed.
//!
//! Invariant: every end of the process goes through [`Exit`], so that one table holds for all
//! verbs.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use tickdeck::check::CheckError;
use tickdeck::pipeline::PlayError;
use tickdeck::session::SessionError;
use tickdeck::sink::SinkError;
use tickdeck_core::causes::causes;
use tickdeck_recording::RecordingError;

use super::args::LogFormat;
use super::{library_output, log};

/// How a verb that got to its end came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    #[default]
    Done,
    /// A comparison or a check found a difference or damage.
    Difference,
    /// Finished, but something is missing from the result; the summary says what.
    Lossy,
}

/// Exit codes of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or the reader of stdout had seen enough.
    Done,
    /// 1: a difference or damage was found.
    Difference,
    /// 2: bad usage, configuration or environment.
    Usage,
    /// 3: finished, but lossy.
    Lossy,
    /// 4: could not finish.
    Failed,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Difference => 1,
            Self::Usage => 2,
            Self::Lossy => 3,
            Self::Failed => 4,
        }
    }

    /// The exit of a verb that failed: broken stdout is success, bad usage is 2, the rest 4.
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
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Bad usage, configuration or environment that the argument parser cannot see: a contract file
/// that is none, a time without a trading day. Ends the process with code 2, also as a cause or
/// context of another error.
#[derive(Debug)]
pub struct UsageError {
    message: String,
    source: Option<anyhow::Error>,
}

impl UsageError {
    /// A message that says what was found, what was expected and what to do.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// Calls an error of something else bad usage, because what the user gave caused it.
    #[must_use]
    pub fn caused_by(message: impl Into<String>, source: impl Into<anyhow::Error>) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
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

/// Whether an error means that the reader of stdout had seen enough.
#[must_use]
pub fn is_success(error: &anyhow::Error) -> bool {
    Exit::of_error(error) == Exit::Done
}

/// Why a session did not start. The cause itself decides the exit code.
pub(super) fn session_error(error: SessionError) -> anyhow::Error {
    match error {
        SessionError::Nats(error) => error.into(),
        error => error.into(),
    }
}

/// How a verb ended whose result was printed afterwards. A closed stdout is no failure, and
/// hides none.
///
/// # Errors
/// What ended the verb, or else what kept the result from being printed.
pub fn after_printing(
    printed: anyhow::Result<()>,
    ended: anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    match printed {
        Err(error) if !is_success(&error) => ended.and(Err(error)),
        _ => ended,
    }
}

/// The reader of stdout has closed it. Distinct from every other broken pipe: that of a network
/// connection is a failure.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the reader of stdout has closed it")]
struct ReaderGone;

/// An output that is taken is the user's choice, whichever verb finds it.
fn is_bad_usage(error: &(dyn Error + 'static)) -> bool {
    let is_bad_input = |error: &CheckError| error.is_bad_input();
    error.is::<UsageError>()
        || error.downcast_ref().is_some_and(is_bad_input)
        || matches!(
            error.downcast_ref(),
            Some(
                RecordingError::OutputExists { .. }
                    | RecordingError::NotReplaceable { .. }
                    | RecordingError::NotFetched { .. }
            )
        )
}

/// Whether an error means that the reader of stdout has closed it.
pub(super) fn is_reader_gone(error: &(dyn Error + 'static)) -> bool {
    if error.is::<ReaderGone>() || matches!(error.downcast_ref(), Some(SinkError::BrokenPipe)) {
        return true;
    }
    // A transparent wrapper shows the cause of what it wraps, not the wrapped error itself.
    if let Some(PlayError::Sink(error)) = error.downcast_ref() {
        return is_reader_gone(error);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error
            .get_ref()
            .is_some_and(<dyn Error + Send + Sync>::is::<ReaderGone>);
    }
    // serde_json hides the I/O error from the chain but tells its kind, and JSON is written to
    // files and stdout only.
    error
        .downcast_ref::<serde_json::Error>()
        .is_some_and(|error| error.io_error_kind() == Some(io::ErrorKind::BrokenPipe))
}

/// Stdout for results, buffered. Remember to flush: dropping hides what went wrong. On a terminal
/// the log lines so far stand above them.
#[must_use]
pub fn stdout() -> io::BufWriter<impl Write + Send> {
    log::flush();
    let out: Box<dyn Write + Send> = match library_output::results() {
        Some(kept) => Box::new(kept),
        None => Box::new(io::stdout()),
    };
    io::BufWriter::with_capacity(1 << 16, ReaderAware(out))
}

/// Marks a broken pipe as that of stdout.
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
        _ => error,
    }
}

/// Prints a verb's error, unless it is none, and says how the process ends. In JSON form it is one
/// log line of the event `error`, so that stderr stays readable for machines.
pub fn conclude(result: anyhow::Result<Outcome>, format: LogFormat) -> Exit {
    let error = match result {
        Ok(outcome) => return outcome.into(),
        Err(error) => error,
    };
    let exit = Exit::of_error(&error);
    let text = match (exit, format) {
        (Exit::Done, _) => return exit,
        (_, LogFormat::Text) => render(&error),
        (_, LogFormat::Json) => log::error_line(&error, exit.code()),
    };
    log::print(&text);
    exit
}

/// `error: …` and one `caused by: …` per cause.
fn render(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    for cause in causes(error.as_ref()) {
        text.push_str(&format!("caused by: {cause}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    fn broken() -> io::Error {
        io::Error::from(io::ErrorKind::BrokenPipe)
    }

    #[test]
    fn each_end_has_the_code_of_the_table() {
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
    }

    #[test]
    fn a_broken_stdout_is_success_and_a_broken_connection_is_not() {
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
            render(&error),
            "error: replaying rec\ncaused by: reading part-00003.parquet: permission denied\n"
        );
        let usage = UsageError::caused_by("contract file x.csv", anyhow!("line 3: no exchange"));
        assert_eq!(
            render(&usage.into()),
            "error: contract file x.csv\ncaused by: line 3: no exchange\n"
        );
    }
}
