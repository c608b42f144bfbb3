//! `smoke`: the verdict, its gate file, and its time limit.

use std::path::Path;

use crate::support::blackhole::Blackhole;
use crate::support::cli::{Ended, Running, finish};
use crate::support::ctp::{fault_script, simulated_library, vendor_library, with_front};
use crate::support::recordings::Folder;
use crate::support::{skipped, wait_until};

const GATE: &str = "gates/2.1a.yml";

/// Runs `smoke` and returns its output and gate file.
fn smoke(folder: &Folder, library: &Path, address: &str, duration: &str) -> (Ended, String) {
    let words = format!("smoke --duration {duration} --gate {GATE} --backoff 200ms");
    let ended = finish(with_front(&words, folder.path(), library, address));
    let gate = std::fs::read_to_string(folder.join(GATE)).unwrap_or_default();
    (ended, gate)
}

#[test]
fn a_library_that_cannot_be_used_is_a_fail() {
    let folder = Folder::new();
    let missing = Path::new("/nonexistent/x.so");
    let (ended, gate) = smoke(&folder, missing, "tcp://127.0.0.1:1", "20s");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(gate.contains("gate: FAIL"), "{gate}");
    assert!(gate.contains("the CTP library cannot be used"), "{gate}");
}

#[test]
fn a_failed_start_replaces_an_old_verdict() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.join("gates")).unwrap();
    std::fs::write(folder.join(GATE), "gate: PASS\n").unwrap();
    let words = format!("smoke --duration 20s --gate {GATE}");
    let library = Path::new("/nonexistent/x.so");
    let mut command = with_front(&words, folder.path(), library, "tcp://127.0.0.1:1");
    command.env_remove("CTP_PASSWORD");
    let ended = finish(command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let gate = std::fs::read_to_string(folder.join(GATE)).unwrap();
    assert!(gate.contains("gate: FAIL"), "{gate}");
    assert!(gate.contains("the test could not begin"), "{gate}");
    assert!(gate.contains("CTP_PASSWORD"), "{gate}");
}

#[test]
fn an_absent_front_is_a_concern() {
    let Some(library) = vendor_library("smoke against an unreachable front") else {
        return;
    };
    let folder = Folder::new();
    let (ended, gate) = smoke(&folder, &library, "tcp://127.0.0.1:1", "30s");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(gate.contains("gate: CONCERNS"), "{gate}");
    assert!(gate.contains("attempt: 1, "), "{gate}");
    assert!(gate.contains("attempt: 2, "), "{gate}");
    assert!(gate.contains("connect_timeout"), "{gate}");
    assert!(gate.contains("clean_shutdown: true"), "{gate}");
    assert!(
        ended
            .stderr
            .contains("ctp_retry attempt=1 reason=connect_timeout"),
        "{ended:?}"
    );
}

#[test]
fn a_front_that_drops_packets_is_a_concern() {
    let Some(library) = vendor_library("smoke against a front that swallows packets") else {
        return;
    };
    // The library and the explanation of a silence each dial such a front for five of every ten
    // seconds, and a Release has six. A session of seven seconds ends well after one dial and well
    // before the next. The test ends while the fourth session still dials.
    let front = Blackhole::new();
    let folder = Folder::new();
    let words = format!("smoke --duration 35s --gate {GATE} --backoff 200ms --front-timeout 7s");
    let ended = finish(with_front(
        &words,
        folder.path(),
        &library,
        &front.address(),
    ));
    let gate = std::fs::read_to_string(folder.join(GATE)).unwrap_or_default();
    assert_eq!(ended.code, Some(0), "{ended:?} {gate}");
    assert!(gate.contains("gate: CONCERNS"), "{gate}");
    assert!(gate.contains("clean_shutdown: true"), "{gate}");
}

#[test]
fn an_unwritable_gate_is_found_early() {
    let folder = Folder::new();
    std::fs::write(folder.join("gates"), "a file").unwrap();
    let (ended, _) = smoke(&folder, Path::new("x"), "tcp://127.0.0.1:1", "20s");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains(GATE), "{ended:?}");
    assert!(!ended.stderr.contains("CTP library"), "{ended:?}");
}

