//! The connection of a session to the simulated front: what market data and trader sessions share.
//!
//! It decides when the session connects, loses its connection and tries again, and remembers the
//! login. It knows neither requests nor callbacks: [`Progress`] names the session's next step.

use std::sync::Arc;

use tickdeck_core::clock::MonoNanos;
use tickdeck_core::time::UnixNanos;

use crate::faults::{ConnectionFault, Faults, Front};
use crate::fields::CStruct;
use crate::link::Link;
use crate::log;
use crate::market::Market;
use crate::settings::Settings;
use crate::version::{Emulated, HANDSHAKE_NS, REFUSED_PAUSE_NS};

/// Return code of a request: no connection.
pub(crate) const NOT_CONNECTED: i32 = -1;

/// The next thing to do for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Connected: the session continues by itself.
    Up,
    /// Nothing more will arrive, apart from queued callbacks.
    Closed,
    /// Nothing to do before this instant.
    Wait(MonoNanos),
    /// Join the market, then call [`Connection::joined`].
    Join,
    /// Call `OnFrontConnected`.
    Connected,
    /// The attempt failed: forget the session's state and call `OnFrontDisconnected`.
    Lost(i32),
}

/// The connection of one session.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) version: &'static Emulated,
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) market: Option<Arc<Market>>,
    pub(crate) is_logged_in: bool,
    /// Successful logins so far, which is CTP's `SessionID`.
    pub(crate) logins: i32,
    front: Front,
    link: Link,
}

impl Connection {
    /// A connection that is up after the time of a handshake. Without settings (they could not be
    /// used) it never is, as if there were no front.
    pub(crate) fn new(
        front: Front,
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
            faults,
            market: None,
            is_logged_in: false,
            logins: 0,
            front,
        }
    }

    /// Whether the client knows that it is connected.
    pub(crate) fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    /// Whether it was lost and the client's callback has not returned yet.
    pub(crate) const fn is_lost(&self) -> bool {
        matches!(self.link, Link::Lost(_))
    }

    /// The trading day as `GetTradingDay` has it: `None` before the first login.
    pub(crate) fn trading_day(&self) -> Option<String> {
        let market = self.market.as_ref().filter(|_| self.logins > 0)?;
        Some(market.header().trading_day.to_ctp())
    }

    /// Takes the next step.
    pub(crate) fn advance(&mut self, now: MonoNanos) -> Progress {
        match self.link {
            Link::Lost(pause_ns) => {
                // Like the vendor's, the library pauses after the callback has returned.
                let attempt = now.plus(pause_ns);
                self.link = Link::Down(attempt);
                Progress::Wait(attempt)
            }
            Link::Down(attempt) if attempt > now => Progress::Wait(attempt),
            Link::Down(_) => self.connect(now),
            Link::Opening => Progress::Wait(MonoNanos::NEVER),
            Link::Opened => {
                self.link = Link::Up;
                self.faults.connected(now);
                let event = self.event("sim_md_connected", "sim_td_connected");
                log::info(event, &[("front", self.faults.front().into())]);
                Progress::Connected
            }
            Link::Up => Progress::Up,
            Link::Closed => Progress::Closed,
        }
    }

    /// Tries to connect.
    fn connect(&mut self, now: MonoNanos) -> Progress {
        match self.faults.connection() {
            Some(ConnectionFault::Lost(reason)) => {
                self.disconnect(reason);
                // Even a library that connects again at once needs the time of a handshake.
                self.link = Link::Lost(self.version.reconnect_pause_ns().max(HANDSHAKE_NS));
                return Progress::Lost(reason);
            }
            Some(ConnectionFault::Refused) => self.refuse(now),
            None if self.market.is_some() => self.link = Link::Opened,
            None => {
                self.link = Link::Opening;
                return Progress::Join;
            }
        }
        Progress::Wait(now)
    }

    fn refuse(&mut self, now: MonoNanos) {
        self.link = Link::Down(now.plus(REFUSED_PAUSE_NS));
    }

    /// The market that was joined; without one the connection is refused.
    pub(crate) fn joined(&mut self, market: Option<Arc<Market>>, now: MonoNanos) {
        match &market {
            Some(_) => self.link = Link::Opened,
            None => self.refuse(now),
        }
        self.market = market;
    }

    /// Cuts the connection, and with it the login.
    pub(crate) fn disconnect(&mut self, reason: i32) {
        self.is_logged_in = false;
        self.link = Link::Lost(self.version.reconnect_pause_ns());
        self.faults.disconnected();
        let event = self.event("sim_md_disconnected", "sim_td_disconnected");
        log::info(event, &[("reason", reason.into())]);
    }

    /// Ends the connection permanently.
    pub(crate) fn close(&mut self) {
        self.link = Link::Closed;
    }

    /// Whether the account that the settings ask for, if any, logs in with these words.
    pub(crate) fn accepts(&self, broker: &[u8], user: &[u8], password: &[u8]) -> bool {
        self.settings.account.as_ref().is_none_or(|account| {
            account.broker.as_bytes() == broker
                && account.user.as_bytes() == user
                && account.password.as_bytes() == password
        })
    }

    /// Counts a successful login, and fills in what a front says of itself.
    pub(crate) fn log_in(&mut self, answer: CStruct, market_time: UnixNanos) -> CStruct {
        self.is_logged_in = true;
        self.logins += 1;
        match &self.market {
            Some(market) => {
                let day = market.header().trading_day.to_ctp();
                login_answer(answer, &day, market_time, self.logins)
            }
            None => answer,
        }
    }

    /// When the faults next do something; never, if they will not.
    pub(crate) fn next_happening(&self, now: MonoNanos) -> MonoNanos {
        self.faults.next_happening(now).unwrap_or(MonoNanos::NEVER)
    }

    fn event(&self, market_data: &'static str, trader: &'static str) -> &'static str {
        match self.front {
            Front::MarketData => market_data,
            Front::Trader => trader,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.faults.hand_on(&self.settings, self.front);
    }
}

/// Fills in what a front says of itself.
fn login_answer(answer: CStruct, day: &str, market_time: UnixNanos, session: i32) -> CStruct {
    let time = market_time.to_shanghai().format("%H:%M:%S").to_string();
    let mut answer = answer
        .text("TradingDay", day.as_bytes())
        .text("LoginTime", time.as_bytes())
        .text("SystemName", b"tickdeck simulated front")
        .text("MaxOrderRef", b"1")
        .text("SysVersion", b"tickdeck")
        .int("FrontID", 1)
        .int("SessionID", session);
    for field in [
        "SHFETime", "DCETime", "CZCETime", "FFEXTime", "INETime", "GFEXTime",
    ] {
        answer = answer.text(field, time.as_bytes());
    }
    answer
}
