//! Keeps the output of CTP libraries apart from results. Both go to stdout: before a library is
//! loaded, stdout is duplicated for results, and what the library prints becomes log lines.
//!
//! Stderr is not redirected. The last message of a crashing library or of the C runtime must not be
//! lost in a pipe of the same process. The vendor's libraries print system errors about a host name
//! or address there; no credential was seen among them.
//!
//! Invariant: the library never waits for the log, because a separate thread always reads.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::sync::OnceLock;

use tickdeck::live::ctp::Scrubber;
use tickdeck_core::thread;

/// The original stdout, once a library may print.
static RESULTS: OnceLock<File> = OnceLock::new();

/// Lines that are logged at level info; the rest is logged at level debug. An old library in a
/// reconnect loop prints hundreds of lines a second.
const LOUD_LINES: u64 = 100;

/// Longest line, in bytes; a longer one is logged in parts.
const LINE_MAX: u64 = 16 * 1_024;

/// Where results go, if not to stdout itself.
pub(super) fn results() -> Option<&'static File> {
    RESULTS.get()
}

/// Duplicates stdout for results, and logs what is printed to it from here on, without the secrets
/// of `scrubber`. A second call does nothing.
///
/// # Errors
/// When the system gives no file or thread.
pub(super) fn separate(scrubber: Scrubber) -> io::Result<()> {
    if RESULTS.get().is_some() {
        return Ok(());
    }
    let kept = nix::unistd::dup(io::stdout())?;
    let (printed, pipe) = io::pipe()?;
    nix::unistd::dup2_stdout(&pipe)?;
    drop(pipe);
    // Only this function sets it, and verbs call it one after the other.
    let _ = RESULTS.set(File::from(kept));
    thread::spawn("library-output", move || log_lines(printed, &scrubber))?;
    Ok(())
}

fn log_lines(printed: impl io::Read, scrubber: &Scrubber) {
    let mut reader = BufReader::new(printed);
    let mut line = Vec::new();
    let mut count = 0_u64;
    loop {
        line.clear();
        match reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            // The writing end is this process's stdout: it closes with the process.
            _ => return,
        }
        let text = scrubber.scrub(String::from_utf8_lossy(&line).trim_end());
        count += 1;
        if count <= LOUD_LINES {
            tracing::info!(event = "ctp_library_output", line = text);
        } else {
            tracing::debug!(event = "ctp_library_output", line = text);
        }
        if count == LOUD_LINES {
            tracing::info!(
                event = "ctp_library_output",
                "the library prints many lines: the rest is logged at level debug"
            );
        }
    }
}
