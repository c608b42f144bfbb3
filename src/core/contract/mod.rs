//! The contract table: instrument id -> exchange, product, multiplier, price tick, session class.
//!
//! Contracts given explicitly take precedence: a recording's table, a contract file, the
//! `CTP_SYMBOL` list. Then the product table (field guide 5.7) follows by the grammar of the id
//! (field guide 5.8). An id that neither knows stays unresolved: nothing is ever published under a
//! guessed exchange.
//!
//! | file | what |
//! |---|---|
//! | `id.rs` | the grammar of instrument ids |
//! | `product.rs`, `products.csv` | the product table |
//! | `session.rs`, `sessions.csv` | when a product trades, today and formerly |
//! | `table.rs` | [`ContractTable`], which puts them together |
//! | `form.rs` | whether an exchange writes an id like this |
//! | `file.rs` | contract files: stored answers to `ReqQryInstrument` |
//! | `query.rs` | the answers to `ReqQryInstrument` as they come from a front |
//! | `vt_symbol.rs` | `rb2601.SHFE`, the form of `CTP_SYMBOL` |
//!
//! Invariant: an answer depends on the id, the trading day and the data, and the data has a digest.
//! Nothing here knows a tick.

mod file;
mod form;
mod id;
mod product;
mod query;
mod session;
mod table;
mod vt_symbol;

#[cfg(test)]
mod tests;

pub use file::{ContractFileError, LARGEST_CONTRACT_FILE, parse_contract_file};
pub use id::{
    Delivery, DeliveryMonth, IdForm, InstrumentKind, Leg, OptionRight, OptionTerms, ParsedId,
    form_of, parse_instrument_id,
};
pub use product::{Product, ProductTable, ProductTableError};
pub use query::QueriedContract;
pub use session::{CLOSE_GRACE_SECONDS, OPEN_LEAD_SECONDS, Phase, SessionHours};
pub use table::{ContractTable, ExchangeConflict};
pub use vt_symbol::{VtSymbolError, parse_instrument, parse_vt_symbol, parse_vt_symbols};

use serde::{Deserialize, Serialize};

/// The six Chinese futures exchanges, by their vn.py codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Exchange {
    /// Shanghai Futures Exchange.
    Shfe,
    /// Shanghai International Energy Exchange.
    Ine,
    /// Dalian Commodity Exchange.
    Dce,
    /// Zhengzhou Commodity Exchange.
    Czce,
    /// Guangzhou Futures Exchange.
    Gfex,
    /// China Financial Futures Exchange.
    Cffex,
}

impl Exchange {
    /// All exchanges, in the order of the enum.
    pub const ALL: [Self; 6] = [
        Self::Shfe,
        Self::Ine,
        Self::Dce,
        Self::Czce,
        Self::Gfex,
        Self::Cffex,
    ];

    /// vn.py's code, for example `SHFE`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shfe => "SHFE",
            Self::Ine => "INE",
            Self::Dce => "DCE",
            Self::Czce => "CZCE",
            Self::Gfex => "GFEX",
            Self::Cffex => "CFFEX",
        }
    }

    /// Reads a code, ignoring ASCII case.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|exchange| exchange.as_str().eq_ignore_ascii_case(code))
    }
}

impl std::fmt::Display for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// When a product trades (field guide 5.2), exchange local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SessionClass {
    /// Night 21:00-02:30, then the day sessions.
    #[serde(rename = "N0230")]
    N0230,
    /// Night 21:00-01:00, then the day sessions.
    #[serde(rename = "N0100")]
    N0100,
    /// Night 21:00-23:00, then the day sessions.
    #[serde(rename = "N2300")]
    N2300,
    /// Day sessions only.
    #[serde(rename = "DAY")]
    Day,
    /// CFFEX index futures and options, 09:30-11:30 and 13:00-15:00.
    #[serde(rename = "CFX-I")]
    CfxIndex,
    /// CFFEX bond futures, 09:30-11:30 and 13:00-15:15.
    #[serde(rename = "CFX-B")]
    CfxBond,
}

/// CTP's `ProductClass` (field guide 1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductClass {
    /// `'1'`
    Future,
    /// `'2'`
    Option,
    /// `'3'`
    Combination,
    /// `'6'`: CFFEX index options.
    SpotOption,
    /// `'7'`
    Tas,
}

impl ProductClass {
    /// All classes, in the order of the enum.
    pub const ALL: [Self; 5] = [
        Self::Future,
        Self::Option,
        Self::Combination,
        Self::SpotOption,
        Self::Tas,
    ];

    /// The name in data files, for example `spot_option`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Future => "future",
            Self::Option => "option",
            Self::Combination => "combination",
            Self::SpotOption => "spot_option",
            Self::Tas => "tas",
        }
    }

    /// Reads a name of a data file, ignoring ASCII case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str().eq_ignore_ascii_case(name))
    }

    /// CTP's character, for example `'1'`.
    #[must_use]
    pub const fn ctp_code(self) -> char {
        match self {
            Self::Future => '1',
            Self::Option => '2',
            Self::Combination => '3',
            Self::SpotOption => '6',
            Self::Tas => '7',
        }
    }

    /// Reads CTP's character; `None` for the classes that are not market data (spot, EFP).
    #[must_use]
    pub fn from_ctp_code(code: char) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.ctp_code() == code)
    }
}

impl std::fmt::Display for ProductClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is known of one instrument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// Bare instrument id, for example `rb2601`.
    pub instrument_id: String,
    /// Where it is listed.
    pub exchange: Exchange,
    /// Product id, for example `rb`, or `SR` for an option on sugar.
    pub product_id: String,
    /// Future, option, combination…
    pub product_class: ProductClass,
    /// CNY per lot and price unit; `None` when unknown.
    pub multiplier: Option<u32>,
    /// Smallest price step in price units; `None` when unknown.
    pub price_tick: Option<f64>,
    /// When it trades.
    pub session: SessionClass,
    /// Name as the exchange gives it, UTF-8.
    pub name: Option<String>,
}

/// Why an instrument has no exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unresolved {
    /// The id follows no grammar of field guide 5.8, or is not ASCII.
    Malformed,
    /// The id is well formed, but its product is not in the table.
    UnknownProduct,
}

impl std::fmt::Display for Unresolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Malformed => "the id follows no form of its exchange",
            Self::UnknownProduct => "the product is not in the product table",
        })
    }
}
