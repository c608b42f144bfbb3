//! The bytes of a row group: read once, verified once, decoded column by column from memory.

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::page_size::PageReader;

/// The bytes of one row group, with their position in the file.
#[derive(Debug, Clone)]
pub(super) struct GroupBytes {
    /// Where it begins in the file.
    pub(super) start: u64,
    pub(super) bytes: Bytes,
    /// Size of the whole file.
    pub(super) file_bytes: u64,
}

impl Length for GroupBytes {
    fn len(&self) -> u64 {
        self.file_bytes
    }
}

impl GroupBytes {
    /// The bytes from file position `start` on. A position outside the row group is an error.
    fn from(&self, start: u64) -> Result<Bytes> {
        let offset = start.checked_sub(self.start);
        offset
            .and_then(|offset| usize::try_from(offset).ok())
            .filter(|offset| *offset <= self.bytes.len())
            .map(|offset| self.bytes.slice(offset..))
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
