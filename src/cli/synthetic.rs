//! The synthetic market as the verbs open it.

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_market::source::{SyntheticOptions, SyntheticSource};

use super::inputs::warn_not_covered;
use super::outcome::UsageError;
use tickdeck::reference::Reference;

/// Opens the market; options that do not fit are bad usage.
pub(super) fn open(
    options: SyntheticOptions,
    calendar: &TradingCalendar,
) -> anyhow::Result<SyntheticSource> {
    // The profiles' own days are covered.
    warn_not_covered(calendar, options.trading_day.map(|day| day.0));
    SyntheticSource::open(options, calendar)
        .map_err(|error| UsageError::caused_by("the synthetic market cannot be made", error).into())
}

/// The tables in force with the market's own contracts in them; what the user gave takes precedence.
pub(super) fn reference_of(source: &SyntheticSource, reference: Reference) -> Reference {
    reference.with_contracts(source.contracts())
}
