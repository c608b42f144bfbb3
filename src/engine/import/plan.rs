//! The columns of one file: which cell of a row sets which field.

use csv::ByteRecord;
use tickdeck_core::event::{InstrumentId, SessionEvent, TICK_KIND};

use crate::import::cell::Column;
use crate::import::columns::{CsvDialect, Layout, Target};
use crate::import::dialect::Zero;
use crate::import::fields::Setter;
use crate::import::names;
use crate::import::number::{Fraction, is_blank};
use crate::import::options::ImportOptions;
use crate::import::row::Row;
use crate::import::row_error::RowProblem;
use crate::import::text::decode;

/// Most unknown columns that a message lists.
const UNKNOWN_MAX: usize = 4;
/// The column that tells the instrument in front of the names.
const PREFIXED: &str = ".last_price";

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
    /// Two columns are the same field.
    #[error("its columns \"{first}\" and \"{second}\" are the same field")]
    SameField { first: String, second: String },
    /// It knows the columns, and they contradict each other otherwise.
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
                "\"{prefix}\" in its header is not <exchange>.<instrument>"
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
                Target::Seq | Target::RecvNanos | Target::DerivedNanos => {
                    column.read(value, self.latin1, row)?;
                }
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
    has == wanted
        || (wanted == UPDATE_TIME && is_time)
        || (wanted == Target::RecvNanos && has == Target::DerivedNanos)
}

/// Whether two columns say the same of a row.
fn are_one_field(one: Target, other: Target) -> bool {
    let is_receive_time = |target| {
        matches!(
            target,
            Target::RecvDateTime | Target::RecvNanos | Target::DerivedNanos
        )
    };
    one == other || (is_receive_time(one) && is_receive_time(other))
}

/// Refuses two columns for one field.
fn refuse_twice(columns: &[Column]) -> Result<(), Mismatch> {
    for (index, column) in columns.iter().enumerate() {
        let mut before = columns.iter().take(index);
        let same = before.find(|other| are_one_field(other.target, column.target));
        let Some(first) = same.filter(|_| column.target != Target::Ignore) else {
            continue;
        };
        let (first, second) = (first.name.clone(), column.name.clone());
        return Err(if first == second {
            Mismatch::Contradiction(format!("its header has the column {first} twice"))
        } else {
            Mismatch::SameField { first, second }
        });
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
