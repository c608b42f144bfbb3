//! Recorders whose disk fills up, turns read-only or has limits, and whose folder or memory goes.
//!
//! Tests that need a separate disk mount one, which takes root. Elsewhere they are skipped visibly.
//! A quota ends a write like a full disk, with another error of the system.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tickdeck::event::Event;
use tickdeck::recording::{
    EventWriter as _, Ledger, Manifest, Recorded, RecorderOptions, RecordingError, recover,
    salvage_ring,
};
use tickdeck_core::wait::nap;

use crate::support::cli::{Ended, Running, binary, command_of, finish, run_words, tickdeck};
use crate::support::ctp::logged;
use crate::support::disk::{Disk, succeeds};
use crate::support::recordings::{Folder, events, info, names, on_disk, quick, verb};
use crate::support::ring::ring;
use crate::support::{skipped, wait_until};

/// Some 60,000 ticks: a journal and a segment of 2.5 MB each, and 17,000 contracts.
const MARKET: &str = "synthetic:full-market,seed=1,duration=125s";

fn record(source: &str, words: &str, folder: &Path) -> Command {
    let words = format!("record -q --source {source} {words} -o");
    let mut command = tickdeck(words.split_whitespace());
    command.arg(folder);
    command
}

/// Records the quick market slowly, and returns once some of it is on disk.
fn start_recorder(folder: &Path) -> Running {
    let running = Running::start(record("synthetic:quick,seed=1", "--rate 10", folder));
    wait_until("events are on disk", || on_disk(folder) > 20);
    running
}

#[track_caller]
fn assert_prefix(found: &[Event], all: &[Event]) {
    let count = found.len();
    assert!(count > 0 && all.starts_with(found), "{count} events");
}

/// The whole of [`MARKET`], recorded where there is room.
fn market(folder: &Folder) -> Vec<Event> {
    let path = folder.join("all");
    finish(record(MARKET, "", &path)).done();
    events(&path)
}

/// The error of a recorder that could not continue says what is safe, and what is on disk is that.
#[track_caller]
fn assert_failed(ended: &Ended, part: &str) {
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("recording_failed"), "{ended:?}");
    assert!(ended.stderr.contains(part), "{ended:?}");
}

#[test]
fn a_full_disk_keeps_a_prefix_that_is_recovered() {
    let Some(disk) = Disk::in_memory("a full disk", "2500k") else {
        return;
    };
    let path = disk.join("rec");
    let failed = finish(record(MARKET, "--min-free-space 0", &path));
    assert_failed(&failed, "No space left on device");
    let found = events(&path);
    assert_prefix(&found, &market(&Folder::new()));
    disk.remount("size=32m");
    let recovered = verb("recover", &path);
    assert!(matches!(recovered.code, Some(0 | 3)), "{recovered:?}");
    verb("verify", &path).done();
    assert!(events(&path) == found, "recover keeps what was readable");
}

/// The disk is full before the journal was brought to it.
#[test]
fn what_no_disk_confirmed_can_be_recovered() {
    let Some(disk) = Disk::in_memory("a disk that is full at once", "1200k") else {
        return;
    };
    let path = disk.join("rec");
    let words = "--min-free-space 0 --sync-every 1h --log-format json";
    let failed = finish(record(MARKET, words, &path));
    assert_failed(&failed, "No space left on device");
    let said = logged(&failed.stderr, "recording_failed");
    assert_eq!(said[0]["recorded"], 0, "{failed:?}");
    let message = said[0]["message"].as_str().unwrap();
    assert!(message.contains("recover the recording"), "{message}");
    let found = events(&path);
    assert_prefix(&found, &market(&Folder::new()));
    disk.remount("size=32m");
    assert!(matches!(verb("recover", &path).code, Some(0 | 3)));
    assert!(events(&path) == found);
}

