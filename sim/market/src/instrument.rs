//! What an instrument is: its specification, and how its id is written (field guide 5.8).

use chrono::{Datelike, NaiveDate};

use crate::product::{Listing, Product, Tick, Venue};

/// CTP's product classes as far as the model generates them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProductKind {
    /// A future (`ProductClass` 1).
    Future,
    /// An option on a future (`ProductClass` 2).
    Option,
    /// A spread of two legs with its own id (`ProductClass` 3).
    Combination,
    /// A CFFEX index option (`ProductClass` 6).
    SpotOption,
}

/// The contract terms of a generated instrument, enough for a contract table.
#[derive(Debug, Clone, PartialEq)]
pub struct InstrumentSpec {
    /// CTP `InstrumentID`, in the exchange's own case.
    pub instrument_id: String,
    /// Exchange code: SHFE, INE, DCE, CZCE, GFEX or CFFEX.
    pub exchange: &'static str,
    /// Product id: the root of a future (`rb`), the option product of CTP's contract data (`cu_o`,
    /// `SRC`, `IO`), the root of the first leg for a combination.
    pub product_id: String,
    /// Product class.
    pub kind: ProductKind,
    /// Contract multiplier, units per lot.
    pub multiplier: u32,
    /// Smallest price step, price units.
    pub price_tick: f64,
    /// Session class of field guide 5.2: N0230, N0100, N2300, DAY, CFX-I or CFX-B.
    pub session: &'static str,
    /// A readable name.
    pub name: String,
    /// Delivery year, four digits.
    pub delivery_year: i32,
    /// Delivery month, 1 to 12.
    pub delivery_month: u32,
    /// Strike price; `None` unless an option.
    pub strike_price: Option<f64>,
    /// The instrument an option is on (`None` for index options: their underlying is the index).
    pub underlying: Option<String>,
    pub(crate) venue: Venue,
    pub(crate) tick: Tick,
    /// The price around which the instrument starts, in its ticks.
    pub(crate) base: i32,
    /// Relative activity; only ratios matter.
    pub(crate) weight: u64,
    pub(crate) option: Option<OptionTerms>,
    pub(crate) bond: bool,
}

/// What the pricing of an option needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OptionTerms {
    /// Id of the future whose price it follows.
    pub(crate) follows: String,
    /// The future's price tick.
    pub(crate) follows_tick: Tick,
    /// The future's base price, in its ticks.
    pub(crate) follows_base: i32,
    /// Strike in the option's own ticks.
    pub(crate) strike: i64,
    pub(crate) call: bool,
    /// Delivery months ahead, 1 or more: time value grows with it.
    pub(crate) months: i64,
}

impl InstrumentSpec {
    /// Whether it trades in the night session.
    #[must_use]
    pub fn has_night(&self) -> bool {
        self.session.starts_with('N')
    }
}

/// A delivery month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month {
    pub(crate) year: i32,
    pub(crate) month: u32,
}

impl Month {
    /// `ahead` months after this one.
    pub(crate) fn plus(self, ahead: u32) -> Self {
        let zero = self.month - 1 + ahead;
        Self {
            year: self.year + i32::try_from(zero / 12).unwrap_or(0),
            month: zero % 12 + 1,
        }
    }

    /// The nearest month still traded on `day`: contracts of the month itself trade to its middle.
    pub(crate) fn nearest(day: NaiveDate) -> Self {
        let month = Self {
            year: day.year(),
            month: day.month(),
        };
        month.plus(u32::from(day.day() > 14))
    }

    fn in_set(self, set: &[u32]) -> bool {
        set.contains(&self.month)
    }
}

/// The delivery months of `product` on `day` with their activity in thousandths of the dominant
/// contract's, nearest first.
pub(crate) fn listed_months(product: &Product, day: NaiveDate) -> Vec<(Month, u64)> {
    let first = Month::nearest(day);
    let year = (0..12).map(|ahead| first.plus(ahead));
    match &product.listing {
        Listing::Near => rank(year, &[200, 1000, 620, 260, 130, 70]),
        Listing::All => rank(year, &[120, 300, 1000, 260, 420, 120]),
        Listing::Even => rank(
            year.filter(|m| m.month % 2 == 0),
            &[350, 1000, 520, 220, 110],
        ),
        Listing::Odd => rank(
            year.filter(|m| m.month % 2 == 1),
            &[300, 1000, 520, 220, 110],
        ),
        Listing::OneFiveNine => rank_dominant(year, &[1, 5, 9]),
        Listing::OneFiveTen => rank_dominant(year, &[1, 5, 10]),
        Listing::Index | Listing::On(_) => index_months(first, product.option_months),
        Listing::Quarter => rank(
            (0..12)
                .map(|a| first.plus(a))
                .filter(|m| m.month % 3 == 0)
                .take(3),
            &[1000, 500, 120],
        ),
    }
}

