//! `tickdeck merge`: several recordings as one, ordered by receive time, argument and `seq`.

use tickdeck_recording::EventFilter;

use super::args::{MergeArgs, NormalizeArgs};
use super::context::Context;
use super::inputs::{self, INTACT_ONLY, completeness, refuse_damage, warn_no_tick};
use super::outcome::{Outcome, convert_error, unless_closed, unless_empty};
use super::outputs::{conversion, refuse_output_of_inputs};
use super::render::Made;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &MergeArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    refuse_output_of_inputs(&args.output.output, &args.recordings)?;
    let inputs = inputs::open(&args.recordings)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let reference = inputs::reference(&NormalizeArgs::default(), &inputs.recordings)?;
    let total = inputs.estimate(&EventFilter::default());
    let made = conversion(context, "merge", total, &args.output, &args.roll)
        .allow_empty(args.allow_empty)
        .merge(&inputs, &reference);
    let manifest = unless_empty(made, convert_error)?;
    inputs::warn_given_twice(&args.recordings);
    let completeness = completeness(inputs.are_complete());
    let made =
        Made::of(&args.output.output, manifest.as_ref()).incomplete(completeness == Outcome::Lossy);
    unless_closed(made.print(args.json.json))?;
    if manifest.is_none() {
        warn_no_tick(&inputs);
        return Ok(Outcome::Lossy);
    }
    Ok(completeness)
}
