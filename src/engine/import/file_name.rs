//! Instrument and trading day as the name of a file or archive member has them.

use tickdeck_core::contract::parse_instrument_id;
use tickdeck_core::event::InstrumentId;
use tickdeck_core::time::TradingDay;

use crate::import::dialect::Dialect;

/// What a name says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Named {
    pub(crate) symbol: Option<InstrumentId>,
    pub(crate) day: Option<TradingDay>,
}

/// Reads the name of a file in a dialect whose rows may lack instrument or day.
pub(crate) fn read(dialect: Dialect, file_name: &str) -> Named {
    let stem = file_name
        .rsplit_once('.')
        .map_or(file_name, |(stem, _)| stem);
    let (id, date) = match dialect {
        Dialect::TickDataClean => stem.rsplit_once('_').unwrap_or_default(),
        Dialect::CtpInMatlab => {
            let last = stem.rsplit('_').next().unwrap_or(stem);
            let (date, id) = last.split_at_checked(8).unwrap_or_default();
            (id, date)
        }
        Dialect::CtpCsv | Dialect::Vnpy => return by_parts(stem),
        _ => return Named::default(),
    };
    let day = TradingDay::parse_ctp(date.as_bytes());
    let id = InstrumentId::new(id.as_bytes()).ok();
    Named {
        symbol: id.filter(|id| day.is_some() && !id.is_empty()),
        day,
    }
}

/// The parts between `_`, `.` and blanks: the one that is an instrument id, and the one that is a
/// date. Two of a kind say nothing.
fn by_parts(stem: &str) -> Named {
    let parts = || stem.split(['_', '.', ' ']);
    let ids = parts().filter(|part| parse_instrument_id(part.as_bytes()).is_some());
    let days = parts().filter_map(|part| TradingDay::parse_ctp(part.as_bytes()));
    Named {
        symbol: only(ids).and_then(|id| InstrumentId::new(id.as_bytes()).ok()),
        day: only(days),
    }
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next();
    first.filter(|_| items.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(dialect: Dialect, name: &str) -> (String, String) {
        let named = read(dialect, name);
        let symbol = named.symbol.map(|id| id.to_string());
        let day = named.day.map(TradingDay::to_ctp);
        (symbol.unwrap_or_default(), day.unwrap_or_default())
    }

    fn both(id: &str, day: &str) -> (String, String) {
        (id.to_owned(), day.to_owned())
    }

    #[test]
    fn names_give_instrument_and_day_by_dialect() {
        use Dialect::{CtpCsv, CtpInMatlab, TickDataClean, VnpyLegacy};
        for (dialect, name, id, day) in [
            (
                TickDataClean,
                "m1801-C-2550_20171113.csv",
                "m1801-C-2550",
                "20171113",
            ),
            (
                CtpInMatlab,
                "ctp_in_matlab_20141014IF1410.csv",
                "IF1410",
                "20141014",
            ),
            (TickDataClean, "ticks.csv", "", ""),
            (CtpInMatlab, "数据数据数据.csv", "", ""),
            (VnpyLegacy, "m1801_20171113.csv", "", ""),
            (CtpCsv, "rb2605.csv", "rb2605", ""),
            (CtpCsv, "ag2602_20260106.csv", "ag2602", "20260106"),
            (CtpCsv, "20260106_主力_MA605.parquet", "MA605", "20260106"),
            (CtpCsv, "rb2605_rb2610_20260106.csv", "", "20260106"),
        ] {
            assert_eq!(parse(dialect, name), both(id, day), "{name}");
        }
    }
}
