//! One body, two arms: the behaviour of either library when no front answers. The simulated arm
//! runs always, the vendor's when the set-up has fetched its libraries.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck_ffi::abi::{ApiVersion, symbol};
use tickdeck_ffi::md::{MdApi, MdLibrary};
use tickdeck_ffi::td::{TdApi, TdLibrary};

use crate::child::{Said, library, login_words, start, text, wait_until};
use crate::lifecycle::{resources, settled};
use crate::support::{PATIENCE, QUIET, in_child, libraries, skipped, without};
use crate::trader;

/// Emulated version, and the folder of the vendor's library of that version.
const ARMS: [(&str, &str); 6] = [
    ("6.3.15", "6.3.15.7"),
    ("6.5.1", "6.5.1.7"),
    ("6.6.9", "6.6.9.9"),
    ("6.7.2", "6.7.2.8"),
    ("6.7.11", "6.7.11.0"),
    ("6.7.13", "6.7.13"),
];

/// A session of either library, as far as both can be asked the same.
trait Session: Sized {
    /// What the library says of itself.
    fn library(job: &Value) -> Value;

    fn start(job: &Value) -> (Self, Receiver<Said>);

    /// Makes every request there is; what their functions return.
    fn requests(&self, job: &Value) -> Vec<String>;

    fn day(&self) -> Option<String>;

    fn end(&self) -> Result<(), String>;
}

/// What a request's function returned.
fn returned<T: Debug, E: ToString>(result: Result<T, E>) -> String {
    format!("{:?}", result.map_err(|error| error.to_string()))
}

impl Session for MdApi {
    fn library(job: &Value) -> Value {
        let loaded = MdLibrary::open(&library(job)).unwrap();
        json!({
            "version": loaded.version().text,
            "create": loaded.create_symbol(),
            "production_flag": loaded.has_production_flag(),
            "layout": loaded.layout().letter().to_string(),
            "slots": loaded.spi_table().slots(),
        })
    }

    fn start(job: &Value) -> (Self, Receiver<Said>) {
        start(job, "flow")
    }

    fn requests(&self, job: &Value) -> Vec<String> {
        vec![
            returned(self.login(&login_words(job))),
            returned(self.subscribe(&["rb2510"])),
            returned(self.unsubscribe(&["rb2510"])),
        ]
    }

    fn day(&self) -> Option<String> {
        self.trading_day().map(|day| day.to_string()).ok()
    }

    fn end(&self) -> Result<(), String> {
        self.release(PATIENCE).map_err(|error| error.to_string())
    }
}

impl Session for TdApi {
    fn library(job: &Value) -> Value {
        let loaded = TdLibrary::open(&library(job)).unwrap();
        json!({
            "version": loaded.version().text,
            "create": loaded.create_symbol(),
            "production_flag": loaded.has_production_flag(),
        })
    }

    fn start(job: &Value) -> (Self, Receiver<Said>) {
        trader::start(job)
    }

    fn requests(&self, job: &Value) -> Vec<String> {
        let login = trader::login_words(job);
        vec![
            returned(self.authenticate(&login)),
            returned(self.login(&login)),
            returned(self.confirm_settlement(&login)),
            returned(self.query_instruments("SHFE")),
        ]
    }

    fn day(&self) -> Option<String> {
        self.trading_day().map(|day| day.to_string()).ok()
    }

    fn end(&self) -> Result<(), String> {
        self.release(PATIENCE).map_err(|error| error.to_string())
    }
}

/// Whether a job is about the trader library.
fn is_trader(job: &Value) -> bool {
    text(job, "api") == "td"
}

/// A session without an answer: the results of its functions, and its callbacks.
pub(crate) fn unreachable(job: &Value) -> Value {
    if is_trader(job) {
        unreachable_by::<TdApi>(job)
    } else {
        unreachable_by::<MdApi>(job)
    }
}

fn unreachable_by<S: Session>(job: &Value) -> Value {
    let of_library = S::library(job);
    let threads_before = resources().0;
    let (api, receiver) = S::start(job);
    let requests = api.requests(job);
    let told = receiver.recv_timeout(Duration::from_millis(700)).is_ok();
    // The thread that called Init may still be on its way out.
    let threads = settled(threads_before + 2).0 - threads_before;
    let day = api.day();
    let released = api.end().is_ok();
    let again = api.end();
    json!({
        "library": of_library,
        "requests": requests,
        "told": told,
        "threads": threads,
        "day": day,
        "released": released,
        "again": format!("{again:?}"),
    })
}

