//! The result of a comparison.

use std::collections::BTreeMap;

use serde::Serialize;

use super::glance::Glance;
use super::payload::FieldChange;

/// How a message differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Both sides have it, with other fields.
    Changed,
    /// Both sides have it, received at another time or with another `seq`.
    Timing,
    /// Only the golden, or the first input, has it.
    Missing,
    /// Only the second side has it.
    Extra,
    /// Both sides have it, at another place in the order.
    Reordered,
}

impl DifferenceKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Changed,
        Self::Timing,
        Self::Missing,
        Self::Extra,
        Self::Reordered,
    ];

    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Timing => "timing only",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Reordered => "reordered",
        }
    }
}

/// One differing message in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How it differs.
    pub kind: DifferenceKind,
    /// Its subject.
    pub subject: String,
    /// The exchange, if the subject names one.
    pub exchange: Option<String>,
    /// The instrument, if the subject names one.
    pub instrument: Option<String>,
    /// Its `seq`, where the payload has one.
    pub seq: Option<u64>,
    /// The exchange's time, as the first side that has the message says.
    pub exchange_time: Option<String>,
    /// When it was received, as the first side that has the message says.
    pub recv_time: Option<String>,
    /// Whether it is at another position in the order.
    pub reordered: bool,
    /// The message before it with the same subject, of the first side that has the message.
    pub previous: Option<Glance>,
    /// Position in the golden, or the first input, from 0.
    pub position_before: Option<u64>,
    /// Position in what there is now, or the second input.
    pub position_after: Option<u64>,
    /// What differs.
    pub fields: Vec<FieldChange>,
    /// The whole payload of the first side.
    pub payload_before: Option<String>,
    /// The whole payload of the second side.
    pub payload_after: Option<String>,
}

/// Messages that share a way to differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The field, or the kind of difference.
    pub name: String,
    /// Messages.
    pub messages: u64,
    /// Messages by exchange; subjects of another form count under `other`.
    pub exchanges: BTreeMap<String, u64>,
    /// How many instruments.
    pub instruments: u64,
    /// The instruments with the most messages.
    pub most: Vec<(String, u64)>,
}

/// The differing messages of one instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstrumentGroup {
    /// The instrument; the subject, if that names none.
    pub name: String,
    /// Its exchange, or `other`.
    pub exchange: String,
    /// Messages that differ.
    pub messages: u64,
    /// Differing messages by field and by kind, the most frequent first.
    pub counts: Vec<(String, u64)>,
}

/// The differences that are not kept in full.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NotShown {
    /// Messages.
    pub messages: u64,
    /// Their instruments.
    pub instruments: u64,
    /// The messages by field and by kind, the most frequent first.
    pub counts: Vec<(String, u64)>,
}

/// A message before the first difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Before {
    /// Its position in the first side.
    pub position: u64,
    /// Its subject.
    pub subject: String,
    /// Its payload.
    pub payload: String,
}

/// The result of comparing two payload streams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Messages of the golden, or the first input.
    pub messages_before: u64,
    /// Messages now, or of the second input.
    pub messages_after: u64,
    /// Messages equal on both sides, at any position.
    pub equal: u64,
    /// Messages with other fields.
    pub changed: u64,
    /// Messages that differ in `local_time`, `seq` and `recv_ts` only.
    pub timing_only: u64,
    /// Messages of the first side alone.
    pub missing: u64,
    /// Messages of the second side alone.
    pub extra: u64,
    /// Messages, equal or changed, at another position in the order.
    pub reordered: u64,
    /// Differing fields, the most frequent first.
    pub fields: Vec<Group>,
    /// Missing, extra and reordered messages.
    pub moved: Vec<Group>,
    /// How many instruments have differences.
    pub instruments: u64,
    /// Those with the most differing messages.
    pub by_instrument: Vec<InstrumentGroup>,
    /// Messages before the first difference, oldest first.
    pub before: Vec<Before>,
    /// The first differences in full, in order.
    pub first: Vec<Difference>,
    /// The others.
    pub not_shown: NotShown,
}

impl Comparison {
    /// Whether both streams are the same.
    #[must_use]
    pub const fn is_equal(&self) -> bool {
        self.differences() == 0 && self.reordered == 0
    }

    /// Messages that are not the same on both sides.
    #[must_use]
    pub const fn differences(&self) -> u64 {
        self.changed + self.timing_only + self.missing + self.extra
    }

    /// Whether every difference is in one of `fields`, with each message in its place.
    #[must_use]
    pub fn is_only_in(&self, fields: &[String]) -> bool {
        let in_place = self.missing == 0 && self.extra == 0 && self.reordered == 0;
        in_place && self.fields.iter().all(|group| fields.contains(&group.name))
    }
}
