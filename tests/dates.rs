//! Dates from dumps to payloads: small inputs, one for each way in which a row's date can lie, through
//! the built binary. `fixtures/dates` has them.

use std::ffi::OsStr;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::recordings::{Folder, info_digest, payload, replay, repository, stream};

/// What `import` of a fixture said, and the payloads of its replay.
fn imported(name: &str) -> (Ended, Vec<Value>) {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let mut command = tickdeck(["import"]);
    command.arg(repository("fixtures/dates").join(name));
    command.arg("-o").arg(&recording);
    let ended = finish(command).done();
    let payloads = stream(&recording, "").lines().map(payload).collect();
    (ended, payloads)
}

/// Symbol, timestamp without zone, trading day, last volume and flags of each payload.
fn seen(payloads: &[Value]) -> Vec<String> {
    let text = |payload: &Value, key: &str| payload[key].as_str().unwrap().to_owned();
    let line = |payload: &Value| {
        let timestamp = text(payload, "timestamp");
        let (timestamp, zone) = timestamp.split_at(23);
        assert_eq!(zone, "+08:00");
        let volume = match &payload["last_volume"] {
            Value::Null => "-".to_owned(),
            volume => volume.to_string(),
        };
        let flags = payload["flags"].as_array().cloned().unwrap_or_default();
        // A dump without the average price cannot tell whether turnover includes the multiplier.
        let about_money = |flag: &&str| *flag == "raw_turnover";
        let flags = flags.iter().filter_map(Value::as_str);
        let flags: Vec<&str> = flags.filter(|flag| !about_money(flag)).collect();
        format!(
            "{} {timestamp} {} {volume} [{}]",
            text(payload, "symbol"),
            text(payload, "trading_day"),
            flags.join(","),
        )
    };
    payloads.iter().map(line).collect()
}

#[track_caller]
fn check(name: &str, expected: &[&str]) -> Ended {
    let (ended, payloads) = imported(name);
    assert_eq!(seen(&payloads), expected, "{name}");
    ended
}

#[test]
fn grouped_rows_keep_their_own_dates() {
    let ended = check(
        "min_grouped.csv",
        &[
            "rb2605 2026-01-07T09:00:00.500 20260107 - []",
            "SR605 2026-01-05T09:00:00.000 20260105 - []",
        ],
    );
    assert!(ended.stdout.contains("held back  1 row "), "{ended:?}");
    let named = "1 below row 2 (2026-01-07T09:00:00.500000000+08:00), by up to 48:00:00";
    assert!(ended.stdout.contains(named), "{ended:?}");
}

#[test]
fn a_night_row_dated_too_late_moves_no_other() {
    let ended = check(
        "vnpy34_czce.csv",
        &[
            "SR609 2026-05-27T22:59:59.000 20260528 - [stale]",
            "SR609 2026-05-27T09:00:00.000 20260527 - []",
            "SR609 2026-05-27T14:59:59.000 20260527 390 []",
        ],
    );
    assert!(ended.stdout.contains("set aside  1 row "), "{ended:?}");
    let ended = check(
        "vf57582.csv",
        &[
            "i2301 2022-10-19T22:59:59.522 20221020 - []",
            "i2301 2022-10-19T23:00:00.013 20221020 5 []",
            "TA301 2022-10-19T22:59:59.000 20221020 - []",
            "i2301 2022-10-20T23:00:00.038 20221021 - [stale]",
            "rb2301 2022-10-20T09:00:00.500 20221020 - []",
            "i2301 2022-10-20T09:00:00.100 20221020 45 []",
            "TA301 2022-10-20T09:00:01.000 20221020 50 []",
            "i2301 2022-10-20T09:00:00.600 20221020 1 []",
            "TA301 2022-10-20T09:00:02.000 20221020 1 []",
        ],
    );
    assert!(ended.stdout.contains("set aside  1 row "), "{ended:?}");
    assert!(ended.stdout.contains("row 5 is stamped"), "{ended:?}");
    assert!(!ended.stdout.contains("held back"), "{ended:?}");
}

#[test]
fn a_close_that_comes_late_keeps_its_day() {
    check(
        "czce_day_close_at_2035.jsonl",
        &[
            "SR609 2026-05-26T14:59:59.000 20260526 - [stale]",
            "SR609 2026-05-26T20:59:00.000 20260527 7 []",
        ],
    );
    check(
        "czce_saturday.jsonl",
        &["SR609 2026-05-22T14:59:59.000 20260522 - [stale]"],
    );
    check(
        "empty_td_close.jsonl",
        &["rb2610 2026-05-26T15:00:00.500 20260526 - [stale]"],
    );
    check(
        "rec_2035.csv",
        &[
            "SR001 2019-10-31T14:59:59.000 20191031 - [stale]",
            "rb2001 2019-10-31T14:59:59.500 20191031 - [stale]",
            "SR001 2019-10-31T20:59:00.000 20191101 7 []",
        ],
    );
}

