//! `tickdeck slice`: a part of a recording as a new recording.

use super::args::{NormalizeArgs, SliceArgs};
use super::context::Context;
use super::inputs::{self, INTACT_ONLY, Selection, completeness, refuse_damage};
use super::outcome::{Outcome, convert_error};
use super::outputs::conversion;
use super::render::Made;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &SliceArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let inputs = inputs::open(std::slice::from_ref(&args.recording))?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let reference = inputs::reference(&NormalizeArgs::default(), &inputs.recordings)?;
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    let total = inputs.estimate(&selection.filter);
    let manifest = conversion(context, "slice", total, &args.output, &args.roll)
        .slice(&inputs, &selection.filter, selection.count, &reference)
        .map_err(convert_error)?;
    let completeness = completeness(&inputs);
    Made::new(&args.output.output, &manifest)
        .incomplete(completeness == Outcome::Lossy)
        .print(args.json.json)?;
    Ok(selection.outcome(manifest.ticks).and(completeness))
}
