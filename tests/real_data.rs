//! Every file of the shared folder of real recordings, through the built binary: imported with the
//! row counts of its README, exported and imported again, replayed.
//!
//! The folder is not part of the repository: `TICKDECK_SHARED_DATA` names it. Without it these
//! tests are skipped and report it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tickdeck::calendar::TradingCalendar;
use tickdeck::contract::ContractTable;
use tickdeck::event::{Event, EventKind, RawTick};
use tickdeck::import::{ImportOptions, ImportSource};
use tickdeck::normalize::{Normalizer, Outcome};
use tickdeck::source::{ReceiveTimes, Source as _};
use tickdeck::time::{TradingDay, UnixNanos};

use crate::support::cli::{binary, command_of, finish, release_binary, tickdeck};
use crate::support::recordings::{
    Folder, events, info, payload, replay, repository, stream, stream_digest,
};
use crate::support::{skipped, times};

/// The path of a shared file, or `None` after a visible skip.
fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TICKDECK_SHARED_DATA")
        .map_or_else(|| repository("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder.join(name));
    }
    let why = format!(
        "no recorded data at {} (TICKDECK_SHARED_DATA names another folder)",
        folder.display()
    );
    skipped(name, &why);
    None
}

/// Imports with the binary, large files with a release build if it exists, and returns the path.
fn import(file: &Path, folder: &Folder, name: &str) -> PathBuf {
    let output = folder.join(name);
    let program = release_binary().unwrap_or_else(|| binary().to_owned());
    let mut command = command_of(program);
    command.arg("import").arg(file).arg("-o").arg(&output);
    finish(command).done();
    output
}

fn export(recording: &Path, format: &str, file: &Path) {
    let mut command = tickdeck(["export".as_ref(), recording.as_os_str()]);
    command
        .args(["--format", format, "-o"].map(OsStr::new))
        .arg(file);
    finish(command).done();
}

fn ticks(events: &[Event]) -> Vec<RawTick> {
    events.iter().filter_map(Event::as_tick).copied().collect()
}

const JAVA_TRADER: [(&str, u64); 13] = [
    ("SHFE_ru1901_20181008", 38_536),
    ("SHFE_ru1901_20181009", 39_541),
    ("SHFE_ru1901_20181010", 38_421),
    ("CZCE_AP010_20200803", 12_515),
    ("CZCE_AP010_20200804", 11_871),
    ("CZCE_AP010_20200805", 12_281),
    ("CZCE_AP010_20200806", 12_179),
    ("CZCE_AP010_20200807", 13_054),
    ("CZCE_AP101_20200803", 8_079),
    ("CZCE_AP101_20200804", 7_627),
    ("CZCE_AP101_20200805", 8_575),
    ("CZCE_AP101_20200806", 7_345),
    ("CZCE_AP101_20200807", 9_274),
];

#[test]
fn java_trader_files_survive_a_round_trip() {
    for (name, rows) in JAVA_TRADER {
        let Some(file) = shared(&format!("java-trader_{name}.tick-ctp.csv.zst")) else {
            return;
        };
        let folder = Folder::new();
        let recording = import(&file, &folder, "first");
        assert_eq!(info(&recording)["ticks"], rows, "{name}");
        let recorded = events(&recording);
        for format in ["csv", "java-trader"] {
            let text = folder.join(&format!("{format}.csv"));
            export(&recording, format, &text);
            let again = events(&import(&text, &folder, format));
            assert!(ticks(&again) == ticks(&recorded), "{name} through {format}");
            let times =
                |events: &[Event]| -> Vec<_> { events.iter().map(|event| event.recv_ts).collect() };
            assert!(times(&again) == times(&recorded), "{name} through {format}");
        }
    }
}

/// File, rows, instruments.
const OTHERS: [(&str, u64, u64); 14] = [
    ("tick_data_clean_CZCE_futures_20171113.tar.zst", 279_720, 37),
    (
        "tick_data_clean_CFFEX_futures_20171113.tar.zst",
        137_261,
        11,
    ),
    ("tick_data_clean_CZCE_options_20171113.tar.zst", 69_160, 49),
    ("tick_data_clean_DCE_futures_20171113.tar.zst", 421_512, 43),
    ("tick_data_clean_DCE_options_20171113.tar.zst", 81_402, 66),
    ("tick_data_clean_SHFE_futures_20171113.tar.zst", 951_468, 76),
    (
        "wondertrader_CFFEX.IF.HOT_tick_20210104.decoded.csv.zst",
        27_955,
        1,
    ),
    ("wondertrader_CFFEX.IF.HOT_tick_20210104.dsb", 27_955, 1),
    (
        "wondertrader_CFFEX.IF.HOT_tick_20210105.decoded.csv.zst",
        28_254,
        1,
    ),
    ("wondertrader_CFFEX.IF.HOT_tick_20210105.dsb", 28_254, 1),
    ("ctp_in_matlab_20141014IF1410.csv.zst", 13_542, 1),
    ("ctp_in_matlab_20141014rb1501.csv.zst", 8_391, 1),
    ("ctp_in_matlab_20141014rb1502.csv.zst", 10, 1),
    ("vnpy_RM705-2017-03-20.csv.zst", 16_979, 1),
];

