//! Recordings whose recorder was killed: each verb does what it can, says what is missing, and ends
//! with the code of the table.

use std::path::{Path, PathBuf};

use crate::support::cli::{Ended, Running, finish, tickdeck};
use crate::support::recordings::{Folder, events, quick};
use crate::support::wait_until;

/// A recording of the quick session whose recorder was killed after some segments.
fn killed(folder: &Folder) -> PathBuf {
    let path = folder.join("killed");
    let mut command = tickdeck(["record", "--source"]);
    command.arg(format!("recording:{}", quick().display()));
    command.args("--publish --sink null --rate 20 --max-rows 50 -q -o".split(' '));
    command.arg(&path);
    let running = Running::start(command);
    wait_until("three segments are sealed", || {
        path.join("part-00003.parquet").exists()
    });
    running.signal("KILL");
    let ended = running.wait();
    assert_eq!(ended.code, None, "{ended:?}");
    path
}

/// `VERB RECORDING words`, with `OUT` for a path in the folder.
fn run(folder: &Folder, verb: &str, recording: &Path, words: &str) -> Ended {
    let mut command = tickdeck([verb.as_ref(), recording.as_os_str()]);
    let out = folder.join("out").display().to_string();
    command.args(words.replace("OUT", &out).split_whitespace());
    finish(command)
}

#[test]
fn reading_an_unfinished_recording_is_lossy() {
    let folder = Folder::new();
    let killed = killed(&folder);
    for (verb, words) in [
        ("cat", ""),
        ("cat", "--json"),
        ("replay", "--rate max --sink null"),
        ("replay", "--rate max --sink null --salvage"),
        ("export", ""),
        ("export", "--format payload"),
        ("export", "--format jsonl -o OUT-export"),
        ("slice", "-n 10 -o OUT-slice"),
    ] {
        let ended = run(&folder, verb, &killed, words);
        assert_eq!(ended.code, Some(3), "{verb} {words}: {ended:?}");
        let told = ended.stderr.matches("recording_unfinished").count();
        assert_eq!(told, 1, "{verb} {words}: {ended:?}");
        assert!(!ended.stdout.is_empty(), "{verb} {words}");
    }
    let whole = quick();
    for recordings in [[&killed, &whole], [&whole, &killed]] {
        let mut command = tickdeck(["merge", "--force", "-o"]);
        command.arg(folder.join("merged")).args(recordings);
        assert_eq!(finish(command).code, Some(3), "{recordings:?}");
    }
}

/// As a power failure leaves it.
#[test]
fn a_cut_end_of_a_journal_is_named_and_what_is_before_it_read() {
    let folder = Folder::new();
    let killed = killed(&folder);
    let journal = killed.join("journal-00000.tdj");
    let bytes = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &bytes[..bytes.len() - 1]).unwrap();
    for words in ["cat", "cat --follow", "replay --rate max --sink null"] {
        let mut command = tickdeck(words.split(' '));
        command.arg(&killed);
        let ended = finish(command);
        assert_eq!(ended.code, Some(3), "{words}: {ended:?}");
        let told = ended.stderr.matches("journal_damaged").count();
        assert_eq!(told, 1, "{words}: {ended:?}");
    }
}

/// A new recording has only what is intact, and each event of it once.
#[test]
fn a_salvaged_slice_has_each_intact_event_once() {
    let folder = Folder::new();
    let all = events(&quick());
    let path = folder.join("rec");
    let source = format!("recording:{}", quick().display());
    let mut record = tickdeck(["record", "--source", &source, "--max-rows", "300", "-o"]);
    record.arg(&path);
    finish(record).done();
    let part = |index: usize| path.join(format!("part-{index:05}.parquet"));
    std::fs::remove_file(path.join("manifest.json")).unwrap();
    std::fs::copy(part(0), part(8)).unwrap();
    std::fs::rename(part(1), part(5)).unwrap();
    let salvaged = run(&folder, "slice", &path, "--salvage -o OUT --json");
    assert_eq!(salvaged.code, Some(3), "{salvaged:?}");
    assert!(salvaged.stderr.contains("part-00008"), "{salvaged:?}");
    assert!(events(&folder.join("out")) == all);
    let copy = folder.copy_of(&path, "copy");
    let recovered = run(&folder, "recover", &copy, "");
    assert_eq!(
        recovered.code,
        Some(3),
        "its manifest is gone: {recovered:?}"
    );
    let kept = "part-00008.parquet.damaged: kept: the recording has its 300 events";
    assert!(recovered.stdout.contains(kept), "{recovered:?}");
    assert!(events(&copy) == all);
    std::fs::remove_file(part(5)).unwrap();
    let salvaged = run(&folder, "slice", &path, "--salvage --force -o OUT --json");
    assert_eq!(salvaged.json()["events"], all.len() - 300);

    for index in [0, 2, 3] {
        std::fs::write(part(index), "PAR1").unwrap();
    }
    std::fs::remove_file(part(8)).unwrap();
    let nothing = run(&folder, "slice", &path, "--salvage --force -o OUT");
    assert!(nothing.code > Some(2), "{nothing:?}");
    assert!(!nothing.stderr.contains("--allow-empty"), "{nothing:?}");
}

