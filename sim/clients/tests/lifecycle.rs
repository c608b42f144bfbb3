//! Many sessions in one process, and a client that breaks the rules.

use std::ffi::{CString, c_char, c_void};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck_ffi::abi::signature::{CreateMd, Plain, PlainText, TakesPointer, TakesText};
use tickdeck_ffi::abi::symbol;

use crate::child::{Said, library, login_words, start, text};
use crate::support::{PATIENCE, in_child, in_child_under, quick, skipped};

/// What the process has: threads, open files, resident kilobytes.
pub(crate) fn resources() -> (usize, usize, usize) {
    let count = |path| std::fs::read_dir(path).unwrap().count();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let rss = rss.and_then(|text| text.split_whitespace().next()?.parse().ok());
    (
        count("/proc/self/task"),
        count("/proc/self/fd"),
        rss.unwrap(),
    )
}

/// Connects, logs in, subscribes, waits for the acknowledgement and releases, repeatedly.
pub(crate) fn cycles(job: &Value) -> Value {
    let count = job["cycles"].as_u64().unwrap();
    let mut before = resources();
    let mut acknowledged = 0;
    for cycle in 0..count {
        if cycle == count / 10 {
            before = resources();
        }
        let (api, receiver) = start(job, "flow");
        while let Ok(said) = receiver.recv_timeout(PATIENCE) {
            match said {
                Said::Connected => api.login(&login_words(job)).unwrap(),
                Said::Login(..) => api.subscribe(&["rb2510"]).unwrap(),
                Said::Subscribed(..) => {
                    acknowledged += 1;
                    break;
                }
                _ => {}
            }
        }
        api.release(PATIENCE).unwrap();
    }
    json!({ "acknowledged": acknowledged, "before": before, "after": settled(before.0) })
}

/// What the process has once it is back at `threads`, or after a minute: the helper thread of the
/// last release may still be on its way out.
pub(crate) fn settled(threads: usize) -> (usize, usize, usize) {
    let mut after = resources();
    let step = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        if after.0 <= threads {
            break;
        }
        std::thread::sleep(step);
        after = resources();
    }
    after
}

fn assert_no_thread_and_no_file_is_left(answer: &Value) {
    let number = |when: &str, what: usize| answer[when][what].as_u64().unwrap();
    // Before, the thread of a release may have been on its way out.
    assert!(
        number("after", 0) <= number("before", 0),
        "threads: {answer}"
    );
    assert!(number("after", 1) <= number("before", 1), "files: {answer}");
}

fn assert_nothing_is_left(answer: &Value) {
    assert_no_thread_and_no_file_is_left(answer);
    let kilobytes = |when: &str| answer[when][2].as_u64().unwrap();
    let grown = kilobytes("after").saturating_sub(kilobytes("before"));
    assert!(grown < 4096, "{grown} kB more");
}

#[test]
fn a_thousand_sessions_leak_no_thread_or_file() {
    let job = json!({ "verb": "cycles", "cycles": 1000 });
    let variables = [("TICKDECK_SIM_RATE", "max"), ("TICKDECK_SIM_SETTLE", "1h")];
    let answer = in_child(&job, &variables);
    assert_eq!(answer["acknowledged"], 1000);
    assert_nothing_is_left(&answer);
}

/// The variables of a trader session, borrowed.
fn of_trader<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

#[test]
fn a_thousand_trader_sessions_leave_nothing_behind_either() {
    let job = json!({ "verb": "trader_cycles", "cycles": 1000 });
    let variables = crate::trader::variables("6.7.11");
    let answer = in_child(&job, &of_trader(&variables));
    assert_eq!(answer["listed"], 8 * 1000);
    assert_nothing_is_left(&answer);
}

/// Runs a job under valgrind, which fails the process for a memory error or a leak; `None` when the
/// machine has no valgrind.
fn under_valgrind(job: &Value, variables: &[(&str, &str)]) -> Option<Value> {
    let has_valgrind = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_valgrind {
        skipped("valgrind is not installed (Debian package valgrind)");
        return None;
    }
    let valgrind = [
        "valgrind",
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite",
        "--show-leak-kinds=definite",
        // Release waits for the library's thread, which must get its turns.
        "--fair-sched=yes",
    ];
    Some(in_child_under(&valgrind, job, variables))
}

#[test]
fn a_thousand_sessions_are_clean_under_valgrind() {
    let recording = format!("recording:{}", quick().display());
    // Under valgrind the market takes four times as long to open as the recording.
    for (source, count) in [(recording.as_str(), 1000), ("synthetic:quick", 40)] {
        let job = json!({ "verb": "cycles", "cycles": count });
        let variables = [
            ("TICKDECK_SIM_SOURCE", source),
            ("TICKDECK_SIM_RATE", "max"),
            ("TICKDECK_SIM_SETTLE", "1h"),
        ];
        let Some(answer) = under_valgrind(&job, &variables) else {
            return;
        };
        assert_eq!(answer["acknowledged"], count, "{source}");
        assert_no_thread_and_no_file_is_left(&answer);
    }
}

