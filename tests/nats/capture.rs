//! What is published is captured: all of it, in order, byte for byte, and compared with the replay's
//! end marker.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck::clock::{Clock as _, SystemClock};
use tickdeck::nats::{Subscriber, SubscriberOptions};

use crate::cli::json::keys;
use crate::support::cli::{Ended, Running, finish, freeze, tickdeck, with_nats};
use crate::support::nats_client::{RawPublisher, RawSubscriber};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, quick, replay_digest, split, stream, stream_digest};
use crate::support::{DEADLINE, wait_until};

/// A capture that the server knows, with the words and what else it was given.
pub(super) fn capture(url: &str, folder: &Folder, words: &str) -> Running {
    let ready = folder.join("ready");
    let mut command = capture_command(url, words);
    command.arg("--ready-file").arg(&ready);
    let running = Running::start(command);
    wait_until("the capture is ready", || ready.exists());
    running
}

pub(super) fn capture_command(url: &str, words: &str) -> Command {
    let mut command = tickdeck(["capture"]);
    command.args(words.split_whitespace());
    if words.contains("--connect-timeout") {
        command.env("NATS_URL", url);
    } else {
        with_nats(&mut command, url);
    }
    command
}

/// `capture` into the file `out` of the folder.
pub(super) fn capture_out(server: &NatsServer, folder: &Folder, words: &str) -> Running {
    let out = folder.join("out");
    let words = format!("{words} --json -o {}", out.display());
    capture(&server.url(), folder, &words)
}

fn replay_command(server: &NatsServer, words: &str) -> Command {
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args(words.split_whitespace());
    command.args(["--json", "-q"]);
    with_nats(&mut command, &server.url());
    command
}

pub(super) fn replay(server: &NatsServer, words: &str) -> Ended {
    finish(replay_command(server, words)).done()
}

pub(super) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_replay_is_captured_byte_for_byte_and_verified() {
    let Some(server) = NatsServer::start("capture a replay") else {
        return;
    };
    let folder = Folder::new();
    // The replay waits for the capture's answer: nothing else keeps the two in step.
    let replaying = Running::start(replay_command(
        &server,
        "--rate max --wait-for-subscribers 1",
    ));
    let captured = capture_out(&server, &folder, "").wait().done();
    let played = replaying.wait().done();
    let expected = stream(&quick(), "");
    assert!(text(&folder.join("out")) == expected, "the streams differ");
    assert_eq!(
        keys(&captured.stdout),
        "messages bytes subjects digest ended session complete verified expected missing extra \
         unwritable gaps elapsed_s verified_by after_end"
    );
    let mut summary = captured.json();
    assert!(summary["elapsed_s"].take().as_f64().unwrap() >= 0.0);
    let payloads: usize = expected.lines().map(|line| split(line).1.len()).sum();
    assert_eq!(
        summary,
        json!({
            "messages": 918, "bytes": payloads, "subjects": 8, "digest": played.digest(),
            "ended": "end", "session": "synthetic-quick-1-20250912", "complete": true,
            "verified": true, "expected": 918, "missing": {}, "extra": {}, "unwritable": 0,
            "gaps": 0, "elapsed_s": null, "verified_by": "digest", "after_end": 0,
        })
    );
    let times: Vec<i64> = text(&folder.join("out.times"))
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(times.len(), 918);
    assert_eq!(folder.names(), ["out", "out.times", "ready"]);
}

#[test]
fn a_name_that_ends_in_zst_is_compressed() {
    let Some(server) = NatsServer::start("capture compressed") else {
        return;
    };
    let folder = Folder::new();
    let out = folder.join("out.jsonl.zst");
    let words = format!("--no-times -o {}", out.display());
    let running = capture(&server.url(), &folder, &words);
    replay(&server, "--rate max");
    let ended = running.wait().done();
    assert!(ended.stdout.contains("yes, all 918 messages"), "{ended:?}");
    let packed = std::fs::read(&out).unwrap();
    let unpacked = zstd::decode_all(&packed[..]).unwrap();
    assert!(unpacked == stream(&quick(), "").as_bytes());
    assert_eq!(folder.names(), ["out.jsonl.zst", "ready"]);
}

