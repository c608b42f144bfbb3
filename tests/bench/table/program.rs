//! The binary as a user runs it: wall time, and the peak of its memory.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// Sampling interval of the running program.
const LOOK: Duration = Duration::from_millis(10);

/// Cost of a run.
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    /// Largest resident set, MB; 0 where the system does not report it.
    pub(crate) peak_mb: f64,
}

/// The binary of the same build. `cargo xtask bench` makes it.
pub(crate) fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    // This program is in `deps`, beside the binary.
    let folder = own.parent().and_then(Path::parent);
    let binary = folder.map(|folder| folder.join("tickdeck"));
    binary
        .filter(|binary| binary.is_file())
        .context("no tickdeck binary here: run `cargo build --release --bin tickdeck` first")
}

/// Runs `tickdeck` to the end.
pub(crate) fn tickdeck(args: &[&str]) -> Result<Run> {
    run(Command::new(binary()?).args(args))
}

fn run(command: &mut Command) -> Result<Run> {
    let started = Instant::now();
    let mut child = command
        .arg("--quiet")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_mb = 0.0_f64;
    let status = loop {
        if let Some(mb) = high_water_mark(Path::new(&status_file)) {
            peak_mb = peak_mb.max(mb);
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    let elapsed = started.elapsed();
    let mut complaint = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut complaint)?;
    }
    ensure!(
        status.success(),
        "{command:?} ended with {status}: {complaint}"
    );
    Ok(Run { elapsed, peak_mb })
}

/// `VmHWM` in MB; the kernel counts in KiB.
fn high_water_mark(status: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
