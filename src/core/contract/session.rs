//! When a product trades: the sessions of its class (field guide 5.2), today's and former ones, and
//! the phase that an exchange time of day falls into.
//!
//! Time runs on the axis of the trading day, which starts at 18:00 of the evening before. On it the
//! night session, midnight and the day sessions come in order, and nothing wraps.
//!
//! Invariant: pure functions of time of day, session hours and whether the trading day began with a
//! night session. This module may not know the calendar: the caller says whether there was a night.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use chrono::NaiveDate;

use super::SessionClass;
use crate::time::{DAY_SECONDS, EVENING_START_SECONDS, TradingDay};

/// How long after the end of a session, breaks included, ticks may still be stamped, in seconds.
/// The last match (11:30:01, 23:00:01) and DCE's copy 25 s after the close are inside. Settlement
/// rows are outside, and so are the copies that SHFE and CFFEX send 22 minutes after the close
/// (field guide 5.5).
pub const CLOSE_GRACE_SECONDS: u32 = 180;
/// How long before a session that is not the day's first ticks may be stamped, in seconds: changes
/// of state come in the last minute of a break.
pub const OPEN_LEAD_SECONDS: u32 = 60;
/// Length of the opening auction, orders and match together.
const AUCTION_SECONDS: u32 = 300;

/// A time of day as seconds since the 18:00 that starts the trading day.
const fn on_axis(seconds_of_day: u32) -> u32 {
    (seconds_of_day + DAY_SECONDS - EVENING_START_SECONDS) % DAY_SECONDS
}

const fn at(hour: u32, minute: u32) -> u32 {
    on_axis(hour * 3600 + minute * 60)
}

/// First second inside and first second after it, on the axis.
type Span = (u32, u32);

const NIGHT_OPEN: u32 = at(21, 0);
const COMMODITY_DAY: &[Span] = &[
    (at(9, 0), at(10, 15)),
    (at(10, 30), at(11, 30)),
    (at(13, 30), at(15, 0)),
];
const CFFEX_INDEX_DAY: &[Span] = &[(at(9, 30), at(11, 30)), (at(13, 0), at(15, 0))];
const CFFEX_BOND_DAY: &[Span] = &[(at(9, 30), at(11, 30)), (at(13, 0), at(15, 15))];
/// Index futures until 2015 and bond futures until July 2020.
const CFFEX_FORMER_DAY: &[Span] = &[(at(9, 15), at(11, 30)), (at(13, 0), at(15, 15))];

/// What an exchange time of day is for a product. Fractions belong to their second, so
/// `15:00:00.500` is `CloseGrace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// From 18:00 of the evening before to the opening auction of the trading day: a product that
    /// does not trade this night is in it until the morning.
    PreOpen,
    /// The five minutes before the first session of the trading day: 20:55-21:00 for a product that
    /// trades this night, else 08:55-09:00 (CFFEX 09:25-09:30, formerly 09:10-09:15). A product that
    /// traded at night has no day auction. The closing auction of CFFEX options is `Continuous`.
    Auction,
    /// The last [`OPEN_LEAD_SECONDS`] before a later session of the trading day.
    OpenLead,
    /// Inside a session.
    Continuous,
    /// Up to [`CLOSE_GRACE_SECONDS`] after the end of a session, breaks included.
    CloseGrace,
    /// Everything else: breaks, and all that comes after the last session until 18:00.
    Closed,
}

/// The sessions of one product on one trading day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionHours {
    /// End of the night session, which opens at 21:00.
    night_end: Option<u32>,
    /// The day sessions, in order.
    day: &'static [Span],
}

impl SessionHours {
    const fn commodity(night_end: Option<u32>) -> Self {
        Self {
            night_end,
            day: COMMODITY_DAY,
        }
    }

