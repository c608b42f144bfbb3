//! Every dialect on a few rows, each value against what the row prints.

use tickdeck_core::event::{EventKind, SessionEvent};

use super::*;
use crate::import::{Dialect, RecvTsRule};

/// Dialect as detected, rows, and first and last `recv_ts`.
#[track_caller]
fn check(name: &str, dialect: Dialect, rows: u64, first: &str, last: &str) -> Vec<Event> {
    let (events, report) = import(fixture(name));
    assert_eq!(report.dialects(), [dialect]);
    assert_eq!(report.rows(), rows);
    assert_eq!(report.skipped(), 0);
    assert_eq!(report.bytes_read, report.bytes_total);
    assert_ordered(&events);
    assert_eq!(recv(&events[0]), first);
    assert_eq!(recv(events.last().unwrap()), last);
    events
}

#[test]
fn java_trader_rows_are_the_whole_struct_with_na_as_dbl_max() {
    let events = check(
        "java_trader_ru1901_20181008_close_and_night.csv",
        Dialect::CtpCsv,
        3,
        "20181008 09:00:00.500",
        "20181008 21:00:00.500",
    );
    let ticks = ticks(&events);
    let first = ticks[0];
    assert_eq!(first.instrument_id.as_bytes(), b"ru1901");
    assert_eq!(first.last_price, 12485.0);
    assert_eq!(first.volume, 3174);
    assert_eq!(first.turnover, 396_132_700.0);
    assert_eq!(first.average_price, 124_805.513_5);
    assert_eq!(first.bid_price2, f64::MAX);
    assert_eq!(first.banding_upper_price, f64::MAX);
    assert_eq!(ticks[1].settlement_price, 12310.0);
    assert_eq!(ticks[2].trading_day.as_bytes(), b"20181009");
    assert_eq!(ticks[2].action_day.as_bytes(), b"20181008");
}

#[test]
fn the_evening_row_of_a_day_product_comes_before_its_day() {
    let events = check(
        "java_trader_AP010_20200803_evening_row.csv",
        Dialect::CtpCsv,
        3,
        "20200731 19:29:00.000",
        "20200803 14:59:59.000",
    );
    assert_eq!(ticks(&events)[0].bid_price1, 0.0);
    assert_eq!(ticks(&events)[0].settlement_price, f64::MAX);
}

#[test]
fn java_trader_without_quotes_is_the_same_dialect() {
    let events = check(
        "java_trader_SR001_20190830_pushed_again.csv",
        Dialect::CtpCsv,
        3,
        "20190830 23:29:59.000",
        "20190902 09:00:00.000",
    );
    // The copy that CTP pushed on Monday morning stays where the night tick was.
    assert_eq!(recv(&events[1]), "20190830 23:29:59.000");
}

#[test]
fn tick_data_clean_takes_instrument_and_day_from_the_name() {
    let events = check(
        "zz1801_20171113.csv",
        Dialect::TickDataClean,
        5,
        "20171110 20:59:00.097",
        "20171113 09:00:00.387",
    );
    assert_eq!(recv(&events[2]), "20171110 23:59:59.990");
    assert_eq!(recv(&events[3]), "20171111 01:00:00.005");
    let night = ticks(&events)[3];
    assert_eq!(night.instrument_id.as_bytes(), b"zz1801");
    assert_eq!(night.trading_day.as_bytes(), b"20171113");
    assert_eq!(night.action_day.as_bytes(), b"20171111");
    assert_eq!((night.bid_price1, night.bid_volume1), (3661.0, 1));
    assert_eq!((night.ask_price1, night.ask_volume1), (3662.0, 6));
    assert_eq!((night.last_price, night.volume), (3657.0, 686));
    assert_eq!(night.upper_limit_price, f64::MAX);
    assert_eq!(ticks(&events)[1].open_interest, 1_773_500.0);
    // What the dump does not record is missing, not zero.
    for absent in [night.turnover, night.pre_open_interest, night.average_price] {
        assert_eq!(absent, f64::MAX);
    }
}

#[test]
fn ctp_in_matlab_reads_cut_dbl_max_and_keeps_order() {
    let events = check(
        "20141014zz1410.csv",
        Dialect::CtpInMatlab,
        2,
        "20141014 10:04:21.200",
        "20141014 10:04:21.200",
    );
    let ticks = ticks(&events);
    assert_eq!(ticks[0].close_price, f64::MAX);
    assert_eq!(ticks[0].turnover, 8.32335e10);
    assert_eq!(ticks[1].update_millisec, 0);
    assert_eq!(ticks[1].pre_settlement_price, 2450.6);
}

