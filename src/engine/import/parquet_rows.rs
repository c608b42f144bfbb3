//! Rows of a Parquet file: each cell as the text that a CSV dump would have, so that one mapping of
//! columns serves both.
//!
//! A batch of rows is decoded column by column. Columns that the plan ignores are not read.

use std::fmt::Write as _;
use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use csv::ByteRecord;
use parquet::basic::{Compression, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};

use tickdeck_recording::{PAGE_HEADER_BYTES, check_footer, check_page_header};

use crate::import::error::ImportError;
use crate::import::parquet_form::{Form, form_of, print_int};
use crate::import::plan::Plan;
use crate::import::row::{ReadRows, Row};
use crate::import::row_error::RowError;
use crate::import::spool::{Slice, SliceReader};

/// What the file begins with.
pub(crate) const MAGIC: [u8; 4] = *b"PAR1";
/// The length of the footer, and the magic number.
const TAIL_BYTES: u64 = 8;
/// The header of a page with the longest statistics is shorter.
const MOST_HEADER_BYTES: usize = 16 << 20;
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 1024;
/// Columns that only a segment of a recording has.
const SEGMENT_COLUMNS: [&str; 4] = ["seq", "recv_ts", "kind", "detail"];

impl Length for Slice {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Slice {
    type T = PageReader;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let rest = self.skip(start);
        Ok(PageReader {
            reader: BufReader::new(rest.reader()),
            // It reads the end of the file in this way too.
            unchecked: (rest.len > TAIL_BYTES).then_some(rest),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let mut bytes = vec![0; length];
        let read = self.skip(start).reader().read_exact(&mut bytes);
        read.map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(bytes.into())
    }
}

/// The bytes of a file from the header of a page on. It is checked when the library begins to read it: the
/// library also asks for the content of a page in this way, and reads nothing then.
pub(crate) struct PageReader {
    reader: BufReader<SliceReader>,
    unchecked: Option<Slice>,
}

impl Read for PageReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(header) = self.unchecked.take() {
            check_header(&header)?;
        }
        self.reader.read(buffer)
    }
}

/// Checks the header of a page, with as many of its bytes as that takes.
fn check_header(header: &Slice) -> io::Result<()> {
    let mut length = PAGE_HEADER_BYTES;
    loop {
        let bytes = header.head(length)?;
        let is_all = bytes.len() < length;
        // One that ends with the file is an error of the library.
        if check_page_header(&bytes).map_err(io::Error::other)? || is_all {
            return Ok(());
        }
        if length > MOST_HEADER_BYTES {
            let problem = format!("the header of a page has more than {MOST_HEADER_BYTES} bytes");
            return Err(io::Error::other(problem));
        }
        length *= 4;
    }
}

/// An opened Parquet file.
#[derive(Clone)]
pub(crate) struct ParquetTable {
    input: Arc<str>,
    file: Arc<SerializedFileReader<Slice>>,
    names: Arc<[String]>,
    bytes: u64,
}

impl ParquetTable {
    pub(crate) fn open(input: &str, slice: &Slice) -> Result<Self, ImportError> {
        let opened = caught(|| {
            check_footer(slice)?;
            SerializedFileReader::new(slice.clone())
        });
        let file = opened.map_err(|error| ImportError::Damaged {
            input: input.to_owned(),
            problem: format!("incomplete Parquet file: {error}; download or write it again"),
        })?;
        if let Some(codec) = unread_codec(&file) {
            return Err(ImportError::Unreadable {
                input: input.to_owned(),
                format: codec,
                fix: "write it with snappy, gzip, lz4 or zstd",
            });
        }
        check_places(&file, slice.len).map_err(|problem| ImportError::Damaged {
            input: input.to_owned(),
            problem: format!("incomplete Parquet file: {problem}; download or write it again"),
        })?;
        let schema = file.metadata().file_metadata().schema_descr();
        let names: Vec<String> = schema.columns().iter().map(|c| c.path().string()).collect();
        if SEGMENT_COLUMNS
            .iter()
            .all(|own| names.iter().any(|name| name == own))
        {
            return Err(ImportError::Unreadable {
                input: input.to_owned(),
                format: "a segment of a tickdeck recording",
                fix: "replay, slice, merge and export read it as it is",
            });
        }
        Ok(Self {
            input: input.into(),
            names: names.into(),
            file: Arc::new(file),
            bytes: slice.len,
        })
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

/// Runs a step of the library, which panics on some damaged pages.
fn caught<T>(step: impl FnOnce() -> ParquetResult<T>) -> ParquetResult<T> {
    // What the step leaves behind is not used: an error ends the import.
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        let problem = "a page is damaged or does not match its header";
        Err(ParquetError::General(problem.to_owned()))
    })
}

