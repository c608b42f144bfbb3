//! Every fault script of `fixtures/faults/` against the live source. It survives or ends as
//! expected, logs it, and its recording replays to the digest of the session.

use std::collections::BTreeSet;

use tickdeck::event::{EventKind, InstrumentId, RawTick, SessionEvent};

use super::{instruments, market};
use crate::support::cli::Running;
use crate::support::ctp::{logged, simulated_library, with_simulated_front};
use crate::support::recordings::{Folder, events, names, quick, replay_digest, repository, stream};
use crate::support::wait_until;

/// Ticks of the market.
const ALL: u64 = 918;

/// Result of a session under a fault script.
struct Session {
    ticks: Vec<RawTick>,
    happened: Vec<SessionEvent>,
    log: String,
    /// What the front logged.
    front: String,
    /// The payload stream of replaying the recording.
    stream: String,
}

impl Session {
    /// How many payloads have a flag.
    fn flagged(&self, flag: &str) -> usize {
        let flagged = |line: &&str| {
            line.rsplit_once("\"flags\":")
                .is_some_and(|(_, f)| f.contains(flag))
        };
        self.stream.lines().filter(flagged).count()
    }

    fn count(&self, wanted: impl Fn(&SessionEvent) -> bool) -> usize {
        self.happened.iter().filter(|event| wanted(event)).count()
    }

    fn logins(&self) -> usize {
        self.count(|event| matches!(event, SessionEvent::LoginOk { .. }))
    }
}

/// Progress of a session, from its last progress line.
fn received(log: &str) -> u64 {
    let progress = logged(log, "publish_progress");
    let count = progress.last().and_then(|line| line["received"].as_u64());
    count.unwrap_or(0)
}

/// The exit code of a session that cannot continue (docs/operations.md).
const GAVE_UP: i32 = 4;

/// Runs a session under `fixtures/faults/NAME.toml`.
///
/// It runs until `enough` ticks came, with `None` until the front has sent everything, or until it
/// gives up. Checks what holds for every fault: the rules that acted say whether the session must
/// survive.
fn session(name: &str, enough: Option<u64>) -> Option<Session> {
    session_at("30", name, enough)
}

/// The market continues during a reconnect. At this rate it lasts half a minute, long enough on a
/// machine that stalls for many seconds.
const PATIENT: &str = "2";

/// At this rate the market waits for a single client, however long it takes to reconnect.
const WAITING: &str = "max";

/// The same with the market at `rate`.
fn session_at(rate: &str, name: &str, enough: Option<u64>) -> Option<Session> {
    let library = simulated_library(&format!("the fault script {name}"))?;
    let folder = Folder::new();
    let words = "record --source ctp -o rec --json --log-format json --progress-every 50ms --backoff 100ms \
         --front-timeout 60s --login-timeout 60s";
    let mut command = with_simulated_front(words, folder.path(), &library, &quick(), rate);
    let ids: Vec<String> = instruments(&market())
        .iter()
        .map(ToString::to_string)
        .collect();
    let script = repository("fixtures/faults").join(format!("{name}.toml"));
    command
        .env_remove("CTP_SYMBOL")
        .args(["--symbols", &ids.join(",")])
        .env("CTP_MD_ADDRESS", "tcp://127.0.0.1:1,tcp://127.0.0.1:2")
        .env("TICKDECK_SIM_LOG", folder.join("front.log"))
        .env("TICKDECK_SIM_SCRIPT", script);
    let running = Running::start(command);
    let front_log = folder.join("front.log");
    let mut gave_up = false;
    wait_until(
        "the market has been played, or the session has given up",
        || {
            let log = running.stderr();
            gave_up = !logged(&log, "ctp_gave_up").is_empty();
            let is_played = match enough {
                Some(enough) => received(&log) >= enough,
                None => std::fs::read_to_string(&front_log)
                    .is_ok_and(|log| !logged(&log, "sim_market_over").is_empty()),
            };
            gave_up || is_played
        },
    );
    if !gave_up {
        running.signal("TERM");
    }
    let ended = running.wait();
    let front = std::fs::read_to_string(front_log).unwrap();
    let acted = logged(&front, "sim_fault");
    assert!(!acted.is_empty(), "the fault happened: {front}");
    let must_survive = acted.iter().all(|rule| rule["must_survive"] == true);
    let wanted = if must_survive { 0 } else { GAVE_UP };
    assert_eq!(ended.code, Some(wanted), "{name}: {ended:?}");
    let summary = ended.json();
    assert_eq!(summary["dropped"], 0, "{ended:?}");
    let rec = folder.join("rec");
    assert_eq!(summary["digest"].as_str().unwrap(), replay_digest(&rec));
    let (mut ticks, mut happened) = (Vec::new(), Vec::new());
    for event in events(&rec) {
        match event.kind {
            EventKind::Tick(tick) => ticks.push(tick),
            EventKind::Session(event) => happened.push(event),
        }
    }
    assert_eq!(summary["received"], ticks.len());
    Some(Session {
        ticks,
        happened,
        log: ended.stderr,
        front,
        stream: stream(&rec, "--allow-empty"),
    })
}

