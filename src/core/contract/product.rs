//! The product table (field guide 5.7): product id -> exchange, session class, contract terms.
//! Built in as `products.csv` beside this file, replaceable by a file of the same format.
//!
//! Invariant: what the table does not know for certain it does not answer. Terms that changed over
//! the years have a row for each span of delivery months; between two spans only what both agree on
//! is known. This module may not know an instrument id.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::{DeliveryMonth, Exchange, SessionClass};

/// The columns that change an answer, in canonical order.
const COLUMNS: [&str; 10] = [
    "product_id",
    "exchange",
    "session",
    "kind",
    "multiplier",
    "price_tick",
    "first_delivery",
    "last_delivery",
    "options",
    "option_price_tick",
];

/// One row of the product table.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Product id as in instrument ids, for example `rb`. Case matters.
    pub product_id: String,
    /// Where it is listed.
    pub exchange: Exchange,
    /// When it trades today.
    pub session: SessionClass,
    /// Whether the id names options only (`IO`, `HO`, `MO`), not futures.
    pub options_only: bool,
    /// CNY per lot and price unit; `None` when unknown.
    pub multiplier: Option<u32>,
    /// Smallest price step of the futures in price units; `None` when unknown.
    pub price_tick: Option<f64>,
    /// First delivery month that the row is certain for; `None`: since ever.
    pub first_delivery: Option<DeliveryMonth>,
    /// Last delivery month that the row is certain for; `None`: still.
    pub last_delivery: Option<DeliveryMonth>,
    /// Whether options are listed.
    pub has_options: bool,
    /// Smallest price step of the options in price units; `None` when unknown.
    pub option_price_tick: Option<f64>,
}

impl Product {
    fn covers(&self, month: DeliveryMonth) -> bool {
        self.first_delivery.is_none_or(|first| first <= month)
            && self.last_delivery.is_none_or(|last| month <= last)
    }
}

/// Products by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProductTable {
    /// At least one row each, by delivery month, without overlaps; exchange, session class and
    /// `options_only` are the same in all rows of a product.
    products: BTreeMap<String, Vec<Product>>,
}

impl ProductTable {
    /// The table that is built in.
    #[must_use]
    pub fn builtin() -> Self {
        static BUILTIN: LazyLock<ProductTable> = LazyLock::new(|| {
            ProductTable::parse(include_str!("products.csv"))
                .expect("the embedded product table is well formed: a test reads it")
        });
        BUILTIN.clone()
    }

    /// Reads a product table; the format is described in the header of the built-in one. Columns
    /// are found by name; further columns are ignored.
    ///
    /// # Errors
    /// With line, column, value and expectation when the text is not a product table.
    pub fn parse(text: &str) -> Result<Self, ProductTableError> {
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let columns = find_columns(reader.headers().map_err(|error| csv_error(&error))?)?;
        let mut table = Self::default();
        for record in reader.records() {
            let record = record.map_err(|error| csv_error(&error))?;
            let row = Row {
                line: record.position().map_or(0, csv::Position::line),
                record: &record,
                columns: &columns,
            };
            table.add(&row, row.product()?)?;
        }
        for rows in table.products.values_mut() {
            rows.sort_by_key(|row| row.first_delivery);
        }
        Ok(table)
    }

    fn add(&mut self, row: &Row<'_>, product: Product) -> Result<(), ProductTableError> {
        let rows = self.products.entry(product.product_id.clone()).or_default();
        for other in rows.iter() {
            let same =
                |product: &Product| (product.exchange, product.session, product.options_only);
            if same(other) != same(&product) {
                return Err(row.error(
                    0,
                    "the exchange, session and kind of the product's other row",
                ));
            }
            let apart = |early: &Product, late: &Product| {
                matches!((early.last_delivery, late.first_delivery),
                    (Some(last), Some(first)) if last < first)
            };
            if !apart(other, &product) && !apart(&product, other) {
                return Err(row.error(6, "delivery months that no other row of the product has"));
            }
        }
        rows.push(product);
        Ok(())
    }

    /// The exchanges with a product of that id in any case, each once.
    pub(super) fn exchanges_like(&self, product_id: &str) -> Vec<Exchange> {
        let mut exchanges = Vec::new();
        let alike = |(id, _): &(&String, &Vec<Product>)| id.eq_ignore_ascii_case(product_id);
        for product in self
            .products
            .iter()
            .filter(alike)
            .flat_map(|(_, rows)| rows)
        {
            if !exchanges.contains(&product.exchange) {
                exchanges.push(product.exchange);
            }
        }
        exchanges
    }

