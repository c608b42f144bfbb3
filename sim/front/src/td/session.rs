//! The state machine of a trader session.
//!
//! Invariants: every request of a connected client gets exactly one answer with the request's
//! number; a query may have several rows. What needs a login is answered with error 6 before it.
//! What would trade is answered with error 9.

use std::collections::VecDeque;
use std::sync::Arc;

use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::MonoNanos;
use tickdeck_core::time::NANOS_PER_SECOND;

use super::answers;
use super::callback::TdEvent;
use super::request::{Context, TdRequest};
use super::tables::MethodKind;
use crate::connection::{Connection, NOT_CONNECTED, Progress};
use crate::errors::{RspInfo, id};
use crate::faults::{Faults, Front, Happening, RequestFault};
use crate::fields::{CStruct, RequestView};
use crate::log;
use crate::market::Market;
use crate::reactor::{Session, Step};
use crate::settings::{Account, Settings};
use crate::version::Emulated;

/// Return codes of the request functions (field guide 1.7).
const TOO_MANY_OUTSTANDING: i32 = -2;
const TOO_MANY_PER_SECOND: i32 = -3;

/// A trader session.
#[derive(Debug)]
pub struct TdSession {
    connection: Connection,
    is_authenticated: bool,
    is_confirmed: bool,
    outbox: VecDeque<TdEvent>,
    last_query: Option<MonoNanos>,
}

impl TdSession {
    /// A session that connects after the handshake's time. Without settings (they could not be
    /// used) it never does, as if the front were not there.
    #[must_use]
    pub fn new(
        version: &'static Emulated,
        settings: Option<Settings>,
        faults: Faults,
        now: MonoNanos,
    ) -> Self {
        Self {
            connection: Connection::new(Front::Trader, version, settings, faults, now),
            is_authenticated: false,
            is_confirmed: false,
            outbox: VecDeque::new(),
            last_query: None,
        }
    }

    /// Forgets everything that ended with the connection. Queued callbacks are lost, as on a real
    /// connection.
    fn forget(&mut self, reason: i32) -> TdEvent {
        self.outbox.clear();
        self.is_authenticated = false;
        TdEvent::FrontDisconnected { reason }
    }

    /// The trading day as `GetTradingDay` has it: `None` before the login.
    #[must_use]
    pub fn trading_day(&self) -> Option<String> {
        self.connection.trading_day()
    }

    fn authenticate(&mut self, request: &TdRequest) {
        let view = RequestView::new("ReqAuthenticate", self.connection.version, &request.bytes);
        let account = self.connection.settings.account.as_ref();
        let accepted = account
            .and_then(|a| a.app.as_ref())
            .is_none_or(|(app, code)| {
                view.text("AppID") == app.as_bytes() && view.text("AuthCode") == code.as_bytes()
            });
        self.is_authenticated = accepted;
        let answer = CStruct::new("RspAuthenticate", self.connection.version)
            .text("BrokerID", view.text("BrokerID"))
            .text("UserID", view.text("UserID"))
            .text("UserProductInfo", view.text("UserProductInfo"))
            .text("AppID", view.text("AppID"));
        let error_id = if accepted { id::NONE } else { id::AUTH_FAILED };
        self.answer(request, Some(answer), Some(RspInfo::of(error_id)));
    }

