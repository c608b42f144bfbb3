//! Every file of the shared folder of real recordings: row counts and values as its README and
//! the files themselves print them. The folder is not part of the repository; without it these
//! tests report that they were skipped.

use super::*;
use crate::export::csv::{CsvLayout, CsvWriter};
use crate::import::{Dialect, RecvTsRule};
use tickdeck_core::source::ReceiveTimes;

/// The folder, or `None` with a word on stderr.
fn folder() -> Option<PathBuf> {
    let default = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("../shared/data");
    let folder = std::env::var_os("TICKDECK_SHARED_DATA").map_or(default, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "SKIPPED: no recorded data at {} (TICKDECK_SHARED_DATA names another folder)",
        folder.display()
    );
    None
}

/// Rows, and how many of them are after 18:00 or before 06:00 by exchange time.
fn night_rows(events: &[Event]) -> usize {
    let night = |tick: &&&RawTick| !(*b"06"..*b"18").contains(&hour(tick));
    ticks(events).iter().filter(night).count()
}

fn hour(tick: &RawTick) -> [u8; 2] {
    *tick.update_time.as_bytes().first_chunk().unwrap()
}

fn count_max(events: &[Event], field: fn(&RawTick) -> f64) -> usize {
    let ticks = ticks(events);
    ticks.iter().filter(|tick| field(tick) == f64::MAX).count()
}

#[test]
fn java_trader_shfe_files_match_their_readme() {
    let Some(folder) = folder() else { return };
    for (day, rows, day_rows, last) in [
        ("20181008", 38536, 24331, "20181008 23:00:00.500"),
        ("20181009", 39541, 26243, "20181009 23:00:00.500"),
        ("20181010", 38421, 24446, "20181010 23:00:00.500"),
    ] {
        let name = format!("java-trader_SHFE_ru1901_{day}.tick-ctp.csv.zst");
        let (events, report) = import(folder.join(name));
        assert_eq!(report.dialects(), [Dialect::CtpCsv]);
        assert_eq!(report.recv_ts_rules(), [RecvTsRule::ExchangeTimeMonotone]);
        assert_eq!(report.rows(), rows);
        let all = events.len();
        assert_eq!(all - night_rows(&events), day_rows);
        assert_ordered(&events);
        assert_eq!(recv(&events[0]), format!("{day} 09:00:00.500"));
        assert_eq!(recv(events.last().unwrap()), last);
        assert_eq!(count_max(&events, |tick| tick.close_price), all - 2);
        assert_eq!(count_max(&events, |tick| tick.settlement_price), all - 2);
        assert_eq!(count_max(&events, |tick| tick.pre_delta), all);
        assert_eq!(count_max(&events, |tick| tick.ask_price5), all);
        assert_eq!(count_max(&events, |tick| tick.last_price), 0);
        // Every row keeps its own exchange time: nothing was out of order.
        let moved = events.iter().filter(|event| {
            let tick = event.as_tick().unwrap();
            recv(event) != exchange_time(tick)
        });
        assert_eq!(moved.count(), 0);
    }
}

/// `ActionDay`, which is right on SHFE, with time and milliseconds.
fn exchange_time(tick: &RawTick) -> String {
    let millis = tick.update_millisec;
    format!("{} {}.{millis:03}", tick.action_day, tick.update_time)
}

#[test]
fn java_trader_czce_files_keep_evening_row_and_duplicate() {
    let Some(folder) = folder() else { return };
    let files = [
        ("AP010_20200803", 12515, "20200731 19:29:00.000"),
        ("AP010_20200804", 11871, "20200803 19:22:55.000"),
        ("AP010_20200805", 12281, "20200804 19:26:52.000"),
        ("AP010_20200806", 12179, "20200805 19:29:42.000"),
        ("AP010_20200807", 13054, "20200806 19:29:41.000"),
        ("AP101_20200803", 8079, "20200731 19:29:00.000"),
        ("AP101_20200804", 7627, "20200803 19:22:55.000"),
        ("AP101_20200805", 8575, "20200804 19:26:52.000"),
        ("AP101_20200806", 7345, "20200805 19:29:42.000"),
        ("AP101_20200807", 9274, "20200806 19:29:41.000"),
    ];
    let mut paths = Vec::new();
    for (file, rows, first) in files {
        let path = folder.join(format!("java-trader_CZCE_{file}.tick-ctp.csv.zst"));
        let (events, report) = import(&path);
        assert_eq!(report.rows(), rows, "{file}");
        assert_ordered(&events);
        assert_eq!(recv(&events[0]), first);
        assert_eq!(recv(&events[1])[9..], *"08:59:00.000");
        let all = events.len();
        assert_eq!(count_max(&events, |tick| tick.settlement_price), all - 2);
        assert_eq!(count_max(&events, |tick| tick.bid_price2), 0);
        let ticks = ticks(&events);
        assert_eq!(ticks[all - 1], ticks[all - 2]);
        paths.push(path);
    }
    // All ten as one session, in time order over instruments and days.
    let (events, report) = import_with(&paths, ImportOptions::default()).unwrap();
    assert_eq!(
        report.rows(),
        files.iter().map(|(_, rows, _)| rows).sum::<u64>()
    );
    assert_ordered(&events);
}

