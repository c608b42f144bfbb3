//! One body, two arms: what a client sees of a library when no front answers. The simulated arm runs
//! always, the vendor's when the set-up has fetched its libraries.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck_ffi::md::MdLibrary;

use crate::child::{Said, library, login_words, start, wait_until};
use crate::lifecycle::{resources, settled};
use crate::support::{PATIENCE, QUIET, in_child, skipped};

/// Emulated version, and the folder of the vendor's library of that version.
const ARMS: [(&str, &str); 6] = [
    ("6.3.15", "6.3.15.7"),
    ("6.5.1", "6.5.1.7"),
    ("6.6.9", "6.6.9.9"),
    ("6.7.2", "6.7.2.8"),
    ("6.7.11", "6.7.11.0"),
    ("6.7.13", "6.7.13"),
];

/// A session that nobody answers: what its functions return and what it is told.
pub(crate) fn unreachable(job: &Value) -> Value {
    let loaded = MdLibrary::open(&library(job)).unwrap();
    let threads_before = resources().0;
    let (api, receiver) = start(job, "flow");
    let login = api
        .login(&login_words(job))
        .map_err(|error| error.to_string());
    let subscribe = api
        .subscribe(&["rb2510"])
        .map_err(|error| error.to_string());
    let unsubscribe = api
        .unsubscribe(&["rb2510"])
        .map_err(|error| error.to_string());
    let told = receiver.recv_timeout(Duration::from_millis(700)).is_ok();
    // The thread that called Init may still be on its way out.
    let threads = settled(threads_before + 2).0 - threads_before;
    let day = api.trading_day().map(|day| day.to_string()).ok();
    let released = api.release(PATIENCE).is_ok();
    let again = api.release(PATIENCE).map_err(|error| error.to_string());
    json!({
        "version": loaded.version().text,
        "layout": loaded.layout().letter().to_string(),
        "slots": loaded.spi_table().slots(),
        "production_flag": loaded.has_production_flag(),
        "login": format!("{login:?}"),
        "subscribe": format!("{subscribe:?}"),
        "unsubscribe": format!("{unsubscribe:?}"),
        "told": told,
        "threads": threads,
        "day": day,
        "released": released,
        "again": format!("{again:?}"),
    })
}

/// A pause from the end of one callback to the next that is certainly one, and not the machine's, which
/// only ever makes it longer; libraries since 6.7.9 pause for a second.
const PAUSE_NS: i64 = 800_000_000;

/// How long the client of such a library takes over a callback, which counts for nothing in the pause.
const CALLBACK_MS: u64 = 500;

/// A session whose connections are cut before the front has answered: what it is told until `losses`
/// were lost, what its functions return meanwhile, and whether it can be released.
pub(crate) fn lost(job: &Value) -> Value {
    let (api, receiver) = start(job, "flow");
    let wanted = usize::try_from(job["losses"].as_u64().unwrap()).unwrap();
    let (mut reasons, mut others, mut losses) = (BTreeSet::new(), 0, Vec::new());
    while losses.len() < wanted
        && let Ok(said) = receiver.recv_timeout(PATIENCE)
    {
        match said {
            Said::Disconnected(reason, callback) => {
                reasons.insert(reason);
                losses.push(callback);
            }
            _ => others += 1,
        }
    }
    // Until the connection that is kept has come up, see `hangs_up`. The simulated one has none.
    if let (Some(_), Some(kept)) = (job["vendor"].as_str(), job["kept"].as_str()) {
        wait_until(|| Path::new(kept).exists());
    }
    std::thread::sleep(QUIET);
    let pauses = losses
        .windows(2)
        .map(|pair| pair[1].begun.since(pair[0].returned));
    let shortest_ns = pauses.min();
    let day = api.trading_day().map(|day| day.to_string()).ok();
    let released = api.release(PATIENCE).is_ok();
    json!({
        "reasons": reasons,
        "others": others,
        "losses": losses.len(),
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
        skipped(
            "TICKDECK_CTP_LIBRARIES is not set: cargo xtask vendor-ctp fetches the vendor's libraries",
        );
        return None;
    };
    let folder = all.join(of_vendor);
    if !folder.exists() {
        skipped(&format!("no vendor library in {}", folder.display()));
        return None;
    }
    Some(folder)
}

/// Runs one job in both arms: ours with a fault script, the vendor's against `front`. Ours is
/// checked in any case.
fn both(
    job: impl Fn(&str) -> Value,
    front: &dyn Fn(&Value) -> String,
    script: &str,
    check: impl Fn(&str, &Value),
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faults.toml");
    std::fs::write(&path, script).unwrap();
    for (version, of_vendor) in ARMS {
        let variables = [
            ("TICKDECK_SIM_API_VERSION", version),
            ("TICKDECK_SIM_SCRIPT", path.to_str().unwrap()),
        ];
        let mut job = job(version);
        job["front"] = front(&job).into();
        let ours = without_stderr(in_child(&job, &variables));
        check(version, &ours);
        if let Some(libraries) = vendor(of_vendor) {
            job["vendor"] = libraries.to_str().unwrap().into();
            let theirs = without_stderr(in_child(&job, &[]));
            assert_eq!(ours, theirs, "{version}");
        }
    }
}

#[test]
fn without_a_front_the_simulated_library_behaves_as_the_vendors_of_its_version() {
    let script =
        "[[rule]]\nname = 'refused'\nat = { connection = 1 }\naction = 'refuse'\ntimes = 0\n";
    // Port 1 of this machine: nobody listens there.
    both(
        |_| json!({ "verb": "unreachable" }),
        &|_| "tcp://127.0.0.1:1".into(),
        script,
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

/// Takes connections and cuts the first ones at once; gives its address. Later ones are kept and not
/// answered: the oldest library may crash when it is released while a connection comes up. The file that
/// the job calls `kept` appears with the first of them.
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
fn connections_that_are_lost_are_told_and_made_again_as_the_vendors_of_its_version_does() {
    let script = "[[rule]]\nname = 'cut'\nat = { connection = 1 }\n\
                  action = { disconnect = 0x1001 }\ntimes = 0\n";
    let losses = |version: &str| if pauses(version) { 2 } else { CUT };
    let callback_ms = |version: &str| if pauses(version) { CALLBACK_MS } else { 0 };
    let folder = tempfile::tempdir().unwrap();
    let kept = |version: &str| (!pauses(version)).then(|| folder.path().join(version));
    let job = |version: &str| {
        json!({
            "verb": "lost",
            "losses": losses(version),
            "lost_callback_ms": callback_ms(version),
            "kept": kept(version),
        })
    };
    both(job, &hangs_up, script, |version, ours| {
        assert_eq!(ours["reasons"], json!([0x1001]), "{version}");
        assert_eq!(ours["losses"], losses(version), "{version}");
        assert_eq!(ours["pauses"], pauses(version), "{version}");
        assert_eq!(ours["released"], true, "{version}");
    });
}
