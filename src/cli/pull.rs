//! `tickdeck pull`: copies recordings from an object store.

use std::path::Path;

use tickdeck_recording::{Recording, pull, pull_bytes};

use super::args::PullArgs;
use super::context::Context;
use super::copied::{Shown, place_of, print};
use super::inputs::keep_first;
use super::outcome::{Outcome, unless_closed};

/// Runs the verb.
pub(super) fn run(context: &Context, args: &PullArgs) -> anyhow::Result<Outcome> {
    let mut copied = Vec::new();
    let mut first_error = None;
    for path in &args.recordings {
        let target = place_of(&args.recording, path, &args.target);
        match copy(context, path, &target) {
            Ok(shown) => copied.push(shown),
            Err(error) => keep_first(context, &mut first_error, path, error),
        }
    }
    unless_closed(print(args.json.json, &copied))?;
    first_error.map_or(Ok(Outcome::Done), Err)
}

fn copy(context: &Context, path: &Path, target: &Path) -> anyhow::Result<Shown> {
    let recording = Recording::open(path)?;
    let mut progress = context.copy_progress("pull", pull_bytes(&recording));
    let pulled = pull(&recording, target, &mut progress)?;
    Ok(Shown {
        recording: path.display().to_string(),
        copy: target.display().to_string(),
        commit: None,
        was_there: pulled.was_there,
        copied_files: pulled.copied_files,
        copied_bytes: pulled.copied_bytes,
        present_files: pulled.present_files,
        event_digest: pulled.event_digest,
    })
}
