//! The contracts of the trader front: authenticate, log in, ask exchange by exchange, leave.
//!
//! One query at a time, one a second: that is what fronts allow. A query of the whole market at once
//! does not come to an end on some of them (guide 1.7). Nothing is traded, and the settlement of the
//! day before is confirmed only for those who ask for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use tickdeck_core::clock::{Clock, MonoNanos};
use tickdeck_core::contract::{Exchange, QueriedContract};
use tickdeck_ffi::abi::{Instrument, LoginResponse, RspInfo};
use tickdeck_ffi::td::{TdApi, TdHandler, TdLibrary, TdLogin, TdOptions};
use tickdeck_ffi::{FlowError, FlowFolder, FrontAddress, LoadError, RequestError, StartError};

use super::connection::Connection;
use super::{CtpLogin, Scrubber, reclaim, remove_flow};
use crate::live::abandoned::{AbandonedSessions, LibraryHangs};
use crate::live::front_kind::FrontKind;
use crate::live::front_log::SessionLog;
use crate::live::losses::Losses;
use crate::live::meaning::{disconnect_reason, login_error};
use crate::live::options::CLOSE_BETWEEN_ATTEMPTS;

/// Between two requests, and before one that was refused is made again.
const PAUSE: Duration = Duration::from_millis(1_100);
/// How long a wish to stop may go unseen.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How long the library may take to let go when the run is over.
const RELEASE: Duration = Duration::from_secs(5);
/// Which kind of front it is, for the log.
const KIND: &str = "trader";
/// What it does until a front answers.
const CONNECTING: &str = "connecting";
/// "The query is not ready": asked again.
const NEED_RETRY: i32 = 90;
/// "Not logged in yet": the connection was lost and came back just before the query.
const NOT_LOGIN_YET: i32 = 6;

/// Where to ask, and how long.
pub struct Discovery<'a> {
    /// The library: the folder that holds `thosttraderapi_se.so`, or a file beside it.
    pub library: &'a Path,
    /// Who asks.
    pub login: &'a CtpLogin,
    /// Trader fronts.
    pub fronts: &'a [FrontAddress],
    /// Name of the session, for the log.
    pub session: &'a str,
    /// A folder of its own for the library's files; gone afterwards.
    pub flow: &'a Path,
    /// Confirm the settlement of the day before, which some brokers want before any query. A legal
    /// act of the account holder.
    pub confirm_settlement: bool,
    /// For a front to answer, at first and whenever it was lost.
    pub connect_timeout: Duration,
    /// For the answer to each request of a login: authentication, login, confirmation.
    pub login_timeout: Duration,
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
    /// A library that cannot be told which keys to use.
    #[error(
        "the trader library of version {version} knows only the keys that it was built with, no others \
         for evaluation: take the one of the same version as the market data library"
    )]
    EvaluationKeys {
        /// What it says it is.
        version: String,
    },
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
        /// CTP's `ErrorID`.
        error_id: i32,
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
    /// The front takes connections and keeps none.
    #[error(
        "reconnect_loop: the trader front was lost again and again ({step}), at last with {reason:#06x}: {}",
        disconnect_reason(*reason).english
    )]
    ReconnectLoop {
        /// How far it had got.
        step: &'static str,
        /// CTP's `nReason` of the last loss.
        reason: i32,
    },
    /// The library keeps its sessions.
    #[error("the trader library hangs: {0}")]
    Hangs(#[from] LibraryHangs),
    /// The user wants to end.
    #[error("interrupted")]
    Stopped,
}

impl DiscoveryError {
    /// Whether the front said no to the login for good: asking again, there or at the market data
    /// front, may lock the account.
    #[must_use]
    pub fn is_refused_for_good(&self) -> bool {
        match self {
            Self::Refused { error_id, .. } => {
                login_error(*error_id).is_some_and(|error| error.is_permanent)
            }
            _ => false,
        }
    }

    /// Whether nothing but the end of the run is left: a login that is refused for good, or a library
    /// that hangs.
    #[must_use]
    pub fn ends_the_run(&self) -> bool {
        matches!(self, Self::Hangs(_)) || self.is_refused_for_good()
    }

    /// Whether no front was reached.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::TimedOut { step, .. } if *step == CONNECTING)
    }

    /// Whether another try may do better.
    #[must_use]
    pub fn is_worth_another_try(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::ReconnectLoop { .. } => true,
            // A text that does not fit will not fit the next time.
            Self::Request(error) => !matches!(error, RequestError::BadText { .. }),
            Self::Refused { .. } => !self.is_refused_for_good(),
            // The next session has a folder of its own.
            Self::Flow(error) => matches!(error, FlowError::InUse { .. }),
            Self::Library(_)
            | Self::EvaluationKeys { .. }
            | Self::Start(_)
            | Self::Hangs(_)
            | Self::Stopped => false,
        }
    }
}

