//! The two kinds of front that CTP has.

/// Which kind of front a session is with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontKind {
    /// Publishes ticks.
    MarketData,
    /// Lists the contracts.
    Trader,
}

impl FrontKind {
    /// The kind in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MarketData => "market data",
            Self::Trader => "trader",
        }
    }

    /// The log field `kind`. Lines about the market data front have none.
    pub(super) const fn log_field(self) -> Option<&'static str> {
        match self {
            Self::MarketData => None,
            Self::Trader => Some(self.as_str()),
        }
    }
}