    /// Hours by the names of `sessions.csv`: the session classes and two former plans.
    fn parse(name: &str) -> Option<Self> {
        match name {
            "N2330" => Some(Self::commodity(Some(at(23, 30)))),
            "CFX-0915" => Some(Self {
                night_end: None,
                day: CFFEX_FORMER_DAY,
            }),
            _ => SessionClass::parse(name).map(SessionClass::hours),
        }
    }

    /// Whether the product trades at night at all.
    #[must_use]
    pub const fn has_night(self) -> bool {
        self.night_end.is_some()
    }

    /// The sessions of a trading day in order: first second of each and first second after it, since
    /// midnight. Auctions and breaks are outside. `opens_at_night` as in [`phase`](Self::phase).
    pub fn sessions(self, opens_at_night: bool) -> impl Iterator<Item = (u32, u32)> {
        let night_end = self.night_end.filter(|_| opens_at_night);
        let night = night_end.map(|end| (NIGHT_OPEN, end));
        let of_day = |time: u32| (time + EVENING_START_SECONDS) % DAY_SECONDS;
        let sessions = night.into_iter().chain(self.day.iter().copied());
        sessions.map(move |(open, close)| (of_day(open), of_day(close)))
    }

    /// The phase of `seconds_of_day` (seconds since midnight, exchange time). `opens_at_night` says
    /// whether the trading day began with a night session
    /// ([`TradingCalendar::opens_at_night`](crate::calendar::TradingCalendar::opens_at_night)).
    #[inline]
    #[must_use]
    pub fn phase(self, seconds_of_day: u32, opens_at_night: bool) -> Phase {
        if seconds_of_day >= DAY_SECONDS {
            return Phase::Closed;
        }
        let time = on_axis(seconds_of_day);
        let night_end = self.night_end.filter(|_| opens_at_night);
        let night = night_end.map(|end| (NIGHT_OPEN, end));
        let mut sessions = night.iter().chain(self.day);
        let first_open = sessions.clone().next().map_or(0, |&(open, _)| open);
        if time < first_open {
            return if time + AUCTION_SECONDS < first_open {
                Phase::PreOpen
            } else {
                Phase::Auction
            };
        }
        sessions
            .find_map(|&session| around(time, session))
            .unwrap_or(Phase::Closed)
    }
}

impl SessionHours {
    /// The phase of `seconds_of_day`, and times of day around it that have the same one. They do not
    /// reach past midnight.
    #[must_use]
    pub fn phase_around(self, seconds_of_day: u32, opens_at_night: bool) -> (Phase, Range<u32>) {
        let phase = self.phase(seconds_of_day, opens_at_night);
        let night = self.night_end.map(|end| (NIGHT_OPEN, end));
        let sessions = night.iter().chain(self.day);
        // At these times a phase may begin. What is one for another product does no harm.
        let begins = sessions.flat_map(|&(open, close)| {
            let after = close + CLOSE_GRACE_SECONDS + 1;
            [
                open - AUCTION_SECONDS,
                open - OPEN_LEAD_SECONDS,
                open,
                close,
                after,
            ]
        });
        let of_day = |time: u32| (time + EVENING_START_SECONDS) % DAY_SECONDS;
        let mut around = 0..DAY_SECONDS;
        for begin in begins.map(of_day).chain([EVENING_START_SECONDS]) {
            if begin <= seconds_of_day {
                around.start = around.start.max(begin);
            } else {
                around.end = around.end.min(begin);
            }
        }
        (phase, around)
    }
}

/// The phase of `time` as far as one session gives it one.
#[inline]
fn around(time: u32, (open, close): Span) -> Option<Phase> {
    if (open..close).contains(&time) {
        Some(Phase::Continuous)
    } else if (close..=close + CLOSE_GRACE_SECONDS).contains(&time) {
        Some(Phase::CloseGrace)
    } else if (open - OPEN_LEAD_SECONDS..open).contains(&time) {
        Some(Phase::OpenLead)
    } else {
        None
    }
}

