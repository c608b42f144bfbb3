//! The state machine of a trader session.
//!
//! Invariants: every request of a connected client gets exactly one answer (a query may have several
//! rows) with the request's number; what needs a login is answered with error 6 before it; what
//! would trade is answered with error 9.

use std::collections::VecDeque;
use std::sync::Arc;

use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::MonoNanos;
use tickdeck_core::time::NANOS_PER_SECOND;

use super::answers;
use super::tables::Method;
use crate::errors::{RspInfo, id};
use crate::faults::{ConnectionFault, Faults, Front, Happening, RequestFault};
use crate::fields::{CStruct, RequestView};
use crate::link::Link;
use crate::log;
use crate::market::Market;
use crate::md::login_answer;
use crate::reactor::{Session, Step};
use crate::settings::{Account, Settings};
use crate::version::{Emulated, HANDSHAKE_NS, REFUSED_PAUSE_NS};

/// Return codes of the request functions (guide 1.7).
const NOT_CONNECTED: i32 = -1;
const TOO_MANY_OUTSTANDING: i32 = -2;
const TOO_MANY_PER_SECOND: i32 = -3;

/// A request of the client.
#[derive(Debug, Clone)]
pub struct TdRequest {
    /// Which.
    pub method: &'static Method,
    /// The client's struct.
    pub bytes: Vec<u8>,
    /// The request's number.
    pub request_id: i32,
}

/// One callback.
#[derive(Debug, Clone)]
pub enum TdEvent {
    /// `OnFrontConnected`.
    FrontConnected,
    /// `OnFrontDisconnected`.
    FrontDisconnected {
        /// CTP's `nReason`.
        reason: i32,
    },
    /// `OnHeartBeatWarning`.
    HeartBeatWarning {
        /// How long nothing came, s.
        lapse_s: i32,
    },
    /// An answer.
    Answer {
        /// The vendor's name of the callback.
        callback: String,
        /// The struct; `None` is a null pointer, as a query that found nothing has it.
        answer: Option<CStruct>,
        /// Success or why not; `None` is a null pointer, as successful queries have it.
        info: Option<RspInfo>,
        /// The request's number.
        request_id: i32,
        /// Whether it is the last one for its request.
        is_last: bool,
    },
}

/// A trader session.
#[derive(Debug)]
pub struct TdSession {
    version: &'static Emulated,
    settings: Settings,
    market: Option<Arc<Market>>,
    link: Link,
    is_authenticated: bool,
    is_logged_in: bool,
    is_confirmed: bool,
    logins: i32,
    outbox: VecDeque<TdEvent>,
    last_query: Option<MonoNanos>,
    faults: Faults,
}

/// What an answer is made from.
pub(super) struct Context<'a> {
    pub(super) version: &'static Emulated,
    pub(super) market: &'a Market,
    pub(super) account: &'a Account,
    pub(super) is_confirmed: bool,
}

impl TdSession {
    /// A session that connects after the handshake's time. Without settings (they could not be used) it never
    /// does, as if the front were not there.
    #[must_use]
    pub fn new(
        version: &'static Emulated,
        settings: Option<Settings>,
        faults: Faults,
        now: MonoNanos,
    ) -> Self {
        Self {
            version,
            link: if settings.is_some() {
                Link::Down(now.plus(HANDSHAKE_NS))
            } else {
                Link::Closed
            },
            settings: settings.unwrap_or_default(),
            market: None,
            is_authenticated: false,
            is_logged_in: false,
            is_confirmed: false,
            logins: 0,
            outbox: VecDeque::new(),
            last_query: None,
            faults,
        }
    }

    /// Cuts the connection: what was not said yet is lost, as on a real one.
    fn disconnect(&mut self, reason: i32) {
        self.outbox.clear();
        self.is_authenticated = false;
        self.is_logged_in = false;
        self.link = Link::Lost(self.version.reconnect_pause_ns());
        self.faults.disconnected();
        log::info("sim_td_disconnected", &[("reason", reason.into())]);
    }

    /// The trading day as `GetTradingDay` has it: `None` before the login.
    #[must_use]
    pub fn trading_day(&self) -> Option<String> {
        let market = self.market.as_ref().filter(|_| self.logins > 0)?;
        Some(market.header().trading_day.to_ctp())
    }

