//! Libraries of untested versions, and keys that a library does not have.

use crate::support::cli::{Running, finish};
use crate::support::ctp::{logged, stub_library, with_front};
use crate::support::recordings::Folder;
use crate::support::wait_until;

const ADDRESS: &str = "tcp://127.0.0.1:1";

#[test]
fn an_untested_version_is_used_with_a_warning() {
    let test = "unlisted versions";
    for (version, is_loud) in [
        ("v6.7.13_20260225 14:16:30.12079", false),
        ("v6.7.12_20251201 00:00:00", true),
        ("v6.8.2_20270101 00:00:00", true),
        ("v7.0.0_20280101 00:00:00", true),
    ] {
        let folder = Folder::new();
        let Some(library) = stub_library(test, folder.path(), version, &[]) else {
            return;
        };
        let expected = if is_loud { vec![version] } else { Vec::new() };
        let warned = |stderr: &str| -> Vec<String> {
            let lines = logged(stderr, "ctp_version_untested");
            assert!(lines.iter().all(|line| line["level"] == "WARN"));
            let version =
                |line: &serde_json::Value| line["api_version"].as_str().map(str::to_owned);
            lines.iter().filter_map(version).collect()
        };
        let words = "record --source ctp -o rec --log-format json";
        let running = Running::start(with_front(words, folder.path(), &library, ADDRESS));
        wait_until("the instrument is subscribed", || {
            running.stderr().contains("\"ctp_subscribed\"")
        });
        running.signal("TERM");
        let ended = running.wait().done();
        assert_eq!(warned(&ended.stderr), expected);
        let words = "smoke --gate gate.yml --log-format json";
        let ended = finish(with_front(words, folder.path(), &library, ADDRESS));
        assert_eq!(warned(&ended.stderr), expected);
    }
}

#[test]
fn evaluation_keys_need_a_newer_library() {
    let folder = Folder::new();
    let version = "v6.7.10_20250422 16:38:54.9994";
    let Some(library) = stub_library("evaluation keys", folder.path(), version, &[]) else {
        return;
    };
    for verb in [
        "record --source ctp -o rec",
        "live",
        "smoke --gate gate.yml",
    ] {
        let words = format!("{verb} --front-keys evaluation");
        let ended = finish(with_front(&words, folder.path(), &library, ADDRESS));
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert!(
            ended
                .stderr
                .contains("--front-keys evaluation is not possible")
                && ended.stderr.contains(version),
            "{words}: {ended:?}"
        );
    }
    let words = "doctor --front-keys evaluation --timeout 200ms --nats-url 127.0.0.1:1";
    let ended = finish(with_front(words, folder.path(), &library, ADDRESS));
    assert!(ended.stdout.contains("FAIL  front_keys"), "{ended:?}");
}
