//! The only place that reads the environment, once per process.

use std::ffi::OsString;
use std::sync::OnceLock;

use crate::log;
use crate::settings::{Settings, SettingsError, VARIABLE_PREFIX, refuse_unknown};
use crate::version::Emulated;

/// Names the version to emulate.
const VERSION_NAME: &str = "TICKDECK_SIM_API_VERSION";

/// A variable as it is: a path may be in any encoding, and a value that is not text must not count
/// as not set. An empty one does.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Opens the log that `TICKDECK_SIM_LOG` names; later calls do nothing.
pub fn open_log() {
    log::open(variable("TICKDECK_SIM_LOG").as_deref());
}

/// The version of `TICKDECK_SIM_API_VERSION`, chosen once per process. A value that names none is
/// reported, and the default is taken: `GetApiVersion` has no way to fail.
#[must_use]
pub fn version() -> &'static Emulated {
    static VERSION: OnceLock<&'static Emulated> = OnceLock::new();
    VERSION.get_or_init(|| {
        open_log();
        let Some(name) = variable(VERSION_NAME) else {
            return Emulated::default_version();
        };
        Emulated::find(&name.to_string_lossy()).unwrap_or_else(|error| {
            log::warn("sim_settings_error", &[("text", error.to_string().into())]);
            Emulated::default_version()
        })
    })
}

/// The settings of the variables `TICKDECK_SIM_…`.
///
/// # Errors
/// The first variable that cannot be used, the version among them: a client of another version must
/// not be called through the wrong table. The same holds for an unknown variable: what it was meant
/// to say would be played by its default.
pub fn settings() -> Result<Settings, SettingsError> {
    refuse_unknown(set_names())?;
    if let Some(name) = variable(VERSION_NAME) {
        Emulated::find(&name.to_string_lossy()).map_err(|error| SettingsError::Version {
            text: error.to_string(),
        })?;
    }
    Settings::from_words(&|key| variable(&format!("{VARIABLE_PREFIX}{}", key.to_uppercase())))
}

/// The names of the variables that are set.
fn set_names() -> impl Iterator<Item = String> {
    std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, _)| name.to_string_lossy().into_owned())
}
