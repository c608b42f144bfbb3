//! `tickdeck slice`: a part of a recording as a new recording.

use tickdeck_core::source::{MergeSource, Source};
use tickdeck_recording::{RecordingWriter, SourceInfo};

use super::Context;
use super::args::{NormalizeArgs, SliceArgs};
use super::inputs::{self, INTACT_ONLY, Selection, completeness, refuse_damage};
use super::outcome::Outcome;
use super::outputs::{copy, recording_options, session_of};
use super::render::Made;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &SliceArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let inputs = inputs::open(std::slice::from_ref(&args.recording))?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let reference = inputs::reference(&NormalizeArgs::default(), &inputs.recordings)?;
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    let source = selection.source(&inputs);
    // A merge of one source renumbers it: the slice is a new session without gaps in `seq`.
    let mut source = MergeSource::new(vec![source]);
    let info = SourceInfo {
        kind: "slice".into(),
        detail: format!("of={}", inputs.session()),
        ..inputs.recordings[0].source().clone()
    };
    let session = session_of(&args.output.output);
    let writer = RecordingWriter::create(
        &args.output.output,
        recording_options(&args.output, &args.roll, &reference, session, info),
    )?;
    let total = inputs.estimate(&selection.filter);
    let manifest = copy(
        context,
        "slice",
        total,
        &mut source as &mut dyn Source,
        writer,
    )?;
    let completeness = completeness(&inputs);
    Made::new(&args.output.output, &manifest)
        .incomplete(completeness == Outcome::Lossy)
        .print(args.json.json)?;
    Ok(selection.outcome(manifest.ticks).and(completeness))
}