#[test]
fn stdout_carries_the_stream_and_stderr_the_summary() {
    let Some(server) = NatsServer::start("capture to stdout") else {
        return;
    };
    let folder = Folder::new();
    let times = folder.join("times");
    let words = format!("--times {}", times.display());
    let running = capture(&server.url(), &folder, &words);
    replay(&server, "--rate max");
    let ended = running.wait().done();
    assert!(ended.stdout == stream(&quick(), ""), "the streams differ");
    assert!(
        ended.stderr.contains("verified   yes, all 918"),
        "{ended:?}"
    );
    assert_eq!(text(&times).lines().count(), 918);
}

/// The lines of the quick recording whose subject passes.
fn lines_of(wanted: impl Fn(&str) -> bool) -> String {
    let all = stream(&quick(), "");
    let lines = all.lines().filter(|line| wanted(split(line).0));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn several_subjects_are_verified_in_order() {
    let Some(server) = NatsServer::start("capture a part") else {
        return;
    };
    type Wanted = fn(&str) -> bool;
    let cases: [(&str, Wanted); 5] = [
        ("market.tick.SHFE.*", |s| s.contains(".SHFE.")),
        ("market.tick.SHFE.rb2510", |s| s.ends_with(".rb2510")),
        ("market.tick.DCE.> market.tick.CFFEX.IF2509", |s| {
            s.contains(".DCE.") || s.ends_with(".IF2509")
        }),
        // The second one is part of the first: its messages come once.
        ("market.tick.SHFE.> market.*.SHFE.au2512", |s| {
            s.contains(".SHFE.")
        }),
        // The server's and the clients' own traffic is none of it.
        (">", |_| true),
    ];
    for (subjects, wanted) in cases {
        let folder = Folder::new();
        let words = format!("{subjects} --subject-prefix market.tick");
        let running = capture_out(&server, &folder, &words);
        replay(&server, "--rate max --wait-for-subscribers 1");
        let summary = running.wait().done().json();
        let expected = lines_of(wanted);
        assert!(text(&folder.join("out")) == expected, "{subjects}");
        let count = expected.lines().count();
        assert!(count > 100);
        assert_eq!(summary["verified"], true, "{subjects}: {summary}");
        let by = if subjects == ">" { "digest" } else { "counts" };
        assert_eq!(summary["verified_by"], by, "{subjects}: {summary}");
        assert_eq!(summary["expected"], count, "{subjects}");
        assert_eq!(summary["digest"], stream_digest(&expected), "{subjects}");
    }
}

#[test]
fn a_capture_ends_after_count_messages() {
    let Some(server) = NatsServer::start("capture a count") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(&server, &folder, "-n 10");
    replay(&server, "--rate max");
    let summary = running.wait().done().json();
    assert_eq!(summary["messages"], 10);
    assert_eq!(summary["ended"], "count");
    assert_eq!(summary["verified"], Value::Null);
    let whole = stream(&quick(), "");
    let first: Vec<&str> = whole.lines().take(10).collect();
    assert_eq!(text(&folder.join("out")).lines().collect::<Vec<_>>(), first);
}

#[test]
fn a_capture_of_nothing_is_lossy() {
    let Some(server) = NatsServer::start("capture for a while") else {
        return;
    };
    for (words, why, code) in [
        ("--duration 200ms", "duration", 3),
        ("--duration 200ms --allow-empty", "duration", 0),
        ("--first-message-timeout 200ms", "first_message_timeout", 3),
    ] {
        let folder = Folder::new();
        let ended = capture_out(&server, &folder, words).wait();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert_eq!(ended.stderr.contains("nothing_captured"), code == 3);
        let summary = ended.json();
        assert_eq!(summary["messages"], 0);
        assert_eq!(summary["ended"], why);
        assert_eq!(summary["session"], Value::Null);
        assert_eq!(summary["digest"], stream_digest(""));
        // An empty file would be in the way of the next capture.
        if code == 3 {
            assert_eq!(folder.names(), ["ready"]);
        } else {
            assert_eq!(text(&folder.join("out")), "");
            assert_eq!(text(&folder.join("out.times")), "");
        }
    }
}

#[test]
fn idle_counts_from_the_first_message() {
    let Some(server) = NatsServer::start("capture until idle") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(&server, &folder, "a.* --idle 300ms");
    // Longer than the span: a service may take its time to start.
    std::thread::sleep(Duration::from_millis(600));
    RawPublisher::connect(server.port()).publish("a.b", b"{}");
    let summary = running.wait().done().json();
    assert_eq!(summary["ended"], "idle");
    assert_eq!(text(&folder.join("out")), "a.b {}\n");
}

#[test]
fn a_signal_ends_a_capture_with_whole_files() {
    let Some(server) = NatsServer::start("interrupt a capture") else {
        return;
    };
    for name in ["INT", "TERM"] {
        let folder = Folder::new();
        let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
        let running = capture_out(&server, &folder, "");
        let replaying = Running::start(replay_command(&server, "--rate 1"));
        for _ in 0..20 {
            subscriber.next().unwrap();
        }
        // It answers after its messages: what arrived here arrived there, too.
        RawPublisher::connect(server.port()).request("tickdeck.ready.market.tick");
        running.signal(name);
        let summary = running.wait().done().json();
        assert_eq!(summary["ended"], "signal");
        let count = summary["messages"].as_u64().unwrap();
        assert!((20..918).contains(&count), "{summary}");
        let captured = text(&folder.join("out"));
        assert!(stream(&quick(), "").starts_with(&captured));
        assert_eq!(captured.lines().count() as u64, count);
        assert_eq!(summary["digest"], stream_digest(&captured));
        assert_eq!(
            text(&folder.join("out.times")).lines().count() as u64,
            count
        );
        drop(replaying);
    }
}

#[test]
fn a_stopped_replay_is_verified() {
    let Some(server) = NatsServer::start("capture a stopped replay") else {
        return;
    };
    let folder = Folder::new();
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let running = capture_out(&server, &folder, "");
    let replaying = Running::start(replay_command(&server, "--rate 1"));
    for _ in 0..20 {
        subscriber.next().unwrap();
    }
    replaying.signal("INT");
    let played = replaying.wait().done();
    let summary = running.wait().done().json();
    assert_eq!(summary["complete"], false, "{summary}");
    assert_eq!(summary["verified"], true, "{summary}");
    assert_eq!(summary["messages"], played.json()["published"]);
    assert_eq!(summary["digest"], played.digest());
}

#[test]
fn a_loop_is_verified_over_all_its_passes() {
    let Some(server) = NatsServer::start("capture a loop") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(&server, &folder, "");
    let played = replay(&server, "--rate max --loop -n 2000");
    let summary = running.wait().done().json();
    assert_eq!(summary["complete"], true, "{summary}");
    assert_eq!(summary["verified"], true, "{summary}");
    assert_eq!(summary["messages"], 2000);
    assert_eq!(summary["digest"], played.digest());
}

#[test]
fn a_replay_of_another_prefix_does_not_end_a_capture() {
    let Some(server) = NatsServer::start("two prefixes") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(
        &server,
        &folder,
        "market.tick.> other.tick.> --subject-prefix other.tick",
    );
    replay(&server, "--rate max -n 5");
    let other = replay(&server, "--rate max -n 7 --subject-prefix other.tick");
    let summary = running.wait().done().json();
    assert_eq!(summary["messages"], 12);
    assert_eq!(summary["expected"], 7);
    assert_eq!(summary["verified"], true);
    let captured = text(&folder.join("out"));
    let after: Vec<&str> = captured.lines().skip(5).collect();
    assert_eq!(stream_digest(&after.join("\n")), other.digest());
}

#[test]
fn a_capture_until_a_signal_checks_every_replay() {
    let Some(server) = NatsServer::start("several replays") else {
        return;
    };
    let folder = Folder::new();
    let mut ends = RawSubscriber::connect(server.port(), "tickdeck.end.market.tick");
    let running = capture_out(&server, &folder, "--until signal");
    for _ in 0..2 {
        replay(&server, "--rate max --clock 1");
        ends.next().unwrap();
    }
    // It answers after the second end marker.
    RawPublisher::connect(server.port()).request("tickdeck.ready.market.tick");
    running.signal("INT");
    let summary = running.wait().done().json();
    assert_eq!(summary["ended"], "signal");
    assert_eq!(
        (&summary["messages"], &summary["expected"]),
        (&json!(1836), &json!(1836))
    );
    assert_eq!(summary["verified"], true, "{summary}");
    let session = "synthetic-quick-1-20250912";
    assert_eq!(summary["session"], format!("{session}+{session}"));
    let once = stream(&quick(), "");
    assert!(text(&folder.join("out")) == format!("{once}{once}"));
}

#[test]
fn linger_waits_for_the_answers_of_a_service() {
    let Some(server) = NatsServer::start("linger") else {
        return;
    };
    let folder = Folder::new();
    // Longer than any answer takes; the count ends it as soon as all are there.
    let words = "bars.> --subject-prefix market.tick --linger 10m -n 3";
    let running = capture_out(&server, &folder, words);
    let mut service = RawPublisher::connect(server.port());
    service.publish("bars.rb2510", b"1");
    replay(&server, "--rate max --wait-for-subscribers 1");
    // It answers after the end marker.
    service.request("tickdeck.ready.market.tick");
    service.publish("bars.rb2510", b"2");
    service.publish("bars.au2512", b"3");
    let summary = running.wait().done().json();
    assert_eq!(summary["ended"], "count");
    assert_eq!(summary["complete"], true);
    assert_eq!(
        summary["verified"],
        Value::Null,
        "bars are not the replay's"
    );
    assert_eq!(
        text(&folder.join("out")),
        "bars.rb2510 1\nbars.rb2510 2\nbars.au2512 3\n"
    );
}

#[test]
fn linger_ends_a_capture_after_the_replay() {
    let Some(server) = NatsServer::start("linger without messages") else {
        return;
    };
    let folder = Folder::new();
    let words = "bars.> --subject-prefix market.tick --linger 300ms";
    let running = capture_out(&server, &folder, words);
    RawPublisher::connect(server.port()).publish("bars.rb2510", b"1");
    replay(&server, "--rate max --wait-for-subscribers 1");
    let summary = running.wait().done().json();
    assert_eq!(summary["ended"], "end");
    assert_eq!(summary["complete"], true);
    assert_eq!(text(&folder.join("out")), "bars.rb2510 1\n");
}

#[test]
fn time_spent_stopped_is_no_silence() {
    const MEANWHILE: usize = 20_000;
    const SPAN: Duration = Duration::from_secs(5);
    let Some(server) = NatsServer::start("a capture that stood still") else {
        return;
    };
    let mut publisher = RawPublisher::connect(server.port());
    let clock = SystemClock::new();
    let (running, _folder) = loop {
        let folder = Folder::new();
        let running = capture(&server.url(), &folder, "a.b --idle 5s");
        let silent_from = clock.now();
        publisher.publish("a.b", b"before");
        wait_until("the first message is taken", || {
            running.stdout() == "a.b before\n"
        });
        // Most of the span must be left for the time after: if we stood still ourselves, again.
        if freeze(running.pid()) && clock.now().duration_since(silent_from) < SPAN / 4 {
            break (running, folder);
        }
    };
    // Longer than the span.
    std::thread::sleep(SPAN + SPAN / 10);
    // Enough that the first check does not find them all.
    for _ in 0..MEANWHILE {
        publisher.add("a.b", b"meanwhile");
    }
    publisher.flush();
    running.signal("CONT");
    let ended = running.wait().done();
    let meanwhile = "a.b meanwhile\n".repeat(MEANWHILE);
    assert!(
        ended.stdout == format!("a.b before\n{meanwhile}"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--idle"), "{ended:?}");
}

#[test]
fn a_message_after_the_ready_file_is_in_the_stream() {
    let Some(server) = NatsServer::start("ready") else {
        return;
    };
    let folder = Folder::new();
    // The file of an earlier run must not be taken for this one's.
    let ready = folder.join("ready");
    std::fs::write(&ready, "ready, since long ago\n").unwrap();
    let out = folder.join("out");
    let words = format!(
        "a.* -n 1 -o {} --ready-file {}",
        out.display(),
        ready.display()
    );
    let running = Running::start(capture_command(&server.url(), &words));
    wait_until("the capture is ready", || {
        std::fs::read_to_string(&ready).is_ok_and(|text| text == "ready\n")
    });
    RawPublisher::connect(server.port()).publish("a.b", b"{}");
    let ended = running.wait().done();
    assert!(ended.stderr.contains("capture_ready"), "{ended:?}");
    assert_eq!(text(&out), "a.b {}\n");
}

#[test]
fn control_subjects_are_subscribed_last() {
    let test = "the order of subscriptions";
    let Some(server) = NatsServer::with_config(test, "trace: true") else {
        return;
    };
    let folder = Folder::new();
    let words = "bars.> --subject-prefix market.tick --duration 100ms --allow-empty";
    capture(&server.url(), &folder, words).wait().done();
    let log = text(&server.file("log"));
    let subscribed = log
        .lines()
        .filter_map(|line| line.split_once("[SUB ")?.1.split(' ').next())
        .filter(|subject| !subject.starts_with('_'));
    assert_eq!(
        subscribed.collect::<Vec<_>>(),
        [
            "bars.>",
            "tickdeck.end.market.tick",
            "tickdeck.ready.market.tick"
        ]
    );
}

#[test]
fn large_payloads_are_bounded_by_bytes() {
    const PAYLOAD: usize = 1_000_000;
    /// What 256 MB have room for.
    const MOST: usize = (256 << 20) / PAYLOAD;
    /// What is too much waits in the server.
    const SENT: usize = MOST + 32;
    let Some(server) = NatsServer::start("large payloads") else {
        return;
    };
    let subscriber = Subscriber::start(&server.options(), "a.b").unwrap();
    let mut publisher = RawPublisher::connect(server.port());
    let mut payload = vec![b'x'; PAYLOAD];
    let mut mark = |position: usize| {
        payload[..3].copy_from_slice(format!("{position:03}").as_bytes());
        payload.clone()
    };
    for position in 0..SENT {
        publisher.publish("a.b", &mark(position));
        // In step: the server drops a client that has too much under way.
        wait_until("it came", || subscriber.waiting() >= MOST.min(position + 1));
    }
    for position in 0..SENT {
        assert!(subscriber.waiting() <= MOST);
        let message = subscriber.next(DEADLINE).unwrap();
        assert!(message.payload == mark(position), "message {position}");
    }
    assert_eq!(subscriber.waiting(), 0);
}

#[test]
fn the_end_marker_follows_the_last_tick_on_nats_only() {
    let Some(server) = NatsServer::start("the end marker") else {
        return;
    };
    let subjects = ["market.tick.>", "tickdeck.end.market.tick"];
    let options = SubscriberOptions {
        subjects: subjects.map(|subject| subject.parse().unwrap()).into(),
        answers: Vec::new(),
        reconnect: None,
    };
    let subscriber = Subscriber::start_with(&server.options(), options).unwrap();
    let folder = Folder::new();
    let path = folder.join("stream");
    let sink = format!("--sink nats --sink jsonl:{}", path.display());
    let played = replay(&server, &format!("--rate max {sink}"));
    let mut last = None;
    for position in 0..=918 {
        let message = subscriber.next(DEADLINE).unwrap();
        let is_end = message.subject == "tickdeck.end.market.tick";
        assert_eq!(is_end, position == 918);
        last = Some(message);
    }
    let marker = String::from_utf8(last.unwrap().payload.to_vec()).unwrap();
    assert_eq!(
        keys(&marker),
        "run session complete total digest instruments"
    );
    let marker: Value = serde_json::from_str(&marker).unwrap();
    assert_eq!(marker["session"], "synthetic-quick-1-20250912");
    assert_eq!(marker["complete"], true);
    assert_eq!(marker["total"], 918);
    assert_eq!(marker["digest"], replay_digest(&quick()));
    assert_eq!(marker["digest"], played.digest());
    assert_eq!(marker["instruments"]["CFFEX.IF2509"], 112);
    let instruments = marker["instruments"].as_object().unwrap();
    let sum: u64 = instruments
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!((instruments.len(), sum), (8, 918));
    // A file says by itself where it ends.
    assert!(text(&path) == stream(&quick(), ""));
}

#[test]
fn a_published_recording_ends_with_a_marker() {
    let Some(server) = NatsServer::start("record and capture") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(&server, &folder, "");
    let mut command = tickdeck(
        "record --source synthetic:quick,seed=5 --publish --rate max --json -q -o".split(' '),
    );
    with_nats(command.arg(folder.join("rec")), &server.url());
    let recorded = finish(command).done();
    let summary = running.wait().done().json();
    assert_eq!(summary["verified"], true, "{summary}");
    assert_eq!(summary["digest"], recorded.digest());
    assert_eq!(summary["session"], "rec");
}
