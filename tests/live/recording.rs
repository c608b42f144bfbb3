//! What a live session does when it can no longer be recorded, and what it says of its recorder.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tickdeck::pipeline::PlayError;
use tickdeck::recording::{RecorderOptions, Recording, RecordingError, Rolling, Status};
use tickdeck::session::{LiveSummary, OnRecordingFailure};

use super::{market, nats, publishing, recorded, run};
use crate::support::cli::{Running, finish, with_nats};
use crate::support::ctp::{logged, simulated_library, with_simulated_front};
use crate::support::disk::Disk;
use crate::support::fake_front::{FakeFront, Stop, push};
use crate::support::log::{LogText, captured};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, events, info, quick, replay_digest};
use crate::support::wait_until;

/// Plays the market, moves the folder of the recording away, and plays on until `is_over`.
pub(super) fn loses_its_folder(
    stop: &Stop,
    path: &Path,
    is_over: impl Fn() -> bool + Send + 'static,
) -> Box<FakeFront> {
    let (stop, path) = (stop.clone(), path.to_owned());
    let mut is_over = Some(is_over);
    FakeFront::ready(move |_, inlet| {
        let Some(is_over) = is_over.take() else {
            return;
        };
        let (inlet, stop, path) = (inlet.clone(), stop.clone(), path.clone());
        thread::spawn(move || {
            push(&inlet, &market());
            wait_until("ticks are on disk", || has_ticks(&path));
            std::fs::rename(&path, moved(&path)).unwrap();
            wait_until("the session continues for long enough", || {
                push(&inlet, &market()[..10]);
                is_over()
            });
            push(&inlet, &market());
            stop.stop();
        });
    })
}

pub(super) fn has_ticks(path: &Path) -> bool {
    let opened = Recording::open(path).ok();
    let manifest = opened.as_ref().and_then(Recording::manifest);
    manifest.is_some_and(|manifest| manifest.ticks > 0)
}

pub(super) fn moved(path: &Path) -> PathBuf {
    path.with_extension("moved")
}

#[test]
fn a_recorder_that_fails_does_not_end_the_session() {
    /// More ticks than wait for a recorder that runs.
    const MANY: u64 = 600;
    let Some(server) = NatsServer::start("a session whose recorder fails") else {
        return;
    };
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let mut setup = recorded(&ticks, &recording);
    setup.server = publishing(&nats(server.options()));
    let options = server.options();
    let (told, health) = mpsc::channel();
    let is_degraded = move || {
        let asked =
            tickdeck::nats::request_health(&options, "health.check", Duration::from_secs(2));
        let Ok(answer) = asked else {
            return false;
        };
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        // The sealer may notice it before the recorder does.
        let count = |key: &str| answer[key].as_u64().unwrap_or_default();
        let has_ended = count("received") > count("recorded") + MANY;
        let is_degraded = answer["status"] == "degraded" && has_ended;
        if is_degraded {
            told.send(answer).unwrap();
        }
        is_degraded
    };
    let front = loses_its_folder(&stop, &recording, is_degraded);
    let (ended, log) = captured(|| run(front, setup, &stop));
    let health = health.recv().unwrap();
    assert_eq!(health["recording"], "failed", "{health}");
    let reason = health["reason"].as_str().unwrap();
    let place = moved(&recording).display().to_string();
    assert!(reason.contains(&place), "{reason}");
    assert_eq!(health["state"], "online");
    assert!(health["recorder_high_water"].as_u64() > Some(0), "{health}");
    assert!(health["disk_free"].as_u64() > Some(0), "{health}");
    for count in ["recorder_queued", "unsealed", "recorded"] {
        assert!(health[count].is_u64(), "{count}: {health}");
    }
    let total = ended.ledger.total();
    assert!(ended.error.is_none(), "{:?}", ended.error);
    assert_eq!((total.published, total.failed), (total.received, 0));
    assert!(total.received > 2 * ticks.len() as u64, "it continued");
    assert!(
        matches!(
            &ended.recording_failure,
            Some(RecordingError::FolderReplaced { .. })
        ),
        "{:?}",
        ended.recording_failure
    );
    assert!(
        ended.recorded > 0 && ended.recorded < total.received,
        "{} recorded of {}: {log}",
        ended.recorded,
        total.received
    );
    assert!(ended.summary().is_lossy());
    assert!(ended.summary().recording_failure.unwrap().contains(&place));
    let failed = log.lines().filter(|line| line.contains("recording_failed"));
    let failed: Vec<&str> = failed.collect();
    assert_eq!(failed.len(), 1, "{log}");
    assert!(failed[0].contains(&place), "{failed:?}");
    let kept = events(&moved(&recording));
    let kept = kept.iter().filter(|event| event.as_tick().is_some());
    assert_eq!(kept.count() as u64, ended.recorded);
}

