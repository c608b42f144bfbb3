//! CTP libraries print to stdout. Results go there too, so the two are kept apart: before a library
//! is loaded, stdout is put aside for results, and what is printed to it becomes log lines.
//!
//! Stderr is left alone: what a crashing library or the C runtime says last must not be lost in a
//! pipe of the same process. The vendor's print there what the system says of a host name or address;
//! no credential was seen among it.
//!
//! Invariant: the library never waits for the log, because a thread of its own always reads.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::sync::OnceLock;

use tickdeck::live::ctp::Scrubber;
use tickdeck_core::thread;

/// The stdout that the process was started with, once a library may print.
static RESULTS: OnceLock<File> = OnceLock::new();

/// Lines that are logged as information; an old library that reconnects in a loop prints hundreds a
/// second. The others are there at level debug.
const LOUD_LINES: u64 = 100;

/// Bytes of a line; a longer one is logged in parts.
const LINE_MAX: u64 = 16 * 1_024;

/// Where results go, if it is not simply stdout.
pub(super) fn results() -> Option<&'static File> {
    RESULTS.get()
}

/// Puts stdout aside and logs what is printed to it from here on, without what `scrubber` knows. The
/// second call does nothing.
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
    // Only this function sets it, and only verbs call it, one after the other.
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
            // The other end is this process's stdout: it closes with the process.
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
                "the library prints a lot: the rest is logged at level debug"
            );
        }
    }
}
