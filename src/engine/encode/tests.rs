use chrono::{NaiveDate, SecondsFormat};
use proptest::prelude::*;
use serde::Serialize;
use tickdeck_core::contract::{Contract, ContractTable, Exchange, ProductClass, SessionClass};
use tickdeck_core::event::Seq;
use tickdeck_core::time::{TradingDay, UnixNanos};

use super::*;
use crate::normalize::testing::{Events, builtin, raw_row};
use crate::normalize::{Flag, Flags, Instrument, LEVELS, Level, Outcome};

/// The `vnpy` payload as a plain serde structure: the reference for the bytes.
#[derive(Serialize)]
struct Reference<'a> {
    vt_symbol: &'a str,
    symbol: &'a str,
    exchange: &'a str,
    timestamp: String,
    trading_day: String,
    action_day: String,
    #[serde(flatten)]
    numbers: serde_json::Map<String, serde_json::Value>,
    local_time: String,
    seq: u64,
    source: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'a str>,
}

/// Keys in the order of the contract; a value that is not there has no key.
fn numbers(tick: &NormalizedTick<'_>) -> Vec<(String, Option<String>)> {
    fn json<T: Serialize>(key: &str, value: Option<T>) -> (String, Option<String>) {
        let text = value.map(|value| serde_json::to_string(&value).unwrap());
        (key.to_owned(), text)
    }
    let mut numbers = vec![
        json("last_price", tick.last_price),
        json("last_volume", tick.last_volume),
        json("volume", Some(tick.volume)),
        json("turnover", tick.turnover),
        json("open_interest", tick.open_interest),
        json("open_price", tick.open_price),
        json("high_price", tick.high_price),
        json("low_price", tick.low_price),
        json("pre_close", tick.pre_close),
        json("pre_settlement_price", tick.pre_settlement_price),
        json("pre_open_interest", tick.pre_open_interest),
        json("close_price", tick.close_price),
        json("settlement_price", tick.settlement_price),
        json("average_price", tick.average_price),
        json("limit_up", tick.limit_up),
        json("limit_down", tick.limit_down),
    ];
    for level in 0..LEVELS {
        let (n, bid, ask) = (level + 1, &tick.bids[level], &tick.asks[level]);
        numbers.extend([
            json(&format!("bid_price_{n}"), bid.price),
            json(&format!("bid_volume_{n}"), bid.volume),
            json(&format!("ask_price_{n}"), ask.price),
            json(&format!("ask_volume_{n}"), ask.volume),
        ]);
    }
    numbers
}

fn reference(tick: &NormalizedTick<'_>, source: &str) -> String {
    let contract = &tick.instrument.contract;
    let head = Reference {
        vt_symbol: &tick.instrument.vt_symbol,
        symbol: &contract.instrument_id,
        exchange: contract.exchange.as_str(),
        timestamp: tick
            .exchange_ts
            .to_shanghai()
            .to_rfc3339_opts(SecondsFormat::Millis, false),
        trading_day: tick.trading_day.to_ctp(),
        action_day: tick.action_day.format("%Y%m%d").to_string(),
        numbers: serde_json::Map::new(),
        local_time: tick
            .recv_ts
            .to_shanghai()
            .to_rfc3339_opts(SecondsFormat::Nanos, false),
        seq: tick.seq.0,
        source,
        flags: tick.flags.iter().map(Flag::as_str).collect(),
    };
    // serde_json's map sorts its keys, so the numbers go in as text before `local_time`.
    let middle: String = numbers(tick)
        .into_iter()
        .filter_map(|(key, value)| Some(format!(",\"{key}\":{}", value?)))
        .collect();
    serde_json::to_string(&head).unwrap().replacen(
        ",\"local_time\":",
        &format!("{middle},\"local_time\":"),
        1,
    )
}

fn instrument(index: usize, id: &str) -> Instrument {
    Instrument {
        index,
        contract: Contract {
            instrument_id: id.to_owned(),
            exchange: Exchange::Shfe,
            product_id: "rb".to_owned(),
            product_class: ProductClass::Future,
            multiplier: Some(10),
            price_tick: Some(1.0),
            session: SessionClass::N2300,
            name: None,
        },
        vt_symbol: format!("{id}.SHFE").into(),
    }
}

