//! Which instruments a request gives, and how it can be refused.

use super::*;
use crate::{MarketError, ProductKind};

fn with_symbols(symbols: &[&str]) -> Result<Market, MarketError> {
    let mut options = request(Profile::Day, 1);
    options.symbols = symbols.iter().map(|&s| s.to_owned()).collect();
    Market::new(options)
}

#[test]
fn the_full_market_has_17_000_distinct_ids() {
    let market = Market::new(request(Profile::FullMarket, 1)).unwrap();
    let specs = market.instruments();
    assert_eq!(specs.len(), 17_000);
    let mut ids: Vec<_> = specs.iter().map(|s| &s.instrument_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 17_000);
    for (exchange, at_least) in [
        ("SHFE", 6_200),
        ("INE", 700),
        ("DCE", 2_500),
        ("CZCE", 1_800),
        ("GFEX", 3_500),
        ("CFFEX", 600),
    ] {
        let found = specs.iter().filter(|s| s.exchange == exchange).count();
        assert!(found > at_least, "{exchange} {found}");
    }
    for (kind, at_least) in [
        (ProductKind::Future, 800),
        (ProductKind::Option, 14_000),
        (ProductKind::SpotOption, 500),
        (ProductKind::Combination, 50),
    ] {
        let found = specs.iter().filter(|s| s.kind == kind).count();
        assert!(found >= at_least, "{kind:?} {found}");
    }
}

#[test]
fn the_liquid_profiles_have_600_instruments() {
    let count = |profile| {
        Market::new(request(profile, 1))
            .unwrap()
            .instruments()
            .len()
    };
    assert_eq!(count(Profile::Day), 600);
    assert_eq!(count(Profile::Night), 600);
    assert_eq!(count(Profile::Quick), 8);
}

#[test]
fn futures_of_known_products_are_built_and_others_refused() {
    let market = with_symbols(&["rb2703", "SR705", "IF2609"]).unwrap();
    let terms: Vec<_> = market
        .instruments()
        .iter()
        .map(|s| (s.exchange, s.multiplier, s.delivery_year, s.delivery_month))
        .collect();
    assert_eq!(
        terms,
        [
            ("SHFE", 10, 2027, 3),
            ("CZCE", 10, 2027, 5),
            ("CFFEX", 300, 2026, 9)
        ]
    );
    for id in [
        "zz2609", "rb26", "rb2613", "RB2601", "MA2601", "", "rb2601x", "螺纹",
    ] {
        let error = with_symbols(&[id]).unwrap_err();
        assert_eq!(error, MarketError::UnknownInstrument(id.to_owned()));
    }
    let error = with_symbols(&["rb2601", "rb2601"]).unwrap_err();
    assert_eq!(error, MarketError::DuplicateInstrument("rb2601".to_owned()));
}

#[test]
fn options_and_combinations_can_be_requested() {
    let full = Market::new(request(Profile::FullMarket, 1)).unwrap();
    let pick = |kind| {
        let spec = full.instruments().iter().find(|s| s.kind == kind).unwrap();
        spec.instrument_id.clone()
    };
    let (option, spread) = (pick(ProductKind::Option), pick(ProductKind::Combination));
    let market = with_symbols(&[&option, &spread]).unwrap();
    assert_eq!(market.instruments()[0].instrument_id, option);
    assert_eq!(market.instruments()[1].instrument_id, spread);
}

#[test]
fn a_night_that_was_not_held_is_refused() {
    for profile in [Profile::Night, Profile::Quirks] {
        let mut options = request(profile, 1);
        options.has_night = false;
        let error = Market::new(options).unwrap_err();
        assert!(
            matches!(error, MarketError::NoNightSession { .. }),
            "{error}"
        );
    }
    let mut options = request(Profile::Night, 1);
    options.symbols = vec!["IF2509".to_owned()];
    let error = Market::new(options).unwrap_err();
    assert_eq!(error, MarketError::NothingTradesAtNight);
}

#[test]
fn without_a_night_the_day_opens_with_an_auction() {
    let mut options = request(Profile::Day, 1);
    options.has_night = false;
    options.symbols = vec!["m2601".to_owned(), "MA601".to_owned()];
    let events: Vec<_> = Market::new(options).unwrap().take(8).collect();
    let ticks = ticks(&events);
    assert_eq!(ticks[0].1.volume, 0, "initialised in the evening");
    let auction = ticks
        .iter()
        .filter(|(_, t)| t.update_time.as_bytes() == b"08:59:00");
    assert_eq!(auction.count(), 2);
}

#[test]
fn days_out_of_order_are_refused() {
    let mut options = request(Profile::Quick, 1);
    options.prev_trading_day = options.trading_day;
    let error = Market::new(options).unwrap_err();
    assert!(matches!(error, MarketError::DaysOutOfOrder { .. }));
}

mod prop {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10))]

        #[test]
        fn prop_any_seed_and_day_generates_without_panic(
            seed in any::<u64>(), day in 0_i64..40_000, gap in 1_i64..12, profile in 0_usize..2,
        ) {
            let mut options = request([Profile::Quick, Profile::Quirks][profile], seed);
            options.prev_trading_day = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap()
                + chrono::Days::new(day.unsigned_abs());
            options.trading_day =
                options.prev_trading_day + chrono::Days::new(gap.unsigned_abs());
            let mut last = i64::MIN;
            for (at, _) in Market::new(options).unwrap().take(3_000) {
                prop_assert!(at >= last);
                last = at;
            }
        }
    }
}