/// A pause between two callbacks that the library certainly makes. The machine only ever makes
/// pauses longer. Libraries since 6.7.9 pause for a second.
const PAUSE_NS: i64 = 800_000_000;

/// How long the client of such a library takes over a callback, which counts for nothing in the
/// pause.
const CALLBACK_MS: u64 = 500;

/// A session whose connections are cut before the front has answered: its callbacks, in order,
/// until `losses` were lost, and whether it can be released.
pub(crate) fn lost(job: &Value) -> Value {
    if is_trader(job) {
        lost_by::<TdApi>(job)
    } else {
        lost_by::<MdApi>(job)
    }
}

fn lost_by<S: Session>(job: &Value) -> Value {
    let (api, receiver) = S::start(job);
    let wanted = usize::try_from(job["losses"].as_u64().unwrap()).unwrap();
    let (mut told, mut losses) = (Vec::new(), Vec::new());
    while losses.len() < wanted
        && let Ok(said) = receiver.recv_timeout(PATIENCE)
    {
        told.push(match said {
            Said::Disconnected(reason, callback) => {
                losses.push(callback);
                format!("disconnected {reason:#x}")
            }
            other => format!("{other:?}"),
        });
    }
    // Until the kept connection is established, see `hangs_up`. The simulated library has none.
    if let (Some(_), Some(kept)) = (job["vendor"].as_str(), job["kept"].as_str()) {
        wait_until(|| Path::new(kept).exists());
    }
    std::thread::sleep(QUIET);
    let pauses = losses
        .windows(2)
        .map(|pair| pair[1].begun.since(pair[0].returned));
    let shortest_ns = pauses.min();
    let day = api.day();
    let released = api.end().is_ok();
    json!({
        "told": told,
        "pauses": shortest_ns.is_some_and(|it| it >= PAUSE_NS),
        "day": day,
        "released": released,
    })
}

fn without_stderr(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("stderr");
    answer
}

/// The folder of the vendor's library of a version; `None` after a visible skip.
fn vendor(of_vendor: &str) -> Option<PathBuf> {
    let Some(all) = std::env::var_os("TICKDECK_CTP_LIBRARIES").map(PathBuf::from) else {
        without(
            "TICKDECK_CTP_LIBRARIES is not set: cargo xtask vendor-ctp fetches the vendor's libraries",
        );
        return None;
    };
    let folder = all.join(of_vendor);
    if !folder.exists() {
        without(&format!("no vendor library in {}", folder.display()));
        return None;
    }
    Some(folder)
}

/// Runs one job with both libraries in both arms: ours with a rule on each of its fronts, the
/// vendor's against `front`. Ours are checked in any case.
fn both(
    job: impl Fn(&str, &str) -> Value,
    front: &dyn Fn(&Value) -> String,
    rule: &str,
    check: impl Fn(&str, &Value),
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faults.toml");
    let rules = ["market_data", "trader"]
        .map(|front| format!("[[rule]]\nname = '{front}'\nfront = '{front}'\n{rule}"));
    std::fs::write(&path, rules.concat()).unwrap();
    for (version, of_vendor) in ARMS {
        let variables = [
            ("TICKDECK_SIM_API_VERSION", version),
            ("TICKDECK_SIM_SCRIPT", path.to_str().unwrap()),
        ];
        let vendor = vendor(of_vendor);
        for api in ["md", "td"] {
            let mut job = job(api, version);
            job["api"] = api.into();
            job["front"] = front(&job).into();
            let ours = without_stderr(in_child(&job, &variables));
            check(version, &ours);
            if let Some(libraries) = &vendor {
                job["vendor"] = libraries.to_str().unwrap().into();
                let theirs = without_stderr(in_child(&job, &[]));
                assert_eq!(ours, theirs, "{api} {version}");
            }
        }
    }
}

#[test]
fn an_unreachable_front_looks_as_with_the_vendors_library() {
    let rule = "at = { connection = 1 }\naction = 'refuse'\ntimes = 0\n";
    // Port 1 has no listener.
    both(
        |_, _| json!({ "verb": "unreachable" }),
        &|_| "tcp://127.0.0.1:1".into(),
        rule,
        |version, ours| {
            assert_eq!(ours["told"], false, "{version}");
            assert_eq!(ours["threads"], 2, "{version}");
            assert_eq!(ours["day"], "19800100", "{version}");
            assert_eq!(ours["released"], true, "{version}");
        },
    );
}

