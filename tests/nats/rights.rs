//! Accounts with few rights: a missing optional permission is logged once as a warning.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::thread;

use tickdeck::encode::control::EndMarker;
use tickdeck::nats::{NatsOptions, Secret, Subscriber, SubscriberOptions};
use tickdeck::sink::{Message, StreamDigest};

use super::capture::text;
use crate::live::{market, nats, publishing, run as run_live, setup};
use crate::support::cli::{Ended, Running, finish, tickdeck, with_nats};
use crate::support::fake_front::{FakeFront, Stop, push};
use crate::support::log::captured;
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, info, quick, replay_digest, repository, stream};
use crate::support::{DEADLINE, wait_until};

/// Ticks of the quick recording.
const TICKS: u64 = 918;

/// Messages that may be unconfirmed.
const WINDOW: u64 = 16 * 1024;

/// A server with the users of `fixtures/nats/NAME`, on a free port.
fn fixture(name: &str) -> Option<NatsServer> {
    let path = repository("fixtures/nats").join(name);
    let config = std::fs::read_to_string(path).unwrap();
    let (listen, users) = config.split_once('\n').unwrap();
    assert!(listen.starts_with("listen:"), "{listen}");
    NatsServer::with_config(name, users)
}

fn login(server: &NatsServer, user: &str, password: &str) -> NatsOptions {
    NatsOptions {
        user: Some(user.to_owned()),
        password: Some(Secret::new(password)),
        ..server.options()
    }
}

/// `words` as `user` of the server.
fn command(server: &NatsServer, user: &str, password: &str, words: &str) -> Command {
    let mut command = tickdeck(words.split_whitespace());
    with_nats(&mut command, &server.url())
        .env("NATS_USER", user)
        .env("NATS_PASSWORD", password);
    command
}

fn replay(server: &NatsServer, user: &str, password: &str, words: &str) -> Ended {
    let words = format!("replay {} --json {words}", quick().display());
    finish(command(server, user, password, &words))
}

/// A subscriber to ticks and control messages that may do everything.
fn listen(server: &NatsServer) -> Subscriber {
    let options = SubscriberOptions {
        subjects: ["market.tick.>", "tickdeck.>"]
            .map(|subject| subject.parse().unwrap())
            .into(),
        answers: Vec::new(),
        reconnect: None,
    };
    Subscriber::start_with(&login(server, "all", "pw"), options).unwrap()
}

/// The next `count` messages.
fn take(subscriber: &Subscriber, count: u64) -> Vec<Message> {
    let next = |_| subscriber.next(DEADLINE).expect("a message");
    (0..count).map(next).collect()
}

fn digest(messages: &[Message]) -> String {
    let mut digest = StreamDigest::new();
    for message in messages {
        digest.update_message(message.borrowed());
    }
    digest.hex()
}

/// Checks that the log has each of `needles` in exactly one line.
#[track_caller]
fn said_once(log: &str, needles: &[&str]) {
    for needle in needles {
        let lines = log.lines().filter(|line| line.contains(needle)).count();
        assert_eq!(lines, 1, "{needle} in {log}");
    }
}

/// Everything that a missing right is reported with.
const COMPLAINTS: [&str; 5] = [
    "nats_permission_missing",
    "nats_inbox_refused",
    "health_unavailable",
    "subscribers_not_counted",
    "Permissions Violation",
];

#[track_caller]
fn no_complaint(log: &str) {
    for complaint in COMPLAINTS {
        assert!(!log.contains(complaint), "{log}");
    }
}

