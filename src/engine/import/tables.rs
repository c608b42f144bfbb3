//! The CSV dialects as tables of column -> meaning.
//!
//! A dialect is a row in a table, not code: header names or positions, each with a [`Target`]. A new
//! one is added here and in [`Dialect`], unless it needs a new way to read a value.

use crate::import::columns::Target::{Clock, ClockNumber, Ctp, Ignore};
use crate::import::columns::{CsvDialect, Layout, Target};
use crate::import::dialect::Dialect;
use crate::import::number::Fraction;

/// The CSV table of the dialect; `None` for JSON and binary ones.
pub(crate) fn table_of(dialect: Dialect) -> Option<&'static CsvDialect> {
    CSV_DIALECTS.iter().find(|table| table.dialect == dialect)
}

/// The CSV dialects.
pub(crate) static CSV_DIALECTS: &[CsvDialect] = &[
    CsvDialect {
        dialect: Dialect::CtpCsv,
        layout: Layout::Header {
            required: &["LastPrice", "UpdateTime"],
        },
        ctp_names: true,
        latin1: false,
        columns: &[],
    },
    CsvDialect {
        dialect: Dialect::Tickdeck,
        layout: Layout::Header {
            required: &["seq", "recv_ts", "kind", "detail"],
        },
        ctp_names: true,
        latin1: true,
        columns: &[
            ("seq", Target::Seq),
            ("recv_ts", Target::RecvNanos),
            ("kind", Target::Kind),
            ("detail", Target::Detail),
        ],
    },
    CsvDialect {
        dialect: Dialect::CtpRecorder,
        layout: Layout::Header {
            required: &["TimeStamp", "Date", "Time", "InstrumentID"],
        },
        ctp_names: true,
        latin1: false,
        columns: &[
            ("TimeStamp", Target::RecvDateTime),
            ("Date", Target::Date),
            ("Time", Clock(Fraction::Decimal)),
        ],
    },
    CsvDialect {
        dialect: Dialect::TickDataClean,
        layout: Layout::Position,
        ctp_names: false,
        latin1: false,
        columns: &[
            ("UpdateTime.UpdateMillisec", Clock(Fraction::Millis)),
            ("BidPrice1", Ctp("BidPrice1")),
            ("BidVolume1", Ctp("BidVolume1")),
            ("AskPrice1", Ctp("AskPrice1")),
            ("AskVolume1", Ctp("AskVolume1")),
            ("LastPrice", Ctp("LastPrice")),
            ("Volume", Ctp("Volume")),
            ("OpenInterest", Ctp("OpenInterest")),
        ],
    },
    CsvDialect {
        dialect: Dialect::CtpInMatlab,
        layout: Layout::Position,
        ctp_names: false,
        latin1: false,
        columns: &[
            ("UpdateTime", Ctp("UpdateTime")),
            ("UpdateMillisec", Ctp("UpdateMillisec")),
            ("LastPrice", Ctp("LastPrice")),
            ("HighestPrice", Ctp("HighestPrice")),
            ("LowestPrice", Ctp("LowestPrice")),
            ("BidPrice1", Ctp("BidPrice1")),
            ("BidVolume1", Ctp("BidVolume1")),
            ("AskPrice1", Ctp("AskPrice1")),
            ("AskVolume1", Ctp("AskVolume1")),
            ("Volume", Ctp("Volume")),
            ("OpenInterest", Ctp("OpenInterest")),
            ("Turnover", Ctp("Turnover")),
            ("ClosePrice", Ctp("ClosePrice")),
            ("AveragePrice", Ctp("AveragePrice")),
            ("OpenPrice", Ctp("OpenPrice")),
            ("UpperLimitPrice", Ctp("UpperLimitPrice")),
            ("LowerLimitPrice", Ctp("LowerLimitPrice")),
            ("PreClosePrice", Ctp("PreClosePrice")),
            ("PreOpenInterest", Ctp("PreOpenInterest")),
            ("PreSettlementPrice", Ctp("PreSettlementPrice")),
        ],
    },
    CsvDialect {
        dialect: Dialect::VnpyLegacy,
        layout: Layout::Header {
            required: &["symbol", "date", "time", "lastPrice"],
        },
        ctp_names: false,
        latin1: false,
        columns: VNPY_LEGACY_COLUMNS,
    },
    CsvDialect {
        dialect: Dialect::Vnpy,
        layout: Layout::Header {
            required: &["symbol", "exchange", "datetime", "last_price"],
        },
        ctp_names: false,
        latin1: false,
        columns: VNPY_COLUMNS,
    },
    CsvDialect {
        dialect: Dialect::TqSdk,
        layout: Layout::OneInstrument {
            required: &["datetime", "last_price"],
        },
        ctp_names: false,
        latin1: false,
        columns: TQSDK_COLUMNS,
    },
    CsvDialect {
        dialect: Dialect::WonderTrader,
        layout: Layout::Header {
            required: &[
                "code",
                "price",
                "total_volume",
                "trading_date",
                "action_time",
            ],
        },
        ctp_names: false,
        latin1: false,
        columns: WONDERTRADER_COLUMNS,
    },
];

