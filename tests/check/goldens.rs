//! Goldens: written on request, compared otherwise.

use serde_json::Value;

use super::{ends, falsify, folder, published, run_in, write_lines};
use crate::support::cli::{Running, finish, tickdeck};
use crate::support::recordings::{Folder, names, quick, quirks, repository};
use crate::support::wait_until;

#[test]
fn only_update_creates_a_golden() {
    let folder = folder();
    let missing = ends(&folder, 2, "check rec");
    assert_eq!(
        missing.stderr,
        "error: there is no golden at rec.golden.json: give --update to create it\n"
    );
    assert_eq!(missing.stdout, "");
    ends(&folder, 2, "check rec --accept-field volume");
    assert_eq!(folder.names(), ["rec"]);
    let made = ends(&folder, 0, "check rec --update");
    assert!(
        made.stdout
            .starts_with("rec: rec.golden.json made, 918 messages")
    );
    assert_eq!(
        folder.names(),
        ["rec", "rec.golden.json", "rec.golden.jsonl.zst"]
    );
    let same = ends(&folder, 0, "check rec/");
    assert!(
        same.stdout.starts_with("rec/: as rec.golden.json says"),
        "{same:?}"
    );
    // The stream is beside the golden, for any reader.
    let packed = std::fs::File::open(folder.join("rec.golden.jsonl.zst")).unwrap();
    let text = String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), published());
}

#[test]
fn goldens_are_reproducible() {
    let made = |time_zone: &str, words: &str| {
        let folder = folder();
        let mut command = tickdeck(["check", "rec", "--update", "-q"]);
        command.args(words.split_whitespace());
        command.current_dir(folder.path()).env("TZ", time_zone);
        finish(command).done();
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        (read("rec.golden.json"), read("rec.golden.jsonl.zst"))
    };
    let golden = made("Asia/Tokyo", "");
    assert!(golden == made("America/New_York", "--log-format json"));
    assert!(golden.0.len() < 3000, "{} bytes", golden.0.len());
}

#[test]
fn committed_goldens_hold() {
    let (quick, quirks) = (quick(), quirks());
    let mut command = tickdeck(["check", "--unreferenced", "reject", "-q"]);
    finish({
        command.args([&quick, &quirks]);
        command
    })
    .done();
    let mut command = tickdeck(["check", "--payload", "decimal", "-q"]);
    finish({
        command.args([&quick, &quirks]);
        command
    })
    .done();
}

#[test]
fn globs_skip_goldens_and_other_files() {
    let names = names(&repository("recordings"));
    assert!(names.contains(&"README.md".to_owned()));
    let mut command = tickdeck(["check", "--unreferenced", "reject", "-q"]);
    command.args(names).current_dir(repository("recordings"));
    let ended = finish(command).done();
    let checked = ended.stdout.lines().filter(|line| line.contains(": as "));
    assert_eq!(checked.count(), 2, "{ended:?}");
    assert!(ended.stderr.contains("input_skipped"), "{ended:?}");
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let alone = ends(&folder, 2, "check rec.golden.json rec.golden.jsonl.zst");
    assert!(alone.stderr.contains("all inputs are goldens"), "{alone:?}");
}

#[test]
fn segmentation_does_not_affect_a_check() {
    let folder = Folder::new();
    folder.generate("quick", "--profile quick --seed 1 --max-rows 100");
    assert!(names(&folder.join("quick")).len() > 10);
    let golden = repository("recordings/quick.golden.json");
    let words = format!("check quick --golden {}", golden.display());
    ends(&folder, 0, &words);
    // The segmented recording's golden has the segments, and holds for the unsegmented recording.
    ends(&folder, 0, "check quick --update");
    let golden = golden_of(&folder, "quick.golden.json");
    assert_eq!(golden["segments"].as_array().unwrap().len(), 10);
    let words = format!("check {} --golden quick.golden.json", quick().display());
    ends(&folder, 0, &words);
}

