//! Checks as one self-contained page: no script, no font, no other file.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use tickdeck_core::printable::printable;

use super::entry::Entry;
use super::text::grouped;
use crate::check::examine::{Checked, Verdict};
use crate::check::locate::DifferingParts;
use crate::check::tally::{Comparison, Difference, Group};

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
    matches!(entry, Entry::Checked(checked) if checked.passed())
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
        Entry::Checked(checked) => (
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
        Entry::Checked(checked) => html! {
            h2 id=(id) { (checked.input) }
            (result(checked))
        },
    }
}

fn result(checked: &Checked) -> Markup {
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
        table {
            tr { th { } th { "messages" } th { "digest" } }
            @if let (Some(messages), Some(digest)) = (checked.golden_messages, &checked.golden_digest) {
                tr { th { "golden" } td class="number" { (grouped(messages)) } td { code { (digest) } } }
            }
            tr { th { "now" } td class="number" { (grouped(checked.messages)) } td { code { (checked.digest) } } }
        }
        @if let Some(found) = checked.comparison.as_ref().filter(|found| !found.is_equal()) {
            (comparison(found))
        }
        (parts("windows", &checked.located.windows))
        (parts("segments", &checked.located.segments))
        (parts("subjects", &checked.located.subjects))
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
        h3 { "first differences" }
        @if !found.before.is_empty() {
            p { "before the first one:" }
            @for before in &found.before {
                pre { (before.position) " " (before.subject) " " (before.payload) }
            }
        }
        @for found in &found.first {
            (difference(found))
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
    let absent = "(absent)".to_owned();
    html! {
        h4 {
            (found.kind.as_str()) " " code { (found.subject) }
            @if let Some(seq) = found.seq { " seq " (seq) }
        }
        @if !found.fields.is_empty() {
            table {
                tr { th { "field" } th { "golden" } th { "now" } }
                @for change in &found.fields {
                    tr {
                        td { code { (change.field) } }
                        td class="before" { code { (change.before.as_ref().unwrap_or(&absent)) } }
                        td class="after" { code { (change.after.as_ref().unwrap_or(&absent)) } }
                    }
                }
            }
        }
        details {
            summary { "payloads" }
            @if let Some(payload) = &found.payload_before { pre class="before" { (payload) } }
            @if let Some(payload) = &found.payload_after { pre class="after" { (payload) } }
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