impl SessionClass {
    /// All classes, in the order of the enum.
    pub const ALL: [Self; 6] = [
        Self::N0230,
        Self::N0100,
        Self::N2300,
        Self::Day,
        Self::CfxIndex,
        Self::CfxBond,
    ];

    /// The name in data files, for example `N2300` or `CFX-I`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::N0230 => "N0230",
            Self::N0100 => "N0100",
            Self::N2300 => "N2300",
            Self::Day => "DAY",
            Self::CfxIndex => "CFX-I",
            Self::CfxBond => "CFX-B",
        }
    }

    /// Reads a name of a data file, ignoring ASCII case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str().eq_ignore_ascii_case(name))
    }

    /// Today's hours of the class.
    #[must_use]
    pub const fn hours(self) -> SessionHours {
        match self {
            Self::N0230 => SessionHours::commodity(Some(at(2, 30))),
            Self::N0100 => SessionHours::commodity(Some(at(1, 0))),
            Self::N2300 => SessionHours::commodity(Some(at(23, 0))),
            Self::Day => SessionHours::commodity(None),
            Self::CfxIndex => SessionHours {
                night_end: None,
                day: CFFEX_INDEX_DAY,
            },
            Self::CfxBond => SessionHours {
                night_end: None,
                day: CFFEX_BOND_DAY,
            },
        }
    }

    /// [`SessionHours::phase`] in today's hours. For recordings of former years use the hours that
    /// [`ContractTable::hours_on`](super::ContractTable::hours_on) gives.
    #[must_use]
    pub fn phase(self, seconds_of_day: u32, opens_at_night: bool) -> Phase {
        self.hours().phase(seconds_of_day, opens_at_night)
    }
}

impl std::fmt::Display for SessionClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Hours that a product had from one trading day to another.
#[derive(Debug)]
struct FormerHours {
    first: NaiveDate,
    last: NaiveDate,
    hours: SessionHours,
}

/// The text of the built-in history, which is part of what a contract table's digest names.
pub(super) const HISTORY_TEXT: &str = include_str!("sessions.csv");

static HISTORY: LazyLock<BTreeMap<&str, Vec<FormerHours>>> = LazyLock::new(|| {
    parse_history(HISTORY_TEXT).expect("the embedded history is well formed: a test reads it")
});

/// The hours that `product` had on `day`, when they were not those of its class today.
pub(super) fn former_hours(product: &str, day: TradingDay) -> Option<SessionHours> {
    let rows = HISTORY.get(product)?;
    rows.iter()
        .find(|row| (row.first..=row.last).contains(&day.0))
        .map(|row| row.hours)
}