fn golden_of(folder: &Folder, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn a_lone_segment_has_a_golden_too() {
    let folder = folder();
    let words = "check rec/part-00000.parquet --golden segment.golden.json";
    ends(&folder, 0, &format!("{words} --update"));
    ends(&folder, 0, words);
    let [lone, whole] = ["segment.golden.json", "rec.golden.json"].map(|name| {
        run_in(&folder, "check rec --update");
        golden_of(&folder, name)
    });
    assert_eq!(lone["source"]["digest"], whole["source"]["digest"]);
    assert_eq!(lone["digest"], whole["digest"]);
    // Beside the segment is the recording's folder, where nothing else belongs.
    let refused = ends(&folder, 2, "check rec/part-00000.parquet --update");
    assert!(refused.stderr.contains("inside a recording"), "{refused:?}");
}

#[test]
fn another_recording_is_reported_first() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    std::fs::remove_dir_all(folder.join("rec")).unwrap();
    folder.generate("rec", "--profile quick --seed 2");
    let other = ends(&folder, 1, "check rec");
    let second = other.stdout.lines().nth(1).unwrap();
    assert!(second.contains("made from another recording"), "{second}");
    assert!(second.contains("--update"), "{second}");
    let accept = ends(&folder, 1, "check rec --accept-field last_price");
    assert!(accept.stdout.contains("another recording"));
    ends(&folder, 0, "check rec --update");
    ends(&folder, 0, "check rec");
}

#[test]
fn a_golden_of_another_session_is_not_advised_away() {
    let folder = folder();
    folder.generate("other", "--profile quick --seed 2");
    ends(&folder, 0, "check other --update");
    let golden = std::fs::read(folder.join("other.golden.json")).unwrap();
    let session = golden_of(&folder, "other.golden.json")["source"]["session"].clone();
    let words = "check rec --golden other.golden.json";
    let wrong = ends(&folder, 1, words).stdout;
    assert!(!wrong.contains("--update"), "{wrong}");
    let said = wrong.lines().nth(1).unwrap();
    assert!(said.contains(session.as_str().unwrap()), "{said}");
    assert!(
        said.ends_with("; --golden probably names the wrong golden"),
        "{said}"
    );
    assert_eq!(
        std::fs::read(folder.join("other.golden.json")).unwrap(),
        golden
    );
    let taken = ends(&folder, 0, &format!("{words} --update")).stdout;
    assert!(
        taken.contains("accepted: the golden was made from another"),
        "{taken}"
    );
    assert!(
        !taken.contains("  differs: ") && !taken.contains("probably"),
        "{taken}"
    );
    // Named by its folder, the golden belongs to the recording by its name.
    std::fs::create_dir(folder.join("all")).unwrap();
    std::fs::write(folder.join("all/rec.golden.json"), &golden).unwrap();
    let found = ends(&folder, 1, "check rec --golden all").stdout;
    assert!(found.contains("--update"), "{found}");
}

#[test]
fn check_uses_the_goldens_options() {
    let folder = folder();
    let words = "check rec --golden g.json --payload decimal --drop snapshot --subject-prefix a.b";
    ends(&folder, 0, &format!("{words} --update"));
    ends(&folder, 0, words);
    ends(&folder, 0, "check rec --golden g.json");
    assert_eq!(
        golden_of(&folder, "g.json")["payload"]["drop"][0],
        "snapshot"
    );
    assert_eq!(golden_of(&folder, "g.json")["ledger"]["filtered"], 8);
    for (flags, expected) in [
        ("--payload vnpy", "payload \"decimal\", this is \"vnpy\""),
        (
            "--drop stale",
            "dropped flags \"snapshot\", this is \"stale\"",
        ),
        (
            "--subject-prefix c",
            "subject prefix \"a.b\", this is \"c\"",
        ),
    ] {
        let found = ends(&folder, 1, &format!("check rec --golden g.json {flags}"));
        let second = found.stdout.lines().nth(1).unwrap();
        assert!(second.contains(expected), "{second}");
    }
    // A payload given by flag has a separate golden.
    ends(&folder, 0, "check rec --payload decimal --update");
    assert!(
        folder
            .names()
            .contains(&"rec.decimal.golden.json".to_owned())
    );
    ends(
        &folder,
        0,
        "check rec --payload decimal --unreferenced reject --golden .",
    );
}

#[test]
fn other_tables_are_named_as_the_reason() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let contracts = "instrument_id,exchange,product_id,product_class,multiplier,price_tick,session,\
                     name\nrb2510,SHFE,rb,future,20,1,N2300,\n";
    std::fs::write(folder.join("new.csv"), contracts).unwrap();
    let found = ends(&folder, 1, "check rec --contracts new.csv");
    assert!(found.stdout.contains("another contract table"), "{found:?}");
    assert!(found.stdout.contains("average_price") && found.stdout.contains("SHFE only"));
    // A table that changes no published message is not a difference.
    std::fs::write(folder.join("same.csv"), contracts.replace(",20,", ",10,")).unwrap();
    let same = ends(&folder, 0, "check rec --contracts same.csv");
    assert!(
        same.stdout
            .contains("note: the golden was made with another contract"),
        "{same:?}"
    );
    let advice = "--contracts or --products, give the same file";
    assert!(!same.stdout.contains(advice), "{same:?}");
    ends(&folder, 0, "check rec --contracts new.csv --update");
    let without = ends(&folder, 1, "check rec").stdout;
    let (said, ways) = without.split_once("to accept this").unwrap();
    assert!(said.contains(advice), "{without}");
    assert!(ways.contains("tickdeck check rec --update"), "{without}");
}

