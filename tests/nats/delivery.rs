//! Order, completeness and honesty of the counts, over a network that works and one that does not.

use std::thread;
use std::time::Duration;

use tickdeck::nats::NatsOptions;
use tickdeck::sink::{MessageBatch, NatsSink, Sink};

use super::{Settled, checked_seq, message, messages};
use crate::support::log::captured;
use crate::support::nats_client::RawSubscriber;
use crate::support::nats_server::NatsServer;
use crate::support::proxy::Proxy;
use crate::support::wait_until;

fn confirmed(count: u64) -> Settled {
    Settled {
        confirmed: count,
        rejected: 0,
    }
}

/// Reads until every one of `from..to` was seen, and checks that first appearances are in order:
/// every repeated message must have arrived before. Returns the number of repetitions.
fn receive_all(subscriber: &mut RawSubscriber, from: u64, to: u64) -> u64 {
    let (mut next, mut again) = (from, 0);
    while next < to {
        let (subject, payload) = subscriber.next().expect("the server is there");
        let seq = checked_seq(&subject, &payload);
        assert!(seq <= next, "{seq} overtook {next}");
        if seq == next {
            next += 1;
        } else {
            again += 1;
        }
    }
    again
}

#[test]
fn a_million_messages_arrive_complete_and_in_order() {
    const COUNT: u64 = 1_000_000;
    let Some(server) = NatsServer::start("a million messages") else {
        return;
    };
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let receiver = thread::spawn(move || {
        for expected in 0..COUNT {
            let (subject, payload) = subscriber.next().expect("the server is there");
            let sent = message(expected);
            assert_eq!(subject.as_bytes(), sent.subject);
            assert_eq!(payload, sent.payload);
        }
    });
    let mut sink = Box::new(NatsSink::connect(&server.options()).unwrap());
    let stats = sink.stats();
    for from in (0..COUNT).step_by(4096) {
        sink.publish(&messages(from, COUNT.min(from + 4096)))
            .unwrap();
    }
    sink.finish().unwrap();
    assert_eq!(stats.confirmed(), COUNT);
    receiver.join().unwrap();
    assert_eq!((stats.resent(), stats.reconnects()), (0, 0));
}

#[test]
fn single_messages_are_confirmed_without_a_flush() {
    let Some(server) = NatsServer::start("single messages") else {
        return;
    };
    let mut sink = NatsSink::connect(&server.options()).unwrap();
    for i in 0..3 {
        sink.publish(&messages(i, i + 1)).unwrap();
    }
    let mut settled = Settled::default();
    wait_until("the marker returns", || {
        settled.update(&mut sink) == confirmed(3) && sink.stats().taken() == 3
    });
}

#[test]
fn an_empty_sink_flushes_and_finishes() {
    let Some(server) = NatsServer::start("an empty sink") else {
        return;
    };
    let mut sink = Box::new(NatsSink::connect(&server.options()).unwrap());
    sink.publish(&messages(0, 0)).unwrap();
    sink.flush().unwrap();
    assert_eq!(Settled::default().update(sink.as_mut()), confirmed(0));
    sink.finish().unwrap();
}

#[test]
fn a_cut_connection_loses_nothing_and_keeps_order() {
    const COUNT: u64 = 100_000;
    let Some(server) = NatsServer::start("a cut connection") else {
        return;
    };
    let proxy = Proxy::to(server.port());
    // Some 22 MB go through: the connection breaks several times, each time with messages under
    // way.
    proxy.cut_after(5_000_000);
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let receiver = thread::spawn(move || receive_all(&mut subscriber, 0, COUNT));
    let (stats, log) = captured(|| {
        let mut sink = Box::new(NatsSink::connect(&proxy.options()).unwrap());
        let stats = sink.stats();
        for from in (0..COUNT).step_by(500) {
            sink.publish(&messages(from, from + 500)).unwrap();
        }
        sink.finish().unwrap();
        assert_eq!(stats.confirmed(), COUNT);
        stats
    });
    let again = receiver.join().unwrap();
    assert!(stats.reconnects() >= 3, "{stats:?}");
    // An attempt may be given up on the way: it was accepted, and is not a connection.
    assert!(proxy.accepted() as u64 > stats.reconnects(), "{stats:?}");
    assert!(stats.resent() > 0, "{stats:?}");
    assert!(again <= stats.resent(), "{again} came again, {stats:?}");
    for line in ["nats_disconnected", "nats_resend", "nats_connected"] {
        assert!(log.contains(line), "{line} is not in {log}");
    }
}

