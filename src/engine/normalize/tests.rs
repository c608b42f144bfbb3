use std::sync::Arc;

use proptest::prelude::*;
use tickdeck_core::contract::{Contract, Exchange, ProductClass, ProductTable, SessionClass};
use tickdeck_core::event::{Event, EventKind, Text};
use tickdeck_core::time::TradingDay;

use super::testing::{Events, builtin, instant, raw_row, text, with_receive_times};
use super::*;

/// A tick of `id` in the middle of its session: a price, a book, nothing odd.
fn tick(id: &str, trading_day: &str, action_day: &str, time: &str, volume: i32) -> RawTick {
    RawTick {
        instrument_id: text(id),
        trading_day: text(trading_day),
        action_day: text(action_day),
        update_time: text(time),
        last_price: 100.0,
        bid_price1: 99.0,
        bid_volume1: 1,
        ask_price1: 101.0,
        ask_volume1: 2,
        volume,
        turnover: 1000.0 * f64::from(volume),
        average_price: 1000.0,
        ..RawTick::unset()
    }
}

/// What a test compares: exchange time, flags, last volume; or the reason of a reject.
fn seen(normalizer: &mut Normalizer, event: &Event) -> String {
    match normalizer.apply(event) {
        Outcome::Tick(tick) => format!(
            "{} {} {} [{}]",
            tick.exchange_ts
                .to_shanghai()
                .format("%Y-%m-%dT%H:%M:%S%.3f"),
            tick.trading_day,
            tick.last_volume
                .map_or_else(|| "-".to_owned(), |volume| volume.to_string()),
            tick.flags,
        ),
        Outcome::Session => "session".to_owned(),
        Outcome::Rejected { reason, first } => format!("{reason} {first}"),
    }
}

/// Applies ticks with their receive times to one normalizer and compares what is seen of each.
#[track_caller]
fn check(cases: &[(&str, RawTick, &str)]) {
    let (mut normalizer, mut events) = (builtin(), Events::default());
    for (recv, tick, expected) in cases {
        let event = events.tick(recv, *tick);
        assert_eq!(
            seen(&mut normalizer, &event),
            *expected,
            "{} received {recv}",
            tick.update_time
        );
    }
}

#[test]
fn golden_al2201_evening_has_the_previous_calendar_day() {
    // Field guide 9; the last price, which the vector does not give, is the average rounded to the
    // tick.
    let raw = RawTick {
        update_millisec: 500,
        last_price: 18_340.0,
        turnover: 15_192_326_925.0,
        average_price: 91_700.127_5,
        ..tick("al2201", "20211119", "20211118", "23:40:51", 165_674)
    };
    let mut normalizer = builtin();
    let event = Events::default().tick("2021-11-18T23:40:51.512+08:00", raw);
    let Outcome::Tick(tick) = normalizer.apply(&event) else {
        panic!("rejected");
    };
    assert_eq!(tick.exchange_ts, instant("2021-11-18T23:40:51.500+08:00"));
    assert_eq!(tick.trading_day.to_ctp(), "20211119");
    assert_eq!(tick.action_day.to_string(), "2021-11-18");
    assert_eq!(tick.turnover, Some(15_192_326_925.0));
    assert_eq!(tick.average_price, Some(91_700.127_5 / 5.0));
    assert_eq!(tick.flags, Flags::EMPTY);
    assert_eq!(&*tick.instrument.vt_symbol, "al2201.SHFE");
}

#[test]
fn golden_sr001_pushed_again_on_monday_is_still_friday_night() {
    check(&[
        (
            "2019-08-30T23:29:59.300+08:00",
            raw_row("czce_SR001_20190830_night"),
            "2019-08-30T23:29:59.000 2019-09-02 - []",
        ),
        (
            "2019-09-02T08:55:10+08:00",
            raw_row("czce_SR001_20190902_monday_copy"),
            "2019-08-30T23:29:59.000 2019-09-02 0 [stale,replayed,date_conflict]",
        ),
        (
            "2019-09-02T09:00:00.200+08:00",
            raw_row("czce_SR001_20190902_open"),
            "2019-09-02T09:00:00.000 2019-09-02 6 []",
        ),
    ]);
}