/// Each run of a service has its own receive times: accepting them helps until the next run.
#[test]
fn receive_times_are_better_declared_than_accepted() {
    let folder = folder();
    let lines = published();
    write_lines(&folder.join("live.jsonl"), &lines);
    ends(&folder, 0, "check live.jsonl --update");
    let received = lines.iter().map(|line| {
        let (before, after) = line.split_once("\"local_time\":\"2025").unwrap();
        format!("{before}\"local_time\":\"2026{after}")
    });
    write_lines(&folder.join("live.jsonl"), &received.collect::<Vec<_>>());
    let found = ends(&folder, 1, "check live.jsonl").stdout;
    let declared = r#""volatile": [{"field": "local_time", "reason": "each run has its own"}]"#;
    let advice = format!("# better declare in live.golden.json that it changes: {declared}\n");
    assert!(found.contains(&advice), "{found}");
    let golden = std::fs::read_to_string(folder.join("live.golden.json")).unwrap();
    let golden = golden.replace("\"volatile\": []", declared);
    std::fs::write(folder.join("live.golden.json"), golden).unwrap();
    ends(&folder, 0, "check live.jsonl");
}

#[test]
fn inputs_are_checked_separately() {
    let folder = folder();
    folder.copy_of(&quirks(), "odd");
    std::fs::create_dir(folder.join("goldens")).unwrap();
    let error = ends(&folder, 2, "check rec odd --golden one.json --update");
    assert!(
        error.stderr.contains("one golden for 2 inputs"),
        "{error:?}"
    );
    ends(&folder, 0, "check rec odd --golden goldens --update");
    ends(&folder, 0, "check rec odd --golden goldens");
    assert!(names(&folder.join("goldens")).contains(&"odd.golden.json".to_owned()));
    std::fs::remove_file(folder.join("goldens/rec.golden.json")).unwrap();
    // An input that cannot be checked does not hide the others.
    let ended = ends(&folder, 2, "check rec odd --golden goldens");
    assert!(
        ended
            .stdout
            .starts_with("odd: as goldens/odd.golden.json says"),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains("no golden at goldens/rec.golden.json"),
        "{ended:?}"
    );
    folder.copy_of(&quick(), "goldens/rec");
    let shared = ends(&folder, 2, "check rec goldens/rec --golden goldens");
    assert!(
        shared.stderr.contains("would share the golden"),
        "{shared:?}"
    );
}

#[test]
fn captured_streams_use_the_same_goldens() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let mut lines = published();
    for name in ["live.jsonl", "live.jsonl.zst"] {
        write_lines(&folder.join(name), &lines);
        ends(
            &folder,
            0,
            &format!("check {name} --golden rec.golden.json"),
        );
    }
    let refused = ends(
        &folder,
        2,
        "check live.jsonl --golden rec.golden.json --update",
    );
    assert!(
        refused.stderr.contains("belongs to a recording"),
        "{refused:?}"
    );
    ends(&folder, 0, "check live.jsonl.zst --update");
    assert_eq!(
        golden_of(&folder, "live.golden.json")["source"]["kind"],
        "stream"
    );
    let lost = lines.remove(400);
    write_lines(&folder.join("live.jsonl"), &lines);
    for golden in ["rec.golden.json", "live.golden.json"] {
        let found = ends(&folder, 1, &format!("check live.jsonl --golden {golden}"));
        assert!(found.stdout.contains("917 equal, 1 missing"), "{found:?}");
        let (_, seq) = lost.split_once("\"seq\":").unwrap();
        let (seq, _) = seq.split_once(',').unwrap();
        assert!(
            found
                .stdout
                .contains(&format!("  seq {seq}  message 400\n")),
            "{found:?}"
        );
    }
}

