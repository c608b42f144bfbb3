//! What runs in a child process: sessions with one library, written down as one JSON object.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tickdeck_ffi::abi::{LoginResponse, RspInfo};
use tickdeck_ffi::md::{MdApi, MdHandler, MdLibrary, MdLogin, MdOptions};
use tickdeck_ffi::td::{TdApi, TdHandler, TdLibrary, TdLogin, TdOptions};
use tickdeck_ffi::{FlowFolder, Secret};

use crate::support::process::JOB;

/// Some milliseconds are usual (field guide 1.4). This distinguishes a Release that hangs from a
/// machine that stalls.
pub(crate) const RELEASE_TIMEOUT: Duration = Duration::from_secs(60);

/// How often [`poll`] looks, 10 ms apart: a minute, for the same reason.
const LOOKS: u32 = 6000;

#[test]
fn process_of_the_other_tests() {
    let Ok(job) = std::env::var(JOB) else {
        // The other tests start this one with a job.
        return;
    };
    let job: Value = serde_json::from_str(&job).unwrap();
    // The worst case for a library that writes to closed sockets; the crate must take care.
    // SAFETY: restores the default of a signal, before any other thread uses it.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let answer = match text(&job, "verb") {
        "session" => session(&job),
        "trader" => trader(&job),
        "cycles" => cycles(&job),
        "refused" => refused(&job),
        "misuse" => crate::misuse::in_child(&job),
        other => panic!("no such job: {other}"),
    };
    std::fs::write(text(&job, "answer"), answer.to_string()).unwrap();
}

pub(crate) fn text<'a>(job: &'a Value, key: &str) -> &'a str {
    job[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {job}"))
}

