//! Provides a server of the S3 protocol for the tests of object stores: from `TICKDECK_S3_SERVER`, from
//! `target/tools`, or `s3s-fs` of crates.io, which honours conditional puts.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::run::{cargo, once, run, succeeds, tools};

const CRATE: &str = "s3s-fs";
/// The newest version that the project's Rust builds.
const VERSION: &str = "0.14.1";

/// The path of a server that starts, built if necessary.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn provide() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("TICKDECK_S3_SERVER").map(PathBuf::from) {
        if works(&named) {
            return Ok(named);
        }
        bail!(
            "TICKDECK_S3_SERVER names {}, which does not run; unset it, and one is built",
            named.display()
        );
    }
    let kept = tools().join(CRATE);
    if works(&kept) {
        return Ok(kept);
    }
    let built = tools().join("s3s");
    once(&built, |folder| {
        run(cargo()
            .args([
                "install",
                CRATE,
                "--version",
                VERSION,
                "--locked",
                "--debug",
            ])
            .args(["--features", "binary", "--root"])
            .arg(folder))
    })?;
    std::fs::copy(built.join("bin").join(CRATE), &kept)?;
    std::fs::remove_dir_all(&built)?;
    match works(&kept) {
        true => Ok(kept),
        false => bail!("{} does not run on this machine", kept.display()),
    }
}

fn works(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|path| succeeds(path, &["--version"]))
}
