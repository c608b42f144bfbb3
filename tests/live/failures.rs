//! Fronts that refuse, disconnect, reconnect and flood, unreachable servers, and libraries that
//! hang.

use std::ops::Range;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tickdeck::event::{Event, EventKind, InstrumentId, SessionEvent};
use tickdeck::live::{
    Abandoned, Attempt, Backoff, Connector, Inlet, LiveEnd, MarketDataSession, OpenError,
    RequestError,
};
use tickdeck::session::LiveNats;
use tickdeck::sink::{Fate, MessageBatch, Outstanding, Sink, SinkError};

use super::{Setup, market, publishing, recorded, run, setup};
use crate::support::fake_front::{Asked, FakeFront, Stop, push};
use crate::support::log::captured;
use crate::support::nats_server::NatsServer;
use crate::support::proxy::Proxy;
use crate::support::recordings::{Folder, events, info, replay_digest};

const MS: i64 = 1_000_000;

/// The same, with short time limits for a test.
fn hasty(mut setup: Setup) -> Setup {
    let supervisor = &mut setup.live.supervisor;
    supervisor.backoff = Backoff {
        first_ns: 10 * MS,
        cap_ns: 40 * MS,
        seed: 7,
    };
    supervisor.connect_timeout_ns = 2_000 * MS;
    supervisor.login_timeout_ns = 2_000 * MS;
    supervisor.reconnect_grace_ns = 2_000 * MS;
    supervisor.batch_interval_ns = MS;
    setup
}

#[test]
fn a_permanent_refusal_ends_the_session() {
    let ticks = market();
    let front = FakeFront::new(|_, asked, inlet| {
        match asked {
            Asked::Open => inlet.front_connected(),
            Asked::Login => inlet.login_failed(3, "CTP:不合法的登录"),
            _ => {}
        }
        Ok(())
    });
    let (ended, log) = captured(|| run(front, setup(&ticks), &Stop::default()));
    let LiveEnd::GaveUp { reason } = ended.live.end else {
        panic!("{:?}", ended.live)
    };
    assert!(
        reason.to_string().contains("不合法的登录") && reason.to_string().contains("not valid"),
        "{reason}"
    );
    assert_eq!(ended.live.attempts, 1, "trying again may lock the account");
    assert!(log.contains("ctp_login_failed"), "{log}");
}

#[test]
fn a_front_not_ready_gets_new_sessions() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let front = FakeFront::new(move |attempt, asked, inlet| {
        match (attempt, asked) {
            // Never answers, then does not answer the login, then is not ready.
            (1, _) => {}
            (_, Asked::Open) => inlet.front_connected(),
            (2, Asked::Login) => {}
            (3, Asked::Login) => inlet.login_failed(7, "CTP:还没有初始化"),
            (_, Asked::Login) => inlet.login_ok(""),
            (_, Asked::Subscribe(_)) => {
                push(inlet, &market());
                stopping.stop();
            }
            _ => {}
        }
        Ok(())
    });
    let setup = hasty(recorded(&ticks, &recording));
    let (ended, log) = captured(|| run(front, setup, &stop));
    let failed: Vec<(u32, &str, String)> = ended
        .live
        .failed
        .iter()
        .map(|f| (f.attempt, f.session.as_str(), f.reason.to_string()))
        .collect();
    assert_eq!(
        failed,
        [
            (1, "test-a1", "connect_timeout".to_owned()),
            (2, "test-a2", "login_timeout".to_owned()),
            (3, "test-a3", "login_failed: 7 NOT_INITED".to_owned()),
        ]
    );
    for report in &ended.live.failed {
        assert!(report.next_backoff_s <= 0.04, "{report:?}");
    }
    for word in [
        "ctp_retry",
        "attempt=1",
        "reason=\"connect_timeout\"",
        "next_backoff=",
    ] {
        assert!(log.contains(word), "{word} is not in {log}");
    }
    assert_eq!(ended.digest, replay_digest(&recording));
}

