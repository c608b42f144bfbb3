//! A live session that records and publishes, with a replay that follows the recording. Its memory,
//! descriptors and threads stay as they are.
//!
//! `TICKDECK_SOAK_SECONDS` sets how long: 12 by default, 1,800 with `cargo xtask test --long`.

use std::time::Duration;

use crate::support::cli::{Running, fastest, tickdeck, with_nats};
use crate::support::ctp::{logged, simulated_library, with_simulated_front};
use crate::support::nats_client::RawSubscriber;
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, info, quick};
use crate::support::{times, wait_until};

/// What a process holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    memory_kib: u64,
    descriptors: usize,
    threads: u64,
}

impl Held {
    fn by(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let words = line.and_then(|line| line.split_whitespace().next());
            words.and_then(|word| word.parse().ok()).unwrap_or_default()
        };
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"));
        Self {
            memory_kib: number("VmRSS:"),
            descriptors: descriptors.map_or(0, Iterator::count),
            threads: number("Threads:"),
        }
    }

    /// The most of each.
    fn max(self, other: Self) -> Self {
        Self {
            memory_kib: self.memory_kib.max(other.memory_kib),
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
        }
    }
}

/// Compares the last third of the time with the second.
fn assert_flat(name: &str, samples: &[Held]) {
    let third = samples.len() / 3;
    let most = |samples: &[Held]| samples.iter().copied().fold(Held::default(), Held::max);
    let (first, second, last) = (
        most(&samples[..third]),
        most(&samples[third..2 * third]),
        most(&samples[2 * third..]),
    );
    println!("{name}: {first:?}, then {second:?}, then {last:?}");
    assert!(last.threads <= second.threads, "{name} has more threads");
    // A file or two are open for a moment while a segment is sealed.
    assert!(
        last.descriptors <= second.descriptors + 2,
        "{name} has more descriptors"
    );
    let enough = second.memory_kib + second.memory_kib / 10 + 8 * 1024;
    assert!(last.memory_kib <= enough, "{name} has more memory");
}

#[test]
fn a_long_session_holds_no_more_over_time() {
    let test = "the soak";
    let (Some(server), Some(library)) = (NatsServer::start(test), simulated_library(test)) else {
        return;
    };
    let seconds = times("TICKDECK_SOAK_SECONDS", 12);
    let folder = Folder::new();
    // From the opening of the whole market on. Segments are sealed all the time.
    let words = "live --symbols all --record rec --max-rows 100000 --log-format json --json -q";
    let live = with_simulated_front(words, folder.path(), &library, &quick(), "1");
    let mut live = fastest(&live);
    live.env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1")
        .env(
            "TICKDECK_SIM_SOURCE",
            "synthetic:full-market,seed=1,duration=8h",
        )
        .env("TICKDECK_SIM_MAX_GAP", "1s")
        .env("TICKDECK_SIM_FLOW", "off");
    with_nats(&mut live, &server.url());
    let subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let reader = std::thread::spawn(move || {
        let mut subscriber = subscriber;
        let mut received = 0_u64;
        while subscriber.next().is_some() {
            received += 1;
        }
        received
    });
    let live = Running::start(live);
    let recording = folder.join("rec");
    wait_until("it records", || recording.join("manifest.json").is_file());
    let mut replay = tickdeck("replay --follow --rate max --sink digest --json -q".split(' '));
    replay.arg(&recording);
    let replay = Running::start(fastest(&replay));

    let mut samples: [Vec<Held>; 2] = Default::default();
    for _ in 0..seconds * 2 {
        std::thread::sleep(Duration::from_millis(500));
        for (samples, process) in samples.iter_mut().zip([&live, &replay]) {
            samples.push(Held::by(process.pid()));
        }
    }
    live.signal("TERM");
    let live = live.wait().done();
    let replayed = replay.wait().done();
    drop(server);
    let received = reader.join().unwrap();

    let result = live.json();
    println!("{result}");
    assert_eq!(result["dropped"], 0);
    assert_eq!(result["failed"], 0);
    assert_eq!(result["published"], received);
    assert_eq!(replayed.digest(), live.digest());
    assert_eq!(info(&recording)["status"], "complete");
    assert_eq!(logged(&live.stderr, "recording_failed").len(), 0);
    for (name, samples) in ["live", "replay --follow"].iter().zip(&samples) {
        assert_flat(name, samples);
    }
}
