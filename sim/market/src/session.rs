//! When an instrument trades: the session classes of field guide 5.2 as a plan of steps in absolute
//! time.
//!
//! Knows the two days it is given and nothing of a calendar.

use chrono::{Datelike, NaiveDate};
use tickdeck_ffi::Text;

use crate::options::MarketError;
use crate::product::Venue;

/// Nanoseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub(crate) const MILLI: i64 = 1_000_000;
/// Nanoseconds in a minute.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// Nanoseconds in an hour.
const HOUR: i64 = 60 * MINUTE;
/// Nanoseconds in a calendar day (China has no daylight saving time).
const DAY: i64 = 24 * HOUR;
/// The snapshot grid of every exchange, nanoseconds.
pub(crate) const GRID: i64 = 500 * MILLI;

/// The calendar days of one trading day, with CTP's texts for them.
#[derive(Debug, Clone)]
pub(crate) struct Days {
    /// Midnight (Asia/Shanghai) that begins the previous trading day, ns UTC.
    evening: i64,
    /// Midnight that begins the trading day, ns UTC.
    day: i64,
    evening_text: Text<9>,
    early_text: Text<9>,
    pub(crate) day_text: Text<9>,
}

impl Days {
    /// # Errors
    /// The days must be in order and inside 1990 to 2100.
    pub(crate) fn new(day: NaiveDate, previous: NaiveDate) -> Result<Self, MarketError> {
        for date in [day, previous] {
            if !(1990..=2100).contains(&date.year()) {
                return Err(MarketError::DayOutOfRange(date));
            }
        }
        if previous >= day {
            return Err(MarketError::DaysOutOfOrder {
                prev_trading_day: previous,
                trading_day: day,
            });
        }
        let early = previous
            .succ_opt()
            .ok_or(MarketError::DayOutOfRange(previous))?;
        Ok(Self {
            evening: midnight(previous),
            day: midnight(day),
            evening_text: date_text(previous),
            early_text: date_text(early),
            day_text: date_text(day),
        })
    }

    /// `hour:minute` of the trading day's own date.
    pub(crate) const fn at(&self, hour: i64, minute: i64) -> i64 {
        self.day + hour * HOUR + minute * MINUTE
    }

    /// `hour:minute` counted from the previous trading day's midnight; 25:00 is one in the morning
    /// of the following calendar day.
    pub(crate) const fn evening_at(&self, hour: i64, minute: i64) -> i64 {
        self.evening + hour * HOUR + minute * MINUTE
    }

    /// Whether `at` is on the trading day's own date.
    pub(crate) const fn is_day(&self, at: i64) -> bool {
        at >= self.day
    }

    /// CTP's eight digits for the date of `at`.
    pub(crate) const fn natural(&self, at: i64) -> Text<9> {
        if at >= self.day {
            self.day_text
        } else if at >= self.evening + DAY {
            self.early_text
        } else {
            self.evening_text
        }
    }

    /// Seconds since midnight (Asia/Shanghai) of `at`.
    pub(crate) const fn second_of_day(&self, at: i64) -> i64 {
        (at - self.evening).rem_euclid(DAY) / SECOND
    }
}

/// Midnight in Asia/Shanghai as ns since the Unix epoch.
fn midnight(date: NaiveDate) -> i64 {
    // 719,163 is the day number of 1970-01-01 from 0001-01-01 as 1.
    (i64::from(date.num_days_from_ce()) - 719_163) * DAY - 8 * HOUR
}

fn date_text(date: NaiveDate) -> Text<9> {
    let digits = format!("{:04}{:02}{:02}", date.year(), date.month(), date.day());
    Text::new(digits.as_bytes()).unwrap_or_default()
}

/// What happens to an instrument, in the order of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The opening auction's result.
    Auction(i64),
    /// Continuous trading from open to close, both ns UTC.
    Run(i64, i64),
    /// The last row of the day, with what the venue fills in at the close.
    Close(i64),
    /// The closing row once more, under a later exchange time or (CZCE) unchanged.
    Again(i64),
    /// The row with the settlement price, long after the close.
    Settled(i64),
}

impl Step {
    /// When it begins.
    pub(crate) const fn begins(self) -> i64 {
        match self {
            Self::Auction(at)
            | Self::Run(at, _)
            | Self::Close(at)
            | Self::Again(at)
            | Self::Settled(at) => at,
        }
    }

    /// Its part in `from..=to`.
    pub(crate) fn clip(self, from: i64, to: i64) -> Option<Self> {
        if let Self::Run(open, close) = self {
            let (open, close) = (open.max(from), close.min(to));
            return (open < close).then_some(Self::Run(open, close));
        }
        (from..=to).contains(&self.begins()).then_some(self)
    }
}