#[test]
fn a_thousand_trader_sessions_have_neither_under_valgrind() {
    let job = json!({ "verb": "trader_cycles", "cycles": 1000 });
    let variables = crate::trader::variables("6.7.11");
    if let Some(answer) = under_valgrind(&job, &of_trader(&variables)) {
        assert_eq!(answer["listed"], 8 * 1000);
        assert_no_thread_and_no_file_is_left(&answer);
    }
}

// What follows is a client of the wrong kind, so it needs raw calls.

static OBJECT: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static CALLS: AtomicUsize = AtomicUsize::new(0);
static INITIALISED_TWICE: AtomicBool = AtomicBool::new(false);
static RELEASED: AtomicBool = AtomicBool::new(false);

fn function<F: Copy>(slot: usize) -> F {
    let this = OBJECT.load(Ordering::Acquire);
    // SAFETY: the object is the library's and lives until the process ends.
    let table = unsafe { *this.cast::<*const *const c_void>() };
    // SAFETY: the slots used here are in the table of every version.
    let entry = unsafe { table.add(slot) };
    // SAFETY: inside the table.
    let function = unsafe { *entry };
    // SAFETY: the tests ask with the signature of the slot.
    unsafe { std::mem::transmute_copy::<*const c_void, F>(&function) }
}

fn plain(slot: usize) {
    // SAFETY: Release and Init have this signature.
    unsafe { function::<Plain>(slot)(OBJECT.load(Ordering::Acquire)) };
}

/// Releases from inside the callback, which kills the vendor's library; after the second Init,
/// which the main thread makes meanwhile.
unsafe extern "C" fn on_front_connected(_this: *mut c_void) {
    CALLS.fetch_add(1, Ordering::AcqRel);
    while !INITIALISED_TWICE.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(1));
    }
    plain(0);
    RELEASED.store(true, Ordering::Release);
}

unsafe extern "C" fn ignore(_this: *mut c_void) {
    CALLS.fetch_add(1, Ordering::AcqRel);
}

#[repr(C)]
struct Client {
    table: &'static [Plain; 16],
}

static CLIENT: OnceLock<Client> = OnceLock::new();

/// Breaks every rule of field guide 1.4 in one process.
pub(crate) fn misuse(job: &Value) -> Value {
    let file = library(job).join(symbol::MD_FILE);
    // SAFETY: tickdeck's library, whose initialisers do nothing.
    let library = Box::leak(Box::new(unsafe { libloading::Library::new(file) }.unwrap()));
    // SAFETY: the mangled name spells the signature.
    let create = unsafe { library.get::<CreateMd>(symbol::MD_CREATE.as_bytes()) }.unwrap();
    let flow = Path::new(text(job, "folder")).join("missing/flow/");
    let flow = CString::new(flow.to_str().unwrap()).unwrap();
    let mut table: [Plain; 16] = [ignore; 16];
    table[0] = on_front_connected;
    let client = CLIENT.get_or_init(|| Client {
        table: Box::leak(Box::new(table)),
    });
    // SAFETY: the signature of the symbol.
    OBJECT.store(unsafe { create(flow.as_ptr(), 0, 0) }, Ordering::Release);
    let this = OBJECT.load(Ordering::Acquire);
    let spi = std::ptr::from_ref(client).cast_mut().cast();
    // SAFETY: the slot of RegisterSpi.
    unsafe { function::<TakesPointer>(7)(this, spi) };
    let address = CString::new("tcp://127.0.0.1:1").unwrap();
    // SAFETY: the slot of RegisterFront.
    unsafe { function::<TakesText>(4)(this, address.as_ptr().cast_mut().cast::<c_char>()) };
    plain(1);
    plain(1);
    INITIALISED_TWICE.store(true, Ordering::Release);
    let step = Duration::from_millis(10);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        std::thread::sleep(step);
        if RELEASED.load(Ordering::Acquire) {
            break;
        }
    }
    std::thread::sleep(Duration::from_millis(100));
    plain(0);
    // SAFETY: the slot of GetTradingDay.
    let day = unsafe { function::<PlainText>(3)(this) };
    // SAFETY: no pointer to follow: the library must recognize that.
    unsafe { function::<Plain>(0)(std::ptr::null_mut()) };
    json!({ "calls": CALLS.load(Ordering::Acquire), "day_is_null": day.is_null() })
}

#[test]
fn misuse_is_survived_and_logged() {
    let answer = in_child(&json!({ "verb": "misuse" }), &[]);
    assert_eq!(answer["calls"], 1, "no callback after a Release inside one");
    assert_eq!(answer["day_is_null"], false);
    let stderr = answer["stderr"].as_str().unwrap();
    for part in [
        "the flow folder does not exist",
        "called twice: the vendor's library hangs",
        "called from a callback",
        "called after Release",
        "called twice: the vendor's library frees",
        "not an API object",
    ] {
        assert!(stderr.contains(part), "{part} is missing in:\n{stderr}");
    }
}
