//! The state machine of a market data session: connection, login, subscriptions, ticks.
//!
//! Invariants: acknowledgements go out before any later tick. A tick goes out only while logged in
//! and only for a subscribed instrument. The snapshot of an instrument follows its acknowledgement.
//! After a lost connection, login and subscriptions are forgotten (field guide 1.6).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::MonoNanos;
use tickdeck_core::event::{InstrumentId, RawTick};

use super::callback::{MdEvent, SubscriptionKind};
use crate::connection::{Connection, NOT_CONNECTED, Progress};
use crate::errors::{RspInfo, id};
use crate::faults::{Fate, Faults, Front, Happening, RequestFault};
use crate::fields::CStruct;
use crate::log;
use crate::market::{Feed, Market, Next};
use crate::reactor::{Session, Step};
use crate::settings::{AtEnd, Settings};
use crate::source::Header;
use crate::version::Emulated;

/// Events of the market that one step may pass over: a bound on how long a request waits.
const PASSED_PER_STEP: usize = 2_048;

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

impl LoginWords {
    fn are_accepted_by(&self, connection: &Connection) -> bool {
        connection.accepts(&self.broker, &self.user, &self.password)
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
    connection: Connection,
    feed: Option<Feed>,
    subscribed: BTreeSet<InstrumentId>,
    outbox: VecDeque<Queued>,
    /// A tick that a fault holds back, and until when.
    held: VecDeque<(MonoNanos, RawTick)>,
    /// All ticks were sent.
    is_over: bool,
    /// The market was closed when this session tried to join it; logged once.
    is_shut_out: bool,
}

/// A queued callback. It is small, because one request may queue 17,000 of them; a snapshot is
/// looked up when its turn comes.
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
            connection: Connection::new(Front::MarketData, version, settings, faults, now),
            feed: None,
            subscribed: BTreeSet::new(),
            outbox: VecDeque::new(),
            held: VecDeque::new(),
            is_over: false,
            is_shut_out: false,
        }
    }

    /// The trading day as `GetTradingDay` has it: `None` before the login.
    #[must_use]
    pub fn trading_day(&self) -> Option<String> {
        self.connection.trading_day()
    }

    fn say(&mut self, event: MdEvent) {
        self.outbox.push_back(Queued::Event(Box::new(event)));
    }

    /// Cuts the connection.
    fn disconnect(&mut self, reason: i32) {
        self.connection.disconnect(reason);
        self.forget(reason);
    }

    /// Forgets everything that ended with the connection. Queued callbacks are lost, as on a real
    /// connection.
    fn forget(&mut self, reason: i32) {
        self.outbox.clear();
        self.held.clear();
        self.subscribed.clear();
        self.say(MdEvent::FrontDisconnected { reason });
    }

    fn login(&mut self, words: &LoginWords, request_id: i32, now: MonoNanos) {
        let info = match self.connection.faults.login_error(now) {
            Some(error_id) => RspInfo::of(error_id),
            None if words.are_accepted_by(&self.connection) => RspInfo::success(),
            None => RspInfo::of(id::INVALID_LOGIN),
        };
        log::info("sim_md_login", &[("error_id", info.error_id.into())]);
        let mut answer = CStruct::new("RspUserLogin", self.connection.version);
        if info.is_success() {
            let market_time = self.feed.as_ref().map(Feed::market_time);
            answer = self
                .connection
                .log_in(answer, market_time.unwrap_or_default());
            if let Some(market) = &self.connection.market {
                market.logged_in(now);
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

    fn subscription(&mut self, kind: SubscriptionKind, ids: &[InstrumentId], now: MonoNanos) {
        let error_id = if self.connection.is_logged_in {
            id::NONE
        } else {
            id::NOT_LOGIN_YET
        };
        if self.connection.is_logged_in && kind == SubscriptionKind::Subscribe {
            log::info("sim_md_subscribed", &[("count", ids.len().into())]);
            if let (true, Some(feed)) = (self.subscribed.is_empty(), &mut self.feed) {
                feed.catch_up(now);
            }
            if let Some(market) = &self.connection.market {
                market.subscribed(now);
                warn_missing(market.header(), ids);
            }
        }
        for (index, &id) in ids.iter().enumerate() {
            // CTP acknowledges unknown ids, too (field guide 1.7).
            self.outbox.push_back(Queued::Acknowledge {
                kind,
                id,
                error_id,
                is_last: index + 1 == ids.len(),
            });
            if !self.connection.is_logged_in {
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
                // There are no quote requests here: acknowledged, then silent.
                SubscriptionKind::SubscribeForQuote | SubscriptionKind::UnsubscribeForQuote => {}
            }
        }
    }

    /// The next queued callback.
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
                    // Without a tick there is no snapshot to lose.
                    if let Some(tick) = latest.copied()
                        && !self.connection.faults.loses_snapshot()
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
        self.connection.faults.sent(&tick);
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
            match self.connection.faults.tick(tick, now) {
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
        if let Some(tick) = self.connection.faults.last_held() {
            return Step::Call(self.sent(tick));
        }
        if !std::mem::replace(&mut self.is_over, true) {
            log::info("sim_market_over", &[]);
        }
        match self.connection.settings.at_end {
            AtEnd::Silent => Step::Wait(MonoNanos::NEVER),
            AtEnd::Disconnect(reason) => {
                self.disconnect(reason);
                self.connection.close();
                if let Some(market) = &self.connection.market {
                    market.close();
                }
                Step::Wait(now)
            }
        }
    }
}

impl Session for MdSession {
    type Request = MdRequest;
    type Callback = MdEvent;
    type Opening = Settings;
    type Opened = Option<Feed>;

    fn request(&mut self, request: MdRequest, now: MonoNanos) -> i32 {
        if !self.connection.is_up() {
            return NOT_CONNECTED;
        }
        if let Some(RequestFault::Code(code)) = self.connection.faults.request(now) {
            return code;
        }
        match request {
            MdRequest::Login(words, request_id) => self.login(&words, request_id, now),
            MdRequest::Logout(broker, user, request_id) => {
                self.connection.is_logged_in = false;
                self.subscribed.clear();
                let answer = CStruct::new("UserLogout", self.connection.version)
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
        // The news of a lost connection goes out before the next attempt.
        if self.connection.is_lost()
            && let Some(event) = self.next_queued()
        {
            return Step::Call(event);
        }
        match self.connection.advance(now) {
            Progress::Wait(instant) => return Step::Wait(instant),
            Progress::Join => return Step::Open(self.connection.settings.clone()),
            Progress::Connected => return Step::Call(MdEvent::FrontConnected),
            Progress::Lost(reason) => {
                self.forget(reason);
                return Step::Wait(now);
            }
            Progress::Up => match self.connection.faults.happening(now) {
                Some(Happening::Disconnect(reason)) => self.disconnect(reason),
                Some(Happening::HeartBeatWarning(lapse_s)) => {
                    self.say(MdEvent::HeartBeatWarning { lapse_s });
                }
                Some(Happening::SilentUntil(instant)) => return Step::Wait(instant),
                None => {}
            },
            Progress::Closed => {}
        }
        if let Some(event) = self.next_queued() {
            return Step::Call(event);
        }
        if !self.connection.is_up() || !self.connection.is_logged_in {
            return Step::Wait(self.connection.next_happening(now));
        }
        match self.next_tick(now) {
            Step::Wait(instant) => {
                let next = self.connection.next_happening(now);
                Step::Wait(next.min(instant))
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

    /// A closed market refuses the connection.
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
        let market = feed.as_ref().map(|feed| Arc::clone(feed.market()));
        self.connection.joined(market, now);
        self.feed = feed;
    }
}

/// Real fronts acknowledge unknown ids and say nothing; a test should not wait for ticks that never
/// arrive.
fn warn_missing(header: &Header, ids: &[InstrumentId]) {
    /// Ids that are named.
    const SHOWN: usize = 12;
    let missing = header.missing(ids);
    if missing.is_empty() {
        return;
    }
    let source = header.instruments.iter().flatten().take(SHOWN);
    log::warn(
        "sim_not_in_source",
        &[
            ("ids", missing[..missing.len().min(SHOWN)].join(",").into()),
            ("count", missing.len().into()),
            (
                "source_has",
                source.cloned().collect::<Vec<_>>().join(",").into(),
            ),
            (
                "text",
                "acknowledged, but the source has no tick of them".into(),
            ),
        ],
    );
}
