//! A result as text for a terminal or a CI log.
//!
//! Everything that comes from an input is escaped before it is styled, so that no payload can act
//! on a terminal.

use tickdeck_core::printable::{printable, printable_value};

use super::delta::delta;
use super::style::{Style, Styles};
pub use super::words::grouped;
use super::words::{amounts, counts, how_many, in_short, instrument, more, place, whole};
use crate::check::comparison::{Comparison, Difference, DifferenceKind, Group};
use crate::check::examine::{Checked, Verdict};
use crate::check::locate::DifferingParts;

/// Longer values are cut in the middle of a table.
const VALUE_CHARS: usize = 120;
/// What is shown before a difference deep in a value.
const LEAD_CHARS: usize = 40;
/// Two values that are longer together are written below each other.
const ROW_CHARS: usize = 80;
/// Longer values do not widen a column.
const COLUMN_CHARS: usize = 24;
/// Fields that are counted in a line each.
const MOST_GROUPS: usize = 20;
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

/// The sides of a check.
pub(super) const OF_CHECK: Sides<'static> = Sides {
    before: "golden",
    after: "now",
};

/// Text that is being written.
struct Page<'a> {
    out: String,
    styles: &'a Styles,
}

impl<'a> Page<'a> {
    const fn new(styles: &'a Styles) -> Self {
        Self {
            out: String::new(),
            styles,
        }
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(&printable(text));
    }

    fn styled(&mut self, style: &Style, text: &str) {
        self.out.push_str(&style.start);
        self.put(text);
        self.out.push_str(&style.end);
    }

    /// The same, with blanks up to `width` characters.
    fn padded(&mut self, style: &Style, text: &str, width: usize) {
        self.styled(style, text);
        let blanks = width.saturating_sub(chars(text));
        self.out.extend(std::iter::repeat_n(' ', blanks));
    }

    fn end(&mut self) {
        self.out.push('\n');
    }

    fn line(&mut self, text: &str) {
        self.put(text);
        self.end();
    }

    fn heading(&mut self, text: &str) {
        let styles = self.styles;
        self.styled(&styles.heading, text);
        self.end();
    }
}

/// Characters as they are shown.
fn chars(text: &str) -> usize {
    printable(text).chars().count()
}

/// A check, its verdict first. `accept` are the ways to accept what differs, one a line. Ends with
/// a newline.
#[must_use]
pub fn checked(checked: &Checked, accept: &[String], styles: &Styles) -> String {
    let mut page = Page::new(styles);
    verdict(&mut page, checked);
    for note in &checked.notes {
        let word = match (note.fails, checked.verdict) {
            (true, Verdict::Made | Verdict::Updated) => "accepted",
            (true, _) => "differs",
            (false, _) => "note",
        };
        page.line(&format!("  {word}: {}", note.text));
    }
    if !checked.left_out.is_empty() {
        page.line(&format!("  not compared: {}", checked.left_out.join(", ")));
    }
    page.line(&format!("  digest     {}", checked.digest));
    let is_same = checked.golden_digest.as_ref() == Some(&checked.digest);
    if let Some(before) = checked.golden_digest.as_ref().filter(|_| !is_same) {
        page.line(&format!("  golden     {before}"));
    }
    match (&checked.comparison, checked.golden_messages) {
        (Some(found), _) => compared(&mut page, found, OF_CHECK),
        (None, Some(before)) if !is_same => located(&mut page, checked, before),
        _ => {}
    }
    if !accept.is_empty() {
        page.end();
        page.heading("to accept this");
        for way in accept {
            page.line(&format!("  {way}"));
        }
    }
    page.out
}

