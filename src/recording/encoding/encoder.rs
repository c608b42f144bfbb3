//! One column after the other becomes a chunk.

use parquet::basic::{Encoding, ZstdLevel};
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

use super::dictionary::{KeyPages, Keys};
use super::hybrid::HybridWriter;
use super::numbers::{Number, Put};
use super::pages::{EncodedChunk, PageCompressor, PageEnd, Pages};

/// What is known of a column before its values.
pub(crate) struct Column<'a> {
    pub(crate) descr: &'a ColumnDescPtr,
    /// `RLE_DICTIONARY` or, for numbers, what suits them better.
    pub(crate) encoding: Encoding,
    /// All rows.
    pub(crate) rows: u32,
    /// Rows without a value. They are the first ones.
    pub(crate) nulls: u32,
}

/// Encodes columns. It keeps its buffers from column to column.
pub(crate) struct Encoder {
    compressor: PageCompressor,
    keys: Keys,
    /// The dictionary page.
    dictionary: Vec<u8>,
    /// The data pages.
    data: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<PageEnd>,
}

/// Most data pages of a chunk. An instrument is then in a part of a column, which can be read alone.
const MOST_PAGES: u32 = 8;
/// The same of the columns that take the most bytes: times, numbers that grow, and sums.
const MOST_PAGES_OF_LARGE: u32 = 16;
/// A page has at least so many rows, but for the last one.
const LEAST_ROWS: u32 = 1_024;
/// Bytes of keys in a page, about, before compression.
const KEYS_BYTES: usize = 4 << 10;

/// Most pages of numbers in this encoding. The choices are measured (docs/recording-format.md).
const fn most_pages(encoding: Encoding) -> u32 {
    match encoding {
        Encoding::DELTA_BINARY_PACKED | Encoding::PLAIN => MOST_PAGES_OF_LARGE,
        _ => MOST_PAGES,
    }
}

/// Rows of a page where a chunk has so many.
fn page_rows(rows: u32, pages: u32) -> u32 {
    rows.div_ceil(pages.max(1)).max(LEAST_ROWS)
}

/// Appends definition levels: rows without a value, then others.
fn put_levels(nulls: u32, others: u32, data: &mut Vec<u8>) {
    // The levels follow their length.
    let start = data.len();
    data.extend_from_slice(&[0; 4]);
    let mut levels = HybridWriter::new(1, data);
    levels.put(0, nulls as usize);
    levels.put(1, others as usize);
    levels.finish();
    let length = (data.len() - start - 4).to_le_bytes();
    data[start..start + 4].copy_from_slice(&length[..4]);
}

fn put_keys(keys: &mut KeyPages<'_>, count: usize, data: &mut Vec<u8>) {
    keys.put(u32::try_from(count).unwrap_or(u32::MAX), data);
}

