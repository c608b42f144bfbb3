//! Addresses of fronts, from the variable to the library.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;

use crate::support::cli::{Running, finish};
use crate::support::ctp::{logged, simulated_library, vendor_libraries, with_front};
use crate::support::recordings::Folder;
use crate::support::socks::SocksProxy;
use crate::support::{DEADLINE, wait_until};

/// The verbs that pass an address to a library.
const VERBS: [&str; 3] = [
    "live --record rec",
    "record --source ctp -o rec",
    "smoke --gate gate.yml",
];

#[test]
fn an_address_that_crashes_the_library_is_refused() {
    let folder = Folder::new();
    for variable in ["CTP_MD_ADDRESS", "CTP_TD_ADDRESS"] {
        for address in [
            "socks5://127.0.0.1:1",
            "socks5://canaryuser1:canary-password-1@127.0.0.1:1",
            "udp://127.0.0.1:1",
            "tcp6://127.0.0.1:1",
        ] {
            for verb in VERBS {
                let words = format!("{verb} --log-format json");
                let nowhere = Path::new("/nonexistent/x.so");
                let mut command = with_front(&words, folder.path(), nowhere, "tcp://127.0.0.1:1");
                command.env(variable, address);
                let ended = finish(command);
                assert_eq!(ended.code, Some(2), "{verb} {address}: {ended:?}");
                let form = "socks5://HOST:PORT/[USER:PASSWORD@]PROXY:PORT";
                assert!(ended.stderr.contains(form), "{verb} {address}: {ended:?}");
                assert!(ended.stderr.contains(variable), "{ended:?}");
                if !verb.starts_with("smoke") {
                    let refused = &logged(&ended.stderr, "live_ingest_startup_error")[0];
                    assert_eq!(refused["required_env"], variable);
                }
                assert!(!folder.join("rec").exists());
            }
        }
    }
}

#[test]
fn every_verb_refuses_ssl_for_market_data() {
    let Some(library) = simulated_library("ssl:// for market data") else {
        return;
    };
    let folder = Folder::new();
    let address = "tcp://127.0.0.1:1,ssl://127.0.0.1:1";
    for verb in VERBS {
        let ended = finish(with_front(verb, folder.path(), &library, address));
        assert_eq!(ended.code, Some(2), "{verb}: {ended:?}");
        assert!(
            ended.stderr.contains(
                "address 2 is not for this library: market data libraries crash on an ssl"
            ),
            "{verb}: {ended:?}"
        );
        assert!(!folder.join("rec").exists());
    }
    let words = "doctor --timeout 200ms --nats-url 127.0.0.1:1";
    let ended = finish(with_front(words, folder.path(), &library, address));
    assert!(ended.stdout.contains("FAIL  md_front"), "{ended:?}");
}

#[test]
fn a_front_behind_a_proxy_is_reached() {
    let Some(libraries) = vendor_libraries("fronts through a proxy") else {
        return;
    };
    for library in libraries {
        let name = library.display();
        let proxy = SocksProxy::new();
        let folder = Folder::new();
        let login = "canaryuser1:canary-pass";
        let address = format!("socks5://canary-host:41213/{login}@{}", proxy.address());
        let words = "record --source ctp -o rec --log-format json --log-level trace";
        let running = Running::start(with_front(words, folder.path(), &library, &address));
        wait_until("the proxy receives a request", || !proxy.asked().is_empty());
        running.signal("TERM");
        let ended = running.wait().done();
        assert_eq!(proxy.asked()[0].front, "canary-host:41213", "{name}");
        let shutdown = logged(&ended.stderr, "live_ingest_shutdown");
        assert_eq!(shutdown.len(), 1, "{name}: {ended:?}");
        for canary in ["canaryuser1", "canary-pass", "canary-host"] {
            assert!(!ended.stderr.contains(canary), "{name}: {ended:?}");
        }
    }
}

#[test]
fn what_doctor_accepts_is_what_the_library_dials() {
    let Some(libraries) = vendor_libraries("addresses in brackets and with slashes") else {
        return;
    };
    for library in libraries {
        let knows_tcp6 = !library.ends_with("6.3.15.7");
        let forms = [
            ("127.0.0.1:0", "TCP://127.0.0.1:PORT/"),
            ("[::1]:0", "tcp6://[::1]:PORT"),
        ];
        for (bound, address) in &forms[..if knows_tcp6 { 2 } else { 1 }] {
            let Ok(listener) = TcpListener::bind(bound) else {
                // No IPv6 here.
                continue;
            };
            listener.set_nonblocking(true).unwrap();
            let port = listener.local_addr().unwrap().port().to_string();
            let address = address.replace("PORT", &port);
            let folder = Folder::new();
            let words = "doctor --timeout 5s --nats-url 127.0.0.1:1";
            let ended = finish(with_front(words, folder.path(), &library, &address));
            let accepts = "CTP_MD_ADDRESS 1 accepts connections";
            assert!(ended.stdout.contains(accepts), "{ended:?}");
            let words = "record --source ctp -o rec";
            let running = Running::start(with_front(words, folder.path(), &library, &address));
            // Doctor closed the connection without sending; a library sends first (field guide
            // 1.2).
            wait_until("the library speaks", || {
                let Ok((mut stream, _)) = listener.accept() else {
                    return false;
                };
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                stream.read(&mut [0]).is_ok_and(|count| count > 0)
            });
            running.signal("TERM");
            running.wait().done();
        }
    }
}
