//! The command line: the only crate that prints or reads the environment.
//!
//! [`run`] parses the arguments, sets up the log, runs one verb and turns its [`Outcome`] into an exit
//! code. A verb is one file with `run(&Context, &Args) -> anyhow::Result<Outcome>`. It computes a
//! result, then renders it: results go to stdout, everything else to stderr.

#![forbid(unsafe_code)]

mod account;
pub mod args;
mod capture;
mod cat;
mod check;
pub mod completions;
mod demo;
mod diff;
mod doctor;
pub mod env;
mod environment_error;
mod export;
mod front;
mod front_settings;
mod gate_file;
mod generate;
mod health;
mod import;
mod info;
mod inputs;
mod library_output;
mod live;
mod log;
mod man;
mod merge;
pub mod outcome;
mod outputs;
mod progress;
mod record;
mod recover;
mod render;
mod replay;
mod slice;
mod smoke;
mod startup;
mod synthetic;
mod verify;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::MultiProgress;
use tickdeck::control::{Control, keyboard, run_interruptible, signals};
use tickdeck::encode::control::RunId;
use tickdeck::progress::{Progress, Silent};
use tickdeck_core::clock::{Clock as _, MonoNanos, SystemClock};

use args::{Cli, Command, LogArgs, LogFormat};
use env::Environment;
use log::WhenFull;
use outcome::{Exit, Outcome, UsageError};

