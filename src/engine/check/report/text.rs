//! A result as text for a terminal or a CI log.

use std::fmt::Write as _;

use tickdeck_core::printable::is_hidden;

use crate::check::examine::{Checked, Verdict};
use crate::check::locate::DifferingParts;
use crate::check::tally::{Comparison, Difference, DifferenceKind, Group};

/// Longer values are cut in the middle of a table.
const VALUE_CHARS: usize = 120;
/// What is shown before a difference deep in a value.
const LEAD_CHARS: usize = 40;
/// Instruments that a line names.
const NAMED: usize = 5;

/// The names of the two sides.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// The golden, or the first input.
    pub before: &'a str,
    /// What there is now, or the second input.
    pub after: &'a str,
}

/// A check, its verdict first. Ends with a newline.
#[must_use]
pub fn checked(checked: &Checked) -> String {
    let mut out = String::new();
    let (input, golden) = (&checked.input, &checked.golden);
    let messages = grouped(checked.messages);
    let verdict = match checked.verdict {
        Verdict::Equal => format!("{input}: as {golden} says, {messages} messages"),
        Verdict::Different => format!("{input}: {}", difference(checked)),
        Verdict::Made => format!("{input}: {golden} made, {messages} messages"),
        Verdict::Updated => format!("{input}: {golden} updated, {messages} messages"),
    };
    line(&mut out, &verdict);
    for note in &checked.notes {
        let word = if note.fails { "differs" } else { "note" };
        line(&mut out, &format!("  {word}: {}", note.text));
    }
    if !checked.left_out.is_empty() {
        line(
            &mut out,
            &format!("  not compared: {}", checked.left_out.join(", ")),
        );
    }
    line(&mut out, &format!("  digest     {}", checked.digest));
    let is_same = checked.golden_digest.as_ref() == Some(&checked.digest);
    if let Some(before) = checked.golden_digest.as_ref().filter(|_| !is_same) {
        line(&mut out, &format!("  golden     {before}"));
    }
    let sides = Sides {
        before: "golden",
        after: "now",
    };
    if let Some(found) = &checked.comparison {
        out.push_str(&comparison(found, sides));
    }
    if let Some(before) = checked.golden_messages
        && !is_same
    {
        out.push_str(&located(checked, before));
    }
    if checked.verdict == Verdict::Different && checked.can_accept {
        let accept = "\nto accept this: the same command with --update, or --accept-field NAME for \
                      changes of one field only";
        line(&mut out, accept);
    }
    out
}

/// `differs from quick.golden.json: 41 changed, 1 missing`.
pub(super) fn difference(checked: &Checked) -> String {
    let golden = &checked.golden;
    match checked.comparison.as_ref().map(counts) {
        Some(counts) if !counts.is_empty() => {
            format!("differs from {golden}: {}", counts.join(", "))
        }
        _ => format!("differs from {golden}"),
    }
}

/// How many messages differ, and how.
fn counts(found: &Comparison) -> Vec<String> {
    let counts = [
        ("changed", found.changed),
        ("timing only", found.timing_only),
        ("missing", found.missing),
        ("extra", found.extra),
        ("reordered", found.reordered),
    ];
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    counts
        .map(|(name, count)| format!("{} {name}", grouped(*count)))
        .collect()
}

/// What two streams differ in; nothing when they are equal.
#[must_use]
pub fn comparison(found: &Comparison, sides: Sides<'_>) -> String {
    let mut out = String::new();
    if found.is_equal() {
        return out;
    }
    let mut differences = found.first.iter();
    if let Some(first) = differences.next() {
        line(
            &mut out,
            &format!("\nfirst difference: {}", headline(first)),
        );
        for before in &found.before {
            line(
                &mut out,
                &format!(
                    "  before  {:>8}  {} {}",
                    before.position, before.subject, before.payload
                ),
            );
        }
        out.push_str(&details(first, sides));
    }
    for other in differences {
        line(&mut out, &format!("\n{}", headline(other)));
        out.push_str(&fields(other, sides));
    }
    let shown = found.first.len() as u64;
    let all = found.differences() + found.reordered;
    if all > shown {
        line(
            &mut out,
            &format!("\n... and {} more", grouped(all - shown)),
        );
    }
    line(
        &mut out,
        &format!(
            "\nmessages: {} {}, {} {}",
            grouped(found.messages_before),
            sides.before,
            grouped(found.messages_after),
            sides.after
        ),
    );
    let equal = format!("{} equal", grouped(found.equal));
    let counts: Vec<String> = std::iter::once(equal).chain(counts(found)).collect();
    line(&mut out, &format!("  {}", counts.join(", ")));
    groups(&mut out, "by field", &found.fields);
    groups(&mut out, "by place", &found.moved);
    out
}

/// `41 ticks, field open_interest, CZCE only`, a line each.
fn groups(out: &mut String, title: &str, groups: &[Group]) {
    if groups.is_empty() {
        return;
    }
    line(out, title);
    let width = groups.iter().map(|group| group.name.len()).max();
    let width = width.unwrap_or(0);
    for group in groups {
        let exchanges: Vec<String> = group.exchanges.iter().map(count_of).collect();
        let exchanges = match &group.exchanges.keys().collect::<Vec<_>>()[..] {
            [only] => format!("{only} only"),
            _ => exchanges.join(", "),
        };
        let ticks = if group.messages == 1 {
            "tick "
        } else {
            "ticks"
        };
        let named = group.most.iter().take(NAMED).map(count_of_pair);
        let mut named: Vec<String> = named.collect();
        let others = group.instruments.saturating_sub(named.len() as u64);
        if others > 0 {
            named.push(format!("{others} more"));
        }
        line(
            out,
            &format!(
                "  {:<width$}  {:>9} {ticks}  {exchanges}: {}",
                group.name,
                grouped(group.messages),
                named.join(", ")
            ),
        );
    }
}

