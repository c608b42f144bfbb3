//! The market: instruments in a queue by time, the session's opening events, and the line.
//!
//! Invariant: the queue's key is (due time, instrument index), and each instrument is in it at most
//! once. The order is therefore total, and no tie of the heap is left to chance. Memory is one
//! [`Live`] per instrument, however long the session runs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use tickdeck_ffi::RawTick;

use crate::book::Lock;
use crate::convention::Stamp;
use crate::event::MarketEvent;
use crate::instrument::{InstrumentSpec, ProductKind};
use crate::live::{Live, Setting, running_seconds};
use crate::network::{Network, base_latency};
use crate::options::{MarketError, MarketOptions, Profile};
use crate::product::Venue;
use crate::quirks::{Script, lock};
use crate::random::Draw;
use crate::session::{Days, GRID, MILLI, MINUTE, SECOND, Step, day_plan, night_end, night_plan};
use crate::universe::{choose, rates, shared_rates};

/// Update rate that no instrument exceeds, per 1000 s: the front passes two snapshots a second,
/// and now and then nothing changed in one.
const CEILING: u64 = 1_950;

/// What is sent next.
#[derive(Debug, Clone)]
enum Stage {
    Connect,
    Login,
    Subscribe(usize),
    Snapshot(usize),
    Trade,
    /// A prepared session.
    Script(Box<Script>),
}

/// A generated market session: an iterator of `(receive time in ns UTC, event)`.
///
/// Receive times never fall. Equal options and [`crate::GENERATOR_VERSION`] give equal events, bit
/// for bit, on every platform and in every build.
#[derive(Debug, Clone)]
pub struct Market {
    specs: Vec<InstrumentSpec>,
    lives: Vec<Live>,
    queue: BinaryHeap<Reverse<(i64, u32)>>,
    network: Network,
    days: Days,
    stage: Stage,
    window: Window,
    expected: u64,
}

/// When the session is joined and what of it is seen, ns UTC.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// The front connects.
    pub(crate) connect: i64,
    /// Nothing is received after it.
    pub(crate) end: i64,
    /// Trading outside these is left out (used by `quirks` only; one interval otherwise).
    pub(crate) parts: Vec<(i64, i64)>,
    /// Whether the session is joined in the evening.
    pub(crate) from_evening: bool,
}

impl Market {
    /// Sets the market up; the work grows with the number of instruments only.
    ///
    /// # Errors
    /// A symbol that cannot be generated, a night that was not held, days out of order or range.
    pub fn new(options: MarketOptions) -> Result<Self, MarketError> {
        let days = Days::new(options.trading_day, options.prev_trading_day)?;
        let needs_night = matches!(options.profile, Profile::Night | Profile::Quirks);
        if needs_night && !options.has_night {
            return Err(MarketError::NoNightSession {
                profile: options.profile,
                trading_day: options.trading_day,
            });
        }
        let specs = choose(&options)?;
        if options.profile == Profile::Night && !specs.iter().any(InstrumentSpec::has_night) {
            return Err(MarketError::NothingTradesAtNight);
        }
        let window = window(&options, &days);
        if options.profile == Profile::Quirks {
            return Ok(Self::scripted(&options, specs, days, window));
        }
        Ok(Self::assemble(&options, specs, days, window))
    }

    /// The instruments, in the order of their subscription.
    #[must_use]
    pub fn instruments(&self) -> &[InstrumentSpec] {
        &self.specs
    }

    /// About how many ticks the whole session has (within a fifth for the large profiles).
    #[must_use]
    pub const fn expected_ticks(&self) -> u64 {
        self.expected
    }