    fn login(&mut self, request: &TdRequest, now: MonoNanos) {
        let view = RequestView::new("ReqUserLogin", self.connection.version, &request.bytes);
        let account = self.connection.settings.account.as_ref();
        let needs_authentication = account.is_some_and(|account| account.app.is_some());
        let [broker, user, password] =
            ["BrokerID", "UserID", "Password"].map(|field| view.text(field));
        let is_known = self.connection.accepts(broker, user, password);
        let error_id = match self.connection.faults.login_error(now) {
            Some(error_id) => error_id,
            None if needs_authentication && !self.is_authenticated => id::NOT_AUTHENT,
            None if !is_known => id::INVALID_LOGIN,
            None => id::NONE,
        };
        log::info("sim_td_login", &[("error_id", error_id.into())]);
        let mut answer = CStruct::new("RspUserLogin", self.connection.version);
        let market = self.connection.market.as_ref();
        let first = market.map(|market| market.header().first);
        if let (id::NONE, Some(market_time)) = (error_id, first) {
            answer = self.connection.log_in(answer, market_time);
            // The first login sets the investor of this session.
            let account = &mut self.connection.settings.account;
            account.get_or_insert_with(|| {
                let [broker, user, password] =
                    [broker, user, password].map(|word| String::from_utf8_lossy(word).into());
                Account {
                    broker,
                    user,
                    password,
                    app: None,
                }
            });
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
        let (Some(market), Some(account)) = (
            self.connection.market.clone(),
            self.connection.settings.account.clone(),
        ) else {
            return self.answer(request, None, None);
        };
        let context = Context {
            version: self.connection.version,
            market: &market,
            account: &account,
            is_confirmed: self.is_confirmed,
        };
        let rows = answers::rows(&context, request);
        self.rows(request, rows);
    }

    /// A request that is neither a login nor a query.
    fn other(&mut self, request: &TdRequest) {
        let echo = request
            .method
            .request
            .as_ref()
            .filter(|carried| carried.is_echo);
        let answer = echo.filter(|_| !request.bytes.is_empty()).map(|carried| {
            CStruct::echo(carried.struct_name, self.connection.version, &request.bytes)
        });
        match request.method.kind {
            MethodKind::ConfirmSettlement => {
                self.is_confirmed = true;
                let (Some(answer), Some(market)) = (answer, &self.connection.market) else {
                    return self.answer(request, None, Some(RspInfo::success()));
                };
                let header = market.header();
                let time = header.first.to_shanghai().format("%H:%M:%S").to_string();
                let answer = answer
                    .text("ConfirmDate", header.trading_day.to_ctp().as_bytes())
                    .text("ConfirmTime", time.as_bytes());
                self.answer(request, Some(answer), Some(RspInfo::success()));
            }
            MethodKind::Logout => {
                self.connection.is_logged_in = false;
                self.answer(request, answer, Some(RspInfo::success()));
            }
            _ => self.answer(request, answer, Some(RspInfo::of(id::NO_PRIVILEGE))),
        }
    }

    /// Whether flow control lets a query pass; its return code otherwise.
    fn flow(&mut self, now: MonoNanos) -> Result<(), i32> {
        if !self.connection.settings.flow_control {
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
        if !self.connection.is_up() {
            return NOT_CONNECTED;
        }
        match self.connection.faults.request(now) {
            Some(RequestFault::Code(code)) => return code,
            Some(RequestFault::Answer(error_id)) => {
                self.answer(&request, None, Some(RspInfo::of(error_id)));
                return 0;
            }
            None => {}
        }
        match request.method.kind {
            MethodKind::Authenticate => self.authenticate(&request),
            MethodKind::Login => self.login(&request, now),
            _ if !self.connection.is_logged_in => {
                self.answer(&request, None, Some(RspInfo::of(id::NOT_LOGIN_YET)));
            }
            MethodKind::Query => {
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
        match self.connection.advance(now) {
            Progress::Wait(instant) => return Step::Wait(instant),
            Progress::Join => return Step::Open(self.connection.settings.clone()),
            Progress::Connected => return Step::Call(TdEvent::FrontConnected),
            Progress::Lost(reason) => return Step::Call(self.forget(reason)),
            Progress::Closed => return Step::Wait(MonoNanos::NEVER),
            Progress::Up => {}
        }
        match self.connection.faults.happening(now) {
            Some(Happening::Disconnect(reason)) => {
                self.connection.disconnect(reason);
                return Step::Call(self.forget(reason));
            }
            Some(Happening::HeartBeatWarning(lapse_s)) => {
                self.outbox.push_back(TdEvent::HeartBeatWarning { lapse_s });
            }
            Some(Happening::SilentUntil(instant)) => return Step::Wait(instant),
            None => {}
        }
        match self.outbox.pop_front() {
            Some(event) => Step::Call(event),
            None => Step::Wait(self.connection.next_happening(now)),
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
        self.connection.joined(market, now);
    }
}
