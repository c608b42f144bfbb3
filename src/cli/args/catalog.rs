//! Flags about catalogues: many recordings under one root.

use std::path::PathBuf;

use clap::Args;
use tickdeck::listing::{ListOptions, SessionState};
use tickdeck_core::contract::Exchange;
use tickdeck_core::time::TradingDay;

use super::{JsonArgs, conflict, values};

/// Which recordings of a catalogue.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Catalogue")]
pub struct CatalogArgs {
    /// Under a root with many sessions, only these trading days, YYYY-MM-DD; comma separated,
    /// repeatable
    #[arg(long, hide_short_help = true, value_name = "DAY", value_delimiter = ',', value_parser = values::parse_trading_day)]
    pub trading_day: Vec<TradingDay>,
    /// Likewise, only these sessions: ids or globs such as 'live-*'; comma separated, repeatable
    #[arg(
        long,
        hide_short_help = true,
        value_name = "GLOB",
        value_delimiter = ','
    )]
    pub session: Vec<String>,
}

impl CatalogArgs {
    /// Whether something is selected.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.trading_day.is_empty() || !self.session.is_empty()
    }
}

/// Flags of `ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Root of a catalogue, or the folder of one of its trading days
    #[arg(value_name = "ROOT")]
    pub root: PathBuf,
    /// Exit with 0 even if there is no session
    #[arg(long)]
    pub allow_empty: bool,
    /// Only sessions with an instrument of these exchanges: SHFE, INE, DCE, CZCE, GFEX, CFFEX; comma
    /// separated, repeatable
    #[arg(long, value_name = "EXCHANGE", value_delimiter = ',', value_parser = values::parse_exchange, help_heading = "Catalogue")]
    pub exchange: Vec<Exchange>,
    /// Only sessions with one of these instruments: ids, rb* or *.CFFEX; comma separated, repeatable
    #[arg(
        long,
        value_name = "GLOB",
        value_delimiter = ',',
        help_heading = "Catalogue"
    )]
    pub symbols: Vec<String>,
    /// Only sessions in these states; comma separated, repeatable
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = values::state_parser(), help_heading = "Catalogue")]
    pub status: Vec<SessionState>,
    /// Which sessions.
    #[command(flatten)]
    pub catalog: CatalogArgs,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

impl LsArgs {
    /// Which sessions are listed, of those of the days and ids.
    #[must_use]
    pub fn options(&self) -> ListOptions {
        ListOptions {
            exchanges: self.exchange.clone(),
            symbols: self.symbols.clone(),
            states: self.status.clone(),
        }
    }
}

/// Flags of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Roots of catalogues, or folders of recordings
    #[arg(value_name = "ROOT", required = true)]
    pub places: Vec<PathBuf>,
    /// Keep the recordings of the N latest trading days that have one, 1 or more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep_days: Option<u32>,
    /// Remove the oldest recordings until all of them have at most this size, for example 200GB or 50GiB.
    /// The newest one always stays
    #[arg(long, value_name = "SIZE", value_parser = values::parse_bytes)]
    pub max_bytes: Option<u64>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Whether the result is printed as JSON.
    #[command(flatten)]
    pub json: JsonArgs,
}

impl PruneArgs {
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        match (self.keep_days, self.max_bytes) {
            (None, None) => Err(conflict(
                "nothing says what to keep: give --keep-days N, --max-bytes SIZE or both",
            )),
            _ => Ok(()),
        }
    }
}
