//! The meaning of the numbers in the CTP struct: missing values, turnover, average price (field
//! guide 5.1).
//!
//! Every result is finite and no result is `-0.0`, so that its text is the same everywhere. Each
//! formula is one multiplication or division in a fixed order: debug, release and every machine
//! yield the same bits.

use tickdeck_core::contract::{Contract, Exchange, ProductClass};
use tickdeck_core::event::RawTick;

use super::tick::Level;

/// From this magnitude on a number is CTP's `DBL_MAX` or a rounded print of it, never a value.
const MISSING_FROM: f64 = 1e300;

/// The number, if it is one: not `DBL_MAX`, NaN or infinite; `-0.0` becomes `0.0`.
#[inline]
pub(super) fn value(raw: f64) -> Option<f64> {
    // NaN compares false. Adding positive zero changes nothing but the sign of a negative zero.
    (raw.abs() < MISSING_FROM).then_some(raw + 0.0)
}

/// How one instrument's numbers are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// CZCE: `0.0` is "no value" in prices of the day and of the book.
    czce: bool,
    /// A spread may really cost 0.0: with a size beside it, it is a price.
    combination: bool,
    /// CNY per lot and price unit.
    multiplier: Option<f64>,
}

/// Turnover and average price of one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Money {
    /// CNY, including the multiplier unless `raw_turnover`.
    pub(super) turnover: Option<f64>,
    /// Price per unit.
    pub(super) average_price: Option<f64>,
    /// `turnover` is CTP's value as it came.
    pub(super) raw_turnover: bool,
}

impl Rules {
    pub(super) fn of(contract: &Contract) -> Self {
        Self {
            czce: contract.exchange == Exchange::Czce,
            combination: contract.product_class == ProductClass::Combination,
            multiplier: contract.multiplier.filter(|&m| m > 0).map(f64::from),
        }
    }

    /// Open, high, low or close.
    #[inline]
    pub(super) fn day_price(self, raw: f64) -> Option<f64> {
        value(raw).filter(|&price| !(self.czce && price == 0.0))
    }

    /// The last price: 0.0 before anything traded is "no trade" everywhere.
    #[inline]
    pub(super) fn last_price(self, tick: &RawTick) -> Option<f64> {
        value(tick.last_price).filter(|&price| price != 0.0 || tick.volume != 0)
    }

    /// One side of level 1: the size is always given, also 0 beside a missing price.
    #[inline]
    pub(super) fn best(self, raw: f64, size: i32) -> Level {
        Level {
            price: self.book_price(raw, size),
            volume: Some(size),
        }
    }

    /// One side of levels 2 to 5: no price, no level. `0.0` with size 0 is how recorders that
    /// replaced `DBL_MAX` print a level that is not there.
    #[inline]
    pub(super) fn deep(self, raw: f64, size: i32) -> Level {
        match self.book_price(raw, size) {
            Some(price) if price != 0.0 || size != 0 => Level {
                price: Some(price),
                volume: Some(size),
            },
            _ => Level::default(),
        }
    }

    #[inline]
    fn book_price(self, raw: f64, size: i32) -> Option<f64> {
        let real_zero = self.combination && size > 0;
        value(raw).filter(|&price| !(self.czce && price == 0.0 && !real_zero))
    }

    /// Turnover and average price with the same meaning on every exchange.
    #[inline]
    pub(super) fn money(self, tick: &RawTick) -> Money {
        let raw = value(tick.turnover);
        // Only a spread may trade at 0.0 on average; elsewhere the field was not filled.
        let real_zero = self.combination && tick.volume != 0;
        let average = value(tick.average_price).filter(|&average| average != 0.0 || real_zero);
        let Some(multiplier) = self.multiplier else {
            return Money {
                turnover: raw,
                average_price: None,
                raw_turnover: raw.is_some(),
            };
        };
        if !self.czce {
            return Money {
                turnover: raw,
                average_price: average.map(|average| average / multiplier),
                raw_turnover: false,
            };
        }
        let turnover = raw.map(|raw| czce_turnover(raw, average, tick.volume, multiplier));
        Money {
            turnover: turnover.and_then(|turnover| turnover.ok().or(raw)),
            average_price: average,
            raw_turnover: matches!(turnover, Some(Err(Ambiguous))),
        }
    }
}

/// It is unknown whether CTP has applied the multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ambiguous;

