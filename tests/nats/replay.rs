//! The main job: a recording, replayed by the binary into a real server, complete and in order at a
//! subscriber that shares no code with it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck::nats::{
    NatsOptions, ReadyPoll, Secret, Subscriber, SubscriberOptions, count_ready, count_subscribers,
};
use tickdeck::sink::{MessageRef, StreamDigest};

use crate::support::cli::{
    Running, binary, command_of, finish, release_binary, run_words, tickdeck, with_nats,
};
use crate::support::nats_client::{RawPublisher, RawSubscriber};
use crate::support::nats_server::{self, NatsServer};
use crate::support::proxy::Proxy;
use crate::support::recordings::{Folder, quick, replay_digest, stream};
use crate::support::{DEADLINE, wait_until};

/// Messages of the large run at least.
const MILLION: u64 = 1_000_000;
/// Recorded time of the whole market that holds this many ticks, with some to spare.
const LARGE: &str = "--profile full-market --seed 1 --duration 330s";

/// The release build when there is one: a million messages are many for a debug build.
fn fastest() -> PathBuf {
    release_binary().unwrap_or_else(|| binary().to_owned())
}

fn with<A: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = A>) -> Command {
    let mut command = command_of(program);
    command.args(args);
    command
}

/// Takes `count` messages and gives their digest.
fn receive(subscriber: &mut RawSubscriber, count: u64) -> String {
    let mut digest = StreamDigest::new();
    for _ in 0..count {
        let (subject, payload) = subscriber.next().expect("the server is there");
        digest.update_message(MessageRef {
            subject: subject.as_bytes(),
            payload: &payload,
        });
    }
    digest.hex()
}

#[test]
fn a_million_messages_arrive_complete_and_in_order() {
    let Some(server) = NatsServer::start("a million messages") else {
        return;
    };
    let folder = Folder::new();
    let recording = folder.join("market");
    let mut generate = with(&fastest(), ["generate", "-q"]);
    generate.args(LARGE.split(' ')).arg("-o").arg(&recording);
    finish(generate).done();

    let play = |words: &str| {
        let mut command = with(&fastest(), ["replay", "--rate", "max", "--json", "-q"]);
        command.arg(&recording).args(words.split(' '));
        command
    };
    let expected = finish(play("--sink digest")).done();
    let count = expected.json()["published"].as_u64().unwrap();
    assert!(count >= MILLION, "{count}");

    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let mut publish = play("--sink nats");
    with_nats(&mut publish, &server.url());
    let running = Running::start(publish);
    // Received beside the replay, so that one that fails says why instead of leaving us waiting.
    let received = std::thread::spawn(move || receive(&mut subscriber, count));
    let played = running.wait().done();
    assert_eq!(received.join().unwrap(), expected.digest());
    assert_eq!(played.digest(), expected.digest());
    let summary = played.json();
    assert_eq!(summary["published"], count);
    assert_eq!(summary["failed"], 0);
}

#[test]
fn a_prefix_keeps_a_replay_apart_from_live_traffic() {
    let Some(server) = NatsServer::start("a subject prefix") else {
        return;
    };
    let mut everything = RawSubscriber::connect(server.port(), ">");
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args("--rate max --json -q --subject-prefix replay.tick".split(' '));
    with_nats(&mut command, &server.url());
    let played = finish(command).done();
    let expected = stream(&quick(), "--subject-prefix replay.tick");
    for line in expected.lines() {
        let (subject, payload) = loop {
            let (subject, payload) = everything.next().unwrap();
            // The server's own answers to the client's requests are on inboxes.
            if subject.starts_with("replay.") || subject.starts_with("market.") {
                break (subject, payload);
            }
        };
        assert_eq!(
            line,
            format!("{subject} {}", String::from_utf8(payload).unwrap())
        );
    }
    assert_eq!(played.json()["published"], 918);
}

