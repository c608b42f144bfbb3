//! Dumps that people have: each fixture, and the variations around it.

use std::io::Write as _;

use super::*;
use crate::import::{ColumnMap, Dialect, RecvTsRule};

fn dump(name: &str) -> PathBuf {
    fixture("../dumps").join(name)
}

/// The columns of the CTP dumps below, and one row under them.
const CTP: &str = "TradingDay,InstrumentID,UpdateTime,UpdateMillisec,LastPrice,Volume\n";
const CTP_ROW: &str = "20260105,rb2605,09:00:00,500,3110,7\n";

/// The ticks of `text` under the name `x.csv`.
fn ticks_of(text: impl AsRef<[u8]>) -> Vec<RawTick> {
    ticks_named("x.csv", text, &ImportOptions::default())
}

fn ticks_named(name: &str, text: impl AsRef<[u8]>, options: &ImportOptions) -> Vec<RawTick> {
    let (_folder, path) = file(name, text);
    let (events, _) = import_with(&[path], options.clone()).unwrap();
    ticks(&events).into_iter().copied().collect()
}

/// Id, last price and volume: enough to see that a row was read.
fn told(tick: &RawTick) -> (String, f64, i32) {
    let id = tick.instrument_id.to_string();
    (id, tick.last_price, tick.volume)
}

fn ctp_options(map: &[&str], ignore: &[&str]) -> ImportOptions {
    let map = map.iter().map(|map| map.parse::<ColumnMap>().unwrap());
    ImportOptions {
        map: map.collect(),
        ignore: ignore.iter().map(|name| (*name).to_owned()).collect(),
        ..ImportOptions::default()
    }
}

#[test]
fn ctp_columns_need_no_action_day() {
    let (events, report) = import(dump("ctp13_no_actionday.csv"));
    assert_eq!(report.dialects(), [Dialect::CtpCsv]);
    assert_eq!(recv(&events[0]), "20260105 21:00:00.500");
    let tick = ticks(&events)[0];
    assert_eq!(tick.trading_day.as_bytes(), b"20260106");
    assert_eq!(
        (tick.turnover, tick.open_interest),
        (3_240_000.0, 250_000.0)
    );
    // What no column gives is missing, not zero.
    assert_eq!(tick.upper_limit_price, f64::MAX);
}

#[test]
fn a_recorders_clock_becomes_the_receive_time() {
    for (name, nanos) in [
        ("localtime_first.csv", 612_345_000),
        ("localtime.csv", 523_411_000),
    ] {
        let (events, report) = import(dump(name));
        assert_eq!(report.recv_ts_rules(), [RecvTsRule::Recorded], "{name}");
        assert_eq!(events[0].recv_ts.0 % 1_000_000_000, nanos, "{name}");
    }
    for name in ["recv_time", "Timestamp", "local_time", "接收时间"] {
        let text = format!("{},{name}\n{},1767574800.612\n", CTP.trim(), CTP_ROW.trim());
        let (_folder, path) = file("x.csv", text);
        let (events, _) = import(path);
        assert_eq!(recv(&events[0]), "20260105 09:00:00.612", "{name}");
    }
}

#[test]
fn a_clock_without_a_date_has_that_of_the_row() {
    let dump = |clock: &str| format!("{},LocalTime\n{},{clock}\n", CTP.trim(), CTP_ROW.trim());
    let (_folder, path) = file("x.csv", dump("09:00:00.612"));
    let (events, report) = import(path);
    assert_eq!(recv(&events[0]), "20260105 09:00:00.612");
    assert_eq!(report.recv_ts_rules(), [RecvTsRule::RecordedTimeOfDay]);
    // Received before it was sent: that was another day, or the clock is wrong.
    let text = dump("08:55:00");
    let (_folder, path) = file("x.csv", &text);
    let error = import_with(&[path], ImportOptions::default()).unwrap_err();
    let expected = "found \"08:55:00.000000000\", expected a date too";
    assert!(error.to_string().contains(expected), "{error}");
    let ticks = ticks_named("x.csv", text, &ctp_options(&[], &["LocalTime"]));
    assert_eq!(told(&ticks[0]), ("rb2605".to_owned(), 3110.0, 7));
}

