//! One market for several clients: its position, its end, and what a client that dies leaves.

use std::path::Path;
use std::process::Command;

use super::{Client, expected, prepared};
use crate::support::cli::{Running, finish, signal};
use crate::support::wait_until;

const RUNPATH: [&str; 1] = ["-Wl,-rpath,$ORIGIN/vendor"];

/// `sim run --run WORD` of a client, with the folder of the runs in `runtime`.
fn with_word(client: &Client, simulated: &Path, runtime: &Path, word: &str) -> Command {
    let mut command = client.under_sim(simulated, &["--run", word], expected());
    command.env("XDG_RUNTIME_DIR", runtime);
    command
}

/// A client that has had every tick and stays.
fn with_all_ticks(mut command: Command) -> Running {
    command.env("WAIT", "1");
    let running = Running::start(command);
    wait_until("every tick was delivered", || {
        running.stdout().contains("all\n")
    });
    running
}

/// The ticks of a client that waits for some seconds at most.
fn ticks_of(mut command: Command) -> usize {
    command.env("LIMIT", "30");
    let run = finish(command);
    let line = run.stdout.lines().last().unwrap_or_default();
    let ticks = line.rsplit('|').next().and_then(|count| count.parse().ok());
    ticks.unwrap_or_else(|| panic!("{}\n{}", run.stdout, run.stderr))
}

/// The only child of a process.
fn child_of(pid: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn clients_of_one_word_share_the_position() {
    let test = "clients_of_one_word_share_the_position";
    let Some((simulated, client)) = prepared(test, Some(&RUNPATH), &[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let of = |word| with_word(&client, &simulated, folder.path(), word);
    let first = with_all_ticks(of("night"));
    // The market is over: the latest tick of each instrument is all that is left.
    assert_eq!(ticks_of(of("night")), super::IDS.len());
    assert_eq!(
        ticks_of(of("another")),
        expected(),
        "another word, another market"
    );
    first.signal("TERM");
    assert_eq!(first.wait().code, Some(128 + 15));
    assert_eq!(
        ticks_of(of("night")),
        expected(),
        "the last one has ended: from the beginning"
    );
}

#[test]
fn a_client_that_is_killed_takes_nothing_with_it() {
    let test = "a_client_that_is_killed_takes_nothing_with_it";
    let Some((simulated, client)) = prepared(test, Some(&RUNPATH), &[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let of = || with_word(&client, &simulated, folder.path(), "word");
    let first = with_all_ticks(of());
    let mut second = of();
    second.env("WAIT", "1");
    let second = Running::start(second);
    wait_until("the second one runs", || {
        second.stdout().contains("waiting")
    });
    // Both the client and its `sim run`, in the middle of whatever they do.
    signal(child_of(first.pid()), "KILL");
    signal(first.pid(), "KILL");
    first.wait();
    assert_eq!(
        ticks_of(of()),
        super::IDS.len(),
        "the second one keeps the market"
    );
    second.signal("TERM");
    assert_eq!(second.wait().code, Some(128 + 15));
}

#[test]
fn the_end_of_the_market_is_the_end_for_all() {
    let test = "the_end_of_the_market_is_the_end_for_all";
    let Some((simulated, client)) = prepared(test, Some(&RUNPATH), &[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let of = || {
        let flags = ["--run", "word", "--at-end", "disconnect"];
        let mut command = client.under_sim(&simulated, &flags, expected());
        command.env("XDG_RUNTIME_DIR", folder.path());
        command
    };
    // A shell in between keeps the market while the client itself ends with it.
    let mut keeper = super::sim_run(&simulated, &["--run", "word", "--at-end", "disconnect"]);
    keeper.env("XDG_RUNTIME_DIR", folder.path());
    keeper.args(["--", "sh", "-c", "\"$@\"; echo over; exec sleep 60", "sh"]);
    keeper.args(client.words(expected()));
    let keeper = Running::start(keeper);
    wait_until("the market is over", || keeper.stdout().contains("over"));
    assert_eq!(ticks_of(of()), 0, "later connections are refused");
    signal(child_of(keeper.pid()), "KILL");
    keeper.wait();
}