#[test]
fn health_is_answered_while_a_replay_publishes() {
    let Some(server) = NatsServer::start("health of a replay") else {
        return;
    };
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args(["--rate", "1", "--json"]);
    with_nats(&mut command, &server.url());
    let running = Running::start(command);
    for _ in 0..20 {
        subscriber.next().unwrap();
    }
    let ask = |words: &[&str]| {
        let mut health = tickdeck(["health", "--timeout", "60s"]);
        with_nats(health.args(words), &server.url());
        finish(health)
    };
    let answer = ask(&["--json"]).done().json();
    for (key, value) in [
        ("status", "ok"),
        ("service", "tickdeck"),
        ("session", "synthetic-quick-1-20250912"),
        ("verb", "replay"),
    ] {
        assert_eq!(answer[key], value, "{answer}");
    }
    assert!(answer["received"].as_u64().unwrap() >= 20, "{answer}");
    assert_eq!(answer["failed"], 0);
    assert!(ask(&[]).done().stdout.contains("status     ok"));
    running.signal("INT");
    running.wait().done();
    wait_until("the server has seen that it is gone", || {
        count_subscribers(&server.options(), "health.check").unwrap() == 0
    });
    let gone = ask(&[]);
    assert_eq!(gone.code, Some(4), "{gone:?}");
    assert!(
        gone.stderr.contains("no responder on `health.check`"),
        "{gone:?}"
    );
}

#[test]
fn a_replay_waits_for_its_subscriber() {
    let Some(server) = NatsServer::start("wait for subscribers") else {
        return;
    };
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args("--rate max --json --wait-for-subscribers 1".split(' '));
    with_nats(&mut command, &server.url());
    let running = Running::start(command);
    wait_until("it waits", || {
        running.stderr().contains("waiting_for_subscribers")
    });
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let mut digest = StreamDigest::new();
    let mut ticks = 0;
    while ticks < 918 {
        let (subject, payload) = subscriber.next().unwrap();
        ticks += 1;
        digest.update_message(MessageRef {
            subject: subject.as_bytes(),
            payload: &payload,
        });
    }
    assert_eq!(digest.hex(), replay_digest(&quick()));
    assert_eq!(running.wait().done().digest(), digest.hex());
}

#[test]
fn the_questions_connection_is_logged_once() {
    let Some(server) = NatsServer::start("quiet questions") else {
        return;
    };
    let proxy = Proxy::to(server.port());
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args("--rate max --json --wait-for-subscribers 1".split(' '));
    with_nats(&mut command, &proxy.url());
    let running = Running::start(command);
    // The publisher, the health responder, and a connection for each question.
    wait_until("it asks repeatedly", || proxy.accepted() >= 6);
    let _subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let ended = running.wait().done();
    let connected = ended.stderr.matches("nats_connected").count();
    assert!((1..=3).contains(&connected), "{ended:?}");
}

#[test]
fn a_slow_connection_counts_subscribers_right() {
    let Some(server) = NatsServer::start("a slow way") else {
        return;
    };
    let proxy = Proxy::to(server.port());
    // Longer than answers are gathered.
    proxy.delay_answers(Duration::from_millis(300));
    let count = || count_subscribers(&proxy.options(), "a.b").unwrap();
    assert_eq!(count(), 0);
    let _plain = RawSubscriber::connect(server.port(), "a.>");
    assert_eq!(count(), 1);
}

#[test]
fn every_subscriber_that_answers_counts() {
    let Some(server) = NatsServer::start("subscribers that answer") else {
        return;
    };
    let start = |answers: &[&str]| {
        let answers = answers.iter().map(|subject| subject.parse().unwrap());
        let options = SubscriberOptions {
            subjects: vec!["a.>".parse().unwrap()],
            answers: answers.collect(),
            reconnect: None,
        };
        Subscriber::start_with(&server.options(), options).unwrap()
    };
    let count = || count_subscribers(&server.options(), "a.b").unwrap();
    let _silent = start(&[]);
    assert_eq!(count(), 1, "one that does not answer counts as the first");
    let _answering = [start(&["a.b"]), start(&["a.*"])];
    // A late answer is not counted this time.
    wait_until("both have answered in time", || count() == 2);
}

