//! A part of a file that was read.

use std::ops::Range;

use bytes::Bytes;

/// A part of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// Where it begins in the file.
    pub(super) start: u64,
    pub(super) bytes: Bytes,
}

impl Part {
    /// Where it ends in the file.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The bytes of a range of the file, if they are all here.
    pub(super) fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let offset = usize::try_from(range.start.checked_sub(self.start)?).ok()?;
        let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let end = offset
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len())?;
        Some(self.bytes.slice(offset..end))
    }
}
