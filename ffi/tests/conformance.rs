//! Every library behaves as the field guide says, seen through the safe client, each in a separate
//! process.

use libloading::Library;
use serde_json::{Value, json};
use tickdeck_ffi::abi::{ApiVersion, MdMethod, TraderTable};

use crate::child::THREADS;
use crate::support::peer::{Manners, Peer, STORM};
use crate::support::vendor::{OPENCTP, VENDOR, Version, present};
use crate::support::{process, skipped};

/// Lost connections that show whether a library connects again at once.
const LOSSES: usize = 20;

/// How many connections a session loses, and how many its peer has taken, before it is judged.
fn course(manners: Manners, version: &Version) -> (usize, usize) {
    match manners {
        Manners::Refuses => (0, 0),
        Manners::Silent => (0, 1),
        _ if version.waits => (2, 2),
        // The storm is over, and the connection after it is up.
        _ => (LOSSES, STORM + 1),
    }
}

/// Runs one session of each library against a peer.
fn against(manners: Manners, check: impl Fn(&Version, &Value, &Peer)) {
    for (version, folder) in present(&VENDOR) {
        let peer = Peer::new(manners);
        let (losses, connections) = course(manners, &version);
        let job = json!({
            "verb": "session",
            "library": folder,
            "front": peer.address(),
            "losses": losses,
            "millis": 300,
        });
        let facts = process::run_until(job, || peer.accepted() >= connections);
        println!("{} {manners:?}: {facts}", version.folder);
        assert_is_identified(&version, &facts);
        assert_leaves_nothing(&version, &facts);
        check(&version, &facts, &peer);
    }
}

fn assert_is_identified(version: &Version, facts: &Value) {
    let (major, minor, patch) = version.numbers;
    assert_eq!(facts["version"], json!([major, minor, patch]));
    assert_eq!(facts["layout"], json!(version.layout));
    assert_eq!(facts["slots"], json!(version.slots));
    assert_eq!(
        facts["has_production_flag"],
        json!(version.has_production_flag)
    );
    assert_eq!(facts["simulated"], json!(false));
}

/// Two threads while it runs (field guide 1.3), and afterwards everything as it was.
fn assert_leaves_nothing(version: &Version, facts: &Value) {
    let name = version.folder;
    let number = |key: &str, index: usize| facts[key][index].as_u64().unwrap();
    assert_eq!(
        number("during", 0),
        number("before", 0) + THREADS as u64,
        "{name}: threads"
    );
    assert_eq!(facts["released"], Value::Null, "{name}");
    assert_eq!(facts["after"], facts["before"], "{name}: threads and files");
    assert_eq!(
        facts["handlers"],
        json!(1),
        "{name}: the handler is released"
    );
    assert_eq!(facts["panicked"], json!(false), "{name}");
}

fn assert_not_connected(version: &Version, facts: &Value) {
    for request in ["login", "subscribe"] {
        let answer = facts[request].as_str().unwrap_or_default();
        assert!(
            answer.contains("not connected"),
            "{}: {answer}",
            version.folder
        );
    }
    assert_eq!(
        facts["trading_day"],
        json!("19800100"),
        "{}",
        version.folder
    );
}

#[test]
fn a_refused_port_gives_no_callback_at_all() {
    against(Manners::Refuses, |version, facts, _| {
        assert_eq!(facts["callbacks"], json!({}), "{}", version.folder);
        assert_not_connected(version, facts);
    });
}

#[test]
fn a_silent_peer_is_not_a_connected_front() {
    against(Manners::Silent, |version, facts, peer| {
        assert_eq!(facts["callbacks"], json!({}), "{}", version.folder);
        assert_eq!(peer.accepted(), 1, "{}", version.folder);
    });
}

#[test]
fn a_silent_peer_is_lost_after_two_minutes() {
    if std::env::var_os("TICKDECK_SLOW_TESTS").is_none() {
        skipped("takes two and a half minutes; set TICKDECK_SLOW_TESTS to run it");
        return;
    }
    for (version, folder) in present(&VENDOR[5..6]) {
        let peer = Peer::new(Manners::Silent);
        let facts = process::run(json!({
            "verb": "session",
            "library": folder,
            "front": peer.address(),
            // Lost after 120 s; the next connection would be warned of after 180 s.
            "millis": 150_000,
        }));
        println!("{}: {facts}", version.folder);
        let callbacks = json!({"heartbeat warning": 1, "disconnected 0x2001": 1});
        assert_eq!(facts["callbacks"], callbacks);
        assert_leaves_nothing(&version, &facts);
    }
}

/// The count of one callback, which must be the only kind there was.
fn only(facts: &Value, callback: &str) -> u64 {
    let callbacks = facts["callbacks"].as_object().unwrap();
    let kinds: Vec<&String> = callbacks.keys().collect();
    assert_eq!(kinds, [callback], "{facts}");
    callbacks[callback].as_u64().unwrap()
}

