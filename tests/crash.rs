//! Recorders that are killed, run out of disk, or want the same folder.
//!
//! `TICKDECK_RECOVERIES`, `TICKDECK_TIMEOUTS` and `TICKDECK_DUELS` set how often; a few times by default.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tickdeck::event::Event;
use tickdeck::recording::Recording;

use crate::support::cli::{Running, binary, command_of, finish, tickdeck};
use crate::support::ctp::logged;
use crate::support::recordings::{Folder, events, info, names, on_disk, quick, replay, verb};
use crate::support::{times, wait_until};

/// The market of the committed recording, at ten times its speed, in segments of 300 events.
fn record(folder: &Path) -> Command {
    let words = "record --source synthetic:quick,seed=1 --rate 10 --max-rows 300 -q -o";
    let mut command = tickdeck(words.split(' '));
    command.arg(folder);
    command
}

/// Records until `enough` events are on disk, and kills the recorder then.
fn kill_after(folder: &Path, enough: u64) -> u64 {
    let running = Running::start(record(folder));
    let mut seen = 0;
    wait_until("events are on disk", || {
        seen = on_disk(folder);
        seen >= enough
    });
    running.signal("KILL");
    assert_eq!(running.wait().code, None);
    seen
}

fn assert_prefix(found: &[Event], all: &[Event]) {
    assert!(
        all.starts_with(found),
        "{} events are not a prefix",
        found.len()
    );
}

#[test]
fn a_killed_recorder_leaves_a_prefix_that_is_recovered() {
    let all = events(&quick());
    for life in 0..times("TICKDECK_RECOVERIES", 4) {
        let folder = Folder::new();
        let path = folder.join("rec");
        // Before, between and after the first segments.
        let enough = 1 + life * 277 % 800;
        let seen = kill_after(&path, enough);
        let found = events(&path);
        assert_prefix(&found, &all);
        assert!(found.len() as u64 >= seen, "{} of {seen}", found.len());
        let shown = info(&path);
        assert_eq!(shown["status"], "recording");
        assert_eq!(shown["being_written"], false);
        assert_eq!(shown["events"], found.len());
        let played = replay(&path, "--sink digest");
        assert_eq!(played.code, Some(3), "an unfinished input: {played:?}");
        let recovered = verb("recover", &path).done();
        assert!(recovered.stdout.contains("recovered "), "{recovered:?}");
        verb("verify", &path).done();
        assert_eq!(info(&path)["status"], "recovered");
        assert_eq!(events(&path), found);
        let again = replay(&path, "--sink digest").done();
        assert_eq!(again.digest(), played.digest());
        verb("recover", &path).done();
    }
}

#[test]
fn every_reader_sees_a_recording_that_grows() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let running = Running::start(record(&path));
    wait_until("a segment and a journal are there", || {
        let recording = Recording::open(&path);
        recording.is_ok_and(|it| !it.segments().is_empty() && it.journal_events() > 0)
    });
    let shown = info(&path);
    assert_eq!(shown["status"], "recording");
    let printed = verb("cat", &path);
    assert_eq!(printed.code, Some(3), "{printed:?}");
    assert!(printed.stdout.lines().count() as u64 > shown["events"].as_u64().unwrap());
    assert!(
        printed.stderr.contains("it is being written"),
        "{printed:?}"
    );
    let verified = verb("verify", &path);
    assert_eq!(verified.code, Some(1));
    assert!(
        verified.stdout.contains("it is being written"),
        "{verified:?}"
    );
    let refused = verb("recover", &path);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("is being written by process"),
        "{refused:?}"
    );
    for force in [&["-o"][..], &["--force", "-o"]] {
        let mut second = tickdeck(["record", "--source", "synthetic:quick"]);
        second.args(force).arg(&path);
        assert_eq!(finish(second).code, Some(2));
    }
    let part = folder.join("part");
    let mut slice = tickdeck(["slice", "-n", "50", "-o"]);
    slice.arg(&part).arg(&path);
    assert_eq!(finish(slice).code, Some(3));
    assert_eq!(info(&part)["ticks"], 50);
    running.signal("TERM");
    running.wait().done();
    verb("verify", &path).done();
}

