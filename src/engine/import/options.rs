//! Options of an import.

use tickdeck_core::time::TradingDay;

use crate::import::columns::Target;
use crate::import::dialect::Dialect;
use crate::import::names;
use crate::import::number::Fraction;

/// What to assume about the inputs of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The dialect of every input; `None` detects it for each.
    pub dialect: Option<Dialect>,
    /// Trading day of inputs that do not record one; takes precedence over the file name.
    pub trading_day: Option<TradingDay>,
    /// Instrument of inputs that do not record one (`rb2601` or `rb2601.SHFE`); takes
    /// precedence over the file name.
    pub symbol: Option<String>,
    /// Skip and count bad rows instead of stopping at the first.
    pub skip_bad: bool,
    /// What columns mean whose names no dialect knows.
    pub map: Vec<ColumnMap>,
    /// Columns that are not read.
    pub ignore: Vec<String>,
    /// Publish instruments that the contract table does not know, or knows elsewhere, under the
    /// exchange that their rows name.
    pub trust_exchange: bool,
}

/// An option that says what rows lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GivenOption {
    /// [`ImportOptions::trading_day`].
    TradingDay,
    /// [`ImportOptions::symbol`].
    Symbol,
    /// [`ImportOptions::trust_exchange`].
    TrustExchange,
}

/// The meaning of one column, `THEIRS=CTP`: a name in the header, and a CTP field or one of
/// [`ColumnMap::WORDS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMap {
    theirs: String,
    target: Target,
}

impl ColumnMap {
    /// What a column may be besides a CTP field: the receive clock, and the exchange time as a date,
    /// a time of day or both.
    pub const WORDS: [&str; 4] = ["recv_ts", "date", "time", "datetime"];

    /// Reads `THEIRS=CTP`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (theirs, meaning) = text.rsplit_once('=')?;
        let target = match meaning {
            "recv_ts" => Target::RecvDateTime,
            "date" => Target::Date,
            "time" => Target::Clock(Fraction::Decimal),
            "datetime" => Target::DateTime,
            field => Target::Ctp(names::ctp_field(field)?),
        };
        Some(Self {
            theirs: theirs.to_owned(),
            target,
        })
    }

    /// The word that [`parse`](Self::parse) reads as `target`.
    pub(crate) const fn word_of(target: Target) -> Option<&'static str> {
        match target {
            Target::Ctp(field) => Some(field),
            Target::RecvDateTime => Some("recv_ts"),
            Target::Date => Some("date"),
            Target::Clock(Fraction::Decimal) => Some("time"),
            Target::DateTime => Some("datetime"),
            _ => None,
        }
    }

    /// The name in the header.
    #[must_use]
    pub fn theirs(&self) -> &str {
        &self.theirs
    }
}

impl ImportOptions {
    /// Those of [`GivenOption`] that are set.
    pub(crate) fn given(&self) -> Vec<GivenOption> {
        let set = [
            (GivenOption::TradingDay, self.trading_day.is_some()),
            (GivenOption::Symbol, self.symbol.is_some()),
            (GivenOption::TrustExchange, self.trust_exchange),
        ];
        let given = set.into_iter().filter(|(_, is_set)| *is_set);
        given.map(|(option, _)| option).collect()
    }

    /// What the options say about the column of that name.
    pub(crate) fn target(&self, name: &str) -> Option<Target> {
        if self.ignore.iter().any(|ignored| ignored == name) {
            return Some(Target::Ignore);
        }
        let mut maps = self.map.iter();
        maps.find(|map| map.theirs == name).map(|map| map.target)
    }

    /// The names of columns that the options name.
    pub(crate) fn column_names(&self) -> impl Iterator<Item = &str> {
        let mapped = self.map.iter().map(ColumnMap::theirs);
        mapped.chain(self.ignore.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_map_names_a_field_or_a_word() {
        let target = |text: &str| ColumnMap::parse(text).map(|map| map.target);
        assert_eq!(target("px=LastPrice"), Some(Target::Ctp("LastPrice")));
        assert_eq!(target("a=b=last_price"), Some(Target::Ctp("LastPrice")));
        assert_eq!(target("at=recv_ts"), Some(Target::RecvDateTime));
        for word in ColumnMap::WORDS {
            assert!(target(&format!("x={word}")).is_some(), "{word}");
        }
        for bad in ["px", "px=", "px=Price"] {
            assert_eq!(target(bad), None, "{bad}");
        }
    }
}
