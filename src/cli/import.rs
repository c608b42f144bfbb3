//! `tickdeck import`: tick dumps of other recorders as a recording.

use std::io::Write as _;

use serde::Serialize;
use tickdeck::convert::ConvertError;
use tickdeck::import::{
    Dialect, DoubtfulInstrument, GivenOption, ImportError, ImportOptions, ImportReport,
    ImportSource, InputReport, OutOfOrder,
};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::time::TradingDay;

use super::args::{ImportArgs, NormalizeArgs};
use super::context::Context;
use super::inputs::{self, days_of, warn_not_covered};
use super::outcome::{Outcome, UsageError, convert_error, stdout, unless_closed, unless_empty};
use super::outputs::conversion;
use super::render::{Made, counted};

/// How many bad rows are printed. The others are only counted.
const BAD_ROWS_SHOWN: usize = 5;

/// How many instruments with a doubtful exchange are named. The others are only counted.
const DOUBTFUL_SHOWN: usize = 10;

/// How many members without data are named. The others are only counted.
const MEMBERS_SHOWN: usize = 10;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &ImportArgs) -> anyhow::Result<Outcome> {
    context.handle_signals()?;
    let normalize = NormalizeArgs {
        calendar: args.calendar.clone(),
        contracts: args.contracts.clone(),
        ..NormalizeArgs::default()
    };
    let reference = inputs::reference(&normalize, &[])?;
    check_trading_day(args.trading_day, &reference.calendar)?;
    let options = ImportOptions {
        dialect: dialect(args)?,
        trading_day: args.trading_day,
        symbol: args.symbol.clone(),
        skip_bad: args.skip_bad,
        map: args.map.clone(),
        ignore: args.ignore.clone(),
        trust_exchange: args.trust_exchange,
    };
    let mut source = ImportSource::open(
        &args.files,
        options,
        reference.contracts.clone(),
        reference.calendar.clone(),
    )
    .map_err(usage)?;
    tell_skipped(&source.report().skipped_members);
    let imported = conversion(context, "import", None, &args.output, &args.roll)
        .allow_empty(args.allow_empty)
        .import(&mut source, &reference);
    let manifest = unless_empty(imported, failed)?;
    if let Some(manifest) = &manifest {
        warn_not_covered(&reference.calendar, days_of(&manifest.trading_days));
    }
    tell_instruments(&source, args.trust_exchange);
    tell_times(source.report());
    tell_without_effect(&source);
    let made = Made::of(&args.output.output, manifest.as_ref());
    let report = source.report();
    unless_closed(match args.json.json {
        true => print_json(made, report),
        false => made
            .print(false)
            .and_then(|()| print_report(report, args.trading_day))
            .map_err(Into::into),
    })?;
    if manifest.is_none() {
        warn_no_tick(report);
        return Ok(Outcome::Lossy);
    }
    Ok(match report.skipped() {
        0 => Outcome::Done,
        _ => Outcome::Lossy,
    })
}

/// Warns about files without a tick, and says what they have.
fn warn_no_tick(report: &ImportReport) {
    let names = report.inputs.iter().map(|input| input.name.as_str());
    tracing::warn!(
        event = "no_tick_found",
        inputs = names.collect::<Vec<_>>().join(", "),
        rows = report.inputs.iter().map(|input| input.rows).sum::<u64>(),
        skipped = report.skipped(),
        "the input has no tick; --allow-empty accepts that"
    );
}

/// The result as JSON; the key order is the order of the fields.
#[derive(Serialize)]
struct Imported<'a> {
    #[serde(flatten)]
    made: Made<'a>,
    skipped: u64,
    bad_rows: Vec<String>,
    /// Members of archives that have no data.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    skipped_members: &'a [String],
    inputs: Vec<ImportedInput<'a>>,
}

#[derive(Serialize)]
struct ImportedInput<'a> {
    name: &'a str,
    rows: u64,
    skipped: u64,
    /// Rows with a blank volume.
    blank_volumes: u64,
    /// Rows that are later than the rows below them.
    set_aside: u64,
    /// Rows that are earlier than a row above them.
    held_back: u64,
    /// Rows of a day without trading, dated on another day.
    moved: u64,
    /// Rows that were received before their exchange time.
    early: u64,
    examples: Vec<String>,
}

impl<'a> ImportedInput<'a> {
    fn new(input: &'a InputReport) -> Self {
        let noted = &input.out_of_order;
        let aside = noted.aside.iter().map(ToString::to_string);
        let held = noted.by.iter().map(ToString::to_string);
        let moved = noted.moves.iter().map(ToString::to_string);
        Self {
            name: &input.name,
            rows: input.rows,
            skipped: input.skipped,
            blank_volumes: input.blank_volumes,
            set_aside: noted.set_aside,
            held_back: noted.held_back,
            moved: noted.moved,
            early: noted.early,
            examples: aside.chain(held).chain(moved).collect(),
        }
    }
}

