//! The words that text and HTML share.

use crate::check::comparison::{Comparison, Difference, NotShown};
use crate::check::glance::Glance;

/// Counts that a line names.
const NAMED_COUNTS: usize = 8;

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `rb2510.SHFE`; the subject where that names no instrument.
pub(super) fn instrument(difference: &Difference) -> String {
    match (&difference.instrument, &difference.exchange) {
        (Some(instrument), Some(exchange)) => format!("{instrument}.{exchange}"),
        _ => difference.subject.clone(),
    }
}

/// When and where the message is: exchange time, `seq`, position.
pub(super) fn place(difference: &Difference) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(difference.exchange_time.clone());
    words.extend(difference.seq.map(|seq| format!("seq {seq}")));
    let positions = (difference.position_before, difference.position_after);
    words.extend(match positions {
        (Some(before), Some(after)) if before != after => {
            Some(format!("message {} -> {}", grouped(before), grouped(after)))
        }
        (Some(position), _) | (None, Some(position)) => {
            Some(format!("message {}", grouped(position)))
        }
        (None, None) => None,
    });
    words
}

/// Price and volume of a message, or the beginning of a payload that has neither.
pub(super) fn amounts(glance: &Glance) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(glance.price.as_ref().map(|price| format!("price {price}")));
    words.extend(
        glance
            .volume
            .as_ref()
            .map(|volume| format!("volume {volume}")),
    );
    words.extend(glance.payload.clone());
    words
}

/// A message in one line: its time, price and volume.
pub(super) fn in_short(glance: &Glance) -> Vec<String> {
    let mut words: Vec<String> = glance.exchange_time.iter().cloned().collect();
    words.extend(amounts(glance));
    words
}

/// The message that only one side has, or that both have at different places.
pub(super) fn whole(difference: &Difference) -> Option<Glance> {
    let payload = difference.payload_before.as_ref();
    let payload = payload.or(difference.payload_after.as_ref())?;
    let position = difference.position_before.or(difference.position_after);
    Some(Glance::of(position.unwrap_or_default(), payload.as_bytes()))
}

/// `the first 10 of 1,214`, or nothing when all are shown.
pub(super) fn how_many(found: &Comparison) -> String {
    let shown = found.first.len() as u64;
    match found.not_shown.messages {
        0 => String::new(),
        rest => format!(
            ", the first {} of {}",
            grouped(shown),
            grouped(shown + rest)
        ),
    }
}

/// `1,204 more in 12 instruments: last_price 800, volume 404`.
pub(super) fn more(rest: &NotShown) -> Option<String> {
    if rest.messages == 0 {
        return None;
    }
    let noun = if rest.instruments == 1 {
        "instrument"
    } else {
        "instruments"
    };
    Some(format!(
        "{} more in {} {noun}: {}",
        grouped(rest.messages),
        grouped(rest.instruments),
        counts(&rest.counts)
    ))
}

/// `last_price 800, volume 404`.
pub(super) fn counts(counts: &[(String, u64)]) -> String {
    let named = counts.iter().take(NAMED_COUNTS);
    let mut named: Vec<String> = named
        .map(|(name, count)| format!("{name} {}", grouped(*count)))
        .collect();
    if counts.len() > NAMED_COUNTS {
        named.push(format!("{} more", counts.len() - NAMED_COUNTS));
    }
    named.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts: Vec<String> = [0, 999, 1_000, 12_345, 1_234_567].map(grouped).into();
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn a_line_names_the_most_frequent_counts() {
        let all: Vec<(String, u64)> = (0..10).map(|n| (format!("f{n}"), 1_000 - n)).collect();
        assert_eq!(counts(&all[..2]), "f0 1,000, f1 999");
        assert!(counts(&all).ends_with("f7 993, 2 more"));
    }
}