#[test]
fn replay_needs_the_right_to_its_prefix_only() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    let subscriber = listen(&server);
    let warnings = [
        "health_unavailable",
        "publish tickdeck.end.market.tick",
        "publish tickdeck.clock.market.tick",
        "nats_inbox_refused",
    ];
    let plain = ("inboxonly", "");
    let private = ("privinbox", "--nats-inbox-prefix _INBOX_privinbox");
    for (user, words) in [plain, private, ("privinbox", ""), ("publonly", "")] {
        let words = format!("--rate max --clock 10 {words}");
        let played = replay(&server, user, "pw", &words).done();
        let summary = played.json();
        assert_eq!(
            (&summary["published"], &summary["failed"]),
            (&TICKS.into(), &0.into())
        );
        said_once(&played.stderr, &warnings);
        let ticks = take(&subscriber, TICKS);
        assert_eq!(digest(&ticks), played.digest(), "{user}");
    }
}

#[test]
fn an_account_with_an_inbox_is_confirmed_there() {
    let Some(server) = fixture("hd.conf") else {
        return;
    };
    let played = replay(&server, "a", "b", "--rate max").done();
    assert_eq!(played.json()["published"], TICKS);
    said_once(
        &played.stderr,
        &["health_unavailable", "publish tickdeck.end.market.tick"],
    );
    assert!(!played.stderr.contains("nats_inbox_refused"), "{played:?}");
}

#[test]
fn refused_marks_confirm_more_than_a_window() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    let folder = Folder::new();
    let recording = folder.generate("long", "--profile full-market --duration 20s -q");
    let words = format!("replay {} --rate max --json", recording.display());
    let played = finish(command(&server, "publonly", "pw", &words)).done();
    let summary = played.json();
    assert!(summary["published"].as_u64().unwrap() > WINDOW, "{summary}");
    assert_eq!(summary["failed"], 0);
    assert_eq!(played.digest(), replay_digest(&recording));
}

#[test]
fn a_paced_replay_without_an_inbox_is_confirmed() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    let subscriber = listen(&server);
    let played = replay(&server, "publonly", "pw", "--rate 10").done();
    assert_eq!(played.json()["published"], TICKS);
    assert_eq!(digest(&take(&subscriber, TICKS)), replay_digest(&quick()));
}

/// Replays as an account that may not publish to CFFEX, and reads up to the end marker.
#[track_caller]
fn ends_at_a_refused_tick(server: &NatsServer, user: &str, words: &str) -> Ended {
    let subscriber = listen(server);
    let played = replay(server, user, "pw", words);
    assert_eq!(played.code, Some(4), "{played:?}");
    let named = "the account needs the permission to publish market.tick.CFFEX.";
    assert!(played.stderr.contains(named), "{played:?}");
    let summary = played.json();
    let count = |key: &str| summary[key].as_u64().unwrap();
    assert!(count("failed") > 0, "{summary}");
    let sum = count("published") + count("failed");
    assert_eq!(count("received"), sum, "{summary}");
    let marker = loop {
        let message = subscriber.next(DEADLINE).expect("an end marker");
        if message.subject == "tickdeck.end.market.tick" {
            break EndMarker::parse(&message.payload).unwrap();
        }
        assert!(!message.subject.starts_with(b"market.tick.CFFEX."));
    };
    assert!(!marker.complete);
    assert_eq!((marker.total, marker.digest), (None, None));
    played
}

#[test]
fn a_refused_tick_ends_the_replay() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    for rate in ["--rate max", "--rate 20"] {
        ends_at_a_refused_tick(&server, "part", rate);
    }
}

/// The next tick would be published more than a day later.
#[test]
fn a_refused_tick_ends_the_replay_before_the_next_one() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    // It begins with the first tick.
    let slow = "--rate 0.000001 --symbols IF* -S 2025-09-12T09:29:58.0602+08:00";
    let played = ends_at_a_refused_tick(&server, "part", slow);
    assert_eq!(played.json()["received"], 1);
}

