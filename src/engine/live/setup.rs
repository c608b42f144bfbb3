//! Settings of a session with a front as values, and the checks before it starts. Reads no
//! environment and prints nothing: callers bring the values and report the errors.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tickdeck_core::clock::Clock;
use tickdeck_ffi::abi::Knowledge;
use tickdeck_ffi::{FrontAddress, FrontNotTaken};

use super::backoff::Backoff;
use super::ctp::{CtpConnector, CtpLibrary, CtpLogin, Scrubber};
use super::supervisor::SupervisorOptions;
use super::trader::{CtpTrader, InterviewOptions, TraderOptions};

/// How long a front and the library may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// Time for a front to answer.
    pub connect: Duration,
    /// Time for the answer to a login.
    pub login: Duration,
    /// Time for the library to reconnect by itself.
    pub reconnect: Duration,
}

impl Default for TimeLimits {
    /// 20 s to connect, 10 s to log in, 30 s to reconnect.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            login: Duration::from_secs(10),
            reconnect: Duration::from_secs(30),
        }
    }
}

impl TimeLimits {
    /// The same limits, but none above `most`.
    #[must_use]
    pub fn at_most(self, most: Duration) -> Self {
        Self {
            connect: self.connect.min(most),
            login: self.login.min(most),
            reconnect: self.reconnect.min(most),
        }
    }
}

/// Settings of a session with a front.
#[derive(Debug, Clone)]
pub struct FrontSettings {
    /// The market data library, or the folder that holds it.
    pub library: PathBuf,
    /// The login.
    pub login: CtpLogin,
    /// Market data fronts.
    pub md_fronts: Vec<FrontAddress>,
    /// Trader fronts; may be empty.
    pub td_fronts: Vec<FrontAddress>,
    /// Folder for the library's own files.
    pub flow: PathBuf,
    /// Time limits.
    pub limits: TimeLimits,
    /// Pauses between attempts.
    pub backoff: Backoff,
}

/// The settings do not suit the library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryMismatch {
    /// The library cannot use an address.
    #[error("address {number} is not for this library: {refusal}")]
    Front {
        /// Place in the list, from 1.
        number: usize,
        /// Why.
        refusal: FrontNotTaken,
    },
    /// The library has no evaluation keys.
    #[error(
        "evaluation keys are not possible with a library of version {version}, which has only its \
         built-in keys"
    )]
    EvaluationKeys {
        /// Its version.
        version: String,
    },
}

impl FrontSettings {
    /// Checks whether the settings suit a library.
    ///
    /// # Errors
    /// When they do not.
    pub fn check_library(&self, library: &CtpLibrary) -> Result<(), LibraryMismatch> {
        check_fronts(library, &self.md_fronts)?;
        check_keys(library, self.login.production_keys)
    }

    /// Removes the login and the addresses from texts.
    #[must_use]
    pub fn scrubber(&self) -> Scrubber {
        Scrubber::of(&self.login, self.md_fronts.iter().chain(&self.td_fronts))
    }

    /// Options of the supervisor of session `session`.
    #[must_use]
    pub fn supervisor(&self, session: String) -> SupervisorOptions {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        SupervisorOptions {
            session,
            backoff: self.backoff,
            connect_timeout_ns: nanos(self.limits.connect),
            login_timeout_ns: nanos(self.limits.login),
            reconnect_grace_ns: nanos(self.limits.reconnect),
            ..SupervisorOptions::default()
        }
    }

    /// Opens market data sessions with these settings.
    #[must_use]
    pub fn connector(&self, library: CtpLibrary) -> CtpConnector {
        CtpConnector::new(
            library,
            self.login.clone(),
            self.md_fronts.clone(),
            self.flow.clone(),
        )
    }

    /// Opens trader sessions with these settings.
    #[must_use]
    pub fn trader<'a>(
        &'a self,
        library: &CtpLibrary,
        listing: ListingOptions,
        clock: &'a dyn Clock,
        stop_asked: &'a dyn Fn() -> bool,
    ) -> CtpTrader<'a> {
        CtpTrader::new(TraderOptions {
            library: &self.library,
            login: &self.login,
            fronts: &self.td_fronts,
            flow: &self.flow,
            interview: InterviewOptions {
                authenticate: !self.login.app_id.is_empty(),
                confirm_settlement: listing.confirm_settlement,
                connect_timeout: self.limits.connect,
                login_timeout: self.limits.login,
                timeout: listing.timeout,
            },
            is_simulated: library.library().is_simulated(),
            clock,
            stop_asked,
        })
    }
}