#[test]
fn java_trader_files_round_trip_with_every_value() {
    let Some(folder) = folder() else { return };
    for file in [
        "SHFE_ru1901_20181008",
        "CZCE_AP010_20200803",
        "CZCE_AP101_20200807",
    ] {
        let name = format!("java-trader_{file}.tick-ctp.csv.zst");
        let (events, _) = import(folder.join(name));
        let mut writer =
            CsvWriter::new(Vec::new(), CsvLayout::JavaTrader, ReceiveTimes::Measured).unwrap();
        writer.write(&events).unwrap();
        assert_eq!(writer.left_out(), 0);
        let (_folder, path) = super::file("again.csv", writer.finish().unwrap());
        let (again, report) = import(path);
        assert_eq!(report.dialects(), [Dialect::CtpCsv]);
        assert!(again == events, "{file}");
    }
}

/// One tar of `tick_data_clean`: rows, night rows, rows after midnight.
#[track_caller]
fn check_tar(part: &str, instruments: usize, rows: u64, night: usize, after_midnight: usize) {
    let Some(folder) = folder() else { return };
    let (events, report) = import(folder.join(format!("tick_data_clean_{part}_20171113.tar.zst")));
    assert_eq!(report.dialects(), [Dialect::TickDataClean]);
    assert_eq!(report.inputs.len(), instruments);
    assert_eq!(report.rows(), rows);
    assert_ordered(&events);
    assert_eq!(night_rows(&events), night);
    let early = ticks(&events)
        .into_iter()
        .filter(|tick| hour(tick) < *b"06");
    assert_eq!(early.count(), after_midnight);
    assert_eq!(count_max(&events, |tick| tick.last_price), 0);
    for event in &events {
        let tick = event.as_tick().unwrap();
        assert_eq!(tick.trading_day.as_bytes(), b"20171113");
        assert_eq!(recv(event), exchange_time(tick));
        let date = match hour(tick) {
            hour if hour < *b"06" => "20171111",
            hour if hour >= *b"18" => "20171110",
            _ => "20171113",
        };
        assert_eq!(tick.action_day.as_bytes(), date.as_bytes());
    }
}

#[test]
fn tick_data_clean_czce_futures_are_complete() {
    check_tar("CZCE_futures", 37, 279_720, 99769, 0);
}

#[test]
fn tick_data_clean_cffex_futures_are_complete() {
    check_tar("CFFEX_futures", 11, 137_261, 0, 0);
}

#[test]
fn tick_data_clean_czce_options_are_complete() {
    check_tar("CZCE_options", 49, 69160, 35162, 0);
}

#[test]
fn tick_data_clean_dce_futures_are_complete() {
    check_tar("DCE_futures", 43, 421_512, 108_486, 0);
}

#[test]
fn tick_data_clean_shfe_futures_are_complete() {
    check_tar("SHFE_futures", 76, 951_468, 397_159, 63885);
}

#[test]
fn tick_data_clean_dce_options_are_complete() {
    check_tar("DCE_options", 66, 81402, 12712, 0);
}