    /// What is certain about `product_id` for contracts that deliver in `delivery`: the row of that
    /// month; without one, what all rows agree on. `None` when the product is not in the table.
    #[must_use]
    pub fn find(&self, product_id: &str, delivery: Option<DeliveryMonth>) -> Option<Product> {
        let rows = self.products.get(product_id)?;
        if let Some(month) = delivery
            && let Some(row) = rows.iter().find(|row| row.covers(month))
        {
            return Some(row.clone());
        }
        let (first, others) = rows.split_first()?;
        let mut common = first.clone();
        for other in others {
            common.multiplier = common
                .multiplier
                .filter(|_| common.multiplier == other.multiplier);
            common.price_tick = common
                .price_tick
                .filter(|_| common.price_tick == other.price_tick);
            common.option_price_tick = common
                .option_price_tick
                .filter(|_| common.option_price_tick == other.option_price_tick);
        }
        if !others.is_empty() || delivery.is_some() {
            (common.first_delivery, common.last_delivery) = (None, None);
        }
        Some(common)
    }

    /// All rows, by product id and delivery month.
    pub fn iter(&self) -> impl Iterator<Item = &Product> {
        self.products.values().flatten()
    }

    /// The table as canonical text, which [`parse`](Self::parse) reads back.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = COLUMNS.join(",");
        text.push('\n');
        let month =
            |month: Option<DeliveryMonth>| month.map_or_else(String::new, |m| m.to_string());
        let price = |tick: Option<f64>| tick.map_or_else(String::new, |tick| tick.to_string());
        for row in self.iter() {
            // Writing into a String cannot fail.
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{},{},{},{}",
                row.product_id,
                row.exchange,
                row.session,
                if row.options_only { "option" } else { "future" },
                row.multiplier
                    .map_or_else(String::new, |lots| lots.to_string()),
                price(row.price_tick),
                month(row.first_delivery),
                month(row.last_delivery),
                if row.has_options { "yes" } else { "no" },
                price(row.option_price_tick),
            );
        }
        text
    }
}

/// A product table is not one.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, column {column}: found `{value}`, expected {expected}")]
pub struct ProductTableError {
    /// 1-based line.
    pub line: u64,
    /// Name of the column.
    pub column: String,
    /// What was found.
    pub value: String,
    /// What should.
    pub expected: String,
}

fn csv_error(error: &csv::Error) -> ProductTableError {
    ProductTableError {
        line: error.position().map_or(1, csv::Position::line),
        column: "(all)".to_owned(),
        value: error.to_string(),
        expected: "as many comma-separated values as the header has".to_owned(),
    }
}

fn find_columns(header: &csv::StringRecord) -> Result<[usize; 10], ProductTableError> {
    let mut indices = [0; 10];
    for (index, name) in indices.iter_mut().zip(COLUMNS) {
        *index = header
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| ProductTableError {
                line: header.position().map_or(1, csv::Position::line),
                column: name.to_owned(),
                value: header.iter().collect::<Vec<_>>().join(","),
                expected: format!("a header with a column `{name}`"),
            })?;
    }
    Ok(indices)
}

/// One line with the places of the columns.
struct Row<'a> {
    line: u64,
    record: &'a csv::StringRecord,
    columns: &'a [usize; 10],
}