impl Encoder {
    pub(crate) fn new(level: ZstdLevel) -> Result<Self> {
        Ok(Self {
            compressor: PageCompressor::new(level)?,
            keys: Keys::default(),
            dictionary: Vec::new(),
            data: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Encodes numbers: those of the rows that have one. `range` is the smallest and the largest of
    /// them, for columns by which files are searched.
    pub(crate) fn numbers<T: Number>(
        &mut self,
        column: &Column<'_>,
        rows: impl Iterator<Item = T>,
        range: Option<(T, T)>,
    ) -> Result<EncodedChunk> {
        self.dictionary.clear();
        let statistics = T::statistics(range, column.nulls.into());
        if column.encoding == Encoding::RLE_DICTIONARY {
            let distinct = self.keys.take_numbers(rows);
            T::put_plain(&distinct, &mut self.dictionary);
            return self.keyed(column, distinct.len(), statistics);
        }
        let values: Vec<T> = rows.collect();
        let put = match column.encoding {
            Encoding::PLAIN => Some(T::put_plain as Put<T>),
            Encoding::BYTE_STREAM_SPLIT => Some(T::put_split as _),
            Encoding::DELTA_BINARY_PACKED => T::PUT_DELTA,
            _ => None,
        };
        let put = put.ok_or_else(|| {
            let (name, encoding) = (column.descr.name(), column.encoding);
            ParquetError::General(format!("column {name} cannot be {encoding}"))
        })?;
        let mut values = &values[..];
        self.fill(
            column,
            page_rows(column.rows, most_pages(column.encoding)),
            |count, data| {
                let (taken, rest) = values.split_at(count.min(values.len()));
                values = rest;
                put(taken, data);
            },
        );
        self.chunk(column, None, statistics)
    }

    /// Encodes texts: `rows` has a key into `texts` for each row that has one. No text is there twice.
    pub(crate) fn texts<T: AsRef<[u8]>>(
        &mut self,
        column: &Column<'_>,
        rows: impl Iterator<Item = u32>,
        texts: &[T],
    ) -> Result<EncodedChunk> {
        self.dictionary.clear();
        let distinct = self.keys.take_texts(rows, texts.len());
        let distinct = distinct.iter().map(|key| texts[*key as usize].as_ref());
        for text in distinct.clone() {
            let length = u32::try_from(text.len());
            let length = length.map_err(|_| ParquetError::General("a text of 4 GB".into()))?;
            self.dictionary.extend_from_slice(&length.to_le_bytes());
            self.dictionary.extend_from_slice(text);
        }
        let owned = |text: &[u8]| ByteArray::from(text.to_vec());
        let statistics = ValueStatistics::new(
            distinct.clone().min().map(owned),
            distinct.clone().max().map(owned),
            None,
            Some(column.nulls.into()),
            false,
        );
        self.keyed(column, distinct.len(), statistics.into())
    }

    /// Makes the data pages, each of so many rows. `put` appends the values of the next rows that have
    /// one.
    fn fill(
        &mut self,
        column: &Column<'_>,
        page_rows: u32,
        mut put: impl FnMut(usize, &mut Vec<u8>),
    ) {
        self.data.clear();
        self.ends.clear();
        let mut first = 0;
        loop {
            let rows = page_rows.min(column.rows - first);
            let nulls = column.nulls.saturating_sub(first).min(rows);
            if column.descr.max_def_level() > 0 {
                put_levels(nulls, rows - nulls, &mut self.data);
            }
            put((rows - nulls) as usize, &mut self.data);
            let end = self.data.len();
            self.ends.push(PageEnd { end, rows });
            first += rows;
            if first >= column.rows {
                return;
            }
        }
    }

    /// The chunk whose dictionary is complete.
    fn keyed(
        &mut self,
        column: &Column<'_>,
        distinct: usize,
        statistics: Statistics,
    ) -> Result<EncodedChunk> {
        let keys = std::mem::take(&mut self.keys);
        let mut all = keys.pages();
        self.fill(column, column.rows, |count, data| {
            put_keys(&mut all, count, data);
        });
        // Few keys are one page.
        let pages = u32::try_from(self.data.len() / KEYS_BYTES).unwrap_or(MOST_PAGES);
        if pages > 1 {
            let mut all = keys.pages();
            let page_rows = page_rows(column.rows, pages.min(MOST_PAGES));
            self.fill(column, page_rows, |count, data| {
                put_keys(&mut all, count, data);
            });
        }
        self.keys = keys;
        self.chunk(column, u32::try_from(distinct).ok(), statistics)
    }

    fn chunk(
        &mut self,
        column: &Column<'_>,
        distinct: Option<u32>,
        statistics: Statistics,
    ) -> Result<EncodedChunk> {
        let pages = Pages {
            dictionary: distinct.map(|distinct| (&self.dictionary[..], distinct)),
            encoding: column.encoding,
            data: &self.data,
            ends: &self.ends,
            rows: column.rows,
            statistics,
        };
        self.compressor.chunk(column.descr, pages)
    }
}