/// The compression of a column that is not read.
fn unread_codec(file: &SerializedFileReader<Slice>) -> Option<&'static str> {
    let groups = file.metadata().row_groups();
    let mut columns = groups.iter().flat_map(RowGroupMetaData::columns);
    columns.find_map(|column| match column.compression() {
        Compression::BROTLI(_) => Some("Parquet compressed with brotli"),
        Compression::LZO => Some("Parquet compressed with LZO"),
        _ => None,
    })
}

/// Checks that the columns lie inside the file. The library relies on it.
fn check_places(file: &SerializedFileReader<Slice>, bytes: u64) -> Result<(), String> {
    for (number, group) in file.metadata().row_groups().iter().enumerate() {
        for column in group.columns() {
            let first = column.dictionary_page_offset();
            let start = first.unwrap_or_else(|| column.data_page_offset());
            let places = [start, column.data_page_offset(), column.compressed_size()];
            let end = start.checked_add(column.compressed_size());
            let end = end.and_then(|end| u64::try_from(end).ok());
            if places.iter().any(|place| *place < 0) || end.is_none_or(|end| end > bytes) {
                let name = column.column_path().string();
                return Err(format!(
                    "column {name} of row group {number} is outside of it"
                ));
            }
        }
    }
    Ok(())
}

/// Decoded values of one column, without those that are null.
enum Values {
    Bool(Vec<bool>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

/// One column that is read.
struct Cells {
    /// Its place in the row.
    index: usize,
    form: Form,
    max_level: i16,
    reader: Option<ColumnReader>,
    levels: Vec<i16>,
    values: Values,
    /// The next value.
    next: usize,
}

/// Reads the rows of a Parquet file.
pub(crate) struct ParquetRows {
    table: ParquetTable,
    plan: Plan,
    cells: Vec<Cells>,
    record: ByteRecord,
    text: String,
    /// The next row group.
    group: usize,
    /// Rows of the current group that are not decoded.
    left: usize,
    /// Rows of the batch, and the next one of them.
    batch: usize,
    at: usize,
    number: u64,
    bytes: u64,
}

impl ParquetRows {
    /// # Errors
    /// When a column of the plan has a type that is not read.
    pub(crate) fn new(table: ParquetTable, plan: Plan) -> Result<Self, ImportError> {
        let schema = table.file.metadata().file_metadata().schema_descr();
        let mut cells = Vec::new();
        for (index, column) in schema.columns().iter().enumerate() {
            if plan.ignores(index) {
                continue;
            }
            let form = form_of(column);
            if let Form::Unsupported(kind) = form {
                let name = column.path().string();
                return Err(ImportError::UnreadableColumn {
                    input: table.input.to_string(),
                    name,
                    kind,
                });
            }
            cells.push(Cells {
                index,
                form,
                max_level: column.max_def_level(),
                reader: None,
                levels: Vec::new(),
                values: Values::of(column.physical_type()),
                next: 0,
            });
        }
        Ok(Self {
            table,
            plan,
            cells,
            record: ByteRecord::new(),
            text: String::new(),
            group: 0,
            left: 0,
            batch: 0,
            at: 0,
            number: 0,
            bytes: 0,
        })
    }

    /// Decodes the next batch; `false` at the end.
    fn decode(&mut self) -> ParquetResult<bool> {
        while self.left == 0 {
            let file = &self.table.file;
            if self.group == file.num_row_groups() {
                self.bytes = self.table.bytes;
                return Ok(false);
            }
            let group = file.get_row_group(self.group)?;
            let rows = group.metadata().num_rows();
            self.left = usize::try_from(rows)
                .map_err(|_| ParquetError::General(format!("a row group states {rows} rows")))?;
            let size = group.metadata().compressed_size();
            self.bytes += u64::try_from(size).unwrap_or(0);
            for cells in &mut self.cells {
                cells.reader = Some(group.get_column_reader(cells.index)?);
            }
            self.group += 1;
        }
        let rows = self.left.min(BATCH_ROWS);
        for cells in &mut self.cells {
            cells.decode(rows)?;
        }
        (self.batch, self.at) = (rows, 0);
        self.left -= rows;
        Ok(true)
    }

    /// Puts the next row into the record.
    fn print_row(&mut self) {
        self.record.clear();
        let mut cells = self.cells.iter_mut().peekable();
        for index in 0..self.table.names.len() {
            self.text.clear();
            match cells.next_if(|cells| cells.index == index) {
                Some(cells) => match cells.text(self.at, &mut self.text) {
                    Some(bytes) => self.record.push_field(bytes),
                    None => self.record.push_field(self.text.as_bytes()),
                },
                None => self.record.push_field(b""),
            }
        }
        self.at += 1;
    }
}

impl ReadRows for ParquetRows {
    fn next_row(&mut self, row: &mut Row) -> Result<bool, RowError> {
        if self.at == self.batch && !caught(|| self.decode()).map_err(io::Error::other)? {
            return Ok(false);
        }
        self.print_row();
        self.number += 1;
        row.reset(self.number);
        self.plan
            .read(&self.record, row)
            .map_err(|problem| RowError::Bad(self.number, problem))?;
        Ok(true)
    }

    fn bytes_read(&self) -> u64 {
        self.bytes.min(self.table.bytes)
    }
}

impl Values {
    fn of(kind: Type) -> Self {
        match kind {
            Type::BOOLEAN => Self::Bool(Vec::new()),
            Type::INT32 => Self::I32(Vec::new()),
            Type::FLOAT => Self::F32(Vec::new()),
            Type::DOUBLE => Self::F64(Vec::new()),
            Type::BYTE_ARRAY => Self::Bytes(Vec::new()),
            Type::FIXED_LEN_BYTE_ARRAY => Self::Fixed(Vec::new()),
            // An INT96 column is refused before it is read.
            Type::INT64 | Type::INT96 => Self::I64(Vec::new()),
        }
    }
}

/// Reads `rows` records of a column.
fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    levels: &mut Vec<i16>,
    values: &mut Vec<T::T>,
) -> ParquetResult<()> {
    values.clear();
    let mut done = 0;
    while done < rows {
        let (records, ..) = reader.read_records(rows - done, Some(levels), None, values)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!(
                "a column ends {} rows before its row group",
                rows - done
            )));
        }
        done += records;
    }
    Ok(())
}