#[test]
fn payload_stream_can_replace_a_golden() {
    let folder = folder();
    let mut lines = published();
    write_lines(&folder.join("before.jsonl.zst"), &lines);
    ends(&folder, 0, "check rec --golden before.jsonl.zst");
    let changed = falsify(&mut lines, "CZCE");
    write_lines(&folder.join("before.jsonl"), &lines);
    let found = ends(&folder, 1, "check rec --golden before.jsonl");
    assert!(
        found.stdout.contains(&format!("{changed} changed")),
        "{found:?}"
    );
    assert!(!found.stdout.contains("--update"), "{found:?}");
    let refused = ends(&folder, 2, "check rec --golden before.jsonl --update");
    assert!(
        refused.stderr.contains("is a payload stream, not a golden"),
        "{refused:?}"
    );
    assert_eq!(folder.names(), ["before.jsonl", "before.jsonl.zst", "rec"]);
}

#[test]
fn accept_field_needs_no_other_difference() {
    let folder = Folder::new();
    let mut lines = published();
    write_lines(&folder.join("live.jsonl"), &lines);
    ends(&folder, 0, "check live.jsonl --update");
    let changed = falsify(&mut lines, "CZCE");
    write_lines(&folder.join("live.jsonl"), &lines);
    let before = std::fs::read(folder.join("live.golden.json")).unwrap();
    ends(&folder, 1, "check live.jsonl --accept-field volume");
    assert_eq!(
        std::fs::read(folder.join("live.golden.json")).unwrap(),
        before
    );
    let accepted = ends(&folder, 0, "check live.jsonl --accept-field open_interest");
    assert!(
        accepted
            .stdout
            .starts_with("live.jsonl: live.golden.json updated"),
        "{accepted:?}"
    );
    assert!(
        accepted
            .stdout
            .contains(&format!("{changed} ticks  CZCE only: TA601"))
    );
    ends(&folder, 0, "check live.jsonl");
}

#[test]
fn unreferenced_goldens_warn_or_fail() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    std::fs::copy(
        folder.join("rec.golden.json"),
        folder.join("gone.golden.json"),
    )
    .unwrap();
    let warned = ends(&folder, 0, "check rec");
    assert!(warned.stderr.contains("golden_unreferenced"), "{warned:?}");
    let rejected = ends(&folder, 1, "check rec --unreferenced reject");
    assert!(
        rejected
            .stdout
            .contains("gone.golden.json: no recording matches it")
    );
    assert!(!rejected.stdout.contains("rec.golden.json: no recording"));
    // Beside a named golden, only on request.
    let named = "check rec --golden rec.golden.json";
    let passed = ends(&folder, 0, named);
    assert!(!passed.stderr.contains("gone.golden.json"), "{passed:?}");
    ends(&folder, 1, &format!("{named} --unreferenced reject"));
}

#[test]
fn invalid_input_is_refused_in_one_sentence() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    std::fs::create_dir(folder.join("empty")).unwrap();
    std::fs::write(folder.join("notes.txt"), "hello\n").unwrap();
    std::fs::write(folder.join("x.json"), "{}").unwrap();
    let newer = std::fs::read_to_string(folder.join("rec.golden.json")).unwrap();
    let newer = newer.replace("\"format_version\": \"1.0\"", "\"format_version\": \"2.0\"");
    std::fs::write(folder.join("newer.json"), newer).unwrap();
    let before = folder.names();
    for (code, words, expected) in [
        (2, "check nowhere", "nowhere does not exist"),
        (2, "check empty", "it is an empty folder"),
        (
            2,
            "check notes.txt --golden rec.golden.json",
            "line 1: expected a message",
        ),
        (2, "check rec --golden x.json", "is not a golden"),
        (2, "check rec --golden newer.json", "use a newer tickdeck"),
        (
            2,
            "check rec --golden newer.json --update",
            "use a newer tickdeck",
        ),
        (
            2,
            "check rec --golden x.json/g.json --update",
            "making the folder x.json",
        ),
        (2, "check rec --golden no/where.json", "no golden at no/"),
        (2, "check rec --golden new.zst --update", "NAME.golden.json"),
        (
            2,
            "check rec --golden rec/golden.json --update",
            "inside a recording",
        ),
        (
            2,
            "check rec --update --accept-field a",
            "cannot be used with",
        ),
    ] {
        let ended = ends(&folder, code, words);
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{words}: {ended:?}");
        assert_eq!(ended.stdout, "", "{words}");
    }
    assert_eq!(folder.names(), before);
    let segment = folder.join("rec/part-00000.parquet");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    for words in ["check rec", "diff rec rec"] {
        let damaged = ends(&folder, 1, words);
        assert!(damaged.stderr.contains("is damaged"), "{damaged:?}");
    }
}

