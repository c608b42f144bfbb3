//! What every verb gets besides its flags: the terminal, the clock, stop and pause requests.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::MultiProgress;
use tickdeck::control::{Control, keyboard, run_interruptible, signals};
use tickdeck::encode::control::RunId;
use tickdeck::progress::{Progress, Silent};
use tickdeck_core::clock::{Clock as _, MonoNanos, SystemClock};

use super::args::{LogArgs, LogFormat};
use super::env::Environment;
use super::hints::Hints;
use super::outcome::Exit;
use super::progress;

/// What every verb gets besides its flags.
pub struct Context {
    /// Form of the log lines.
    pub log_format: LogFormat,
    /// Whether stderr may be coloured.
    pub colour: bool,
    /// Whether stdout may be coloured.
    pub results_colour: bool,
    /// Stop and pause requests. [`Control::is_stopped`] is the stop flag of long verbs.
    pub control: Arc<Control>,
    /// The machine's clock.
    pub clock: Arc<SystemClock>,
    /// Identifies this run of the program in control messages.
    pub run: RunId,
    /// What to do about an error, in flags of the verb.
    pub(super) hints: Hints,
    /// Variables for the verbs that connect to a front; empty for the others.
    pub environment: Environment,
    pub(super) bars: MultiProgress,
    progress: ProgressMode,
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
    pub(super) fn new(log: &LogArgs, environment: Environment, hints: Hints) -> Self {
        let stderr_is_terminal = std::io::stderr().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let clock = Arc::new(SystemClock::new());
        Self {
            log_format: log.log_format,
            colour: stderr_is_terminal && !no_colour,
            results_colour: std::io::stdout().is_terminal() && !no_colour,
            control: Arc::new(Control::new()),
            run: RunId::of(clock.wall(), std::process::id()),
            clock,
            environment,
            hints,
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

    /// Shows the progress of a copy on a terminal. The function is called with the bytes done since the
    /// last call.
    pub fn copy_progress(&self, verb: &str, total: u64) -> impl FnMut(u64) + use<> {
        let bar = match self.progress {
            ProgressMode::Bar => Some(progress::CopyBar::new(verb, total, &self.bars)),
            ProgressMode::Lines | ProgressMode::Silent => None,
        };
        move |bytes| {
            if let Some(bar) = &bar {
                bar.advance(bytes);
            }
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

    /// Makes space and Enter pause and resume until the value is dropped, if stdin is a terminal.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn watch_keyboard(&self) -> anyhow::Result<keyboard::Keyboard> {
        keyboard::watch(&self.control).context("watching the keyboard")
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
