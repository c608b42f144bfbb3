//! `live`, `record --source ctp` and `doctor` without a front: the switch, missing and wrong
//! settings.

use std::path::Path;

use crate::support::cli::{Running, finish, tickdeck, wait_for, with_nats};
use crate::support::ctp::{
    fault_script, logged, simulated_library, stub_library, with_front, with_simulated_front,
};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, quick, quirks, stream};
use crate::support::wait_until;

#[test]
fn ingest_is_disabled_without_the_switch() {
    let folder = Folder::new();
    for value in [
        None,
        Some("0"),
        Some(""),
        Some("No"),
        Some("off"),
        Some("false"),
    ] {
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
    for yes in ["true", "Yes", "on"] {
        let mut command = tickdeck(["live"]);
        command.current_dir(folder.path()).env("MD_RUN_INGEST", yes);
        assert_eq!(finish(command).code, Some(2), "the variables are missing");
    }
    for words in ["live", "live --json", "live --log-format json"] {
        let mut command = tickdeck(words.split(' '));
        command
            .current_dir(folder.path())
            .env("MD_RUN_INGEST", "maybe");
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let said = ended.stderr.replace('\\', "");
        let expected =
            "found \"maybe\", expected 1, true, yes, on for yes, or 0, false, no, off for no";
        assert!(said.contains("MD_RUN_INGEST"), "{ended:?}");
        assert!(said.contains(expected), "{ended:?}");
    }
    let mut command = tickdeck(["doctor", "--json", "--timeout", "200ms"]);
    command
        .current_dir(folder.path())
        .env("MD_RUN_INGEST", "maybe");
    let checks = finish(command).json()["checks"].as_array().unwrap().clone();
    let switch = checks.iter().find(|check| check["check"] == "switch");
    assert_eq!(switch.unwrap()["status"], "fail");
}

#[test]
fn an_impossible_symbol_is_bad_usage() {
    let folder = Folder::new();
    let library = Path::new("/nonexistent/x.so");
    for (symbols, problem) in [
        ("rb2605,rb2601.SHEF", "the exchange is none of SHFE"),
        ("rb2605,螺纹", "ASCII"),
        (&"x".repeat(90), "up to 80"),
    ] {
        let words = "record --source ctp -o rec --symbols";
        let mut command = with_front(words, folder.path(), library, "tcp://127.0.0.1:1");
        command.arg(symbols);
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(problem), "{ended:?}");
    }
}

#[test]
fn a_foreign_form_of_a_symbol_is_bad_usage() {
    let folder = Folder::new();
    let library = Path::new("/nonexistent/x.so");
    for (symbol, problem) in [
        ("RB2605.SHFE", "SHFE writes rb2605"),
        ("TA2605.CZCE", "CZCE writes TA605"),
        ("TA605.DCE", "DCE never writes"),
    ] {
        let words = "record --source ctp -o rec";
        let mut command = with_front(words, folder.path(), library, "tcp://127.0.0.1:1");
        command.env("CTP_SYMBOL", symbol);
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(problem), "{ended:?}");
    }
}

#[test]
fn a_foreign_id_is_refused_wherever_it_is_named() {
    let folder = Folder::new();
    let library = Path::new("/nonexistent/x.so");
    let quick = quick().display().to_string();
    for (id, exchange, problem) in [
        ("RB2601", "SHFE", "SHFE writes rb2601, not RB2601: "),
        ("ta601", "CZCE", "CZCE writes TA601, not ta601: "),
        ("IF26", "CFFEX", "CFFEX never writes an id like IF26: "),
        ("cu2513", "SHFE", "SHFE never writes an id like cu2513: "),
    ] {
        let vt_symbol = format!("{id}.{exchange}");
        let live = |words: &str, symbols: &str, variable: &str| {
            let mut command = with_front(words, folder.path(), library, "tcp://127.0.0.1:1");
            command.env("CTP_SYMBOL", variable);
            command.args(["--symbols", symbols]);
            command
        };
        let record = "record --source ctp -o rec";
        let replay = || tickdeck(["replay", &quick, "--sink", "null", "--rate", "max"]);
        let mut by_flag = replay();
        by_flag.args(["--ctp-symbol", &vt_symbol]);
        let mut by_variable = replay();
        by_variable.env("CTP_SYMBOL", &vt_symbol);
        for command in [
            live("live", &format!("rb2605,{id}"), ""),
            live("live", &vt_symbol, ""),
            live(record, id, ""),
            live(record, "rb2605", &vt_symbol),
            by_flag,
            by_variable,
        ] {
            let ended = finish(command);
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(ended.stderr.contains(problem), "{ended:?}");
        }
    }
    assert!(!folder.join("rec").exists());
    // What is of no known product, or continuous, is only doubtful. The library is missed next.
    for symbol in ["zz26", "rb888", "zz2601", "RB*"] {
        let words = "record --source ctp -o rec --symbols";
        let mut command = with_front(words, folder.path(), library, "tcp://127.0.0.1:1");
        command.arg(symbol);
        let ended = finish(command);
        assert!(ended.stderr.contains("x.so"), "{symbol}: {ended:?}");
        let is_told = ended.stderr.contains("symbol_form_unknown");
        assert_eq!(is_told, ["zz26", "rb888"].contains(&symbol), "{ended:?}");
    }
}

