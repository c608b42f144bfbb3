//! The keyboard as an input: space or Enter pauses and continues.

use std::io::{self, IsTerminal as _, Stdin};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::read;
use tickdeck_core::thread;
use tickdeck_core::wait::nap;

use super::terminal::KeyMode;
use super::{Command, Control};

/// How often the terminal and the control are looked at while no key is pressed, ms.
const POLL_MS: u16 = 200;

/// The keyboard of a session. Dropping it gives the terminal back as it was.
#[derive(Debug)]
#[must_use]
pub struct Keyboard {
    mode: Arc<KeyMode>,
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.mode.end();
    }
}

/// Sends [`Command::TogglePause`] for each space or Enter on stdin, when stdin is a terminal. Elsewhere
/// stdin may be the script that runs the process, so it is not read. In the background (`&`, Ctrl-Z and
/// `bg`) the terminal belongs to the shell: it is neither read nor changed until the process is in the
/// foreground again. After a stop the terminal is as it was, and the keys do nothing.
///
/// # Errors
/// When the system refuses a thread.
pub fn watch(control: &Arc<Control>) -> io::Result<Keyboard> {
    let mode = Arc::new(KeyMode::default());
    let keyboard = Keyboard {
        mode: Arc::clone(&mode),
    };
    if !io::stdin().is_terminal() {
        return Ok(keyboard);
    }
    let control = Arc::clone(control);
    thread::spawn("keyboard", move || follow(&control, &mode))?;
    Ok(keyboard)
}

/// Reads keys until a stop, the end of the session or a hang-up.
fn follow(control: &Control, mode: &KeyMode) {
    // Both would stop the process when the shell takes the terminal between a look and its use. While
    // they are blocked, the read fails instead.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTTIN);
    signals.add(Signal::SIGTTOU);
    if signals.thread_block().is_err() {
        return;
    }
    let stdin = io::stdin();
    let mut buffer = [0; 16];
    while !control.is_stopped() && stdin.is_terminal() {
        if !mode.take_terminal(&stdin) {
            return;
        }
        let Ok(keys) = next_keys(&stdin, &mut buffer) else {
            // In the background, or after a hang-up.
            nap(Duration::from_millis(POLL_MS.into()));
            continue;
        };
        for key in keys {
            if matches!(key, b' ' | b'\n' | b'\r') {
                toggle_pause(control);
            }
        }
    }
    mode.end();
}

/// The keys pressed since the last call; none if none comes in time.
fn next_keys<'a>(stdin: &Stdin, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut ready = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ready, POLL_MS)? == 0 {
        return Ok(&[]);
    }
    match read(stdin, buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(&buffer[..count]),
    }
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
