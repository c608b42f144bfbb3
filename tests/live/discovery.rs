//! The trader front's contracts, when the front is not ready, refuses, or is absent.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tickdeck::event::{EventKind, SessionEvent};

use crate::support::cli::{Ended, Running, finish, with_nats};
use crate::support::ctp::{
    fault_script, logged, simulated_library, vendor_library, with_front, with_simulated_front,
};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, events, info, quick, replay_digest};
use crate::support::wait_until;

/// A trader front that accepts no connection.
const AWAY: &str = r#"
[[rule]]
name = "away"
front = "trader"
at = { connection = 1 }
action = "refuse"
times = 0
"#;

/// `live --symbols all --record rec` against a trader front with `faults`.
fn live(folder: &Folder, library: &Path, server: &NatsServer, faults: &str) -> Command {
    let words = "live --symbols all --record rec --log-format json --backoff 100ms";
    let mut command = with_simulated_front(words, folder.path(), library, &quick(), "max");
    with_nats(&mut command, &server.url())
        .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1")
        .env("TICKDECK_SIM_SCRIPT", fault_script(folder.path(), faults));
    command
}

/// `record --symbols all -o rec` against an absent trader front. There is no server: a busy machine
/// may not reach it before a short run is over.
fn unpublished(folder: &Folder, library: &Path) -> Command {
    let words = "record --source ctp -o rec --symbols all";
    let mut command = with_simulated_front(words, folder.path(), library, &quick(), "max");
    command
        .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1")
        .env("TICKDECK_SIM_SCRIPT", fault_script(folder.path(), AWAY));
    command
}

/// Library and server, or `None` after a visible skip.
fn needed(test: &str) -> Option<(std::path::PathBuf, NatsServer)> {
    Some((simulated_library(test)?, NatsServer::start(test)?))
}

/// Runs a session until everything is subscribed.
fn subscribed(command: Command) -> Ended {
    let running = Running::start(command);
    wait_until("all instruments are subscribed", || {
        running.stderr().contains("\"ctp_subscribed\"")
    });
    running.signal("TERM");
    running.wait().done()
}

/// The service's health answer.
fn health(server: &NatsServer) -> serde_json::Value {
    let mut answer = serde_json::Value::Null;
    wait_until("health is answered", || {
        let timeout = Duration::from_millis(500);
        let asked = tickdeck::nats::request_health(&server.options(), "health.check", timeout);
        answer = asked.map_or(serde_json::Value::Null, |bytes| {
            serde_json::from_slice(&bytes).unwrap()
        });
        answer["status"] == "ok"
    });
    answer
}

/// Checks that there is a recording without ticks, whose notes say what happened.
#[track_caller]
fn assert_recorded_in_vain(folder: &Folder, note: &str) {
    let recording = folder.join("rec");
    let shown = info(&recording);
    assert_eq!(
        (&shown["status"], &shown["ticks"]),
        (&"complete".into(), &0.into())
    );
    let notes: Vec<String> = events(&recording)
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Session(SessionEvent::Note { text }) => Some(text),
            _ => None,
        })
        .collect();
    assert!(notes.iter().any(|it| it.starts_with(note)), "{notes:?}");
}

