//! Detects the dialect of a file and opens the reader for its rows.

use tickdeck_core::event::InstrumentId;

use crate::import::columns::Target;
use crate::import::csv_rows::{CsvRows, csv_reader, separator_of};
use crate::import::dialect::{Dialect, join};
use crate::import::dsb::{self, DsbRows};
use crate::import::error::{ColumnGuess, ImportError};
use crate::import::file_name;
use crate::import::instruments::Instruments;
use crate::import::jsonl::{JsonKeys, JsonlRows};
use crate::import::names;
use crate::import::number::printable;
use crate::import::open::Opened;
use crate::import::options::{ColumnMap, ImportOptions};
use crate::import::parquet_rows::{self, ParquetRows, ParquetTable};
use crate::import::plan::{Mismatch, Plan};
use crate::import::row::{ReadRows, Row};
use crate::import::spool::{Slice, Spool};
use crate::import::stamp::Stamper;
use crate::import::tables::table_of;
use crate::import::text::decode;

/// Bytes that detection reads.
const HEAD_BYTES: usize = 64 * 1024;
/// Longest header that a message shows, in characters.
const HEADER_SHOWN: usize = 160;

/// A file whose dialect is known.
pub(crate) struct Detected {
    pub(crate) dialect: Dialect,
    form: Form,
}

/// How the rows are stored.
enum Form {
    Csv { plan: Plan, separator: u8 },
    Parquet { plan: Plan, table: ParquetTable },
    Jsonl(JsonKeys),
    Dsb,
}

impl Detected {
    fn plan(&self) -> Option<&Plan> {
        match &self.form {
            Form::Csv { plan, .. } | Form::Parquet { plan, .. } => Some(plan),
            Form::Jsonl(_) | Form::Dsb => None,
        }
    }

    /// Whether the header has a column of that name. The keys of JSON lines are known at their end.
    pub(crate) fn has_column(&self, column: &str) -> bool {
        self.plan().is_some_and(|plan| plan.has_column(column))
    }

    /// Whether every row names its own columns.
    pub(crate) const fn has_keys(&self) -> bool {
        matches!(self.form, Form::Jsonl(_))
    }

    /// The reader, and the bytes that it will read.
    pub(crate) fn into_reader(
        self,
        input: &Opened,
        spool: &mut Spool,
        buffer: usize,
    ) -> Result<(Box<dyn ReadRows>, u64), ImportError> {
        let slice: &Slice = &input.slice;
        Ok(match self.form {
            Form::Csv { plan, separator } => {
                let rows = CsvRows::new(slice, plan, separator, buffer);
                (Box::new(rows), slice.len)
            }
            Form::Parquet { plan, table } => (Box::new(ParquetRows::new(table, plan)?), slice.len),
            Form::Jsonl(keys) => (Box::new(JsonlRows::new(slice, keys, buffer)), slice.len),
            Form::Dsb => {
                let records = dsb::records(&input.name, slice, spool)?;
                (Box::new(DsbRows::new(&records, buffer)), records.len)
            }
        })
    }
}

/// The start of a file, taken apart once for all dialects.
struct Head<'a> {
    options: &'a ImportOptions,
    kind: Kind,
    first_line: Vec<u8>,
}

enum Kind {
    Csv {
        first: csv::ByteRecord,
        separator: u8,
    },
    Parquet(ParquetTable),
    Jsonl,
    Dsb,
    Nothing,
}

impl<'a> Head<'a> {
    fn read(input: &Opened, options: &'a ImportOptions) -> Result<Self, ImportError> {
        let head = input
            .slice
            .head(HEAD_BYTES)
            .map_err(|error| ImportError::io(&input.name, error))?;
        let mut first_line = first_line(&head).to_owned();
        let kind = if head.starts_with(&parquet_rows::MAGIC) {
            let table = ParquetTable::open(&input.name, &input.slice)?;
            first_line = table.names().join(",").into_bytes();
            Kind::Parquet(table)
        } else if head.starts_with(&dsb::MAGIC) {
            Kind::Dsb
        } else if first_line.starts_with(b"{") {
            Kind::Jsonl
        } else {
            let separator = separator_of(&first_line);
            match first_record(&head, separator) {
                Some(first) => Kind::Csv { first, separator },
                None => Kind::Nothing,
            }
        };
        Ok(Self {
            options,
            kind,
            first_line,
        })
    }