#[test]
fn foreign_stream_is_refused_with_volatile() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    ends(&folder, 0, "check rec --update");
    // A field is declared volatile, and the stream is swapped.
    let golden = folder.join("rec.golden.json");
    let text = std::fs::read_to_string(&golden).unwrap();
    let volatile = "\"volatile\": [{\"field\": \"local_time\", \"reason\": \"another clock\"}]";
    std::fs::write(&golden, text.replace("\"volatile\": []", volatile)).unwrap();
    ends(&folder, 0, "check rec");
    let stream = folder.join("rec.golden.jsonl.zst");
    let messages = zstd::decode_all(std::fs::File::open(&stream).unwrap()).unwrap();
    let other = String::from_utf8(messages)
        .unwrap()
        .replace("\"volume\":1", "\"volume\":2");
    std::fs::write(&stream, zstd::encode_all(other.as_bytes(), 3).unwrap()).unwrap();
    let refused = ends(&folder, 2, "check rec");
    assert!(refused.stderr.contains("its BLAKE3 differs"), "{refused:?}");
}

#[test]
fn reports_overwrite_no_input() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    ends(&folder, 0, "check rec --update");
    let before = std::fs::read(folder.join("rec.golden.json")).unwrap();
    for words in [
        "check rec --junit rec.golden.json",
        "check rec --html rec.golden.jsonl.zst",
        "check rec --html out --junit out",
        "check rec --junit captured.jsonl",
    ] {
        ends(&folder, 2, words);
    }
    assert_eq!(
        std::fs::read(folder.join("rec.golden.json")).unwrap(),
        before
    );
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    std::fs::write(folder.join("rec.golden.json"), pointer).unwrap();
    let told = ends(&folder, 2, "check rec");
    assert!(told.stderr.contains("git lfs pull"), "{told:?}");
}

#[test]
fn ci_writes_nothing_without_update() {
    let folder = Folder::new();
    let mut lines = published();
    write_lines(&folder.join("out.jsonl"), &lines);
    ends(&folder, 0, "check out.jsonl --update");
    falsify(&mut lines, "CZCE");
    write_lines(&folder.join("out.jsonl"), &lines);
    let golden = folder.join("out.golden.json");
    let before = std::fs::read(&golden).unwrap();
    let mut command = tickdeck("check out.jsonl --accept-field open_interest".split(' '));
    command.current_dir(folder.path()).env("CI", "true");
    let ended = finish(command);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("accept_field_ignored"), "{ended:?}");
    assert_eq!(std::fs::read(&golden).unwrap(), before);
}

#[test]
fn update_of_a_copy_keeps_the_stream() {
    let folder = folder();
    folder.copy_of(&quirks(), "odd");
    ends(&folder, 0, "check rec --update");
    std::fs::copy(
        folder.join("rec.golden.json"),
        folder.join("new.golden.json"),
    )
    .unwrap();
    ends(&folder, 0, "check odd --golden new.golden.json --update");
    let words = "check odd --golden new.golden.json --update --stream-limit 1";
    ends(&folder, 0, words);
    ends(&folder, 0, "check odd --golden new.golden.json");
    ends(&folder, 0, "check rec --accept-field volume");
    assert_eq!(
        folder.names(),
        [
            "new.golden.json",
            "odd",
            "rec",
            "rec.golden.json",
            "rec.golden.jsonl.zst"
        ]
    );
}

#[test]
fn damage_and_lfs_pointers_are_told_apart() {
    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    for file in ["manifest.json", "part-00000.parquet"] {
        let folder = folder();
        ends(&folder, 0, "check rec --update");
        let path = folder.join("rec").join(file);
        for words in ["check rec", "diff rec rec", "check rec --update"] {
            std::fs::write(&path, "").unwrap();
            let damaged = ends(&folder, 1, words);
            assert!(damaged.stderr.contains(file), "{damaged:?}");
            assert!(damaged.stderr.contains("is damaged"), "{damaged:?}");
            std::fs::write(&path, POINTER).unwrap();
            let told = ends(&folder, 2, words);
            assert!(told.stderr.contains("run `git lfs pull`"), "{told:?}");
            assert!(!told.stderr.contains("--salvage"), "{told:?}");
        }
        let found = ends(&folder, 1, "verify rec");
        assert!(found.stdout.contains("run `git lfs pull`"), "{found:?}");
        let told = ends(&folder, 2, "replay rec --rate max --sink null");
        assert!(told.stderr.contains("run `git lfs pull`"), "{told:?}");
    }
    let folder = folder();
    std::fs::write(folder.join("rec/part-00000.parquet"), POINTER).unwrap();
    let told = ends(&folder, 2, "info rec/part-00000.parquet");
    assert!(told.stderr.contains("run `git lfs pull`"), "{told:?}");
}

