//! The shapes that scripts may rely on: exact keys, in order.

use std::fmt;
use std::path::PathBuf;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::support::cli::{finish, run_words, tickdeck};
use crate::support::recordings::{Folder, quick, quirks, replay, repository};

/// The keys of an object in the order of the text; a JSON value would sort them.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Keys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The keys of an object in order, with blanks between them.
#[track_caller]
pub(crate) fn keys(json: &str) -> String {
    let Keys(keys) = serde_json::from_str(json).unwrap();
    keys.join(" ")
}

#[test]
fn the_closing_summary_of_a_replay() {
    let ended = replay(&quirks(), "--sink digest --drop stale").done();
    assert_eq!(ended.stdout.lines().count(), 1);
    assert_eq!(
        keys(&ended.stdout),
        "session received published rejected filtered failed dropped digest rate_asked \
         rate_achieved lateness_ms elapsed_s payload_digest"
    );
    let summary = ended.json();
    assert_eq!(summary["session"], "synthetic-quirks-1-20250915");
    assert_eq!(summary["rate_asked"], "max");
    assert!(
        summary["rejected"]["unknown_exchange"].is_u64(),
        "{summary}"
    );
    assert_eq!(summary["digest"].as_str().unwrap().len(), 64);
    assert_eq!(summary["lateness_ms"], Value::Null, "nothing was paced");
    let paced = replay(&quick(), "--sink null --rate 100 --duration 5s").done();
    let Value::Object(lateness) = paced.json()["lateness_ms"].clone() else {
        panic!("{paced:?}");
    };
    assert_eq!(lateness.keys().collect::<Vec<_>>(), ["max", "p50", "p99"]);
    assert_eq!(paced.json()["rate_asked"], 100.0);
}

#[test]
fn record_summary_has_the_same_shape() {
    let folder = Folder::new();
    let output = folder.join("rec");
    let output = output.to_str().unwrap();
    let recorded = run_words(&format!(
        "record --source synthetic:quick,seed=1 -o {output} --publish --rate max --sink digest --json -q"
    ))
    .done();
    let played = replay(&folder.join("rec"), "--sink digest").done();
    let with_place = format!("{} recorded recordings", keys(&played.stdout));
    assert_eq!(keys(&recorded.stdout), with_place);
    assert_eq!(recorded.json()["recordings"], serde_json::json!([output]));
    assert_eq!(recorded.json()["recorded"], recorded.json()["received"]);
    // The replay publishes what was published while recording.
    assert_eq!(recorded.digest(), played.digest());
    let mut ticks = [
        recorded.json(),
        replay(&quick(), "--sink digest").done().json(),
    ];
    assert_eq!(ticks[0]["received"].take(), ticks[1]["received"].take());
}

