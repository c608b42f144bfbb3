//! When a product trades inside its trading day (CTP field guide, section 5.2).
//!
//! Time runs on the axis of the trading day, which starts at 18:00 of the evening before: on it the
//! night session, midnight and the day sessions come in order and nothing wraps. This module knows
//! no calendar: the caller says whether the trading day has a night session.

use chrono::NaiveDate;

use crate::contract::{Exchange, SessionClass};
use crate::time::TradingDay;

/// Seconds in a day.
pub(super) const DAY_SECONDS: u32 = 86_400;
/// Where the axis of a trading day starts, seconds since midnight: 18:00.
pub(super) const EVENING_START: u32 = 18 * 3600;
/// How long after a session's end its ticks may still be stamped: 11:30:01 and 23:00:01 are real,
/// settlement rows (15:22, 15:35) are not part of the session any more (guide 5.5).
const CLOSE_GRACE: u32 = 180;
/// How long before a later session ticks may be stamped: state changes come in the last minute.
const OPEN_LEAD: u32 = 60;
/// Length of the opening auction, orders and match together.
const AUCTION: u32 = 300;

/// Where in its trading day a tick is stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// After the system initialised the day and before the opening auction.
    PreOpen,
    /// In the opening auction, order collection or match.
    Auction,
    /// In a continuous session, its lead or its close grace.
    Trading,
    /// In a break, or after the last session.
    Closed,
}

/// Seconds since midnight as seconds since the 18:00 that starts the trading day.
pub(super) const fn on_axis(seconds_of_day: u32) -> u32 {
    (seconds_of_day + DAY_SECONDS - EVENING_START) % DAY_SECONDS
}

const fn at(hour: u32, minute: u32) -> u32 {
    on_axis(hour * 3600 + minute * 60)
}

/// From and to, seconds on the axis.
type Span = (u32, u32);

/// A span that nothing is in: fills the fixed table of [`Hours`].
const NEVER: Span = (u32::MAX, 0);
const MORNING: Span = (at(9, 0), at(10, 15));
const FORENOON: Span = (at(10, 30), at(11, 30));
const AFTERNOON: Span = (at(13, 30), at(15, 0));

/// The sessions of one product on one trading day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hours {
    open: u32,
    sessions: [Span; 4],
}

impl Hours {
    /// The sessions of `class` on `day`; `has_night` says whether the evening before it trades.
    pub(super) fn new(
        class: SessionClass,
        exchange: Exchange,
        day: TradingDay,
        has_night: bool,
    ) -> Self {
        let night_end = match class {
            SessionClass::N0230 => Some(at(2, 30)),
            SessionClass::N0100 => Some(at(1, 0)),
            SessionClass::N2300 if night_ended_half_past(exchange, day) => Some(at(23, 30)),
            SessionClass::N2300 => Some(at(23, 0)),
            SessionClass::Day => None,
            SessionClass::CfxIndex | SessionClass::CfxBond => {
                return Self::cffex(class, day);
            }
        };
        let night = night_end
            .filter(|_| has_night)
            .map_or(NEVER, |end| (at(21, 0), end));
        Self {
            open: if night == NEVER { MORNING.0 } else { night.0 },
            sessions: [night, MORNING, FORENOON, AFTERNOON],
        }
    }

    fn cffex(class: SessionClass, day: TradingDay) -> Self {
        let bond = class == SessionClass::CfxBond;
        // Before 2016 everything on CFFEX opened at 09:15 and closed at 15:15; bonds kept the open
        // until July 2020 and the close until today.
        let early_open = before(day, 2016, 1, 1) || (bond && before(day, 2020, 7, 20));
        let late_close = before(day, 2016, 1, 1) || bond;
        let open = if early_open { at(9, 15) } else { at(9, 30) };
        let close = if late_close { at(15, 15) } else { at(15, 0) };
        Self {
            open,
            sessions: [(open, at(11, 30)), (at(13, 0), close), NEVER, NEVER],
        }
    }

    /// The phase at `axis` seconds after 18:00.
    #[inline]
    pub(super) fn phase(&self, axis: u32) -> Phase {
        if axis < self.open {
            return if axis + AUCTION < self.open {
                Phase::PreOpen
            } else {
                Phase::Auction
            };
        }
        let trading = self
            .sessions
            .iter()
            .any(|&(from, to)| axis.saturating_add(OPEN_LEAD) >= from && axis <= to + CLOSE_GRACE);
        if trading {
            Phase::Trading
        } else {
            Phase::Closed
        }
    }
}

