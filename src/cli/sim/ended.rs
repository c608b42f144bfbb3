//! How a client ended, and the number that it had.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use nix::unistd::Pid;

/// The first exit code of a client that a signal ended, as in a shell.
const OF_SIGNALS: i32 = 128;

/// How a client ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    status: ExitStatus,
    is_stopped: bool,
}

impl Ended {
    /// The end of a client, and whether a signal was passed on to it.
    pub(super) const fn new(status: ExitStatus, is_stopped: bool) -> Self {
        Self { status, is_stopped }
    }

    /// The client's exit code; 128 and its number after a signal.
    pub(super) fn code(&self) -> u8 {
        let of_signal = self.status.signal().map(|signal| OF_SIGNALS + signal);
        let code = self.status.code().or(of_signal);
        code.and_then(|code| u8::try_from(code).ok())
            .unwrap_or(u8::MAX)
    }

    /// The signal that ended it.
    pub(super) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Whether a signal from outside ended it.
    pub(super) fn was_stopped(&self) -> bool {
        self.is_stopped && (self.signal().is_some() || self.code() >= 128)
    }
}

/// The number of a process as the system calls take it.
pub(super) fn pid(process: u32) -> Pid {
    // Numbers of processes are small positive ones.
    Pid::from_raw(i32::try_from(process).unwrap_or(i32::MAX))
}
