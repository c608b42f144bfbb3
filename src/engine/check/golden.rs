//! The golden: the accepted output of a recording. `docs/regression.md` describes it for users.
//!
//! This file holds its data; `golden_file.rs` reads and writes it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tickdeck_recording::FormatVersion;

use super::error::CheckError;
use super::parts::{SegmentPart, SubjectPart, WindowPart};
use crate::encode::PayloadKind;
use crate::encode::subject::validate_prefix;
use crate::normalize::{self, Flag, Flags};
use crate::pipeline::{InstrumentLedger, PublisherOptions};

/// Version of the golden format: a reader refuses a newer major, ignores a newer minor.
pub type GoldenVersion = FormatVersion;

/// The value of [`Golden::format`].
pub(super) const FORMAT_NAME: &str = "tickdeck-golden";
/// The version that is written.
pub(super) const VERSION: GoldenVersion = GoldenVersion { major: 1, minor: 0 };
/// Largest number of messages whose payload stream is kept beside a golden, by default.
pub const DEFAULT_STREAM_LIMIT: u64 = 100_000;

/// The subject of the golden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GoldenSource {
    /// A recording, played through the normalizer.
    Recording {
        /// Session id.
        session: String,
        /// BLAKE3 of the logical events.
        digest: String,
        /// Events of all kinds.
        events: u64,
    },
    /// A payload stream of another publisher.
    Stream,
}

/// How ticks became payloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenPayload {
    /// `vnpy` or `decimal`.
    pub kind: String,
    /// First tokens of the subjects.
    pub subject_prefix: String,
    /// Flags whose ticks are dropped.
    pub drop: Vec<String>,
    /// [`normalize::VERSION`].
    pub normalizer: u32,
    /// BLAKE3 of the contract table in force.
    pub contracts: String,
    /// BLAKE3 of the calendar in force.
    pub calendar: String,
}

impl GoldenPayload {
    /// The payload of these options.
    #[must_use]
    pub fn of(options: &PublisherOptions) -> Self {
        Self {
            kind: options.payload.as_str().into(),
            subject_prefix: options.subject_prefix.clone(),
            drop: options
                .drop
                .iter()
                .map(|flag| flag.as_str().into())
                .collect(),
            normalizer: normalize::VERSION,
            contracts: options.contracts.digest(),
            calendar: options.calendar.digest(),
        }
    }

    /// Makes `options` publish as the golden was made: payload, subject prefix and dropped flags.
    fn apply(&self, options: &mut PublisherOptions) -> Result<(), String> {
        options.payload = PayloadKind::parse(&self.kind)
            .ok_or_else(|| format!("its payload {:?} is unknown", self.kind))?;
        validate_prefix(&self.subject_prefix).map_err(|error| error.to_string())?;
        options.subject_prefix.clone_from(&self.subject_prefix);
        let flags = self.drop.iter().map(|word| word.parse::<Flag>());
        let flags = flags.collect::<Result<Flags, _>>();
        options.drop = flags.map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// A field that is expected to change, and why. It is left out of streams and digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volatile {
    /// Top-level key of the payload.
    pub field: String,
    /// Why it cannot be compared.
    pub reason: String,
}

/// Accounts for the ticks that were received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenLedger {
    /// Ticks of the recording.
    pub received: u64,
    /// Ticks that could not be published, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Ticks that `drop` left out.
    pub filtered: u64,
}

impl From<&InstrumentLedger> for GoldenLedger {
    fn from(ledger: &InstrumentLedger) -> Self {
        let rejected = ledger.rejected.iter();
        Self {
            received: ledger.received,
            rejected: rejected
                .map(|(reason, count)| ((*reason).to_owned(), *count))
                .collect(),
            filtered: ledger.filtered,
        }
    }
}

/// The golden. The key order is the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Golden {
    /// Always `tickdeck-golden`.
    pub format: String,
    /// Version of the format.
    pub format_version: GoldenVersion,
    /// Version of the tickdeck that wrote it; informative only.
    pub tickdeck: String,
    /// Its subject.
    pub source: GoldenSource,
    /// How payloads were made; absent for a stream of another publisher.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload: Option<GoldenPayload>,
    /// The ledger of the ticks; absent for a stream of another publisher.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ledger: Option<GoldenLedger>,
    /// Fields that are declared as not compared.
    #[serde(default)]
    pub volatile: Vec<Volatile>,
    /// Fields that stream and digests of this file omit.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Messages of the stream.
    pub messages: u64,
    /// BLAKE3 of the stream.
    pub digest: String,
    /// File name of the payload stream beside the golden; null when it is above the limit.
    pub stream: Option<String>,
    /// Largest number of messages whose stream is kept.
    pub stream_limit: u64,
    /// Windows with messages, in order.
    pub windows: Vec<WindowPart>,
    /// Segments in order.
    #[serde(default)]
    pub segments: Vec<SegmentPart>,
    /// Subjects by name.
    pub subjects: BTreeMap<String, SubjectPart>,
    /// Whether it was derived from a bare payload stream, whose origin is unknown.
    #[serde(skip)]
    pub is_bare_stream: bool,
}

impl Golden {
    /// The fixed head of a golden that this tickdeck writes.
    pub(super) fn head() -> (String, GoldenVersion, String) {
        let version = env!("CARGO_PKG_VERSION");
        (FORMAT_NAME.into(), VERSION, version.into())
    }

    /// Makes `options` publish as the golden at `path` was made: payload, subject prefix and
    /// dropped flags.
    ///
    /// # Errors
    /// When this tickdeck does not know one of them.
    pub fn apply(&self, path: &Path, options: &mut PublisherOptions) -> Result<(), CheckError> {
        let applied = self.payload.as_ref().map(|payload| payload.apply(options));
        applied
            .unwrap_or(Ok(()))
            .map_err(|reason| CheckError::NotAGolden {
                path: path.to_owned(),
                reason,
            })
    }

    /// The names of the fields that are declared volatile, in order, each once.
    #[must_use]
    pub fn volatile_fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = self.volatile.iter().map(|v| v.field.clone()).collect();
        fields.sort();
        fields.dedup();
        fields
    }

    /// Whether both describe the same output, regardless of the tickdeck that wrote them and of the
    /// segments.
    #[must_use]
    pub fn has_the_same_text(&self, other: &Self) -> bool {
        let comparable = |golden: &Self| Self {
            tickdeck: String::new(),
            segments: Vec::new(),
            ..golden.clone()
        };
        comparable(self) == comparable(other)
    }
}