/// As `recover` keeps it where a file before it is damaged.
#[test]
fn a_journal_file_alone_is_read_like_a_recording() {
    let folder = Folder::new();
    let killed = killed(&folder);
    let bytes = std::fs::read(killed.join("journal-00000.tdj")).unwrap();
    let file = folder.join("journal-00000.tdj.damaged");
    std::fs::write(&file, &bytes).unwrap();
    let found = events(&file);
    assert!(events(&quick()).starts_with(&found) && found.len() > 150);
    let info = run(&folder, "info", &file, "--json").done().json();
    assert_eq!(info["events"], found.len());
    let verified = run(&folder, "verify", &file, "").done();
    assert!(verified.stdout.contains("a lone file"), "{verified:?}");
    let lines = run(&folder, "cat", &file, "--json").done().stdout;
    assert_eq!(lines.lines().count(), found.len());
    run(&folder, "replay", &file, "--rate max --sink null").done();
    run(&folder, "slice", &file, "-o OUT-slice").done();
    assert!(events(&folder.join("out-slice")) == found);

    // Its own damage is stated.
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let verified = run(&folder, "verify", &file, "");
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.stdout.contains(" on are lost"), "{verified:?}");
    let refused = run(&folder, "replay", &file, "--rate max --sink null");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    let salvaged = run(&folder, "replay", &file, "--rate max --sink null --salvage");
    assert_eq!(salvaged.code, Some(3), "{salvaged:?}");
    run(&folder, "cat", &file, "");
}

#[test]
fn results_name_an_incomplete_input() {
    let folder = Folder::new();
    let killed = killed(&folder);
    let source = format!("recording:{}", killed.display());
    let twice = [&killed, &killed].map(|path| path.to_str().unwrap());
    let [one, other] = twice;
    for words in [
        vec!["slice", one],
        vec!["merge", one, other],
        vec!["export", one],
        vec!["record", "--source", &source],
    ] {
        let made = |more: &[&str]| {
            let mut command = tickdeck(&words);
            command.args(more).arg("--force");
            finish({
                command.arg("-o").arg(folder.join("out"));
                command
            })
        };
        let told = made(&[]);
        assert_eq!(told.code, Some(3), "{told:?}");
        assert!(told.stdout.contains("incomplete: "), "{told:?}");
        if words[0] != "record" {
            assert_eq!(made(&["--json"]).json()["complete"], false, "{words:?}");
        }
        let out = folder.join("out");
        let removed = if out.is_dir() {
            std::fs::remove_dir_all(out)
        } else {
            std::fs::remove_file(out)
        };
        removed.unwrap();
    }
}

#[test]
fn a_slice_of_an_unfinished_recording_is_whole() {
    let folder = Folder::new();
    let killed = killed(&folder);
    let slice = run(&folder, "slice", &killed, "-o OUT");
    assert_eq!(slice.code, Some(3), "{slice:?}");
    let out = folder.join("out");
    assert!(events(&out) == events(&killed));
    assert!(events(&quick()).starts_with(&events(&killed)));
    run(&folder, "verify", &out, "").done();
    run(&folder, "cat", &out, "").done();
}

/// Without `--update` nothing is accepted, and equal is not complete.
#[test]
fn an_unfinished_recording_passes_no_comparison() {
    let folder = Folder::new();
    let killed = killed(&folder);
    let slice = run(&folder, "slice", &killed, "-o OUT");
    assert_eq!(slice.code, Some(3), "{slice:?}");
    let out = folder.join("out").display().to_string();
    let equal = run(&folder, "diff", &killed, &out);
    assert_eq!(equal.code, Some(3), "{equal:?}");
    assert!(equal.stdout.contains("equal"), "{equal:?}");
    let itself = run(&folder, "diff", &killed, "--b-payload vnpy");
    assert_eq!(itself.code, Some(3), "{itself:?}");
    let other = run(&folder, "diff", &killed, &quick().display().to_string());
    assert_eq!(other.code, Some(1), "{other:?}");
    let stream = folder.join("stream.jsonl");
    let words = format!("--format payload -o {}", stream.display());
    assert_eq!(run(&folder, "export", &killed, &words).code, Some(3));
    let golden = format!("--golden {}", stream.display());
    let passed = run(&folder, "check", &killed, &golden);
    assert_eq!(passed.code, Some(3), "{passed:?}");
    let golden = quick().with_file_name("quick.golden.json");
    let golden = format!("--golden {}", golden.display());
    assert_eq!(run(&folder, "check", &killed, &golden).code, Some(1));
    let refused = run(&folder, "check", &killed, "--update");
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[test]
fn info_tells_what_verify_finds() {
    let folder = Folder::new();
    let killed = killed(&folder);
    let info = run(&folder, "info", &killed, "--json").done().json();
    assert_eq!(info["status"], "recording");
    assert!(info["ticks"].as_u64().unwrap() >= 140, "{info}");
    let text = run(&folder, "info", &killed, "").done().stdout;
    assert!(text.contains("status       recording"), "{text}");
    assert!(text.contains("event digest -\n"), "{text}");
    let verified = run(&folder, "verify", &killed, "");
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.stdout.contains("unfinished: "), "{verified:?}");
}