#[test]
fn no_flood_of_refusals_hides_a_refused_tick() {
    let config = r#"authorization { users = [
        { user: all, password: pw }
        { user: clockless, password: pw, permissions: {
            publish: { deny: ["market.tick.CFFEX.>", "tickdeck.clock.>"] } } }
        { user: blind, password: pw, permissions: {
            publish: { deny: ["market.tick.CFFEX.>", "_INBOX.>"] } } }
    ] }"#;
    let Some(server) = NatsServer::with_config("a flood of refusals", config) else {
        return;
    };
    let clock = "--rate max --clock 1000";
    let played = ends_at_a_refused_tick(&server, "clockless", clock);
    said_once(&played.stderr, &["publish tickdeck.clock.market.tick"]);
    // There the refusals of ticks compete with those that confirm.
    ends_at_a_refused_tick(&server, "blind", "--rate max");
}

#[test]
fn live_needs_the_right_to_its_prefix_only() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    let subscriber = listen(&server);
    let (ended, log) = captured(|| live_session(&login(&server, "publonly", "pw")));
    assert_eq!(ended, (TICKS, 0));
    said_once(&log, &["health_unavailable", "nats_inbox_refused"]);
    assert_eq!(take(&subscriber, TICKS).len() as u64, TICKS);
}

#[test]
fn a_refused_tick_ends_live_publishing() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    let (ended, log) = captured(|| live_session(&login(&server, "part", "pw")));
    let (published, failed) = ended;
    assert!(failed > 0 && published + failed == TICKS, "{ended:?}");
    said_once(&log, &["nats_failed"]);
    assert!(log.contains("publish market.tick.CFFEX."), "{log}");
}

#[test]
fn a_refused_answer_is_a_warning() {
    let config = r#"authorization { users = [
        { user: all, password: pw }
        { user: listener, password: pw, permissions: { publish: { deny: ">" } } }
    ] }"#;
    let Some(server) = NatsServer::with_config("a refused answer", config) else {
        return;
    };
    let folder = Folder::new();
    let (out, ready) = (folder.join("out"), folder.join("ready"));
    let words = format!(
        "capture --json -o {} --ready-file {}",
        out.display(),
        ready.display()
    );
    let running = Running::start(command(&server, "listener", "pw", &words));
    wait_until("the capture is ready", || ready.exists());
    // The server lists the capture, so that the replay starts without an answer.
    let words = "--rate max --wait-for-subscribers 1";
    let played = replay(&server, "all", "pw", words).done();
    no_complaint(&played.stderr);
    let ended = running.wait().done();
    assert_eq!(ended.json()["verified"], true);
    said_once(&ended.stderr, &["publish _INBOX.>"]);
}

#[test]
fn an_inbox_prefix_is_read_from_its_variable() {
    let config = r#"authorization { users = [ { user: me, password: pw, permissions: {
        publish: ["market.tick.>", "tickdeck.>", "_INBOX_me.>"]
        subscribe: ["health.check", "_INBOX_me.>"] } } ] }"#;
    let Some(server) = NatsServer::with_config("an inbox prefix", config) else {
        return;
    };
    let words = format!("replay {} --rate max", quick().display());
    let mut command = command(&server, "me", "pw", &words);
    command.env("NATS_INBOX_PREFIX", "_INBOX_me");
    no_complaint(&finish(command).done().stderr);
    let without = replay(&server, "me", "pw", "--rate max").done();
    said_once(&without.stderr, &["nats_inbox_refused", "inbox=_INBOX.>"]);
    said_once(&without.stderr, &["--nats-inbox-prefix sets another inbox"]);
    // An account that may not use the inbox that is given needs the permission.
    let given = replay(&server, "me", "pw", "--rate max --nats-inbox-prefix _MINE").done();
    said_once(&given.stderr, &["the account may not subscribe to _MINE.>"]);
    assert!(!given.stderr.contains("--nats-inbox-prefix"), "{given:?}");
    let bad = replay(&server, "me", "pw", "--nats-inbox-prefix _INBOX.>");
    assert_eq!(bad.code, Some(2), "{bad:?}");
    assert!(bad.stderr.contains("is not an inbox prefix"), "{bad:?}");
}

