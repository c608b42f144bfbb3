//! One body, two arms: what a client sees of a library when no front answers. The simulated arm runs
//! always, the vendor's when the set-up has fetched its libraries.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck_ffi::md::MdLibrary;

use crate::child::{library, login_words, start};
use crate::support::{in_child, skipped};

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
    let day = api.trading_day().map(|day| day.to_string()).ok();
    let released = api.release(Duration::from_secs(5)).is_ok();
    let again = api
        .release(Duration::from_secs(5))
        .map_err(|error| error.to_string());
    json!({
        "version": loaded.version().text,
        "layout": loaded.layout().letter().to_string(),
        "slots": loaded.spi_table().slots(),
        "production_flag": loaded.has_production_flag(),
        "login": format!("{login:?}"),
        "subscribe": format!("{subscribe:?}"),
        "unsubscribe": format!("{unsubscribe:?}"),
        "told": told,
        "day": day,
        "released": released,
        "again": format!("{again:?}"),
    })
}

fn without_stderr(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("stderr");
    answer
}

#[test]
fn without_a_front_the_simulated_library_behaves_as_the_vendors_of_its_version() {
    let vendor = std::env::var_os("TICKDECK_CTP_LIBRARIES").map(PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("refuse.toml");
    let text =
        "[[rule]]\nname = 'refused'\nat = { connection = 1 }\naction = 'refuse'\ntimes = 0\n";
    std::fs::write(&script, text).unwrap();
    for (version, of_vendor) in ARMS {
        let variables = [
            ("TICKDECK_SIM_API_VERSION", version),
            ("TICKDECK_SIM_SCRIPT", script.to_str().unwrap()),
        ];
        // Port 1 of this machine: nobody listens there.
        let job = json!({ "verb": "unreachable", "front": "tcp://127.0.0.1:1" });
        let ours = without_stderr(in_child(&job, &variables));
        assert_eq!(ours["told"], false, "{version}");
        assert_eq!(ours["day"], "19800100", "{version}");
        assert_eq!(ours["released"], true, "{version}");
        let Some(libraries) = vendor.as_ref().map(|all| all.join(of_vendor)) else {
            skipped(
                "TICKDECK_CTP_LIBRARIES is not set: cargo xtask vendor-ctp fetches the vendor's libraries",
            );
            continue;
        };
        if !libraries.exists() {
            skipped(&format!("no vendor library in {}", libraries.display()));
            continue;
        }
        let mut job = job;
        job["vendor"] = libraries.to_str().unwrap().into();
        let theirs = without_stderr(in_child(&job, &[]));
        assert_eq!(ours, theirs, "{version}");
    }
}