#[test]
fn a_loss_leaves_a_gap_and_a_new_subscription() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let mut round = 0;
    let front = FakeFront::ready(move |_, inlet| {
        push(inlet, &market());
        round += 1;
        if round == 1 {
            inlet.front_disconnected(0x2001);
            inlet.front_connected();
        } else {
            stopping.stop();
        }
    });
    let ended = run(front, hasty(recorded(&ticks, &recording)), &stop);
    assert_eq!((ended.live.logins, ended.live.attempts), (2, 1));
    let events = events(&recording);
    let kinds: Vec<&str> = events.iter().map(Event::kind_name).collect();
    let lost = kinds
        .iter()
        .position(|kind| *kind == "front_disconnected")
        .unwrap();
    assert_eq!(kinds[lost - 1], "heartbeat_lost");
    assert_eq!(kinds[lost + 1..lost + 3], ["front_connected", "login_ok"]);
    let acks = kinds[lost..]
        .iter()
        .filter(|kind| **kind == "subscribed")
        .count();
    assert_eq!(acks, super::instruments(&ticks).len());
    assert_eq!(ended.recorded, 2 * ticks.len() as u64);
    assert_eq!(ended.digest, replay_digest(&recording));
}

#[test]
fn a_request_that_is_not_taken_is_made_again() {
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let mut refused = 0;
    let front = FakeFront::new(move |_, asked, inlet| {
        match asked {
            Asked::Open => inlet.front_connected(),
            Asked::Login => inlet.login_ok(""),
            Asked::Subscribe(_) if refused == 0 => {
                refused += 1;
                return Err(RequestError::TooManyPerSecond);
            }
            Asked::Subscribe(_) => {
                push(inlet, &market());
                stopping.stop();
            }
            Asked::Close => {}
        }
        Ok(())
    });
    let ended = run(front, setup(&ticks), &stop);
    assert_eq!(ended.ledger.total().received, ticks.len() as u64);
}

/// A sink that accepts nothing until it is released.
struct Gate(mpsc::Receiver<()>, Outstanding);

impl Sink for Gate {
    fn name(&self) -> String {
        "gate".into()
    }
    fn publish(&mut self, messages: &MessageBatch) -> Result<(), SinkError> {
        // The sender is dropped once the flood is over.
        let _ = self.0.recv();
        self.1.take(messages.len() as u64);
        self.1.confirm_all();
        Ok(())
    }
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.1.report(each);
    }
    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn pushing_a_tick_allocates_nothing() {
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let (result, results) = mpsc::channel();
    let front = FakeFront::ready(move |_, inlet| {
        let ticks = market();
        // The first push of a thread may allocate.
        inlet.tick(&ticks[0]);
        let measured = allocation_counter::measure(|| {
            for _ in 0..10 {
                for tick in &ticks {
                    inlet.tick(tick);
                }
            }
        });
        result.send(measured.count_total).unwrap();
        stopping.stop();
    });
    let mut setup = setup(&ticks);
    setup.live.queue_slots = 64;
    let ended = run(front, setup, &stop);
    assert_eq!(results.recv().unwrap(), 0);
    let received = ended.ledger.total().received;
    assert_eq!(received + ended.live.dropped, 10 * ticks.len() as u64 + 1);
}

#[test]
fn an_overflow_is_counted_and_recorded() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let (open, gate) = mpsc::channel();
    let mut open = Some(open);
    const ROUNDS: usize = 60;
    let front = FakeFront::ready(move |_, inlet| {
        for _ in 0..ROUNDS {
            push(inlet, &market());
        }
        drop(open.take());
        stopping.stop();
    });
    let mut setup = recorded(&ticks, &recording);
    setup.live.queue_slots = 1_024;
    setup.sinks = vec![Box::new(Gate(gate, Outstanding::default()))];
    let ended = run(front, setup, &stop);
    let sent = (ROUNDS * ticks.len()) as u64;
    assert!(ended.live.dropped > 0);
    assert_eq!(ended.ledger.total().received + ended.live.dropped, sent);
    let rows: u64 = events(&recording)
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Session(SessionEvent::Overflow { dropped }) => Some(*dropped),
            _ => None,
        })
        .sum();
    assert_eq!(rows, ended.live.dropped);
    let ledger = ended.manifest.unwrap().ledger;
    assert_eq!(ledger.dropped["overflow"], ended.live.dropped);
    assert_eq!(ledger.received, sent);
    assert_eq!(ended.digest, replay_digest(&recording));
}

