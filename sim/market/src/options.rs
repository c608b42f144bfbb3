//! What a caller requests, and how a request can be wrong. It does not know the model.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::NaiveDate;

/// Which market is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Eight liquid futures of all six exchanges, one minute from 09:30 (CFFEX opens in it).
    Quick,
    /// The whole day session, connected at 08:50, with about 600 liquid instruments at about
    /// 400 ticks/s: 5 M ticks and more.
    Day,
    /// The whole night session, connected at 20:50, with about 600 liquid instruments that trade at
    /// night; about 400 ticks/s until the 23:00 close, fewer after it.
    Night,
    /// 17,000 ids with options and combinations around the 09:00 open, connected at 08:58. Five
    /// minutes unless a duration is given; `duration` may extend it to the whole day session.
    FullMarket,
    /// Every oddity of [`crate::Quirk`] at least once, in a few thousand ticks from the evening
    /// before to after the close.
    Quirks,
}

impl Profile {
    /// All profiles, in the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::Quick,
        Self::Day,
        Self::Night,
        Self::FullMarket,
        Self::Quirks,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Day => "day",
            Self::Night => "night",
            Self::FullMarket => "full-market",
            Self::Quirks => "quirks",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = MarketError;

    fn from_str(text: &str) -> Result<Self, MarketError> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.as_str() == text)
            .ok_or_else(|| MarketError::UnknownProfile(text.to_owned()))
    }
}

/// The request: everything a generated market depends on, besides [`crate::GENERATOR_VERSION`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketOptions {
    /// Which market.
    pub profile: Profile,
    /// The seed of all draws.
    pub seed: u64,
    /// The trading day.
    pub trading_day: NaiveDate,
    /// The trading day before it: its evening belongs to `trading_day` (field guide 5.2).
    pub prev_trading_day: NaiveDate,
    /// Whether a night session was held that evening; none is held before a statutory holiday.
    pub has_night: bool,
    /// How much of the session is generated, in market time from the connection on; the whole
    /// profile when absent. `quirks` is cut too, and then no longer shows every quirk.
    pub duration: Option<Duration>,
    /// Exact instrument ids; empty for the profile's universe.
    pub symbols: Vec<String>,
}

/// Why a market cannot be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarketError {
    /// No profile of that name.
    #[error("unknown market profile `{0}`: expected one of quick, day, night, full-market, quirks")]
    UnknownProfile(String),
    /// The id is neither in the universe nor a future of a known product.
    #[error(
        "instrument `{0}` is not in the generated universe and is not a future of a known product: \
         expected an id such as rb2601 or MA601, in the exchange's own case"
    )]
    UnknownInstrument(String),
    /// The same id was requested twice.
    #[error("instrument `{0}` is named twice: name each symbol once")]
    DuplicateInstrument(String),
    /// A night was requested where none was held.
    #[error(
        "profile `{profile}` needs a night session, but none was held before trading day \
         {trading_day}: choose another trading day"
    )]
    NoNightSession {
        /// The requested profile.
        profile: Profile,
        /// The requested trading day.
        trading_day: NaiveDate,
    },
    /// None of the symbols trades at night.
    #[error("none of the symbols trades at night: choose symbols with a night session or `day`")]
    NothingTradesAtNight,
    /// The two days are not in order.
    #[error("previous trading day {prev_trading_day} is not before trading day {trading_day}")]
    DaysOutOfOrder {
        /// The day said to be the earlier one.
        prev_trading_day: NaiveDate,
        /// The requested trading day.
        trading_day: NaiveDate,
    },
    /// The day cannot be written in CTP's eight digits or in i64 nanoseconds.
    #[error("trading day {0} is out of range: expected a day from 1990 to 2100")]
    DayOutOfRange(NaiveDate),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_parses_from_its_own_name() {
        for profile in Profile::ALL {
            assert_eq!(profile.as_str().parse(), Ok(profile));
        }
        let error = "full".parse::<Profile>().unwrap_err();
        assert!(error.to_string().contains("full-market"), "{error}");
    }
}