#[test]
fn a_new_session_recovers_what_a_killed_one_left() {
    let folder = Folder::new();
    let path = folder.join("rec");
    kill_after(&path, 10);
    let found = events(&path);
    let refused = finish(record(&path));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("recording_recovered"),
        "{refused:?}"
    );
    assert_eq!(info(&path)["status"], "recovered");
    assert_eq!(events(&path), found);
}

/// A folder as a recorder leaves it that is killed while it writes its first manifest.
fn killed_at_its_start(folder: &Path, prefix: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(".lock"), "process 1 on host gone\n").unwrap();
    let name = format!(".{prefix}manifest.json.Ab12cd.tmp");
    std::fs::write(folder.join(name), "{\"format\"").unwrap();
}

#[test]
fn a_recorder_killed_at_its_start_blocks_no_other() {
    let folder = Folder::new();
    let path = folder.join("rec");
    killed_at_its_start(&path, "");
    assert_eq!(verb("recover", &path).code, Some(4));
    let mut again = tickdeck([
        "record",
        "--source",
        "synthetic:quick,duration=1s",
        "-q",
        "-o",
    ]);
    again.arg(&path);
    finish(again).done();
    verb("verify", &path).done();
    assert_eq!(
        names(&path),
        ["contracts.parquet", "manifest.json", "part-00000.parquet"]
    );
}

#[test]
fn a_session_killed_at_its_start_is_not_in_its_root() {
    let folder = Folder::new();
    let root = folder.join("root");
    let mut record = tickdeck(["record", "--source", "synthetic:quick,duration=1s", "-q"]);
    record
        .args(["--session", "whole", "--record-under"])
        .arg(&root);
    finish(record).done();
    let day = std::fs::read_dir(&root).unwrap().next().unwrap().unwrap();
    killed_at_its_start(&day.path().join("session=killed"), "_");
    let listed = verb("ls", &root).done();
    assert!(!listed.stdout.contains("killed"), "{listed:?}");
    replay(&root, "--sink digest").done();
    verb("recover", &root).done();
    verb("verify", &root).done();
}

/// Whatever a kill at the start leaves is recovered, or another recorder begins there.
#[test]
fn a_kill_at_any_moment_of_the_start_blocks_nothing() {
    let folder = Folder::new();
    for life in 0..12_u64 {
        let path = folder.join(&format!("rec{life}"));
        let running = Running::start(record(&path));
        wait_until("the folder is there", || path.is_dir());
        std::thread::sleep(Duration::from_micros(life * 7919 % 20_000));
        running.signal("KILL");
        assert_eq!(running.wait().code, None);
        if path.join("manifest.json").exists() {
            verb("recover", &path).done();
        } else {
            let mut again = tickdeck(["generate", "--duration", "1s", "-q", "-o"]);
            again.arg(&path);
            finish(again).done();
        }
        let left = names(&path)
            .into_iter()
            .filter(|name| name.starts_with('.'));
        assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
    }
}

#[test]
fn a_recording_beside_is_named_once() {
    let folder = Folder::new();
    let path = folder.copy_of(&quick(), "rec");
    folder.copy_of(&quick(), ".rec.Ab12cd");
    let mut record = tickdeck([
        "record",
        "--source",
        "synthetic:quick,duration=1s",
        "--force",
    ]);
    record.args(["-q", "-o"]).arg(&path);
    let recorded = finish(record).done();
    assert_eq!(
        recorded.stderr.matches("recording_beside").count(),
        1,
        "{recorded:?}"
    );
}

