//! `tickdeck import`: CSV dumps of CTP ticks as a recording.

use std::io::Write as _;

use tickdeck::import::{Dialect, ImportOptions, ImportSource, OutOfOrder};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::time::TradingDay;
use tickdeck_recording::{RecordingWriter, SourceInfo};

use super::Context;
use super::args::{ImportArgs, NormalizeArgs};
use super::inputs::{self, days_of, warn_not_covered};
use super::outcome::{Outcome, UsageError, stdout};
use super::outputs::{copy_events, recording_options, session_of};
use super::render::print_made;

/// How many bad rows are printed. The others are only counted.
const BAD_ROWS_SHOWN: usize = 5;

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
    };
    let mut source = ImportSource::open(
        &args.files,
        options,
        reference.contracts.clone(),
        reference.calendar.clone(),
    )?;
    let info = source_info(&source);
    let session = session_of(&args.output.output);
    let mut writer = RecordingWriter::create(
        &args.output.output,
        recording_options(&args.output, &args.roll, &reference, session, info),
    )?;
    copy_events(context, "import", None, &mut source, &mut writer)?;
    // Every row may have its own rule.
    writer.set_recv_ts(source_info(&source).recv_ts);
    let manifest = writer.finish()?;
    warn_not_covered(&reference.calendar, days_of(&manifest.trading_days));
    print_made(&args.output.output, &manifest)?;
    let report = source.report();
    let mut out = stdout();
    for input in &report.inputs {
        print_out_of_order(&mut out, &input.name, &input.out_of_order)?;
    }
    if report.skipped() == 0 {
        out.flush()?;
        return Ok(Outcome::Done);
    }
    writeln!(
        out,
        "skipped    {} rows that could not be read",
        report.skipped()
    )?;
    for row in report.bad_rows.iter().take(BAD_ROWS_SHOWN) {
        writeln!(out, "           {row}")?;
    }
    out.flush()?;
    Ok(Outcome::Lossy)
}

/// Names the rows of one input whose times contradict their order.
fn print_out_of_order(
    out: &mut impl std::io::Write,
    input: &str,
    noted: &OutOfOrder,
) -> std::io::Result<()> {
    if noted.set_aside > 0 {
        let count = noted.set_aside;
        writeln!(
            out,
            "set aside  {count} rows of {input}: later than the rows below them"
        )?;
        for row in noted.aside.iter().take(BAD_ROWS_SHOWN) {
            writeln!(out, "           {row}")?;
        }
    }
    if noted.early > 0 {
        let (count, most) = (noted.early, noted.earliest_text());
        writeln!(
            out,
            "early      {count} rows of {input}: received up to {most} before their exchange time, \
             so they are dated earlier; is the receive clock in another time zone?"
        )?;
    }
    if noted.held_back > 0 {
        let count = noted.held_back;
        writeln!(
            out,
            "held back  {count} rows of {input}: earlier than a row above them; sort the file by \
             time to replay them at their own"
        )?;
        for held in noted.by.iter().take(BAD_ROWS_SHOWN) {
            writeln!(out, "           {held}")?;
        }
    }
    Ok(())
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

fn source_info(source: &ImportSource) -> SourceInfo {
    let report = source.report();
    let words = |words: Vec<String>| words.join(",");
    let dialects = report.dialects().iter().map(ToString::to_string).collect();
    let rules = report
        .recv_ts_rules()
        .iter()
        .map(|rule| rule.as_str().to_owned())
        .collect();
    SourceInfo {
        kind: "import".into(),
        detail: format!("dialect={}", words(dialects)),
        payload_source: "ctp".into(),
        recv_ts: words(rules),
        ..SourceInfo::default()
    }
}
