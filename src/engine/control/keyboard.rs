//! The keyboard as an input: Enter pauses and continues.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Arc;

use tickdeck_core::thread;

use super::{Command, Control};

/// Sends [`Command::TogglePause`] for each line on stdin, when stdin is a terminal. Elsewhere stdin may
/// be the script that runs the process, so it is not read. The thread ends with the process.
///
/// # Errors
/// When the system refuses a thread.
pub fn watch(control: &Arc<Control>) -> io::Result<()> {
    if !io::stdin().is_terminal() {
        return Ok(());
    }
    let control = Arc::clone(control);
    let follow = move || {
        for _ in io::stdin().lock().lines().map_while(Result::ok) {
            toggle_pause(&control);
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