#[test]
fn chinese_headers_read_in_every_encoding() {
    let gbk = std::fs::read(dump("chinese_header_gbk_ag2602_20260106.csv")).unwrap();
    let utf8 = crate::import::text::decode(&gbk).into_owned();
    let bom = format!("\u{feff}{utf8}");
    let lf = utf8.replace("\r\n", "\n");
    let expected = ticks_of(&gbk);
    let tick = expected[0];
    assert_eq!(told(&tick), ("ag2602".to_owned(), 18000.0, 12));
    assert_eq!(tick.trading_day.as_bytes(), b"20260106");
    assert_eq!(tick.action_day.as_bytes(), b"20260105");
    assert_eq!((tick.bid_price1, tick.ask_price1), (17999.0, 18001.0));
    // Printed as 0.0000: levels that the exchange does not give, prices of a day not yet over.
    for absent in [
        tick.bid_price2,
        tick.ask_price5,
        tick.close_price,
        tick.settlement_price,
    ] {
        assert_eq!(absent, f64::MAX);
    }
    for text in [utf8, bom, lf] {
        assert_eq!(ticks_of(text), expected);
    }
    let (events, _) = import(dump("chinese_header_gbk_ag2602_20260106.csv"));
    assert_eq!(recv(&events[0]), "20260105 21:00:00.500");
}

#[test]
fn zero_is_a_price_beside_a_dbl_max() {
    let header = format!("{},AskPrice1,ClosePrice\n", CTP.trim());
    let row = |close: &str| format!("{header}{},0,{close}\n", CTP_ROW.trim());
    assert_eq!(ticks_of(row("0"))[0].ask_price1, f64::MAX);
    assert_eq!(ticks_of(row(""))[0].ask_price1, f64::MAX);
    assert_eq!(ticks_of(row("1.79769e+308"))[0].ask_price1, 0.0);
    // On CZCE the missing price is 0 in the struct too.
    let czce = row("0").replace("rb2605", "TA605");
    assert_eq!(ticks_of(czce)[0].ask_price1, 0.0);
}

#[test]
fn gzip_and_zip_are_known_by_content() {
    let plain = [("rb2605".to_owned(), 3110.0, 7)];
    let all = |ticks: &[RawTick]| ticks.iter().map(told).collect::<Vec<_>>();
    for name in ["gz.csv.gz", "z.zip"] {
        let content = std::fs::read(dump(name)).unwrap();
        for name in [name, "x.csv", "x"] {
            let read = ticks_named(name, &content, &ImportOptions::default());
            assert_eq!(all(&read), plain, "{name}");
        }
    }
    let (_, report) = import(dump("z.zip"));
    assert!(report.inputs[0].name.ends_with("z.zip (member rb2605.csv)"));
    // A name that promises compression is only a name.
    let text = format!("{CTP}{CTP_ROW}");
    for name in ["x.csv.gz", "x.csv.zst", "x.zip"] {
        assert_eq!(
            all(&ticks_named(name, &text, &ImportOptions::default())),
            plain,
            "{name}"
        );
    }
}