fn any_number() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        2 => (-2_000_000_i32..20_000_000, 0..5_i32)
            .prop_map(|(units, places)| Some(f64::from(units) / 10_f64.powi(places))),
        2 => any::<u64>().prop_map(|bits| Some(f64::from_bits(bits)).filter(|n| n.is_finite())),
        1 => prop::sample::select(vec![Some(5230.0), Some(0.0), None]),
        1 => Just(None),
    ]
}

fn any_side() -> impl Strategy<Value = [Level; LEVELS]> {
    prop::array::uniform5(
        (any_number(), prop::option::of(any::<i32>()))
            .prop_map(|(price, volume)| Level { price, volume }),
    )
}

type Values = ([Option<f64>; 14], [[Level; LEVELS]; 2]);
type Whole = (i64, i64, u64, Option<i32>, i32, u16, i32, i32);

fn any_values() -> impl Strategy<Value = (Values, Whole)> {
    (
        (
            prop::array::uniform14(any_number()),
            prop::array::uniform2(any_side()),
        ),
        (
            any::<i64>(),
            any::<i64>(),
            any::<u64>(),
            any::<Option<i32>>(),
            any::<i32>(),
            prop_oneof![Just(0_u16), any::<u16>()],
            0..80_000,
            0..80_000,
        ),
    )
}

fn tick_of<'a>(instrument: &'a Instrument, values: &(Values, Whole)) -> NormalizedTick<'a> {
    let ((numbers, [bids, asks]), whole) = values;
    let (recv_ts, exchange_ts, seq, last_volume, volume, flags, day, action) = *whole;
    let date = |days: i32| NaiveDate::from_num_days_from_ce_opt(700_000 + days).unwrap();
    NormalizedTick {
        instrument,
        seq: Seq(seq),
        recv_ts: UnixNanos(recv_ts),
        exchange_ts: UnixNanos(exchange_ts),
        trading_day: TradingDay(date(day)),
        action_day: date(action),
        last_price: numbers[0],
        last_volume,
        volume,
        turnover: numbers[1],
        open_interest: numbers[2],
        open_price: numbers[3],
        high_price: numbers[4],
        low_price: numbers[5],
        pre_close: numbers[6],
        pre_settlement_price: numbers[7],
        pre_open_interest: numbers[8],
        close_price: numbers[9],
        settlement_price: numbers[10],
        average_price: numbers[11],
        limit_up: numbers[12],
        limit_down: numbers[13],
        bids: *bids,
        asks: *asks,
        flags: Flag::ALL
            .into_iter()
            .filter(|&flag| flags & (1 << flag as u16) != 0)
            .collect::<Flags>(),
    }
}

proptest! {
    /// One encoder over many ticks of a few instruments, so that every cache is hit, missed and
    /// taken over. Values repeat because half of the ticks are an earlier one with a new price.
    #[test]
    fn prop_payloads_equal_what_serde_json_prints(
        ids in prop::array::uniform3("[a-zA-Z0-9&\" \\\\\u{1}-\u{7f}豆]{1,12}"),
        ticks in prop::collection::vec((any_values(), 0..3_usize, any_number()), 1..12),
    ) {
        let mut encoder = Encoder::new(PayloadKind::Vnpy, PayloadSource::Synthetic);
        let mut out = Vec::new();
        let instruments = [0, 1, 1].map(|index| instrument(index, &ids[index]));
        let other = instrument(0, &ids[2]);
        for (values, which, last_price) in &ticks {
            for instrument in [&instruments[*which], &other] {
                let mut tick = tick_of(instrument, values);
                for _ in 0..2 {
                    out.clear();
                    encoder.encode(&tick, &mut out);
                    let expected = reference(&tick, "synthetic");
                    prop_assert_eq!(std::str::from_utf8(&out).unwrap(), &expected);
                    tick.last_price = *last_price;
                    tick.limit_up = tick.limit_up.xor(*last_price);
                }
            }
        }
    }

    #[test]
    fn prop_decimal_payloads_are_flat_objects_of_plain_decimal_strings(values in any_values()) {
        let instrument = instrument(0, "SPD \"x\"");
        let tick = tick_of(&instrument, &values);
        let mut out = Vec::new();
        Encoder::new(PayloadKind::Decimal, PayloadSource::Ctp).encode(&tick, &mut out);
        let payload: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&out).unwrap();
        for (key, number) in [
            ("price", tick.last_price),
            ("bid", tick.bids[0].price),
            ("ask", tick.asks[0].price),
        ] {
            let expected = number.map(|number| serde_json::Value::from(number.to_string()));
            prop_assert_eq!(payload.get(key), expected.as_ref());
        }
        prop_assert_eq!(&payload["volume"], &serde_json::Value::from(tick.volume.to_string()));
        prop_assert_eq!(&payload["symbol"], "SPD \"x\"");
    }
}

