//! The `quirks` profile: a short session in which every known oddity of CTP data occurs.
//!
//! A small cast trades through the windows of [`parts`] by the ordinary model; [`Script`] then edits
//! the prepared events. It is the only profile that is held in memory: a few thousand ticks.

mod catalogue;
mod script;

pub use catalogue::Quirk;
pub(crate) use script::Script;

use chrono::NaiveDate;

use crate::book::Lock;
use crate::instrument::InstrumentSpec;
use crate::listing::{combination, dominant, near_option};
use crate::product::Product;
use crate::session::{Days, SECOND};

/// Products whose dominant future is in the cast.
const FUTURES: [&str; 21] = [
    "au", "cu", "rb", "wr", "sc", "m", "i", "l", "p", "c", "lh", "SR", "TA", "MA", "PF", "AP",
    "SF", "SM", "lc", "si", "IF",
];

/// The instruments of the profile.
pub(crate) fn cast(products: &[Product], day: NaiveDate) -> Vec<InstrumentSpec> {
    let mut cast = dominant(products, &FUTURES, day);
    cast.extend(dominant(products, &["T"], day));
    let of = |root: &str| cast.iter().find(|s| s.product_id == root).cloned();
    let second = |root: &str| {
        let product = products.iter().find(|p| p.id == root)?;
        let first = of(root)?;
        let (month, _) = crate::instrument::listed_months(product, day)
            .into_iter()
            .filter(|(m, _)| (m.year, m.month) != (first.delivery_year, first.delivery_month))
            .max_by_key(|(_, weight)| *weight)?;
        Some(crate::instrument::future(product, month, first.weight / 2))
    };
    let pair = |a: Option<InstrumentSpec>, b: Option<InstrumentSpec>| combination(&a?, &b?);
    let more = [
        of("au").and_then(|f| near_option(products, &f, 0, true)),
        of("m").and_then(|f| near_option(products, &f, 1, false)),
        of("SR").and_then(|f| near_option(products, &f, 12, true)),
        of("lc").and_then(|f| near_option(products, &f, -1, true)),
        pair(of("m"), second("m")),
        pair(of("SR"), second("SR")),
        pair(of("SF"), of("SM")),
    ];
    cast.extend(more.into_iter().flatten());
    cast
}

/// The pieces of the trading day that are generated: the moments at which something is odd.
pub(crate) fn parts(days: &Days) -> Vec<(i64, i64)> {
    let night = |hour, minute, before: i64, after: i64| {
        let at = days.evening_at(hour, minute);
        (at - before * SECOND, at + after * SECOND)
    };
    let day = |hour, minute, before: i64, after: i64| {
        let at = days.at(hour, minute);
        (at - before * SECOND, at + after * SECOND)
    };
    vec![
        night(21, 0, 90, 30),
        night(23, 0, 15, 2),
        night(24, 0, 20, 20),
        night(25, 0, 10, 2),
        night(26, 30, 15, 2),
        day(9, 0, 90, 30),
        day(9, 30, 90, 20),
        day(10, 15, 10, 2),
        day(10, 30, 5, 10),
        day(11, 30, 10, 2),
        day(13, 0, 5, 8),
        day(13, 30, 5, 10),
        day(15, 0, 20, 5),
        (days.at(15, 14) + 50 * SECOND, days.at(15, 40)),
    ]
}

/// Which of the cast is locked at a limit, and when.
pub(crate) fn lock(product: &str, days: &Days) -> Option<(i64, i64, Lock)> {
    match product {
        "lc" => Some((days.at(9, 0), days.at(16, 0), Lock::Up)),
        "PF" => Some((days.at(10, 20), days.at(16, 0), Lock::Down)),
        "cu" => Some((days.evening_at(24, 0), days.evening_at(26, 0), Lock::Down)),
        _ => None,
    }
}