fn count_of((name, count): (&String, &u64)) -> String {
    format!("{name} {}", grouped(*count))
}

fn count_of_pair((name, count): &(String, u64)) -> String {
    format!("{name} {}", grouped(*count))
}

fn headline(difference: &Difference) -> String {
    let position = |position: Option<u64>| position.map_or("-".into(), grouped);
    let seq = difference
        .seq
        .map_or(String::new(), |seq| format!(", seq {seq}"));
    format!(
        "{}, {}{seq}, message {} -> {}",
        difference.kind.as_str(),
        difference.subject,
        position(difference.position_before),
        position(difference.position_after),
    )
}

/// The pair field by field; the whole payload where there is one side only.
fn details(difference: &Difference, sides: Sides<'_>) -> String {
    let mut out = String::new();
    let only = match difference.kind {
        DifferenceKind::Missing => Some((sides.before, &difference.payload_before)),
        DifferenceKind::Extra => Some((sides.after, &difference.payload_after)),
        DifferenceKind::Reordered => Some(("both", &difference.payload_before)),
        DifferenceKind::Changed | DifferenceKind::Timing => None,
    };
    if let Some((side, Some(payload))) = only {
        line(&mut out, &format!("  {side:<8}{payload}"));
    }
    out.push_str(&fields(difference, sides));
    out
}

/// The fields that differ, a line each.
fn fields(difference: &Difference, sides: Sides<'_>) -> String {
    let mut out = String::new();
    let rows: Vec<[String; 3]> = difference
        .fields
        .iter()
        .map(|change| {
            let [before, after] = values(change.before.as_deref(), change.after.as_deref());
            [change.field.clone(), before, after]
        })
        .collect();
    if rows.is_empty() {
        return out;
    }
    let head = ["field", sides.before, sides.after].map(str::to_owned);
    let rows: Vec<[String; 3]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    for [field, before, after] in &rows {
        line(
            &mut out,
            &format!("  {field:<first$}  {before:<second$}  {after}"),
        );
    }
    out
}

/// Where digests differ. A golden without a stream shows no more than that.
fn located(checked: &Checked, before: u64) -> String {
    let mut out = String::new();
    if checked.comparison.is_none() {
        line(
            &mut out,
            &format!(
                "\nmessages: {} golden, {} now; the golden has no payload stream, so only digests \
                 are compared",
                grouped(before),
                grouped(checked.messages)
            ),
        );
    }
    let found = &checked.located;
    for (what, parts) in [
        ("windows", &found.windows),
        ("segments", &found.segments),
        ("subjects", &found.subjects),
    ] {
        out.push_str(&parts_line(what, parts));
    }
    // Only reached if the digests of the whole differ.
    let is_order = found.subjects.of > 0 && found.subjects.differing == 0;
    if is_order {
        line(
            &mut out,
            "  every subject has the same messages: only their order differs",
        );
    }
    out
}

fn parts_line(what: &str, parts: &DifferingParts) -> String {
    let mut out = String::new();
    if parts.differing == 0 {
        return out;
    }
    let named = parts.first.iter().take(NAMED).map(|part| match part {
        part if part.before == part.after => part.name.clone(),
        part => format!("{} ({} -> {})", part.name, part.before, part.after),
    });
    let mut named: Vec<String> = named.collect();
    let others = parts.differing - named.len() as u64;
    if others > 0 {
        named.push(format!("{} more", grouped(others)));
    }
    line(
        &mut out,
        &format!(
            "{what} that differ: {} of {}: {}",
            grouped(parts.differing),
            grouped(parts.of),
            named.join(", ")
        ),
    );
    out
}

/// Both values as far as a table has room, with hidden characters as their escapes: of long ones
/// that begin the same the part around the first difference.
fn values(before: Option<&str>, after: Option<&str>) -> [String; 2] {
    let sides = [before, after];
    let from = match (before, after) {
        (Some(before), Some(after)) => {
            let same = before.chars().zip(after.chars());
            let same = same.take_while(|(before, after)| before == after).count();
            let is_deep = same > VALUE_CHARS - LEAD_CHARS;
            let is_long = |text: &str| text.chars().nth(VALUE_CHARS).is_some();
            let is_cut = is_deep && (is_long(before) || is_long(after));
            if is_cut { same - LEAD_CHARS } else { 0 }
        }
        _ => 0,
    };
    sides.map(|value| value.map_or("(absent)".into(), |value| cut(value, from)))
}

/// The part of a value that begins at a character.
fn cut(value: &str, from: usize) -> String {
    let mut text = String::from(if from > 0 { "..." } else { "" });
    let mut rest = value.chars().skip(from);
    for c in rest.by_ref().take(VALUE_CHARS) {
        if is_hidden(c) {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    if rest.next().is_some() {
        text.push_str("...");
    }
    text
}

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

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
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
    fn two_long_values_are_shown_where_they_differ() {
        let long = "0123456789".repeat(40);
        let other = format!("{}x{}", &long[..300], &long[301..]);
        let [before, after] = values(Some(&long), Some(&other));
        assert_ne!(before, after);
        assert!(before.starts_with("...0123456789") && before.ends_with("9..."));
        assert!(after.contains("89x123"), "{after}");
        let longer = format!("{long}!");
        let [before, after] = values(Some(&long), Some(&longer));
        assert_eq!(after, format!("{before}!"));
        let [before, after] = values(Some(&long), Some("x"));
        assert_eq!((before.len(), &after[..]), (VALUE_CHARS + 3, "x"));
        assert_eq!(values(None, Some("a\t\r")), ["(absent)", "a\\t\\r"]);
    }
}
