//! The pages of a column chunk, compressed, and what the footer says about the chunk.

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, EncodingMask, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

/// A column chunk that can be appended to a row group.
#[derive(Debug)]
pub(crate) struct EncodedChunk {
    bytes: Bytes,
    close: ColumnCloseResult,
}

impl EncodedChunk {
    /// What a writer of the library left in `bytes`.
    pub(crate) fn new(bytes: Vec<u8>, close: ColumnCloseResult) -> Self {
        let bytes = bytes.into();
        Self { bytes, close }
    }

    /// Appends it to a row group. Its column must be the next one.
    pub(crate) fn append_to<W: std::io::Write + Send>(
        self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        group.append_column(&self.bytes, self.close)
    }
}

/// The end of a data page.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageEnd {
    /// In the bytes of all pages.
    pub(super) end: usize,
    pub(super) rows: u32,
}

/// The pages of a chunk before compression.
pub(super) struct Pages<'a> {
    /// Plain values, and how many there are.
    pub(super) dictionary: Option<(&'a [u8], u32)>,
    pub(super) encoding: Encoding,
    /// For each page definition levels, if the column may have nulls, and values.
    pub(super) data: &'a [u8],
    /// Where the pages end in `data`.
    pub(super) ends: &'a [PageEnd],
    pub(super) rows: u32,
    pub(super) statistics: Statistics,
}

/// Compresses pages. Its context is kept from page to page.
pub(super) struct PageCompressor {
    level: ZstdLevel,
    zstd: Compressor<'static>,
    buffer: Vec<u8>,
}

impl PageCompressor {
    pub(super) fn new(level: ZstdLevel) -> Result<Self> {
        Ok(Self {
            level,
            zstd: Compressor::new(level.compression_level())?,
            buffer: Vec::new(),
        })
    }

    fn compress(&mut self, page: &[u8]) -> Result<Bytes> {
        self.buffer.clear();
        self.buffer
            .reserve(zstd::zstd_safe::compress_bound(page.len()));
        self.zstd.compress_to_buffer(page, &mut self.buffer)?;
        Ok(Bytes::copy_from_slice(&self.buffer))
    }

    /// Makes the chunk of `column`.
    pub(super) fn chunk(
        &mut self,
        column: &ColumnDescPtr,
        pages: Pages<'_>,
    ) -> Result<EncodedChunk> {
        let mut written = Written::default();
        if let Some((values, num_values)) = pages.dictionary {
            let page = Page::DictionaryPage {
                buf: self.compress(values)?,
                num_values,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            written.add(page, values.len())?;
        }
        let data_offset = written.sink.bytes_written();
        let (mut start, mut first_row) = (0, 0);
        for PageEnd { end, rows } in pages.ends {
            let data = &pages.data[start..*end];
            let page = Page::DataPage {
                buf: self.compress(data)?,
                num_values: *rows,
                encoding: pages.encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            };
            let offset = written.sink.bytes_written();
            written.add(page, data.len())?;
            written.locations.push(PageLocation {
                offset: signed(offset),
                compressed_page_size: i32::try_from(written.sink.bytes_written() - offset)
                    .unwrap_or(i32::MAX),
                first_row_index: first_row,
            });
            start = *end;
            first_row += i64::from(*rows);
        }
        written.finish(column, Compression::ZSTD(self.level), data_offset, pages)
    }
}

/// Pages with their headers.
struct Written {
    sink: TrackedWrite<Vec<u8>>,
    uncompressed: usize,
    encodings: Vec<PageEncodingStats>,
    /// Of the data pages.
    locations: Vec<PageLocation>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            sink: TrackedWrite::new(Vec::new()),
            uncompressed: 0,
            encodings: Vec::new(),
            locations: Vec::new(),
        }
    }
}

impl Written {
    fn add(&mut self, page: Page, uncompressed: usize) -> Result<()> {
        let (page_type, encoding) = (page.page_type(), page.encoding());
        match self.encodings.last_mut() {
            Some(last) if (last.page_type, last.encoding) == (page_type, encoding) => {
                last.count += 1;
            }
            _ => self.encodings.push(PageEncodingStats {
                page_type,
                encoding,
                count: 1,
            }),
        }
        let page = CompressedPage::new(page, uncompressed);
        let spec = SerializedPageWriter::new(&mut self.sink).write_page(page)?;
        self.uncompressed += spec.uncompressed_size;
        Ok(())
    }

    fn finish(
        self,
        column: &ColumnDescPtr,
        compression: Compression,
        data_offset: usize,
        pages: Pages<'_>,
    ) -> Result<EncodedChunk> {
        let bytes = self.sink.into_inner()?;
        // Levels are always in this encoding.
        let encodings = self.encodings.iter().map(|page| &page.encoding);
        let encodings = EncodingMask::new_from_encodings(encodings.chain([&Encoding::RLE]));
        let metadata = ColumnChunkMetaData::builder(column.clone())
            .set_compression(compression)
            .set_encodings_mask(encodings)
            .set_page_encoding_stats(self.encodings)
            .set_total_compressed_size(signed(bytes.len()))
            .set_total_uncompressed_size(signed(self.uncompressed))
            .set_num_values(pages.rows.into())
            .set_data_page_offset(signed(data_offset))
            .set_dictionary_page_offset(pages.dictionary.map(|_| 0))
            .set_statistics(pages.statistics)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: pages.rows.into(),
            metadata,
            bloom_filter: None,
            column_index: None,
            // Where there is one page, the footer says where it is.
            offset_index: (self.locations.len() > 1).then_some(OffsetIndexMetaData {
                page_locations: self.locations,
                unencoded_byte_array_data_bytes: None,
            }),
        };
        Ok(EncodedChunk::new(bytes, close))
    }
}

/// A size as the footer has it.
fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
