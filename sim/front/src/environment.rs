//! The only place that reads the environment, once per process.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Once, OnceLock};

use crate::faults::Front;
use crate::log;
use crate::report;
use crate::settings::{Settings, SettingsError, VARIABLE_PREFIX, refuse_unknown};
use crate::shared::{self, SharedFolder};
use crate::vendor;
use crate::version::{self, Emulated, UnknownVersion};

/// A variable as it is: a path may be in any encoding, and a value that is not text must not count
/// as not set. An empty one does.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Opens the log that `TICKDECK_SIM_LOG` names, and the report to the `tickdeck sim run` above; later
/// calls do nothing.
pub fn open_log() {
    report::open(variable(report::VARIABLE).as_deref());
    log::open(variable("TICKDECK_SIM_LOG").as_deref());
}

/// The library was loaded into a process. Only a `tickdeck sim run` needs to know: a preloaded library
/// is in every program that the client starts.
pub fn loaded() {
    if variable(report::VARIABLE).is_none() {
        return;
    }
    open_log();
    // Now, so that a client which counts its files finds none that came later.
    let _ = shared_folder();
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.to_string_lossy().into_owned();
    log::report("sim_loaded", &[("program", program.into())]);
}

/// The folder through which processes share their markets.
pub(crate) fn shared_folder() -> Option<&'static SharedFolder> {
    static FOLDER: OnceLock<Option<SharedFolder>> = OnceLock::new();
    let joined = FOLDER.get_or_init(|| {
        let path = PathBuf::from(variable(shared::VARIABLE)?);
        SharedFolder::join(&path)
            .inspect_err(|error| {
                let text = format!(
                    "{} names {}: {error}; the market is this process's own",
                    shared::VARIABLE,
                    path.display()
                );
                log::warn("sim_not_shared", &[("text", text.into())]);
            })
            .ok()
    });
    joined.as_ref()
}

/// Whether a `tickdeck sim run` started this process.
#[must_use]
pub fn is_supervised() -> bool {
    report::is_read()
}

/// The version to emulate, chosen once per process and library: that of `TICKDECK_SIM_API_VERSION`,
/// else that of the vendor's file that the client has mapped, else the default. `GetApiVersion` has no
/// way to fail, so an unusable version is reported here and ends in [`settings`].
#[must_use]
pub fn version(front: Front) -> &'static Emulated {
    chosen(front).unwrap_or_else(|_| Emulated::default_version())
}

/// The same, with the reason why there is none.
///
/// # Errors
/// When the variable or the vendor's file names a version that there is not.
pub fn chosen(front: Front) -> Result<&'static Emulated, &'static UnknownVersion> {
    let choice = VERSION.get_or_init(|| {
        open_log();
        let choice = choose(front);
        if let Err(error) = &choice {
            log::warn("sim_version_unknown", &[("text", error.to_string().into())]);
        }
        choice
    });
    choice.as_ref().copied()
}

static VERSION: OnceLock<Result<&'static Emulated, UnknownVersion>> = OnceLock::new();

fn choose(front: Front) -> Result<&'static Emulated, UnknownVersion> {
    if let Some(name) = variable(version::VARIABLE) {
        return Emulated::find(&name.to_string_lossy());
    }
    // Without the file system of processes nothing can be found.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mappings = vendor::mappings(&maps);
    let files = vendor::named_files(&mappings, front);
    Ok(vendor::version_of(&files, front)?.unwrap_or_else(Emulated::default_version))
}

/// The settings of the variables `TICKDECK_SIM_…`.
///
/// # Errors
/// The first variable that cannot be used, the version among them: a client of another version must
/// not be called through the wrong table. The same holds for an unknown variable: what it was meant
/// to say would be played by its default.
pub fn settings() -> Result<Settings, SettingsError> {
    refuse_unknown(set_names())?;
    if let Some(Err(error)) = VERSION.get() {
        let text = error.to_string();
        return Err(SettingsError::Version { text });
    }
    Settings::from_words(&|key| variable(&format!("{VARIABLE_PREFIX}{}", key.to_uppercase())))
}

/// Whether the code at an address is the vendor's, which must not connect to anything. The first time
/// is reported.
#[must_use]
pub fn refuses(caller: usize) -> bool {
    static REFUSED: Once = Once::new();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mappings = vendor::mappings(&maps);
    let Some(path) = vendor::file_at(&mappings, caller) else {
        return false;
    };
    REFUSED.call_once(|| {
        let file = path.to_string_lossy().into_owned();
        let text = "the vendor's library was about to connect to a front: refused. The client uses it \
                    past the preloaded one";
        log::warn(
            "sim_dial_refused",
            &[("file", file.into()), ("text", text.into())],
        );
    });
    true
}

/// The names of the variables that are set.
fn set_names() -> impl Iterator<Item = String> {
    std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, _)| name.to_string_lossy().into_owned())
}
