//! The promises of the model, held over every profile. No test reads a clock.

mod digests;
mod invariants;
mod quirks;
mod requests;

use chrono::NaiveDate;
use tickdeck_ffi::RawTick;

use crate::{Market, MarketEvent, MarketOptions, Profile};

/// The default request of the tests: a Monday after an ordinary weekend.
fn request(profile: Profile, seed: u64) -> MarketOptions {
    MarketOptions {
        profile,
        seed,
        trading_day: NaiveDate::from_ymd_opt(2025, 9, 15).unwrap(),
        prev_trading_day: NaiveDate::from_ymd_opt(2025, 9, 12).unwrap(),
        has_night: true,
        duration: None,
        symbols: Vec::new(),
    }
}

/// The first `count` events of the default request.
fn events(profile: Profile, count: usize) -> Vec<(i64, MarketEvent)> {
    Market::new(request(profile, 1))
        .unwrap()
        .take(count)
        .collect()
}

/// The ticks among events, with their receive times.
fn ticks(events: &[(i64, MarketEvent)]) -> Vec<(i64, RawTick)> {
    events
        .iter()
        .filter_map(|(at, event)| match event {
            MarketEvent::Tick(tick) => Some((*at, *tick)),
            _ => None,
        })
        .collect()
}

/// Nanoseconds of `YYYY-MM-DDTHH:MM:SS` in Asia/Shanghai.
fn shanghai(text: &str) -> i64 {
    let local = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").unwrap();
    local.and_utc().timestamp_nanos_opt().unwrap() - 8 * 3600 * 1_000_000_000
}
