use tickdeck_core::clock::MonoNanos;
use tickdeck_core::event::InstrumentId;

use super::*;
use crate::faults::{Faults, Script};
use crate::reactor::{Session, Step};
use crate::settings::Settings;
use crate::version::Emulated;

const SECOND: i64 = 1_000_000_000;
/// After the handshake.
const START: i64 = SECOND;

/// A session whose market no other test shares.
fn session(words: &str, version: &str) -> MdSession {
    session_under("", words, version)
}

/// The same under a fault script.
fn session_under(script: &str, words: &str, version: &str) -> MdSession {
    let settings = Settings::default()
        .with_address(&format!("sim://?{words}"))
        .unwrap();
    let version = Emulated::find(version).unwrap();
    let faults = Faults::new(Script::parse(script, "test".as_ref()).unwrap());
    MdSession::new(version, Some(settings), faults, MonoNanos(0))
}

/// Everything the session says until it waits, in short words; and until when it waits.
fn told(session: &mut MdSession, now: i64) -> (Vec<String>, MonoNanos) {
    let mut told = Vec::new();
    loop {
        let said = match session.step(MonoNanos(now)) {
            Step::Wait(instant) if instant <= MonoNanos(now) => continue,
            Step::Wait(instant) => return (told, instant),
            Step::Call(event) => event,
            Step::Open(settings) => {
                let opened = MdSession::open(settings, MonoNanos(now));
                session.opened(opened, MonoNanos(now));
                continue;
            }
        };
        told.push(match said {
            MdEvent::FrontConnected => "connected".into(),
            MdEvent::FrontDisconnected { reason } => format!("disconnected {reason:#x}"),
            MdEvent::Login { info, .. } => format!("login {}", info.error_id),
            MdEvent::Subscription {
                id, info, is_last, ..
            } => {
                format!("ack {id} {} {is_last}", info.error_id)
            }
            MdEvent::Tick(tick) => format!("tick {}", tick.instrument_id),
            other => format!("{other:?}"),
        });
    }
}

fn login(session: &mut MdSession, now: i64) -> i32 {
    session.request(MdRequest::Login(LoginWords::default(), 1), MonoNanos(now))
}

fn subscribe(session: &mut MdSession, ids: &[&str], now: i64) -> i32 {
    let ids = ids
        .iter()
        .map(|id| InstrumentId::new(id.as_bytes()).unwrap())
        .collect();
    let kind = SubscriptionKind::Subscribe;
    session.request(MdRequest::Subscription(kind, ids), MonoNanos(now))
}

#[test]
fn requests_need_a_connection_and_subscriptions_a_login() {
    let mut session = session("run=needs", "6.7.11");
    assert_eq!(subscribe(&mut session, &["rb2510"], 0), -1);
    assert_eq!(told(&mut session, 0).0, [""; 0]);
    assert_eq!(told(&mut session, START).0, ["connected"]);
    assert_eq!(subscribe(&mut session, &["rb2510"], START), 0);
    assert_eq!(
        told(&mut session, START),
        (vec!["ack rb2510 6 true".into()], MonoNanos::NEVER)
    );
    assert_eq!(session.trading_day(), None);
    assert_eq!(login(&mut session, START), 0);
    assert_eq!(told(&mut session, START).0, ["login 0"]);
    assert_eq!(session.trading_day().as_deref(), Some("20250912"));
}

#[test]
fn the_market_waits_until_subscriptions_have_settled() {
    let mut session = session("run=settles&rate=max", "6.7.11");
    told(&mut session, START);
    login(&mut session, START);
    told(&mut session, START);
    subscribe(&mut session, &["rb2510"], SECOND);
    let (said, until) = told(&mut session, SECOND);
    assert_eq!(said, ["ack rb2510 0 true"]);
    assert_eq!(until, MonoNanos(SECOND + SECOND / 2));
    subscribe(&mut session, &["no_such"], SECOND + SECOND / 4);
    let (said, until) = told(&mut session, SECOND + SECOND / 4);
    assert_eq!(said, ["ack no_such 0 true"]);
    let (said, end) = told(&mut session, until.0);
    assert!(!said.is_empty() && said.iter().all(|said| said == "tick rb2510"));
    assert_eq!(
        end,
        MonoNanos::NEVER,
        "the session is over, the front stays"
    );
}

#[test]
fn a_lost_connection_forgets_login_and_subscriptions() {
    for (version, pause) in [("6.7.2", 0), ("6.7.11", SECOND)] {
        let words = format!("run=lost{version}&rate=max&settle=0&at_end=silent");
        let script = "[[rule]]\nname='x'\nat={ tick = 3 }\naction={ disconnect = 0x1001 }\n";
        let mut session = session_under(script, &words, version);
        told(&mut session, START);
        login(&mut session, START);
        subscribe(&mut session, &["rb2510"], START);
        let (said, until) = told(&mut session, SECOND);
        let wanted = [
            "login 0",
            "ack rb2510 0 true",
            "tick rb2510",
            "tick rb2510",
            "disconnected 0x1001",
        ];
        assert_eq!(said[..5], wanted);
        if pause > 0 {
            assert_eq!(until, MonoNanos(SECOND + pause));
            assert_eq!(subscribe(&mut session, &["rb2510"], SECOND), -1);
        }
        let again = told(&mut session, 2 * SECOND).0;
        let connected = said
            .iter()
            .chain(&again)
            .filter(|said| *said == "connected");
        assert_eq!(connected.count(), 1, "{version}");
        subscribe(&mut session, &["rb2510"], 2 * SECOND);
        assert_eq!(told(&mut session, 2 * SECOND).0, ["ack rb2510 6 true"]);
    }
}

