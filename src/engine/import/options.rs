//! Options of an import.

use tickdeck_core::time::TradingDay;

use crate::import::dialect::Dialect;

/// What to assume about the inputs of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The dialect of every input; `None` detects it for each.
    pub dialect: Option<Dialect>,
    /// Trading day of inputs that do not record one; takes precedence over the file name.
    pub trading_day: Option<TradingDay>,
    /// Instrument of inputs that do not record one (`rb2601` or `rb2601.SHFE`); takes
    /// precedence over the file name.
    pub symbol: Option<String>,
    /// Skip and count bad rows instead of stopping at the first.
    pub skip_bad: bool,
}