/// Every tick is rejected: nothing is published, and nothing is recorded either.
#[test]
fn a_session_without_a_message_is_lossy() {
    let (Some(library), Some(server)) = (
        simulated_library("a session without a message"),
        NatsServer::start("a session without a message"),
    ) else {
        return;
    };
    let folder = Folder::new();
    for (words, code) in [
        ("live", 3),
        ("live --record rec", 0),
        ("record --source ctp -o made --publish --sink null", 3),
        (
            "record --source ctp -o empty --publish --sink null --allow-empty",
            0,
        ),
        ("record --source ctp -o raw", 0),
    ] {
        let words = format!("{words} --symbols zz2609 --duration 3s --log-format json");
        let mut command = with_simulated_front(&words, folder.path(), &library, &quirks(), "max");
        with_nats(&mut command, &server.url()).env_remove("CTP_SYMBOL");
        let ended = finish(command);
        assert_eq!(ended.code, Some(code), "{words}: {ended:?}");
        let told = logged(&ended.stderr, "nothing_published");
        let is_told = code == 3 || words.starts_with("live");
        assert_eq!(told.len(), usize::from(is_told), "{words}: {ended:?}");
        if let Some(told) = told.first() {
            let rejected = told["rejected"].as_str().unwrap();
            assert!(rejected.starts_with("unknown_exchange "), "{told}");
            let has_flag = words.starts_with("record");
            let said = told["message"].as_str().unwrap();
            assert_eq!(said.ends_with("; --allow-empty accepts that"), has_flag);
        }
    }
}

#[test]
fn a_missing_variable_is_logged_with_its_fix() {
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
        let logged = logged(&ended.stderr, "live_ingest_startup_error");
        assert_eq!(logged.len(), 1, "{ended:?}");
        assert_eq!(
            logged[0]["required_env"],
            "CTP_GATEWAY_CONNECT,CTP_USER_ID,CTP_PASSWORD"
        );
        let fix = logged[0]["fix"].as_str().unwrap();
        assert!(fix.contains("--env-file"), "{fix}");
    }
    assert!(!folder.join("rec").exists());
    for words in ["live", "smoke"] {
        let mut command = tickdeck([words]);
        command.current_dir(folder.path()).env("MD_RUN_INGEST", "1");
        let ended = finish(command);
        let said = "\nerror: the environment is incomplete\nfix: set CTP_GATEWAY_CONNECT, ";
        assert!(format!("\n{}", ended.stderr).contains(said), "{ended:?}");
        assert!(!ended.stderr.contains("caused by"), "{ended:?}");
    }
}

#[test]
fn a_session_without_instruments_is_told_both_ways() {
    let folder = Folder::new();
    let library = Path::new("/nonexistent/x.so");
    let mut command = with_front("live", folder.path(), library, "tcp://127.0.0.1:1");
    command.env_remove("CTP_SYMBOL");
    let ended = finish(command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("\nfix: set CTP_SYMBOL "), "{ended:?}");
    let both = ", or name instruments with --symbols\n";
    assert!(ended.stderr.ends_with(both), "{ended:?}");
}

