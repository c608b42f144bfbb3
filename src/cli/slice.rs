//! `tickdeck slice`: a part of a recording as a separate recording.

use tickdeck_core::source::{MergeSource, Source, TickLimit};
use tickdeck_recording::{RecordingWriter, SourceInfo};

use super::Context;
use super::args::{NormalizeArgs, SliceArgs};
use super::inputs::{self, INTACT_ONLY, Inputs, Selection, refuse_damage, warn_nothing_selected};
use super::outcome::Outcome;
use super::outputs::{copy, recording_options, session_of};
use super::render::print_made;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &SliceArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let inputs = Inputs::open(std::slice::from_ref(&args.recording), false)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let reference = inputs::reference(&NormalizeArgs::default(), &inputs.recordings)?;
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    let mut source = inputs.source(&selection.filter);
    if let Some(count) = selection.count {
        source = Box::new(TickLimit::new(source, count));
    }
    // A merge of one renumbers: the slice is a separate session, without gaps.
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
    warn_nothing_selected(&args.select, manifest.ticks);
    print_made(&args.output.output, &manifest)?;
    Ok(Outcome::Done)
}
