//! `coverage` finds what is missing in recordings, and nothing in whole ones.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tickdeck_core::event::{Event, EventKind, Seq, SessionEvent};
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{Recording, RecordingOptions, RecordingWriter, Rolling};

use super::json::keys;
use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::recordings::{Folder, events, quick};

const SECOND: i64 = 1_000_000_000;
/// The quick market has one minute of the day, with two ticks a second.
const OF_MINUTE: &str = "--hours recorded --silent 10s";

fn coverage(path: &Path, words: &str) -> Ended {
    let mut command = tickdeck(["coverage".as_ref(), path.as_os_str()]);
    command.args(words.split_whitespace());
    finish(command)
}

#[track_caller]
fn ends(ended: Ended, code: i32) -> Ended {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    ended
}

/// The quick market with a lost front from second 20 to 40, without IF2509, and with rb2510 for 5 seconds.
fn planted(folder: &Folder) -> PathBuf {
    let source = Recording::open(&quick()).unwrap();
    let (start, _) = source.time_range().unwrap().unwrap();
    let second = |at: UnixNanos| at.since(start) / SECOND;
    let mut kept: Vec<(UnixNanos, EventKind)> = Vec::new();
    for Event { recv_ts, kind, .. } in events(&quick()) {
        let is_lost = match &kind {
            EventKind::Tick(tick) => match tick.instrument_id.to_string().as_str() {
                "IF2509" => true,
                "rb2510" => second(recv_ts) >= 5,
                _ => (20..40).contains(&second(recv_ts)),
            },
            EventKind::Session(_) => false,
        };
        if !is_lost {
            kept.push((recv_ts, kind));
        }
    }
    let login = SessionEvent::LoginOk {
        trading_day: String::new(),
    };
    for (after, event) in [
        (20, SessionEvent::FrontDisconnected { reason: 4097 }),
        (40, SessionEvent::FrontConnected {}),
        (40, login),
    ] {
        kept.push((start.plus(after * SECOND), EventKind::Session(event)));
    }
    kept.sort_by_key(|(at, _)| *at);
    let planted: Vec<Event> = (0..)
        .zip(kept)
        .map(|(seq, (recv_ts, kind))| Event {
            seq: Seq(seq),
            recv_ts,
            kind,
        })
        .collect();
    let path = folder.join("planted");
    let mut writer = RecordingWriter::create(&path, options(&source)).unwrap();
    writer.write(&planted).unwrap();
    writer.finish().unwrap();
    path
}

fn options(source: &Recording) -> RecordingOptions {
    let mut contracts = tickdeck_core::contract::ContractTable::builtin();
    source.contracts(&mut contracts).unwrap();
    RecordingOptions {
        session: "planted".into(),
        source: source.source().clone(),
        contracts: contracts.into(),
        calendar: source.calendar().unwrap().unwrap().into(),
        rolling: Rolling::default(),
        overwrite: false,
        keep_partial: false,
    }
}

fn ids(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|it| {
        it.as_str()
            .unwrap_or_else(|| it["instrument"].as_str().unwrap())
    })
    .collect()
}

#[test]
fn a_whole_recording_is_clean() {
    let clean = coverage(&quick(), OF_MINUTE).done();
    assert!(clean.stdout.starts_with("2025-09-12  whole\n"), "{clean:?}");
    let json = coverage(&quick(), &format!("{OF_MINUTE} --json")).done();
    assert_eq!(keys(&json.stdout), "whole silent_s days");
    let json = json.json();
    assert_eq!(
        (&json["whole"], &json["silent_s"]),
        (&json!(true), &json!(10.0))
    );
    let day = &json["days"][0];
    let empty = json!([]);
    for key in ["silent", "without_tick", "refused"] {
        assert_eq!(day[key], empty, "{key}");
    }
    let instruments = day["instruments"].as_array().unwrap();
    assert_eq!(instruments.len(), 8);
    for one in instruments {
        let first = one["first_tick"].as_str().unwrap();
        assert!(first.starts_with("2025-09-12T09:"), "{one}");
        assert_eq!(one["silent"], empty);
    }
    // It has one minute of its day.
    let part = ends(coverage(&quick(), ""), 1);
    assert!(
        part.stdout.starts_with("2025-09-12  not whole: "),
        "{part:?}"
    );
}