/// The segments of several journal files fit where the one that was begun has gone, and not beside it.
#[test]
fn a_full_disk_is_sealed_by_record_itself() {
    let Some(disk) = Disk::in_memory("a full disk with a long journal", "20m") else {
        return;
    };
    let path = disk.join("rec");
    let source = "synthetic:day,seed=1,duration=2h";
    let words = "-r max --min-free-space 0 --log-format json";
    let failed = finish(record(source, words, &path));
    assert_failed(&failed, "No space left on device");
    let said = logged(&failed.stderr, "recording_failed");
    let [said] = &said[..] else {
        panic!("it is logged once: {failed:?}");
    };
    assert_eq!(said["sealed"], true, "{said}");
    let error = said["error"].as_str().unwrap();
    assert!(error.starts_with("writing "), "what was met first: {error}");
    verb("verify", &path).done();
    let made = info(&path);
    assert_eq!(made["status"], "recovered");
    assert_eq!(made["ticks"], said["recorded"]);
    assert!(made["ticks"].as_u64() > Some(200_000), "{said}");
    assert_ledger_adds_up(&path);
}

/// The manifest counts the ticks that were accepted and not recorded.
#[track_caller]
fn assert_ledger_adds_up(path: &Path) {
    let Ledger {
        received,
        recorded,
        dropped,
    } = Manifest::read(path).unwrap().ledger;
    let failed = dropped["recording_failed"];
    assert!(failed > 0 && dropped.len() == 1, "{dropped:?}");
    assert_eq!(received, recorded + failed);
}

/// The segment of a journal file has no room beside it.
#[test]
fn a_small_disk_keeps_everything_in_the_journal() {
    let Some(disk) = Disk::in_memory("a small disk", "8m") else {
        return;
    };
    let path = disk.join("rec");
    let source = "synthetic:day,seed=1,duration=2h";
    let words = "-r max --min-free-space 0 --log-format json";
    let failed = finish(record(source, words, &path));
    assert_failed(&failed, "No space left on device");
    let said = logged(&failed.stderr, "recording_failed");
    let [said] = &said[..] else {
        panic!("it is logged once: {failed:?}");
    };
    assert_eq!(said["sealed"], false, "{said}");
    let before = info(&path);
    assert_eq!(before["status"], "recording");
    assert_eq!(before["ticks"], said["recorded"]);
    assert_eq!(before["journal_events"], before["events"], "{before}");
    assert!(before["ticks"].as_u64() > Some(50_000), "{before}");
    let found = events(&path);
    assert_eq!(verb("recover", &path).code, Some(4));
    assert!(events(&path) == found, "nothing was lost");
    disk.remount("size=64m");
    let recovered = verb("recover", &path);
    assert!(matches!(recovered.code, Some(0 | 3)), "{recovered:?}");
    verb("verify", &path).done();
    let after = info(&path);
    assert_eq!(after["status"], "recovered");
    assert_eq!(after["journal_events"], 0);
    assert!(events(&path) == found);
}

#[test]
fn a_used_up_quota_keeps_a_prefix() {
    let Some(disk) = Disk::with_quota("a used up quota", 2500) else {
        return;
    };
    let path = disk.join("rec");
    let mut command = record(MARKET, "--min-free-space 0", &path);
    command.uid(65534).gid(65534);
    let failed = finish(command);
    assert_failed(&failed, "Disk quota exceeded");
    assert_prefix(&events(&path), &market(&Folder::new()));
}

/// The same where no disk has a quota: the system refuses the writes to the journal.
#[test]
fn an_error_of_a_quota_seals_what_was_recorded() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let journal = path.join("journal-00000.tdj").display().to_string();
    let mut command = command_of("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-P", &journal]);
    command.args(["-e", "trace=write", "-e"]);
    command.arg("inject=write:error=EDQUOT:when=20+");
    command.arg(binary());
    command.args("record -q --source synthetic:quick,seed=1 --rate 10 -o".split(' '));
    command.arg(&path);
    if !succeeds(&["strace", "-qq", "-o", "/dev/null", "true"]) {
        skipped("an error of a quota", "no strace");
        return;
    }
    let failed = finish(command);
    assert_failed(&failed, "Disk quota exceeded");
    assert_eq!(info(&path)["status"], "recovered", "it is sealed");
    let all = events(&quick());
    let found = events(&path);
    assert_prefix(&found, &all);
    assert!(found.len() < all.len());
    verb("verify", &path).done();
    assert_ledger_adds_up(&path);
}

