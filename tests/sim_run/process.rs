//! The client as a process: its exit code, its signals, its terminal, and what is refused before it
//! starts.

use std::process::Command;

use super::{prepared, sim_run};
use crate::support::cli::{Ended, Running, finish};
use crate::support::ctp::simulated_library;
use crate::support::wait_until;

const RUNPATH: [&str; 1] = ["-Wl,-rpath,$ORIGIN/vendor"];

/// A client on the simulated front that stays until a signal.
fn waiting(command: &mut Command) -> Running {
    command.env("WAIT", "1");
    let running = Running::start(std::mem::replace(command, Command::new("true")));
    wait_until("the client runs", || running.stdout().contains("waiting"));
    running
}

fn ends_by(signal: &str, code: i32) {
    let Some((simulated, client)) = prepared("ends_by", Some(&RUNPATH), &[]) else {
        return;
    };
    let running = waiting(&mut client.under_sim(&simulated, &["--log-format", "json"], 1));
    running.signal(signal);
    let ended = running.wait();
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("\"event\":\"sim_run_end\""),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_terminated_client_ends_the_run_as_a_shell_would_say() {
    ends_by("TERM", 128 + 15);
}

#[test]
fn an_interrupt_reaches_the_client() {
    ends_by("INT", 128 + 2);
}

#[test]
fn a_hang_up_reaches_the_client() {
    ends_by("HUP", 128 + 1);
}

#[test]
fn what_the_client_catches_is_its_own_business() {
    let test = "what_the_client_catches_is_its_own_business";
    let Some((simulated, client)) = prepared(test, Some(&RUNPATH), &[]) else {
        return;
    };
    let mut command = sim_run(&simulated, &[]);
    // The shell outlives the client and ends with its own code.
    let line = "trap 'kill $!; wait $!; exit 9' TERM; \"$@\" & echo waiting; wait $!";
    command
        .args(["--", "sh", "-c", line, "sh"])
        .args(client.words(1_000_000));
    let running = Running::start(command);
    wait_until("the client runs", || running.stdout().contains("waiting"));
    // The first tick shows that it is on the front.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    running.signal("TERM");
    let ended: Ended = running.wait();
    assert_eq!(ended.code, Some(9), "{}", ended.stderr);
}

fn refused(test: &str, flags: &[&str], part: &str) {
    let Some(simulated) = simulated_library(test) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("started");
    let mut command = sim_run(&simulated, flags);
    command.args(["--", "touch"]).arg(&mark);
    let run = finish(command);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let told = run.stderr.replace('\n', " ");
    assert!(told.contains(part), "{told}");
    assert!(!mark.exists(), "the client was started");
}

#[test]
fn what_cannot_be_played_is_refused_before_the_start() {
    let test = "what_cannot_be_played_is_refused_before_the_start";
    refused(test, &["--faults", "many"], "seed:");
    refused(
        test,
        &["--script", "no/such/script.toml"],
        "no/such/script.toml",
    );
    refused(test, &["--at-end", "explode"], "silent");
    refused(test, &["--run", "a/b"], "--run");
    let Some(simulated) = simulated_library(test) else {
        return;
    };
    let mut command = crate::support::cli::command_of(crate::support::cli::binary());
    command.args(["sim", "run", "--library"]).arg(&simulated);
    command.args(["--source", "no/such", "--", "true"]);
    let run = finish(command);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("no/such"), "{}", run.stderr);
}

#[test]
fn a_client_that_is_not_there_is_bad_usage() {
    let Some(simulated) = simulated_library("a_client_that_is_not_there_is_bad_usage") else {
        return;
    };
    let mut command = sim_run(&simulated, &[]);
    command.args(["--", "no-such-client"]);
    let run = finish(command);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("no-such-client cannot be started"),
        "{}",
        run.stderr
    );
}

#[test]
fn libraries_that_are_not_there_are_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = sim_run(folder.path(), &[]);
    command.args(["--", "true"]);
    let run = finish(command);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("cargo xtask sim"), "{}", run.stderr);
}

#[test]
fn two_processes_of_a_client_are_added_up() {
    let test = "two_processes_of_a_client_are_added_up";
    let Some((simulated, client)) = prepared(test, Some(&RUNPATH), &[]) else {
        return;
    };
    let wanted = super::expected();
    let mut command = sim_run(&simulated, &["--json"]);
    // Together, so that both are there when the market starts.
    let line = "\"$@\" & \"$@\"; wait $!";
    command
        .args(["--", "sh", "-c", line, "sh"])
        .args(client.words(wanted));
    command.env("TICKDECK_SIM_SETTLE", "1500ms");
    let run = finish(command);
    assert_eq!(run.code, Some(7), "{}", run.stderr);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["processes"], 2, "{summary}");
    assert_eq!(summary["logins"]["md"], 2, "{summary}");
    assert_eq!(summary["ticks"], 2 * wanted, "{summary}");
}
