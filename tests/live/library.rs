//! The built binary with a loaded CTP library: the vendor's without a front, the simulated one for
//! everything that needs a front.

use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;
use tickdeck::encode::PayloadSource;
use tickdeck::live::ctp::{CtpLibrary, CtpLogin, LoginField, Secret};
use tickdeck::live::setup::{FrontSettings, ListingOptions, TimeLimits};
use tickdeck::live::{Backoff, Subscription, parse_fronts};
use tickdeck::pipeline::PublisherOptions;
use tickdeck::reference::Reference;
use tickdeck::session::{Session, SessionError};

use crate::support::cli::{Running, finish, tickdeck, with_nats};
use crate::support::ctp::{
    logged, simulated_library, vendor_libraries, vendor_library, with_front, with_simulated_front,
};
use crate::support::nats_client::RawSubscriber;
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, events, info, quick, replay_digest, stream_digest};
use crate::support::wait_until;

/// The last log line of an event.
fn last(stderr: &str, event: &str) -> Value {
    let mut lines = logged(stderr, event);
    lines
        .pop()
        .unwrap_or_else(|| panic!("no {event} in {stderr}"))
}

#[test]
fn doctor_dials_no_simulated_front() {
    let Some(library) = simulated_library("doctor on the simulated front") else {
        return;
    };
    let folder = Folder::new();
    let words = "doctor --json --timeout 200ms --nats-url 127.0.0.1:1";
    let command = with_front(words, folder.path(), &library, "tcp://127.0.0.1:1");
    let ended = finish(command);
    let checks = ended.json()["checks"].as_array().unwrap().clone();
    let of = |name: &str| -> Vec<String> {
        let named = checks.iter().filter(|check| check["check"] == name);
        named.map(|check| check["found"].to_string()).collect()
    };
    assert_eq!(of("md_front").len(), 1, "{checks:?}");
    assert!(
        of("md_front")[0].contains("no connection is made"),
        "{checks:?}"
    );
    assert!(of("version")[0].contains("simulated front"), "{checks:?}");
}

