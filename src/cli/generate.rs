//! `tickdeck generate`: a seeded synthetic market as a recording.

use tickdeck::reference::Reference;
use tickdeck_core::select::{choose, needs_list};
use tickdeck_market::source::SyntheticOptions;

use super::args::{GenerateArgs, NormalizeArgs};
use super::context::Context;
use super::inputs;
use super::outcome::{Outcome, UsageError, convert_error, unless_closed, unless_empty};
use super::outputs::conversion;
use super::render::Made;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &GenerateArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let normalize = NormalizeArgs {
        calendar: args.calendar.clone(),
        ..NormalizeArgs::default()
    };
    let reference = inputs::reference(&normalize, &[])?;
    let options = SyntheticOptions {
        profile: args.profile,
        seed: args.seed,
        trading_day: args.trading_day,
        duration: args.duration,
        symbols: Vec::new(),
    };
    let options = SyntheticOptions {
        symbols: symbols(args, &options, &reference)?,
        ..options
    };
    let source = super::synthetic::open(options, &reference.calendar)?;
    let reference = super::synthetic::reference_of(&source, reference);
    let total = Some(source.expected_events());
    let made = conversion(context, "generate", total, &args.output, &args.roll)
        .generate(source, &reference);
    let manifest = unless_empty(made, convert_error)?;
    unless_closed(Made::of(&args.output.output, manifest.as_ref()).print(args.json.json))?;
    if manifest.is_none() {
        super::synthetic::warn_no_tick("--duration makes it longer");
        return Ok(Outcome::Lossy);
    }
    Ok(Outcome::Done)
}

/// The ids that `--symbols` selects, in the order given; empty for the whole profile.
fn symbols(
    args: &GenerateArgs,
    options: &SyntheticOptions,
    reference: &Reference,
) -> anyhow::Result<Vec<String>> {
    if !args.symbols.iter().any(|symbol| needs_list(symbol)) {
        return Ok(args.symbols.clone());
    }
    let profile = super::synthetic::open_again(options.clone(), &reference.calendar)?;
    let listed: Vec<_> = profile.contracts().collect();
    let chosen = choose(&args.symbols, &listed)
        .map_err(|error| UsageError::caused_by("--symbols cannot be used", error))?;
    let (unmatched, count) = (chosen.unmatched.join(","), listed.len());
    if chosen.ids.is_empty() {
        return Err(UsageError::new(format!(
            "--symbols {unmatched} matches none of the {count} instruments of profile {}",
            options.profile
        ))
        .into());
    }
    if !unmatched.is_empty() {
        tracing::warn!(
            event = "symbols_unmatched",
            patterns = unmatched,
            "none of the {count} instruments of profile {} matches",
            options.profile
        );
    }
    Ok(chosen.ids)
}
