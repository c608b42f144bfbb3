//! From a front in memory to a real subscriber, and to a recording that replays to the same bytes.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tickdeck::clock::VirtualClock;
use tickdeck::contract::{ContractTable, ProductTable};
use tickdeck::event::{Event, EventKind, RawTick, SessionEvent, Text};
use tickdeck::live::LiveEnd;
use tickdeck::sink::{MessageRef, StreamDigest};

use super::{market, nats, publishing, recorded, run, setup};
use crate::support::fake_front::{FakeFront, Stop, push};
use crate::support::log::captured;
use crate::support::nats_client::{RawPublisher, RawSubscriber};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, events, info, replay_digest, repository, stream};
use crate::support::wait_until;

/// Plays the market once, then stops.
fn plays_once(stop: &Stop) -> Box<FakeFront> {
    let stop = stop.clone();
    FakeFront::ready(move |_, inlet| {
        push(inlet, &market());
        stop.stop();
    })
}

#[test]
fn a_subscriber_gets_every_tick_in_order() {
    let Some(server) = NatsServer::start("the live composition") else {
        return;
    };
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let ticks = market();
    let count = ticks.len();
    let receiver = thread::spawn(move || {
        let mut digest = StreamDigest::new();
        let mut ids = Vec::new();
        for _ in 0..count {
            let (subject, payload) = subscriber.next().expect("the server is there");
            let json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            let (exchange, symbol) = (json["exchange"].as_str(), json["symbol"].as_str());
            let expected = format!("market.tick.{}.{}", exchange.unwrap(), symbol.unwrap());
            assert_eq!(subject, expected.replace(' ', "%20"));
            assert_eq!(json["source"], "ctp");
            assert!(json["timestamp"].as_str().unwrap().ends_with("+08:00"));
            assert!(json["local_time"].as_str().unwrap().ends_with("+08:00"));
            ids.push(symbol.unwrap().to_owned());
            digest.update_message(MessageRef {
                subject: subject.as_bytes(),
                payload: &payload,
            });
        }
        // A live session has no end marker.
        let (subject, _) = subscriber.next().expect("the server is there");
        assert_eq!(subject, "market.tick.sentinel");
        (digest.hex(), ids)
    });
    let stop = Stop::default();
    let mut setup = setup(&ticks);
    setup.server = publishing(&nats(server.options()));
    let (ended, log) = captured(|| run(plays_once(&stop), setup, &stop));
    RawPublisher::connect(server.port()).publish("market.tick.sentinel", b"");
    let (digest, ids) = receiver.join().unwrap();
    assert_eq!(digest, ended.digest);
    let sent: Vec<String> = ticks.iter().map(|t| t.instrument_id.to_string()).collect();
    assert_eq!(ids, sent);
    let total = ended.ledger.total();
    assert_eq!((total.published, total.failed), (count as u64, 0));
    assert!(total.adds_up());
    for event in [
        "ctp_front_connected",
        "ctp_login_ok",
        "live_ingest_shutdown",
    ] {
        assert!(log.contains(event), "{event} is not in {log}");
    }
}

#[test]
fn health_is_answered_while_the_session_runs() {
    let Some(server) = NatsServer::start("health of a live session") else {
        return;
    };
    let ticks = market();
    let stop = Stop::default();
    let mut setup = setup(&ticks);
    setup.server = publishing(&nats(server.options()));
    let front = FakeFront::ready(move |_, inlet| push(inlet, &market()));
    let (options, asked) = (server.options(), stop.clone());
    let session = thread::spawn(move || run(front, setup, &asked));
    let mut answer = serde_json::Value::Null;
    wait_until("all ticks are published", || {
        let timeout = Duration::from_secs(2);
        let Ok(bytes) = tickdeck::nats::request_health(&options, "health.check", timeout) else {
            return false;
        };
        answer = serde_json::from_slice(&bytes).unwrap();
        answer["published"] == ticks.len()
    });
    assert_eq!(
        (&answer["status"], &answer["state"], &answer["logins"]),
        (&"ok".into(), &"online".into(), &1.into())
    );
    stop.stop();
    session.join().unwrap();
}

#[test]
fn live_and_replay_have_the_same_digest() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let ended = run(plays_once(&stop), recorded(&ticks, &recording), &stop);
    assert_eq!(ended.recorded, ticks.len() as u64);
    assert_eq!(ended.digest, replay_digest(&recording));
    let read: Vec<_> = events(&recording)
        .iter()
        .filter_map(|event| event.as_tick().copied())
        .collect();
    assert!(read == ticks, "every field of every tick, in order");
    let info = info(&recording);
    assert_eq!(
        (&info["status"], &info["ticks"]),
        (&"complete".into(), &ticks.len().into())
    );
}