/// The random faults of `TICKDECK_SIM_FAULTS` against the live source.
#[test]
fn random_faults_keep_the_replay_digest() {
    let Some(library) = simulated_library("drawn faults") else {
        return;
    };
    let all: Vec<String> = instruments(&market())
        .iter()
        .map(ToString::to_string)
        .collect();
    for faults in ["seed:1", "seed:7,swarm", "seed:23,swarm"] {
        let folder = Folder::new();
        let words = "record --source ctp -o rec --json --log-format json --duration 9s";
        let mut command = with_simulated_front(words, folder.path(), &library, &quick(), "20");
        command
            .env_remove("CTP_SYMBOL")
            .args(["--symbols", &all.join(",")])
            .env("TICKDECK_SIM_FAULTS", faults);
        let ended = crate::support::cli::finish(command).done();
        let summary = ended.json();
        assert!(
            summary["received"].as_u64().unwrap() > 100,
            "{faults}: {summary}"
        );
        assert_eq!(summary["dropped"], 0, "{faults}");
        let digest = replay_digest(&folder.join("rec"));
        assert_eq!(summary["digest"].as_str().unwrap(), digest, "{faults}");
    }
}

/// The market, field for field and in order.
#[track_caller]
fn assert_complete(session: &Session) {
    assert!(session.ticks == market(), "every tick, in order");
}

#[test]
fn every_script_has_its_test() {
    assert_eq!(
        names(&repository("fixtures/faults")),
        [
            "burst.toml",
            "corrupt_fields.toml",
            "doubled_tick.toml",
            "every_reason.toml",
            "flow_control.toml",
            "front_not_ready.toml",
            "front_restart.toml",
            "front_switch.toml",
            "half_snapshot.toml",
            "login_refused.toml",
            "lost_tick.toml",
            "night_again.toml",
            "refused_once.toml",
            "silence.toml",
            "slow_front.toml",
            "swapped_ticks.toml",
            "timed_restart.toml",
        ]
    );
}

#[test]
fn a_burst_loses_nothing() {
    let Some(session) = session("burst", Some(ALL)) else {
        return;
    };
    assert_complete(&session);
}

#[test]
fn a_slow_front_loses_nothing() {
    let Some(session) = session("slow_front", Some(ALL)) else {
        return;
    };
    assert_complete(&session);
}

#[test]
fn a_request_that_comes_too_soon_is_made_again() {
    let Some(session) = session("flow_control", Some(ALL)) else {
        return;
    };
    assert_complete(&session);
    assert_eq!(logged(&session.log, "ctp_request_refused").len(), 1);
}

#[test]
fn the_library_retries_a_refused_connection() {
    let Some(session) = session("refused_once", Some(ALL)) else {
        return;
    };
    assert_complete(&session);
    assert!(logged(&session.log, "ctp_retry").is_empty());
}

#[test]
fn a_front_not_ready_gets_new_sessions() {
    let Some(session) = session("front_not_ready", Some(ALL)) else {
        return;
    };
    assert_complete(&session);
    let retries = logged(&session.log, "ctp_retry");
    let reasons: Vec<&str> = retries
        .iter()
        .map(|r| r["reason"].as_str().unwrap())
        .collect();
    assert_eq!(
        reasons,
        ["login_failed: 7 NOT_INITED", "login_failed: 90 NEED_RETRY"]
    );
    assert_ne!(retries[0]["session"], retries[1]["session"]);
}

#[test]
fn silence_and_its_warning_are_waited_out() {
    let Some(session) = session("silence", Some(ALL)) else {
        return;
    };
    assert_complete(&session);
    let warned = session.count(|e| *e == SessionEvent::HeartbeatWarning { elapsed_s: 61 });
    assert_eq!(warned, 1);
    assert_eq!(logged(&session.log, "ctp_heartbeat_warning").len(), 1);
}

#[test]
fn partial_snapshots_are_kept() {
    let Some(session) = session_at(PATIENT, "half_snapshot", None) else {
        return;
    };
    assert_eq!(session.logins(), 2);
    let market = market();
    assert!(session.ticks[..299] == market[..299], "what came before it");
    let (snapshots, rest) = session.ticks[299..].split_at(4);
    assert!(!rest.is_empty() && market.ends_with(rest), "and after it");
    let passed = &market[..market.len() - rest.len()];
    let latest = |id: InstrumentId| passed.iter().rfind(|tick| tick.instrument_id == id);
    for snapshot in snapshots {
        assert!(latest(snapshot.instrument_id) == Some(snapshot));
    }
    let came: BTreeSet<InstrumentId> = snapshots.iter().map(|it| it.instrument_id).collect();
    assert_eq!(came.len(), 4, "one of each");
    let lost = logged(&session.front, "sim_fault")
        .iter()
        .filter(|line| line["rule"] == "the others are not sent")
        .count();
    assert_eq!(lost, instruments(&market).len() - 4);
}

