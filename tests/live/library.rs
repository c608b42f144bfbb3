//! The built binary with a loaded CTP library: the vendor's against nobody, the simulated one for
//! everything that needs a front.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::cli::{Running, finish};
use crate::support::ctp::{simulated_library, vendor_libraries, vendor_library, with_front};
use crate::support::nats_client::RawSubscriber;
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, info, quick, replay_digest};
use crate::support::wait_until;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The last log line of an event.
fn last(stderr: &str, event: &str) -> Value {
    stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .rfind(|line| line["event"] == event)
        .unwrap_or_else(|| panic!("no {event} in {stderr}"))
}

#[test]
fn doctor_dials_no_address_when_the_library_is_the_simulated_front() {
    let Some(library) = simulated_library("doctor on the simulated front") else {
        return;
    };
    let folder = Folder::new();
    let words = "doctor --json --timeout 200ms --nats-url 127.0.0.1:1";
    let command = with_front(words, folder.path(), &library, "tcp://127.0.0.1:1");
    let ended = finish(command);
    let checks = ended.json()["checks"].as_array().unwrap().clone();
    let of = |name: &str| -> Vec<String> {
        let named = checks.iter().filter(|check| check["check"] == name);
        named.map(|check| check["found"].to_string()).collect()
    };
    assert_eq!(of("md_front").len(), 1, "{checks:?}");
    assert!(
        of("md_front")[0].contains("no address is dialled"),
        "{checks:?}"
    );
    assert!(of("version")[0].contains("simulated front"), "{checks:?}");
}

#[test]
fn doctor_names_version_and_layout_of_every_vendor_library() {
    let Some(libraries) = vendor_libraries("doctor on vendor libraries") else {
        return;
    };
    for library in libraries {
        let folder = Folder::new();
        let words = "doctor --json --timeout 200ms --nats-url 127.0.0.1:1";
        let address = format!("tcp://127.0.0.1:{}", free_port());
        let ended = finish(with_front(words, folder.path(), &library, &address));
        let result = ended.json();
        let checks = result["checks"].as_array().unwrap();
        let version = checks
            .iter()
            .find(|check| check["check"] == "version")
            .unwrap();
        let found = version["found"].as_str().unwrap();
        let layout = ["tick layout A", "tick layout B", "tick layout C"];
        assert!(
            layout.iter().any(|layout| found.contains(layout)),
            "{found}"
        );
        assert!(
            checks
                .iter()
                .any(|check| check["check"] == "library" && check["status"] == "ok")
        );
    }
}

#[test]
fn a_live_session_with_a_vendor_library_and_no_front_retries_and_ends_cleanly() {
    let Some(libraries) = vendor_libraries("live with vendor libraries") else {
        return;
    };
    let Some(server) = NatsServer::start("live with vendor libraries") else {
        return;
    };
    for library in libraries {
        let folder = Folder::new();
        let words = "live --record rec --log-format json --front-timeout 300ms --backoff 100ms";
        let address = format!("tcp://127.0.0.1:{}", free_port());
        let mut command = with_front(words, folder.path(), &library, &address);
        command.env("NATS_URL", server.url());
        let running = Running::start(command);
        wait_until("two attempts have failed", || {
            running.stderr().matches("\"ctp_retry\"").count() >= 2
        });
        running.signal("TERM");
        let ended = running.wait().done();
        let shutdown = last(&ended.stderr, "live_ingest_shutdown");
        assert_eq!(
            (&shutdown["published"], &shutdown["failed"]),
            (&0.into(), &0.into())
        );
        let retry = last(&ended.stderr, "ctp_retry");
        assert_eq!(retry["reason"], "connect_timeout");
        assert!(retry["next_backoff"].is_number() && retry["attempt"].is_number());
        assert_eq!(info(&folder.join("rec"))["status"], "complete");
        // A folder for each attempt, and none is left.
        let left = std::fs::read_dir(folder.join("state/tickdeck/flow"))
            .unwrap()
            .count();
        assert_eq!(left, 0);
    }
}

/// `live` with the simulated front playing the quick recording.
fn simulated(
    folder: &Folder,
    library: &std::path::Path,
    server: &NatsServer,
    words: &str,
) -> Running {
    let mut command = with_front(words, folder.path(), library, "tcp://127.0.0.1:1");
    command
        .env("NATS_URL", server.url())
        .env(
            "TICKDECK_SIM_SOURCE",
            format!("recording:{}", quick().display()),
        )
        .env("TICKDECK_SIM_RATE", "max")
        .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1");
    Running::start(command)
}

#[test]
fn a_recorded_session_goes_through_the_simulated_front_to_a_subscriber() {
    let Some(library) = simulated_library("live with the simulated front") else {
        return;
    };
    let Some(server) = NatsServer::start("live with the simulated front") else {
        return;
    };
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let folder = Folder::new();
    let words = "live --symbols all --record rec --log-format json --json --progress-every 100ms";
    let running = simulated(&folder, &library, &server, words);
    for _ in 0..918 {
        subscriber.next().expect("the server is there");
    }
    running.signal("INT");
    let ended = running.wait().done();
    let shutdown = last(&ended.stderr, "live_ingest_shutdown");
    assert_eq!(
        (&shutdown["published"], &shutdown["failed"]),
        (&918.into(), &0.into())
    );
    assert_eq!(shutdown["recorded"], 918);
    assert_eq!(
        shutdown["digest"].as_str().unwrap(),
        replay_digest(&folder.join("rec"))
    );
    last(&ended.stderr, "publish_progress");
    last(&ended.stderr, "contracts_discovered");
    let summary = ended.json();
    assert_eq!(summary["digest"], shutdown["digest"]);
}

#[test]
fn a_run_ends_after_md_duration_seconds() {
    let Some(library) = simulated_library("MD_DURATION_SECONDS") else {
        return;
    };
    let Some(server) = NatsServer::start("MD_DURATION_SECONDS") else {
        return;
    };
    let folder = Folder::new();
    let mut command = with_front("live", folder.path(), &library, "tcp://127.0.0.1:1");
    command
        .env("NATS_URL", server.url())
        .env("MD_DURATION_SECONDS", "1");
    let ended = finish(command).done();
    assert!(ended.stderr.contains("live_ingest_shutdown"), "{ended:?}");
}

#[test]
fn no_server_is_told_in_one_sentence() {
    let Some(library) = vendor_library("live without a server") else {
        return;
    };
    let folder = Folder::new();
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let words = "live --record rec --connect-timeout 300ms";
    let mut command = with_front(words, folder.path(), &library, &address);
    command.env("NATS_URL", format!("127.0.0.1:{}", free_port()));
    let ended = finish(command);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        ended.stderr.contains("not reachable for 0.3 s"),
        "{ended:?}"
    );
    assert!(!folder.join("rec").exists(), "nothing is begun");
}
