//! `live`, `record --source ctp` and `doctor` as a user meets them before there is a front: the
//! switch, what is missing, what is wrong.

use std::path::Path;

use serde_json::Value;

use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::ctp::with_front;
use crate::support::recordings::Folder;

/// Log lines of one event.
fn lines(ended: &Ended, event: &str) -> Vec<Value> {
    ended
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["event"] == event)
        .collect()
}

#[test]
fn without_the_switch_ingest_is_disabled_and_says_how_to_enable_it() {
    let folder = Folder::new();
    for value in [None, Some("0"), Some("")] {
        let mut command = tickdeck(["live"]);
        command.current_dir(folder.path());
        if let Some(value) = value {
            command.env("MD_RUN_INGEST", value);
        }
        let ended = finish(command).done();
        assert!(ended.stdout.contains("disabled"), "{ended:?}");
        assert!(ended.stdout.contains("MD_RUN_INGEST=1"), "{ended:?}");
    }
    let mut command = tickdeck(["live", "--json"]);
    command.current_dir(folder.path());
    assert_eq!(finish(command).done().json()["ingest"], "disabled");
}

#[test]
fn a_missing_variable_is_logged_with_where_to_set_it() {
    let folder = Folder::new();
    for words in [
        "live --log-format json",
        "record --source ctp -o rec --log-format json",
        "smoke --log-format json",
    ] {
        let mut command = tickdeck(words.split(' '));
        command
            .current_dir(folder.path())
            .env("MD_RUN_INGEST", "1")
            .env("CTP_MD_ADDRESS", "tcp://127.0.0.1:1")
            .env("ctp_broker_id", "9999");
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let logged = lines(&ended, "live_ingest_startup_error");
        assert_eq!(logged.len(), 1, "{ended:?}");
        assert_eq!(
            logged[0]["required_env"],
            "CTP_GATEWAY_CONNECT,CTP_USER_ID,CTP_PASSWORD"
        );
        let fix = logged[0]["fix"].as_str().unwrap();
        assert!(fix.contains("--env-file"), "{fix}");
    }
    assert!(!folder.join("rec").exists());
}

#[test]
fn an_environment_file_counts_and_is_named_when_something_is_missing() {
    let folder = Folder::new();
    let file = folder.join("live.env");
    std::fs::write(
        &file,
        "MD_RUN_INGEST=1\nctp_gateway_connect=nowhere.so\nCTP_MD_ADDRESS=tcp://127.0.0.1:1\n\
         CTP_BROKER_ID=b\nCTP_USER_ID=u\nCTP_PASSWORD='p'\n",
    )
    .unwrap();
    let live = |words: &str| {
        let mut command = tickdeck(words.split(' '));
        command.current_dir(folder.path());
        finish(command)
    };
    // Everything but the library is fine.
    let ended = live("live --env-file live.env --symbols rb2601");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("no CTP library at nowhere.so"),
        "{ended:?}"
    );
    // `.env` is read without being named.
    std::fs::rename(&file, folder.join(".env")).unwrap();
    let ended = live("live --symbols rb2601");
    assert!(
        ended.stderr.contains("no CTP library at nowhere.so"),
        "{ended:?}"
    );
    let ended = live("live --env-file other.env");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("other.env"), "{ended:?}");
}

#[test]
fn a_library_that_is_none_is_one_clear_sentence() {
    let folder = Folder::new();
    let text = folder.join("text.so");
    std::fs::write(&text, "not a library\n").unwrap();
    let empty = folder.join("empty");
    std::fs::create_dir(&empty).unwrap();
    let own = std::env::current_exe().unwrap();
    for (library, said) in [
        (Path::new("/nonexistent/x.so"), "/nonexistent/x.so"),
        (&text, "text.so"),
        (&empty, "thostmduserapi_se.so"),
        // A program of this machine that is no library, least of all the vendor's.
        (&own, "cannot"),
    ] {
        let ended = finish(with_front(
            "live --log-format json",
            folder.path(),
            library,
            "tcp://127.0.0.1:1",
        ));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let logged = lines(&ended, "live_ingest_startup_error");
        let reason = logged[0]["reason"].as_str().unwrap();
        assert!(reason.contains("CTP_GATEWAY_CONNECT"), "{reason}");
        assert!(reason.contains(said), "{reason}");
    }
}

#[test]
fn a_bad_address_is_named_by_its_variable_and_not_repeated() {
    let folder = Folder::new();
    for verb in ["live", "record --source ctp -o rec", "smoke"] {
        let library = Path::new("/nonexistent/x.so");
        let ended = finish(with_front(
            verb,
            folder.path(),
            library,
            "tcp://secret.example",
        ));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("CTP_MD_ADDRESS"), "{ended:?}");
        assert!(ended.stderr.contains("it has no port"), "{ended:?}");
        assert!(!ended.stderr.contains("secret.example"), "{ended:?}");
    }
}

#[test]
fn a_duration_that_is_none_is_refused() {
    let folder = Folder::new();
    let mut command = with_front("live", folder.path(), Path::new("x"), "tcp://127.0.0.1:1");
    command.env("MD_DURATION_SECONDS", "soon");
    let ended = finish(command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("MD_DURATION_SECONDS"), "{ended:?}");
}

#[test]
fn doctor_lists_what_is_missing_with_the_fix_of_each() {
    let folder = Folder::new();
    let mut command = tickdeck("doctor --json --timeout 200ms --nats-url 127.0.0.1:1".split(' '));
    command
        .current_dir(folder.path())
        .env("XDG_STATE_HOME", folder.join("state"));
    let ended = finish(command);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let result = ended.json();
    assert_eq!(result["ok"], false);
    let status = |check: &str| {
        let found = result["checks"].as_array().unwrap().iter();
        let finding = found.clone().find(|f| f["check"] == check).unwrap();
        assert_eq!(
            finding["fix"].as_str().unwrap().is_empty(),
            finding["status"] == "ok",
            "{finding}"
        );
        finding["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status("environment"), "fail");
    assert_eq!(status("switch"), "warn");
    assert_eq!(status("nats"), "fail");
    assert_eq!(status("flow_folder"), "ok");
    assert_eq!(status("td_front"), "warn");
    status("calendar");
    status("locale");
}

#[test]
fn doctor_finds_an_unwritable_flow_folder_and_a_front_that_is_away() {
    let folder = Folder::new();
    std::fs::write(folder.join("file"), "").unwrap();
    let words = "doctor --timeout 200ms --nats-url 127.0.0.1:1 --flow-dir file/below";
    let ended = finish(with_front(
        words,
        folder.path(),
        Path::new("/nonexistent/x.so"),
        "tcp://127.0.0.1:1",
    ));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for said in [
        "FAIL  library",
        "FAIL  flow_folder",
        "FAIL  md_front",
        "CTP_MD_ADDRESS 1 does not accept connections",
        "fix:",
        "live cannot run",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
}