#[test]
fn the_longest_payload_fits_the_buffer() {
    let longest = Some(-1.234_567_890_123_456_7e-300);
    let level = Level {
        price: longest,
        volume: Some(i32::MIN),
    };
    let instrument = instrument(0, &"\u{1}".repeat(80));
    let whole = (
        i64::MIN,
        i64::MIN,
        u64::MAX,
        Some(i32::MIN),
        i32::MIN,
        u16::MAX,
        0,
        0,
    );
    let tick = tick_of(&instrument, &(([longest; 14], [[level; LEVELS]; 2]), whole));
    let mut out = Vec::new();
    Encoder::new(PayloadKind::Vnpy, PayloadSource::Synthetic).encode(&tick, &mut out);
    assert_eq!(
        std::str::from_utf8(&out).unwrap(),
        reference(&tick, "synthetic")
    );
}

/// Publishes rows of `fixtures/raw_rows`, each received at the given time: one line a message,
/// subject and payload.
fn published(kind: PayloadKind, rows: &[(&str, &str)]) -> String {
    let (mut normalizer, mut events) = (builtin(), Events::default());
    let mut encoder = Encoder::new(kind, PayloadSource::Ctp);
    let mut subjects = Subjects::new(subject::DEFAULT_PREFIX);
    let mut out = Vec::new();
    for (name, recv) in rows {
        let event = events.tick(recv, raw_row(name));
        let Outcome::Tick(tick) = normalizer.apply(&event) else {
            panic!("{name} was rejected");
        };
        out.extend_from_slice(subjects.of(tick.instrument));
        out.push(b' ');
        encoder.encode(&tick, &mut out);
        out.push(b'\n');
    }
    String::from_utf8(out).unwrap()
}

/// SHFE at night: the trading day is tomorrow's, the action day is today's. `average_price` is
/// CTP's 127347.7049 per lot divided by the multiplier 10. `last_volume` appears with the second
/// tick. Levels 2 to 5 and the close are `DBL_MAX`, so they have no keys.
#[test]
fn shfe_night_open() {
    insta::assert_snapshot!(published(
        PayloadKind::Vnpy,
        &[
            (
                "shfe_ru1901_20181010_night_open",
                "2018-10-09T21:00:00.512345678+08:00"
            ),
            (
                "shfe_ru1901_20181010_night_next",
                "2018-10-09T21:00:01.013000000+08:00"
            ),
        ],
    ));
}

/// SHFE on a Friday night, one second after the close: the trading day is Monday, the flag list is
/// empty because the close has a grace. Received ten minutes later the same row would be stale.
#[test]
fn shfe_friday_night_belongs_to_monday() {
    insta::assert_snapshot!(published(
        PayloadKind::Vnpy,
        &[(
            "shfe_rb2005_20200113_friday_night",
            "2020-01-10T23:00:01.020+08:00"
        )],
    ));
}