/// How to query the trader front's contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListingOptions {
    /// Whether to confirm yesterday's settlement first. A legal act of the account holder.
    pub confirm_settlement: bool,
    /// Time for the whole list.
    pub timeout: Duration,
}

impl Default for ListingOptions {
    /// Two minutes, and no confirmation.
    fn default() -> Self {
        Self {
            confirm_settlement: false,
            timeout: Duration::from_secs(120),
        }
    }
}

/// Checks that the library can use each of `fronts`.
///
/// # Errors
/// Names the first one that it cannot use.
pub fn check_fronts(library: &CtpLibrary, fronts: &[FrontAddress]) -> Result<(), LibraryMismatch> {
    for (number, front) in (1..).zip(fronts) {
        library
            .library()
            .check_front(front)
            .map_err(|refusal| LibraryMismatch::Front { number, refusal })?;
    }
    Ok(())
}

/// Warns if the version of a library was never tested.
pub(crate) fn warn_untested(library: &CtpLibrary) {
    if library.library().version().knowledge() != Knowledge::Listed {
        tracing::warn!(
            event = "ctp_version_untested",
            api_version = library.version(),
            layout = library.layout(),
            "this version of the library was never tested: compare a short recording with \
             another recorder's before you rely on it"
        );
    }
}

/// Checks that the library has the keys of the front.
///
/// # Errors
/// When it has no evaluation keys, and these are needed.
pub fn check_keys(library: &CtpLibrary, production: bool) -> Result<(), LibraryMismatch> {
    if production || library.library().has_production_flag() {
        return Ok(());
    }
    let version = library.version();
    Err(LibraryMismatch::EvaluationKeys { version })
}

/// Pause between two subscription requests, ns.
///
/// Real fronts need one. The simulated front accepts all requests at once, and its market would
/// start before the last of them.
#[must_use]
pub fn subscription_interval_ns(library: &CtpLibrary) -> i64 {
    if library.library().is_simulated() {
        0
    } else {
        SupervisorOptions::default().batch_interval_ns
    }
}

/// Creates the flow folder and checks that it can be written. A library that cannot write to its
/// folder crashes the process.
///
/// # Errors
/// When it cannot be created or written.
pub fn prepare_flow_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    tempfile::Builder::new()
        .prefix(".probe")
        .tempfile_in(folder)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use tickdeck_ffi::Secret;

    use super::*;

    fn settings() -> FrontSettings {
        let secret = || Secret::new("");
        FrontSettings {
            library: PathBuf::new(),
            login: CtpLogin {
                broker_id: secret(),
                user_id: secret(),
                password: secret(),
                app_id: secret(),
                auth_code: secret(),
                production_keys: true,
            },
            md_fronts: Vec::new(),
            td_fronts: Vec::new(),
            flow: PathBuf::new(),
            limits: TimeLimits::default(),
            backoff: Backoff::default(),
        }
    }

    #[test]
    fn the_supervisor_gets_the_time_limits() {
        let options = settings().supervisor("ctp".into());
        assert_eq!(options.session, "ctp");
        let seconds = [
            options.connect_timeout_ns,
            options.login_timeout_ns,
            options.reconnect_grace_ns,
        ];
        assert_eq!(seconds.map(|nanos| nanos / 1_000_000_000), [20, 10, 30]);
    }

    #[test]
    fn a_short_run_shortens_the_limits() {
        let limits = settings().limits.at_most(Duration::from_secs(15));
        let seconds = [limits.connect, limits.login, limits.reconnect].map(|span| span.as_secs());
        assert_eq!(seconds, [15, 10, 15]);
    }

    #[test]
    fn a_flow_folder_is_made_and_must_be_writable() {
        let folder = tempfile::tempdir().unwrap();
        let flow = folder.path().join("a/b");
        prepare_flow_folder(&flow).unwrap();
        assert_eq!(std::fs::read_dir(&flow).unwrap().count(), 0);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(prepare_flow_folder(&file).is_err());
    }
}
