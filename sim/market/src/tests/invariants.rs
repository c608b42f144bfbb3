//! What holds in every profile but `quirks`.

use std::collections::BTreeMap;

use super::*;
use crate::{InstrumentSpec, ProductKind};

const NONE: f64 = f64::MAX;

/// Per id its exchange, kind and session.
fn specs(profile: Profile) -> BTreeMap<String, InstrumentSpec> {
    Market::new(request(profile, 1))
        .unwrap()
        .instruments()
        .iter()
        .map(|spec| (spec.instrument_id.clone(), spec.clone()))
        .collect()
}

/// The profiles that keep the rules, with as many events as a fast test can look at.
const ORDINARY: [(Profile, usize); 4] = [
    (Profile::Quick, usize::MAX),
    (Profile::Day, 30_000),
    (Profile::Night, 30_000),
    (Profile::FullMarket, 80_000),
];

#[test]
fn receive_times_never_fall_in_any_profile() {
    for profile in Profile::ALL {
        let events = events(profile, 40_000);
        let fallen = events.windows(2).find(|pair| pair[0].0 > pair[1].0);
        assert!(fallen.is_none(), "{profile}: {fallen:?}");
    }
}

#[test]
fn a_session_opens_with_login_and_snapshots() {
    for profile in Profile::ALL {
        let market = Market::new(request(profile, 1)).unwrap();
        let ids: Vec<String> = market
            .instruments()
            .iter()
            .map(|s| s.instrument_id.clone())
            .collect();
        let events: Vec<_> = market.take(2 + 2 * ids.len()).map(|(_, e)| e).collect();
        assert_eq!(events[0], MarketEvent::FrontConnected, "{profile}");
        let trading_day = "20250915".to_owned();
        assert_eq!(events[1], MarketEvent::LoginOk { trading_day });
        for (n, id) in ids.iter().enumerate() {
            let instrument = id.clone();
            assert_eq!(events[2 + n], MarketEvent::Subscribed { instrument });
            let MarketEvent::Tick(tick) = &events[2 + ids.len() + n] else {
                panic!("{profile}: no snapshot of {id}");
            };
            assert_eq!(tick.instrument_id.as_bytes(), id.as_bytes());
        }
    }
}

#[test]
fn volume_and_turnover_grow_and_quotes_respect_limits() {
    for (profile, count) in ORDINARY {
        let specs = specs(profile);
        let mut last: BTreeMap<String, RawTick> = BTreeMap::new();
        for (_, tick) in ticks(&events(profile, count)) {
            let id = tick.instrument_id.to_string();
            let spec = &specs[&id];
            if let Some(old) = last.get(&id) {
                assert!(tick.volume >= old.volume, "{profile} {id}: {tick:?}");
                let rounds = spec.exchange == "CZCE";
                assert!(rounds || tick.turnover >= old.turnover, "{profile} {id}");
            }
            if spec.kind != ProductKind::Combination {
                let limits = tick.lower_limit_price..=tick.upper_limit_price;
                for price in [tick.bid_price1, tick.last_price, tick.highest_price] {
                    let none = price == NONE || price == 0.0;
                    assert!(none || limits.contains(&price), "{profile} {id}: {tick:?}");
                }
            }
            if tick.bid_volume1 > 0 && tick.ask_volume1 > 0 {
                assert!(
                    tick.bid_price1 < tick.ask_price1,
                    "{profile} {id}: {tick:?}"
                );
            }
            last.insert(id, tick);
        }
    }
}