/// What is said of a session without a tick.
fn no_tick(ended: &Ended) -> String {
    let told = logged(&ended.stderr, "live_no_tick");
    told[0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_trader_front_not_ready_is_retried() {
    let Some((library, server)) = needed("a trader front that is not ready") else {
        return;
    };
    let folder = Folder::new();
    let faults = r#"
        [[rule]]
        name = "not initialised"
        front = "trader"
        at = { login = 1 }
        action = { reject_login = 7 }
        times = 2
        # Each login is two requests: authentication comes before it.
        [[rule]]
        name = "query not ready"
        front = "trader"
        at = { request = 7 }
        action = { reject_request = 90 }
        [[rule]]
        name = "too many a second"
        front = "trader"
        at = { request = 9 }
        action = { return_code = -3 }
    "#;
    let ended = subscribed(live(&folder, &library, &server, faults));
    let retries = logged(&ended.stderr, "ctp_retry");
    assert_eq!(retries.len(), 2, "{ended:?}");
    for (number, retry) in (1..).zip(&retries) {
        assert_eq!(retry["attempt"], number);
        let session = retry["session"].as_str().unwrap();
        assert!(session.ends_with(&format!("-td{number}")), "{session}");
        let reason = retry["reason"].as_str().unwrap();
        assert!(reason.contains("CTP error 7 NOT_INITED"), "{reason}");
    }
    let pauses = retries.iter().map(|retry| retry["next_backoff"].as_f64());
    let pauses: Vec<f64> = pauses.map(Option::unwrap).collect();
    assert!(pauses[0] <= 0.1 && pauses[1] > pauses[0], "{pauses:?}");
    assert!(logged(&ended.stderr, "ctp_disconnected").is_empty());
    // Each attempt logs the events of a market data session.
    let of_trader = |event: &str| -> BTreeSet<String> {
        let lines = logged(&ended.stderr, event);
        let own = lines.iter().filter(|line| line["kind"] == "trader");
        let attempts = own.map(|line| line["session"].as_str().unwrap().rsplit_once('-'));
        attempts.map(|it| it.unwrap().1.to_owned()).collect()
    };
    let attempts = |words: &[&str]| words.iter().copied().map(str::to_owned).collect();
    assert_eq!(of_trader("ctp_login_failed"), attempts(&["td1", "td2"]));
    assert_eq!(of_trader("ctp_login_ok"), attempts(&["td3"]));
    let connected = of_trader("ctp_front_connected");
    assert_eq!(connected, attempts(&["td1", "td2", "td3"]));
    let found = logged(&ended.stderr, "contracts_discovered");
    assert_eq!(found.len(), 1, "{ended:?}");
    assert_eq!(found[0]["contracts"], 8);
}

#[test]
fn a_trader_front_lost_while_listing_is_resumed() {
    let Some((library, server)) = needed("a trader front that is lost") else {
        return;
    };
    let folder = Folder::new();
    // The six exchanges take at least six seconds, with a second before each query.
    let faults = r#"
        [[rule]]
        name = "lost while contracts are listed"
        front = "trader"
        at = { seconds = 4.0 }
        action = { disconnect = 0x1001 }
    "#;
    let ended = subscribed(live(&folder, &library, &server, faults));
    assert!(logged(&ended.stderr, "ctp_retry").is_empty(), "{ended:?}");
    let lost = logged(&ended.stderr, "ctp_disconnected");
    assert_eq!(lost.len(), 1, "{ended:?}");
    assert_eq!(lost[0]["kind"], "trader");
    let found = logged(&ended.stderr, "contracts_discovered");
    assert_eq!(found.len(), 1, "{ended:?}");
    assert_eq!(found[0]["contracts"], 8);
}

#[test]
fn a_permanent_refusal_skips_the_other_front() {
    let Some((library, server)) = needed("a refused trader login") else {
        return;
    };
    let folder = Folder::new();
    let faults = r#"
        [[rule]]
        name = "wrong password"
        front = "trader"
        at = { login = 1 }
        action = { reject_login = 3 }
        times = 0
    "#;
    let ended = finish(live(&folder, &library, &server, faults));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        ended.stderr.contains("CTP error 3 INVALID_LOGIN"),
        "{ended:?}"
    );
    assert!(logged(&ended.stderr, "ctp_session_open").is_empty());
    assert!(logged(&ended.stderr, "ctp_retry").is_empty());
    assert_eq!(logged(&ended.stderr, "ctp_gave_up").len(), 1);
    let refused = &logged(&ended.stderr, "ctp_login_failed")[0];
    assert_eq!(refused["kind"], "trader");
    assert_eq!(refused["error_id"], 3);
    assert_eq!(refused["permanent"], true);
    let meaning = refused["meaning_zh"].as_str().unwrap();
    assert!(meaning.contains("不合法的登录"), "{refused}");
    let session = refused["session"].as_str().unwrap();
    assert!(session.ends_with("-td1"), "{refused}");
    assert_eq!(logged(&ended.stderr, "live_ingest_shutdown").len(), 1);
    assert_recorded_in_vain(
        &folder,
        "gave up: the trader front refuses the login: CTP error 3 ",
    );
}

/// A trader front that accepts connections but no request.
const TAKES_NO_LOGIN: &str = r#"
[[rule]]
name = "refuses every login"
front = "trader"
at = { request = 1 }
action = { return_code = -2 }
times = 0
"#;

#[test]
fn plain_ids_wait_for_the_login_timeout_only() {
    let Some(library) = simulated_library("a trader front that refuses every login") else {
        return;
    };
    let folder = Folder::new();
    let words = "record --source ctp -o rec --log-format json --login-timeout 300ms";
    let mut command = with_simulated_front(words, folder.path(), &library, &quick(), "max");
    command.env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1").env(
        "TICKDECK_SIM_SCRIPT",
        fault_script(folder.path(), TAKES_NO_LOGIN),
    );
    let running = Running::start(command);
    // The whole list may take 120 s, a test less.
    wait_until("the market data session begins", || {
        running.stderr().contains("\"ctp_session_open\"")
    });
    running.signal("TERM");
    let ended = running.wait().done();
    let failed = &logged(&ended.stderr, "contract_discovery_failed")[0];
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains("within 300ms (authenticating)"), "{reason}");
}