/// Waits until something is so; false if it never was.
pub(crate) fn poll(mut is_so: impl FnMut() -> bool) -> bool {
    for _ in 0..LOOKS {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Counts the callbacks by what they say.
#[derive(Default)]
pub(crate) struct Counter {
    counts: Mutex<BTreeMap<String, usize>>,
    losses: Mutex<Losses>,
}

/// The lost connections of a session.
#[derive(Default)]
struct Losses {
    count: u64,
    last: Option<Instant>,
    /// From the callback of one to that of the next.
    shortest_pause: Option<Duration>,
}

impl Counter {
    fn add(&self, what: String) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    fn add_loss(&self, reason: i32) {
        let now = Instant::now();
        self.add(format!("disconnected {reason:#x}"));
        let mut losses = self.losses.lock().unwrap();
        losses.count += 1;
        let pause = losses.last.replace(now).map(|last| now - last);
        losses.shortest_pause = losses.shortest_pause.into_iter().chain(pause).min();
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        self.counts.lock().unwrap().clone()
    }

    /// In milliseconds; null before the second loss.
    fn shortest_pause_ms(&self) -> Value {
        let pause = self.losses.lock().unwrap().shortest_pause;
        json!(pause.map(|it| it.as_millis()))
    }
}

impl MdHandler for Counter {
    fn on_front_connected(&self) {
        self.add("connected".to_owned());
    }
    fn on_front_disconnected(&self, reason: i32) {
        self.add_loss(reason);
    }
    fn on_heartbeat_warning(&self, _: i32) {
        self.add("heartbeat warning".to_owned());
    }
    fn on_login(&self, _: &LoginResponse, _: &RspInfo) {
        self.add("login".to_owned());
    }
    fn on_error(&self, _: &RspInfo) {
        self.add("error".to_owned());
    }
    fn on_unexpected_slot(&self, slot: usize) {
        self.add(format!("unexpected slot {slot}"));
    }
}

impl TdHandler for Counter {
    fn on_front_connected(&self) {
        self.add("connected".to_owned());
    }
    fn on_front_disconnected(&self, reason: i32) {
        self.add_loss(reason);
    }
    fn on_heartbeat_warning(&self, _: i32) {
        self.add("heartbeat warning".to_owned());
    }
    fn on_error(&self, _: &RspInfo, _: i32) {
        self.add("error".to_owned());
    }
    fn on_unexpected_slot(&self, slot: usize) {
        self.add(format!("unexpected slot {slot}"));
    }
}

pub(crate) fn options(job: &Value, name: &str) -> MdOptions {
    MdOptions {
        flow: FlowFolder::open(&Path::new(text(job, "scratch")).join(name)).unwrap(),
        production: true,
        fronts: vec![text(job, "front").parse().unwrap()],
    }
}

pub(crate) fn open(job: &Value) -> MdLibrary {
    MdLibrary::open(Path::new(text(job, "library"))).unwrap()
}

/// Waits until the job's number of connections was lost, then for the test's signal if the job
/// wants one, and then for a fixed time in which nothing should happen.
fn wait(job: &Value, counter: &Counter) {
    if let Some(losses) = job["losses"].as_u64() {
        poll(|| counter.losses.lock().unwrap().count >= losses);
    }
    if let Some(enough) = job["enough"].as_str() {
        poll(|| Path::new(enough).exists());
    }
    std::thread::sleep(Duration::from_millis(job["millis"].as_u64().unwrap()));
}

/// Threads and open files of this process.
fn usage() -> [usize; 2] {
    ["/proc/self/task", "/proc/self/fd"].map(|folder| std::fs::read_dir(folder).unwrap().count())
}

fn session(job: &Value) -> Value {
    let library = open(job);
    let before = usage();
    let counter = Arc::new(Counter::default());
    let handler: Arc<dyn MdHandler> = Arc::clone(&counter) as _;
    let api = MdApi::start(&library, options(job, "flow"), handler).unwrap();
    wait(job, &counter);
    let during = running(job, before);
    let login = MdLogin {
        broker_id: "9999".to_owned(),
        user_id: "000001".to_owned(),
        password: Secret::new("hunter2"),
    };
    let login = api.login(&login).err().map(|error| error.to_string());
    let subscribe = api
        .subscribe(&["rb2601"])
        .err()
        .map(|error| error.to_string());
    let trading_day = api.trading_day().unwrap().to_string();
    let panicked = api.panicked();
    let released = api
        .release(RELEASE_TIMEOUT)
        .map_err(|error| error.to_string());
    json!({
        "version": library.version().numbers(),
        "text": library.version().text,
        "layout": library.layout().letter(),
        "slots": library.spi_table().slots(),
        "has_production_flag": library.has_production_flag(),
        "simulated": library.is_simulated(),
        "callbacks": counter.counts(),
        "shortest_pause_ms": counter.shortest_pause_ms(),
        "login": login,
        "subscribe": subscribe,
        "trading_day": trading_day,
        "panicked": panicked,
        "released": released.err(),
        "before": before,
        "during": during,
        "after": left(job, before),
        "handlers": Arc::strong_count(&counter),
    })
}

fn trader(job: &Value) -> Value {
    let library = TdLibrary::open(Path::new(text(job, "library"))).unwrap();
    let before = usage();
    let counter = Arc::new(Counter::default());
    let handler: Arc<dyn TdHandler> = Arc::clone(&counter) as _;
    let MdOptions {
        flow,
        production,
        fronts,
    } = options(job, "flow");
    let options = TdOptions {
        flow,
        production,
        fronts,
    };
    let api = TdApi::start(&library, options, handler).unwrap();
    wait(job, &counter);
    let during = usage();
    let login = TdLogin {
        broker_id: "9999".to_owned(),
        user_id: "000001".to_owned(),
        password: Secret::new("hunter2"),
        app_id: "tickdeck".to_owned(),
        auth_code: Secret::new("0000000000000000"),
    };
    // Not while a connection is being established: the library may crash then.
    let answers = (job["asks"] != false).then(|| {
        [
            api.authenticate(&login),
            api.login(&login),
            api.confirm_settlement(&login),
            api.query_instruments("SHFE"),
        ]
        .map(|answer| answer.err().map(|error| error.to_string()))
    });
    let trading_day = api.trading_day().unwrap().to_string();
    let released = api
        .release(RELEASE_TIMEOUT)
        .map_err(|error| error.to_string());
    json!({
        "version": library.version().numbers(),
        "create": library.create_symbol(),
        "callbacks": counter.counts(),
        "requests": answers,
        "trading_day": trading_day,
        "released": released.err(),
        "before": before,
        "during": during,
        "after": left(job, before),
    })
}

/// Threads of a library while a session runs (field guide 1.3).
pub(crate) const THREADS: usize = 2;

/// What is in use while a session runs, with the library's threads and no others: the one that
/// started it may still be on its way out.
fn running(job: &Value, before: [usize; 2]) -> [usize; 2] {
    let is_of_interest = job["keeps_something"] != true;
    if is_of_interest {
        poll(|| usage()[0] == before[0] + THREADS);
    }
    usage()
}

/// What the market data and the trader client say to an address that their library does not take.
fn refused(job: &Value) -> Value {
    let handler = Arc::new(Counter::default());
    let md = MdApi::start(&open(job), options(job, "md"), Arc::clone(&handler) as _);
    let library = TdLibrary::open(Path::new(text(job, "library"))).unwrap();
    let taken = library.check_front(&text(job, "front").parse().unwrap());
    json!([
        md.err().map(|error| error.to_string()),
        taken.err().map(|error| error.to_string()),
    ])
}

/// What a session leaves in use; no matter for a library that is known to keep something.
fn left(job: &Value, before: [usize; 2]) -> Value {
    let is_of_interest = job["keeps_something"] != true;
    json!(is_of_interest.then(|| settled(before)))
}

/// What is in use once it is what it was, or after a while: a thread that has ended is in the list
/// until the kernel has taken it out.
fn settled(before: [usize; 2]) -> [usize; 2] {
    poll(|| usage() == before);
    usage()
}

/// Memory of this process, kB.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().split_whitespace().next().unwrap();
    number.parse().unwrap()
}

/// One session after another; the first few are left out of the account, because they touch
/// memory that is touched once.
fn cycles(job: &Value) -> Value {
    const WARM_UP: u64 = 10;
    let library = open(job);
    let count = job["count"].as_u64().unwrap();
    let counter = Arc::new(Counter::default());
    let (mut before, mut resident_before) = (usage(), 0);
    let mut failed = Vec::new();
    for cycle in 0..WARM_UP + count {
        if cycle == WARM_UP {
            // The first sessions may have opened what stays open.
            before = settled(before);
            resident_before = resident_kb();
        }
        let handler: Arc<dyn MdHandler> = Arc::clone(&counter) as _;
        let api = MdApi::start(&library, options(job, &format!("flow-{cycle}")), handler).unwrap();
        wait(job, &counter);
        if let Err(error) = api.release(RELEASE_TIMEOUT) {
            failed.push(error.to_string());
        }
    }
    json!({
        "failed": failed,
        "before": before,
        "after": settled(before),
        "grown_kb": resident_kb().saturating_sub(resident_before),
        "callbacks": counter.counts(),
        "handlers": Arc::strong_count(&counter),
    })
}