#[test]
fn golden_dce_night_is_dated_by_the_calendar() {
    check(&[
        (
            "2019-08-30T22:59:59.530+08:00",
            RawTick {
                update_millisec: 522,
                ..tick("m2001", "20190902", "20190902", "22:59:59", 10)
            },
            "2019-08-30T22:59:59.522 2019-09-02 - [date_conflict]",
        ),
        (
            "2019-09-02T09:00:00.050+08:00",
            RawTick {
                update_millisec: 38,
                ..tick("m2001", "20190902", "20190902", "09:00:00", 15)
            },
            "2019-09-02T09:00:00.038 2019-09-02 5 []",
        ),
    ]);
}

#[test]
fn golden_czce_day_from_its_evening_row_to_its_duplicated_close() {
    check(&[
        (
            "2020-07-31T19:29:00.100+08:00",
            raw_row("czce_AP010_20200803_evening_init"),
            "2020-07-31T19:29:00.000 2020-08-03 - [preopen]",
        ),
        (
            "2020-08-03T08:59:00.100+08:00",
            raw_row("czce_AP010_20200803_auction"),
            "2020-08-03T08:59:00.000 2020-08-03 419 []",
        ),
        (
            "2020-08-03T14:59:59.700+08:00",
            raw_row("czce_AP010_20200803_close"),
            "2020-08-03T14:59:59.000 2020-08-03 220158 []",
        ),
        (
            "2020-08-03T15:20:00+08:00",
            raw_row("czce_AP010_20200803_close"),
            "2020-08-03T14:59:59.000 2020-08-03 0 [stale,duplicate]",
        ),
    ]);
}

#[test]
fn golden_option_rows_before_the_open_are_stale_and_preopen() {
    for name in ["shfe_cu1912C51000", "czce_CF005P14000"] {
        let raw = raw_row(&format!("{name}_20191101_evening_init"));
        let mut normalizer = builtin();
        let event = Events::default().tick("2019-10-31T20:35:21.705328+08:00", raw);
        let Outcome::Tick(tick) = normalizer.apply(&event) else {
            panic!("{name} rejected");
        };
        assert_eq!(tick.flags.to_string(), "stale,preopen", "{name}");
        assert_eq!(tick.action_day.to_string(), "2019-10-31");
        assert_eq!(tick.trading_day.to_ctp(), "20191101");
        assert_eq!((tick.bids[0].price, tick.asks[0].price), (None, None));
        assert_eq!((tick.open_price, tick.close_price), (None, None));
        assert!(tick.limit_up.is_some() && tick.last_price.is_some());
        assert_eq!(tick.average_price, None, "nothing traded");
    }
}

#[test]
fn night_dates_follow_the_evening_and_friday_belongs_to_monday() {
    check(&[
        (
            "2020-01-10T23:00:01.100+08:00",
            raw_row("shfe_rb2005_20200113_friday_night"),
            "2020-01-10T23:00:01.000 2020-01-13 - []",
        ),
        (
            "2020-01-11T02:29:59.600+08:00",
            tick("au2006", "20200113", "20200111", "02:29:59", 5),
            "2020-01-11T02:29:59.000 2020-01-13 - []",
        ),
        (
            "2020-01-11T00:00:00.100+08:00",
            tick("SR005", "20200111", "", "00:00:00", 5),
            "2020-01-11T00:00:00.000 2020-01-13 - [out_of_session]",
        ),
    ]);
}

#[test]
fn the_receive_time_replaces_an_unusable_trading_day() {
    for trading_day in [
        "",
        "00000000",
        "19800100",
        "2020011",
        "garbage!",
        "123456789",
    ] {
        check(&[(
            "2020-01-10T21:30:00.100+08:00",
            tick("rb2005", trading_day, "20200110", "21:30:00", 5),
            "2020-01-10T21:30:00.000 2020-01-13 - []",
        )]);
    }
}

#[test]
fn the_first_session_after_a_holiday_opens_in_the_morning() {
    check(&[
        (
            "2019-10-08T08:56:00.100+08:00",
            tick("rb2001", "20191008", "20191008", "08:56:00", 0),
            "2019-10-08T08:56:00.000 2019-10-08 - [preopen]",
        ),
        (
            "2019-10-08T08:59:00.100+08:00",
            tick("rb2001", "20191008", "20191008", "08:59:00", 70),
            "2019-10-08T08:59:00.000 2019-10-08 70 []",
        ),
    ]);
}