/// Dalian and Zhengzhou closed their nights at 23:30 until 2019 (recordings of 2017 and 2019 show
/// it); from 2020 on every such night ends at 23:00.
fn night_ended_half_past(exchange: Exchange, day: TradingDay) -> bool {
    matches!(exchange, Exchange::Dce | Exchange::Czce) && before(day, 2020, 1, 1)
}

fn before(day: TradingDay, year: i32, month: u32, dom: u32) -> bool {
    NaiveDate::from_ymd_opt(year, month, dom).is_some_and(|limit| day.0 < limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, dom: u32) -> TradingDay {
        TradingDay(NaiveDate::from_ymd_opt(year, month, dom).unwrap())
    }

    #[track_caller]
    fn check(hours: Hours, cases: &[(&str, Phase)]) {
        for (time, expected) in cases {
            let seconds = crate::time::parse_ctp_time(time.as_bytes()).unwrap();
            assert_eq!(hours.phase(on_axis(seconds)), *expected, "{time}");
        }
    }

    #[test]
    fn a_night_product_opens_at_21_and_has_no_day_auction() {
        use Phase::{Auction, Closed, PreOpen, Trading};
        let hours = Hours::new(SessionClass::N0230, Exchange::Shfe, day(2026, 1, 6), true);
        check(
            hours,
            &[
                ("18:50:32", PreOpen),
                ("20:54:59", PreOpen),
                ("20:55:00", Auction),
                ("20:59:59", Auction),
                ("21:00:00", Trading),
                ("23:59:59", Trading),
                ("00:00:00", Trading),
                ("02:33:00", Trading),
                ("02:33:01", Closed),
                ("07:54:41", Closed),
                ("08:58:59", Closed),
                ("08:59:00", Trading),
                ("10:18:00", Trading),
                ("10:18:01", Closed),
                ("10:30:00", Trading),
                ("11:30:01", Trading),
                ("12:00:00", Closed),
                ("13:30:00", Trading),
                ("15:00:00", Trading),
                ("15:22:06", Closed),
                ("17:59:59", Closed),
            ],
        );
    }

    #[test]
    fn a_skipped_night_moves_the_auction_to_the_morning() {
        use Phase::{Auction, PreOpen, Trading};
        for class in [SessionClass::N2300, SessionClass::Day] {
            let hours = Hours::new(class, Exchange::Czce, day(2019, 10, 8), false);
            check(
                hours,
                &[
                    ("19:29:00", PreOpen),
                    ("21:00:00", PreOpen),
                    ("08:54:59", PreOpen),
                    ("08:55:00", Auction),
                    ("08:59:00", Auction),
                    ("09:00:00", Trading),
                ],
            );
        }
    }

    #[test]
    fn nights_end_by_class_and_ended_later_before_2020() {
        use Phase::{Closed, Trading};
        let now = Hours::new(SessionClass::N2300, Exchange::Czce, day(2026, 1, 6), true);
        check(now, &[("23:03:00", Trading), ("23:03:01", Closed)]);
        let then = Hours::new(SessionClass::N2300, Exchange::Czce, day(2019, 9, 2), true);
        check(then, &[("23:29:59", Trading), ("23:33:01", Closed)]);
        let shfe = Hours::new(SessionClass::N2300, Exchange::Shfe, day(2019, 9, 2), true);
        check(shfe, &[("23:29:59", Closed)]);
        let one = Hours::new(SessionClass::N0100, Exchange::Shfe, day(2026, 1, 6), true);
        check(one, &[("01:00:00", Trading), ("01:03:01", Closed)]);
    }

    #[test]
    fn cffex_opens_at_half_past_nine() {
        use Phase::{Auction, Closed, PreOpen, Trading};
        let index = Hours::new(
            SessionClass::CfxIndex,
            Exchange::Cffex,
            day(2021, 1, 4),
            true,
        );
        check(
            index,
            &[
                ("09:24:59", PreOpen),
                ("09:29:00", Auction),
                ("09:30:00", Trading),
                ("10:20:00", Trading),
                ("12:30:00", Closed),
                ("13:00:00", Trading),
                ("15:03:00", Trading),
                ("15:10:00", Closed),
                ("15:35:19", Closed),
            ],
        );
        let bond = |on| Hours::new(SessionClass::CfxBond, Exchange::Cffex, on, true);
        check(
            bond(day(2026, 1, 6)),
            &[("09:20:00", PreOpen), ("15:15:00", Trading)],
        );
        check(
            bond(day(2017, 11, 13)),
            &[("09:14:00", Auction), ("09:15:00", Trading)],
        );
    }
}
