//! Contract files: instrument lists in the common dialects, and in tickdeck's simple dialect.
//!
//! | dialect | recognized by |
//! |---|---|
//! | `CThostFtdcInstrumentField` with a header, any subset and order | a column `InstrumentID` |
//! | the same without a header, 25 columns in struct order (API 6.3) | 25 columns, no header |
//! | tickdeck's: `instrument_id,exchange` and any of `product_id,product_class,multiplier,price_tick,session,name` | a column `instrument_id` |
//!
//! Text is UTF-8 if it is valid UTF-8, else GB18030 (CTP's GBK). NUL bytes in unread columns are
//! harmless. A later row of the same instrument replaces an earlier one, because dumps are often
//! appended to.
//!
//! Invariant: a row is either understood in every column that is read, or the file is refused with
//! the place. What a file leaves open is taken from the product table; the session class of a
//! product that is not in it is `DAY`. Nothing here reads a file: the engine does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::product::{parse_multiplier, parse_price_tick};
use super::table::by_grammar;
use super::{Contract, Exchange, ProductClass, ProductTable, SessionClass, parse_instrument_id};

/// Largest accepted contract file in bytes, decompressed. The largest real one, with 17,000
/// instruments, has 5 MB.
pub const LARGEST_CONTRACT_FILE: u64 = 256 << 20;
/// Columns of a dump without header.
const HEADERLESS_COLUMNS: usize = 25;

/// A contract file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractFileError {
    /// The file cannot be read or decompressed.
    #[error("reading contract file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is larger than any contract file.
    #[error("contract file {} is larger than {LARGEST_CONTRACT_FILE} bytes; expected an instrument list", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The first row is that of no dialect.
    #[error(
        "contract file {}, row 1: found {columns} columns beginning with `{found}`; expected a header with a column \
         InstrumentID or instrument_id, or a dump without header of {HEADERLESS_COLUMNS} columns", path.display()
    )]
    UnknownDialect {
        /// The file.
        path: PathBuf,
        /// How many columns the first row has.
        columns: usize,
        /// Its first value.
        found: String,
    },
    /// A column that every row needs is missing from the header.
    #[error("contract file {}: the header has no column `{column}`", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A row has more or fewer columns than the first one.
    #[error("contract file {}, row {row}: found {found} columns, expected {expected}", path.display())]
    ColumnCount {
        /// The file.
        path: PathBuf,
        /// 1-based row, the header counted.
        row: u64,
        /// Columns of this row.
        found: usize,
        /// Columns of the first row.
        expected: usize,
    },
    /// A value is not what its column holds.
    #[error("contract file {}, row {row}, column {column}: found `{value}`, expected {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// 1-based row, the header counted.
        row: u64,
        /// Name of the column.
        column: &'static str,
        /// What was found.
        value: String,
        /// What should.
        expected: &'static str,
    },
}

/// Parses the decompressed bytes of a contract file, with the product table for what it leaves
/// open. The contracts are ordered by instrument id; `path` is only named in errors.
///
/// # Errors
/// When the text is of no known dialect or a row is not understood.
pub fn parse_contract_file(
    bytes: &[u8],
    path: &Path,
    products: &ProductTable,
) -> Result<Vec<Contract>, ContractFileError> {
    let text = decode(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut dialect: Option<Dialect> = None;
    let mut width = 0;
    let mut contracts = BTreeMap::new();
    for (row, record) in (1..).zip(reader.records()) {
        let record = record.map_err(|error| ContractFileError::Read {
            path: path.to_owned(),
            source: error.into(),
        })?;
        let dialect = match &dialect {
            Some(dialect) => dialect,
            None => {
                let (found, is_header) = Dialect::detect(&record, path)?;
                width = record.len();
                let found = dialect.insert(found);
                if is_header {
                    continue;
                }
                found
            }
        };
        let row = Row {
            path,
            row,
            record: &record,
            dialect,
        };
        row.check_width(width)?;
        let contract = row.contract(products)?;
        contracts.insert(contract.instrument_id.clone(), contract);
    }
    if dialect.is_none() {
        Dialect::detect(&csv::StringRecord::new(), path)?;
    }
    Ok(contracts.into_values().collect())
}

/// UTF-8 (with or without a byte order mark) when it is valid, else GB18030, which never fails.
/// What is not GB18030 either becomes U+FFFD: harmless in a name, refused in an id.
fn decode(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').into(),
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling(bytes).0,
    }
}

