//! Detects the dialect of a file and opens the reader for its rows.

use tickdeck_core::event::InstrumentId;
use tickdeck_core::time::TradingDay;

use crate::import::csv_rows::{CsvRows, Plan, csv_reader};
use crate::import::dialect::{Dialect, Target, join};
use crate::import::dsb::{self, DsbRows};
use crate::import::error::ImportError;
use crate::import::jsonl::{self, JsonlRows};
use crate::import::number::printable;
use crate::import::open::Opened;
use crate::import::options::ImportOptions;
use crate::import::row::{ReadRows, Row};
use crate::import::spool::{Slice, Spool};
use crate::import::stamp::Stamper;

/// Bytes that detection reads.
const HEAD_BYTES: usize = 64 * 1024;

/// A file whose dialect is known.
pub(crate) enum Detected {
    Csv(Dialect, Plan),
    Jsonl,
    Dsb,
}

impl Detected {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Csv(dialect, _) => *dialect,
            Self::Jsonl => Dialect::CtpJsonl,
            Self::Dsb => Dialect::WonderTraderDsb,
        }
    }

    /// The reader, and the bytes that it will read.
    pub(crate) fn into_reader(
        self,
        input: &Opened,
        spool: &mut Spool,
        buffer: usize,
    ) -> Result<(Box<dyn ReadRows>, u64), ImportError> {
        let slice: &Slice = &input.slice;
        Ok(match self {
            Self::Csv(_, plan) => (Box::new(CsvRows::new(slice, plan, buffer)), slice.len),
            Self::Jsonl => (Box::new(JsonlRows::new(slice, buffer)), slice.len),
            Self::Dsb => {
                let records = dsb::records(&input.name, slice, spool)?;
                (Box::new(DsbRows::new(&records, buffer)), records.len)
            }
        })
    }
}

/// Finds the one dialect that fits, or checks the requested one.
pub(crate) fn detect(input: &Opened, forced: Option<Dialect>) -> Result<Detected, ImportError> {
    let head = input
        .slice
        .head(HEAD_BYTES)
        .map_err(|error| ImportError::io(&input.name, error))?;
    if let Some(dialect) = forced {
        return fit(dialect, &head).map_err(|problem| ImportError::WrongDialect {
            input: input.name.clone(),
            dialect,
            problem,
        });
    }
    let tried: Vec<_> = Dialect::ALL
        .into_iter()
        .map(|dialect| (dialect, fit(dialect, &head)))
        .collect();
    choose(&input.name, &head, tried)
}

/// Makes the choice among the dialects that were tried.
fn choose(
    input: &str,
    head: &[u8],
    tried: Vec<(Dialect, Result<Detected, String>)>,
) -> Result<Detected, ImportError> {
    let mut fitting = Vec::new();
    let mut problems = Vec::new();
    for (dialect, result) in tried {
        match result {
            Ok(detected) => fitting.push(detected),
            Err(problem) => problems.push((dialect, problem)),
        }
    }
    let dialects: Vec<Dialect> = fitting.iter().map(Detected::dialect).collect();
    match fitting.pop() {
        Some(detected) if fitting.is_empty() => Ok(detected),
        Some(_) => Err(ImportError::AmbiguousDialect {
            input: input.to_owned(),
            dialects: join(&dialects),
        }),
        None => Err(ImportError::NoDialect {
            input: input.to_owned(),
            first_line: printable(first_line(head)),
            problem: nearest(head, &problems),
        }),
    }
}

/// The problem of the dialect that comes nearest, for a message.
fn nearest(head: &[u8], problems: &[(Dialect, String)]) -> String {
    let columns = first_record(head).map_or(0, |record| record.len());
    let near = problems.iter().find(|(dialect, problem)| {
        let by_header = problem.contains("unknown column");
        let by_value = problem.starts_with("in the first row");
        let json = *dialect == Dialect::CtpJsonl && first_line(head).starts_with(b"{");
        by_header || by_value || json
    });
    match near {
        Some((dialect, problem)) => format!("nearest is {dialect}: {problem}"),
        None => format!("{columns} columns, no header of a known dialect"),
    }
}

fn fit(dialect: Dialect, head: &[u8]) -> Result<Detected, String> {
    if let Some(table) = dialect.csv() {
        if head.starts_with(&dsb::MAGIC) || first_line(head).starts_with(b"{") {
            return Err("not CSV".to_owned());
        }
        let record = first_record(head).ok_or_else(|| "no first line".to_owned())?;
        return Plan::fit(table, &record).map(|plan| Detected::Csv(dialect, plan));
    }
    match dialect {
        Dialect::WonderTraderDsb if head.starts_with(&dsb::MAGIC) => Ok(Detected::Dsb),
        Dialect::WonderTraderDsb => Err("no .dsb magic at its start".to_owned()),
        _ if !first_line(head).starts_with(b"{") => Err("its first line is no object".to_owned()),
        _ => jsonl::read_line(first_line(head), &mut Row::new())
            .map(|()| Detected::Jsonl)
            .map_err(|problem| format!("in the first row, {problem}")),
    }
}

