//! Names of columns that recorders use whatever their dialect: CTP's fields in English and Chinese,
//! receive clocks, row numbers.

use tickdeck_core::source::ReceiveTimes;

use crate::import::columns::{CsvDialect, Target};
use crate::import::fields::FIELDS;

/// CTP's own Chinese names of its fields, and the short forms that dumps have.
const CHINESE: &[(&str, &str)] = &[
    ("交易日", "TradingDay"),
    ("交易日期", "TradingDay"),
    ("合约代码", "InstrumentID"),
    ("合约", "InstrumentID"),
    ("交易所代码", "ExchangeID"),
    ("交易所", "ExchangeID"),
    ("合约在交易所的代码", "ExchangeInstID"),
    ("最新价", "LastPrice"),
    ("上次结算价", "PreSettlementPrice"),
    ("昨结算价", "PreSettlementPrice"),
    ("昨结算", "PreSettlementPrice"),
    ("昨收盘", "PreClosePrice"),
    ("昨收盘价", "PreClosePrice"),
    ("昨持仓量", "PreOpenInterest"),
    ("今开盘", "OpenPrice"),
    ("今开盘价", "OpenPrice"),
    ("开盘价", "OpenPrice"),
    ("最高价", "HighestPrice"),
    ("最低价", "LowestPrice"),
    ("数量", "Volume"),
    ("成交量", "Volume"),
    ("成交金额", "Turnover"),
    ("成交额", "Turnover"),
    ("持仓量", "OpenInterest"),
    ("今收盘", "ClosePrice"),
    ("今收盘价", "ClosePrice"),
    ("收盘价", "ClosePrice"),
    ("本次结算价", "SettlementPrice"),
    ("今结算价", "SettlementPrice"),
    ("结算价", "SettlementPrice"),
    ("涨停板价", "UpperLimitPrice"),
    ("涨停价", "UpperLimitPrice"),
    ("跌停板价", "LowerLimitPrice"),
    ("跌停价", "LowerLimitPrice"),
    ("昨虚实度", "PreDelta"),
    ("今虚实度", "CurrDelta"),
    ("最后修改时间", "UpdateTime"),
    ("最后修改毫秒", "UpdateMillisec"),
    ("当日均价", "AveragePrice"),
    ("业务日期", "ActionDay"),
    ("上带价", "BandingUpperPrice"),
    ("下带价", "BandingLowerPrice"),
];

/// The sides of the book, and the levels.
const CHINESE_BOOK: [(&str, &str); 8] = [
    ("申买价", "BidPrice"),
    ("买价", "BidPrice"),
    ("申买量", "BidVolume"),
    ("买量", "BidVolume"),
    ("申卖价", "AskPrice"),
    ("卖价", "AskPrice"),
    ("申卖量", "AskVolume"),
    ("卖量", "AskVolume"),
];
const CHINESE_LEVELS: [&str; 5] = ["一", "二", "三", "四", "五"];

/// The receive clock, in lower case and without `_`, `-` and blanks.
const CLOCKS: &[&str] = &[
    "localtime",
    "localtimestamp",
    "localts",
    "localdatetime",
    "recvtime",
    "recvts",
    "recvtimestamp",
    "recvdatetime",
    "receivetime",
    "receivedtime",
    "receivets",
    "receivetimestamp",
    "receivedat",
    "arrivetime",
    "arrivaltime",
    "arrivaltimestamp",
    "timestamp",
    "systemtime",
    "systime",
    "machinetime",
    "recordtime",
    "本地时间",
    "本地时间戳",
    "接收时间",
    "到达时间",
    "落地时间",
    "时间戳",
];

/// Numbers of rows: the index of pandas, the keys of databases.
const ROW_NUMBERS: [&str; 5] = ["index", "level_0", "__index_level_0__", "id", "_id"];

/// The meaning of a header name in a dialect, if it is known there.
pub(crate) fn target(dialect: &CsvDialect, name: &str) -> Option<Target> {
    let mut columns = dialect.columns.iter();
    let entry = columns.find(|(known, _)| *known == name);
    let ctp = || {
        ctp_field(name)
            .filter(|_| dialect.ctp_names)
            .map(Target::Ctp)
    };
    entry
        .map(|(_, target)| *target)
        .or_else(ctp)
        .or_else(|| in_every_dialect(name))
}