#[test]
fn a_recorder_that_fails_ends_the_session_on_request() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let stopped = stop.control();
    let session = recorded(&ticks, &recording)
        .session(&stop)
        .on_recording_failure(OnRecordingFailure::Stop);
    // Only the failure ends it.
    let front = loses_its_folder(&Stop::default(), &recording, || false);
    let ended = session.run(front).unwrap();
    assert!(
        matches!(
            &ended.error,
            Some(PlayError::Record(RecordingError::FolderReplaced { .. }))
        ),
        "{:?}",
        ended.error
    );
    assert!(ended.recording_failure.is_none());
    assert!(!stopped.is_stopped());
}

#[test]
fn a_recorder_that_fails_in_a_quiet_market_is_noticed() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let stop = Stop::default();
    let session = recorded(&market(), &recording)
        .session(&stop)
        .on_recording_failure(OnRecordingFailure::Stop);
    let path = recording.clone();
    // No tick comes after the folder has gone.
    let front = FakeFront::ready(move |_, inlet| {
        let (inlet, path) = (inlet.clone(), path.clone());
        thread::spawn(move || {
            push(&inlet, &market());
            wait_until("ticks are on disk", || has_ticks(&path));
            std::fs::rename(&path, moved(&path)).unwrap();
        });
    });
    let (ended, log) = captured(|| session.run(front).unwrap());
    assert!(
        matches!(ended.error, Some(PlayError::Record(_))),
        "{ended:?}"
    );
    assert_eq!(log.matches("recorder_failed").count(), 1, "{log}");
}

#[test]
fn in_a_quiet_market_a_failed_recording_is_closed_at_once() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let (stop, log) = (Stop::default(), LogText::default());
    let session = recorded(&market(), &recording).session(&stop);
    let front = FakeFront::ready({
        let (path, stop, log) = (recording, stop.clone(), log.clone());
        move |_, inlet| {
            let (inlet, path) = (inlet.clone(), path.clone());
            let (stop, log) = (stop.clone(), log.clone());
            thread::spawn(move || {
                push(&inlet, &market());
                wait_until("ticks are on disk", || has_ticks(&path));
                std::fs::rename(&path, moved(&path)).unwrap();
                // No tick comes from here on, and the session continues.
                wait_until("it is closed", || log.text().contains("recording_failed"));
                stop.stop();
            });
        }
    });
    let ended = log.capture(|| session.run(front).unwrap());
    assert!(ended.error.is_none(), "{:?}", ended.error);
    assert!(ended.recording_failure.is_some());
}

/// The journal continues when segments cannot be written: the place of the first one is taken.
#[test]
fn segments_that_cannot_be_written_are_reported_once() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let (stop, log) = (Stop::default(), LogText::default());
    let mut setup = recorded(&market(), &recording);
    setup.record.as_mut().unwrap().options.rolling = Rolling {
        max_rows: 200,
        row_group_rows: 100,
        ..Rolling::default()
    };
    let session = setup.session(&stop);
    let front = FakeFront::ready({
        let (path, stop, log) = (recording.clone(), stop.clone(), log.clone());
        move |_, inlet| {
            let (inlet, path) = (inlet.clone(), path.clone());
            let (stop, log) = (stop.clone(), log.clone());
            thread::spawn(move || {
                std::fs::create_dir_all(path.join("part-00001.parquet/taken")).unwrap();
                push(&inlet, &market());
                wait_until("it is noticed", || log.text().contains("recorder_failed"));
                push(&inlet, &market());
                stop.stop();
            });
        }
    });
    let ended = log.capture(|| session.run(front).unwrap());
    assert!(ended.error.is_none(), "{:?}", ended.error);
    assert!(ended.recording_failure.is_some());
    let ticks = 2 * market().len() as u64;
    assert_eq!(
        (ended.ledger.total().received, ended.recorded),
        (ticks, ticks)
    );
    let log = log.text();
    let failed: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("recorder_failed"))
        .collect();
    assert_eq!(failed.len(), 1, "{log}");
    assert!(failed[0].contains("continues=\"journal\""), "{failed:?}");
}

#[test]
fn low_space_closes_the_recording_and_publishing_goes_on() {
    let Some(disk) = Disk::in_memory("a live session whose disk fills up", "64m") else {
        return;
    };
    let recording = disk.join("rec");
    let other = disk.join("other");
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let front = FakeFront::ready(move |_, inlet| {
        let (inlet, stop, other) = (inlet.clone(), stopping.clone(), other.clone());
        thread::spawn(move || {
            for round in 0..50 {
                push(&inlet, &market());
                if round == 10 {
                    std::fs::write(&other, vec![1; 40 << 20]).unwrap();
                }
                thread::sleep(Duration::from_millis(10));
            }
            stop.stop();
        });
    });
    let session = recorded(&ticks, &recording)
        .session(&stop)
        .recorder(RecorderOptions {
            min_free_space: 32 << 20,
            ..RecorderOptions::default()
        });
    let (ended, log): (LiveSummary, String) = captured(|| session.run(front).unwrap());
    assert!(
        matches!(
            ended.recording_failure,
            Some(RecordingError::LowSpace { .. })
        ),
        "{:?}",
        ended.recording_failure
    );
    assert_eq!(ended.ledger.total().received, 50 * ticks.len() as u64);
    let manifest = ended.manifest.unwrap();
    assert_eq!(
        (manifest.status, manifest.ticks),
        (Status::Recovered, ended.recorded)
    );
    assert_eq!(info(&recording)["status"], "recovered");
    assert!(log.contains("the recording was closed"), "{log}");
}

