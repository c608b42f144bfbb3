//! The columns of one file: which cell of a row sets which field.

use csv::ByteRecord;
use tickdeck_core::event::{InstrumentId, SessionEvent, TICK_KIND};
use tickdeck_core::time::UnixNanos;

use crate::import::clock::{RECEIVE_TIMES, parse_date, parse_receive_time};
use crate::import::columns::{CsvDialect, Layout, Target};
use crate::import::dialect::Zero;
use crate::import::fields::{Field, Setter, field};
use crate::import::names;
use crate::import::number::{
    Fraction, bytes_of_latin1, clock_of_hhmmssmmm, is_blank, parse_clock, parse_datetime, parse_f64,
};
use crate::import::options::ImportOptions;
use crate::import::row::Row;
use crate::import::row_error::RowProblem;
use crate::import::text::decode;

/// Most unknown columns that a message lists.
const UNKNOWN_MAX: usize = 4;
/// The column that tells the instrument in front of the names.
const PREFIXED: &str = ".last_price";

/// A column of this file: where its value goes, by field instead of by name.
pub(crate) struct Column {
    name: String,
    target: Target,
    /// The CTP field of [`Target::Ctp`].
    field: Option<&'static Field>,
}

/// The columns of one file.
pub(crate) struct Plan {
    columns: Vec<Column>,
    has_header: bool,
    latin1: bool,
    zero: Zero,
    kind: Option<usize>,
    /// Instrument and exchange of every row, where the header names them.
    instrument: Option<(InstrumentId, tickdeck_ffi::Text<9>)>,
}