#[test]
fn a_lost_connection_is_no_subscriber() {
    let Some(server) = NatsServer::start("wait on a bad line") else {
        return;
    };
    let proxy = Proxy::to(server.port());
    // The login passes (376 bytes with the subscription for the answers), the question does not.
    proxy.cut_after(400);
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args("--rate max --json --wait-for-subscribers 1".split(' '));
    with_nats(&mut command, &proxy.url());
    let running = Running::start(command);
    wait_until("it asks again", || proxy.accepted() >= 4);
    assert!(!running.stderr().contains("subscribers_ready"));
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    proxy.cut_after(0);
    assert!(subscriber.next().unwrap().0.starts_with("market.tick."));
    let ended = running.wait().done();
    assert!(ended.stderr.contains("subscribers_ready"), "{ended:?}");
}

#[test]
fn several_sinks_get_the_same_stream() {
    let Some(server) = NatsServer::start("several sinks") else {
        return;
    };
    let folder = Folder::new();
    let path = folder.join("stream");
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args("--rate max --json --sink nats --sink digest --sink".split(' '));
    command.arg(format!("jsonl:{}", path.display()));
    with_nats(&mut command, &server.url());
    let played = finish(command).done();
    assert_eq!(receive(&mut subscriber, 918), played.digest());
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        crate::support::recordings::stream_digest(&text),
        played.digest()
    );
}

#[test]
fn the_demo_shows_equal_digests() {
    let Some(binary) = nats_server::binary("the demo") else {
        return;
    };
    let demo = |recording: Option<PathBuf>| {
        let mut command = tickdeck(["demo", "--rate", "100"]);
        command.args(recording).arg("--nats-server").arg(&binary);
        finish(command).done().stdout
    };
    for text in [demo(Some(quick())), demo(None)] {
        assert!(text.contains("published 918, received 918"), "{text}");
        assert!(
            text.contains("equal: every tick arrived, in order"),
            "{text}"
        );
        let digests: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("digest "))
            .map(|line| line.rsplit_once(' ').unwrap().1)
            .collect();
        assert_eq!(digests.len(), 2, "{text}");
        assert_eq!(digests[0], digests[1]);
        let payloads: Vec<&str> = text.lines().filter(|line| line.contains('{')).collect();
        assert_eq!(payloads.len(), 3, "{text}");
    }
    let mut command = tickdeck(["demo", "--nats-server", "/nowhere/nats-server"]);
    command.env("PATH", "");
    let refused = finish(command);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("install nats-server"),
        "{refused:?}"
    );
}

#[test]
fn the_demo_waits_while_the_market_is_silent() {
    let Some(binary) = nats_server::binary("a silent demo") else {
        return;
    };
    let folder = Folder::new();
    let two = folder.join("two");
    run_words(&format!(
        "slice {} --symbols IF2509 -n 2 -q -o {}",
        quick().display(),
        two.display()
    ))
    .done();
    // Two ticks that are 2.4 s apart: 6 s of silence.
    let mut command = tickdeck(["demo", "--rate", "0.4"]);
    command.arg(&two).arg("--nats-server").arg(&binary);
    let ended = finish(command).done();
    assert!(
        ended.stdout.contains("published 2, received 2"),
        "{ended:?}"
    );
}

#[test]
fn a_published_recording_plays_the_same_again() {
    let Some(server) = NatsServer::start("record and publish") else {
        return;
    };
    let folder = Folder::new();
    let path = folder.join("rec");
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let mut command = tickdeck(
        "record --source synthetic:quick,seed=5 --publish --rate max --json -q".split(' '),
    );
    with_nats(command.arg("-o").arg(&path), &server.url());
    let recorded = finish(command).done();
    let count = recorded.json()["published"].as_u64().unwrap();
    assert_eq!(receive(&mut subscriber, count), recorded.digest());
    assert_eq!(replay_digest(&path), recorded.digest());
    let ledger = json!([recorded.json()["received"], recorded.json()["failed"]]);
    assert_eq!(ledger, json!([Value::from(count), 0]));
}

