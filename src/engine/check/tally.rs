//! Counts the differences of a comparison by kind, field, exchange and instrument, and keeps the
//! first few in full.
//!
//! Counters are arrays by subject slot, so that a million differing messages cost a million
//! additions; names come in at the end.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Serialize;
use tickdeck_core::contract::Exchange;

use super::payload::{FieldChange, changes, each_change, seq_of};

/// Fields on time and place of receipt, not on content.
pub const TIMING_FIELDS: [&str; 3] = ["local_time", "seq", "recv_ts"];
/// Represents all further fields, once counting each would need unbounded memory.
pub(super) const OTHER_FIELDS: &str = "(other fields)";
/// Most differing fields that are counted individually.
const COUNTED_FIELDS: usize = 500;
/// Instruments that are named in a group; the others are counted.
const NAMED_INSTRUMENTS: usize = 20;

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
    /// Its `seq`, where the payload has one.
    pub seq: Option<u64>,
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
    /// Messages that differ in [`TIMING_FIELDS`] only.
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
    /// Messages before the first difference, oldest first.
    pub before: Vec<Before>,
    /// The first differences in full, in order.
    pub first: Vec<Difference>,
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

/// Counters of one kind or field, by subject slot.
#[derive(Debug, Clone, Default)]
struct BySubject(Vec<u64>);

impl BySubject {
    fn add(&mut self, slot: usize) {
        if self.0.len() <= slot {
            self.0.resize(slot + 1, 0);
        }
        self.0[slot] += 1;
    }

    fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn group(&self, name: &str, subjects: &[Box<[u8]>]) -> Group {
        let mut exchanges = BTreeMap::new();
        let mut instruments = BTreeMap::new();
        for (subject, &count) in subjects.iter().zip(&self.0) {
            if count > 0 {
                let (exchange, instrument) = place_of(subject);
                *exchanges.entry(exchange).or_insert(0) += count;
                *instruments.entry(instrument).or_insert(0) += count;
            }
        }
        let mut most: Vec<(String, u64)> = instruments.into_iter().collect();
        let count = most.len() as u64;
        // A stable sort: equal counts keep the order of the names.
        most.sort_by_key(|(_, messages)| std::cmp::Reverse(*messages));
        most.truncate(NAMED_INSTRUMENTS);
        Group {
            name: name.to_owned(),
            messages: self.total(),
            exchanges,
            instruments: count,
            most,
        }
    }
}

/// Exchange and instrument of a subject, whose last tokens they are.
fn place_of(subject: &[u8]) -> (String, String) {
    let subject = String::from_utf8_lossy(subject);
    let mut tokens = subject.rsplitn(3, '.');
    let (symbol, exchange) = (tokens.next(), tokens.next());
    let known = exchange.and_then(Exchange::parse);
    match (known, symbol) {
        (Some(exchange), Some(symbol)) => {
            let symbol = crate::encode::subject::decode_symbol(symbol);
            let whole = || subject.clone().into_owned();
            (exchange.as_str().to_owned(), symbol.unwrap_or_else(whole))
        }
        _ => ("other".into(), subject.into_owned()),
    }
}

/// The position and content of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) position: u64,
    pub(super) payload: &'a [u8],
}

/// The running counts.
#[derive(Debug)]
pub(super) struct Tally {
    most: usize,
    equal: u64,
    changed: u64,
    timing_only: u64,
    kinds: BTreeMap<DifferenceKind, BySubject>,
    fields: Vec<(Vec<u8>, BySubject)>,
    by_field: FxHashMap<Vec<u8>, usize>,
    /// By position; the second number keeps those of one position apart.
    first: BTreeMap<(u64, u64), Difference>,
    found: u64,
}