    /// The next event with its receive time in ns since the Unix epoch, UTC.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is implemented; the inherent method spares callers the import"
    )]
    pub fn next(&mut self) -> Option<(i64, MarketEvent)> {
        let (at, event) = match &mut self.stage {
            Stage::Script(script) => script.next()?,
            Stage::Trade => self.next_tick()?,
            _ => self.open_session(),
        };
        (at <= self.window.end).then_some((at, event))
    }

    /// A market that trades from the start, without a script.
    pub(crate) fn assemble(
        options: &MarketOptions,
        specs: Vec<InstrumentSpec>,
        days: Days,
        window: Window,
    ) -> Self {
        let rates = instrument_rates(options, &specs);
        let mut chance = Draw::new(options.seed, b"\0market");
        let setting = Setting {
            seed: options.seed,
            days: &days,
            cffex_phase: i64::from(chance.below(5)) * 100 * MILLI,
        };
        let index: BTreeMap<&str, usize> = specs
            .iter()
            .enumerate()
            .map(|(i, spec)| (spec.instrument_id.as_str(), i))
            .collect();
        let mut places = [0_i64; 6];
        let mut lives = Vec::with_capacity(specs.len());
        for (spec, &rate) in specs.iter().zip(&rates) {
            let underlying = spec
                .option
                .as_ref()
                .and_then(|terms| index.get(terms.follows.as_str()).copied());
            let mut live = Live::new(spec, rate, underlying, &setting);
            let place = &mut places[spec.venue as usize];
            live.place = *place;
            *place += 2_200 + i64::from(chance.below(1_500));
            lives.push(live);
        }
        let mut market = Self {
            network: Network::new(options.seed, window.connect),
            queue: BinaryHeap::with_capacity(specs.len()),
            specs,
            lives,
            days,
            stage: Stage::Connect,
            window,
            expected: 0,
        };
        market.plan(options, &mut chance);
        market
    }

    /// A market whose events are prepared at once (a few thousand), then edited.
    fn scripted(
        options: &MarketOptions,
        specs: Vec<InstrumentSpec>,
        days: Days,
        window: Window,
    ) -> Self {
        let end = window.end;
        let mut market = Self::assemble(
            options,
            specs,
            days,
            Window {
                end: i64::MAX,
                ..window
            },
        );
        let mut events = Vec::new();
        while let Some(event) = market.next() {
            events.push(event);
        }
        let script = Script::new(options.seed, events, &market.days);
        market.expected = script.tick_count();
        market.stage = Stage::Script(Box::new(script));
        market.window.end = end;
        market
    }

    /// Gives every instrument its plan and its past, and puts it into the queue.
    fn plan(&mut self, options: &MarketOptions, chance: &mut Draw) {
        let mut expected = 0_i64;
        for index in 0..self.lives.len() {
            let spec = &self.specs[index];
            let full = full_plan(spec, options, &self.days, self.window.from_evening);
            let plan: Vec<Step> = self
                .window
                .parts
                .iter()
                .flat_map(|&(from, to)| full.iter().filter_map(move |s| s.clip(from, to)))
                .collect();
            let live = &mut self.lives[index];
            live.follow_plan(plan);
            let seconds = live.running_seconds(i64::MIN, self.window.end);
            // The first minute after an open counts nearly twice, as far as the ceiling lets it.
            let ceiling = i64::try_from(CEILING).unwrap_or(0);
            let extra = live.rate().min(ceiling - live.rate()).max(0) * seconds.min(60);
            expected += (live.rate() * seconds + extra) / 1000 + 3;
            let past = self.past(index, options);
            let live = &mut self.lives[index];
            if past > 0 {
                live.live_through(past);
            }
            let spec = &self.specs[index];
            match options.profile {
                Profile::Quirks if spec.kind == ProductKind::Future => {
                    if let Some((from, to, side)) = lock(&spec.product_id, &self.days) {
                        live.lock_between(from, to, side);
                    }
                }
                _ => maybe_lock(live, &self.days, options, chance),
            }
            self.enqueue(index);
        }
        self.expected = u64::try_from(expected).unwrap_or(0);
    }

    /// Seconds of trading that instrument `index` had before the session is joined.
    fn past(&self, index: usize, options: &MarketOptions) -> i64 {
        if self.window.from_evening {
            return 0;
        }
        let spec = &self.specs[index];
        let night = if options.has_night {
            night_plan(spec.venue, spec.session, &self.days)
        } else {
            Vec::new()
        };
        let day = day_plan(spec.venue, spec.session, &self.days, options.has_night);
        let connect = self.window.connect;
        let auction = day
            .iter()
            .any(|s| matches!(s, Step::Auction(at) if *at < connect));
        running_seconds(&night, 0, connect)
            + running_seconds(&day, 0, connect)
            + if auction { 30 } else { 0 }
    }

    fn enqueue(&mut self, index: usize) {
        let live = &mut self.lives[index];
        let extra = base_latency(live.quote.venue) + live.place;
        if let Some(at) = live.schedule() {
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            self.queue.push(Reverse((at + extra, number)));
        }
    }

    fn next_tick(&mut self) -> Option<(i64, MarketEvent)> {
        let mut top = self.queue.peek_mut()?;
        let Reverse((due, number)) = *top;
        let index = usize::try_from(number).unwrap_or(0);
        let middle = self.lives[index].underlying().map(|future| {
            let book = &self.lives[future].quote.book;
            i64::from(book.bid) + i64::from(book.ask)
        });
        let live = &mut self.lives[index];
        let extra = base_latency(live.quote.venue) + live.place;
        let tick = *live.emit(due - extra, middle, &self.days);
        let venue = live.quote.venue;
        match live.schedule() {
            // Replacing the top in place sifts once instead of twice.
            Some(at) => *top = Reverse((at + extra, number)),
            None => {
                std::collections::binary_heap::PeekMut::pop(top);
            }
        }
        Some((self.network.receive(due, venue), MarketEvent::Tick(tick)))
    }

    /// The session's opening: connected, logged in, acknowledged, then the latest snapshots.
    fn open_session(&mut self) -> (i64, MarketEvent) {
        let connect = self.window.connect;
        match self.stage {
            Stage::Connect => {
                self.stage = Stage::Login;
                (self.network.advance(connect), MarketEvent::FrontConnected)
            }
            Stage::Login => {
                self.stage = Stage::Subscribe(0);
                let trading_day = self.days.day_text.to_string_lossy().into_owned();
                let at = self.network.advance(connect + 31 * MILLI);
                (at, MarketEvent::LoginOk { trading_day })
            }
            Stage::Subscribe(index) if index < self.specs.len() => {
                let next = index + 1;
                self.stage = if next < self.specs.len() {
                    Stage::Subscribe(next)
                } else {
                    Stage::Snapshot(0)
                };
                let at = self.network.advance(connect + 60 * MILLI);
                let instrument = self.specs[index].instrument_id.clone();
                (at, MarketEvent::Subscribed { instrument })
            }
            Stage::Snapshot(index) => {
                let next = index + 1;
                self.stage = if next < self.specs.len() {
                    Stage::Snapshot(next)
                } else {
                    Stage::Trade
                };
                let tick = self.snapshot(index);
                // The front sends at its own pace: about 20,000 a second.
                let ready = self.network.advance(0) + 38_000;
                (self.network.advance(ready), MarketEvent::Tick(tick))
            }
            _ => {
                // Unreachable with one instrument or more, which `choose` guarantees.
                self.stage = Stage::Trade;
                (self.network.advance(connect), MarketEvent::FrontConnected)
            }
        }
    }

    /// The newest state of an instrument when the session is joined.
    fn snapshot(&mut self, index: usize) -> RawTick {
        let connect = self.window.connect;
        let days = &self.days;
        let spec = &self.specs[index];
        let live = &mut self.lives[index];
        if self.window.from_evening
            || live.quote.book.bid_lots[0] + live.quote.book.ask_lots[0] == 0
        {
            return *live.initialisation(days);
        }
        let day = day_plan(spec.venue, spec.session, days, true);
        let last_step = day.iter().rev().find(|step| step.begins() < connect);
        let (at, stamp) = match (last_step, night_end(spec.session)) {
            (Some(Step::Run(open, close)), _) => {
                let now = connect.min(*close) - SECOND;
                let grid = open + (now - open) / GRID * GRID;
                (grid.max(*open), Stamp::Trading)
            }
            (None, Some((hour, minute))) => {
                let close = days.evening_at(hour, minute);
                if spec.venue == Venue::Czce {
                    crate::convention::closing(&mut live.quote);
                    (close - SECOND, Stamp::StaleCopy)
                } else {
                    (close, Stamp::Trading)
                }
            }
            (step, _) => (step.map_or(connect, |s| s.begins()), Stamp::Trading),
        };
        let at = at + live.snapshot_phase();
        *live.snapshot(at, stamp, days)
    }
}

