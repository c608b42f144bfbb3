//! What a column of a CSV dialect means, and how its columns are found.

use crate::import::dialect::Dialect;
use crate::import::number::Fraction;

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The CTP field of that name.
    Ctp(&'static str),
    /// The average price per unit on every exchange: CTP's `AveragePrice`, once the multiplier is
    /// known.
    UnitAverage,
    /// `UpdateTime` and `UpdateMillisec` in one.
    Clock(Fraction),
    /// WonderTrader's `HHMMSSmmm`: `UpdateTime` and `UpdateMillisec`.
    ClockNumber,
    /// The calendar date of the exchange time, `YYYYMMDD`.
    Date,
    /// Date and exchange time in one.
    DateTime,
    /// The recorder's receive clock as date and time; empty when it kept none.
    RecvDateTime,
    /// `recv_ts` in nanoseconds.
    RecvNanos,
    /// The same, derived by an importer: `recv_ts_derived`.
    DerivedNanos,
    /// `tick` or the kind of a session event.
    Kind,
    /// The fields of a session event, JSON.
    Detail,
    /// Position in the exported session: must be a number, but events are renumbered.
    Seq,
    /// Not a fact of the CTP struct, or computed by the recorder.
    Ignore,
}

/// How columns are found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    /// By a header; these names must be there.
    Header { required: &'static [&'static str] },
    /// The same, and the name of the file's instrument is in front of most names.
    OneInstrument { required: &'static [&'static str] },
    /// By position: as many columns as the table has.
    Position,
}

/// A CSV dialect.
#[derive(Debug)]
pub(crate) struct CsvDialect {
    pub(crate) dialect: Dialect,
    pub(crate) layout: Layout,
    /// Whether header names that are CTP field names need no entry in `columns`.
    pub(crate) ctp_names: bool,
    /// Whether text is Latin-1 in UTF-8, as tickdeck's export writes it, rather than plain bytes.
    pub(crate) latin1: bool,
    pub(crate) columns: &'static [(&'static str, Target)],
}

impl CsvDialect {
    /// Whether the columns are found by their names.
    pub(crate) const fn has_header(&self) -> bool {
        !matches!(self.layout, Layout::Position)
    }
}
