//! Settings of a session with a front, from variables and flags.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::Timelike as _;
use tickdeck::live::Backoff;
use tickdeck::live::ctp::CtpLibrary;
use tickdeck::live::setup::{FrontSettings, LibraryMismatch, TimeLimits, prepare_flow_folder};
use tickdeck_core::time::UnixNanos;

use super::account::{Account, GATEWAY, MD_ADDRESS};
use super::args::{FrontArgs, duration_ns};
use super::env::Environment;
use super::environment_error::EnvironmentError;
use super::library_output;
use super::outcome::UsageError;

/// The settings that variables and flags ask for.
pub(super) fn settings(
    account: &Account,
    args: &FrontArgs,
    environment: &Environment,
    now: UnixNanos,
) -> FrontSettings {
    FrontSettings {
        library: account.library.clone(),
        login: account.login.clone(),
        md_fronts: account.md_fronts.clone(),
        td_fronts: account.td_fronts.clone(),
        flow: flow_folder(args.flow_dir.as_deref(), environment),
        limits: TimeLimits {
            connect: args.front_timeout,
            login: args.login_timeout,
            reconnect: args.reconnect_grace,
        },
        backoff: Backoff {
            first_ns: duration_ns(args.backoff),
            cap_ns: duration_ns(args.backoff_max),
            seed: args.backoff_seed.unwrap_or(now.0.unsigned_abs()),
        },
    }
}

/// Loads the market data library, and keeps its output apart from results.
pub(super) fn open_library(settings: &FrontSettings) -> anyhow::Result<CtpLibrary> {
    separate_output(settings)?;
    CtpLibrary::open(&settings.library)
        .map_err(|error| EnvironmentError::unusable(GATEWAY, error).into())
}

/// Checks whether the settings suit a library.
pub(super) fn check_library(settings: &FrontSettings, library: &CtpLibrary) -> anyhow::Result<()> {
    settings.check_library(library).map_err(library_mismatch)
}

/// Names the variable or flag to change.
pub(super) fn library_mismatch(error: LibraryMismatch) -> anyhow::Error {
    match error {
        LibraryMismatch::Front { .. } => EnvironmentError::unusable(MD_ADDRESS, error).into(),
        LibraryMismatch::EvaluationKeys { version } => UsageError::new(format!(
            "--front-keys evaluation is not possible with a library of version {version}, which \
                 has only its built-in keys. Use a library of 6.7.11 or later, or the broker's \
                 evaluation build without the flag"
        ))
        .into(),
        error => UsageError::new(error.to_string()).into(),
    }
}

/// Keeps what libraries print apart from the results.
pub(super) fn separate_output(settings: &FrontSettings) -> anyhow::Result<()> {
    library_output::separate(settings.scrubber())
        .context("separating the CTP library's output from results")
}

/// The folder for the library's own files: the given one, or one below the user's state folder.
pub(super) fn flow_folder(given: Option<&Path>, environment: &Environment) -> PathBuf {
    if let Some(folder) = given {
        return folder.to_owned();
    }
    let named = |name: &str| environment.get(name).map(|v| PathBuf::from(v.expose()));
    let state = named("XDG_STATE_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir);
    state.join("tickdeck").join("flow")
}

/// Creates the flow folder.
pub(super) fn make_flow_folder(folder: &Path) -> Result<(), UsageError> {
    prepare_flow_folder(folder).map_err(|error| {
        let shown = folder.display();
        UsageError::caused_by(
            format!("flow folder {shown} cannot be written to: choose another with --flow-dir"),
            error,
        )
    })
}

/// A session name that is unique on this machine: time and process.
pub(super) fn session_name(prefix: &str, now: UnixNanos) -> String {
    let at = now.to_shanghai();
    format!(
        "{prefix}-{}-{:02}{:02}{:02}-{}",
        at.format("%Y%m%d"),
        at.hour(),
        at.minute(),
        at.second(),
        std::process::id()
    )
}