/// The vendor's name of the CTP field that a column name stands for: in Chinese, or in English with
/// any case and with or without `_` (`last_price`).
pub(crate) fn ctp_field(name: &str) -> Option<&'static str> {
    if let Some((_, field)) = CHINESE.iter().find(|(known, _)| *known == name) {
        return Some(field);
    }
    let plain = book_field(name).unwrap_or_else(|| plain(name));
    let mut fields = FIELDS.iter().map(|field| field.name);
    fields.find(|field| field.eq_ignore_ascii_case(&plain))
}

/// `申买价一` and `申买价1` as `BidPrice1`.
fn book_field(name: &str) -> Option<String> {
    CHINESE_BOOK.iter().find_map(|(side, field)| {
        let level = name.strip_prefix(side)?;
        let number = (1..).zip(CHINESE_LEVELS);
        let mut levels =
            number.filter(|(number, chinese)| level == *chinese || level == number.to_string());
        levels.next().map(|(number, _)| format!("{field}{number}"))
    })
}

/// The meaning of a name in dialects that do not have it themselves.
pub(crate) fn in_every_dialect(name: &str) -> Option<Target> {
    if CLOCKS.contains(&plain(name).as_str()) {
        return Some(Target::RecvDateTime);
    }
    if name == ReceiveTimes::Derived.column() {
        return Some(Target::DerivedNanos);
    }
    // pandas writes an index without a name, and reads that back as "Unnamed: 0".
    let row_number =
        name.is_empty() || name.starts_with("Unnamed: ") || ROW_NUMBERS.contains(&name);
    row_number.then_some(Target::Ignore)
}

/// Whether one name is probably the other with something added, such as `lastprice9`.
pub(crate) fn are_alike(name: &str, other: &str) -> bool {
    const FEWEST_CHARS: usize = 4;
    let (name, other) = (plain(name), plain(other));
    let shorter = name.len().min(other.len());
    shorter >= FEWEST_CHARS && (name.contains(&other) || other.contains(&name))
}

fn plain(name: &str) -> String {
    let chars = name.chars().filter(|char| !matches!(char, '_' | '-' | ' '));
    chars.map(|char| char.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chinese_name_is_a_ctp_field() {
        for (name, field) in CHINESE {
            assert!(crate::import::fields::field(field).is_some(), "{name}");
            assert_eq!(ctp_field(name), Some(*field));
        }
        assert_eq!(ctp_field("申买价一"), Some("BidPrice1"));
        assert_eq!(ctp_field("申卖量五"), Some("AskVolume5"));
        assert_eq!(ctp_field("卖价3"), Some("AskPrice3"));
        assert_eq!(ctp_field("申买价六"), None);
    }

    #[test]
    fn english_names_read_in_any_case() {
        for name in [
            "InstrumentID",
            "instrument_id",
            "InstrumentId",
            "INSTRUMENTID",
        ] {
            assert_eq!(ctp_field(name), Some("InstrumentID"), "{name}");
        }
        assert_eq!(ctp_field("bid_price_1"), Some("BidPrice1"));
        assert_eq!(ctp_field("Price"), None);
    }

    #[test]
    fn names_with_something_added_are_alike() {
        assert!(are_alike("lastprice9", "last_price"));
        assert!(are_alike("Price", "last_price"));
        assert!(!are_alike("bid_price", "last_price"));
        assert!(!are_alike("x", "xyz"));
    }

    #[test]
    fn usual_clocks_and_row_numbers_are_known() {
        for name in [
            "localtime",
            "LocalTime",
            "local_time",
            "recv_time",
            "Timestamp",
            "RecvTS",
        ] {
            assert_eq!(in_every_dialect(name), Some(Target::RecvDateTime), "{name}");
        }
        for name in ["", "Unnamed: 0", "index", "id"] {
            assert_eq!(in_every_dialect(name), Some(Target::Ignore), "{name}");
        }
        assert_eq!(in_every_dialect("datetime"), None);
    }
}
