//! The market that sessions share: one clock, one start, and the progress so far.
//!
//! Every session reads the source by itself ([`Feed`]), at its own pace. [`Market`] is shared: when
//! it started, and how far any session has got.
//!
//! A slow client therefore delays no other. A lone client at rate `max` misses nothing, however
//! slow it is. A late session joins at the current position and gets the latest tick of an
//! instrument as its snapshot.
//!
//! Invariant: all sessions of a market see the same events in the same order; each sees a gap-free
//! stretch of them from the moment it subscribes until it is cut.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use rustc_hash::FxHashMap;
use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::MonoNanos;
use tickdeck_core::event::{Event, EventKind, InstrumentId, RawTick};
use tickdeck_core::pace::{Due, PaceOptions, Pacer, Rate};
use tickdeck_core::source::Source;
use tickdeck_core::time::UnixNanos;

use crate::environment;
use crate::log;
use crate::settings::{Settings, StartRule};
use crate::shared::{Facts, SharedFacts, SharedFolder};
use crate::source::{Header, OpenError, SourceSpec};

/// Events read from the source at a time.
const FETCH_EVENTS: usize = 512;

/// A market that moves, or will.
#[derive(Debug)]
pub struct Market {
    spec: SourceSpec,
    header: Header,
    rate: Rate,
    max_gap_ns: Option<i64>,
    start: StartRule,
    settle_ns: i64,
    facts: Mutex<Facts>,
    /// Events that some session of this process has passed.
    reached: AtomicU64,
    /// The facts that other processes have too.
    shared: Option<SharedFacts>,
}

/// Whether the market moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// Since this instant.
    Since(MonoNanos),
    /// Not before this instant.
    NotBefore(MonoNanos),
    /// Nothing has started it yet.
    Waiting,
}

impl Market {
    /// The market of these settings: shared with other sessions of the process, or new.
    ///
    /// # Errors
    /// When the source cannot be played.
    pub fn shared(settings: &Settings, now: MonoNanos) -> Result<Arc<Self>, OpenError> {
        static MARKETS: Mutex<BTreeMap<String, Arc<Market>>> = Mutex::new(BTreeMap::new());
        let mut markets = MARKETS.lock().unwrap_or_else(PoisonError::into_inner);
        let key = settings.market_key();
        if let Some(market) = markets.get(&key) {
            return Ok(Arc::clone(market));
        }
        let mut market = Self::new(settings, now)?;
        if let Some(folder) = environment::shared_folder() {
            market.share(folder, &key);
        }
        let market = Arc::new(market);
        markets.insert(key, Arc::clone(&market));
        Ok(market)
    }

    /// A market that is not shared.
    ///
    /// # Errors
    /// When the source cannot be played.
    pub fn new(settings: &Settings, now: MonoNanos) -> Result<Self, OpenError> {
        let header = settings.source.header()?;
        let started = (settings.start == StartRule::Now).then_some(now);
        Ok(Self {
            spec: settings.source.clone(),
            header,
            rate: settings.rate,
            max_gap_ns: settings.max_gap_ns,
            start: settings.start,
            settle_ns: settings.settle_ns,
            facts: Mutex::new(Facts {
                started,
                ..Facts::default()
            }),
            reached: AtomicU64::new(0),
            shared: None,
        })
    }

    /// Shares the facts with other processes. What they know already counts.
    fn share(&mut self, folder: &SharedFolder, key: &str) {
        let started = self.facts().started;
        let shared = folder.market(key);
        match shared.with(|facts| facts.started = facts.started.or(started)) {
            Ok(()) => self.shared = Some(shared),
            Err(error) => not_shared(&error),
        }
    }

    /// Facts about its source.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Closes the market: new connections are refused.
    pub fn close(&self) {
        self.with_facts(|facts| facts.is_closed = true);
    }

