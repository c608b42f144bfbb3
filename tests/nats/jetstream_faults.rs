//! A stream stays the run, once and in order, whatever happens to the server, the connection, the stream
//! or the writer. What cannot be kept is said.

use std::thread;
use std::time::Duration;

use serde_json::json;
use tickdeck::nats::stream::StreamSettings;
use tickdeck::sink::{
    JetStreamOptions, JetStreamSink, NotVerified, Sink as _, SinkError, StreamDigest, StreamProof,
};

use super::{checked_seq, messages};
use crate::support::cli::{Running, finish, tickdeck, with_nats};
use crate::support::log::captured;
use crate::support::nats_server::{NatsServer, options};
use crate::support::proxy::Proxy;
use crate::support::recordings::{Folder, stream};
use crate::support::stream::{JETSTREAM, StreamClient, lines};
use crate::support::{times, wait_until};

const STREAM: &str = "TICKS";
/// Messages of a run for each time that its server is killed.
const MESSAGES_A_KILL: u64 = 50_000;
/// Messages that are handed over at once.
const STEP: u64 = 250;

/// Messages of a run. `TICKDECK_STREAM_MESSAGES` sets another number.
fn count() -> u64 {
    times("TICKDECK_STREAM_MESSAGES", 20_000)
}

fn server(test: &str) -> Option<NatsServer> {
    NatsServer::with_config(test, JETSTREAM)
}

fn settings(resume: bool, durable: bool) -> StreamSettings {
    StreamSettings {
        create: true,
        resume,
        durable,
        ..StreamSettings::new(STREAM.parse().unwrap())
    }
}

fn sink_at(url: &str, run: &str, settings: StreamSettings) -> JetStreamSink {
    let options = JetStreamOptions::new(options(url), settings, "session", run);
    JetStreamSink::connect(&options).unwrap()
}

fn digest(count: u64) -> String {
    let mut digest = StreamDigest::new();
    digest.update(&messages(0, count));
    digest.hex()
}

/// Publishes `0..count`, and does `fault` after each tenth of them, with the number of the tenth.
fn publish(sink: JetStreamSink, count: u64, fault: impl FnMut(u64)) -> StreamProof {
    publish_in(10, sink, count, fault)
}

/// The same with another number of parts.
fn publish_in(
    parts: u64,
    mut sink: JetStreamSink,
    count: u64,
    mut fault: impl FnMut(u64),
) -> StreamProof {
    let proof = sink.proof();
    for from in (0..count).step_by(usize::try_from(STEP).unwrap()) {
        sink.publish(&messages(from, count.min(from + STEP)))
            .unwrap();
        let (before, after) = (from * parts / count, (from + STEP) * parts / count);
        if before != after && after < parts {
            fault(after);
        }
    }
    Box::new(sink).finish().unwrap();
    proof
}

/// Checks with an independent client, and as a replay does, that the stream has `0..count`.
#[track_caller]
fn check(server: &NatsServer, proof: &StreamProof, count: u64) {
    let stored = StreamClient::connect(server.port()).messages(STREAM);
    assert_eq!(stored.len() as u64, count);
    for (position, message) in (0..).zip(&stored) {
        assert_eq!(message.sequence, position + 1);
        assert_eq!(checked_seq(&message.subject, &message.payload), position);
    }
    assert_eq!(proof.verify(count, &digest(count)), Ok(()));
}

#[test]
fn a_killed_server_gets_every_message_once() {
    for durable in [false, true] {
        let Some(mut server) = server("a killed server with a stream") else {
            return;
        };
        let count = count();
        let sink = sink_at(&server.url(), "run", settings(false, durable));
        let stats = sink.stats();
        let proof = publish(sink, count, |tenth| {
            if tenth % 3 == 0 {
                server.restart();
            }
        });
        assert!(stats.reconnects() >= 2, "{stats:?}");
        check(&server, &proof, count);
    }
}

#[test]
fn a_server_that_is_killed_again_and_again_gets_every_message_once() {
    let Some(mut server) = server("a server that is killed often") else {
        return;
    };
    let kills = times("TICKDECK_STREAM_KILLS", 2);
    let count = kills * MESSAGES_A_KILL;
    let sink = sink_at(&server.url(), "run", settings(false, false));
    let stats = sink.stats();
    let proof = publish_in(kills + 1, sink, count, |_| server.restart());
    assert_eq!(stats.reconnects(), kills, "{stats:?}");
    check(&server, &proof, count);
}

#[test]
fn a_cut_connection_stores_every_message_once() {
    for durable in [false, true] {
        let Some(server) = server("a cut connection to a stream") else {
            return;
        };
        let count = count();
        let proxy = Proxy::to(server.port());
        proxy.cut_after(1_500_000);
        let sink = sink_at(&proxy.url(), "run", settings(false, durable));
        let stats = sink.stats();
        let proof = publish(sink, count, |_| {});
        assert!(stats.reconnects() >= 3, "{stats:?}");
        proxy.cut_after(0);
        check(&server, &proof, count);
    }
}

#[test]
fn a_frozen_server_is_waited_for() {
    let Some(server) = server("a frozen server with a stream") else {
        return;
    };
    let count = count();
    let sink = sink_at(&server.url(), "run", settings(false, false));
    let proof = publish(sink, count, |tenth| {
        if tenth == 5 {
            server.freeze();
            let pid = server.pid();
            thread::spawn(move || {
                thread::sleep(Duration::from_secs(6));
                crate::support::cli::signal(pid, "CONT");
            });
        }
    });
    check(&server, &proof, count);
}

