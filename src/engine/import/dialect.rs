//! The names of the dialects, and what holds for a whole dump. Their columns are in `tables.rs`.

use std::fmt;

/// A form of CTP tick dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// A header of CTP field names, in English or Chinese, of any recorder.
    CtpCsv,
    /// `tick_data_clean`: eight columns without a header, a file per instrument and trading day.
    TickDataClean,
    /// WonderTrader's ticks printed as CSV with a header.
    WonderTrader,
    /// WonderTrader's binary tick file, `.dsb`.
    WonderTraderDsb,
    /// `ctp_in_matlab`: twenty columns without a header, six significant digits.
    CtpInMatlab,
    /// vn.py 1.x: header `symbol,date,time,lastPrice,…`.
    VnpyLegacy,
    /// vn.py `TickData` of today as CSV: header `symbol,exchange,datetime,…`.
    Vnpy,
    /// TqSdk's `DataDownloader`: columns named `SHFE.rb2605.last_price`.
    TqSdk,
    /// A recorder with the receive clock in `TimeStamp`, then `Date`, `Time` and CTP names.
    CtpRecorder,
    /// One JSON object a line, keys are CTP field names: tickdeck's own JSONL export.
    CtpJsonl,
    /// tickdeck's own CSV export.
    Tickdeck,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 11] = [
        Self::CtpCsv,
        Self::TickDataClean,
        Self::WonderTrader,
        Self::WonderTraderDsb,
        Self::CtpInMatlab,
        Self::VnpyLegacy,
        Self::Vnpy,
        Self::TqSdk,
        Self::CtpRecorder,
        Self::CtpJsonl,
        Self::Tickdeck,
    ];

    /// The name by which a user chooses it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CtpCsv => "ctp-csv",
            Self::TickDataClean => "tick-data-clean",
            Self::WonderTrader => "wondertrader",
            Self::WonderTraderDsb => "wondertrader-dsb",
            Self::CtpInMatlab => "ctp-in-matlab",
            Self::VnpyLegacy => "vnpy-legacy",
            Self::Vnpy => "vnpy",
            Self::TqSdk => "tqsdk",
            Self::CtpRecorder => "ctp-recorder",
            Self::CtpJsonl => "ctp-jsonl",
            Self::Tickdeck => "tickdeck",
        }
    }

    /// All names, for messages and help.
    #[must_use]
    pub fn list() -> String {
        join(&Self::ALL)
    }

    /// What a price of 0 means in a dump of this dialect.
    pub(crate) const fn zero(self) -> Zero {
        match self {
            Self::WonderTrader | Self::WonderTraderDsb | Self::Vnpy => Zero::Missing,
            Self::CtpCsv => Zero::MissingUnlessMax,
            _ => Zero::Value,
        }
    }

    /// What the file name gives, where the rows have no day or no instrument.
    pub(crate) const fn name_pattern(self) -> Option<&'static str> {
        match self {
            Self::TickDataClean => Some("<instrument>_<YYYYMMDD>.csv"),
            Self::CtpInMatlab => Some("<YYYYMMDD><instrument>.csv"),
            Self::CtpCsv | Self::Vnpy => Some("<instrument>_<YYYYMMDD>.csv"),
            _ => None,
        }
    }
}

/// What a price of 0 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zero {
    /// As CTP sent it.
    Value,
    /// The recorder replaced CTP's missing prices by 0.
    Missing,
    /// The same, unless the row has a `DBL_MAX`: then its recorder keeps CTP's missing prices.
    MissingUnlessMax,
}

/// Names of `dialects`, separated by commas.
pub(crate) fn join(dialects: &[Dialect]) -> String {
    let names: Vec<&str> = dialects.iter().map(|dialect| dialect.as_str()).collect();
    names.join(", ")
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_name_reads_back() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.as_str().parse::<Dialect>().unwrap(), dialect);
        }
    }
}