    fn fit(&self, dialect: Dialect) -> Result<Detected, Mismatch> {
        let other = |problem: &str| Err(Mismatch::Other(problem.to_owned()));
        let form = match (table_of(dialect), &self.kind) {
            (Some(table), Kind::Csv { first, separator }) => Form::Csv {
                plan: Plan::fit(table, first, self.options)?,
                separator: *separator,
            },
            (Some(columns), Kind::Parquet(table)) => {
                if !columns.has_header() {
                    return other("a Parquet file names its columns");
                }
                let names = csv::ByteRecord::from(table.names().to_vec());
                Form::Parquet {
                    plan: Plan::fit(columns, &names, self.options)?,
                    table: table.clone(),
                }
            }
            (Some(_), _) => return other("not CSV"),
            (None, Kind::Dsb) if dialect == Dialect::WonderTraderDsb => Form::Dsb,
            (None, _) if dialect == Dialect::WonderTraderDsb => {
                return other("no .dsb magic at its start");
            }
            (None, Kind::Jsonl) => {
                let mut keys = JsonKeys::new(self.options);
                let read = keys.read_line(&self.first_line, &mut Row::new());
                read.map_err(Mismatch::FirstRow)?;
                Form::Jsonl(keys)
            }
            (None, _) => return other("its first line is not a JSON object"),
        };
        Ok(Detected { dialect, form })
    }

    /// The header, or the first line, for a message.
    fn shown(&self) -> String {
        let text = decode(&self.first_line);
        let mut shown: String = text.chars().take(HEADER_SHOWN).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        if shown.contains(|char: char| char.is_control() && char != '\t') {
            return printable(&self.first_line);
        }
        shown
    }
}

/// Finds the one dialect that fits, or checks the requested one.
pub(crate) fn detect(input: &Opened, options: &ImportOptions) -> Result<Detected, ImportError> {
    let head = Head::read(input, options)?;
    if let Some(dialect) = options.dialect {
        let input = input.name.clone();
        return head.fit(dialect).map_err(|problem| match problem {
            Mismatch::SameField { first, second } => ImportError::SameField {
                input,
                dialect,
                first,
                second,
            },
            problem => ImportError::WrongDialect {
                input,
                dialect,
                problem: problem.to_string(),
            },
        });
    }
    let tried: Vec<_> = Dialect::ALL
        .into_iter()
        .map(|dialect| (dialect, head.fit(dialect)))
        .collect();
    choose(&input.name, &head, tried)
}

/// Makes the choice among the dialects that were tried.
fn choose(
    input: &str,
    head: &Head<'_>,
    tried: Vec<(Dialect, Result<Detected, Mismatch>)>,
) -> Result<Detected, ImportError> {
    let mut fitting = Vec::new();
    let mut problems = Vec::new();
    for (dialect, result) in tried {
        match result {
            Ok(detected) => fitting.push(detected),
            Err(problem) => problems.push((dialect, problem)),
        }
    }
    let dialects: Vec<Dialect> = fitting.iter().map(|fits| fits.dialect).collect();
    match fitting.pop() {
        Some(detected) if fitting.is_empty() => Ok(detected),
        Some(_) => Err(ImportError::AmbiguousDialect {
            input: input.to_owned(),
            dialects: join(&dialects),
        }),
        None => {
            let near = nearest(&problems);
            Err(ImportError::NoDialect {
                input: input.to_owned(),
                first_line: head.shown(),
                problem: match near {
                    Some((dialect, problem)) => format!("nearest is {dialect}: {problem}"),
                    None => "none of its columns is known".to_owned(),
                },
                is_near: near.is_some(),
                guesses: near
                    .map_or_else(Vec::new, |(dialect, problem)| guesses(*dialect, problem)),
            })
        }
    }
}