#[test]
fn the_summary_has_the_most_that_waited() {
    let folder = Folder::new();
    let recording = folder.join("rec");
    let ticks = market();
    let stop = Stop::default();
    let stopping = stop.clone();
    let front = FakeFront::ready(move |_, inlet| {
        push(inlet, &market());
        stopping.stop();
    });
    let ended = run(front, recorded(&ticks, &recording), &stop);
    let summary = ended.summary();
    let most = summary.recorder_high_water.unwrap();
    assert!((1..=65_536).contains(&most), "{most}");
    assert_eq!(
        summary.queue_high_water,
        Some(ended.live.queue_high_water as u64)
    );
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["recorder_high_water"], most);
    assert!(json["recording_failure"].is_null());
}

/// The binary, from the simulated front to a server, with a recording on a disk that has too little space.
#[test]
fn the_exit_code_says_what_became_of_the_recording() {
    let Some(library) = simulated_library("the exit code of a failed recording") else {
        return;
    };
    let Some(server) = NatsServer::start("the exit code of a failed recording") else {
        return;
    };
    let folder = Folder::new();
    for (words, code) in [
        ("live --record rec-continue", 3),
        ("live --on-recording-failure stop --record rec-stop", 4),
        ("record --source ctp -o rec-record", 4),
    ] {
        let words = format!(
            "{words} --symbols all --duration 12s --log-format json --progress-every 200ms"
        );
        let name = words.split("rec-").nth(1).unwrap();
        let path = folder.join(&format!("rec-{}", name.split(' ').next().unwrap()));
        let mut command = with_simulated_front(&words, folder.path(), &library, &quick(), "20");
        with_nats(&mut command, &server.url())
            .env_remove("CTP_SYMBOL")
            .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1");
        let remover = thread::spawn({
            let path = path.clone();
            move || {
                wait_until("ticks are on disk", || has_ticks(&path));
                std::fs::rename(&path, moved(&path)).unwrap();
            }
        });
        let ended = finish(command);
        remover.join().unwrap();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let failed = logged(&ended.stderr, "recording_failed");
        assert_eq!(failed.len(), 1, "{ended:?}");
        let place = moved(&path).display().to_string();
        assert!(
            failed[0]["error"].as_str().unwrap().contains(&place),
            "{failed:?}"
        );
        if code == 3 {
            assert!(
                ended.stdout.contains("\nrecording      failed: "),
                "{ended:?}"
            );
            let progress = logged(&ended.stderr, "publish_progress");
            let last = progress.last().unwrap();
            assert_eq!(last["recording"], "failed", "{last}");
            assert!(last["disk_free"].as_u64().unwrap() > 0, "{last}");
            assert!(
                last["received"].as_u64() > last["recorded"].as_u64(),
                "{last}"
            );
        }
    }
}

/// A burst of the whole market, as fast as the front can send it, recorded and published at once.
#[test]
fn a_burst_of_the_full_market_loses_nothing() {
    let Some(library) = simulated_library("a burst of the full market") else {
        return;
    };
    let Some(server) = NatsServer::start("a burst of the full market") else {
        return;
    };
    let folder = Folder::new();
    let market = "--profile full-market --duration 125s --seed 1";
    let generated = folder.generate("generated", market);
    let sent = info(&generated)["ticks"].as_u64().unwrap();
    let words = "live --record rec --symbols all --json --log-format json --progress-every 100ms";
    let mut command = with_simulated_front(words, folder.path(), &library, &generated, "max");
    with_nats(&mut command, &server.url())
        .env_remove("CTP_SYMBOL")
        .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1")
        // The market waits for the last subscription, however slow the machine is.
        .env("TICKDECK_SIM_SETTLE", "10s");
    let running = Running::start(command);
    let last = |running: &Running, key: &str| {
        let progress = logged(&running.stderr(), "publish_progress");
        progress.last().and_then(|line| line[key].as_u64())
    };
    wait_until("every tick is received and recorded", || {
        ["received", "recorded"]
            .iter()
            .all(|key| last(&running, key) >= Some(sent))
    });
    running.signal("TERM");
    let summary = running.wait().done().json();
    let rejected = summary["rejected"].as_object().unwrap().values();
    let rejected: u64 = rejected.filter_map(Value::as_u64).sum();
    for (key, value) in [
        ("received", sent),
        ("published", sent - rejected),
        ("dropped", 0),
        ("failed", 0),
    ] {
        assert_eq!(summary[key], value, "{key}: {summary}");
    }
    let (queue, recorder) = (
        &summary["queue_high_water"],
        &summary["recorder_high_water"],
    );
    assert!(
        queue.as_u64() > Some(0) && recorder.as_u64() > Some(0),
        "{summary}"
    );
    let recording = folder.join("rec");
    assert_eq!(info(&recording)["ticks"], sent);
    assert_eq!(replay_digest(&recording), summary["payload_digest"]);
}
