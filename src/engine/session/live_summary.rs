//! How a live session ended: counts, digest, latency, the front's part and the recording.

use std::path::PathBuf;

use tickdeck_core::causes::with_causes;
use tickdeck_core::pace::Lateness;
use tickdeck_recording::{Manifest, RecordingError, RecordingWriter, Unstored};

use super::summary::Summary;
use crate::live::{LiveEnd, LiveReport};
use crate::pipeline::{Ledger, PlayError};
use crate::sink::StreamDigest;

/// How far a session came that received no tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTick {
    /// Another attempt to log in cannot help: [`LiveEnd::GaveUp`] has the reason.
    GaveUp,
    /// It ended before the server was reached.
    ServerNotReached,
    /// It ended while the contracts were being listed.
    Listing,
    /// It ended before the first login, and no attempt had failed.
    NotLoggedIn,
    /// Every attempt to log in failed.
    LoginsFailed,
    /// It was logged in, and the front sent no tick.
    Silent,
}

/// How a live session ended.
#[derive(Debug)]
pub struct LiveSummary {
    /// Session id.
    pub session: String,
    /// Counts of every instrument.
    pub ledger: Ledger,
    /// Whether there was a sink or a server. Without one, the confirmed messages of the ledger were
    /// discarded.
    pub has_sinks: bool,
    /// Ticks in the recording, or in its journal if sealing failed.
    pub recorded: u64,
    /// BLAKE3 of the payload stream, hex.
    pub digest: String,
    /// Latency from the callback to the sinks; `None` without a tick.
    pub delay: Option<Lateness>,
    /// From start to end, ns.
    pub elapsed_ns: i64,
    /// Whether a session with the market data front began. Without one, the run ended before the
    /// server was reached or while contracts were being listed.
    pub has_begun: bool,
    /// How the session with the front went.
    pub live: LiveReport,
    /// The recording that was closed; after a failure it ends before the session. The last one of a
    /// session that was recorded by trading day.
    pub manifest: Option<Manifest>,
    /// All recordings of such a session, in order, with their folders. Empty otherwise.
    pub days: Vec<(PathBuf, Manifest)>,
    /// Finished recordings that should be in a store and are still in their spool.
    pub unstored: Vec<Unstored>,
    /// Why the recording is not whole, where the session continued without it.
    pub recording_failure: Option<RecordingError>,
    /// The largest number of events that waited for the recorder at a time; `None` without one.
    pub recorder_high_water: Option<u64>,
    /// Events that the publisher lagged behind and read back from the recording; `None` without one.
    pub read_back: Option<u64>,
    /// Whether the stream that was published to has every message once and in order, by its payload
    /// digest; `None` without a stream.
    pub verified: Option<bool>,
    /// Why it is not verified; `None` too after an error that ended the session.
    pub not_verified: Option<String>,
    /// Acknowledged messages that the broker lost, and that were sent again.
    pub broker_lost: u64,
    /// The error that ended it early or occurred at its end. The other fields are valid even then.
    pub error: Option<PlayError>,
}