fn verdict(page: &mut Page<'_>, checked: &Checked) {
    let (input, golden) = (&checked.input, &checked.golden);
    let messages = match checked.messages {
        1 => "1 message".to_owned(),
        many => format!("{} messages", grouped(many)),
    };
    page.put(&format!("{input}: "));
    let styles = page.styles;
    match checked.verdict {
        Verdict::Equal => {
            page.styled(&styles.good, &format!("as {golden} says"));
            page.line(&format!(", {messages}"));
        }
        Verdict::Different => {
            page.styled(&styles.bad, &difference(checked));
            page.end();
        }
        Verdict::Made => {
            page.styled(&styles.good, &format!("{golden} made"));
            page.line(&format!(", {messages}"));
        }
        Verdict::Updated => {
            page.styled(&styles.good, &format!("{golden} updated"));
            page.line(&format!(", {messages}"));
        }
    }
}

/// `differs from quick.golden.json: 41 changed, 1 missing`.
pub(super) fn difference(checked: &Checked) -> String {
    let golden = &checked.golden;
    match checked.comparison.as_ref().map(kinds) {
        Some(kinds) if !kinds.is_empty() => {
            format!("differs from {golden}: {}", kinds.join(", "))
        }
        _ => format!("differs from {golden}"),
    }
}