#[test]
fn other_dumps_are_imported_completely() {
    for (name, rows, instruments) in OTHERS {
        let Some(file) = shared(name) else { return };
        let folder = Folder::new();
        let about = info(&import(&file, &folder, "rec"));
        assert_eq!(about["ticks"], rows, "{name}");
        assert_eq!(about["events"], rows, "{name}");
        assert_eq!(about["symbols"], instruments, "{name}");
        assert_eq!(about["source"], "import");
    }
}

/// The payload of the tick with this `seq`.
fn nth(stream: &str, seq: u64) -> Value {
    let payloads = stream.lines().map(payload);
    let mut found = payloads.filter(|payload| payload["seq"] == seq);
    found.next().unwrap()
}

#[track_caller]
fn assert_has(payload: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&payload[key], value, "{key} of {payload}");
    }
}

#[test]
fn shfe_night_has_its_calendar_day() {
    let Some(file) = shared("java-trader_SHFE_ru1901_20181008.tick-ctp.csv.zst") else {
        return;
    };
    let folder = Folder::new();
    let recording = import(&file, &folder, "rec");
    let summary = replay(&recording, "--sink digest").done().json();
    // Its golden is from the same stream, and holds.
    for words in [&["--update"][..], &[]] {
        let mut command = tickdeck(["check", "--json", "-q"]);
        command.arg(&recording).args(words);
        let checked = finish(command).done().json();
        assert_eq!(checked["checks"][0]["digest"], summary["digest"]);
    }
    assert_eq!(summary["published"], 38_536);
    assert_eq!(summary["rejected"], json!({}));
    let stream = stream(&recording, "");
    assert_eq!(stream_digest(&stream), summary["digest"]);
    // The first row of the day, and the first of the night that belongs to the next trading day.
    let day = nth(&stream, 0);
    assert_has(
        &day,
        &json!({
            "vt_symbol": "ru1901.SHFE",
            "timestamp": "2018-10-08T09:00:00.500+08:00",
            "trading_day": "20181008",
            "source": "ctp",
        }),
    );
    assert_eq!(day["last_volume"], Value::Null, "the base is unknown");
    let night = nth(&stream, 24_331);
    assert_has(
        &night,
        &json!({
            "timestamp": "2018-10-08T21:00:00.500+08:00",
            "trading_day": "20181009",
            "action_day": "20181008",
        }),
    );
    // A new trading day counts from zero, and a price that the exchange does not give is absent.
    assert_eq!(night["last_volume"], night["volume"]);
    assert_eq!(night["settlement_price"], Value::Null);
    assert_eq!(night["ask_price_2"], Value::Null);
    // SHFE sends the price of a lot, the payload has the price of a unit: ten tonnes a lot.
    let raw = ticks(&events(&recording));
    let average = night["average_price"].as_f64().unwrap();
    assert!(
        (average * 10.0 - raw[24_331].average_price).abs() < 1e-6,
        "{night}"
    );
    assert_eq!(night["turnover"].as_f64().unwrap(), raw[24_331].turnover);
}