#[test]
fn a_subscriber_of_the_prefix_receives_ticks_only() {
    let Some(server) = NatsServer::start("ticks and nothing else") else {
        return;
    };
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    let words = "--rate max --json -q --clock 2 --wait-for-subscribers 1";
    with_nats(command.args(words.split(' ')), &server.url());
    let mut controls = RawSubscriber::connect(server.port(), "tickdeck.>");
    // Both forms that consumers use; they answer nothing, but the replay still notices them.
    let subjects = ["market.tick.>", "market.tick.*.*"];
    let mut plain = subjects.map(|subject| RawSubscriber::connect(server.port(), subject));
    let played = finish(command).done();
    RawPublisher::connect(server.port()).publish("market.tick.X.last", b"");
    let expected = stream(&quick(), "");
    for subscriber in &mut plain {
        for line in expected.lines() {
            let (subject, payload) = subscriber.next().unwrap();
            let payload = String::from_utf8(payload).unwrap();
            assert_eq!(format!("{subject} {payload}"), line);
        }
        assert_eq!(subscriber.next().unwrap().0, "market.tick.X.last");
    }
    assert_eq!(played.digest(), replay_digest(&quick()));

    // The control messages went elsewhere, all of one run.
    let mut subjects = Vec::new();
    let mut runs = std::collections::BTreeSet::new();
    while subjects
        .last()
        .is_none_or(|last| last != "tickdeck.end.market.tick")
    {
        let (subject, payload) = controls.next().unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        runs.insert(payload["run"].as_str().unwrap().to_owned());
        subjects.push(subject);
    }
    assert_eq!(subjects[0], "tickdeck.ready.market.tick");
    let is_clock = |subject: &&String| *subject == "tickdeck.clock.market.tick";
    assert!(subjects.iter().filter(is_clock).count() > 100);
    assert_eq!(runs.len(), 1, "{runs:?}");
}

#[test]
fn a_plain_subscriber_is_noticed_without_a_message() {
    let Some(server) = NatsServer::start("the list of subscribers") else {
        return;
    };
    let count = || {
        let poll = ReadyPoll {
            subject: "tickdeck.ready.a".to_owned(),
            payload: Vec::new(),
            messages: "a.>".parse().unwrap(),
            is_repeated: false,
        };
        count_ready(&server.options(), poll).unwrap().found
    };
    let _elsewhere = RawSubscriber::connect(server.port(), "b.>");
    assert_eq!(count(), 0);
    let _plain = ["a.>", "a.SHFE.*"].map(|subject| RawSubscriber::connect(server.port(), subject));
    assert_eq!(count(), 1, "those that do not answer count as the first");
}

#[test]
fn without_a_list_no_plain_subscriber_is_noticed() {
    let config = "authorization: { users: [
        { user: me, password: x, permissions: { publish: { deny: \"$SYS.>\" } } }
        { user: other, password: x }
    ], timeout: 60 }";
    let Some(server) = NatsServer::with_config("no list of subscribers", config) else {
        return;
    };
    let login = |user: &str| NatsOptions {
        user: Some(user.to_owned()),
        password: Some(Secret::new("x")),
        ..server.options()
    };
    let _plain = Subscriber::start(&login("other"), "a.>").unwrap();
    let poll = ReadyPoll {
        subject: "tickdeck.ready.a".to_owned(),
        payload: Vec::new(),
        messages: "a.>".parse().unwrap(),
        is_repeated: false,
    };
    let count = count_ready(&login("me"), poll).unwrap();
    assert_eq!((count.found, count.is_listed), (0, false));
}

#[test]
fn several_subjects_keep_the_order_of_the_server() {
    const ROUNDS: usize = 20_000;
    let Some(server) = NatsServer::start("order over subjects") else {
        return;
    };
    let subjects = ["a.>", "c", "b.*"];
    let options = SubscriberOptions {
        subjects: subjects.map(|subject| subject.parse().unwrap()).into(),
        answers: Vec::new(),
        reconnect: None,
    };
    let subscriber = Subscriber::start_with(&server.options(), options).unwrap();
    let mut publisher = RawPublisher::connect(server.port());
    // Enough that the connection reads thousands at a time.
    let sent: Vec<&str> = (0..ROUNDS)
        .map(|i| ["a.x", "a.y", "c", "a.x", "b.x"][i * i % 5])
        .collect();
    for subject in &sent {
        publisher.add(subject, b"{}");
    }
    publisher.flush();
    for subject in &sent {
        let message = subscriber.next(DEADLINE).unwrap();
        assert_eq!(message.subject, subject);
    }
}
