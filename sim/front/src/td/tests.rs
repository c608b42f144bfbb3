use tickdeck_core::clock::MonoNanos;

use super::tables::tables;
use super::*;
use crate::faults::{Faults, Script};
use crate::fields::CStruct;
use crate::reactor::{Session, Step};
use crate::settings::Settings;
use crate::version::{ALL, Emulated};

const SECOND: i64 = 1_000_000_000;
/// After the handshake.
const START: i64 = SECOND;

fn session(words: &str) -> TdSession {
    session_with(Faults::default(), &format!("run=td&{words}"))
}

/// The same with a script of faults.
fn session_under(script: &str, words: &str) -> TdSession {
    let script = Script::parse(script, "test".as_ref()).unwrap();
    session_with(Faults::new(script), words)
}

fn session_with(faults: Faults, words: &str) -> TdSession {
    let settings = Settings::default()
        .with_address(&format!("sim://?{words}"))
        .unwrap();
    TdSession::new(
        Emulated::default_version(),
        Some(settings),
        faults,
        MonoNanos(0),
    )
}

fn request(session: &mut TdSession, name: &str, made: Option<CStruct>, now: i64) -> i32 {
    let method = tables()
        .methods
        .iter()
        .find(|method| method.name == name)
        .unwrap();
    let size = method.request_size(Emulated::default_version());
    let bytes: Vec<u8> = made
        .iter()
        .flat_map(|made| made.words().iter().flat_map(|word| word.to_ne_bytes()))
        .take(size)
        .collect();
    let request = TdRequest {
        method,
        bytes,
        request_id: 5,
    };
    session.request(request, MonoNanos(now))
}

/// Callback, error id (or -1 for a null pointer), whether a struct came, whether it was the last.
fn told(session: &mut TdSession, now: i64) -> Vec<(String, i32, bool, bool)> {
    let mut told = Vec::new();
    loop {
        let event = match session.step(MonoNanos(now)) {
            Step::Call(event) => event,
            Step::Open(settings) => {
                let opened = TdSession::open(settings, MonoNanos(now));
                session.opened(opened, MonoNanos(now));
                continue;
            }
            Step::Wait(instant) if instant <= MonoNanos(now) => continue,
            Step::Wait(_) => return told,
        };
        told.push(match event {
            TdEvent::FrontConnected => ("OnFrontConnected".into(), 0, false, true),
            TdEvent::FrontDisconnected { reason } => {
                ("OnFrontDisconnected".into(), reason, false, true)
            }
            TdEvent::HeartBeatWarning { lapse_s } => {
                ("OnHeartBeatWarning".into(), lapse_s, false, true)
            }
            TdEvent::Answer {
                callback,
                answer,
                info,
                is_last,
                ..
            } => (
                callback,
                info.map_or(-1, |info| info.error_id),
                answer.is_some(),
                is_last,
            ),
        });
    }
}

fn logged_in(words: &str) -> TdSession {
    let mut session = session(words);
    told(&mut session, START);
    let login = CStruct::new("ReqUserLogin", Emulated::default_version())
        .text("BrokerID", b"9999")
        .text("UserID", b"user");
    request(&mut session, "ReqUserLogin", Some(login), 0);
    assert_eq!(
        told(&mut session, START),
        [("OnRspUserLogin".into(), 0, true, true)]
    );
    session
}

#[test]
fn every_request_is_answered_by_its_callback() {
    let mut session = logged_in("flow=off");
    let version = &ALL[6];
    for number in tables().api(version) {
        let method = &tables().methods[number];
        if method.request.is_none() || method.name.starts_with("ReqUserLog") {
            continue;
        }
        assert_eq!(request(&mut session, method.name, None, 0), 0);
        let answers = told(&mut session, START);
        assert!(
            !answers.is_empty(),
            "{} is answered by silence",
            method.name
        );
        assert!(answers.last().unwrap().3, "{}", method.name);
        for (callback, ..) in answers {
            assert_eq!(callback, method.answer_name());
            assert!(tables().callback_slot(&callback, version).is_some());
        }
    }
}

#[test]
fn orders_are_refused_and_queries_find_nothing() {
    let mut session = logged_in("flow=off");
    let order = CStruct::new("UserLogout", Emulated::default_version());
    request(&mut session, "ReqOrderInsert", Some(order), 0);
    assert_eq!(
        told(&mut session, START),
        [("OnRspOrderInsert".into(), 9, true, true)]
    );
    request(&mut session, "ReqQryTrade", None, 0);
    assert_eq!(
        told(&mut session, START),
        [("OnRspQryTrade".into(), -1, false, true)]
    );
}

