//! Counts that other threads read while a live session runs, and the health answer made of them.

use std::sync::Arc;

use serde_json::{Value, json};

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
    /// Whether ticks are recorded.
    pub(super) is_recording: bool,
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

    /// Every tick is recorded before it is published.
    fn recorded(&self) -> u64 {
        if self.is_recording {
            self.received()
        } else {
            0
        }
    }

    pub(super) fn log(&self) {
        let live = &self.live;
        tracing::info!(
            event = "publish_progress",
            published = self.published(),
            failed = self.failed(),
            received = self.received(),
            recorded = self.recorded(),
            dropped = live.dropped(),
            state = live.state().as_str(),
            queued = live.queued(),
            queue_high_water = live.queue_high_water()
        );
    }

    /// The answer to a health request.
    pub(super) fn health(&self, session: &str, verb: &str) -> Value {
        let live = &self.live;
        let mut answer = answer(session, verb, live.state().as_str(), &self.publisher);
        answer.extend(
            [
                ("recorded", json!(self.recorded())),
                ("dropped", json!(live.dropped())),
                ("queued", json!(live.queued())),
                ("attempts", json!(live.attempts())),
                ("logins", json!(live.logins())),
                ("disconnects", json!(live.disconnects())),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        answer.into()
    }
}