#[test]
fn info_prints_an_object_or_an_array() {
    let (one, other) = (quick(), quirks());
    let (one, other) = (one.to_str().unwrap(), other.to_str().unwrap());
    let ended = run_words(&format!("info {one} --json")).done();
    assert_eq!(
        keys(&ended.stdout),
        "session status format_version source api_version events ticks symbols trading_days start \
         end segments bytes digest instruments exchanges gaps journal_events being_written rejected recv_ts detail \
         findings event_digest"
    );
    let info = ended.json();
    assert_eq!(info["status"], "complete");
    assert_eq!(info["source"], "synthetic");
    assert_eq!(info["symbols"], 8);
    assert_eq!(info["trading_days"], serde_json::json!(["2025-09-12"]));
    let ticks: u64 = info["instruments"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(info["ticks"], ticks);
    let exchanges = ["SHFE", "INE", "DCE", "CZCE", "GFEX", "CFFEX"];
    assert_eq!(info["exchanges"], serde_json::json!(exchanges));
    assert_eq!(info["gaps"], serde_json::json!([]));
    assert_eq!(info["event_digest"], info["digest"]);
    assert!(info["start"].as_str().unwrap().ends_with("+08:00"));
    let both = run_words(&format!("info {one} {other} --json"))
        .done()
        .json();
    assert_eq!(both.as_array().unwrap().len(), 2);
    assert_eq!(both[0], info);
    // A single segment has its events, but no manifest.
    let segment = run_words(&format!("info {one}/part-00000.parquet --json")).done();
    assert_eq!(keys(&segment.stdout), keys(&ended.stdout));
    assert_eq!(segment.json()["digest"], info["digest"]);
    assert_eq!(segment.json()["ticks"], info["ticks"]);
}

#[test]
fn info_reads_a_damaged_segment_as_far_as_it_is_whole() {
    let folder = Folder::new();
    let made = folder.generate("made", "--profile quick --max-rows 500");
    let segment = made.join("part-00000.parquet");
    let whole = run_words(&format!("info {} --json", segment.display()))
        .done()
        .json();
    assert_eq!(whole["events"], 500);
    assert_eq!(whole["trading_days"], serde_json::json!(["2025-09-12"]));
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[2000] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let told = run_words(&format!("info {} --json", segment.display()));
    assert_eq!(told.code, Some(1), "{told:?}");
    let told = told.json();
    assert_eq!(told["status"], "damaged", "{told}");
    assert_eq!(told["findings"].as_array().unwrap().len(), 1, "{told}");
    assert!(told["events"].as_u64() < Some(500), "{told}");
}

#[test]
fn info_lists_instruments_exchanges_and_gaps() {
    let path = quirks();
    let path = path.to_str().unwrap();
    let json = run_words(&format!("info {path} --json")).done().json();
    let gap = &json["gaps"][0];
    assert_eq!(gap["reason"], "front_disconnected (reason 4097)", "{gap}");
    for (key, date) in [("from", "2025-09-13T02:31"), ("to", "2025-09-15T08:30")] {
        assert!(gap[key].as_str().unwrap().starts_with(date), "{gap}");
    }
    assert_eq!(json["instruments"]["MA601"], 374);
    let text = run_words(&format!("info {path}")).done().stdout;
    for line in [
        "ticks        5,644 of 36 instruments",
        "by id        MA601 374, au2512 371, ",
        "exchanges    SHFE, INE, DCE, CZCE, GFEX, CFFEX",
        "gap          2025-09-13T02:31:00.000000000+08:00 to 2025-09-15T08:30:00.",
        "rejected     9 unknown_exchange",
        "event digest 0783ba88",
    ] {
        assert!(
            text.lines().any(|found| found.starts_with(line)),
            "{line}: {text}"
        );
    }
}

#[test]
fn what_was_made_is_an_object() {
    let folder = Folder::new();
    let (quick, quirks) = (
        quick().display().to_string(),
        quirks().display().to_string(),
    );
    let dump = repository("fixtures/dumps/blank.csv").display().to_string();
    let made = "path session events ticks symbols segments bytes event_digest digest complete";
    let imported = format!("{made} skipped bad_rows inputs");
    for (words, expected) in [
        (vec!["generate", "--duration", "10s"], made),
        (vec!["slice", &quick, "-n", "5"], made),
        (vec!["merge", &quick, &quirks], made),
        (vec!["import", &dump], imported.as_str()),
        (vec!["export", &quick], "path ticks left_out bytes complete"),
    ] {
        let out = folder.join(words[0]);
        let run = |more: &[&str]| {
            let mut command = tickdeck(&words);
            command.args(more).arg("-o").arg(&out);
            finish(command).done()
        };
        let ended = run(&["--json"]);
        assert_eq!(keys(&ended.stdout), expected, "{words:?}");
        let json = ended.json();
        assert_eq!(json["path"], out.to_str().unwrap());
        assert_eq!(
            (&json["digest"], &json["complete"]),
            (&json["event_digest"], &true.into())
        );
        assert!(
            json["ticks"].as_u64() > Some(0) && json["bytes"].as_u64() > Some(0),
            "{json}"
        );
        // The same for people, on one line.
        let text = run(&["--force"]).stdout;
        let ticks = text.lines().next().unwrap();
        assert!(ticks.starts_with(&format!("{}: ", out.display())), "{text}");
        assert!(ticks.contains(" ticks"), "{text}");
    }
    let to_stdout = run_words(&format!("export {quick} --json"));
    assert_eq!(to_stdout.code, Some(2), "{to_stdout:?}");
}

#[test]
fn a_glob_over_recordings_skips_other_files() {
    for verb in ["info", "verify"] {
        let folder = repository("recordings");
        let paths = std::fs::read_dir(folder).unwrap();
        let paths: Vec<PathBuf> = paths.map(|entry| entry.unwrap().path()).collect();
        let mut command = tickdeck([verb, "--json"]);
        command.args(&paths).arg("nosuch");
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert_eq!(ended.json().as_array().unwrap().len(), 2);
        assert!(
            ended.stderr.contains("nosuch is not a recording"),
            "{ended:?}"
        );
        assert_eq!(
            ended.stderr.matches("input_skipped").count(),
            1,
            "{ended:?}"
        );
    }
}

#[test]
fn info_tells_damage_and_cat_refuses_it() {
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    let path = recording.to_str().unwrap().to_owned();
    assert_eq!(
        run_words(&format!("info {path} --json")).done().json()["findings"],
        serde_json::json!([])
    );
    std::fs::write(recording.join("part-00000.parquet"), "PAR1").unwrap();
    let told = run_words(&format!("info {path} --json"));
    assert_eq!(told.code, Some(1), "{told:?}");
    assert_eq!(told.json()["status"], "damaged");
    let problem = told.json()["findings"][0]["problem"].clone();
    assert!(problem.as_str().unwrap().starts_with("4 bytes"), "{told:?}");
    let text = run_words(&format!("info {path}"));
    assert_eq!(text.code, Some(1), "{text:?}");
    let line =
        |line: &str| line.starts_with("damage ") && line.contains("part-00000.parquet: 4 bytes");
    assert_eq!(text.stdout.lines().filter(|&l| line(l)).count(), 1);
    let refused = run_words(&format!("cat {path}"));
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert_eq!(refused.stdout, "");
    assert!(refused.stderr.contains("part-00000.parquet"), "{refused:?}");
}

#[test]
fn verify_says_intact_or_what_is_not() {
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    let path = recording.to_str().unwrap().to_owned();
    let intact = run_words(&format!("verify {path} --json")).done();
    let expected = "recording intact findings segments events ticks digest event_digest";
    assert_eq!(keys(&intact.stdout), expected);
    assert_eq!(intact.json()["intact"], true);
    assert_eq!(intact.json()["findings"], serde_json::json!([]));
    std::fs::write(recording.join("part-00000.parquet"), "PAR1").unwrap();
    let damaged = run_words(&format!("verify {path} --json"));
    assert_eq!(damaged.code, Some(1));
    assert_eq!(keys(&damaged.stdout), expected);
    let report = damaged.json();
    assert_eq!(report["intact"], false);
    let finding = &report["findings"][0];
    assert!(
        finding["file"]
            .as_str()
            .unwrap()
            .ends_with("part-00000.parquet")
    );
    assert!(finding["problem"].is_string(), "{report}");
}
