//! The product table against real instrument lists. They are not part of the repository: the tests
//! say on stderr when they are skipped.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use super::*;
use crate::calendar::TradingCalendar;
use crate::time::{TradingDay, parse_ctp_time};

/// The folder of real data: `TICKDECK_SHARED_DATA`, else beside the repository.
fn shared_data(file: &str) -> Option<PathBuf> {
    let beside =
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("../shared/data");
    let folder = std::env::var_os("TICKDECK_SHARED_DATA").map_or_else(beside, PathBuf::from);
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: {} is not there; set TICKDECK_SHARED_DATA",
        path.display()
    );
    None
}

/// Compares every instrument of a real list with what the built-in table says of its id alone.
/// Returns how many there were of each class.
fn cross_check(file: &str, day: &[u8]) -> Option<BTreeMap<ProductClass, usize>> {
    let path = shared_data(file)?;
    let day = TradingDay::parse_ctp(day);
    // Nothing may come from the product table but what is compared with it.
    let bytes = std::fs::read(&path).unwrap();
    let bytes = zstd::decode_all(bytes.as_slice()).unwrap_or(bytes);
    let listed = parse_contract_file(&bytes, &path, &ProductTable::default()).unwrap();
    let table = ContractTable::builtin();
    let mut counts = BTreeMap::new();
    for contract in listed {
        let id = &contract.instrument_id;
        let known = table.resolve_on(id.as_bytes(), day);
        let known = known.unwrap_or_else(|reason| panic!("{id}: {reason}"));
        assert_eq!(known.exchange, contract.exchange, "{id}");
        assert_eq!(known.product_class, contract.product_class, "{id}");
        assert_eq!(known.product_id, contract.product_id, "{id}");
        if contract.product_class != ProductClass::Combination {
            assert_eq!(known.multiplier, contract.multiplier, "{id}");
            assert_eq!(known.price_tick, contract.price_tick, "{id}");
        } else if known.price_tick.is_some() {
            assert_eq!(known.price_tick, contract.price_tick, "{id}");
        }
        *counts.entry(contract.product_class).or_default() += 1;
    }
    Some(counts)
}

#[test]
fn the_product_table_agrees_with_the_list_of_2025() {
    if let Some(counts) = cross_check("LocalCTP_instrument.csv.zst", b"20250303") {
        let expected = [
            (ProductClass::Future, 789),
            (ProductClass::Combination, 2),
            (ProductClass::SpotOption, 1),
        ];
        assert_eq!(counts, expected.into());
    }
}

#[test]
fn the_product_table_agrees_with_the_list_of_2017() {
    if let Some(counts) = cross_check("tick_data_clean_Instruments_20171113.csv.zst", b"20171113") {
        let expected = [
            (ProductClass::Future, 489),
            (ProductClass::Option, 490),
            (ProductClass::Combination, 765),
        ];
        assert_eq!(counts, expected.into());
    }
}

/// Counts the phases of every row of a tar of one trading day's files (`rb1801_20171113.csv`, each
/// row beginning with the exchange time).
fn phases_of(file: &str) -> Option<BTreeMap<Phase, u32>> {
    let packed = std::fs::File::open(shared_data(file)?).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(packed).unwrap());
    let table = ContractTable::builtin();
    let day = TradingDay::parse_ctp(b"20171113").unwrap();
    let opens_at_night = TradingCalendar::builtin().opens_at_night(day);
    let mut counts = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some((id, _)) = name.split_once('_') else {
            continue;
        };
        let contract = table.resolve_on(id.as_bytes(), Some(day)).unwrap();
        let hours = table.hours_on(&contract, day);
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        for line in text.lines() {
            let seconds = parse_ctp_time(&line.as_bytes()[..8]).unwrap();
            let phase = hours.phase(seconds, opens_at_night);
            *counts.entry(phase).or_default() += 1;
        }
    }
    Some(counts)
}

#[test]
fn the_former_hours_fit_every_tick_of_a_day_of_2017() {
    use Phase::{Auction, CloseGrace, Closed, Continuous};
    // Auction ticks at 20:59 and 08:59 (09:14 and 09:29 on CFFEX); `Closed` are only the copies that
    // CFFEX sends 22 minutes after the close, two an instrument.
    for (exchange, expected) in [
        ("CZCE_options", &[(Continuous, 69_160)][..]),
        ("DCE_options", &[(Continuous, 81_279), (CloseGrace, 123)]),
        (
            "CFFEX_futures",
            &[
                (Auction, 7),
                (Continuous, 137_221),
                (CloseGrace, 11),
                (Closed, 22),
            ],
        ),
        ("CZCE_futures", &[(Auction, 16), (Continuous, 279_704)]),
    ] {
        let file = format!("tick_data_clean_{exchange}_20171113.tar.zst");
        if let Some(counts) = phases_of(&file) {
            assert_eq!(counts, expected.iter().copied().collect(), "{exchange}");
        }
    }
}

#[test]
fn the_codes_of_ctp_and_the_names_of_data_files_read_back() {
    for class in ProductClass::ALL {
        assert_eq!(ProductClass::from_ctp_code(class.ctp_code()), Some(class));
        assert_eq!(ProductClass::parse(class.as_str()), Some(class));
    }
    assert_eq!(ProductClass::from_ctp_code('4'), None);
    for class in SessionClass::ALL {
        assert_eq!(SessionClass::parse(class.as_str()), Some(class));
        let json = serde_json::to_value(class).unwrap();
        assert_eq!(json, class.as_str(), "one name in all files");
    }
}