/// The dialect that comes nearest, and its problem: the header with the most known
/// columns, else the dialect whose columns fit and whose first row does not.
fn nearest(problems: &[(Dialect, Mismatch)]) -> Option<&(Dialect, Mismatch)> {
    let by_row = |(_, problem): &&(Dialect, Mismatch)| matches!(problem, Mismatch::FirstRow(_));
    let known = |problem: &Mismatch| match problem {
        Mismatch::Header {
            known,
            unknown,
            missing,
        } if *known > 0 => {
            // One unknown column more weighs as much as one known column less.
            known
                .saturating_sub(unknown.len())
                .saturating_sub(missing.len())
                + 1
        }
        Mismatch::SameField { .. } | Mismatch::Contradiction(_) => usize::MAX,
        _ => 0,
    };
    let mut best: Option<&(Dialect, Mismatch)> = None;
    for candidate in problems {
        if best.map_or(0, |(_, problem)| known(problem)) < known(&candidate.1) {
            best = Some(candidate);
        }
    }
    best.or_else(|| problems.iter().find(by_row))
}

/// What the unknown columns of a header probably are, if that accounts for every missing column.
fn guesses(dialect: Dialect, problem: &Mismatch) -> Vec<ColumnGuess> {
    let (
        Mismatch::Header {
            missing, unknown, ..
        },
        Some(table),
    ) = (problem, table_of(dialect))
    else {
        return Vec::new();
    };
    let mut guesses: Vec<ColumnGuess> = unknown
        .iter()
        .map(|name| ColumnGuess {
            theirs: name.clone(),
            field: None,
        })
        .collect();
    for name in missing {
        let field = names::target(table, name).and_then(ColumnMap::word_of);
        let mut free = guesses.iter_mut().filter(|guess| guess.field.is_none());
        match free.find(|guess| names::are_alike(&guess.theirs, name)) {
            Some(guess) if field.is_some() => guess.field = field,
            _ => return Vec::new(),
        }
    }
    guesses
}

fn first_line(head: &[u8]) -> &[u8] {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| !line.is_empty()).unwrap_or(head)
}

fn first_record(head: &[u8], separator: u8) -> Option<csv::ByteRecord> {
    let mut record = csv::ByteRecord::new();
    let found = csv_reader(head, separator, HEAD_BYTES).read_byte_record(&mut record);
    found.is_ok_and(|found| found).then_some(record)
}

/// Sets what the rows lack from file name or options; fails when neither has it.
pub(crate) fn locate(
    input: &Opened,
    detected: &Detected,
    options: &ImportOptions,
    instruments: &Instruments,
    stamper: &mut Stamper,
) -> Result<(), ImportError> {
    let dialect = detected.dialect;
    let named = file_name::read(dialect, &input.file_name);
    stamper.trading_day = options.trading_day.or(named.day);
    let symbol = symbol_option(options)?.or(named.symbol);
    stamper.symbol = symbol.map(|symbol| instruments.ctp_id(symbol));
    let Some(plan) = detected.plan() else {
        return Ok(());
    };
    let pattern = dialect.name_pattern().unwrap_or("a column");
    let dated = [
        Target::Date,
        Target::DateTime,
        Target::RecvDateTime,
        Target::RecvNanos,
        Target::DerivedNanos,
        Target::Ctp("ActionDay"),
    ];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_dialects_that_fit_are_both_named() {
        let detected = |dialect| Detected {
            dialect,
            form: Form::Dsb,
        };
        let tried = vec![
            (Dialect::CtpJsonl, Ok(detected(Dialect::CtpJsonl))),
            (
                Dialect::WonderTraderDsb,
                Ok(detected(Dialect::WonderTraderDsb)),
            ),
        ];
        let head = Head {
            options: &ImportOptions::default(),
            kind: Kind::Nothing,
            first_line: Vec::new(),
        };
        let error = choose("x.csv", &head, tried).err().unwrap();
        insta::assert_snapshot!(error.to_string(), @"x.csv: the dialects ctp-jsonl, wondertrader-dsb all fit; choose one");
    }
}
