//! How the receive times of an import came about, for reports and the manifest.

use tickdeck_core::source::ReceiveTimes;

/// How `recv_ts` came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RecvTsRule {
    /// The dump has a receive time.
    Recorded,
    /// The dump has a receive time without a date, which is that of the row's trading day.
    RecordedTimeOfDay,
    /// The dump has a receive time and says that it was derived: it is tickdeck's export of an import.
    RecordedDerived,
    /// The exchange time, never before that of the row above.
    ExchangeTimeMonotone,
}

impl RecvTsRule {
    /// Whether a receive time of this rule says when a row arrived, its date included.
    #[must_use]
    pub const fn receive_times(self) -> ReceiveTimes {
        match self {
            Self::Recorded => ReceiveTimes::Measured,
            Self::RecordedTimeOfDay | Self::RecordedDerived | Self::ExchangeTimeMonotone => {
                ReceiveTimes::Derived
            }
        }
    }

    /// The word for the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::RecordedTimeOfDay => "recorded-time-of-day",
            Self::RecordedDerived => "recorded-derived",
            Self::ExchangeTimeMonotone => "exchange-time-monotone",
        }
    }
}
