//! The adapter to a CTP library: sessions through `tickdeck-ffi`, and the contracts of the trader
//! front. The only place of the live source that sees a credential.
//!
//! Text that the library or the front sends is searched for the credentials of the login before
//! anybody else sees it, so that an error message that quotes one cannot carry it into a log or a
//! recording.

mod connection;
mod discover;
mod market_data;
mod scrub;
mod silence;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tickdeck_ffi::md::MdLibrary;
use tickdeck_ffi::{LoadError, ReleaseError, Secret};

pub use discover::{Discovery, DiscoveryError, TraderSessions, trader_library_version};
pub use market_data::CtpConnector;
pub use scrub::Scrubber;
pub use silence::explain_silence;

/// Who logs in. Everything is a secret; `Debug` shows nothing.
#[derive(Debug, Clone)]
pub struct CtpLogin {
    /// Broker.
    pub broker_id: Secret,
    /// Account.
    pub user_id: Secret,
    /// Its password.
    pub password: Secret,
    /// Product that authenticates at the trader front; may be empty.
    pub app_id: Secret,
    /// Its code.
    pub auth_code: Secret,
    /// Whether the fronts use production keys; evaluation fronts use others. Libraries before 6.7.11
    /// know only those that they were built with.
    pub production_keys: bool,
    /// Everything that no text may carry on, the above included.
    pub secrets: Vec<Secret>,
}

/// Forgets the sessions that a library has let go of after all, and removes their flow folders; gives
/// how many they are.
fn reclaim<A>(
    left_behind: &mut Vec<(A, PathBuf)>,
    release: impl Fn(&A, Duration) -> Result<(), ReleaseError>,
) -> u32 {
    let before = left_behind.len();
    left_behind.retain(|(api, folder)| {
        // The Release was begun: this asks whether it has returned.
        let hangs = release(api, Duration::ZERO).is_err();
        if !hangs {
            remove_flow(folder);
        }
        hangs
    });
    u32::try_from(before - left_behind.len()).unwrap_or(u32::MAX)
}

/// Every session has a folder of its own, so that the one of a session that is over is of no use.
fn remove_flow(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::debug!(event = "flow_folder_left", %error);
    }
}

/// A market data library that is loaded and understood. It stays loaded until the process ends.
#[derive(Debug, Clone)]
pub struct CtpLibrary(MdLibrary);

impl CtpLibrary {
    /// Loads the library at `path`: the file, or the folder that holds `thostmduserapi_se.so`.
    ///
    /// # Errors
    /// When there is none, it is none of this machine's, or it is none that can be used safely.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        MdLibrary::open(path).map(Self)
    }

    /// What `GetApiVersion` says.
    #[must_use]
    pub fn version(&self) -> String {
        self.0.version().text.trim().to_owned()
    }

    /// Letter of the tick layout (guide 4.1).
    #[must_use]
    pub fn layout(&self) -> String {
        self.0.layout().letter().to_string()
    }

    /// The file that was loaded.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The library itself, for a diagnosis.
    #[must_use]
    pub const fn library(&self) -> &MdLibrary {
        &self.0
    }
}
