//! Counts that other threads read while a session runs, and the health answer built from them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::live::LiveStats;
use crate::pipeline::PublisherStats;

/// Counts that other threads read while a session runs.
#[derive(Debug, Clone)]
pub struct SharedStats {
    /// Of the publisher.
    pub publisher: Arc<PublisherStats>,
    /// Of the session with the front; `None` in a replay.
    pub live: Option<Arc<LiveStats>>,
    /// Whether ticks are recorded.
    pub is_recording: bool,
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
        let Some(live) = &self.live else {
            return;
        };
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
        let Some(live) = &self.live else {
            return json!({
                "session": session,
                "verb": verb,
                "received": self.received(),
                "published": self.published(),
                "failed": self.failed(),
            });
        };
        json!({
            "session": session,
            "verb": verb,
            "state": live.state().as_str(),
            "received": self.received(),
            "published": self.published(),
            "failed": self.failed(),
            "recorded": self.recorded(),
            "dropped": live.dropped(),
            "queued": live.queued(),
            "attempts": live.attempts(),
            "logins": live.logins(),
            "disconnects": live.disconnects(),
        })
    }
}