fn first_line(head: &[u8]) -> &[u8] {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| !line.is_empty()).unwrap_or(head)
}

fn first_record(head: &[u8]) -> Option<csv::ByteRecord> {
    let mut record = csv::ByteRecord::new();
    let found = csv_reader(head, HEAD_BYTES).read_byte_record(&mut record);
    found.is_ok_and(|found| found).then_some(record)
}

/// Sets what the rows lack from file name or options; fails when neither has it.
pub(crate) fn locate(
    input: &Opened,
    detected: &Detected,
    options: &ImportOptions,
    stamper: &mut Stamper,
) -> Result<(), ImportError> {
    let dialect = detected.dialect();
    stamper.zero_is_missing = dialect.zero_is_missing();
    let (by_name_symbol, by_name_day) = from_name(dialect, &input.file_name);
    stamper.trading_day = options.trading_day.or(by_name_day);
    stamper.symbol = symbol_option(options)?.or(by_name_symbol);
    let Detected::Csv(_, plan) = detected else {
        return Ok(());
    };
    let pattern = dialect.name_pattern().unwrap_or("a column");
    let dated = [Target::Date, Target::DateTime, Target::RecvNanos];
    stamper.rows_have_trading_day = plan.gives(&[Target::Ctp("TradingDay")]);
    let has_day = stamper.rows_have_trading_day || plan.gives(&dated);
    if !has_day && stamper.trading_day.is_none() {
        return Err(ImportError::NoTradingDay {
            input: input.name.clone(),
            dialect,
            pattern,
        });
    }
    if !plan.gives(&[Target::Ctp("InstrumentID")]) && stamper.symbol.is_none() {
        return Err(ImportError::NoSymbol {
            input: input.name.clone(),
            dialect,
            pattern,
        });
    }
    Ok(())
}

/// The instrument of the options; `rb2601.SHFE` and `rb2601` are the same.
fn symbol_option(options: &ImportOptions) -> Result<Option<InstrumentId>, ImportError> {
    let Some(symbol) = &options.symbol else {
        return Ok(None);
    };
    let id = match symbol.rsplit_once('.') {
        Some((id, exchange)) if tickdeck_core::contract::Exchange::parse(exchange).is_some() => id,
        _ => symbol,
    };
    let parsed = InstrumentId::new(id.as_bytes()).ok();
    parsed
        .filter(|parsed| !parsed.is_empty())
        .map(Some)
        .ok_or_else(|| ImportError::BadSymbol {
            symbol: symbol.clone(),
        })
}

/// Instrument and day as the file name has them, for the dialects whose rows have neither.
fn from_name(dialect: Dialect, file_name: &str) -> (Option<InstrumentId>, Option<TradingDay>) {
    let stem = file_name.strip_suffix(".csv").unwrap_or(file_name);
    let (id, date) = match dialect {
        Dialect::TickDataClean => stem.rsplit_once('_').unwrap_or_default(),
        Dialect::CtpInMatlab => {
            let last = stem.rsplit('_').next().unwrap_or(stem);
            let (date, id) = last.split_at_checked(8).unwrap_or_default();
            (id, date)
        }
        _ => return (None, None),
    };
    let day = TradingDay::parse_ctp(date.as_bytes());
    let id = InstrumentId::new(id.as_bytes()).ok();
    (id.filter(|id| day.is_some() && !id.is_empty()), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_dialects_that_fit_are_both_named() {
        let tried = vec![
            (Dialect::CtpJsonl, Ok(Detected::Jsonl)),
            (Dialect::WonderTraderDsb, Ok(Detected::Dsb)),
        ];
        let error = choose("x.csv", b"", tried).err().unwrap();
        insta::assert_snapshot!(error.to_string(), @"x.csv: the dialects ctp-jsonl, wondertrader-dsb all fit; choose one with --dialect");
    }

    #[test]
    fn names_give_instrument_and_day_only_in_their_dialect() {
        let parse = |dialect, name| {
            let (id, day) = from_name(dialect, name);
            (id.map(|id| id.to_string()), day.map(TradingDay::to_ctp))
        };
        let both = |id: &str, day: &str| (Some(id.to_owned()), Some(day.to_owned()));
        assert_eq!(
            parse(Dialect::TickDataClean, "m1801-C-2550_20171113.csv"),
            both("m1801-C-2550", "20171113")
        );
        assert_eq!(
            parse(Dialect::CtpInMatlab, "ctp_in_matlab_20141014IF1410.csv"),
            both("IF1410", "20141014")
        );
        assert_eq!(parse(Dialect::TickDataClean, "ticks.csv"), (None, None));
        assert_eq!(
            parse(Dialect::CtpInMatlab, "数据数据数据.csv"),
            (None, None)
        );
        assert_eq!(parse(Dialect::Vnpy, "m1801_20171113.csv"), (None, None));
    }
}
