//! `tickdeck push`: copies recordings to an object store.

use std::path::Path;

use tickdeck_recording::{Recording, push, push_bytes};

use super::args::PushArgs;
use super::context::Context;
use super::copied::{Shown, each};
use super::outcome::Outcome;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &PushArgs) -> anyhow::Result<Outcome> {
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
    let mut progress = context.copy_progress("push", push_bytes(&recording));
    let pushed = push(&recording, target, &mut progress)?;
    Ok(Shown {
        recording: path.display().to_string(),
        copy: target.display().to_string(),
        commit: Some(pushed.commit),
        was_there: pushed.was_there,
        copied_files: pushed.copied_files,
        copied_bytes: pushed.copied_bytes,
        present_files: pushed.present_files,
        event_digest: pushed.event_digest,
    })
}
