//! The table of exit codes, each caused by a real situation, and which output goes to which stream.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::cli::{run_words, tickdeck, wait_for};
use crate::support::recordings::{Folder, quick, quirks};

#[test]
fn every_code_of_the_table_is_reached() {
    let folder = Folder::new();
    let recording = quick();
    let recording = recording.to_str().unwrap();
    let damaged = folder.copy_of(&quick(), "damaged");
    let segment = damaged.join("part-00000.parquet");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = damaged.to_str().unwrap();
    let nowhere = folder.join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    for (code, words) in [
        (0, format!("info {recording}")),
        (0, "--help".to_owned()),
        (0, "--version".to_owned()),
        (0, format!("verify {recording}")),
        (0, format!("check {recording}")),
        (1, format!("check {recording} --drop snapshot")),
        (2, format!("check {recording} --golden {nowhere}")),
        (1, format!("check {damaged}")),
        (1, format!("diff {damaged} {recording}")),
        (0, format!("diff {recording} {recording}")),
        (1, format!("diff {recording} --b-drop snapshot")),
        (2, format!("diff {recording}")),
        (1, format!("verify {damaged}")),
        (1, format!("verify {recording} {damaged}")),
        (2, "nonsense".to_owned()),
        (2, "replay".to_owned()),
        (2, format!("replay {recording} --rate fast")),
        (2, format!("replay {recording} --prime --sink null")),
        (2, format!("merge {recording}")),
        (
            3,
            format!("replay {damaged} --salvage --rate max --sink null"),
        ),
        (4, format!("replay {damaged} --rate max --sink null")),
        (2, format!("info {nowhere}")),
    ] {
        let ended = run_words(&words);
        assert_eq!(ended.code, Some(code), "{words}: {ended:?}");
        if code == 2 || code == 4 {
            assert_eq!(ended.stdout, "", "{words}");
            assert!(ended.stderr.starts_with("error: "), "{words}: {ended:?}");
        }
    }
}

#[test]
fn a_missing_input_is_bad_usage_in_every_verb() {
    let folder = Folder::new();
    let missing = folder.join("missing");
    let missing = missing.to_str().unwrap();
    let out = folder.join("out");
    let out = out.to_str().unwrap();
    let quick = quick();
    let quick = quick.to_str().unwrap();
    for words in [
        format!("info {missing}"),
        format!("verify {missing}"),
        format!("cat {missing}"),
        format!("replay {missing} --sink null"),
        format!("replay {missing} --sink null --salvage"),
        format!("export {missing}"),
        format!("slice {missing} -o {out}"),
        format!("merge {quick} {missing} -o {out}"),
        format!("import {missing} -o {out}"),
        format!("check {missing}"),
        format!("diff {missing} {quick}"),
        format!("diff {quick} {missing}"),
        format!("record --source recording:{missing} -o {out}"),
        format!("demo {missing}"),
    ] {
        let ended = run_words(&words);
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert_eq!(ended.stdout, "", "{words}");
        assert!(ended.stderr.contains("missing"), "{words}: {ended:?}");
    }
    assert!(folder.names().is_empty());
}

#[test]
fn more_v_is_more_log() {
    let recording = quick();
    let recording = recording.to_str().unwrap();
    for (flags, is_more) in [
        ("", false),
        ("-v", true),
        ("-vv", true),
        ("--verbose", true),
    ] {
        let words = format!("replay {recording} --rate max --sink null --log-format json {flags}");
        let ended = run_words(words.trim_end()).done();
        let told = |event: &str| ended.stderr.contains(event);
        assert_eq!(told(r#""level":"DEBUG""#), is_more, "{flags}: {ended:?}");
        assert_eq!(told("recording_opened"), is_more, "{flags}: {ended:?}");
    }
    let both = run_words(&format!("info {recording} -v -q"));
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn a_reader_that_has_seen_enough_is_success() {
    let recording = quirks();
    for words in [
        &["cat"][..],
        &["export", "--format", "jsonl"],
        &["export", "--format", "payload"],
        &["replay", "--rate", "max", "--sink", "jsonl:-"],
        &["replay", "--rate", "max", "--loop", "--sink", "jsonl:-"],
    ] {
        let mut command = tickdeck(words);
        command.arg(&recording);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut line).unwrap();
        drop(reader);
        let status = wait_for(&mut child);
        let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(0), "{words:?}: {stderr}");
        assert!(!line.is_empty());
        assert!(!stderr.contains("error"), "{words:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{words:?}: {stderr}");
    }
}

/// Runs `words` with a stdout whose reader is gone.
fn closed_stdout(folder: &Folder, words: &str) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = tickdeck(words.split(' '));
    command.current_dir(folder.path());
    command.stdout(writer).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let status = wait_for(&mut child);
    let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    (status.code(), stderr)
}

#[test]
fn a_closed_stdout_hides_no_verdict() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    folder.copy_of(&quirks(), "other");
    let damaged = folder.copy_of(&quick(), "damaged");
    let segment = damaged.join("part-00000.parquet");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let golden = quick().with_file_name("quick.golden.json");
    let (rec, shown) = ("rec", golden.display());
    for (code, words) in [
        (0, format!("check {rec} --golden {shown}")),
        (1, format!("check {rec} --golden {shown} --drop snapshot")),
        (
            1,
            format!("check {rec} --golden {shown} --drop snapshot --json --junit j.xml"),
        ),
        (2, format!("check {rec} --golden {shown} nowhere")),
        (0, format!("verify {rec}")),
        (1, "verify damaged".to_owned()),
        (1, "verify damaged --json".to_owned()),
        (2, "verify nowhere damaged".to_owned()),
        (0, format!("diff {rec} {rec}")),
        (1, format!("diff {rec} other")),
        (1, format!("diff {rec} other --json")),
        (1, "info damaged".to_owned()),
        (2, "info nowhere damaged".to_owned()),
        (0, format!("info {rec}")),
        (
            1,
            "doctor --timeout 100ms --nats-url nats://127.0.0.1:1 -q".to_owned(),
        ),
        (3, format!("slice {rec} --symbols zz9999 -o none")),
        (3, format!("export {rec} --symbols zz9999 -o none.csv")),
        (0, format!("slice {rec} -o made")),
    ] {
        let (ended, stderr) = closed_stdout(&folder, &words);
        assert_eq!(ended, Some(code), "{words}: {stderr}");
        assert!(!stderr.contains("closed the pipe"), "{words}: {stderr}");
    }
    let report = std::fs::read_to_string(folder.join("j.xml")).unwrap();
    assert!(report.contains("failures=\"1\""), "{report}");
}

#[test]
fn results_go_to_stdout_and_only_them() {
    let recording = quirks();
    let recording = recording.to_str().unwrap();
    let ended = run_words(&format!(
        "replay {recording} --rate max --json --sink digest --log-format json"
    ))
    .done();
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    // Rejected ticks are logged, one flat object a line.
    assert!(ended.stderr.contains("tick_rejected"), "{ended:?}");
    for line in ended.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["timestamp", "level", "event"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
    assert!(
        !ended.stderr.contains('\u{1b}'),
        "colour without a terminal"
    );
    let failed = run_words("info /nowhere/at/all --log-format json");
    assert_eq!(failed.code, Some(2));
    let line: serde_json::Value = serde_json::from_str(failed.stderr.trim_end()).unwrap();
    assert_eq!(line["event"], "error", "{line}");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run_words(&format!("completions {shell}")).done().stdout;
        assert!(
            script.contains("replay") && script.contains("max-gap"),
            "{shell}"
        );
    }
    assert_eq!(run_words("completions tcsh").code, Some(2));
}
