//! Rows of a CSV file.

use std::io::{self, Read};
use std::ops::Range;

use csv::ByteRecord;

use crate::import::plan::Plan;
use crate::import::row::{ReadRows, Row};
use crate::import::row_error::RowError;
use crate::import::spool::{Slice, SliceReader};

/// What may stand between the cells of a row, the usual one first.
const SEPARATORS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// The separator of a file with that first line: the one that it has most of, outside quotes.
pub(crate) fn separator_of(first_line: &[u8]) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut quoted = false;
    for byte in first_line {
        quoted ^= *byte == b'"';
        let separator = SEPARATORS.iter().position(|separator| separator == byte);
        if let Some(count) = separator
            .filter(|_| !quoted)
            .and_then(|at| counts.get_mut(at))
        {
            *count += 1;
        }
    }
    let mut best = (SEPARATORS[0], 0);
    for (separator, count) in SEPARATORS.into_iter().zip(counts) {
        if count > best.1 {
            best = (separator, count);
        }
    }
    best.0
}

/// Makes a CSV reader that leaves every judgement on rows to [`Plan`].
pub(crate) fn csv_reader<R: Read>(from: R, separator: u8, buffer: usize) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .buffer_capacity(buffer)
        .from_reader(from)
}

/// Longest row in bytes: a file without ends of lines, or with a lone quote, is one row.
pub(crate) const ROW_MAX: usize = 1 << 20;

/// Ends with an error after some more bytes.
struct Bounded<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !buffer.is_empty() {
            return Err(too_long());
        }
        let most = buffer.len().min(self.left);
        let read = self
            .inner
            .read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read;
        Ok(read)
    }
}

/// The error about a row that does not end.
pub(crate) fn too_long() -> io::Error {
    let problem = format!("a row of more than {ROW_MAX} bytes");
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Reads the rows of a CSV file.
pub(crate) struct CsvRows {
    reader: csv::Reader<Bounded<SliceReader>>,
    record: ByteRecord,
    plan: Plan,
    /// Records still to be passed over: the header.
    skip: Range<u8>,
}

impl CsvRows {
    pub(crate) fn new(slice: &Slice, plan: Plan, separator: u8, buffer: usize) -> Self {
        let bounded = Bounded {
            inner: slice.reader(),
            left: ROW_MAX,
        };
        Self {
            reader: csv_reader(bounded, separator, buffer),
            record: ByteRecord::new(),
            skip: 0..u8::from(plan.has_header()),
            plan,
        }
    }
}

impl ReadRows for CsvRows {
    fn next_row(&mut self, row: &mut Row) -> Result<bool, RowError> {
        loop {
            // What is in the buffer already comes on top.
            self.reader.get_mut().left = ROW_MAX;
            let more = self.reader.read_byte_record(&mut self.record);
            if !more.map_err(io::Error::from)? {
                return Ok(false);
            }
            if self.skip.next().is_none() {
                break;
            }
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        row.reset(line);
        self.plan
            .read(&self.record, row)
            .map_err(|problem| RowError::Bad(line, problem))?;
        Ok(true)
    }

    fn bytes_read(&self) -> u64 {
        self.reader.position().byte()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_what_the_header_has_most() {
        assert_eq!(separator_of(b"a,b,c"), b',');
        assert_eq!(separator_of(b"a\tb\tc,d"), b'\t');
        assert_eq!(separator_of(b"a;b;c"), b';');
        assert_eq!(separator_of(b"\"a;b\",\"c;d;e\""), b',');
        assert_eq!(separator_of(b"price"), b',');
    }
}