/// Assigns the ranks' weights to the months in turn, and a decreasing rest.
fn rank(months: impl Iterator<Item = Month>, weights: &[u64]) -> Vec<(Month, u64)> {
    months
        .enumerate()
        .map(|(i, month)| (month, weights.get(i).copied().unwrap_or(40)))
        .collect()
}

/// Liquidity sits in three months of the year; the nearest of them loses it before delivery.
fn rank_dominant(months: impl Iterator<Item = Month>, dominant: &[u32]) -> Vec<(Month, u64)> {
    let mut weights = [1000, 480, 160].into_iter();
    months
        .enumerate()
        .map(|(i, month)| {
            let main = i > 0 && month.in_set(dominant);
            let weight = if main { weights.next() } else { None };
            (month, weight.unwrap_or(45))
        })
        .collect()
}

/// Two near months, then quarter months, `count` in all (four for the index futures).
fn index_months(first: Month, count: usize) -> Vec<(Month, u64)> {
    let second = first.plus(1);
    let quarters = (2..24)
        .map(|ahead| first.plus(ahead))
        .filter(|m| m.month % 3 == 0);
    rank(
        [first, second].into_iter().chain(quarters).take(count),
        &[1000, 650, 700, 420, 150, 100],
    )
}

/// `2601`, or `601` on CZCE.
pub(crate) fn month_digits(venue: Venue, month: Month) -> String {
    if venue == Venue::Czce {
        format!("{}{:02}", month.year % 10, month.month)
    } else {
        format!("{:02}{:02}", month.year % 100, month.month)
    }
}

/// The specification of a future.
pub(crate) fn future(product: &Product, month: Month, weight: u64) -> InstrumentSpec {
    let digits = month_digits(product.venue, month);
    // A gentle, fixed slope of the forward curve, so that months do not share one price.
    let slope = i64::from(product.base) * i64::from(month.month % 7) / 400;
    InstrumentSpec {
        instrument_id: format!("{}{digits}", product.id),
        exchange: product.venue.code(),
        product_id: product.id.to_owned(),
        kind: ProductKind::Future,
        multiplier: product.multiplier,
        price_tick: product.tick.price(1),
        session: product.session,
        name: format!("{} {}-{:02}", product.id, month.year, month.month),
        delivery_year: month.year,
        delivery_month: month.month,
        strike_price: None,
        underlying: None,
        venue: product.venue,
        tick: product.tick,
        base: product.base + crate::num::to_i32(slope),
        weight,
        option: None,
        bond: product.session == "CFX-B",
    }
}

/// The future that `id` names, when its product is known and its digits are a month.
pub(crate) fn parse_future(
    id: &str,
    products: &[Product],
    day: NaiveDate,
) -> Option<InstrumentSpec> {
    let split = id.find(|c: char| c.is_ascii_digit())?;
    let (root, digits) = id.split_at(split);
    let product = products
        .iter()
        .find(|p| p.id == root && !matches!(p.listing, Listing::On(_)))?;
    let expected = if product.venue == Venue::Czce { 3 } else { 4 };
    if digits.len() != expected || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u32 = digits.parse().ok()?;
    let (year, month) = (i32::try_from(number / 100).ok()?, number % 100);
    let month = (1..=12).contains(&month).then(|| Month {
        year: full_year(product.venue, year, day),
        month,
    })?;
    let weight = listed_months(product, day)
        .into_iter()
        .find(|(listed, _)| *listed == month)
        .map_or(30, |(_, weight)| weight);
    Some(future(product, month, weight * u64::from(product.weight)))
}

/// CZCE writes one digit of the year: the year inside the window of field guide 5.8.
fn full_year(venue: Venue, year: i32, day: NaiveDate) -> i32 {
    if venue == Venue::Czce {
        (day.year() - 1..day.year() + 9)
            .find(|y| y % 10 == year)
            .unwrap_or(day.year())
    } else {
        day.year() / 100 * 100 + year
    }
}