#[test]
fn a_trader_that_accepts_no_login_is_retried() {
    let Some((library, server)) = needed("a trader front that refuses every login") else {
        return;
    };
    let folder = Folder::new();
    let mut command = live(&folder, &library, &server, TAKES_NO_LOGIN);
    command.args(["--login-timeout", "300ms"]);
    let running = Running::start(command);
    wait_until("it was tried twice", || {
        running.stderr().matches("\"ctp_retry\"").count() >= 2
    });
    running.signal("TERM");
    let ended = running.wait().done();
    for retry in logged(&ended.stderr, "ctp_retry") {
        let reason = retry["reason"].as_str().unwrap();
        assert!(reason.contains("within 300ms (authenticating)"), "{reason}");
    }
}

#[test]
fn three_hanging_trader_sessions_end_the_run() {
    let Some(library) = vendor_library("a trader library that hangs") else {
        return;
    };
    // The vendor's Release waits for a proxy that never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = silent.local_addr().unwrap();
    let folder = Folder::new();
    let words = "record --source ctp -o rec --symbols rb* --log-format json --front-timeout 100ms \
                 --backoff 1ms";
    let mut command = with_front(words, folder.path(), &library, "tcp://127.0.0.1:1");
    command.env("CTP_TD_ADDRESS", format!("socks5://front:41213/{proxy}"));
    let ended = finish(command);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let abandoned = logged(&ended.stderr, "ctp_session_abandoned");
    assert_eq!(abandoned.len(), 3, "{ended:?}");
    assert!(abandoned.iter().all(|line| line["kind"] == "trader"));
    let gave_up = &logged(&ended.stderr, "ctp_gave_up")[0];
    let reason = gave_up["reason"].as_str().unwrap();
    assert!(reason.contains("3 sessions in a row"), "{reason}");
    assert_recorded_in_vain(&folder, "gave up: the trader library hangs");
}

#[test]
fn a_session_that_never_began_replaces_nothing() {
    let Some((library, server)) = needed("a refused trader login over a recording") else {
        return;
    };
    let folder = Folder::new();
    let made = folder.generate("rec", "--profile quick --seed 1");
    let before = info(&made);
    let faults = r#"
        [[rule]]
        name = "wrong password"
        front = "trader"
        at = { login = 1 }
        action = { reject_login = 3 }
    "#;
    let mut command = live(&folder, &library, &server, faults);
    command.arg("--force");
    let ended = finish(command);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(
        logged(&ended.stderr, "recording_kept").len(),
        1,
        "{ended:?}"
    );
    assert_eq!(info(&made), before);
}

#[test]
fn a_refused_authentication_is_not_retried() {
    let Some((library, server)) = needed("a wrong CTP_AUTH_CODE") else {
        return;
    };
    let folder = Folder::new();
    let mut command = live(&folder, &library, &server, "");
    let account = "canarybrk:canaryuser1:canary-password-1:canary_app_1.0:ANOTHERAUTHCODE1";
    command.env("TICKDECK_SIM_ACCOUNT", account);
    let ended = finish(command);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(logged(&ended.stderr, "ctp_retry").is_empty(), "{ended:?}");
    let refused = &logged(&ended.stderr, "ctp_login_failed")[0];
    assert_eq!(
        (&refused["error_id"], &refused["permanent"]),
        (&63.into(), &true.into())
    );
    let gave_up = &logged(&ended.stderr, "ctp_gave_up")[0];
    let told = no_tick(&ended);
    assert!(told.contains("ctp_gave_up has the reason"), "{told}");
    assert!(!told.contains("ctp_retry"), "{told}");
    let reason = gave_up["reason"].as_str().unwrap();
    for words in [
        "authentication",
        "CTP error 63",
        "CTP_AUTH_CODE",
        "客户端认证失败",
    ] {
        assert!(reason.contains(words), "{reason}");
    }
    assert_recorded_in_vain(
        &folder,
        "gave up: the trader front refuses the authentication: ",
    );
}

