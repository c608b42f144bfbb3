//! Opening the synthetic market from flags.

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_market::source::{SyntheticOptions, SyntheticSource};

use super::inputs::warn_not_covered;
use super::outcome::UsageError;
use tickdeck::reference::Reference;

/// Opens the market. Options that contradict each other are bad usage.
pub(super) fn open(
    options: SyntheticOptions,
    calendar: &TradingCalendar,
) -> anyhow::Result<SyntheticSource> {
    // The calendar covers the default days of all profiles.
    warn_not_covered(calendar, options.trading_day.map(|day| day.0));
    open_again(options, calendar)
}

/// The same, after the warnings were given.
pub(super) fn open_again(
    options: SyntheticOptions,
    calendar: &TradingCalendar,
) -> anyhow::Result<SyntheticSource> {
    SyntheticSource::open(options, calendar)
        .map_err(|error| UsageError::caused_by("the synthetic market cannot be made", error).into())
}

/// Warns about a market without a tick.
pub(super) fn warn_no_tick(advice: &str) {
    tracing::warn!(
        event = "no_tick_found",
        "the session ends before its first tick; {advice}"
    );
}

/// The reference data with the market's contracts. Contracts that the user gave take precedence.
pub(super) fn reference_of(source: &SyntheticSource, reference: Reference) -> Reference {
    reference.with_contracts(source.contracts())
}