#[test]
fn former_hours_of_a_product_hold_on_their_days() {
    check(&[
        (
            "2017-11-10T23:20:00.1+08:00",
            tick("m1801", "20171113", "20171110", "23:20:00", 5),
            "2017-11-10T23:20:00.000 2017-11-13 - []",
        ),
        (
            "2019-03-31T21:00:00.1+08:00",
            tick("m1905", "20190401", "20190329", "23:20:00", 5),
            "2019-03-29T23:20:00.000 2019-04-01 - [stale,out_of_session]",
        ),
        (
            "2017-11-10T21:20:00.1+08:00",
            tick("c1801", "20171113", "20171110", "21:20:00", 0),
            "2017-11-10T21:20:00.000 2017-11-13 - [preopen]",
        ),
        (
            "2017-11-13T08:59:00.1+08:00",
            tick("c1801", "20171113", "20171113", "08:59:00", 7),
            "2017-11-13T08:59:00.000 2017-11-13 7 []",
        ),
    ]);
}

#[test]
fn the_close_grace_ends_after_three_minutes() {
    for (time, flags) in [("15:03:00", ""), ("15:03:01", "out_of_session")] {
        let mut normalizer = builtin();
        let recv = format!("2026-01-06T{time}.1+08:00");
        let raw = tick("rb2605", "20260106", "20260106", time, 5);
        match normalizer.apply(&Events::default().tick(&recv, raw)) {
            Outcome::Tick(tick) => assert_eq!(tick.flags.to_string(), flags, "{time}"),
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn the_decade_of_the_trading_day_selects_changed_terms() {
    let products = ProductTable::parse(
        "product_id,exchange,session,kind,multiplier,price_tick,first_delivery,last_delivery,\
         options,option_price_tick\n\
         ZZ,CZCE,N2300,future,10,1,,201912,no,\n\
         ZZ,CZCE,N2300,future,20,1,202001,,no,\n",
    )
    .unwrap();
    let contracts = Arc::new(ContractTable::with_products(products));
    let mut normalizer = Normalizer::new(
        contracts,
        Arc::new(TradingCalendar::builtin()),
        ReceiveTimes::Measured,
    );
    let mut events = Events::default();
    // The same letters stand for March 2018 and for March 2028.
    for (recv, multiplier) in [
        ("2017-11-13T10:00:00.1+08:00", 10.0),
        ("2017-11-13T10:00:00.2+08:00", 10.0),
        ("2027-11-15T10:00:00.1+08:00", 20.0),
        ("2017-11-14T10:00:00.1+08:00", 10.0),
    ] {
        let raw = RawTick {
            turnover: 500.0,
            average_price: 100.0,
            ..tick("ZZ803", "", "", "10:00:00", 5)
        };
        match normalizer.apply(&events.tick(recv, raw)) {
            Outcome::Tick(tick) => assert_eq!(tick.turnover, Some(500.0 * multiplier), "{recv}"),
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn impossible_times_are_rejected_and_reported_once() {
    let good = tick("rb2005", "20200113", "20200113", "10:00:00", 5);
    let recv = "2020-01-13T10:00:00.1+08:00";
    let with = |update_time: &str, update_millisec| RawTick {
        update_time: text(update_time),
        update_millisec,
        ..good
    };
    check(&[
        (recv, with("", 0), "no_time true"),
        (recv, with("25:00:00", 0), "no_time false"),
        (recv, with("10:00", 0), "no_time false"),
        (recv, with("10:00:00", -1), "impossible_time true"),
        (recv, with("10:00:00", 1000), "impossible_time false"),
        (
            recv,
            RawTick {
                trading_day: text("99990104"),
                ..good
            },
            "impossible_time false",
        ),
        (recv, good, "2020-01-13T10:00:00.000 2020-01-13 - []"),
    ]);
}

#[test]
fn an_unknown_exchange_is_reported_once_per_instrument() {
    let unknown = tick("zzz9999", "20200113", "", "10:00:00", 5);
    let recv = "2020-01-13T10:00:00.1+08:00";
    check(&[
        (recv, unknown, "unknown_exchange true"),
        (recv, unknown, "unknown_exchange false"),
        (
            recv,
            raw_row("shfe_zn2402_20230414_query_answer"),
            "unknown_exchange true",
        ),
        (
            recv,
            RawTick {
                instrument_id: text("a very long and unknown id"),
                ..unknown
            },
            "unknown_exchange true",
        ),
    ]);
}

#[test]
fn ticks_without_a_price_are_published_only_with_other_data() {
    let empty = RawTick {
        last_price: f64::MAX,
        bid_price1: f64::MAX,
        ask_price1: f64::NAN,
        ..tick("rb2005", "20200113", "20200113", "10:00:00", 5)
    };
    let preopen = RawTick {
        update_time: text("19:00:00"),
        action_day: text("20200110"),
        volume: 0,
        ..empty
    };
    let limits = RawTick {
        upper_limit_price: 4000.0,
        ..preopen
    };
    let by_day = "2020-01-13T10:00:00.1+08:00";
    let by_night = "2020-01-10T19:00:00.1+08:00";
    check(&[
        (by_night, preopen, "no_price true"),
        (
            by_night,
            limits,
            "2020-01-10T19:00:00.000 2020-01-13 - [preopen]",
        ),
        (by_day, empty, "no_price false"),
        (
            by_day,
            RawTick {
                upper_limit_price: 4000.0,
                ..empty
            },
            "no_price false",
        ),
        (
            by_day,
            RawTick {
                settlement_price: 3900.0,
                ..empty
            },
            "2020-01-13T10:00:00.000 2020-01-13 5 []",
        ),
        (
            by_day,
            RawTick {
                ask_price1: 3900.0,
                ..empty
            },
            "2020-01-13T10:00:00.000 2020-01-13 0 []",
        ),
    ]);
}

#[test]
fn czce_ticks_of_one_second_are_no_duplicates() {
    let first = tick("SR005", "20200113", "20200113", "10:00:00", 5);
    let second = RawTick {
        bid_volume1: 9,
        ..first
    };
    let expected = "2020-01-13T10:00:00.000 2020-01-13 0 []";
    check(&[
        (
            "2020-01-13T10:00:00.1+08:00",
            first,
            "2020-01-13T10:00:00.000 2020-01-13 - []",
        ),
        ("2020-01-13T10:00:00.6+08:00", second, expected),
        ("2020-01-13T10:00:00.8+08:00", first, expected),
        (
            "2020-01-13T10:00:00.9+08:00",
            first,
            "2020-01-13T10:00:00.000 2020-01-13 0 [duplicate]",
        ),
    ]);
}

#[test]
fn a_night_replayed_in_the_morning_is_not_counted_twice() {
    let at = |time: &str, volume| tick("rb2005", "20200113", "20200110", time, volume);
    check(&[
        (
            "2020-01-10T21:00:00.6+08:00",
            at("21:00:00", 10),
            "2020-01-10T21:00:00.000 2020-01-13 - []",
        ),
        (
            "2020-01-10T22:00:00.6+08:00",
            at("22:00:00", 30),
            "2020-01-10T22:00:00.000 2020-01-13 20 []",
        ),
        (
            "2020-01-13T08:50:00+08:00",
            at("21:00:00", 10),
            "2020-01-10T21:00:00.000 2020-01-13 0 [stale,replayed]",
        ),
        (
            "2020-01-13T08:50:00+08:00",
            at("22:00:00", 30),
            "2020-01-10T22:00:00.000 2020-01-13 0 [stale,replayed]",
        ),
        (
            "2020-01-13T09:00:00.6+08:00",
            tick("rb2005", "20200113", "20200113", "09:00:00", 31),
            "2020-01-13T09:00:00.000 2020-01-13 1 []",
        ),
    ]);
}

#[test]
fn a_late_close_belongs_to_the_day_that_ended() {
    check(&[
        (
            "2020-08-03T18:30:00+08:00",
            raw_row("czce_AP010_20200803_close"),
            "2020-08-03T14:59:59.000 2020-08-03 - [stale]",
        ),
        (
            "2020-08-04T09:00:00.1+08:00",
            tick("AP010", "20200804", "20200804", "09:00:00", 500),
            "2020-08-04T09:00:00.000 2020-08-04 500 []",
        ),
        // On Saturday, with the trading day that comes.
        (
            "2020-08-08T10:00:00+08:00",
            tick("AP010", "20200810", "20200810", "14:59:59", 900),
            "2020-08-07T14:59:59.000 2020-08-07 900 [stale,date_conflict]",
        ),
        // Without a trading day `ActionDay` decides.
        (
            "2020-08-07T20:35:00+08:00",
            tick("rb2010", "", "20200807", "15:00:00", 5),
            "2020-08-07T15:00:00.000 2020-08-07 - [stale]",
        ),
    ]);
}

/// What is seen of rows whose receive times an importer derived.
fn seen_of_import(rows: &[(&str, RawTick)]) -> Vec<String> {
    let mut normalizer = with_receive_times(ReceiveTimes::Derived);
    let mut events = Events::default();
    let rows = rows.iter();
    rows.map(|(recv, tick)| seen(&mut normalizer, &events.tick(recv, *tick)))
        .collect()
}

#[test]
fn a_derived_receive_time_dates_nothing() {
    // Another instrument's row, a day later, stands above.
    let later = "2026-01-07T09:00:00.500+08:00";
    let rows = [
        (later, tick("SR605", "20260105", "20260105", "09:00:00", 9)),
        (later, tick("SR605", "20260105", "20260105", "20:59:00", 3)),
        (later, tick("SR605", "20260106", "20260106", "09:00:00", 5)),
        (later, tick("SR605", "", "", "09:00:00", 5)),
    ];
    assert_eq!(
        seen_of_import(&rows),
        [
            "2026-01-05T09:00:00.000 2026-01-05 - []",
            "2026-01-05T20:59:00.000 2026-01-06 3 []",
            "2026-01-06T09:00:00.000 2026-01-06 2 []",
            "impossible_time true",
        ]
    );
}

#[test]
fn a_row_set_aside_by_an_import_counts_nothing() {
    let rows = [
        (
            "2022-10-19T23:00:00.013+08:00",
            tick("i2301", "20221020", "20221019", "23:00:00", 905),
        ),
        (
            "2022-10-19T23:00:00.013+08:00",
            tick("i2301", "20221021", "20221020", "23:00:00", 905),
        ),
        (
            "2022-10-20T09:00:00.1+08:00",
            tick("i2301", "20221020", "20221020", "09:00:00", 950),
        ),
    ];
    assert_eq!(
        seen_of_import(&rows),
        [
            "2022-10-19T23:00:00.000 2022-10-20 - []",
            "2022-10-20T23:00:00.000 2022-10-21 - [stale]",
            "2022-10-20T09:00:00.000 2022-10-20 45 []",
        ]
    );
}

#[test]
fn an_imported_morning_copy_is_told_by_its_close() {
    let night = "2019-08-30T23:29:59+08:00";
    let rows = [
        (night, raw_row("czce_SR001_20190830_night")),
        (night, raw_row("czce_SR001_20190902_monday_copy")),
        (
            "2019-09-02T09:00:00+08:00",
            raw_row("czce_SR001_20190902_open"),
        ),
    ];
    assert_eq!(
        seen_of_import(&rows),
        [
            "2019-08-30T23:29:59.000 2019-09-02 - []",
            "2019-08-30T23:29:59.000 2019-09-02 0 [replayed,date_conflict]",
            "2019-09-02T09:00:00.000 2019-09-02 6 []",
        ]
    );
}

#[test]
fn a_volume_that_falls_is_flagged() {
    let at = |time: &str, volume| tick("rb2610", "20260526", "20260526", time, volume);
    check(&[
        (
            "2026-05-26T10:00:00.6+08:00",
            at("10:00:00", 1000),
            "2026-05-26T10:00:00.000 2026-05-26 - []",
        ),
        (
            "2026-05-26T10:00:01.1+08:00",
            at("10:00:01", 0),
            "2026-05-26T10:00:01.000 2026-05-26 0 [volume_fell]",
        ),
        (
            "2026-05-26T10:00:02.1+08:00",
            at("10:00:02", 1004),
            "2026-05-26T10:00:02.000 2026-05-26 4 []",
        ),
        (
            "2026-05-26T20:59:00.6+08:00",
            tick("rb2610", "20260527", "20260526", "20:59:00", 7),
            "2026-05-26T20:59:00.000 2026-05-27 7 []",
        ),
    ]);
}

/// The guide has no front that sends one. What a faulty feed has sent stays visible.
#[test]
fn a_negative_count_is_published_as_recorded() {
    let at = |time: &str, volume| tick("rb2610", "20260526", "20260526", time, volume);
    check(&[
        (
            "2026-05-26T10:00:00.6+08:00",
            at("10:00:00", 1000),
            "2026-05-26T10:00:00.000 2026-05-26 - []",
        ),
        (
            "2026-05-26T10:00:01.1+08:00",
            at("10:00:01", -5),
            "2026-05-26T10:00:01.000 2026-05-26 0 [volume_fell]",
        ),
        (
            "2026-05-26T20:59:00.6+08:00",
            tick("rb2610", "20260527", "20260526", "20:59:00", -5),
            "2026-05-26T20:59:00.000 2026-05-27 0 []",
        ),
    ]);
    for (id, turnover, flags) in [("rb2610", -7.0, ""), ("SR609", -7.0, "raw_turnover")] {
        let raw = RawTick {
            turnover,
            open_interest: -3.0,
            pre_open_interest: -2.0,
            ..tick(id, "20260526", "20260526", "10:00:00", 1000)
        };
        let (mut normalizer, mut events) = (builtin(), Events::default());
        let event = events.tick("2026-05-26T10:00:00.6+08:00", raw);
        let Outcome::Tick(tick) = normalizer.apply(&event) else {
            panic!("rejected");
        };
        let found = (tick.turnover, tick.open_interest, tick.pre_open_interest);
        assert_eq!(found, (Some(turnover), Some(-3.0), Some(-2.0)), "{id}");
        assert_eq!(tick.flags.to_string(), flags, "{id}");
    }
}

#[test]
fn the_first_tick_after_a_subscription_is_a_snapshot() {
    let (mut normalizer, mut events) = (builtin(), Events::default());
    let subscribed = |id: &str, error_id| SessionEvent::Subscribed {
        instrument: id.to_owned(),
        error_id,
    };
    let mut flags = |event: SessionEvent, time: &str| {
        assert_eq!(seen(&mut normalizer, &events.session(event)), "session");
        let raw = tick("rb2005", "20200113", "20200113", time, 5);
        let event = events.tick(&format!("2020-01-13T{time}.1+08:00"), raw);
        match normalizer.apply(&event) {
            Outcome::Tick(tick) => tick.flags.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let note = || SessionEvent::Note {
        text: String::new(),
    };
    let login = || SessionEvent::LoginOk {
        trading_day: String::new(),
    };
    assert_eq!(flags(note(), "10:00:00"), "", "a slice announces nothing");
    assert_eq!(flags(subscribed("rb2005", 0), "10:00:01"), "snapshot");
    assert_eq!(flags(note(), "10:00:02"), "");
    assert_eq!(flags(subscribed("rb2010", 0), "10:00:03"), "");
    assert_eq!(flags(subscribed("rb2005", 3), "10:00:04"), "", "refused");
    assert_eq!(flags(login(), "10:00:05"), "snapshot");
    assert_eq!(
        flags(subscribed("rb2005", 0), "10:00:06"),
        "",
        "late answer"
    );
    assert_eq!(flags(subscribed("rb2005", 0), "10:00:07"), "snapshot");
    assert_eq!(
        flags(SessionEvent::FrontConnected {}, "10:00:08"),
        "snapshot"
    );
}

#[test]
fn an_unresolved_announced_id_is_reported_with_its_first_tick() {
    let (mut normalizer, mut events) = (builtin(), Events::default());
    let announce = events.session(SessionEvent::Subscribed {
        instrument: "zzz9999".to_owned(),
        error_id: 0,
    });
    normalizer.apply(&announce);
    let event = events.tick(
        "2020-01-13T10:00:00.1+08:00",
        tick("zzz9999", "20200113", "", "10:00:00", 5),
    );
    assert_eq!(seen(&mut normalizer, &event), "unknown_exchange true");
}

fn contract(id: &str, exchange: Exchange, multiplier: Option<u32>) -> Contract {
    Contract {
        instrument_id: id.to_owned(),
        exchange,
        product_id: "x".to_owned(),
        product_class: ProductClass::Combination,
        multiplier,
        price_tick: None,
        session: SessionClass::N2300,
        name: None,
    }
}

#[test]
fn a_combination_without_multiplier_is_published_raw() {
    let id = "SPD RM601&RM605-and-some-more";
    let mut contracts = ContractTable::builtin();
    contracts.extend([contract(id, Exchange::Czce, None)]);
    let calendar = Arc::new(TradingCalendar::builtin());
    let mut normalizer = Normalizer::new(Arc::new(contracts), calendar, ReceiveTimes::Measured);
    let raw = RawTick {
        last_price: -3.0,
        bid_price1: 0.0,
        ask_price1: 0.0,
        ask_volume1: 0,
        ..tick(id, "20200113", "", "10:00:00", 5)
    };
    let event = Events::default().tick("2020-01-13T10:00:00.1+08:00", raw);
    let Outcome::Tick(tick) = normalizer.apply(&event) else {
        panic!("rejected");
    };
    assert_eq!(tick.last_price, Some(-3.0));
    assert_eq!(tick.bids[0].price, Some(0.0), "a spread may cost nothing");
    assert_eq!(tick.asks[0].price, None, "there is no ask");
    assert_eq!((tick.turnover, tick.average_price), (Some(5000.0), None));
    assert_eq!(tick.flags.to_string(), "raw_turnover");
}

#[test]
fn indices_are_dense_in_order_of_first_appearance() {
    let (mut normalizer, mut events) = (builtin(), Events::default());
    for (id, index) in [("rb2005", 0), ("m2005", 1), ("rb2005", 0), ("SR005", 2)] {
        let event = events.tick(
            "2020-01-13T10:00:00.1+08:00",
            tick(id, "20200113", "", "10:00:00", 5),
        );
        match normalizer.apply(&event) {
            Outcome::Tick(tick) => assert_eq!(tick.instrument.index, index, "{id}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_reject_has_its_own_word() {
    let words: std::collections::BTreeSet<_> = Reject::ALL.iter().map(|r| r.as_str()).collect();
    assert_eq!(words.len(), Reject::ALL.len());
}

fn any_text<const N: usize>(sane: &'static [&'static str]) -> impl Strategy<Value = Text<N>> {
    prop_oneof![
        4 => prop::sample::select(sane).prop_map(text),
        1 => prop::collection::vec(any::<u8>(), 0..N).prop_map(|bytes| Text::new(&bytes).unwrap()),
    ]
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-100_000_i32..100_000).prop_map(|price| f64::from(price) / 5.0),
        Just(f64::MAX),
        Just(0.0),
        Just(-0.0),
    ]
}

prop_compose! {
    fn any_tick()(
        instrument_id in any_text(&["rb2005", "SR005", "m2005", "IF2001", "AP010"]),
        trading_day in any_text(&["20200113", "20200114", "", "99991231", "00010101"]),
        action_day in any_text(&["20200113", "20200110", ""]),
        update_time in any_text(&["10:00:00", "10:00:01", "21:00:00", "00:30:00", ""]),
        (update_millisec, volume) in (prop_oneof![Just(0), any::<i32>()], any::<i32>()),
        numbers in prop::array::uniform10(any_number()),
    ) -> RawTick {
        RawTick {
            instrument_id, trading_day, action_day, update_time, update_millisec, volume,
            last_price: numbers[0], turnover: numbers[1], average_price: numbers[2],
            bid_price1: numbers[3], ask_price1: numbers[4], bid_price3: numbers[5],
            open_price: numbers[6], open_interest: numbers[7], upper_limit_price: numbers[8],
            settlement_price: numbers[9],
            ..RawTick::unset()
        }
    }
}

/// Exchange time and trading day of each tick, in the order of `seq`.
fn dates(events: &[Event], receive_times: ReceiveTimes) -> Vec<Option<(UnixNanos, TradingDay)>> {
    let mut normalizer = with_receive_times(receive_times);
    let mut dates = vec![None; events.len()];
    for event in events {
        if let Outcome::Tick(tick) = normalizer.apply(event) {
            let index = usize::try_from(event.seq.0).unwrap();
            dates[index] = Some((tick.exchange_ts, tick.trading_day));
        }
    }
    dates
}

/// Ticks with plausible dates and times, of a fortnight around a holiday.
fn any_dated_tick() -> impl Strategy<Value = RawTick> {
    let date = || {
        prop_oneof![
            8 => (24..31_u32).prop_map(|day| format!("202509{day:02}")),
            4 => (1..13_u32).prop_map(|day| format!("202510{day:02}")),
            1 => Just(String::new()),
        ]
    };
    let id = prop::sample::select(&["rb2601", "SR601", "m2601", "IF2512", "AP601", "sc2512"][..]);
    (
        id,
        date(),
        date(),
        0..86_400_u32,
        0..1_000_i32,
        any::<bool>(),
    )
        .prop_map(
            |(id, trading_day, action_day, seconds, update_millisec, has_close)| {
                let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                let time = format!("{hour:02}:{minute:02}:{second:02}");
                RawTick {
                    update_millisec,
                    close_price: if has_close { 100.0 } else { f64::MAX },
                    ..tick(id, &trading_day, &action_day, &time, 5)
                }
            },
        )
}

fn any_recv() -> impl Strategy<Value = UnixNanos> {
    let start = instant("2025-09-22T00:00:00+08:00");
    (0..22 * 86_400_000_i64).prop_map(move |millis| start.plus(millis * 1_000_000))
}

fn events_of(ticks: Vec<(RawTick, UnixNanos)>) -> Vec<Event> {
    let event = |(seq, (tick, recv_ts))| Event {
        seq: Seq(seq),
        recv_ts,
        kind: EventKind::Tick(tick),
    };
    (0..).zip(ticks).map(event).collect()
}

proptest! {
    #[test]
    fn prop_no_tick_is_stamped_after_its_receipt(
        ticks in prop::collection::vec((any_dated_tick(), any_recv()), 1..40),
    ) {
        let events = events_of(ticks);
        for (event, date) in events.iter().zip(dates(&events, ReceiveTimes::Measured)) {
            let (exchange_ts, _) = date.unwrap();
            prop_assert!(exchange_ts.since(event.recv_ts) <= 60 * 1_000_000_000, "{event:?}");
        }
    }

    #[test]
    fn prop_by_day_timestamp_and_trading_day_agree(
        ticks in prop::collection::vec((any_dated_tick(), any_recv()), 1..40),
        is_measured in any::<bool>(),
    ) {
        let receive_times = if is_measured { ReceiveTimes::Measured } else { ReceiveTimes::Derived };
        for (exchange_ts, trading_day) in dates(&events_of(ticks), receive_times).into_iter().flatten() {
            let local = exchange_ts.to_shanghai().naive_local();
            if (6..18).contains(&chrono::Timelike::hour(&local)) {
                prop_assert_eq!(local.date(), trading_day.0);
            }
        }
    }

    /// What the clock keeps between rows never changes an answer.
    #[test]
    fn prop_the_order_of_rows_changes_no_date(
        ticks in prop::collection::vec((any_dated_tick(), any_recv()), 1..40),
        is_measured in any::<bool>(),
        order in any::<prop::sample::Index>(),
    ) {
        let receive_times = if is_measured { ReceiveTimes::Measured } else { ReceiveTimes::Derived };
        let events = events_of(ticks);
        let expected = dates(&events, receive_times);
        let mut moved: Vec<Event> = events.iter().rev().cloned().collect();
        let middle = order.index(moved.len());
        moved.rotate_left(middle);
        prop_assert_eq!(dates(&moved, receive_times), expected);
    }
}

proptest! {
    #[test]
    fn prop_every_number_that_comes_out_is_finite_and_no_input_panics(
        ticks in prop::collection::vec((any_tick(), any::<i64>()), 1..20),
    ) {
        let (mut normalizer, mut again) = (builtin(), builtin());
        for (seq, (tick, recv_ts)) in (0..).zip(ticks) {
            let event = Event { seq: Seq(seq), recv_ts: UnixNanos(recv_ts), kind: EventKind::Tick(tick) };
            let outcome = normalizer.apply(&event);
            prop_assert_eq!(format!("{outcome:?}"), format!("{:?}", again.apply(&event)));
            let Outcome::Tick(tick) = outcome else { continue };
            prop_assert!(tick.last_volume.is_none_or(|volume| volume >= 0));
            prop_assert_eq!(tick.exchange_ts.0 % 1_000_000, 0);
            let numbers = [
                tick.last_price, tick.turnover, tick.average_price, tick.open_price,
                tick.open_interest, tick.limit_up, tick.settlement_price, tick.bids[0].price,
                tick.asks[0].price, tick.bids[2].price,
            ];
            for number in numbers.into_iter().flatten() {
                prop_assert!(number.is_finite() && number.to_bits() != (-0.0_f64).to_bits());
            }
        }
    }
}
