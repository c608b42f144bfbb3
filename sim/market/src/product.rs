//! The frozen product table of the model: what is listed where, with which multiplier and tick.
//!
//! Invariant: the table belongs to a [`crate::GENERATOR_VERSION`]. It is the model's own and not
//! the framework's product table, so that a new listing there never changes a generated market.

use crate::num::to_i32;

/// The table's text, parsed once per market; a test parses every line.
const TABLE: &str = include_str!("../data/products-v1.csv");

/// One of the six exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Venue {
    Shfe,
    Ine,
    Dce,
    Czce,
    Gfex,
    Cffex,
}

impl Venue {
    pub(crate) const ALL: [Self; 6] = [
        Self::Shfe,
        Self::Ine,
        Self::Dce,
        Self::Czce,
        Self::Gfex,
        Self::Cffex,
    ];

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Shfe => "SHFE",
            Self::Ine => "INE",
            Self::Dce => "DCE",
            Self::Czce => "CZCE",
            Self::Gfex => "GFEX",
            Self::Cffex => "CFFEX",
        }
    }

    /// Whether the front passes five levels of depth (field guide 5.1).
    pub(crate) const fn has_depth(self) -> bool {
        matches!(self, Self::Shfe | Self::Ine)
    }
}

/// A price tick as an exact fraction of the price unit. A price in ticks thus becomes the f64
/// nearest to its decimal text by one correctly rounded division, on every platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick {
    /// Numerator.
    pub(crate) units: i64,
    /// Denominator: 1, 10, 100 or 1000.
    pub(crate) scale: i64,
}

impl Tick {
    /// The price of `ticks` price ticks.
    #[inline]
    pub(crate) fn price(self, ticks: i32) -> f64 {
        (i64::from(ticks) * self.units) as f64 / self.scale as f64
    }

    /// CNY of `value` ticks × lots × multiplier.
    #[inline]
    pub(crate) fn money(self, value: i64, multiplier: i64) -> f64 {
        (value.saturating_mul(self.units).saturating_mul(multiplier)) as f64 / self.scale as f64
    }

    /// The number of ticks in `other` ticks of size `from`, rounded down.
    pub(crate) fn convert(self, other: i64, from: Self) -> i64 {
        other * from.units * self.scale / (from.scale * self.units)
    }

    /// Parses a decimal text such as `0.005`.
    fn parse(text: &str) -> Option<Self> {
        let decimals = text
            .split_once('.')
            .map_or(0, |(_, fraction)| fraction.len());
        let scale = 10_i64.pow(u32::try_from(decimals).ok()?);
        let units = text.replace('.', "").parse().ok()?;
        Some(Self { units, scale })
    }
}

/// Which delivery months a product lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Twelve months, the second nearest dominant (copper).
    Near,
    /// Twelve months, every second of them dominant in turn (silver, lithium).
    All,
    /// Even months.
    Even,
    /// Odd months.
    Odd,
    /// Months 1, 5, 9 dominant, the others listed.
    OneFiveNine,
    /// Months 1, 5, 10 dominant, the others listed.
    OneFiveTen,
    /// Two near months and the next two quarter months.
    Index,
    /// The next three quarter months.
    Quarter,
    /// Index options on the futures' months.
    On(String),
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: &'static str,
    pub(crate) venue: Venue,
    pub(crate) session: &'static str,
    pub(crate) multiplier: u32,
    pub(crate) tick: Tick,
    /// Base price in ticks.
    pub(crate) base: i32,
    /// Relative activity of the dominant contract.
    pub(crate) weight: u32,
    pub(crate) listing: Listing,
    /// Price tick of the options; `None` when the product has none.
    pub(crate) option_tick: Option<Tick>,
    /// Delivery months with options, or option months of an index.
    pub(crate) option_months: usize,
}

/// The table, in its own order.
pub(crate) fn products() -> Vec<Product> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(parse_line)
        .collect()
}

fn parse_line(line: &'static str) -> Option<Product> {
    let mut cells = line.split(',');
    let id = cells.next()?;
    let exchange = cells.next()?;
    let venue = Venue::ALL.into_iter().find(|v| v.code() == exchange)?;
    let session = cells.next()?;
    let multiplier = cells.next()?.parse().ok()?;
    let tick = Tick::parse(cells.next()?)?;
    let base = Tick::parse(cells.next()?)?;
    let weight = cells.next()?.parse().ok()?;
    let listing = parse_listing(cells.next()?)?;
    let option_tick = Tick::parse(cells.next()?).filter(|t| t.units > 0);
    Some(Product {
        id,
        venue,
        session,
        multiplier,
        tick,
        base: to_i32(tick.convert(1, base)),
        weight,
        listing,
        option_tick,
        option_months: cells.next()?.parse().ok()?,
    })
}

fn parse_listing(text: &str) -> Option<Listing> {
    Some(match text {
        "near" => Listing::Near,
        "all" => Listing::All,
        "even" => Listing::Even,
        "odd" => Listing::Odd,
        "159" => Listing::OneFiveNine,
        "1510" => Listing::OneFiveTen,
        "index" => Listing::Index,
        "quarter" => Listing::Quarter,
        other => Listing::On(other.strip_prefix("on:")?.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_product() {
        let lines = TABLE.lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(products().len(), lines);
        assert_eq!(lines, 91, "the products of field guide 5.7");
    }

    #[test]
    fn a_price_is_the_nearest_double_of_its_decimal_text() {
        let gold = Tick::parse("0.02").unwrap();
        assert_eq!(gold.price(14_243), 284.86);
        let bond = Tick::parse("0.005").unwrap();
        assert_eq!(bond.price(21_571), 107.855);
        assert_eq!(bond.money(21_571 * 3, 10_000), 3_235_650.0);
    }

    #[test]
    fn base_prices_are_whole_ticks() {
        for product in products() {
            assert!(product.base > 100, "{}", product.id);
        }
    }
}
