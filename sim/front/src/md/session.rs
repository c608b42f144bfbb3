//! The state machine of a market data session: connection, login, subscriptions, ticks.
//!
//! Invariants: acknowledgements go out before any later tick; a tick goes out only while logged in
//! and only for a subscribed instrument; the snapshot of an instrument follows its acknowledgement;
//! after a lost connection login and subscriptions are forgotten (guide 1.6).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::MonoNanos;
use tickdeck_core::event::{InstrumentId, RawTick};
use tickdeck_core::time::UnixNanos;

use super::callback::{MdEvent, SubscriptionKind};
use crate::errors::{RspInfo, id};
use crate::faults::{ConnectionFault, Fate, Faults, Front, Happening, RequestFault};
use crate::fields::CStruct;
use crate::link::Link;
use crate::log;
use crate::market::{Feed, Market, Next};
use crate::reactor::{Session, Step};
use crate::settings::{AtEnd, Settings};
use crate::version::{Emulated, HANDSHAKE_NS, REFUSED_PAUSE_NS};

/// Events of the market that one step may pass over: a bound on how long a request waits.
const PASSED_PER_STEP: usize = 2_048;

/// Return code: no connection.
const NOT_CONNECTED: i32 = -1;

/// The words of a login request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LoginWords {
    /// BrokerID.
    pub broker: Vec<u8>,
    /// UserID.
    pub user: Vec<u8>,
    /// Password.
    pub password: Vec<u8>,
}

impl std::fmt::Debug for LoginWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginWords(***)")
    }
}

/// A request of the client.
#[derive(Debug, Clone)]
pub enum MdRequest {
    /// `ReqUserLogin`.
    Login(LoginWords, i32),
    /// `ReqUserLogout`, with broker and user to send back.
    Logout(Vec<u8>, Vec<u8>, i32),
    /// One of the four subscription functions.
    Subscription(SubscriptionKind, Vec<InstrumentId>),
    /// `ReqQryMulticastInstrument`.
    QueryMulticast(i32),
}

/// A market data session.
#[derive(Debug)]
pub struct MdSession {
    version: &'static Emulated,
    settings: Settings,
    market: Option<Arc<Market>>,
    feed: Option<Feed>,
    link: Link,
    is_logged_in: bool,
    logins: i32,
    subscribed: BTreeSet<InstrumentId>,
    outbox: VecDeque<Queued>,
    faults: Faults,
    /// A tick that a fault holds back, and until when.
    held: VecDeque<(MonoNanos, RawTick)>,
    /// Everything was sent.
    is_over: bool,
    /// The market was closed when this session tried to join it, which is told once.
    is_shut_out: bool,
}

/// What waits to be said. Small, because one request may queue 17,000 of them; a snapshot is looked
/// up when its turn comes.
#[derive(Debug)]
enum Queued {
    Event(Box<MdEvent>),
    Acknowledge {
        kind: SubscriptionKind,
        id: InstrumentId,
        error_id: i32,
        is_last: bool,
    },
    Snapshot(InstrumentId),
}

