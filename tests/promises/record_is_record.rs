//! Promise 5: a recording played through the simulated CTP library and recorded again has the same
//! ticks. It checks promise 2 as well: the session published what its recording replays to.

use std::path::{Path, PathBuf};

use tickdeck::event::RawTick;

use crate::support::cli::Running;
use crate::support::ctp::{logged, simulated_library, with_simulated_front};
use crate::support::recordings::{Folder, events, quick, quirks, replay_digest};
use crate::support::wait_until;

fn ticks(recording: &Path) -> Vec<RawTick> {
    let events = events(recording);
    let ticks = events.iter().filter_map(|e| e.as_tick().copied());
    ticks.filter(can_be_subscribed).collect()
}

/// An id that a client can subscribe. The oddities include an id in Chinese and one with control
/// characters, which only real fronts send without a subscription.
fn can_be_subscribed(tick: &RawTick) -> bool {
    let is_legal = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    tick.instrument_id.as_bytes().iter().all(is_legal)
}

/// Plays `recording` through the library and records it as `name`.
fn again(folder: &Folder, library: &Path, recording: &Path, name: &str) -> PathBuf {
    let played = ticks(recording);
    let mut ids: Vec<String> = played.iter().map(|t| t.instrument_id.to_string()).collect();
    ids.sort();
    ids.dedup();
    let words =
        format!("record --source ctp -o {name} --json --log-format json --progress-every 50ms");
    let mut command = with_simulated_front(&words, folder.path(), library, recording, "max");
    command
        .env_remove("CTP_SYMBOL")
        .args(["--symbols", &ids.join(",")]);
    let running = Running::start(command);
    wait_until("every tick is recorded", || {
        logged(&running.stderr(), "publish_progress")
            .last()
            .is_some_and(|line| line["recorded"] == played.len())
    });
    running.signal("TERM");
    let ended = running.wait().done();
    let path = folder.join(name);
    assert_eq!(ended.digest(), replay_digest(&path), "live is replay");
    path
}

#[test]
fn recording_via_front_keeps_its_ticks() {
    let Some(library) = simulated_library("record, play, record again") else {
        return;
    };
    for original in [quick(), quirks()] {
        let folder = Folder::new();
        let first = again(&folder, &library, &original, "first");
        assert!(ticks(&first) == ticks(&original), "bit for bit, in order");
        let second = again(&folder, &library, &first, "second");
        assert!(ticks(&second) == ticks(&original), "and once more");
    }
}
