//! Each way in which input can be bad, with its message.

use insta::assert_snapshot;

use super::*;
use crate::import::Dialect;

/// The error of importing `content` under `name`, with the folder's name taken out.
fn error_with(name: &str, content: impl AsRef<[u8]>, options: ImportOptions) -> String {
    let (folder, path) = file(name, content);
    let error = import_with(&[path], options).unwrap_err();
    let prefix = format!("{}/", folder.path().display());
    chain(error).replace(&prefix, "")
}

/// The error and its causes, as the command line prints them.
fn chain(error: ImportError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

fn error(name: &str, content: impl AsRef<[u8]>) -> String {
    error_with(name, content, ImportOptions::default())
}

const LEGACY: &str = "symbol,date,time,lastPrice,bidVolume1\nRM705,20170320,09:00:00,1,2\n";

#[test]
fn a_bad_value_names_row_column_value_and_expectation() {
    let row = |row: &str| error("x.csv", format!("{LEGACY}{row}\n"));
    assert_snapshot!(row("RM705,20170320,09:00:00,1x,2"), @r#"x.csv: row 3, column lastPrice: found "1x", expected a number"#);
    assert_snapshot!(row("RM705,20170320,09:00:00,1,2.5"), @r#"x.csv: row 3, column bidVolume1: found "2.5", expected a whole 32-bit number"#);
    assert_snapshot!(row("RM705,20170320,9:00:00,1,2"), @r#"x.csv: row 3, column time: found "9:00:00", expected a time HH:MM:SS with or without a fraction"#);
    assert_snapshot!(row("RM705,20170231,09:00:00,1,2"), @r#"x.csv: row 3, column date: found "20170231", expected a date YYYYMMDD"#);
    assert_snapshot!(row("RM705,20170320,09:00:00,1"), @"x.csv: row 3, 4 columns, expected 5");
    assert_snapshot!(row("RM705,20170320,09:00:00,1,2,3"), @"x.csv: row 3, 6 columns, expected 5");
    assert_snapshot!(row(&format!("{},20170320,09:00:00,1,2", "R".repeat(90))), @r#"x.csv: row 3, column symbol: found "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR…", expected at most 81 bytes of text"#);
}

#[test]
fn a_bad_row_of_the_java_trader_struct_names_the_ctp_field() {
    let good = std::fs::read_to_string(fixture("java_trader_SR001_20190830_pushed_again.csv"));
    let good = good.unwrap();
    assert_snapshot!(error("x.csv", good.replace(",5364.00,", ",none,")), @r#"x.csv: row 2, column PreSettlementPrice: found "none", expected a number"#);
    assert_snapshot!(error("x.csv", good.replace("09:00:00,000", "09:00:00,1000")), @r#"x.csv: row 4, column UpdateMillisec: found "1000", expected 0 to 999"#);
    assert_snapshot!(error("x.csv", good.replace("20190902,SR001", "2019-9-2,SR001")), @r#"x.csv: row 3, column TradingDay: found "2019-9-2", expected a date YYYYMMDD, or nothing"#);
    assert_snapshot!(error("x.csv", good.replace("20190902,SR001", "20190932,SR001")), @r#"x.csv: row 3, column TradingDay: found "20190932", expected a date YYYYMMDD, or nothing"#);
    assert_snapshot!(error("x.csv", good.replace("23:29:59", "")), @r#"x.csv: row 2, column UpdateTime: found "", expected a time HH:MM:SS in the first row: its recv_ts is derived from it"#);
}

#[test]
fn a_bad_json_line_says_what_is_wrong_with_it() {
    let good = r#"{"TradingDay":"20260105","UpdateTime":"09:00:00","InstrumentID":"rb2605"}"#;
    let row = |row: &str| error("x.jsonl", format!("{good}\n{row}\n"));
    assert_snapshot!(row(r#"{"LastPrice":"#), @"x.jsonl: row 2, not a JSON object: a key has no value");
    assert_snapshot!(row(r#"{"Volume":1.5}"#), @r#"x.jsonl: row 2, column Volume: found "1.5", expected a whole 32-bit number"#);
    assert_snapshot!(row(r#"{"LastPrise":1}"#), @r#"x.jsonl: row 2, column LastPrise: found "1", expected a CTP field name as key, or seq, recv_ts, kind, detail"#);
    assert_snapshot!(row(r#"{"InstrumentID":5}"#), @r#"x.jsonl: row 2, column InstrumentID: found "5", expected a JSON string"#);
    assert_snapshot!(row(r#"{"InstrumentID":"螺纹"}"#), @r#"x.jsonl: row 2, column InstrumentID: found "螺纹", expected text of the characters U+0000 to U+00FF, one for each byte"#);
    assert_snapshot!(row(r#"{"LastPrice":1} tail"#), @r#"x.jsonl: row 2, "tail" after the JSON object"#);
    assert_snapshot!(row(r#"{"kind":"rumour","recv_ts":1}"#), @r#"x.jsonl: row 2, column kind: found "rumour", expected tick, or a session event with its detail (unknown variant `rumour`, expected one of `front_connected`, `front_disconnected`, `login_ok`, `login_failed`, `subscribed`, `heartbeat_warning`, `heartbeat_lost`, `library_error`, `overflow`, `note`)"#);
    assert_snapshot!(row(r#"{"kind":"heartbeat_lost","detail":{}}"#), @r#"x.jsonl: row 2, column recv_ts: found "", expected a receive time: the row is a session event"#);
    assert_snapshot!(row("[1]"), @r#"x.jsonl: row 2, not a JSON object: expected '{' before "[1]""#);
}

#[test]
fn a_file_that_no_dialect_fits_says_what_was_seen() {
    assert_snapshot!(error("x.csv", "a,b,c\n1,2,3\n"), @r#"x.csv: no dialect fits its first line "a,b,c" (none of its columns is known)"#);
    assert_snapshot!(error("x.csv", "symbol,date,time,lastPrice,mood\n"), @r#"x.csv: no dialect fits its first line "symbol,date,time,lastPrice,mood" (nearest is vnpy-legacy: unknown column "mood")"#);
    assert_snapshot!(error("x_20171113.csv", "09:00,1,1,2,1,1,1,10\n"), @r#"x_20171113.csv: no dialect fits its first line "09:00,1,1,2,1,1,1,10" (nearest is tick-data-clean: in the first row, column UpdateTime.UpdateMillisec: found "09:00", expected a time HH:MM:SS.m, m a count of milliseconds)"#);
    assert_snapshot!(error("x.jsonl", "{\"price\":1}\n"), @r#"x.jsonl: no dialect fits its first line "{"price":1}" (nearest is ctp-jsonl: in the first row, column price: found "1", expected a CTP field name as key, or seq, recv_ts, kind, detail)"#);
    assert_snapshot!(error("x.csv", b"\0\0\0\0"), @r#"x.csv: no dialect fits its first line "\u{0}\u{0}\u{0}\u{0}" (none of its columns is known)"#);
}

#[test]
fn a_forced_dialect_that_does_not_fit_says_why() {
    let forced = |dialect, content: &str| {
        let options = ImportOptions {
            dialect: Some(dialect),
            ..ImportOptions::default()
        };
        error_with("x.csv", content, options)
    };
    assert_snapshot!(forced(Dialect::CtpCsv, LEGACY), @r#"x.csv: not in the dialect ctp-csv: its header has no column UpdateTime, unknown columns "symbol", "date", "time""#);
    assert_snapshot!(forced(Dialect::TickDataClean, LEGACY), @"x.csv: not in the dialect tick-data-clean: 5 columns, expected 8");
    assert_snapshot!(forced(Dialect::WonderTraderDsb, LEGACY), @"x.csv: not in the dialect wondertrader-dsb: no .dsb magic at its start");
    assert_snapshot!(forced(Dialect::CtpJsonl, LEGACY), @"x.csv: not in the dialect ctp-jsonl: its first line is not a JSON object");
    assert_snapshot!("excel".parse::<Dialect>().unwrap_err(), @r#"unknown dialect "excel", expected one of ctp-csv, tick-data-clean, wondertrader, wondertrader-dsb, ctp-in-matlab, vnpy-legacy, vnpy, tqsdk, ctp-recorder, ctp-jsonl, tickdeck"#);
}

#[test]
fn what_neither_rows_nor_name_give_must_be_said() {
    let row = "09:00:00.0,1,1,2,1,1,1,10\n";
    assert_snapshot!(error("ticks.csv", row), @"ticks.csv: the dialect tick-data-clean does not record the trading day and the file name does not give it (expected <instrument>_<YYYYMMDD>.csv)");
    let options = ImportOptions {
        trading_day: tickdeck_core::time::TradingDay::parse_ctp(b"20171113"),
        ..ImportOptions::default()
    };
    assert_snapshot!(error_with("ticks.csv", row, options), @"ticks.csv: the dialect tick-data-clean does not record the instrument and the file name does not give it (expected <instrument>_<YYYYMMDD>.csv)");
    let options = ImportOptions {
        symbol: Some(String::new()),
        ..ImportOptions::default()
    };
    assert_snapshot!(error_with("ticks.csv", row, options), @r#"the symbol "" is not an instrument id: expected 1 to 80 bytes"#);
}

#[test]
fn unreadable_empty_and_cut_files_are_said_to_be_so() {
    assert_snapshot!(chain(import_with(&[], ImportOptions::default()).unwrap_err()), @"nothing to import: name at least one file");
    let nowhere = [PathBuf::from("/nowhere/x.csv")];
    assert_snapshot!(chain(import_with(&nowhere, ImportOptions::default()).unwrap_err()), @"/nowhere/x.csv does not exist");
    let folder = [PathBuf::from("/")];
    assert_snapshot!(chain(import_with(&folder, ImportOptions::default()).unwrap_err()), @"/ is a folder: name the files in it");
    assert_snapshot!(error("x.csv", ""), @"x.csv holds no data: every file is empty");
    let packed = zstd::encode_all(LEGACY.as_bytes(), 3).unwrap();
    assert_snapshot!(error("x.csv.zst", &packed[..packed.len() - 4]), @"reading x.csv.zst: incomplete frame");
    let dsb = std::fs::read(fixture("wondertrader_IF2101_20210104.dsb")).unwrap();
    assert_snapshot!(error("x.dsb", &dsb[..dsb.len() - 4]), @"x.dsb: 268 bytes after the .dsb header, expected 272 as the header states");
    assert_snapshot!(error("x.dsb", &dsb[..12]), @"x.dsb: 12 bytes, expected at least the 20 of a .dsb header");
    let mut newer = dsb;
    newer[10] = 3;
    assert_snapshot!(error("x.dsb", newer), @"x.dsb: .dsb block of type 24 version 3, expected type 24 version 2 (compressed ticks)");
}

#[test]
fn skip_bad_counts_bad_rows_and_keeps_the_rest() {
    let text = format!("{LEGACY}RM705,x,09:00:00,1,2\nRM705,20170320,09:00:01,1,2\nshort\n");
    let (_folder, path) = file("x.csv", text);
    let options = ImportOptions {
        skip_bad: true,
        ..ImportOptions::default()
    };
    let (events, report) = import_with(std::slice::from_ref(&path), options).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(report.skipped(), 2);
    let said: Vec<String> = report.bad_rows.iter().map(ToString::to_string).collect();
    let said = said.join("\n");
    let said = said.replace(&format!("{}/", path.parent().unwrap().display()), "");
    assert_snapshot!(said, @r#"
    x.csv: row 3, column date: found "x", expected a date YYYYMMDD
    x.csv: row 5, 1 columns, expected 5
    "#);
}

#[test]
fn only_events_before_a_bad_row_are_read() {
    let (_folder, path) = file(
        "x.csv",
        format!("{LEGACY}RM705,20170320,09:00:01,1,2\nshort\n"),
    );
    let mut source = open(&[path], ImportOptions::default()).unwrap();
    let mut events = Vec::new();
    assert!(source.next_batch(&mut events, 100).is_err());
    assert_eq!(events.len(), 2);
    let again = source.next_batch(&mut events, 100).unwrap_err();
    assert_snapshot!(again, @"the import stopped at an earlier error");
    assert_eq!(events.len(), 2);
}
