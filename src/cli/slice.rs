//! `tickdeck slice`: a part of a recording as a new recording.

use super::args::{NormalizeArgs, SliceArgs};
use super::context::Context;
use super::inputs::{
    self, Salvaged, Selection, completeness, refuse_damage, report_missing, warn_nothing_intact,
};
use super::outcome::{Outcome, convert_error, unless_closed, unless_empty};
use super::outputs::{conversion, refuse_output_of_inputs};
use super::render::Made;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &SliceArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let recording = &args.recordings;
    refuse_output_of_inputs(&args.output.output, recording)?;
    let inputs = match args.salvage {
        true => inputs::open_salvage(recording, &NormalizeArgs::default())?,
        false => inputs::open(recording)?,
    };
    let damage = inputs.damage();
    if !args.salvage {
        refuse_damage(
            &damage,
            "--salvage takes the intact parts, and `tickdeck replay --salvage` plays them",
        )?;
    }
    let salvaged = Salvaged::default();
    let reference = inputs::reference(&NormalizeArgs::default(), &inputs.recordings)?;
    inputs::warn_not_covered(&reference.calendar, inputs.recorded_days());
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    let total = inputs.estimate(&selection.events.filter);
    let mut slice = conversion(context, "slice", total, &args.output, &args.roll)
        .allow_empty(selection.may_be_empty());
    if args.salvage {
        slice = slice.salvaged(salvaged.clone());
    }
    let made = slice.slice(
        &inputs,
        &selection.events.filter,
        selection.events.max_ticks,
        &reference,
    );
    let manifest = unless_empty(made, convert_error)?;
    let missing = salvaged.take();
    report_missing(&missing, &damage);
    let is_whole = missing.is_empty() && damage.is_empty() && inputs.are_complete();
    let completeness = completeness(is_whole);
    let made = Made::of(&args.output.output, manifest.as_ref())
        .incomplete(completeness == Outcome::Lossy)
        .salvaged(&damage, &missing);
    unless_closed(made.print(args.json.json))?;
    let ticks = manifest.map_or(0, |manifest| manifest.ticks);
    if ticks == 0 && !(missing.is_empty() && damage.is_empty()) && !selection.may_be_empty() {
        warn_nothing_intact(&selection, &missing);
        return Ok(Outcome::Lossy);
    }
    Ok(selection.outcome(ticks).and(completeness))
}
