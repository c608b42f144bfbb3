//! Rows of the CSV dialects, by their tables.

use std::ops::Range;

use csv::ByteRecord;
use tickdeck_core::event::{SessionEvent, TICK_KIND};
use tickdeck_core::time::{UnixNanos, parse_ctp_date, shanghai_instant};

use crate::import::dialect::{CsvDialect, Layout, Target};
use crate::import::fields::{Field, Setter, field};
use crate::import::number::{
    Fraction, bytes_of_latin1, clock_of_hhmmssmmm, parse_clock, parse_datetime, parse_whole,
};
use crate::import::row::{ReadRows, Row};
use crate::import::row_error::{RowError, RowProblem};
use crate::import::spool::{Slice, SliceReader};

/// A column of this file: where its value goes, by field instead of by name.
struct Column {
    name: String,
    target: Target,
    /// The CTP field of [`Target::Ctp`] and [`Target::Whole`].
    field: Option<&'static Field>,
}

/// The columns of one file.
pub(crate) struct Plan {
    columns: Vec<Column>,
    has_header: bool,
    latin1: bool,
    kind: Option<usize>,
}

impl Plan {
    /// Fits `dialect` to the first record of a file; what does not fit is said in words.
    pub(crate) fn fit(dialect: &CsvDialect, first: &ByteRecord) -> Result<Self, String> {
        match dialect.layout {
            Layout::Header { required } => Self::by_header(dialect, required, first),
            Layout::Position => Self::by_position(dialect, first),
        }
    }

    fn by_header(
        dialect: &CsvDialect,
        required: &[&str],
        header: &ByteRecord,
    ) -> Result<Self, String> {
        for name in required {
            if !header.iter().any(|found| found == name.as_bytes()) {
                return Err(format!("its header has no column {name}"));
            }
        }
        let mut columns = Vec::with_capacity(header.len());
        for name in header {
            let name = String::from_utf8_lossy(name).into_owned();
            let Some(target) = dialect.target(&name) else {
                return Err(format!("its header has an unknown column \"{name}\""));
            };
            if target != Target::Ignore && columns.iter().any(|column: &Column| column.name == name)
            {
                return Err(format!("its header has the column {name} twice"));
            }
            columns.push(Column::new(name, target));
        }
        Ok(Self::new(dialect, columns, true))
    }

    fn by_position(dialect: &CsvDialect, first: &ByteRecord) -> Result<Self, String> {
        let (found, expected) = (first.len(), dialect.columns.len());
        if found != expected {
            return Err(format!("{found} columns, expected {expected}"));
        }
        let columns = dialect
            .columns
            .iter()
            .map(|(name, target)| Column::new((*name).to_owned(), *target))
            .collect();
        let plan = Self::new(dialect, columns, false);
        // Without a header only the values show the dialect. The first row decides for all.
        match plan.read(first, &mut Row::new()) {
            Ok(()) => Ok(plan),
            Err(problem) => Err(format!("in the first row, {problem}")),
        }
    }

    fn new(dialect: &CsvDialect, columns: Vec<Column>, has_header: bool) -> Self {
        Self {
            kind: columns
                .iter()
                .position(|column| column.target == Target::Kind),
            columns,
            has_header,
            latin1: dialect.latin1,
        }
    }

    /// Whether the rows have the trading day or a calendar date, and the instrument.
    pub(crate) fn gives(&self, targets: &[Target]) -> bool {
        let mut columns = self.columns.iter();
        columns.any(|column| targets.contains(&column.target))
    }

    fn read(&self, record: &ByteRecord, row: &mut Row) -> Result<(), RowProblem> {
        if record.len() != self.columns.len() {
            return Err(RowProblem::Columns {
                found: record.len(),
                expected: self.columns.len(),
            });
        }
        if let Some(kind) = self.kind {
            let value = record.get(kind).unwrap_or_default();
            if value != TICK_KIND.as_bytes() {
                return self.read_session(record, value, row);
            }
        }
        for (column, value) in self.columns.iter().zip(record) {
            column.read(value, self.latin1, row)?;
        }
        Ok(())
    }

    /// A row of tickdeck's export that is a session event: kind and detail, no tick.
    fn read_session(
        &self,
        record: &ByteRecord,
        kind: &[u8],
        row: &mut Row,
    ) -> Result<(), RowProblem> {
        let mut detail = &b""[..];
        for (column, value) in self.columns.iter().zip(record) {
            match column.target {
                Target::Seq | Target::RecvNanos => column.read(value, self.latin1, row)?,
                Target::Detail => detail = value,
                Target::Kind => {}
                _ if value.is_empty() => {}
                _ => {
                    let expected = "nothing: the row is a session event, not a tick";
                    return Err(RowProblem::value(&column.name, value, expected));
                }
            }
        }
        let text = |bytes| String::from_utf8_lossy(bytes);
        let event = SessionEvent::from_columns(&text(kind), &text(detail)).map_err(|error| {
            let expected = format!("tick, or a session event with its fields ({error})");
            let value = [kind, b" ", detail].concat();
            RowProblem::value("kind and detail", &value, expected)
        })?;
        row.session = Some(event);
        Ok(())
    }
}

impl Column {
    fn new(name: String, target: Target) -> Self {
        let field = match target {
            Target::Ctp(name) | Target::Whole(name) => field(name),
            _ => None,
        };
        Self {
            name,
            target,
            field,
        }
    }

