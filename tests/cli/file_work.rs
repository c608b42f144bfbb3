//! Verbs that write files from recordings: `slice`, `merge`, `cat`, `export`, and `import` back.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tickdeck::event::{Event, RawTick};

use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::recordings::{
    Folder, events, info, payload, quick, quirks, replay, replay_digest, stream, stream_digest,
};

/// `verb RECORDING words`.
fn verb(verb: &str, recording: &Path, words: &str) -> Ended {
    let mut command = tickdeck([verb.as_ref(), recording.as_os_str()]);
    command.args(words.split_whitespace().map(OsStr::new));
    finish(command)
}

/// `import FILE words -o folder/name`.
fn import(file: &Path, words: &str, folder: &Folder, name: &str) -> PathBuf {
    let output = folder.join(name);
    let mut command = tickdeck(["import".as_ref(), file.as_os_str()]);
    command.args(words.split_whitespace().map(OsStr::new));
    command.arg("-o").arg(&output);
    finish(command).done();
    output
}

fn ticks(events: &[Event]) -> Vec<RawTick> {
    events.iter().filter_map(Event::as_tick).copied().collect()
}

#[test]
fn slice_is_a_complete_session() {
    let folder = Folder::new();
    let path = folder.join("cut");
    let words = format!(
        "-S 09:30:10 -E 09:30:20 --exchange SHFE,DCE -o {}",
        path.display()
    );
    let made = verb("slice", &quick(), &words).done();
    assert!(made.stdout.contains("digest"), "{made:?}");
    let cut = events(&path);
    assert!(cut.len() > 20);
    let expected: Vec<RawTick> = ticks(&events(&quick()))
        .into_iter()
        .filter(|tick| cut.iter().any(|event| event.as_tick() == Some(tick)))
        .collect();
    assert_eq!(ticks(&cut).len(), expected.len());
    for (position, event) in cut.iter().enumerate() {
        assert_eq!(event.seq.0, u64::try_from(position).unwrap(), "no gaps");
    }
    let about = info(&path);
    assert_eq!(about["source"], "slice");
    assert_eq!(about["session"], "cut");
    verb("verify", &path, "").done();
    // The payloads equal those of a replay with the same selection, except for the numbering.
    let without_seq = |text: &str| -> Vec<String> {
        let unnumbered = |line: &str| {
            let mut payload = payload(line);
            payload["seq"].take();
            payload.to_string()
        };
        text.lines().map(unnumbered).collect()
    };
    let selected = stream(&quick(), "-S 09:30:10 -E 09:30:20 --exchange SHFE,DCE");
    assert_eq!(without_seq(&stream(&path, "")), without_seq(&selected));
}

#[test]
fn slices_put_together_again_are_the_whole() {
    let folder = Folder::new();
    let parts: Vec<PathBuf> = [
        ("a", "-E 09:30:10"),
        ("b", "-S 09:30:10 -E 09:30:30"),
        ("c", "-S 09:30:30"),
    ]
    .into_iter()
    .map(|(name, words)| {
        let path = folder.join(name);
        verb("slice", &quick(), &format!("{words} -o {}", path.display())).done();
        path
    })
    .collect();
    let whole = folder.join("whole");
    let mut command = tickdeck(["merge"]);
    command.args(&parts).arg("-o").arg(&whole);
    finish(command).done();
    assert!(events(&whole) == events(&quick()));
    assert_eq!(replay_digest(&whole), replay_digest(&quick()));
    assert_eq!(info(&whole)["digest"], info(&quick())["digest"]);
}

#[test]
fn unrecorded_fields_are_not_published() {
    let folder = Folder::new();
    let csv =
        crate::support::recordings::repository("fixtures/dialects/vnpy_legacy_RM705_20170320.csv");
    let published = stream(&import(&csv, "", &folder, "rec"), "");
    assert_eq!(published.lines().count(), 3);
    for key in ["turnover", "open_interest", "average_price"] {
        assert!(!published.contains(key), "{key}: {published}");
    }
}

