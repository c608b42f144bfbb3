//! One trading instrument: its place in the session plan, its book, and the tick it last sent.
//!
//! Holds a whole [`RawTick`] and rewrites only what changes, as the front itself does.

use tickdeck_ffi::RawTick;

use crate::book::{Book, Lock};
use crate::convention::{Stamp, clear_book, closing, statics, write_book, write_stamp};
use crate::instrument::{InstrumentSpec, OptionTerms, ProductKind};
use crate::num::{to_i32, to_u32};
use crate::product::{Tick, Venue};
use crate::quote::Quote;
use crate::random::Draw;
use crate::session::{Days, GRID, MILLI, MINUTE, SECOND, Step};
use crate::temper::temper;

/// Where an option finds its underlying.
#[derive(Debug, Clone)]
struct Link {
    terms: OptionTerms,
    underlying: Option<usize>,
    tick: Tick,
}

/// The state of one instrument.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) quote: Quote,
    /// Position in the burst of its exchange, ns after the burst's first tick.
    pub(crate) place: i64,
    draw: Draw,
    plan: Vec<Step>,
    step: usize,
    /// Snapshot count inside the present run; -1 before its first.
    snapshot: i64,
    /// Offset of its snapshots in the half-second grid, ns.
    phase: i64,
    /// Mean ticks per 1000 s, at a quiet hour.
    rate: i64,
    busy: bool,
    link: Option<Link>,
    lock: Option<(i64, i64, Lock)>,
}

/// What is the same for all instruments of a market when they are set up.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) seed: u64,
    pub(crate) days: &'a Days,
    /// CFFEX's place in the half-second grid on this day, ns.
    pub(crate) cffex_phase: i64,
}

impl Live {
    /// Sets an instrument up with an empty book and nothing traded.
    pub(crate) fn new(
        spec: &InstrumentSpec,
        rate: u64,
        underlying: Option<usize>,
        setting: &Setting<'_>,
    ) -> Self {
        let mut draw = Draw::new(setting.seed, spec.instrument_id.as_bytes());
        let rate = i64::try_from(rate).unwrap_or(0);
        let temper = temper(spec, rate, &mut draw);
        let link = spec.option.clone().map(|terms| Link {
            terms,
            underlying,
            tick: spec.tick,
        });
        let base = link.as_ref().map_or(spec.base, |link| {
            link.theory(i64::from(link.terms.follows_base) * 2)
        });
        let base = base.max(1);
        let mut live = Self {
            quote: Quote {
                venue: spec.venue,
                kind: spec.kind,
                tick: spec.tick,
                multiplier: i64::from(spec.multiplier),
                temper,
                book: Book::new(base, 1, i32::MAX / 4, 0),
                raw: RawTick::unset(),
            },
            place: 0,
            phase: phase(spec.venue, setting.cffex_phase, &mut draw),
            draw,
            plan: Vec::new(),
            step: 0,
            snapshot: -1,
            rate,
            busy: false,
            link,
            lock: None,
        };
        live.yesterday(spec, base);
        statics(&mut live.quote, spec, setting.days);
        live
    }

    /// Draws the previous day's prices, the limits and the open interest.
    fn yesterday(&mut self, spec: &InstrumentSpec, base: i32) {
        let draw = &mut self.draw;
        if spec.kind == ProductKind::Combination {
            let start = spec.base + draw.between(-3, 3);
            self.quote.book = Book::new(start, start - 4000, start + 4000, 0);
            return;
        }
        let swing = (base / 250).max(1);
        let settle = (base + draw.between(-swing, swing)).max(1);
        let close = (settle + draw.between(-swing, swing)).max(1);
        let underlying = spec.option.as_ref().map_or(settle, |o| o.follows_base);
        let width = if spec.bond {
            underlying / 50
        } else {
            underlying / 12
        };
        let width = match &spec.option {
            // An option may move by as much as its future.
            Some(terms) => to_i32(
                self.quote
                    .tick
                    .convert(i64::from(width), terms.follows_tick),
            ),
            None => width,
        };
        let lower = (settle - width).max(1);
        let upper = settle.saturating_add(width.max(2));
        let start = (close + draw.between(-swing, swing)).clamp(lower, upper);
        let interest = (self.rate * 40 + 20).min(4_000_000) * (10 + i64::from(draw.below(20)));
        let interest = interest * self.quote.temper.lots.max(1) / 20;
        self.quote.book = Book::new(start, lower, upper, interest);
        self.quote.raw.pre_settlement_price = self.quote.tick.price(settle);
        self.quote.raw.pre_close_price = self.quote.tick.price(close);
        self.quote.raw.pre_open_interest = interest as f64;
        self.quote.book.last = close;
    }

