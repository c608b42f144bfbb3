//! Passes over a structure of Thrift's compact protocol, in which Parquet has its footer and the headers
//! of its pages.
//!
//! The Parquet library reads no byte for a boolean in a list that it does not know. Ten bytes may
//! therefore claim two billion of them, and a few kB keep the library busy for hours. Footers and headers of
//! pages have no such lists, so that they can be refused.
//!
//! The library takes a field that it knows for what that should be, whatever type is written there. A list
//! could then be where only the library looks for one. So a structure must be one that both read in the
//! same way; any other is refused.

use parquet::errors::ParquetError;

/// Types of values.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
pub(super) const BYTE: u8 = 3;
pub(super) const I16: u8 = 4;
pub(super) const I32: u8 = 5;
pub(super) const I64: u8 = 6;
pub(super) const DOUBLE: u8 = 7;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(super) const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// How deep a field that the library does not know may be nested. The library has this limit too.
const MOST_LEVELS: u8 = 64;

/// What the library takes a field for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Boolean,
    /// A number, or a text.
    Value(u8),
    Values(u8),
    Structure(Known),
    Structures(Known),
}

/// The fields of a structure that the library knows, by number.
pub(super) type Known = &'static [(i16, Field)];

/// Why a structure was not passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has a list or a map of booleans.
    Booleans,
    /// It ends behind the bytes that are there.
    EndsEarly,
    /// It is too deep, is not one, or has a known field of another type.
    Unreadable,
    /// It has a schema that the library does not survive.
    Schema,
}

impl Refused {
    /// The error for what has the structure: "the footer", "the header of a page".
    pub(super) fn error(self, place: &str) -> ParquetError {
        let problem = match self {
            Self::Booleans => "has a list of booleans, which no Parquet file has there",
            Self::EndsEarly => "ends early",
            Self::Unreadable => "cannot be read",
            Self::Schema => "has a schema that is too deep, or states more fields than it has",
        };
        ParquetError::General(format!("{place} {problem}"))
    }
}

type Result<T> = std::result::Result<T, Refused>;

/// A structure, from where it is read on.
pub(super) struct Compact<'a>(&'a [u8]);

impl<'a> Compact<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.0.split_first().ok_or(Refused::EndsEarly)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn pass(&mut self, count: u64) -> Result<()> {
        let count = usize::try_from(count).ok();
        let rest = count.and_then(|count| self.0.get(count..));
        self.0 = rest.ok_or(Refused::EndsEarly)?;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Refused::Unreadable)
    }

    pub(super) fn signed(&mut self) -> Result<i64> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Number and type of the next field of a structure; `None` at its end.
    pub(super) fn field(&mut self, last: i16) -> Result<Option<(i16, u8)>> {
        let byte = self.byte()?;
        if byte & 0x0f == 0 {
            return Ok(None);
        }
        // The library's numbers of fields have 16 bits. It cuts off what is longer.
        let id = match i16::from(byte >> 4) {
            0 => i16::try_from(self.signed()?).ok(),
            step => last.checked_add(step),
        };
        Ok(Some((id.ok_or(Refused::Unreadable)?, byte & 0x0f)))
    }

    /// Passes over a structure.
    pub(super) fn structure(&mut self, known: Known) -> Result<()> {
        let mut last = 0;
        while let Some((id, kind)) = self.field(last)? {
            last = id;
            self.value(known, id, kind)?;
        }
        Ok(())
    }

    /// Passes over the value of that field of a structure.
    pub(super) fn value(&mut self, known: Known, id: i16, kind: u8) -> Result<()> {
        let Some((_, field)) = known.iter().find(|(number, _)| *number == id) else {
            return self.skip(kind, MOST_LEVELS);
        };
        match (*field, kind) {
            (Field::Boolean, TRUE | FALSE) => Ok(()),
            (Field::Value(expected), _) if kind == expected => self.skip(kind, 1),
            (Field::Structure(known), STRUCT) => self.structure(known),
            (Field::Values(expected), LIST) => match self.list()? {
                (count, item) if item == expected => self.skip_items(count, &[item], 1),
                _ => Err(Refused::Unreadable),
            },
            (Field::Structures(known), LIST) => match self.list()? {
                (count, STRUCT) => (0..count).try_for_each(|_| self.structure(known)),
                _ => Err(Refused::Unreadable),
            },
            _ => Err(Refused::Unreadable),
        }
    }

    /// Number and type of the items of a list.
    pub(super) fn list(&mut self) -> Result<(u64, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.unsigned()?,
            count => count.into(),
        };
        Ok((count, head & 0x0f))
    }

    /// Passes over the value of a field. What is nested deeper than `levels` is unreadable.
    fn skip(&mut self, kind: u8, levels: u8) -> Result<()> {
        let levels = levels.checked_sub(1).ok_or(Refused::Unreadable)?;
        match kind {
            // The value of a field is its type.
            TRUE | FALSE => Ok(()),
            BYTE => self.pass(1),
            I16 | I32 | I64 => self.unsigned().map(drop),
            DOUBLE => self.pass(8),
            UUID => self.pass(16),
            BINARY => self.unsigned().and_then(|length| self.pass(length)),
            LIST | SET => {
                let (count, item) = self.list()?;
                self.skip_items(count, &[item], levels)
            }
            MAP => match self.unsigned()? {
                0 => Ok(()),
                count => {
                    let kinds = self.byte()?;
                    self.skip_items(count, &[kinds >> 4, kinds & 0x0f], levels)
                }
            },
            STRUCT => {
                while let Some((_, kind)) = self.field(0)? {
                    self.skip(kind, levels)?;
                }
                Ok(())
            }
            _ => Err(Refused::Unreadable),
        }
    }

    /// The items of a list, or the pairs of a map. Each has at least one byte, or the list ends early.
    fn skip_items(&mut self, count: u64, kinds: &[u8], levels: u8) -> Result<()> {
        if count > 0 && kinds.iter().any(|kind| matches!(*kind, TRUE | FALSE)) {
            return Err(Refused::Booleans);
        }
        for _ in 0..count {
            for kind in kinds {
                self.skip(*kind, levels)?;
            }
        }
        Ok(())
    }
}