fn print_json(made: Made<'_>, report: &ImportReport) -> anyhow::Result<()> {
    let imported = Imported {
        made,
        skipped: report.skipped(),
        bad_rows: report.bad_rows.iter().map(ToString::to_string).collect(),
        skipped_members: &report.skipped_members,
        inputs: report.inputs.iter().map(ImportedInput::new).collect(),
    };
    let mut out = stdout();
    serde_json::to_writer(&mut out, &imported)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Prints what was skipped or out of order.
fn print_report(report: &ImportReport, given: Option<TradingDay>) -> std::io::Result<()> {
    let mut out = stdout();
    for input in &report.inputs {
        print_out_of_order(&mut out, &input.name, &input.out_of_order, given)?;
        if input.blank_volumes > 0 {
            let (rows, name) = (counted(input.blank_volumes, "row"), &input.name);
            writeln!(
                out,
                "filled     {rows} of {name} with a blank volume: the last one of the trading day, \
                 else the next one, else 0"
            )?;
        }
    }
    if report.skipped() > 0 {
        let skipped = counted(report.skipped(), "row");
        writeln!(out, "skipped    {skipped} that could not be read")?;
    }
    for row in report.bad_rows.iter().take(BAD_ROWS_SHOWN) {
        writeln!(out, "           {row}")?;
    }
    out.flush()
}

/// Names the rows of one input whose times contradict their order, each other or the calendar.
/// `given` is the day of `--trading-day`.
fn print_out_of_order(
    out: &mut impl std::io::Write,
    input: &str,
    noted: &OutOfOrder,
    given: Option<TradingDay>,
) -> std::io::Result<()> {
    if noted.moved > 0 {
        let rows = counted(noted.moved, "row");
        let advice = match noted.takes_day {
            true => "; --trading-day says which day it is",
            false => "",
        };
        writeln!(
            out,
            "moved      {rows} of {input}: dated on a day without trading, so of another day{advice}"
        )?;
        print_rows(out, &noted.moves)?;
    }
    if noted.set_aside > 0 {
        let rows = counted(noted.set_aside, "row");
        writeln!(
            out,
            "set aside  {rows} of {input}: later than the rows below"
        )?;
        print_rows(out, &noted.aside)?;
    }
    if noted.early > 0 {
        let (rows, most) = (counted(noted.early, "row"), noted.earliest_text());
        let question = match given {
            Some(day) => format!(
                "is {day} of --trading-day the day of these rows, or is the receive clock in \
                 another time zone?"
            ),
            None => "is the receive clock in another time zone?".to_owned(),
        };
        writeln!(
            out,
            "early      {rows} of {input}: received up to {most} before their exchange time, so \
             they are dated earlier; {question}"
        )?;
    }
    if noted.held_back > 0 {
        let rows = counted(noted.held_back, "row");
        writeln!(
            out,
            "held back  {rows} of {input}: earlier than a row above; sort the file by time to keep \
             their own timing"
        )?;
        print_rows(out, &noted.by)?;
    }
    Ok(())
}

/// The first rows, one a line.
fn print_rows(
    out: &mut impl std::io::Write,
    rows: &[impl std::fmt::Display],
) -> std::io::Result<()> {
    let mut shown = rows.iter().take(BAD_ROWS_SHOWN);
    shown.try_for_each(|row| writeln!(out, "           {row}"))
}

/// A column of `--map` or `--ignore` that is nowhere is a mistake in the flags, not in the files.
fn usage(error: ImportError) -> anyhow::Error {
    match error {
        ImportError::NoColumn { name } => UsageError::new(format!(
            "no input has a column \"{name}\", which --map or --ignore names"
        ))
        .into(),
        error => error.into(),
    }
}

/// What ended an import. The keys of JSON lines are known at their end only.
fn failed(error: ConvertError) -> anyhow::Error {
    if let ConvertError::Source(source) = &error
        && let Some(column @ ImportError::NoColumn { .. }) = source.cause().downcast_ref()
    {
        return UsageError::new(column.to_string()).into();
    }
    convert_error(error)
}

/// Logs the members of archives that were skipped, because they hold no data.
fn tell_skipped(members: &[String]) {
    if members.is_empty() {
        return;
    }
    let named: Vec<&str> = members
        .iter()
        .take(MEMBERS_SHOWN)
        .map(String::as_str)
        .collect();
    tracing::warn!(
        event = "members_skipped",
        count = members.len(),
        members = named.join(", "),
        "these members hold no tick data"
    );
}

/// Logs the flags that changed nothing, each with the reason.
fn tell_without_effect(source: &ImportSource) {
    if source.report().rows() == 0 {
        return;
    }
    for option in source.options_without_effect() {
        let (option, reason) = match option {
            GivenOption::Symbol => ("--symbol", "every row names its instrument"),
            GivenOption::TradingDay => (
                "--trading-day",
                "every row has its own day, or was received at a known time",
            ),
            GivenOption::TrustExchange => (
                "--trust-exchange",
                "no row names an exchange other than that of the contract table",
            ),
            _ => continue,
        };
        tracing::warn!(
            event = "option_without_effect",
            option,
            reason,
            "{option} changed nothing: {reason}"
        );
    }
}

/// Logs the rows that a replay publishes on another day, and those that it does not publish because
/// they have no time.
fn tell_times(report: &ImportReport) {
    for input in &report.inputs {
        let noted = &input.out_of_order;
        if let Some(first) = noted.moves.first() {
            tracing::warn!(
                event = "date_without_trading",
                input = input.name,
                rows = noted.moved,
                row = first.row,
                date = %first.date,
                becomes = %first.on,
                trading_day = %first.to,
                "rows are dated on a day without trading: a replay publishes them on another day"
            );
        }
        if let Some(first) = &noted.first_redated {
            tracing::warn!(
                event = "date_replaced",
                input = input.name,
                rows = noted.redated,
                row = first.row,
                date = %first.date,
                becomes = %first.on,
                "rows have another date than the day of --trading-day or of the file name, which \
                 replaces it"
            );
        }
        if let Some(first) = &noted.first_no_time {
            tracing::warn!(
                event = "time_impossible",
                input = input.name,
                rows = noted.no_time,
                row = first.row,
                text = first.text,
                "an UpdateTime is not a time HH:MM:SS: a replay rejects the tick with the reason no_time"
            );
        }
    }
}

/// Logs the ids that were converted, and the instruments that a replay may not publish as meant.
fn tell_instruments(source: &ImportSource, trusted: bool) {
    let renamed = source.renamed_instruments();
    if let Some((written, ctp)) = renamed.iter().next() {
        tracing::info!(
            event = "instruments_renamed",
            ids = renamed.len(),
            "converted ids to CTP's form, such as {written} to {ctp}"
        );
    }
    let doubtful = source.doubtful_instruments();
    for instrument in doubtful.iter().take(DOUBTFUL_SHOWN) {
        tell_doubtful(instrument, trusted);
    }
    if let Some(more @ 1..) = doubtful.len().checked_sub(DOUBTFUL_SHOWN) {
        tracing::warn!(
            event = "exchange_in_doubt",
            "{more} more instruments have an exchange in doubt"
        );
    }
}

fn tell_doubtful(instrument: &DoubtfulInstrument, trusted: bool) {
    let (id, rows) = (&instrument.id, instrument.rows);
    match (instrument.named, instrument.known) {
        (Some(named), _) if trusted => tracing::info!(
            event = "exchange_trusted",
            id,
            rows,
            "a replay publishes {id}.{named}, as its rows say"
        ),
        (Some(named), Some(known)) => tracing::warn!(
            event = "exchange_in_doubt",
            id,
            rows,
            "its rows name {named}, the contract table {known}: a replay publishes {id}.{known}; \
             import it with --trust-exchange for {id}.{named}"
        ),
        (Some(named), None) => tracing::warn!(
            event = "exchange_in_doubt",
            id,
            rows,
            "no table has it, and its rows name {named}: a replay rejects its ticks; import it \
             with --trust-exchange to publish {id}.{named}"
        ),
        (None, _) => tracing::warn!(
            event = "exchange_in_doubt",
            id,
            rows,
            "neither a table nor its rows name its exchange: a replay rejects its ticks; \
             --contracts FILE adds it"
        ),
    }
}

/// Refuses a day on which the exchanges are closed.
fn check_trading_day(day: Option<TradingDay>, calendar: &TradingCalendar) -> anyhow::Result<()> {
    let Some(day) = day.filter(|day| !calendar.is_trading_day(day.0)) else {
        return Ok(());
    };
    let next = calendar.next_trading_day(day.0);
    Err(UsageError::new(format!(
        "--trading-day {day} is not a trading day; the next one is {next}"
    ))
    .into())
}

fn dialect(args: &ImportArgs) -> anyhow::Result<Option<Dialect>> {
    args.dialect
        .as_deref()
        .map(|name| {
            name.parse().map_err(|_| {
                let known = Dialect::list();
                UsageError::new(format!("no dialect {name:?}; known are {known}")).into()
            })
        })
        .transpose()
}
