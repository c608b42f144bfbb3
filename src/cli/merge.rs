//! `tickdeck merge`: several recordings as one, ordered by receive time, argument and `seq`.

use tickdeck_recording::EventFilter;

use super::args::{MergeArgs, NormalizeArgs};
use super::context::Context;
use super::inputs::{self, INTACT_ONLY, completeness, refuse_damage};
use super::outcome::{Outcome, convert_error};
use super::outputs::conversion;
use super::render::Made;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &MergeArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let inputs = inputs::open(&args.recordings)?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let reference = inputs::reference(&NormalizeArgs::default(), &inputs.recordings)?;
    let total = inputs.estimate(&EventFilter::default());
    let manifest = conversion(context, "merge", total, &args.output, &args.roll)
        .merge(&inputs, &reference)
        .map_err(convert_error)?;
    let outcome = completeness(&inputs);
    Made::new(&args.output.output, &manifest)
        .incomplete(outcome == Outcome::Lossy)
        .print(args.json.json)?;
    Ok(outcome)
}