impl MdSession {
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
            feed: None,
            is_logged_in: false,
            logins: 0,
            subscribed: BTreeSet::new(),
            outbox: VecDeque::new(),
            faults,
            held: VecDeque::new(),
            is_over: false,
            is_shut_out: false,
        }
    }

    /// The trading day as `GetTradingDay` has it: `None` before the login.
    #[must_use]
    pub fn trading_day(&self) -> Option<String> {
        let market = self.market.as_ref().filter(|_| self.logins > 0)?;
        Some(market.header().trading_day.to_ctp())
    }

    fn say(&mut self, event: MdEvent) {
        self.outbox.push_back(Queued::Event(Box::new(event)));
    }

    /// Tries to connect.
    fn connect(&mut self, now: MonoNanos) -> Step<MdEvent, Settings> {
        match self.faults.connection() {
            Some(ConnectionFault::Lost(reason)) => {
                self.disconnect(reason);
                // Even a library that connects again at once needs as long as a handshake.
                self.link = Link::Lost(self.version.reconnect_pause_ns().max(HANDSHAKE_NS));
            }
            Some(ConnectionFault::Refused) => self.link = Link::Down(now.plus(REFUSED_PAUSE_NS)),
            None if self.feed.is_some() => self.link = Link::Opened,
            None => {
                self.link = Link::Opening;
                return Step::Open(self.settings.clone());
            }
        }
        // What became of it may be told at once.
        Step::Wait(now)
    }

    /// Cuts the connection: what was not said yet is lost, as on a real one.
    fn disconnect(&mut self, reason: i32) {
        self.outbox.clear();
        self.held.clear();
        self.subscribed.clear();
        self.is_logged_in = false;
        self.link = Link::Lost(self.version.reconnect_pause_ns());
        self.faults.disconnected();
        log::info("sim_md_disconnected", &[("reason", reason.into())]);
        self.say(MdEvent::FrontDisconnected { reason });
    }

    fn login(&mut self, words: &LoginWords, request_id: i32, now: MonoNanos) {
        let info = match self.faults.login_error(now) {
            Some(error_id) => RspInfo::of(error_id),
            None if self.accepts(words) => RspInfo::success(),
            None => RspInfo::of(id::INVALID_LOGIN),
        };
        log::info("sim_md_login", &[("error_id", info.error_id.into())]);
        let mut answer = CStruct::new("RspUserLogin", self.version);
        if info.is_success() {
            self.is_logged_in = true;
            self.logins += 1;
            let market_time = self
                .feed
                .as_ref()
                .map(Feed::market_time)
                .unwrap_or_default();
            if let Some(market) = &self.market {
                market.logged_in(now);
                let day = market.header().trading_day.to_ctp();
                answer = login_answer(answer, &day, market_time, self.logins);
            }
        }
        answer = answer
            .text("BrokerID", &words.broker)
            .text("UserID", &words.user);
        self.say(MdEvent::Login {
            answer,
            info,
            request_id,
        });
    }

    fn accepts(&self, words: &LoginWords) -> bool {
        self.settings.account.as_ref().is_none_or(|account| {
            account.broker.as_bytes() == words.broker
                && account.user.as_bytes() == words.user
                && account.password.as_bytes() == words.password
        })
    }

    fn subscription(&mut self, kind: SubscriptionKind, ids: &[InstrumentId], now: MonoNanos) {
        let error_id = if self.is_logged_in {
            id::NONE
        } else {
            id::NOT_LOGIN_YET
        };
        if self.is_logged_in && kind == SubscriptionKind::Subscribe {
            if let (true, Some(feed)) = (self.subscribed.is_empty(), &mut self.feed) {
                feed.catch_up(now);
            }
            if let Some(market) = &self.market {
                market.subscribed(now);
            }
        }
        for (index, &id) in ids.iter().enumerate() {
            // CTP acknowledges ids that it has never heard of, too (guide 1.7).
            self.outbox.push_back(Queued::Acknowledge {
                kind,
                id,
                error_id,
                is_last: index + 1 == ids.len(),
            });
            if !self.is_logged_in {
                continue;
            }
            match kind {
                SubscriptionKind::Subscribe => {
                    self.subscribed.insert(id);
                    self.outbox.push_back(Queued::Snapshot(id));
                }
                SubscriptionKind::Unsubscribe => {
                    self.subscribed.remove(&id);
                }
                // Nothing ever quotes here: acknowledged, and silent.
                SubscriptionKind::SubscribeForQuote | SubscriptionKind::UnsubscribeForQuote => {}
            }
        }
    }

    /// The next thing that was queued.
    fn next_queued(&mut self) -> Option<MdEvent> {
        while let Some(queued) = self.outbox.pop_front() {
            match queued {
                Queued::Event(event) => return Some(*event),
                Queued::Acknowledge {
                    kind,
                    id,
                    error_id,
                    is_last,
                } => {
                    return Some(MdEvent::Subscription {
                        kind,
                        id,
                        info: RspInfo::of(error_id),
                        is_last,
                    });
                }
                Queued::Snapshot(id) => {
                    let latest = self.feed.as_ref().and_then(|feed| feed.latest(&id));
                    // Without a tick there is no snapshot to be lost.
                    if let Some(tick) = latest.copied()
                        && !self.faults.loses_snapshot()
                    {
                        return Some(self.sent(tick));
                    }
                }
            }
        }
        None
    }

    /// The callback of a tick that goes out.
    fn sent(&mut self, tick: RawTick) -> MdEvent {
        self.faults.sent(&tick);
        MdEvent::Tick(tick)
    }

    /// The next tick of a subscribed instrument.
    fn next_tick(&mut self, now: MonoNanos) -> Step<MdEvent, Settings> {
        if let Some((due, tick)) = self.held.front().copied() {
            if due > now {
                return Step::Wait(due);
            }
            self.held.pop_front();
            return Step::Call(self.sent(tick));
        }
        for _ in 0..PASSED_PER_STEP {
            let Some(feed) = self.feed.as_mut().filter(|_| !self.subscribed.is_empty()) else {
                return Step::Wait(MonoNanos::NEVER);
            };
            let tick = match feed.next(now) {
                Next::Tick(tick) => tick,
                Next::Wait(instant) => return Step::Wait(instant),
                Next::End => return self.end(now),
            };
            if !self.subscribed.contains(&tick.instrument_id) {
                continue;
            }
            match self.faults.tick(tick, now) {
                Fate::Send(tick) => return Step::Call(self.sent(tick)),
                Fate::Lose => {}
                Fate::Hold(ticks) => {
                    self.held.extend(ticks);
                    return Step::Wait(now);
                }
                Fate::Cut(reason) => {
                    self.disconnect(reason);
                    return Step::Wait(now);
                }
            }
        }
        Step::Wait(now)
    }

    fn end(&mut self, now: MonoNanos) -> Step<MdEvent, Settings> {
        if let Some(tick) = self.faults.last_held() {
            return Step::Call(self.sent(tick));
        }
        if !std::mem::replace(&mut self.is_over, true) {
            log::info("sim_market_over", &[]);
        }
        match self.settings.at_end {
            AtEnd::Silent => Step::Wait(MonoNanos::NEVER),
            AtEnd::Disconnect(reason) => {
                self.disconnect(reason);
                self.link = Link::Closed;
                if let Some(market) = &self.market {
                    market.close();
                }
                Step::Wait(now)
            }
        }
    }
}