#[test]
fn a_restarted_server_gets_everything() {
    const HALF: u64 = 20_000;
    let Some(mut server) = NatsServer::start("a killed server") else {
        return;
    };
    let proxy = Proxy::to(server.port());
    let mut sink = Box::new(NatsSink::connect(&proxy.options()).unwrap());
    let stats = sink.stats();
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    sink.publish(&messages(0, HALF)).unwrap();
    sink.flush().unwrap();
    assert_eq!(Settled::default().update(sink.as_mut()), confirmed(HALF));
    assert_eq!(receive_all(&mut subscriber, 0, HALF), 0);

    // The second half is more than channel and window hold, so the sink blocks until the server is
    // back. The proxy keeps it away until the subscriber is there again: core NATS does not keep
    // messages for later subscribers.
    proxy.close();
    server.kill();
    let publisher = thread::spawn(move || {
        sink.publish(&messages(HALF, 3 * HALF)).unwrap();
        sink.finish().unwrap();
    });
    server.restart();
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    assert_eq!(stats.confirmed(), HALF, "nothing is confirmed meanwhile");
    assert!(!publisher.is_finished());
    proxy.reopen();
    receive_all(&mut subscriber, HALF, 3 * HALF);
    publisher.join().unwrap();
    assert_eq!(stats.confirmed(), 3 * HALF);
    assert_eq!(stats.reconnects(), 1);
}

#[test]
fn a_sleeping_subscriber_misses_nothing() {
    const COUNT: u64 = 100_000;
    let Some(server) = NatsServer::start("a slow subscriber") else {
        return;
    };
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let mut sink = Box::new(NatsSink::connect(&server.options()).unwrap());
    let stats = sink.stats();
    sink.publish(&messages(0, COUNT)).unwrap();
    // Everything is in the server's and the kernel's buffers before the first read.
    sink.finish().unwrap();
    assert_eq!(stats.confirmed(), COUNT);
    assert_eq!(receive_all(&mut subscriber, 0, COUNT), 0);
}

#[test]
fn a_stopped_sink_rejects_the_unconfirmed() {
    let Some(mut server) = NatsServer::start("a stopped sink") else {
        return;
    };
    let mut sink = NatsSink::connect(&server.options()).unwrap();
    sink.publish(&messages(0, 10)).unwrap();
    sink.flush().unwrap();
    let mut settled = Settled::default();
    assert_eq!(settled.update(&mut sink), confirmed(10));
    server.kill();
    sink.publish(&messages(10, 15)).unwrap();
    let stop = sink.stop_handle();
    let stopper = thread::spawn(move || {
        // Most often the flush below waits by then; before it the stop means the same.
        thread::sleep(Duration::from_millis(100));
        stop.stop();
    });
    let error = sink.flush().unwrap_err().to_string();
    assert!(
        error.ends_with("stopped before everything was confirmed"),
        "{error}"
    );
    assert!(error.contains(&server.url()), "{error}");
    assert_eq!(
        settled.update(&mut sink),
        Settled {
            confirmed: 10,
            rejected: 5
        }
    );
    assert!(sink.publish(&messages(15, 16)).is_err());
    stopper.join().unwrap();
}

#[test]
fn the_reconnect_timeout_ends_the_sink() {
    let Some(mut server) = NatsServer::start("a server that does not return") else {
        return;
    };
    let options = NatsOptions {
        reconnect_timeout: Some(Duration::from_millis(300)),
        ..server.options()
    };
    let mut sink = NatsSink::connect(&options).unwrap();
    // Nothing is confirmed, and the sink does not know yet that it will not be.
    server.freeze();
    sink.publish(&messages(0, 5)).unwrap();
    server.kill();
    let error = sink.flush().unwrap_err().to_string();
    assert!(error.contains("not reachable for 0.3 s"), "{error}");
    assert_eq!(Settled::default().update(&mut sink).rejected, 5);
}

#[test]
fn a_message_that_nats_cannot_carry_is_named() {
    let Some(server) = NatsServer::with_config("an oversized message", "max_payload: 1000") else {
        return;
    };
    let mut large = message(0);
    large.payload = vec![b'x'; 1001].into();
    let mut spaced = message(0);
    spaced.subject = "market.tick.CZCE.SPD RM601".into();
    for (bad, needle) in [(large, "(1001 bytes)"), (spaced, "SPD RM601")] {
        let mut sink = NatsSink::connect(&server.options()).unwrap();
        sink.publish(&MessageBatch::from_iter([bad])).unwrap();
        let error = sink.flush().unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
}