/// Numbers, version text, tick layout, functions in the table of callbacks, end of the factory's name.
type Listed = (&'static str, &'static str, char, usize, &'static str);

/// The tables of field guide 1.1, 3.2 and 4.1.
const LISTED: [Listed; 15] = [
    ("6.3.15", "6.3.15_20190220 15:47:00", 'A', 12, "EPKcbb"),
    ("6.3.19", "v6.3.19_P1_20200106 15:21:32", 'A', 13, "EPKcbb"),
    ("6.5.1", "v6.5.1_20200908 10:25:08", 'B', 13, "EPKcbb"),
    ("6.6.1", "v6.6.1_P1_20210406  9:27:14", 'C', 13, "EPKcbb"),
    ("6.6.7", "v6.6.7_20220613 14:52:04.1708", 'C', 13, "EPKcbb"),
    ("6.6.9", "v6.6.9_20220914  9:57:19.2466", 'C', 13, "EPKcbb"),
    ("6.7.0", "v6.7.0_20230209  9:52:16.3535", 'C', 13, "EPKcbb"),
    ("6.7.1", "v6.7.1_20230613 14:40:06.4516", 'C', 13, "EPKcbb"),
    ("6.7.2", "v6.7.2_20230913 10:48:10.4926", 'C', 13, "EPKcbb"),
    ("6.7.7", "v6.7.7_20240607 15:51:36.7347", 'C', 13, "EPKcbb"),
    ("6.7.8", "v6.7.8_20240918 14:34:34.8082", 'C', 13, "EPKcbb"),
    ("6.7.9", "v6.7.9_20241224 10:22:26.8774", 'C', 13, "EPKcbb"),
    (
        "6.7.10",
        "v6.7.10_20250422 16:38:54.9994",
        'C',
        13,
        "EPKcbb",
    ),
    (
        "6.7.11",
        "v6.7.11_20250617 16:22:00.10369",
        'C',
        13,
        "EPKcbbb",
    ),
    (
        "6.7.13",
        "v6.7.13_20260225 14:16:30.12079",
        'C',
        13,
        "EPKcbbb",
    ),
];

/// The row of a library, whose folder name begins with its numbers: `6.7.11.0`.
fn listed(library: &Path) -> Listed {
    let name = library.file_name().unwrap().to_str().unwrap();
    let is_of = |(numbers, ..): &&Listed| {
        let rest = name.strip_prefix(numbers);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let row = LISTED.iter().find(is_of);
    *row.unwrap_or_else(|| panic!("{name} is not in the table of the field guide"))
}

#[test]
fn doctor_names_version_and_layout() {
    let Some(libraries) = vendor_libraries("doctor on vendor libraries") else {
        return;
    };
    for library in libraries {
        let folder = Folder::new();
        let words = "doctor --json --timeout 200ms --nats-url 127.0.0.1:1";
        let address = "tcp://127.0.0.1:1";
        let ended = finish(with_front(words, folder.path(), &library, address));
        let result = ended.json();
        let checks = result["checks"].as_array().unwrap();
        let check = |name: &str| {
            let check = checks.iter().find(|check| check["check"] == name).unwrap();
            assert_eq!(check["status"], "ok", "{}: {check}", library.display());
            check["found"].as_str().unwrap()
        };
        let (_, text, layout, callbacks, create) = listed(&library);
        assert_eq!(
            check("version"),
            format!("{text}, tick layout {layout}, {callbacks} callbacks")
        );
        let symbol = format!("exports _ZN15CThostFtdcMdApi15CreateFtdcMdApi{create}");
        assert_eq!(check("symbols_md"), symbol);
        let file = library.canonicalize().unwrap().join("thostmduserapi_se.so");
        assert_eq!(Path::new(check("library")), file);
    }
}

#[test]
fn a_vendor_library_without_a_front_retries() {
    let Some(libraries) = vendor_libraries("live with vendor libraries") else {
        return;
    };
    let Some(server) = NatsServer::start("live with vendor libraries") else {
        return;
    };
    for library in libraries {
        let folder = Folder::new();
        let words = "live --record rec --log-format json --front-timeout 300ms --backoff 100ms";
        let mut command = with_front(words, folder.path(), &library, "tcp://127.0.0.1:1");
        with_nats(&mut command, &server.url());
        let running = Running::start(command);
        wait_until("two attempts have failed", || {
            running.stderr().matches("\"ctp_retry\"").count() >= 2
        });
        running.signal("TERM");
        let ended = running.wait().done();
        let shutdown = last(&ended.stderr, "live_ingest_shutdown");
        assert_eq!(
            (&shutdown["published"], &shutdown["failed"]),
            (&0.into(), &0.into())
        );
        let retry = last(&ended.stderr, "ctp_retry");
        assert_eq!(retry["reason"], "connect_timeout");
        assert!(retry["next_backoff"].is_number() && retry["attempt"].is_number());
        assert_eq!(info(&folder.join("rec"))["status"], "complete");
        // Each attempt had a folder, and none is left.
        let left = std::fs::read_dir(folder.join("state/tickdeck/flow"))
            .unwrap()
            .count();
        assert_eq!(left, 0);
    }
}

#[test]
fn a_silent_front_is_explained_without_address() {
    let Some(library) = vendor_library("fronts that do not answer") else {
        return;
    };
    let folder = Folder::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().port();
    let address = format!("tcp://127.0.0.1:1,tcp://127.0.0.1:{silent}");
    let words = "record --source ctp -o rec --log-format json --front-timeout 300ms";
    let command = with_front(words, folder.path(), &library, &address);
    let running = Running::start(command);
    wait_until("every front has been tried", || {
        running.stderr().contains("ctp_front_silent")
    });
    running.signal("TERM");
    let ended = running.wait().done();
    let why = &logged(&ended.stderr, "ctp_front_unreachable")[0];
    assert_eq!(
        (&why["front"], &why["reason"]),
        (&1.into(), &"connection refused".into())
    );
    assert_eq!(last(&ended.stderr, "ctp_front_silent")["front"], 2);
    assert!(!ended.stderr.contains("127.0.0.1"), "{ended:?}");
}

#[test]
fn an_unknown_front_name_is_not_repeated() {
    let Some(library) = vendor_library("a front with an unknown name") else {
        return;
    };
    let folder = Folder::new();
    // A Release waits while the vendor's library resolves the name, which takes as long as the name
    // servers allow.
    let words = "record --source ctp -o rec --log-format json --front-timeout 300ms --backoff 60s";
    let address = "tcp://canary-front.invalid:41213";
    let running = Running::start(with_front(words, folder.path(), &library, address));
    wait_until("the front has been tried", || {
        running.stderr().contains("ctp_front_unreachable")
    });
    running.signal("TERM");
    let ended = running.wait().done();
    let why = last(&ended.stderr, "ctp_front_unreachable");
    assert_eq!(
        (&why["front"], &why["reason"]),
        (&1.into(), &"the host name cannot be resolved".into())
    );
    assert!(!ended.stderr.contains("canary-front"), "{ended:?}");
}

/// `live` with the simulated front playing the quick recording.
fn simulated(folder: &Folder, library: &Path, server: &NatsServer, words: &str) -> Running {
    let mut command = with_simulated_front(words, folder.path(), library, &quick(), "max");
    with_nats(&mut command, &server.url()).env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1");
    Running::start(command)
}

#[test]
fn a_login_too_long_for_ctp_is_refused_at_the_start() {
    let Some(library) = simulated_library("a long login in the library") else {
        return;
    };
    let folder = Folder::new();
    let text = |text: &str| Secret::new(text);
    let refusal = |user: &str, confirm_settlement: bool| {
        let front = FrontSettings {
            library: library.clone(),
            login: CtpLogin {
                broker_id: text("9999"),
                user_id: text(user),
                password: text("secret"),
                app_id: text(""),
                auth_code: text(""),
                production_keys: true,
            },
            md_fronts: parse_fronts("tcp://127.0.0.1:1").unwrap(),
            td_fronts: parse_fronts("tcp://127.0.0.1:2").unwrap(),
            flow: folder.join("flow"),
            limits: TimeLimits::default(),
            backoff: Backoff::default(),
        };
        let reference = Reference::of_recordings(&[]).unwrap();
        let publisher = PublisherOptions::new(&reference, PayloadSource::Ctp);
        let first = Subscription::new(vec!["rb2601".to_owned()], Vec::new()).unwrap();
        let opened = CtpLibrary::open(&library).unwrap();
        let session = Session::ctp("long", publisher, front, opened, first);
        let listing = ListingOptions {
            confirm_settlement,
            ..ListingOptions::default()
        };
        match session.listing(listing).run() {
            Err(SessionError::Login(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let refused = refusal("canaryuser123456", false);
    assert_eq!((refused.field, refused.len), (LoginField::UserId, 16));
    let said = "the user id of the login has 16 bytes; CTP accepts at most 15";
    assert_eq!(refused.to_string(), said);
    let refused = refusal("canaryuser123", true);
    assert_eq!((refused.field, refused.len), (LoginField::InvestorId, 13));
    assert!(!folder.join("flow").exists());
}

#[test]
fn a_recording_reaches_a_subscriber() {
    let Some(library) = simulated_library("live with the simulated front") else {
        return;
    };
    let Some(server) = NatsServer::start("live with the simulated front") else {
        return;
    };
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let folder = Folder::new();
    let words = "live --symbols all --record rec --log-format json --json --progress-every 100ms";
    let running = simulated(&folder, &library, &server, words);
    for _ in 0..918 {
        subscriber.next().expect("the server is there");
    }
    wait_until("progress is logged", || {
        running.stderr().contains("\"publish_progress\"")
    });
    running.signal("INT");
    let ended = running.wait().done();
    let shutdown = last(&ended.stderr, "live_ingest_shutdown");
    assert_eq!(
        (&shutdown["published"], &shutdown["failed"]),
        (&918.into(), &0.into())
    );
    assert_eq!(shutdown["recorded"], 918);
    assert_eq!(
        shutdown["digest"].as_str().unwrap(),
        replay_digest(&folder.join("rec"))
    );
    last(&ended.stderr, "publish_progress");
    last(&ended.stderr, "contracts_discovered");
    let summary = ended.json();
    assert_eq!(summary["digest"], shutdown["digest"]);
}

/// The recipe of `docs/ci.md`: an unchanged service between the simulated front and a capture.
#[test]
fn a_simulated_service_is_captured_until_idle() {
    let Some(library) = simulated_library("capture a service") else {
        return;
    };
    let Some(server) = NatsServer::start("capture a service") else {
        return;
    };
    let folder = Folder::new();
    let (out, ready) = (folder.join("out.jsonl.zst"), folder.join("ready"));
    let mut command = tickdeck(["capture", "market.tick.>", "--idle", "15s", "--json", "-o"]);
    command.arg(&out).arg("--ready-file").arg(&ready);
    with_nats(&mut command, &server.url());
    let capturing = Running::start(command);
    wait_until("the capture is ready", || ready.exists());
    let words = "live --symbols all --json";
    let service = simulated(&folder, &library, &server, words);
    let summary = capturing.wait().done().json();
    service.signal("INT");
    let served = service.wait().done();
    assert_eq!(summary["messages"], 918);
    assert_eq!(summary["digest"], served.digest());
    let stream = zstd::decode_all(&std::fs::read(&out).unwrap()[..]).unwrap();
    let stream = String::from_utf8(stream).unwrap();
    assert_eq!(stream_digest(&stream), served.digest());
}

#[test]
fn a_run_ends_after_md_duration_seconds() {
    let Some(library) = simulated_library("MD_DURATION_SECONDS") else {
        return;
    };
    let folder = Folder::new();
    // No server: a busy machine may not reach it within the second.
    let words = "record --source ctp -o rec";
    let mut command = with_front(words, folder.path(), &library, "tcp://127.0.0.1:1");
    command.env("MD_DURATION_SECONDS", "1");
    let ended = finish(command);
    assert!(ended.stderr.contains("live_ingest_shutdown"), "{ended:?}");
    // The front's source does not have the instrument.
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("live_no_tick"), "{ended:?}");
}

/// Markets are closed at night: stopped by its user, a session without a tick is not a failure.
#[test]
fn a_session_without_a_tick_says_so() {
    let Some(library) = simulated_library("a session without a tick") else {
        return;
    };
    let Some(server) = NatsServer::start("a session without a tick") else {
        return;
    };
    let folder = Folder::new();
    let path = folder.path();
    for verb in ["live", "record --source ctp -o rec"] {
        let words = format!("{verb} --log-format json");
        let mut command = with_simulated_front(&words, path, &library, &quick(), "max");
        // The front accepts an instrument that it does not have.
        command
            .env("CTP_SYMBOL", "rb2601.SHFE")
            .env("NATS_URL", server.url());
        let running = Running::start(command);
        wait_until("it is subscribed", || {
            !logged(&running.stderr(), "ctp_subscribed").is_empty()
        });
        running.signal("TERM");
        let ended = running.wait().done();
        assert!(ended.stderr.contains("sim_not_in_source"), "{ended:?}");
        let told = logged(&ended.stderr, "live_no_tick");
        assert_eq!(told.len(), 1, "{ended:?}");
        assert_eq!(
            (&told[0]["level"], &told[0]["logins"]),
            (&"WARN".into(), &1.into())
        );
        let message = told[0]["message"].as_str().unwrap();
        assert!(message.contains("the front sent nothing"), "{message}");
        if verb == "live" {
            let line = "received       0: no tick came\n";
            assert!(ended.stdout.contains(line), "{ended:?}");
        } else {
            // Its events show why there is none.
            assert!(
                ended.stdout.contains(" 0 ticks of 0 instruments"),
                "{ended:?}"
            );
            assert!(!events(&folder.join("rec")).is_empty());
        }
    }
}

#[test]
fn no_server_is_one_clear_sentence() {
    let Some(library) = vendor_library("live without a server") else {
        return;
    };
    let folder = Folder::new();
    let words = "live --record rec --connect-timeout 300ms";
    let mut command = with_front(words, folder.path(), &library, "tcp://127.0.0.1:1");
    command.env("NATS_URL", "127.0.0.1:1");
    let ended = finish(command);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        ended.stderr.contains("not reachable for 0.3 s"),
        "{ended:?}"
    );
    assert!(!folder.join("rec").exists(), "nothing is begun");
}

#[test]
fn a_market_of_17000_instruments_loses_nothing() {
    let Some(library) = simulated_library("a whole market, live") else {
        return;
    };
    let folder = Folder::new();
    let market = "--profile full-market --duration 125s --seed 1";
    let generated = folder.generate("generated", market);
    let played = info(&generated)["ticks"].as_u64().unwrap();
    let words = "record --source ctp -o rec --symbols all --json --log-format json \
                 --progress-every 100ms";
    let mut command = with_simulated_front(words, folder.path(), &library, &generated, "max");
    command
        .env_remove("CTP_SYMBOL")
        .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1")
        // The market waits for the last subscription, however slow the machine is.
        .env("TICKDECK_SIM_SETTLE", "10s");
    let running = Running::start(command);
    wait_until("every tick is recorded", || {
        logged(&running.stderr(), "publish_progress")
            .last()
            .is_some_and(|line| line["recorded"].as_u64() >= Some(played))
    });
    running.signal("TERM");
    let ended = running.wait().done();
    let subscribed = last(&ended.stderr, "ctp_subscribed");
    assert_eq!(subscribed["instruments"], 17_000);
    let summary = ended.json();
    assert_eq!(
        (&summary["received"], &summary["dropped"]),
        (&played.into(), &0.into())
    );
}

#[test]
fn a_simulated_address_selects_the_market() {
    let Some(library) = simulated_library("sim:// as the address") else {
        return;
    };
    let folder = Folder::new();
    let address = "sim://synthetic:quick,seed=7?rate=max&start=login";
    let words = "record --source ctp -o rec --json --log-format json --progress-every 50ms \
                 --symbols rb2510";
    let running = Running::start(with_front(words, folder.path(), &library, address));
    wait_until("its ticks come", || {
        let progress = logged(&running.stderr(), "publish_progress");
        progress
            .last()
            .is_some_and(|line| line["received"].as_u64() > Some(50))
    });
    running.signal("TERM");
    running.wait().done();
}

#[test]
fn the_library_tries_the_next_front() {
    let Some(library) = vendor_library("several fronts") else {
        return;
    };
    let folder = Folder::new();
    let next = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = next.local_addr().unwrap().port();
    // The next one accepts the first connection and closes it, which is all that is possible without a
    // front. Later connections stay open.
    std::thread::spawn(move || {
        let kept: Vec<_> = next.incoming().skip(1).collect();
        drop(kept);
    });
    let address = format!("tcp://127.0.0.1:1,tcp://127.0.0.1:{port}");
    let words = "record --source ctp -o rec --log-format json --front-timeout 40s";
    let running = Running::start(with_front(words, folder.path(), &library, &address));
    wait_until("the next front was tried", || {
        running.stderr().contains("\"ctp_disconnected\"")
    });
    running.signal("TERM");
    let ended = running.wait().done();
    let lost = last(&ended.stderr, "ctp_disconnected");
    assert_eq!(lost["reason_hex"], "0x1001");
    assert_eq!(last(&ended.stderr, "ctp_session_open")["attempt"], 1);
}