/// The product of the dump is in no table.
#[test]
fn import_keeps_the_contract_file() {
    let folder = Folder::new();
    let csv = crate::support::recordings::repository("fixtures/dialects/zz1801_20171113.csv");
    let unknown = replay_of(&import(&csv, "", &folder, "unknown"));
    assert!(unknown.stdout.contains("unknown_exchange"), "{unknown:?}");
    let contracts = folder.join("contracts.csv");
    std::fs::write(&contracts, "instrument_id,exchange\nzz1801,DCE\n").unwrap();
    let words = format!("--contracts {}", contracts.display());
    let recording = import(&csv, &words, &folder, "known");
    std::fs::remove_file(&contracts).unwrap();
    let published = stream(&recording, "");
    assert_eq!(published.lines().count(), 5);
    assert!(published.contains("\"zz1801.DCE\""), "{published}");
}

#[test]
fn closed_days_fail_and_unknown_years_warn() {
    let folder = Folder::new();
    let csv = crate::support::recordings::repository("fixtures/dialects/zz1801_20171113.csv");
    // `VERB words -o folder/out`, with the dump where the verb reads one.
    let run = |verb: &str, words: &str| {
        let mut command = tickdeck([verb]);
        if verb == "import" {
            command.arg(&csv);
        }
        command.args(words.split_whitespace().map(OsStr::new));
        finish({
            command.arg("-o").arg(folder.join("out"));
            command
        })
    };
    for verb in ["import", "generate"] {
        for day in ["2025-10-01", "2025-09-13"] {
            let ended = run(verb, &format!("--trading-day {day}"));
            assert_eq!(ended.code, Some(2), "{verb} {day} {ended:?}");
            assert!(ended.stderr.contains("not a trading day"), "{ended:?}");
        }
        assert!(folder.names().is_empty());
        let told = "calendar_partly_known";
        let ended = run(verb, "--trading-day 2025-09-12 --force").done();
        assert!(!ended.stderr.contains(told), "{ended:?}");
        // National Day is closed in every year, other holidays of 2041 are not known.
        let ended = run(verb, "--trading-day 2041-10-01 --force");
        assert_eq!(ended.code, Some(2), "{verb} {ended:?}");
        let ended = run(verb, "--trading-day 2041-10-08 --force").done();
        assert_eq!(ended.stderr.matches(told).count(), 1, "{ended:?}");
        let ended = replay_of(&folder.join("out"));
        assert_eq!(ended.stderr.matches(told).count(), 1, "{ended:?}");
        let calendar = folder.join("calendar.txt");
        std::fs::write(&calendar, "tickdeck-calendar 1\n2041 0101\n").unwrap();
        let words = format!(
            "--trading-day 2041-10-08 --force --calendar {}",
            calendar.display()
        );
        let ended = run(verb, &words).done();
        assert!(!ended.stderr.contains(told), "{ended:?}");
        std::fs::remove_file(&calendar).unwrap();
        std::fs::remove_dir_all(folder.join("out")).unwrap();
    }
}

fn replay_of(recording: &Path) -> Ended {
    verb("replay", recording, "--sink null --rate max")
}

#[test]
fn different_sources_are_not_mixed() {
    let folder = Folder::new();
    let csv = crate::support::recordings::repository(
        "fixtures/dialects/java_trader_AP010_20200803_evening_row.csv",
    );
    let real = import(&csv, "", &folder, "real");
    let mut command = tickdeck(["replay"]);
    command.arg(quick()).arg(&real).args(["--sink", "null"]);
    let ended = finish(command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("cannot be combined"), "{ended:?}");
}

