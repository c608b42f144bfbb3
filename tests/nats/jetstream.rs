//! A replay into a JetStream stream by the built binary: what is created, refused, continued and
//! verified. The stream is read by a client that shares no code with tickdeck.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::cli::{Ended, finish, tickdeck, with_nats};
use crate::support::nats_client::RawSubscriber;
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{quick, replay_digest, stream};
use crate::support::stream::{JETSTREAM, StreamClient, header, lines};

/// Messages of the committed recording.
const QUICK: u64 = 918;

fn server(test: &str) -> Option<(NatsServer, StreamClient)> {
    let server = NatsServer::with_config(test, JETSTREAM)?;
    let client = StreamClient::connect(server.port());
    Some((server, client))
}

fn replay(server: &NatsServer, recording: &Path, words: &str) -> Command {
    let mut command = tickdeck(["replay".as_ref(), recording.as_os_str()]);
    command.args("--rate max --json --sink jetstream:TICKS".split(' '));
    command.args(words.split_whitespace());
    with_nats(&mut command, &server.url());
    command
}

fn run(server: &NatsServer, words: &str) -> Ended {
    finish(replay(server, &quick(), words))
}

#[track_caller]
fn refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    for word in words {
        assert!(
            ended.stderr.contains(word),
            "no {word:?} in {}",
            ended.stderr
        );
    }
}

#[test]
fn a_stream_is_the_replay_and_is_verified() {
    let Some((server, mut client)) = server("a stream is the replay") else {
        return;
    };
    for (first, words) in [
        (1, "--create-stream"),
        (1001, ""),
        (1, "--create-stream --durable"),
    ] {
        if words.is_empty() {
            client.create("TICKS", json!({ "first_seq": first }));
        }
        let played = run(&server, words).done();
        let summary = played.json();
        assert_eq!(summary["verified"], true, "{summary}");
        assert_eq!(summary["published"], QUICK);
        assert_eq!(summary["digest"], replay_digest(&quick()));
        assert!(summary.get("broker_lost").is_none());
        assert!(
            played.stderr.contains("jetstream_open"),
            "{}",
            played.stderr
        );
        let messages = client.messages("TICKS");
        assert_eq!(lines(&messages), stream(&quick(), ""));
        let sequences = messages.iter().map(|message| message.sequence);
        assert!(sequences.eq(first..first + QUICK));
        assert_eq!(client.state("TICKS")["consumer_count"], 0, "left behind");
        client.done("STREAM.DELETE.TICKS", &json!({}));
    }
}

#[test]
fn each_message_names_its_place_and_its_run() {
    let Some((server, mut client)) = server("the headers of a stream") else {
        return;
    };
    run(&server, "--create-stream").done();
    let messages = client.messages("TICKS");
    let run = header(&messages[0].headers, "Tickdeck-Run").unwrap();
    for message in &messages {
        let of = |name| header(&message.headers, name).unwrap();
        let sequence = message.sequence;
        assert_eq!(
            of("Nats-Expected-Last-Sequence"),
            (sequence - 1).to_string()
        );
        let id = format!("synthetic-quick-1-20250912:{sequence}");
        assert_eq!(of("Nats-Msg-Id"), id);
        assert_eq!(of("Tickdeck-Run"), run);
    }
}

#[test]
fn control_messages_go_by_core_nats() {
    let Some((server, mut client)) = server("control messages beside a stream") else {
        return;
    };
    let mut control = RawSubscriber::connect(server.port(), "tickdeck.*.market.tick");
    run(&server, "--create-stream --clock 1").done();
    let mut clocks = 0;
    let end = loop {
        let (subject, payload) = control.next().unwrap();
        match subject.as_str() {
            "tickdeck.clock.market.tick" => clocks += 1,
            _ => break String::from_utf8(payload).unwrap(),
        }
    };
    assert!(clocks > 10, "{clocks}");
    let end: serde_json::Value = serde_json::from_str(&end).unwrap();
    assert_eq!(
        (&end["complete"], &end["total"]),
        (&true.into(), &QUICK.into())
    );
    assert_eq!(lines(&client.messages("TICKS")), stream(&quick(), ""));
}

#[test]
fn a_stream_is_not_created_silently() {
    let Some((server, mut client)) = server("a missing stream") else {
        return;
    };
    let missing = ["there is no stream `TICKS`", "--create-stream does that"];
    refused(&run(&server, ""), 2, &missing);
    refused(&run(&server, "--resume"), 2, &missing);
    let names = client.done("STREAM.NAMES", &json!({}));
    assert_eq!(names["total"], 0);
}