fn gzip(content: &[u8], name: &str) -> Vec<u8> {
    let builder = flate2::GzBuilder::new().filename(name);
    let mut packed = builder.write(Vec::new(), flate2::Compression::fast());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_readme_in_a_zip_is_skipped() {
    let data = format!("{CTP}{CTP_ROW}");
    let zip = zip_of(&[
        ("README.md", b"# Ticks\n\nOne file a day.\n"),
        ("rb2605.csv", data.as_bytes()),
    ]);
    let (_folder, path) = file("x.zip", zip);
    let (events, report) = import(path);
    assert_eq!((events.len(), report.inputs.len()), (1, 1));
    assert!(report.skipped_members[0].ends_with("x.zip (member README.md)"));
}

#[test]
fn members_names_give_instrument_and_day() {
    const ROW: &[u8] = b"09:00:00.0,1,1,2,1,1,1,10\n";
    let inner = gzip(ROW, "zz1805_20171113.csv");
    let zip = zip_of(&[
        ("day/zz1801_20171113.csv", ROW),
        ("day/inner", &inner),
        ("__MACOSX/day/._zz1801_20171113.csv", b"\0\x05\x16\x07"),
    ]);
    let (_folder, path) = file("all", gzip(&zip, "all.zip"));
    let (events, report) = import(path);
    assert_eq!(report.inputs.len(), 2);
    let ids: Vec<String> = ticks(&events)
        .iter()
        .map(|t| t.instrument_id.to_string())
        .collect();
    assert_eq!(ids, ["zz1801", "zz1805"]);
    assert_eq!(ticks(&events)[1].trading_day.as_bytes(), b"20171113");
}

#[test]
fn other_formats_are_named_with_what_to_do() {
    let error = |name: &str, content: &[u8]| {
        let (folder, path) = file(name, content);
        let error = import_with(&[path], ImportOptions::default()).unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(error));
        text.replace(&format!("{}/", folder.path().display()), "")
    };
    insta::assert_snapshot!(error("x.rar", b"Rar!\x1a\x07\x01\0rest"), @"x.rar is a RAR archive, which import does not read; unpack it first");
    insta::assert_snapshot!(error("x.csv", b"\xff\xfeT\0r\0"), @"x.csv is UTF-16 text, which import does not read; save it as UTF-8");
    let book = zip_of(&[("[Content_Types].xml", b"<Types/>")]);
    insta::assert_snapshot!(error("x.xlsx", &book), @"x.xlsx is an Excel workbook, which import does not read; save the sheet as CSV");
    let zip = zip_of(&[("a.csv", CTP.as_bytes())]);
    insta::assert_snapshot!(error("x.zip", &zip[..zip.len() - 30]), @"x.zip: incomplete zip: invalid Zip archive: Could not find EOCD; download it again, or import its files");
    insta::assert_snapshot!(error("x.zip", &zip_of(&[])), @"x.zip holds no data: its archives have no files");
    let packed = gzip(format!("{CTP}{CTP_ROW}").as_bytes(), "x.csv");
    insta::assert_snapshot!(error("x.csv.gz", &packed[..packed.len() - 9]), @"reading x.csv.gz: incomplete deflate stream");
    let mut deep = CTP.as_bytes().to_vec();
    for _ in 0..9 {
        deep = gzip(&deep, "x.csv");
    }
    insta::assert_snapshot!(error("x.gz", &deep), @"x.gz: packed more than 8 times; unpack it");
}

#[test]
fn a_blank_number_is_no_value() {
    let (events, report) = import(dump("blank.csv"));
    assert_eq!((report.rows(), report.skipped()), (3, 0));
    let asks: Vec<f64> = ticks(&events).iter().map(|tick| tick.ask_price1).collect();
    assert_eq!(asks, [f64::MAX, f64::MAX, 3300.0]);
    let (events, _) = import(dump("vnpy_nan.csv"));
    let tick = ticks(&events)[0];
    assert_eq!((tick.bid_price1, tick.bid_volume1), (f64::MAX, 0));
    let row =
        |price: &str, volume: &str| format!("{CTP}20260105,rb2605,09:00:00,500,{price},{volume}\n");
    for blank in ["", " ", "NULL", "None", "\\N", "#N/A", "N/A"] {
        let tick = ticks_of(row(blank, blank))[0];
        assert_eq!((tick.last_price, tick.volume), (f64::MAX, 0), "{blank:?}");
    }
    let tick = ticks_of(row("nan", "nan"))[0];
    assert!(tick.last_price.is_nan());
}

