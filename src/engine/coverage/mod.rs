//! What recordings have of their trading days, against the hours in which each product trades.
//!
//! An [`Observation`] is made of each recording, on its own. [`judge`] compares all of them, day by day:
//! recordings of one trading day complete each other.
//!
//! ```
//! use tickdeck::coverage::{CoverageOptions, Judged, Observation, judge};
//! use tickdeck::progress::Silent;
//! use tickdeck::recording::Recording;
//! use tickdeck::reference::Reference;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
//! let quick = [Recording::open(path.as_ref())?];
//! let reference = Reference::of_recordings(&quick)?;
//! let options = CoverageOptions::default();
//! let silent = options.silent_ns;
//! let observed = Observation::read(&quick[0], &reference.calendar, silent, &mut Silent)?;
//! // It has one minute of the day.
//! let of_minute = CoverageOptions {
//!     judged: Judged::Recorded,
//!     ..CoverageOptions::default()
//! };
//! assert!(!judge(&[observed.clone()], &reference, &options).is_whole());
//! assert!(judge(&[observed], &reference, &of_minute).is_whole());
//! # Ok(())
//! # }
//! ```
//!
//! All of it only computes, but for the reading of a recording.

mod judge;
mod observe;
mod report;
mod spans;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use tickdeck_core::select::SymbolGlobs;
use tickdeck_core::time::{NANOS_PER_SECOND, TradingDay};

pub use self::observe::Observation;
pub use self::report::{
    Coverage, DayCoverage, DayHalf, GapCoverage, InstrumentCoverage, SessionCoverage, Silence,
};
use crate::reference::Reference;

/// The trading time without a tick that is silence, unless it is set: five minutes in ns.
pub const DEFAULT_SILENT_NS: i64 = 300 * NANOS_PER_SECOND;

/// Which hours of a trading day are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Judged {
    /// The night and the day that a recording reaches into, each of them whole.
    #[default]
    Touched,
    /// All trading hours of the day.
    All,
    /// Only from the first to the last event of each recording.
    Recorded,
}

/// What is judged, and what is accepted.
#[derive(Debug, Clone)]
pub struct CoverageOptions {
    /// More trading time than this without a tick is silence, ns.
    pub silent_ns: i64,
    /// Which hours are judged.
    pub judged: Judged,
    /// Only these instruments.
    pub symbols: SymbolGlobs,
    /// These may be silent or without a tick; `None` for none.
    pub allowed: Option<SymbolGlobs>,
    /// Instruments with fewer ticks in the trading day may be silent.
    pub min_ticks: u64,
}

impl Default for CoverageOptions {
    fn default() -> Self {
        Self {
            silent_ns: DEFAULT_SILENT_NS,
            judged: Judged::default(),
            symbols: SymbolGlobs::all(),
            allowed: None,
            min_ticks: 0,
        }
    }
}

/// Judges every trading day that has an event. A recording that is being written is judged until its last
/// event.
#[must_use]
pub fn judge(
    observations: &[Observation],
    reference: &Reference,
    options: &CoverageOptions,
) -> Coverage {
    let days = observations.iter().flat_map(|it| it.events.days.keys());
    let days: BTreeSet<TradingDay> = days.copied().collect();
    let days = days.into_iter();
    Coverage {
        days: days
            .map(|day| judge::Judge::new(day, observations, reference, options).judge())
            .collect(),
    }
}