#[test]
fn a_dry_run_shows_the_stream_and_creates_nothing() {
    let Some((server, mut client)) = server("a dry run of a stream") else {
        return;
    };
    let words = "--create-stream --stream-max-age 7d --stream-storage memory --dry-run";
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args("--sink jetstream:TICKS".split(' '));
    command.args(words.split(' '));
    let shown = finish(command).done();
    for part in ["market.tick.>", "storage memory", "replicas 1", "kept 7d"] {
        assert!(
            shown.stdout.contains(part),
            "no {part:?} in {}",
            shown.stdout
        );
    }
    assert_eq!(client.done("STREAM.NAMES", &json!({}))["total"], 0);
    run(&server, &words.replace("--dry-run", "")).done();
    let info = client.done("STREAM.INFO.TICKS", &json!({}));
    assert_eq!(info["config"]["max_age"], 7_u64 * 86_400 * 1_000_000_000);
    assert_eq!(info["config"]["storage"], "memory");
    assert_eq!(info["config"]["discard"], "new");
}

#[test]
fn a_stream_that_would_lose_ticks_is_refused() {
    let Some((server, mut client)) = server("streams that lose ticks") else {
        return;
    };
    for (settings, named) in [
        (
            json!({ "subjects": ["market.tick.SHFE.*"] }),
            "not every tick",
        ),
        (json!({ "no_ack": true }), "no_ack"),
        (
            json!({ "discard": "old", "max_msgs": 100 }),
            "max_msgs 100 with discard old",
        ),
        (
            json!({ "max_msgs_per_subject": 5 }),
            "max_msgs_per_subject 5",
        ),
        (
            json!({ "max_age": 3_600_000_000_000_u64 }),
            "--stream-max-age 1h accepts it",
        ),
        (json!({ "retention": "workqueue" }), "retention"),
        (json!({ "persist_mode": "async" }), "persist_mode async"),
        (
            json!({ "subjects": [], "mirror": { "name": "OTHER" } }),
            "a mirror",
        ),
    ] {
        client.create("TICKS", settings);
        refused(&run(&server, ""), 2, &["stream `TICKS`", named]);
        assert_eq!(client.count("TICKS"), 0);
        client.done("STREAM.DELETE.TICKS", &json!({}));
    }
    client.create("TICKS", json!({}));
    refused(&run(&server, "--durable"), 2, &["allow_atomic off"]);
    client.done(
        "STREAM.UPDATE.TICKS",
        &json!({ "name": "TICKS", "subjects": ["market.tick.>"], "max_age": 3_600_000_000_000_u64 }),
    );
    run(&server, "--stream-max-age 1h").done();
}

#[test]
fn a_stream_with_messages_is_continued_on_request_only() {
    let Some((server, mut client)) = server("a stream is continued") else {
        return;
    };
    run(&server, "--create-stream --count 400").done();
    let not_empty = ["has 400 messages already", "--resume continues it"];
    refused(&run(&server, ""), 2, &not_empty);
    let continued = run(&server, "--resume").done();
    assert_eq!(continued.json()["verified"], true);
    assert_eq!(lines(&client.messages("TICKS")), stream(&quick(), ""));
    // Nothing is left to publish.
    let again = run(&server, "--resume").done();
    assert_eq!(again.json()["verified"], true);
    assert_eq!(client.count("TICKS"), QUICK);
}

#[test]
fn a_stream_of_another_run_is_not_continued() {
    let Some((server, mut client)) = server("a stream of another run") else {
        return;
    };
    run(&server, "--create-stream --symbols rb2510").done();
    let count = client.count("TICKS");
    let differs = ["stream `TICKS` is of another run"];
    refused(&run(&server, "--resume"), 2, &differs);
    assert_eq!(client.count("TICKS"), count);
    // A shorter run agrees as far as it goes, and the stream has more.
    let shorter = run(&server, "--resume --symbols rb2510 --count 10");
    refused(&shorter, 3, &["messages more than were published"]);
    assert_eq!(shorter.json()["verified"], false);
}

#[test]
fn a_stream_with_a_hole_is_neither_continued_nor_verified() {
    let Some((server, mut client)) = server("a stream with a hole") else {
        return;
    };
    run(&server, "--create-stream --count 400").done();
    client.done("STREAM.MSG.DELETE.TICKS", &json!({ "seq": 100 }));
    let holes = ["has 399 of the messages 1 to 400"];
    refused(&run(&server, "--resume"), 2, &holes);
}