    fn read(&self, value: &[u8], latin1: bool, row: &mut Row) -> Result<(), RowProblem> {
        match (self.target, self.field) {
            (Target::Ctp(_), Some(field)) if latin1 => self.read_latin1(field, value, row),
            (Target::Ctp(_), Some(field)) => field.set(&mut row.tick, &self.name, value),
            (Target::Whole(_), Some(field)) => self.read_whole(field, value, row),
            _ => self.read_special(value, row),
        }
    }

    fn read_latin1(&self, field: &Field, value: &[u8], row: &mut Row) -> Result<(), RowProblem> {
        if value.is_ascii() || !matches!(field.setter, Setter::Text(_)) {
            return field.set(&mut row.tick, &self.name, value);
        }
        let bytes = std::str::from_utf8(value)
            .ok()
            .and_then(bytes_of_latin1)
            .ok_or_else(|| self.bad(value, "UTF-8 text of the characters U+0000 to U+00FF"))?;
        field.set(&mut row.tick, &self.name, &bytes)
    }

    fn read_whole(&self, field: &Field, value: &[u8], row: &mut Row) -> Result<(), RowProblem> {
        let whole = parse_whole(value).ok_or_else(|| self.bad(value, "a whole 32-bit number"))?;
        if let Setter::I32(slot) = field.setter {
            *slot(&mut row.tick) = whole;
        }
        Ok(())
    }

    fn read_special(&self, value: &[u8], row: &mut Row) -> Result<(), RowProblem> {
        match self.target {
            Target::Clock(fraction) => {
                let clock = parse_clock(value, fraction).ok_or_else(|| {
                    self.bad(
                        value,
                        match fraction {
                            Fraction::Millis => "a time HH:MM:SS.m, m a count of milliseconds",
                            Fraction::Decimal => "a time HH:MM:SS with or without a fraction",
                        },
                    )
                })?;
                row.set_clock(clock);
            }
            Target::ClockNumber => {
                let clock = unsigned(value)
                    .and_then(|number| u32::try_from(number).ok())
                    .and_then(clock_of_hhmmssmmm)
                    .ok_or_else(|| self.bad(value, "a time HHMMSSmmm"))?;
                row.set_clock(clock);
            }
            Target::Date => {
                let date = parse_ctp_date(value);
                row.date = Some(date.ok_or_else(|| self.bad(value, "a date YYYYMMDD"))?);
            }
            Target::DateTime => self.read_datetime(value, row)?,
            Target::RecvDateTime => row.recv_ts = self.read_recv(value)?,
            Target::RecvNanos => {
                let nanos = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                let nanos = nanos.ok_or_else(|| self.bad(value, "nanoseconds since 1970"))?;
                row.recv_ts = Some(UnixNanos(nanos));
            }
            Target::Seq => {
                unsigned(value).ok_or_else(|| self.bad(value, "a sequence number"))?;
            }
            Target::Detail if !value.is_empty() => {
                return Err(self.bad(value, "nothing: only session events have details"));
            }
            _ => {}
        }
        Ok(())
    }

    fn read_datetime(&self, value: &[u8], row: &mut Row) -> Result<(), RowProblem> {
        let expected = "a date and time YYYY-MM-DD HH:MM:SS[.ffffff][+08:00]";
        let at = parse_datetime(value).ok_or_else(|| self.bad(value, expected))?;
        let (hour, minute, second) = (at.seconds / 3600, at.seconds / 60 % 60, at.seconds % 60);
        let clock = clock_of_hhmmssmmm(
            hour * 10_000_000 + minute * 100_000 + second * 1000 + at.nanos / 1_000_000,
        );
        row.set_clock(clock.ok_or_else(|| self.bad(value, expected))?);
        row.date = Some(at.date);
        Ok(())
    }

    /// The receive clock; vn.py leaves `localtime` empty where it has none.
    fn read_recv(&self, value: &[u8]) -> Result<Option<UnixNanos>, RowProblem> {
        if matches!(value, b"" | b"None" | b"NaT") {
            return Ok(None);
        }
        let instant = parse_datetime(value).and_then(|at| {
            let whole = shanghai_instant(at.date, at.seconds, 0)?;
            Some(whole.plus(i64::from(at.nanos)))
        });
        let expected = "a receive time YYYYMMDD HH:MM:SS.ffffff";
        instant.map(Some).ok_or_else(|| self.bad(value, expected))
    }

    fn bad(&self, value: &[u8], expected: &str) -> RowProblem {
        RowProblem::value(&self.name, value, expected)
    }
}

fn unsigned(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Makes a CSV reader that leaves every judgement on rows to [`Plan`].
pub(crate) fn csv_reader<R: std::io::Read>(from: R, buffer: usize) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(buffer)
        .from_reader(from)
}

/// Reads the rows of a CSV file.
pub(crate) struct CsvRows {
    reader: csv::Reader<SliceReader>,
    record: ByteRecord,
    plan: Plan,
    /// Records still to be passed over: the header.
    skip: Range<u8>,
}

impl CsvRows {
    pub(crate) fn new(slice: &Slice, plan: Plan, buffer: usize) -> Self {
        Self {
            reader: csv_reader(slice.reader(), buffer),
            record: ByteRecord::new(),
            skip: 0..u8::from(plan.has_header),
            plan,
        }
    }
}

impl ReadRows for CsvRows {
    fn next_row(&mut self, row: &mut Row) -> Result<bool, RowError> {
        loop {
            let more = self.reader.read_byte_record(&mut self.record);
            if !more.map_err(std::io::Error::from)? {
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
