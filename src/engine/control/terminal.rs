//! The mode of the terminal while keys are read: each key arrives at once and is not echoed. Ctrl-C and
//! Ctrl-Z stay what they are.

use std::io::{self, Stdin};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// Switches the terminal and switches it back. Only the foreground process may: in the background the
/// mode belongs to the shell.
#[derive(Debug, Default)]
pub(super) struct KeyMode(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The mode to switch back to.
    before: Option<Termios>,
    has_ended: bool,
}

impl KeyMode {
    /// Switches the terminal, if the process is in the foreground and it is not switched yet. A shell
    /// switches it back whenever it suspends the process. False after [`end`](Self::end).
    pub(super) fn take_terminal(&self, stdin: &Stdin) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.has_ended {
            return false;
        }
        if is_foreground(stdin)
            && let Ok(mode) = tcgetattr(stdin)
            && mode.local_flags.contains(LocalFlags::ICANON)
        {
            let mut keys = mode.clone();
            let lines = LocalFlags::ICANON | LocalFlags::ECHO;
            keys.local_flags.remove(lines);
            // A terminal that refuses still delivers keys, with the next Enter.
            if tcsetattr(stdin, SetArg::TCSANOW, &keys).is_ok() {
                state.before = Some(mode);
            }
        }
        true
    }

    /// Switches the terminal back, for good.
    pub(super) fn end(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.has_ended = true;
        let stdin = io::stdin();
        let Some(before) = state.before.take().filter(|_| is_foreground(&stdin)) else {
            return;
        };
        // If the shell has taken the terminal meanwhile, the call must not stop the process.
        let mut output = SigSet::empty();
        output.add(Signal::SIGTTOU);
        let _ = output.thread_block();
        // The terminal may have gone.
        let _ = tcsetattr(&stdin, SetArg::TCSANOW, &before);
    }
}

fn is_foreground(stdin: &Stdin) -> bool {
    tcgetpgrp(stdin).is_ok_and(|group| group == getpgrp())
}
