//! How a live session ended: counts, digest, latency, the front's part and the recording.

use std::path::PathBuf;

use tickdeck_core::causes::with_causes;
use tickdeck_core::pace::Lateness;
use tickdeck_recording::{Manifest, RecordingError, RecordingWriter};

use super::summary::Summary;
use crate::live::LiveReport;
use crate::pipeline::{Ledger, PlayError};
use crate::sink::StreamDigest;

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
    /// Why the recording is not whole, where the session continued without it.
    pub recording_failure: Option<RecordingError>,
    /// The largest number of events that waited for the recorder at a time; `None` without one.
    pub recorder_high_water: Option<u64>,
    /// Events that the publisher lagged behind and read back from the recording; `None` without one.
    pub read_back: Option<u64>,
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
            recording_failure: failure.map(|error| with_causes(error)),
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
            recording_failure: None,
            recorder_high_water: None,
            read_back: None,
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
            callback_to_publish_p50_ns = delay.p50_ns,
            callback_to_publish_p99_ns = delay.p99_ns,
            callback_to_publish_max_ns = delay.max_ns,
            attempts = self.live.attempts,
            logins = self.live.logins,
            session = self.session
        );
    }
}