/// How many connections are cut before one is kept.
const CUT: usize = 30;

/// Takes connections and cuts the first ones at once; gives its address. Later ones are kept and
/// not answered: the oldest library may crash when it is released while a connection is being
/// established. The file that the job calls `kept` appears with the first of them.
fn hangs_up(job: &Value) -> String {
    let kept_file = job["kept"].as_str().map(PathBuf::from);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for connection in listener.incoming().skip(CUT) {
            kept.push(connection);
            if let Some(file) = &kept_file {
                std::fs::write(file, "").unwrap();
            }
        }
    });
    format!("tcp://127.0.0.1:{port}")
}

/// Libraries up to 6.7.8 connect again at once, later ones after a second.
fn pauses(version: &str) -> bool {
    ["6.7.11", "6.7.13"].contains(&version)
}

#[test]
fn lost_connections_are_reported_and_retried_as_by_the_vendor() {
    let rule = "at = { connection = 1 }\naction = { disconnect = 0x1001 }\ntimes = 0\n";
    let losses = |version: &str| if pauses(version) { 2 } else { CUT };
    let callback_ms = |version: &str| if pauses(version) { CALLBACK_MS } else { 0 };
    let folder = tempfile::tempdir().unwrap();
    let kept = |api: &str, version: &str| {
        (!pauses(version)).then(|| folder.path().join(format!("{api}-{version}")))
    };
    let job = |api: &str, version: &str| {
        json!({
            "verb": "lost",
            "losses": losses(version),
            "lost_callback_ms": callback_ms(version),
            "kept": kept(api, version),
        })
    };
    both(job, &hangs_up, rule, |version, ours| {
        let told = vec!["disconnected 0x1001"; losses(version)];
        assert_eq!(ours["told"], json!(told), "{version}");
        assert_eq!(ours["pauses"], pauses(version), "{version}");
        assert_eq!(ours["released"], true, "{version}");
    });
}

/// The functions of a class that a library exports; `None` after a visible skip.
fn exported(library: &Path, class: &str) -> Option<BTreeSet<String>> {
    let listed = Command::new("nm")
        .args(["--dynamic", "--defined-only", "--format=posix"])
        .arg(library)
        .output();
    let Ok(listed) = listed else {
        skipped("nm is not installed (Debian package binutils)");
        return None;
    };
    assert!(listed.status.success(), "{listed:?}");
    let text = String::from_utf8(listed.stdout).unwrap();
    let functions = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (name, kind) = (words.next()?, words.next()?);
        // The type information of C++ classes is weak, and every program that needs it has its own.
        (kind == "T" && name.starts_with(class)).then(|| name.to_owned())
    });
    Some(functions.collect())
}

#[test]
fn both_libraries_export_the_symbols_of_each_version() {
    let folder = tempfile::tempdir().unwrap();
    let ours = libraries(folder.path());
    let set =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(ToString::to_string).collect() };
    for (file, class, version_text, plain, with_mode) in [
        (
            symbol::MD_FILE,
            "_ZN15CThostFtdcMdApi",
            symbol::MD_VERSION,
            symbol::MD_CREATE,
            symbol::MD_CREATE_WITH_MODE,
        ),
        (
            symbol::TD_FILE,
            "_ZN19CThostFtdcTraderApi",
            symbol::TD_VERSION,
            symbol::TD_CREATE,
            symbol::TD_CREATE_WITH_MODE,
        ),
    ] {
        let Some(ours) = exported(&ours.join(file), class) else {
            return;
        };
        assert_eq!(ours, set(&[version_text, plain, with_mode]), "{file}");
        for (version, of_vendor) in ARMS {
            let Some(theirs) = vendor(of_vendor) else {
                continue;
            };
            let theirs = exported(&theirs.join(file), class).unwrap();
            let missing: Vec<&String> = theirs.difference(&ours).collect();
            assert!(missing.is_empty(), "{file} {version}: {missing:?}");
            // One file is every version, so it has the other factory, too, and nothing else.
            let version: ApiVersion = version.parse().unwrap();
            let other = if version.at_least(6, 7, 11) {
                plain
            } else {
                with_mode
            };
            let more: BTreeSet<String> = ours.difference(&theirs).cloned().collect();
            assert_eq!(more, set(&[other]), "{file} {version:?}");
        }
    }
}
