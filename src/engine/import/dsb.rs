//! Rows of WonderTrader's binary tick file: 20 bytes of header, then a zstd frame of packed
//! 402-byte records, little endian.

use std::io::{self, Read};

use tickdeck_ffi::{RawTick, Text};

use crate::import::error::ImportError;
use crate::import::number::clock_of_hhmmssmmm;
use crate::import::row::{ReadRows, Row};
use crate::import::row_error::{RowError, RowProblem};
use crate::import::spool::{Slice, SliceReader, Spool};

/// What the file begins with.
pub(crate) const MAGIC: [u8; 8] = *b"&^%$#@!\0";
/// Magic, `u16` type, `u16` version, `u64` compressed size: 20 bytes.
const HEADER_BYTES: u64 = 20;
/// WonderTrader's block type of compressed ticks.
const TYPE_TICKS: u16 = 24;
/// WonderTrader's block version with 402-byte records.
const VERSION: u16 = 2;
const RECORD_BYTES: usize = 402;

/// Decompresses the records after the header into the spool.
pub(crate) fn records(name: &str, file: &Slice, spool: &mut Spool) -> Result<Slice, ImportError> {
    let damaged = |problem: String| ImportError::Damaged {
        input: name.to_owned(),
        problem,
    };
    let head = file
        .head(20)
        .map_err(|error| ImportError::io(name, error))?;
    let Ok(head) = <[u8; 20]>::try_from(head) else {
        return Err(damaged(format!(
            "{} bytes, expected at least the {HEADER_BYTES} of a .dsb header",
            file.len
        )));
    };
    let [m0, m1, m2, m3, m4, m5, m6, m7, t0, t1, v0, v1, size @ ..] = head;
    if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
        return Err(damaged("no .dsb magic at its start".to_owned()));
    }
    let (kind, version) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([v0, v1]));
    if (kind, version) != (TYPE_TICKS, VERSION) {
        return Err(damaged(format!(
            ".dsb block of type {kind} version {version}, expected type {TYPE_TICKS} version \
             {VERSION} (compressed ticks)"
        )));
    }
    let size = u64::from_le_bytes(size);
    let body = file.skip(HEADER_BYTES);
    if body.len != size {
        return Err(damaged(format!(
            "{} bytes after the .dsb header, expected {size} as the header states",
            body.len
        )));
    }
    let mut decoder = zstd::stream::read::Decoder::new(body.reader())
        .map_err(|error| ImportError::io(name, error))?;
    spool.copy(name, &mut decoder)
}

/// Takes values off the front of a record. The record's length is checked, so nothing runs out.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((chunk, rest)) => {
                self.0 = rest;
                *chunk
            }
            None => [0; N],
        }
    }

    fn f64(&mut self) -> f64 {
        f64::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.take())
    }

    /// A count of the struct: CTP's is signed.
    fn count(&mut self, column: &str) -> Result<i32, RowProblem> {
        let value = self.u32();
        i32::try_from(value).map_err(|_| {
            RowProblem::value(column, value.to_string().as_bytes(), "a 32-bit integer")
        })
    }

    fn date(&mut self) -> Text<9> {
        // A u32 of eight digits fits; anything longer is refused as a date later on.
        let text = self.u32().to_string();
        Text::new(text.as_bytes()).unwrap_or_default()
    }

    /// The five levels that the CTP struct has, of WonderTrader's ten.
    fn five<T>(&mut self, mut value: impl FnMut(&mut Self) -> T) -> [T; 5] {
        let five = std::array::from_fn(|_| value(self));
        for _ in 0..5 {
            value(self);
        }
        five
    }
}

