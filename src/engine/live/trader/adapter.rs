//! Interviews through the vendor's trader library: sessions, callbacks, requests, and their log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use tickdeck_core::clock::Clock;
use tickdeck_core::contract::QueriedContract;
use tickdeck_core::wait::{Received, receive};
use tickdeck_ffi::abi::{Instrument, LoginResponse, RspInfo};
use tickdeck_ffi::td::{TdApi, TdHandler, TdLibrary, TdLogin, TdOptions};
use tickdeck_ffi::{FlowFolder, FrontAddress, LoadError, RequestError};

use super::error::TraderError;
use super::interview::{
    Action, CallbackEvent, Interview, InterviewError, InterviewOptions, Request,
};
use super::search::{Listed, SessionEnd, TraderFront};
use crate::live::attempt::Attempt;
use crate::live::ctp::connection::Connection;
use crate::live::ctp::left_behind::{LeftBehind, remove_flow};
use crate::live::ctp::{CtpLogin, Scrubber, explain_silence};
use crate::live::front_kind::FrontKind;
use crate::live::front_log::SessionLog;
use crate::live::options::CLOSE_BETWEEN_ATTEMPTS;
use crate::live::refusal::{CtpError, FrontRequest};

/// How often the stop request is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Time for the library to release a session at the end of the run.
const CLOSE_AT_END: Duration = Duration::from_secs(5);
const KIND: &str = FrontKind::Trader.as_str();

/// Where to ask, and what.
pub struct TraderOptions<'a> {
    /// The library: the folder that holds `thosttraderapi_se.so`, or a file beside it.
    pub library: &'a Path,
    /// The login.
    pub login: &'a CtpLogin,
    /// Trader fronts.
    pub fronts: &'a [FrontAddress],
    /// Folder for the flow folders of the sessions.
    pub flow: &'a Path,
    /// What to ask for. An authentication needs an app id.
    pub interview: InterviewOptions,
    /// Whether the fronts are simulated inside the library, so that no connection is made.
    pub is_simulated: bool,
    /// Measures the time limits.
    pub clock: &'a dyn Clock,
    /// Ends an interview early.
    pub stop_asked: &'a dyn Fn() -> bool,
}

/// Sessions with a trader front, one after the other.
pub struct CtpTrader<'a> {
    options: TraderOptions<'a>,
    login: TdLogin,
    left_behind: LeftBehind<TdApi>,
}

impl<'a> CtpTrader<'a> {
    /// No session yet.
    #[must_use]
    pub fn new(options: TraderOptions<'a>) -> Self {
        let login = TdLogin {
            broker_id: options.login.broker_id.expose().to_owned(),
            user_id: options.login.user_id.expose().to_owned(),
            password: options.login.password.clone(),
            app_id: options.login.app_id.expose().to_owned(),
            auth_code: options.login.auth_code.clone(),
        };
        Self {
            options,
            login,
            left_behind: LeftBehind::default(),
        }
    }

    /// Starts a session. Its callbacks arrive at the receiver.
    fn start(
        &self,
        flow: &Path,
        connection: Connection,
    ) -> Result<(TdApi, Receiver<CallbackEvent>), TraderError> {
        let CtpLogin {
            production_keys, ..
        } = self.options.login;
        let library = open_trader_library(self.options.library)?;
        if !production_keys && !library.has_production_flag() {
            let version = library.version().to_string();
            return Err(TraderError::EvaluationKeys { version });
        }
        let options = TdOptions {
            flow: FlowFolder::open(flow)?,
            production: *production_keys,
            fronts: self.options.fronts.to_vec(),
        };
        let (events, received) = unbounded();
        let handler = Arc::new(Handler {
            events,
            connection,
            scrubber: Scrubber::of(self.options.login, self.options.fronts),
        });
        Ok((TdApi::start(&library, options, handler)?, received))
    }

    /// Runs an interview to its end.
    fn interview(&self, session: &Session<'_>) -> Result<Vec<QueriedContract>, TraderError> {
        let clock = self.options.clock;
        let mut interview = Interview::new(self.options.interview.clone(), clock.now());
        loop {
            if (self.options.stop_asked)() {
                return Err(TraderError::Stopped);
            }
            // Pending callbacks take precedence over a deadline that passed while this thread was
            // blocked.
            while !interview.has_ended()
                && let Ok(event) = session.events.try_recv()
            {
                session.handle(&mut interview, clock, event);
            }
            match interview.poll(clock.now()) {
                // A request now might meet a connection that is coming up.
                Some(Action::Send(_)) if !session.connection.is_up() => {
                    interview.not_accepted(clock.now());
                }
                Some(Action::Send(request)) => match session.send(&self.login, request) {
                    Ok(number) => interview.sent(number),
                    Err(error) if error.is_retryable() => interview.not_accepted(clock.now()),
                    Err(error) => return Err(error.into()),
                },
                Some(Action::End(result)) => {
                    if let Err(error) = &result {
                        session.log_refusal(error);
                    }
                    return Ok(result?);
                }
                None => {
                    let wait = interview.due().duration_since(clock.now());
                    match receive(&session.events, wait.min(POLL_INTERVAL)) {
                        Received::Message(event) => session.handle(&mut interview, clock, event),
                        Received::Timeout => {}
                        // The library drops the handler only after the release.
                        Received::Closed => return Err(TraderError::Stopped),
                    }
                }
            }
        }
    }

