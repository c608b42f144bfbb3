//! `replay_to_nats` and `live_to_nats` against a real server.
//!
//! The server comes from `TICKDECK_NATS_SERVER`, the simulated library from `TICKDECK_SIM_LIBRARY`.
//! Without one its tests are skipped visibly. That is a failure when `TICKDECK_REQUIRE_NATS` or
//! `TICKDECK_REQUIRE_CTP` is 1.

#[cfg(all(feature = "live", feature = "signals"))]
#[path = "../../examples/live_to_nats.rs"]
#[expect(dead_code, reason = "`cargo run --example` calls its main function")]
mod live_to_nats;
#[path = "../../../../tests/support/nats_client.rs"]
#[expect(dead_code, reason = "only its subscriber is used")]
mod nats_client;
#[path = "../../examples/replay_to_jetstream.rs"]
#[expect(dead_code, reason = "`cargo run --example` calls its main function")]
mod replay_to_jetstream;
#[path = "../../examples/replay_to_nats.rs"]
#[expect(dead_code, reason = "`cargo run --example` calls its main function")]
mod replay_to_nats;
#[path = "../../../../tests/support/skip.rs"]
mod skip;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nats_client::RawSubscriber;
use tempfile::TempDir;
use tickdeck::nats::NatsOptions;
use tickdeck::sink::{MessageRef, StreamDigest};

use super::QUICK;

/// Longest wait for the server or a message.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[test]
fn every_message_reaches_a_subscriber() {
    let Some(server) = Server::start("every_message_reaches_a_subscriber") else {
        return;
    };
    let mut subscriber = RawSubscriber::connect(server.port, "market.tick.>");
    let options = NatsOptions::at(&format!("nats://127.0.0.1:{}", server.port)).unwrap();
    let summary = replay_to_nats::replay(&options, Path::new(QUICK)).unwrap();
    assert_eq!((summary.published, summary.failed), (918, 0));
    let mut received = StreamDigest::new();
    for _ in 0..summary.published {
        let (subject, payload) = subscriber.next().unwrap();
        received.update_message(MessageRef {
            subject: subject.as_bytes(),
            payload: &payload,
        });
    }
    assert_eq!(received.hex(), summary.digest);
}

#[test]
fn a_stream_has_every_message_after_two_replays() {
    let Some(server) = Server::start("a_stream_has_every_message_after_two_replays") else {
        return;
    };
    let options = NatsOptions::at(&format!("nats://127.0.0.1:{}", server.port)).unwrap();
    for _ in 0..2 {
        let summary = replay_to_jetstream::replay(&options, Path::new(QUICK)).unwrap();
        assert_eq!((summary.published, summary.failed), (918, 0));
        assert_eq!(summary.verified, Some(true));
    }
}

#[cfg(all(feature = "live", feature = "signals"))]
#[test]
fn live_ticks_reach_a_subscriber_until_a_stop() {
    use std::sync::Arc;
    use tickdeck::{Command as Request, Control};

    const TEST: &str = "live_ticks_reach_a_subscriber_until_a_stop";
    let Some(library) = std::env::var_os("TICKDECK_SIM_LIBRARY") else {
        skip::skipped_unless_required(
            "TICKDECK_REQUIRE_CTP",
            TEST,
            "TICKDECK_SIM_LIBRARY is not set",
        );
        return;
    };
    let Some(server) = Server::start(TEST) else {
        return;
    };
    let mut subscriber = RawSubscriber::connect(server.port, "market.tick.>");
    let options = NatsOptions::at(&format!("nats://127.0.0.1:{}", server.port)).unwrap();
    let account = live_to_nats::Account {
        broker: "9999".into(),
        user: "user".into(),
        password: "password".into(),
        front: "tcp://127.0.0.1:41213".into(),
    };
    let control = Arc::new(Control::new());
    let session = {
        let control = Arc::clone(&control);
        let instruments = vec!["au2512".to_owned(), "rb2510".to_owned()];
        move || live_to_nats::publish(library.into(), &account, instruments, options, control)
    };
    let session = tickdeck_core::thread::spawn("live", session).unwrap();
    let mut received = StreamDigest::new();
    let mut count = 0;
    let mut receive = |subscriber: &mut RawSubscriber| {
        let (subject, payload) = subscriber.next().unwrap();
        assert!(subject.starts_with("market.tick.SHFE."), "{subject}");
        received.update_message(MessageRef {
            subject: subject.as_bytes(),
            payload: &payload,
        });
        count += 1;
        count
    };
    let mut seen = 0;
    while seen < 10 {
        seen = receive(&mut subscriber);
    }
    control.send(Request::Stop);
    let summary = session.join().unwrap().unwrap().summary();
    while seen < summary.published {
        seen = receive(&mut subscriber);
    }
    assert_eq!((summary.published, summary.failed), (summary.received, 0));
    assert_eq!(received.hex(), summary.digest);
}

