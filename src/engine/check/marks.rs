//! What a message is recognised by in another stream.

use rustc_hash::FxHashSet;
use twox_hash::XxHash3_128;

use super::payload::{Members, seq_of};
use super::times::{
    DATED, MILLIS_FIELD, ONE, RECEIPT_FIELDS, TIME_FIELDS, TIMING_FIELDS, VOLUME_FIELDS, number_of,
};
use crate::sink::{MessageBatch, MessageRef};

/// What shows which of two streams is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderBy {
    /// When it was received: both streams are of one receiver.
    Receipt,
    /// What the exchange says: the same messages were received at other times, or one side does not
    /// say when.
    ExchangeTime,
    /// How many messages came before it, where there is no time of the exchange either.
    Position,
}

/// What makes two messages of a subject partners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// The same `seq`: both streams come from the same events. As [`Content`](Self::Content) where
    /// the beginnings show that one side has no `seq`, or another one.
    Seq,
    /// In this order: the same content but for the time of receipt; the same time of receipt; the
    /// same exchange time and volume; the same exchange time; the same position.
    Content,
}

/// Which of several fields it is, and its number.
type Ranked = (usize, u128);

/// What a payload says of itself.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// Of everything but the times of receipt.
    content: u128,
    /// Of the exchange's time and the volume.
    key: u128,
    /// The exchange's time, for raw events without the date.
    time: Option<u128>,
    /// The same where it has a date.
    date_time: Option<u128>,
    /// Which of [`RECEIPT_FIELDS`], and its number.
    receipt: Option<Ranked>,
}

impl Said {
    fn by(payload: &[u8]) -> Self {
        let mut content = Vec::with_capacity(payload.len());
        let (mut time, mut receipt): (Option<Ranked>, Option<Ranked>) = (None, None);
        let (mut millis, mut volume) = (None, None);
        let mut members = Members::of(payload);
        for member in members.by_ref() {
            let is_timing = TIMING_FIELDS
                .iter()
                .any(|name| name.as_bytes() == member.key);
            if !is_timing {
                content.extend_from_slice(member.key);
                content.push(0);
                content.extend_from_slice(member.value);
                content.push(0);
            }
            let better = |fields: &[&[u8]], known: Option<Ranked>| {
                let rank = fields.iter().position(|name| *name == member.key)?;
                let is_better = known.is_none_or(|(best, _)| rank < best);
                is_better.then(|| (rank, number_of(member.value)))
            };
            time = better(&TIME_FIELDS, time).or(time);
            receipt = better(&RECEIPT_FIELDS, receipt).or(receipt);
            if member.key == MILLIS_FIELD {
                millis.get_or_insert_with(|| number_of(member.value) / 1000);
            } else if VOLUME_FIELDS.contains(&member.key) {
                volume.get_or_insert_with(|| number_of(member.value));
            }
        }
        if !members.is_object() {
            content.clear();
            content.extend_from_slice(payload);
            (time, receipt, millis, volume) = (None, None, None, None);
        }
        let instant = time.map(|(_, time)| time.saturating_add(millis.unwrap_or(0)));
        let key = [instant, volume].map(|number| number.unwrap_or(u128::MAX).to_le_bytes());
        Self {
            content: XxHash3_128::oneshot(&content),
            key: XxHash3_128::oneshot(key.as_flattened()),
            time: instant,
            date_time: instant.filter(|_| time.is_some_and(|(rank, _)| rank < DATED)),
            receipt,
        }
    }
}

/// What a message is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// Equal for partners for certain.
    content: u128,
    /// Equal for likely partners.
    key: u128,
    /// Equal for possible partners.
    time: Option<u128>,
    /// When it was received, where both streams are of one receiver.
    receipt: Option<u128>,
    /// Whether that is so exact that no two messages of a subject share it.
    is_exact: bool,
    /// Larger for later messages.
    pub(super) order: u128,
}

impl Marks {
    /// `position` is the message's in its stream.
    pub(super) fn of(
        alignment: Alignment,
        order_by: OrderBy,
        payload: &[u8],
        position: u64,
    ) -> Self {
        if alignment == Alignment::Seq {
            let seq = seq_of(payload).map_or(u128::MAX, u128::from);
            return Self {
                content: seq,
                key: seq,
                time: None,
                receipt: None,
                is_exact: false,
                order: seq,
            };
        }
        let said = Said::by(payload);
        let receipt = said.receipt.filter(|_| order_by == OrderBy::Receipt);
        let order = match order_by {
            OrderBy::Receipt => said.receipt.map(|(_, number)| number).or(said.date_time),
            OrderBy::ExchangeTime => said.date_time,
            OrderBy::Position => Some(u128::from(position)),
        };
        Self {
            content: said.content,
            key: said.key,
            time: said.time,
            receipt: receipt.map(|(_, number)| number),
            is_exact: receipt.is_some_and(|(rank, number)| rank == 0 || number % ONE != 0),
            order: order.unwrap_or(0),
        }
    }

