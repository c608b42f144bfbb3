//! Counts that other threads read while a live session runs, and the health answer made of them.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tickdeck_recording::RecorderStats;

use super::health::answer;
use crate::live::LiveStats;
use crate::pipeline::PublisherStats;

/// Counts that other threads read while a live session runs.
#[derive(Debug, Clone)]
pub(super) struct SharedStats {
    /// Of the publisher.
    pub(super) publisher: Arc<PublisherStats>,
    /// Of the session with the front.
    pub(super) live: Arc<LiveStats>,
    /// Of the recorder, if there is one.
    pub(super) recorder: Option<Arc<RecorderStats>>,
}

impl SharedStats {
    fn received(&self) -> u64 {
        self.publisher.received()
    }

    fn published(&self) -> u64 {
        self.publisher.published()
    }

    fn failed(&self) -> u64 {
        self.publisher.failed()
    }

    /// Ticks that are in a file.
    fn recorded(&self) -> u64 {
        self.recorder.as_ref().map_or(0, |it| it.ticks())
    }

    /// Why the recording is not whole.
    fn failure(&self) -> Option<&str> {
        self.recorder.as_ref().and_then(|it| it.failure())
    }

    fn recording(&self, failure: Option<&str>) -> &'static str {
        match (&self.recorder, failure) {
            (None, _) => "off",
            (Some(_), Some(_)) => "failed",
            (Some(_), None) => "on",
        }
    }

    pub(super) fn log(&self) {
        let live = &self.live;
        let recorder = self.recorder.as_ref();
        tracing::info!(
            event = "publish_progress",
            published = self.published(),
            failed = self.failed(),
            received = self.received(),
            recorded = self.recorded(),
            dropped = live.dropped(),
            state = live.state().as_str(),
            queued = live.queued(),
            queue_high_water = live.queue_high_water(),
            recording = self.recording(self.failure()),
            recorder_queued = recorder.map(|it| it.waiting()),
            recorder_high_water = recorder.map(|it| it.most_waiting()),
            unsealed = recorder.map(|it| it.unsealed()),
            disk_free = recorder.and_then(|it| it.free_space())
        );
    }

    /// The answer to a health request.
    pub(super) fn health(&self, session: &str, verb: &str) -> Map<String, Value> {
        let live = &self.live;
        // Read once: it may fail between two keys.
        let failure = self.failure();
        let mut answer = answer(session, verb, live.state().as_str(), &self.publisher);
        answer.extend(
            [
                ("recorded", json!(self.recorded())),
                ("dropped", json!(live.dropped())),
                ("queued", json!(live.queued())),
                ("queue_high_water", json!(live.queue_high_water())),
                ("attempts", json!(live.attempts())),
                ("logins", json!(live.logins())),
                ("disconnects", json!(live.disconnects())),
                ("recording", json!(self.recording(failure))),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        if let Some(recorder) = &self.recorder {
            answer.extend(of_recorder(recorder, failure));
        }
        answer
    }
}

/// What a health answer says of the recorder. After a failure the session is degraded.
fn of_recorder(
    recorder: &RecorderStats,
    failure: Option<&str>,
) -> impl Iterator<Item = (String, Value)> {
    let degraded = failure.map(|reason| {
        [
            ("status", json!("degraded")),
            ("reason", json!(format!("recording failed: {reason}"))),
        ]
    });
    let counts = [
        ("recorder_queued", json!(recorder.waiting())),
        ("recorder_high_water", json!(recorder.most_waiting())),
        ("unsealed", json!(recorder.unsealed())),
        ("disk_free", json!(recorder.free_space())),
    ];
    let entries = degraded.into_iter().flatten().chain(counts);
    entries.map(|(key, value)| (key.to_owned(), value))
}