#[test]
fn duplicate_keys_are_not_accepted() {
    let folder = folder();
    let mut lines = published();
    write_lines(&folder.join("live.jsonl"), &lines);
    ends(&folder, 0, "check live.jsonl --update");
    let before = std::fs::read(folder.join("live.golden.json")).unwrap();
    lines[7] = lines[7].replace(",\"turnover\":", ",\"volume\":5,\"turnover\":");
    write_lines(&folder.join("live.jsonl"), &lines);
    let found = ends(&folder, 1, "check live.jsonl --accept-field volume");
    assert!(found.stdout.contains("(form)"), "{found:?}");
    assert!(!found.stdout.contains("(absent)"), "{found:?}");
    assert!(std::fs::read(folder.join("live.golden.json")).unwrap() == before);
}

#[test]
fn update_creates_the_golden_folder() {
    let folder = folder();
    let missing = ends(&folder, 2, "check rec --golden goldens/");
    assert!(
        missing.stderr.contains("no folder goldens/") && missing.stderr.contains("--update"),
        "{missing:?}"
    );
    assert_eq!(folder.names(), ["rec"]);
    ends(&folder, 0, "check rec --golden some/goldens/ --update");
    assert_eq!(
        names(&folder.join("some/goldens")),
        ["rec.golden.json", "rec.golden.jsonl.zst"]
    );
    assert_eq!(folder.names(), ["rec", "some"]);
    ends(&folder, 0, "check rec --golden some/goldens/");
    // The stream of a named golden, too.
    ends(&folder, 0, "check rec --golden one/more/g.json --update");
    ends(&folder, 0, "check rec --golden one/more/g.json");
}

/// Rewrites a golden with a field that is not compared.
fn declare_volatile(folder: &Folder, golden: &str, field: &str) {
    let path = folder.join(golden);
    let mut golden: Value = golden_of(folder, golden);
    golden["volatile"] = serde_json::json!([{"field": field, "reason": "changes"}]);
    std::fs::write(path, golden.to_string()).unwrap();
}

#[test]
fn update_keeps_foreign_files() {
    let folder = folder();
    folder.copy_of(&quirks(), "odd");
    let capture = folder.join("cap.jsonl.zst");
    write_lines(&capture, &published());
    let captured = std::fs::read(&capture).unwrap();
    // A golden with the name of a capture: of something else, and of the capture itself.
    for input in ["odd", "cap.jsonl.zst"] {
        let words = format!("check {input} --golden cap.json --update");
        ends(&folder, 0, &words);
        declare_volatile(&folder, "cap.json", "local_time");
        ends(&folder, 0, &words);
        ends(&folder, 0, &format!("check {input} --golden cap.json"));
        let stream = folder.join("cap.json.golden.jsonl.zst");
        assert!(stream.is_file());
        // It is neither an input nor unreferenced: the golden of `odd` is missing.
        let star = "check cap.json cap.json.golden.jsonl.zst odd --unreferenced reject";
        let ended = ends(&folder, 2, star);
        assert!(!ended.stderr.contains("golden.jsonl.zst"), "{ended:?}");
        assert_eq!(ended.stdout, "");
        ends(&folder, 0, &format!("{words} --stream-limit 0"));
        assert!(!stream.exists());
        std::fs::remove_file(folder.join("cap.json")).unwrap();
        assert!(std::fs::read(&capture).unwrap() == captured, "{input}");
    }
    // A foreign stream where a golden's stream should be.
    let place = folder.join("new.golden.jsonl.zst");
    std::fs::copy(&capture, &place).unwrap();
    let words = "check rec --golden new.golden.json --update";
    let refused = ends(&folder, 2, words);
    assert!(refused.stderr.contains("not its stream"), "{refused:?}");
    assert!(!folder.join("new.golden.json").exists());
    ends(&folder, 0, &format!("{words} --stream-limit 0"));
    assert!(std::fs::read(&place).unwrap() == captured);
}

