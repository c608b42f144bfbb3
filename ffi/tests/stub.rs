//! The whole way from opening a file to a tick, with libraries compiled from `stub.cpp`: every
//! table, layout and factory there is, and those that must be refused.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use tempfile::TempDir;
use tickdeck_ffi::abi::{Knowledge, LoginResponse, RspInfo, symbol};
use tickdeck_ffi::md::{MdApi, MdHandler, MdLibrary, MdLogin, MdOptions};
use tickdeck_ffi::{
    FlowFolder, LoadError, RawTick, ReleaseError, RequestError, Secret, StartError,
};

/// The switches of `stub.cpp`.
#[derive(Debug, Clone, Copy)]
struct Variant {
    version: Option<&'static str>,
    table: u8,
    id_offset: u16,
    create: u8,
    switches: &'static [&'static str],
}

/// A library of 6.7.13.
const NEWEST: Variant = Variant {
    version: Some("v6.7.13_20260225 14:16:30.12079"),
    table: 13,
    id_offset: 401,
    create: 2,
    switches: &["MULTICAST"],
};

/// Compiles the variant. `None`, with a note, without a compiler.
fn build(folder: &Path, variant: &Variant) -> Option<PathBuf> {
    build_against(folder, variant, None)
}

/// The same, linked to another library.
fn build_against(folder: &Path, variant: &Variant, needed: Option<&Path>) -> Option<PathBuf> {
    let library = folder.join("thostmduserapi_se.so");
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++17", "-O0", "-fPIC", "-shared", "-pthread"]);
    compiler.arg("-Wl,--no-as-needed");
    compiler.arg(format!("-DTABLE={}", variant.table));
    compiler.arg(format!("-DID_OFFSET={}", variant.id_offset));
    compiler.arg(format!("-DCREATE={}", variant.create));
    compiler.args(variant.switches.iter().map(|switch| format!("-D{switch}")));
    if let Some(version) = variant.version {
        compiler.arg(format!("-DVERSION=\"{version}\""));
    }
    compiler.arg("-o").arg(&library);
    compiler.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stub.cpp"));
    compiler.args(needed);
    let Ok(output) = compiler.output() else {
        crate::support::skipped("no g++");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(library)
}

fn refusal(variant: &Variant) -> Option<LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = build(folder.path(), variant)?;
    Some(MdLibrary::open(&path).unwrap_err())
}

/// What came, in order, and on which thread.
#[derive(Default)]
struct Log {
    seen: Mutex<Vec<(String, ThreadId)>>,
    more: Condvar,
}

impl Log {
    fn add(&self, line: String) {
        let here = std::thread::current().id();
        self.seen.lock().unwrap().push((line, here));
        self.more.notify_all();
    }

    /// Waits for this many lines and returns them.
    fn lines(&self, count: usize) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let patience = Duration::from_secs(20);
        let (seen, _) = self
            .more
            .wait_timeout_while(seen, patience, |seen| seen.len() < count)
            .unwrap();
        assert!(
            seen.iter().all(|(_, thread)| *thread == seen[0].1),
            "one thread"
        );
        seen.iter().map(|(line, _)| line.clone()).collect()
    }
}

impl MdHandler for Log {
    fn on_front_connected(&self) {
        self.add("connected".to_owned());
    }
    fn on_login(&self, response: &LoginResponse, info: &RspInfo) {
        self.add(format!("login {} {}", response.trading_day, info.error_id));
    }
    fn on_subscribed(&self, id: &[u8], info: &RspInfo) {
        self.add(format!(
            "subscribed {} {}",
            id.escape_ascii(),
            info.error_id
        ));
    }
    fn on_tick(&self, tick: &RawTick) {
        self.add(format!(
            "tick {} {} {}",
            tick.trading_day, tick.instrument_id, tick.last_price
        ));
    }
    fn on_unexpected_slot(&self, slot: usize) {
        self.add(format!("unexpected slot {slot}"));
    }
}

fn options(folder: &TempDir) -> MdOptions {
    MdOptions {
        flow: FlowFolder::open(&folder.path().join("flow")).unwrap(),
        production: false,
        fronts: vec!["tcp://127.0.0.1:1".parse().unwrap()],
    }
}

fn login(user_id: &str) -> MdLogin {
    MdLogin {
        broker_id: "9999".to_owned(),
        user_id: user_id.to_owned(),
        password: Secret::new("hunter2"),
    }
}

