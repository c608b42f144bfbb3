//! `tickdeck merge`: several recordings as one, ordered by receive time, argument and `seq`.

use tickdeck_recording::{EventFilter, Recording, RecordingWriter, SourceInfo};

use super::Context;
use super::args::{MergeArgs, NormalizeArgs};
use super::inputs::{self, INTACT_ONLY, completeness, refuse_damage};
use super::outcome::Outcome;
use super::outputs::{copy, recording_options, session_of};
use super::render::Made;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &MergeArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let inputs = inputs::open(&args.recordings)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    inputs.payload_source()?;
    let reference = inputs::reference(&NormalizeArgs::default(), &inputs.recordings)?;
    let first = inputs.recordings[0].source();
    let info = SourceInfo {
        kind: "merge".into(),
        detail: format!("of={}", inputs.session()),
        recv_ts: SourceInfo::recv_ts_rules_of(inputs.recordings.iter().map(Recording::source)),
        ..first.clone()
    };
    let session = session_of(&args.output.output);
    let writer = RecordingWriter::create(
        &args.output.output,
        recording_options(&args.output, &args.roll, &reference, session, info),
    )?;
    let all = EventFilter::default();
    let total = inputs.estimate(&all);
    let mut source = inputs.source(&all);
    let manifest = copy(context, "merge", total, source.as_mut(), writer)?;
    let outcome = completeness(&inputs);
    Made::new(&args.output.output, &manifest)
        .incomplete(outcome == Outcome::Lossy)
        .print(args.json.json)?;
    Ok(outcome)
}
