//! `live --ring`: only what a trigger asks for is recorded.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::cli::{Ended, Running, finish, tickdeck, with_nats};
use crate::support::ctp::{logged, simulated_library, with_simulated_front};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, names, quick};
use crate::support::wait_until;

/// A session with the ring of an hour, into `root`, which has received some ticks.
fn session(folder: &Folder, library: &Path, server: &NatsServer, words: &str) -> Running {
    let words = format!(
        "live --record-under sessions --session box --ring 1h --symbols rb2510,IF2509 \
         --log-format json --progress-every 50ms {words}"
    );
    let mut command = with_simulated_front(&words, folder.path(), library, &quick(), "10");
    with_nats(&mut command, &server.url()).env_remove("CTP_SYMBOL");
    let running = Running::start(command);
    wait_until("ticks are there", || received(&running) >= 30);
    running
}

fn received(running: &Running) -> u64 {
    let progress = logged(&running.stderr(), "publish_progress");
    let last = progress.last().and_then(|line| line["received"].as_u64());
    last.unwrap_or_default()
}

fn verb(verb: &str, path: &Path) -> Ended {
    finish(tickdeck([
        verb.as_ref(),
        path.as_os_str(),
        OsStr::new("--json"),
    ]))
}

/// The one session that was kept, which is intact.
fn kept(root: &Path) -> Value {
    let listed = verb("ls", root).done().json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let recording = PathBuf::from(listed[0]["recording"].as_str().unwrap());
    assert_eq!(verb("verify", &recording).done().json()["intact"], true);
    listed[0].clone()
}

/// A root that has only a ring says so.
#[track_caller]
fn assert_ring_told(root: &Path, part: &str) {
    for name in ["ls", "info"] {
        let ended = verb(name, root);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        for said in ["ring_found", ".ring-box", part] {
            assert!(ended.stderr.contains(said), "{said}: {ended:?}");
        }
    }
}

#[test]
fn without_a_trigger_a_ring_leaves_nothing() {
    let (Some(library), Some(server)) = (
        simulated_library("a ring without a trigger"),
        NatsServer::start("a ring without a trigger"),
    ) else {
        return;
    };
    let folder = Folder::new();
    let running = session(&folder, &library, &server, "");
    let slots = folder.join("sessions/.ring-box");
    assert_eq!(names(&slots), [".lock", "slot-00000"]);
    // The ring is looked at like any recording.
    let info = verb("info", &slots.join("slot-00000")).done().json();
    assert_eq!(
        (&info["status"], &info["being_written"]),
        (&"recording".into(), &true.into())
    );
    running.signal("TERM");
    running.wait().done();
    assert_eq!(names(&folder.join("sessions")), [""; 0]);
}

#[test]
fn a_signal_keeps_what_the_ring_has() {
    let (Some(library), Some(server)) = (
        simulated_library("a ring and a signal"),
        NatsServer::start("a ring and a signal"),
    ) else {
        return;
    };
    let folder = Folder::new();
    let running = session(&folder, &library, &server, "--ring-after 1h");
    running.signal("USR2");
    wait_until("the signal is taken", || {
        running.stderr().contains("ring_keep_requested")
    });
    running.signal("TERM");
    running.wait().done();
    let kept = kept(&folder.join("sessions"));
    assert_eq!(
        (&kept["session"], &kept["status"]),
        (&"box".into(), &"complete".into())
    );
    assert!(kept["ticks"].as_u64().unwrap() >= 30, "{kept}");
    let recording = PathBuf::from(kept["recording"].as_str().unwrap());
    let info = verb("info", &recording).done().json();
    assert!(
        info["detail"].as_str().unwrap().ends_with("kept=SIGUSR2"),
        "{info}"
    );
}