#[test]
fn an_unmounted_disk_has_what_was_recorded() {
    let Some(disk) = Disk::in_memory("an unmounted disk", "64m") else {
        return;
    };
    let elsewhere = disk.elsewhere();
    let path = disk.join("rec");
    let words = "--rate 10 --min-free-space 0";
    let running = Running::start(record("synthetic:quick,seed=1", words, &path));
    wait_until("events are on disk", || on_disk(&path) > 20);
    let seen = on_disk(&path);
    disk.unmount();
    let failed = running.wait();
    assert_failed(
        &failed,
        "was replaced, or its disk unmounted, while it was written",
    );
    assert_failed(&failed, "what was recorded is on that disk");
    assert!(!path.exists(), "nothing is written where the disk was");
    let there = elsewhere.join("rec");
    let found = events(&there);
    assert_prefix(&found, &events(&quick()));
    assert!(found.len() as u64 >= seen);
    let recovered = verb("recover", &there);
    assert!(matches!(recovered.code, Some(0 | 3)), "{recovered:?}");
    verb("verify", &there).done();
    assert_eq!(events(&there), found);
}

#[test]
fn a_limit_for_the_size_of_a_file_is_named_with_its_remedy() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let running = start_recorder(&path);
    running.signal("KILL");
    running.wait();
    let found = events(&path);
    let mut command = command_of("bash");
    command.args(["-c", "ulimit -f 4; exec \"$@\"", "bash"]);
    command.arg(binary()).arg("recover").arg(&path);
    let refused = finish(command);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    let remedy = "would be larger than a limit allows, raise that (`ulimit -f`)";
    assert!(refused.stderr.contains(remedy), "{refused:?}");
    let causes = refused.stderr.matches("File too large").count();
    assert_eq!(causes, 1, "{refused:?}");
    assert_eq!(events(&path), found, "nothing was lost");
    verb("recover", &path).done();
    assert_eq!(events(&path), found);
}

