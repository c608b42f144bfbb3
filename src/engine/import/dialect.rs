//! The dialects: what each dump looks like, as tables of column -> meaning.
//!
//! A CSV dialect is a row in a table, not code: header names or positions, each with a [`Target`].
//! A new one is added here and nowhere else, unless it needs a new way to read a value.

use std::fmt;

use crate::import::number::Fraction;

/// A form of CTP tick dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// java-trader: CSV with a header of CTP field names, missing prices as `N/A`.
    JavaTrader,
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
    /// A recorder with the receive clock in `TimeStamp`, then `Date`, `Time` and CTP names.
    CtpRecorder,
    /// One JSON object a line, keys are CTP field names: tickdeck's own JSONL export.
    CtpJsonl,
    /// tickdeck's own CSV export.
    Tickdeck,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 10] = [
        Self::JavaTrader,
        Self::TickDataClean,
        Self::WonderTrader,
        Self::WonderTraderDsb,
        Self::CtpInMatlab,
        Self::VnpyLegacy,
        Self::Vnpy,
        Self::CtpRecorder,
        Self::CtpJsonl,
        Self::Tickdeck,
    ];

    /// The name that `--dialect` takes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JavaTrader => "java-trader",
            Self::TickDataClean => "tick-data-clean",
            Self::WonderTrader => "wondertrader",
            Self::WonderTraderDsb => "wondertrader-dsb",
            Self::CtpInMatlab => "ctp-in-matlab",
            Self::VnpyLegacy => "vnpy-legacy",
            Self::Vnpy => "vnpy",
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

    /// The CSV table of the dialect; `None` for JSON and binary ones.
    pub(crate) fn csv(self) -> Option<&'static CsvDialect> {
        CSV_DIALECTS.iter().find(|table| table.dialect == self)
    }

    /// Whether the recorder replaced CTP's missing prices by 0.
    pub(crate) const fn zero_is_missing(self) -> bool {
        matches!(
            self,
            Self::WonderTrader | Self::WonderTraderDsb | Self::Vnpy
        )
    }

    /// What the file name gives, for dialects whose rows have neither day nor instrument.
    pub(crate) const fn name_pattern(self) -> Option<&'static str> {
        match self {
            Self::TickDataClean => Some("<instrument>_<YYYYMMDD>.csv"),
            Self::CtpInMatlab => Some("<YYYYMMDD><instrument>.csv"),
            _ => None,
        }
    }
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

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The CTP field of that name.
    Ctp(&'static str),
    /// An integer CTP field that the recorder kept as a float.
    Whole(&'static str),
    /// `UpdateTime` and `UpdateMillisec` in one.
    Clock(Fraction),
    /// WonderTrader's `HHMMSSmmm`: `UpdateTime` and `UpdateMillisec`.
    ClockNumber,
    /// The calendar date of the exchange time, `YYYYMMDD`.
    Date,
    /// Date and exchange time in one.
    DateTime,
    /// The recorder's receive clock as date and time; empty when it kept none.
    RecvDateTime,
    /// `recv_ts` in nanoseconds.
    RecvNanos,
    /// `tick` or the kind of a session event.
    Kind,
    /// The fields of a session event, JSON.
    Detail,
    /// Position in the exported session: must be a number, but events are renumbered.
    Seq,
    /// Not a fact of the CTP struct, or computed by the recorder.
    Ignore,
}

/// How columns are found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    /// By a header; these names must be there.
    Header { required: &'static [&'static str] },
    /// By position: as many columns as the table has.
    Position,
}

/// A CSV dialect.
#[derive(Debug)]
pub(crate) struct CsvDialect {
    pub(crate) dialect: Dialect,
    pub(crate) layout: Layout,
    /// Whether header names that are CTP field names need no entry in `columns`.
    pub(crate) ctp_names: bool,
    /// Whether text is Latin-1 in UTF-8, as tickdeck's export writes it, rather than plain bytes.
    pub(crate) latin1: bool,
    pub(crate) columns: &'static [(&'static str, Target)],
}

