//! Starts other programs and prints what runs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The working copy's root.
pub(crate) fn root() -> &'static Path {
    // This crate is in `.cargo/xtask`.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("."))
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where fetched programs are kept.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// Prints a result.
#[expect(clippy::print_stdout, reason = "the result of a command line tool")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Prints what is being done.
#[expect(clippy::print_stderr, reason = "the progress of a command line tool")]
pub(crate) fn note(line: &str) {
    eprintln!("xtask: {line}");
}

/// The cargo that runs this.
///
/// Removes the variables that cargo sets for this program. Build scripts that watch them (ring's
/// does) would otherwise rerun on every change between `cargo xtask` and plain `cargo`.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    let own = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in
        own.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    {
        command.env_remove(name);
    }
    command
}

/// Runs a command with the terminal's input and output, and waits for its end.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    note(&line);
    let status = command
        .status()
        .with_context(|| format!("starting `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    Ok(())
}

/// Whether a command runs and succeeds; its output is dropped.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Creates a folder completely or not at all.
///
/// # Errors
/// When `make` fails or the folder cannot be put in place.
pub(crate) fn once(folder: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let partial = folder.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial)?;
    }
    make(&partial)?;
    std::fs::rename(&partial, folder)?;
    Ok(())
}