impl Iterator for Market {
    type Item = (i64, MarketEvent);

    fn next(&mut self) -> Option<Self::Item> {
        Self::next(self)
    }
}

/// The steps of an instrument in the profile's part of the trading day.
fn full_plan(
    spec: &InstrumentSpec,
    options: &MarketOptions,
    days: &Days,
    from_evening: bool,
) -> Vec<Step> {
    let mut plan = Vec::new();
    if from_evening {
        plan = night_plan(spec.venue, spec.session, days);
    }
    if options.profile != Profile::Night {
        plan.extend(day_plan(spec.venue, spec.session, days, options.has_night));
    }
    plan
}

/// When the profile's session is joined and left.
fn window(options: &MarketOptions, days: &Days) -> Window {
    let (connect, end, from_evening) = match options.profile {
        Profile::Quick => (
            days.at(9, 30) - 2 * SECOND,
            days.at(9, 31) - 2 * SECOND,
            false,
        ),
        Profile::Day => (days.at(8, 50), days.at(15, 40), false),
        Profile::Night => (days.evening_at(20, 50), days.evening_at(26, 40), true),
        Profile::FullMarket => (days.at(8, 58), days.at(9, 3), false),
        Profile::Quirks => (days.evening_at(20, 35), days.at(15, 40), true),
    };
    let end = options.duration.map_or(end, |duration| {
        let length = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4);
        connect.saturating_add(length)
    });
    let parts = if options.profile == Profile::Quirks {
        crate::quirks::parts(days)
    } else {
        vec![(connect, days.at(16, 0))]
    };
    Window {
        connect,
        end,
        parts,
        from_evening,
    }
}

