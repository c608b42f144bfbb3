//! Passes over a structure of Thrift's compact protocol, in which Parquet has its footer and the headers
//! of its pages.
//!
//! The Parquet library reads no byte for a boolean in a list that it does not know. Ten bytes may
//! therefore claim two billion of them, and a few kB keep the library busy for hours. Footers and headers of
//! pages have no such lists, so that they can be refused.

/// Types of values.
pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(super) const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(super) const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Why a structure was not passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has a list or a map of booleans.
    Booleans,
    /// It ends behind the bytes that are there.
    EndsEarly,
    /// It is too deep, or is not one.
    Unreadable,
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
    pub(super) fn field(&mut self, last: i64) -> Result<Option<(i64, u8)>> {
        let byte = self.byte()?;
        if byte & 0x0f == 0 {
            return Ok(None);
        }
        let id = match i64::from(byte >> 4) {
            0 => self.signed()?,
            step => last.checked_add(step).ok_or(Refused::Unreadable)?,
        };
        Ok(Some((id, byte & 0x0f)))
    }

    /// Passes over the value of a field. What is nested deeper than `levels` is unreadable.
    pub(super) fn skip(&mut self, kind: u8, levels: u8) -> Result<()> {
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
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.unsigned()?,
                    count => count.into(),
                };
                self.skip_items(count, &[head & 0x0f], levels)
            }
            MAP => match self.unsigned()? {
                0 => Ok(()),
                count => {
                    let kinds = self.byte()?;
                    self.skip_items(count, &[kinds >> 4, kinds & 0x0f], levels)
                }
            },
            STRUCT => {
                let mut last = 0;
                while let Some((id, kind)) = self.field(last)? {
                    last = id;
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
