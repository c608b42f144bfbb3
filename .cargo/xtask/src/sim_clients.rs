//! Provides real CTP clients for the tests of the simulated front: Python packages from PyPI in
//! separate folders, the locale that their wrappers need, and a program that uses ctp2rs.
//! Everything is in `target/tools/sim-clients`; nothing is installed on the machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, once, root, run, tools};
use crate::wheel::{environment, install};

/// Packages that contain a wrapper and its vendor's library, one folder each: all versions of
/// `openctp-ctp`, those of the others that differ.
const WRAPPERS: [(&str, &str); 20] = [
    ("openctp-ctp", "6.3.15.7"),
    ("openctp-ctp", "6.3.19.8"),
    ("openctp-ctp", "6.5.1.7"),
    ("openctp-ctp", "6.6.1.7"),
    ("openctp-ctp", "6.6.7.9"),
    ("openctp-ctp", "6.6.9.9"),
    ("openctp-ctp", "6.7.0.9"),
    ("openctp-ctp", "6.7.1.7"),
    ("openctp-ctp", "6.7.2.8"),
    ("openctp-ctp", "6.7.7.1"),
    ("openctp-ctp", "6.7.8.0"),
    ("openctp-ctp", "6.7.9.0"),
    ("openctp-ctp", "6.7.10.0"),
    ("openctp-ctp", "6.7.11.0"),
    ("ctp-python", "6.6.9.post1"),
    ("ctp-python", "6.7.7.post1"),
    ("ctp-python", "6.7.13"),
    ("openctp-tts", "6.3.15.5"),
    ("openctp-tts", "6.6.9.4"),
    ("openctp-tts", "6.7.2.3"),
];

/// vn.py without the packages that only its user interface and back-tests need.
pub(crate) const VNPY: &str = "vnpy==4.5.0";
/// The imports of the part of vn.py that the tests run.
const VNPY_NEEDS: [&str; 5] = ["numpy", "ta-lib", "loguru", "tzlocal", "requests"];
/// Its CTP gateway, built from source with the machine's compiler.
const VNPY_CTP: &str = "vnpy_ctp==6.7.11.4";

/// ctp2rs generates its bindings with libclang, which this package contains.
const LIBCLANG: &str = "libclang==18.1.1";

/// What is available, and why something is not.
#[derive(Debug)]
pub(crate) struct Clients {
    /// `python/`, `locale/`, `openctp-ctp-VERSION/`, `vnpy/`, `ctp2rs/`.
    pub(crate) folder: PathBuf,
    /// What is unavailable, with the reason.
    pub(crate) problems: Vec<String>,
}

/// Fetches what is missing.
pub(crate) fn provide() -> Clients {
    let folder = tools().join("sim-clients");
    let mut problems = Vec::new();
    if let Err(error) = environment(&folder.join("python")).and_then(|()| locale(&folder)) {
        problems.push(format!("{error:#}"));
        return Clients { folder, problems };
    }
    let python = folder.join("python/bin/python");
    for (name, version) in WRAPPERS {
        let package = format!("{name}=={version}");
        let into = folder.join(format!("{name}-{version}"));
        let wheel_only = ["--no-deps", "--only-binary=:all:"];
        if let Err(error) = once(&into, |into| {
            install(&python, Some(into), &wheel_only, &[&package])
        }) {
            problems.push(format!("{package}: {error:#}"));
        }
    }
    let vnpy = once(&folder.join("vnpy"), |into| {
        install(&python, Some(into), &["--no-deps"], &[VNPY])?;
        install(&python, Some(into), &["--only-binary=:all:"], &VNPY_NEEDS)?;
        install(&python, Some(into), &["--no-deps"], &[VNPY_CTP])
    });
    if let Err(error) = vnpy {
        problems.push(format!("vn.py: {error:#}"));
    }
    if let Err(error) = once(&folder.join("ctp2rs"), |into| {
        ctp2rs(&folder, &python, into)
    }) {
        problems.push(format!("ctp2rs: {error:#}"));
    }
    Clients { folder, problems }
}

/// Builds the client that uses ctp2rs, as a separate package outside the workspace.
fn ctp2rs(folder: &Path, python: &Path, into: &Path) -> Result<()> {
    let libclang = folder.join("libclang");
    once(&libclang, |into| {
        install(
            python,
            Some(into),
            &["--no-deps", "--only-binary=:all:"],
            &[LIBCLANG],
        )
    })?;
    let compiler = Command::new("g++")
        .arg("-print-file-name=include")
        .output()
        .context("finding the headers of g++ (Debian: apt-get install g++)")?;
    let headers = String::from_utf8_lossy(&compiler.stdout).trim().to_owned();
    let program = root().join("sim/clients/programs/ctp2rs");
    std::fs::create_dir_all(into.join("src"))?;
    std::fs::copy(program.join("manifest.toml"), into.join("Cargo.toml"))?;
    std::fs::copy(program.join("main.rs"), into.join("src/main.rs"))?;
    run(cargo()
        .current_dir(into)
        .args(["build", "--release"])
        .env("CARGO_TARGET_DIR", into.join("target"))
        .env("LIBCLANG_PATH", libclang.join("clang/native"))
        .env("BINDGEN_EXTRA_CLANG_ARGS", format!("-I{headers}")))?;
    std::fs::rename(
        into.join("target/release/ctp2rs-client"),
        into.join("ctp2rs-client"),
    )?;
    std::fs::remove_dir_all(into.join("target"))?;
    Ok(())
}

/// Fetches everything, or fails with what is missing.
///
/// # Errors
/// When something is missing.
pub(crate) fn run_command() -> Result<PathBuf> {
    let clients = provide();
    if !clients.problems.is_empty() {
        bail!("{}", clients.problems.join("\n"));
    }
    Ok(clients.folder)
}

/// The wrappers construct the locale `zh_CN.GB18030`. glibc also finds it through LOCPATH.
fn locale(folder: &Path) -> Result<()> {
    let made = folder.join("locale/zh_CN.GB18030");
    if made.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder.join("locale"))?;
    run(Command::new("localedef")
        .args(["-i", "zh_CN", "-f", "GB18030"])
        .arg(&made)
        .stdout(std::io::stderr()))
    .context("creating the locale zh_CN.GB18030 (Debian: apt-get install locales)")
}
