//! Which instruments exist, and which of them a profile takes.
//!
//! The whole universe has [`FULL_MARKET`] ids: every listed future, options in the proportion of
//! guide 8 (SHFE 6,764, GFEX 3,820, DCE 3,058, CZCE 2,197, INE 827, CFFEX 720 of 17,386), and
//! combinations. Strikes nearest the money and months nearest delivery come first.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::instrument::{
    InstrumentSpec, OptionTerms, ProductKind, future, listed_months, parse_future,
};
use crate::num::to_i32;
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
            // Options and combinations are looked up; the universe is built only when one is asked for.
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

/// The dominant future of each named product.
pub(crate) fn dominant(
    products: &[Product],
    names: &[&str],
    day: NaiveDate,
) -> Vec<InstrumentSpec> {
    names
        .iter()
        .filter_map(|name| products.iter().find(|p| p.id == *name))
        .filter_map(|product| futures(product, day).into_iter().max_by_key(|s| s.weight))
        .collect()
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

/// The listed futures of `product`.
fn futures(product: &Product, day: NaiveDate) -> Vec<InstrumentSpec> {
    if matches!(product.listing, Listing::On(_)) {
        return Vec::new();
    }
    listed_months(product, day)
        .into_iter()
        .map(|(month, weight)| future(product, month, weight * u64::from(product.weight)))
        .collect()
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
    // Every quota is met with a few to spare; what exceeds the room is the least central CFFEX tail.
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

/// The strike `steps` steps away from the money; `None` when it is not positive.
fn strike(future: &InstrumentSpec, steps: i64) -> Option<i64> {
    let price = i64::from(future.base) * future.tick.units / future.tick.scale;
    let step = strike_step(price);
    Some((price / step + steps) * step).filter(|strike| *strike > 0)
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

/// The strike step: about 1.2 % of the price, one of 1, 2, 5 times a power of ten.
fn strike_step(price: i64) -> i64 {
    let wanted = (price * 12 / 1000).max(1);
    let mut decade = 1;
    while decade * 10 <= wanted {
        decade *= 10;
    }
    match wanted / decade {
        0..=1 => decade,
        2..=4 => decade * 2,
        _ => decade * 5,
    }
}

/// One option, `steps` strikes away from the money; `None` when the strike is not positive.
pub(crate) fn option(
    product: &Product,
    future: &InstrumentSpec,
    tick: Tick,
    steps: i64,
    nth: usize,
    call: bool,
) -> Option<InstrumentSpec> {
    let strike = strike(future, steps)?;
    let side = if call { "C" } else { "P" };
    let root = &future.instrument_id;
    let instrument_id = match product.venue {
        Venue::Shfe | Venue::Ine | Venue::Czce => format!("{root}{side}{strike}"),
        Venue::Dce | Venue::Gfex => format!("{root}-{side}-{strike}"),
        Venue::Cffex => {
            let digits = &root[root.len() - 4..];
            format!("{}{digits}-{side}-{strike}", product.id)
        }
    };
    let (product_id, kind) = option_product(product, side);
    let away = steps.unsigned_abs();
    let months = i64::try_from(nth).unwrap_or(0) + 1;
    Some(InstrumentSpec {
        name: format!("{} {side} {strike}", future.name),
        instrument_id,
        product_id,
        kind,
        multiplier: product.multiplier,
        price_tick: tick.price(1),
        strike_price: Some(strike as f64),
        underlying: (kind == ProductKind::Option).then(|| root.clone()),
        tick,
        base: 1,
        // Market makers quote wide around the money; activity fades with the strike's distance.
        weight: future.weight * 15 / (100 + away * away * 14),
        option: Some(OptionTerms {
            follows: root.clone(),
            follows_tick: future.tick,
            follows_base: future.base,
            strike: strike * tick.scale / tick.units,
            call,
            months,
        }),
        ..future.clone()
    })
}

fn option_product(product: &Product, side: &str) -> (String, ProductKind) {
    match product.venue {
        Venue::Czce => (format!("{}{side}", product.id), ProductKind::Option),
        Venue::Cffex => (product.id.to_owned(), ProductKind::SpotOption),
        _ => (format!("{}_o", product.id), ProductKind::Option),
    }
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

/// The spread of two futures; `None` where the exchange has no such ids.
pub(crate) fn combination(
    first: &InstrumentSpec,
    second: &InstrumentSpec,
) -> Option<InstrumentSpec> {
    let prefix = match (first.venue, first.product_id == second.product_id) {
        (Venue::Dce, true) => "SP",
        (Venue::Dce, false) => "SPC",
        (Venue::Czce, true) => "SPD",
        (Venue::Czce, false) => "IPS",
        _ => return None,
    };
    let (a, b) = (&first.instrument_id, &second.instrument_id);
    Some(InstrumentSpec {
        instrument_id: format!("{prefix} {a}&{b}"),
        kind: ProductKind::Combination,
        name: format!("{prefix} {a} {b}"),
        base: to_i32(i64::from(first.base) - i64::from(second.base)),
        weight: first.weight.min(second.weight) / 20,
        ..first.clone()
    })
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

/// Shares of the ticks in thousandths by exchange (an assumption: SHFE 25, DCE 26, CZCE 26,
/// CFFEX 11, GFEX 7, INE 5 per cent, so that five-level books are 30 % of a day).
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

/// The strike nearest the money as an option of `future`, for hand-picked casts.
pub(crate) fn near_option(
    products: &[Product],
    future: &InstrumentSpec,
    steps: i64,
    call: bool,
) -> Option<InstrumentSpec> {
    let product = products.iter().find(|p| p.id == future.product_id)?;
    let tick = product.option_tick?;
    option(product, future, tick, steps, 0, call)
}