#[test]
fn new_years_day_is_closed_before_any_notice() {
    check(
        "y27_night_eve.jsonl",
        &[
            "rb2705 2026-12-31T20:59:00.000 20270104 - [preopen]",
            "rb2705 2027-01-04T09:00:00.500 20270104 5 []",
            "CF705 2027-01-04T20:59:00.000 20270105 - []",
            "CF705 2026-12-31T14:59:59.000 20261231 - [stale,replayed]",
        ],
    );
    check(
        "y27_czce_only.jsonl",
        &[
            "SR705 2026-12-31T20:18:00.000 20270104 - [stale,preopen]",
            "SR705 2026-12-31T14:59:59.000 20261231 - [replayed]",
        ],
    );
}

#[test]
fn the_end_of_the_calendar_is_told() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let mut command = tickdeck(["import"]);
    command.arg(repository("fixtures/dates/y27_night_eve.jsonl"));
    command.arg("-o").arg(&recording);
    let ended = finish(command).done();
    let told = |ended: &Ended, event: &str| ended.stderr.matches(event).count();
    assert_eq!(told(&ended, "calendar_partly_known"), 1, "{ended:?}");
    assert!(ended.stderr.contains("--calendar"), "{ended:?}");
    let said = "of 2027 only the statutory holidays are known: ";
    assert!(ended.stderr.contains(said), "{ended:?}");
    for verb in ["cat", "info"] {
        let ended = finish(tickdeck([verb.as_ref(), recording.as_os_str()])).done();
        assert_eq!(told(&ended, "calendar_"), 0, "{ended:?}");
    }
    let ended = replay(&recording, "--sink null").done();
    assert_eq!(told(&ended, "calendar_partly_known"), 1, "{ended:?}");
    assert_eq!(told(&ended, "calendar_date_uncertain"), 1, "{ended:?}");
    // With the whole year there is nothing to tell.
    let calendar = folder.join("calendar.txt");
    std::fs::write(&calendar, "tickdeck-calendar 1\n2027 0101 0205-0211\n").unwrap();
    let words = format!("--sink null --calendar {}", calendar.display());
    let ended = replay(&recording, &words).done();
    assert_eq!(told(&ended, "calendar_"), 0, "{ended:?}");
}

#[test]
fn a_slow_clock_is_told_once() {
    let folder = Folder::new();
    let dump = folder.join("slow.jsonl");
    // Five minutes slow: 2026-05-26T09:55:00+08:00 and on.
    let row = |second: i64| {
        serde_json::json!({
            "seq": second,
            "recv_ts": (1_779_760_500 + second) * 1_000_000_000,
            "kind": "tick",
            "TradingDay": "20260526",
            "ActionDay": "20260526",
            "InstrumentID": "rb2610",
            "UpdateTime": format!("10:{:02}:{:02}", second / 60, second % 60),
            "UpdateMillisec": 0,
            "LastPrice": 100.0,
            "Volume": 1000 + second,
        })
    };
    let rows: Vec<String> = (0..150).map(|second| row(second).to_string()).collect();
    std::fs::write(&dump, rows.join("\n")).unwrap();
    let recording = folder.join("rec");
    let mut command = tickdeck(["import"]);
    command.arg(&dump).arg("-o").arg(&recording);
    let ended = finish(command).done();
    let told = "early      150 rows of";
    assert!(ended.stdout.contains(told), "{ended:?}");
    assert!(ended.stdout.contains("up to 0:05:00 before"), "{ended:?}");
    let ended = replay(&recording, "--sink null").done();
    assert_eq!(
        ended.stderr.matches("receive_clock_slow").count(),
        1,
        "{ended:?}"
    );
}

#[test]
fn former_hours_of_soda_ash_and_fuel_oil_hold() {
    check(
        "sa2019.jsonl",
        &[
            "SA005 2019-12-09T23:10:00.000 20191210 - []",
            "fu1809 2018-05-15T08:56:00.000 20180515 - [preopen]",
            "fu1801 2017-11-13T08:55:00.500 20171113 - [stale,preopen]",
        ],
    );
}

#[test]
fn a_volume_that_falls_is_flagged_in_payloads() {
    check(
        "vnpy760.jsonl",
        &[
            "rb2610 2026-05-26T10:00:00.500 20260526 - []",
            "rb2610 2026-05-26T10:00:01.000 20260526 0 [volume_fell]",
            "rb2610 2026-05-26T10:00:01.500 20260526 4 []",
            "rb2610 2026-05-26T20:59:00.500 20260527 7 []",
        ],
    );
    check(
        "vnpy1301.jsonl",
        &[
            "p1905 2018-12-25T14:33:00.269 20181225 - []",
            "p1905 2018-12-25T14:33:01.769 20181225 0 [volume_fell]",
            "p1905 2018-12-25T14:33:02.100 20181225 3 []",
        ],
    );
}

