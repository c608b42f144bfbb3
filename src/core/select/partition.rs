//! One of several parts of all instruments, for processes that share the work.
//!
//! An instrument belongs to one part, by a hash of its id: CRC-32 (IEEE 802.3, as in zip) modulo the
//! number of parts. The rule is fixed, so that parts which are made by different versions fit together.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// More parts than instruments would be of no effect.
const MOST: u32 = 1024;

/// Part `K/N` of all instruments.
///
/// ```
/// use tickdeck_core::select::Partition;
///
/// let parts = ["1/2", "2/2"].map(|text| text.parse::<Partition>().unwrap());
/// assert_eq!(parts.iter().filter(|part| part.has(b"rb2601")).count(), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// From 0 on.
    index: u32,
    of: u32,
}

/// A text is not a [`Partition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected K/N with K from 1 to N and N at most {MOST}, such as 1/4")]
pub struct PartitionError;

impl Partition {
    /// Whether the instrument with this id, as the CTP field has it, belongs to the part.
    #[must_use]
    pub fn has(self, instrument_id: &[u8]) -> bool {
        crc32fast::hash(instrument_id) % self.of == self.index
    }
}

impl FromStr for Partition {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Self, PartitionError> {
        let (number, of) = text.split_once('/').ok_or(PartitionError)?;
        let whole = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u32>().map_err(|_| PartitionError),
            false => Err(PartitionError),
        };
        let (number, of) = (whole(number)?, whole(of)?);
        match (1..=of).contains(&number) && of <= MOST {
            true => Ok(Self {
                index: number - 1,
                of,
            }),
            false => Err(PartitionError),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

impl Serialize for Partition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_an_instrument_is_fixed() {
        for (id, of_four) in [
            ("rb2601", 2),
            ("IF2601", 4),
            ("SPD RM601&RM605", 1),
            ("m2605-C-2800", 3),
            ("", 1),
        ] {
            let found = (1..=4).filter(|number| {
                let part: Partition = format!("{number}/4").parse().unwrap();
                part.has(id.as_bytes())
            });
            assert_eq!(found.collect::<Vec<_>>(), [of_four], "{id}");
        }
    }

    #[test]
    fn only_k_of_n_is_a_partition() {
        for text in ["1/1", "1/4", "4/4", "1024/1024"] {
            assert_eq!(text.parse::<Partition>().unwrap().to_string(), text);
        }
        for text in [
            "", "1", "0/4", "5/4", "1/0", "0/0", "-1/4", "+1/4", "1/1025", " 1/4", "1/4/2", "a/b",
        ] {
            assert_eq!(text.parse::<Partition>(), Err(PartitionError), "{text:?}");
        }
    }
}
