//! Bad rows: one may be skipped, while an [`ImportError`](super::ImportError) ends the import.

use crate::import::number::printable;

/// The fault of one row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// A value is not what its column holds.
    #[error("column {column}: found \"{value}\", expected {expected}")]
    Value {
        /// The name of the column.
        column: String,
        /// The value found, shortened.
        value: String,
        /// The values that it may have.
        expected: String,
    },
    /// A key of a JSON line is neither a CTP field nor one of tickdeck's.
    #[error(
        "column {key}: found \"{value}\", expected a CTP field name as key, or seq, recv_ts, kind, \
         detail"
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// Its value, shortened.
        value: String,
    },
    /// A receive time is not in a known form.
    #[error(
        "column {column}: found \"{value}\", expected a receive time: YYYYMMDD HH:MM:SS.ffffff, \
         YYYYMMDDHHMMSSfff, HH:MM:SS.ffffff or a Unix time in s, ms, us or ns"
    )]
    ReceiveTime {
        /// The name of the column.
        column: String,
        /// The value found, shortened.
        value: String,
    },
    /// Some rows have a measured receive time, and others have none, a derived one or a time of day.
    #[error(
        "{} measured receive time, unlike the rows before: a derived time among measured ones would \
         pass for measured. Give all rows one, or leave the receive clock out",
        if *.measured { "a" } else { "no" }
    )]
    MixedReceiveTimes {
        /// Whether this row has one.
        measured: bool,
    },
    /// Neither the row nor the options give a date.
    #[error("column TradingDay: found \"\", expected a trading day YYYYMMDD in the row")]
    NoTradingDay,
    /// The row has too few or too many columns.
    #[error("{found} columns, expected {expected}")]
    Columns {
        /// The number of columns.
        found: usize,
        /// The number that the dialect or the header has.
        expected: usize,
    },
    /// The row does not parse.
    #[error("{0}")]
    Syntax(String),
}

impl RowProblem {
    pub(crate) fn value(column: &str, value: &[u8], expected: impl Into<String>) -> Self {
        Self::Value {
            column: column.to_owned(),
            value: printable(value),
            expected: expected.into(),
        }
    }
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{input}: row {row}, {problem}")]
pub struct BadRow {
    /// The file, with its archive member when it has one.
    pub input: String,
    /// 1-based line of a text file, 1-based record of a binary one.
    pub row: u64,
    /// The fault.
    pub problem: RowProblem,
}

/// Why a row reader stopped.
#[derive(Debug)]
pub(crate) enum RowError {
    /// This row is bad; the next one may be read.
    Bad(u64, RowProblem),
    /// Nothing more can be read.
    Io(std::io::Error),
}

impl From<std::io::Error> for RowError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