    /// Releases a session. Returns how it ended, and how many earlier ones were released late.
    fn close(&mut self, api: TdApi, session: &str, flow: PathBuf) -> (SessionEnd, u32) {
        let at_most = if (self.options.stop_asked)() {
            CLOSE_AT_END
        } else {
            CLOSE_BETWEEN_ATTEMPTS
        };
        let Err(error) = api.release(at_most) else {
            remove_flow(&flow);
            return (SessionEnd::Released, 0);
        };
        tracing::error!(event = "ctp_session_abandoned", session, kind = KIND, %error);
        let reclaimed = self.reclaim();
        self.left_behind.add(api, flow);
        (SessionEnd::Abandoned, reclaimed)
    }

    fn reclaim(&mut self) -> u32 {
        let sessions = self.left_behind.reclaim(TdApi::release);
        if sessions > 0 {
            tracing::info!(event = "ctp_sessions_reclaimed", sessions, kind = KIND);
        }
        sessions
    }
}

impl TraderFront for CtpTrader<'_> {
    fn list(&mut self, attempt: &Attempt) -> Listed {
        let mut reclaimed = self.reclaim();
        let flow = self.options.flow.join(&attempt.session);
        let connection = Connection::default();
        let (api, events) = match self.start(&flow, connection.clone()) {
            Ok(started) => started,
            Err(error) => {
                return Listed {
                    contracts: Err(error),
                    session: SessionEnd::NotStarted,
                    reclaimed,
                };
            }
        };
        let contracts = self.interview(&Session {
            name: &attempt.session,
            api: &api,
            events,
            connection,
        });
        let (session, also_reclaimed) = self.close(api, &attempt.session, flow);
        reclaimed += also_reclaimed;
        Listed {
            contracts,
            session,
            reclaimed,
        }
    }

    fn explain_silence(&self) {
        if !self.options.is_simulated {
            explain_silence(FrontKind::Trader, self.options.fronts);
        }
    }
}

/// A started session.
struct Session<'a> {
    name: &'a str,
    api: &'a TdApi,
    events: Receiver<CallbackEvent>,
    connection: Connection,
}

impl Session<'_> {
    fn log(&self) -> SessionLog<'_> {
        SessionLog {
            session: self.name,
            front: FrontKind::Trader,
        }
    }

    fn handle(&self, interview: &mut Interview, clock: &dyn Clock, event: CallbackEvent) {
        match &event {
            CallbackEvent::Connected => self.log().front_connected(),
            CallbackEvent::Disconnected { reason } => self.log().disconnected(*reason),
            CallbackEvent::LoggedIn(Ok(())) => self.log().login_ok(),
            _ => {}
        }
        interview.on(clock.now(), event);
    }

    /// A refused request of the login is logged like a refused login of the market data front.
    fn log_refusal(&self, error: &InterviewError) {
        if let InterviewError::Refused(refusal) = error
            && refusal.request != FrontRequest::ContractQuery
        {
            let CtpError { error_id, message } = &refusal.error;
            self.log().login_failed(*error_id, message);
        }
    }

    fn send(&self, login: &TdLogin, request: Request) -> Result<i32, RequestError> {
        match request {
            Request::Authenticate => self.api.authenticate(login),
            Request::Login => self.api.login(login),
            Request::ConfirmSettlement => self.api.confirm_settlement(login),
            Request::Query(exchange) => self.api.query_instruments(exchange.as_str()),
        }
    }
}

/// Runs on the library's thread: copies, sends and returns.
struct Handler {
    events: Sender<CallbackEvent>,
    connection: Connection,
    scrubber: Scrubber,
}

impl Handler {
    fn send(&self, event: CallbackEvent) {
        // The receiver is gone while the session is being released; drop the event.
        let _ = self.events.send(event);
    }

    fn result(&self, info: &RspInfo) -> Result<(), CtpError> {
        if !info.is_error() {
            return Ok(());
        }
        Err(CtpError {
            error_id: info.error_id,
            message: self.scrubber.scrub(&info.message),
        })
    }
}

impl TdHandler for Handler {
    fn on_front_connected(&self) {
        self.connection.made();
        self.send(CallbackEvent::Connected);
    }

    fn on_front_disconnected(&self, reason: i32) {
        self.connection.lost();
        self.send(CallbackEvent::Disconnected { reason });
    }

    fn on_authenticated(&self, info: &RspInfo) {
        self.send(CallbackEvent::Authenticated(self.result(info)));
    }

    fn on_login(&self, _: &LoginResponse, info: &RspInfo) {
        self.send(CallbackEvent::LoggedIn(self.result(info)));
    }

    fn on_settlement_confirmed(&self, info: &RspInfo) {
        self.send(CallbackEvent::Confirmed(self.result(info)));
    }

    fn on_instrument(
        &self,
        instrument: Option<&Instrument>,
        info: &RspInfo,
        request: i32,
        is_last: bool,
    ) {
        self.send(CallbackEvent::Queried {
            request,
            result: self.result(info).map(|()| instrument.map(queried)),
            is_last,
        });
    }

    fn on_error(&self, info: &RspInfo, request: i32) {
        self.send(CallbackEvent::Queried {
            request,
            result: self.result(info).map(|()| None),
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

/// Loads the trader library that is beside the market data library at `path`, or in that folder.
fn open_trader_library(path: &Path) -> Result<TdLibrary, LoadError> {
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(Path::new("."))
    };
    TdLibrary::open(folder)
}

/// `GetApiVersion` of the trader library at `path`, or beside it.
///
/// # Errors
/// When there is no library, or it cannot be used safely.
pub fn trader_library_version(path: &Path) -> Result<String, LoadError> {
    let library = open_trader_library(path)?;
    Ok(library.version().text.trim().to_owned())
}