#[test]
fn a_replay_uses_the_contract_of_its_day() {
    // A table in which a lot of rapeseed oil was once 5 t. Only the day determines the decade of
    // OI601.
    let table = std::fs::read_to_string(repository("src/core/contract/products.csv")).unwrap();
    let then = "OI,CZCE,N2300,future,10,2,,201811";
    assert!(table.contains(then));
    let table = table.replace(then, "OI,CZCE,N2300,future,5,2,,201811");
    let contracts = ContractTable::with_products(ProductTable::parse(&table).unwrap());
    let folder = Folder::new();
    let recording = folder.join("rec");
    let tick = RawTick {
        instrument_id: Text::new(b"OI601").unwrap(),
        update_time: Text::new(b"10:00:00").unwrap(),
        last_price: 9_000.0,
        average_price: 9_000.0,
        volume: 2,
        turnover: 18_000.0,
        ..RawTick::unset()
    };
    let stop = Stop::default();
    let stopping = stop.clone();
    let front = FakeFront::ready(move |_, inlet| {
        inlet.tick(&tick);
        stopping.stop();
    });
    let mut setup = recorded(&[tick], &recording);
    setup.publisher.contracts = Arc::new(contracts);
    let record = setup.record.as_mut().unwrap();
    record.options.contracts = Arc::clone(&setup.publisher.contracts);
    let ended = run(front, setup, &stop);
    assert_eq!(ended.ledger.total().published, 1);
    let payload = stream(&recording, "");
    assert!(!payload.contains("raw_turnover"), "{payload}");
    assert_eq!(ended.digest, replay_digest(&recording));
}

#[test]
fn session_events_are_recorded() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    run(plays_once(&stop), recorded(&ticks, &recording), &stop);
    let events = events(&recording);
    let kinds: Vec<&str> = events.iter().map(Event::kind_name).collect();
    assert_eq!(
        kinds[..4],
        ["note", "front_connected", "login_ok", "subscribed"]
    );
    let acks = kinds.iter().filter(|kind| **kind == "subscribed").count();
    assert_eq!(acks, super::instruments(&ticks).len());
    let seqs: Vec<u64> = events.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, (0..events.len() as u64).collect::<Vec<_>>());
    assert!(events.iter().any(|event| matches!(
        &event.kind,
        EventKind::Session(SessionEvent::LoginOk { trading_day }) if trading_day == "20260105"
    )));
}

#[test]
fn a_stop_under_load_loses_nothing() {
    let Some(server) = NatsServer::start("a stop under load") else {
        return;
    };
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let mut setup = recorded(&ticks, &recording);
    setup.server = publishing(&nats(server.options()));
    let pushing = stop.clone();
    let front = FakeFront::ready(move |_, inlet| {
        let (inlet, stop) = (inlet.clone(), pushing.clone());
        // The library's thread: it pushes until after the session is closed.
        thread::spawn(move || {
            let ticks = market();
            for round in 0..40 {
                push(&inlet, &ticks);
                if round == 20 {
                    stop.stop();
                }
            }
        });
    });
    let ended = run(front, setup, &stop);
    let total = ended.ledger.total();
    assert!(total.received >= 20 * ticks.len() as u64, "{total:?}");
    assert_eq!(ended.live.dropped, 0);
    assert_eq!(ended.recorded, total.received);
    assert_eq!((total.published, total.failed), (total.received, 0));
    assert_eq!(ended.digest, replay_digest(&recording));
}

#[test]
fn a_session_ends_when_its_time_is_up() {
    let ticks = market();
    let mut setup = setup(&ticks);
    setup.live.run_for = Some(Duration::from_secs(1));
    // Virtual time does not advance before the session is up, however slow the machine is.
    let clock = Arc::new(VirtualClock::new());
    let passing = Arc::clone(&clock);
    let front = FakeFront::ready(move |_, _| passing.advance(1_000_000_000));
    let session = setup.session(&Stop::default()).clock(clock);
    let ended = session.run(front).unwrap();
    assert_eq!(ended.live.end, LiveEnd::Stopped);
    assert_eq!(ended.live.logins, 1);
    assert!(ended.error.is_none());
}