#[test]
fn a_recorded_market_is_published_to_a_stream() {
    let Some((server, mut client)) = server("record into a stream") else {
        return;
    };
    let folder = crate::support::recordings::Folder::new();
    let recording = folder.join("market");
    let mut record = tickdeck([
        "record",
        "--source",
        "synthetic:quick,seed=1",
        "--rate",
        "max",
    ]);
    record.args("--publish --json --sink jetstream:TICKS --create-stream".split(' '));
    record.arg("-o").arg(&recording);
    with_nats(&mut record, &server.url());
    let recorded = finish(record).done();
    assert_eq!(recorded.json()["verified"], true);
    assert_eq!(lines(&client.messages("TICKS")), stream(&recording, ""));
}

#[test]
fn flags_of_a_stream_need_one() {
    for (words, named) in [
        ("--sink nats --resume", "--resume is about the stream"),
        (
            "--sink nats --sink jetstream:A",
            "would store each message twice",
        ),
        ("--sink jetstream:A --sink jetstream:B", "given twice"),
        ("--sink jetstream:a.b", "is not a stream name"),
        (
            "--sink jetstream:A --stream-subjects x.>",
            "--create-stream",
        ),
    ] {
        let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
        command.args(words.split(' '));
        refused(&finish(command), 2, &[named]);
    }
}

#[test]
fn a_server_without_jetstream_is_named() {
    let Some(server) = NatsServer::start("no JetStream") else {
        return;
    };
    let refusal = run(&server, "--create-stream");
    refused(&refusal, 2, &["JetStream is not available", "enable it"]);
}

#[test]
fn a_doctor_says_what_the_server_promises() {
    let Some((server, mut client)) = server("a doctor of a stream") else {
        return;
    };
    let look = || {
        let mut doctor = tickdeck(["doctor", "--json", "--stream", "TICKS", "--timeout", "60s"]);
        doctor.env("NATS_URL", server.url());
        let checks = finish(doctor).json()["checks"].take();
        let mut checks = checks.as_array().unwrap().iter();
        let found = checks.find(|check| check["check"] == "jetstream").unwrap();
        (found["status"].clone(), found["found"].to_string())
    };
    let (status, found) = look();
    assert!(
        status == "warn" && found.contains("no stream `TICKS`"),
        "{found}"
    );
    client.create("TICKS", json!({}));
    let (status, found) = look();
    assert!(
        status == "ok" && found.contains("survive a killed server"),
        "{found}"
    );
    client.done("STREAM.DELETE.TICKS", &json!({}));
    client.create("TICKS", json!({ "persist_mode": "async" }));
    let (status, found) = look();
    assert!(
        status == "warn" && found.contains("persist_mode async"),
        "{found}"
    );
}

#[test]
fn a_stream_is_captured_by_sequence() {
    let Some((server, mut client)) = server("a captured stream") else {
        return;
    };
    run(&server, "--create-stream").done();
    let folder = crate::support::recordings::Folder::new();
    let path = folder.join("got.jsonl");
    let capture = |words: &str| {
        let mut capture = tickdeck(["capture", "--stream", "TICKS"]);
        capture.args(words.split_whitespace());
        with_nats(&mut capture, &server.url());
        capture
    };
    let mut to_file = capture("--json");
    to_file.arg("-o").arg(&path);
    let captured = finish(to_file).done().json();
    let expected = stream(&quick(), "");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(captured["digest"], replay_digest(&quick()));
    assert_eq!(
        (&captured["messages"], &captured["missing"]),
        (&QUICK.into(), &0.into())
    );
    let times = std::fs::read_to_string(folder.join("got.jsonl.times")).unwrap();
    assert_eq!(times.lines().count() as u64, QUICK);
    assert_eq!(finish(capture("")).done().stdout, expected);
    let some = finish(capture("-n 3 market.tick.SHFE.*")).done();
    let shfe = expected
        .lines()
        .filter(|line| line.starts_with("market.tick.SHFE."));
    assert!(some.stdout.lines().eq(shfe.take(3)), "{some:?}");
    assert_eq!(client.state("TICKS")["consumer_count"], 0, "left behind");
    client.done("STREAM.MSG.DELETE.TICKS", &json!({ "seq": 100 }));
    refused(
        &finish(capture("")),
        3,
        &["1 sequence that the stream does not have"],
    );
    client.done("STREAM.PURGE.TICKS", &json!({}));
    refused(&finish(capture("")), 3, &["nothing_captured"]);
    client.done("STREAM.DELETE.TICKS", &json!({}));
    refused(&finish(capture("")), 2, &["there is no stream `TICKS`"]);
}