#[test]
fn a_request_keeps_what_the_ring_has() {
    let (Some(library), Some(server)) = (
        simulated_library("a ring and a request"),
        NatsServer::start("a ring and a request"),
    ) else {
        return;
    };
    let folder = Folder::new();
    let running = session(&folder, &library, &server, "--ring-after 0s");
    let mut command = tickdeck(["health", "--subject", "tickdeck.deck.box.keep", "--json"]);
    with_nats(&mut command, &server.url());
    let answer = finish(command).done().json();
    assert_eq!(
        (&answer["session"], &answer["keeping"]),
        (&"box".into(), &true.into())
    );
    // Nothing after the request is kept, so the recording is made while the session runs.
    let root = folder.join("sessions");
    let is_kept = || {
        names(&root)
            .iter()
            .any(|name| name.starts_with("trading_day="))
    };
    wait_until("a recording is there", is_kept);
    wait_until("it is finished", || {
        let listed = verb("ls", &root).json();
        listed[0]["status"] == "complete"
    });
    running.signal("TERM");
    let ended = running.wait().done();
    let kept = kept(&root);
    let day = kept["trading_day"].as_str().unwrap();
    let said = format!("\nrecording      sessions/trading_day={day}/session=box\n");
    assert!(ended.stdout.contains(&said), "{ended:?}");
    assert!(kept["ticks"].as_u64().unwrap() >= 30, "{kept}");
    let logged = logged(&ended.stderr, "ring_kept");
    assert_eq!((logged.len(), &logged[0]["ticks"]), (1, &kept["ticks"]));
}

#[test]
fn a_ring_that_has_failed_says_that_nothing_is_kept() {
    let (Some(library), Some(server)) = (
        simulated_library("a ring that fails"),
        NatsServer::start("a ring that fails"),
    ) else {
        return;
    };
    let folder = Folder::new();
    let running = session(&folder, &library, &server, "");
    std::fs::rename(folder.join("sessions/.ring-box"), folder.join("moved")).unwrap();
    wait_until("the failure is noticed", || {
        running.stderr().contains("recorder_failed")
    });
    running.signal("USR2");
    wait_until("the signal is answered", || {
        running.stderr().contains("ring_not_kept")
    });
    let mut command = tickdeck(["health", "--subject", "tickdeck.deck.box.keep", "--json"]);
    with_nats(&mut command, &server.url());
    let answer = finish(command).done().json();
    assert_eq!(
        (&answer["keeping"], &answer["status"]),
        (&false.into(), &"error".into())
    );
    let reason = answer["reason"].as_str().unwrap();
    assert!(reason.starts_with("the ring has failed: "), "{reason}");
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(!ended.stderr.contains("ring_keep_requested"), "{ended:?}");
    let refused = logged(&ended.stderr, "ring_not_kept");
    assert_eq!(
        (refused.len(), &refused[0]["error"]),
        (1, &answer["reason"])
    );
}

#[test]
fn a_killed_ring_is_recovered() {
    let (Some(library), Some(server)) = (
        simulated_library("a killed ring"),
        NatsServer::start("a killed ring"),
    ) else {
        return;
    };
    let folder = Folder::new();
    let running = session(&folder, &library, &server, "");
    let root = folder.join("sessions");
    // While it runs, there is nothing to recover.
    assert_eq!(verb("recover", &root).done().stdout.trim(), "[]");
    assert_ring_told(&root, "a running session");
    running.signal("KILL");
    running.wait();
    assert_ring_told(&root, "`tickdeck recover`");
    let recovered = verb("recover", &root).done().json();
    assert!(recovered["events"].as_u64().unwrap() > 30, "{recovered}");
    let kept = kept(&root);
    assert_eq!(kept["status"], "recovered");
    assert!(kept["ticks"].as_u64().unwrap() > 0, "{kept}");
    assert!(!root.join(".ring-box").exists());
}

#[test]
fn the_next_session_keeps_what_a_killed_ring_had() {
    let (Some(library), Some(server)) = (
        simulated_library("the session after a killed ring"),
        NatsServer::start("the session after a killed ring"),
    ) else {
        return;
    };
    let folder = Folder::new();
    let running = session(&folder, &library, &server, "");
    running.signal("KILL");
    running.wait();
    let words = "record --source synthetic:quick --record-under sessions --session next";
    let mut command = tickdeck(words.split(' '));
    command.current_dir(folder.path());
    let ended = finish(command).done();
    assert!(ended.stderr.contains("ring_kept"), "{ended:?}");
    let listed = verb("ls", &folder.join("sessions")).done().json();
    let mut ids: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["session"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["box", "next"]);
}

#[test]
fn a_ring_needs_a_catalogue() {
    for words in [
        "live --ring 10m",
        "live --ring 10m --record rec",
        "live --ring 0s --record-under sessions",
        "live --ring-after 5m --record-under sessions",
    ] {
        let ended = finish(tickdeck(words.split(' ')));
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
    }
}