#[test]
fn the_reconnect_pause_begins_after_the_callback() {
    let script = "[[rule]]\nname='x'\nat={ connection = 1 }\naction={ disconnect = 0x1001 }\n";
    let mut session = session_under(script, "run=slow", "6.7.11");
    let mut step = || session.step(MonoNanos(START));
    assert!(matches!(step(), Step::Wait(instant) if instant == MonoNanos(START)));
    assert!(matches!(
        step(),
        Step::Call(MdEvent::FrontDisconnected { reason: 0x1001 })
    ));
    let returned = START + 5 * SECOND;
    let paused = (Vec::new(), MonoNanos(returned + SECOND));
    assert_eq!(told(&mut session, returned), paused);
    assert_eq!(told(&mut session, returned + SECOND).0, ["connected"]);
}

#[test]
fn a_replay_repeats_ticks_as_they_were_sent() {
    let rule = |at: u32, action: &str| {
        format!("[[rule]]\nname='x'\nat={{tick={at}}}\naction={{{action}}}\n")
    };
    for (run, first, second, again) in [
        ("two", rule(20, "replay=3"), rule(70, "replay=20"), 23),
        ("burst", rule(1, "burst=55"), rule(58, "replay=10"), 10),
        ("late", rule(1, "delay=5"), rule(3, "replay=2"), 2),
    ] {
        let words = format!("run=replay-{run}&rate=max&settle=0");
        let mut session = session_under(&format!("{first}{second}"), &words, "6.7.11");
        told(&mut session, START);
        login(&mut session, START);
        subscribe(&mut session, &["rb2510"], START);
        // What is late comes with the second look.
        let all = [
            told(&mut session, START).0,
            told(&mut session, 2 * SECOND).0,
        ]
        .concat();
        let ticks = all.iter().filter(|said| *said == "tick rb2510").count();
        assert_eq!(ticks, 115 + again, "{run}");
    }
}

#[test]
fn snapshots_are_counted_when_there_is_one_to_send() {
    let script = "[[rule]]\nname='x'\nat={snapshot=2}\naction='lose_snapshot'\n";
    let mut session = session_under(script, "run=snapshots&rate=max&settle=0", "6.7.11");
    told(&mut session, START);
    login(&mut session, START);
    // The market does not move yet, so there is nothing to lose.
    subscribe(&mut session, &["rb2510", "no_such"], START);
    let (said, _) = told(&mut session, START);
    let ticks = said.iter().filter(|said| *said == "tick rb2510").count();
    assert_eq!(ticks, 115);
    subscribe(
        &mut session,
        &["m2601", "no_such", "TA601", "rb2510"],
        START,
    );
    let wanted = [
        "ack m2601 0 false",
        "tick m2601",
        "ack no_such 0 false",
        "ack TA601 0 false",
        "ack rb2510 0 true",
        "tick rb2510",
    ];
    assert_eq!(
        told(&mut session, START).0,
        wanted,
        "the second one is lost"
    );
}

#[test]
fn a_front_that_closes_at_the_end_lets_nobody_in_again() {
    let words = "run=closes&source=synthetic:quick,seed=1&rate=max&start=login&at_end=disconnect";
    let mut first = session(words, "6.7.11");
    told(&mut first, START);
    login(&mut first, START);
    subscribe(&mut first, &["rb2510"], START);
    let (said, _) = told(&mut first, SECOND);
    assert!(said.contains(&"disconnected 0x1001".into()), "{said:?}");
    let mut next = session(words, "6.7.11");
    let (said, until) = told(&mut next, 3 * SECOND);
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(until, MonoNanos(8 * SECOND), "refused, and tried again");
}

#[test]
fn closing_at_the_end_affects_only_sessions_that_chose_it() {
    let words = |at_end: &str| format!("run=ends&rate=max&start=login&at_end={at_end}");
    let mut closing = session(&words("disconnect"), "6.7.11");
    told(&mut closing, START);
    login(&mut closing, START);
    subscribe(&mut closing, &["rb2510"], START);
    let (all, _) = told(&mut closing, SECOND);
    assert_eq!(all.last().unwrap(), "disconnected 0x1001");
    for other in ["silent", "disconnect:0x1002"] {
        let mut next = session(&words(other), "6.7.11");
        assert_eq!(told(&mut next, 3 * SECOND).0, ["connected"], "{other}");
        login(&mut next, 3 * SECOND);
        subscribe(&mut next, &["rb2510"], 3 * SECOND);
        let (said, _) = told(&mut next, 3 * SECOND);
        let ticks = |said: &[String]| said.iter().filter(|said| *said == "tick rb2510").count();
        assert_eq!(ticks(&said), ticks(&all), "{other}: a separate session");
    }
}

#[test]
fn a_session_without_usable_settings_is_never_connected() {
    let version = Emulated::default_version();
    let mut session = MdSession::new(version, None, Faults::default(), MonoNanos(0));
    assert_eq!(told(&mut session, SECOND), (Vec::new(), MonoNanos::NEVER));
    assert_eq!(login(&mut session, SECOND), -1);
}