/// Whether a recovery was refused because space is missing, and states how much it needs.
#[track_caller]
fn assert_needs_space<T: std::fmt::Debug>(
    recovered: Result<T, RecordingError>,
    place: &Path,
    bytes: std::ops::Range<u64>,
) {
    match recovered {
        Err(RecordingError::NoSpaceToRecover { path, free, needed }) => {
            assert_eq!(path, place);
            assert!(bytes.contains(&needed) && free < needed, "{free}, {needed}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn recover_on_a_full_disk_names_the_space_it_needs() {
    let Some(disk) = Disk::in_memory("recover on a full disk", "2500k") else {
        return;
    };
    let path = disk.join("rec");
    finish(record(MARKET, "--min-free-space 0", &path));
    let found = events(&path);
    assert!(!found.is_empty());
    for _ in 0..2 {
        let refused = verb("recover", &path);
        assert_eq!(refused.code, Some(4), "{refused:?}");
        for part in ["of free space, and recovering it takes up to ", "free some"] {
            assert!(refused.stderr.contains(part), "{refused:?}");
        }
        assert!(events(&path) == found, "nothing was lost");
    }
    assert_needs_space(recover(&path), &path, 1 << 20..2500 << 10);
    disk.remount("size=32m");
    let recovered = verb("recover", &path);
    assert!(matches!(recovered.code, Some(0 | 3)), "{recovered:?}");
    assert!(events(&path) == found);
}

/// Puts events into a ring of a disk until that is full, and ends the session then. Returns also the
/// reason, which either of the two calls has.
fn fill(root: &Path, events: &[Event], has_trigger: bool) -> (Recorded, RecordingError) {
    let recorder = RecorderOptions {
        min_free_space: 0,
        ..RecorderOptions::default()
    };
    let mut ring = ring(root, recorder);
    if has_trigger {
        ring.trigger().keep("test");
    }
    // Slowly, so that the end of the disk comes in the middle of a slot.
    let refused = events.chunks(500).find_map(|batch| {
        nap(Duration::from_millis(5));
        ring.write(batch).err()
    });
    let mut recorded = ring.finish(0);
    let errors = [refused, recorded.error.take()].into_iter().flatten();
    let mut reasons = errors.filter(|it| !matches!(it, RecordingError::WriterFailed { .. }));
    let reason = reasons.next().expect("one of the calls says why");
    (recorded, reason)
}

/// All events that the slots of a ring have, in order.
fn in_slots(ring: &Path) -> Vec<Event> {
    let slots = names(ring)
        .into_iter()
        .filter(|name| name.starts_with("slot-"));
    let slots: Vec<PathBuf> = slots.map(|slot| ring.join(slot)).collect();
    numbered(slots.iter().flat_map(|slot| events(slot)))
}

/// The events as those of one recording.
fn numbered(events: impl Iterator<Item = Event>) -> Vec<Event> {
    let numbered = (0..).zip(events).map(|(seq, mut event)| {
        event.seq.0 = seq;
        event
    });
    numbered.collect()
}

#[test]
fn a_ring_on_a_full_disk_keeps_a_prefix() {
    let folder = Folder::new();
    let path = folder.join("all");
    finish(record(&MARKET.replace("125s", "50s"), "", &path)).done();
    let all = events(&path);
    for has_trigger in [false, true] {
        let Some(disk) = Disk::in_memory("a ring on a full disk", "1000k") else {
            return;
        };
        let root = disk.join("root");
        let (recorded, reason) = fill(&root, &all, has_trigger);
        assert!(format!("{reason:?}").contains("StorageFull"), "{reason:?}");
        let ring = root.join(".ring-box");
        assert_eq!(recorded.ring.as_ref(), Some(&ring), "the slots stay");
        let found = in_slots(&ring);
        assert_prefix(&found, &all);
        assert!(found.len() < all.len());
        // Nothing that looks like a recording is made of a part of it.
        assert_eq!(names(&root), [".ring-box"]);
        assert_needs_space(salvage_ring(&ring), &ring, 200 << 10..1000 << 10);
        assert!(in_slots(&ring) == found, "nothing was lost");
        disk.remount("size=32m");
        let (made, _) = salvage_ring(&ring).unwrap().made.unwrap();
        assert!(events(&made) == found);
        // A slot whose last block is not whole is kept.
        let mut left = names(&root);
        left.retain(|name| name != ".damaged-box");
        assert_eq!(left.len(), 1, "{left:?}");
        verb("verify", &made).done();
    }
}

#[test]
fn low_space_ends_recording_before_the_disk_is_full() {
    let Some(disk) = Disk::in_memory("a disk with little space", "16m") else {
        return;
    };
    let path = disk.join("rec");
    // The speed leaves the recorder time to look.
    let words = "--min-free-space 13MB --rate 30";
    let failed = finish(record(MARKET, words, &path));
    assert_failed(&failed, "of free space, and recording needs 12.4 MiB");
    assert!(
        failed.stderr.contains("--min-free-space sets"),
        "{failed:?}"
    );
    assert_eq!(info(&path)["status"], "recovered", "it is sealed");
    assert_eq!(
        names(&path),
        ["contracts.parquet", "manifest.json", "part-00000.parquet"]
    );
    verb("verify", &path).done();
    let all = market(&Folder::new());
    let found = events(&path);
    assert_prefix(&found, &all);
    assert!(found.len() < all.len());
}

#[test]
fn a_recording_does_not_begin_on_a_full_disk() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let words = "--min-free-space 1000TiB";
    let refused = finish(record("synthetic:quick,seed=1", words, &path));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for part in [
        "a recording cannot be made at",
        "of free space, and recording needs 1000.0 TiB",
        "--min-free-space sets the limit",
    ] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    assert!(!path.exists());
    let wrong = run_words("record --source synthetic:quick -o x --min-free-space much");
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(
        wrong.stderr.contains("expected a size such as 1GiB"),
        "{wrong:?}"
    );
}

#[test]
fn a_disk_that_turns_read_only_keeps_a_prefix() {
    let Some(disk) = Disk::in_a_file("a read-only disk") else {
        return;
    };
    let path = disk.join("rec");
    let words = "--rate 10 --min-free-space 1MB";
    let running = Running::start(record("synthetic:quick,seed=1", words, &path));
    wait_until("events are on disk", || on_disk(&path) > 20);
    // What the system does after an error of the device.
    disk.remount("abort");
    let failed = running.wait();
    assert_failed(&failed, "Read-only file system");
    // Elsewhere, the recording can be recovered.
    let folder = Folder::new();
    let copy = folder.copy_of(&path, "copy");
    let found = events(&copy);
    assert_prefix(&found, &events(&quick()));
    assert!(found.len() > 20);
    let recovered = verb("recover", &copy);
    assert!(matches!(recovered.code, Some(0 | 3)), "{recovered:?}");
    assert_eq!(events(&copy), found);
}

#[test]
fn a_moved_folder_is_named_and_recovered_there() {
    let folder = Folder::new();
    let (path, moved) = (folder.join("rec"), folder.join("moved"));
    let running = start_recorder(&path);
    std::fs::rename(&path, &moved).unwrap();
    let failed = running.wait();
    let place = format!("what was recorded is in {}", moved.display());
    assert_failed(&failed, &place);
    assert!(
        failed.stderr.contains("`tickdeck recover` seals it there"),
        "{failed:?}"
    );
    assert!(!path.exists(), "nothing is written at the old name");
    let found = events(&moved);
    assert_prefix(&found, &events(&quick()));
    verb("recover", &moved).done();
    assert_eq!(events(&moved), found);
}

#[test]
fn a_removed_folder_ends_the_recorder() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let running = start_recorder(&path);
    // The recorder may seal what it has into a folder that is half removed.
    wait_until("the folder is removed", || {
        let _ = std::fs::remove_dir_all(&path);
        !path.exists()
    });
    let failed = running.wait();
    assert_failed(&failed, "what was recorded is lost");
    assert!(failed.stderr.contains("recorded=0"), "{failed:?}");
    assert!(failed.stderr.contains("no tick is safe"), "{failed:?}");
    assert!(
        !failed.stderr.contains("recover the recording"),
        "{failed:?}"
    );
    assert!(!path.exists());
}

#[test]
fn a_failed_recording_ends_publishing_with_it() {
    let folder = Folder::new();
    let (path, file) = (folder.join("rec"), folder.join("out.jsonl"));
    let words = format!(
        "record -q --source synthetic:quick,seed=1 --rate 10 --publish --sink jsonl:- \
         --sink jsonl:{} -o {}",
        file.display(),
        path.display()
    );
    let running = Running::start(tickdeck(words.split(' ')));
    wait_until("events are on disk", || on_disk(&path) > 20);
    std::fs::rename(&path, folder.join("moved")).unwrap();
    let failed = running.wait();
    assert_failed(&failed, "was moved while it was written");
    assert!(!file.exists(), "a file is whole or not there");
    let recorded = events(&folder.join("moved"));
    let recorded = recorded.iter().filter(|event| event.as_tick().is_some());
    let published = failed.stdout.lines().count();
    assert_eq!(published, recorded.count(), "nothing is published alone");
}

/// The process is aborted by an allocation that fails. Nothing that was on disk is damaged.
#[test]
fn a_recorder_without_memory_leaves_a_prefix() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let running = start_recorder(&path);
    let pid = running.pid().to_string();
    let seen = on_disk(&path);
    // Less than it has: the next request to the system is refused.
    if !succeeds(&["prlimit", "--pid", &pid, "--as=1000000"]) {
        skipped("a recorder without memory", "no prlimit");
        return;
    }
    running.wait();
    let found = events(&path);
    assert_prefix(&found, &events(&quick()));
    assert!(found.len() as u64 >= seen);
    if info(&path)["status"] == "recording" {
        verb("recover", &path).done();
    }
    verb("verify", &path).done();
    assert_eq!(events(&path), found);
}

#[test]
fn a_recorder_without_memory_says_what_is_safe() {
    let folder = Folder::new();
    let path = folder.join("rec");
    let mut command = command_of("bash");
    command.args(["-c", "ulimit -v 250000; exec \"$@\"", "bash"]);
    command.arg(binary());
    let words = "record -q --source synthetic:day,seed=1,duration=1h -o";
    command.args(words.split(' ')).arg(&path);
    let ended = finish(command);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let said = "error: the system gives no more memory";
    assert!(ended.stderr.starts_with(said), "{ended:?}");
    let remedy = "`tickdeck recover` seals it";
    assert!(ended.stderr.contains(remedy), "{ended:?}");
    let found = events(&path);
    verb("recover", &path).done();
    assert!(events(&path) == found);
    verb("verify", &path).done();
}