/// Why a dialect does not fit a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mismatch {
    /// It lacks columns, or has others.
    #[error("{}", header_words(missing, unknown))]
    Header {
        missing: Vec<&'static str>,
        unknown: Vec<String>,
        /// Columns that the dialect knows.
        known: usize,
    },
    /// The columns fit, but not the values of the first row.
    #[error("in the first row, {0}")]
    FirstRow(RowProblem),
    /// It knows the columns, and they contradict each other.
    #[error("{0}")]
    Contradiction(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

fn header_words(missing: &[&str], unknown: &[String]) -> String {
    let mut words = Vec::new();
    if !missing.is_empty() {
        words.push(format!(
            "its header has no column {}",
            missing.join(" and no ")
        ));
    }
    let listed: Vec<String> = unknown
        .iter()
        .take(UNKNOWN_MAX)
        .map(|name| format!("\"{name}\""))
        .collect();
    match (unknown.len(), listed.join(", ")) {
        (0, _) => {}
        (1, name) => words.push(format!("unknown column {name}")),
        (many, names) if many <= UNKNOWN_MAX => words.push(format!("unknown columns {names}")),
        (many, names) => {
            let more = many - UNKNOWN_MAX;
            words.push(format!("unknown columns {names} and {more} more"));
        }
    }
    words.join(", ")
}

impl Plan {
    /// Fits `dialect` to the first record of a file.
    pub(crate) fn fit(
        dialect: &CsvDialect,
        first: &ByteRecord,
        options: &ImportOptions,
    ) -> Result<Self, Mismatch> {
        match dialect.layout {
            Layout::Header { required } => {
                Self::by_header(dialect, required, &names_of(first), options)
            }
            Layout::OneInstrument { required } => {
                Self::by_prefixed_header(dialect, required, &names_of(first), options)
            }
            Layout::Position => Self::by_position(dialect, first),
        }
    }

    fn by_header(
        dialect: &CsvDialect,
        required: &[&'static str],
        header: &[String],
        options: &ImportOptions,
    ) -> Result<Self, Mismatch> {
        let mut columns: Vec<Column> = Vec::with_capacity(header.len());
        let mut unknown = Vec::new();
        for name in header {
            match options
                .target(name)
                .or_else(|| names::target(dialect, name))
            {
                Some(target) => columns.push(Column::new(name.clone(), target)),
                None => unknown.push(name.clone()),
            }
        }
        let gives = |target: Option<Target>| {
            let mut columns = columns.iter();
            columns.any(|column| target.is_some_and(|target| stands_for(column.target, target)))
        };
        let missing: Vec<&'static str> = required
            .iter()
            .copied()
            .filter(|name| !gives(names::target(dialect, name)))
            .collect();
        if !missing.is_empty() || !unknown.is_empty() {
            let known = columns.iter().filter(|c| c.target != Target::Ignore);
            return Err(Mismatch::Header {
                known: known.count(),
                missing,
                unknown,
            });
        }
        refuse_twice(&columns)?;
        if dialect.ctp_names {
            time_with_fraction(&mut columns);
        }
        Ok(Self::new(dialect, columns, true))
    }

    /// The header of a file of one instrument: `SHFE.rb2605.last_price`.
    fn by_prefixed_header(
        dialect: &CsvDialect,
        required: &[&'static str],
        header: &[String],
        options: &ImportOptions,
    ) -> Result<Self, Mismatch> {
        let mut prefixes = header.iter().filter_map(|name| name.strip_suffix(PREFIXED));
        let Some(prefix) = prefixes.next() else {
            let known = header
                .iter()
                .filter(|name| names::target(dialect, name).is_some());
            return Err(Mismatch::Header {
                missing: vec!["<exchange>.<instrument>.last_price"],
                unknown: Vec::new(),
                known: known.count(),
            });
        };
        if let Some(other) = prefixes.next() {
            return Err(Mismatch::Contradiction(format!(
                "its header has two instruments, {prefix} and {other}: a file has one"
            )));
        }
        let plain = |name: &String| {
            let rest = name
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix('.'));
            rest.map_or_else(|| name.clone(), str::to_owned)
        };
        let names: Vec<String> = header.iter().map(plain).collect();
        let mut plan = Self::by_header(dialect, required, &names, options)?;
        for (column, name) in plan.columns.iter_mut().zip(header) {
            name.clone_into(&mut column.name);
        }
        plan.instrument = Some(instrument_of(prefix).ok_or_else(|| {
            Mismatch::Other(format!(
                "\"{prefix}\" in its header is no <exchange>.<instrument>"
            ))
        })?);
        Ok(plan)
    }

    fn by_position(dialect: &CsvDialect, first: &ByteRecord) -> Result<Self, Mismatch> {
        let (found, expected) = (first.len(), dialect.columns.len());
        if found != expected {
            let problem = format!("{found} columns, expected {expected}");
            return Err(Mismatch::Other(problem));
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
            Err(problem) => Err(Mismatch::FirstRow(problem)),
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
            zero: dialect.dialect.zero(),
            instrument: None,
        }
    }

    pub(crate) const fn has_header(&self) -> bool {
        self.has_header
    }

    /// Whether the file has a column of that name.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// Whether the column in that place is not read.
    pub(crate) fn ignores(&self, index: usize) -> bool {
        let column = self.columns.get(index);
        column.is_none_or(|column| column.target == Target::Ignore)
    }

    /// Whether the rows have one of `targets`.
    pub(crate) fn gives(&self, targets: &[Target]) -> bool {
        let mut columns = self.columns.iter();
        let by_header = self.instrument.is_some() && targets.contains(&INSTRUMENT);
        by_header || columns.any(|column| targets.contains(&column.target))
    }

    /// Reads the cells of one row.
    pub(crate) fn read(&self, record: &ByteRecord, row: &mut Row) -> Result<(), RowProblem> {
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
        if let Some((instrument, exchange)) = self.instrument {
            row.tick.instrument_id = instrument;
            row.tick.exchange_id = exchange;
        }
        for (column, value) in self.columns.iter().zip(record) {
            column.read(value, self.latin1, row)?;
        }
        row.zero_is_missing = match self.zero {
            Zero::Value => false,
            Zero::Missing => true,
            Zero::MissingUnlessMax => !self.has_max(record, row),
        };
        Ok(())
    }

    /// Whether a cell of the row is CTP's `DBL_MAX`. A field without a column is that too.
    fn has_max(&self, record: &ByteRecord, row: &mut Row) -> bool {
        let mut cells = self.columns.iter().zip(record);
        cells.any(
            |(column, value)| match column.field.map(|field| field.setter) {
                Some(Setter::F64(slot)) => *slot(&mut row.tick) == f64::MAX && !is_blank(value),
                _ => false,
            },
        )
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

const INSTRUMENT: Target = Target::Ctp("InstrumentID");
const UPDATE_TIME: Target = Target::Ctp("UpdateTime");
const UPDATE_MILLISEC: Target = Target::Ctp("UpdateMillisec");

/// Header names as text.
fn names_of(header: &ByteRecord) -> Vec<String> {
    let names = header.iter().map(|name| decode(name).trim().to_owned());
    names.collect()
}

/// Whether a column with `has` gives what `wanted` does. The time of day has several forms.
fn stands_for(has: Target, wanted: Target) -> bool {
    let times = [Target::ClockNumber, Target::DateTime];
    let is_time = matches!(has, Target::Clock(_)) || times.contains(&has);
    has == wanted || (wanted == UPDATE_TIME && is_time)
}

/// Refuses two columns for one field.
fn refuse_twice(columns: &[Column]) -> Result<(), Mismatch> {
    for (index, column) in columns.iter().enumerate() {
        let mut before = columns.iter().take(index);
        let same = before.find(|other| other.target == column.target);
        let Some(first) = same.filter(|_| column.target != Target::Ignore) else {
            continue;
        };
        let (first, name) = (&first.name, &column.name);
        return Err(Mismatch::Contradiction(if first == name {
            format!("its header has the column {name} twice")
        } else {
            format!(
                "its columns \"{first}\" and \"{name}\" are the same field; leave one out with \
                 --ignore"
            )
        }));
    }
    Ok(())
}

/// Without `UpdateMillisec` the milliseconds may be in `UpdateTime`.
fn time_with_fraction(columns: &mut [Column]) {
    if columns
        .iter()
        .any(|column| column.target == UPDATE_MILLISEC)
    {
        return;
    }
    for column in columns {
        if column.target == UPDATE_TIME {
            *column = Column::new(
                std::mem::take(&mut column.name),
                Target::Clock(Fraction::Decimal),
            );
        }
    }
}

/// Instrument and exchange of TqSdk's `SHFE.rb2605`. The id of a continuous contract,
/// `KQ.m@SHFE.rb`, is the whole text.
fn instrument_of(symbol: &str) -> Option<(InstrumentId, tickdeck_ffi::Text<9>)> {
    let (exchange, id) = match symbol.split_once('@') {
        Some((_, underlying)) => (underlying.split_once('.')?.0, symbol),
        None => symbol.split_once('.')?,
    };
    let exchange = tickdeck_ffi::Text::new(exchange.as_bytes()).ok()?;
    let id = InstrumentId::new(id.as_bytes()).ok()?;
    (!id.is_empty()).then_some((id, exchange))
}

impl Column {
    /// A column of that name and meaning.
    pub(crate) fn new(name: String, target: Target) -> Self {
        let field = match target {
            Target::Ctp(name) => field(name),
            _ => None,
        };
        Self {
            name,
            target,
            field,
        }
    }

    /// Sets what the column means from the text of a cell.
    pub(crate) fn read(&self, value: &[u8], latin1: bool, row: &mut Row) -> Result<(), RowProblem> {
        match self.field {
            Some(field) if latin1 => self.read_latin1(field, value, row),
            Some(field) if is_day(field) => self.read_day(field, value, row),
            Some(field) => field.set(&mut row.tick, &self.name, value),
            None => self.read_special(value, row),
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

    /// `TradingDay` or `ActionDay`, also as pandas and spreadsheets print dates.
    fn read_day(&self, field: &Field, value: &[u8], row: &mut Row) -> Result<(), RowProblem> {
        if value.len() <= 8 {
            let value = if is_blank(value) { b"" } else { value };
            return field.set(&mut row.tick, &self.name, value);
        }
        let date = parse_date(value).ok_or_else(|| self.bad(value, "a date YYYYMMDD"))?;
        let text = tickdeck_core::time::TradingDay(date).to_ctp();
        field.set(&mut row.tick, &self.name, text.as_bytes())
    }

    fn read_special(&self, value: &[u8], row: &mut Row) -> Result<(), RowProblem> {
        match self.target {
            // A row without a time has the position of the row above.
            Target::Clock(_) if is_blank(value) => {}
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
                let date = parse_date(value);
                row.date = Some(date.ok_or_else(|| self.bad(value, "a date YYYYMMDD"))?);
            }
            Target::DateTime => self.read_datetime(value, row)?,
            Target::RecvDateTime => {
                let at = parse_receive_time(value).ok_or_else(|| self.bad(value, RECEIVE_TIMES))?;
                row.recv_ts = at;
            }
            Target::RecvNanos => {
                let nanos = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                let nanos = nanos.ok_or_else(|| self.bad(value, "nanoseconds since 1970"))?;
                row.recv_ts = Some(UnixNanos(nanos));
            }
            Target::UnitAverage if is_blank(value) => {}
            Target::UnitAverage => {
                let average = parse_f64(value).ok_or_else(|| self.bad(value, "a number"))?;
                row.unit_average = Some(average);
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

    fn bad(&self, value: &[u8], expected: &str) -> RowProblem {
        RowProblem::value(&self.name, value, expected)
    }
}

fn is_day(field: &Field) -> bool {
    matches!(field.name, "TradingDay" | "ActionDay")
}

fn unsigned(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
