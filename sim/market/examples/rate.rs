//! Measures the generator and describes what it makes: `cargo run --release -p tickdeck-market
//! --example rate -- [profile] [seed] [most ticks]`.
//!
//! Prints ticks per second of this machine, the busiest second and the busiest tenth of a second.
//! For each exchange it prints how often a column differs from the instrument's tick before. The
//! crate's documentation compares these figures with real recordings.

#![expect(clippy::print_stdout, reason = "an example reports on stdout")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use chrono::NaiveDate;
use tickdeck_ffi::RawTick;
use tickdeck_market::{Market, MarketEvent, MarketOptions, Profile};

const COLUMNS: [&str; 9] = [
    "bid", "bidlots", "ask", "asklots", "last", "volume", "oi", "spread1", "samesec",
];

fn options(profile: Profile, seed: u64) -> Option<MarketOptions> {
    Some(MarketOptions {
        profile,
        seed,
        trading_day: NaiveDate::from_ymd_opt(2025, 9, 15)?,
        prev_trading_day: NaiveDate::from_ymd_opt(2025, 9, 12)?,
        has_night: true,
        duration: None,
        symbols: Vec::new(),
    })
}

fn changes(old: &RawTick, new: &RawTick, tick: f64) -> [bool; 9] {
    [
        old.bid_price1 != new.bid_price1,
        old.bid_volume1 != new.bid_volume1,
        old.ask_price1 != new.ask_price1,
        old.ask_volume1 != new.ask_volume1,
        old.last_price != new.last_price,
        old.volume != new.volume,
        old.open_interest != new.open_interest,
        (new.ask_price1 - new.bid_price1) < tick * 1.5,
        old.update_time == new.update_time && old.update_millisec == new.update_millisec,
    ]
}

#[expect(
    clippy::disallowed_methods,
    reason = "the example measures wall time; the model itself has no clock"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let profile: Profile = arguments.next().as_deref().unwrap_or("day").parse()?;
    let seed = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let most: u64 = arguments.next().map_or(Ok(u64::MAX), |text| text.parse())?;
    let request = options(profile, seed).ok_or("the example's dates exist")?;

    let started = Instant::now();
    let mut market = Market::new(request.clone())?;
    let set_up = started.elapsed();
    let expected = market.expected_ticks();
    let (mut ticks, mut volume) = (0_u64, 0_i64);
    while let Some((_, event)) = market.next() {
        if let MarketEvent::Tick(tick) = event {
            ticks += 1;
            volume += i64::from(tick.volume);
            if ticks >= most {
                break;
            }
        }
    }
    let elapsed = started.elapsed();
    println!(
        "{profile}: {} instruments, {ticks} ticks (expected {expected}) in {elapsed:.2?}, {:.0} \
         ticks/s; set up in {set_up:.2?}; check sum {volume}",
        market.instruments().len(),
        ticks as f64 / elapsed.as_secs_f64()
    );
    describe(request, most)
}

/// Generates the same market again and prints its statistics.
fn describe(request: MarketOptions, most: u64) -> Result<(), Box<dyn Error>> {
    let mut market = Market::new(request)?;
    let specs: BTreeMap<String, (String, f64)> = market
        .instruments()
        .iter()
        .map(|s| {
            let class = format!("{} {:?}", s.exchange, s.kind);
            (s.instrument_id.clone(), (class, s.price_tick))
        })
        .collect();
    let mut last: BTreeMap<String, (RawTick, u64)> = BTreeMap::new();
    let mut seen: BTreeMap<String, (u64, [u64; 9])> = BTreeMap::new();
    let mut seconds: BTreeMap<i64, u64> = BTreeMap::new();
    let mut tenths: BTreeMap<i64, u64> = BTreeMap::new();
    let mut ticks = 0;
    while let Some((at, event)) = market.next() {
        let MarketEvent::Tick(tick) = event else {
            continue;
        };
        ticks += 1;
        if ticks >= most {
            break;
        }
        *seconds.entry(at / 1_000_000_000).or_default() += 1;
        *tenths.entry(at / 100_000_000).or_default() += 1;
        let id = tick.instrument_id.to_string_lossy().into_owned();
        let (class, step) = specs.get(&id).cloned().unwrap_or_default();
        let entry = last.entry(id).or_insert((tick, 0));
        let row = seen.entry(class).or_default();
        row.0 += 1;
        for (count, changed) in row.1.iter_mut().zip(changes(&entry.0, &tick, step)) {
            *count += u64::from(changed);
        }
        *entry = (tick, entry.1 + 1);
    }
    println!("{:<18}{:>9} {COLUMNS:?}", "class", "rows");
    for (class, (rows, counts)) in &seen {
        let shares: Vec<String> = counts
            .iter()
            .map(|count| format!("{:.3}", *count as f64 / *rows as f64))
            .collect();
        println!("{class:<18}{rows:>9} {}", shares.join("  "));
    }
    println!(
        "busiest second {:?}, busiest tenth of a second {:?}, mean of {} seconds with ticks {:.0}",
        seconds.values().max(),
        tenths.values().max(),
        seconds.len(),
        ticks as f64 / seconds.len() as f64
    );
    let mut per: Vec<u64> = last.values().map(|entry| entry.1).collect();
    per.sort_unstable();
    println!(
        "ticks per instrument, tenths of the distribution: {:?}",
        (0..=10)
            .map(|i| per[(per.len() - 1) * i / 10])
            .collect::<Vec<_>>()
    );
    Ok(())
}
