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
    let goldens = [
        "_session=quick-1.golden.json",
        "_session=quick-1.golden.jsonl.zst",
    ];
    let in_day = names(&root.join("trading_day=2026-01-05"));
    assert_eq!(in_day, [&goldens[..], &["session=quick-1"]].concat());
    let again = verb("check", &root, "--unreferenced reject").done();
    assert!(!again.stderr.contains("golden_unreferenced"), "{again:?}");
    // The folder of a day is a root too.
    let one = verb("info", &root.join("trading_day=2026-01-07"), "--json").done();
    assert_eq!(one.json()["session"], "quick-3");
}

/// Readers of the root would take any file for data whose name is not hidden.
#[test]
fn no_output_is_put_among_the_data_of_a_root() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let before = names(&root);
    let first = root.join("trading_day=2026-01-05/session=quick-1");
    let in_root = |name: &str| root.join(name).display().to_string();
    for (name, words) in [
        (
            "check",
            format!("--update --golden {}", in_root("goldens/")),
        ),
        ("check", format!("-q --junit {}", in_root("check.xml"))),
        ("export", format!("-o {}", in_root("x.csv"))),
        ("slice", format!("-n 10 -o {}", in_root("cut"))),
        (
            "replay",
            format!("--rate max --sink jsonl:{}", in_root("x.jsonl")),
        ),
    ] {
        let refused = ends(verb(name, &first, &words), 2);
        assert!(refused.stderr.contains("a catalogue"), "{refused:?}");
        assert_eq!(names(&root), before);
    }
    // One folder has the goldens of all days, also of one session id.
    let again = "synthetic:quick,seed=1,trading_day=2026-01-06";
    record(&root, again, "--session quick-1 -q").done();
    let goldens = format!("--golden {}/", folder.join("goldens").display());
    verb("check", &root, &format!("--update {goldens}")).done();
    let found = names(&folder.join("goldens"));
    assert!(found.contains(&"trading_day=2026-01-06.session=quick-1.golden.json".to_owned()));
    let day = format!("--trading-day 2026-01-06 --unreferenced reject {goldens}");
    verb("check", &root, &day).done();
    // A hidden place is the user's.
    let hidden = format!("--update --golden {}/", root.join("_goldens").display());
    verb("check", &root, &hidden).done();
    assert!(names(&root).contains(&"_goldens".to_owned()));
    assert_eq!(ls_count(&root), 4);
}

#[test]
fn a_session_id_on_other_days_is_one_session() {
    let folder = Folder::new();
    let root = folder.join("sessions");
    let on = |day: &str, seed: u64| {
        let source = format!("synthetic:quick,seed={seed},trading_day={day}");
        record(&root, &source, "--session x").done()
    };
    let continued = "session_continued";
    let first = on("2026-01-05", 1);
    assert!(!first.stderr.contains(continued), "{first:?}");
    let second = on("2026-01-06", 2);
    let said = "session=x days=2026-01-05";
    assert!(
        second.stderr.contains(continued) && second.stderr.contains(said),
        "{second:?}"
    );
    // On one day two runs never mix: the second one has another id.
    let third = on("2026-01-06", 3);
    assert!(
        third.stderr.contains("days=2026-01-05,2026-01-06"),
        "{third:?}"
    );
    assert!(third.stdout.contains("session=x-2"), "{third:?}");
    let received = |words: &str| {
        let words = format!("--session x --rate max --sink digest --json -q {words}");
        verb("replay", &root, &words).done().json()["received"].clone()
    };
    let ticks = |day: &str, id: &str| {
        let words = format!("--trading-day {day} --session {id}");
        ls(&root, &words)[0]["ticks"].as_u64().unwrap()
    };
    let of_days = ["2026-01-05", "2026-01-06"].map(|day| ticks(day, "x"));
    assert_eq!(received(""), of_days.iter().sum::<u64>());
    assert_eq!(received("--trading-day 2026-01-06"), of_days[1]);
    assert_eq!(ls_count(&root), 3);
}

#[test]
fn a_replay_of_a_day_merges_its_sessions() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let other = "synthetic:quick,seed=9,trading_day=2026-01-06";
    record(&root, other, "-q").done();
    let session = |id: &str| root.join(format!("trading_day=2026-01-06/session={id}"));
    let merged = folder.join("merged");
    let mut command = tickdeck(["merge", "-q", "-o"]);
    command.arg(&merged);
    command.args([session("quick-2"), session("quick-9")]);
    finish(command).done();
    let words = "--trading-day 2026-01-06 --rate max --sink digest --json -q";
    let day = verb("replay", &root, words).done();
    assert_eq!(day.digest(), replay_digest(&merged));
    let ticks = |id: &str| ls(&root, &format!("--session {id}"))[0]["ticks"].as_u64();
    let sum = ticks("quick-2").unwrap() + ticks("quick-9").unwrap();
    assert_eq!(day.json()["received"], sum);
}

