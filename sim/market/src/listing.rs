//! Single instruments as the exchanges list them: futures of a product, options of a future,
//! combinations of two futures.

use chrono::NaiveDate;

use crate::instrument::{InstrumentSpec, OptionTerms, ProductKind, future, listed_months};
use crate::num::to_i32;
use crate::product::{Listing, Product, Tick, Venue};

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

/// The listed futures of `product`.
pub(crate) fn futures(product: &Product, day: NaiveDate) -> Vec<InstrumentSpec> {
    if matches!(product.listing, Listing::On(_)) {
        return Vec::new();
    }
    listed_months(product, day)
        .into_iter()
        .map(|(month, weight)| future(product, month, weight * u64::from(product.weight)))
        .collect()
}

/// The strike `steps` steps away from the money; `None` when it is not positive.
pub(crate) fn strike(future: &InstrumentSpec, steps: i64) -> Option<i64> {
    let price = i64::from(future.base) * future.tick.units / future.tick.scale;
    let step = strike_step(price);
    Some((price / step + steps) * step).filter(|strike| *strike > 0)
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