/// The columns that are read, under the names of errors, with their places.
struct Dialect {
    is_ctp: bool,
    places: [Option<usize>; COLUMNS],
}

const COLUMNS: usize = 8;
const ID: usize = 0;
const EXCHANGE: usize = 1;
const PRODUCT: usize = 2;
const CLASS: usize = 3;
const MULTIPLIER: usize = 4;
const TICK: usize = 5;
const NAME: usize = 6;
const SESSION: usize = 7;
const CTP_NAMES: [&str; COLUMNS] = [
    "InstrumentID",
    "ExchangeID",
    "ProductID",
    "ProductClass",
    "VolumeMultiple",
    "PriceTick",
    "InstrumentName",
    "session",
];
const OWN_NAMES: [&str; COLUMNS] = [
    "instrument_id",
    "exchange",
    "product_id",
    "product_class",
    "multiplier",
    "price_tick",
    "name",
    "session",
];
/// Places in the 25 columns of a dump without header.
const HEADERLESS_PLACES: [Option<usize>; COLUMNS] = [
    Some(0),
    Some(1),
    Some(4),
    Some(5),
    Some(12),
    Some(13),
    Some(2),
    None,
];

impl Dialect {
    /// The dialect by the first row, and whether that row is a header.
    fn detect(first: &csv::StringRecord, path: &Path) -> Result<(Self, bool), ContractFileError> {
        let has = |name: &str| first.iter().any(|column| column.trim() == name);
        let is_ctp = has(CTP_NAMES[ID]);
        if is_ctp || has(OWN_NAMES[ID]) {
            let names = if is_ctp { CTP_NAMES } else { OWN_NAMES };
            let places = names.map(|name| first.iter().position(|column| column.trim() == name));
            if places[EXCHANGE].is_none() {
                return Err(ContractFileError::MissingColumn {
                    path: path.to_owned(),
                    column: names[EXCHANGE],
                });
            }
            return Ok((Self { is_ctp, places }, true));
        }
        if first.len() == HEADERLESS_COLUMNS {
            let places = HEADERLESS_PLACES;
            return Ok((
                Self {
                    is_ctp: true,
                    places,
                },
                false,
            ));
        }
        Err(ContractFileError::UnknownDialect {
            path: path.to_owned(),
            columns: first.len(),
            found: first.get(0).unwrap_or_default().to_owned(),
        })
    }
}

struct Row<'a> {
    path: &'a Path,
    row: u64,
    record: &'a csv::StringRecord,
    dialect: &'a Dialect,
}