#[test]
fn czce_turnover_includes_the_multiplier() {
    let Some(file) = shared("java-trader_CZCE_AP010_20200803.tick-ctp.csv.zst") else {
        return;
    };
    let folder = Folder::new();
    let recording = import(&file, &folder, "rec");
    let summary = replay(&recording, "--sink digest").done().json();
    // The evening row before the session has no price and no book: nothing to publish.
    assert_eq!(summary["received"], 12_515);
    let rejected: u64 = summary["rejected"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert!(rejected <= 1, "{summary}");
    assert_eq!(summary["published"].as_u64().unwrap() + rejected, 12_515);
    let stream = stream(&recording, "");
    assert_eq!(stream_digest(&stream), summary["digest"]);
    let raw = ticks(&events(&recording));
    for seq in [100_u64, 6_000, 12_000] {
        let tick = &raw[usize::try_from(seq).unwrap()];
        let published = nth(&stream, seq);
        // Ten tonnes a lot; CZCE sends the turnover without them and the average without them.
        assert_eq!(
            published["turnover"].as_f64().unwrap(),
            tick.turnover * 10.0
        );
        assert_eq!(
            published["average_price"].as_f64().unwrap(),
            tick.average_price
        );
        let time = format!("2020-08-03T{}.000+08:00", tick.update_time);
        assert_eq!(published["timestamp"], time);
        assert_eq!(published["vt_symbol"], "AP010.CZCE");
    }
    // After the close the last row is sent again, and is flagged.
    let again = nth(&stream, 12_514);
    assert!(again["flags"].to_string().contains("duplicate"), "{again}");
    let dropped = replay(&recording, "--sink digest --drop duplicate")
        .done()
        .json();
    assert_eq!(dropped["filtered"], 1, "{dropped}");
}

/// How far a clock may be wrong, ns.
const CLOCK_ERROR: i64 = 60_000_000_000;

/// Rows that are taken of each file, spread over it: the whole day with a date of each kind. The long
/// run takes all of them.
const SAMPLE: u64 = 200;

/// The header, if there is one, and every so many of the rows, with the first and the last ones.
fn sample(text: &str, has_header: bool) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let rows = times("TICKDECK_DATED_ROWS", SAMPLE).max(1);
    let step = (lines.len() / usize::try_from(rows).unwrap()).max(1);
    let is_taken = |index: &usize| {
        let is_edge = *index < 3 || index + 3 >= lines.len();
        is_edge || (index - usize::from(has_header)).is_multiple_of(step)
    };
    let taken = (0..lines.len()).filter(is_taken);
    taken.fold(String::new(), |text, index| text + lines[index] + "\n")
}

/// Rows of a dump in another order, as text: the header stays.
fn reordered(
    text: &str,
    has_header: bool,
    order: impl FnOnce(&mut Vec<(usize, &str)>),
) -> (String, Vec<usize>) {
    let mut lines = text.lines();
    let mut out = String::new();
    if has_header {
        out.push_str(lines.next().unwrap());
        out.push('\n');
    }
    let mut rows: Vec<(usize, &str)> = lines.enumerate().collect();
    order(&mut rows);
    for (_, row) in &rows {
        out.push_str(row);
        out.push('\n');
    }
    (out, rows.into_iter().map(|(index, _)| index).collect())
}