impl Row<'_> {
    fn value(&self, column: usize) -> &str {
        self.record.get(self.columns[column]).unwrap_or_default()
    }

    fn error(&self, column: usize, expected: &str) -> ProductTableError {
        ProductTableError {
            line: self.line,
            column: COLUMNS[column].to_owned(),
            value: self.value(column).to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn read<T>(
        &self,
        column: usize,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ProductTableError> {
        parse(self.value(column)).ok_or_else(|| self.error(column, expected))
    }

    fn optional<T>(
        &self,
        column: usize,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ProductTableError> {
        if self.value(column).is_empty() {
            return Ok(None);
        }
        self.read(column, expected, parse).map(Some)
    }

    fn product(&self) -> Result<Product, ProductTableError> {
        let is_id = |text: &str| {
            let legal = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
            (!text.is_empty() && text.bytes().all(legal)).then(|| text.to_owned())
        };
        let choice = |yes: &'static str, no: &'static str| {
            move |text: &str| {
                [(yes, true), (no, false)]
                    .into_iter()
                    .find(|(word, _)| *word == text)
            }
        };
        let month = "a delivery month YYYYMM, or nothing";
        let tick = "a price above 0, or nothing";
        Ok(Product {
            product_id: self.read(0, "letters", is_id)?,
            exchange: self.read(1, "SHFE, INE, DCE, CZCE, GFEX or CFFEX", Exchange::parse)?,
            session: self.read(
                2,
                "N0230, N0100, N2300, DAY, CFX-I or CFX-B",
                SessionClass::parse,
            )?,
            options_only: self
                .read(3, "future or option", choice("option", "future"))?
                .1,
            multiplier: self.optional(4, "a whole number above 0, or nothing", parse_multiplier)?,
            price_tick: self.optional(5, tick, parse_price_tick)?,
            first_delivery: self.optional(6, month, DeliveryMonth::parse)?,
            last_delivery: self.optional(7, month, DeliveryMonth::parse)?,
            has_options: self.read(8, "yes or no", choice("yes", "no"))?.1,
            option_price_tick: self.optional(9, tick, parse_price_tick)?,
        })
    }
}

/// A contract multiplier above zero.
pub(super) fn parse_multiplier(text: &str) -> Option<u32> {
    text.parse().ok().filter(|multiplier| *multiplier > 0)
}

/// A price step above zero that is a price.
pub(super) fn parse_price_tick(text: &str) -> Option<f64> {
    text.parse().ok().filter(|tick| *tick > 0.0 && *tick < 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "product_id,exchange,session,kind,multiplier,price_tick,first_delivery,last_delivery,options,option_price_tick";

    #[test]
    fn the_builtin_table_has_the_products_of_every_exchange() {
        let table = ProductTable::builtin();
        let count = |exchange| {
            let ids = table.products.values();
            ids.filter(|rows| rows[0].exchange == exchange).count()
        };
        // The 91 roots of the field guide and more: the monthly-average futures have separate rows,
        // and six CZCE roots are of the past.
        assert_eq!(Exchange::ALL.map(count), [20, 5, 26, 33, 5, 11]);
        assert_eq!(table.products.len(), 100);
    }

    #[test]
    fn the_text_reads_back() {
        let table = ProductTable::builtin();
        assert_eq!(ProductTable::parse(&table.to_text()).unwrap(), table);
    }

    #[test]
    fn terms_that_changed_are_known_only_for_certain_months() {
        let table = ProductTable::builtin();
        let terms = |id: &str, month: &str| {
            let product = table.find(id, DeliveryMonth::parse(month)).unwrap();
            (product.multiplier, product.price_tick)
        };
        assert_eq!(terms("fu", "201801"), (Some(50), Some(1.0)));
        assert_eq!(terms("fu", "201901"), (Some(10), Some(1.0)));
        assert_eq!(terms("fu", ""), (None, Some(1.0)));
        assert_eq!(terms("au", "201806"), (Some(1000), Some(0.05)));
        assert_eq!(terms("au", "202112"), (Some(1000), None));
        assert_eq!(terms("au", "202506"), (Some(1000), Some(0.02)));
        assert_eq!(terms("fb", "202112"), (None, None));
        assert_eq!(terms("rb", ""), (Some(10), Some(1.0)));
        assert!(table.find("RB", None).is_none());
    }

    #[test]
    fn a_bad_table_is_refused_with_its_position() {
        for (row, line, column) in [
            ("rb,SSE,DAY,future,1,1,,,no,", 2, "exchange"),
            ("rb,SHFE,NIGHT,future,1,1,,,no,", 2, "session"),
            ("rb,SHFE,DAY,futures,1,1,,,no,", 2, "kind"),
            ("rb,SHFE,DAY,future,0,1,,,no,", 2, "multiplier"),
            ("rb,SHFE,DAY,future,1,nan,,,no,", 2, "price_tick"),
            ("rb,SHFE,DAY,future,1,1,2501,,no,", 2, "first_delivery"),
            ("rb,SHFE,DAY,future,1,1,,,maybe,", 2, "options"),
            ("r1,SHFE,DAY,future,1,1,,,no,", 2, "product_id"),
            ("rb,SHFE,DAY,future,1,1", 2, "(all)"),
            (
                "rb,SHFE,DAY,future,1,1,,,no,\nrb,SHFE,DAY,future,2,1,,,no,",
                3,
                "first_delivery",
            ),
            (
                "rb,SHFE,DAY,future,1,1,,,no,\nrb,DCE,DAY,future,2,1,,,no,",
                3,
                "product_id",
            ),
        ] {
            let error = ProductTable::parse(&format!("{HEADER}\n{row}\n")).unwrap_err();
            assert_eq!(
                (error.line, error.column.as_str()),
                (line, column),
                "{error}"
            );
        }
        let error = ProductTable::parse("product_id,exchange\n").unwrap_err();
        assert!(error.to_string().contains("`session`"), "{error}");
    }
}
