//! One column after the other becomes a chunk.

use parquet::basic::{Encoding, ZstdLevel};
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

use super::dictionary::Keys;
use super::hybrid::HybridWriter;
use super::numbers::{Number, Put};
use super::pages::{EncodedChunk, PageCompressor, Pages};

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
    /// The data page.
    data: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(level: ZstdLevel) -> Result<Self> {
        Ok(Self {
            compressor: PageCompressor::new(level)?,
            keys: Keys::default(),
            dictionary: Vec::new(),
            data: Vec::new(),
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
        self.start(column);
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
        put(&values, &mut self.data);
        self.chunk(column, None, statistics)
    }

    /// Encodes texts: `rows` has a key into `texts` for each row that has one. No text is there twice.
    pub(crate) fn texts<T: AsRef<[u8]>>(
        &mut self,
        column: &Column<'_>,
        rows: impl Iterator<Item = u32>,
        texts: &[T],
    ) -> Result<EncodedChunk> {
        self.start(column);
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

    /// Clears the pages and begins the data page with definition levels, if rows may have no value.
    fn start(&mut self, column: &Column<'_>) {
        self.dictionary.clear();
        self.data.clear();
        if column.descr.max_def_level() == 0 {
            return;
        }
        // The levels follow their length.
        self.data.extend_from_slice(&[0; 4]);
        let mut levels = HybridWriter::new(1, &mut self.data);
        levels.put(0, column.nulls as usize);
        levels.put(1, (column.rows - column.nulls) as usize);
        levels.finish();
        let length = (self.data.len() - 4).to_le_bytes();
        self.data[..4].copy_from_slice(&length[..4]);
    }

    /// The chunk whose dictionary is complete.
    fn keyed(
        &mut self,
        column: &Column<'_>,
        distinct: usize,
        statistics: Statistics,
    ) -> Result<EncodedChunk> {
        self.keys.put(&mut self.data);
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
            rows: column.rows,
            statistics,
        };
        self.compressor.chunk(column.descr, pages)
    }
}