#[test]
fn a_deleted_stream_ends_the_run() {
    for (recreate, said) in [
        (false, "was deleted while it was written"),
        (true, "was deleted and created again"),
    ] {
        let Some(server) = server("a deleted stream") else {
            return;
        };
        let mut client = StreamClient::connect(server.port());
        let mut sink = sink_at(&server.url(), "run", settings(false, false));
        sink.publish(&messages(0, 500)).unwrap();
        sink.flush().unwrap();
        client.done("STREAM.DELETE.TICKS", &json!({}));
        if recreate {
            client.create(STREAM, json!({}));
        }
        let ended = sink
            .publish(&messages(500, 600))
            .and_then(|()| sink.flush());
        let ended = ended.unwrap_err().to_string();
        assert!(ended.contains(said), "{ended}");
        assert_eq!(client.count(STREAM), 0);
    }
}

#[test]
fn a_purged_stream_is_not_verified() {
    let Some(server) = server("a purged stream") else {
        return;
    };
    let mut client = StreamClient::connect(server.port());
    let mut sink = sink_at(&server.url(), "run", settings(false, false));
    sink.publish(&messages(0, 500)).unwrap();
    sink.flush().unwrap();
    client.done("STREAM.PURGE.TICKS", &json!({}));
    sink.publish(&messages(500, 800)).unwrap();
    let proof = sink.proof();
    Box::new(sink).finish().unwrap();
    let missing = NotVerified::Missing {
        missing: 500,
        expected: 800,
    };
    assert_eq!(proof.verify(800, &digest(800)), Err(missing));
    let other = proof.verify(800, "0").unwrap_err();
    assert!(matches!(other, NotVerified::Missing { .. }));
}

#[test]
fn a_changed_stream_is_not_verified() {
    let Some(server) = server("a changed stream") else {
        return;
    };
    let sink = sink_at(&server.url(), "run", settings(false, false));
    let proof = publish(sink, 500, |_| {});
    let different = proof.verify(500, &digest(499)).unwrap_err();
    assert!(matches!(different, NotVerified::Different { .. }));
    let more = proof.verify(499, &digest(499)).unwrap_err();
    assert_eq!(more, NotVerified::More { more: 1 });
}

#[test]
fn of_two_writers_the_second_stops() {
    let Some(server) = server("two writers of a stream") else {
        return;
    };
    // Both publish the same bytes: only the run tells them apart.
    let mut first = sink_at(&server.url(), "first", settings(false, false));
    let mut second = sink_at(&server.url(), "second", settings(false, false));
    first.publish(&messages(0, 300)).unwrap();
    first.flush().unwrap();
    let ended = second
        .publish(&messages(0, 1000))
        .and_then(|()| second.flush());
    let Err(SinkError::Nats { failure, .. }) = ended else {
        panic!("it stops");
    };
    assert!(
        failure.to_string().contains("has another writer"),
        "{failure}"
    );
    first.publish(&messages(300, 600)).unwrap();
    let proof = first.proof();
    Box::new(first).finish().unwrap();
    check(&server, &proof, 600);
}

#[test]
fn a_killed_writer_is_continued() {
    let Some(server) = server("a killed replay into a stream") else {
        return;
    };
    let folder = Folder::new();
    let market = folder.generate("market", "--profile quick --seed 3");
    let replay = |words: &str| {
        let mut command = tickdeck(["replay".as_ref(), market.as_os_str()]);
        command.args("--json --sink jetstream:TICKS --create-stream".split(' '));
        command.args(words.split(' '));
        with_nats(&mut command, &server.url());
        command
    };
    let mut client = StreamClient::connect(server.port());
    let running = Running::start(replay("--rate 10"));
    wait_until("some messages are there", || client.count(STREAM) > 200);
    running.signal("KILL");
    drop(running.wait());
    let before = client.count(STREAM);
    let resumed = finish(replay("--rate max --resume")).done().json();
    assert_eq!(resumed["verified"], true, "{resumed}");
    assert!(
        resumed["published"].as_u64().unwrap() > before,
        "killed too late"
    );
    assert_eq!(lines(&client.messages(STREAM)), stream(&market, ""));
}

#[test]
fn a_stream_that_went_back_is_counted_and_filled_again() {
    let Some(mut server) = server("a stream that went back") else {
        return;
    };
    let count = count();
    let folder = Folder::new();
    let (store, copy) = (server.file("js"), folder.join("copy"));
    let (proof, log) = captured(|| {
        let mut sink = sink_at(&server.url(), "run", settings(false, false));
        let proof = sink.proof();
        sink.publish(&messages(0, count / 2)).unwrap();
        sink.flush().unwrap();
        server.kill();
        copy_folder(&store, &copy);
        server.restart();
        sink.publish(&messages(count / 2, count / 2 + 3000))
            .unwrap();
        sink.flush().unwrap();
        server.kill();
        std::fs::remove_dir_all(&store).unwrap();
        copy_folder(&copy, &store);
        server.restart();
        sink.publish(&messages(count / 2 + 3000, count)).unwrap();
        Box::new(sink).finish().unwrap();
        proof
    });
    assert_eq!(proof.broker_lost(), 3000);
    let said = "the broker lost 3000 acknowledged messages";
    assert!(log.contains(said), "{log}");
    check(&server, &proof, count);
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
