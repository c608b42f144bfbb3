//! The facts of a diagnosis, as data.

use tickdeck_core::calendar::{Coverage, TradingCalendar};
use tickdeck_core::time::UnixNanos;

use super::reach::Unreachable;

/// Everything that a diagnosis is based on. An `Err` is the problem in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The variables.
    pub environment: EnvironmentFacts,
    /// Libraries and fronts.
    pub account: Result<AccountFacts, String>,
    /// The folder for the library's own files.
    pub flow_folder: Result<String, String>,
    /// The NATS server that answers.
    pub nats: Result<String, ServerFault>,
    /// What the server promises about the stream in question, or why the stream cannot be used. `None` if
    /// there is none in question.
    pub stream: Option<Result<String, String>>,
    /// The trading calendar.
    pub calendar: Result<CalendarFacts, String>,
    /// The disk of the recordings.
    pub disk: DiskFacts,
    /// The locale that Python wrappers of CTP need.
    pub locale: LocaleFacts,
}

/// Facts about the variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFacts {
    /// Required variables that are not set.
    pub missing: Vec<&'static str>,
    /// Variables of the authentication that are not set, where there is a trader front.
    pub missing_authentication: Vec<&'static str>,
    /// Whether `MD_RUN_INGEST` allows `live` to run, or what is wrong with it.
    pub is_ingest_allowed: Result<bool, String>,
    /// Number of instruments in `CTP_SYMBOL`.
    pub symbols: Result<usize, String>,
    /// What is wrong with `MD_DURATION_SECONDS`.
    pub duration_problem: Option<String>,
}

/// Why the NATS server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFault {
    /// What kind of problem it is.
    pub problem: ServerProblem,
    /// The error in words.
    pub text: String,
}

/// What is wrong with a NATS server, by what fixes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerProblem {
    /// It does not answer.
    Unreachable,
    /// It refuses the login.
    Login,
    /// The encrypted connection fails.
    Tls,
    /// It has as many connections as it may have.
    Full,
    /// The account lacks a permission.
    Permission,
    /// The options contradict each other or name a file that cannot be used.
    Options,
    /// Anything else.
    Other,
}

/// Facts about libraries and fronts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFacts {
    /// The market data library; `None` when no variable names one.
    pub library: Option<Result<LibraryFacts, String>>,
    /// Version of the trader library; `None` when there is no trader front or no library is named.
    pub trader_library: Option<Result<String, String>>,
    /// Market data fronts.
    pub md_fronts: Vec<FrontFacts>,
    /// Trader fronts.
    pub td_fronts: Vec<FrontFacts>,
}

impl AccountFacts {
    /// Whether the library is the simulated front.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        matches!(&self.library, Some(Ok(library)) if library.is_simulated)
    }
}

/// Facts about a market data library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryFacts {
    /// The file.
    pub path: String,
    /// The exported function that creates a session.
    pub create_symbol: &'static str,
    /// `GetApiVersion`.
    pub version: String,
    /// Letter of the tick layout.
    pub layout: String,
    /// Number of callbacks.
    pub callbacks: usize,
    /// Whether it is the simulated front.
    pub is_simulated: bool,
    /// Whether its version was tested.
    pub is_version_tested: bool,
    /// Whether closing a session cannot crash the process.
    pub is_release_safe: bool,
    /// Why it has not the keys that the flags ask for.
    pub keys_problem: Option<String>,
    /// Why it cannot use one of the market data fronts.
    pub front_problem: Option<String>,
}

/// Facts about a front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontFacts {
    /// Scheme of its address.
    pub scheme: &'static str,
    /// Whether it is behind a proxy.
    pub is_behind_proxy: bool,
    /// Whether it accepts connections; `None` when that cannot be tried.
    pub reached: Option<Result<(), Unreachable>>,
}

/// Facts about the trading calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarFacts {
    /// Today's date in Shanghai.
    pub today: String,
    /// The current trading day.
    pub trading_day: String,
    /// How much the calendar knows of the dates until then.
    pub coverage: Coverage,
}

impl CalendarFacts {
    /// What `calendar` says about `now`.
    #[must_use]
    pub fn of(calendar: &TradingCalendar, now: UnixNanos) -> Self {
        let today = now.to_shanghai().date_naive();
        let trading_day = calendar.trading_day_of(now).0;
        Self {
            // The first session of a year begins in the year before.
            coverage: match calendar.coverage(today) {
                Coverage::Known => calendar.coverage(trading_day),
                less => less,
            },
            today: today.to_string(),
            trading_day: trading_day.to_string(),
        }
    }
}

/// Facts about the disk of the recordings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFacts {
    /// The folder that was asked about.
    pub folder: String,
    /// Its free space, in bytes; `None` where the system states none.
    pub free: Result<Option<u64>, String>,
    /// A recording needs this much, in bytes.
    pub needed: u64,
    /// Why no recording can be made there. Tried only for a folder that the user named.
    pub unwritable: Option<String>,
}

/// Whether the locale zh_CN.GB18030 is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocaleFacts {
    /// It is.
    Installed,
    /// It is not.
    Missing,
    /// The system does not say.
    Unknown,
}