#[test]
fn every_exchange_keeps_its_conventions() {
    for (profile, count) in ORDINARY {
        let specs = specs(profile);
        for (_, tick) in ticks(&events(profile, count)) {
            let spec = &specs[&tick.instrument_id.to_string()];
            assert!(tick.exchange_id.is_empty());
            let czce = spec.exchange == "CZCE";
            let none = if czce { 0.0 } else { NONE };
            if spec.kind == ProductKind::Combination {
                // A spread may be 0.
                continue;
            }
            assert_eq!(tick.bid_price1 == none, tick.bid_volume1 == 0, "{tick:?}");
            if spec.exchange == "SHFE" && tick.bid_volume1 > 0 {
                assert!(tick.bid_price2 < tick.bid_price1 || tick.bid_volume2 == 0);
            }
            if !matches!(spec.exchange, "SHFE" | "INE") {
                assert_eq!((tick.bid_price2, tick.ask_price5), (none, none));
                assert_eq!(tick.bid_volume2 + tick.ask_volume5, 0);
            }
            match spec.exchange {
                "CZCE" => assert_eq!(tick.update_millisec, 0),
                "SHFE" | "INE" => assert_eq!(tick.update_millisec % 500, 0),
                _ => assert!((0..1000).contains(&tick.update_millisec)),
            }
            if tick.volume > 0 {
                let units = if czce {
                    1.0
                } else {
                    f64::from(spec.multiplier)
                };
                let mean = tick.turnover / f64::from(tick.volume);
                let ratio = mean / (tick.highest_price * units);
                assert!((0.5..1.01).contains(&ratio), "{profile} {tick:?}");
                assert!((tick.average_price - mean).abs() < 1e-6 * mean.abs());
            }
        }
    }
}

#[test]
fn ticks_follow_exchange_time_within_the_session() {
    for (profile, count) in ORDINARY {
        let instruments = specs(profile).len();
        let all = ticks(&events(profile, count));
        // Snapshots after the subscription may be hours old; what follows is live.
        for (at, tick) in all.iter().skip(instruments) {
            let shown = tick.update_time.to_string();
            let local = chrono::DateTime::from_timestamp_nanos(*at + 8 * 3600 * 1_000_000_000);
            let day = local.format("%Y-%m-%d");
            let exchange =
                shanghai(&format!("{day}T{shown}")) + i64::from(tick.update_millisec) * 1_000_000;
            let delay = at - exchange;
            assert!(
                (0..1_200_000_000).contains(&delay),
                "{delay} {profile} {tick:?}"
            );
            let hour: u32 = shown[..2].parse().unwrap();
            let night = profile == Profile::Night;
            assert!(night != (8..16).contains(&hour), "{profile} {tick:?}");
        }
    }
}

#[test]
fn a_day_session_ends_with_closing_rows() {
    let mut options = request(Profile::Day, 1);
    options.symbols = ["rb2601", "MA601", "m2601", "IF2509", "T2512", "si2511"]
        .map(str::to_owned)
        .to_vec();
    let events: Vec<_> = Market::new(options).unwrap().collect();
    let mut rows: BTreeMap<String, Vec<RawTick>> = BTreeMap::new();
    for (_, tick) in ticks(&events) {
        rows.entry(tick.instrument_id.to_string())
            .or_default()
            .push(tick);
    }
    for (id, rows) in &rows {
        let [.., before, last] = rows.as_slice() else {
            panic!("{id}");
        };
        assert!(last.close_price < NONE && last.close_price > 0.0, "{id}");
        assert!(last.settlement_price < NONE, "{id}");
        assert_eq!(before == last, id == "MA601", "{id}");
    }
    let time = |id: &str| rows[id].last().unwrap().update_time.to_string();
    assert_eq!(time("MA601"), "14:59:59");
    assert_eq!(time("rb2601"), "15:22:06");
    assert_eq!(time("m2601"), "15:00:25");
    assert_eq!(time("IF2509"), "15:27:51");
    let breaks = rows["rb2601"].iter().map(|t| t.update_time.to_string());
    let breaks = breaks.filter(|t| ("10:15:01".."10:30:00").contains(&t.as_str()));
    assert_eq!(breaks.count(), 0, "nothing trades in the break");
    let before = rows["T2512"]
        .iter()
        .filter(|t| t.update_time.as_bytes() < &b"15:15:01"[..]);
    assert!(
        before
            .filter(|t| t.update_time.as_bytes() > &b"15:00:01"[..])
            .count()
            > 100
    );
}

