//! The built binary and vendor libraries against peers that close every connection, or do not speak
//! CTP: at the market data front and at the trader front. And a library that releases a session
//! late.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tickdeck::live::ctp::{CtpConnector, CtpLibrary, CtpLogin};
use tickdeck::live::{
    Attempt, Backoff, Connector, Inlet, LiveEnd, MarketDataSession, OpenError, parse_fronts,
};
use tickdeck::nats::Secret;

use super::{market, run, setup};
use crate::support::cli::Running;
use crate::support::ctp::{logged, stub_library, vendor_libraries, with_front};
use crate::support::fake_front::Stop;
use crate::support::log::captured;
use crate::support::recordings::{Folder, info};
use crate::support::wait_until;

/// What a peer does with a connection.
#[derive(Debug, Clone, Copy)]
enum Manners {
    /// Closes the connection at once.
    Closes,
    /// Sends something that is not CTP.
    Garbage,
}

const MANNERS: [Manners; 2] = [Manners::Closes, Manners::Garbage];

/// No process listens there, and the system assigns the port to none.
const CLOSED_PORT: &str = "tcp://127.0.0.1:1";

/// The losses after which a session is closed: five fast ones, or ten on a machine that stalls
/// meanwhile.
const LOOP: usize = 10;

/// A peer that lives as long as the test, and its address.
fn peer(manners: Manners) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for connection in listener.incoming() {
            let (Manners::Garbage, Ok(mut connection)) = (manners, connection) else {
                continue;
            };
            // The library may have closed the connection already.
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            held.push(connection);
            // The library closes them.
            if held.len() > 16 {
                held.remove(0);
            }
        }
    });
    format!("tcp://127.0.0.1:{port}")
}

/// The libraries of 6.5.1 and later. Earlier ones may crash the process when a session is released
/// while a connection is being established, which these peers cause all the time.
fn libraries(test: &str) -> Option<Vec<PathBuf>> {
    let mut libraries = vendor_libraries(test)?;
    libraries.retain(|path| !path.to_string_lossy().contains("/6.3."));
    Some(libraries)
}

/// `record --source ctp` into `rec` with fronts at these addresses.
fn record(folder: &Folder, library: &Path, md: &str, td: Option<&str>, words: &str) -> Running {
    let words = format!(
        "record --source ctp -o rec --log-format json --backoff 100ms --backoff-max 200ms {words}"
    );
    let mut command = with_front(&words, folder.path(), library, md);
    command.envs(td.map(|td| ("CTP_TD_ADDRESS", td)));
    Running::start(command)
}

fn reasons(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["reason"].as_str().unwrap())
        .collect()
}

/// The processes of every library with every peer, all at the same time, started by `start`.
fn each(
    test: &str,
    start: impl Fn(&Folder, &Path, Manners) -> Running,
) -> Vec<(String, Folder, Running)> {
    let mut running = Vec::new();
    for library in libraries(test).unwrap_or_default() {
        for manners in MANNERS {
            let name = format!("{} {manners:?}", library.display());
            let folder = Folder::new();
            let process = start(&folder, &library, manners);
            running.push((name, folder, process));
        }
    }
    running
}

#[test]
fn a_market_data_loop_pauses_between_attempts() {
    let running = each(
        "hang-ups of the market data front",
        |folder, library, manners| {
            record(folder, library, &peer(manners), None, "--front-timeout 10m")
        },
    );
    for (name, folder, process) in running {
        wait_until("two attempts have ended", || {
            process.stderr().matches("\"ctp_retry\"").count() >= 2
        });
        process.signal("TERM");
        let ended = process.wait().done();
        let retries = logged(&ended.stderr, "ctp_retry");
        let are_loops = reasons(&retries).iter().all(|it| *it == "reconnect_loop");
        assert!(are_loops, "{name}: {ended:?}");
        let lost = logged(&ended.stderr, "ctp_disconnected").len();
        // Plus those of the attempt that the signal ended.
        assert!(lost <= LOOP * (retries.len() + 1), "{name}: {lost} losses");
        assert_eq!(info(&folder.join("rec"))["status"], "complete", "{name}");
    }
}

