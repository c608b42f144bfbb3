//! `tickdeck slice`: a part of a recording as a new recording.

use super::args::{NormalizeArgs, SliceArgs};
use super::context::Context;
use super::inputs::{self, INTACT_ONLY, Selection, completeness, refuse_damage};
use super::outcome::{Outcome, convert_error, unless_closed, unless_empty};
use super::outputs::{conversion, refuse_output_of_inputs};
use super::render::Made;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &SliceArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let recording = &args.recordings;
    refuse_output_of_inputs(&args.output.output, recording)?;
    let inputs = inputs::open(recording)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let reference = inputs::reference(&NormalizeArgs::default(), &inputs.recordings)?;
    inputs::warn_not_covered(&reference.calendar, inputs.recorded_days());
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    let total = inputs.estimate(&selection.events.filter);
    let made = conversion(context, "slice", total, &args.output, &args.roll)
        .allow_empty(selection.may_be_empty())
        .slice(
            &inputs,
            &selection.events.filter,
            selection.events.max_ticks,
            &reference,
        );
    let manifest = unless_empty(made, convert_error)?;
    let completeness = completeness(inputs.are_complete());
    let made =
        Made::of(&args.output.output, manifest.as_ref()).incomplete(completeness == Outcome::Lossy);
    unless_closed(made.print(args.json.json))?;
    let ticks = manifest.map_or(0, |manifest| manifest.ticks);
    Ok(selection.outcome(ticks).and(completeness))
}
