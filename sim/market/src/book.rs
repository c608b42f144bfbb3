//! The price formation of one instrument, in whole ticks and lots: best quotes, depth, trades.
//!
//! Invariant: no field leaves its daily limits, volume and value never fall, and a step always
//! changes something that a front would send. Knows neither time nor CTP.
//!
//! The probabilities are fitted to recordings of 2017 to 2021; the crate's documentation says how
//! near they come.

use crate::num::{to_i32, to_u32};
use crate::random::Draw;

/// Levels kept. The front may show fewer.
pub(crate) const LEVELS: usize = 5;

/// How an instrument behaves; probabilities in thousandths per step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Temper {
    /// Best quotes move.
    pub(crate) moves: u32,
    /// A trade happens.
    pub(crate) trades: u32,
    /// One side's best size changes without a move.
    pub(crate) sizes: u32,
    /// A changed size is drawn afresh rather than nudged.
    pub(crate) redraws: u32,
    /// Open interest changes with a trade.
    pub(crate) interest: u32,
    /// Mean lots of a trade beyond the first.
    pub(crate) lots: i64,
    /// Mean lots at a level.
    pub(crate) depth: i64,
    /// Spread to which the book returns, ticks.
    pub(crate) spread: i32,
    /// Ticks between depth levels.
    pub(crate) gap: i32,
}

/// The side of a limit lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// At the upper limit: no sellers.
    Up,
    /// At the lower limit: no buyers.
    Down,
}

/// The state of the book and the day's statistics.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) bid: i32,
    pub(crate) ask: i32,
    /// Lots at the levels, best first; 0 at the best level means an empty side.
    pub(crate) bid_lots: [i32; LEVELS],
    pub(crate) ask_lots: [i32; LEVELS],
    pub(crate) last: i32,
    pub(crate) open: Option<i32>,
    pub(crate) high: i32,
    pub(crate) low: i32,
    pub(crate) volume: i32,
    /// Sum of price × lots, ticks × lots.
    pub(crate) value: i64,
    pub(crate) interest: i64,
    pub(crate) upper: i32,
    pub(crate) lower: i32,
    fair: i32,
    buyer: bool,
}

impl Book {
    /// A quiet book around `fair`, never traded.
    pub(crate) fn new(fair: i32, lower: i32, upper: i32, interest: i64) -> Self {
        Self {
            bid: fair,
            ask: fair + 1,
            bid_lots: [0; LEVELS],
            ask_lots: [0; LEVELS],
            last: fair,
            open: None,
            high: fair,
            low: fair,
            volume: 0,
            value: 0,
            interest,
            upper,
            lower,
            fair,
            buyer: true,
        }
    }

    /// Puts quotes into an empty book.
    pub(crate) fn quote(&mut self, temper: &Temper, draw: &mut Draw) {
        self.ask = self.bid + temper.spread;
        for level in 0..LEVELS {
            self.bid_lots[level] = fresh_lots(temper, draw);
            self.ask_lots[level] = fresh_lots(temper, draw);
        }
    }

    /// One snapshot interval in which something changed.
    pub(crate) fn step(&mut self, temper: &Temper, draw: &mut Draw) {
        let moved = draw.chance(temper.moves) && self.wander(temper, draw);
        let traded = draw.chance(temper.trades);
        if traded {
            self.trade(temper, draw);
        }
        self.resize(temper, draw, !moved && !traded);
    }

    /// One interval of an option: the quotes follow `theory` (ticks) with a maker's hesitation.
    pub(crate) fn follow(&mut self, theory: i32, temper: &Temper, draw: &mut Draw) {
        let width = temper.spread + theory / 64;
        let bid = theory - width / 2;
        let moved = (bid - self.bid).abs() > 0 && draw.chance(350);
        if moved {
            self.bid = bid.clamp(self.lower, self.upper);
            self.bid_lots[0] = fresh_lots(temper, draw);
        }
        let ask = bid + width.max(1);
        if (ask - self.ask).abs() > 0 && draw.chance(350) {
            self.ask = ask;
            self.ask_lots[0] = fresh_lots(temper, draw);
        }
        self.ask = self
            .ask
            .max(self.bid + 1)
            .clamp(self.lower + 1, self.upper + 1);
        if self.bid < self.lower.max(1) {
            // A worthless option has no bid at all.
            self.bid_lots[0] = 0;
            self.bid = self.lower.max(1) - 1;
        } else if self.bid_lots[0] == 0 {
            self.bid_lots[0] = fresh_lots(temper, draw);
        }
        let traded = self.bid_lots[0] > 0 && draw.chance(temper.trades);
        if traded {
            self.trade(temper, draw);
        }
        self.resize(temper, draw, !moved && !traded);
    }

