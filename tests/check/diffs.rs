//! `diff`: two inputs of the same kind, or one recording published in two ways.

use super::{ends, falsify, folder, published, write_lines};
use crate::support::recordings::{Folder, quick, quirks};

/// A folder with the stream of the quick recording in `a.jsonl` and a changed one in `b.jsonl.zst`.
fn streams(change: impl FnOnce(&mut Vec<String>)) -> Folder {
    let folder = folder();
    let mut lines = published();
    write_lines(&folder.join("a.jsonl"), &lines);
    change(&mut lines);
    write_lines(&folder.join("b.jsonl.zst"), &lines);
    folder
}

#[test]
fn what_is_equal_is_said_to_be_equal() {
    let folder = streams(|_| ());
    let same = ends(&folder, 0, "diff a.jsonl b.jsonl.zst");
    assert_eq!(
        same.stdout,
        "a.jsonl and b.jsonl.zst: equal, 918 messages\n"
    );
    folder.generate("again", "--profile quick --seed 1 --max-rows 50");
    let same = ends(&folder, 0, "diff rec again");
    assert_eq!(same.stdout, "rec and again: equal, 928 raw events\n");
    ends(&folder, 0, "diff rec again --published");
    let json = ends(&folder, 0, "diff rec again --json").json();
    assert_eq!(
        (&json["identical"], &json["compared"]),
        (&true.into(), &"events".into())
    );
}

#[test]
fn two_empty_inputs_are_not_a_success() {
    let folder = folder();
    std::fs::write(folder.join("empty.jsonl"), "").unwrap();
    write_lines(&folder.join("none.jsonl.zst"), &[]);
    for words in [
        "diff empty.jsonl empty.jsonl",
        "diff empty.jsonl none.jsonl.zst --json",
    ] {
        let ended = ends(&folder, 3, words);
        assert!(ended.stderr.contains("nothing_compared"), "{ended:?}");
        let wanted = ends(&folder, 0, &format!("{words} --allow-empty"));
        assert_eq!(wanted.stderr, "", "{words}");
        assert_eq!(wanted.stdout, ended.stdout, "{words}");
    }
}

#[test]
fn an_ignored_field_that_neither_side_has_is_told() {
    let folder = streams(|lines| {
        falsify(lines, "CZCE");
    });
    folder.generate("again", "--profile quick --seed 1 --max-rows 50");
    for (code, words, fields) in [
        (0, "a.jsonl b.jsonl.zst --ignore open_interest", None),
        (
            1,
            "a.jsonl b.jsonl.zst --ignore open_intrest,seq",
            Some("fields=open_intrest\n"),
        ),
        (0, "rec again --ignore last_price", Some("LastPrice")),
        (0, "rec again --ignore LastPrice", None),
    ] {
        let ended = ends(&folder, code, &format!("diff {words}"));
        let told = ended.stderr.contains("fields_unmatched");
        assert_eq!(told, fields.is_some(), "{words}: {ended:?}");
        assert!(
            ended.stderr.contains(fields.unwrap_or_default()),
            "{words}: {ended:?}"
        );
    }
}

#[test]
fn streams_align_by_subject_and_order() {
    let folder = streams(|lines| {
        falsify(lines, "DCE");
        lines.remove(600);
        lines.remove(10);
        lines.swap(100, 101);
    });
    let found = ends(&folder, 1, "diff a.jsonl b.jsonl.zst --json").json();
    assert_eq!((&found["missing"], &found["extra"]), (&2.into(), &0.into()));
    assert_eq!(found["reordered"], 1);
    assert_eq!(
        found["fields"][0]["exchanges"].as_object().unwrap().len(),
        1
    );
    assert_eq!(found["first"][0]["position_before"], 3, "{found}");
    let text = ends(&folder, 1, "diff a.jsonl b.jsonl.zst --limit 1").stdout;
    assert!(
        text.contains("open_interest") && text.contains("DCE only"),
        "{text}"
    );
    assert!(text.contains("... and "), "{text}");
    let ignoring = ends(
        &folder,
        1,
        "diff a.jsonl b.jsonl.zst --ignore open_interest --json",
    );
    let ignoring = ignoring.json();
    assert_eq!(
        (&ignoring["changed"], &ignoring["missing"]),
        (&0.into(), &2.into())
    );
    assert_eq!(ignoring["fields"], serde_json::json!([]));
}

