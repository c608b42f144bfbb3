//! The bytes of a row group, or of those pages of it that are wanted: read once, decoded column by column
//! from memory.

use std::cmp::Reverse;
use std::ops::Range;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::page_size::PageReader;

/// The bytes of one row group, with their position in the file.
#[derive(Debug, Clone)]
pub(super) struct GroupBytes {
    /// Ascending by where they begin and where they end: none is within another.
    parts: Vec<Part>,
    /// Size of the whole file.
    file_bytes: u64,
}

#[derive(Debug, Clone)]
struct Part {
    /// Where it begins in the file.
    start: u64,
    bytes: Bytes,
}

impl Length for GroupBytes {
    fn len(&self) -> u64 {
        self.file_bytes
    }
}

impl GroupBytes {
    /// Consecutive bytes that begin at `start`, of a file of that size.
    pub(super) fn whole(start: u64, bytes: Bytes, file_bytes: u64) -> Self {
        Self {
            parts: vec![Part { start, bytes }],
            file_bytes,
        }
    }

    /// Parts, each with where it begins.
    pub(super) fn parts(parts: impl IntoIterator<Item = (u64, Bytes)>, file_bytes: u64) -> Self {
        let part = |(start, bytes)| Part { start, bytes };
        let parts = parts.into_iter().map(part).collect();
        Self::of(parts, file_bytes)
    }

    fn of(mut parts: Vec<Part>, file_bytes: u64) -> Self {
        parts.sort_by_key(|part| (part.start, Reverse(part.bytes.len())));
        // What is read on its own may have been read again with what surrounds it.
        let mut end = 0;
        parts.retain(|part| {
            let part_end = part.start.saturating_add(part.bytes.len() as u64);
            let is_new = part_end > end;
            end = end.max(part_end);
            is_new
        });
        Self { parts, file_bytes }
    }

    /// These parts and those.
    pub(super) fn with(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        Self::of(self.parts, self.file_bytes)
    }

    /// The bytes of a range of the file.
    ///
    /// # Errors
    /// When it is not within one part.
    pub(super) fn slice(&self, range: &Range<u64>) -> Result<Bytes> {
        let length = usize::try_from(range.end.saturating_sub(range.start));
        self.get_bytes(range.start, length.unwrap_or(usize::MAX))
    }

    /// The bytes from file position `start` on, to the end of their part.
    fn from(&self, start: u64) -> Result<Bytes> {
        let next = self.parts.partition_point(|part| part.start <= start);
        let part = next.checked_sub(1).and_then(|index| self.parts.get(index));
        part.and_then(|part| {
            let offset = usize::try_from(start - part.start).ok()?;
            (offset <= part.bytes.len()).then(|| part.bytes.slice(offset..))
        })
        .ok_or_else(|| outside(start))
    }
}

impl ChunkReader for GroupBytes {
    type T = PageReader;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.from(start).map(PageReader::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(outside(start));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn outside(start: u64) -> ParquetError {
    ParquetError::EOF(format!("a page at {start} is outside its row group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_within_another_hides_nothing() {
        let bytes = Bytes::from_iter(0..100);
        let part = |range: Range<usize>| (range.start as u64, bytes.slice(range));
        let alone = GroupBytes::parts([part(40..50), part(0..10)], 100);
        for around in [30..60, 40..60, 30..50, 45..60, 35..45] {
            let both = GroupBytes::parts([part(around.clone())], 100).with(alone.clone());
            let last = around.end - 1..around.end;
            for wanted in [around, 40..50, 0..10, last] {
                let found = both.slice(&(wanted.start as u64..wanted.end as u64));
                assert_eq!(found.unwrap(), bytes.slice(wanted));
            }
            assert!(both.slice(&(10..20)).is_err());
        }
    }
}
