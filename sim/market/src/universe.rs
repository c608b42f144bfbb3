//! The instruments that exist, and the selection of each profile.
//!
//! The whole universe has [`FULL_MARKET`] ids: every listed future, options and combinations.
//! Options are in the proportion of field guide 8: SHFE 6,764, GFEX 3,820, DCE 3,058, CZCE 2,197,
//! INE 827, CFFEX 720 of 17,386. Strikes nearest the money and months nearest delivery come first.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::instrument::{InstrumentSpec, future, listed_months, parse_future};
use crate::listing::{combination, dominant, futures, option, strike};
use crate::options::{MarketError, MarketOptions, Profile};
use crate::product::{Listing, Product, Tick, Venue, products};

/// Instruments in the full market.
pub(crate) const FULL_MARKET: usize = 17_000;

/// Instruments in the liquid part that `day` and `night` take.
const LIQUID: usize = 600;

/// Combinations in the full market.
const COMBINATIONS: usize = 60;

/// The products of `quick`: eight of all six exchanges.
const QUICK: [&str; 8] = ["au", "rb", "sc", "m", "i", "TA", "lc", "IF"];

/// Chooses the instruments of a request, in the universe's own order (the order of `symbols`, when
/// given).
pub(crate) fn choose(options: &MarketOptions) -> Result<Vec<InstrumentSpec>, MarketError> {
    let products = products();
    if !options.symbols.is_empty() {
        return explicit(options, &products);
    }
    let day = options.trading_day;
    Ok(match options.profile {
        Profile::Quick => dominant(&products, &QUICK, day),
        Profile::Day => liquid(full(&products, day), |_| true),
        Profile::Night => liquid(full(&products, day), InstrumentSpec::has_night),
        Profile::FullMarket => full(&products, day),
        Profile::Quirks => crate::quirks::cast(&products, day),
    })
}

/// The named instruments: out of the universe, or built when a future's product is known.
fn explicit(
    options: &MarketOptions,
    products: &[Product],
) -> Result<Vec<InstrumentSpec>, MarketError> {
    let mut seen = BTreeSet::new();
    let mut universe: Option<BTreeMap<String, InstrumentSpec>> = None;
    let mut chosen = Vec::with_capacity(options.symbols.len());
    for id in &options.symbols {
        if !seen.insert(id.as_str()) {
            return Err(MarketError::DuplicateInstrument(id.clone()));
        }
        let spec = parse_future(id, products, options.trading_day).or_else(|| {
            // Options and combinations are looked up. The universe is built only if one is
            // requested.
            let universe = universe.get_or_insert_with(|| {
                full(products, options.trading_day)
                    .into_iter()
                    .map(|spec| (spec.instrument_id.clone(), spec))
                    .collect()
            });
            universe.remove(id)
        });
        chosen.push(spec.ok_or_else(|| MarketError::UnknownInstrument(id.clone()))?);
    }
    Ok(chosen)
}

/// The most active instruments that `wanted` lets pass, in the universe's order.
fn liquid(
    universe: Vec<InstrumentSpec>,
    wanted: impl Fn(&InstrumentSpec) -> bool,
) -> Vec<InstrumentSpec> {
    let mut ranked: Vec<(usize, InstrumentSpec)> =
        universe.into_iter().filter(wanted).enumerate().collect();
    // The sort is stable and its ties keep the universe's order: no chance in the choice.
    ranked.sort_by_key(|(_, spec)| std::cmp::Reverse(spec.weight));
    ranked.truncate(LIQUID);
    ranked.sort_by_key(|(index, _)| *index);
    ranked.into_iter().map(|(_, spec)| spec).collect()
}

/// The whole universe.
pub(crate) fn full(products: &[Product], day: NaiveDate) -> Vec<InstrumentSpec> {
    let mut all: Vec<InstrumentSpec> = products.iter().flat_map(|p| futures(p, day)).collect();
    let combinations = combinations(&all);
    let room = FULL_MARKET - all.len() - combinations.len();
    let mut options = Vec::with_capacity(room);
    for venue in Venue::ALL {
        options.extend(venue_options(products, venue, day));
    }
    // Every quota is met with a few to spare; what exceeds the room is the least central CFFEX
    // tail.
    options.truncate(room);
    all.extend(options);
    all.extend(combinations);
    all
}

/// Options listed per exchange in the full market.
const fn option_quota(venue: Venue) -> usize {
    match venue {
        Venue::Shfe => 6_280,
        Venue::Ine => 780,
        Venue::Dce => 2_740,
        Venue::Czce => 1_960,
        Venue::Gfex => 3_560,
        Venue::Cffex => 692,
    }
}