#[test]
fn an_unreadable_environment_file_is_logged() {
    let folder = Folder::new();
    std::fs::write(folder.join("bad.env"), "CTP_USER_ID=a\nhunter2\n").unwrap();
    std::fs::write(folder.join("lost.env"), "CTP_PASSWORD=hun$ter2\n").unwrap();
    for (file, part) in [
        ("none.env", "none.env"),
        ("bad.env", "variable number 1"),
        ("lost.env", "CTP_PASSWORD has a $"),
    ] {
        for verb in ["live", "record --source ctp -o rec", "smoke"] {
            let words = format!("{verb} --log-format json --env-file {file}");
            let mut command = tickdeck(words.split(' '));
            command.current_dir(folder.path());
            let ended = finish(command);
            assert_eq!(ended.code, Some(2), "{ended:?}");
            let lines = logged(&ended.stderr, "live_ingest_startup_error");
            assert_eq!(lines.len(), 1, "{ended:?}");
            assert!(
                lines[0]["reason"].as_str().unwrap().contains(part),
                "{lines:?}"
            );
        }
    }
}

#[test]
fn an_impossible_recording_is_found_early() {
    let Some(library) = simulated_library("a recording that cannot be made") else {
        return;
    };
    let folder = Folder::new();
    for verb in [
        "live --record /proc/missing/x",
        "record --source ctp -o /proc/x",
    ] {
        let words = format!("{verb} --log-format json");
        let mut command = with_front(&words, folder.path(), &library, "tcp://127.0.0.1:1");
        command.env("NATS_URL", "127.0.0.1:1");
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("choose another place"), "{ended:?}");
        let lines = logged(&ended.stderr, "live_ingest_startup_error");
        assert_eq!(lines.len(), 1, "{ended:?}");
        assert!(logged(&ended.stderr, "live_ingest_start").is_empty());
    }
}

#[test]
fn a_reader_that_is_gone_hides_no_failure() {
    let Some(library) = simulated_library("a failed session into a closed pipe") else {
        return;
    };
    let folder = Folder::new();
    let script = fault_script(
        folder.path(),
        "[[rule]]\nname = 'wrong password'\nat = { login = 1 }\naction = { reject_login = 3 }\n",
    );
    let words = "record --source ctp -o rec --symbols rb2510";
    let mut command = with_front(words, folder.path(), &library, "tcp://127.0.0.1:1");
    command.env("TICKDECK_SIM_SCRIPT", script);
    // The reading end is closed before the start.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer).stderr(std::process::Stdio::null());
    let ended = wait_for(&mut command.spawn().unwrap());
    assert_eq!(ended.code(), Some(4));
}

#[test]
fn stdout_carries_only_the_stream() {
    let Some(library) = simulated_library("a live session to stdout") else {
        return;
    };
    let folder = Folder::new();
    let words = "record --source ctp -o rec --publish --sink jsonl:- --symbols all \
                 --log-format json --progress-every 50ms";
    let mut command = with_simulated_front(words, folder.path(), &library, &quick(), "max");
    command
        .env_remove("CTP_SYMBOL")
        .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1");
    let running = Running::start(command);
    wait_until("every tick is there", || {
        let progress = logged(&running.stderr(), "publish_progress");
        progress
            .last()
            .is_some_and(|line| line["received"].as_u64() >= Some(918))
    });
    running.signal("TERM");
    let ended = running.wait().done();
    assert!(ended.stdout == stream(&folder.join("rec"), ""), "{ended:?}");
    assert!(
        ended.stderr.contains("918 ticks"),
        "what was made: {ended:?}"
    );
}

#[test]
fn the_duration_bounds_the_wait_for_nats() {
    let Some(library) = simulated_library("a short run without a server") else {
        return;
    };
    let folder = Folder::new();
    let words = "live --duration 1s --connect-timeout 10m --log-format json";
    let mut command = with_front(words, folder.path(), &library, "tcp://127.0.0.1:1");
    command.env("NATS_URL", "127.0.0.1:1");
    let ended = finish(command);
    assert_eq!(
        ended.code,
        Some(4),
        "without a server it is not a success: {ended:?}"
    );
    let lines = logged(&ended.stderr, "live_ingest_startup_error");
    let reason = lines[0]["reason"].as_str().unwrap();
    assert!(reason.contains("before the run ended"), "{reason}");
}

#[test]
fn an_environment_file_is_used_and_named() {
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
    // Only the library is wrong.
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
fn a_bad_library_is_one_clear_sentence() {
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
        // A program of this machine, not a library.
        (&own, "cannot"),
    ] {
        let ended = finish(with_front(
            "live --log-format json",
            folder.path(),
            library,
            "tcp://127.0.0.1:1",
        ));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let logged = logged(&ended.stderr, "live_ingest_startup_error");
        assert_eq!(logged[0]["required_env"], "CTP_GATEWAY_CONNECT");
        let fix = logged[0]["fix"].as_str().unwrap();
        assert!(fix.contains(said), "{fix}");
    }
}

