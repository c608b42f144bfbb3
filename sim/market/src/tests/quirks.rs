//! Every quirk of the catalogue is found in the default `quirks` session by looking at its ticks.

use std::collections::BTreeMap;

use super::*;
use crate::Quirk;

const NONE: f64 = f64::MAX;

/// A tick with what came before it for the same id.
struct Seen<'a> {
    at: i64,
    tick: &'a RawTick,
    earlier: &'a [(i64, RawTick)],
}

impl Seen<'_> {
    fn id(&self) -> &[u8] {
        self.tick.instrument_id.as_bytes()
    }

    fn starts(&self, root: &str) -> bool {
        self.id().starts_with(root.as_bytes())
    }

    fn time(&self) -> &[u8] {
        self.tick.update_time.as_bytes()
    }

    fn received(&self, from: &str, to: &str) -> bool {
        (shanghai(from)..shanghai(to)).contains(&self.at)
    }

    fn night(&self) -> bool {
        self.received("2025-09-12T21:00:00", "2025-09-13T02:31:00")
    }

    fn day(&self) -> bool {
        self.received("2025-09-15T09:00:00", "2025-09-15T15:00:00")
    }

    fn before(&self) -> Option<&RawTick> {
        self.earlier.last().map(|(_, tick)| tick)
    }

    /// Upper case and three digits: CZCE; CFFEX ids have four digits.
    fn czce(&self) -> bool {
        let id = self.id();
        id.len() == 5 && id[0].is_ascii_uppercase() && id[1].is_ascii_uppercase()
    }
}

fn dates_show(quirk: Quirk, seen: &Seen<'_>) -> Option<bool> {
    let tick = seen.tick;
    let trading_day = tick.trading_day.as_bytes();
    let action_day = tick.action_day.as_bytes();
    Some(match quirk {
        Quirk::EmptyExchangeId => tick.exchange_id.is_empty(),
        Quirk::FilledExchangeId => seen.starts("rb") && tick.exchange_id.as_bytes() == b"SHFE",
        Quirk::CzceNaturalTradingDay => seen.czce() && seen.night() && trading_day == b"20250912",
        Quirk::DceActionDayIsTradingDay => {
            seen.starts("m2") && seen.night() && action_day == b"20250915"
        }
        Quirk::DceNaturalActionDay => {
            seen.starts("p2") && seen.night() && action_day == b"20250912"
        }
        Quirk::EmptyTradingDay => tick.trading_day.is_empty(),
        Quirk::EmptyActionDay => seen.starts("i2") && tick.action_day.is_empty(),
        Quirk::EmptyCombination => seen.starts("SPD ") && tick.action_day.is_empty(),
        Quirk::OverMidnight => action_day == b"20250913" && seen.time().starts_with(b"00:00:"),
        Quirk::EmptyUpdateTime => tick.update_time.is_empty(),
        Quirk::MalformedUpdateTime => seen.time() == b"24:61:00",
        Quirk::StaleCzceCopy => {
            seen.czce()
                && seen.received("2025-09-15T08:30:00", "2025-09-15T08:31:00")
                && seen.time() >= &b"22:59:00"[..]
                && action_day == b"20250915"
        }
        Quirk::OutOfSession => seen.time() == b"07:54:41",
        _ => return None,
    })
}

fn numbers_show(quirk: Quirk, seen: &Seen<'_>) -> Option<bool> {
    let tick = seen.tick;
    let volume = f64::from(tick.volume);
    let product = tick.average_price * volume;
    Some(match quirk {
        Quirk::NegativePrice => seen.starts("SP ") && tick.bid_price1 < 0.0,
        Quirk::RealMilliseconds => seen.starts("m2") && tick.update_millisec % 100 != 0,
        Quirk::FiveLevels => seen.starts("au") && tick.bid_volume5 > 0 && tick.ask_price5 < NONE,
        Quirk::LockedUp => {
            tick.ask_price1 == NONE
                && tick.ask_volume1 == 0
                && tick.bid_price1 == tick.upper_limit_price
        }
        Quirk::LockedDown => {
            tick.bid_price1 == NONE
                && tick.bid_volume1 == 0
                && tick.ask_price1 == tick.lower_limit_price
        }
        Quirk::CzceLocked => {
            seen.starts("PF") && tick.bid_price1 == 0.0 && tick.ask_price1 == tick.lower_limit_price
        }
        Quirk::CzceTurnover => seen.starts("MA") && volume > 0.0 && tick.turnover == product,
        Quirk::CzceTurnoverTimesMultiplier => {
            seen.starts("TA") && volume > 0.0 && tick.turnover == product * 5.0
        }
        Quirk::CzceTurnoverFalls => {
            seen.starts("MA")
                && seen.day()
                && seen
                    .before()
                    .is_some_and(|old| tick.turnover < old.turnover && tick.volume >= old.volume)
        }
        Quirk::SettlementFromTheNight => {
            seen.starts("SR") && seen.day() && tick.settlement_price < NONE
        }
        Quirk::NoPriceNoBook => {
            tick.last_price == NONE && tick.bid_price1 == NONE && seen.starts("si")
        }
        Quirk::QuotedNeverTraded => {
            seen.id().len() > 8 && tick.volume == 0 && tick.bid_volume1 > 0 && !seen.starts("SP")
        }
        Quirk::NotANumber => tick.last_price.is_nan(),
        Quirk::NegativeZero => [tick.pre_delta, tick.ask_price1]
            .iter()
            .any(|v| v.to_bits() == (-0.0_f64).to_bits()),
        Quirk::Infinite => tick.upper_limit_price.is_infinite(),
        Quirk::DenormalBand => tick.banding_upper_price.is_subnormal(),
        _ => return None,
    })
}