#[test]
fn another_receiver_differs_in_timing_only() {
    let folder = streams(|lines| {
        for line in lines.iter_mut() {
            let (head, tail) = line.split_once("\"local_time\":\"").unwrap();
            let (at, rest) = tail.split_once("+08:00").unwrap();
            let (second, nanos) = at.split_once('.').unwrap();
            let nanos: u32 = nanos.parse().unwrap();
            *line = format!(
                "{head}\"local_time\":\"{second}.{:09}+08:00{rest}",
                nanos / 10 + 7
            );
        }
        lines.remove(500);
    });
    let found = ends(&folder, 1, "diff a.jsonl b.jsonl.zst --json").json();
    assert_eq!(
        (&found["timing_only"], &found["changed"]),
        (&917.into(), &0.into()),
        "{found}"
    );
    assert_eq!((&found["missing"], &found["extra"]), (&1.into(), &0.into()));
    let found = ends(
        &folder,
        1,
        "diff a.jsonl b.jsonl.zst --ignore local_time --json",
    )
    .json();
    assert_eq!(
        (&found["equal"], &found["missing"]),
        (&917.into(), &1.into()),
        "{found}"
    );
}

#[test]
fn recordings_are_compared_by_event() {
    let folder = folder();
    // Without one instrument: its ticks, and its session events.
    ends(
        &folder,
        0,
        "slice rec --symbols *.SHFE,*.DCE,*.INE,*.GFEX,*.CFFEX -o cut",
    );
    let found = ends(&folder, 1, "diff rec cut --json").json();
    assert_eq!(
        (&found["extra"], &found["changed"]),
        (&0.into(), &0.into()),
        "{found}"
    );
    let missing = found["moved"].as_array().unwrap();
    let missing = missing.iter().find(|group| group["name"] == "missing");
    assert_eq!(missing.unwrap()["exchanges"]["CZCE"], 117);
    // The slice is renumbered, which is not a difference when `seq` is ignored.
    assert!(found["timing_only"].as_u64().unwrap() > 700);
    let found = ends(&folder, 1, "diff rec cut --ignore seq --json").json();
    assert_eq!(found["timing_only"], 0);
}