#[test]
fn wondertrader_files_and_their_decoded_csv_are_the_same_ticks() {
    let Some(folder) = folder() else { return };
    for (day, rows, first, last, settled) in [
        ("20210104", 27955, "09:29:00.400", "15:35:19.400", 2),
        ("20210105", 28254, "09:29:00.200", "15:36:15.700", 3),
    ] {
        let name = format!("wondertrader_CFFEX.IF.HOT_tick_{day}");
        let (dsb, report) = import(folder.join(format!("{name}.dsb")));
        assert_eq!(report.dialects(), [Dialect::WonderTraderDsb]);
        let (csv, report) = import(folder.join(format!("{name}.decoded.csv.zst")));
        assert_eq!(report.dialects(), [Dialect::WonderTrader]);
        assert_eq!(report.rows(), rows);
        assert!(dsb == csv, "{day}");
        assert_ordered(&csv);
        assert_eq!(recv(&csv[0]), format!("{day} {first}"));
        assert_eq!(recv(csv.last().unwrap()), format!("{day} {last}"));
        let unsettled = count_max(&csv, |tick| tick.settlement_price);
        assert_eq!(csv.len() - unsettled, settled);
        assert_eq!(count_max(&csv, |tick| tick.bid_price2), csv.len());
        assert_eq!(count_max(&csv, |tick| tick.upper_limit_price), 0);
    }
}

#[test]
fn ctp_in_matlab_files_have_dbl_max_in_every_close_price() {
    let Some(folder) = folder() else { return };
    for (id, rows, first, last) in [
        ("IF1410", 13542, "10:04:21.200", "13:56:58.700"),
        ("rb1501", 8391, "10:04:20.500", "11:30:00.500"),
        ("rb1502", 10, "13:56:12.000", "13:56:59.500"),
    ] {
        let (events, report) = import(folder.join(format!("ctp_in_matlab_20141014{id}.csv.zst")));
        assert_eq!(report.dialects(), [Dialect::CtpInMatlab]);
        assert_eq!(report.rows(), rows);
        assert_ordered(&events);
        assert_eq!(recv(&events[0]), format!("20141014 {first}"));
        assert_eq!(recv(events.last().unwrap()), format!("20141014 {last}"));
        assert_eq!(count_max(&events, |tick| tick.close_price), events.len());
        assert_eq!(count_max(&events, |tick| tick.average_price), 0);
        assert_eq!(ticks(&events)[0].instrument_id.as_bytes(), id.as_bytes());
    }
}

#[test]
fn vnpy_legacy_file_is_complete() {
    let Some(folder) = folder() else { return };
    let (events, report) = import(folder.join("vnpy_RM705-2017-03-20.csv.zst"));
    assert_eq!(report.dialects(), [Dialect::VnpyLegacy]);
    assert_eq!(report.rows(), 16979);
    assert_ordered(&events);
    assert_eq!(recv(&events[0]), "20170320 09:00:00.500");
    let last = ticks(&events)[16978];
    assert_eq!(recv(&events[16978]), "20170320 14:24:27.500");
    assert_eq!((last.last_price, last.bid_volume1), (2412.0, 174));
    assert_eq!((last.ask_price1, last.ask_volume1), (2413.0, 88));
}

/// The CSV entries are dumps; the JSON and Python ones become a line of JSON each.
#[test]
fn quoted_rows_are_the_values_that_they_print() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("quoted_rows.jsonl")).unwrap();
    let mut rows = 0;
    let mut garbage = 0;
    for line in text.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let quoted = entry["text"].as_str().unwrap();
        let (name, content) = match entry["format"].as_str().unwrap() {
            "csv" => ("x.csv", quoted.to_owned()),
            "json" => {
                let (_, object) = quoted.split_once("\"QryDepthMarketData\":").unwrap();
                let (object, _) = object.rsplit_once('}').unwrap();
                ("x.jsonl", object.replace('\n', ""))
            }
            _ => ("x.jsonl", quoted.replace("b'", "'").replace('\'', "\"")),
        };
        let (_folder, path) = file(name, content);
        let (events, report) = import(path);
        assert_ordered(&events);
        rows += report.rows();
        for tick in ticks(&events) {
            assert_eq!(tick.update_time.as_bytes().len(), 8);
            if tick.reserve1.as_bytes() == b"zn2402" {
                assert_eq!(tick.instrument_id.as_bytes(), b"X\x02\x0cz\x7f");
                assert_eq!(tick.banding_upper_price, 6.92493101914975e-310);
                garbage += 1;
            }
        }
        let hibook = entry["text"].as_str().unwrap().starts_with("TimeStamp");
        let dialect = match (name, hibook) {
            ("x.csv", true) => Dialect::CtpRecorder,
            ("x.csv", false) => Dialect::CtpCsv,
            _ => Dialect::CtpJsonl,
        };
        assert_eq!(report.dialects(), [dialect]);
    }
    assert_eq!((rows, garbage), (13, 1));
}