/// Update rates by profile, per 1000 s.
fn instrument_rates(options: &MarketOptions, specs: &[InstrumentSpec]) -> Vec<u64> {
    let weights: Vec<u64> = specs.iter().map(|s| s.weight).collect();
    if !options.symbols.is_empty() {
        // Hand-picked instruments keep the activity that they have in the day profile, roughly.
        return weights.iter().map(|w| (w / 30).clamp(5, CEILING)).collect();
    }
    match options.profile {
        Profile::Quick => vec![CEILING; specs.len()],
        Profile::Quirks => weights.iter().map(|w| (w / 160).clamp(200, 620)).collect(),
        Profile::Day | Profile::Night => shared_rates(specs, 425_000, CEILING),
        // CFFEX is closed in the default five minutes.
        Profile::FullMarket => rates(&weights, 4_300_000, CEILING),
    }
}

/// A few instruments run into their limit for a while.
fn maybe_lock(live: &mut Live, days: &Days, options: &MarketOptions, chance: &mut Draw) {
    let locks = matches!(options.profile, Profile::Day | Profile::Night)
        && live.quote.kind == ProductKind::Future
        && chance.chance(7);
    if !locks {
        return;
    }
    let side = if chance.chance(500) {
        Lock::Up
    } else {
        Lock::Down
    };
    let from = if options.profile == Profile::Night {
        days.evening_at(21, 5)
    } else {
        days.at(9, 5)
    };
    let from = from + i64::from(chance.below(60)) * MINUTE;
    let to = from + i64::from(5 + chance.below(50)) * MINUTE;
    live.lock_between(from, to, side);
}
