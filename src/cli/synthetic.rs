//! The synthetic market as the verbs open it.

use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_market::source::{SyntheticOptions, SyntheticSource};

use super::inputs::{Reference, warn_not_covered};
use super::outcome::UsageError;

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

/// The tables in force with the market's own contracts in them; what the user gave goes before.
pub(super) fn reference_of(source: &SyntheticSource, reference: Reference) -> Reference {
    let mut contracts = ContractTable::clone(&reference.contracts);
    contracts.extend(source.contracts());
    contracts.extend(reference.contracts.explicit().cloned());
    Reference {
        contracts: Arc::new(contracts),
        ..reference
    }
}
