//! Where the pages of a column chunk are, from the offset index of a segment.
//!
//! A chunk of one page has none. The index is decoded here: the Parquet library trusts it.

use std::ops::Range;

use parquet::file::page_index::offset_index::PageLocation;

use super::thrift::{Compact, I32, I64, LIST, Refused, STRUCT};

/// `page_locations` of an offset index, and the fields of a location.
const LOCATIONS: i16 = 1;
const OFFSET: i16 = 1;
const SIZE: i16 = 2;
const FIRST_ROW: i16 = 3;

/// An offset index is not usable.
#[derive(Debug, thiserror::Error)]
#[error("its offset index cannot be used")]
pub(super) struct LocationsError;

/// The pages of one chunk of several pages.
#[derive(Debug, Clone)]
pub(super) struct PageLocations {
    pages: Vec<PageLocation>,
    /// The bytes of the chunk.
    chunk: Range<u64>,
    /// Rows of the row group.
    rows: usize,
}

impl PageLocations {
    /// Decodes an offset index of a chunk with these bytes and rows.
    pub(super) fn decode(
        index: &[u8],
        chunk: Range<u64>,
        rows: usize,
    ) -> Result<Self, LocationsError> {
        let pages = decode(&mut Compact::new(index)).map_err(|_| LocationsError)?;
        let decoded = Self { pages, chunk, rows };
        match decoded.is_sound() {
            true => Ok(decoded),
            false => Err(LocationsError),
        }
    }

    /// Whether the pages follow each other within the chunk, and each begins with a later row.
    fn is_sound(&self) -> bool {
        let first = self.pages.first();
        let is_first = first.is_some_and(|page| page.first_row_index == 0);
        let pairs = self.pages.windows(2);
        let ascend = pairs
            .filter_map(|pair| pair.first().zip(pair.get(1)))
            .all(|(a, b)| {
                a.first_row_index < b.first_row_index
                    && end_of(a).is_some_and(|end| end <= b.offset)
            });
        let last_row = self.pages.last().map(|page| page.first_row_index);
        let is_in_rows = last_row
            .and_then(|row| usize::try_from(row).ok())
            .is_some_and(|row| row < self.rows);
        let is_in_chunk = self.pages.iter().all(|page| {
            let start = u64::try_from(page.offset).ok();
            let end = end_of(page).and_then(|end| u64::try_from(end).ok());
            start.zip(end).is_some_and(|(start, end)| {
                start < end && self.chunk.start <= start && end <= self.chunk.end
            })
        });
        is_first && ascend && is_in_rows && is_in_chunk
    }

    /// For the page reader of the Parquet library.
    pub(super) fn to_vec(&self) -> Vec<PageLocation> {
        self.pages.clone()
    }

    /// The bytes of the pages with rows of `wanted`, which ascend, and of the dictionary before them.
    pub(super) fn bytes_of(&self, wanted: &[Range<usize>]) -> Vec<Range<u64>> {
        let mut bytes = Vec::new();
        let first = self.pages.first().map_or(self.chunk.start, start_of);
        if self.chunk.start < first {
            bytes.push(self.chunk.start..first);
        }
        let starts = self.pages.iter().skip(1).map(first_row);
        let ends = starts.chain([self.rows]);
        for (page, end) in self.pages.iter().zip(ends) {
            let next = wanted.partition_point(|range| range.end <= first_row(page));
            if wanted.get(next).is_some_and(|range| range.start < end) {
                bytes.push(start_of(page)..end_of(page).map_or(0, unsigned));
            }
        }
        bytes
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn start_of(page: &PageLocation) -> u64 {
    unsigned(page.offset)
}

fn end_of(page: &PageLocation) -> Option<i64> {
    page.offset.checked_add(page.compressed_page_size.into())
}

fn first_row(page: &PageLocation) -> usize {
    usize::try_from(page.first_row_index).unwrap_or(usize::MAX)
}

fn decode(index: &mut Compact<'_>) -> Result<Vec<PageLocation>, Refused> {
    let (mut last, mut pages) = (0, Vec::new());
    while let Some((id, kind)) = index.field(last)? {
        last = id;
        if (id, kind) != (LOCATIONS, LIST) {
            index.value(&[], id, kind)?;
            continue;
        }
        let (count, STRUCT) = index.list()? else {
            return Err(Refused::Unreadable);
        };
        // Each takes some bytes, so that the list ends early where it is not there.
        for _ in 0..count {
            pages.push(location(index)?);
        }
    }
    Ok(pages)
}

fn location(index: &mut Compact<'_>) -> Result<PageLocation, Refused> {
    let mut page = PageLocation {
        offset: -1,
        compressed_page_size: 0,
        first_row_index: -1,
    };
    let mut last = 0;
    while let Some((id, kind)) = index.field(last)? {
        last = id;
        match (id, kind) {
            (OFFSET, I64) => page.offset = index.signed()?,
            (SIZE, I32) => {
                let size = i32::try_from(index.signed()?);
                page.compressed_page_size = size.map_err(|_| Refused::Unreadable)?;
            }
            (FIRST_ROW, I64) => page.first_row_index = index.signed()?,
            _ => index.value(&[], id, kind)?,
        }
    }
    Ok(page)
}