/// Reads `sessions.csv`; the first line that is not one is the error.
fn parse_history(text: &str) -> Result<BTreeMap<&str, Vec<FormerHours>>, &str> {
    let mut history: BTreeMap<&str, Vec<FormerHours>> = BTreeMap::new();
    let data = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    for line in data {
        let columns: Vec<&str> = line.split(',').collect();
        let &[product, first, last, hours] = columns.as_slice() else {
            return Err(line);
        };
        let day = |text: &str, open: NaiveDate| match text {
            "" => Ok(open),
            _ => text.parse().map_err(|_| line),
        };
        history.entry(product).or_default().push(FormerHours {
            first: day(first, NaiveDate::MIN)?,
            last: day(last, NaiveDate::MAX)?,
            hours: SessionHours::parse(hours).ok_or(line)?,
        });
    }
    Ok(history)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::parse_ctp_time;

    fn check(class: SessionClass, opens_at_night: bool, cases: &[(&str, Phase)]) {
        for (time, phase) in cases {
            let seconds = parse_ctp_time(time.as_bytes()).unwrap();
            let found = class.phase(seconds, opens_at_night);
            assert_eq!(found, *phase, "{class} {time} night {opens_at_night}");
        }
    }

    #[test]
    fn a_night_product_opens_in_the_evening_and_has_no_day_auction() {
        use Phase::{Auction, CloseGrace, Closed, Continuous, OpenLead, PreOpen};
        check(
            SessionClass::N2300,
            true,
            &[
                ("18:00:00", PreOpen),
                ("18:50:32", PreOpen),
                ("20:54:59", PreOpen),
                ("20:55:00", Auction),
                ("20:59:59", Auction),
                ("21:00:00", Continuous),
                ("22:59:59", Continuous),
                ("23:00:00", CloseGrace),
                ("23:03:00", CloseGrace),
                ("23:03:01", Closed),
                ("00:00:00", Closed),
                ("07:54:41", Closed),
                ("08:58:59", Closed),
                ("08:59:00", OpenLead),
                ("09:00:00", Continuous),
                ("10:14:59", Continuous),
                ("10:15:00", CloseGrace),
                ("10:18:00", CloseGrace),
                ("10:18:01", Closed),
                ("10:29:00", OpenLead),
                ("10:30:00", Continuous),
                ("11:30:01", CloseGrace),
                ("12:00:00", Closed),
                ("13:30:00", Continuous),
                ("14:59:59", Continuous),
                ("15:00:00", CloseGrace),
                ("15:03:01", Closed),
                ("15:22:06", Closed),
                ("17:59:59", Closed),
            ],
        );
    }

    #[test]
    fn a_phase_holds_everywhere_around_a_time() {
        let former = ["N2330", "CFX-0915"].map(|name| SessionHours::parse(name).unwrap());
        let hours = SessionClass::ALL.map(SessionClass::hours);
        for hours in hours.into_iter().chain(former) {
            for at_night in [true, false] {
                let mut next = 0;
                while next < DAY_SECONDS {
                    let (phase, around) = hours.phase_around(next, at_night);
                    assert_eq!(around.start, next);
                    assert!(around.end > next && around.end <= DAY_SECONDS);
                    for seconds in around.clone() {
                        assert_eq!(hours.phase(seconds, at_night), phase, "{hours:?} {seconds}");
                    }
                    let last = hours.phase_around(around.end - 1, at_night);
                    assert_eq!(last, (phase, around.clone()));
                    next = around.end;
                }
            }
        }
        let (phase, around) = hours[0].phase_around(DAY_SECONDS + 1, true);
        assert_eq!(phase, Phase::Closed);
        assert!(!around.contains(&(DAY_SECONDS + 1)));
    }

    #[test]
    fn sessions_are_what_is_continuous() {
        let former = ["N2330", "CFX-0915"].map(|name| SessionHours::parse(name).unwrap());
        let hours = SessionClass::ALL.map(SessionClass::hours);
        for hours in hours.into_iter().chain(former) {
            for at_night in [true, false] {
                let is_continuous = |time| hours.phase(time, at_night) == Phase::Continuous;
                for (open, close) in hours.sessions(at_night) {
                    assert!(is_continuous(open) && !is_continuous(close));
                    assert!(!is_continuous((open + DAY_SECONDS - 1) % DAY_SECONDS));
                    assert!(is_continuous((close + DAY_SECONDS - 1) % DAY_SECONDS));
                }
                let length = |(open, close)| (close + DAY_SECONDS - open) % DAY_SECONDS;
                let seconds = (0..DAY_SECONDS).filter(|time| is_continuous(*time));
                let sum: u32 = hours.sessions(at_night).map(length).sum();
                assert_eq!(seconds.count(), sum as usize);
            }
        }
    }

    #[test]
    fn nights_reach_past_midnight() {
        use Phase::{CloseGrace, Closed, Continuous};
        check(
            SessionClass::N0230,
            true,
            &[
                ("23:59:59", Continuous),
                ("00:00:00", Continuous),
                ("02:29:59", Continuous),
                ("02:30:00", CloseGrace),
                ("02:33:00", CloseGrace),
                ("02:33:01", Closed),
            ],
        );
        check(
            SessionClass::N0100,
            true,
            &[("00:59:59", Continuous), ("01:00:00", CloseGrace)],
        );
    }

    #[test]
    fn a_skipped_night_moves_the_auction_to_the_morning() {
        use Phase::{Auction, Continuous, PreOpen};
        for (class, night) in [(SessionClass::N0230, false), (SessionClass::Day, true)] {
            check(
                class,
                night,
                &[
                    ("20:55:00", PreOpen),
                    ("21:00:00", PreOpen),
                    ("02:00:00", PreOpen),
                    ("08:54:59", PreOpen),
                    ("08:55:00", Auction),
                    ("08:59:59", Auction),
                    ("09:00:00", Continuous),
                ],
            );
        }
    }

    #[test]
    fn cffex_has_its_own_day() {
        use Phase::{Auction, CloseGrace, Closed, Continuous, OpenLead, PreOpen};
        let common = [
            ("09:24:59", PreOpen),
            ("09:25:00", Auction),
            ("09:30:00", Continuous),
            ("10:20:00", Continuous),
            ("12:30:00", Closed),
            ("12:58:59", Closed),
            ("12:59:00", OpenLead),
            ("13:00:00", Continuous),
        ];
        check(SessionClass::CfxIndex, true, &common);
        check(SessionClass::CfxBond, false, &common);
        check(
            SessionClass::CfxIndex,
            true,
            &[("15:03:00", CloseGrace), ("15:10:00", Closed)],
        );
        check(
            SessionClass::CfxBond,
            true,
            &[("15:14:59", Continuous), ("15:15:01", CloseGrace)],
        );
    }

    #[test]
    fn former_hours_apply_until_their_last_trading_day() {
        let hours =
            |product: &str, day: &str| former_hours(product, TradingDay(day.parse().unwrap()));
        let late = parse_ctp_time(b"23:29:59").unwrap();
        let dce = hours("m", "2017-11-13").unwrap();
        assert_eq!(dce.phase(late, true), Phase::Continuous);
        assert_eq!(hours("m", "2019-04-01"), None);
        assert!(!hours("l", "2017-11-13").unwrap().has_night());
        assert_eq!(hours("rb", "2017-11-13"), None);
        let bond = hours("T", "2017-11-13").unwrap();
        let auction = parse_ctp_time(b"09:14:00").unwrap();
        assert_eq!(bond.phase(auction, true), Phase::Auction);
        assert_eq!(hours("T", "2020-07-20"), None);
        // The first night is the evening of the first trading day.
        assert!(!hours("SA", "2019-12-06").unwrap().has_night());
        let soda = hours("SA", "2019-12-09").unwrap();
        assert_eq!(soda.phase(late, true), Phase::Continuous);
        assert_eq!(hours("SA", "2019-12-13"), None);
        assert!(!hours("fu", "2018-06-26").unwrap().has_night());
        assert_eq!(hours("fu", "2018-07-17"), None);
    }

    #[test]
    fn the_builtin_history_is_well_formed_and_has_no_overlaps() {
        let history = parse_history(HISTORY_TEXT).unwrap();
        for (product, rows) in history {
            for pair in rows.windows(2) {
                assert!(pair[0].last < pair[1].first, "{product}");
            }
            assert!(rows.iter().all(|row| row.first <= row.last), "{product}");
        }
        assert_eq!(
            parse_history("h\nrb,,soon,DAY").unwrap_err(),
            "rb,,soon,DAY"
        );
    }

    proptest! {
        #[test]
        fn prop_every_second_has_a_phase(seconds in any::<u32>(), night in any::<bool>(), class in 0..6_usize) {
            let phase = SessionClass::ALL[class].phase(seconds, night);
            prop_assert!(seconds < DAY_SECONDS || phase == Phase::Closed);
        }
    }
}
