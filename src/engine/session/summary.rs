//! The closing summary of every session as one value, for text and for JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use tickdeck_core::pace::{Lateness, PaceReport, Rate};
use tickdeck_core::select::Partition;
use tickdeck_recording::{Finding, MissingPart};

use crate::pipeline::{Ledger, is_nothing};

/// How late events were released, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LatenessMs {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// The closing summary of `replay`, `record` and `live`. The key order is the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Session id; several are joined with `+`.
    pub session: String,
    /// Ticks that came from the source.
    pub received: u64,
    /// Messages that every sink confirmed; zero in a session without a sink or a server.
    pub published: u64,
    /// Ticks that could not be published, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Ticks that the dropped flags filtered out.
    pub filtered: u64,
    /// Messages that did not reach their destination.
    pub failed: u64,
    /// Ticks lost before the pipeline, for example in an overflowing queue.
    pub dropped: u64,
    /// The payload digest, by its short name.
    pub digest: String,
    /// The requested rate: a number, or `max`.
    pub rate_asked: Rate,
    /// Recorded time played per real time; null when nothing was played.
    pub rate_achieved: Option<f64>,
    /// Null when nothing was paced.
    pub lateness_ms: Option<LatenessMs>,
    /// Real time of the whole run, seconds.
    pub elapsed_s: f64,
    /// BLAKE3 of the payload stream, hex. Not the event digest of a recording.
    pub payload_digest: String,
    /// Whether it was a live session, which has no rate.
    #[serde(skip)]
    pub is_live: bool,
    /// The largest number of ticks that waited between the callback and the pipeline of a live session;
    /// omitted elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_high_water: Option<u64>,
    /// The largest number of events that waited for the recorder of a live session; omitted elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorder_high_water: Option<u64>,
    /// Why the recording ends before the session; omitted if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_failure: Option<String>,
    /// Files whose bytes differ from what was written; omitted from the JSON if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Finding>,
    /// Parts that a salvage could not play; omitted from the JSON if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingPart>,
    /// Ticks that were recorded: in the recordings, in a journal that is not sealed, or in a ring. Omitted
    /// in a session that records nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<u64>,
    /// The recordings that the session made, as their folders; omitted from the JSON if empty. The
    /// caller fills it, who knows the place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recordings: Vec<String>,
    /// Which part of the instruments was published; omitted from the JSON if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// Whether the stream that was published to has every message once and in order, by its payload
    /// digest. False too where it could not be read back. Omitted without a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// Why it is not verified; omitted where it is, and after an error that ended the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_verified: Option<String>,
    /// Messages that the broker lost after it had acknowledged them, and that were sent again; omitted
    /// where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub broker_lost: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl LatenessMs {
    fn of(lateness: Lateness) -> Self {
        Self {
            p50: millis(lateness.p50_ns),
            p99: millis(lateness.p99_ns),
            max: millis(lateness.max_ns),
        }
    }
}

/// Nanoseconds as milliseconds, to the microsecond.
fn millis(nanos: u64) -> f64 {
    const NANOS_PER_MICRO: u64 = 1_000;
    // Below 2^53 microseconds (285 years) the conversion is exact.
    #[expect(clippy::cast_precision_loss, reason = "a measurement, see above")]
    let micros = (nanos / NANOS_PER_MICRO) as f64;
    micros / 1_000.0
}

impl Summary {
    /// Of a replay.
    pub(super) fn of_replay(
        session: String,
        ledger: &Ledger,
        digest: String,
        report: &PaceReport,
        elapsed_ns: i64,
    ) -> Self {
        Self {
            rate_asked: report.rate_asked,
            rate_achieved: report.rate_achieved,
            lateness_ms: report.lateness.map(LatenessMs::of),
            ..Self::of_ledger(session, ledger, digest, elapsed_ns)
        }
    }

    /// Of a live session. Its lateness is the time from the callback to the sinks.
    #[cfg(feature = "live")]
    pub(super) fn of_live(
        session: String,
        ledger: &Ledger,
        digest: String,
        delay: Option<Lateness>,
        elapsed_ns: i64,
        dropped: u64,
    ) -> Self {
        Self {
            dropped,
            lateness_ms: delay.map(LatenessMs::of),
            is_live: true,
            ..Self::of_ledger(session, ledger, digest, elapsed_ns)
        }
    }

    fn of_ledger(session: String, ledger: &Ledger, digest: String, elapsed_ns: i64) -> Self {
        let total = ledger.total();
        Self {
            session,
            received: total.received,
            published: total.published,
            rejected: total.rejected,
            filtered: total.filtered,
            failed: total.failed,
            dropped: 0,
            payload_digest: digest.clone(),
            digest,
            rate_asked: Rate::Max,
            rate_achieved: None,
            lateness_ms: None,
            elapsed_s: millis(u64::try_from(elapsed_ns).unwrap_or(0)) / 1_000.0,
            is_live: false,
            queue_high_water: None,
            recorder_high_water: None,
            recording_failure: None,
            damaged: Vec::new(),
            missing: Vec::new(),
            recorded: None,
            recordings: Vec::new(),
            partition: None,
            verified: None,
            not_verified: None,
            broker_lost: 0,
        }
    }

    /// What became of the stream that was published to.
    #[cfg(feature = "nats")]
    pub(super) fn show_stream(&mut self, outcome: super::stream::StreamOutcome) {
        self.verified = outcome.verified;
        self.not_verified = outcome.not_verified;
        self.broker_lost = outcome.broker_lost;
    }

    /// Without a sink, what was confirmed was discarded.
    pub(super) const fn published_to(mut self, has_sinks: bool) -> Self {
        if !has_sinks {
            self.published = 0;
        }
        self
    }

    /// Whether there were ticks and none of them became a message: all were rejected or filtered out.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        is_nothing(self.received, &self.rejected, self.filtered)
    }

    /// Whether the source has damage, of which a salvage plays what is intact.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        !self.damaged.is_empty() || !self.missing.is_empty()
    }

    /// Whether a tick of the source or its message was lost, or is not in the recording or the stream, or
    /// the source has damage.
    #[must_use]
    pub const fn is_lossy(&self) -> bool {
        self.failed > 0
            || self.dropped > 0
            || self.recording_failure.is_some()
            || matches!(self.verified, Some(false))
            || self.is_damaged()
    }
}
