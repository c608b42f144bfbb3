//! Checks as one self-contained page: no script, no font, no other file.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use tickdeck_core::printable::printable;

use super::delta::delta;
use super::entry::Entry;
use super::words::{amounts, counts, grouped, how_many, in_short, instrument, more, place, whole};
use crate::check::comparison::{Comparison, Difference, DifferenceKind, Group};
use crate::check::examine::{Checked, Verdict};
use crate::check::locate::DifferingParts;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1rem; }
th, td { border: 1px solid #ccc; padding: .2rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; }
code, pre { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
.equal, .made, .updated { color: #067a32; }
.different, .failed { color: #b00020; }
.before { background: #fdecee; }
.after { background: #eaf7ee; }
.context { color: #666; }
section { border-left: 4px solid #ccc; margin: 1rem 0; padding-left: .8rem; }
section.missing { border-color: #b00020; }
section.extra { border-color: #067a32; }
";

/// The page.
#[must_use]
pub fn page(entries: &[Entry]) -> String {
    let failed = entries.iter().filter(|entry| !is_good(entry)).count();
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "tickdeck check" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "tickdeck check" }
                p { (entries.len()) " checked, " (failed) " failed" }
                table {
                    tr { th { "input" } th { "result" } th { "messages" } }
                    @for (position, entry) in entries.iter().enumerate() {
                        (overview(position, entry))
                    }
                }
                @for (position, entry) in entries.iter().enumerate() {
                    (section(position, entry))
                }
            }
        }
    };
    printable(&markup.into_string()).into_owned()
}

fn is_good(entry: &Entry) -> bool {
    matches!(entry, Entry::Checked { checked, .. } if checked.passed())
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Equal => "equal",
        Verdict::Different => "different",
        Verdict::Made => "made",
        Verdict::Updated => "updated",
    }
}

fn overview(position: usize, entry: &Entry) -> Markup {
    let (input, word, messages) = match entry {
        Entry::Checked { checked, .. } => (
            &checked.input,
            word(checked.verdict),
            grouped(checked.messages),
        ),
        Entry::Failed { input, .. } => (input, "failed", String::new()),
    };
    html! {
        tr {
            td { a href=(format!("#input-{position}")) { (input) } }
            td class=(word) { (word) }
            td class="number" { (messages) }
        }
    }
}

fn section(position: usize, entry: &Entry) -> Markup {
    let id = format!("input-{position}");
    match entry {
        Entry::Failed { input, reason } => html! {
            h2 id=(id) { (input) }
            p class="failed" { (reason) }
        },
        Entry::Checked { checked, accept } => html! {
            h2 id=(id) { (checked.input) }
            (result(checked, accept))
        },
    }
}

fn result(checked: &Checked, accept: &[String]) -> Markup {
    html! {
        p {
            span class=(word(checked.verdict)) { (word(checked.verdict)) }
            ", golden " code { (checked.golden) }
        }
        @for note in &checked.notes {
            p class=[note.fails.then_some("different")] { (note.text) }
        }
        @if !checked.left_out.is_empty() {
            p { "not compared: " (checked.left_out.join(", ")) }
        }
        (about(checked))
        @if !accept.is_empty() {
            p { "to accept this:" }
            @for way in accept { pre { (way) } }
        }
        @if let Some(found) = checked.comparison.as_ref().filter(|found| !found.is_equal()) {
            (comparison(found))
        }
        (parts("windows", &checked.located.windows))
        (parts("segments", &checked.located.segments))
        (parts("subjects", &checked.located.subjects))
    }
}

/// Both sides: sessions, versions, messages and digests.
fn about(checked: &Checked) -> Markup {
    let Checked { versions, .. } = checked;
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let format = versions.golden_format.map(|format| format.to_string());
    let has_golden = checked.golden_messages.is_some();
    let row = |name: &str, golden: Option<&str>, now: Option<&str>| {
        html! {
            tr {
                th { (name) }
                @if has_golden { td { code { (golden.unwrap_or("-")) } } }
                td { code { (now.unwrap_or("-")) } }
            }
        }
    };
    let messages = checked.golden_messages.map(grouped);
    html! {
        table {
            tr { th { } @if has_golden { th { "golden" } } th { "now" } }
            (row("session", checked.golden_session.as_deref(), checked.session.as_deref()))
            (row("tickdeck", versions.golden_tickdeck.as_deref(), Some(&versions.tickdeck)))
            (row(
                "normalizer",
                number(versions.golden_normalizer).as_deref(),
                number(versions.normalizer).as_deref(),
            ))
            @if format.is_some() { (row("golden format", format.as_deref(), None)) }
            (row("messages", messages.as_deref(), Some(&grouped(checked.messages))))
            (row("digest", checked.golden_digest.as_deref(), Some(&checked.digest)))
        }
    }
}

fn comparison(found: &Comparison) -> Markup {
    html! {
        table {
            tr {
                @for name in ["equal", "changed", "timing only", "missing", "extra", "reordered"] {
                    th { (name) }
                }
            }
            tr {
                @for count in [found.equal, found.changed, found.timing_only, found.missing, found.extra, found.reordered] {
                    td class="number" { (grouped(count)) }
                }
            }
        }
        (groups("by field", &found.fields))
        (groups("by place", &found.moved))
        (instruments(found))
        h3 { "differences" (how_many(found)) }
        @for found in &found.first {
            (difference(found))
        }
        @if let Some(more) = more(&found.not_shown) {
            p { "and " (more) }
        }
    }
}

fn instruments(found: &Comparison) -> Markup {
    html! {
        table {
            tr { th { "by instrument" } th { "exchange" } th { "ticks" } th { "what" } }
            @for group in &found.by_instrument {
                tr {
                    td { code { (group.name) } }
                    td { (group.exchange) }
                    td class="number" { (grouped(group.messages)) }
                    td { (counts(&group.counts)) }
                }
            }
        }
        @let others = found.instruments - found.by_instrument.len() as u64;
        @if others > 0 {
            p { "and " (grouped(others)) " more instruments" }
        }
    }
}

fn groups(title: &str, groups: &[Group]) -> Markup {
    let counts = |counts: &mut dyn Iterator<Item = (&String, u64)>| {
        let counts: Vec<String> = counts
            .map(|(name, count)| format!("{name} {}", grouped(count)))
            .collect();
        counts.join(", ")
    };
    html! {
        @if !groups.is_empty() {
            table {
                tr { th { (title) } th { "ticks" } th { "exchanges" } th { "instruments" } }
                @for group in groups {
                    tr {
                        td { code { (group.name) } }
                        td class="number" { (grouped(group.messages)) }
                        td { (counts(&mut group.exchanges.iter().map(|(name, count)| (name, *count)))) }
                        td {
                            (grouped(group.instruments)) ": "
                            (counts(&mut group.most.iter().map(|(name, count)| (name, *count))))
                        }
                    }
                }
            }
        }
    }
}

fn difference(found: &Difference) -> Markup {
    let only = match found.kind {
        DifferenceKind::Missing => Some(("only golden", "before")),
        DifferenceKind::Extra => Some(("only now", "after")),
        DifferenceKind::Reordered => Some(("both", "context")),
        DifferenceKind::Changed | DifferenceKind::Timing => None,
    };
    let is_also_moved = found.reordered && found.kind != DifferenceKind::Reordered;
    html! {
        section class=(found.kind.as_str()) {
            h4 {
                (found.kind.as_str())
                @if is_also_moved { ", reordered" }
                " " code { (instrument(found)) }
                @for words in place(found) { ", " (words) }
            }
            p {
                "subject " code { (found.subject) }
                @if let Some(received) = &found.recv_time { br; "received " (received) }
                @if let Some(previous) = &found.previous {
                    br;
                    span class="context" { "previous " (in_short(previous).join(", ")) }
                }
                @if let Some(((side, class), glance)) = only.zip(whole(found)) {
                    br;
                    (side) " " span class=(class) { (amounts(&glance).join(", ")) }
                }
            }
            (fields(found))
            details {
                summary { "payloads" }
                @if let Some(payload) = &found.payload_before { pre class="before" { (payload) } }
                @if let Some(payload) = &found.payload_after { pre class="after" { (payload) } }
            }
        }
    }
}

fn fields(found: &Difference) -> Markup {
    html! {
        @if !found.fields.is_empty() {
            table {
                tr { th { "field" } th { "golden" } th { "now" } th { "change" } }
                @for change in &found.fields {
                    @let (before, after) = (change.before.as_deref(), change.after.as_deref());
                    tr {
                        td { code { (change.field) } }
                        td class="before" { code { (before.unwrap_or("(absent)")) } }
                        td class="after" { code { (after.unwrap_or("(absent)")) } }
                        td class="number" { (delta(&change.field, before, after).unwrap_or_default()) }
                    }
                }
            }
        }
    }
}

fn parts(what: &str, parts: &DifferingParts) -> Markup {
    html! {
        @if parts.differing > 0 {
            p { (grouped(parts.differing)) " of " (grouped(parts.of)) " " (what) " differ:" }
            table {
                tr { th { (what) } th { "golden" } th { "now" } }
                @for part in &parts.first {
                    tr {
                        td { code { (part.name) } }
                        td class="number" { (grouped(part.before)) }
                        td class="number" { (grouped(part.after)) }
                    }
                }
            }
        }
    }
}