impl Tally {
    /// Keeps the first `most` differences in full.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            equal: 0,
            changed: 0,
            timing_only: 0,
            kinds: BTreeMap::new(),
            fields: Vec::new(),
            by_field: FxHashMap::default(),
            first: BTreeMap::new(),
            found: 0,
        }
    }

    #[inline]
    pub(super) const fn equal(&mut self) {
        self.equal += 1;
    }

    /// Both sides have the message.
    pub(super) fn pair(
        &mut self,
        (slot, subject): (usize, &[u8]),
        before: Seen<'_>,
        after: Seen<'_>,
        is_moved: bool,
    ) {
        if before.payload == after.payload {
            self.equal += 1;
            if is_moved {
                self.keep(
                    DifferenceKind::Reordered,
                    subject,
                    Some(before),
                    Some(after),
                );
            }
        } else {
            let mut is_timing = true;
            let (fields, by_field) = (&mut self.fields, &mut self.by_field);
            let mut count = |field: &[u8]| {
                let mut field = field;
                if fields.len() >= COUNTED_FIELDS && !by_field.contains_key(field) {
                    field = OTHER_FIELDS.as_bytes();
                }
                let known = by_field.get(field).copied();
                let at = known.unwrap_or_else(|| {
                    by_field.insert(field.to_vec(), fields.len());
                    fields.push((field.to_vec(), BySubject::default()));
                    fields.len() - 1
                });
                fields[at].1.add(slot);
            };
            each_change(before.payload, after.payload, |field, _, _| {
                count(field);
                is_timing = is_timing && TIMING_FIELDS.iter().any(|name| name.as_bytes() == field);
            });
            let kind = if is_timing {
                self.timing_only += 1;
                DifferenceKind::Timing
            } else {
                self.changed += 1;
                DifferenceKind::Changed
            };
            self.keep(kind, subject, Some(before), Some(after));
        }
        if is_moved {
            self.count(DifferenceKind::Reordered, slot);
        }
    }

    pub(super) fn missing(&mut self, (slot, subject): (usize, &[u8]), before: Seen<'_>) {
        self.count(DifferenceKind::Missing, slot);
        self.keep(DifferenceKind::Missing, subject, Some(before), None);
    }

    pub(super) fn extra(&mut self, (slot, subject): (usize, &[u8]), after: Seen<'_>) {
        self.count(DifferenceKind::Extra, slot);
        self.keep(DifferenceKind::Extra, subject, None, Some(after));
    }

    fn count(&mut self, kind: DifferenceKind, slot: usize) {
        self.kinds.entry(kind).or_default().add(slot);
    }

    fn keep(
        &mut self,
        kind: DifferenceKind,
        subject: &[u8],
        before: Option<Seen<'_>>,
        after: Option<Seen<'_>>,
    ) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let position = before.or(after).map_or(0, |seen| seen.position);
        self.found += 1;
        let key = (position, self.found);
        let is_late = self
            .first
            .last_key_value()
            .is_none_or(|(last, _)| *last < key);
        if self.first.len() >= self.most && is_late {
            return;
        }
        let fields = match (before, after) {
            (Some(before), Some(after)) => changes(before.payload, after.payload),
            _ => Vec::new(),
        };
        let difference = Difference {
            kind,
            subject: text(subject),
            seq: before.or(after).and_then(|seen| seq_of(seen.payload)),
            position_before: before.map(|seen| seen.position),
            position_after: after.map(|seen| seen.position),
            fields,
            payload_before: before.map(|seen| text(seen.payload)),
            payload_after: after.map(|seen| text(seen.payload)),
        };
        self.first.insert(key, difference);
        if self.first.len() > self.most {
            self.first.pop_last();
        }
    }

    /// The result; `subjects` are the names of the slots.
    pub(super) fn finish(
        self,
        (messages_before, messages_after): (u64, u64),
        subjects: &[Box<[u8]>],
        before: Vec<Before>,
    ) -> Comparison {
        let total = |kind| self.kinds.get(&kind).map_or(0, BySubject::total);
        let mut fields: Vec<Group> = self
            .fields
            .iter()
            .map(|(field, counts)| counts.group(&String::from_utf8_lossy(field), subjects))
            .collect();
        fields.sort_by(|a, b| (b.messages, &a.name).cmp(&(a.messages, &b.name)));
        let moved = self.kinds.iter();
        let moved = moved.map(|(kind, counts)| counts.group(kind.as_str(), subjects));
        Comparison {
            messages_before,
            messages_after,
            equal: self.equal,
            changed: self.changed,
            timing_only: self.timing_only,
            missing: total(DifferenceKind::Missing),
            extra: total(DifferenceKind::Extra),
            reordered: total(DifferenceKind::Reordered),
            moved: moved.collect(),
            fields,
            before,
            first: self.first.into_values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchange_and_instrument_are_read_from_the_end_of_the_subject() {
        let place = |subject: &str| place_of(subject.as_bytes());
        let owned = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(place("market.tick.SHFE.rb2601"), owned("SHFE", "rb2601"));
        assert_eq!(
            place("market.tick.CZCE.SPD%20RM601&RM605"),
            owned("CZCE", "SPD RM601&RM605")
        );
        assert_eq!(place("orders.new"), owned("other", "orders.new"));
    }

    #[test]
    fn only_the_first_differences_are_kept_in_full() {
        let mut tally = Tally::new(2);
        for position in [5, 3, 9, 1] {
            let seen = Seen {
                position,
                payload: b"{}",
            };
            tally.missing((0, b"a"), seen);
        }
        let found = tally.finish((4, 0), &[b"a"[..].into()], Vec::new());
        let kept = found.first.iter().map(|first| first.position_before);
        assert_eq!(kept.collect::<Vec<_>>(), [Some(1), Some(3)]);
        assert_eq!(found.missing, 4);
        assert_eq!(found.moved[0].messages, 4);
    }
}