#[test]
fn a_permanent_refusal_is_not_retried() {
    let Some(session) = session("login_refused", Some(ALL)) else {
        return;
    };
    assert_eq!((session.logins(), session.ticks.len()), (0, 0));
    assert_eq!(logged(&session.front, "sim_md_login").len(), 1);
    let gave_up = logged(&session.log, "ctp_gave_up");
    let reason = gave_up[0]["reason"].as_str().unwrap();
    assert!(reason.contains("INVALID_LOGIN"), "{reason}");
}

#[test]
fn a_restarted_front_gets_every_subscription() {
    let Some(session) = session_at(WAITING, "front_restart", None) else {
        return;
    };
    assert_eq!(session.logins(), 2);
    let lost = session.count(|e| *e == SessionEvent::FrontDisconnected { reason: 0x1001 });
    assert_eq!(lost, 1, "the gap is a row");
    let subscribed = session.count(|e| matches!(e, SessionEvent::Subscribed { .. }));
    assert_eq!(subscribed, 2 * instruments(&market()).len());
    let market = market();
    assert!(session.ticks[..299] == market[..299], "what came before it");
    assert!(
        session.ticks.ends_with(&market[300..]),
        "and it continues to the end"
    );
    assert_eq!(logged(&session.log, "ctp_subscribed")[1]["again"], true);
}

#[test]
fn a_lost_front_is_replaced_by_the_next() {
    let Some(session) = session_at(WAITING, "front_switch", None) else {
        return;
    };
    let connected = logged(&session.front, "sim_md_connected");
    let fronts: Vec<_> = connected.iter().map(|line| line["front"].clone()).collect();
    assert_eq!(fronts, [1, 2], "{}", session.front);
    assert_eq!(session.logins(), 2, "at each of them");
    let lost = session.count(|e| *e == SessionEvent::FrontDisconnected { reason: 0x1001 });
    assert_eq!(lost, 1, "the gap is a row");
    let market = market();
    assert!(session.ticks[..299] == market[..299], "what came before it");
    assert!(
        session.ticks.ends_with(&market[300..]),
        "and the other front plays to the end"
    );
}

#[test]
fn a_front_that_restarts_gets_new_logins() {
    let Some(session) = session_at(PATIENT, "timed_restart", None) else {
        return;
    };
    assert_eq!(session.logins(), 3);
    assert!(
        session.ticks.last() == market().last(),
        "it continues to the end"
    );
}

#[test]
fn every_reason_of_a_loss_is_recorded() {
    let Some(session) = session_at(WAITING, "every_reason", None) else {
        return;
    };
    for reason in [0x1001, 0x1002, 0x2001, 0x2002, 0x2003] {
        let lost = session.count(|e| *e == SessionEvent::FrontDisconnected { reason });
        assert_eq!(lost, 1, "{reason:#06x}");
    }
    let silent = session.count(|e| *e == SessionEvent::HeartbeatLost {});
    assert_eq!(silent, 1, "0x2001 is a heartbeat that was lost");
    assert_eq!(session.logins(), 6, "and every time it logs in again");
    let lines = logged(&session.log, "ctp_disconnected");
    assert_eq!(lines.len(), 5);
    assert!(
        lines
            .iter()
            .all(|line| line["meaning_zh"].as_str().unwrap() != "未知原因")
    );
}

#[test]
fn a_lost_tick_leaves_the_others_unchanged() {
    let Some(session) = session("lost_tick", Some(ALL - 1)) else {
        return;
    };
    let mut left = market();
    left.remove(199);
    assert!(session.ticks == left);
}

#[test]
fn a_duplicate_tick_is_kept_and_flagged() {
    let Some(session) = session("doubled_tick", Some(ALL + 1)) else {
        return;
    };
    let mut doubled = market();
    doubled.insert(200, doubled[199]);
    assert!(session.ticks == doubled);
    assert_eq!(session.flagged("duplicate"), 1);
}

#[test]
fn reordered_ticks_keep_the_order_of_arrival() {
    let Some(session) = session("swapped_ticks", Some(ALL)) else {
        return;
    };
    let market = market();
    let swapped: Vec<usize> = (0..market.len())
        .filter(|&n| session.ticks[n] != market[n])
        .collect();
    assert_eq!(swapped.len(), 2, "{swapped:?}");
    assert!(session.ticks[swapped[0]] == market[swapped[1]]);
}

#[test]
fn a_repeated_night_is_kept_and_flagged() {
    let Some(session) = session("night_again", Some(ALL + 50)) else {
        return;
    };
    assert_eq!(session.ticks.len() as u64, ALL + 50);
    let flagged =
        session.flagged("duplicate") + session.flagged("replayed") + session.flagged("stale");
    assert!(flagged >= 50, "{flagged}");
}

#[test]
fn impossible_fields_are_recorded_not_published() {
    let Some(session) = session("corrupt_fields", Some(ALL)) else {
        return;
    };
    let market = market();
    let differ = (0..market.len())
        .filter(|&n| session.ticks[n] != market[n])
        .count();
    assert_eq!((session.ticks.len() as u64, differ), (ALL, 3));
    assert!(session.ticks[99].last_price.is_nan());
    let rejected = logged(&session.log, "tick_rejected");
    assert!(!rejected.is_empty());
    assert!(!session.stream.contains("NaN") && !session.stream.contains("@@@"));
}
