//! `tickdeck pull`: copies recordings from an object store.

use std::path::Path;

use tickdeck_recording::{Recording, pull, pull_bytes};

use super::args::PullArgs;
use super::context::Context;
use super::copied::{Shown, each};
use super::outcome::Outcome;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &PullArgs) -> anyhow::Result<Outcome> {
    let recordings = (&*args.recording, &*args.recordings);
    each(
        context,
        recordings,
        &args.target,
        args.json.json,
        |from, to| copy(context, from, to),
    )
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