/// CZCE's turnover: CTP sends average price x volume, back-ends from 6.7.1 on also x multiplier.
///
/// The ratio to average price x volume is near 1 or near the multiplier. "Near" is a factor of two
/// either way. The average is rounded to the price tick, which is much on a cheap option, and the
/// smallest multiplier of the exchange is 5.
#[inline]
fn czce_turnover(
    raw: f64,
    average: Option<f64>,
    volume: i32,
    multiplier: f64,
) -> Result<f64, Ambiguous> {
    // Nothing traded costs nothing, with or without a multiplier.
    if raw == 0.0 && volume == 0 {
        return Ok(0.0);
    }
    let per_unit = average.ok_or(Ambiguous)? * f64::from(volume);
    let ratio = raw / per_unit;
    // A NaN ratio (0 / 0) and an infinite one fall through every comparison below.
    if ratio >= 0.5 && ratio * ratio < multiplier && ratio <= 2.0 {
        return value(raw * multiplier).ok_or(Ambiguous);
    }
    if ratio * ratio >= multiplier && ratio >= 0.5 * multiplier && ratio <= 2.0 * multiplier {
        return Ok(raw);
    }
    Err(Ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rules(czce: bool, combination: bool, multiplier: Option<f64>) -> Rules {
        Rules {
            czce,
            combination,
            multiplier,
        }
    }

    fn traded(turnover: f64, average_price: f64, volume: i32) -> RawTick {
        RawTick {
            turnover,
            average_price,
            volume,
            ..RawTick::unset()
        }
    }

    #[test]
    fn dbl_max_its_rounded_prints_nan_and_infinity_are_no_value() {
        for raw in [
            f64::MAX,
            -f64::MAX,
            1.79769e308,
            1e300,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            assert_eq!(value(raw), None, "{raw}");
        }
        assert_eq!(value(9.9e299), Some(9.9e299));
        assert_eq!(value(-12.5), Some(-12.5));
        assert_eq!(value(-0.0).unwrap().to_bits(), 0);
    }

    #[test]
    fn zero_is_a_price_except_on_czce_and_without_size() {
        let shfe = rules(false, false, None);
        let czce = rules(true, false, None);
        let spread = rules(true, true, None);
        assert_eq!(shfe.day_price(0.0), Some(0.0));
        assert_eq!(czce.day_price(-0.0), None);
        assert_eq!(shfe.best(0.0, 0).price, Some(0.0));
        assert_eq!(czce.best(0.0, 0).price, None);
        assert_eq!(czce.best(0.0, 0).volume, Some(0));
        assert_eq!(spread.best(0.0, 7).price, Some(0.0));
        assert_eq!(spread.best(0.0, 0).price, None);
        assert_eq!(spread.best(-3.0, 1).price, Some(-3.0));
    }

    #[test]
    fn a_deep_level_without_price_is_not_there_at_all() {
        let shfe = rules(false, false, None);
        assert_eq!(shfe.deep(f64::MAX, 0), Level::default());
        assert_eq!(shfe.deep(f64::MAX, 5), Level::default());
        assert_eq!(shfe.deep(0.0, 0), Level::default());
        assert_eq!(shfe.deep(10.5, 0).volume, Some(0));
    }

    #[test]
    fn zero_without_a_trade_is_no_last_price() {
        for rules in [rules(false, false, None), rules(true, false, None)] {
            let mut tick = RawTick {
                last_price: 0.0,
                ..RawTick::unset()
            };
            assert_eq!(rules.last_price(&tick), None);
            tick.volume = 1;
            assert_eq!(rules.last_price(&tick), Some(0.0));
        }
    }

    #[test]
    fn czce_turnover_gets_the_multiplier_exactly_once() {
        let czce = rules(true, false, Some(10.0));
        // Without the multiplier, as every recorded row of 2020 has it.
        let before = czce.money(&traded(3_003_811.0, 7169.0, 419));
        assert_eq!(before.turnover, Some(30_038_110.0));
        assert_eq!(before.average_price, Some(7169.0));
        // With it, as back-ends from 6.7.1 send it.
        let after = czce.money(&traded(30_038_110.0, 7169.0, 419));
        assert_eq!(after.turnover, Some(30_038_110.0));
        assert!(!before.raw_turnover && !after.raw_turnover);
        // A cheap option: the average is rounded from 0.7 to 0.5.
        let cheap = czce.money(&traded(70.0, 0.5, 100));
        assert_eq!(cheap.turnover, Some(700.0));
    }

    #[test]
    fn what_cannot_be_told_stays_raw_and_says_so() {
        let czce = rules(true, false, Some(10.0));
        for (turnover, average, volume) in [
            (1000.0, 0.0, 10),
            (1000.0, f64::MAX, 10),
            (1000.0, 7000.0, 0),
            (35.0, 1.0, 10),
            (1.0, 1.0, 10),
            (1e9, 1.0, 10),
            (-5.0, 1.0, 10),
            (0.0, 0.0, 3),
        ] {
            let money = czce.money(&traded(turnover, average, volume));
            assert_eq!(money.turnover, Some(turnover), "{turnover} {average}");
            assert!(money.raw_turnover, "{turnover} {average} {volume}");
        }
        let idle = czce.money(&traded(0.0, 0.0, 0));
        assert_eq!(
            idle,
            Money {
                turnover: Some(0.0),
                average_price: None,
                raw_turnover: false
            }
        );
    }

    #[test]
    fn other_exchanges_divide_only_the_average() {
        let shfe = rules(false, false, Some(5.0));
        let money = shfe.money(&traded(15_192_326_925.0, 91_700.127_5, 165_674));
        assert_eq!(money.turnover, Some(15_192_326_925.0));
        assert_eq!(money.average_price, Some(91_700.127_5 / 5.0));
        assert_eq!(shfe.money(&traded(0.0, 0.0, 0)).average_price, None);
    }

    #[test]
    fn money_that_is_not_recorded_is_absent_and_needs_no_flag() {
        let absent = Money {
            turnover: None,
            average_price: None,
            raw_turnover: false,
        };
        for czce in [false, true] {
            for multiplier in [None, Some(10.0)] {
                let tick = traded(f64::MAX, f64::MAX, 686);
                assert_eq!(rules(czce, false, multiplier).money(&tick), absent);
            }
        }
    }

    #[test]
    fn without_a_multiplier_turnover_is_raw_and_the_average_absent() {
        for czce in [false, true] {
            let money = rules(czce, false, None).money(&traded(5000.0, 50.0, 100));
            assert_eq!(
                money,
                Money {
                    turnover: Some(5000.0),
                    average_price: None,
                    raw_turnover: true
                }
            );
            assert!(
                !rules(czce, false, None)
                    .money(&traded(f64::MAX, 1.0, 1))
                    .raw_turnover
            );
        }
    }
}
