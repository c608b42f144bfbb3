//! The version of the recording format.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Version of the recording format: a reader refuses a newer major, ignores a newer minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormatVersion {
    /// Changes when old readers would misread.
    pub major: u32,
    /// Changes when something was added that old readers can ignore.
    pub minor: u32,
}

impl FormatVersion {
    /// The newest version that this tickdeck writes.
    pub const CURRENT: Self = Self::WITH_JOURNAL;

    /// Of segments and of recordings without a journal.
    pub const SEGMENTS: Self = Self { major: 1, minor: 0 };

    /// Of a recording that is being written: a reader of 1.0 misses what is in the journal alone.
    pub const WITH_JOURNAL: Self = Self { major: 1, minor: 1 };
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for FormatVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(major, minor)| {
                Some(Self {
                    major: major.parse().ok()?,
                    minor: minor.parse().ok()?,
                })
            })
            .ok_or_else(|| format!("format version {text:?} is not of the form MAJOR.MINOR"))
    }
}

impl Serialize for FormatVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FormatVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