#[test]
fn recover_says_what_is_lost_and_when_there_is_nothing() {
    let folder = Folder::new();
    let path = folder.join("rec");
    kill_after(&path, 10);
    let journal = path.join("journal-00000.tdj");
    let bytes = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &bytes[..bytes.len() - 1]).unwrap();
    let mut json = tickdeck(["recover", "--json"]);
    json.arg(&path);
    let lossy = finish(json);
    assert_eq!(lossy.code, Some(3), "{lossy:?}");
    let lost = lossy.json();
    let problem = lost["lost"][0]["problem"].as_str().unwrap();
    let expected = format!("events from {} on are lost", lost["events"]);
    assert!(problem.ends_with(&expected), "{problem}");
    let empty = folder.join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(verb("recover", &empty).code, Some(4));
    assert_eq!(verb("recover", &folder.join("none")).code, Some(2));
}

/// The files are as the recovery left them, and events are missing.
#[test]
fn verify_of_a_recording_with_a_known_loss_is_lossy() {
    let folder = Folder::new();
    let path = folder.join("rec");
    kill_after(&path, 30);
    // Written 20 times a second: blocks follow the first one.
    let journal = path.join("journal-00000.tdj");
    let mut bytes = std::fs::read(&journal).unwrap();
    let early = bytes.len() / 4;
    bytes[early] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    assert_eq!(verb("verify", &path).code, Some(1), "it is damaged");
    assert_eq!(verb("recover", &path).code, Some(3));
    for _ in 0..2 {
        let mut json = tickdeck(["verify", "--json"]);
        json.arg(&path);
        let verified = finish(json);
        assert_eq!(verified.code, Some(3), "{verified:?}");
        let report = verified.json();
        assert_eq!(report["intact"], true, "{report}");
        let problem = report["lost"][0]["problem"].as_str().unwrap();
        assert!(problem.contains(" lost"), "{problem}");
        let text = verb("verify", &path);
        assert!(text.stdout.contains("as it was recovered"), "{text:?}");
    }
    // Damage comes before a loss that is known.
    std::fs::write(path.join("contracts.parquet"), "PAR1").unwrap();
    assert_eq!(verb("verify", &path).code, Some(1));
}

#[test]
fn a_full_disk_keeps_what_was_recorded() {
    let folder = Folder::new();
    let path = folder.join("rec");
    // A journal of 28 KiB is where the disk ends; the contract table takes 25.
    let mut command = command_of("bash");
    command.args(["-c", "ulimit -f 28; exec \"$@\"", "bash"]);
    command.arg(binary());
    command.args("record --source synthetic:quick,seed=1 --rate 40 -q".split(' '));
    command.args(["--log-format", "json", "-o"]).arg(&path);
    let failed = finish(command);
    assert_eq!(failed.code, Some(4), "{failed:?}");
    let status = info(&path)["status"].clone();
    let found = events(&path);
    let said = logged(&failed.stderr, "recording_failed");
    let [said] = &said[..] else {
        panic!("it is logged once: {failed:?}");
    };
    let ticks = found.iter().filter(|event| event.as_tick().is_some());
    assert_eq!(said["recorded"], ticks.count());
    assert_eq!(said["sealed"], status != "recording");
    assert_eq!(said["path"], path.display().to_string());
    let error = said["error"].as_str().unwrap();
    assert!(error.contains("File too large"), "{error}");
    assert_prefix(&found, &events(&quick()));
    assert!(found.len() > 100, "{} events", found.len());
    // Where the journal ends depends on the speed, and so does whether a segment of it fits.
    if status == "recording" {
        let recovered = verb("recover", &path);
        assert_eq!(recovered.code, Some(3), "{recovered:?}");
        let lost = format!("events from {} on are lost", found.len());
        assert!(recovered.stdout.contains(&lost), "{recovered:?}");
    } else {
        assert_eq!(status, "recovered");
    }
    verb("verify", &path).done();
    assert_eq!(events(&path), found);
}