#[test]
fn nothing_but_a_login_is_served_before_the_login() {
    let mut session = session("account=9999:user:secret:app:code");
    assert_eq!(request(&mut session, "ReqQryInstrument", None, 0), -1);
    told(&mut session, START);
    request(&mut session, "ReqQryInstrument", None, 0);
    assert_eq!(
        told(&mut session, START),
        [("OnRspQryInstrument".into(), 6, false, true)]
    );
    request(&mut session, "ReqUserLogin", None, 0);
    assert_eq!(
        told(&mut session, START),
        [("OnRspUserLogin".into(), 64, true, true)]
    );
    assert_eq!(session.trading_day(), None);
}

#[test]
fn queries_are_limited_to_one_at_a_time_and_one_a_second() {
    let mut session = logged_in("flow=on");
    let query = |session: &mut TdSession, now| request(session, "ReqQryTradingAccount", None, now);
    assert_eq!(query(&mut session, START), 0);
    assert_eq!(query(&mut session, START + 1), -2);
    told(&mut session, START + 1);
    assert_eq!(query(&mut session, START + SECOND / 2), -3);
    assert_eq!(query(&mut session, START + SECOND), 0);
    assert_eq!(told(&mut session, START + SECOND).len(), 1);
}

#[test]
fn instruments_are_filtered_as_they_are_asked_for() {
    let mut session = logged_in("flow=off");
    let count = |session: &mut TdSession, field: &'static str, value: &[u8]| {
        let query = CStruct::new("QryInstrument", Emulated::default_version()).text(field, value);
        request(session, "ReqQryInstrument", Some(query), 0);
        told(session, START)
            .iter()
            .filter(|(_, _, some, _)| *some)
            .count()
    };
    assert_eq!(count(&mut session, "InstrumentID", b""), 8);
    assert_eq!(count(&mut session, "InstrumentID", b"rb2510"), 1);
    assert_eq!(count(&mut session, "InstrumentID", b"rb9999"), 0);
    assert!(count(&mut session, "ExchangeID", b"SHFE") > 0);
}

#[test]
fn a_script_makes_the_trader_front_refuse_reject_and_go_away() {
    let script = r#"
        [[rule]]
        name = "refused"
        front = "trader"
        at = { connection = 1 }
        action = "refuse"
        [[rule]]
        name = "not initialised"
        front = "trader"
        at = { login = 1 }
        action = { reject_login = 7 }
        [[rule]]
        name = "not ready"
        front = "trader"
        at = { request = 3 }
        action = { reject_request = 90 }
        [[rule]]
        name = "gone"
        front = "trader"
        at = { seconds = 20.0 }
        action = { disconnect = 0x1001 }
    "#;
    let mut session = session_under(script, "run=td-faults&flow=off");
    assert_eq!(told(&mut session, START), []);
    let later = 10 * SECOND;
    let connected = ("OnFrontConnected".to_owned(), 0, false, true);
    assert_eq!(told(&mut session, later), std::slice::from_ref(&connected));
    let login = CStruct::new("ReqUserLogin", Emulated::default_version()).text("UserID", b"user");
    for error_id in [7, 0] {
        let code = request(&mut session, "ReqUserLogin", Some(login.clone()), later);
        assert_eq!(code, 0);
        assert_eq!(
            told(&mut session, later),
            [("OnRspUserLogin".into(), error_id, true, true)]
        );
    }
    request(&mut session, "ReqQryInvestor", None, later);
    assert_eq!(
        told(&mut session, later),
        [("OnRspQryInvestor".into(), 90, false, true)]
    );
    let gone = ("OnFrontDisconnected".to_owned(), 0x1001, false, true);
    assert_eq!(told(&mut session, later + 20 * SECOND), [gone]);
    assert_eq!(
        request(&mut session, "ReqQryInvestor", None, later + 20 * SECOND),
        -1
    );
    assert_eq!(told(&mut session, later + 60 * SECOND), [connected]);
}

#[test]
fn the_reconnect_pause_begins_after_the_callback() {
    let script = r#"
        [[rule]]
        name = "gone"
        front = "trader"
        at = { seconds = 1.0 }
        action = { disconnect = 0x1001 }
    "#;
    let mut session = session_under(script, "run=td-slow");
    let connected = [("OnFrontConnected".to_owned(), 0, false, true)];
    assert_eq!(told(&mut session, START), connected);
    assert!(matches!(
        session.step(MonoNanos(START + SECOND)),
        Step::Call(TdEvent::FrontDisconnected { reason: 0x1001 })
    ));
    let returned = START + 5 * SECOND;
    assert_eq!(told(&mut session, returned), []);
    assert_eq!(told(&mut session, returned + SECOND - 1), []);
    assert_eq!(told(&mut session, returned + SECOND), connected);
}
