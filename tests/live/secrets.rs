//! Nothing that a run writes contains a credential, at any log level.

use std::path::Path;

use crate::support::cli::{Running, finish, run_words, tickdeck};
use crate::support::ctp::{CANARIES, simulated_library, vendor_library, with_front};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, repository};
use crate::support::wait_until;

/// Besides the credentials: the front's address and the server's password.
const MORE: [&str; 2] = ["canary-host", "canary-nats-pw"];

fn assert_clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let canaries = CANARIES.iter().map(|(_, value)| *value).chain(MORE);
    for canary in canaries {
        assert!(!text.contains(canary), "{canary} is in {what}:\n{text}");
    }
}

/// Every file below a folder, and the decompressed content of recordings.
fn assert_clean_below(folder: &Path) {
    if folder.join("manifest.json").exists() {
        let path = folder.to_str().unwrap();
        let events = finish(tickdeck(["cat", path])).done().stdout;
        assert!(
            events.contains("session"),
            "the attempts are notes: {events}"
        );
        assert_clean(&format!("the events of {path}"), events.as_bytes());
    }
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            assert_clean_below(&path);
        } else {
            assert_clean(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

/// Waits until `said` is in the log of a run, checks the process, ends it, and checks everything it
/// left behind.
fn watch(folder: &Folder, command: std::process::Command, said: &str) {
    let running = Running::start(command);
    wait_until(said, || {
        running.stderr().contains(said) || !Path::new(&format!("/proc/{}", running.pid())).exists()
    });
    let pid = running.pid();
    for file in ["cmdline", "comm", "status"] {
        assert_clean(
            file,
            &std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default(),
        );
    }
    running.signal("TERM");
    let ended = running.wait();
    assert!(ended.stderr.contains(said), "{ended:?}");
    assert_clean("stdout", ended.stdout.as_bytes());
    assert_clean("stderr", ended.stderr.as_bytes());
    assert_clean_below(folder.path());
}

/// Arguments of a run with the most output.
const TRACE: &str = "--log-level trace --log-format json --backoff 100ms --front-timeout 500ms";
/// Time limit of runs that publish, for a busy machine.
const PATIENT: &str = "--connect-timeout 60s";

#[test]
fn an_unreached_front_leaves_no_credential() {
    let Some(library) = vendor_library("secrets with a vendor library") else {
        return;
    };
    let Some(server) = NatsServer::start("secrets with a vendor library") else {
        return;
    };
    let address = "tcp://127.0.0.1:1,tcp://canary-host.invalid:1,\
                   socks5://canary-host:1/canary-nats:canary-host@127.0.0.1:1";
    for verb in [
        &format!("live --record rec {PATIENT}"),
        "record --source ctp -o rec2",
        "smoke --duration 20s --gate gate.yml",
    ] {
        let folder = Folder::new();
        let words = format!("{verb} {TRACE}");
        let mut command = with_front(&words, folder.path(), &library, address);
        command.env("NATS_URL", server.url());
        watch(&folder, command, "ctp_retry");
    }
}

#[test]
fn a_run_that_logs_in_leaves_no_credential() {
    let Some(library) = simulated_library("secrets with the simulated front") else {
        return;
    };
    let login = "authorization { user: u, password: canary-nats-pw }";
    let Some(server) = NatsServer::with_config("secrets with the simulated front", login) else {
        return;
    };
    let folder = Folder::new();
    let words = format!("live --record rec {TRACE} {PATIENT}");
    let mut command = with_front(
        &words,
        folder.path(),
        &library,
        "tcp://canary-host.invalid:1",
    );
    command
        .env("NATS_URL", server.url())
        .env("NATS_USER", "u")
        .env("NATS_PASSWORD", "canary-nats-pw");
    watch(&folder, command, "ctp_subscribed");
}

#[test]
fn a_startup_error_repeats_no_credential() {
    let folder = Folder::new();
    for verb in [
        "live",
        "smoke",
        "doctor --timeout 200ms",
        "record --source ctp -o rec",
    ] {
        let words = format!("{verb} --log-level trace");
        let mut command = with_front(
            &words,
            folder.path(),
            Path::new("/nonexistent/x.so"),
            "socks5://canaryuser1:canary-password-1@canary-host:1080",
        );
        command.env("NATS_URL", "nats://u:canary-nats-pw@127.0.0.1:1");
        let ended = finish(command);
        assert_clean("stdout", ended.stdout.as_bytes());
        assert_clean("stderr", ended.stderr.as_bytes());
    }
    assert_clean_below(folder.path());
}

#[test]
fn the_help_shows_no_value_of_the_environment() {
    for verb in ["live", "smoke", "doctor", "record"] {
        let mut command = with_front(
            &format!("{verb} --help"),
            Path::new("/"),
            Path::new("x"),
            "tcp://canary-host:1",
        );
        command.env("NATS_PASSWORD", "canary-nats-pw");
        let ended = finish(command).done();
        assert_clean("help", ended.stdout.as_bytes());
    }
    assert_eq!(run_words("live --help").code, Some(0));
}

/// The documents name `live.env`, and `live` reads `.env`.
#[test]
fn environment_files_stay_out_of_version_control() {
    let ignored = std::fs::read_to_string(repository(".gitignore")).unwrap();
    for pattern in [".env", "*.env"] {
        assert!(ignored.lines().any(|line| line == pattern), "{pattern}");
    }
    let documents = repository("docs/security.md");
    let documents = std::fs::read_to_string(documents).unwrap();
    assert!(documents.contains("this repository ignores `*.env`"));
}