/// Runs a session from connection to ticks and returns the factory's arguments.
fn session(variant: &Variant) -> Option<(MdLibrary, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = build(folder.path(), variant)?;
    let library = MdLibrary::open(&path).unwrap();
    let log = Arc::new(Log::default());
    let handler: Arc<dyn MdHandler> = Arc::clone(&log) as _;
    let api = MdApi::start(&library, options(&folder), handler).unwrap();
    log.lines(1);
    assert_eq!(
        api.login(&login("impatient")),
        Err(RequestError::TooManyPerSecond {
            request: "ReqUserLogin"
        })
    );
    api.login(&login("000001")).unwrap();
    log.lines(2);
    api.subscribe(&["rb2601", "SPD RM601&RM605"]).unwrap();
    assert_eq!(
        log.lines(6),
        [
            "connected",
            "login 20260105 0",
            "subscribed rb2601 0",
            "tick 20260105 rb2601 3500.5",
            "subscribed SPD RM601&RM605 0",
            "tick 20260105 SPD RM601&RM605 3500.5",
        ],
        "{variant:?}"
    );
    let told = api.trading_day().unwrap().to_string();
    api.release(Duration::from_secs(20)).unwrap();
    assert_eq!(Arc::strong_count(&log), 1);
    Some((library, told))
}

#[test]
fn every_table_layout_and_factory_runs_a_session() {
    let old = Variant {
        version: Some("6.3.15_20190220 15:47:00"),
        table: 12,
        id_offset: 9,
        create: 1,
        switches: &[],
    };
    let older_table_gone = Variant {
        version: Some("v6.3.19_P1_20200106 15:21:32"),
        table: 13,
        switches: &["MULTICAST"],
        ..old
    };
    let long_ids = Variant {
        version: Some("v6.5.1_20200908 10:25:08"),
        id_offset: 401,
        ..older_table_gone
    };
    let last_without_mode = Variant {
        version: Some("v6.7.10_20250422 16:38:54.9994"),
        ..long_ids
    };
    for variant in [old, older_table_gone, long_ids, last_without_mode] {
        let Some((library, told)) = session(&variant) else {
            return;
        };
        assert_eq!(told, "009", "TCP, and no flag to give");
        assert_eq!(library.create_symbol(), symbol::MD_CREATE);
    }
    let Some((library, told)) = session(&NEWEST) else {
        return;
    };
    assert_eq!(told, "000", "TCP, evaluation");
    assert_eq!(library.create_symbol(), symbol::MD_CREATE_WITH_MODE);
}

#[test]
fn a_library_newer_than_known_is_used_as_a_guess() {
    let newer = Variant {
        version: Some("v6.8.0_20270101 00:00:00"),
        ..NEWEST
    };
    let Some((library, _)) = session(&newer) else {
        return;
    };
    assert_eq!(library.version().knowledge(), Knowledge::Newer);
    assert_eq!(library.layout().letter(), 'C');
}

#[test]
fn one_simulated_file_stands_in_for_every_version() {
    let switches: &[&str] = &["MULTICAST", "MARK"];
    let oldest = Variant {
        version: Some("6.3.15_20190220 15:47:00"),
        table: 12,
        id_offset: 9,
        create: 3,
        switches,
    };
    let Some((library, told)) = session(&oldest) else {
        return;
    };
    assert!(library.is_simulated());
    assert_eq!((library.spi_table().slots(), told.as_str()), (12, "009"));
    let newest = Variant {
        create: 3,
        switches,
        ..NEWEST
    };
    let Some((library, told)) = session(&newest) else {
        return;
    };
    assert_eq!((library.spi_table().slots(), told.as_str()), (13, "000"));
}

