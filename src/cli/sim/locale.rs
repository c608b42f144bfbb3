//! The locale zh_CN.GB18030, without which the Python wrappers of CTP abort. It is made once per user
//! where the machine lacks it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tickdeck::live::facts::LocaleFacts;
use tickdeck::live::probe::probe_locale;

use super::super::user_folders::UserFolders;

const NAME: &str = "zh_CN.GB18030";

/// What to say where it cannot be made.
const FIX: &str = "Python wrappers of CTP abort without it; Debian: apt-get install locales";

/// The value of `LOCPATH` with which it is found; `None` if it is found without, or cannot be made, which
/// is logged.
pub(super) fn folders() -> Option<OsString> {
    let theirs = std::env::var_os("LOCPATH").filter(|value| !value.is_empty());
    let has_it = |folders: &OsString| {
        std::env::split_paths(folders).any(|folder| folder.join(NAME).is_dir())
    };
    if theirs.as_ref().is_some_and(has_it) || probe_locale() == LocaleFacts::Installed {
        return None;
    }
    match made() {
        Ok(folder) => {
            let folders = theirs.iter().flat_map(std::env::split_paths);
            std::env::join_paths(folders.chain([folder])).ok()
        }
        Err(reason) => {
            tracing::warn!(
                event = "sim_locale_missing",
                reason,
                "the locale {NAME} is missing and could not be made: {FIX}"
            );
            None
        }
    }
}

/// The folder that has it, made if it is not there.
fn made() -> Result<PathBuf, String> {
    let folder = UserFolders::from_environment().cache();
    let folder = folder.ok_or("neither HOME nor XDG_CACHE_HOME is set")?;
    let folder = folder.join("tickdeck/locale");
    if folder.join(NAME).is_dir() {
        return Ok(folder);
    }
    let told = |what: &str, error: std::io::Error| format!("{what}: {error}");
    std::fs::create_dir_all(&folder)
        .map_err(|error| told(&format!("creating {}", folder.display()), error))?;
    // Made beside its place and renamed, so that it is whole wherever it is found.
    let work = tempfile::Builder::new()
        .prefix(".making-")
        .tempdir_in(&folder);
    let work = work.map_err(|error| told(&format!("writing {}", folder.display()), error))?;
    let partial = work.path().join(NAME);
    define(&partial)?;
    match std::fs::rename(&partial, folder.join(NAME)) {
        // Another run made it meanwhile.
        Err(_) if folder.join(NAME).is_dir() => Ok(folder),
        Err(error) => Err(told("renaming it", error)),
        Ok(()) => Ok(folder),
    }
}

fn define(locale: &Path) -> Result<(), String> {
    let output = Command::new("localedef")
        .args(["--no-archive", "-i", "zh_CN", "-f", "GB18030"])
        .arg(locale)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("the command localedef: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().next().unwrap_or("no message").to_owned();
    Err(format!("localedef: {line}"))
}