#[test]
fn a_night_runs_over_midnight_with_the_dates_of_each_exchange() {
    let mut options = request(Profile::Night, 1);
    options.symbols = ["au2512", "MA601", "m2601"].map(str::to_owned).to_vec();
    let events: Vec<_> = Market::new(options).unwrap().collect();
    let dates = |id: &str, from: &str| {
        let all = ticks(&events);
        let tick = all
            .iter()
            .find(|(at, t)| *at >= shanghai(from) && t.instrument_id.as_bytes() == id.as_bytes());
        let (_, tick) = tick.unwrap();
        (tick.trading_day.to_string(), tick.action_day.to_string())
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let evening = "2025-09-12T21:00:10";
    assert_eq!(dates("au2512", evening), pair("20250915", "20250912"));
    assert_eq!(dates("m2601", evening), pair("20250915", "20250915"));
    assert_eq!(dates("MA601", evening), pair("20250912", "20250912"));
    let early = "2025-09-13T00:30:00";
    assert_eq!(dates("au2512", early), pair("20250915", "20250913"));
    let last = events.last().unwrap().0;
    assert!(last < shanghai("2025-09-13T02:30:02"), "the N0230 close");
    assert!(last > shanghai("2025-09-13T02:29:00"));
}

/// Ticks received in a window.
fn count(profile: Profile, from: &str, to: &str) -> usize {
    let (from, to) = (shanghai(from), shanghai(to));
    Market::new(request(profile, 1))
        .unwrap()
        .take_while(|(at, _)| *at < to)
        .filter(|(at, event)| *at >= from && matches!(event, MarketEvent::Tick(_)))
        .count()
}

#[test]
fn the_rates_are_about_as_promised() {
    let quick = ticks(&events(Profile::Quick, usize::MAX)).len();
    assert!((800..=1000).contains(&quick), "quick {quick}");
    let expected = Market::new(request(Profile::Quick, 1))
        .unwrap()
        .expected_ticks();
    assert!((800..=1100).contains(&expected), "expected {expected}");
    let quirks = ticks(&events(Profile::Quirks, usize::MAX)).len();
    assert!((3_000..8_000).contains(&quirks), "quirks {quirks}");
    let day = count(Profile::Day, "2025-09-15T09:40:00", "2025-09-15T09:42:00") / 120;
    assert!((320..520).contains(&day), "day {day} a second");
    let night = count(Profile::Night, "2025-09-12T21:10:00", "2025-09-12T21:12:00") / 120;
    assert!((320..520).contains(&night), "night {night} a second");
}

#[test]
fn the_full_market_bursts_at_subscription_and_open() {
    let all = ticks(&events(Profile::FullMarket, 140_000));
    let seconds = |from: &str, length: i64| {
        let from = shanghai(from);
        let inside = from..from + length * 1_000_000_000;
        all.iter().filter(|(at, _)| inside.contains(at)).count()
    };
    assert_eq!(
        seconds("2025-09-15T08:58:00", 2),
        17_000,
        "snapshots of every id"
    );
    let burst = seconds("2025-09-15T09:00:00", 2);
    assert!(
        (20_000..40_000).contains(&burst),
        "open {burst} in two seconds"
    );
    let later = seconds("2025-09-15T09:00:05", 5) / 5;
    assert!((3_500..9_000).contains(&later), "{later} a second");
}

#[test]
fn a_duration_cuts_the_session() {
    let mut options = request(Profile::Day, 1);
    options.duration = Some(std::time::Duration::from_secs(605));
    let events: Vec<_> = Market::new(options).unwrap().collect();
    let length = events.last().unwrap().0 - events[0].0;
    assert!(
        (604_000_000_000..=605_000_000_000).contains(&length),
        "{length}"
    );
}
