//! A live session into a JetStream stream: the stream is the recording, also when the server was lost. A
//! session without a recording never waits, and says what is not in the stream.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck::nats::NatsOptions;
use tickdeck::nats::stream::StreamSettings;
use tickdeck::session::LiveNats;
use tickdeck::sink::JetStreamOptions;

use super::{instruments, market, nats, publishing, recorded, run, setup};
use crate::support::cli::{Ended, Running, finish, tickdeck, with_nats};
use crate::support::ctp::{logged, simulated_library, with_simulated_front};
use crate::support::fake_front::{FakeFront, Stop, push};
use crate::support::log::captured;
use crate::support::nats_server::NatsServer;
use crate::support::proxy::Proxy;
use crate::support::recordings::{Folder, quick, replay_digest, stream};
use crate::support::stream::{JETSTREAM, StreamClient, lines};
use crate::support::wait_until;

/// Ticks of the committed recording.
const QUICK: u64 = 918;

fn server(test: &str) -> Option<NatsServer> {
    NatsServer::with_config(test, JETSTREAM)
}

/// Publishing to a stream that is created; the session gives up a silent server soon.
fn into_stream(options: NatsOptions, is_recorded: bool) -> LiveNats {
    let settings = StreamSettings {
        create: true,
        append: true,
        ..StreamSettings::new("TICKS".parse().unwrap())
    };
    let stream = JetStreamOptions::new(options.clone(), settings, "test", "run");
    LiveNats {
        stream: Some(Box::new(stream)),
        is_recorded,
        ..nats(options)
    }
}

#[test]
fn a_recorded_session_waits_for_its_stream_behind_the_recorder() {
    let Some(mut server) = server("a live session whose stream is lost") else {
        return;
    };
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    const ROUNDS: u64 = 60;
    let count = ROUNDS * ticks.len() as u64;
    let mut setup = recorded(&ticks, &recording);
    setup.server = publishing(&into_stream(server.options(), true));
    let stop = Stop::default();
    let stopping = stop.clone();
    // The server is lost before the ticks come, and back before the session ends.
    let port = server.port();
    server.kill();
    let server = Arc::new(Mutex::new(server));
    let back = Arc::clone(&server);
    let front = FakeFront::ready(move |_, inlet| {
        for _ in 0..ROUNDS {
            push(inlet, &market());
            std::thread::sleep(Duration::from_millis(20));
        }
        back.lock().unwrap().restart();
        wait_until("the stream has everything", || {
            StreamClient::connect(port).count("TICKS") == count
        });
        stopping.stop();
    });
    let (ended, log) = captured(|| run(front, setup, &stop));
    let total = ended.ledger.total();
    assert_eq!((total.published, total.failed), (count, 0), "{log}");
    assert_eq!((ended.live.dropped, ended.recorded), (0, count), "{log}");
    assert!(ended.read_back.unwrap() > 0, "read from the recording");
    assert_eq!(ended.verified, Some(true), "{log}");
    assert_eq!(ended.digest, replay_digest(&recording));
    drop(server);
}

#[test]
fn a_server_that_stays_away_ends_no_session() {
    for is_recorded in [true, false] {
        let Some(server) = server("a stream that stays away") else {
            return;
        };
        let proxy = Proxy::to(server.port());
        let folder = Folder::new();
        let recording = folder.join("rec");
        let ticks = market();
        let count = ticks.len() as u64;
        let mut options = server.options();
        options.servers = proxy.url().parse().unwrap();
        let (stop, mut proxy) = (Stop::default(), Some(proxy));
        let stopping = stop.clone();
        let mut setup = match is_recorded {
            true => recorded(&ticks, &recording),
            false => setup(&ticks),
        };
        setup.live.instruments = instruments(&ticks);
        setup.server = publishing(&LiveNats {
            buffer: 100,
            drain: Duration::from_millis(500),
            ..into_stream(options, is_recorded)
        });
        let front = FakeFront::ready(move |_, inlet| {
            drop(proxy.take());
            push(inlet, &market());
            stopping.stop();
        });
        let (ended, log) = captured(|| run(front, setup, &stop));
        let total = ended.ledger.total();
        assert_eq!(total.published + total.failed, count, "{log}");
        assert!(total.failed > 0 && total.adds_up(), "{total:?}");
        assert!(ended.error.is_none(), "{:?}", ended.error);
        assert_eq!(ended.verified, Some(false));
        let why = ended.not_verified.unwrap();
        assert!(why.ends_with("messages were not acknowledged"), "{why}");
        assert!(log.contains("drain_timeout"), "{log}");
        assert_eq!(log.contains("nats_buffer_full"), !is_recorded, "{log}");
        assert_eq!(ended.recorded, if is_recorded { count } else { 0 });
    }
}

