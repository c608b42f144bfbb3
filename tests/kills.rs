//! A recorder of 20,000 ticks/s that is killed at seeded moments.
//!
//! What it published before its death it had received: that is the witness of what is lost.
//! `TICKDECK_KILLS` sets how often.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tickdeck::event::Event;

use crate::support::cli::{Running, fastest, finish, tickdeck};
use crate::support::recordings::{Folder, events, info};
use crate::support::{times, wait_until};

/// The minute after the opening of the whole market has 5,900 ticks/s.
const RATE: i64 = 4;
/// A kill loses at most what came within the default of `--sync-every`.
const SYNC_NS: i64 = 1_000_000_000;

fn command(words: &str) -> Command {
    fastest(&tickdeck(words.split(' ')))
}

/// The first seconds after the opening of the day, more than three of the recorder's.
fn opening(folder: &Folder) -> PathBuf {
    let [market, opening] = ["market", "opening"].map(|name| folder.join(name));
    let mut generate = command("generate --profile full-market --duration 130s -o");
    generate.arg(&market);
    finish(generate).done();
    let mut slice = command("slice --start 09:00:00 --end 09:00:14 -o");
    slice.args([&opening, &market]);
    finish(slice).done();
    opening
}

/// Records and publishes to a pipe.
fn record(source: &Path, folder: &Path) -> Running {
    let mut command = command("record -q --publish --sink jsonl:- -o");
    command.arg(folder);
    command.args(["--rate", &RATE.to_string()]);
    command.args(["--source", &format!("recording:{}", source.display())]);
    Running::start(command)
}

/// The `seq` of the last whole message.
fn last_seq(stream: &str) -> Option<usize> {
    let whole = stream.rsplit_once('\n')?.0;
    let line = whole.rsplit('\n').next()?;
    // Ids of combinations have spaces, subjects none.
    let (_, payload) = line.split_once(' ')?;
    let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
    let seq = payload["seq"].as_u64()?;
    Some(seq.try_into().unwrap())
}

/// A delay between 0 and 2 s that is the same for the same life.
fn delay_of(life: u64) -> Duration {
    Duration::from_micros(life.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 2_000_000)
}

/// How many events that were received are not in the recording, and how long before its last message
/// the first of them came, ns of the recorder's time.
fn lost(all: &[Event], found: usize, received: usize) -> (usize, i64) {
    match all.get(found..received) {
        Some(missing @ [first, ..]) => {
            let last = missing[missing.len() - 1].recv_ts.0;
            (missing.len(), (last - first.recv_ts.0) / RATE)
        }
        _ => (0, 0),
    }
}

#[test]
fn a_kill_loses_at_most_the_sync_interval() {
    let folder = Folder::new();
    let source = opening(&folder);
    let all = events(&source);
    let (mut most, mut longest_ns, mut recorded) = (0, 0, 0);
    let kills = times("TICKDECK_KILLS", 4);
    for life in 0..kills {
        let path = folder.join("rec");
        let running = record(&source, &path);
        wait_until("a message is published", || running.has_output());
        std::thread::sleep(delay_of(life));
        running.signal("KILL");
        let ended = running.wait();
        assert_eq!(ended.code, None, "{}", ended.stderr);
        let received = last_seq(&ended.stdout).map_or(0, |seq| seq + 1);

        assert_eq!(info(&path)["status"], "recording");
        let found = events(&path);
        assert!(all.starts_with(&found), "life {life}: no prefix");
        let (count, span_ns) = lost(&all, found.len(), received);
        assert!(
            span_ns <= SYNC_NS,
            "life {life}: {count} events of {span_ns} ns are lost"
        );
        most = most.max(count);
        longest_ns = longest_ns.max(span_ns);
        recorded += found.len();
        std::fs::remove_dir_all(&path).unwrap();
    }
    println!(
        "{kills} kills, {recorded} events recorded; one kill lost at most {most} events, of {} ms",
        longest_ns / 1_000_000
    );
}