/// What every verb gets besides its flags.
pub struct Context {
    /// Form of the log lines.
    pub log_format: LogFormat,
    /// Whether stderr may be coloured.
    pub colour: bool,
    /// Stop and pause requests. [`Control::is_stopped`] is the stop flag of long verbs.
    pub control: Arc<Control>,
    /// The machine's clock.
    pub clock: Arc<SystemClock>,
    /// Identifies this run of the program in control messages.
    pub run: RunId,
    /// Variables for the verbs that connect to a front; empty for the others.
    pub environment: Environment,
    progress: ProgressMode,
    bars: MultiProgress,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("log_format", &self.log_format)
            .field("colour", &self.colour)
            .field("progress", &self.progress)
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProgressMode {
    Bar,
    Lines,
    Silent,
}

impl ProgressMode {
    const fn choose(log: &LogArgs, stderr_is_terminal: bool) -> Self {
        let bar_wanted = !log.no_progress && matches!(log.log_format, LogFormat::Text);
        match (log.quiet, bar_wanted && stderr_is_terminal) {
            (true, _) => Self::Silent,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

impl Context {
    /// Inspects the terminal and the environment once.
    fn new(log: &LogArgs, environment: Environment) -> Self {
        let stderr_is_terminal = std::io::stderr().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let clock = Arc::new(SystemClock::new());
        Self {
            log_format: log.log_format,
            colour: stderr_is_terminal && !no_colour,
            control: Arc::new(Control::new()),
            run: RunId::of(clock.wall(), std::process::id()),
            clock,
            environment,
            progress: ProgressMode::choose(log, stderr_is_terminal),
            bars: MultiProgress::new(),
        }
    }

    /// Shows the progress of `verb` over `total` events, if the total is known. On a terminal it is a
    /// bar, elsewhere a log line every ten seconds, and with `--quiet` nothing.
    #[must_use]
    pub fn progress(&self, verb: &str, total: Option<u64>) -> Box<dyn Progress> {
        match self.progress {
            ProgressMode::Bar => Box::new(progress::Bar::new(
                verb,
                total,
                &self.bars,
                Arc::clone(&self.control),
            )),
            ProgressMode::Lines => Box::new(progress::Lines::new(verb, total, *self.clock)),
            ProgressMode::Silent => Box::new(Silent),
        }
    }

    /// Makes SIGINT and SIGTERM stop the verb cleanly through [`control`](Self::control), and SIGUSR1
    /// pause it. For verbs that check the control. The others are ended by the first signal, like any
    /// program.
    ///
    /// # Errors
    /// When the system refuses a handler or a thread.
    pub fn handle_signals(&self) -> anyhow::Result<()> {
        signals::install(&self.control, i32::from(Exit::Failed.code()))
            .context("installing signal handlers")
    }

    /// Runs `work` on a thread and waits for its result. Returns `None` when the user stops first or
    /// `until` is reached.
    ///
    /// # Errors
    /// When the system gives no thread, or `work` panics.
    pub fn unless_stopped<T: Send + 'static>(
        &self,
        name: &'static str,
        until: MonoNanos,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<Option<T>> {
        let is_interrupted = || self.control.is_stopped() || self.clock.now() >= until;
        Ok(run_interruptible(name, is_interrupted, work)?)
    }

    /// Makes Enter pause and resume, if stdin is a terminal.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn watch_keyboard(&self) -> anyhow::Result<()> {
        keyboard::watch(&self.control).context("watching the keyboard")
    }
}

/// The whole program: parse, run, exit code.
#[must_use]
pub fn run() -> ExitCode {
    let _flushed = log::FlushedLog;
    // Without this, a file size limit (`ulimit -f`) kills the process instead of failing a write.
    let _ = signals::report_file_size_limit();
    let cli = match Cli::parse_checked(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return print_parser_message(&error).into(),
    };
    let format = cli.log.log_format;
    let (cli, environment) = match with_environment(cli) {
        Ok(Ok(cli)) => cli,
        Ok(Err(error)) => return print_parser_message(&error).into(),
        Err(error) => return outcome::conclude(Err(error), format).into(),
    };
    let context = Context::new(&cli.log, environment);
    let when_full = if cli.command.is_session() {
        WhenFull::Lose
    } else {
        WhenFull::Wait
    };
    let result =
        set_up_log(&context, &cli.log, when_full).and_then(|()| dispatch(&context, cli.command));
    outcome::conclude(result, context.log_format).into()
}

/// Prints the parser's message. Help and version go to stdout and are success, even if it is closed.
fn print_parser_message(error: &clap::Error) -> Exit {
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    }
}

/// Verbs that connect to a front also read variables from a file. The flags name that file, so they
/// are parsed a second time with its values as fallbacks.
fn with_environment(cli: Cli) -> anyhow::Result<Result<(Cli, Environment), clap::Error>> {
    let Some(file) = cli.command.environment_file() else {
        return Ok(Ok((cli, Environment::default())));
    };
    let environment = match Environment::load(file) {
        Ok(environment) => environment,
        Err(error) if cli.command.is_session() => {
            // The flags say how to log. If that fails, the error of the environment still counts.
            let context = Context::new(&cli.log, Environment::default());
            let _ = set_up_log(&context, &cli.log, WhenFull::Lose);
            return Err(startup::startup_error(error.into()));
        }
        Err(error) => return Err(error.into()),
    };
    let fallback = |name: &str| environment.get(name).map(|value| value.expose().to_owned());
    let again = Cli::parse_with_fallback(std::env::args_os(), &fallback);
    Ok(again.map(|cli| (cli, environment)))
}

fn set_up_log(context: &Context, args: &LogArgs, when_full: WhenFull) -> anyhow::Result<()> {
    let env_filter = std::env::var("RUST_LOG").ok();
    let (env_filter, colour) = (env_filter.as_deref(), context.colour);
    log::init(args, env_filter, colour, &context.bars, when_full)
        .map_err(|error| UsageError::caused_by("the log cannot be set up", error).into())
}

fn dispatch(context: &Context, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Generate(args) => generate::run(context, &args),
        Command::Import(args) => import::run(context, &args),
        Command::Export(args) => export::run(context, &args),
        Command::Live(args) => live::run(context, &args),
        Command::Record(args) => record::run(context, &args),
        Command::Replay(args) => replay::run(context, &args),
        Command::Capture(args) => capture::run(context, &args),
        Command::Check(args) => check::run(context, &args),
        Command::Diff(args) => diff::run(context, &args),
        Command::Info(args) => info::run(context, &args),
        Command::Cat(args) => cat::run(context, &args),
        Command::Slice(args) => slice::run(context, &args),
        Command::Merge(args) => merge::run(context, &args),
        Command::Verify(args) => verify::run(context, &args),
        Command::Recover(args) => recover::run(context, &args),
        Command::Health(args) => health::run(context, &args),
        Command::Smoke(args) => smoke::run(context, &args),
        Command::Doctor(args) => doctor::run(context, &args),
        Command::Demo(args) => demo::run(context, &args),
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_needs_a_terminal_text_logs_and_permission() {
        let log = |log_format, no_progress, quiet| LogArgs {
            log_format,
            log_level: None,
            verbose: 0,
            no_progress,
            quiet,
        };
        let text = |no_progress, quiet| log(LogFormat::Text, no_progress, quiet);
        assert_eq!(
            ProgressMode::choose(&text(false, false), true),
            ProgressMode::Bar
        );
        assert_eq!(
            ProgressMode::choose(&text(false, false), false),
            ProgressMode::Lines
        );
        assert_eq!(
            ProgressMode::choose(&text(true, false), true),
            ProgressMode::Lines
        );
        assert_eq!(
            ProgressMode::choose(&text(false, true), true),
            ProgressMode::Silent
        );
        let json = log(LogFormat::Json, false, false);
        assert_eq!(ProgressMode::choose(&json, true), ProgressMode::Lines);
    }
}
