//! `tickdeck prune`: removes the recordings that exceed what is to be kept.

use std::io::Write as _;

use serde::Serialize;
use tickdeck_core::printable::printable_value;
use tickdeck_recording::{Excess, Pruned, Retention, Spared, Stored, finish_interrupted, prune};

use super::args::PruneArgs;
use super::catalog::{log_unreadable, places};
use super::context::Context;
use super::outcome::{Outcome, stdout, unless_closed};
use super::render::{bytes, counted};

/// The result; the key order is the order of the fields.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    dry_run: bool,
    removed: Vec<ShownOne<'a>>,
    spared: Vec<ShownOne<'a>>,
    kept: usize,
    removed_bytes: u64,
    bytes_left: u64,
}

#[derive(Debug, Serialize)]
struct ShownOne<'a> {
    #[serde(flatten)]
    stored: &'a Stored,
    exceeds: Excess,
    #[serde(flatten)]
    spared: Option<&'a Spared>,
}

/// Runs the verb.
pub(super) fn run(_context: &Context, args: &PruneArgs) -> anyhow::Result<Outcome> {
    // Everything is looked at before anything is removed.
    let (catalogs, folders) = places(&args.places)?;
    let mut is_partial = false;
    for catalog in &catalogs {
        is_partial |= log_unreadable(catalog);
    }
    let mut stored = Vec::new();
    for entry in catalogs.iter().flat_map(|catalog| &catalog.entries) {
        match Stored::of_entry(entry) {
            // Another prune removed it meanwhile.
            Err(_) if !entry.folder.exists() => {}
            one => stored.push(one?),
        }
    }
    for folder in &folders {
        stored.push(Stored::of_folder(folder)?);
    }
    if !args.dry_run {
        for catalog in &catalogs {
            for path in finish_interrupted(&catalog.root)? {
                let path = path.display();
                tracing::info!(event = "prune_completed", %path, "removed what a killed prune left");
            }
        }
    }
    let retention = Retention {
        keep_days: args.keep_days,
        max_bytes: args.max_bytes,
    };
    let pruned = prune(stored, retention, args.dry_run)?;
    unless_closed(print(args, &pruned))?;
    let outcome = outcome(args, &pruned);
    Ok(match is_partial {
        true => outcome.and(Outcome::Lossy),
        false => outcome,
    })
}

/// A damaged recording is a finding. What stays although it should go makes the result incomplete,
/// unless its writer is still at it.
fn outcome(args: &PruneArgs, pruned: &Pruned) -> Outcome {
    let mut outcome = Outcome::Done;
    for (stored, _, why) in &pruned.spared {
        let (of_this, fix) = match why {
            // The warning about the limit says it.
            Spared::BeingWritten | Spared::Newest => (Outcome::Done, ""),
            Spared::Damaged(_) => (Outcome::Difference, ": see `tickdeck verify`"),
            Spared::Unfinished => (Outcome::Lossy, ": `tickdeck recover` seals it"),
            Spared::OtherFiles(_) => (Outcome::Lossy, ": move them elsewhere"),
            Spared::Link | Spared::NoTradingDay => (Outcome::Lossy, ""),
        };
        outcome = outcome.and(of_this);
        if of_this != Outcome::Done {
            tracing::warn!(
                event = "recording_spared",
                recording = %stored.recording.display(),
                reason = reason(why),
                "it should go, and stays{fix}"
            );
        }
    }
    let is_above = |most: &u64| pruned.bytes_left() > *most;
    if let Some(most) = args.max_bytes.filter(is_above) {
        tracing::warn!(
            event = "prune_above_limit",
            bytes = pruned.bytes_left(),
            limit = most,
            "what may not be removed needs more space than the limit"
        );
        outcome = outcome.and(Outcome::Lossy);
    }
    outcome
}

fn reason(why: &Spared) -> String {
    match why {
        Spared::BeingWritten => "it is being written".into(),
        Spared::Unfinished => "its writer is gone".into(),
        Spared::Damaged(problem) => format!("it is damaged: {problem}"),
        Spared::OtherFiles(name) => format!("it holds other files, such as {name}"),
        Spared::Link => "it is a link to another place".into(),
        Spared::NoTradingDay => "it has no tick, and so no trading day".into(),
        Spared::Newest => "it is the newest recording, which always stays".into(),
    }
}

fn print(args: &PruneArgs, pruned: &Pruned) -> anyhow::Result<()> {
    let removed = pruned.removed.iter().map(|(stored, exceeds)| ShownOne {
        stored,
        exceeds: *exceeds,
        spared: None,
    });
    let spared = pruned.spared.iter().map(|(stored, exceeds, why)| ShownOne {
        stored,
        exceeds: *exceeds,
        spared: Some(why),
    });
    let shown = Shown {
        dry_run: args.dry_run,
        removed: removed.collect(),
        spared: spared.collect(),
        kept: pruned.kept.len(),
        removed_bytes: pruned.removed.iter().map(|(stored, _)| stored.bytes).sum(),
        bytes_left: pruned.bytes_left(),
    };
    let mut out = stdout();
    if args.json.json {
        serde_json::to_writer(&mut out, &shown)?;
        writeln!(out)?;
    } else {
        out.write_all(text(&shown, args).as_bytes())?;
    }
    Ok(out.flush()?)
}

fn text(shown: &Shown<'_>, args: &PruneArgs) -> String {
    let verb = match shown.dry_run {
        true => "would remove",
        false => "removed",
    };
    let keep = args.keep_days.unwrap_or_default();
    let because = |exceeds| match exceeds {
        Excess::Days => format!("not of the last {}", counted(keep.into(), "trading day")),
        Excess::Bytes => "the oldest, and there are too many bytes".to_owned(),
    };
    let line = |one: &ShownOne<'_>, verb: &str, because: &str| {
        let path = one.stored.recording.display().to_string();
        let path = printable_value(&path);
        format!("{verb} {path} ({}): {because}\n", bytes(one.stored.bytes))
    };
    let mut text = String::new();
    for one in &shown.removed {
        text.push_str(&line(one, verb, &because(one.exceeds)));
    }
    for one in &shown.spared {
        let why = one.spared.map(reason).unwrap_or_default();
        text.push_str(&line(one, "spared", &printable_value(&why)));
    }
    text.push_str(&format!(
        "{}: {} {verb}, {} spared, {} kept, {}\n",
        bytes(shown.removed_bytes),
        shown.removed.len(),
        shown.spared.len(),
        shown.kept,
        match shown.dry_run {
            true => format!("{} would be left", bytes(shown.bytes_left)),
            false => format!("{} left", bytes(shown.bytes_left)),
        }
    ));
    text
}
