//! Nothing is silently nothing: an empty result is a warning that says what is there and exit code 3,
//! and leaves nothing behind. `--allow-empty` accepts it.

use std::path::Path;

use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::recordings::{Folder, events, info, names, quick, repository};

/// `VERB words -o folder/out`.
fn make(folder: &Folder, words: &[&str], more: &[&str]) -> Ended {
    let mut command = tickdeck(words);
    command.args(more).arg("-o").arg(folder.join("out"));
    finish(command)
}

/// A recording of two session events.
fn without_ticks(folder: &Folder) -> String {
    let path = folder.join("empty");
    let mut command = tickdeck(["slice".as_ref(), quick().as_os_str(), "-o".as_ref()]);
    command
        .arg(&path)
        .args("--symbols nosuch --allow-empty".split(' '));
    finish(command).done();
    path.display().to_string()
}

/// Checks the end of a verb that found no tick.
#[track_caller]
fn check_told(ended: &Ended, event: &str, parts: &[&str]) {
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let mut lines = ended.stderr.lines();
    let line = lines.find(|line| line.contains(event));
    let line = line.unwrap_or_else(|| panic!("{ended:?}"));
    for part in ["--allow-empty accepts that"].iter().chain(parts) {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn verbs_that_make_a_recording_leave_none() {
    let folder = Folder::new();
    let (quick, empty) = (quick().display().to_string(), without_ticks(&folder));
    let source = format!("recording:{empty}");
    let header = folder.join("header.csv");
    let dump = std::fs::read_to_string(repository("fixtures/dumps/blank.csv")).unwrap();
    let (first, _) = dump.split_once('\n').unwrap();
    std::fs::write(&header, format!("{first}\n")).unwrap();
    let header = header.display().to_string();
    let range = "2025-09-12T09:29:58.000002724+08:00 to 2025-09-12T09:30:5";
    let empty_range = "events=2 recorded=\"2025-09-12T09:29:58.000002724+08:00 to 2025";
    for (words, event, told) in [
        (
            vec!["slice", &quick, "--symbols", "nosuch"],
            "nothing_selected",
            vec!["symbols=nosuch", "available=IF2509,TA601", range],
        ),
        (
            vec!["slice", &quick, "-S", "15:00"],
            "nothing_selected",
            vec!["start=2025-09-12T15:00", range],
        ),
        (
            vec!["merge", &empty, &empty],
            "no_tick_found",
            vec!["events=4", "session=empty+empty"],
        ),
        (
            vec!["import", &header],
            "no_tick_found",
            vec!["header.csv", "rows=0", "skipped=0"],
        ),
        (
            vec!["record", "--source", &source],
            "no_tick_found",
            vec![empty_range],
        ),
    ] {
        check_told(&make(&folder, &words, &[]), event, &told);
        let json = make(&folder, &words, &["--json"]);
        check_told(&json, event, &told);
        if words[0] == "record" {
            assert_eq!(json.json()["received"], 0);
        } else {
            assert_eq!(json.json()["path"], serde_json::Value::Null, "{words:?}");
            assert_eq!(json.json()["ticks"], 0, "{words:?}");
        }
        assert_eq!(folder.names(), ["empty", "header.csv"], "{words:?}");
        let accepted = make(&folder, &words, &["--allow-empty"]).done();
        assert!(!accepted.stderr.contains(event), "{accepted:?}");
        let out = folder.join("out");
        finish(tickdeck(["verify".as_ref(), out.as_os_str()])).done();
        assert_eq!(info(&out)["ticks"], 0);
        std::fs::remove_dir_all(out).unwrap();
    }
}

#[test]
fn an_empty_result_replaces_nothing() {
    let folder = Folder::new();
    let quick = quick().display().to_string();
    let out = folder.join("out");
    make(&folder, &["slice", &quick], &["--symbols", "rb*"]).done();
    let before = events(&out);
    for more in [&["--symbols", "nosuch"], &["-S", "15:00"]] {
        let ended = make(&folder, &["slice", &quick, "--force"], more);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(events(&out) == before);
    }
    let empty = without_ticks(&folder);
    let source = format!("recording:{empty}");
    let refused = make(&folder, &["record", "--source", &source], &[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let ended = make(&folder, &["record", "--force", "--source", &source], &[]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(events(&out) == before);
    // Segments that were sealed on the way go too.
    let words = ["record", "--force", "--max-rows", "1", "--source", &source];
    assert_eq!(make(&folder, &words, &[]).code, Some(3));
    assert!(events(&out) == before);
    assert_eq!(folder.names(), ["empty", "out"]);
}

#[test]
fn an_empty_export_leaves_no_file() {
    let folder = Folder::new();
    let quick = quick().display().to_string();
    let file = folder.join("out");
    for format in ["csv", "jsonl", "payload", "java-trader"] {
        let words = ["export", &quick, "--format", format, "--symbols", "nosuch"];
        let told = make(&folder, &words, &[]);
        check_told(&told, "nothing_selected", &["available=IF2509"]);
        assert!(folder.names().is_empty(), "{format}");
        let json = make(&folder, &words, &["--json"]).json();
        assert_eq!(json["path"], serde_json::Value::Null, "{json}");
        std::fs::write(&file, "mine").unwrap();
        assert_eq!(make(&folder, &words, &["--force"]).code, Some(3));
        assert_eq!(std::fs::read(&file).unwrap(), b"mine", "{format}");
        make(&folder, &words, &["--force", "--allow-empty"]).done();
        assert!(std::fs::read(&file).unwrap() != b"mine", "{format}");
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn rows_that_are_all_bad_make_no_recording() {
    let folder = Folder::new();
    let dump = folder.join("bad.jsonl");
    std::fs::write(&dump, "{\"InstrumentID\":\"rb2605\",\"LastPrice\":1}\n").unwrap();
    let dump = dump.display().to_string();
    let ended = make(&folder, &["import", &dump, "--skip-bad"], &[]);
    check_told(&ended, "no_tick_found", &["rows=0", "skipped=1"]);
    assert_eq!(folder.names(), ["bad.jsonl"]);
}

#[test]
fn a_session_that_is_too_short_is_told() {
    let folder = Folder::new();
    let ended = make(&folder, &["generate", "--duration", "1ms"], &[]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("--duration"), "{ended:?}");
    assert!(folder.names().is_empty());
}

/// A recording of nothing is valid everywhere.
#[test]
fn a_recorded_market_has_its_own_length_and_day() {
    let folder = Folder::new();
    let record = |source: &str, more: &[&str]| {
        let mut command = tickdeck(["record", "--source", source, "-o", "rec"]);
        command.args(more).current_dir(folder.path());
        finish(command)
    };
    let source = "synthetic:quick,seed=3,duration=5s,trading_day=2025-09-15";
    let said = record(source, &[]).done().stdout;
    assert!(said.contains(" 1 segment, "), "{said}");
    let recorded = info(&folder.join("rec"));
    assert_eq!(recorded["trading_days"], serde_json::json!(["2025-09-15"]));
    folder.generate(
        "made",
        "--profile quick --seed 3 --duration 5s --trading-day 2025-09-15",
    );
    assert_eq!(recorded["digest"], info(&folder.join("made"))["digest"]);
    let ended = record("synthetic:quick,duration=1ms", &["--force"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    check_told(&ended, "no_tick_found", &["duration="]);
}

#[test]
fn an_empty_recording_is_read_by_every_verb() {
    let folder = Folder::new();
    let empty = without_ticks(&folder);
    let path = Path::new(&empty);
    assert_eq!(
        names(path),
        ["contracts.parquet", "manifest.json", "part-00000.parquet"]
    );
    for (verb, words, code) in [
        ("info", "", 0),
        ("verify", "", 0),
        ("cat", "", 0),
        ("replay", "--rate max --sink null", 3),
        ("replay", "--rate max --sink null --allow-empty", 0),
        ("export", "", 3),
        ("check", "--update", 3),
        ("check", "--allow-empty", 0),
    ] {
        let mut command = tickdeck([verb, &empty]);
        command.args(words.split_whitespace());
        let ended = finish(command);
        assert_eq!(ended.code, Some(code), "{verb} {words}: {ended:?}");
    }
}

/// A recording whose ticks are all rejected: no table has their instrument.
fn of_unknown_instruments(folder: &Folder) -> String {
    let dump = folder.join("unknown.csv");
    std::fs::write(
        &dump,
        "TradingDay,InstrumentID,LastPrice,Volume,UpdateTime\n\
         20260105,rb888,3110,1,09:00:00\n20260105,rb888,3111,2,09:00:01\n",
    )
    .unwrap();
    let path = folder.join("unknown");
    let mut command = tickdeck(["import".as_ref(), dump.as_os_str(), "-o".as_ref()]);
    command.arg(&path);
    finish(command).done();
    path.display().to_string()
}

#[test]
fn ticks_without_a_message_are_told() {
    let folder = Folder::new();
    let unknown = of_unknown_instruments(&folder);
    let (file, source) = (folder.join("out"), format!("recording:{unknown}"));
    let to_file = format!("jsonl:{}", file.display());
    let rejected = "ticks=2 rejected=\"unknown_exchange 2\" filtered=0";
    let record = [
        "record",
        "--rate=max",
        "--force",
        "--source",
        &source,
        "-o",
        "rec",
    ];
    for (words, told) in [
        (
            vec!["replay", &unknown, "--rate=max", "--sink", "null"],
            rejected,
        ),
        (
            vec!["replay", &unknown, "--rate=max", "--sink", "digest"],
            rejected,
        ),
        (
            vec!["replay", &unknown, "--rate=max", "--sink", "jsonl:-"],
            rejected,
        ),
        (
            vec!["replay", &unknown, "--rate=max", "--sink", &to_file],
            rejected,
        ),
        (vec!["export", &unknown, "--format=payload"], rejected),
        (
            vec!["export", &unknown, "--format=payload", "-o", "out"],
            rejected,
        ),
        (
            [&record[..], &["--publish", "--sink", &to_file]].concat(),
            rejected,
        ),
    ] {
        let run = |more: &[&str]| {
            let mut command = tickdeck(&words);
            command.args(more).current_dir(folder.path());
            finish(command)
        };
        check_told(&run(&[]), "nothing_published", &[told]);
        assert!(!file.exists(), "{words:?}");
        let accepted = run(&["--allow-empty"]).done();
        assert!(
            !accepted.stderr.contains("nothing_published"),
            "{accepted:?}"
        );
        let is_to_file = words.contains(&to_file.as_str()) || words.contains(&"out");
        assert_eq!(std::fs::read(&file).is_ok(), is_to_file, "{words:?}");
        let _ = std::fs::remove_file(&file);
    }
    // Without publishing, the recording is all that was wanted.
    let mut command = tickdeck(record);
    command.current_dir(folder.path());
    finish(command).done();
    // The first tick after a subscription is a snapshot.
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args("--rate max --sink null -n 1 --drop snapshot".split(' '));
    let told = "ticks=1 rejected=\"\" filtered=1";
    check_told(&finish(command), "nothing_published", &[told]);
}

#[test]
fn a_sink_without_a_message_makes_no_file() {
    let folder = Folder::new();
    let quick = quick().display().to_string();
    let file = folder.join("out.jsonl");
    let sink = format!("jsonl:{}", file.display());
    let replay = |more: &[&str]| {
        let mut command = tickdeck(["replay", &quick, "--rate", "max", "-q", "--sink", &sink]);
        command.args(more);
        finish(command)
    };
    let nothing = ["--symbols", "nosuch"];
    check_told(&replay(&nothing), "nothing_selected", &["symbols=nosuch"]);
    assert!(folder.names().is_empty());
    std::fs::write(&file, "mine").unwrap();
    assert_eq!(replay(&[&nothing[..], &["--force"]].concat()).code, Some(3));
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    std::fs::remove_file(&file).unwrap();
    replay(&[&nothing[..], &["--allow-empty"]].concat()).done();
    assert_eq!(std::fs::read(&file).unwrap(), b"");
    std::fs::remove_file(&file).unwrap();
    // No tick was asked for.
    replay(&["-n", "0"]).done();
    assert!(file.exists());
}