/// As far as `docs/import.md` says.
#[test]
fn a_volume_is_looked_for_in_4096_rows() {
    const BLANK: usize = 4_200;
    let mut text = "InstrumentID,TradingDay,UpdateTime,LastPrice,Volume\n".to_owned();
    for row in 0..=BLANK {
        let volume = if row == BLANK { "900" } else { "" };
        let (minute, second) = (row / 60 % 60, row % 60);
        let hour = 9 + row / 3600;
        text += &format!("rb2605,20260105,{hour:02}:{minute:02}:{second:02},3110,{volume}\n");
    }
    let volumes: Vec<i32> = ticks_of(text).iter().map(|tick| tick.volume).collect();
    let (beyond, filled) = volumes.split_at(BLANK - 4_096);
    assert!(beyond.iter().all(|volume| *volume == 0));
    assert!(filled.iter().all(|volume| *volume == 900));
}

#[test]
fn four_digit_czce_ids_are_ctps() {
    let (events, _) = import(dump("wt_czce4.csv"));
    let ids: Vec<String> = ticks(&events)
        .iter()
        .map(|t| t.instrument_id.to_string())
        .collect();
    assert_eq!(ids, ["TA309", "TA309"]);
    let mut source = open(&[dump("wt_czce4.csv")], ImportOptions::default()).unwrap();
    source.next_batch(&mut Vec::new(), 10).unwrap();
    let renamed: Vec<_> = source.renamed_instruments().into_iter().collect();
    assert_eq!(renamed, [("TA2309".to_owned(), "TA309".to_owned())]);
    let options = ImportOptions {
        symbol: Some("TA2309.CZCE".to_owned()),
        ..ImportOptions::default()
    };
    let text = format!("{CTP}{CTP_ROW}")
        .replace("InstrumentID,", "")
        .replace("rb2605,", "");
    let tick = ticks_named("x.csv", text, &options)[0];
    assert_eq!(tick.instrument_id.as_bytes(), b"TA309");
}

#[test]
fn the_exchange_of_rows_is_believed_on_request() {
    let read = |trust_exchange| {
        let options = ImportOptions {
            trust_exchange,
            ..ImportOptions::default()
        };
        let mut source = open(&[dump("vnpy_rb888.csv")], options).unwrap();
        source.next_batch(&mut Vec::new(), 10).unwrap();
        (source.doubtful_instruments(), source.trusted_contracts())
    };
    let (doubtful, contracts) = read(false);
    assert_eq!(doubtful.len(), 1);
    assert_eq!((doubtful[0].id.as_str(), doubtful[0].rows), ("rb888", 1));
    assert_eq!(
        doubtful[0].named.map(|e| e.to_string()).as_deref(),
        Some("SHFE")
    );
    assert_eq!((doubtful[0].known, contracts.len()), (None, 0));
    let (_, contracts) = read(true);
    assert_eq!(contracts[0].instrument_id, "rb888");
    assert_eq!(contracts[0].exchange.to_string(), "SHFE");
    assert_eq!((contracts[0].multiplier, contracts.len()), (Some(10), 1));
}

#[test]
fn tqsdk_names_the_instrument_in_its_header() {
    let (events, report) = import(dump("tqsdk.csv"));
    assert_eq!(report.dialects(), [Dialect::TqSdk]);
    assert_eq!(recv(&events[0]), "20260105 21:00:00.500");
    let tick = ticks(&events)[0];
    assert_eq!(told(tick), ("rb2605".to_owned(), 3110.0, 12));
    assert_eq!(tick.exchange_id.as_bytes(), b"SHFE");
    assert_eq!(tick.trading_day.as_bytes(), b"20260106");
    assert_eq!((tick.bid_price1, tick.ask_volume1), (3109.0, 5));
    assert_eq!(
        (tick.turnover, tick.open_interest),
        (373_200.0, 1_500_000.0)
    );
    // TqSdk's average is per unit. CTP's is not, but on CZCE.
    assert_eq!(tick.average_price, 31100.0);
    let text = std::fs::read_to_string(dump("tqsdk.csv")).unwrap();
    let czce = &ticks_of(text.replace("SHFE.rb2605", "CZCE.TA605"))[0];
    assert_eq!(
        (czce.instrument_id.as_bytes(), czce.average_price),
        (&b"TA605"[..], 3110.0)
    );
    let main = &ticks_of(text.replace("SHFE.rb2605", "KQ.m@SHFE.rb"))[0];
    assert_eq!(main.instrument_id.as_bytes(), b"KQ.m@SHFE.rb");
    assert_eq!(
        (main.exchange_id.as_bytes(), main.average_price),
        (&b"SHFE"[..], f64::MAX)
    );
}

