//! A search for a server can be stopped: at once, cleanly, with success.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::Value;

use crate::support::cli::{Running, command_of, tickdeck};
use crate::support::nats_server::{self, NatsServer};
use crate::support::proxy::Proxy;
use crate::support::recordings::{Folder, quick, stream_digest};
use crate::support::wait_until;

/// A verb that looks for the server at `url` for longer than a test lasts.
fn patient(words: &str, folder: &Folder, url: &str) -> Command {
    let mut command = tickdeck(words.split_whitespace());
    command
        .args(["--connect-timeout", "10m"])
        .env("NATS_URL", url)
        .current_dir(folder.path());
    command
}

/// Sends `signal` once the log has `said`, and returns the result.
fn stop(command: Command, said: &str, signal: &str) -> Value {
    let running = Running::start(command);
    wait_until(said, || running.stderr().contains(said));
    running.signal(signal);
    let ended = running.wait().done();
    assert!(ended.stderr.contains("stop_requested"), "{ended:?}");
    ended.json()
}

/// No server answers there.
const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn a_signal_ends_a_capture_without_a_server() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new();
        let words = "capture -o out --ready-file ready --json";
        let summary = stop(patient(words, &folder, NOWHERE), "nats_retry", signal);
        assert_eq!(summary["ended"], "signal");
        assert_eq!(summary["messages"], 0);
        assert_eq!(summary["digest"], stream_digest(""));
        let left = folder.names();
        assert!(left.is_empty(), "nothing was captured, but left: {left:?}");
    }
}

#[test]
fn a_signal_ends_a_replay_without_a_server() {
    let recording = quick();
    for words in ["", "--prime --start-offset 30s"] {
        let folder = Folder::new();
        let words = format!(
            "replay {} --rate max --sink nats --sink jsonl:out --json {words}",
            recording.display()
        );
        let summary = stop(patient(&words, &folder, NOWHERE), "nats_retry", "TERM");
        for count in ["received", "published", "failed"] {
            assert_eq!(summary[count], 0, "{summary}");
        }
        assert_eq!(summary["digest"], stream_digest(""));
        assert!(folder.names().is_empty(), "{:?}", folder.names());
    }
}

#[test]
fn a_signal_ends_a_recorder_without_a_server() {
    let folder = Folder::new();
    let manifest = folder.join("rec/manifest.json");
    let record = |words: &str| {
        let words = format!("record --source synthetic:quick -o rec --publish --json {words}");
        stop(patient(&words, &folder, NOWHERE), "nats_retry", "TERM")
    };
    assert_eq!(record("")["received"], 0);
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    let made = crate::support::cli::run([
        "generate".as_ref(),
        "-o".as_ref(),
        folder.join("rec").as_os_str(),
    ]);
    made.done();
    let before = std::fs::read(&manifest).unwrap();
    assert_eq!(record("--force")["received"], 0);
    assert_eq!(std::fs::read(&manifest).unwrap(), before);
}

#[test]
fn a_signal_ends_a_wait_for_subscribers() {
    let Some(server) = NatsServer::start("stopped while waiting for subscribers") else {
        return;
    };
    let proxy = Proxy::to(server.port());
    let folder = Folder::new();
    let words = format!(
        "replay {} --rate max --wait-for-subscribers 1 --json",
        quick().display()
    );
    let running = Running::start(patient(&words, &folder, &proxy.url()));
    wait_until("it waits", || {
        running.stderr().contains("waiting_for_subscribers")
    });
    proxy.close();
    // The question and the publisher's connection both retry.
    wait_until("it looks for the server", || proxy.refused() >= 4);
    running.signal("TERM");
    // Nothing was published, so there is nothing that the server could still confirm.
    let ended = running.wait().done();
    assert_eq!(ended.json()["published"], 0, "{ended:?}");
}

#[test]
fn a_signal_ends_a_demo_without_a_server() {
    let folder = Folder::new();
    let program = folder.join("silent-server");
    std::fs::write(&program, "#!/bin/sh\n: > \"$0.started\"\nexec sleep 600\n").unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let mut command = tickdeck(["demo", "--nats-server"]);
    command.arg(&program);
    let running = Running::start(command);
    wait_until("the server is started", || {
        folder.join("silent-server.started").exists()
    });
    running.signal("TERM");
    let ended = running.wait().done();
    assert!(!ended.stdout.contains("a real nats-server"), "{ended:?}");
}

#[test]
fn a_signal_to_the_group_ends_a_demo_cleanly() {
    let Some(server) = nats_server::binary("a demo on a terminal") else {
        return;
    };
    let mut command = tickdeck(["demo", "--rate", "1", "--nats-server"]);
    // Ctrl-C reaches every process of the group.
    command.arg(server).process_group(0);
    let running = Running::start(command);
    wait_until("it plays", || running.stdout().contains("3. replay"));
    let group = format!("-{}", running.pid());
    let sent = command_of("kill").args(["-INT", "--", &group]).status();
    assert!(sent.unwrap().success());
    let ended = running.wait().done();
    assert!(ended.stdout.contains("equal: every tick"), "{ended:?}");
    assert!(!ended.stderr.contains("nats_disconnected"), "{ended:?}");
    assert!(!ended.stderr.contains("nats_retry"), "{ended:?}");
}