    fn authenticate(&mut self, request: &TdRequest) {
        let view = RequestView::new("ReqAuthenticate", self.version, &request.bytes);
        let account = self.settings.account.as_ref();
        let accepted = account
            .and_then(|a| a.app.as_ref())
            .is_none_or(|(app, code)| {
                view.text("AppID") == app.as_bytes() && view.text("AuthCode") == code.as_bytes()
            });
        self.is_authenticated = accepted;
        let answer = CStruct::new("RspAuthenticate", self.version)
            .text("BrokerID", view.text("BrokerID"))
            .text("UserID", view.text("UserID"))
            .text("UserProductInfo", view.text("UserProductInfo"))
            .text("AppID", view.text("AppID"));
        let error_id = if accepted { id::NONE } else { id::AUTH_FAILED };
        self.answer(request, Some(answer), Some(RspInfo::of(error_id)));
    }

    fn login(&mut self, request: &TdRequest, now: MonoNanos) {
        let view = RequestView::new("ReqUserLogin", self.version, &request.bytes);
        let account = self.settings.account.as_ref();
        let needs_authentication = account.is_some_and(|account| account.app.is_some());
        let is_known = account.is_none_or(|account| {
            view.text("BrokerID") == account.broker.as_bytes()
                && view.text("UserID") == account.user.as_bytes()
                && view.text("Password") == account.password.as_bytes()
        });
        let error_id = match self.faults.login_error(now) {
            Some(error_id) => error_id,
            None if needs_authentication && !self.is_authenticated => id::NOT_AUTHENT,
            None if !is_known => id::INVALID_LOGIN,
            None => id::NONE,
        };
        log::info("sim_td_login", &[("error_id", error_id.into())]);
        let mut answer = CStruct::new("RspUserLogin", self.version);
        if let (id::NONE, Some(market)) = (error_id, &self.market) {
            self.is_logged_in = true;
            self.logins += 1;
            let header = market.header();
            let day = header.trading_day.to_ctp();
            answer = login_answer(answer, &day, header.first, self.logins);
            if self.settings.account.is_none() {
                // Whoever logs in first is the investor of this session.
                self.settings.account = Some(Account {
                    broker: String::from_utf8_lossy(view.text("BrokerID")).into(),
                    user: String::from_utf8_lossy(view.text("UserID")).into(),
                    password: String::from_utf8_lossy(view.text("Password")).into(),
                    app: None,
                });
            }
        }
        let answer = answer
            .text("BrokerID", view.text("BrokerID"))
            .text("UserID", view.text("UserID"));
        self.answer(request, Some(answer), Some(RspInfo::of(error_id)));
    }

    fn answer(&mut self, request: &TdRequest, answer: Option<CStruct>, info: Option<RspInfo>) {
        self.outbox.push_back(TdEvent::Answer {
            callback: request.method.answer_name(),
            answer,
            info,
            request_id: request.request_id,
            is_last: true,
        });
    }

    /// The rows of a query; none found is one answer with a null pointer.
    fn rows(&mut self, request: &TdRequest, rows: Vec<CStruct>) {
        if rows.is_empty() {
            return self.answer(request, None, None);
        }
        let count = rows.len();
        for (index, row) in rows.into_iter().enumerate() {
            self.outbox.push_back(TdEvent::Answer {
                callback: request.method.answer_name(),
                answer: Some(row),
                info: None,
                request_id: request.request_id,
                is_last: index + 1 == count,
            });
        }
    }

    fn query(&mut self, request: &TdRequest) {
        let (Some(market), Some(account)) = (self.market.clone(), self.settings.account.clone())
        else {
            return self.answer(request, None, None);
        };
        let context = Context {
            version: self.version,
            market: &market,
            account: &account,
            is_confirmed: self.is_confirmed,
        };
        let rows = answers::rows(&context, request);
        self.rows(request, rows);
    }

    /// Whatever is neither a login nor a query.
    fn other(&mut self, request: &TdRequest) {
        let echo = request
            .method
            .request
            .as_ref()
            .filter(|carried| carried.is_echo);
        let answer = echo
            .filter(|_| !request.bytes.is_empty())
            .map(|carried| CStruct::echo(carried.struct_name, self.version, &request.bytes));
        match request.method.name {
            "ReqSettlementInfoConfirm" => {
                self.is_confirmed = true;
                let (Some(answer), Some(market)) = (answer, &self.market) else {
                    return self.answer(request, None, Some(RspInfo::success()));
                };
                let header = market.header();
                let time = header.first.to_shanghai().format("%H:%M:%S").to_string();
                let answer = answer
                    .text("ConfirmDate", header.trading_day.to_ctp().as_bytes())
                    .text("ConfirmTime", time.as_bytes());
                self.answer(request, Some(answer), Some(RspInfo::success()));
            }
            "ReqUserLogout" => {
                self.is_logged_in = false;
                self.answer(request, answer, Some(RspInfo::success()));
            }
            _ => self.answer(request, answer, Some(RspInfo::of(id::NO_PRIVILEGE))),
        }
    }