/// What a callback told.
enum Told {
    Connected,
    Disconnected(i32),
    Authenticated(RspInfo),
    LoggedIn(RspInfo),
    Confirmed(RspInfo),
    Contract {
        contract: Option<QueriedContract>,
        error: RspInfo,
        request: i32,
        is_last: bool,
    },
}

struct Handler {
    told: Sender<Told>,
    connection: Connection,
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
        self.connection.made();
        self.tell(Told::Connected);
    }

    fn on_front_disconnected(&self, reason: i32) {
        self.connection.lost();
        self.tell(Told::Disconnected(reason));
    }

    fn on_authenticated(&self, info: &RspInfo) {
        self.tell(Told::Authenticated(self.scrubbed(info)));
    }

    fn on_login(&self, _: &LoginResponse, info: &RspInfo) {
        self.tell(Told::LoggedIn(self.scrubbed(info)));
    }

    fn on_settlement_confirmed(&self, info: &RspInfo) {
        self.tell(Told::Confirmed(self.scrubbed(info)));
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

/// Loads the trader library that lies beside the market data library at `path`, or in that folder.
fn open_trader_library(path: &Path) -> Result<TdLibrary, LoadError> {
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(Path::new("."))
    };
    TdLibrary::open(folder)
}

/// What `GetApiVersion` of the trader library at `path`, or beside it, says.
///
/// # Errors
/// When there is none, or it is none that can be used safely.
pub fn trader_library_version(path: &Path) -> Result<String, LoadError> {
    let library = open_trader_library(path)?;
    Ok(library.version().text.trim().to_owned())
}

/// The sessions with a trader front, one after the other. Remembers those that the library did not
/// let go of: it must not be asked for ever for new ones.
#[derive(Default)]
pub struct TraderSessions {
    /// With their flow folders.
    left_behind: Vec<(TdApi, PathBuf)>,
    abandoned: AbandonedSessions,
}

impl TraderSessions {
    /// Asks the trader front for its contracts, in a session of its own.
    ///
    /// # Errors
    /// When the library, the front or the login is not to be had, it takes too long, or the library
    /// has kept too many sessions.
    pub fn discover(
        &mut self,
        query: &Discovery<'_>,
    ) -> Result<Vec<QueriedContract>, DiscoveryError> {
        self.reclaim();
        let connection = Connection::default();
        let (api, hears) = start(query, connection.clone())?;
        let contracts = Session::new(query, &api, hears, connection).list();
        let at_most = if (query.stop_asked)() {
            RELEASE
        } else {
            CLOSE_BETWEEN_ATTEMPTS
        };
        let let_go = self.close(api, query, at_most);
        let another_follows = match &contracts {
            Ok(contracts) => contracts.is_empty(),
            Err(error) => error.is_worth_another_try(),
        };
        match let_go {
            Err(hangs) if another_follows => Err(hangs.into()),
            _ => contracts,
        }
    }

    fn close(
        &mut self,
        api: TdApi,
        query: &Discovery<'_>,
        at_most: Duration,
    ) -> Result<(), LibraryHangs> {
        let Err(error) = api.release(at_most) else {
            remove_flow(query.flow);
            self.abandoned.released();
            return Ok(());
        };
        let session = query.session;
        tracing::error!(event = "ctp_session_abandoned", session, kind = KIND, %error);
        self.reclaim();
        self.left_behind.push((api, query.flow.to_owned()));
        self.abandoned.add()
    }

    /// Takes back what was counted against the library too early.
    fn reclaim(&mut self) {
        let sessions = reclaim(&mut self.left_behind, TdApi::release);
        if sessions > 0 {
            tracing::info!(event = "ctp_sessions_reclaimed", sessions, kind = KIND);
            self.abandoned.reclaimed(sessions);
        }
    }
}

/// Begins a session, and gives it with what its callbacks tell.
fn start(
    query: &Discovery<'_>,
    connection: Connection,
) -> Result<(TdApi, Receiver<Told>), DiscoveryError> {
    let library = open_trader_library(query.library)?;
    if !query.login.production_keys && !library.has_production_flag() {
        let version = library.version().to_string();
        return Err(DiscoveryError::EvaluationKeys { version });
    }
    let options = TdOptions {
        flow: FlowFolder::open(query.flow)?,
        production: query.login.production_keys,
        fronts: query.fronts.to_vec(),
    };
    let (told, hears) = unbounded();
    let handler = Arc::new(Handler {
        told,
        connection,
        scrubber: Scrubber::new(query.login.secrets.clone()),
    });
    Ok((TdApi::start(&library, options, handler)?, hears))
}

/// The connection: how long it may take to come, and whether it ever stays.
struct Link {
    connect_timeout: Duration,
    is_up: bool,
    /// Counts while it is down.
    deadline: MonoNanos,
    losses: Losses,
}

