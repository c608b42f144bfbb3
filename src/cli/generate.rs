//! `tickdeck generate`: a seeded synthetic market as a recording.

use super::Context;
use super::args::{GenerateArgs, NormalizeArgs};
use super::inputs::Reference;
use super::outcome::Outcome;
use super::outputs::{copy, recording_options};
use super::render::print_made;
use crate::recording::RecordingWriter;
use crate::source::{SyntheticOptions, SyntheticSource};

/// Runs the verb.
pub(super) fn run(context: &Context, args: &GenerateArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let normalize = NormalizeArgs {
        calendar: args.calendar.clone(),
        ..NormalizeArgs::default()
    };
    let reference = Reference::new(&normalize, &[])?;
    let options = SyntheticOptions {
        profile: args.profile,
        seed: args.seed,
        trading_day: args.trading_day,
        duration: args.duration,
        symbols: args.symbols.clone(),
    };
    let mut source = super::synthetic::open(options, &reference.calendar)?;
    let reference = super::synthetic::reference_of(&source, reference);
    let writer = RecordingWriter::create(
        &args.output.output,
        recording_options(
            &args.output,
            &args.roll,
            &reference,
            source.session_id(),
            source.info(),
        ),
    )?;
    let total = Some(SyntheticSource::expected_events(&source));
    let manifest = copy(context, "generate", total, &mut source, writer)?;
    print_made(&args.output.output, &manifest)?;
    Ok(Outcome::Done)
}