#[test]
fn gnu_timeout_loses_nothing() {
    let folder = Folder::new();
    for index in 0..times("TICKDECK_TIMEOUTS", 3) {
        let path = folder.join(&index.to_string());
        let mut command = command_of("timeout");
        let tenths = 7 + index * 4 % 10;
        let span = format!("{}.{}", tenths / 10, tenths % 10);
        command.arg(span).arg(binary());
        command.args(record(&path).get_args());
        let ended = finish(command);
        assert_eq!(ended.code, Some(124), "{ended:?}");
        if path.exists() {
            verb("verify", &path).done();
            assert_prefix(&events(&path), &events(&quick()));
        }
    }
}

#[test]
fn of_two_recorders_at_once_one_runs() {
    for _ in 0..times("TICKDECK_DUELS", 5) {
        let folder = Folder::new();
        let path = folder.join("rec");
        let start = || {
            let words = "record --source synthetic:quick,seed=1 -q -o";
            let mut command = tickdeck(words.split(' '));
            command.arg(&path);
            Running::start(command)
        };
        let both = [start(), start()].map(Running::wait);
        let mut codes = both.each_ref().map(|ended| ended.code);
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(2)], "{both:?}");
        verb("verify", &path).done();
        assert_eq!(events(&path), events(&quick()));
        assert_eq!(
            names(&path),
            ["contracts.parquet", "manifest.json", "part-00000.parquet"]
        );
    }
}

/// Starts a command, in words split at spaces, on the recording at `path`.
fn follow(path: &Path, words: &str) -> Running {
    let mut command = tickdeck(words.split(' '));
    command.arg(path);
    Running::start(command)
}

#[test]
fn followers_end_with_the_recorder() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let recorder = Running::start(record(&path));
    wait_until("events are on disk", || on_disk(&path) > 5);
    let printed = follow(&path, "cat --follow --json");
    let played = follow(&path, "replay --follow --rate max --sink digest --json -q");
    wait_until("the follower prints", || {
        printed.stdout().lines().count() > 5
    });
    let early = printed.stdout().lines().count();
    recorder.wait().done();
    let printed = printed.wait().done();
    let all = events(&quick());
    assert_eq!(printed.stdout.lines().count(), all.len());
    assert!(early < all.len(), "it printed before the end");
    let digest = replay(&path, "--sink digest").done().digest();
    assert_eq!(played.wait().done().digest(), digest);
    let twice = [path.as_os_str(), path.as_os_str()];
    let mut several = tickdeck(["cat", "--follow"]);
    several.args(twice);
    assert_eq!(finish(several).code, Some(2));
}

#[test]
fn a_follower_says_that_the_writer_was_killed() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let recorder = Running::start(record(&path));
    wait_until("events are on disk", || on_disk(&path) > 5);
    let printed = follow(&path, "cat --follow");
    let played = follow(&path, "replay --follow --rate max --sink jsonl:-");
    for follower in [&printed, &played] {
        wait_until("the follower prints", || {
            follower.stdout().lines().count() > 2
        });
    }
    recorder.signal("KILL");
    let _ = recorder.wait();
    for follower in [printed, played] {
        let ended = follower.wait();
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(!ended.stderr.contains("when it was opened"), "{ended:?}");
        let told = ended.stderr.matches("recording_unfinished").count();
        assert_eq!(told, 1, "{ended:?}");
        assert!(ended.stderr.contains("its writer is gone"), "{ended:?}");
    }
}