#[test]
fn ls_selects_by_exchange_symbol_and_status() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let listed = |words: &str| {
        let listed = verb("ls", &root, &format!("{words} --json --allow-empty")).done();
        listed.json().as_array().unwrap().len()
    };
    for (words, expected) in [
        ("--exchange shfe,DCE --status complete", 3),
        ("--symbols *.CFFEX --trading-day 2026-01-06", 1),
        ("--symbols nosuch", 0),
        ("--status killed,damaged,being-written,recovered", 0),
    ] {
        assert_eq!(listed(words), expected, "{words}");
    }
    ends(verb("ls", &root, "--symbols nosuch"), 3);
    for (words, said) in [
        ("--symbols [", "--symbols cannot be used"),
        ("--status fine", "being-written"),
        ("--exchange NYMEX", "expected one of SHFE"),
    ] {
        let refused = ends(verb("ls", &root, words), 2);
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
    // An older tickdeck did not count gaps.
    let manifest = root.join("trading_day=2026-01-05/session=quick-1/_manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let older = text.replace("  \"gaps\": 0,\n", "");
    assert_ne!(older, text);
    std::fs::write(&manifest, older).unwrap();
    let listed = ls(&root, "");
    assert_eq!(
        (&listed[0]["gaps"], &listed[1]["gaps"]),
        (&Value::Null, &Value::from(0))
    );
    verb("verify", &root, "-q").done();
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
    let older = folder.generate("older", "--profile quick --trading-day 20260105");
    let newer = folder.generate("newer", "--profile quick --trading-day 20260106");
    let words = format!("{} --max-bytes 1B", newer.display());
    ends(verb("prune", &older, &words), 3);
    assert!(newer.exists() && !older.exists());
}

#[test]
fn prune_never_removes_the_newest_session() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    for words in ["--max-bytes 1B --dry-run", "--max-bytes 1B"] {
        let kept = ends(verb("prune", &root, words), 3);
        assert!(kept.stderr.contains("prune_above_limit"), "{kept:?}");
        assert!(!kept.stderr.contains("recording_spared"), "{kept:?}");
        let said = "it is the newest recording, which always stays";
        assert!(kept.stdout.contains(said), "{kept:?}");
    }
    assert_eq!(names(&root), ["trading_day=2026-01-07"]);
    // Another root has newer days.
    let other = folder.join("other");
    record(
        &other,
        "synthetic:quick,seed=9,trading_day=2026-01-08",
        "-q",
    )
    .done();
    let words = format!("{} --keep-days 1 --json", other.display());
    let spared = verb("prune", &root, &words).done().json();
    assert_eq!(spared["spared"][0]["reason"], "newest");
    assert_eq!(names(&root), ["trading_day=2026-01-07"]);
    let again = ends(verb("prune", &root, "--max-bytes 1B --json"), 3).json();
    assert_eq!(again["spared"][0]["reason"], "newest");
    assert_eq!(again["removed"], Value::Array(vec![]));
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

#[test]
fn prune_counts_a_root_once_however_it_is_named() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let listed = ls(&root, "");
    let bytes = listed.as_array().unwrap().iter();
    let bytes: u64 = bytes.map(|line| line["bytes"].as_u64().unwrap()).sum();
    let link = folder.join("link");
    std::os::unix::fs::symlink(&root, &link).unwrap();
    let (again, link) = (root.join("../sessions"), link.display());
    let words = format!("{} {link} --max-bytes {bytes}B", again.display());
    verb("prune", &root, &words).done();
    assert_eq!(ls_count(&root), 3);
    // A link to a day is not a second day.
    let day = |day: &str| root.join(format!("trading_day={day}"));
    std::os::unix::fs::symlink(day("2026-01-07"), day("2026-01-01")).unwrap();
    verb("prune", &root, "--keep-days 2").done();
    verb("verify", &day("2026-01-07").join("session=quick-3"), "").done();
    assert!(!day("2026-01-05").exists());
}

#[test]
fn what_a_root_passes_over_is_named() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let root = folder.join("sessions");
    record(&root, "synthetic:quick,seed=1,trading_day=2026-01-05", "-q").done();
    let day = root.join("trading_day=2026-01-05");
    let lock = std::fs::File::create(day.join("session=quick-1/.lock")).unwrap();
    lock.lock().unwrap();
    let running = verb("recover", &root, "--json").done();
    assert_eq!(running.json(), Value::Array(vec![]));
    assert!(running.stderr.contains("recording_in_use"), "{running:?}");
    drop(lock);
    std::fs::create_dir(day.join(OsStr::from_bytes(b"session=q\xff"))).unwrap();
    for (name, words) in [("ls", ""), ("prune", "--keep-days 9")] {
        let partial = ends(verb(name, &root, words), 3);
        assert!(partial.stderr.contains("name_not_utf8"), "{partial:?}");
    }
}

#[test]
fn an_empty_manifest_does_not_keep_others_from_being_recovered() {
    let folder = Folder::new();
    let root = catalogue(&folder);
    let day = root.join("trading_day=2026-01-05");
    // Before the others by name.
    let empty = day.join("session=a");
    std::fs::create_dir(&empty).unwrap();
    std::fs::write(empty.join("_manifest.json"), "").unwrap();
    let others = tickdeck::recording::Catalog::open(&root).unwrap().entries;
    let recovered = ends(verb("recover", &root, ""), 4);
    let finished = recovered.stdout.matches("finished already").count();
    assert_eq!(finished, others.len() - 1, "{recovered:?}");
    let said = format!(
        "{} has nothing to recover: its manifest cannot be read",
        empty.display()
    );
    assert!(recovered.stderr.contains(&said), "{recovered:?}");
    assert_eq!(names(&empty), ["_manifest.json"]);
}
