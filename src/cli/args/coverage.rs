//! Flags of `coverage`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tickdeck::coverage::Judged;

use super::{CatalogArgs, JsonArgs, values};

/// Which hours of a trading day are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Hours {
    /// The night and the day that a recording reaches into, each of them whole
    #[default]
    Touched,
    /// All trading hours of the day
    All,
    /// Only from the first to the last event of each recording
    Recorded,
}

impl From<Hours> for Judged {
    fn from(hours: Hours) -> Self {
        match hours {
            Hours::Touched => Self::Touched,
            Hours::All => Self::All,
            Hours::Recorded => Self::Recorded,
        }
    }
}

/// Flags of `coverage`.
#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// Recordings: folders, single segments or roots; those of one trading day complete each other
    #[arg(value_name = "REC", required = true)]
    pub recordings: Vec<PathBuf>,
    /// More trading time than this without a tick is silence, above 0s; breaks and auctions do not count
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = values::parse_span)]
    pub silent: Duration,
    /// Which hours of a trading day are judged
    #[arg(long, value_name = "HOURS", value_enum, default_value_t = Hours::Touched)]
    pub hours: Hours,
    /// Only these instruments: ids, rb*, *.CFFEX or all; comma separated, repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub symbols: Vec<String>,
    /// These instruments may be silent or without a tick; the same forms
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Instruments with fewer ticks than this in the trading day may be silent
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::parse_whole)]
    pub min_ticks: u64,
    /// List the instruments without a finding too
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// Exit with 0 even if nothing can be judged
    #[arg(long)]
    pub allow_empty: bool,
    /// Which of its sessions, where it is a root.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}