#[test]
fn the_database_table_of_vnpy_imports() {
    let (events, report) = import(dump("vnpy_dbtick.csv"));
    assert_eq!(report.dialects(), [Dialect::Vnpy]);
    assert_eq!(told(ticks(&events)[0]), ("rb2605".to_owned(), 3110.0, 12));
    // A list of `TickData` as a data frame prints the enum.
    let text = std::fs::read_to_string(dump("vnpy_dbtick.csv")).unwrap();
    let tick = ticks_of(text.replace(",SHFE,", ",Exchange.SHFE,"))[0];
    assert_eq!(tick.exchange_id.as_bytes(), b"SHFE");
}

#[test]
fn whole_floats_and_row_numbers_are_accepted() {
    for name in ["floatvol.csv", "index.csv"] {
        let (events, _) = import(dump(name));
        assert_eq!(
            told(ticks(&events)[0]),
            ("rb2605".to_owned(), 3110.0, 7),
            "{name}"
        );
    }
    // In every dialect that has a header.
    for name in [
        "vnpy_legacy_RM705_20170320.csv",
        "vnpy_made_up.csv",
        "wondertrader_IF2101_20210104.csv",
        "ctp_recorder_made_up.csv",
    ] {
        let text = std::fs::read_to_string(fixture(name)).unwrap();
        let (plain, _) = import(fixture(name));
        for index in ["", "Unnamed: 0", "index"] {
            let rows = text.lines().enumerate();
            let numbered: Vec<String> = rows
                .map(|(row, line)| match row {
                    0 => format!("{index},{line}"),
                    _ => format!("{},{line}", row - 1),
                })
                .collect();
            let read = ticks_of(numbered.join("\n"));
            assert_eq!(
                read.iter().collect::<Vec<_>>(),
                ticks(&plain),
                "{name} {index:?}"
            );
        }
    }
}

#[test]
fn tabs_and_semicolons_separate_too() {
    for name in ["ctp13_no_actionday.csv", "vnpy_dbtick.csv", "tqsdk.csv"] {
        let text = std::fs::read_to_string(dump(name)).unwrap();
        let expected = ticks_of(&text);
        for separator in ["\t", ";", "|"] {
            assert_eq!(
                ticks_of(text.replace(',', separator)),
                expected,
                "{name} {separator:?}"
            );
        }
    }
    let positional = std::fs::read_to_string(fixture("zz1801_20171113.csv")).unwrap();
    let options = ImportOptions::default();
    let expected = ticks_named("zz1801_20171113.csv", &positional, &options);
    let tabs = positional.replace(',', "\t");
    assert_eq!(ticks_named("zz1801_20171113.csv", tabs, &options), expected);
}

#[test]
fn pandas_dates_and_snake_case_are_ctp_columns() {
    let text = "trading_day;instrument_id;update_time;last_price;volume\n\
                2026-01-06;rb2605;21:00:00.5;3110.0;7.0\n";
    let tick = ticks_of(text)[0];
    assert_eq!(told(&tick), ("rb2605".to_owned(), 3110.0, 7));
    assert_eq!(tick.trading_day.as_bytes(), b"20260106");
    assert_eq!(
        (tick.update_time.as_bytes(), tick.update_millisec),
        (&b"21:00:00"[..], 500)
    );
}

#[test]
fn a_file_name_gives_what_ctp_columns_lack() {
    let text = "UpdateTime,UpdateMillisec,LastPrice\n09:00:00,500,3110\n";
    let tick = ticks_named("rb2605_20260105.csv", text, &ImportOptions::default())[0];
    assert_eq!(tick.instrument_id.as_bytes(), b"rb2605");
    assert_eq!(tick.trading_day.as_bytes(), b"20260105");
}