impl Cells {
    fn decode(&mut self, rows: usize) -> ParquetResult<()> {
        self.levels.clear();
        self.next = 0;
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        let levels = &mut self.levels;
        match (reader, &mut self.values) {
            (ColumnReader::BoolColumnReader(r), Values::Bool(v)) => read(r, rows, levels, v),
            (ColumnReader::Int32ColumnReader(r), Values::I32(v)) => read(r, rows, levels, v),
            (ColumnReader::Int64ColumnReader(r), Values::I64(v)) => read(r, rows, levels, v),
            (ColumnReader::FloatColumnReader(r), Values::F32(v)) => read(r, rows, levels, v),
            (ColumnReader::DoubleColumnReader(r), Values::F64(v)) => read(r, rows, levels, v),
            (ColumnReader::ByteArrayColumnReader(r), Values::Bytes(v)) => read(r, rows, levels, v),
            (ColumnReader::FixedLenByteArrayColumnReader(r), Values::Fixed(v)) => {
                read(r, rows, levels, v)
            }
            _ => Err(ParquetError::General(
                "a row group has another type than the schema".to_owned(),
            )),
        }
    }

    /// The text of the cell in that row of the batch: the bytes of a text column, else `text`. A
    /// null is not text.
    fn text(&mut self, row: usize, text: &mut String) -> Option<&[u8]> {
        let is_null = self
            .levels
            .get(row)
            .is_some_and(|level| *level < self.max_level);
        if is_null {
            return None;
        }
        let at = self.next;
        self.next += 1;
        let form = self.form;
        let mut int = |value: i64| print_int(form, value, text);
        match &self.values {
            Values::I32(values) => int(i64::from(*values.get(at)?)),
            Values::I64(values) => int(*values.get(at)?),
            // Writing to a text does not fail. The shortest form reads back as the same number.
            Values::F32(values) => drop(write!(text, "{:?}", values.get(at)?)),
            Values::F64(values) => drop(write!(text, "{:?}", values.get(at)?)),
            Values::Bool(values) => drop(write!(text, "{}", values.get(at)?)),
            Values::Bytes(values) => return values.get(at).map(ByteArray::data),
            Values::Fixed(values) => return values.get(at).map(|value| value.data()),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::spool::Spool;

    /// The library passes over two billion booleans without reading a byte.
    #[test]
    fn a_page_header_is_checked_to_its_end_when_it_is_read() {
        let start = [0x15, 0, 0x15, 2, 0x15, 2, 0x2c, 0x5c];
        let text = [&[0x18, 0xa0, 0x9c, 0x01][..], &[7; 20_000]].concat();
        let list = [0xe9, 0xf2, 0xff, 0xff, 0xff, 0xff, 0x07];
        let bytes = [&start[..], &text, &list, &[0; 50]].concat();
        let slice = Spool::default().copy("a", &mut &bytes[..]).unwrap();
        let mut header = slice.get_read(0).unwrap();
        let error = header.read(&mut [0; 1]).unwrap_err();
        assert!(error.to_string().contains("list of booleans"), "{error}");
        // The same without the list, and content of a page that is not read.
        let whole = [&start[..], &text, &[0; 53]].concat();
        let slice = Spool::default().copy("b", &mut &whole[..]).unwrap();
        let mut read = Vec::new();
        slice.get_read(0).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, whole);
        assert!(slice.get_read(3).is_ok());
    }
}
