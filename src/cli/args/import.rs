//! Flags of `import`.

use std::path::PathBuf;

use clap::Args;
use tickdeck::import::ColumnMap;
use tickdeck_core::time::TradingDay;

use super::{JsonArgs, OutputArgs, RollArgs, values};

/// Flags of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Dump files: CSV, JSON lines, Parquet or .dsb, compressed or archived
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Dialect of the files [default: detected from the header]
    #[arg(long, value_name = "NAME", help_heading = "Format")]
    pub dialect: Option<String>,
    /// Map an unknown column to a CTP field, recv_ts, date, time or datetime
    /// (`--map px=LastPrice`)
    #[arg(long, value_name = "THEIRS=CTP", help_heading = "Format")]
    pub map: Vec<ColumnMap>,
    /// Ignore this column (`--ignore mood`)
    #[arg(long, value_name = "COLUMN", help_heading = "Format")]
    pub ignore: Vec<String>,
    /// Publish instruments that are in no table, such as rb888, under the exchange that their rows
    /// name
    #[arg(long, help_heading = "Reference data")]
    pub trust_exchange: bool,
    /// Trading day, YYYY-MM-DD, for files without one
    #[arg(long, value_name = "DAY", value_parser = values::parse_trading_day, help_heading = "Format")]
    pub trading_day: Option<TradingDay>,
    /// Instrument id, for files without one
    #[arg(long, value_name = "ID", help_heading = "Format")]
    pub symbol: Option<String>,
    /// Skip and count rows that cannot be read
    #[arg(long)]
    pub skip_bad: bool,
    /// Accept files without a tick: exit with 0, and write an empty recording
    #[arg(long)]
    pub allow_empty: bool,
    /// Trading calendar file instead of the built-in one
    #[arg(long, value_name = "FILE", help_heading = "Reference data")]
    pub calendar: Option<PathBuf>,
    /// Contract file (CSV), kept in the recording
    #[arg(long, value_name = "FILE", help_heading = "Reference data")]
    pub contracts: Option<PathBuf>,
    /// Where the recording goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// When a new segment begins.
    #[command(flatten)]
    pub roll: RollArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}
