//! Replay = replay: a recording has one payload stream, whatever speed, batch size, thread count,
//! time zone, locale or build plays it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tickdeck::pace::Rate;
use tickdeck::sink::Fate;
use tickdeck::{Command as Request, Control, MessageBatch, Recording, Session, Sink, SinkError};

use crate::support::cli::{binary, command_of, finish, release_binary, tickdeck};
use crate::support::recordings::{quick, quirks, replay, replay_digest, repository};
use crate::support::skipped;

/// Both committed recordings with the digests that are pinned beside them.
fn pinned() -> [(PathBuf, String); 2] {
    ["quick", "quirks"].map(|name| {
        let golden = repository(&format!("recordings/{name}.golden.json"));
        let golden: Value =
            serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
        let digest = &golden["digest"];
        (
            repository(&format!("recordings/{name}")),
            digest.as_str().unwrap().to_owned(),
        )
    })
}

/// Replays with `program` (a path, or a wrapper with its arguments) to a digest.
fn digest_by(mut command: Command, recording: &Path) -> String {
    command
        .arg("replay")
        .arg(recording)
        .args(["--rate", "max", "--json", "-q", "--sink", "digest"]);
    finish(command).done().digest()
}

#[test]
fn replay_has_the_pinned_digest() {
    for (recording, digest) in pinned() {
        assert_eq!(replay_digest(&recording), digest);
    }
}

#[test]
fn the_speed_changes_nothing() {
    // Ten seconds of the minute, so that ten times the recorded speed takes one second.
    let slice = "--start-offset 20s --duration 10s --sink digest";
    let expected = replay(&quick(), slice).done().json();
    assert!(expected["published"].as_u64().unwrap() > 50, "{expected}");
    for rate in ["10", "60", "1000"] {
        let played = replay(&quick(), &format!("{slice} --rate {rate}")).done();
        assert_eq!(played.digest(), expected["digest"], "{rate}");
    }
    for (recording, digest) in pinned() {
        let words = "--sink digest --rate 1000 --max-gap 500ms";
        assert_eq!(replay(&recording, words).done().digest(), digest);
    }
}

/// Counts messages, and changes the rate at some of them.
struct RateChanges {
    control: Arc<Control>,
    seen: u64,
}

impl Sink for RateChanges {
    fn name(&self) -> String {
        "rate changes".into()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        for (at, rate) in [(1, "100"), (300, "50"), (600, "max")] {
            if (self.seen..self.seen + batch.len() as u64).contains(&at) {
                self.control.send(Request::SetRate(rate.parse().unwrap()));
            }
        }
        self.seen += batch.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn settled(&mut self, _each: &mut dyn FnMut(Range<u64>, Fate)) {}

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn a_rate_that_changes_changes_nothing() {
    let recording = Recording::open(&quick()).unwrap();
    let control = Arc::new(Control::new());
    let changes = RateChanges {
        control: Arc::clone(&control),
        seen: 0,
    };
    let played = Session::replay_recording(&recording)
        .unwrap()
        .control(control)
        .sink(changes)
        .run()
        .unwrap();
    assert_eq!(played.summary.digest, replay_digest(&quick()));
    assert_eq!(played.summary.rate_asked, Rate::Max);
}

#[test]
fn the_batch_size_changes_nothing() {
    for (recording, digest) in pinned() {
        for size in ["1", "7", "4096", "1048576"] {
            let words = format!("--sink digest --batch-size {size}");
            let played = replay(&recording, &words).done();
            assert_eq!(played.digest(), digest, "{size}");
        }
    }
}

#[test]
fn the_number_of_jobs_changes_nothing() {
    for (recording, digest) in pinned() {
        for jobs in [1, 2, 3, 7] {
            for size in [1, 2048, 100_000] {
                let words = format!("--sink digest --jobs {jobs} --batch-size {size}");
                let played = replay(&recording, &words).done();
                assert_eq!(played.digest(), digest, "{jobs} jobs, batches of {size}");
            }
        }
    }
}

#[test]
fn time_zone_and_locale_change_nothing() {
    let settings: [&[(&str, &str)]; 6] = [
        &[("TZ", "America/New_York")],
        &[("TZ", "Asia/Tokyo")],
        &[("TZ", "no/such/zone")],
        &[("LANG", "C"), ("LC_ALL", "C")],
        &[("LANG", "tr_TR.UTF-8"), ("LC_ALL", "tr_TR.UTF-8")],
        &[("LANG", "zh_CN.GB18030"), ("LC_ALL", "zh_CN.GB18030")],
    ];
    for (recording, digest) in pinned() {
        for setting in settings {
            let mut command = command_of(binary());
            command.envs(setting.iter().copied());
            assert_eq!(digest_by(command, &recording), digest, "{setting:?}");
        }
    }
}

#[test]
fn the_number_of_cores_changes_nothing() {
    let on = |cores: &str| {
        let mut command = command_of("taskset");
        command.args(["--cpu-list", cores]).arg(binary());
        command
    };
    let mut probe = on("0");
    probe.arg("--version");
    if !probe.output().is_ok_and(|output| output.status.success()) {
        skipped("the number of cores changes nothing", "no taskset here");
        return;
    }
    let available = std::thread::available_parallelism().unwrap().get();
    let all = format!("0-{}", available - 1);
    for (recording, digest) in pinned() {
        assert_eq!(digest_by(on("0"), &recording), digest, "one core");
        assert_eq!(digest_by(on(&all), &recording), digest, "cores {all}");
    }
}

#[test]
fn debug_and_release_publish_the_same() {
    let Some(release) = release_binary() else {
        skipped(
            "debug and release builds publish the same",
            "TICKDECK_RELEASE_BIN names no release build; `cargo xtask test` makes one (the pinned \
             digests, which this build was compared with, hold for both)",
        );
        return;
    };
    for (recording, digest) in pinned() {
        let tested = digest_by(command_of(binary()), &recording);
        assert_eq!(digest_by(command_of(&release), &recording), tested);
        assert_eq!(tested, digest);
    }
}

#[test]
fn other_sinks_beside_change_nothing() {
    let folder = crate::support::recordings::Folder::new();
    let (recording, digest) = &pinned()[1];
    let mut command = tickdeck(["replay"]);
    command.arg(recording);
    command.args([
        "--rate", "max", "--json", "-q", "--sink", "null", "--sink", "digest",
    ]);
    command.arg("--sink");
    command.arg(format!("jsonl:{}", folder.join("stream").display()));
    assert_eq!(finish(command).done().digest(), *digest);
    let text = std::fs::read_to_string(folder.join("stream")).unwrap();
    assert_eq!(crate::support::recordings::stream_digest(&text), *digest);
}

#[test]
fn a_lone_segment_plays_like_its_recording() {
    // Without the contract table the product table applies. It knows all contracts of the quick
    // session.
    let segment = quick().join("part-00000.parquet");
    assert_eq!(replay_digest(&segment), replay_digest(&quick()));
    assert_ne!(replay_digest(&quirks()), replay_digest(&quick()));
}