    /// Whether it is closed: new connections are refused.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.with_facts(|facts| facts.is_closed)
    }

    /// A session subscribed at `now`.
    pub fn subscribed(&self, now: MonoNanos) {
        self.with_facts(|facts| {
            if self.motion_of(facts, now) == Motion::Waiting || facts.started.is_none() {
                facts.last_subscription = facts.last_subscription.max(Some(now));
            }
        });
    }

    /// A session logged in at `now`.
    pub fn logged_in(&self, now: MonoNanos) {
        if self.start == StartRule::Login {
            self.with_facts(|facts| *facts.started.get_or_insert(now));
        }
    }

    /// Whether the market moves at `now`.
    pub fn motion(&self, now: MonoNanos) -> Motion {
        // The start is final, so the file need not be read.
        if let Some(started) = self.facts().started {
            return Motion::Since(started);
        }
        self.with_facts(|facts| self.motion_of(facts, now))
    }

    fn motion_of(&self, facts: &mut Facts, now: MonoNanos) -> Motion {
        if let Some(started) = facts.started {
            return Motion::Since(started);
        }
        let Some(last) = facts.last_subscription else {
            return Motion::Waiting;
        };
        if self.start != StartRule::Settled {
            return Motion::Waiting;
        }
        let settled = last.plus(self.settle_ns);
        if settled > now {
            return Motion::NotBefore(settled);
        }
        facts.started = Some(settled);
        Motion::Since(settled)
    }

    /// How far any session has got.
    fn reached(&self) -> u64 {
        self.with_facts(|facts| facts.reached)
    }

    /// Tells the other processes how far this one has got.
    fn tell_position(&self) {
        if self.shared.is_some() {
            self.reached();
        }
    }

    /// Runs `change` on the facts: on those of all processes, or on this one's alone.
    fn with_facts<R>(&self, change: impl Fn(&mut Facts) -> R) -> R {
        let mut own = self.facts();
        own.reached = own.reached.max(self.reached.load(Ordering::Acquire));
        let Some(shared) = &self.shared else {
            return change(&mut own);
        };
        let changed = shared.with(|facts| {
            facts.reached = facts.reached.max(own.reached);
            let result = change(facts);
            *own = *facts;
            result
        });
        // A folder that is gone leaves the market to this process.
        changed.unwrap_or_else(|error| {
            not_shared(&error);
            change(&mut own)
        })
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Plain values: a holder that panicked leaves them valid.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs once that the market is this process's own.
fn not_shared(error: &io::Error) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        let text = format!("the market is this process's own: its shared file failed: {error}");
        log::warn("sim_not_shared", &[("text", text.into())]);
    });
}

/// The next item for a session.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every value is a tick; a box would cost an allocation for each"
)]
pub enum Next {
    /// A tick whose time has come.
    Tick(RawTick),
    /// Nothing before this instant.
    Wait(MonoNanos),
    /// The session is over.
    End,
}

/// The position of one session in the market.
pub struct Feed {
    market: Arc<Market>,
    source: Option<Box<dyn Source>>,
    pacer: Pacer,
    is_primed: bool,
    fetched: VecDeque<Event>,
    /// Events passed by this feed.
    position: u64,
    latest: FxHashMap<InstrumentId, RawTick>,
    newest: UnixNanos,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// A feed at the beginning of the market.
    ///
    /// # Errors
    /// When the source cannot be opened.
    pub fn open(market: &Arc<Market>) -> Result<Self, OpenError> {
        Ok(Self {
            source: Some(market.spec.open()?),
            pacer: Pacer::new(PaceOptions {
                rate: market.rate,
                max_gap_ns: market.max_gap_ns,
                ..PaceOptions::default()
            }),
            is_primed: false,
            fetched: VecDeque::with_capacity(FETCH_EVENTS),
            position: 0,
            latest: FxHashMap::default(),
            newest: market.header.first,
            market: Arc::clone(market),
        })
    }

    /// The market.
    #[must_use]
    pub const fn market(&self) -> &Arc<Market> {
        &self.market
    }

    /// The latest tick of an instrument that this feed has passed.
    #[must_use]
    pub fn latest(&self, id: &InstrumentId) -> Option<&RawTick> {
        self.latest.get(id)
    }

    /// Market time: the receive time of the newest event passed.
    #[must_use]
    pub const fn market_time(&self) -> UnixNanos {
        self.newest
    }

    /// Skips to the current position without yielding ticks. As on a real front, ticks sent before
    /// the first subscription are gone.
    pub fn catch_up(&mut self, now: MonoNanos) {
        let Motion::Since(started) = self.market.motion(now) else {
            return;
        };
        self.prime(started);
        // Other processes are asked once: what they pass meanwhile is still to come here.
        let reached = self.market.reached();
        loop {
            let Some(event) = self.peek() else {
                return;
            };
            let is_past = match self.market.rate {
                Rate::Max => self.position < reached,
                // A tick due at this very instant is still to come.
                Rate::Times(_) => {
                    self.position < reached || self.pacer.due(event, now.plus(-1)) == Due::Now
                }
            };
            if !is_past {
                return;
            }
            self.take(now);
        }
    }

    /// The next tick, in the order of the source.
    pub fn next(&mut self, now: MonoNanos) -> Next {
        match self.market.motion(now) {
            Motion::Since(started) => self.prime(started),
            Motion::NotBefore(instant) => return Next::Wait(instant),
            Motion::Waiting => return Next::Wait(MonoNanos::NEVER),
        }
        loop {
            let Some(recv_ts) = self.peek() else {
                return Next::End;
            };
            match self.pacer.due(recv_ts, now) {
                Due::Now => {}
                Due::At(instant) => return Next::Wait(instant),
                Due::Paused => return Next::Wait(MonoNanos::NEVER),
            }
            if let Some(tick) = self.take(now) {
                return Next::Tick(tick);
            }
        }
    }

    /// Fixes the start instant: that of the market, not of this feed's first event.
    fn prime(&mut self, started: MonoNanos) {
        if !self.is_primed {
            self.is_primed = true;
            let _ = self.pacer.due(self.market.header.first, started);
        }
    }