/// Fills in what a front says of itself.
#[must_use]
pub(crate) fn login_answer(
    answer: CStruct,
    day: &str,
    market_time: UnixNanos,
    session: i32,
) -> CStruct {
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

impl Session for MdSession {
    type Request = MdRequest;
    type Callback = MdEvent;
    type Opening = Settings;
    type Opened = Option<Feed>;

    fn request(&mut self, request: MdRequest, now: MonoNanos) -> i32 {
        if self.link != Link::Up {
            return NOT_CONNECTED;
        }
        if let Some(RequestFault::Code(code)) = self.faults.request(now) {
            return code;
        }
        match request {
            MdRequest::Login(words, request_id) => self.login(&words, request_id, now),
            MdRequest::Logout(broker, user, request_id) => {
                self.is_logged_in = false;
                self.subscribed.clear();
                let answer = CStruct::new("UserLogout", self.version)
                    .text("BrokerID", &broker)
                    .text("UserID", &user);
                self.say(MdEvent::Logout { answer, request_id });
            }
            MdRequest::Subscription(kind, ids) => self.subscription(kind, &ids, now),
            MdRequest::QueryMulticast(request_id) => {
                self.say(MdEvent::NoMulticastInstrument { request_id });
            }
        }
        0
    }

    fn step(&mut self, now: MonoNanos) -> Step<MdEvent, Settings> {
        match self.link {
            Link::Lost(pause_ns) => {
                // The news goes out first: as the vendor's, the library pauses after that callback.
                if let Some(event) = self.next_queued() {
                    return Step::Call(event);
                }
                let attempt = now.plus(pause_ns);
                self.link = Link::Down(attempt);
                return Step::Wait(attempt);
            }
            Link::Down(attempt) if attempt > now => return Step::Wait(attempt),
            Link::Down(_) => return self.connect(now),
            Link::Opening => return Step::Wait(MonoNanos::NEVER),
            Link::Opened => {
                self.link = Link::Up;
                self.faults.connected(now);
                log::info("sim_md_connected", &[("front", self.faults.front().into())]);
                return Step::Call(MdEvent::FrontConnected);
            }
            Link::Up | Link::Closed => {}
        }
        if self.link == Link::Up
            && let Some(happening) = self.faults.happening(now)
        {
            match happening {
                Happening::Disconnect(reason) => self.disconnect(reason),
                Happening::HeartBeatWarning(lapse_s) => {
                    self.say(MdEvent::HeartBeatWarning { lapse_s });
                }
                Happening::SilentUntil(instant) => return Step::Wait(instant),
            }
        }
        if let Some(event) = self.next_queued() {
            return Step::Call(event);
        }
        if self.link != Link::Up || !self.is_logged_in {
            let next = self.faults.next_happening(now);
            return Step::Wait(next.unwrap_or(MonoNanos::NEVER));
        }
        match self.next_tick(now) {
            Step::Wait(instant) => {
                let next = self.faults.next_happening(now);
                Step::Wait(next.map_or(instant, |next| next.min(instant)))
            }
            step => step,
        }
    }

    /// Joins the market.
    fn open(settings: Settings, now: MonoNanos) -> Option<Feed> {
        let joined = Market::shared(&settings, now).and_then(|market| Feed::open(&market));
        if let Err(error) = &joined {
            log::warn("sim_source_failed", &[("text", with_causes(error).into())]);
        }
        joined.ok()
    }

    /// The market that was joined lets nobody in when it is closed.
    fn opened(&mut self, feed: Option<Feed>, now: MonoNanos) {
        let feed = feed.filter(|feed| {
            let is_closed = feed.market().is_closed();
            if is_closed && !std::mem::replace(&mut self.is_shut_out, true) {
                let text = "the market is over for all instances with these settings: connections \
                            are refused (at_end)";
                log::notice("sim_market_closed", &[("text", text.into())]);
            }
            !is_closed
        });
        self.link = match &feed {
            Some(_) => Link::Opened,
            None => Link::Down(now.plus(REFUSED_PAUSE_NS)),
        };
        self.market = feed.as_ref().map(|feed| Arc::clone(feed.market()));
        self.feed = feed;
    }
}

impl Drop for MdSession {
    fn drop(&mut self) {
        self.faults.hand_on(&self.settings, Front::MarketData);
    }
}