    /// Whether both are of one message for certain: the same content, or received at the same time
    /// with the same key.
    pub(super) fn are_of_one(&self, other: &Self) -> bool {
        let is_one_receipt =
            self.receipt.is_some() && self.receipt == other.receipt && self.key == other.key;
        self.content == other.content || is_one_receipt
    }

    /// Whether both were received in the same moment, independent of their content.
    pub(super) fn are_of_one_moment(&self, other: &Self) -> bool {
        self.is_exact && other.is_exact && self.receipt == other.receipt
    }

    /// Whether they were received in different moments.
    pub(super) fn are_of_two_moments(&self, other: &Self) -> bool {
        self.is_exact && other.is_exact && self.receipt != other.receipt
    }

    /// Whether both have the same exchange time and volume.
    pub(super) const fn have_one_key(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Whether both have the same exchange time.
    pub(super) fn have_one_time(&self, other: &Self) -> bool {
        self.time.is_some() && self.time == other.time
    }
}

fn subject_hash(message: MessageRef<'_>) -> u128 {
    XxHash3_128::oneshot(message.subject)
}

/// Whether `seq` numbers the same messages on both sides, as far as their beginnings show.
pub(super) fn share_seq(first: &MessageBatch, second: &MessageBatch) -> bool {
    let numbered = |batch: &MessageBatch| -> Vec<(u128, u128, u64)> {
        let messages = batch.iter().filter_map(|message| {
            let content = Said::by(message.payload).content;
            Some((subject_hash(message), content, seq_of(message.payload)?))
        });
        messages.collect()
    };
    let (first, second) = (numbered(first), numbered(second));
    if first.is_empty() || second.is_empty() {
        return false;
    }
    let contents = first.iter().map(|(subject, content, _)| (subject, content));
    let contents: FxHashSet<_> = contents.collect();
    let numbers: FxHashSet<_> = first.iter().collect();
    let (mut same, mut other) = (0, 0);
    for message in &second {
        let (subject, content, _) = message;
        if numbers.contains(message) {
            same += 1;
        } else if contents.contains(&(subject, content)) {
            other += 1;
        }
    }
    same >= other
}

/// What shows which of two streams is behind, found by their beginnings. Times of receipt do where
/// both sides have them and the same messages have the same ones; the exchange's times do for
/// everything else.
pub(super) fn order_by(first: &MessageBatch, second: &MessageBatch) -> OrderBy {
    let sample = |batch: &MessageBatch| -> Vec<(u128, Said)> {
        let messages = batch.iter();
        messages
            .map(|message| (subject_hash(message), Said::by(message.payload)))
            .collect()
    };
    let (first, second) = (sample(first), sample(second));
    let are_dated = |sample: &[(u128, Said)]| sample.iter().any(|(_, m)| m.date_time.is_some());
    let other_order = if are_dated(&first) && are_dated(&second) {
        OrderBy::ExchangeTime
    } else {
        OrderBy::Position
    };
    let receipt_field = |sample: &[(u128, Said)]| {
        let ranks = sample.iter().filter_map(|(_, m)| m.receipt);
        ranks.map(|(rank, _)| rank).min()
    };
    let field = receipt_field(&first);
    if field.is_none() || field != receipt_field(&second) {
        return other_order;
    }
    let receipts = first.iter().filter_map(|(s, m)| Some((*s, m.receipt?)));
    let receipts: FxHashSet<_> = receipts.collect();
    // The exchange's time is the least likely to change.
    let likely = |(subject, m): &(u128, Said)| (*subject, m.time.unwrap_or(m.content));
    let known = first.iter().filter(|(_, m)| m.receipt.is_some());
    let known: FxHashSet<_> = known.map(likely).collect();
    let (mut same, mut other) = (0, 0);
    for message in &second {
        let Some(receipt) = message.1.receipt else {
            continue;
        };
        if receipts.contains(&(message.0, receipt)) {
            same += 1;
        } else if known.contains(&likely(message)) {
            other += 1;
        }
    }
    // Where the beginnings have nothing in common, the exchange's time is the safer one.
    let is_unknown = same + other == 0 && other_order == OrderBy::ExchangeTime;
    if same >= other && !is_unknown {
        OrderBy::Receipt
    } else {
        other_order
    }
}