    /// Receive time of the next event; `None` at the end.
    fn peek(&mut self) -> Option<UnixNanos> {
        if self.fetched.is_empty() {
            self.market.tell_position();
            let source = self.source.as_mut()?;
            let mut batch = Vec::with_capacity(FETCH_EVENTS);
            if let Err(error) = source.next_batch(&mut batch, FETCH_EVENTS) {
                // Ticks read before are valid; after them the market is over.
                log::warn("sim_source_failed", &[("text", with_causes(&error).into())]);
                self.source = None;
            } else if batch.is_empty() {
                self.source = None;
            }
            self.fetched.extend(batch);
        }
        self.fetched.front().map(|event| event.recv_ts)
    }

    /// Passes the next event; its tick if it is one.
    fn take(&mut self, now: MonoNanos) -> Option<RawTick> {
        let event = self.fetched.pop_front()?;
        self.pacer.released(now);
        self.position += 1;
        self.market
            .reached
            .fetch_max(self.position, Ordering::AcqRel);
        self.newest = self.newest.max(event.recv_ts);
        let EventKind::Tick(tick) = event.kind else {
            return None;
        };
        self.latest.insert(tick.instrument_id, tick);
        Some(tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(words: &str) -> Settings {
        Settings::default()
            .with_address(&format!("sim://?{words}"))
            .unwrap()
    }

    fn market(words: &str) -> Arc<Market> {
        Arc::new(Market::new(&settings(words), MonoNanos(0)).unwrap())
    }

    fn drain(feed: &mut Feed, now: MonoNanos) -> (usize, Next) {
        let mut ticks = 0;
        loop {
            match feed.next(now) {
                Next::Tick(_) => ticks += 1,
                other => return (ticks, other),
            }
        }
    }

    #[test]
    fn a_settled_market_starts_when_subscriptions_have_stopped() {
        let market = market("settle=500");
        assert_eq!(market.motion(MonoNanos(9_000_000_000)), Motion::Waiting);
        market.subscribed(MonoNanos(10_000_000_000));
        market.subscribed(MonoNanos(10_300_000_000));
        let settled = MonoNanos(10_800_000_000);
        assert_eq!(
            market.motion(MonoNanos(10_700_000_000)),
            Motion::NotBefore(settled)
        );
        assert_eq!(
            market.motion(MonoNanos(99_000_000_000)),
            Motion::Since(settled)
        );
        market.subscribed(MonoNanos(99_100_000_000));
        assert_eq!(
            market.motion(MonoNanos(99_200_000_000)),
            Motion::Since(settled),
            "a later subscription does not stop it"
        );
    }

    #[test]
    fn a_market_may_start_with_the_first_login_or_at_once() {
        let at_once = market("start=now");
        assert_eq!(at_once.motion(MonoNanos(5)), Motion::Since(MonoNanos(0)));
        let with_login = market("start=login");
        with_login.subscribed(MonoNanos(1));
        assert_eq!(with_login.motion(MonoNanos(i64::MAX)), Motion::Waiting);
        with_login.logged_in(MonoNanos(7));
        with_login.logged_in(MonoNanos(9));
        assert_eq!(with_login.motion(MonoNanos(9)), Motion::Since(MonoNanos(7)));
    }

    #[test]
    fn at_rate_max_late_sessions_join_at_the_current_tick() {
        let market = market("rate=max&settle=0");
        market.subscribed(MonoNanos(0));
        let mut first = Feed::open(&market).unwrap();
        assert_eq!(drain(&mut first, MonoNanos(1)), (918, Next::End));
        let mut late = Feed::open(&market).unwrap();
        late.catch_up(MonoNanos(2));
        assert_eq!(drain(&mut late, MonoNanos(3)), (0, Next::End));
        let id = InstrumentId::new(b"rb2510").unwrap();
        assert_eq!(late.latest(&id), first.latest(&id));
        assert!(late.latest(&id).is_some());
    }

    #[test]
    fn at_the_recorded_rate_ticks_come_when_they_are_due() {
        let market = market("rate=1&settle=0");
        market.subscribed(MonoNanos(0));
        let mut feed = Feed::open(&market).unwrap();
        let second = 1_000_000_000;
        let (early, next) = drain(&mut feed, MonoNanos(10 * second));
        assert!(early > 0 && early < 918, "{early}");
        let Next::Wait(instant) = next else {
            panic!("{next:?}");
        };
        assert!(instant > MonoNanos(10 * second));
        let mut late = Feed::open(&market).unwrap();
        late.catch_up(MonoNanos(40 * second));
        let (rest, end) = drain(&mut late, MonoNanos(100 * second));
        let (all_rest, _) = drain(&mut feed, MonoNanos(100 * second));
        assert_eq!(end, Next::End);
        assert!(rest < all_rest, "what was before the second 40 is gone");
        assert_eq!(
            early + all_rest,
            918,
            "a session from the start has all events"
        );
    }

    #[test]
    fn equal_settings_share_a_market_and_a_run_word_separates_them() {
        let shared = |words| Market::shared(&settings(words), MonoNanos(0)).unwrap();
        assert!(Arc::ptr_eq(&shared("rate=7"), &shared("rate=7")));
        assert!(!Arc::ptr_eq(&shared("rate=7"), &shared("rate=7&run=b")));
    }
}