#[test]
fn a_damaged_journal_is_refused_unless_it_is_salvaged() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let recorder = Running::start(record(&path));
    wait_until("events are on disk", || on_disk(&path) > 40);
    let journal = path.join("journal-00000.tdj");
    let half = journal.metadata().unwrap().len() / 2;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(journal);
    let file = file.unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, half).unwrap();
    file.write_all_at(&[byte[0] ^ 1], half).unwrap();
    wait_until("blocks follow", || on_disk(&path) > 0);
    let assert_refused = |words: &str| {
        let ended = follow(&path, words).wait();
        let code = if words == "check" { 1 } else { 4 };
        assert_eq!(ended.code, Some(code), "{words}: {ended:?}");
        let told = ended.stderr.matches("journal-00000.tdj").count();
        assert_eq!(told, 1, "{words}: {ended:?}");
        assert!(ended.stderr.contains("are lost"), "{words}: {ended:?}");
    };
    for words in [
        "cat",
        "cat --follow",
        "replay --rate max --sink null",
        "replay --follow --rate max --sink null",
    ] {
        assert_refused(words);
    }
    recorder.signal("KILL");
    let _ = recorder.wait();
    assert_refused("cat --follow");
    assert_refused("check");
    assert_refused("coverage");
    let played = follow(&path, "replay --salvage --sink null --json").wait();
    assert_eq!(played.code, Some(3), "{played:?}");
    let damaged = &played.json()["damaged"];
    assert_eq!(damaged.as_array().map(Vec::len), Some(1), "{damaged}");
    let received = played.json()["received"].as_u64();
    assert!(received > Some(0), "{played:?}");
    let mut salvage = tickdeck(["slice", "--salvage", "--json"]);
    salvage.arg(&path).arg("-o").arg(folder.join("part"));
    let part = finish(salvage);
    assert_eq!(part.code, Some(3), "{part:?}");
    assert_eq!(part.json()["complete"], false);
    assert_eq!(&part.json()["damaged"], damaged);
    assert_eq!(part.json()["ticks"].as_u64(), received);
}

#[test]
fn a_follower_of_a_file_alone_ends_like_cat() {
    let folder = Folder::new();
    let path = folder.join("rec");
    kill_after(&path, 310);
    for file in names(&path).iter().filter(|name| !name.starts_with('.')) {
        let is_read = file.starts_with("part-") || file.starts_with("journal-");
        let file = path.join(file);
        let Some(read) = is_read.then(|| verb("cat", &file).done()) else {
            continue;
        };
        for words in ["cat --follow", "replay --follow --rate max --sink null -q"] {
            let mut follow = tickdeck(words.split(' '));
            follow.arg(&file);
            let followed = finish(follow).done();
            if words.starts_with("cat") {
                assert_eq!(followed.stdout, read.stdout);
            }
        }
    }
}

/// What a recorder has received is in a file soon, without more of it.
#[test]
fn a_pause_of_the_market_keeps_nothing_in_memory() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let words = "record --source synthetic:quick,seed=1 --rate 0.001 -q -o";
    let mut command = tickdeck(words.split(' '));
    command.arg(&path);
    let _running = Running::start(command);
    wait_until("the first events are on disk", || on_disk(&path) > 0);
    std::thread::sleep(Duration::from_millis(200));
    assert!(Recording::open(&path).unwrap().is_being_written());
}

#[test]
fn a_follower_ends_cleanly_on_a_signal() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let recorder = Running::start(record(&path));
    wait_until("events are on disk", || on_disk(&path) > 5);
    for name in ["INT", "TERM"] {
        let printed = follow(&path, "cat --follow --json");
        wait_until("the follower prints", || {
            printed.stdout().lines().count() > 5
        });
        printed.signal(name);
        let ended = printed.wait().done();
        assert!(ended.stdout.ends_with("}\n"), "{ended:?}");
    }
    // While nothing comes, too.
    recorder.signal("STOP");
    let printed = follow(&path, "cat --follow");
    wait_until("the follower prints", || {
        printed.stdout().lines().count() > 5
    });
    printed.signal("INT");
    printed.wait().done();
    recorder.signal("CONT");
    recorder.wait().done();
}

#[test]
fn a_golden_of_a_killed_recording_needs_recover() {
    let folder = Folder::new();
    let path = folder.join("rec");
    kill_after(&path, 10);
    let update = || {
        let mut command = tickdeck(["check", "--update"]);
        command.arg(&path);
        finish(command)
    };
    let refused = update();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let advice = format!("`tickdeck recover {}` finishes it", path.display());
    assert!(refused.stderr.contains(&advice), "{refused:?}");
    verb("recover", &path).done();
    update().done();
}