/// Field guide 1.6: old libraries connect again at once, new ones after a second. A slow machine
/// makes pauses longer, but not each of many.
fn assert_reconnects(version: &Version, facts: &Value, callback: &str) {
    let least = if version.waits { 2 } else { LOSSES as u64 };
    let losses = only(facts, callback);
    let name = version.folder;
    assert!((least..=STORM as u64).contains(&losses), "{name}: {facts}");
    let pause_ms = facts["shortest_pause_ms"].as_u64().unwrap();
    assert_eq!(pause_ms >= 800, version.waits, "{name}: {facts}");
}

#[test]
fn a_closed_peer_is_a_lost_connection_without_sigpipe() {
    against(Manners::Closes, |version, facts, _| {
        assert_reconnects(version, facts, "disconnected 0x1001");
    });
}

#[test]
fn a_peer_that_talks_garbage_is_a_bad_packet() {
    against(Manners::Garbage, |version, facts, _| {
        assert_reconnects(version, facts, "disconnected 0x2003");
    });
}

/// What 50 sessions may leak, kB: the object that the library calls is kept on purpose, some 200
/// bytes a session; the rest is the allocator's and the vendor's.
const GROWTH_KB: u64 = 4096;

fn cycles(version: &Version, folder: &std::path::Path, manners: Manners, millis: u64) {
    let peer = Peer::new(manners);
    let facts = process::run(json!({
        "verb": "cycles",
        "library": folder,
        "front": peer.address(),
        "millis": millis,
        "count": 50,
    }));
    println!("{} {manners:?}: {facts}", version.folder);
    let name = version.folder;
    assert_eq!(facts["failed"], json!([]), "{name}");
    assert_eq!(facts["after"], facts["before"], "{name}: threads and files");
    assert_eq!(facts["handlers"], json!(1), "{name}: handlers are released");
    assert!(
        facts["grown_kb"].as_u64().unwrap() < GROWTH_KB,
        "{name}: {facts}"
    );
}

#[test]
fn fifty_sessions_that_never_connect_leave_nothing_behind() {
    for (version, folder) in present(&VENDOR) {
        cycles(&version, &folder, Manners::Refuses, 5);
    }
}

/// The worst case: released right after Init, before the library's threads have run.
#[test]
fn fifty_sessions_released_at_once_leak_nothing() {
    for (version, folder) in present(&VENDOR) {
        cycles(&version, &folder, Manners::Refuses, 0);
    }
}

#[test]
fn fifty_sessions_that_are_cut_off_leave_nothing_behind() {
    for (version, folder) in present(&VENDOR) {
        if version.ends_while_connecting {
            cycles(&version, &folder, Manners::AlwaysCloses, 20);
        } else {
            skipped(&format!(
                "{}: its Release may crash while a connection is being established, a fault of the vendor that \
                 6.5.1 corrects",
                version.folder
            ));
        }
    }
}

#[test]
fn the_simulator_of_openctp_is_driven_like_the_vendors_library() {
    for (version, folder) in present(&[OPENCTP]) {
        let peer = Peer::new(Manners::Refuses);
        let facts = process::run(json!({
            "verb": "session",
            "library": folder,
            "front": peer.address(),
            "millis": 300,
            "keeps_something": true,
        }));
        println!("{}: {facts}", version.folder);
        assert_is_identified(&version, &facts);
        assert_eq!(facts["released"], Value::Null);
        assert_eq!(facts["panicked"], json!(false));
    }
}

#[test]
fn vendor_libraries_export_the_compared_slots() {
    for (version, folder) in present(&VENDOR) {
        let load = |file: &str| {
            // SAFETY: the vendor's library; loading it starts nothing.
            unsafe { Library::new(folder.join(file)) }.unwrap()
        };
        let exports = |library: &Library, name: &str| {
            // SAFETY: the symbol is only looked for.
            unsafe { library.get::<*const ()>(name) }.is_ok()
        };
        let market_data = load("thostmduserapi_se.so");
        for method in [
            MdMethod::Init,
            MdMethod::RegisterSpi,
            MdMethod::ReqUserLogin,
        ] {
            let name = method.implementation();
            assert!(exports(&market_data, name), "{}: {name}", version.folder);
        }
        let trader = load("thosttraderapi_se.so");
        let (major, minor, patch) = version.numbers;
        let table = TraderTable::of(&ApiVersion::new(major, minor, patch)).unwrap();
        for (_, name) in table.api.implementations() {
            assert!(exports(&trader, name), "{}: {name}", version.folder);
        }
        // Unloading is not part of what is tested.
        std::mem::forget((market_data, trader));
    }
}