    /// One interval at the limit: trades at one price, one side empty.
    pub(crate) fn locked(&mut self, lock: Lock, temper: &Temper, draw: &mut Draw) {
        let price = if lock == Lock::Up {
            self.upper
        } else {
            self.lower
        };
        let full = [fresh_lots(temper, draw) * 40; LEVELS];
        match lock {
            Lock::Up => {
                (self.bid, self.ask) = (price, price + 1);
                if self.bid_lots[0] < full[0] / 8 || draw.chance(100) {
                    self.bid_lots = full;
                }
                self.bid_lots[0] = self.bid_lots[0].saturating_add(draw.between(-9, 10)).max(1);
                self.ask_lots = [0; LEVELS];
            }
            Lock::Down => {
                (self.bid, self.ask) = (price - 1, price);
                if self.ask_lots[0] < full[0] / 8 || draw.chance(100) {
                    self.ask_lots = full;
                }
                self.ask_lots[0] = self.ask_lots[0].saturating_add(draw.between(-9, 10)).max(1);
                self.bid_lots = [0; LEVELS];
            }
        }
        if draw.chance(temper.trades) {
            let lots = trade_lots(temper, draw);
            self.print(price, lots);
        }
        self.fair = price;
    }

    /// The auction's single price.
    pub(crate) fn auction(&mut self, lots: i32) {
        let price = self.bid;
        self.print(price, lots);
    }

    /// Adds a history to the book: `volume` lots traded around the present price.
    pub(crate) fn live_through(&mut self, volume: i32, draw: &mut Draw) {
        if volume == 0 {
            return;
        }
        let range = (self.fair / 150).max(2);
        let open = (self.fair + draw.between(-range, range)).clamp(self.lower, self.upper);
        self.print(open, 1);
        self.high = open.max(self.bid) + draw.between(0, range);
        self.low = open.min(self.bid) - draw.between(0, range);
        self.high = self.high.min(self.upper);
        self.low = self.low.max(self.lower);
        self.last = self.bid;
        let rest = volume - 1;
        let average = i64::from(self.low) + i64::from(self.high);
        self.value += average * i64::from(rest) / 2;
        self.volume += rest;
    }

    /// Moves the best quotes by a tick, towards the fair value more often than away from it.
    /// Returns whether anything moved.
    fn wander(&mut self, temper: &Temper, draw: &mut Draw) -> bool {
        if draw.chance(400) {
            self.fair += draw.between(-1, 1) * temper.spread;
            let room = (self.upper - self.lower) / 8;
            self.fair = self.fair.clamp(self.lower + room, self.upper - room);
        }
        let pull = ((self.fair - self.bid) * 60).clamp(-350, 350);
        let up = draw.chance(to_u32(i64::from(500 + pull)));
        let step = if draw.chance(60) { 2 } else { 1 };
        let step = if up { step } else { -step };
        let spread = self.ask - self.bid;
        let kind = draw.below(1000);
        let (bid, ask) = if spread <= temper.spread {
            match (kind < 760, up) {
                (true, _) => (step, step),
                (false, true) => (0, step),
                (false, false) => (step, 0),
            }
        } else {
            match (kind < 700, kind < 850, up) {
                (true, _, true) => (1, 0),
                (true, _, false) => (0, -1),
                (false, true, _) => (step, step),
                (false, false, true) => (0, 1),
                (false, false, false) => (-1, 0),
            }
        };
        let (new_bid, new_ask) = (self.bid + bid, self.ask + ask);
        if new_bid < self.lower || new_ask > self.upper || new_ask - new_bid > temper.spread * 4 + 2
        {
            return false;
        }
        slide(&mut self.bid_lots, bid, temper, draw);
        slide(&mut self.ask_lots, -ask, temper, draw);
        (self.bid, self.ask) = (new_bid, new_ask);
        true
    }