/// Hour and minute.
type Minute = (i64, i64);

/// The end of a night session class as hours and minutes from the evening's midnight.
pub(crate) fn night_end(class: &str) -> Option<Minute> {
    match class {
        "N0230" => Some((26, 30)),
        "N0100" => Some((25, 0)),
        "N2300" => Some((23, 0)),
        _ => None,
    }
}

/// The night session of a class; empty when it has none.
pub(crate) fn night_plan(venue: Venue, class: &str, days: &Days) -> Vec<Step> {
    let Some((hour, minute)) = night_end(class) else {
        return Vec::new();
    };
    let open = days.evening_at(21, 0);
    vec![
        Step::Auction(auction_time(venue, open)),
        Step::Run(open, days.evening_at(hour, minute)),
    ]
}

/// SHFE and INE show the auction at the open, the others a minute before it (field guide 5.5).
const fn auction_time(venue: Venue, open: i64) -> i64 {
    if venue.has_depth() {
        open
    } else {
        open - MINUTE
    }
}

/// The day session of a class. Products that traded in the night have no day auction.
pub(crate) fn day_plan(venue: Venue, class: &str, days: &Days, after_night: bool) -> Vec<Step> {
    let mut plan = Vec::with_capacity(8);
    let runs: &[(Minute, Minute)] = match class {
        "CFX-I" => &[((9, 30), (11, 30)), ((13, 0), (15, 0))],
        "CFX-B" => &[((9, 30), (11, 30)), ((13, 0), (15, 15))],
        _ => &[
            ((9, 0), (10, 15)),
            ((10, 30), (11, 30)),
            ((13, 30), (15, 0)),
        ],
    };
    let (hour, minute) = runs[0].0;
    if !(after_night && night_end(class).is_some()) {
        plan.push(Step::Auction(auction_time(venue, days.at(hour, minute))));
    }
    plan.extend(
        runs.iter()
            .map(|&((h0, m0), (h1, m1))| Step::Run(days.at(h0, m0), days.at(h1, m1))),
    );
    let (hour, minute) = runs[runs.len() - 1].1;
    close_plan(venue, days, days.at(hour, minute), &mut plan);
    plan
}

/// The rows at and after the close (field guide 5.5; recordings of 2017 to 2021 per venue).
fn close_plan(venue: Venue, days: &Days, close: i64, plan: &mut Vec<Step>) {
    match venue {
        Venue::Shfe | Venue::Ine => plan.extend([
            Step::Close(close),
            Step::Again(close + GRID),
            Step::Settled(days.at(15, 22) + 6 * SECOND + GRID),
        ]),
        Venue::Czce => {
            // The last second belongs to the closing row alone: it is stamped 14:59:59.
            if let Some(Step::Run(_, end)) = plan.last_mut() {
                *end = close - 2 * SECOND;
            }
            plan.extend([Step::Close(close - SECOND), Step::Again(close - SECOND)]);
        }
        Venue::Dce | Venue::Gfex => plan.extend([
            Step::Close(close),
            Step::Settled(close + 25 * SECOND + 300 * MILLI),
        ]),
        Venue::Cffex => plan.extend([
            Step::Close(close),
            Step::Settled(days.at(15, 24) + 25 * SECOND),
            Step::Again(days.at(15, 27) + 51 * SECOND),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days() -> Days {
        Days::new(
            NaiveDate::from_ymd_opt(2025, 9, 15).unwrap(),
            NaiveDate::from_ymd_opt(2025, 9, 12).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn the_night_before_monday_is_friday_evening_and_saturday_morning() {
        let days = days();
        let one = days.evening_at(25, 0);
        assert_eq!(days.natural(one).as_bytes(), b"20250913");
        assert_eq!(days.natural(days.evening_at(21, 0)).as_bytes(), b"20250912");
        assert_eq!(days.natural(days.at(9, 0)).as_bytes(), b"20250915");
        assert_eq!(days.second_of_day(one), 3600);
        assert_eq!(one, 1_757_696_400 * SECOND);
    }

    #[test]
    fn night_products_have_a_day_auction_only_without_a_night() {
        let days = days();
        let auctions = |after_night| {
            day_plan(Venue::Dce, "N2300", &days, after_night)
                .iter()
                .filter(|s| matches!(s, Step::Auction(_)))
                .count()
        };
        assert_eq!((auctions(true), auctions(false)), (0, 1));
    }

    #[test]
    fn days_must_be_in_order_and_in_range() {
        let day = NaiveDate::from_ymd_opt(2025, 9, 15).unwrap();
        assert!(Days::new(day, day).is_err());
        let far = NaiveDate::from_ymd_opt(9999, 1, 1).unwrap();
        assert!(Days::new(far, day).is_err());
    }
}