#[test]
fn a_bad_address_is_named_by_its_variable() {
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
fn a_bad_duration_is_refused() {
    let folder = Folder::new();
    let mut command = with_front("live", folder.path(), Path::new("x"), "tcp://127.0.0.1:1");
    command.env("MD_DURATION_SECONDS", "soon");
    command.args(["--log-format", "json"]);
    let ended = finish(command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let logged = logged(&ended.stderr, "live_ingest_startup_error");
    assert_eq!(logged[0]["required_env"], "MD_DURATION_SECONDS");
    assert!(
        ended.stderr.contains("not a number of seconds"),
        "{ended:?}"
    );
}

#[test]
fn doctor_lists_each_problem_with_its_fix() {
    let folder = Folder::new();
    let words = "doctor --json --timeout 200ms --nats-url 127.0.0.1:1 --min-free-space 1000TiB";
    let mut command = tickdeck(words.split(' '));
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
    assert_eq!(status("disk"), "warn");
    status("calendar");
    status("locale");
}

#[test]
fn doctor_finds_a_bad_folder_and_library() {
    let folder = Folder::new();
    std::fs::write(folder.join("file"), "").unwrap();
    let words = "doctor --timeout 200ms --nats-url 127.0.0.1:1 --flow-dir file/below \
                 --record file/rec";
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
        "FAIL  disk",
        "fix:",
        "live cannot run",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
}

#[test]
fn doctor_passes_when_only_fronts_are_closed() {
    let Some(server) = NatsServer::start("doctor before the fronts open") else {
        return;
    };
    let folder = Folder::new();
    let version = "v6.7.13_20260225 14:16:30.12079";
    let Some(library) = stub_library("doctor", folder.path(), version, &[]) else {
        return;
    };
    let doctor = |words: &str| {
        let words = format!("doctor --timeout 60s {words}");
        let address = "tcp://127.0.0.1:1,tcp://127.0.0.1:1";
        let mut command = with_front(&words, folder.path(), &library, address);
        command.env("NATS_URL", server.url());
        finish(command).done()
    };
    let ended = doctor("");
    for said in [
        "warn  md_front     CTP_MD_ADDRESS 2 does not accept connections",
        "no market data front accepts connections now",
        "\nlive can run, and will wait for a market data front to open\n",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let mut command = with_front(
        "doctor --timeout 60s",
        folder.path(),
        &library,
        "tcp://127.0.0.1:1",
    );
    command
        .env("NATS_URL", server.url())
        .env_remove("MD_RUN_INGEST")
        .env_remove("CTP_SYMBOL");
    let ended = finish(command).done();
    let end = "\nlive can log in, and will wait for a market data front to open, but it would not \
               start: set MD_RUN_INGEST=1; set CTP_SYMBOL or give `tickdeck live --symbols`\n";
    assert!(ended.stdout.ends_with(end), "{ended:?}");
    let result = doctor("--json").json();
    assert_eq!(
        (&result["ok"], &result["waits"]),
        (&true.into(), &true.into())
    );
}

#[test]
fn doctor_warns_of_missing_authentication() {
    let folder = Folder::new();
    let words = "doctor --json --timeout 200ms --nats-url 127.0.0.1:1";
    let found = |unset: &[&str]| {
        let library = Path::new("/nonexistent/x.so");
        let mut command = with_front(words, folder.path(), library, "tcp://127.0.0.1:1");
        command.env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1");
        for name in unset {
            command.env_remove(name);
        }
        let result = finish(command).json();
        let mut checks = result["checks"].as_array().unwrap().clone();
        checks.retain(|check| check["check"] == "td_auth");
        checks
    };
    assert!(found(&[]).is_empty());
    let both = found(&["CTP_APP_ID", "CTP_AUTH_CODE"]);
    assert_eq!(both[0]["status"], "warn");
    let fix = both[0]["fix"].as_str().unwrap();
    assert!(fix.starts_with("set CTP_APP_ID, CTP_AUTH_CODE "), "{fix}");
    let one = found(&["CTP_AUTH_CODE"]);
    let fix = one[0]["fix"].as_str().unwrap();
    assert!(fix.starts_with("set CTP_AUTH_CODE "), "{fix}");
    assert!(found(&["CTP_TD_ADDRESS", "CTP_APP_ID"]).is_empty());
}