/// CZCE through one day. The evening row has no trade: prices of 0.0 are missing, and it is flagged
/// `preopen`. The auction's turnover 3003811 is price x volume: published times the multiplier 10,
/// while `average_price` is already per unit. The last row comes twice: the copy is a `duplicate`.
#[test]
fn czce_day() {
    insta::assert_snapshot!(published(
        PayloadKind::Vnpy,
        &[
            (
                "czce_AP010_20200803_evening_init",
                "2020-07-31T19:29:00.200+08:00"
            ),
            (
                "czce_AP010_20200803_auction",
                "2020-08-03T08:59:00.200+08:00"
            ),
            ("czce_AP010_20200803_close", "2020-08-03T14:59:59.700+08:00"),
            ("czce_AP010_20200803_close", "2020-08-03T15:01:30+08:00"),
        ],
    ));
}

/// CZCE over a weekend: Friday's last night tick, the same tick pushed again on Monday morning with
/// Monday's dates, and Monday's first tick. The second keeps Friday's timestamp and is `stale`,
/// `replayed` and in `date_conflict`. The third counts 6 lots from Friday's.
#[test]
fn czce_night_replayed_on_monday() {
    insta::assert_snapshot!(published(
        PayloadKind::Vnpy,
        &[
            ("czce_SR001_20190830_night", "2019-08-30T23:29:59.300+08:00"),
            (
                "czce_SR001_20190902_monday_copy",
                "2019-09-02T08:55:10+08:00"
            ),
            ("czce_SR001_20190902_open", "2019-09-02T09:00:00.200+08:00"),
        ],
    ));
}

/// DCE, stamped 07:54:41.500: `out_of_session`. The filled `ExchangeID` changes nothing; the
/// average price is divided by the multiplier 100.
#[test]
fn dce_out_of_session() {
    insta::assert_snapshot!(published(
        PayloadKind::Vnpy,
        &[(
            "dce_j1901_20180824_early_morning",
            "2018-08-24T07:54:41.530+08:00"
        )],
    ));
}

/// CFFEX: the auction's result at 09:29 has volume, so it is not a `preopen` row. The first tick
/// counts from it. The settlement row half an hour after the close is `out_of_session` and has a
/// `settlement_price`. The origin has no average price, so that key is absent.
#[test]
fn cffex_day() {
    insta::assert_snapshot!(published(
        PayloadKind::Vnpy,
        &[
            (
                "cffex_IF2101_20210104_auction",
                "2021-01-04T09:29:00.420+08:00"
            ),
            (
                "cffex_IF2101_20210104_open",
                "2021-01-04T09:30:00.420+08:00"
            ),
            (
                "cffex_IF2101_20210104_settlement",
                "2021-01-04T15:30:48.920+08:00"
            ),
        ],
    ));
}

/// Options before the night open, with the receive times of the recorder: 105 minutes old, so
/// `stale`, and `preopen`. `DBL_MAX` (SHFE) and 0.0 (CZCE) yield the same absent keys; the level 1
/// sizes stay.
#[test]
fn options_before_the_open() {
    insta::assert_snapshot!(published(
        PayloadKind::Vnpy,
        &[
            (
                "shfe_cu1912C51000_20191101_evening_init",
                "2019-10-31T20:35:21.705328+08:00"
            ),
            (
                "czce_CF005P14000_20191101_evening_init",
                "2019-10-31T20:35:21.723210+08:00"
            ),
        ],
    ));
}

/// The small contract: strings without exponent or trailing zeros, `volume` cumulative, no key for
/// a missing bid.
#[test]
fn decimal_payloads() {
    insta::assert_snapshot!(published(
        PayloadKind::Decimal,
        &[
            (
                "cffex_IF2101_20210104_open",
                "2021-01-04T09:30:00.420+08:00"
            ),
            (
                "shfe_cu1912C51000_20191101_evening_init",
                "2019-10-31T20:35:21.705328+08:00"
            ),
        ],
    ));
}

#[test]
fn a_subject_is_made_once() {
    let contract = ContractTable::builtin().resolve(b"rb2601").unwrap();
    let instrument = Instrument {
        index: 2,
        contract,
        vt_symbol: "".into(),
    };
    let mut subjects = Subjects::new("a.b");
    assert!(!subjects.has(&instrument));
    let made = subjects.of(&instrument).clone();
    assert_eq!(made, "a.b.SHFE.rb2601");
    assert!(subjects.has(&instrument));
    assert_eq!(subjects.of(&instrument).as_ptr(), made.as_ptr());
}