/// The options of one exchange, most central first.
fn venue_options(products: &[Product], venue: Venue, day: NaiveDate) -> Vec<InstrumentSpec> {
    let underlyings: Vec<(&Product, Tick, usize, InstrumentSpec)> = products
        .iter()
        .filter(|product| product.venue == venue)
        .filter_map(|product| product.option_tick.map(|tick| (product, tick)))
        .flat_map(|(product, tick)| {
            let months = option_underlyings(products, product, day);
            let numbered = months.into_iter().enumerate();
            numbered.map(move |(nth, future)| (product, tick, nth, future))
        })
        .collect();
    // Ranked before they are built: most candidates are not listed, and an id costs an allocation.
    let mut ranked = Vec::with_capacity(underlyings.len() * 162);
    for (index, (_, _, nth, future)) in underlyings.iter().enumerate() {
        for steps in -40..=40_i64 {
            let rank = steps.unsigned_abs() * 3 + u64::try_from(*nth).unwrap_or(0) * 8;
            if strike(future, steps).is_some() {
                ranked.extend([true, false].map(|call| (rank, index, steps, call)));
            }
        }
    }
    ranked.sort_by_key(|(rank, ..)| *rank);
    ranked.truncate(option_quota(venue));
    ranked
        .into_iter()
        .filter_map(|(_, index, steps, call)| {
            let (product, tick, nth, future) = &underlyings[index];
            option(product, future, *tick, steps, *nth, call)
        })
        .collect()
}

/// The futures that the product's options are on: its most active months, or for an index option
/// the index future of the nearest listed month, standing in for the index.
fn option_underlyings(
    products: &[Product],
    product: &Product,
    day: NaiveDate,
) -> Vec<InstrumentSpec> {
    if let Listing::On(root) = &product.listing {
        let Some(base) = products.iter().find(|p| p.id == root) else {
            return Vec::new();
        };
        return listed_months(product, day)
            .into_iter()
            .map(|(month, weight)| future(base, month, weight * u64::from(product.weight)))
            .collect();
    }
    let mut months = futures(product, day);
    months.truncate(product.option_months);
    months
}

/// Calendar spreads of neighbouring months on DCE and CZCE, the most active legs first.
fn combinations(futures: &[InstrumentSpec]) -> Vec<InstrumentSpec> {
    let mut ranked: Vec<InstrumentSpec> = futures
        .windows(2)
        .filter(|pair| pair[0].product_id == pair[1].product_id)
        .filter_map(|pair| combination(&pair[0], &pair[1]))
        .collect();
    ranked.sort_by_key(|spec| std::cmp::Reverse(spec.weight));
    ranked.truncate(COMBINATIONS);
    ranked
}

/// Update rates in thousandths of a tick per second, proportional to the weights, none above
/// `cap`, in sum as near `total` as the cap allows.
pub(crate) fn rates(weights: &[u64], total: u64, cap: u64) -> Vec<u64> {
    let sum_at = |scale: u64| -> u64 {
        weights
            .iter()
            .map(|w| (w.saturating_mul(scale) >> 20).clamp(1, cap))
            .sum()
    };
    let (mut low, mut high) = (1_u64, 1 << 32);
    while low < high {
        let middle = low.midpoint(high);
        if sum_at(middle) < total {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    weights
        .iter()
        .map(|w| (w.saturating_mul(low) >> 20).clamp(1, cap))
        .collect()
}

/// Shares of the ticks in thousandths by exchange. By assumption they are SHFE 25, DCE 26, CZCE 26,
/// CFFEX 11, GFEX 7 and INE 5 per cent, so that five-level books are 30 % of a day.
pub(crate) const fn share(venue: Venue) -> u64 {
    match venue {
        Venue::Shfe => 250,
        Venue::Ine => 50,
        Venue::Dce => 260,
        Venue::Czce => 260,
        Venue::Gfex => 70,
        Venue::Cffex => 110,
    }
}

/// Rates of `specs` with `total` split over the exchanges by [`share`].
pub(crate) fn shared_rates(specs: &[InstrumentSpec], total: u64, cap: u64) -> Vec<u64> {
    let present: u64 = Venue::ALL
        .into_iter()
        .filter(|venue| specs.iter().any(|s| s.venue == *venue))
        .map(share)
        .sum();
    let mut result = vec![0; specs.len()];
    for venue in Venue::ALL {
        let members: Vec<usize> = (0..specs.len())
            .filter(|&i| specs[i].venue == venue)
            .collect();
        let weights: Vec<u64> = members.iter().map(|&i| specs[i].weight).collect();
        let part = total * share(venue) / present.max(1);
        for (rate, &index) in rates(&weights, part, cap).into_iter().zip(&members) {
            result[index] = rate;
        }
    }
    result
}
