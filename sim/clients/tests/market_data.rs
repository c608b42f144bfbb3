//! tickdeck's own client and the market data library.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::source::Source;
use tickdeck_ffi::abi::{ApiVersion, TickLayout};
use tickdeck_market::source::{Profile, SyntheticOptions, SyntheticSource};

use crate::child::{Said, login_words, start};
use crate::support::{
    PATIENCE, expected, in_child, in_child_under, instruments, last_and_another, quick, recorded,
};

const VERSIONS: [&str; 15] = [
    "6.3.15", "6.3.19", "6.5.1", "6.6.1", "6.6.7", "6.6.9", "6.7.0", "6.7.1", "6.7.2", "6.7.7",
    "6.7.8", "6.7.9", "6.7.10", "6.7.11", "6.7.13",
];

fn source() -> String {
    format!("recording:{}", quick().display())
}

fn strings(value: &Value) -> Vec<&str> {
    let all = value.as_array().unwrap();
    all.iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn a_recorded_session_arrives_complete_in_every_version() {
    let ids = instruments(&quick());
    let job = json!({
        "verb": "session",
        "ids": ids,
        "acks": ids.len(),
        "ticks": recorded(&quick()).len(),
    });
    for version in VERSIONS {
        let variables = [
            ("TICKDECK_SIM_API_VERSION", version),
            ("TICKDECK_SIM_SOURCE", &source()),
            ("TICKDECK_SIM_RATE", "max"),
            ("TICKDECK_SIM_SETTLE", "100ms"),
        ];
        let answer = in_child(&job, &variables);
        let layout = TickLayout::of(&version.parse::<ApiVersion>().unwrap());
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let expected = expected(&quick(), layout, &ids);
        let received = strings(&answer["ticks"]);
        assert_eq!(
            received.len(),
            expected.len(),
            "{version}: {}",
            answer["told"]
        );
        for (position, (received, expected)) in received.iter().zip(&expected).enumerate() {
            assert_eq!(received, expected, "{version}: tick {position}");
        }
        assert_eq!(answer["trading_day"], "20250912", "{version}");
        assert_eq!(answer["released"], true, "{version}");
        assert_eq!(
            strings(&answer["told"])[..2],
            ["connected", "login 0 20250912 正确"]
        );
        assert_eq!(answer["stderr"].as_str().unwrap().trim(), "", "{version}");
    }
}

#[test]
fn only_subscribed_ids_receive_ticks() {
    let ids = ["rb2510", "no_such_thing", "SPD RM601&RM605"];
    let expected = expected(&quick(), TickLayout::C, &["rb2510"]);
    assert!(!expected.is_empty());
    let job = json!({
        "verb": "session",
        "ids": ids,
        "acks": ids.len(),
        "ticks": expected.len(),
        "front": format!("sim://{}?rate=max&settle=50", source()),
    });
    let answer = in_child(&job, &[]);
    let told = strings(&answer["told"]);
    assert_eq!(
        told[2..],
        [
            "subscribed rb2510 0",
            "subscribed no_such_thing 0",
            "subscribed SPD RM601&RM605 0"
        ]
    );
    assert_eq!(strings(&answer["ticks"]), expected);
}

#[test]
fn a_later_subscription_gets_the_latest_tick_first() {
    let (first, late) = last_and_another(&quick());
    let of_first = expected(&quick(), TickLayout::C, &[&first]).len();
    let job = json!({
        "verb": "session",
        "ids": [first],
        "late_ids": [late, "no_such_thing"],
        "late_after": of_first,
        "acks": 3,
        "ticks": of_first + 1,
        "interleaved": true,
    });
    let variables = [
        ("TICKDECK_SIM_SOURCE", source()),
        ("TICKDECK_SIM_RATE", "max".into()),
        ("TICKDECK_SIM_SETTLE", "50ms".into()),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let answer = in_child(&job, &variables);
    let told = strings(&answer["told"]);
    let last = &told[told.len() - 3..];
    assert_eq!(
        last,
        [
            format!("subscribed {late} 0"),
            format!("tick {late}"),
            "subscribed no_such_thing 0".to_owned()
        ]
    );
    let snapshot = expected(&quick(), TickLayout::C, &[&late]);
    assert_eq!(
        strings(&answer["ticks"]).last(),
        snapshot.last().map(String::as_str).as_ref()
    );
}

#[test]
fn wrong_logins_are_refused_and_get_no_tick() {
    let job = json!({
        "verb": "session",
        "ids": ["rb2510"],
        "password": "wrong",
        "subscribe_anyway": true,
        "acks": 1,
    });
    let variables = [
        ("TICKDECK_SIM_ACCOUNT", "9999:user:secret"),
        ("TICKDECK_SIM_RATE", "max"),
        ("TICKDECK_SIM_SETTLE", "0"),
    ];
    let answer = in_child(&job, &variables);
    let told = strings(&answer["told"]);
    assert_eq!(
        told,
        [
            "connected",
            "login 3  CTP:不合法的登录",
            "subscribed rb2510 6"
        ]
    );
    assert_eq!(strings(&answer["ticks"]), [""; 0]);
    assert_eq!(answer["trading_day"], "19800100");
}

#[test]
fn at_the_end_the_front_may_close_the_connection() {
    let until = "disconnected 0x1002";
    let job = json!({ "verb": "session", "ids": ["rb2510"], "until": until });
    let variables = [
        ("TICKDECK_SIM_RATE", "max"),
        ("TICKDECK_SIM_SETTLE", "0"),
        ("TICKDECK_SIM_AT_END", "disconnect:0x1002"),
    ];
    let answer = in_child(&job, &variables);
    assert_eq!(strings(&answer["told"]).last(), Some(&until));
    assert!(!strings(&answer["ticks"]).is_empty());
}

#[test]
fn a_login_after_the_market_ended_is_refused_with_a_reason() {
    let until = "disconnected 0x1001";
    let job = json!({ "verb": "shut_out", "ids": ["rb2510"], "until": until });
    let variables = [
        ("TICKDECK_SIM_RATE", "max"),
        ("TICKDECK_SIM_SETTLE", "0"),
        ("TICKDECK_SIM_AT_END", "disconnect"),
    ];
    let answer = in_child(&job, &variables);
    assert_eq!(strings(&answer["first"]).last(), Some(&until));
    assert_eq!(answer["next"], 0);
    let stderr = answer["stderr"].as_str().unwrap();
    assert_eq!(stderr.matches("sim_market_closed").count(), 1, "{stderr}");
}

#[test]
fn unusable_settings_are_reported_and_the_front_stays_down() {
    let cases: [(&str, &[u8], &str); 5] = [
        ("TICKDECK_SIM_RATE", b"fast", "`max` or a positive decimal"),
        (
            "TICKDECK_SIM_SOURCE",
            b"recording:/no/such/place",
            "/no/such/place",
        ),
        ("TICKDECK_SIM_SCRIPT", b"/no/such/script", "/no/such/script"),
        ("TICKDECK_SIM_ACCOUNT", b"9999:u:\xc3\xdc", "text in UTF-8"),
        (
            "TICKDECK_SIM_SORCE",
            b"synthetic:quick",
            "TICKDECK_SIM_SORCE is not a variable",
        ),
    ];
    for (name, value, part) in cases {
        let job = json!({ "verb": "session", "ids": ["rb2510"], "stderr": part });
        let answer = in_child_under(&[], &job, &[(name, OsStr::from_bytes(value))]);
        assert_eq!(strings(&answer["told"]), [""; 0], "{name}");
        let stderr = answer["stderr"].as_str().unwrap();
        assert!(stderr.contains(part), "{name}: {stderr}");
    }
}

#[test]
fn a_recording_in_a_gb18030_folder_is_played() {
    let (last, _) = last_and_another(&quick());
    let wanted = expected(&quick(), TickLayout::C, &[&last]);
    let folder = tempfile::tempdir().unwrap();
    // "行情" as a machine with the locale of the Python clients writes it: no UTF-8.
    let path = folder.path().join(OsStr::from_bytes(b"\xd0\xd0\xc7\xe9"));
    std::os::unix::fs::symlink(quick(), &path).unwrap();
    let mut source = OsString::from("recording:");
    source.push(path);
    let log = folder
        .path()
        .join(OsStr::from_bytes(b"\xc8\xd5\xd6\xbe.log"));
    let job = json!({ "verb": "session", "ids": [last], "ticks": wanted.len() });
    let variables = [
        ("TICKDECK_SIM_SOURCE", source.as_os_str()),
        ("TICKDECK_SIM_RATE", "max".as_ref()),
        ("TICKDECK_SIM_SETTLE", "50ms".as_ref()),
        ("TICKDECK_SIM_LOG", log.as_os_str()),
    ];
    let answer = in_child_under(&[], &job, &variables);
    assert_eq!(strings(&answer["ticks"]), wanted);
    let logged = std::fs::read_to_string(log).unwrap();
    assert!(logged.contains("sim_md_login"), "{logged}");
}

/// How long the market of the next test lasts.
const WHOLE_MARKET: Duration = Duration::from_secs(125);

fn market() -> SyntheticSource {
    let options = SyntheticOptions {
        profile: Profile::FullMarket,
        duration: Some(WHOLE_MARKET),
        ..SyntheticOptions::default()
    };
    SyntheticSource::open(options, &TradingCalendar::builtin()).unwrap()
}

/// Subscribes to every instrument of the market in batches of a thousand and counts.
pub(crate) fn whole_market(job: &Value) -> Value {
    let (api, receiver) = start(job, "flow");
    let ids: Vec<String> = market()
        .contracts()
        .map(|found| found.instrument_id)
        .collect();
    let (mut acknowledged, mut ticks, mut volume) = (0_u64, 0_u64, 0_i64);
    while let Ok(said) = receiver.recv_timeout(PATIENCE) {
        match said {
            Said::Connected => api.login(&login_words(job)).unwrap(),
            Said::Login(..) => {
                for batch in ids.chunks(1_000) {
                    api.subscribe(batch).unwrap();
                }
            }
            Said::Subscribed(..) => acknowledged += 1,
            Said::Tick(tick) => {
                ticks += 1;
                volume += i64::from(tick.volume);
            }
            other => panic!("{other:?}"),
        }
        if ticks == job["ticks"].as_u64().unwrap() {
            break;
        }
    }
    api.release(PATIENCE).unwrap();
    json!({ "ids": ids.len(), "acknowledged": acknowledged, "ticks": ticks, "volume": volume })
}

#[test]
fn a_full_market_arrives_without_loss() {
    let mut source = market();
    let mut events = Vec::new();
    loop {
        let before = events.len();
        source.next_batch(&mut events, 10_000).unwrap();
        if events.len() == before {
            break;
        }
    }
    let ids: std::collections::BTreeSet<String> = market()
        .contracts()
        .map(|found| found.instrument_id)
        .collect();
    let wanted: Vec<i64> = events
        .iter()
        .filter_map(|event| event.as_tick())
        .filter(|tick| ids.contains(tick.instrument_id.to_string().as_str()))
        .map(|tick| i64::from(tick.volume))
        .collect();
    let job = json!({ "verb": "whole_market", "ticks": wanted.len() });
    let variables = [
        ("TICKDECK_SIM_SOURCE", "synthetic:full-market,duration=125s"),
        ("TICKDECK_SIM_RATE", "max"),
        // Longer than a stall of the machine between two batches.
        ("TICKDECK_SIM_SETTLE", "15s"),
    ];
    let answer = in_child(&job, &variables);
    assert!(ids.len() > 16_000);
    assert_eq!(answer["ids"], ids.len());
    assert_eq!(answer["acknowledged"], ids.len());
    assert_eq!(answer["ticks"], wanted.len());
    assert_eq!(answer["volume"], wanted.iter().sum::<i64>());
}
