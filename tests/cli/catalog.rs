//! Catalogues: `record --record-under` writes one, every verb that reads takes its root, `ls` lists it
//! and `prune` shortens it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::keys;
use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::recordings::{Folder, events, info_digest, names, quick, replay_digest};

/// A verb with `path` as its first argument.
fn verb(verb: &str, path: &Path, words: &str) -> Ended {
    let mut command = tickdeck([verb.as_ref(), path.as_os_str()]);
    command.args(words.split_whitespace().map(OsStr::new));
    finish(command)
}

/// Records a market under `root`.
fn record(root: &Path, source: &str, words: &str) -> Ended {
    let mut command = tickdeck(["record", "--source", source, "--record-under"].map(OsStr::new));
    command.arg(root);
    command.args(words.split_whitespace().map(OsStr::new));
    finish(command)
}

/// A catalogue with the quick market on three trading days.
fn catalogue(folder: &Folder) -> PathBuf {
    let root = folder.join("sessions");
    for (day, seed) in [("2026-01-05", 1), ("2026-01-06", 2), ("2026-01-07", 3)] {
        let source = format!("synthetic:quick,seed={seed},trading_day={day}");
        record(&root, &source, "-q").done();
    }
    root
}

/// Checks for an exit code.
#[track_caller]
fn ends(ended: Ended, code: i32) -> Ended {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    ended
}

fn ls(root: &Path, words: &str) -> Value {
    verb("ls", root, &format!("{words} --json")).done().json()
}

#[test]
fn a_session_is_recorded_by_day_and_id() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let session = root.join("trading_day=2026-01-06/session=quick-2");
    assert_eq!(
        names(&session),
        ["_contracts.parquet", "_manifest.json", "part-00000.parquet"]
    );
    let same = folder.generate("same", "--profile quick --seed 2 --trading-day 20260106");
    assert_eq!(info_digest(&session), info_digest(&same));
    verb("verify", &session, "").done();
    // The same market again is another session of the day.
    let again = "synthetic:quick,seed=2,trading_day=2026-01-06";
    let made = record(&root, again, "").done();
    assert!(made.stdout.contains("session=quick-2-2"), "{made:?}");
    record(&root, again, "--session mine -q").done();
    let listed = ls(&root, "--session mine");
    let told = record(&root, again, "--session named --json -q").done();
    assert!(keys(&told.stdout).ends_with(" recordings"), "{told:?}");
    let json = told.json();
    let named = root.join("trading_day=2026-01-06/session=named");
    assert_eq!(json["recordings"], serde_json::json!([named]), "{json}");
    assert_eq!(listed[0]["trading_day"], "2026-01-06");
    assert_eq!(listed[0]["session"], "mine");
}

#[test]
fn what_a_catalogue_cannot_take_is_refused() {
    let folder = Folder::new();
    let market = "synthetic:quick,duration=1s";
    for (place, words, reason) in [
        (quick(), "", "it is a recording"),
        (folder.path().to_owned(), "", "it has no folder trading_day"),
        (
            folder.join("new"),
            "--session a/b",
            "expected letters, digits",
        ),
        (folder.join("new"), "-o other", "cannot be used with"),
    ] {
        std::fs::write(folder.join("notes.txt"), "mine").unwrap();
        let refused = ends(record(&place, market, words), 2);
        assert!(refused.stderr.contains(reason), "{reason}: {refused:?}");
    }
    let command = tickdeck(["record", "--source", market, "--session", "x", "-o", "y"]);
    assert!(
        ends(finish(command), 2)
            .stderr
            .contains("cannot be used with")
    );
    assert_eq!(folder.names(), ["notes.txt"]);
}

#[test]
fn a_root_through_a_file_is_refused_at_once() {
    let folder = Folder::new();
    std::fs::write(folder.join("file"), "").unwrap();
    for root in ["file", "file/root"] {
        let words = format!(
            "--publish --sink jsonl:{}",
            folder.join("out.jsonl").display()
        );
        let refused = ends(record(&folder.join(root), "synthetic:quick", &words), 2);
        assert!(!refused.stderr.contains("recording_failed"), "{refused:?}");
        assert!(!folder.join("out.jsonl").exists(), "nothing begins");
    }
}