#[test]
fn a_trader_loop_pauses_between_attempts() {
    let running = each(
        "hang-ups of the trader front",
        |folder, library, manners| {
            let td = peer(manners);
            let words = "--symbols rb* --front-timeout 10m";
            record(folder, library, CLOSED_PORT, Some(&td), words)
        },
    );
    for (name, _folder, process) in running {
        wait_until("two attempts have ended", || {
            process.stderr().matches("\"ctp_retry\"").count() >= 2
        });
        process.signal("TERM");
        let ended = process.wait().done();
        let retries = logged(&ended.stderr, "ctp_retry");
        let are_loops = reasons(&retries)
            .iter()
            .all(|it| it.starts_with("reconnect_loop: "));
        assert!(are_loops, "{name}: {ended:?}");
        let lost = logged(&ended.stderr, "ctp_disconnected").len();
        assert!(lost <= LOOP * (retries.len() + 1), "{name}: {lost} losses");
        assert!(logged(&ended.stderr, "ctp_session_open").is_empty());
    }
}

#[test]
fn a_trader_loop_does_not_delay_plain_ids() {
    let running = each("a session without a list", |folder, library, manners| {
        let td = peer(manners);
        record(
            folder,
            library,
            CLOSED_PORT,
            Some(&td),
            "--front-timeout 10m",
        )
    });
    for (name, _folder, process) in running {
        wait_until("the market data front is tried", || {
            process.stderr().contains("\"ctp_session_open\"")
        });
        process.signal("TERM");
        let ended = process.wait().done();
        let failed = logged(&ended.stderr, "contract_discovery_failed");
        assert!(
            reasons(&failed)[0].starts_with("reconnect_loop: "),
            "{name}: {ended:?}"
        );
        let lost = logged(&ended.stderr, "ctp_disconnected");
        assert!(lost.len() <= LOOP, "{name}: {lost:?}");
        assert_eq!(lost[0]["kind"], "trader");
    }
}

/// Opens sessions until there are enough. Each waits until the last but one was released.
struct Until {
    connector: CtpConnector,
    last: u32,
    stop: Stop,
    /// Released sessions, and those of them that were not reported yet.
    released: u32,
    unreported: u32,
}

impl Until {
    fn look(&mut self) {
        let sessions = self.connector.reclaimed();
        self.released += sessions;
        self.unreported += sessions;
    }
}

impl Connector for Until {
    fn reclaimed(&mut self) -> u32 {
        self.look();
        std::mem::take(&mut self.unreported)
    }

    fn open(
        &mut self,
        attempt: &Attempt,
        inlet: Inlet,
    ) -> Result<Box<dyn MarketDataSession>, OpenError> {
        if attempt.number == self.last {
            self.stop.stop();
        }
        // Its Release returns on another thread.
        let begun_to_end = attempt.number.saturating_sub(2);
        wait_until(
            "the library has released the session before the last",
            || {
                self.look();
                self.released >= begun_to_end
            },
        );
        self.connector.open(attempt, inlet)
    }
}

#[test]
fn a_session_released_late_does_not_end_the_run() {
    const ATTEMPTS: u32 = 6;
    let folder = Folder::new();
    let version = "v6.7.13_20260225 14:16:30.12079";
    let test = "a library that releases late";
    let Some(library) = stub_library(test, folder.path(), version, &["LINGERS"]) else {
        return;
    };
    let text = |text: &str| Secret::new(text);
    let login = CtpLogin {
        broker_id: text("9999"),
        // This session is never logged in.
        user_id: text("impatient"),
        password: text(""),
        app_id: text(""),
        auth_code: text(""),
        production_keys: true,
    };
    let stop = Stop::default();
    let flow = folder.join("flow");
    let connector = Until {
        connector: CtpConnector::new(
            CtpLibrary::open(&library).unwrap(),
            login,
            parse_fronts(CLOSED_PORT).unwrap(),
            flow.clone(),
        ),
        last: ATTEMPTS,
        stop: stop.clone(),
        released: 0,
        unreported: 0,
    };
    let mut setup = setup(&market());
    setup.live.close_timeout = Duration::from_millis(1);
    setup.live.retry_close_timeout = Duration::from_millis(1);
    setup.live.supervisor.login_timeout_ns = 100_000_000;
    setup.live.supervisor.backoff = Backoff {
        first_ns: 1,
        cap_ns: 1,
        seed: 0,
    };
    let (ended, log) = captured(|| run(Box::new(connector), setup, &stop));
    assert_eq!(ended.live.end, LiveEnd::Stopped, "{log}");
    assert_eq!(
        (ended.live.attempts, ended.live.abandoned),
        (ATTEMPTS, ATTEMPTS)
    );
    assert!(log.contains("ctp_sessions_reclaimed"), "{log}");
    // The released sessions leaked nothing.
    let left = std::fs::read_dir(&flow).unwrap().count();
    assert!(left < ATTEMPTS as usize, "{left} folders");
}