#[test]
fn a_lost_server_costs_nothing_of_the_recording() {
    let Some(server) = NatsServer::start("a server that is lost") else {
        return;
    };
    let proxy = Proxy::to(server.port());
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let (stopping, mut proxy) = (stop.clone(), Some(proxy));
    let mut setup = recorded(&ticks, &recording);
    let mut options = server.options();
    options.servers = proxy.as_ref().unwrap().url().parse().unwrap();
    setup.server = publishing(&LiveNats {
        buffer: 100,
        drain: Duration::from_millis(300),
        ..LiveNats::new(options)
    });
    let front = FakeFront::ready(move |_, inlet| {
        drop(proxy.take());
        push(inlet, &market());
        stopping.stop();
    });
    let (ended, log) = captured(|| run(front, setup, &stop));
    let total = ended.ledger.total();
    let count = ticks.len() as u64;
    assert_eq!(
        (total.received, total.published + total.failed),
        (count, count)
    );
    assert!(total.failed >= count - 100, "{total:?}");
    assert!(total.adds_up());
    assert!(
        log.contains("nats_buffer_full") && log.contains("drain_timeout"),
        "{log}"
    );
    assert!(ended.error.is_none(), "{:?}", ended.error);
    assert_eq!(ended.recorded, count);
    assert_eq!(
        ended.digest,
        replay_digest(&recording),
        "failed sends do not change it"
    );
}

/// Accepts all but the last message of each batch, and never waits.
#[derive(Default)]
struct Picky {
    outstanding: Outstanding,
}

impl Sink for Picky {
    fn name(&self) -> String {
        "picky".into()
    }
    fn publish(&mut self, messages: &MessageBatch) -> Result<(), SinkError> {
        self.outstanding.take(messages.len() as u64 - 1);
        self.outstanding.reject(1);
        self.outstanding.confirm_all();
        Ok(())
    }
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.outstanding.report(each);
    }
    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn rejected_messages_fail_per_instrument() {
    let ticks = market();
    let last = ticks.last().unwrap().instrument_id;
    let stop = Stop::default();
    let stopping = stop.clone();
    let front = FakeFront::ready(move |_, inlet| {
        push(inlet, &market());
        stopping.stop();
    });
    let mut setup = setup(&ticks);
    setup.sinks = vec![Box::new(Picky::default())];
    let ended = run(front, setup, &stop);
    let total = ended.ledger.total();
    assert!(total.failed > 0 && total.adds_up(), "{total:?}");
    let by_instrument = ended.ledger.by_instrument();
    assert!(
        by_instrument
            .values()
            .all(tickdeck::pipeline::InstrumentLedger::adds_up)
    );
    assert!(
        by_instrument[&last].failed > 0,
        "the last one was not taken"
    );
}

#[test]
fn an_unreleased_session_is_abandoned() {
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let front = FakeFront::new(move |_, asked, inlet| match asked {
        Asked::Open => {
            inlet.front_connected();
            Ok(())
        }
        Asked::Login => {
            stopping.stop();
            Ok(())
        }
        Asked::Subscribe(_) => Ok(()),
        Asked::Close => Err(RequestError::Other(0)),
    });
    let (ended, log) = captured(|| run(front, setup(&ticks), &stop));
    assert_eq!(ended.live.abandoned, 1);
    assert!(log.contains("ctp_session_abandoned"), "{log}");
}

#[test]
fn an_existing_recording_is_not_touched() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    std::fs::create_dir(&recording).unwrap();
    std::fs::write(recording.join("mine"), "x").unwrap();
    let ticks = market();
    let session = recorded(&ticks, &recording).session(&Stop::default());
    let refused = session.run(FakeFront::new(|_, _, _| panic!("nothing is opened")));
    assert!(refused.unwrap_err().to_string().contains("rec"));
    assert_eq!(crate::support::recordings::names(&recording), ["mine"]);
}

#[test]
fn an_empty_session_is_a_recording_too() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let front = FakeFront::ready(move |_, _| stopping.stop());
    let ended = run(front, recorded(&ticks, &recording), &stop);
    assert_eq!((ended.recorded, ended.delay), (0, None));
    assert_eq!(info(&recording)["ticks"], 0);
    assert_eq!(ended.digest, replay_digest(&recording));
}

