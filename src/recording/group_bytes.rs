//! The bytes of a row group, or of those pages of it that are wanted: read once, decoded column by column
//! from memory.

use std::ops::Range;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::page_size::PageReader;

/// The bytes of one row group, with their position in the file.
#[derive(Debug, Clone)]
pub(super) struct GroupBytes {
    /// Without overlaps, ascending.
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
        let mut parts: Vec<Part> = parts.into_iter().map(part).collect();
        parts.sort_by_key(|part| part.start);
        Self { parts, file_bytes }
    }

    /// These parts and those.
    pub(super) fn with(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.parts.sort_by_key(|part| part.start);
        self
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
