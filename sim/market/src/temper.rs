//! How an instrument behaves, derived from its contract terms and its activity.
//!
//! The numbers are fitted to per-column change rates of real recordings, listed in the crate docs.

use crate::book::Temper;
use crate::instrument::{InstrumentSpec, ProductKind};
use crate::num::{to_i32, to_u32};
use crate::product::Venue;
use crate::random::Draw;

/// The temper of `spec` at `rate` ticks per 1000 s.
pub(crate) fn temper(spec: &InstrumentSpec, rate: i64, draw: &mut Draw) -> Temper {
    // Activity in thousandths of the ceiling of two ticks a second.
    let active = (rate / 2).clamp(0, 1000);
    let notional = i64::from(spec.base.abs().max(1)) * spec.tick.units * i64::from(spec.multiplier)
        / spec.tick.scale;
    let thick = thickness(spec);
    let is_option = spec.option.is_some();
    let trades = match spec.kind {
        ProductKind::Combination => 0,
        ProductKind::Option | ProductKind::SpotOption => 4 + active * 60 / 1000,
        ProductKind::Future => 8 + active * trade_ceiling(spec.venue) / 1000,
    };
    let lots = (240_000 / notional.max(1)).clamp(1, 12);
    let depth = if is_option {
        12
    } else {
        2 + lots * thick * (200 + active) / 900
    };
    let (base, gain) = size_rates(spec.venue, is_option);
    Temper {
        moves: moves(spec, active),
        trades: to_u32(trades),
        sizes: to_u32(base + gain * active / 1000),
        redraws: if thick > 12 { 120 } else { 420 },
        interest: 660,
        lots: if is_option { 3 } else { lots },
        depth,
        spread: spread(active, is_option, draw),
        gap: 1 + i32::from(active < 150 && draw.chance(500)),
    }
}

/// Probability of a trade per row of a fully active future, thousandths.
const fn trade_ceiling(venue: Venue) -> i64 {
    match venue {
        Venue::Shfe | Venue::Ine => 580,
        Venue::Dce | Venue::Gfex => 800,
        Venue::Czce => 820,
        Venue::Cffex => 470,
    }
}

/// Probability that one side's size changes without a move: at rest, and added when active.
const fn size_rates(venue: Venue, is_option: bool) -> (i64, i64) {
    match venue {
        _ if is_option => (350, 120),
        Venue::Shfe | Venue::Ine => (170, 340),
        Venue::Dce | Venue::Gfex => (420, 330),
        Venue::Czce => (350, 360),
        Venue::Cffex => (0, 130),
    }
}

/// How thick a level is relative to a trade: coarse ticks gather large queues (iron ore), fine
/// ones thin queues (nickel, index futures).
fn thickness(spec: &InstrumentSpec) -> i64 {
    // Price tick in millionths of the price.
    let relative = 1_000_000 / i64::from(spec.base.abs().max(1));
    match relative {
        0..70 => 3,
        70..150 => 6,
        150..250 => 12,
        250..450 => 20,
        _ => 60,
    }
}

/// Probability that the best quotes move in a row, thousandths: about 27 over the price tick in
/// millionths, more where few quote.
fn moves(spec: &InstrumentSpec, active: i64) -> u32 {
    let relative = (1_000_000 / i64::from(spec.base.abs().max(1))).max(1);
    let by_tick = (27_000 / relative).clamp(25, 430);
    let by_tick = if spec.bond { by_tick / 2 } else { by_tick };
    to_u32(by_tick + (1000 - active) * 130 / 1000)
}

fn spread(active: i64, is_option: bool, draw: &mut Draw) -> i32 {
    let idle = to_i32((1000 - active) / 180);
    let extra = if active > 350 {
        0
    } else {
        idle / 2 + draw.between(0, 2)
    };
    1 + extra + if is_option { draw.between(0, 2) } else { 0 }
}