    /// Whether flow control lets a query pass; its return code otherwise.
    fn flow(&mut self, now: MonoNanos) -> Result<(), i32> {
        if !self.settings.flow_control {
            return Ok(());
        }
        if !self.outbox.is_empty() {
            return Err(TOO_MANY_OUTSTANDING);
        }
        if self
            .last_query
            .is_some_and(|last| now.since(last) < NANOS_PER_SECOND)
        {
            return Err(TOO_MANY_PER_SECOND);
        }
        self.last_query = Some(now);
        Ok(())
    }
}

impl Session for TdSession {
    type Request = TdRequest;
    type Callback = TdEvent;
    type Opening = Settings;
    type Opened = Option<Arc<Market>>;

    fn request(&mut self, request: TdRequest, now: MonoNanos) -> i32 {
        if self.link != Link::Up {
            return NOT_CONNECTED;
        }
        match self.faults.request(now) {
            Some(RequestFault::Code(code)) => return code,
            Some(RequestFault::Answer(error_id)) => {
                self.answer(&request, None, Some(RspInfo::of(error_id)));
                return 0;
            }
            None => {}
        }
        let name = request.method.name;
        match name {
            "ReqAuthenticate" => self.authenticate(&request),
            _ if name.starts_with("ReqUserLogin") => self.login(&request, now),
            _ if !self.is_logged_in => {
                self.answer(&request, None, Some(RspInfo::of(id::NOT_LOGIN_YET)));
            }
            _ if request.method.is_query() => {
                if let Err(code) = self.flow(now) {
                    return code;
                }
                self.query(&request);
            }
            _ => self.other(&request),
        }
        0
    }

    fn step(&mut self, now: MonoNanos) -> Step<TdEvent, Settings> {
        match self.link {
            Link::Lost(pause_ns) => {
                // The news went out: as the vendor's, the library pauses after that callback.
                let attempt = now.plus(pause_ns);
                self.link = Link::Down(attempt);
                return Step::Wait(attempt);
            }
            Link::Down(attempt) if attempt > now => return Step::Wait(attempt),
            Link::Down(_) => return self.connect(now),
            Link::Opening | Link::Closed => return Step::Wait(MonoNanos::NEVER),
            Link::Opened => {
                self.link = Link::Up;
                self.faults.connected(now);
                log::info("sim_td_connected", &[("front", self.faults.front().into())]);
                return Step::Call(TdEvent::FrontConnected);
            }
            Link::Up => {}
        }
        match self.faults.happening(now) {
            Some(Happening::Disconnect(reason)) => {
                self.disconnect(reason);
                return Step::Call(TdEvent::FrontDisconnected { reason });
            }
            Some(Happening::HeartBeatWarning(lapse_s)) => {
                self.outbox.push_back(TdEvent::HeartBeatWarning { lapse_s });
            }
            Some(Happening::SilentUntil(instant)) => return Step::Wait(instant),
            None => {}
        }
        match self.outbox.pop_front() {
            Some(event) => Step::Call(event),
            None => Step::Wait(self.faults.next_happening(now).unwrap_or(MonoNanos::NEVER)),
        }
    }

    /// Joins the market.
    fn open(settings: Settings, now: MonoNanos) -> Option<Arc<Market>> {
        let market = Market::shared(&settings, now);
        if let Err(error) = &market {
            log::warn("sim_source_failed", &[("text", with_causes(error).into())]);
        }
        market.ok()
    }

    fn opened(&mut self, market: Option<Arc<Market>>, now: MonoNanos) {
        self.link = match &market {
            Some(_) => Link::Opened,
            None => Link::Down(now.plus(REFUSED_PAUSE_NS)),
        };
        self.market = market;
    }
}

impl TdSession {
    /// Tries to connect.
    fn connect(&mut self, now: MonoNanos) -> Step<TdEvent, Settings> {
        match self.faults.connection() {
            Some(ConnectionFault::Lost(reason)) => {
                self.disconnect(reason);
                // Even a library that connects again at once needs as long as a handshake.
                self.link = Link::Lost(self.version.reconnect_pause_ns().max(HANDSHAKE_NS));
                return Step::Call(TdEvent::FrontDisconnected { reason });
            }
            Some(ConnectionFault::Refused) => self.link = Link::Down(now.plus(REFUSED_PAUSE_NS)),
            None if self.market.is_some() => self.link = Link::Opened,
            None => {
                self.link = Link::Opening;
                return Step::Open(self.settings.clone());
            }
        }
        Step::Wait(now)
    }
}

impl Drop for TdSession {
    fn drop(&mut self) {
        self.faults.hand_on(&self.settings, Front::Trader);
    }
}
