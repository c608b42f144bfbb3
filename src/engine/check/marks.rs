//! What a message is recognised by in another stream.

use chrono::NaiveDate;
use rustc_hash::FxHashSet;
use twox_hash::XxHash3_128;

use super::payload::{Members, seq_of};
use super::tally::TIMING_FIELDS;
use crate::sink::{MessageBatch, MessageRef};

/// When a message was received, best first. The first one counts nanoseconds.
const RECEIPT_FIELDS: [&[u8]; 2] = [b"recv_ts", b"local_time"];
/// The exchange's time: of payloads, of vn.py's, of raw events.
const TIME_FIELDS: [&[u8]; 3] = [b"timestamp", b"datetime", b"UpdateTime"];
/// How many of them have the date too, and so define an order.
const DATED: usize = 2;
/// What a raw event has beside its time.
const MILLIS_FIELD: &[u8] = b"UpdateMillisec";
/// With the exchange's time it distinguishes a message of a subject from the next, even if other
/// fields changed.
const VOLUME_FIELDS: [&[u8]; 2] = [b"volume", b"Volume"];
/// Numbers are compared in billionths.
const ONE: u128 = 1_000_000_000;

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

/// A time or number in billionths, so that it compares with one in another form: in quotes or not,
/// in another zone or without one, with more or fewer decimals.
fn number_of(value: &[u8]) -> u128 {
    const MOST_DIGITS: usize = 20;
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let value = value.strip_suffix(b"\"").unwrap_or(value);
    if let Some(nanos) = nanos_of(value) {
        return nanos;
    }
    let point = value.iter().position(|byte| *byte == b'.');
    let (whole, part) = value.split_at(point.unwrap_or(value.len()));
    let digits = whole.iter().filter(|byte| byte.is_ascii_digit());
    let whole = digits
        .take(MOST_DIGITS)
        .fold(0, |number, digit| number * 10 + u128::from(digit - b'0'));
    whole * ONE + fraction(part).0
}

/// Billionths of `.5`, and the text after the digits.
fn fraction(text: &[u8]) -> (u128, &[u8]) {
    let Some(digits) = text.strip_prefix(b".") else {
        return (0, text);
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = digits.split_at(end.unwrap_or(digits.len()));
    let mut unit = ONE;
    let part = digits.iter().fold(0, |part, digit| {
        unit /= 10;
        part + unit * u128::from(digit - b'0')
    });
    (part, rest)
}

/// Nanoseconds since 1970 of `2025-09-12T09:29:57.000+08:00`. A time without a zone is China's, as
/// all are here.
fn nanos_of(text: &[u8]) -> Option<u128> {
    const CHINA: i64 = 8 * 3600;
    let number = |text: &[u8]| -> Option<u32> {
        let number = |number: u32, byte: &u8| Some(number * 10 + char::from(*byte).to_digit(10)?);
        text.iter().try_fold(0, number)
    };
    let (head, rest) = text.split_at_checked(19)?;
    let marks = [4, 7, 10, 13, 16].map(|at| head[at]);
    if !matches!(marks, [b'-', b'-', b'T' | b' ', b':', b':']) {
        return None;
    }
    let year = i32::try_from(number(&head[..4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&head[5..7])?, number(&head[8..10])?)?;
    let at = |at: usize| number(&head[at..at + 2]);
    let time = date.and_hms_opt(at(11)?, at(14)?, at(17)?)?;
    let (part, zone) = fraction(rest);
    let offset = match zone {
        b"" => CHINA,
        b"Z" => 0,
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let seconds = i64::from(number(hours)? * 3600 + number(&[*m1, *m2])? * 60);
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = u128::try_from(time.and_utc().timestamp() - offset).ok()?;
    Some(seconds * ONE + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_in_every_form() {
        let same = [
            "\"2025-09-12T09:29:57.500+08:00\"",
            "\"2025-09-12T09:29:57.5\"",
            "\"2025-09-12 09:29:57.500000000\"",
            "\"2025-09-12T01:29:57.500Z\"",
            "\"2025-09-11T20:29:57.5-05:00\"",
        ];
        let numbers = same.map(|text| number_of(text.as_bytes()));
        assert_eq!(numbers, [1_757_640_597_500_000_000; 5]);
        let number = |text: &str| number_of(text.as_bytes());
        assert_eq!(number("\"65156\""), number("65156.0"));
        assert!(number("\"09:29:57\"") < number("\"09:30:00\""));
        for odd in [
            "",
            "\"",
            "\"2025-99-12T09:29:57\"",
            "9e9",
            "-1",
            "\"+08:00\"",
        ] {
            number(odd);
        }
        assert!(number(&"9".repeat(99)) > number(&"9".repeat(19)));
    }
}