#[test]
fn a_mislabelled_library_is_refused_before_use() {
    let check = |variant: Variant, expected: &str| {
        let Some(error) = refusal(&variant) else {
            return;
        };
        assert!(error.to_string().contains(expected), "{error}");
    };
    let no_factory = Variant {
        create: 0,
        ..NEWEST
    };
    check(
        no_factory,
        "does not export _ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbbb or ",
    );
    let no_version = Variant {
        version: None,
        ..NEWEST
    };
    check(
        no_version,
        "does not export _ZN15CThostFtdcMdApi13GetApiVersionEv",
    );
    let unreadable = Variant {
        version: Some("latest"),
        ..NEWEST
    };
    check(unreadable, "does not report its version");
    let too_old = Variant {
        version: Some("v6.3.11_20180109"),
        ..NEWEST
    };
    check(too_old, "6.3.15 and later");
    let not_as_old_as_it_says = Variant {
        version: Some("6.3.15_20190220 15:47:00"),
        ..NEWEST
    };
    check(
        not_as_old_as_it_says,
        "a table of 12 callbacks, its exports one of 13",
    );
    let not_as_new_as_it_says = Variant {
        switches: &[],
        ..NEWEST
    };
    check(
        not_as_new_as_it_says,
        "a table of 13 callbacks, its exports one of 12",
    );
    let factory_of_an_older_one = Variant {
        version: Some("v6.7.11_20250617 16:22:00.10369"),
        create: 1,
        ..NEWEST
    };
    check(
        factory_of_an_older_one,
        "but the library exports _ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbb, with other arguments",
    );
    let factory_of_a_newer_one = Variant {
        version: Some("v6.7.2_20230913 10:48:10.4926"),
        ..NEWEST
    };
    check(
        factory_of_a_newer_one,
        "but the library exports _ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbbb, with other arguments",
    );
}

#[test]
fn what_the_linker_misses_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let needed = folder.path().join("elsewhere");
    std::fs::create_dir(&needed).unwrap();
    let Some(needed) = build(&needed, &NEWEST) else {
        return;
    };
    let renamed = needed.with_file_name("libgone.so.1");
    std::fs::rename(&needed, &renamed).unwrap();
    let path = build_against(folder.path(), &NEWEST, Some(&renamed)).unwrap();
    std::fs::remove_file(&renamed).unwrap();
    let error = MdLibrary::open(&path).unwrap_err();
    assert!(matches!(error, LoadError::Linker { .. }), "{error}");
    let sentence = error.to_string();
    assert!(sentence.contains("libgone.so.1"), "{sentence}");
    assert!(sentence.contains("No such file"), "{sentence}");
}

fn start(variant: &Variant) -> Option<(TempDir, Result<MdApi, StartError>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = build(folder.path(), variant)?;
    let library = MdLibrary::open(&path).unwrap();
    let started = MdApi::start(&library, options(&folder), Arc::new(Log::default()));
    Some((folder, started))
}

#[test]
fn a_library_without_the_expected_session_is_not_called() {
    let null = Variant {
        switches: &["MULTICAST", "NULL_OBJECT"],
        ..NEWEST
    };
    let Some((_, started)) = start(&null) else {
        return;
    };
    assert!(matches!(
        started.unwrap_err(),
        StartError::NotCreated { .. }
    ));
    let wrong = Variant {
        switches: &["MULTICAST", "WRONG_SLOT"],
        ..NEWEST
    };
    let Some((folder, started)) = start(&wrong) else {
        return;
    };
    let error = started.unwrap_err();
    // The object that was made has its files open there.
    FlowFolder::open(&folder.path().join("flow")).unwrap_err();
    assert!(
        matches!(error, StartError::UnexpectedSlot { slot: 12, .. }),
        "{error}"
    );
}

#[test]
fn a_session_without_a_front_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = build(folder.path(), &NEWEST) else {
        return;
    };
    let library = MdLibrary::open(&path).unwrap();
    let options = MdOptions {
        fronts: Vec::new(),
        ..options(&folder)
    };
    let error = MdApi::start(&library, options, Arc::new(Log::default())).unwrap_err();
    assert_eq!(error, StartError::NoFront);
}

#[test]
fn a_library_that_hangs_in_its_release_is_abandoned_in_time() {
    let hangs = Variant {
        switches: &["MULTICAST", "HANGS"],
        ..NEWEST
    };
    let Some((folder, started)) = start(&hangs) else {
        return;
    };
    let api = started.unwrap();
    let waited = Duration::from_millis(50);
    let error = api.release(waited).unwrap_err();
    assert!(matches!(error, ReleaseError::Abandoned { waited: w } if w == waited));
    assert!(error.to_string().contains("within 50 ms"), "{error}");
    // What it may still write to is not given to another session.
    FlowFolder::open(&folder.path().join("flow")).unwrap_err();
    // Dropping it does not wait for it again.
    drop(api);
}