#[test]
fn diff_compares_two_ways_of_publishing() {
    let folder = folder();
    let dropped = ends(&folder, 1, "diff rec --b-drop snapshot --json").json();
    assert_eq!(
        (&dropped["equal"], &dropped["missing"]),
        (&910.into(), &8.into())
    );
    assert_eq!(dropped["b"], "rec drop=snapshot");
    let decimal = ends(&folder, 1, "diff rec --b-payload decimal --json").json();
    assert_eq!(
        (&decimal["changed"], &decimal["missing"]),
        (&918.into(), &0.into()),
        "{decimal}"
    );
    let contracts = "instrument_id,exchange,product_id,product_class,multiplier,price_tick,session,\
                     name\nrb2510,SHFE,rb,future,20,1,N2300,\n";
    std::fs::write(folder.join("new.csv"), contracts).unwrap();
    let found = ends(&folder, 1, "diff rec --b-contracts new.csv --json").json();
    let fields: Vec<&str> = found["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["name"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["average_price"], "{found}");
    assert_eq!(found["fields"][0]["most"][0][0], "rb2510");
    // The same option on both sides is not a difference.
    ends(
        &folder,
        0,
        "diff rec --contracts new.csv --b-contracts new.csv",
    );
}

#[test]
fn incomparable_inputs_are_refused() {
    let folder = streams(|_| ());
    folder.copy_of(&quirks(), "odd");
    for (code, words, expected) in [
        (2, "diff rec a.jsonl", "compare like with like"),
        (2, "diff a.jsonl rec", "--sink jsonl:PATH"),
        (2, "diff rec", "nothing to compare"),
        (2, "diff a.jsonl --b-drop stale", "nothing to compare"),
        (
            2,
            "diff a.jsonl b.jsonl.zst --published",
            "are for recordings",
        ),
        (2, "diff rec nowhere", "nowhere does not exist"),
        (2, "diff nowhere rec", "nowhere does not exist"),
        (2, "diff", "<A>"),
    ] {
        let ended = ends(&folder, code, words);
        assert!(ended.stderr.contains(expected), "{words}: {ended:?}");
        assert_eq!(ended.stdout, "", "{words}");
    }
    let packed = std::fs::read(folder.join("b.jsonl.zst")).unwrap();
    std::fs::write(folder.join("cut.jsonl.zst"), &packed[..packed.len() / 2]).unwrap();
    for words in [
        "diff a.jsonl cut.jsonl.zst",
        "diff cut.jsonl.zst a.jsonl",
        "check cut.jsonl.zst --golden a.jsonl",
    ] {
        let cut = ends(&folder, 1, words);
        assert!(cut.stderr.contains("damaged or truncated"), "{cut:?}");
    }
    let words = format!("diff {} odd --limit 1", quick().display());
    assert!(ends(&folder, 1, &words).stdout.contains("by field"));
}

#[test]
fn diff_works_with_one_receive_time() {
    let folder = streams(|lines| {
        for line in lines.iter_mut() {
            let (head, tail) = line.split_once("\"local_time\":").unwrap();
            let (_, rest) = tail.split_once(',').unwrap();
            *line = format!("{head}{rest}");
        }
    });
    ends(&folder, 0, "check rec --update");
    for words in [
        "diff a.jsonl b.jsonl.zst --json",
        "diff b.jsonl.zst a.jsonl --json",
    ] {
        let found = ends(&folder, 1, words).json();
        assert_eq!(found["timing_only"], 918, "{found}");
        assert_eq!(found["fields"][0]["name"], "local_time");
    }
    let found = ends(
        &folder,
        1,
        "check b.jsonl.zst --golden rec.golden.json --json",
    );
    assert_eq!(found.json()["checks"][0]["comparison"]["timing_only"], 918);
    let words = "check rec --payload decimal --golden rec.golden.json --json";
    let found = ends(&folder, 1, words).json();
    let found = &found["checks"][0]["comparison"];
    assert_eq!(
        (&found["changed"], &found["missing"], &found["extra"]),
        (&918.into(), &0.into(), &0.into()),
        "{found}"
    );
}

#[test]
fn diff_names_the_options_of_each_side() {
    let folder = folder();
    folder.copy_of(&quick(), "again");
    let found = ends(&folder, 1, "diff rec again --b-drop snapshot");
    assert!(
        found.stdout.starts_with("a: rec\nb: again drop=snapshot\n"),
        "{found:?}"
    );
    let found = ends(
        &folder,
        1,
        "diff rec rec --payload decimal --b-payload vnpy",
    );
    assert!(
        found
            .stdout
            .starts_with("a: rec payload=decimal\nb: rec payload=vnpy\n"),
        "{found:?}"
    );
}

#[test]
fn each_rejected_tick_is_logged_once_a_side() {
    let folder = Folder::new();
    folder.copy_of(&quirks(), "odd");
    // Messages that only one side has: both replays are searched for previous ticks.
    let found = ends(&folder, 1, "diff odd --drop snapshot --b-drop stale");
    assert!(found.stdout.contains("  previous  "), "{found:?}");
    let rejected = found.stderr.lines().filter(|line| line.ends_with("seq=57"));
    assert_eq!(rejected.count(), 2, "{found:?}");
    // The ids are escaped where they are not text.
    assert!(found.stderr.contains("tick_rejected"), "{found:?}");
    let is_text = |c: char| c == '\n' || c.is_ascii_graphic() || c == ' ';
    assert!(found.stderr.chars().all(is_text), "{found:?}");
    // A golden counts them.
    let made = ends(&folder, 0, "check odd --update");
    assert!(!made.stderr.contains("tick_rejected"), "{made:?}");
    let equal = ends(&folder, 0, "check odd");
    assert!(!equal.stderr.contains("tick_rejected"), "{equal:?}");
    let detailed = ends(&folder, 0, "check odd --log-level debug");
    assert!(detailed.stderr.contains("tick_rejected"), "{detailed:?}");
}