/// How many messages differ, and how.
fn kinds(found: &Comparison) -> Vec<String> {
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
pub fn comparison(found: &Comparison, sides: Sides<'_>, styles: &Styles) -> String {
    let mut page = Page::new(styles);
    compared(&mut page, found, sides);
    page.out
}

fn compared(page: &mut Page<'_>, found: &Comparison, sides: Sides<'_>) {
    if found.is_equal() {
        return;
    }
    page.end();
    let Sides { before, after } = sides;
    page.heading(&format!(
        "differences, {before} -> {after}{}",
        how_many(found)
    ));
    for difference in &found.first {
        page.end();
        shown(page, difference, sides);
    }
    if let Some(more) = more(&found.not_shown) {
        page.end();
        page.line(&format!("... and {more}"));
    }
    page.end();
    page.line(&format!(
        "messages: {} {before}, {} {after}",
        grouped(found.messages_before),
        grouped(found.messages_after),
    ));
    let equal = format!("{} equal", grouped(found.equal));
    let all: Vec<String> = std::iter::once(equal).chain(kinds(found)).collect();
    page.line(&format!("  {}", all.join(", ")));
    groups(page, "by field", &found.fields);
    groups(page, "by place", &found.moved);
    instruments(page, found);
}

/// `41 ticks, field open_interest, CZCE only`, a line each.
fn groups(page: &mut Page<'_>, title: &str, groups: &[Group]) {
    if groups.is_empty() {
        return;
    }
    page.heading(title);
    let shown = &groups[..groups.len().min(MOST_GROUPS)];
    let width = shown.iter().map(|group| chars(&group.name)).max();
    for group in shown {
        let exchanges: Vec<String> = group.exchanges.iter().map(count_of).collect();
        let exchanges = match &group.exchanges.keys().collect::<Vec<_>>()[..] {
            [only] => format!("{only} only"),
            _ => exchanges.join(", "),
        };
        let named = group.most.iter().take(NAMED).map(count_of_pair);
        let mut named: Vec<String> = named.collect();
        let others = group.instruments.saturating_sub(named.len() as u64);
        if others > 0 {
            named.push(format!("{others} more"));
        }
        page.put("  ");
        page.padded(&Style::default(), &group.name, width.unwrap_or(0));
        page.line(&format!(
            "  {}  {exchanges}: {}",
            ticks(group.messages),
            named.join(", ")
        ));
    }
    let others = groups.len() - shown.len();
    if others > 0 {
        page.line(&format!("  and {others} more"));
    }
}

/// `TA601.CZCE  40 ticks  open_interest 39, reordered 1`, a line each.
fn instruments(page: &mut Page<'_>, found: &Comparison) {
    // Only one has its counts above.
    if found.instruments < 2 {
        return;
    }
    page.heading("by instrument");
    let names: Vec<String> = found
        .by_instrument
        .iter()
        .map(|group| match &group.exchange[..] {
            "other" => group.name.clone(),
            exchange => format!("{}.{exchange}", group.name),
        })
        .collect();
    let width = names.iter().map(|name| chars(name)).max().unwrap_or(0);
    for (name, group) in names.iter().zip(&found.by_instrument) {
        page.put("  ");
        page.padded(&Style::default(), name, width);
        let counts = counts(&group.counts);
        page.line(&format!("  {}  {counts}", ticks(group.messages)));
    }
    let others = found.instruments - names.len() as u64;
    if others > 0 {
        page.line(&format!("  and {} more", grouped(others)));
    }
}

/// `       41 ticks`.
fn ticks(count: u64) -> String {
    let noun = if count == 1 { "tick " } else { "ticks" };
    format!("{:>9} {noun}", grouped(count))
}

fn count_of((name, count): (&String, &u64)) -> String {
    format!("{name} {}", grouped(*count))
}

fn count_of_pair((name, count): &(String, u64)) -> String {
    format!("{name} {}", grouped(*count))
}

/// One difference: what it is, its context, and the fields that changed.
fn shown(page: &mut Page<'_>, difference: &Difference, sides: Sides<'_>) {
    let styles = page.styles;
    let word = match difference.kind {
        DifferenceKind::Missing => &styles.before,
        DifferenceKind::Extra => &styles.after,
        DifferenceKind::Changed | DifferenceKind::Timing | DifferenceKind::Reordered => {
            &styles.heading
        }
    };
    page.styled(word, difference.kind.as_str());
    if difference.reordered && difference.kind != DifferenceKind::Reordered {
        page.styled(word, ", reordered");
    }
    page.put("  ");
    page.styled(&styles.heading, &instrument(difference));
    for words in place(difference) {
        page.put("  ");
        page.put(&words);
    }
    page.end();
    let mut context = Vec::new();
    let is_alone = matches!(
        difference.kind,
        DifferenceKind::Missing | DifferenceKind::Extra
    );
    // The other side may have the message under another subject.
    if is_alone && difference.instrument.is_some() {
        context.push(("subject", difference.subject.clone(), &styles.context));
    }
    if let Some(received) = &difference.recv_time {
        context.push(("received", received.clone(), &styles.context));
    }
    if let Some(previous) = &difference.previous {
        context.push(("previous", in_short(previous).join("  "), &styles.context));
    }
    let side = match difference.kind {
        DifferenceKind::Missing => Some((format!("only {}", sides.before), &styles.before)),
        DifferenceKind::Extra => Some((format!("only {}", sides.after), &styles.after)),
        DifferenceKind::Reordered => Some(("both".to_owned(), &styles.context)),
        DifferenceKind::Changed | DifferenceKind::Timing => None,
    };
    if let Some(((side, style), glance)) = side.as_ref().zip(whole(difference)) {
        context.push((&side[..], amounts(&glance).join("  "), style));
    }
    let labels = context.iter().map(|(label, ..)| *label);
    let names = difference.fields.iter().map(|change| &change.field[..]);
    let width = labels.chain(names).map(chars).max().unwrap_or(0);
    for (label, text, style) in &context {
        page.put("  ");
        page.padded(&Style::default(), label, width);
        page.put("  ");
        page.styled(style, text);
        page.end();
    }
    fields(page, difference, sides, width);
}

/// The fields that differ: a line each where both values fit in one.
fn fields(page: &mut Page<'_>, difference: &Difference, sides: Sides<'_>, width: usize) {
    let styles = page.styles;
    let rows: Vec<(&str, [String; 2], Option<String>)> = difference
        .fields
        .iter()
        .map(|change| {
            let (before, after) = (change.before.as_deref(), change.after.as_deref());
            let delta = delta(&change.field, before, after);
            (&change.field[..], values(before, after), delta)
        })
        .collect();
    let fits = |[before, after]: &[String; 2]| chars(before) + chars(after) <= ROW_CHARS;
    let fitting = || rows.iter().filter(|(_, values, _)| fits(values));
    // A time does not push the numbers apart.
    let widest = |side: usize| {
        let widths = fitting().map(|(_, values, _)| chars(&values[side]));
        widths
            .filter(|width| *width <= COLUMN_CHARS)
            .max()
            .unwrap_or(0)
    };
    let (first, second) = (widest(0), widest(1));
    for (field, values, delta) in &rows {
        let [before, after] = values;
        page.put("  ");
        if fits(values) {
            page.padded(&Style::default(), field, width);
            page.put("  ");
            page.padded(&styles.before, before, first);
            page.put(" -> ");
            match delta {
                Some(delta) => {
                    page.padded(&styles.after, after, second);
                    page.put("  ");
                    page.styled(&styles.context, delta);
                }
                None => page.styled(&styles.after, after),
            }
            page.end();
            continue;
        }
        page.line(field);
        let width = chars(sides.before).max(chars(sides.after));
        for (side, value, style) in [
            (sides.before, before, &styles.before),
            (sides.after, after, &styles.after),
        ] {
            page.put("    ");
            page.padded(&Style::default(), side, width);
            page.put("  ");
            page.styled(style, value);
            page.end();
        }
    }
}

/// Where digests differ. A golden without a stream shows no more than that.
fn located(page: &mut Page<'_>, checked: &Checked, before: u64) {
    page.end();
    page.line(&format!(
        "messages: {} golden, {} now; the golden has no payload stream, so only digests are \
         compared",
        grouped(before),
        grouped(checked.messages)
    ));
    let found = &checked.located;
    for (what, parts) in [
        ("windows", &found.windows),
        ("segments", &found.segments),
        ("subjects", &found.subjects),
    ] {
        parts_line(page, what, parts);
    }
    // Only reached if the digests of the whole differ.
    let is_order = found.subjects.of > 0 && found.subjects.differing == 0;
    if is_order {
        page.line("  every subject has the same messages: only their order differs");
    }
}

fn parts_line(page: &mut Page<'_>, what: &str, parts: &DifferingParts) {
    if parts.differing == 0 {
        return;
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
    page.line(&format!(
        "{what} that differ: {} of {}: {}",
        grouped(parts.differing),
        grouped(parts.of),
        named.join(", ")
    ));
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
    let shown: String = rest.by_ref().take(VALUE_CHARS).collect();
    text.push_str(&printable_value(&shown));
    if rest.next().is_some() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::payload::FieldChange;

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
        assert_eq!(values(None, Some("a\t\r")), ["(absent)", "a\\u0009\\u000d"]);
    }

    #[test]
    fn a_long_value_does_not_widen_the_column() {
        let change = |field: &str, before: &str, after: &str| FieldChange {
            field: field.into(),
            before: Some(before.into()),
            after: Some(after.into()),
        };
        let time = "\"2025-09-12T09:29:58.060053247+08:00\"";
        let difference = Difference {
            kind: DifferenceKind::Changed,
            subject: "a".into(),
            exchange: None,
            instrument: None,
            seq: None,
            exchange_time: None,
            recv_time: None,
            reordered: false,
            previous: None,
            position_before: None,
            position_after: None,
            fields: vec![
                change("last_price", "790.28", "795.54"),
                change("volume", "65156", "7"),
                change("local_time", time, &time.replace("58.0", "59.0")),
            ],
            payload_before: None,
            payload_after: None,
        };
        let styles = Styles::default();
        let mut page = Page::new(&styles);
        fields(&mut page, &difference, OF_CHECK, 10);
        let later = time.replace("58.0", "59.0");
        let expected = format!(
            "  last_price  790.28 -> 795.54  +5.26\n  volume      65156  -> 7       -65149\n  \
             local_time  {time} -> {later}  +1 s\n"
        );
        assert_eq!(page.out, expected);
    }
}
