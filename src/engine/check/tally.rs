//! Counts the differences of a comparison by kind, field, exchange and instrument, and keeps the
//! first few in full.
//!
//! Counters are arrays by subject slot, so that a million differing messages cost a million
//! additions; names come in at the end.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use tickdeck_core::contract::Exchange;

use super::comparison::{
    Before, Comparison, Difference, DifferenceKind, Group, InstrumentGroup, NotShown,
};
use super::glance::Glance;
use super::payload::{changes, each_change};
use super::times::TIMING_FIELDS;
use crate::encode::subject::decode_symbol;

/// Represents all further fields, once counting each would need unbounded memory.
pub(super) const OTHER_FIELDS: &str = "(other fields)";
/// Most differing fields that are counted individually.
const COUNTED_FIELDS: usize = 500;
/// Instruments that are named in a group; the others are counted.
const NAMED_INSTRUMENTS: usize = 20;

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

    fn of(&self, slot: usize) -> u64 {
        self.0.get(slot).copied().unwrap_or_default()
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

/// Exchange and instrument of a subject, whose last tokens they are; `None` for other subjects.
fn known_place(subject: &[u8]) -> Option<(Exchange, String)> {
    let subject = std::str::from_utf8(subject).ok()?;
    let mut tokens = subject.rsplitn(3, '.');
    let (symbol, exchange) = (tokens.next()?, tokens.next()?);
    let exchange = Exchange::parse(exchange)?;
    Some((exchange, decode_symbol(symbol)?))
}

/// The same; for other subjects `other` and the subject.
fn place_of(subject: &[u8]) -> (String, String) {
    match known_place(subject) {
        Some((exchange, symbol)) => (exchange.to_string(), symbol),
        None => (
            "other".into(),
            String::from_utf8_lossy(subject).into_owned(),
        ),
    }
}

/// Counts by name, the most frequent first.
fn most_frequent<'n>(counts: impl Iterator<Item = (&'n str, u64)>) -> Vec<(String, u64)> {
    let counts = counts.filter(|(_, count)| *count > 0);
    let mut counts: Vec<(String, u64)> = counts
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    counts.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    counts
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
    /// Messages that differ in any way.
    differing: BySubject,
    /// By position; the second number keeps those of one position apart. Each with its slot.
    first: BTreeMap<(u64, u64), (usize, Difference)>,
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
            differing: BySubject::default(),
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
                let kind = DifferenceKind::Reordered;
                self.keep(kind, (slot, subject), Some(before), Some(after), true);
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
            self.keep(kind, (slot, subject), Some(before), Some(after), is_moved);
        }
        if is_moved {
            self.count(DifferenceKind::Reordered, slot);
        }
    }

    pub(super) fn missing(&mut self, (slot, subject): (usize, &[u8]), before: Seen<'_>) {
        self.count(DifferenceKind::Missing, slot);
        let kind = DifferenceKind::Missing;
        self.keep(kind, (slot, subject), Some(before), None, false);
    }

    pub(super) fn extra(&mut self, (slot, subject): (usize, &[u8]), after: Seen<'_>) {
        self.count(DifferenceKind::Extra, slot);
        let kind = DifferenceKind::Extra;
        self.keep(kind, (slot, subject), None, Some(after), false);
    }

    fn count(&mut self, kind: DifferenceKind, slot: usize) {
        self.kinds.entry(kind).or_default().add(slot);
    }

    fn keep(
        &mut self,
        kind: DifferenceKind,
        (slot, subject): (usize, &[u8]),
        before: Option<Seen<'_>>,
        after: Option<Seen<'_>>,
        is_moved: bool,
    ) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let position = before.or(after).map_or(0, |seen| seen.position);
        self.differing.add(slot);
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
        let glance = before.or(after).map_or_else(Glance::default, |seen| {
            Glance::of(seen.position, seen.payload)
        });
        let place = known_place(subject);
        let difference = Difference {
            kind,
            subject: text(subject),
            exchange: place.as_ref().map(|(exchange, _)| exchange.to_string()),
            instrument: place.map(|(_, instrument)| instrument),
            seq: glance.seq,
            exchange_time: glance.exchange_time,
            recv_time: glance.recv_time,
            reordered: is_moved,
            previous: None,
            position_before: before.map(|seen| seen.position),
            position_after: after.map(|seen| seen.position),
            fields,
            payload_before: before.map(|seen| text(seen.payload)),
            payload_after: after.map(|seen| text(seen.payload)),
        };
        self.first.insert(key, (slot, difference));
        if self.first.len() > self.most {
            self.first.pop_last();
        }
    }

    /// Each counter with its name: fields, and the kinds that concern no field.
    fn counters(&self) -> impl Iterator<Item = (&str, &BySubject)> {
        let fields = self.fields.iter();
        // A name that is not UTF-8 cannot be in JSON.
        let fields = fields.map(|(field, counts)| {
            let name = std::str::from_utf8(field).unwrap_or(OTHER_FIELDS);
            (name, counts)
        });
        let kinds = self.kinds.iter();
        fields.chain(kinds.map(|(kind, counts)| (kind.as_str(), counts)))
    }

    /// How many instruments differ, and the ones that differ most.
    fn by_instrument(&self, subjects: &[Box<[u8]>]) -> (u64, Vec<InstrumentGroup>) {
        let mut slots: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for (slot, subject) in subjects.iter().enumerate() {
            if self.differing.of(slot) > 0 {
                let (exchange, name) = place_of(subject);
                slots.entry((name, exchange)).or_default().push(slot);
            }
        }
        let of = |counts: &BySubject, slots: &[usize]| -> u64 {
            slots.iter().map(|slot| counts.of(*slot)).sum()
        };
        let groups = slots.iter().map(|((name, exchange), slots)| {
            let counts = self.counters();
            let counts = counts.map(|(what, counts)| (what, of(counts, slots)));
            InstrumentGroup {
                name: name.clone(),
                exchange: exchange.clone(),
                messages: of(&self.differing, slots),
                counts: most_frequent(counts),
            }
        });
        let mut groups: Vec<_> = groups.collect();
        // A stable sort: equal counts keep the order of the names.
        groups.sort_by_key(|group| std::cmp::Reverse(group.messages));
        groups.truncate(NAMED_INSTRUMENTS);
        (slots.len() as u64, groups)
    }

    /// What the differences kept in full do not show.
    fn not_shown(&self, subjects: &[Box<[u8]>]) -> NotShown {
        let mut counts = BTreeMap::new();
        for (what, by_subject) in self.counters() {
            *counts.entry(what).or_insert(0) += by_subject.total();
        }
        let mut shown_of: FxHashMap<usize, u64> = FxHashMap::default();
        let mut take = |what: &str| {
            let name = match counts.contains_key(what) {
                true => what,
                false => OTHER_FIELDS,
            };
            if let Some(count) = counts.get_mut(name) {
                *count = u64::saturating_sub(*count, 1);
            }
        };
        for (slot, shown) in self.first.values() {
            *shown_of.entry(*slot).or_default() += 1;
            shown.fields.iter().for_each(|change| take(&change.field));
            match shown.kind {
                DifferenceKind::Missing | DifferenceKind::Extra => take(shown.kind.as_str()),
                _ if shown.reordered => take(DifferenceKind::Reordered.as_str()),
                _ => {}
            }
        }
        let rest = subjects.iter().enumerate().filter(|(slot, _)| {
            self.differing.of(*slot) > shown_of.get(slot).copied().unwrap_or_default()
        });
        let instruments: BTreeSet<_> = rest.map(|(_, subject)| place_of(subject)).collect();
        NotShown {
            messages: self.found - self.first.len() as u64,
            instruments: instruments.len() as u64,
            counts: most_frequent(counts.into_iter()),
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
        let (instruments, by_instrument) = self.by_instrument(subjects);
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
            instruments,
            by_instrument,
            before,
            not_shown: self.not_shown(subjects),
            first: self.first.into_values().map(|(_, kept)| kept).collect(),
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
