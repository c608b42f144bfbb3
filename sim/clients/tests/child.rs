//! What runs in a child process: one session with tickdeck's own client, told as JSON.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck_ffi::abi::{LoginResponse, RspInfo};
use tickdeck_ffi::md::{MdApi, MdHandler, MdLibrary, MdLogin, MdOptions};
use tickdeck_ffi::{FlowFolder, RawTick, Secret};

use crate::support::{JOB, fingerprint};

/// How long a session waits for its next callback before it counts as silent.
const PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn process_of_the_other_tests() {
    let Ok(job) = std::env::var(JOB) else {
        // The other tests start this one with a job.
        return;
    };
    let job: Value = serde_json::from_str(&job).unwrap();
    let answer = match text(&job, "verb") {
        "session" => session(&job),
        "unreachable" => crate::conformance::unreachable(&job),
        "whole_market" => crate::market_data::whole_market(&job),
        "cycles" => crate::lifecycle::cycles(&job),
        "misuse" => crate::lifecycle::misuse(&job),
        "trader" => crate::trader::session(&job),
        other => panic!("no such job: {other}"),
    };
    std::fs::write(text(&job, "answer"), answer.to_string()).unwrap();
}

pub(crate) fn text<'a>(job: &'a Value, key: &str) -> &'a str {
    job[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {job}"))
}

/// The folder of the libraries: ours, unless the job names others.
pub(crate) fn library(job: &Value) -> PathBuf {
    let ours = text(job, "libraries");
    Path::new(job["vendor"].as_str().unwrap_or(ours)).to_owned()
}

/// What a callback said.
#[derive(Debug)]
pub(crate) enum Said {
    Connected,
    Disconnected(i32),
    Warning(i32),
    Login(String, i32, String),
    Subscribed(String, i32),
    Tick(Box<RawTick>),
}

/// Sends on what the library says.
pub(crate) struct Listener(pub(crate) Mutex<Sender<Said>>);

impl Listener {
    fn say(&self, said: Said) {
        // The session may have stopped listening.
        let _ = self.0.lock().unwrap().send(said);
    }
}

impl MdHandler for Listener {
    fn on_front_connected(&self) {
        self.say(Said::Connected);
    }
    fn on_front_disconnected(&self, reason: i32) {
        self.say(Said::Disconnected(reason));
    }
    fn on_heartbeat_warning(&self, lapse_s: i32) {
        self.say(Said::Warning(lapse_s));
    }
    fn on_login(&self, response: &LoginResponse, info: &RspInfo) {
        let day = response.trading_day.to_string();
        self.say(Said::Login(day, info.error_id, info.message.clone()));
    }
    fn on_subscribed(&self, instrument_id: &[u8], info: &RspInfo) {
        let id = String::from_utf8_lossy(instrument_id).into_owned();
        self.say(Said::Subscribed(id, info.error_id));
    }
    fn on_tick(&self, tick: &RawTick) {
        self.say(Said::Tick(Box::new(*tick)));
    }
}

/// A started session.
pub(crate) fn start(job: &Value, flow: &str) -> (MdApi, Receiver<Said>) {
    let library = MdLibrary::open(&library(job)).unwrap();
    let (sender, receiver) = channel();
    let front = job["front"].as_str().unwrap_or("tcp://127.0.0.1:1");
    let options = MdOptions {
        flow: FlowFolder::open(&Path::new(text(job, "folder")).join(flow)).unwrap(),
        production: true,
        fronts: vec![front.parse().unwrap()],
    };
    let api = MdApi::start(&library, options, Arc::new(Listener(Mutex::new(sender)))).unwrap();
    (api, receiver)
}

pub(crate) fn login_words(job: &Value) -> MdLogin {
    MdLogin {
        broker_id: "9999".into(),
        user_id: "user".into(),
        password: Secret::new(job["password"].as_str().unwrap_or("secret")),
    }
}

/// Logs in, subscribes, and tells everything until `ticks` ticks came, `ends` disconnections came,
/// or nothing came any more.
fn session(job: &Value) -> Value {
    let (api, receiver) = start(job, "flow");
    let ids: Vec<String> = serde_json::from_value(job["ids"].clone()).unwrap();
    let late: Vec<String> = serde_json::from_value(job["late_ids"].clone()).unwrap_or_default();
    let wanted = job["ticks"].as_u64().unwrap_or(u64::MAX);
    let ends = job["ends"].as_u64().unwrap_or(u64::MAX);
    let patience = job["patience_ms"]
        .as_u64()
        .map_or(PATIENCE, Duration::from_millis);
    let (mut ticks, mut told, mut disconnects) = (Vec::new(), Vec::new(), 0);
    let mut late_done = late.is_empty();
    while (ticks.len() as u64) < wanted && disconnects < ends {
        let said = match receiver.recv_timeout(patience) {
            Ok(said) => said,
            Err(RecvTimeoutError::Timeout) if !late_done => {
                late_done = true;
                api.subscribe(&late).unwrap();
                continue;
            }
            Err(_) => break,
        };
        match said {
            Said::Connected => {
                told.push("connected".to_owned());
                match api.login(&login_words(job)) {
                    Ok(()) => {}
                    Err(error) => {
                        told.push(format!("login not sent: {error}"));
                        std::thread::sleep(Duration::from_millis(20));
                        let again = api.login(&login_words(job));
                        told.push(format!("login again: {}", again.is_ok()));
                    }
                }
            }
            Said::Disconnected(reason) => {
                disconnects += 1;
                told.push(format!("disconnected {reason:#x}"));
            }
            Said::Warning(lapse_s) => told.push(format!("warning {lapse_s}")),
            Said::Login(day, error_id, message) => {
                told.push(format!("login {error_id} {day} {message}"));
                if error_id != 0 && job["login_again"].as_bool() == Some(true) {
                    api.login(&login_words(job)).unwrap();
                } else if error_id == 0 || job["subscribe_anyway"].as_bool() == Some(true) {
                    api.subscribe(&ids).unwrap();
                } else {
                    break;
                }
            }
            Said::Subscribed(id, error_id) => told.push(format!("subscribed {id} {error_id}")),
            Said::Tick(tick) => {
                if job["interleaved"].as_bool() == Some(true) {
                    told.push(format!("tick {}", tick.instrument_id));
                }
                ticks.push(fingerprint(&tick));
            }
        }
    }
    let trading_day = api.trading_day().map(|day| day.to_string()).ok();
    let released = api.release(Duration::from_secs(5)).is_ok();
    json!({
        "told": told,
        "ticks": ticks,
        "trading_day": trading_day,
        "released": released,
    })
}