fn order_shows(quirk: Quirk, seen: &Seen<'_>) -> Option<bool> {
    let tick = seen.tick;
    let empty = tick.bid_volume1 == 0 && tick.ask_volume1 == 0;
    let initial = tick.volume == 0
        && empty
        && seen.at < shanghai("2025-09-12T20:40:00")
        && (&b"18:50:00"[..]..&b"20:20:00"[..]).contains(&seen.time());
    Some(match quirk {
        Quirk::ExactDuplicate => seen.before() == Some(tick),
        Quirk::SameSecond => {
            seen.czce()
                && seen.before().is_some_and(|old| {
                    old.update_time == tick.update_time
                        && old != tick
                        && old.trading_day == tick.trading_day
                })
        }
        Quirk::NightReplayed => {
            seen.received("2025-09-15T08:31:00", "2025-09-15T08:32:00")
                && seen.earlier.iter().any(|(_, old)| old == tick)
        }
        Quirk::OutOfOrder => {
            seen.starts("au")
                && seen.day()
                && seen.before().is_some_and(|old| {
                    (old.update_time.as_bytes(), old.update_millisec)
                        > (seen.time(), tick.update_millisec)
                        && !old.update_time.is_empty()
                        && old.action_day == tick.action_day
                })
        }
        Quirk::AuctionTick => seen.czce() && seen.time() == b"20:59:00" && tick.volume > 0,
        Quirk::SettlementAfterClose => {
            seen.starts("rb") && seen.time() > &b"15:00:00"[..] && tick.settlement_price < NONE
        }
        Quirk::VolumeAfterClose => {
            seen.time() == b"15:20:11" && seen.before().is_some_and(|old| tick.volume > old.volume)
        }
        Quirk::EveningInitialisation => initial,
        Quirk::InitialisedWithOpenPrice => {
            initial && tick.open_price > 0.0 && tick.open_price < NONE
        }
        _ => return None,
    })
}

fn ids_show(quirk: Quirk, seen: &Seen<'_>) -> Option<bool> {
    let contains = |part: &[u8]| seen.id().windows(part.len()).any(|window| window == part);
    Some(match quirk {
        Quirk::UnknownProduct => seen.id() == b"zz2609",
        Quirk::GarbageId => !seen.id().is_ascii(),
        Quirk::TasId => seen.id().ends_with(b"TAS"),
        Quirk::MonthlyAverageId => {
            seen.id().len() == 6 && seen.starts("l") && seen.id().ends_with(b"F")
        }
        Quirk::SeriesOptionId => contains(b"-MS-C-"),
        _ => return None,
    })
}

/// How often each quirk is seen in the session of `seed`.
fn sightings(seed: u64) -> BTreeMap<Quirk, usize> {
    let events: Vec<_> = Market::new(request(Profile::Quirks, seed))
        .unwrap()
        .collect();
    let mut found: BTreeMap<Quirk, usize> = BTreeMap::new();
    let mut earlier: BTreeMap<Vec<u8>, Vec<(i64, RawTick)>> = BTreeMap::new();
    for (at, tick) in ticks(&events) {
        let before = earlier
            .entry(tick.instrument_id.as_bytes().to_vec())
            .or_default();
        let seen = Seen {
            at,
            tick: &tick,
            earlier: before,
        };
        for &quirk in Quirk::ALL {
            let shown = dates_show(quirk, &seen)
                .or_else(|| numbers_show(quirk, &seen))
                .or_else(|| order_shows(quirk, &seen))
                .or_else(|| ids_show(quirk, &seen));
            if shown.unwrap_or(false) {
                *found.entry(quirk).or_default() += 1;
            }
        }
        before.push((at, tick));
    }
    let lost = |(_, event): &&(i64, MarketEvent)| {
        matches!(event, MarketEvent::FrontDisconnected { reason: 0x1001 })
    };
    found.insert(Quirk::Reconnected, events.iter().filter(lost).count());
    found
}

#[test]
fn every_quirk_of_the_catalogue_occurs_whatever_the_seed() {
    for seed in [1, 2] {
        let found = sightings(seed);
        let missing: Vec<_> = Quirk::ALL
            .iter()
            .filter(|quirk| found.get(quirk).is_none_or(|&count| count == 0))
            .collect();
        assert!(
            missing.is_empty(),
            "seed {seed}: missing {missing:?}, found {found:?}"
        );
    }
}

#[test]
fn the_catalogue_cites_the_field_guide_for_each_quirk() {
    for quirk in Quirk::ALL {
        assert!(quirk.summary().ends_with('.'), "{quirk:?}");
        assert!(quirk.section().starts_with(['4', '5']), "{quirk:?}");
    }
}