/// vn.py 1.x `VtTickData`, as its scripts and MongoDB exports print it.
const VNPY_LEGACY_COLUMNS: &[(&str, Target)] = &[
    ("symbol", Ctp("InstrumentID")),
    ("date", Target::Date),
    ("time", Clock(Fraction::Decimal)),
    ("lastPrice", Ctp("LastPrice")),
    ("lastVolume", Ignore),
    ("volume", Ctp("Volume")),
    ("openInterest", Ctp("OpenInterest")),
    ("openPrice", Ctp("OpenPrice")),
    ("highPrice", Ctp("HighestPrice")),
    ("lowPrice", Ctp("LowestPrice")),
    ("preClosePrice", Ctp("PreClosePrice")),
    ("upperLimit", Ctp("UpperLimitPrice")),
    ("lowerLimit", Ctp("LowerLimitPrice")),
    ("bidPrice1", Ctp("BidPrice1")),
    ("bidPrice2", Ctp("BidPrice2")),
    ("bidPrice3", Ctp("BidPrice3")),
    ("bidPrice4", Ctp("BidPrice4")),
    ("bidPrice5", Ctp("BidPrice5")),
    ("askPrice1", Ctp("AskPrice1")),
    ("askPrice2", Ctp("AskPrice2")),
    ("askPrice3", Ctp("AskPrice3")),
    ("askPrice4", Ctp("AskPrice4")),
    ("askPrice5", Ctp("AskPrice5")),
    ("bidVolume1", Ctp("BidVolume1")),
    ("bidVolume2", Ctp("BidVolume2")),
    ("bidVolume3", Ctp("BidVolume3")),
    ("bidVolume4", Ctp("BidVolume4")),
    ("bidVolume5", Ctp("BidVolume5")),
    ("askVolume1", Ctp("AskVolume1")),
    ("askVolume2", Ctp("AskVolume2")),
    ("askVolume3", Ctp("AskVolume3")),
    ("askVolume4", Ctp("AskVolume4")),
    ("askVolume5", Ctp("AskVolume5")),
];

/// vn.py `TickData` (field guide 6).
const VNPY_COLUMNS: &[(&str, Target)] = &[
    ("gateway_name", Ignore),
    ("vt_symbol", Ignore),
    ("extra", Ignore),
    ("name", Ignore),
    ("last_volume", Ignore),
    ("symbol", Ctp("InstrumentID")),
    ("exchange", Ctp("ExchangeID")),
    ("datetime", Target::DateTime),
    ("localtime", Target::RecvDateTime),
    ("volume", Ctp("Volume")),
    ("turnover", Ctp("Turnover")),
    ("open_interest", Ctp("OpenInterest")),
    ("last_price", Ctp("LastPrice")),
    ("limit_up", Ctp("UpperLimitPrice")),
    ("limit_down", Ctp("LowerLimitPrice")),
    ("open_price", Ctp("OpenPrice")),
    ("high_price", Ctp("HighestPrice")),
    ("low_price", Ctp("LowestPrice")),
    ("pre_close", Ctp("PreClosePrice")),
    ("bid_price_1", Ctp("BidPrice1")),
    ("bid_price_2", Ctp("BidPrice2")),
    ("bid_price_3", Ctp("BidPrice3")),
    ("bid_price_4", Ctp("BidPrice4")),
    ("bid_price_5", Ctp("BidPrice5")),
    ("ask_price_1", Ctp("AskPrice1")),
    ("ask_price_2", Ctp("AskPrice2")),
    ("ask_price_3", Ctp("AskPrice3")),
    ("ask_price_4", Ctp("AskPrice4")),
    ("ask_price_5", Ctp("AskPrice5")),
    ("bid_volume_1", Ctp("BidVolume1")),
    ("bid_volume_2", Ctp("BidVolume2")),
    ("bid_volume_3", Ctp("BidVolume3")),
    ("bid_volume_4", Ctp("BidVolume4")),
    ("bid_volume_5", Ctp("BidVolume5")),
    ("ask_volume_1", Ctp("AskVolume1")),
    ("ask_volume_2", Ctp("AskVolume2")),
    ("ask_volume_3", Ctp("AskVolume3")),
    ("ask_volume_4", Ctp("AskVolume4")),
    ("ask_volume_5", Ctp("AskVolume5")),
];