fn read_record(record: &[u8], row: &mut Row) -> Result<(), RowProblem> {
    let mut bytes = Bytes(record);
    let tick = &mut row.tick;
    let exchange = Text::<10>::from_array(bytes.take());
    tick.exchange_id = Text::new(exchange.as_bytes())
        .map_err(|_| RowProblem::value("exchg", exchange.as_bytes(), "at most 9 bytes of text"))?;
    let code = Text::<32>::from_array(bytes.take());
    tick.instrument_id = Text::new(code.as_bytes()).unwrap_or_default();
    tick.last_price = bytes.f64();
    tick.open_price = bytes.f64();
    tick.highest_price = bytes.f64();
    tick.lowest_price = bytes.f64();
    tick.settlement_price = bytes.f64();
    tick.upper_limit_price = bytes.f64();
    tick.lower_limit_price = bytes.f64();
    tick.volume = bytes.count("total_volume")?;
    let _volume_increase = bytes.u32();
    tick.turnover = bytes.f64();
    let _turnover_increase = bytes.f64();
    tick.open_interest = f64::from(bytes.u32());
    let _interest_increase = bytes.i32();
    tick.trading_day = bytes.date();
    tick.action_day = bytes.date();
    let time = bytes.u32();
    tick.pre_close_price = bytes.f64();
    tick.pre_settlement_price = bytes.f64();
    tick.pre_open_interest = f64::from(bytes.i32());
    read_book(&mut bytes, tick)?;
    let clock = clock_of_hhmmssmmm(time).ok_or_else(|| {
        RowProblem::value(
            "action_time",
            time.to_string().as_bytes(),
            "a time HHMMSSmmm",
        )
    })?;
    row.set_clock(clock);
    row.zero_is_missing = true;
    Ok(())
}

fn read_book(bytes: &mut Bytes<'_>, tick: &mut RawTick) -> Result<(), RowProblem> {
    [
        tick.bid_price1,
        tick.bid_price2,
        tick.bid_price3,
        tick.bid_price4,
        tick.bid_price5,
    ] = bytes.five(Bytes::f64);
    [
        tick.ask_price1,
        tick.ask_price2,
        tick.ask_price3,
        tick.ask_price4,
        tick.ask_price5,
    ] = bytes.five(Bytes::f64);
    let [b1, b2, b3, b4, b5] = bytes.five(|bytes| bytes.count("bid_qty"));
    let [a1, a2, a3, a4, a5] = bytes.five(|bytes| bytes.count("ask_qty"));
    tick.bid_volume1 = b1?;
    tick.bid_volume2 = b2?;
    tick.bid_volume3 = b3?;
    tick.bid_volume4 = b4?;
    tick.bid_volume5 = b5?;
    tick.ask_volume1 = a1?;
    tick.ask_volume2 = a2?;
    tick.ask_volume3 = a3?;
    tick.ask_volume4 = a4?;
    tick.ask_volume5 = a5?;
    Ok(())
}

/// Reads the records of a decompressed `.dsb` file.
pub(crate) struct DsbRows {
    reader: io::BufReader<SliceReader>,
    number: u64,
    bytes: u64,
}

impl DsbRows {
    pub(crate) fn new(records: &Slice, buffer: usize) -> Self {
        Self {
            reader: io::BufReader::with_capacity(buffer, records.reader()),
            number: 0,
            bytes: 0,
        }
    }
}

impl ReadRows for DsbRows {
    fn next_row(&mut self, row: &mut Row) -> Result<bool, RowError> {
        let mut record = [0; RECORD_BYTES];
        let mut filled = 0;
        while let Some(rest) = record.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest)? {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            return Ok(false);
        }
        self.number += 1;
        self.bytes += u64::try_from(filled).unwrap_or(u64::MAX);
        row.reset(self.number);
        if filled < RECORD_BYTES {
            let problem = format!("{filled} bytes, expected a record of {RECORD_BYTES}");
            return Err(RowError::Bad(self.number, RowProblem::Syntax(problem)));
        }
        read_record(&record, row).map_err(|problem| RowError::Bad(self.number, problem))?;
        Ok(true)
    }

    fn bytes_read(&self) -> u64 {
        self.bytes
    }
}