#[test]
fn wondertrader_csv_and_binary_are_the_same_ticks() {
    let expect = |name, dialect| {
        check(
            name,
            dialect,
            3,
            "20210104 09:29:00.400",
            "20210104 15:35:19.400",
        )
    };
    let csv = expect("wondertrader_IF2101_20210104.csv", Dialect::WonderTrader);
    let dsb = expect("wondertrader_IF2101_20210104.dsb", Dialect::WonderTraderDsb);
    assert_eq!(csv, dsb);
    let tick = ticks(&csv)[0];
    assert_eq!(tick.exchange_id.as_bytes(), b"CFFEX");
    assert_eq!(tick.instrument_id.as_bytes(), b"IF2101");
    assert_eq!((tick.volume, tick.turnover), (240, 376_560_000.0));
    assert_eq!(tick.update_time.as_bytes(), b"09:29:00");
    assert_eq!((tick.ask_price1, tick.ask_volume1), (5230.8, 2));
    // WonderTrader's 0 for a missing price is CTP's DBL_MAX again.
    assert_eq!((tick.bid_price2, tick.bid_volume2), (f64::MAX, 0));
    assert_eq!(tick.settlement_price, f64::MAX);
    assert_eq!(ticks(&csv)[2].settlement_price, 5278.6);
}

#[test]
fn vnpy_legacy_gives_the_calendar_date_and_float_volumes() {
    let events = check(
        "vnpy_legacy_RM705_20170320.csv",
        Dialect::VnpyLegacy,
        3,
        "20170320 09:00:00.500",
        "20170320 09:00:01.500",
    );
    let tick = ticks(&events)[0];
    assert_eq!(tick.trading_day.as_bytes(), b"20170320");
    assert_eq!(tick.action_day.as_bytes(), b"20170320");
    assert_eq!((tick.bid_price1, tick.bid_volume1), (2372.0, 264));
    // This file has no volume, and a count cannot be missing; the rest is not recorded either.
    assert_eq!((tick.last_price, tick.volume), (2374.0, 0));
    let money = [tick.turnover, tick.average_price];
    assert_eq!(money, [f64::MAX; 2]);
    let interest = [tick.open_interest, tick.pre_open_interest];
    assert_eq!(interest, [f64::MAX; 2]);
}

#[test]
fn vnpy_rows_have_a_receive_time_with_localtime() {
    let events = check(
        "vnpy_made_up.csv",
        Dialect::Vnpy,
        2,
        "20260105 21:00:00.523",
        "20260105 21:00:01.000",
    );
    let (_, report) = import(fixture("vnpy_made_up.csv"));
    assert_eq!(report.recv_ts_rules(), [RecvTsRule::Recorded]);
    let ticks = ticks(&events);
    assert_eq!(ticks[0].trading_day.as_bytes(), b"20260106");
    assert_eq!(ticks[0].action_day.as_bytes(), b"20260105");
    assert_eq!(ticks[0].volume, 1200);
    assert_eq!(ticks[0].bid_price2, f64::MAX);
    // On CZCE the missing price is 0 in the struct too.
    assert_eq!(ticks[1].bid_price1, 0.0);
}

#[test]
fn ctp_recorder_keeps_the_receive_clock() {
    let events = check(
        "ctp_recorder_made_up.csv",
        Dialect::CtpRecorder,
        2,
        "20191031 20:35:21.705",
        "20191031 20:35:21.723",
    );
    assert_eq!(events[0].recv_ts.0 % 1_000_000_000, 705_328_000);
    let ticks = ticks(&events);
    assert_eq!(ticks[0].trading_day.as_bytes(), b"20191101");
    assert_eq!(ticks[0].update_time.as_bytes(), b"18:50:32");
    assert_eq!(ticks[0].update_millisec, 500);
    assert_eq!(ticks[0].curr_delta, f64::MAX);
    assert!(ticks[1].settlement_price.is_nan());
}

#[test]
fn ctp_jsonl_takes_our_export_and_plain_ctp_objects() {
    let events = check(
        "ctp_jsonl_made_up.jsonl",
        Dialect::CtpJsonl,
        3,
        "20260105 08:59:59.000",
        "20260105 09:00:01.000",
    );
    let login = SessionEvent::LoginOk {
        trading_day: "20260105".into(),
    };
    assert_eq!(events[0].kind, EventKind::Session(login));
    let ticks = ticks(&events);
    assert_eq!(ticks[0].bid_price1, f64::MAX);
    assert!(ticks[0].close_price.is_nan());
    assert_eq!(ticks[1].instrument_id.as_bytes(), b"caf\xe9");
    assert_eq!(ticks[1].ask_price1.to_bits(), (-0.0_f64).to_bits());
    assert_eq!(ticks[1].last_price, 3111.0);
    assert_eq!(ticks[1].settlement_price, f64::MAX);
    assert!(ticks[1].average_price.is_nan());
}
