//! The outcome of one event: a tick, a session event, or a rejected tick with its reason.

use super::tick::NormalizedTick;

/// What to do with one event.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "returned by value, never stored")]
pub enum Outcome<'a> {
    /// Publish it.
    Tick(NormalizedTick<'a>),
    /// A session event: nothing to publish.
    Session,
    /// A tick that cannot be published.
    Rejected {
        /// Why.
        reason: Reject,
        /// Whether this is the first tick of its instrument that is rejected for this reason: the
        /// moment to log it, once per instrument.
        first: bool,
    },
}

/// Why a tick cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Reject {
    /// The exchange is not certain; nothing is published under a guess.
    UnknownExchange,
    /// `UpdateTime` is empty or not a time of day.
    NoTime,
    /// `UpdateMillisec` is not in 0 to 999, or the date is outside what nanoseconds reach.
    ImpossibleTime,
    /// No last price, no quote, and no price of the day either: see `docs/payload.md`.
    NoPrice,
}

impl Reject {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::UnknownExchange,
        Self::NoTime,
        Self::ImpossibleTime,
        Self::NoPrice,
    ];

    /// The word used in summaries and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownExchange => "unknown_exchange",
            Self::NoTime => "no_time",
            Self::ImpossibleTime => "impossible_time",
            Self::NoPrice => "no_price",
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