impl CsvDialect {
    /// The meaning of the header name, if this dialect knows it.
    pub(crate) fn target(&self, name: &str) -> Option<Target> {
        let entry = self.columns.iter().find(|(known, _)| *known == name);
        let ctp = || {
            let field = crate::import::fields::field(name).filter(|_| self.ctp_names)?;
            Some(Ctp(field.name))
        };
        entry.map(|(_, target)| *target).or_else(ctp)
    }
}

use Target::{Clock, ClockNumber, Ctp, Ignore, Whole};

/// The CSV dialects.
pub(crate) static CSV_DIALECTS: &[CsvDialect] = &[
    CsvDialect {
        dialect: Dialect::JavaTrader,
        layout: Layout::Header {
            required: &[
                "TradingDay",
                "InstrumentID",
                "LastPrice",
                "UpdateTime",
                "UpdateMillisec",
                "ActionDay",
            ],
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
    ("volume", Whole("Volume")),
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
    ("bidVolume1", Whole("BidVolume1")),
    ("bidVolume2", Whole("BidVolume2")),
    ("bidVolume3", Whole("BidVolume3")),
    ("bidVolume4", Whole("BidVolume4")),
    ("bidVolume5", Whole("BidVolume5")),
    ("askVolume1", Whole("AskVolume1")),
    ("askVolume2", Whole("AskVolume2")),
    ("askVolume3", Whole("AskVolume3")),
    ("askVolume4", Whole("AskVolume4")),
    ("askVolume5", Whole("AskVolume5")),
];

/// vn.py `TickData` (guide section 6); the unnamed column is the index that pandas writes.
const VNPY_COLUMNS: &[(&str, Target)] = &[
    ("", Ignore),
    ("gateway_name", Ignore),
    ("vt_symbol", Ignore),
    ("extra", Ignore),
    ("name", Ignore),
    ("last_volume", Ignore),
    ("symbol", Ctp("InstrumentID")),
    ("exchange", Ctp("ExchangeID")),
    ("datetime", Target::DateTime),
    ("localtime", Target::RecvDateTime),
    ("volume", Whole("Volume")),
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
    ("bid_volume_1", Whole("BidVolume1")),
    ("bid_volume_2", Whole("BidVolume2")),
    ("bid_volume_3", Whole("BidVolume3")),
    ("bid_volume_4", Whole("BidVolume4")),
    ("bid_volume_5", Whole("BidVolume5")),
    ("ask_volume_1", Whole("AskVolume1")),
    ("ask_volume_2", Whole("AskVolume2")),
    ("ask_volume_3", Whole("AskVolume3")),
    ("ask_volume_4", Whole("AskVolume4")),
    ("ask_volume_5", Whole("AskVolume5")),
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
    ("total_volume", Whole("Volume")),
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
    ("bid_qty1", Whole("BidVolume1")),
    ("bid_qty2", Whole("BidVolume2")),
    ("bid_qty3", Whole("BidVolume3")),
    ("bid_qty4", Whole("BidVolume4")),
    ("bid_qty5", Whole("BidVolume5")),
    ("bid_qty6", Ignore),
    ("bid_qty7", Ignore),
    ("bid_qty8", Ignore),
    ("bid_qty9", Ignore),
    ("bid_qty10", Ignore),
    ("ask_qty1", Whole("AskVolume1")),
    ("ask_qty2", Whole("AskVolume2")),
    ("ask_qty3", Whole("AskVolume3")),
    ("ask_qty4", Whole("AskVolume4")),
    ("ask_qty5", Whole("AskVolume5")),
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
    fn every_dialect_name_reads_back() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.as_str().parse::<Dialect>().unwrap(), dialect);
        }
    }

    #[test]
    fn every_target_of_the_tables_is_a_ctp_field() {
        for table in CSV_DIALECTS {
            for (column, target) in table.columns {
                if let Ctp(name) | Whole(name) = target {
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