impl LiveSummary {
    /// The closing summary in the form shared by all sessions.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let failure = self.recording_failure.as_ref();
        Summary {
            queue_high_water: Some(self.live.queue_high_water as u64),
            recorder_high_water: self.recorder_high_water,
            recorded: self.recorder_high_water.map(|_| self.recorded),
            recording_failure: failure.map(|error| with_causes(error)),
            verified: self.verified,
            not_verified: self.not_verified.clone(),
            broker_lost: self.broker_lost,
            ..Summary::of_live(
                self.session.clone(),
                &self.ledger,
                self.digest.clone(),
                self.delay,
                self.elapsed_ns,
                self.live.dropped,
            )
        }
        .published_to(self.has_sinks)
    }

    /// Why there was no tick. `None` if there was one, or if [`error`](Self::error) says why it ended.
    #[must_use]
    pub fn no_tick(&self) -> Option<NoTick> {
        if self.ledger.total().received > 0 || self.error.is_some() {
            return None;
        }
        Some(why_no_tick(&self.live, self.has_begun))
    }

    /// The summary of a session that ended before it began. It is logged like any other, and recorded if
    /// there is a writer.
    ///
    /// # Errors
    /// When the recording cannot be finished.
    pub(super) fn not_begun(
        session: String,
        live: LiveReport,
        elapsed_ns: i64,
        writer: Option<RecordingWriter>,
    ) -> Result<Self, RecordingError> {
        let manifest = writer.map(RecordingWriter::finish).transpose()?;
        let summary = Self {
            session,
            ledger: Ledger::default(),
            has_sinks: false,
            recorded: 0,
            digest: StreamDigest::new().hex(),
            delay: None,
            elapsed_ns,
            has_begun: false,
            live,
            manifest,
            days: Vec::new(),
            unstored: Vec::new(),
            recording_failure: None,
            recorder_high_water: None,
            read_back: None,
            verified: None,
            not_verified: None,
            broker_lost: 0,
            error: None,
        };
        summary.log();
        Ok(summary)
    }

    /// Logs the end of the session.
    pub(super) fn log(&self) {
        let total = self.ledger.total();
        let delay = self.delay.unwrap_or_default();
        tracing::info!(
            event = "live_ingest_shutdown",
            published = total.published,
            failed = total.failed,
            recorded = self.recorded,
            digest = self.digest,
            received = total.received,
            rejected = total.rejected.values().sum::<u64>(),
            filtered = total.filtered,
            dropped = self.live.dropped,
            queue_high_water = self.live.queue_high_water,
            recorder_high_water = self.recorder_high_water,
            read_back = self.read_back,
            verified = self.verified,
            callback_to_publish_p50_ns = delay.p50_ns,
            callback_to_publish_p99_ns = delay.p99_ns,
            callback_to_publish_max_ns = delay.max_ns,
            attempts = self.live.attempts,
            logins = self.live.logins,
            session = self.session
        );
    }
}

fn why_no_tick(live: &LiveReport, has_begun: bool) -> NoTick {
    if let LiveEnd::GaveUp { .. } = live.end {
        return NoTick::GaveUp;
    }
    match (has_begun, live.attempts, live.logins) {
        (false, 0, _) => NoTick::ServerNotReached,
        (false, ..) => NoTick::Listing,
        (true, _, 0) if live.failed.is_empty() => NoTick::NotLoggedIn,
        (true, _, 0) => NoTick::LoginsFailed,
        (true, ..) => NoTick::Silent,
    }
}

#[cfg(test)]
mod tests {
    use tickdeck_core::source::{SourceError, SourceErrorKind};

    use super::*;
    use crate::live::{AttemptReport, FailReason};

    fn summary(has_begun: bool, live: LiveReport) -> LiveSummary {
        let session = "s".to_owned();
        LiveSummary {
            has_begun,
            ..LiveSummary::not_begun(session, live, 0, None).unwrap()
        }
    }

    #[test]
    fn a_session_without_a_tick_says_how_far_it_came() {
        let report = |attempts, logins, failed| LiveReport {
            attempts,
            logins,
            failed,
            ..LiveReport::default()
        };
        let failed = || {
            vec![AttemptReport {
                attempt: 1,
                session: "s-a1".into(),
                reason: FailReason::ConnectTimeout,
                next_backoff_s: 1.0,
            }]
        };
        let gave_up = LiveReport {
            end: LiveEnd::GaveUp {
                reason: FailReason::ConnectTimeout,
            },
            ..report(1, 0, failed())
        };
        for (has_begun, live, expected) in [
            (false, report(0, 0, vec![]), NoTick::ServerNotReached),
            (false, report(1, 0, vec![]), NoTick::Listing),
            (true, report(1, 0, vec![]), NoTick::NotLoggedIn),
            (true, report(2, 0, failed()), NoTick::LoginsFailed),
            (true, report(2, 1, failed()), NoTick::Silent),
            (true, gave_up, NoTick::GaveUp),
        ] {
            assert_eq!(summary(has_begun, live).no_tick(), Some(expected));
        }
    }

    #[test]
    fn a_session_that_failed_names_its_error_instead() {
        let mut ended = summary(true, LiveReport::default());
        ended.error = Some(PlayError::Source(SourceError::new(
            SourceErrorKind::Failed,
            "gone",
        )));
        assert_eq!(ended.no_tick(), None);
    }
}
