//! The forms of an address that are handed to the library: none crashes it, and each leads where it
//! says. The forms that crash one never get that far.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::process;
use crate::support::socks::{Asked, SocksProxy};
use crate::support::vendor::{VENDOR, present};

/// Runs a session of the market data or the trader library.
fn run(verb: &str, library: &std::path::Path, front: &str, is_enough: impl Fn() -> bool) -> Value {
    let job =
        json!({ "verb": verb, "library": library, "front": front, "millis": 100, "asks": false });
    process::run_until(job, is_enough)
}

#[test]
fn every_library_reaches_the_front_through_a_proxy() {
    for (version, folder) in present(&VENDOR) {
        for verb in ["session", "trader"] {
            for login in [None, Some(("hunter1", "hunter2"))] {
                let proxy = SocksProxy::new();
                let who = login.map(|(user, password)| format!("{user}:{password}@"));
                let front = format!(
                    "socks5://front.example:41213/{}{}",
                    who.unwrap_or_default(),
                    proxy.address()
                );
                let facts = run(verb, &folder, &front, || !proxy.asked().is_empty());
                let name = format!("{} {verb}", version.folder);
                assert_eq!(facts["released"], Value::Null, "{name}");
                let expected = Asked {
                    login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
                    front: "front.example:41213".to_owned(),
                };
                assert_eq!(proxy.asked()[0], expected, "{name}");
            }
        }
    }
}

#[test]
fn tcp6_addresses_reach_only_libraries_that_support_them() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        crate::support::skipped("this machine has no IPv6");
        return;
    };
    listener.set_nonblocking(true).unwrap();
    let front = format!("tcp6://{}", listener.local_addr().unwrap());
    for (version, folder) in present(&VENDOR) {
        for verb in ["session", "trader"] {
            let name = format!("{} {verb}", version.folder);
            if version.numbers < (6, 5, 1) {
                let job = json!({ "verb": "refused", "library": folder, "front": front });
                let facts = process::run(job);
                for said in facts.as_array().unwrap() {
                    let said = said.as_str().unwrap_or_default();
                    assert!(said.contains("tcp6"), "{name}: {facts}");
                }
                continue;
            }
            let is_dialled = std::cell::RefCell::new(None);
            let facts = run(verb, &folder, &front, || {
                let mut dialled = is_dialled.borrow_mut();
                if dialled.is_none() {
                    *dialled = listener.accept().ok();
                }
                dialled.is_some()
            });
            assert!(is_dialled.borrow().is_some(), "{name}");
            assert_eq!(facts["released"], Value::Null, "{name}");
        }
    }
}

#[test]
fn no_market_data_library_sees_an_ssl_address() {
    for (version, folder) in present(&VENDOR) {
        let front = "ssl://127.0.0.1:1";
        let facts = process::run(json!({ "verb": "refused", "library": folder, "front": front }));
        let said = facts[0].as_str().unwrap_or_default();
        assert!(
            said.contains("crash on an ssl://"),
            "{}: {facts}",
            version.folder
        );
    }
}