#[test]
fn every_verb_that_reads_takes_a_root() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let day = |day: &str, id: &str| root.join(format!("trading_day={day}/session={id}"));
    let (first, second) = (day("2026-01-05", "quick-1"), day("2026-01-06", "quick-2"));
    let select = "--trading-day 2026-01-06";
    // One session.
    for words in [
        select,
        "--session quick-2",
        "--session *-2 --trading-day 20260106",
    ] {
        let info = verb("info", &root, &format!("{words} --json"))
            .done()
            .json();
        assert_eq!(info["session"], "quick-2", "{words}");
    }
    let digest = |words: &str| {
        let words = format!("--rate max --sink digest -q --json {words}");
        verb("replay", &root, &words).done().digest()
    };
    assert_eq!(digest(select), replay_digest(&second));
    let cat = |path: &Path, words: &str| verb("cat", path, words).done().stdout;
    assert_eq!(cat(&root, select), cat(&second, ""));
    let export = |path: &Path, words: &str| verb("export", path, words).done().stdout;
    assert_eq!(export(&root, select), export(&second, ""));
    let cut = folder.join("cut");
    let words = format!("{select} -n 10 -o {}", cut.display());
    verb("slice", &root, &words).done();
    assert_eq!(
        events(&cut)
            .iter()
            .filter_map(|event| event.as_tick())
            .count(),
        10
    );
    // Several sessions.
    let verified = verb("verify", &root, "").done();
    assert_eq!(verified.stdout.matches("intact").count(), 3, "{verified:?}");
    let infos = verb("info", &root, "--json").done().json();
    assert_eq!(infos.as_array().unwrap().len(), 3);
    let merged = folder.join("merged");
    let words = format!(
        "--trading-day 2026-01-05,2026-01-06 -o {}",
        merged.display()
    );
    verb("merge", &root, &words).done();
    assert_eq!(
        events(&merged).len(),
        events(&first).len() + events(&second).len()
    );
    assert_eq!(digest("--session quick-[12]"), replay_digest(&merged));
    let recovered = verb("recover", &root, "").done();
    assert_eq!(recovered.stdout.matches("finished already").count(), 3);
    verb("check", &root, "--update -q").done();
    assert!(
        root.join("trading_day=2026-01-05/session=quick-1.golden.json")
            .is_file()
    );
    verb("check", &root, "-q").done();
    // The folder of a day is a root too.
    let one = verb("info", &root.join("trading_day=2026-01-07"), "--json").done();
    assert_eq!(one.json()["session"], "quick-3");
}

#[test]
fn a_selection_of_no_session_says_what_is_there() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    for (name, words, advice) in [
        ("info", "--session nothing", false),
        ("replay", "--trading-day 2026-01-09 --sink digest", true),
        ("check", "--session nothing", true),
    ] {
        let empty = ends(verb(name, &root, words), 3);
        let said = "it has 3, from quick-1 (2026-01-05)";
        assert!(empty.stderr.contains(said), "{empty:?}");
        assert_eq!(empty.stderr.contains("--allow-empty"), advice, "{empty:?}");
        if advice {
            let accepted = verb(name, &root, &format!("{words} --allow-empty")).done();
            assert!(accepted.stderr.contains(said), "{accepted:?}");
        }
    }
    // One of several is a warning, and the others are used.
    for words in [
        "--session nothing,quick-1",
        "--trading-day 2026-01-05,2026-01-09",
    ] {
        for name in ["info", "ls"] {
            let part = verb(name, &root, words).done();
            let unmatched = part.stderr.contains("sessions_unmatched");
            assert!(unmatched && part.stdout.contains("quick-1"), "{part:?}");
            assert!(!part.stdout.contains("quick-2"), "{part:?}");
        }
    }
    let refused = ends(verb("info", &quick(), "--session nothing"), 2);
    assert!(
        refused.stderr.contains("under the root of a catalogue"),
        "{refused:?}"
    );
    let cut = folder.join("cut").display().to_string();
    let refused = ends(verb("slice", &root, &format!("-o {cut}")), 2);
    assert!(refused.stderr.contains("these are 3"), "{refused:?}");
    let one = format!("--session quick-1 -o {cut}");
    let refused = ends(verb("merge", &root, &one), 2);
    assert!(
        refused.stderr.contains("at least two recordings"),
        "{refused:?}"
    );
    let refused = ends(verb("cat", &root, "--follow"), 2);
    assert!(
        refused.stderr.contains("--follow follows one recording"),
        "{refused:?}"
    );
    let nothing = ends(verb("ls", &root, "--session nothing --json"), 3);
    assert_eq!(nothing.stdout, "[]\n");
    verb("ls", &root, "--session nothing --allow-empty").done();
    let refused = ends(verb("ls", &quick(), ""), 2);
    assert!(refused.stderr.contains("it is a recording"), "{refused:?}");
}

#[test]
fn ls_lists_the_sessions_of_a_root() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let listed = ls(&root, "");
    let days: Vec<&Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["trading_day"])
        .collect();
    assert_eq!(days, ["2026-01-05", "2026-01-06", "2026-01-07"]);
    let session = root.join("trading_day=2026-01-05/session=quick-1");
    let about = verb("info", &session, "--json").done().json();
    let one = &listed[0];
    for key in [
        "session",
        "status",
        "being_written",
        "symbols",
        "ticks",
        "exchanges",
    ] {
        assert_eq!(one[key], about[key], "{key}");
    }
    assert_eq!(one["gaps"], about["gaps"].as_array().unwrap().len());
    let on_disk = names(&session)
        .into_iter()
        .map(|name| std::fs::metadata(session.join(name)).unwrap().len());
    assert_eq!(one["bytes"], on_disk.sum::<u64>());
    let table = verb("ls", &root, "").done().stdout;
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("TRADING DAY  SESSION"), "{table}");
    // What cannot be read is listed and found.
    std::fs::write(session.join("_manifest.json"), "{").unwrap();
    let damaged = ends(verb("ls", &root, "--json"), 1).json();
    assert_eq!(damaged[0]["status"], "damaged");
    assert!(
        damaged[0]["problem"]
            .as_str()
            .unwrap()
            .contains("_manifest.json")
    );
}

