//! How the receive times of an import came about, for reports and the manifest.

/// How `recv_ts` came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RecvTsRule {
    /// The dump has a receive time.
    Recorded,
    /// The dump has a receive time without a date, which is that of the row's trading day.
    RecordedTimeOfDay,
    /// The exchange time, never before that of the row above.
    ExchangeTimeMonotone,
}

impl RecvTsRule {
    /// The word for the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::RecordedTimeOfDay => "recorded-time-of-day",
            Self::ExchangeTimeMonotone => "exchange-time-monotone",
        }
    }
}
