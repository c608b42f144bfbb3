//! Seed = market: the output is pinned. A digest changes only with `GENERATOR_VERSION`.

use tickdeck_ffi::for_each_tick_field;

use super::*;

macro_rules! hash_fields {
    (($hasher:ident $tick:ident) $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        $(hash_field!($kind $hasher $tick.$name);)*
    };
}

macro_rules! hash_field {
    (text $hasher:ident $tick:ident.$name:ident) => {
        $hasher.update($tick.$name.as_array());
    };
    (f64 $hasher:ident $tick:ident.$name:ident) => {
        $hasher.update(&$tick.$name.to_bits().to_le_bytes());
    };
    (i32 $hasher:ident $tick:ident.$name:ident) => {
        $hasher.update(&$tick.$name.to_le_bytes());
    };
}

/// BLAKE3 over every field of every event and its receive time.
fn digest(market: impl Iterator<Item = (i64, MarketEvent)>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (at, event) in market {
        hasher.update(&at.to_le_bytes());
        match event {
            MarketEvent::Tick(tick) => {
                hasher.update(b"tick");
                for_each_tick_field!(hash_fields, hasher tick);
            }
            other => {
                hasher.update(format!("{other:?}").as_bytes());
            }
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn of(profile: Profile, seed: u64, count: usize) -> String {
    digest(Market::new(request(profile, seed)).unwrap().take(count))
}

#[test]
fn every_profile_has_its_pinned_digest() {
    let found: Vec<(Profile, String)> = [
        (Profile::Quick, usize::MAX),
        (Profile::Day, 40_000),
        (Profile::Night, 40_000),
        (Profile::FullMarket, 60_000),
        (Profile::Quirks, usize::MAX),
    ]
    .into_iter()
    .map(|(profile, count)| (profile, of(profile, 1, count)))
    .collect();
    let pinned: Vec<(Profile, String)> = PINNED
        .iter()
        .map(|(profile, hex)| (*profile, (*hex).to_owned()))
        .collect();
    assert_eq!(found, pinned);
}

const PINNED: [(Profile, &str); 5] = [
    (Profile::Quick, "1901b35cb75d0897"),
    (Profile::Day, "ead5b57c9229677f"),
    (Profile::Night, "bd80b4f6d3976f55"),
    (Profile::FullMarket, "8ae2def1475e7895"),
    (Profile::Quirks, "5d28996372df9bc0"),
];

#[test]
fn the_same_seed_gives_the_same_market_and_another_seed_another() {
    for profile in [Profile::Quick, Profile::Quirks] {
        assert_eq!(of(profile, 7, usize::MAX), of(profile, 7, usize::MAX));
        assert_ne!(of(profile, 7, usize::MAX), of(profile, 8, usize::MAX));
    }
}

#[test]
fn an_instruments_path_is_independent_of_others() {
    let alone = |symbols: &[&str]| {
        let mut options = request(Profile::Day, 3);
        options.symbols = symbols.iter().map(|&s| s.to_owned()).collect();
        options.duration = Some(std::time::Duration::from_secs(900));
        let market = Market::new(options).unwrap();
        market
            .filter_map(|(_, event)| match event {
                MarketEvent::Tick(tick) if tick.instrument_id.as_bytes() == b"rb2601" => Some(tick),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let one = alone(&["rb2601"]);
    assert!(one.len() > 100, "{}", one.len());
    assert_eq!(one, alone(&["MA601", "rb2601", "si2511"]));
}