/// A fixed shuffle, the same on every machine: by the multiplicative hash of the position.
fn shuffle(rows: &mut Vec<(usize, &str)>) {
    rows.sort_by_key(|(index, _)| index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
}

/// When a row was received, exchange time, trading day and the row's own dates.
struct Seen {
    recv_ts: UnixNanos,
    exchange_ts: UnixNanos,
    trading_day: TradingDay,
    tick: RawTick,
}

/// The dates in the order of the rows, and whether their receive times were measured.
fn dates(file: &Path) -> (Vec<Seen>, ReceiveTimes) {
    let contracts = Arc::new(ContractTable::builtin());
    let calendar = Arc::new(TradingCalendar::builtin());
    let paths = [file.to_owned()];
    let options = ImportOptions::default();
    let mut source =
        ImportSource::open(&paths, options, contracts.clone(), calendar.clone()).unwrap();
    let mut events = Vec::new();
    loop {
        let before = events.len();
        source.next_batch(&mut events, 4096).unwrap();
        if events.len() == before {
            break;
        }
    }
    let receive_times = source.info().receive_times();
    let mut normalizer = Normalizer::new(contracts, calendar, receive_times);
    let seen = events.into_iter().map(|mut event| {
        let EventKind::Tick(raw) = &mut event.kind else {
            panic!("a session event");
        };
        let tick = *raw;
        // A row without a price is not published; its date is still decided.
        raw.settlement_price = 1.0;
        match normalizer.apply(&event) {
            Outcome::Tick(seen) => Seen {
                recv_ts: event.recv_ts,
                exchange_ts: seen.exchange_ts,
                trading_day: seen.trading_day,
                tick,
            },
            other => panic!("{other:?}"),
        }
    });
    (seen.collect(), receive_times)
}

/// The dates of a dump's rows, in whatever order they stand.
fn check_dates(name: &str, text: &str, has_header: bool) -> Vec<Seen> {
    let text = &sample(text, has_header);
    let folder = Folder::new();
    let file = |kind: &str, text: &str| {
        // The name may hold instrument and day.
        let sub = folder.join(kind);
        std::fs::create_dir_all(&sub).unwrap();
        let path = sub.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (expected, receive_times) = dates(&file("in_order", text));
    let measured = receive_times == ReceiveTimes::Measured;
    assert!(!expected.is_empty(), "{name}");
    for seen in &expected {
        let local = seen.exchange_ts.to_shanghai();
        let date = local.format("%Y%m%d").to_string();
        if ("06"..="17").contains(&&*local.format("%H").to_string()) {
            assert_eq!(date, seen.trading_day.to_ctp(), "{name}");
        }
        let ahead = seen.exchange_ts.since(seen.recv_ts);
        assert!(!measured || ahead <= CLOCK_ERROR, "{name}: {ahead} ns");
    }
    for (kind, order) in [
        (
            "newest_first",
            (|rows| rows.reverse()) as fn(&mut Vec<(usize, &str)>),
        ),
        ("shuffled", shuffle),
    ] {
        let (text, order) = reordered(text, has_header, order);
        let (found, _) = dates(&file(kind, &text));
        assert_eq!(found.len(), expected.len());
        for (found, original) in found.iter().zip(order) {
            let expected = &expected[original];
            assert!(
                (found.exchange_ts, found.trading_day)
                    == (expected.exchange_ts, expected.trading_day),
                "{name} {kind} row {original}"
            );
        }
    }
    expected
}

/// The same where `ActionDay` is right. Where the rows have none, the file's day gave it.
fn check_action_days(name: &str, text: &str, has_header: bool) {
    for seen in check_dates(name, text, has_header) {
        let date = seen.exchange_ts.to_shanghai().format("%Y%m%d").to_string();
        assert_eq!(date.as_bytes(), seen.tick.action_day.as_bytes(), "{name}");
    }
}

#[test]
fn the_order_of_rows_moves_no_night_of_a_tar() {
    for kind in [
        "CFFEX_futures",
        "CZCE_futures",
        "CZCE_options",
        "DCE_futures",
        "DCE_options",
        "SHFE_futures",
    ] {
        let Some(file) = shared(&format!("tick_data_clean_{kind}_20171113.tar.zst")) else {
            return;
        };
        let tar = zstd::Decoder::new(std::fs::File::open(file).unwrap()).unwrap();
        let mut archive = tar::Archive::new(tar);
        let mut members = 0;
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().file_name().unwrap().to_owned();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
            check_action_days(name.to_str().unwrap(), &text, false);
            members += 1;
        }
        let name = format!("tick_data_clean_{kind}_20171113.tar.zst");
        let known = OTHERS.iter().find(|(other, ..)| *other == name);
        assert_eq!(known.map(|(.., instruments)| *instruments), Some(members));
    }
}

/// A `.dsb` has no text to shuffle, so its rows are written as CTP's columns first.
#[test]
fn the_order_of_binary_rows_changes_no_exchange_time() {
    for (name, rows, _) in OTHERS.iter().filter(|(name, ..)| name.ends_with(".dsb")) {
        let Some(file) = shared(name) else { return };
        let folder = Folder::new();
        let text = folder.join("rows.csv");
        export(&import(&file, &folder, "rec"), "java-trader", &text);
        let text = std::fs::read_to_string(text).unwrap();
        assert_eq!(text.lines().count() as u64, rows + 1, "{name}");
        check_action_days("rows.csv", &text, true);
    }
}

#[test]
fn the_order_of_rows_changes_no_exchange_time() {
    let names = JAVA_TRADER.map(|(name, _)| format!("java-trader_{name}.tick-ctp.csv.zst"));
    let others = OTHERS.map(|(name, ..)| name.to_owned());
    // Archives and `.dsb` files have other tests.
    let is_text = |name: &String| name.ends_with(".csv.zst");
    for name in names.into_iter().chain(others).filter(is_text) {
        let Some(file) = shared(&name) else { return };
        let text = zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap();
        let text = String::from_utf8(text).unwrap();
        let plain = name
            .trim_end_matches(".zst")
            .trim_start_matches("ctp_in_matlab_");
        let has_header = !name.starts_with("ctp_in_matlab");
        check_action_days(plain, &text, has_header);
    }
}

#[test]
fn the_order_of_quoted_rows_changes_no_exchange_time() {
    let Some(file) = shared("quoted_rows.jsonl") else {
        return;
    };
    let text = std::fs::read_to_string(file).unwrap();
    let mut measured = 0;
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        if entry["format"] != "csv" {
            continue;
        }
        let quoted = entry["text"].as_str().unwrap();
        check_dates("x.csv", quoted, true);
        measured += u32::from(quoted.starts_with("TimeStamp,"));
    }
    assert!(measured > 0, "some of the rows have a receive clock");
}
