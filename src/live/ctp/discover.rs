//! The contracts of the trader front: authenticate, log in, ask exchange by exchange, leave.
//!
//! One query at a time, one a second: that is what fronts allow. A query of the whole market at once
//! does not come to an end on some of them (guide 1.7). Nothing is confirmed and nothing traded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use tickdeck_ffi::abi::{Instrument, LoginResponse, RspInfo};
use tickdeck_ffi::td::{TdApi, TdHandler, TdLibrary, TdLogin, TdOptions};
use tickdeck_ffi::{FlowError, FlowFolder, LoadError, RequestError, StartError};

use super::{CtpLogin, Scrubber};
use crate::clock::{Clock, MonoNanos};
use crate::contract::{Exchange, QueriedContract};
use crate::live::front::FrontAddress;
use crate::live::meaning::login_error;

/// Between two requests, and before one that was refused is made again.
const PAUSE: Duration = Duration::from_millis(1_100);
/// How long a wish to stop may go unseen.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How long the library may take to let go.
const RELEASE: Duration = Duration::from_secs(5);
/// "The query is not ready": asked again.
const NEED_RETRY: i32 = 90;

/// Where to ask, and how long.
pub struct Discovery<'a> {
    /// The library: the folder that holds `thosttraderapi_se.so`, or a file beside it.
    pub library: &'a Path,
    /// Who asks.
    pub login: &'a CtpLogin,
    /// Trader fronts.
    pub fronts: &'a [FrontAddress],
    /// A folder of its own for the library's files; gone afterwards.
    pub flow: &'a Path,
    /// For everything together.
    pub timeout: Duration,
    /// Tells when that is over.
    pub clock: &'a dyn Clock,
    /// Ends it early.
    pub stop_asked: &'a dyn Fn() -> bool,
}

/// The contracts could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// No trader library.
    #[error("the trader library cannot be used: {0}")]
    Library(#[from] LoadError),
    /// No folder.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// An address that the library does not take. It is not repeated.
    #[error("CTP_TD_ADDRESS is not one of a front")]
    Address,
    /// No session.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A request that cannot be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The front says no.
    #[error("the trader front refuses the {what}: {reason}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// CTP's words, and their meaning.
        reason: String,
    },
    /// It took too long.
    #[error("the trader front did not answer within {waited:?} ({step})")]
    TimedOut {
        /// How far it had got.
        step: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// The user wants to end.
    #[error("interrupted")]
    Stopped,
}

/// What a callback told.
enum Told {
    Connected,
    Disconnected,
    Authenticated(RspInfo),
    LoggedIn(RspInfo),
    Contract {
        contract: Option<QueriedContract>,
        error: RspInfo,
        request: i32,
        is_last: bool,
    },
}

struct Handler {
    told: Sender<Told>,
    scrubber: Scrubber,
}

impl Handler {
    fn tell(&self, told: Told) {
        // Nobody listens any more when the session is being released.
        let _ = self.told.send(told);
    }

    fn scrubbed(&self, info: &RspInfo) -> RspInfo {
        RspInfo {
            error_id: info.error_id,
            message: self.scrubber.scrub(&info.message),
        }
    }
}

impl TdHandler for Handler {
    fn on_front_connected(&self) {
        self.tell(Told::Connected);
    }

    fn on_front_disconnected(&self, _: i32) {
        self.tell(Told::Disconnected);
    }

    fn on_authenticated(&self, info: &RspInfo) {
        self.tell(Told::Authenticated(self.scrubbed(info)));
    }

    fn on_login(&self, _: &LoginResponse, info: &RspInfo) {
        self.tell(Told::LoggedIn(self.scrubbed(info)));
    }

    fn on_instrument(
        &self,
        instrument: Option<&Instrument>,
        info: &RspInfo,
        request: i32,
        is_last: bool,
    ) {
        self.tell(Told::Contract {
            contract: instrument.map(queried),
            error: self.scrubbed(info),
            request,
            is_last,
        });
    }

    fn on_error(&self, info: &RspInfo, request: i32) {
        self.tell(Told::Contract {
            contract: None,
            error: self.scrubbed(info),
            request,
            is_last: true,
        });
    }
}

fn queried(instrument: &Instrument) -> QueriedContract {
    QueriedContract {
        instrument_id: instrument.instrument_id.to_string_lossy().into_owned(),
        exchange_id: instrument.exchange_id.to_string_lossy().into_owned(),
        product_id: instrument.product_id.to_string_lossy().into_owned(),
        product_class: char::from(instrument.product_class),
        volume_multiple: instrument.volume_multiple,
        price_tick: instrument.price_tick,
        instrument_name: instrument.name(),
    }
}

