//! What runs in a child process: one session with tickdeck's client, reported as JSON.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck_core::clock::{Clock, MonoNanos, SystemClock};
use tickdeck_ffi::abi::{LoginResponse, RspInfo};
use tickdeck_ffi::md::{MdApi, MdHandler, MdLibrary, MdLogin, MdOptions};
use tickdeck_ffi::td::TdHandler;
use tickdeck_ffi::{FlowFolder, RawTick, Secret};

use crate::support::{JOB, PATIENCE, QUIET, fingerprint};

#[test]
fn process_of_the_other_tests() {
    let Ok(job) = std::env::var(JOB) else {
        // The other tests start this one with a job.
        return;
    };
    let job: Value = serde_json::from_str(&job).unwrap();
    let answer = match text(&job, "verb") {
        "session" => session(&job),
        "shut_out" => shut_out(&job),
        "unreachable" => crate::conformance::unreachable(&job),
        "lost" => crate::conformance::lost(&job),
        "whole_market" => crate::market_data::whole_market(&job),
        "cycles" => crate::lifecycle::cycles(&job),
        "misuse" => crate::lifecycle::misuse(&job),
        "trader" => crate::trader::session(&job),
        "trader_cycles" => crate::trader::cycles(&job),
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

/// When a callback was made, and when it returned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Callback {
    pub(crate) begun: MonoNanos,
    pub(crate) returned: MonoNanos,
}

/// What a callback said.
#[derive(Debug)]
pub(crate) enum Said {
    Connected,
    Disconnected(i32, Callback),
    Warning(i32),
    Login(String, i32, String),
    Subscribed(String, i32),
    Tick(Box<RawTick>),
}

/// Sends on what the library says.
pub(crate) struct Listener {
    told: Mutex<Sender<Said>>,
    /// How long the callback of a lost connection takes.
    takes: Duration,
}

impl Listener {
    pub(crate) fn new(job: &Value, told: Sender<Said>) -> Self {
        Self {
            told: Mutex::new(told),
            takes: Duration::from_millis(job["lost_callback_ms"].as_u64().unwrap_or(0)),
        }
    }

    fn say(&self, said: Said) {
        // The session may have stopped listening.
        let _ = self.told.lock().unwrap().send(said);
    }
}

/// What both libraries say of a connection.
macro_rules! says_of_its_connection {
    () => {
        fn on_front_connected(&self) {
            self.say(Said::Connected);
        }
        fn on_front_disconnected(&self, reason: i32) {
            static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::new);
            let begun = CLOCK.now();
            std::thread::sleep(self.takes);
            let returned = CLOCK.now();
            self.say(Said::Disconnected(reason, Callback { begun, returned }));
        }
        fn on_heartbeat_warning(&self, lapse_s: i32) {
            self.say(Said::Warning(lapse_s));
        }
    };
}

impl TdHandler for Listener {
    says_of_its_connection!();
}

impl MdHandler for Listener {
    says_of_its_connection!();
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
    let listener = Listener::new(job, sender);
    let api = MdApi::start(&library, options, Arc::new(listener)).unwrap();
    (api, receiver)
}

pub(crate) fn login_words(job: &Value) -> MdLogin {
    MdLogin {
        broker_id: "9999".into(),
        user_id: "user".into(),
        password: Secret::new(job["password"].as_str().unwrap_or("secret")),
    }
}

/// Waits for a condition, with a limit.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let step = Duration::from_millis(10);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        if is_so() {
            return;
        }
        std::thread::sleep(step);
    }
}

/// Waits until this process has written a text to its stderr, which is a file.
fn wait_for_stderr(part: &str) {
    wait_until(|| {
        let written = std::fs::read("/proc/self/fd/2").unwrap();
        String::from_utf8_lossy(&written).contains(part)
    });
}

/// Logs in, subscribes, and reports everything until all that the job waits for has arrived, and
/// what arrives a short while after that. The job waits for `stderr` on stderr, `ticks` ticks,
/// `acks` acknowledgements and the words `until`. `late_ids` are subscribed to after `late_after`
/// ticks.
fn session(job: &Value) -> Value {
    let (api, receiver) = start(job, "flow");
    let ids: Vec<String> = serde_json::from_value(job["ids"].clone()).unwrap();
    let late: Option<Vec<String>> = serde_json::from_value(job["late_ids"].clone()).unwrap();
    let mut late = late.filter(|ids| !ids.is_empty());
    let number = |key: &str| {
        job[key]
            .as_u64()
            .map_or(0, |it| usize::try_from(it).unwrap())
    };
    let (wanted_ticks, wanted_acks) = (number("ticks"), number("acks"));
    let mut until = job["until"].as_str();
    let (mut ticks, mut told, mut acks) = (Vec::new(), Vec::new(), 0);
    if let Some(part) = job["stderr"].as_str() {
        wait_for_stderr(part);
    }
    loop {
        let has_all = ticks.len() >= wanted_ticks && acks >= wanted_acks && until.is_none();
        let patience = if has_all { QUIET } else { PATIENCE };
        let Ok(said) = receiver.recv_timeout(patience) else {
            break;
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
            Said::Disconnected(reason, _) => told.push(format!("disconnected {reason:#x}")),
            Said::Warning(lapse_s) => told.push(format!("warning {lapse_s}")),
            Said::Login(day, error_id, message) => {
                told.push(format!("login {error_id} {day} {message}"));
                if error_id != 0 && job["login_again"].as_bool() == Some(true) {
                    api.login(&login_words(job)).unwrap();
                } else if error_id == 0 || job["subscribe_anyway"].as_bool() == Some(true) {
                    api.subscribe(&ids).unwrap();
                }
            }
            Said::Subscribed(id, error_id) => {
                acks += 1;
                told.push(format!("subscribed {id} {error_id}"));
            }
            Said::Tick(tick) => {
                if job["interleaved"].as_bool() == Some(true) {
                    told.push(format!("tick {}", tick.instrument_id));
                }
                ticks.push(fingerprint(&tick));
            }
        }
        if ticks.len() >= number("late_after")
            && let Some(ids) = late.take()
        {
            api.subscribe(&ids).unwrap();
        }
        until = until.filter(|words| told.last().is_none_or(|said| said != words));
    }
    let trading_day = api.trading_day().map(|day| day.to_string()).ok();
    let released = api.release(PATIENCE).is_ok();
    json!({
        "told": told,
        "ticks": ticks,
        "trading_day": trading_day,
        "released": released,
    })
}

/// A session until its end, and another one with the same settings until its login is refused:
/// the callbacks of each.
fn shut_out(job: &Value) -> Value {
    let first = session(job);
    let (api, receiver) = start(job, "next");
    wait_for_stderr("sim_market_closed");
    api.release(PATIENCE).unwrap();
    json!({ "first": first["told"], "next": receiver.try_iter().count() })
}