/// Starts a verb with the simulated front, which plays the committed recording once.
fn live(server: &NatsServer, folder: &Folder, words: &str) -> Option<Running> {
    let library = simulated_library("a live session into a stream")?;
    let words = format!("{words} --symbols all --json --log-format json --progress-every 50ms");
    let mut command = with_simulated_front(&words, folder.path(), &library, &quick(), "max");
    with_nats(&mut command, &server.url())
        .env_remove("CTP_SYMBOL")
        .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1");
    Some(Running::start(command))
}

/// Ends a session when all its ticks are published.
fn end_when_published(running: Running) -> Ended {
    wait_until("every tick is published", || {
        let progress = logged(&running.stderr(), "publish_progress");
        let last = progress.last();
        last.is_some_and(|line| line["published"].as_u64() >= Some(QUICK))
    });
    running.signal("TERM");
    running.wait()
}

#[test]
fn both_live_verbs_publish_to_a_stream() {
    let Some(server) = server("the live verbs and a stream") else {
        return;
    };
    let folder = Folder::new();
    let mut client = StreamClient::connect(server.port());
    let mut expected = String::new();
    for (recording, words) in [
        (
            "first",
            "live --record first --sink jetstream:TICKS --create-stream",
        ),
        (
            "second",
            "record --source ctp -o second --publish --sink jetstream:TICKS --resume",
        ),
    ] {
        let Some(running) = live(&server, &folder, words) else {
            return;
        };
        wait_until("the session is online", || {
            let progress = logged(&running.stderr(), "publish_progress");
            progress
                .last()
                .is_some_and(|line| line["state"] == "online")
        });
        let health = health(&server);
        assert_eq!(health["stream"], "TICKS", "{health}");
        assert_eq!(health["verified"], Value::Null, "{health}");
        assert_eq!(health["broker_lost"], 0, "{health}");
        let ended = end_when_published(running).done();
        let summary = ended.json();
        assert_eq!(summary["verified"], true, "{ended:?}");
        assert_eq!(summary["published"], QUICK, "{ended:?}");
        let recording = folder.join(recording);
        assert_eq!(summary["digest"], replay_digest(&recording));
        expected.push_str(&stream(&recording, ""));
        assert!(lines(&client.messages("TICKS")) == expected, "{words}");
        assert_eq!(client.state("TICKS")["consumer_count"], 0, "left behind");
    }
}

fn health(server: &NatsServer) -> Value {
    let mut command = tickdeck(["health", "--json"]);
    with_nats(&mut command, &server.url());
    finish(command).done().json()
}

#[test]
fn a_lost_stream_shows_in_health_and_exit_code() {
    let Some(server) = server("a live session whose stream is deleted") else {
        return;
    };
    let folder = Folder::new();
    let mut client = StreamClient::connect(server.port());
    client.create("TICKS", json!({ "max_msgs": 100 }));
    let words = "live --record rec --sink jetstream:TICKS";
    let Some(running) = live(&server, &folder, words) else {
        return;
    };
    wait_until("the stream is full", || {
        let progress = logged(&running.stderr(), "publish_progress");
        progress
            .last()
            .is_some_and(|line| line["failed"].as_u64() >= Some(QUICK - 100))
    });
    assert_eq!(health(&server)["verified"], false);
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(ended.json()["verified"], false, "{ended:?}");
    assert_eq!(client.count("TICKS"), 100);
    let said = logged(&ended.stderr, "nats_failed");
    let reason = said[0]["reason"].as_str().unwrap();
    assert!(reason.contains("maximum messages exceeded"), "{reason}");
    let recorded = stream(&folder.join("rec"), "");
    assert_eq!(recorded.lines().count() as u64, QUICK, "all are recorded");
}

#[test]
fn a_live_session_takes_a_server_as_its_sink() {
    for (words, named) in [
        ("--sink jsonl:x", "expected nats or jetstream:STREAM"),
        ("--sink jetstream:a.b", "is not a stream name"),
        ("--resume", "--resume is about the stream"),
        ("--sink nats --durable", "--durable is about the stream"),
    ] {
        let mut command = tickdeck(["live"]);
        command.args(words.split(' '));
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(named), "{ended:?}");
    }
}