    /// Gives it the plan it will follow.
    pub(crate) fn follow_plan(&mut self, plan: Vec<Step>) {
        self.plan = plan;
        self.step = 0;
        self.snapshot = -1;
    }

    /// Locks it at a limit between two times.
    pub(crate) fn lock_between(&mut self, from: i64, to: i64, side: Lock) {
        self.lock = Some((from, to, side));
    }

    /// Trading already done when the session is joined: `seconds` of it.
    pub(crate) fn live_through(&mut self, seconds: i64) {
        self.quote.book.quote(&self.quote.temper, &mut self.draw);
        if self.quote.kind == ProductKind::Combination {
            return;
        }
        let rows = self.rate * seconds / 1000;
        let mean = 10 + self.quote.temper.lots * 17;
        let volume = rows * i64::from(self.quote.temper.trades) / 1000 * mean / 10;
        self.quote.book.live_through(to_i32(volume), &mut self.draw);
    }

    /// The tick that a front pushes of the state as it was at `at` (field guide 5.6).
    pub(crate) fn snapshot(&mut self, at: i64, stamp: Stamp, days: &Days) -> &RawTick {
        write_book(&mut self.quote);
        write_stamp(&mut self.quote, at, stamp, days);
        &self.quote.raw
    }

    /// The evening's initialisation tick: Volume 0 and an empty book (field guide 5.5).
    pub(crate) fn initialisation(&mut self, days: &Days) -> &RawTick {
        let at = match self.quote.venue {
            Venue::Shfe | Venue::Ine => days.evening_at(18, 50) + 32 * SECOND + GRID,
            Venue::Czce => days.evening_at(19, 20) + i64::from(self.draw.below(800)) * SECOND,
            _ => days.evening_at(20, 15) + i64::from(self.draw.below(230_000)) * MILLI,
        };
        clear_book(&mut self.quote);
        write_stamp(&mut self.quote, at, Stamp::Initialisation, days);
        &self.quote.raw
    }

    /// Its offset in the half-second grid, ns; 0 where it cannot be seen.
    pub(crate) const fn snapshot_phase(&self) -> i64 {
        match self.quote.venue {
            Venue::Czce => 0,
            _ => self.phase,
        }
    }

    /// When this instrument sends its next tick (exchange time before rounding, ns UTC), or `None`
    /// when its plan is over.
    pub(crate) fn schedule(&mut self) -> Option<i64> {
        while let Some(&step) = self.plan.get(self.step) {
            let Step::Run(open, close) = step else {
                return Some(step.begins() + self.phase.min(GRID - 1));
            };
            self.snapshot += self.gap(open, close);
            let at = open + self.phase + self.snapshot * GRID + self.wobble();
            let closes_the_day = matches!(self.plan.get(self.step + 1), Some(Step::Close(_)));
            let last = if closes_the_day {
                close - 1
            } else {
                close + GRID - 1
            };
            if at <= last {
                return Some(at);
            }
            self.step += 1;
            self.snapshot = -1;
        }
        None
    }

    /// Snapshots until the next change: geometric at the present activity, 1 or more.
    fn gap(&mut self, open: i64, close: i64) -> i64 {
        if self.snapshot < 0 && self.starts_trading() && self.draw.chance(930) {
            // At the first open everything is requoted within a second.
            return 1 + i64::from(self.draw.below(2));
        }
        let now = open + self.snapshot.max(0) * GRID;
        if self.draw.chance(25) {
            self.busy = !self.busy;
        }
        let pulse = if self.busy { 135 } else { 80 };
        let hour = match now - open {
            t if t < MINUTE => 190,
            t if t < 5 * MINUTE => 140,
            t if t < 20 * MINUTE => 110,
            _ if close - now < 3 * MINUTE => 130,
            _ => 90,
        };
        // Thousandths of a chance per snapshot.
        let chance = to_u32(self.rate * pulse * hour / 20_000).min(965);
        if chance >= 200 {
            let mut gap = 1;
            while gap < 64 && !self.draw.chance(chance) {
                gap += 1;
            }
            return gap;
        }
        // Rates down to one tick in hours: the mean is taken in full resolution.
        let mean = 20_000_000 / (self.rate * pulse * hour).max(1);
        1 + self.draw.exponential(mean.max(1))
    }

    fn starts_trading(&self) -> bool {
        self.plan[..self.step]
            .iter()
            .all(|step| matches!(step, Step::Auction(_)))
    }

    /// DCE and GFEX stamp real milliseconds that wander around the grid (recordings of 2017).
    fn wobble(&mut self) -> i64 {
        if matches!(self.quote.venue, Venue::Dce | Venue::Gfex) {
            self.draw.exponential(22 * MILLI).min(240 * MILLI)
                + i64::from(self.draw.between(-8, 8)) * MILLI
        } else {
            0
        }
    }

