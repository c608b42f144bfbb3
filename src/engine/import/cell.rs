//! One cell of a row: the text of a column into the field that it means.

use tickdeck_core::time::{TradingDay, UnixNanos};

use crate::import::clock::{ReceiveTime, parse_date, parse_receive_time};
use crate::import::columns::Target;
use crate::import::fields::{Field, Setter, field};
use crate::import::number::{
    Fraction, bytes_of_latin1, clock_of_hhmmssmmm, is_blank, parse_clock, parse_datetime,
    parse_f64, printable,
};
use crate::import::row::Row;
use crate::import::row_error::RowProblem;

/// A column of this file: where its value goes, by field instead of by name.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) target: Target,
    /// The CTP field of [`Target::Ctp`].
    pub(crate) field: Option<&'static Field>,
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
            Some(field) if field.name == "ExchangeID" => {
                // Python prints an enum with its class.
                let value = value.strip_prefix(b"Exchange.").unwrap_or(value);
                field.set(row, &self.name, value)
            }
            Some(field) => field.set(row, &self.name, value),
            None => self.read_special(value, row),
        }
    }

    fn read_latin1(&self, field: &Field, value: &[u8], row: &mut Row) -> Result<(), RowProblem> {
        if value.is_ascii() || !matches!(field.setter, Setter::Text(_)) {
            return field.set(row, &self.name, value);
        }
        let bytes = std::str::from_utf8(value)
            .ok()
            .and_then(bytes_of_latin1)
            .ok_or_else(|| self.bad(value, "UTF-8 text of the characters U+0000 to U+00FF"))?;
        field.set(row, &self.name, &bytes)
    }

    /// `TradingDay` or `ActionDay`, also as pandas and spreadsheets print dates.
    fn read_day(&self, field: &Field, value: &[u8], row: &mut Row) -> Result<(), RowProblem> {
        if value.len() <= 8 {
            let value = if is_blank(value) { b"" } else { value };
            return field.set(row, &self.name, value);
        }
        let date = parse_date(value).ok_or_else(|| self.bad(value, "a date YYYYMMDD"))?;
        let text = TradingDay(date).to_ctp();
        field.set(row, &self.name, text.as_bytes())
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
                let unknown = || RowProblem::ReceiveTime {
                    column: self.name.clone(),
                    value: printable(value),
                };
                match parse_receive_time(value).ok_or_else(unknown)? {
                    ReceiveTime::None => {}
                    ReceiveTime::At(at) => row.recv_ts = Some(at),
                    ReceiveTime::OfDay(time) => row.recv_time = Some(time),
                }
            }
            Target::RecvNanos | Target::DerivedNanos => {
                let nanos = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                let nanos = nanos.ok_or_else(|| self.bad(value, "nanoseconds since 1970"))?;
                row.recv_ts = Some(UnixNanos(nanos));
                row.is_recv_ts_derived = self.target == Target::DerivedNanos;
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
