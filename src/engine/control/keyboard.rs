//! The keyboard as an input: Enter pauses and continues.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use tickdeck_core::thread;
use tickdeck_core::wait::nap;

use super::{Command, Control};

/// How long after a refused read the terminal is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Sends [`Command::TogglePause`] for each line on stdin, when stdin is a terminal. Elsewhere stdin may
/// be the script that runs the process, so it is not read. In the background (`&`, Ctrl-Z and `bg`) the
/// terminal belongs to the shell: nothing is read until the process is in the foreground again. The
/// thread ends with the process.
///
/// # Errors
/// When the system refuses a thread.
pub fn watch(control: &Arc<Control>) -> io::Result<()> {
    if !io::stdin().is_terminal() {
        return Ok(());
    }
    let control = Arc::clone(control);
    let follow = move || {
        // A read in the background stops the whole process by SIGTTIN. With the signal blocked, the
        // read fails instead.
        if SigSet::from(Signal::SIGTTIN).thread_block().is_err() {
            return;
        }
        let mut line = String::new();
        loop {
            match io::stdin().lock().read_line(&mut line) {
                Ok(0) => return,
                Ok(_) => toggle_pause(&control),
                // After a hang-up it is no longer a terminal.
                Err(_) if io::stdin().is_terminal() => nap(RETRY),
                Err(_) => return,
            }
            line.clear();
        }
    };
    thread::spawn("keyboard", follow)?;
    Ok(())
}

/// Toggles the pause and logs the result.
pub(super) fn toggle_pause(control: &Control) {
    let event = if control.send(Command::TogglePause).is_paused {
        "paused"
    } else {
        "resumed"
    };
    tracing::info!(event);
}