#[test]
fn a_user_too_long_to_confirm_is_refused_early() {
    let Some((library, server)) = needed("a long CTP_USER_ID") else {
        return;
    };
    let folder = Folder::new();
    let mut command = live(&folder, &library, &server, "");
    command
        .env("CTP_USER_ID", "canaryuser123")
        .arg("--confirm-settlement");
    let ended = finish(command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let refused = &logged(&ended.stderr, "live_ingest_startup_error")[0];
    assert_eq!(refused["required_env"], "CTP_USER_ID");
    let fix = refused["fix"].as_str().unwrap();
    assert!(
        fix.contains("13 bytes; --confirm-settlement accepts at most 12"),
        "{fix}"
    );
    assert!(
        logged(&ended.stderr, "contract_discovery").is_empty(),
        "{ended:?}"
    );
    assert!(!ended.stderr.contains("canaryuser"), "{ended:?}");
}

#[test]
fn a_signal_while_listing_is_clean() {
    let Some((library, server)) = needed("a signal during discovery") else {
        return;
    };
    let folder = Folder::new();
    let running = Running::start(live(&folder, &library, &server, AWAY));
    wait_until("the trader front receives a query", || {
        running.stderr().contains("\"contract_discovery\"")
    });
    // Health is answered before there is a session.
    assert_eq!(health(&server)["state"], "starting");
    running.signal("TERM");
    let ended = running.wait().done();
    let shutdown = &logged(&ended.stderr, "live_ingest_shutdown")[0];
    assert_eq!(
        (&shutdown["published"], &shutdown["failed"]),
        (&0.into(), &0.into())
    );
    assert_recorded_in_vain(&folder, "trader front, attempt 1: session ctp-");
}

#[test]
fn listing_counts_in_the_duration() {
    let Some(library) = simulated_library("the duration of a discovery") else {
        return;
    };
    let folder = Folder::new();
    let mut command = unpublished(&folder, &library);
    command
        .env("MD_DURATION_SECONDS", "1")
        .args(["--log-format", "json"]);
    let ended = finish(command);
    assert_eq!(ended.code, Some(3), "a session without a tick: {ended:?}");
    assert!(logged(&ended.stderr, "ctp_session_open").is_empty());
    assert_eq!(logged(&ended.stderr, "live_ingest_shutdown").len(), 1);
    let told = no_tick(&ended);
    assert!(
        told.contains(
            "time was up while the contracts were being listed; raise MD_DURATION_SECONDS"
        ),
        "{told}"
    );
    assert_recorded_in_vain(&folder, "trader front, attempt 1: session ctp-");
}

#[test]
fn a_session_that_never_began_leaves_notes() {
    let Some(library) = simulated_library("a recording without a session") else {
        return;
    };
    let folder = Folder::new();
    let mut command = unpublished(&folder, &library);
    command.args(["--duration", "1s", "--json", "--allow-empty"]);
    let ended = finish(command).done();
    assert_eq!(ended.json()["received"], 0);
    assert_eq!(ended.digest(), replay_digest(&folder.join("rec")));
    assert_recorded_in_vain(&folder, "trader front, attempt 1: session ctp-");
}

#[test]
fn without_a_trader_library_patterns_are_refused() {
    let Some((library, server)) = needed("no trader library") else {
        return;
    };
    let folder = Folder::new();
    let alone = folder.join("alone");
    std::fs::create_dir(&alone).unwrap();
    let name = "thostmduserapi_se.so";
    std::os::unix::fs::symlink(library.join(name), alone.join(name)).unwrap();
    let ended = finish(live(&folder, &alone, &server, ""));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("thosttraderapi_se.so"),
        "the cause is shown: {ended:?}"
    );
    assert!(ended.stderr.contains("give --contracts FILE"), "{ended:?}");
    let words = "live --symbols IF2601 --log-format json";
    let mut command = with_simulated_front(words, folder.path(), &alone, &quick(), "max");
    with_nats(&mut command, &server.url()).env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1");
    let running = Running::start(command);
    wait_until("it is logged in", || {
        running.stderr().contains("\"ctp_login_ok\"")
    });
    running.signal("TERM");
    let ended = running.wait().done();
    assert_eq!(logged(&ended.stderr, "contract_discovery_failed").len(), 1);
    assert_eq!(logged(&ended.stderr, "ctp_login_ok").len(), 1);
}

#[test]
fn a_signal_while_nats_is_awaited_is_clean() {
    let Some(library) = simulated_library("a signal while NATS is awaited") else {
        return;
    };
    let folder = Folder::new();
    let words = "live --record rec --log-format json --connect-timeout 10m";
    let mut command = with_simulated_front(words, folder.path(), &library, &quick(), "max");
    command.env("NATS_URL", "nats://127.0.0.1:1");
    let running = Running::start(command);
    wait_until("the server is tried", || {
        running.stderr().contains("\"nats_retry\"")
    });
    running.signal("TERM");
    let ended = running.wait().done();
    assert_eq!(logged(&ended.stderr, "live_ingest_shutdown").len(), 1);
    assert!(!folder.join("rec").exists(), "nothing was begun");
}