/// TqSdk's tick serial, after the instrument in front of each name. `datetime_nano` is `datetime`
/// once more. `amount` includes the multiplier as CTP's turnover does, `average` does not.
const TQSDK_COLUMNS: &[(&str, Target)] = &[
    ("datetime", Target::DateTime),
    ("datetime_nano", Ignore),
    ("last_price", Ctp("LastPrice")),
    ("highest", Ctp("HighestPrice")),
    ("lowest", Ctp("LowestPrice")),
    ("average", Target::UnitAverage),
    ("volume", Ctp("Volume")),
    ("amount", Ctp("Turnover")),
    ("open_interest", Ctp("OpenInterest")),
    ("bid_price1", Ctp("BidPrice1")),
    ("bid_volume1", Ctp("BidVolume1")),
    ("ask_price1", Ctp("AskPrice1")),
    ("ask_volume1", Ctp("AskVolume1")),
    ("bid_price2", Ctp("BidPrice2")),
    ("bid_volume2", Ctp("BidVolume2")),
    ("ask_price2", Ctp("AskPrice2")),
    ("ask_volume2", Ctp("AskVolume2")),
    ("bid_price3", Ctp("BidPrice3")),
    ("bid_volume3", Ctp("BidVolume3")),
    ("ask_price3", Ctp("AskPrice3")),
    ("ask_volume3", Ctp("AskVolume3")),
    ("bid_price4", Ctp("BidPrice4")),
    ("bid_volume4", Ctp("BidVolume4")),
    ("ask_price4", Ctp("AskPrice4")),
    ("ask_volume4", Ctp("AskVolume4")),
    ("bid_price5", Ctp("BidPrice5")),
    ("bid_volume5", Ctp("BidVolume5")),
    ("ask_price5", Ctp("AskPrice5")),
    ("ask_volume5", Ctp("AskVolume5")),
];

/// WonderTrader's `WTSTickStruct`; `volume`, `turn_over` and `diff_interest` are differences that
/// WonderTrader computed, and levels 6 to 10 have no place in the CTP struct.
const WONDERTRADER_COLUMNS: &[(&str, Target)] = &[
    ("exchg", Ctp("ExchangeID")),
    ("code", Ctp("InstrumentID")),
    ("price", Ctp("LastPrice")),
    ("open", Ctp("OpenPrice")),
    ("high", Ctp("HighestPrice")),
    ("low", Ctp("LowestPrice")),
    ("settle_price", Ctp("SettlementPrice")),
    ("upper_limit", Ctp("UpperLimitPrice")),
    ("lower_limit", Ctp("LowerLimitPrice")),
    ("total_volume", Ctp("Volume")),
    ("volume", Ignore),
    ("total_turnover", Ctp("Turnover")),
    ("turn_over", Ignore),
    ("open_interest", Ctp("OpenInterest")),
    ("diff_interest", Ignore),
    ("trading_date", Ctp("TradingDay")),
    ("action_date", Ctp("ActionDay")),
    ("action_time", ClockNumber),
    ("pre_close", Ctp("PreClosePrice")),
    ("pre_settle", Ctp("PreSettlementPrice")),
    ("pre_interest", Ctp("PreOpenInterest")),
    ("bid_price1", Ctp("BidPrice1")),
    ("bid_price2", Ctp("BidPrice2")),
    ("bid_price3", Ctp("BidPrice3")),
    ("bid_price4", Ctp("BidPrice4")),
    ("bid_price5", Ctp("BidPrice5")),
    ("bid_price6", Ignore),
    ("bid_price7", Ignore),
    ("bid_price8", Ignore),
    ("bid_price9", Ignore),
    ("bid_price10", Ignore),
    ("ask_price1", Ctp("AskPrice1")),
    ("ask_price2", Ctp("AskPrice2")),
    ("ask_price3", Ctp("AskPrice3")),
    ("ask_price4", Ctp("AskPrice4")),
    ("ask_price5", Ctp("AskPrice5")),
    ("ask_price6", Ignore),
    ("ask_price7", Ignore),
    ("ask_price8", Ignore),
    ("ask_price9", Ignore),
    ("ask_price10", Ignore),
    ("bid_qty1", Ctp("BidVolume1")),
    ("bid_qty2", Ctp("BidVolume2")),
    ("bid_qty3", Ctp("BidVolume3")),
    ("bid_qty4", Ctp("BidVolume4")),
    ("bid_qty5", Ctp("BidVolume5")),
    ("bid_qty6", Ignore),
    ("bid_qty7", Ignore),
    ("bid_qty8", Ignore),
    ("bid_qty9", Ignore),
    ("bid_qty10", Ignore),
    ("ask_qty1", Ctp("AskVolume1")),
    ("ask_qty2", Ctp("AskVolume2")),
    ("ask_qty3", Ctp("AskVolume3")),
    ("ask_qty4", Ctp("AskVolume4")),
    ("ask_qty5", Ctp("AskVolume5")),
    ("ask_qty6", Ignore),
    ("ask_qty7", Ignore),
    ("ask_qty8", Ignore),
    ("ask_qty9", Ignore),
    ("ask_qty10", Ignore),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_of_the_tables_is_a_ctp_field() {
        for table in CSV_DIALECTS {
            for (column, target) in table.columns {
                if let Ctp(name) = target {
                    assert!(
                        crate::import::fields::field(name).is_some(),
                        "{} column {column}: {name}",
                        table.dialect
                    );
                }
            }
        }
    }
}