/// A live session of the quick market: what was published and what failed.
fn live_session(options: &NatsOptions) -> (u64, u64) {
    let stop = Stop::default();
    let mut setup = setup(&market());
    setup.server = publishing(&nats(options.clone()));
    let when_done = stop.clone();
    let front = FakeFront::ready(move |_, inlet| {
        push(inlet, &market());
        when_done.stop();
    });
    let total = run_live(front, setup, &stop).ledger.total();
    (total.published, total.failed)
}

#[test]
fn capture_needs_no_right_to_publish() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    let all = stream(&quick(), "");
    for (user, exchanges) in [("capr", &[""][..]), ("capr2", &["SHFE.", "DCE."])] {
        let is_asked = |line: &&str| {
            let tail = line.strip_prefix("market.tick.").unwrap();
            exchanges.iter().any(|exchange| tail.starts_with(exchange))
        };
        let expected: Vec<&str> = all.lines().filter(is_asked).collect();
        let folder = Folder::new();
        let (out, ready) = (folder.join("out"), folder.join("ready"));
        let subjects: String = exchanges
            .iter()
            .map(|e| format!("market.tick.{e}> "))
            .collect();
        let words = format!(
            "capture {subjects} -n {} -o {} --ready-file {}",
            expected.len(),
            out.display(),
            ready.display()
        );
        let running = Running::start(command(&server, user, "pw", &words));
        wait_until("the capture is ready", || ready.exists());
        replay(&server, "all", "pw", "--rate max").done();
        let ended = running.wait().done();
        let found = text(&out);
        assert!(found.lines().eq(expected.iter().copied()), "{ended:?}");
        // One line each for the subjects of the end markers and of the questions.
        let lines = ended.stderr.matches("nats_permission_missing").count();
        assert_eq!(lines, 2, "{ended:?}");
        said_once(
            &ended.stderr,
            &["subscribe tickdeck.end.", "subscribe tickdeck.ready."],
        );
    }
    let folder = Folder::new();
    let words = format!("capture market.tick.> -o {}", folder.join("out").display());
    let refused = finish(command(&server, "capr2", "pw", &words));
    assert_eq!(refused.code, Some(4), "{refused:?}");
    let named = "the permission to subscribe market.tick.>";
    assert!(refused.stderr.contains(named), "{refused:?}");
}

#[test]
fn a_refused_question_starts_the_replay() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    for user in ["inboxonly", "publonly"] {
        let words = "--rate max --wait-for-subscribers 2";
        let played = replay(&server, user, "pw", words).done();
        assert_eq!(played.json()["published"], TICKS);
        said_once(&played.stderr, &["subscribers_not_counted"]);
        let named = "publish tickdeck.ready.market.tick";
        assert!(played.stderr.contains(named), "{played:?}");
    }
}

#[test]
fn health_names_the_right_that_it_lacks() {
    let Some(server) = fixture("perm2.conf") else {
        return;
    };
    for (user, permission) in [
        ("publonly", "subscribe _INBOX.>"),
        ("inboxonly", "publish health.check"),
    ] {
        let refused = finish(command(&server, user, "pw", "health"));
        assert_eq!(refused.code, Some(4), "{refused:?}");
        assert!(refused.stderr.contains(permission), "{refused:?}");
    }
}

