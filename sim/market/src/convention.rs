//! How the front of each exchange fills the tick struct (field guide 5.1 and 5.3): missing values,
//! dates, turnover, average price, depth, closing fields.

use tickdeck_ffi::{RawTick, Text};

use crate::book::LEVELS;
use crate::instrument::{InstrumentSpec, ProductKind};
use crate::num::to_i32;
use crate::product::Venue;
use crate::quote::Quote;
use crate::session::{Days, MILLI, SECOND};

/// CTP's "no value" outside CZCE.
pub(crate) const DBL_MAX: f64 = f64::MAX;

/// The occasion on which a tick is stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// During or right after a session.
    Trading,
    /// The evening's initialisation for the coming trading day.
    Initialisation,
    /// CZCE's last night tick pushed again in the morning with the day's own date.
    StaleCopy,
}

/// The venue's "no price".
pub(crate) const fn no_price(venue: Venue) -> f64 {
    match venue {
        Venue::Czce => 0.0,
        _ => DBL_MAX,
    }
}

/// Writes the fields that are constant for the day.
pub(crate) fn statics(quote: &mut Quote, spec: &InstrumentSpec, days: &Days) {
    let none = no_price(quote.venue);
    let (upper, lower) = (quote.book.upper, quote.book.lower);
    let tick = quote.tick;
    let raw = &mut quote.raw;
    raw.instrument_id = Text::new(spec.instrument_id.as_bytes()).unwrap_or_default();
    raw.trading_day = days.day_text;
    raw.close_price = none;
    raw.pre_delta = delta(spec);
    raw.curr_delta = none;
    for price in [
        &mut raw.bid_price2,
        &mut raw.bid_price3,
        &mut raw.bid_price4,
        &mut raw.bid_price5,
        &mut raw.ask_price2,
        &mut raw.ask_price3,
        &mut raw.ask_price4,
        &mut raw.ask_price5,
    ] {
        *price = none;
    }
    raw.banding_upper_price = 0.0;
    raw.banding_lower_price = 0.0;
    if spec.kind == ProductKind::Combination {
        // A spread has no statistics (field guide 5.1).
        for price in [
            &mut raw.pre_settlement_price,
            &mut raw.pre_close_price,
            &mut raw.upper_limit_price,
            &mut raw.lower_limit_price,
        ] {
            *price = none;
        }
    } else {
        raw.upper_limit_price = tick.price(upper);
        raw.lower_limit_price = tick.price(lower);
    }
}

/// The previous day's delta of an option, six decimals; 0 for everything else and for CZCE.
fn delta(spec: &InstrumentSpec) -> f64 {
    let Some(terms) = spec.option.as_ref().filter(|_| spec.venue != Venue::Czce) else {
        return 0.0;
    };
    let future = spec
        .tick
        .convert(i64::from(terms.follows_base), terms.follows_tick);
    let width = (future / 12).max(1);
    let away = future - terms.strike;
    // From 0 far below the strike to 1 far above it, one half at the money.
    let millionths = 500_000 + 500_000 * away / (width + away.abs());
    let signed = if terms.call {
        millionths
    } else {
        millionths - 1_000_000
    };
    signed as f64 / 1_000_000.0
}

/// Writes an initialised, untraded instrument: no quotes, Volume 0.
pub(crate) fn clear_book(quote: &mut Quote) {
    quote.book.bid_lots = [0; LEVELS];
    quote.book.ask_lots = [0; LEVELS];
    write_book(quote);
}

/// Writes prices, sizes and statistics.
pub(crate) fn write_book(quote: &mut Quote) {
    let none = no_price(quote.venue);
    let tick = quote.tick;
    let book = &quote.book;
    let raw = &mut quote.raw;
    let traded = book.open.is_some();
    let price = |has: bool, ticks: i32| if has { tick.price(ticks) } else { none };
    if quote.kind != ProductKind::Combination {
        raw.last_price = tick.price(book.last);
        raw.open_price = book.open.map_or(none, |open| tick.price(open));
        raw.highest_price = price(traded, book.high);
        raw.lowest_price = price(traded, book.low);
    } else {
        for field in [
            &mut raw.last_price,
            &mut raw.open_price,
            &mut raw.highest_price,
            &mut raw.lowest_price,
        ] {
            *field = none;
        }
    }
    raw.open_interest = book.interest as f64;
    raw.volume = book.volume;
    raw.bid_price1 = price(book.bid_lots[0] > 0, book.bid);
    raw.bid_volume1 = book.bid_lots[0];
    raw.ask_price1 = price(book.ask_lots[0] > 0, book.ask);
    raw.ask_volume1 = book.ask_lots[0];
    write_money(quote);
    if quote.venue.has_depth() && quote.kind != ProductKind::Combination {
        write_depth(quote);
    }
}

