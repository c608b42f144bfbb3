//! Reads a file of a storage by position, for the Parquet library.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::{ReadFile, StorageError};

/// A file as the Parquet library wants it. The size is fixed when it is opened.
#[derive(Debug, Clone)]
pub(crate) struct ParquetFile {
    file: Arc<dyn ReadFile>,
    bytes: u64,
}

impl ParquetFile {
    pub(crate) fn new(file: Arc<dyn ReadFile>) -> std::result::Result<Self, StorageError> {
        let bytes = file.bytes()?;
        Ok(Self { file, bytes })
    }
}

impl Length for ParquetFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for ParquetFile {
    type T = FileReader;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(FileReader {
            file: self.clone(),
            position: start,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = vec![0; length];
        let read = self.file.read_at(&mut bytes, start);
        read.map_err(|error| ParquetError::External(Box::new(error.source)))?;
        Ok(bytes.into())
    }
}

/// Reads a file from a position to its end.
#[derive(Debug)]
pub(crate) struct FileReader {
    file: ParquetFile,
    position: u64,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.file.bytes.saturating_sub(self.position);
        let count = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let read = self.file.file.read_at(&mut buffer[..count], self.position);
        read.map_err(|error| error.source)?;
        self.position += count as u64;
        Ok(count)
    }
}
