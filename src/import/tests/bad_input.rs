//! Each way in which input can be bad, with the sentence that says so.

use insta::assert_snapshot;

use super::*;
use crate::import::Dialect;

/// The error of importing `content` under `name`, with the folder's name taken out.
fn error_with(name: &str, content: impl AsRef<[u8]>, options: ImportOptions) -> String {
    let (folder, path) = file(name, content);
    let error = import_with(&[path], options).unwrap_err();
    let prefix = format!("{}/", folder.path().display());
    error.to_string().replace(&prefix, "")
}

fn error(name: &str, content: impl AsRef<[u8]>) -> String {
    error_with(name, content, ImportOptions::default())
}

const LEGACY: &str = "symbol,date,time,lastPrice,bidVolume1\nRM705,20170320,09:00:00,1,2\n";

#[test]
fn a_bad_value_names_row_column_value_and_expectation() {
    let row = |row: &str| error("x.csv", format!("{LEGACY}{row}\n"));
    assert_snapshot!(row("RM705,20170320,09:00:00,1x,2"), @"");
    assert_snapshot!(row("RM705,20170320,09:00:00,,2"), @"");
    assert_snapshot!(row("RM705,20170320,09:00:00,1,2.5"), @"");
    assert_snapshot!(row("RM705,20170320,9:00:00,1,2"), @"");
    assert_snapshot!(row("RM705,20170231,09:00:00,1,2"), @"");
    assert_snapshot!(row("RM705,20170320,09:00:00,1"), @"");
    assert_snapshot!(row("RM705,20170320,09:00:00,1,2,3"), @"");
    assert_snapshot!(row(&format!("{},20170320,09:00:00,1,2", "R".repeat(90))), @"");
}

#[test]
fn a_bad_row_of_the_java_trader_struct_names_the_ctp_field() {
    let good = std::fs::read_to_string(fixture("java_trader_SR001_20190830_pushed_again.csv"));
    let good = good.unwrap();
    assert_snapshot!(error("x.csv", good.replace(",5364.00,", ",none,")), @"");
    assert_snapshot!(error("x.csv", good.replace("09:00:00,000", "09:00:00,1000")), @"");
    assert_snapshot!(error("x.csv", good.replace("20190902,SR001", "2019-09-02,SR001")), @"");
    assert_snapshot!(error("x.csv", good.replace("20190902,SR001", "20190932,SR001")), @"");
    assert_snapshot!(error("x.csv", good.replace("23:29:59", "")), @"");
}

#[test]
fn a_bad_json_line_says_what_is_wrong_with_it() {
    let good = r#"{"TradingDay":"20260105","UpdateTime":"09:00:00","InstrumentID":"rb2605"}"#;
    let row = |row: &str| error("x.jsonl", format!("{good}\n{row}\n"));
    assert_snapshot!(row(r#"{"LastPrice":"#), @"");
    assert_snapshot!(row(r#"{"Volume":1.5}"#), @"");
    assert_snapshot!(row(r#"{"LastPrise":1}"#), @"");
    assert_snapshot!(row(r#"{"InstrumentID":5}"#), @"");
    assert_snapshot!(row(r#"{"InstrumentID":"螺纹"}"#), @"");
    assert_snapshot!(row(r#"{"LastPrice":1} tail"#), @"");
    assert_snapshot!(row(r#"{"kind":"rumour","recv_ts":1}"#), @"");
    assert_snapshot!(row(r#"{"kind":"heartbeat_lost","detail":{}}"#), @"");
    assert_snapshot!(row("[1]"), @"");
}

#[test]
fn a_file_that_no_dialect_fits_says_what_was_seen() {
    assert_snapshot!(error("x.csv", "a,b,c\n1,2,3\n"), @"");
    assert_snapshot!(error("x.csv", "symbol,date,time,lastPrice,mood\n"), @"");
    assert_snapshot!(error("x_20171113.csv", "09:00,1,1,2,1,1,1,10\n"), @"");
    assert_snapshot!(error("x.jsonl", "{\"price\":1}\n"), @"");
    assert_snapshot!(error("x.csv", b"\0\0\0\0"), @"");
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
    assert_snapshot!(forced(Dialect::JavaTrader, LEGACY), @"");
    assert_snapshot!(forced(Dialect::TickDataClean, LEGACY), @"");
    assert_snapshot!(forced(Dialect::WonderTraderDsb, LEGACY), @"");
    assert_snapshot!(forced(Dialect::CtpJsonl, LEGACY), @"");
    assert_snapshot!("excel".parse::<Dialect>().unwrap_err(), @"");
}

#[test]
fn what_neither_rows_nor_name_give_must_be_said() {
    let row = "09:00:00.0,1,1,2,1,1,1,10\n";
    assert_snapshot!(error("ticks.csv", row), @"");
    let options = ImportOptions {
        trading_day: crate::time::TradingDay::parse_ctp(b"20171113"),
        ..ImportOptions::default()
    };
    assert_snapshot!(error_with("ticks.csv", row, options), @"");
    let options = ImportOptions {
        symbol: Some(String::new()),
        ..ImportOptions::default()
    };
    assert_snapshot!(error_with("ticks.csv", row, options), @"");
}

#[test]
fn unreadable_empty_and_cut_files_are_said_to_be_so() {
    assert_snapshot!(import_with(&[], ImportOptions::default()).unwrap_err(), @"");
    let nowhere = [PathBuf::from("/nowhere/x.csv")];
    assert_snapshot!(import_with(&nowhere, ImportOptions::default()).unwrap_err(), @"");
    let folder = [PathBuf::from("/")];
    assert_snapshot!(import_with(&folder, ImportOptions::default()).unwrap_err(), @"");
    assert_snapshot!(error("x.csv", ""), @"");
    assert_snapshot!(error("x.csv.zst", LEGACY), @"");
    let packed = zstd::encode_all(LEGACY.as_bytes(), 3).unwrap();
    assert_snapshot!(error("x.csv.zst", &packed[..packed.len() - 4]), @"");
    let dsb = std::fs::read(fixture("wondertrader_IF2101_20210104.dsb")).unwrap();
    assert_snapshot!(error("x.dsb", &dsb[..dsb.len() - 4]), @"");
    assert_snapshot!(error("x.dsb", &dsb[..12]), @"");
    let mut newer = dsb;
    newer[10] = 3;
    assert_snapshot!(error("x.dsb", newer), @"");
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
    let said = report.bad_rows.join("\n");
    let said = said.replace(&format!("{}/", path.parent().unwrap().display()), "");
    assert_snapshot!(said, @"");
}

#[test]
fn events_before_a_bad_row_are_handed_out_and_nothing_after_it() {
    let (_folder, path) = file(
        "x.csv",
        format!("{LEGACY}RM705,20170320,09:00:01,1,2\nshort\n"),
    );
    let mut source = open(&[path], ImportOptions::default()).unwrap();
    let mut events = Vec::new();
    assert!(source.next_batch(&mut events, 100).is_err());
    assert_eq!(events.len(), 2);
    let again = source.next_batch(&mut events, 100).unwrap_err();
    assert_snapshot!(again, @"");
    assert_eq!(events.len(), 2);
}