#[test]
fn any_header_can_be_mapped() {
    let text = "when,code,px,at,mood\n2026-01-05 09:00:00.5,rb2605,3110,1767574800612,good\n";
    let map = [
        "when=datetime",
        "code=InstrumentID",
        "px=last_price",
        "at=recv_ts",
    ];
    let (_folder, path) = file("x.csv", text);
    let options = ctp_options(&map, &["mood"]);
    let (events, report) = import_with(&[path], options).unwrap();
    assert_eq!(report.dialects(), [Dialect::CtpCsv]);
    assert_eq!(recv(&events[0]), "20260105 09:00:00.612");
    assert_eq!(told(ticks(&events)[0]), ("rb2605".to_owned(), 3110.0, 0));
    assert_eq!(ticks(&events)[0].update_millisec, 500);
    // Keys of JSON lines as well.
    let json =
        "{\"when\":\"2026-01-05 09:00:00.5\",\"code\":\"rb2605\",\"px\":3110,\"mood\":null}\n";
    let tick = ticks_named("x.jsonl", json, &ctp_options(&map[..3], &["mood"]))[0];
    assert_eq!(told(&tick), ("rb2605".to_owned(), 3110.0, 0));
    assert_eq!(tick.action_day.as_bytes(), b"20260105");
}

#[test]
fn a_header_that_does_not_fit_is_explained() {
    let error = |text: &str, options: ImportOptions| {
        let (folder, path) = file("x.csv", text);
        let error = import_with(&[path], options).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    };
    let none = ImportOptions::default;
    insta::assert_snapshot!(error("交易日,合约代码,最新价,心情\n", none()), @r#"x.csv: no dialect fits its first line "交易日,合约代码,最新价,心情" (nearest is ctp-csv: its header has no column UpdateTime, unknown column "心情")"#);
    insta::assert_snapshot!(error(&format!("{},a,b,c,d,e,f\n", CTP.trim()), none()), @r#"x.csv: no dialect fits its first line "TradingDay,InstrumentID,UpdateTime,UpdateMillisec,LastPrice,Volume,a,b,c,d,e,f" (nearest is ctp-csv: unknown columns "a", "b", "c", "d" and 2 more)"#);
    insta::assert_snapshot!(error(&format!("{},local_time,recv_time\n", CTP.trim()), none()), @r#"x.csv: no dialect fits its first line "TradingDay,InstrumentID,UpdateTime,UpdateMillisec,LastPrice,Volume,local_time,recv_time" (nearest is ctp-csv: its columns "local_time" and "recv_time" are the same field)"#);
    let bars = "datetime,datetime_nano,SHFE.rb2605.open,SHFE.rb2605.close\n";
    insta::assert_snapshot!(error(bars, none()), @r#"x.csv: no dialect fits its first line "datetime,datetime_nano,SHFE.rb2605.open,SHFE.rb2605.close" (nearest is tqsdk: its header has no column <exchange>.<instrument>.last_price)"#);
    let typo = ctp_options(&["px=LastPrice"], &[]);
    insta::assert_snapshot!(error(&format!("{CTP}{CTP_ROW}"), typo), @r#"no input has a column "px", which the options name"#);
    let twice = ctp_options(&["Volume=LastPrice"], &[]);
    insta::assert_snapshot!(error(&format!("{CTP}{CTP_ROW}"), twice), @r#"x.csv: no dialect fits its first line "TradingDay,InstrumentID,UpdateTime,UpdateMillisec,LastPrice,Volume" (nearest is ctp-csv: its columns "LastPrice" and "Volume" are the same field)"#);
    insta::assert_snapshot!("px=Price".parse::<ColumnMap>().unwrap_err(), @r#""px=Price" maps no column: expected THEIRS=CTP, where CTP is a field of CTP such as LastPrice, or one of recv_ts, date, time, datetime"#);
}