#[test]
fn update_keeps_a_foreign_stream() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let place = folder.join("rec.golden.jsonl.zst");
    let own = std::fs::read(&place).unwrap();
    let mut lines = published();
    falsify(&mut lines, "CZCE");
    write_lines(&place, &lines);
    let captured = std::fs::read(&place).unwrap();
    for words in [
        "check rec --update",
        "check rec --update --stream-limit 0",
        "check rec --accept-field open_interest",
    ] {
        let refused = ends(&folder, 2, words);
        assert!(
            refused.stderr.contains("its BLAKE3 differs")
                && refused.stderr.contains("or remove it and give --update"),
            "{refused:?}"
        );
        assert!(std::fs::read(&place).unwrap() == captured);
    }
    std::fs::remove_file(&place).unwrap();
    ends(&folder, 0, "check rec --update");
    assert!(std::fs::read(&place).unwrap() == own);
}

#[test]
fn update_does_not_overwrite_its_input() {
    let folder = Folder::new();
    write_lines(&folder.join("cap.jsonl.zst"), &published());
    ends(&folder, 0, "check cap.jsonl.zst --update");
    declare_volatile(&folder, "cap.golden.json", "local_time");
    let place = folder.join("cap.golden.jsonl.zst");
    let before = std::fs::read(&place).unwrap();
    std::os::unix::fs::symlink(&place, folder.join("link.jsonl.zst")).unwrap();
    std::fs::hard_link(&place, folder.join("second.jsonl.zst")).unwrap();
    for input in ["link.jsonl.zst", "second.jsonl.zst"] {
        for more in ["--update", "--update --stream-limit 0"] {
            let words = format!("check {input} --golden cap.golden.json {more}");
            let refused = ends(&folder, 2, &words);
            assert!(
                refused.stderr.contains("is the input itself"),
                "{refused:?}"
            );
            assert!(std::fs::read(&place).unwrap() == before);
        }
        ends(
            &folder,
            0,
            &format!("check {input} --golden cap.golden.json"),
        );
    }
}

#[test]
fn goldens_of_one_stem_keep_their_streams() {
    let folder = folder();
    folder.copy_of(&quirks(), "odd");
    ends(&folder, 0, "check rec --update");
    let copy = |to: &str| std::fs::copy(folder.join("rec.golden.json"), folder.join(to)).unwrap();
    copy("rec.json");
    ends(&folder, 0, "check odd --golden rec.json --update");
    ends(&folder, 0, "check odd --golden rec.json");
    ends(&folder, 0, "check rec --accept-field volume");
}

#[test]
fn unfinished_recordings_get_no_golden() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let before = ["rec.golden.json", "rec.golden.jsonl.zst"]
        .map(|name| std::fs::read(folder.join(name)).unwrap());
    let manifest = folder.join("rec/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let unfinished = text.replace("\"complete\"", "\"recording\"");
    assert_ne!(unfinished, text);
    std::fs::write(&manifest, unfinished).unwrap();
    for words in [
        "check rec --update",
        "check rec --update --golden new.golden.json",
        "check rec --accept-field volume",
    ] {
        let refused = ends(&folder, 2, words);
        assert!(
            refused.stderr.contains("its writer is gone")
                && refused
                    .stderr
                    .contains(": `tickdeck recover rec` finishes it"),
            "{refused:?}"
        );
    }
    let after = ["rec.golden.json", "rec.golden.jsonl.zst"]
        .map(|name| std::fs::read(folder.join(name)).unwrap());
    assert!(before == after);
    assert_eq!(
        folder.names(),
        ["rec", "rec.golden.json", "rec.golden.jsonl.zst"]
    );
    // The problem is reported, and the suggested fix works.
    let told = ends(&folder, 3, "check rec");
    assert!(told.stderr.contains("recording_unfinished"), "{told:?}");
    // The slice is whole, and says that its input was not.
    ends(&folder, 3, "slice rec -o NEW");
    ends(&folder, 0, "check NEW --update");
    ends(&folder, 0, "recover rec");
    ends(&folder, 0, "check rec --update");
}

#[test]
fn interrupt_keeps_earlier_results() {
    use std::io::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let folder = folder();
    ends(&folder, 0, "check rec --update");
    std::fs::copy(
        folder.join("rec.golden.json"),
        folder.join("pipe.golden.json"),
    )
    .unwrap();
    let pipe = folder.join("pipe.jsonl");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // An endless stream.
    let mut pipe = std::fs::File::options()
        .read(true)
        .write(true)
        .open(pipe)
        .unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    std::thread::spawn(move || {
        for line in published().iter().cycle() {
            writeln!(pipe, "{line}").unwrap();
            counter.fetch_add(line.len(), Ordering::Relaxed);
        }
    });
    let mut command = tickdeck("check rec pipe.jsonl --junit j.xml --json -q".split(' '));
    command.current_dir(folder.path());
    let running = Running::start(command);
    wait_until("the second input is read", || {
        written.load(Ordering::Relaxed) > 1 << 20
    });
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("interrupted after"), "{ended:?}");
    let result = ended.json();
    assert_eq!(result["passed"], false);
    assert_eq!(result["checks"][0]["verdict"], "equal");
    assert_eq!(result["errors"][0]["input"], "pipe.jsonl");
    let xml = std::fs::read_to_string(folder.join("j.xml")).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (2, 0, 1));
}