#[test]
fn prune_keeps_the_latest_trading_days() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let dry = verb("prune", &root, "--keep-days 1 --dry-run --json")
        .done()
        .json();
    assert_eq!(ls(&root, "").as_array().unwrap().len(), 3);
    let shown = verb("prune", &root, "--keep-days 2 --dry-run")
        .done()
        .stdout;
    assert!(shown.contains("not of the last 2 trading days"), "{shown}");
    let pruned = verb("prune", &root, "--keep-days 1 --json").done().json();
    assert_eq!(pruned["removed"], dry["removed"]);
    assert_eq!(pruned["removed"].as_array().unwrap().len(), 2);
    assert_eq!(pruned["removed"][0]["exceeds"], "days");
    assert_eq!(names(&root), ["trading_day=2026-01-07"]);
    let nothing = verb("prune", &root, "--keep-days 1 --json").done().json();
    assert_eq!(
        (&nothing["removed"], &nothing["kept"]),
        (&Value::Array(vec![]), &Value::from(1))
    );
}

#[test]
fn prune_removes_the_oldest_until_the_bytes_fit() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let listed = ls(&root, "");
    let newest = listed[2]["bytes"].as_u64().unwrap();
    let pruned = verb("prune", &root, &format!("--max-bytes {newest}B --json"))
        .done()
        .json();
    assert_eq!(pruned["bytes_left"], newest);
    assert_eq!(names(&root), ["trading_day=2026-01-07"]);
    // Single recordings are pruned too, by the days in them.
    let rec = folder.generate("rec", "--profile quick");
    verb("prune", &rec, "--keep-days 1").done();
    assert!(rec.exists());
    verb("prune", &rec, "--max-bytes 1B").done();
    assert!(!rec.exists());
}

#[test]
fn prune_spares_what_is_damaged_or_unfinished() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let first = root.join("trading_day=2026-01-05/session=quick-1");
    let part = first.join("part-00000.parquet");
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let second = root.join("trading_day=2026-01-06/session=quick-2/_manifest.json");
    let manifest = std::fs::read_to_string(&second).unwrap();
    std::fs::write(&second, manifest.replace("\"complete\"", "\"recording\"")).unwrap();
    let spared = ends(verb("prune", &root, "--keep-days 1 --json"), 1);
    let json = spared.json();
    assert_eq!(json["removed"], Value::Array(vec![]));
    assert_eq!(json["spared"][0]["reason"], "damaged");
    assert_eq!(json["spared"][1]["reason"], "unfinished");
    assert!(
        spared.stderr.contains("`tickdeck recover` seals it"),
        "{spared:?}"
    );
    assert_eq!(ls_count(&root), 3);
    std::fs::remove_dir_all(first).unwrap();
    ends(verb("prune", &root, "--keep-days 1"), 3);
    verb("recover", &root, "").done();
    verb("prune", &root, "--keep-days 1").done();
    assert_eq!(ls_count(&root), 1);
    // The limit is below what may not go.
    let limit = verb("prune", &root, "--max-bytes 1B --dry-run").done();
    assert!(limit.stdout.contains("1 would remove"), "{limit:?}");
}

fn ls_count(root: &Path) -> usize {
    let listed = finish(tickdeck([
        "ls".as_ref(),
        root.as_os_str(),
        "--json".as_ref(),
    ]));
    serde_json::from_str::<Value>(&listed.stdout)
        .unwrap()
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn prune_refuses_what_is_no_catalogue() {
    let folder = Folder::new();
    std::fs::create_dir(folder.join("data")).unwrap();
    std::fs::write(folder.join("data/notes.txt"), "mine").unwrap();
    let refused = ends(verb("prune", &folder.join("data"), "--keep-days 1"), 2);
    assert!(refused.stderr.contains("not a catalogue"), "{refused:?}");
    ends(
        verb("prune", &folder.join("no such folder"), "--keep-days 1"),
        2,
    );
    let refused = ends(verb("prune", &folder.join("data"), ""), 2);
    assert!(
        refused.stderr.contains("nothing says what to keep"),
        "{refused:?}"
    );
    ends(verb("prune", &folder.join("data"), "--keep-days 0"), 2);
    assert_eq!(names(&folder.join("data")), ["notes.txt"]);
}