#[test]
fn the_documented_rights_are_enough() {
    let page = std::fs::read_to_string(repository("docs/operations.md")).unwrap();
    let block = page.split("```text\nauthorization").nth(1).unwrap();
    let users = format!("authorization{}", block.split("```").next().unwrap());
    let Some(server) = NatsServer::with_config("documented rights", &users) else {
        return;
    };
    let command = |user: &str, words: &str| {
        let words = format!("{words} --nats-inbox-prefix _INBOX_{user}");
        command(&server, user, "change-me", &words)
    };
    let folder = Folder::new();
    let (out, ready) = (folder.join("out"), folder.join("ready"));
    let words = format!(
        "capture --json -o {} --ready-file {}",
        out.display(),
        ready.display()
    );
    let capturing = Running::start(command("capture", &words));
    wait_until("the capture is ready", || ready.exists());
    // Slow enough to be asked for its health.
    let words = format!(
        "replay {} --json --rate 10 --clock 10 --wait-for-subscribers 1",
        quick().display()
    );
    let replaying = Running::start(command("replay", &words));
    let mut asked = None;
    wait_until("health is answered", || {
        let ended = finish(command("health", "health --json"));
        let is_answered = ended.code == Some(0);
        asked = Some(ended);
        is_answered
    });
    no_complaint(&asked.unwrap().stderr);
    let played = replaying.wait().done();
    let captured_all = capturing.wait().done();
    assert_eq!(captured_all.json()["verified"], true);
    assert_eq!(captured_all.digest(), played.digest());
    for ended in [&played, &captured_all] {
        no_complaint(&ended.stderr);
    }
    let live = NatsOptions {
        inbox_prefix: Some("_INBOX_live".to_owned()),
        ..login(&server, "live", "change-me")
    };
    let (ended, log) = captured(|| live_session(&live));
    assert_eq!(ended, (TICKS, 0));
    no_complaint(&log);
}

#[test]
fn one_connection_is_enough_for_a_replay() {
    let account = "accounts: { A: { users: [ { user: me, password: x } ],
        limits: { max_connections: 1 } } }";
    for config in [account, "max_connections: 1"] {
        let Some(server) = NatsServer::with_config("one connection", config) else {
            return;
        };
        for words in ["", "--wait-for-subscribers 1"] {
            let played = replay(&server, "me", "x", &format!("--rate max {words}")).done();
            assert_eq!(played.json()["published"], TICKS);
            said_once(&played.stderr, &["health_unavailable"]);
            assert!(played.stderr.contains("connections exceeded"), "{played:?}");
        }
        // The sink itself waits for its turn, and says why it got none.
        let _only = Subscriber::start(&login(&server, "me", "x"), "a").unwrap();
        let words = format!("replay {} --rate max", quick().display());
        let mut command = tickdeck(words.split(' '));
        command
            .args(["--connect-timeout", "1s"])
            .env("NATS_URL", server.url())
            .env("NATS_USER", "me")
            .env("NATS_PASSWORD", "x");
        let refused = finish(command);
        assert_eq!(refused.code, Some(4), "{refused:?}");
        assert!(
            refused.stderr.contains("connections exceeded"),
            "{refused:?}"
        );
    }
}

#[test]
fn a_closed_stdout_leaves_the_other_sinks() {
    let Some(server) = NatsServer::start("a closed stdout") else {
        return;
    };
    let subscriber = Subscriber::start(&server.options(), "market.tick.>").unwrap();
    let words = format!(
        "replay {} --rate max --batch-size 10 --sink jsonl:- --sink nats",
        quick().display()
    );
    let ended = close_stdout(&server, &words);
    for part in ["sink_closed", "published      918"] {
        assert!(ended.contains(part), "{part} is not in {ended}");
    }
    assert!(!ended.contains("failed"), "{ended}");
    assert_eq!(digest(&take(&subscriber, TICKS)), replay_digest(&quick()));

    let folder = Folder::new();
    let recording = folder.join("rec");
    let words = format!(
        "record --source recording:{} --rate max --publish --sink jsonl:- -o {}",
        quick().display(),
        recording.display()
    );
    let ended = close_stdout(&server, &words);
    assert!(ended.contains("sink_closed"), "{ended}");
    assert_eq!(info(&recording)["ticks"], TICKS);
}

/// Runs `words`, closes stdout after the first line, and checks for exit code 0. Returns stderr.
fn close_stdout(server: &NatsServer, words: &str) -> String {
    let mut command = tickdeck(words.split(' '));
    with_nats(&mut command, &server.url());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let log = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut first = String::new();
    let mut stdout = BufReader::with_capacity(64, child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    assert!(first.starts_with("market.tick."), "{first}");
    drop(stdout);
    let status = crate::support::cli::wait_for(&mut child);
    let log = log.join().unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    log
}