#[test]
fn a_login_is_a_pass() {
    let Some(library) = simulated_library("smoke against the simulated front") else {
        return;
    };
    let folder = Folder::new();
    let (ended, gate) = smoke(&folder, &library, "tcp://127.0.0.1:1", "30s");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(gate.contains("gate: PASS"), "{gate}");
    assert!(gate.contains("login_seen: true"), "{gate}");
    assert!(gate.contains("\n  library: simulated\n"), "{gate}");
    let reason = "\nstatus_reason: \"on the simulated front: logged in";
    assert!(gate.contains(reason), "{gate}");
    assert!(ended.stderr.contains("ctp_login_ok"), "{ended:?}");
}

#[test]
fn a_smoke_test_takes_1_s_to_120_s() {
    for (duration, said) in [
        ("121s", "at most 120s"),
        ("999ms", "at least 1s"),
        ("0s", "at least 1s"),
    ] {
        let folder = Folder::new();
        let (ended, gate) = smoke(&folder, Path::new("x"), "tcp://127.0.0.1:1", duration);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
        assert_eq!(gate, "", "nothing was tested");
    }
}

#[test]
fn an_interrupted_test_leaves_no_old_verdict() {
    let Some(library) = simulated_library("a smoke test that is killed") else {
        return;
    };
    let folder = Folder::new();
    std::fs::create_dir_all(folder.join("gates")).unwrap();
    std::fs::write(folder.join(GATE), "gate: PASS\n").unwrap();
    // There is never a login.
    let rules = "[[rule]]\nname = 'not ready'\nat = { login = 1 }\ntimes = 0\n\
                 action = { reject_login = 7 }\n";
    let words = format!("smoke --gate {GATE}");
    let mut command = with_front(&words, folder.path(), &library, "tcp://127.0.0.1:1");
    command.env("TICKDECK_SIM_SCRIPT", fault_script(folder.path(), rules));
    let running = Running::start(command);
    wait_until("a session is open", || {
        running.stderr().contains("ctp_session_open")
    });
    running.signal("KILL");
    assert_eq!(running.wait().code, None);
    let gate = std::fs::read_to_string(folder.join(GATE)).unwrap();
    assert!(gate.contains("gate: FAIL"), "{gate}");
    assert!(gate.contains("did not finish"), "{gate}");
}

/// A library of 6.7.13 that never releases a session; `None` after a visible skip.
fn hanging_library(folder: &Path) -> Option<std::path::PathBuf> {
    let library = folder.join("thostmduserapi_se.so");
    let compiled = std::process::Command::new("g++")
        .args(["-std=c++17", "-O0", "-fPIC", "-shared", "-pthread"])
        .args(["-DTABLE=13", "-DID_OFFSET=401", "-DCREATE=2"])
        .args(["-DMULTICAST", "-DHANGS"])
        .arg("-DVERSION=\"v6.7.13_20260225 14:16:30.12079\"")
        .arg("-o")
        .arg(&library)
        .arg(crate::support::recordings::repository("ffi/tests/stub.cpp"))
        .output();
    match compiled {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            Some(library)
        }
        Err(_) => {
            skipped("a library that hangs", "no g++");
            None
        }
    }
}

#[test]
fn a_hanging_library_fails_in_time() {
    let folder = Folder::new();
    let Some(library) = hanging_library(folder.path()) else {
        return;
    };
    // Long enough for a session on a slow machine: it ends at the login.
    let words = "smoke --duration 30s --gate gate.yml --json";
    let address = "tcp://127.0.0.1:1";
    let ended = finish(with_front(words, folder.path(), &library, address));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let gate = ended.json();
    assert_eq!(
        (&gate["gate"], &gate["library"]),
        (&"FAIL".into(), &"vendor".into())
    );
    // The library would hang for hours.
    assert!(gate["elapsed_s"].as_f64().unwrap() < 60.0, "{gate}");
    let rationale = gate["rationale"].as_str().unwrap();
    assert!(
        rationale.contains("did not release") || rationale.contains("hangs"),
        "{rationale}"
    );
}
