//! What `push` and `pull` have in common: the place of each copy, and the result.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tickdeck_core::printable::printable_value;
use tickdeck_recording::Catalog;

use super::context::Context;
use super::inputs::keep_first;
use super::outcome::{Outcome, stdout, unless_closed};
use super::render::{bytes, counted};

/// A copied recording; the key order is the order of the fields.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) recording: String,
    pub(super) copy: String,
    /// Number of the commit, of a push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<u64>,
    /// Whether the copy was there before.
    pub(super) was_there: bool,
    pub(super) copied_files: u64,
    pub(super) copied_bytes: u64,
    pub(super) present_files: u64,
    pub(super) event_digest: String,
}

/// Where the copy of a recording goes. A session of a root keeps its place under the target.
fn place_of(given: &Path, recording: &Path, target: &Path) -> PathBuf {
    let is_alone = given == recording;
    let day = Catalog::day_of_session(recording).filter(|_| !is_alone);
    match (day, recording.file_name()) {
        (Some(day), Some(session)) => target.join(day).join(session),
        _ => target.to_owned(),
    }
}

/// Copies each of `recordings` to its place under `target`, and prints the results. One that cannot be copied
/// does not keep the others from it.
pub(super) fn each(
    context: &Context,
    (given, recordings): (&Path, &[PathBuf]),
    target: &Path,
    json: bool,
    copy: impl Fn(&Path, &Path) -> anyhow::Result<Shown>,
) -> anyhow::Result<Outcome> {
    let mut copied = Vec::new();
    let mut first_error = None;
    for path in recordings {
        match copy(path, &place_of(given, path, target)) {
            Ok(shown) => copied.push(shown),
            Err(error) => keep_first(context, &mut first_error, path, error),
        }
    }
    unless_closed(print(json, &copied))?;
    first_error.map_or(Ok(Outcome::Done), Err)
}

/// Prints one object or line for each copy.
fn print(json: bool, copied: &[Shown]) -> anyhow::Result<()> {
    let mut out = stdout();
    match copied {
        [] => {}
        [one] if json => {
            serde_json::to_writer(&mut out, one)?;
            writeln!(out)?;
        }
        many if json => {
            serde_json::to_writer(&mut out, many)?;
            writeln!(out)?;
        }
        many => many.iter().try_for_each(|one| print_line(&mut out, one))?,
    }
    Ok(out.flush()?)
}

fn print_line(out: &mut impl std::io::Write, copied: &Shown) -> std::io::Result<()> {
    let copy = printable_value(&copied.copy);
    if copied.was_there {
        return writeln!(out, "{copy}: it was there already, with the same content");
    }
    let present = match copied.present_files {
        0 => String::new(),
        files => format!(", {} were there already", counted(files, "file")),
    };
    writeln!(
        out,
        "{copy}: copied {} ({}){present}, event digest {}",
        counted(copied.copied_files, "file"),
        bytes(copied.copied_bytes),
        copied.event_digest
    )
}
