//! Signals: a clean stop, a pause, and an immediate stop.

use std::io::Read;
use std::process::Stdio;

use crate::support::cli::{Running, binary, command_of, has_handlers, signal, tickdeck, wait_for};
use crate::support::recordings::{Folder, quick, replay_digest, stream, stream_digest};
use crate::support::wait_until;

/// A running replay of the quick recording with more arguments.
fn replay(words: &str) -> Running {
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args(words.split(' '));
    Running::start(command)
}

#[test]
fn signal_ends_a_paced_replay_cleanly() {
    for name in ["INT", "TERM", "HUP"] {
        // The stream goes to stderr and the summary to stdout. At the recorded speed the session
        // lasts a minute; the signal arrives in its first seconds.
        let running = replay("--rate 1 --json --log-level off --sink jsonl:/dev/stderr");
        wait_until("ticks are played", || running.stderr().lines().count() > 20);
        running.signal(name);
        let ended = running.wait().done();
        let summary = ended.json();
        let published = summary["published"].as_u64().unwrap();
        assert!((20..918).contains(&published), "{summary}");
        assert_eq!(summary["received"], published, "{summary}");
        // The summary describes exactly what was written, and every line is complete.
        assert_eq!(
            u64::try_from(ended.stderr.lines().count()).unwrap(),
            published
        );
        assert_eq!(stream_digest(&ended.stderr), summary["digest"]);
    }
}

#[test]
fn replay_under_nohup_ignores_hangup() {
    let mut command = command_of("nohup");
    command.arg(binary()).arg("replay").arg(quick());
    command.args("--rate 1 --json --sink digest".split(' '));
    let running = Running::start(command);
    running.wait_for_handlers();
    running.signal("HUP");
    running.signal("INT");
    let ended = running.wait().done();
    assert!(ended.stderr.contains("signal=SIGINT"), "{ended:?}");
    assert!(!ended.stderr.contains("SIGHUP"), "{ended:?}");
}

#[test]
fn a_second_signal_ends_at_once() {
    // Only one byte of this pipe is read. The first batch is larger than a pipe's buffer, so the
    // replay blocks in its write and cannot stop cleanly.
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args("--rate max --loop --sink jsonl:-".split(' '));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    let mut stderr = child.stderr.take().unwrap();
    signal(child.id(), "INT");
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("stop_requested") {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    assert_eq!(child.try_wait().unwrap(), None, "it is still writing");
    // Within a second of the first, a signal is the same request.
    wait_until("a later signal ends it", || {
        signal(child.id(), "INT");
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(wait_for(&mut child).code(), Some(4));
}

/// GNU `timeout` sends its signal to the process and then to its group: two within a moment.
#[test]
fn the_signals_of_timeout_are_one_request() {
    let mut command = command_of("timeout");
    command.args(["--preserve-status", "--signal", "INT", "2"]);
    command.arg(binary()).arg("replay").arg(quick());
    command.args("--rate 1 --json --sink jsonl:/dev/stderr --log-level off".split(' '));
    let ended = Running::start(command).wait().done();
    assert_eq!(stream_digest(&ended.stderr), ended.json()["digest"]);
    assert!(ended.stderr.lines().count() > 5, "{ended:?}");
}

#[test]
fn interrupted_conversion_leaves_no_files() {
    for words in [
        "generate --profile day -o",
        "generate --profile full-market --max-rows 20000 -o",
    ] {
        let folder = Folder::new();
        let output = folder.join("rec");
        let mut command = tickdeck(words.split(' '));
        command.arg(&output);
        let running = Running::start(command);
        wait_until("the recording is begun", || {
            output.join("manifest.json").exists()
        });
        assert!(has_handlers(running.pid()));
        running.signal("INT");
        let ended = running.wait();
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.stderr.contains("interrupted"), "{ended:?}");
        assert!(folder.names().is_empty(), "{:?}", folder.names());
    }
}

/// Whether every thread of a process waits for something.
fn is_idle(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('S'));
        state == Some(true)
    })
}

#[test]
fn start_paused_waits_for_sigusr1() {
    let running = replay("--rate max --start-paused --sink jsonl:-");
    running.wait_for_handlers();
    let mut idle = 0;
    wait_until("it waits", || {
        idle = if is_idle(running.pid()) { idle + 1 } else { 0 };
        idle > 20
    });
    assert_eq!(running.stdout(), "", "nothing is played before the signal");
    let told = format!("paused: SIGUSR1 to pid {} resumes", running.pid());
    assert!(running.stderr().contains(&told), "{}", running.stderr());
    running.signal("USR1");
    let ended = running.wait().done();
    assert_eq!(stream_digest(&ended.stdout), replay_digest(&quick()));
    assert!(ended.stderr.contains("resumed"), "{ended:?}");
}

#[test]
fn a_paused_replay_can_be_stopped() {
    let running = replay("--rate max --start-paused --sink null --json");
    running.wait_for_handlers();
    running.signal("INT");
    let ended = running.wait().done();
    assert_eq!(ended.json()["published"], 0);
}

#[test]
fn sigusr1_pauses_and_goes_on() {
    // At the recorded speed the session lasts a minute, however late the signals come.
    let running = replay("--rate 1 --sink jsonl:-");
    let played = || running.stdout().lines().count();
    wait_until("ticks are played", || played() > 20);
    running.signal("USR1");
    wait_until("it pauses", || running.stderr().contains("paused"));
    let before = played();
    running.signal("USR1");
    wait_until("it continues", || running.stderr().contains("resumed"));
    wait_until("more ticks are played", || played() > before + 20);
    running.signal("INT");
    let ended = running.wait().done();
    assert!(
        stream(&quick(), "").starts_with(&ended.stdout),
        "no tick is missing, changed or played twice"
    );
}

#[test]
fn loop_repeats_until_stopped() {
    let running = replay("--rate max --loop --sink jsonl:-");
    let ticks = 918;
    wait_until("it has begun a third time", || {
        running.stdout().lines().count() > 2 * ticks
    });
    running.signal("INT");
    let ended = running.wait().done();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines.len() > 2 * ticks);
    assert!(lines[..ticks] == lines[ticks..2 * ticks]);
    assert_eq!(
        stream_digest(&lines[..ticks].join("\n")),
        replay_digest(&quick())
    );
}
