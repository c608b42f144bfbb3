//! Market data sessions through the vendor's library.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tickdeck_core::causes::with_causes;
use tickdeck_core::event::InstrumentId;
use tickdeck_ffi::abi::{LoginResponse, RspInfo};
use tickdeck_ffi::md::{MdApi, MdHandler, MdLogin, MdOptions};
use tickdeck_ffi::{FlowError, FlowFolder, FrontAddress, RawTick};

use super::connection::Connection;
use super::left_behind::{LeftBehind, remove_flow};
use super::library::CtpLibrary;
use super::login::CtpLogin;
use super::scrub::Scrubber;
use super::silence::explain_silence;
use crate::live::attempt::Attempt;
use crate::live::connector::{Abandoned, Connector, MarketDataSession, OpenError, RequestError};
use crate::live::front_kind::FrontKind;
use crate::live::queue::Inlet;

/// Opens market data sessions, each with a new instance and a new flow folder.
pub struct CtpConnector {
    library: CtpLibrary,
    login: CtpLogin,
    fronts: Vec<FrontAddress>,
    flow: PathBuf,
    scrubber: Arc<Scrubber>,
    left_behind: SharedLeftBehind,
}

/// The sessions that the library did not release in time, shared with the open session.
type SharedLeftBehind = Arc<Mutex<LeftBehind<MdApi>>>;

impl CtpConnector {
    /// Sessions of `login` with the first of `fronts` that answers. Flow folders are created below
    /// `flow`.
    #[must_use]
    pub fn new(
        library: CtpLibrary,
        login: CtpLogin,
        fronts: Vec<FrontAddress>,
        flow: PathBuf,
    ) -> Self {
        let scrubber = Arc::new(Scrubber::of(&login, &fronts));
        Self {
            library,
            login,
            fronts,
            flow,
            scrubber,
            left_behind: SharedLeftBehind::default(),
        }
    }
}

impl Connector for CtpConnector {
    fn explain_silence(&self) {
        if !self.library.library().is_simulated() {
            explain_silence(FrontKind::MarketData, &self.fronts);
        }
    }

    fn reclaimed(&mut self) -> u32 {
        lock(&self.left_behind).reclaim(MdApi::release)
    }

    fn open(
        &mut self,
        attempt: &Attempt,
        inlet: Inlet,
    ) -> Result<Box<dyn MarketDataSession>, OpenError> {
        let failed = |is_permanent: bool| {
            let scrubber = Arc::clone(&self.scrubber);
            move |error: &dyn std::error::Error| OpenError {
                reason: scrubber.scrub(&with_causes(error)),
                is_permanent,
            }
        };
        let flow = FlowFolder::open(&self.flow.join(&attempt.session))
            .map_err(|error| failed(!matches!(error, FlowError::InUse { .. }))(&error))?;
        let folder = flow.path().to_owned();
        let options = MdOptions {
            flow,
            production: self.login.production_keys,
            fronts: self.fronts.clone(),
        };
        let connection = Connection::default();
        let handler = Arc::new(Handler {
            inlet,
            connection: connection.clone(),
            scrubber: Arc::clone(&self.scrubber),
        });
        let api = MdApi::start(self.library.library(), options, handler)
            .map_err(|error| failed(true)(&error))?;
        Ok(Box::new(CtpSession {
            api,
            connection,
            login: MdLogin {
                broker_id: self.login.broker_id.expose().to_owned(),
                user_id: self.login.user_id.expose().to_owned(),
                password: self.login.password.clone(),
            },
            folder,
            left_behind: Arc::clone(&self.left_behind),
        }))
    }
}

fn lock(left_behind: &Mutex<LeftBehind<MdApi>>) -> MutexGuard<'_, LeftBehind<MdApi>> {
    left_behind.lock().unwrap_or_else(PoisonError::into_inner)
}

struct CtpSession {
    api: MdApi,
    connection: Connection,
    login: MdLogin,
    folder: PathBuf,
    left_behind: SharedLeftBehind,
}

/// The code of a request that tickdeck's client refused.
const REFUSED_HERE: i32 = i32::MIN;

fn refused(error: &tickdeck_ffi::RequestError) -> RequestError {
    use tickdeck_ffi::RequestError as Ffi;
    match error {
        Ffi::NotConnected { .. } | Ffi::Released { .. } => RequestError::NotConnected,
        Ffi::TooManyOutstanding { .. } => RequestError::TooManyOutstanding,
        Ffi::TooManyPerSecond { .. } => RequestError::TooManyPerSecond,
        Ffi::Refused { code, .. } => RequestError::Other(*code),
        error => {
            tracing::error!(event = "ctp_request_impossible", %error);
            RequestError::Other(REFUSED_HERE)
        }
    }
}

impl CtpSession {
    /// Sends a request, unless a connection may be coming up.
    fn request(
        &self,
        request: impl FnOnce(&MdApi) -> Result<(), tickdeck_ffi::RequestError>,
    ) -> Result<(), RequestError> {
        if !self.connection.is_up() {
            return Err(RequestError::NotConnected);
        }
        request(&self.api).map_err(|error| refused(&error))
    }
}

impl MarketDataSession for CtpSession {
    fn fault(&self) -> Option<&'static str> {
        // The panic itself was reported on stderr, with its location.
        self.api.panicked().then_some("callback_panicked")
    }

    fn login(&mut self) -> Result<(), RequestError> {
        self.request(|api| api.login(&self.login))
    }

    fn subscribe(&mut self, instruments: &[InstrumentId]) -> Result<(), RequestError> {
        let ids: Vec<&[u8]> = instruments.iter().map(InstrumentId::as_bytes).collect();
        self.request(|api| api.subscribe(&ids))
    }

    fn close(self: Box<Self>, at_most: Duration) -> Result<(), Abandoned> {
        match self.api.release(at_most) {
            Ok(()) => {
                remove_flow(&self.folder);
                Ok(())
            }
            Err(error) => {
                tracing::error!(event = "ctp_release_failed", %error);
                lock(&self.left_behind).add(self.api, self.folder);
                Err(Abandoned { at_most })
            }
        }
    }
}

/// Runs on the library's thread: forwards and returns.
struct Handler {
    inlet: Inlet,
    connection: Connection,
    scrubber: Arc<Scrubber>,
}

impl MdHandler for Handler {
    fn on_front_connected(&self) {
        self.connection.made();
        self.inlet.front_connected();
    }

    fn on_front_disconnected(&self, reason: i32) {
        self.connection.lost();
        self.inlet.front_disconnected(reason);
    }

    fn on_heartbeat_warning(&self, lapse_s: i32) {
        self.inlet.heartbeat_warning(lapse_s);
    }

    fn on_login(&self, response: &LoginResponse, info: &RspInfo) {
        if info.is_error() {
            let message = self.scrubber.scrub(&info.message);
            self.inlet.login_failed(info.error_id, &message);
        } else {
            self.inlet.login_ok(&response.trading_day.to_string_lossy());
        }
    }

    fn on_error(&self, info: &RspInfo) {
        let message = self.scrubber.scrub(&info.message);
        self.inlet.library_error(info.error_id, &message);
    }

    fn on_subscribed(&self, instrument_id: &[u8], info: &RspInfo) {
        self.inlet.subscribed(instrument_id, info.error_id);
    }

    fn on_tick(&self, tick: &RawTick) {
        self.inlet.tick(tick);
    }

    fn on_unexpected_slot(&self, slot: usize) {
        let message = format!("the library called function {slot}, which was not requested");
        self.inlet.library_error(0, &message);
    }
}