/// A recording of a fixture.
fn recording_of(folder: &Folder, fixture: &str, name: &str) -> PathBuf {
    let recording = folder.join(name);
    let mut command = tickdeck(["import"]);
    command.arg(repository("fixtures").join(fixture));
    command.arg("-o").arg(&recording);
    finish(command).done();
    recording
}

#[test]
fn measured_and_derived_receive_times_do_not_mix() {
    let folder = Folder::new();
    let measured = recording_of(&folder, "dates/czce_day_close_at_2035.jsonl", "measured");
    let derived = recording_of(&folder, "dates/min_grouped.csv", "derived");
    let out = folder.join("out");
    let run = |words: &str, recordings: [&PathBuf; 2]| {
        let mut command = tickdeck(words.split(' '));
        command.args(recordings);
        if !words.starts_with("replay") {
            command.args([OsStr::new("--force"), OsStr::new("-o"), out.as_os_str()]);
        }
        finish(command)
    };
    for words in [
        "replay --rate max --sink null",
        "replay --rate max --sink null --dry-run",
        "merge",
        "export --format csv",
        "export --format payload",
    ] {
        for recordings in [[&measured, &derived], [&derived, &measured]] {
            let ended = run(words, recordings);
            assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
            let (measured, derived) = (measured.display(), derived.display());
            let said = format!("{measured} has measured receive times and {derived} derived ones");
            assert!(ended.stderr.contains(&said), "{ended:?}");
            assert!(ended.stderr.contains("one after the other"), "{ended:?}");
            assert!(!out.exists(), "{words}");
        }
        for same in [&measured, &derived] {
            run(words, [same, same]).done();
            let _ = std::fs::remove_dir_all(&out);
            let _ = std::fs::remove_file(&out);
        }
    }
}

#[test]
fn what_is_made_of_a_recording_keeps_its_receive_times() {
    let folder = Folder::new();
    for (fixture, rule) in [
        ("dates/czce_day_close_at_2035.jsonl", "recorded"),
        ("dates/min_grouped.csv", "exchange-time-monotone"),
    ] {
        let recording = recording_of(&folder, fixture, rule);
        let (recording, again) = (recording.display(), folder.join("again"));
        for words in [
            format!("slice {recording}"),
            format!("merge {recording} {recording}"),
            format!("record --rate max --source recording:{recording}"),
        ] {
            let mut command = tickdeck(words.split(' '));
            command.arg("--force").arg("-o").arg(&again);
            finish(command).done();
            let manifest = std::fs::read_to_string(again.join("manifest.json")).unwrap();
            let manifest: Value = serde_json::from_str(&manifest).unwrap();
            assert_eq!(manifest["source"]["recv_ts"], rule, "{words}");
        }
    }
}

#[test]
fn an_export_of_derived_times_replays_the_same() {
    let folder = Folder::new();
    for fixture in ["min_grouped.csv", "vf57582.csv", "vnpy34_czce.csv"] {
        let recording = recording_of(&folder, &format!("dates/{fixture}"), fixture);
        let expected = stream(&recording, "");
        for format in ["csv", "jsonl"] {
            let (text, again) = (folder.join("text"), folder.join("again"));
            let run = |words: &str, input: &PathBuf, output: &PathBuf| {
                let mut command = tickdeck(words.split(' '));
                command.arg(input).arg("--force").arg("-o").arg(output);
                finish(command).done()
            };
            run(&format!("export --format {format}"), &recording, &text);
            let exported = std::fs::read_to_string(&text).unwrap();
            assert!(exported.contains("recv_ts_derived"), "{exported}");
            let ended = run("import", &text, &again);
            assert!(!ended.stdout.contains("early"), "{ended:?}");
            assert_eq!(stream(&again, ""), expected, "{fixture} {format}");
            assert_eq!(info_digest(&again), info_digest(&recording));
            let manifest = std::fs::read_to_string(again.join("manifest.json")).unwrap();
            assert!(manifest.contains("recorded-derived"), "{manifest}");
        }
    }
}

#[test]
fn a_night_on_a_holiday_eve_is_out_of_session() {
    check(
        "holiday_eve_night.jsonl",
        &[
            "rb2601 2025-09-30T14:59:59.500 20250930 - []",
            "rb2601 2025-09-30T21:00:01.500 20251009 5 [out_of_session]",
            "SR601 2025-09-30T21:00:01.000 20251009 - [out_of_session]",
            // The night before, which comes a day late.
            "rb2605 2025-09-29T21:00:02.500 20250930 - [stale]",
            "rb2601 2025-10-09T09:00:01.500 20251009 4 []",
            "SR601 2025-10-09T09:00:01.000 20251009 4 []",
        ],
    );
}
