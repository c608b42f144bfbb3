//! The only place that reads the environment, once per process.

use std::sync::OnceLock;

use crate::log;
use crate::settings::{Settings, SettingsError};
use crate::version::Emulated;

/// Names the version to emulate.
const VERSION_NAME: &str = "TICKDECK_SIM_API_VERSION";

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
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
        let Some(name) = variable(VERSION_NAME).filter(|name| !name.is_empty()) else {
            return Emulated::default_version();
        };
        Emulated::find(&name).unwrap_or_else(|error| {
            log::warn("sim_settings_error", &[("text", error.to_string().into())]);
            Emulated::default_version()
        })
    })
}

/// The settings of the variables `TICKDECK_SIM_…`.
///
/// # Errors
/// The first variable that cannot be used, the version among them: a client of another version must
/// not be called through the wrong table.
pub fn settings() -> Result<Settings, SettingsError> {
    if let Some(name) = variable(VERSION_NAME).filter(|name| !name.is_empty()) {
        Emulated::find(&name).map_err(|error| SettingsError::Version {
            text: error.to_string(),
        })?;
    }
    Settings::from_words(&|key| variable(&format!("TICKDECK_SIM_{}", key.to_uppercase())))
}
