//! The fault scripts of `fixtures/faults`, each seen by tickdeck's own client.

use serde_json::{Value, json};
use tickdeck_ffi::abi::TickLayout;

use crate::support::{expected, in_child, instruments, quick, recorded, root};

/// How the front ends a session, so that its end can be waited for: no script has this reason.
const AT_END: (&str, &str) = ("TICKDECK_SIM_AT_END", "disconnect:0x7777");
const END: &str = "disconnected 0x7777";

/// A session at rate max under a script: until the front ends it, unless the job waits for
/// something else.
fn under(script: &str, job: Value) -> (Vec<String>, Vec<String>) {
    let script = root().join("fixtures/faults").join(script);
    let source = format!("recording:{}", quick().display());
    let mut job = job;
    job["verb"] = "session".into();
    if job["ids"].is_null() {
        job["ids"] = instruments(&quick()).into();
    }
    let mut variables = vec![
        ("TICKDECK_SIM_SOURCE", source.as_str()),
        ("TICKDECK_SIM_RATE", "max"),
        ("TICKDECK_SIM_SETTLE", "50ms"),
        ("TICKDECK_SIM_SCRIPT", script.to_str().unwrap()),
        // No pause before the next connection.
        ("TICKDECK_SIM_API_VERSION", "6.7.2"),
    ];
    let runs_to_the_end = job["ticks"].is_null();
    if runs_to_the_end {
        job["until"] = END.into();
        variables.push(AT_END);
    }
    let answer = in_child(&job, &variables);
    let stderr = answer["stderr"].as_str().unwrap();
    // Only the names of the known rules are listed.
    assert!(stderr.contains("sim_fault_rule"), "{stderr}");
    let other = stderr.lines().find(|line| !line.contains("sim_fault_rule"));
    assert_eq!(other, None);
    let list = |key: &str| -> Vec<String> { serde_json::from_value(answer[key].clone()).unwrap() };
    let mut told = list("told");
    if runs_to_the_end {
        assert_eq!(told.pop().as_deref(), Some(END));
    }
    (told, list("ticks"))
}

fn all() -> Vec<String> {
    let ids = instruments(&quick());
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    expected(&quick(), TickLayout::C, &ids)
}

/// The callbacks other than acknowledgements.
fn news(told: &[String]) -> Vec<&str> {
    let news = told.iter().map(String::as_str);
    news.filter(|said| !said.starts_with("subscribed"))
        .collect()
}

const LOGIN: &str = "login 0 20250912 正确";

#[test]
fn a_new_connection_continues_where_the_lost_one_ended() {
    for (script, reasons) in [
        ("front_restart.toml", vec!["disconnected 0x1001"]),
        (
            "every_reason.toml",
            vec![
                "disconnected 0x1001",
                "disconnected 0x1002",
                "disconnected 0x2001",
                "disconnected 0x2002",
                "disconnected 0x2003",
            ],
        ),
    ] {
        let (told, ticks) = under(script, json!({}));
        let mut wanted = vec!["connected", LOGIN];
        for reason in &reasons {
            wanted.extend([reason, "connected", LOGIN]);
        }
        assert_eq!(news(&told), wanted, "{script}");
        // A tick per loss is gone; after each new login the latest ticks come as snapshots.
        let unique: std::collections::BTreeSet<&String> = ticks.iter().collect();
        let gone = all().iter().filter(|tick| !unique.contains(tick)).count();
        assert_eq!(
            gone, 0,
            "{script}: the lost tick comes back as the snapshot"
        );
    }
}

