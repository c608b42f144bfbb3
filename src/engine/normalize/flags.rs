//! What the normalizer notices about a tick, as a closed list of words.
//!
//! The words and their order are part of the payload contract: a consumer may match on them and a
//! golden holds them. A flag never changes a value. It qualifies how reliable the tick is.

use std::fmt;
use std::str::FromStr;

/// One thing that the normalizer noticed about a tick.
///
/// The order of the variants is the order of the words in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Flag {
    /// The first tick of the instrument after a (re)connect, login or subscription: the front's
    /// last snapshot, whatever its age (field guide 5.6).
    Snapshot,
    /// Exchange time and receive time are more than 120 s apart.
    Stale,
    /// Stamped before the first session of its trading day opens, while nothing has traded in that
    /// day yet. These are initialisation rows of the evening and quotes of the opening auction
    /// (field guide 5.5).
    Preopen,
    /// Stamped outside the sessions of its product, the opening auction and the close grace.
    OutOfSession,
    /// Every raw field equals the previous tick of the instrument, bit for bit.
    Duplicate,
    /// Older than what was seen of the instrument before: a night pushed again in the morning, or a
    /// tick out of order (field guide 5.4).
    Replayed,
    /// `ActionDay` is given and is not the calendar day that the algorithm of field guide 5.3
    /// computes.
    DateConflict,
    /// `turnover` is CTP's value: the multiplier is unknown, or it cannot be decided whether CTP
    /// has applied it.
    RawTurnover,
    /// The last tick before the start point of a primed replay. Set by the replay, never by the
    /// normalizer.
    Primed,
    /// The cumulative volume is below an earlier value of this trading day, and the tick is not older:
    /// the front or the recorder has lost it.
    VolumeFell,
}

impl Flag {
    /// Every flag, in payload order.
    pub const ALL: [Self; 10] = [
        Self::Snapshot,
        Self::Stale,
        Self::Preopen,
        Self::OutOfSession,
        Self::Duplicate,
        Self::Replayed,
        Self::DateConflict,
        Self::RawTurnover,
        Self::Primed,
        Self::VolumeFell,
    ];

    /// The word in payloads and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Stale => "stale",
            Self::Preopen => "preopen",
            Self::OutOfSession => "out_of_session",
            Self::Duplicate => "duplicate",
            Self::Replayed => "replayed",
            Self::DateConflict => "date_conflict",
            Self::RawTurnover => "raw_turnover",
            Self::Primed => "primed",
            Self::VolumeFell => "volume_fell",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word is not a flag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown flag {found:?}, expected one of snapshot, stale, preopen, out_of_session, duplicate, \
     replayed, date_conflict, raw_turnover, primed, volume_fell"
)]
pub struct UnknownFlag {
    /// What stood there.
    pub found: String,
}

impl FromStr for Flag {
    type Err = UnknownFlag;

    fn from_str(word: &str) -> Result<Self, UnknownFlag> {
        Self::ALL
            .into_iter()
            .find(|flag| flag.as_str() == word)
            .ok_or_else(|| UnknownFlag {
                found: word.to_owned(),
            })
    }
}

/// A set of [`Flag`]s. Iterates in payload order.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// No flag.
    pub const EMPTY: Self = Self(0);

    /// Whether there is no flag at all.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `flag` is in the set.
    #[inline]
    #[must_use]
    pub const fn contains(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// Adds `flag`.
    #[inline]
    pub const fn insert(&mut self, flag: Flag) {
        self.0 |= flag.bit();
    }

    /// Adds `flag` when `condition` holds.
    #[inline]
    pub const fn set_if(&mut self, condition: bool, flag: Flag) {
        if condition {
            self.insert(flag);
        }
    }

    /// Whether the sets share a flag: a tick is dropped if its flags intersect those to drop.
    #[inline]
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The flags of the set, in payload order.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL
            .into_iter()
            .filter(move |flag| self.contains(*flag))
    }

    /// The set as a number below 1024, a key for caches.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for Flags {
    /// The words with commas between them, as [`FromStr`] reads them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, flag) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            f.write_str(flag.as_str())?;
        }
        Ok(())
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut set = Self::EMPTY;
        for flag in flags {
            set.insert(flag);
        }
        set
    }
}

impl FromStr for Flags {
    type Err = UnknownFlag;

    /// Reads words with commas between them; blanks around a word and empty words are ignored.
    fn from_str(words: &str) -> Result<Self, UnknownFlag> {
        words
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(Flag::from_str)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_and_their_order_are_the_contract() {
        let words: Vec<_> = Flag::ALL.iter().map(|flag| flag.as_str()).collect();
        assert_eq!(
            words,
            [
                "snapshot",
                "stale",
                "preopen",
                "out_of_session",
                "duplicate",
                "replayed",
                "date_conflict",
                "raw_turnover",
                "primed",
                "volume_fell"
            ]
        );
        let all: Flags = Flag::ALL.into_iter().rev().collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), Flag::ALL);
    }

    #[test]
    fn a_drop_list_reads_back_and_intersects() {
        let drop: Flags = "duplicate, stale,".parse().unwrap();
        assert_eq!(drop.to_string(), "stale,duplicate");
        let tick: Flags = [Flag::Stale, Flag::Snapshot].into_iter().collect();
        assert!(tick.intersects(drop));
        assert!(!tick.intersects("replayed".parse().unwrap()));
        assert!(!Flags::EMPTY.intersects(drop));
        assert_eq!("".parse(), Ok(Flags::EMPTY));
    }

    #[test]
    fn an_unknown_word_names_itself_and_every_choice() {
        let error = "stale,Duplicate".parse::<Flags>().unwrap_err();
        let message = error.to_string();
        assert!(message.contains("\"Duplicate\""), "{message}");
        for flag in Flag::ALL {
            assert!(message.contains(flag.as_str()), "{message}");
        }
    }
}