#[test]
fn cat_prints_a_line_an_event() {
    let text = verb("cat", &quirks(), "").done().stdout;
    assert_eq!(text.lines().count(), events(&quirks()).len() + 1);
    assert!(text.lines().next().unwrap().contains("instrument"));
    let json = verb("cat", &quirks(), "--json").done().stdout;
    assert_eq!(
        json,
        verb("export", &quirks(), "--format jsonl").done().stdout
    );
    for line in json.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

/// Text formats that keep every field: their output reads back to the recorded events.
#[test]
fn csv_and_jsonl_come_back_bit_for_bit() {
    let folder = Folder::new();
    for recording in [quick(), quirks()] {
        let recorded = ticks(&events(&recording));
        for (format, ending) in [("csv", "csv"), ("jsonl", "jsonl")] {
            let name = format!("{}-{format}", recording.file_name().unwrap().display());
            let file = folder.join(&format!("{name}.{ending}"));
            let words = format!("--format {format} -o {}", file.display());
            verb("export", &recording, &words).done();
            let back = import(&file, "", &folder, &name);
            let back = ticks(&events(&back));
            assert_eq!(back.len(), recorded.len(), "{name}");
            assert!(back == recorded, "{name}");
        }
    }
}

#[test]
fn exported_payloads_equal_the_replay() {
    for words in [
        "",
        "--payload decimal",
        "--drop stale,duplicate",
        "-S 21:00 -E 21:10",
    ] {
        let exported = verb("export", &quirks(), &format!("--format payload -q {words}"));
        let exported = exported.done().stdout;
        assert_eq!(exported, stream(&quirks(), words), "{words}");
        assert!(exported.lines().count() > 10, "{words}");
        let digest = replay(&quirks(), &format!("--sink digest {words}"))
            .done()
            .digest();
        assert_eq!(stream_digest(&exported), digest, "{words}");
    }
}

#[test]
fn java_trader_export_reports_omissions() {
    let exported = verb("export", &quick(), "--format java-trader").done();
    // The header and 918 ticks; the ten session events are left out.
    assert_eq!(exported.stdout.lines().count(), 919);
    assert!(exported.stderr.contains("export_left_out"), "{exported:?}");
    assert!(exported.stderr.contains("10"), "{exported:?}");
}

#[test]
fn force_replaces_the_whole_recording() {
    let folder = Folder::new();
    let path = folder.generate("rec", "--profile quick --max-rows 10");
    assert!(info(&path)["segments"].as_u64().unwrap() > 90);
    folder.generate("rec", "--profile quick --seed 1 --force");
    assert_eq!(crate::support::recordings::names(&path).len(), 3);
    assert_eq!(info(&path)["digest"], info(&quick())["digest"]);
}

#[test]
fn zst_stream_is_compressed() {
    let folder = Folder::new();
    let path = folder.join("stream.jsonl.zst");
    let words = format!("--sink jsonl:{}", path.display());
    let played = replay(&quick(), &words).done();
    let packed = std::fs::read(&path).unwrap();
    let text = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    assert_eq!(stream_digest(&text), played.digest());
    assert!(packed.len() < text.len() / 4, "{}", packed.len());
}

#[test]
fn zst_export_is_the_plain_one_compressed() {
    let folder = Folder::new();
    for format in ["csv", "jsonl", "payload", "java-trader"] {
        let (plain, packed) = (folder.join(format), folder.join(&format!("{format}.zst")));
        for path in [&plain, &packed] {
            let words = format!("--format {format} -o {}", path.display());
            verb("export", &quick(), &words).done();
        }
        let unpacked = zstd::decode_all(&std::fs::read(&packed).unwrap()[..]).unwrap();
        assert!(unpacked == std::fs::read(&plain).unwrap(), "{format}");
        assert!(unpacked.len() > 1000, "{format}");
        // An existing file is replaced only with the flag.
        let words = format!("--format {format} -o {}", plain.display());
        assert_eq!(verb("export", &quick(), &words).code, Some(2), "{format}");
        verb("export", &quick(), &format!("{words} --force")).done();
    }
}
