//! What a run came to, as one value: printed as text or as one JSON object.

use std::collections::BTreeMap;

use serde::Serialize;
use tickdeck_core::pace::Rate;
use tickdeck_recording::{Finding, MissingPart};

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

/// The closing summary of `replay` and `record`. The key order is the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Session id; several are joined with `+`.
    pub session: String,
    /// Ticks that came from the source.
    pub received: u64,
    /// Messages that every sink has confirmed.
    pub published: u64,
    /// Ticks that could not be published, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Ticks filtered out by `--drop`.
    pub filtered: u64,
    /// Messages that did not reach their destination.
    pub failed: u64,
    /// Ticks lost before the pipeline, for example in an overflowing queue.
    pub dropped: u64,
    /// BLAKE3 of the payload stream, hex.
    pub digest: String,
    /// The rate that was asked for: a number, or `max`.
    pub rate_asked: Rate,
    /// Recorded time played per real time; null when nothing was played.
    pub rate_achieved: Option<f64>,
    /// Null when nothing was paced.
    pub lateness_ms: Option<LatenessMs>,
    /// Real time of the whole run, seconds.
    pub elapsed_s: f64,
    /// Whether it was no replay: nobody asked for a rate.
    #[serde(skip)]
    pub is_live: bool,
    /// Files whose bytes are not what was written; left out of the JSON when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Finding>,
    /// What a salvage could not play; left out of the JSON when there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingPart>,
}

impl Summary {
    /// Whether something that was received did not get where it should.
    #[must_use]
    pub const fn is_lossy(&self) -> bool {
        self.failed > 0 || self.dropped > 0
    }
}