    /// Produces the tick due at `at`, `underlying` being the doubled middle of the future that an
    /// option follows, in that future's ticks.
    pub(crate) fn emit(&mut self, at: i64, underlying: Option<i64>, days: &Days) -> &RawTick {
        let step = self.plan.get(self.step).copied();
        match step {
            Some(Step::Auction(_)) => self.auction(),
            Some(Step::Run(..)) | None => self.trade(at, underlying),
            Some(Step::Close(_)) => {
                self.trade(at, underlying);
                if matches!(self.quote.venue, Venue::Shfe | Venue::Ine | Venue::Czce) {
                    closing(&mut self.quote);
                }
            }
            Some(Step::Settled(_)) => closing(&mut self.quote),
            Some(Step::Again(_)) => {}
        }
        if !matches!(step, Some(Step::Run(..))) {
            self.step += 1;
        }
        write_book(&mut self.quote);
        write_stamp(&mut self.quote, at, Stamp::Trading, days);
        &self.quote.raw
    }

    fn auction(&mut self) {
        self.quote.book.quote(&self.quote.temper, &mut self.draw);
        let trades = to_u32(self.rate * 3 + 60).min(970);
        if self.quote.kind == ProductKind::Future && self.draw.chance(trades) {
            let lots = 1 + self.draw.exponential(self.quote.temper.lots * 30);
            self.quote.book.auction(to_i32(lots));
        }
    }

    fn trade(&mut self, at: i64, underlying: Option<i64>) {
        if let Some((from, to, lock)) = self.lock
            && (from..to).contains(&at)
        {
            self.quote
                .book
                .locked(lock, &self.quote.temper, &mut self.draw);
            return;
        }
        if self.quote.book.bid_lots[0] == 0 && self.quote.book.ask_lots[0] == 0 {
            self.quote.book.quote(&self.quote.temper, &mut self.draw);
        }
        match &self.link {
            Some(link) => {
                let middle = underlying.unwrap_or(i64::from(link.terms.follows_base) * 2);
                let theory = link.theory(middle);
                self.quote
                    .book
                    .follow(theory, &self.quote.temper, &mut self.draw);
            }
            None => self.quote.book.step(&self.quote.temper, &mut self.draw),
        }
        if self.quote.venue.has_depth() {
            self.quote
                .book
                .resize_depth(&self.quote.temper, &mut self.draw);
        }
    }

    /// The instrument whose price this one follows.
    pub(crate) fn underlying(&self) -> Option<usize> {
        self.link.as_ref().and_then(|link| link.underlying)
    }

    /// Running seconds of the plan between `from` and `to`, for estimates.
    pub(crate) fn running_seconds(&self, from: i64, to: i64) -> i64 {
        running_seconds(&self.plan, from, to)
    }

    /// Mean ticks per 1000 s.
    pub(crate) const fn rate(&self) -> i64 {
        self.rate
    }
}

/// Running seconds of a plan between `from` and `to`.
pub(crate) fn running_seconds(plan: &[Step], from: i64, to: i64) -> i64 {
    plan.iter()
        .filter_map(|step| match step.clip(from, to) {
            Some(Step::Run(open, close)) => Some((close - open) / SECOND),
            _ => None,
        })
        .sum()
}

impl Link {
    /// The option's value in its own ticks: intrinsic value plus a time value that fades as a
    /// rational function of the distance from the money. No exponential: integers are portable.
    fn theory(&self, doubled_middle: i64) -> i32 {
        let future = self
            .tick
            .convert(doubled_middle * 50, self.terms.follows_tick);
        let strike = self.terms.strike * 100;
        let distance = if self.terms.call {
            future - strike
        } else {
            strike - future
        };
        let width = (future.abs() / 30).max(1) * (2 + self.terms.months) / 3;
        let away = distance.abs();
        let time = (width / 3) * width / (width + away + away * away / width);
        to_i32((distance.max(0) + time) / 100)
    }
}

/// Where in the half second an instrument's snapshots fall.
fn phase(venue: Venue, cffex: i64, draw: &mut Draw) -> i64 {
    let drawn = i64::from(draw.below(420)) * MILLI;
    match venue {
        Venue::Shfe | Venue::Ine => 0,
        Venue::Cffex => cffex,
        // Stamped as whole seconds, sent at an independent moment.
        Venue::Czce => 20 * MILLI + drawn,
        // Most instruments share a part of the half second, some are anywhere (2017 recordings).
        Venue::Dce | Venue::Gfex if drawn % 4 != 0 => 40 * MILLI + drawn / 5,
        Venue::Dce | Venue::Gfex => 30 * MILLI + drawn,
    }
}