/// A front whose first session breaks: it is logged in, but delivers no more callbacks.
struct BreaksOnce(Box<FakeFront>);

struct Broken(Box<dyn MarketDataSession>);

impl Connector for BreaksOnce {
    fn open(
        &mut self,
        attempt: &Attempt,
        inlet: Inlet,
    ) -> Result<Box<dyn MarketDataSession>, OpenError> {
        let session = self.0.open(attempt, inlet)?;
        Ok(match attempt.number {
            1 => Box::new(Broken(session)),
            _ => session,
        })
    }
}

impl MarketDataSession for Broken {
    fn login(&mut self) -> Result<(), RequestError> {
        self.0.login()
    }

    fn fault(&self) -> Option<&'static str> {
        Some("callback_panicked")
    }

    fn subscribe(&mut self, instruments: &[InstrumentId]) -> Result<(), RequestError> {
        self.0.subscribe(instruments)
    }

    fn close(self: Box<Self>, at_most: Duration) -> Result<(), Abandoned> {
        self.0.close(at_most)
    }
}

#[test]
fn a_broken_session_is_replaced() {
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let front = FakeFront::ready(move |attempt, inlet| {
        if attempt > 1 {
            push(inlet, &market());
            stopping.stop();
        }
    });
    let mut setup = setup(&ticks);
    setup.live.supervisor.backoff = Backoff {
        first_ns: 1,
        cap_ns: 1,
        seed: 0,
    };
    let (ended, log) = captured(|| run(Box::new(BreaksOnce(front)), setup, &stop));
    assert!(log.contains("ctp_session_broken"), "{log}");
    assert_eq!(ended.live.failed[0].reason.to_string(), "callback_panicked");
    assert_eq!(ended.ledger.total().received, ticks.len() as u64);
    let last = ended.live.last.unwrap();
    assert_eq!((last.attempt, last.reached), (2, "logged_in"));
}

/// A library that releases every session late, but before the next attempt.
struct LetsGoLate {
    front: Box<FakeFront>,
    waited: Arc<Mutex<Vec<Duration>>>,
}

struct Late(Box<dyn MarketDataSession>, Arc<Mutex<Vec<Duration>>>);

impl Connector for LetsGoLate {
    fn open(
        &mut self,
        attempt: &Attempt,
        inlet: Inlet,
    ) -> Result<Box<dyn MarketDataSession>, OpenError> {
        let session = self.front.open(attempt, inlet)?;
        Ok(Box::new(Late(session, Arc::clone(&self.waited))))
    }

    fn reclaimed(&mut self) -> u32 {
        1
    }
}

impl MarketDataSession for Late {
    fn login(&mut self) -> Result<(), RequestError> {
        self.0.login()
    }

    fn subscribe(&mut self, instruments: &[InstrumentId]) -> Result<(), RequestError> {
        self.0.subscribe(instruments)
    }

    fn close(self: Box<Self>, at_most: Duration) -> Result<(), Abandoned> {
        self.1.lock().unwrap().push(at_most);
        self.0.close(at_most)?;
        Err(Abandoned { at_most })
    }
}

#[test]
fn a_late_release_between_attempts_is_waited_for() {
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let front = FakeFront::new(move |attempt, asked, inlet| {
        match asked {
            Asked::Open if attempt == 6 => stopping.stop(),
            Asked::Open => inlet.front_connected(),
            Asked::Login => inlet.login_failed(7, "CTP:还没有初始化"),
            _ => {}
        }
        Ok(())
    });
    let waited = Arc::default();
    let connector = LetsGoLate {
        front,
        waited: Arc::clone(&waited),
    };
    let mut setup = hasty(setup(&ticks));
    setup.live.close_timeout = Duration::from_secs(5);
    setup.live.retry_close_timeout = Duration::from_secs(8);
    let ended = run(Box::new(connector), setup, &stop);
    assert_eq!(ended.live.end, LiveEnd::Stopped);
    assert_eq!((ended.live.attempts, ended.live.abandoned), (6, 6));
    let waited: Vec<u64> = waited
        .lock()
        .unwrap()
        .iter()
        .map(Duration::as_secs)
        .collect();
    assert_eq!(waited, [8, 8, 8, 8, 8, 5]);
}