#[test]
fn truncated_golden_stream_is_rewritten() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let path = folder.join("rec.golden.jsonl.zst");
    let whole = std::fs::read(&path).unwrap();
    let golden = std::fs::read(folder.join("rec.golden.json")).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"not a message\n\n"] {
        std::fs::write(&path, damaged).unwrap();
        let told = ends(&folder, 2, "check rec");
        assert!(
            told.stderr
                .contains("from version control, or give --update"),
            "{told:?}"
        );
        ends(&folder, 2, "check rec --accept-field volume");
        assert!(std::fs::read(&path).unwrap() == damaged);
        ends(&folder, 0, "check rec --update");
        assert!(std::fs::read(&path).unwrap() == whole);
        assert!(std::fs::read(folder.join("rec.golden.json")).unwrap() == golden);
    }
}

#[test]
fn input_without_golden_gets_a_way_out() {
    let folder = folder();
    for words in [
        "check rec/part-00000.parquet",
        "check rec --golden rec/g.json",
    ] {
        let told = ends(&folder, 2, words);
        assert!(
            told.stderr.contains("goldens are not allowed") && told.stderr.contains("--golden"),
            "{told:?}"
        );
        assert!(!told.stderr.contains("output"), "{told:?}");
    }
    std::fs::create_dir(folder.join("empty")).unwrap();
    let told = ends(&folder, 2, "check empty");
    assert!(told.stderr.contains("it is an empty folder"), "{told:?}");
    folder.copy_of(&quick(), "segments");
    std::fs::remove_file(folder.join("segments/manifest.json")).unwrap();
    let told = ends(&folder, 2, "check segments");
    assert!(told.stderr.contains("manifest.json is missing"), "{told:?}");
    assert!(!told.stderr.contains("--salvage"), "{told:?}");
}

#[test]
fn volatile_fields_need_reason_and_match() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let golden = folder.join("rec.golden.json");
    let text = std::fs::read_to_string(&golden).unwrap();
    let declare = |field: &str, reason: &str| {
        let volatile = format!("\"volatile\": [{{\"field\": {field:?}, \"reason\": {reason:?}}}]");
        std::fs::write(&golden, text.replace("\"volatile\": []", &volatile)).unwrap();
    };
    declare("local_time", " ");
    let told = ends(&folder, 2, "check rec");
    assert!(
        told.stderr.contains("rec.golden.json") && told.stderr.contains("has no reason"),
        "{told:?}"
    );
    for field in ["locl_time", "local_time.seconds"] {
        declare(field, "another clock");
        let told = ends(&folder, 0, "check rec");
        let note = format!("note: no message has the volatile field \"{field}\"");
        assert!(told.stdout.contains(&note), "{told:?}");
    }
    declare("local_time", "another clock");
    let told = ends(&folder, 0, "check rec");
    assert!(!told.stdout.contains("note:"), "{told:?}");
}

#[test]
fn restored_field_is_noted_until_update() {
    let folder = Folder::new();
    write_lines(&folder.join("live.jsonl"), &published());
    ends(&folder, 0, "check live.jsonl --update");
    let golden = folder.join("live.golden.json");
    let text = std::fs::read_to_string(&golden).unwrap();
    let volatile = "\"volatile\": [{\"field\": \"local_time\", \"reason\": \"another clock\"}]";
    std::fs::write(&golden, text.replace("\"volatile\": []", volatile)).unwrap();
    ends(&folder, 0, "check live.jsonl --update");
    let mut golden_now = golden_of(&folder, "live.golden.json");
    golden_now["volatile"] = serde_json::json!([]);
    std::fs::write(&golden, golden_now.to_string()).unwrap();
    let found = ends(&folder, 1, "check live.jsonl");
    assert!(found.stdout.contains("918 timing only"), "{found:?}");
    assert!(
        found.stdout.contains("made without local_time"),
        "{found:?}"
    );
    ends(&folder, 0, "check live.jsonl --update");
    let same = ends(&folder, 0, "check live.jsonl");
    assert!(!same.stdout.contains("note:"), "{same:?}");
}