impl Link {
    fn new(now: MonoNanos, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            is_up: false,
            deadline: now.after(connect_timeout),
            losses: Losses::default(),
        }
    }

    /// The library tells of a loss. True when it does so again and again.
    fn lose(&mut self, now: MonoNanos) -> bool {
        // It tells of every try that fails as well, for which nobody gets more time.
        if self.is_up {
            self.is_up = false;
            self.deadline = now.after(self.connect_timeout);
        }
        self.losses.add(now)
    }

    fn is_overdue(&self, now: MonoNanos) -> bool {
        !self.is_up && now >= self.deadline
    }
}

struct Session<'a> {
    query: &'a Discovery<'a>,
    api: &'a TdApi,
    hears: Receiver<Told>,
    connection: Connection,
    login: TdLogin,
    deadline: MonoNanos,
    link: Link,
    is_logged_in: bool,
    step: &'static str,
    /// When the answer to a request of the login is overdue.
    answer_by: MonoNanos,
}

impl<'a> Session<'a> {
    fn new(
        query: &'a Discovery<'a>,
        api: &'a TdApi,
        hears: Receiver<Told>,
        connection: Connection,
    ) -> Self {
        let now = query.clock.now();
        Self {
            query,
            api,
            hears,
            connection,
            login: TdLogin {
                broker_id: query.login.broker_id.expose().to_owned(),
                user_id: query.login.user_id.expose().to_owned(),
                password: query.login.password.clone(),
                app_id: query.login.app_id.expose().to_owned(),
                auth_code: query.login.auth_code.clone(),
            },
            deadline: now.after(query.timeout),
            link: Link::new(now, query.connect_timeout),
            is_logged_in: false,
            step: CONNECTING,
            answer_by: MonoNanos::NEVER,
        }
    }

    /// Logs in and lists everything.
    fn list(mut self) -> Result<Vec<QueriedContract>, DiscoveryError> {
        self.log_in()?;
        self.query_all()
    }