#[test]
fn a_planted_gap_and_a_silent_instrument_are_found() {
    let folder = Folder::new();
    let planted = planted(&folder);
    let found = ends(coverage(&planted, &format!("{OF_MINUTE} --json")), 1).json();
    let day = &found["days"][0];
    assert_eq!(
        (&found["whole"], &day["whole"]),
        (&json!(false), &json!(false))
    );
    let session = &day["sessions"][0];
    let gap = &session["gaps"][0];
    assert_eq!(gap["reason"], "front_disconnected (reason 4097)");
    assert_eq!(gap["in_trading_hours"], true);
    assert_eq!(session["reconnects"], 1);
    assert_eq!(day["without_tick"], json!(["IF2509"]));
    let silence = day["silent"][0]["trading_s"].as_f64().unwrap();
    assert!((20.0..22.0).contains(&silence), "{silence}");
    let of = |id: &str| {
        let mut all = day["instruments"].as_array().unwrap().iter();
        all.find(|it| it["instrument"] == id).unwrap()["silent"].clone()
    };
    let long = of("rb2510")[0]["trading_s"].as_f64().unwrap();
    assert!(long > 50.0, "{long}");
    let text = ends(coverage(&planted, OF_MINUTE), 1).stdout;
    for part in [
        "1 gap",
        "1 silence of all instruments",
        "1 instrument without a tick",
        "front_disconnected (reason 4097)",
        "no tick   IF2509",
        "rb2510",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The most silent instrument comes first.
    let mut rows = text
        .lines()
        .skip_while(|line| !line.starts_with("INSTRUMENT"));
    assert!(rows.nth(1).unwrap().starts_with("rb2510 "), "{text}");
}

#[test]
fn what_is_accepted_is_not_found() {
    let folder = Folder::new();
    let planted = planted(&folder);
    let silent = |words: &str| {
        let words = format!("--hours recorded --json {words}");
        let found = ends(coverage(&planted, &words), 1).json();
        let day = &found["days"][0];
        let silent = day["instruments"].as_array().unwrap().iter();
        let silent = silent.filter(|it| it["silent"] != json!([])).count();
        (silent, ids(&day["without_tick"]).len())
    };
    assert_eq!(silent("--silent 10s"), (7, 1));
    assert_eq!(silent("--silent 10s --allow rb*,*.CFFEX"), (6, 0));
    assert_eq!(silent("--silent 10s --min-ticks 20"), (6, 1));
    assert_eq!(silent("--silent 10s --symbols m2601,IF*"), (1, 1));
    assert_eq!(silent("--silent 30s"), (1, 1));
}

#[test]
fn a_catalogue_is_judged_by_day() {
    let folder = Folder::new();
    let root = folder.join("sessions");
    for (day, seed) in [("2026-01-05", 1), ("2026-01-06", 2), ("2026-01-06", 3)] {
        let source = format!("synthetic:quick,seed={seed},trading_day={day}");
        let mut command = tickdeck(["record", "--source", &source, "-q", "--record-under"]);
        command.arg(&root);
        finish(command).done();
    }
    let clean = coverage(&root, &format!("{OF_MINUTE} --json"))
        .done()
        .json();
    let days = clean["days"].as_array().unwrap();
    assert_eq!(days.len(), 2);
    assert_eq!(days[1]["sessions"].as_array().unwrap().len(), 2);
    let words = format!("{OF_MINUTE} --trading-day 2026-01-05");
    let one = coverage(&root, &words).done().stdout;
    assert!(
        one.starts_with("2026-01-05  whole\n") && !one.contains("2026-01-06"),
        "{one}"
    );
    // Every hour of the day was expected.
    let all = ends(coverage(&root, "--hours all --json"), 1).json();
    let judged = |day: usize| &all["days"][day]["judged"];
    assert_eq!(judged(1), &json!(["night", "day"]));
    // The evening before was a holiday.
    assert_eq!(judged(0), &json!(["day"]));
}

#[test]
fn nothing_to_judge_is_an_exit_code() {
    let words = format!("{OF_MINUTE} --symbols nosuch");
    let empty = ends(coverage(&quick(), &words), 3);
    assert!(empty.stderr.contains("nothing_judged"), "{empty:?}");
    coverage(&quick(), &format!("{words} --allow-empty")).done();
    let missing = ends(coverage(Path::new("/no/such/recording"), ""), 2);
    assert!(missing.stderr.contains("not a recording"), "{missing:?}");
    for (words, said) in [
        ("--symbols [", "--symbols cannot be used"),
        ("--allow !rb", "--allow cannot be used"),
        ("--silent 0s", "--silent"),
    ] {
        let refused = ends(coverage(&quick(), words), 2);
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
}