    /// One interval's trades: mostly at one side of the book, some of them at the other.
    fn trade(&mut self, temper: &Temper, draw: &mut Draw) {
        if !draw.chance(680) {
            self.buyer = !self.buyer;
        }
        let lots = trade_lots(temper, draw);
        let (near, far) = if self.buyer {
            (self.ask, self.bid)
        } else {
            (self.bid, self.ask)
        };
        if lots > 1 && far >= self.lower && far <= self.upper && draw.chance(380) {
            let other = draw.between(1, lots - 1);
            self.print(far, other);
            self.print(near.clamp(self.lower, self.upper), lots - other);
        } else {
            self.print(near.clamp(self.lower, self.upper), lots);
        }
        if draw.chance(temper.interest) {
            let change = i64::from(draw.between(-lots, lots));
            // Lots are counted once since 2020; a trade that only changes hands leaves 0.
            let change = if change == 0 { 1 } else { change };
            self.interest = (self.interest + change).max(0);
        }
    }

    fn print(&mut self, price: i32, lots: i32) {
        let first = self.open.is_none();
        self.open.get_or_insert(price);
        self.last = price;
        self.high = if first { price } else { self.high.max(price) };
        self.low = if first { price } else { self.low.min(price) };
        self.volume = self.volume.saturating_add(lots);
        self.value += i64::from(price) * i64::from(lots);
    }

    /// Varies the sizes. `must` is set if nothing else changed in this interval.
    fn resize(&mut self, temper: &Temper, draw: &mut Draw, must: bool) {
        let bid = self.bid_lots[0] > 0 && draw.chance(temper.sizes);
        let ask = self.ask_lots[0] > 0 && draw.chance(temper.sizes);
        let forced = must && !bid && !ask;
        let coin = forced && draw.chance(500);
        if bid || (forced && coin && self.bid_lots[0] > 0) {
            self.bid_lots[0] = changed_lots(self.bid_lots[0], temper, draw);
        }
        if ask || (forced && !(coin && self.bid_lots[0] > 0)) {
            self.ask_lots[0] = changed_lots(self.ask_lots[0], temper, draw);
        }
    }

    /// Varies the sizes after the best level, for fronts that show them.
    pub(crate) fn resize_depth(&mut self, temper: &Temper, draw: &mut Draw) {
        for level in 1..LEVELS {
            let calm = temper.sizes * 8 / (10 + u32::try_from(level).unwrap_or(0) * 3);
            if self.bid_lots[level] > 0 && draw.chance(calm) {
                self.bid_lots[level] = changed_lots(self.bid_lots[level], temper, draw);
            }
            if self.ask_lots[level] > 0 && draw.chance(calm) {
                self.ask_lots[level] = changed_lots(self.ask_lots[level], temper, draw);
            }
        }
    }
}

/// Slides a side's levels by `step` ticks, positive towards the market (new, thin best level).
fn slide(lots: &mut [i32; LEVELS], step: i32, temper: &Temper, draw: &mut Draw) {
    for _ in 0..step.unsigned_abs() {
        if step > 0 {
            lots.copy_within(0..LEVELS - 1, 1);
            lots[0] = 1 + to_i32(draw.exponential(temper.depth / 3));
        } else {
            lots.copy_within(1..LEVELS, 0);
            lots[LEVELS - 1] = fresh_lots(temper, draw);
            if lots[0] == 0 {
                lots[0] = fresh_lots(temper, draw);
            }
        }
    }
}

fn fresh_lots(temper: &Temper, draw: &mut Draw) -> i32 {
    1 + to_i32(draw.exponential(temper.depth))
}

/// A size that differs from `old`: nudged by a few lots or drawn afresh.
fn changed_lots(old: i32, temper: &Temper, draw: &mut Draw) -> i32 {
    if draw.chance(temper.redraws) {
        let fresh = fresh_lots(temper, draw);
        return if fresh == old { old + 1 } else { fresh };
    }
    let nudge = 1 + to_i32(draw.exponential(1 + i64::from(old) / 12));
    if draw.chance(500) || old <= nudge {
        old.saturating_add(nudge)
    } else {
        old - nudge
    }
}

/// Lots traded in an interval: mostly few, now and then a burst.
fn trade_lots(temper: &Temper, draw: &mut Draw) -> i32 {
    let mean = match draw.below(100) {
        0..40 => 0,
        40..75 => temper.lots,
        75..97 => temper.lots * 4,
        _ => temper.lots * 16,
    };
    1 + to_i32(draw.exponential(mean).min(1_000_000))
}