impl Row<'_> {
    fn check_width(&self, expected: usize) -> Result<(), ContractFileError> {
        if self.record.len() == expected {
            return Ok(());
        }
        Err(ContractFileError::ColumnCount {
            path: self.path.to_owned(),
            row: self.row,
            found: self.record.len(),
            expected,
        })
    }

    fn value(&self, column: usize) -> &str {
        let place = self.dialect.places[column];
        let value = place.and_then(|place| self.record.get(place));
        value.unwrap_or_default().trim_matches([' ', '\0'])
    }

    /// The value read by `parse`; `None` when the column is missing or empty.
    fn read<T>(
        &self,
        column: usize,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ContractFileError> {
        let value = self.value(column);
        if value.is_empty() {
            return Ok(None);
        }
        parse(value)
            .map(Some)
            .ok_or_else(|| self.error(column, expected))
    }

    fn error(&self, column: usize, expected: &'static str) -> ContractFileError {
        let names = if self.dialect.is_ctp {
            CTP_NAMES
        } else {
            OWN_NAMES
        };
        ContractFileError::Value {
            path: self.path.to_owned(),
            row: self.row,
            column: names[column],
            value: self.value(column).to_owned(),
            expected,
        }
    }

    fn contract(&self, products: &ProductTable) -> Result<Contract, ContractFileError> {
        let an_id = "an instrument id of up to 80 ASCII characters";
        let id = self.value(ID);
        if id.is_empty() || id.len() > 80 || !id.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err(self.error(ID, an_id));
        }
        let an_exchange = "SHFE, INE, DCE, CZCE, GFEX or CFFEX";
        let exchange = self
            .read(EXCHANGE, an_exchange, Exchange::parse)?
            .ok_or_else(|| self.error(EXCHANGE, an_exchange))?;
        let class = self.class()?;
        let parsed = parse_instrument_id(id.as_bytes());
        // A product that the table has elsewhere is another product.
        let known = parsed
            .as_ref()
            .and_then(|parsed| by_grammar(products, id, parsed, None).ok())
            .filter(|known| known.exchange == exchange);
        let root = parsed.as_ref().and_then(|parsed| parsed.legs().first());
        let (multiplier, price_tick) = self.terms()?;
        let known_multiplier = known.as_ref().and_then(|known| known.multiplier);
        let product_class = class
            .or(known.as_ref().map(|known| known.product_class))
            .unwrap_or(ProductClass::Future);
        // CTP gives combinations a VolumeMultiple of 0 or 1 that belongs to none of their legs.
        let is_placeholder = self.dialect.is_ctp
            && product_class == ProductClass::Combination
            && multiplier == Some(1);
        Ok(Contract {
            instrument_id: id.to_owned(),
            exchange,
            product_class,
            multiplier: multiplier.filter(|_| !is_placeholder).or(known_multiplier),
            price_tick: price_tick.or(known.as_ref().and_then(|known| known.price_tick)),
            session: self
                .read(
                    SESSION,
                    "N0230, N0100, N2300, DAY, CFX-I or CFX-B",
                    SessionClass::parse,
                )?
                .or(known.as_ref().map(|known| known.session))
                .unwrap_or(SessionClass::Day),
            // By the grammar where it can be: CTP calls options `m_o`, `SRC`, `SRP`.
            product_id: Some(self.value(PRODUCT))
                .filter(|product| !self.dialect.is_ctp && !product.is_empty())
                .map(str::to_owned)
                .or(known.map(|known| known.product_id))
                .or(root.map(|leg| leg.root.to_owned()))
                .unwrap_or_else(|| self.value(PRODUCT).to_owned()),
            name: Some(self.value(NAME).to_owned()).filter(|name| !name.is_empty()),
        })
    }

    fn class(&self) -> Result<Option<ProductClass>, ContractFileError> {
        if self.dialect.is_ctp {
            let expected = "1 (future), 2 (option), 3 (combination), 6 (spot option) or 7 (TAS)";
            self.read(CLASS, expected, |value| {
                let mut chars = value.chars();
                ProductClass::from_ctp_code(chars.next()?).filter(|_| chars.next().is_none())
            })
        } else {
            let expected = "future, option, combination, spot_option or tas";
            self.read(CLASS, expected, ProductClass::parse)
        }
    }

    /// Multiplier and price tick; CTP's 0 and DBL_MAX mean that there is none.
    fn terms(&self) -> Result<(Option<u32>, Option<f64>), ContractFileError> {
        let is_ctp = self.dialect.is_ctp;
        let multiplier = self.read(MULTIPLIER, "a whole number above 0", |value| {
            let none = is_ctp && value == "0";
            if none {
                Some(None)
            } else {
                parse_multiplier(value).map(Some)
            }
        })?;
        let tick = self.read(TICK, "a price above 0", |value| {
            let none = |number: f64| number == 0.0 || number > 1e300;
            if is_ctp && value.parse().is_ok_and(none) {
                Some(None)
            } else {
                parse_price_tick(value).map(Some)
            }
        })?;
        Ok((multiplier.flatten(), tick.flatten()))
    }
}

#[cfg(test)]
mod tests;
