//! The log of a session, when it is not read or cannot be written: the session continues.

use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, fcntl};

use crate::support::cli::{Running, with_nats};
use crate::support::ctp::{simulated_library, with_simulated_front};
use crate::support::nats_client::RawSubscriber;
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, quick, replay_digest};

/// Ingests the quick recording from the simulated front with the log on `stderr`, ends it by `signal`
/// and checks that nothing is missing.
fn a_session_logs_to(test: &str, stderr: impl Into<Stdio>, signal: &str) {
    let Some(library) = simulated_library(test) else {
        return;
    };
    let Some(server) = NatsServer::start(test) else {
        return;
    };
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let folder = Folder::new();
    let words = "live --symbols all --record rec --json --progress-every 10ms";
    let mut command = with_simulated_front(words, folder.path(), &library, &quick(), "max");
    with_nats(&mut command, &server.url())
        .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1")
        .env("RUST_LOG", "trace")
        // The library's own log does not go through tickdeck's.
        .env("TICKDECK_SIM_LOG", folder.join("front.log"));
    let running = Running::start_with_stderr(command, stderr);
    for _ in 0..918 {
        subscriber.next().expect("the server is there");
    }
    running.signal(signal);
    let ended = running.wait().done();
    let summary = ended.json();
    assert_eq!(
        (&summary["received"], &summary["published"]),
        (&918.into(), &918.into()),
        "{test}"
    );
    assert_eq!(replay_digest(&folder.join("rec")), ended.digest(), "{test}");
}

#[test]
fn a_log_that_cannot_be_written_ends_no_session() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    a_session_logs_to("the log on a full disk", full, "TERM");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    a_session_logs_to("the log in a pipe without a reader", writer, "TERM");
}

#[test]
fn an_unread_log_delays_nothing() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let size = fcntl(&writer, FcntlArg::F_GETPIPE_SZ).unwrap();
    writer
        .write_all(&vec![b'.'; usize::try_from(size).unwrap()])
        .unwrap();
    a_session_logs_to("the log in a full pipe", writer, "INT");
    drop(reader);
}