/// Asks the trader front for its contracts.
///
/// # Errors
/// When the library, the front or the login is not to be had, or it takes too long.
pub fn discover(query: &Discovery<'_>) -> Result<Vec<QueriedContract>, DiscoveryError> {
    let folder = if query.library.is_dir() {
        query.library
    } else {
        query.library.parent().unwrap_or(Path::new("."))
    };
    let library = TdLibrary::open(folder)?;
    let fronts = query.fronts.iter().map(|front| front.expose().parse());
    let options = TdOptions {
        flow: FlowFolder::open(query.flow)?,
        production: true,
        fronts: fronts
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| DiscoveryError::Address)?,
    };
    let (told, hears) = unbounded();
    let handler = Arc::new(Handler {
        told,
        scrubber: Scrubber::new(query.login.secrets.clone()),
    });
    let api = TdApi::start(&library, options, handler)?;
    let mut session = Session {
        query,
        api: &api,
        hears,
        login: TdLogin {
            broker_id: query.login.broker_id.expose().to_owned(),
            user_id: query.login.user_id.expose().to_owned(),
            password: query.login.password.clone(),
            app_id: query.login.app_id.expose().to_owned(),
            auth_code: query.login.auth_code.clone(),
        },
        deadline: query
            .clock
            .now()
            .plus(i64::try_from(query.timeout.as_nanos()).unwrap_or(i64::MAX)),
        step: "connecting",
    };
    let contracts = session.log_in().and_then(|()| session.query_all());
    match api.release(RELEASE) {
        Ok(()) => {
            drop(api);
            // What is left in it is of no use.
            let _ = std::fs::remove_dir_all(query.flow);
        }
        Err(error) => {
            tracing::warn!(event = "ctp_session_abandoned", session = "trader", %error);
            std::mem::forget(api);
        }
    }
    contracts
}

struct Session<'a> {
    query: &'a Discovery<'a>,
    api: &'a TdApi,
    hears: Receiver<Told>,
    login: TdLogin,
    deadline: MonoNanos,
    step: &'static str,
}

impl Session<'_> {
    /// What comes next, or `None` after `at_most`.
    fn hear(&self, at_most: Duration) -> Result<Option<Told>, DiscoveryError> {
        if (self.query.stop_asked)() {
            return Err(DiscoveryError::Stopped);
        }
        if self.query.clock.now() >= self.deadline {
            return Err(DiscoveryError::TimedOut {
                step: self.step,
                waited: self.query.timeout,
            });
        }
        match self.hears.recv_timeout(at_most.min(LOOK_UP)) {
            Ok(told) => Ok(Some(told)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            // The library lets go of the handler only after the release.
            Err(RecvTimeoutError::Disconnected) => Err(DiscoveryError::Stopped),
        }
    }

    /// Lets time pass; what is told meanwhile belongs to nothing any more.
    fn pause(&self) -> Result<(), DiscoveryError> {
        let mut left = PAUSE;
        while !left.is_zero() {
            let nap = left.min(LOOK_UP);
            self.hear(Duration::ZERO)?;
            std::thread::sleep(nap);
            left -= nap;
        }
        Ok(())
    }

    /// Makes a request, again and again while the library only has no room for it.
    fn request(
        &self,
        request: &dyn Fn(&TdApi) -> Result<i32, RequestError>,
    ) -> Result<i32, DiscoveryError> {
        loop {
            match request(self.api) {
                Ok(number) => return Ok(number),
                Err(error) if error.is_retryable() => self.pause()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn log_in(&mut self) -> Result<(), DiscoveryError> {
        loop {
            match self.hear(LOOK_UP)? {
                Some(Told::Connected) => {
                    if self.login.app_id.is_empty() {
                        self.ask_login()?;
                    } else {
                        self.step = "authenticating";
                        self.request(&|api| api.authenticate(&self.login))?;
                    }
                }
                Some(Told::Authenticated(info)) => {
                    checked("authentication", &info)?;
                    self.ask_login()?;
                }
                Some(Told::LoggedIn(info)) => return checked("login", &info),
                Some(Told::Contract { error, .. }) => checked("login", &error)?,
                Some(Told::Disconnected) => self.step = "reconnecting",
                None => {}
            }
        }
    }

    fn ask_login(&mut self) -> Result<(), DiscoveryError> {
        self.step = "logging in";
        self.request(&|api| api.login(&self.login)).map(drop)
    }

    fn query_all(&mut self) -> Result<Vec<QueriedContract>, DiscoveryError> {
        let mut contracts = Vec::new();
        for exchange in Exchange::ALL {
            while !self.query_exchange(exchange, &mut contracts)? {}
        }
        Ok(contracts)
    }

    /// False when it has to be asked again.
    fn query_exchange(
        &mut self,
        exchange: Exchange,
        contracts: &mut Vec<QueriedContract>,
    ) -> Result<bool, DiscoveryError> {
        self.pause()?;
        self.step = "listing contracts";
        let number = self.request(&|api| api.query_instruments(exchange.as_str()))?;
        let before = contracts.len();
        loop {
            match self.hear(LOOK_UP)? {
                Some(Told::Contract {
                    contract,
                    error,
                    request,
                    is_last,
                }) if request == number => {
                    if error.error_id == NEED_RETRY {
                        contracts.truncate(before);
                        return Ok(false);
                    }
                    checked("contract query", &error)?;
                    contracts.extend(contract);
                    if is_last {
                        return Ok(true);
                    }
                }
                Some(Told::Disconnected) => {
                    contracts.truncate(before);
                    self.log_in()?;
                    return Ok(false);
                }
                Some(_) | None => {}
            }
        }
    }
}

fn checked(what: &'static str, info: &RspInfo) -> Result<(), DiscoveryError> {
    if !info.is_error() {
        return Ok(());
    }
    let known = login_error(info.error_id);
    let reason = known.map_or_else(
        || format!("CTP error {} {}", info.error_id, info.message),
        |known| known.to_string(),
    );
    Err(DiscoveryError::Refused { what, reason })
}
