//! The client as a child process in the foreground: it keeps the terminal, gets the signals that
//! are sent to this process, and decides how this process ends.

use std::ffi::OsString;
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tickdeck::control::signals;
use tickdeck_core::clock::{Clock as _, SystemClock};
use tickdeck_core::printable::printable;
use tickdeck_core::wait::nap;

use super::super::outcome::UsageError;
use super::ended::{Ended, pid};
use super::observe::Observer;
use super::variables::Variables;

/// How often the client is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How long a client that cannot work may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running client.
pub(super) struct Client {
    child: Child,
    /// Whether a signal was passed on.
    is_stopped: Arc<AtomicBool>,
}

impl Client {
    /// Starts the client. With `quiet_stdout` what it prints goes to stderr.
    pub(super) fn start(
        words: &[OsString],
        variables: &Variables,
        quiet_stdout: bool,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).envs(variables.all());
        if quiet_stdout {
            let stderr = std::os::fd::AsFd::as_fd(&io::stderr()).try_clone_to_owned();
            command.stdout(Stdio::from(stderr.context("duplicating stderr")?));
        }
        // Before the start, so that no signal comes in between. The thread of the signals waits for it.
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&is_stopped);
        let (started, start) = crossbeam_channel::bounded::<Pid>(1);
        let client = OnceLock::new();
        let pass_on = move |signal, is_ours_alone| {
            stopped.store(true, Ordering::Release);
            let known = client.get().copied().or_else(|| start.recv().ok());
            if let Some(known) = known {
                let _ = client.set(known);
                if is_ours_alone {
                    // The client may have ended meanwhile.
                    let _ = kill(known, signal);
                }
            }
        };
        signals::pass_on(pass_on).context("passing signals on to the client")?;
        let child = command.spawn().map_err(|error| {
            let name = words[0].to_string_lossy();
            UsageError::caused_by(format!("{} cannot be started", printable(&name)), error)
        })?;
        // The channel has room for it.
        let _ = started.send(pid(child.id()));
        Ok(Self { child, is_stopped })
    }

    /// Waits for its end. A client that cannot work on the simulated front is ended.
    pub(super) fn wait(mut self, observer: &mut Observer) -> anyhow::Result<Ended> {
        let clock = SystemClock::new();
        let mut given_up = None;
        loop {
            let status = self.child.try_wait().context("waiting for the client")?;
            if let Some(status) = status {
                let is_stopped = self.is_stopped.load(Ordering::Acquire);
                return Ok(Ended::new(status, is_stopped));
            }
            let now = clock.now();
            observer.look(self.child.id(), now);
            if observer.fatal().is_some() {
                let since = *given_up.get_or_insert_with(|| {
                    let _ = kill(pid(self.child.id()), Signal::SIGTERM);
                    now
                });
                if now.duration_since(since) > PATIENCE {
                    let _ = kill(pid(self.child.id()), Signal::SIGKILL);
                }
            }
            nap(LOOK);
        }
    }
}