/// Turnover and average price: CZCE rounds the average to a price tick and multiplies it by the
/// volume alone, so its turnover falls now and then. Elsewhere both include the multiplier.
fn write_money(quote: &mut Quote) {
    let book = &quote.book;
    let raw = &mut quote.raw;
    if book.volume == 0 {
        (raw.turnover, raw.average_price) = (0.0, 0.0);
        return;
    }
    if quote.venue == Venue::Czce {
        let average = average_ticks(book.value, book.volume);
        raw.average_price = quote.tick.price(average);
        raw.turnover = quote
            .tick
            .money(i64::from(average) * i64::from(book.volume), 1);
    } else {
        raw.turnover = quote.tick.money(book.value, quote.multiplier);
        raw.average_price = raw.turnover / f64::from(book.volume);
    }
}

/// The mean price in ticks, halves rounded up.
fn average_ticks(value: i64, volume: i32) -> i32 {
    let volume = i64::from(volume.max(1));
    to_i32((2 * value + volume).div_euclid(2 * volume))
}

/// Levels 2 to 5, where the front shows them; a level beyond the limits does not exist.
fn write_depth(quote: &mut Quote) {
    let book = &quote.book;
    let raw = &mut quote.raw;
    let gap = quote.temper.gap;
    let bids = [
        (&mut raw.bid_price2, &mut raw.bid_volume2),
        (&mut raw.bid_price3, &mut raw.bid_volume3),
        (&mut raw.bid_price4, &mut raw.bid_volume4),
        (&mut raw.bid_price5, &mut raw.bid_volume5),
    ];
    for (level, (price, lots)) in (1..).zip(bids) {
        let ticks = book.bid - to_i32(level) * gap;
        let size = book.bid_lots[crate::num::to_usize(level)];
        let shown = book.bid_lots[0] > 0 && size > 0 && ticks >= book.lower;
        *price = if shown {
            quote.tick.price(ticks)
        } else {
            DBL_MAX
        };
        *lots = if shown { size } else { 0 };
    }
    let asks = [
        (&mut raw.ask_price2, &mut raw.ask_volume2),
        (&mut raw.ask_price3, &mut raw.ask_volume3),
        (&mut raw.ask_price4, &mut raw.ask_volume4),
        (&mut raw.ask_price5, &mut raw.ask_volume5),
    ];
    for (level, (price, lots)) in (1..).zip(asks) {
        let ticks = book.ask + to_i32(level) * gap;
        let size = book.ask_lots[crate::num::to_usize(level)];
        let shown = book.ask_lots[0] > 0 && size > 0 && ticks <= book.upper;
        *price = if shown {
            quote.tick.price(ticks)
        } else {
            DBL_MAX
        };
        *lots = if shown { size } else { 0 };
    }
}

/// Fills ClosePrice and SettlementPrice (the day's average, rounded to a tick).
pub(crate) fn closing(quote: &mut Quote) {
    if quote.kind == ProductKind::Combination {
        return;
    }
    let book = &quote.book;
    let settlement = if book.volume == 0 {
        quote.raw.pre_settlement_price
    } else {
        quote.tick.price(average_ticks(book.value, book.volume))
    };
    quote.raw.close_price = quote.tick.price(book.last);
    quote.raw.settlement_price = settlement;
}

/// Writes exchange time and the two dates with the venue's habits at night.
pub(crate) fn write_stamp(quote: &mut Quote, at: i64, stamp: Stamp, days: &Days) {
    let whole_seconds = quote.venue == Venue::Czce;
    let raw = &mut quote.raw;
    raw.update_time = clock_text(days.second_of_day(at));
    raw.update_millisec = if whole_seconds {
        0
    } else {
        to_i32(at.rem_euclid(SECOND) / MILLI)
    };
    let natural = days.natural(at);
    let night = !days.is_day(at);
    let (trading_day, action_day) = match (stamp, quote.venue) {
        (Stamp::StaleCopy, _) => (days.day_text, days.day_text),
        (Stamp::Trading, Venue::Czce) if night => (natural, natural),
        (_, Venue::Dce | Venue::Gfex) => (days.day_text, days.day_text),
        _ => (days.day_text, natural),
    };
    raw.trading_day = trading_day;
    raw.action_day = if whole_seconds && quote.kind == ProductKind::Combination {
        Text::EMPTY
    } else {
        action_day
    };
}

/// `HH:MM:SS` of a second of the day.
pub(crate) fn clock_text(second: i64) -> Text<9> {
    let digit = |value: i64| b'0' + u8::try_from(value % 10).unwrap_or(0);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Text::from_array([
        digit(hour / 10),
        digit(hour),
        b':',
        digit(minute / 10),
        digit(minute),
        b':',
        digit(second / 10),
        digit(second),
        0,
    ])
}

/// A tick of an id that no table knows, for casts that need one.
pub(crate) fn with_id(raw: &RawTick, id: &[u8]) -> RawTick {
    RawTick {
        instrument_id: Text::new(id).unwrap_or_default(),
        ..*raw
    }
}