#[test]
fn ticks_are_lost_doubled_and_swapped_as_scripted() {
    let all = all();
    let (_, ticks) = under("lost_tick.toml", json!({}));
    assert_eq!(ticks.len(), all.len() - 1);
    let (_, ticks) = under("doubled_tick.toml", json!({}));
    assert_eq!(ticks.len(), all.len() + 1);
    let (_, ticks) = under("swapped_ticks.toml", json!({}));
    let mut swapped = all.clone();
    swapped.swap(99, 100);
    assert_eq!(ticks, swapped);
    let (_, ticks) = under("burst.toml", json!({}));
    assert_eq!(ticks, all);
    let (_, ticks) = under("slow_front.toml", json!({}));
    assert_eq!(ticks, all);
    let (_, ticks) = under("night_again.toml", json!({}));
    assert_eq!(ticks.len(), all.len() + 50);
    assert_eq!(ticks[500..550], all[449..499]);
    let (_, ticks) = under("corrupt_fields.toml", json!({}));
    let differing = ticks.iter().zip(&all).filter(|(a, b)| a != b).count();
    assert_eq!((ticks.len(), differing), (all.len(), 3));
}

#[test]
fn logins_connections_and_requests_can_be_refused() {
    let (told, ticks) = under("front_not_ready.toml", json!({ "login_again": true }));
    let news = news(&told);
    assert_eq!(news.len(), 4, "{news:?}");
    assert!(
        news[1].starts_with("login 7 ") && news[2].starts_with("login 90 "),
        "{news:?}"
    );
    assert_eq!(news[3], LOGIN);
    assert_eq!(ticks, all());
    let refused = "login 3  CTP:不合法的登录";
    let (told, _) = under(
        "login_refused.toml",
        json!({ "ticks": 0, "until": refused }),
    );
    assert_eq!(told, ["connected", refused]);
    let (told, ticks) = under("flow_control.toml", json!({}));
    assert!(told[1].starts_with("login not sent"), "{told:?}");
    assert_eq!(told[2], "login again: true");
    assert_eq!(ticks, all());
    let (told, ticks) = under("refused_once.toml", json!({}));
    assert_eq!(told[0], "connected");
    assert_eq!(ticks, all());
}

#[test]
fn a_silent_front_warns_and_then_goes_on() {
    let (told, ticks) = under("silence.toml", json!({}));
    assert!(told.contains(&"warning 61".to_owned()), "{told:?}");
    assert_eq!(ticks, all());
}

#[test]
fn without_a_snapshot_only_the_acknowledgement_is_sent() {
    let (told, ticks) = under("half_snapshot.toml", json!({ "interleaved": true }));
    let ids = instruments(&quick());
    let wanted: Vec<String> = (0..)
        .zip(&ids)
        .flat_map(|(number, id)| {
            let snapshot = (number < 4).then(|| format!("tick {id}"));
            std::iter::once(format!("subscribed {id} 0")).chain(snapshot)
        })
        .collect();
    let again = told.iter().rposition(|said| said == LOGIN).unwrap() + 1;
    assert_eq!(told[again..][..wanted.len()], wanted);
    let all = all();
    let of = recorded(&quick());
    let latest = ids[..4].iter().map(|id| {
        let is_it = |number: &usize| of[*number].instrument_id.to_string() == *id;
        all[(0..300).rfind(is_it).unwrap()].clone()
    });
    let latest: Vec<String> = latest.collect();
    assert_eq!(ticks, [&all[..299], &latest, &all[300..]].concat());
}

#[test]
fn drawn_faults_are_the_same_for_the_same_seed() {
    let source = format!("recording:{}", quick().display());
    let session = |words: &str| {
        let job = json!({
            "verb": "session", "ids": instruments(&quick()), "until": END,
        });
        let variables = [
            ("TICKDECK_SIM_SOURCE", source.as_str()),
            ("TICKDECK_SIM_RATE", "max"),
            ("TICKDECK_SIM_SETTLE", "50ms"),
            ("TICKDECK_SIM_FAULTS", words),
            ("TICKDECK_SIM_API_VERSION", "6.7.2"),
            AT_END,
        ];
        in_child(&job, &variables)["ticks"].clone()
    };
    let once = session("seed:3,swarm");
    assert_eq!(once, session("seed:3,swarm"));
    assert_ne!(once.as_array().unwrap().len(), 0);
}
