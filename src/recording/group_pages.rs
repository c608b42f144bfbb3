//! Reads those pages of a row group that hold some of its rows.
//!
//! It pays on a server: an instrument is in a few of the rows, which are sorted by it. The BLAKE3 of the
//! row group cannot be compared then.

use std::ops::Range;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::bounds::MOST_GROUP_BYTES;
use super::group_bytes::GroupBytes;
use super::page_locations::PageLocations;
use super::page_size::check_page_header;
use super::storage::ReadFile;

/// Largest offset index of a row group in bytes. One of tickdeck has some 20 kB.
const MOST_INDEX_BYTES: u64 = 8 << 20;
/// Unneeded bytes between two pages that are read rather than asked for in two requests.
const MOST_GAP_BYTES: u64 = 2 << 10;

/// A row group of which pages are read.
pub(super) struct GroupPages<'a> {
    pub(super) file: &'a dyn ReadFile,
    pub(super) metadata: &'a RowGroupMetaData,
    pub(super) rows: usize,
}

/// Whether the footer says where the pages of a row group are.
pub(super) fn has_pages(metadata: &RowGroupMetaData) -> bool {
    metadata
        .columns()
        .iter()
        .any(|column| column.offset_index_range().is_some())
}

impl GroupPages<'_> {
    /// Where the pages of each column are; `None` for a chunk that is read whole.
    ///
    /// # Errors
    /// When the index is damaged, or cannot be read.
    pub(super) fn locations(&self) -> Result<Vec<Option<PageLocations>>> {
        let columns = self.metadata.columns();
        let indexes = columns.iter().map(ColumnChunkMetaData::offset_index_range);
        let indexes: Vec<Option<Range<u64>>> = indexes.collect();
        let known = || indexes.iter().flatten();
        let start = known().map(|index| index.start).min().unwrap_or(0);
        let end = known().map(|index| index.end).max().unwrap_or(0);
        if end.saturating_sub(start) > MOST_INDEX_BYTES {
            return Err(unusable());
        }
        let all = self.read(std::slice::from_ref(&(start..end)))?;
        let all = GroupBytes::parts(all, u64::MAX);
        let decode = |(column, index): (&ColumnChunkMetaData, &Option<Range<u64>>)| {
            let Some(index) = index else {
                return Ok(None);
            };
            let bytes = all.slice(index)?;
            let chunk = chunk_range(column)?;
            let decoded = PageLocations::decode(&bytes, chunk, self.rows);
            decoded
                .map(Some)
                .map_err(|error| ParquetError::General(error.to_string()))
        };
        columns.iter().zip(&indexes).map(decode).collect()
    }

    /// The bytes of these columns.
    ///
    /// # Errors
    /// When they are larger than a row group may be, or cannot be read.
    pub(super) fn columns(&self, columns: &[usize]) -> Result<GroupBytes> {
        let chunk = |column: &usize| chunk_range(self.metadata.column(*column));
        self.checked(columns.iter().map(chunk).collect::<Result<_>>()?)
    }

    /// The bytes of the pages of the other columns with rows of `wanted`.
    ///
    /// # Errors
    /// As [`columns`](Self::columns).
    pub(super) fn pages(
        &self,
        locations: &[Option<PageLocations>],
        but: &[usize],
        wanted: &[Range<usize>],
    ) -> Result<GroupBytes> {
        let mut ranges = Vec::new();
        for (index, column) in self.metadata.columns().iter().enumerate() {
            match locations.get(index).and_then(Option::as_ref) {
                _ if but.contains(&index) => {}
                Some(pages) => ranges.extend(pages.bytes_of(wanted)),
                None => ranges.push(chunk_range(column)?),
            }
        }
        self.checked(ranges)
    }

    fn checked(&self, mut ranges: Vec<Range<u64>>) -> Result<GroupBytes> {
        ranges.sort_by_key(|range| range.start);
        let bytes = ranges
            .iter()
            .map(|range| range.end.saturating_sub(range.start));
        if bytes.fold(0, u64::saturating_add) >= MOST_GROUP_BYTES as u64 {
            return Err(unusable());
        }
        let read = GroupBytes::parts(self.read(&joined(&ranges))?, u64::MAX);
        // The library does not check the header of a page that it gets by its place.
        for range in &ranges {
            check_page_header(&read.slice(range)?)?;
        }
        Ok(read)
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<(u64, Bytes)>> {
        let read = self.file.read_ranges(ranges);
        let read = read.map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(ranges.iter().map(|range| range.start).zip(read).collect())
    }
}

fn unusable() -> ParquetError {
    ParquetError::General("its pages are not where a row group has them".to_owned())
}

/// The bytes of a column chunk.
fn chunk_range(column: &ColumnChunkMetaData) -> Result<Range<u64>> {
    let first = column.dictionary_page_offset();
    let start = u64::try_from(first.unwrap_or_else(|| column.data_page_offset())).ok();
    let bytes = u64::try_from(column.compressed_size()).ok();
    let range = start
        .zip(bytes)
        .and_then(|(start, bytes)| Some(start..start.checked_add(bytes)?));
    range.ok_or_else(unusable)
}

/// Ascending ranges as fewer ones, where little is between them.
fn joined(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(MOST_GAP_BYTES) => {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range.clone()),
        }
    }
    joined
}