    fn log(&self) -> SessionLog<'a> {
        SessionLog {
            session: self.query.session,
            front: FrontKind::Trader,
        }
    }

    /// What comes next, or `None` after `at_most`. Keeps the state of the connection.
    fn hear(&mut self, at_most: Duration) -> Result<Option<Told>, DiscoveryError> {
        if (self.query.stop_asked)() {
            return Err(DiscoveryError::Stopped);
        }
        // What has come counts before a deadline that passed while this thread stood still.
        let told = match self.hears.try_recv() {
            Ok(told) => told,
            Err(_) => {
                self.check_deadlines()?;
                match self.hears.recv_timeout(at_most.min(LOOK_UP)) {
                    Ok(told) => told,
                    Err(RecvTimeoutError::Timeout) => return Ok(None),
                    // The library lets go of the handler only after the release.
                    Err(RecvTimeoutError::Disconnected) => return Err(DiscoveryError::Stopped),
                }
            }
        };
        match &told {
            Told::Connected => {
                self.log().front_connected();
                self.link.is_up = true;
            }
            Told::Disconnected(reason) => self.lose(*reason)?,
            _ => {}
        }
        Ok(Some(told))
    }

    fn check_deadlines(&self) -> Result<(), DiscoveryError> {
        let now = self.query.clock.now();
        let step = self.step;
        let waited = if now >= self.deadline {
            self.query.timeout
        } else if self.link.is_overdue(now) {
            self.query.connect_timeout
        } else if now >= self.answer_by {
            self.query.login_timeout
        } else {
            return Ok(());
        };
        Err(DiscoveryError::TimedOut { step, waited })
    }

    /// The connection went away, or one that was tried did. The library tries again by itself, old
    /// ones hundreds of times a second, and for ever.
    fn lose(&mut self, reason: i32) -> Result<(), DiscoveryError> {
        self.log().disconnected(reason);
        if self.link.is_up {
            self.is_logged_in = false;
            // Now it is the connection that may be overdue.
            self.answer_by = MonoNanos::NEVER;
            self.step = "reconnecting";
        }
        if self.link.lose(self.query.clock.now()) {
            let step = self.step;
            return Err(DiscoveryError::ReconnectLoop { step, reason });
        }
        Ok(())
    }

    /// Lets time pass; answers that come meanwhile belong to nothing any more.
    fn pause(&mut self) -> Result<(), DiscoveryError> {
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
        &mut self,
        request: &dyn Fn(&TdApi) -> Result<i32, RequestError>,
    ) -> Result<i32, DiscoveryError> {
        loop {
            if !self.connection.is_up() {
                self.pause()?;
                continue;
            }
            match request(self.api) {
                Ok(number) => return Ok(number),
                Err(error) if error.is_retryable() => self.pause()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn log_in(&mut self) -> Result<(), DiscoveryError> {
        let login = self.login.clone();
        let mut has_asked = false;
        while !self.is_logged_in {
            if self.link.is_up && !has_asked {
                has_asked = true;
                if login.app_id.is_empty() {
                    self.ask_login(&login)?;
                } else {
                    self.ask("authenticating", &|api| api.authenticate(&login))?;
                }
            }
            match self.hear(LOOK_UP)? {
                Some(Told::Connected | Told::Disconnected(_)) => has_asked = false,
                Some(Told::Authenticated(info)) => {
                    self.admitted("authentication", &info)?;
                    self.ask_login(&login)?;
                }
                Some(Told::LoggedIn(info)) => {
                    self.admitted("login", &info)?;
                    self.log().login_ok();
                    if self.query.confirm_settlement {
                        let step = "confirming the settlement";
                        self.ask(step, &|api| api.confirm_settlement(&login))?;
                    } else {
                        self.may_query();
                    }
                }
                Some(Told::Confirmed(info)) => {
                    self.admitted("confirmation of the settlement", &info)?;
                    self.may_query();
                }
                Some(Told::Contract { error, .. }) => self.admitted("login", &error)?,
                None => {}
            }
        }
        Ok(())
    }

    fn ask_login(&mut self, login: &TdLogin) -> Result<(), DiscoveryError> {
        self.ask("logging in", &|api| api.login(login))
    }

    /// Makes a request of the login, whose answer is due in time: however often the library has to be
    /// asked to take it.
    fn ask(
        &mut self,
        step: &'static str,
        request: &dyn Fn(&TdApi) -> Result<i32, RequestError>,
    ) -> Result<(), DiscoveryError> {
        self.step = step;
        self.answer_by = self.query.clock.now().after(self.query.login_timeout);
        self.request(request).map(drop)
    }

    /// The front has answered a request of the login.
    fn admitted(&self, what: &'static str, info: &RspInfo) -> Result<(), DiscoveryError> {
        if info.is_error() {
            self.log().login_failed(info.error_id, &info.message);
        }
        checked(what, info)
    }

    fn may_query(&mut self) {
        self.is_logged_in = true;
        self.answer_by = MonoNanos::NEVER;
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
        // The front may have gone away since the last query.
        self.log_in()?;
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
                    if [NEED_RETRY, NOT_LOGIN_YET].contains(&error.error_id) {
                        contracts.truncate(before);
                        self.is_logged_in &= error.error_id != NOT_LOGIN_YET;
                        return Ok(false);
                    }
                    checked("contract query", &error)?;
                    contracts.extend(contract);
                    if is_last {
                        return Ok(true);
                    }
                }
                Some(Told::Disconnected(_)) => {
                    contracts.truncate(before);
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
    Err(DiscoveryError::Refused {
        what,
        error_id: info.error_id,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn tries_that_fail_do_not_put_off_the_end_and_a_connection_that_was_up_does() {
        let mut link = Link::new(MonoNanos(0), Duration::from_secs(20));
        assert!(!link.lose(MonoNanos(11 * S)));
        assert!(!link.is_overdue(MonoNanos(19 * S)));
        assert!(link.is_overdue(MonoNanos(20 * S)));
        link.is_up = true;
        assert!(!link.is_overdue(MonoNanos(25 * S)));
        assert!(!link.lose(MonoNanos(30 * S)));
        assert!(!link.lose(MonoNanos(41 * S)));
        assert!(!link.is_overdue(MonoNanos(49 * S)));
        assert!(link.is_overdue(MonoNanos(50 * S)));
    }

    fn refused(error_id: i32) -> DiscoveryError {
        let info = RspInfo {
            error_id,
            message: "CTP:不合法的登录".into(),
        };
        checked("login", &info).unwrap_err()
    }

    #[test]
    fn a_login_refused_for_good_is_not_tried_again_and_any_other_refusal_is() {
        for (error_id, for_good) in [(3, true), (75, true), (7, false), (4_711, false)] {
            let error = refused(error_id);
            assert_eq!(error.is_refused_for_good(), for_good, "{error}");
            assert_eq!(error.is_worth_another_try(), !for_good, "{error}");
        }
        let silent = DiscoveryError::TimedOut {
            step: "connecting",
            waited: Duration::from_secs(1),
        };
        assert!(silent.is_worth_another_try() && !silent.is_refused_for_good());
        let request = "ReqSettlementInfoConfirm";
        let too_long = RequestError::BadText {
            request,
            field: "user id",
            len: 13,
            max: 12,
        };
        assert!(!DiscoveryError::from(too_long).is_worth_another_try());
        let crowded = RequestError::TooManyOutstanding { request };
        assert!(DiscoveryError::from(crowded).is_worth_another_try());
        assert!(!DiscoveryError::Stopped.is_worth_another_try());
    }
}