#[test]
fn what_is_required_and_missing_fails_a_test() {
    let run = |test: &str, missing: &str, required: Option<&str>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("nats::{test}")]);
        for variable in ["TICKDECK_REQUIRE_NATS", "TICKDECK_REQUIRE_CTP"] {
            command.env_remove(variable);
        }
        command.env_remove(missing).env_remove("TICKDECK_SKIPPED");
        command.envs(required.map(|variable| (variable, "1")));
        command.output().unwrap()
    };
    let mut cases = vec![(
        "every_message_reaches_a_subscriber",
        "TICKDECK_NATS_SERVER",
        "TICKDECK_REQUIRE_NATS",
    )];
    if cfg!(all(feature = "live", feature = "signals")) {
        cases.push((
            "live_ticks_reach_a_subscriber_until_a_stop",
            "TICKDECK_SIM_LIBRARY",
            "TICKDECK_REQUIRE_CTP",
        ));
    }
    for (test, missing, required) in cases {
        let free = run(test, missing, None);
        let stderr = String::from_utf8_lossy(&free.stderr);
        assert!(free.status.success(), "{stderr}");
        assert!(stderr.contains(&format!("SKIPPED {test}")), "{stderr}");
        let refused = run(test, missing, Some(required));
        assert!(!refused.status.success(), "{test} passes");
        let stdout = String::from_utf8_lossy(&refused.stdout);
        assert!(stdout.contains(&format!("{required} is 1")), "{stdout}");
    }
}

/// A server on a port that it chose itself. It is killed when dropped.
struct Server {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// A server that accepts connections, or `None` after a visible skip.
    fn start(test: &str) -> Option<Self> {
        let Some(binary) = std::env::var_os("TICKDECK_NATS_SERVER") else {
            skip::skipped_unless_required(
                "TICKDECK_REQUIRE_NATS",
                test,
                "TICKDECK_NATS_SERVER is not set",
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(binary)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
            .arg(folder.path())
            .arg("--jetstream")
            .arg("--store_dir")
            .arg(folder.path().join("js"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            process,
            port: 0,
            folder,
        };
        server.port = server.wait_for_port();
        Some(server)
    }

    /// The port in the file that the server writes once it listens.
    fn wait_for_port(&self) -> u16 {
        let name = format!("nats-server_{}.ports", self.process.id());
        let path = self.folder.path().join(name);
        for _ in 0..DEADLINE.as_millis() / POLL_INTERVAL.as_millis() {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            // {"nats":["nats://127.0.0.1:34567"]}; incomplete text has no closing bracket.
            let address = text
                .split_once("nats://")
                .and_then(|(_, rest)| rest.split_once('"'));
            if let Some((address, _)) = address {
                return address.rsplit_once(':').unwrap().1.parse().unwrap();
            }
            tickdeck_core::wait::nap(POLL_INTERVAL);
        }
        panic!("nats-server does not listen within {DEADLINE:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
