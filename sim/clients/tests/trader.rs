//! tickdeck's own client and the trader library.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tickdeck_ffi::abi::{Instrument, LoginResponse, RspInfo};
use tickdeck_ffi::td::{TdApi, TdHandler, TdLibrary, TdLogin, TdOptions};
use tickdeck_ffi::{FlowFolder, Secret};

use crate::child::{self, Said, library, text};
use crate::lifecycle::{resources, settled};
use crate::support::{PATIENCE, in_child, instruments, quick};

struct Listener(Mutex<Sender<Value>>);

impl Listener {
    fn say(&self, value: Value) {
        // The session may have stopped listening.
        let _ = self.0.lock().unwrap().send(value);
    }
}

impl TdHandler for Listener {
    fn on_front_connected(&self) {
        self.say(json!({ "what": "connected" }));
    }
    fn on_authenticated(&self, info: &RspInfo) {
        self.say(json!({ "what": "authenticated", "error": info.error_id }));
    }
    fn on_login(&self, response: &LoginResponse, info: &RspInfo) {
        let day = response.trading_day.to_string();
        self.say(json!({ "what": "login", "error": info.error_id, "day": day }));
    }
    fn on_settlement_confirmed(&self, info: &RspInfo) {
        self.say(json!({ "what": "confirmed", "error": info.error_id }));
    }
    fn on_instrument(
        &self,
        instrument: Option<&Instrument>,
        _info: &RspInfo,
        _request_id: i32,
        is_last: bool,
    ) {
        let text = instrument.map(|instrument| format!("{instrument:?}"));
        let id = instrument.map(|instrument| instrument.instrument_id.to_string());
        self.say(json!({ "what": "instrument", "id": id, "text": text, "last": is_last }));
    }
    fn on_unexpected_slot(&self, slot: usize) {
        self.say(json!({ "what": "unexpected slot", "slot": slot }));
    }
}

/// A started session whose handler is `listener`.
fn start_with(job: &Value, listener: Arc<dyn TdHandler>) -> TdApi {
    let library = TdLibrary::open(&library(job)).unwrap();
    let front = job["front"].as_str().unwrap_or("tcp://127.0.0.1:1");
    let options = TdOptions {
        flow: FlowFolder::open(&Path::new(text(job, "folder")).join("td")).unwrap(),
        production: true,
        fronts: vec![front.parse().unwrap()],
    };
    TdApi::start(&library, options, listener).unwrap()
}

/// A started session that reports its connection as a market data session does.
pub(crate) fn start(job: &Value) -> (TdApi, Receiver<Said>) {
    let (sender, receiver) = channel();
    let listener = child::Listener::new(job, sender);
    (start_with(job, Arc::new(listener)), receiver)
}

pub(crate) fn login_words(job: &Value) -> TdLogin {
    TdLogin {
        broker_id: "9999".into(),
        user_id: "user".into(),
        password: Secret::new("secret"),
        app_id: "app".into(),
        auth_code: Secret::new(job["auth_code"].as_str().unwrap_or("code")),
    }
}

/// Authenticates, logs in, confirms and queries all contracts. Returns the answers.
pub(crate) fn session(job: &Value) -> Value {
    let (sender, receiver) = channel();
    let api = start_with(job, Arc::new(Listener(Mutex::new(sender))));
    let login = login_words(job);
    let mut told = Vec::new();
    while let Ok(said) = receiver.recv_timeout(PATIENCE) {
        let is_error = said["error"].as_i64().unwrap_or(0) != 0;
        told.push(said.clone());
        match said["what"].as_str().unwrap() {
            "connected" => {
                api.authenticate(&login).unwrap();
            }
            "authenticated" => {
                api.login(&login).unwrap();
            }
            "login" if is_error => break,
            "login" => {
                api.confirm_settlement(&login).unwrap();
            }
            "confirmed" => {
                api.query_instruments("").unwrap();
            }
            "instrument" if said["last"] == true => break,
            _ => {}
        }
    }
    let day = api.trading_day().map(|day| day.to_string()).ok();
    let released = api.release(PATIENCE).is_ok();
    json!({ "told": told, "trading_day": day, "released": released })
}

/// The same repeatedly, and what the process has before and after.
pub(crate) fn cycles(job: &Value) -> Value {
    let count = job["cycles"].as_u64().unwrap();
    let (mut before, mut listed) = (resources(), 0);
    for cycle in 0..count {
        if cycle == count / 10 {
            before = resources();
        }
        let answer = session(job);
        assert_eq!(answer["released"], true, "{answer}");
        let told = answer["told"].as_array().unwrap().iter();
        listed += told.filter(|said| said["what"] == "instrument").count();
    }
    json!({ "listed": listed, "before": before, "after": settled(before.0) })
}

/// Some variables of the tests of sessions.
pub(crate) fn variables(version: &'static str) -> Vec<(&'static str, String)> {
    vec![
        ("TICKDECK_SIM_API_VERSION", version.into()),
        (
            "TICKDECK_SIM_SOURCE",
            format!("recording:{}", quick().display()),
        ),
        ("TICKDECK_SIM_ACCOUNT", "9999:user:secret:app:code".into()),
    ]
}

fn told(job: &Value, variables: &[(&'static str, String)]) -> Value {
    let variables: Vec<(&str, &str)> = variables.iter().map(|(k, v)| (*k, v.as_str())).collect();
    in_child(job, &variables)
}

#[test]
fn every_version_logs_in_and_lists_contracts() {
    for version in [
        "6.3.15", "6.3.19", "6.5.1", "6.6.1", "6.6.7", "6.6.9", "6.7.0", "6.7.1", "6.7.2", "6.7.7",
        "6.7.8", "6.7.9", "6.7.10", "6.7.11", "6.7.13",
    ] {
        let answer = told(&json!({ "verb": "trader" }), &variables(version));
        let all = answer["told"].as_array().unwrap();
        let what: Vec<&str> = all
            .iter()
            .map(|said| said["what"].as_str().unwrap())
            .collect();
        assert_eq!(
            what[..4],
            ["connected", "authenticated", "login", "confirmed"],
            "{version}: {all:?}"
        );
        let errors: Vec<i64> = all
            .iter()
            .filter_map(|said| said["error"].as_i64())
            .collect();
        assert_eq!(errors, [0, 0, 0], "{version}");
        let ids: Vec<&str> = all.iter().filter_map(|said| said["id"].as_str()).collect();
        assert_eq!(ids, instruments(&quick()), "{version}");
        assert_eq!(answer["trading_day"], "20250912", "{version}");
        assert_eq!(answer["released"], true, "{version}");
        let last: Vec<bool> = all
            .iter()
            .filter_map(|said| said["last"].as_bool())
            .collect();
        assert_eq!(last.iter().filter(|last| **last).count(), 1);
        let rb = all.iter().find(|said| said["id"] == "rb2510").unwrap();
        let text = rb["text"].as_str().unwrap();
        for part in [
            "\"SHFE\"",
            "\"rb\"",
            "volume_multiple: 10",
            "delivery_year: 2025",
        ] {
            assert!(text.contains(part), "{version}: {text}");
        }
    }
}

#[test]
fn a_wrong_code_is_refused_and_so_is_the_login_after_it() {
    let job = json!({ "verb": "trader", "auth_code": "wrong" });
    let answer = told(&job, &variables("6.7.11"));
    let errors: Vec<i64> = answer["told"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|said| said["error"].as_i64())
        .collect();
    assert_eq!(errors, [63, 64]);
}
